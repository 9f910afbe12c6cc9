"""Commands that stand in for meters: the simulator, and the replay of recorded files."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Annotated

import typer

from domain.errors import InputError
from domain.mapping import TableMapping, parse_mapping
from service.cli.parks import checked_park, example_park
from service.logs import configure_logs
from service.settings import load_settings
from service.stopping import stop_signals
from simulators.drive import Course
from simulators.drive import simulate as simulate_park
from simulators.publisher import Publisher
from simulators.replay import replay as replay_table

__all__ = ["File", "Mapped", "Rows", "read_mapping", "replay", "simulate", "table_rows"]

_REPEAT_S = 60.0
"""After a reconnect the last minute goes again: a broker that was killed may have lost it. [s]"""
_CONNECT_S = 15.0
_PATIENCE_S = 120.0

File = Annotated[
    Path, typer.Argument(help="The file, CSV with a head line.", exists=True, dir_okay=False, readable=True)
]
Mapped = Annotated[
    Path,
    typer.Option(
        "--mapping", help="The TOML file that says which column is which channel.", exists=True, dir_okay=False
    ),
]


def read_mapping(path: Path) -> TableMapping:
    """The mapping in a file."""
    try:
        return parse_mapping(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the mapping {path} cannot be read: {error}") from error


class Rows:
    """The rows of an open table, each with the number of the line on which it ends."""

    def __init__(self, file: IO[str], mapping: TableMapping) -> None:
        """Of a file that was opened as text."""
        self._file = file
        self._reader = csv.DictReader(file, delimiter=mapping.delimiter)

    def __iter__(self) -> Iterator[tuple[int, dict[str, str | None]]]:
        """Line and cells by heading, one row after the other."""
        for row in self._reader:
            yield self._reader.line_num, row

    def bytes_read(self) -> int:
        """How far the file is read. [B]"""
        return self._file.buffer.tell() if isinstance(self._file, TextIOWrapper) else 0


@contextmanager
def table_rows(path: Path, mapping: TableMapping) -> Iterator[Rows]:
    """
    The rows of a table.

    Raises
    ------
    InputError
        The file cannot be read, is not UTF-8, or is no table; also while its rows are taken.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield Rows(file, mapping)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the file {path} cannot be read: {error}") from error


def simulate(  # noqa: PLR0917 - typer's options
    park: Annotated[
        Path | None,
        typer.Option(help="The park file whose meters are simulated.", show_default="the example park", exists=True),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another park with the same meters.")] = 0,
    backfill_hours: Annotated[
        float, typer.Option(min=0, max=24 * 400, help="On a first start, how much of the past is published first.")
    ] = 24.0,
    faults_per_day: Annotated[
        float, typer.Option(min=0, max=10_000, help="How many faults of meters, gateways and lines a day brings.")
    ] = 0.0,
    state: Annotated[
        Path | None, typer.Option(help="File that keeps how far the meters have come, so that a restart goes on there.")
    ] = None,
    client_id: Annotated[str, typer.Option(help="Name of the simulator at the broker.")] = "kawasan-simulator",
) -> None:
    """Publish what the meters of a park read, over MQTT, as time goes by."""
    settings = load_settings()
    configure_logs(settings, "simulate")
    course = Course(seed=seed, backfill_s=backfill_hours * 3600, faults_per_day=faults_per_day)
    file = example_park() if park is None else checked_park(park)
    publisher = Publisher(settings.need_broker(), client_id=client_id, repeat_s=_REPEAT_S)
    with stop_signals() as stop, publisher:
        published = simulate_park(file, publisher, course, stop=stop, state=state)
    print(f"{published} messages published")


def replay(
    file: File,
    mapping: Mapped,
    speed: Annotated[
        float | None,
        typer.Option(min=1e-6, help="How many seconds of the file pass in one second.", show_default="no pause at all"),
    ] = None,
    as_fast_as_acknowledged: Annotated[
        bool, typer.Option("--as-fast-as-acknowledged", help="Publish without pause; this is also the default.")
    ] = False,
    client_id: Annotated[str, typer.Option(help="Name of the replay at the broker.")] = "kawasan-replay",
) -> None:
    """Publish the rows of a file over MQTT as if meters sent them, and wait until the broker has acknowledged all."""
    if as_fast_as_acknowledged and speed is not None:
        raise InputError("--speed and --as-fast-as-acknowledged exclude each other; give one of them")
    settings = load_settings()
    configure_logs(settings, "replay")
    table = read_mapping(mapping)
    publisher = Publisher(settings.need_broker(), client_id=client_id, repeat_s=_REPEAT_S, patience_s=_PATIENCE_S)
    with stop_signals() as stop, publisher, table_rows(file, table) as rows:
        publisher.wait_connected(_CONNECT_S)
        published = replay_table(publisher, table, (row for _, row in rows), speed=speed, stop=stop)
    print(f"{file}: {published} messages published and acknowledged")
