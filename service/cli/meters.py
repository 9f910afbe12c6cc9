"""Commands that stand in for meters: the simulator, the replay of recorded files, and import without MQTT."""

import csv
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry

from domain.errors import InputError
from domain.mapping import TableMapping, parse_mapping
from domain.readings import Outcome
from ingest import IngestMetrics, import_rows
from service.cli.parks import checked_park, example_park
from service.cli.processes import writer_of
from service.logs import configure_logs
from service.settings import load_settings
from service.stopping import stop_signals
from simulators.drive import Course
from simulators.drive import simulate as simulate_park
from simulators.publisher import Publisher
from simulators.replay import replay as replay_table

__all__ = ["import_file", "replay", "simulate"]

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


def _mapping(path: Path) -> TableMapping:
    try:
        return parse_mapping(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the mapping {path} cannot be read: {error}") from error


@contextmanager
def _rows(path: Path, mapping: TableMapping) -> Iterator[Iterator[dict[str, str | None]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield iter(csv.DictReader(file, delimiter=mapping.delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the file {path} cannot be read: {error}") from error


def import_file(file: File, mapping: Mapped) -> None:
    """Bring a file into the database without MQTT, by the same decoder, ledger and queue. Twice stores nothing twice."""
    settings = load_settings()
    configure_logs(settings, "import")
    table = _mapping(mapping)
    writer = writer_of(settings, settings.need_database(), IngestMetrics(CollectorRegistry()))
    messages, total = 0, Outcome()
    with _rows(file, table) as rows:
        for part in import_rows(writer, table, rows, name=file.name, now_us=lambda: time.time_ns() // 1000):
            messages += part.messages
            total = _sum(total, part.outcome)
    print(
        f"{file}: {total.received} values in {messages} messages: {total.stored} stored, {total.duplicate} duplicates, "
        f"{total.conflict} conflicts, {sum(total.rejected.values())} rejected"
    )
    for reason, values in sorted(total.rejected.items()):
        print(f"- {values} rejected: {reason.value}; `kawasan rejections list --reason {reason.value}` shows them")


def _sum(one: Outcome, other: Outcome) -> Outcome:
    reasons = one.rejected.keys() | other.rejected.keys()
    return Outcome(
        stored=one.stored + other.stored,
        duplicate=one.duplicate + other.duplicate,
        conflict=one.conflict + other.conflict,
        rejected={reason: one.rejected.get(reason, 0) + other.rejected.get(reason, 0) for reason in reasons},
    )


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
    table = _mapping(mapping)
    publisher = Publisher(settings.need_broker(), client_id=client_id, repeat_s=_REPEAT_S, patience_s=_PATIENCE_S)
    with stop_signals() as stop, publisher, _rows(file, table) as rows:
        publisher.wait_connected(_CONNECT_S)
        published = replay_table(publisher, table, rows, speed=speed, stop=stop)
    print(f"{file}: {published} messages published and acknowledged")
