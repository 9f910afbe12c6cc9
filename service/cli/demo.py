"""The command `kawasan demo`."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.demo_run import erase_demo, run_demo
from service.settings import load_settings
from service.stopping import stop_signals

__all__ = ["run_demo_command"]

_FOLDER = Path(".kawasan")


def run_demo_command(
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="KAWASAN_DATA_DIR", help="Folder that keeps everything.", show_default=".kawasan"),
    ] = None,
    host: Annotated[
        str | None, typer.Option(envvar="KAWASAN_HOST", help="Address of the page.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(envvar="KAWASAN_PORT", help="TCP port of the page.", show_default="8321")
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Delete what an earlier demo kept in the folder, and start anew.")
    ] = False,
) -> None:
    """
    Run a whole example park on this machine: database, broker, meters, ingest, engine and page, until Ctrl-C.

    KAWASAN_DATABASE_URL and KAWASAN_MQTT_URL, where set, are used in place of private servers.
    """
    settings = load_settings(data_dir=data_dir, host=host, port=port)
    folder = (settings.data_dir or _FOLDER).absolute()
    with stop_signals() as stop:
        if reset and erase_demo(folder):
            _say(f"deleted {folder}")
        run_demo(settings, folder, stop, _say)


def _say(line: str) -> None:
    print(line, flush=True)
