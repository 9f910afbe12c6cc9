"""The console entry: all commands, and every error as one sentence."""

import os
import sys
import traceback
from typing import Annotated

import typer

from domain.errors import ParkError, SettingsError
from service.cli.commands import CommandGroup
from service.version import installed_version

__all__ = ["app", "main"]

_DEBUG = "KAWASAN_DEBUG"
_STOPPED = 130

app = typer.Typer(
    name="kawasan",
    cls=CommandGroup,
    help="Energy, water and effluent of an industrial park: from meter readings over MQTT to numbers people act on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"kawasan {installed_version()}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", envvar=_DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    del version
    if debug:
        os.environ[_DEBUG] = "1"


def main() -> None:
    """
    Run the command that the arguments name, and end the process.

    Exit codes: 0 done, 1 it could not be done, 2 settings or arguments are wrong, 130 stopped by Ctrl-C.
    """
    try:
        code = app(prog_name="kawasan", standalone_mode=False)
    except typer.TyperException as error:
        code = _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        code = _STOPPED
    except ParkError as error:
        code = _told(error, str(error), 2 if isinstance(error, SettingsError) else 1)
    except Exception as error:  # noqa: BLE001 - the top of the process
        code = _told(error, f"unexpected {type(error).__name__}: {error}; `kawasan --debug ...` shows where", 1)
    sys.exit(code)


def _misused(error: typer.TyperException) -> int:
    message = error.format_message()
    if "\n" in message:
        # Called without a command: the message is the whole help.
        print(message, file=sys.stderr)
        return error.exit_code
    return _told(error, f"{message} (`kawasan --help` shows what there is)", error.exit_code)


def _told(error: BaseException, sentence: str, code: int) -> int:
    if os.environ.get(_DEBUG, "") not in {"", "0", "false"}:
        traceback.print_exception(error)
    print(f"kawasan: {sentence}", file=sys.stderr)
    return code
