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
from service.cli.processes import writer_of
from service.logs import configure_logs
from service.settings import load_settings

__all__ = ["import_file", "replay", "simulate"]

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


def simulate() -> None:
    """x."""


def replay() -> None:
    """x."""
