"""The command that brings a file in without MQTT, or only says what would become of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from prometheus_client import CollectorRegistry

from domain.errors import InputError
from domain.mapping import TableMapping, TableMessage
from domain.readings import Batch, Outcome
from ingest import IngestMetrics, Told, Writer, import_rows
from service.cli.ingesting import writer_of
from service.cli.meters import File, Mapped, Rows, read_mapping, table_rows
from service.cli.progress import progress_bar
from service.formats import Form, TableWriter
from service.imports import Cells, Fates, LineNumbers
from service.logs import configure_logs
from service.settings import load_settings
from store import ReadingSink, Role, connect
from store.foreseen import ForeseeingSink

__all__ = ["import_file"]

REPORT_COLUMNS = ("line", "place", "reason", "detail")


def import_file(
    file: File,
    mapping: Mapped,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would become of each line, and write nothing.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="File for every cell that is refused, as CSV: line, place, reason, detail.", dir_okay=False
        ),
    ] = None,
) -> None:
    """Bring a file into the database without MQTT, by the same decoder, ledger and queue. Twice stores nothing twice."""
    settings = load_settings()
    configure_logs(settings, "import")
    url, table = settings.need_database(), read_mapping(mapping)
    with ExitStack() as stack:
        foreseen = ForeseeingSink(lambda: connect(url, Role.WRITE, application="kawasan-import")) if dry_run else None
        sink = ReadingSink(url, rejections_kept=settings.rejections_kept) if foreseen is None else foreseen
        stack.callback(sink.close)
        told = _Told(table, foreseen, stack.enter_context(_report(report)))
        writer = writer_of(settings, url, IngestMetrics(CollectorRegistry()), sink)
        messages, total = _imported(writer, table, file, told)
    if dry_run:
        print("what would become of the values of each line:")
        for sentence in told.sentences():
            print(f"- {sentence}")
    _print_sum(file, messages, total, told.refused_lines, dry_run=dry_run)


class _Told:
    """Is told of each batch: writes what was refused into the report, and counts lines."""

    def __init__(
        self, mapping: TableMapping, sink: ForeseeingSink | None, write: Callable[[int, str, str, str], None]
    ) -> None:
        self.lines = LineNumbers()
        self._cells = Cells(mapping)
        self._sink, self._write = sink, write
        self._fates = Fates()
        self._refused: set[int] = set()

    def __call__(self, batch: Batch, made: Sequence[TableMessage]) -> None:
        for rejection in batch.rejections:
            for cell in self._cells.refused(made[rejection.message], rejection):
                self._refused.add(cell.row)
                self._write(self.lines.of(cell.row), cell.column, cell.reason.value, cell.detail)
        if self._sink is not None:
            self._fates.add(batch, made, self._cells, self._sink.fate)

    def reached(self, row: int, line: int) -> None:
        """A row was read."""
        self.lines.note(row, line)
        if self._sink is not None:
            self._fates.reach(row)

    @property
    def refused_lines(self) -> int:
        """Of how many lines something was refused."""
        return len(self._refused)

    def sentences(self) -> Iterator[str]:
        """What would become of each line."""
        return self._fates.sentences(self.lines)


def _imported(writer: Writer, table: TableMapping, file: Path, told: _Told) -> tuple[int, Outcome]:
    messages, total = 0, Outcome()
    size = max(1, file.stat().st_size)
    with table_rows(file, table) as rows, progress_bar(f"importing {file.name}") as show:
        teller: Told = told
        parts = import_rows(
            writer, table, _noted(rows, told), name=file.name, now_us=lambda: time.time_ns() // 1000, told=teller
        )
        for part in parts:
            messages += part.messages
            total = _sum(total, part.outcome)
            show(rows.bytes_read() / size, f"{total.received} values, {sum(total.rejected.values())} rejected")
    return messages, total


def _noted(rows: Rows, told: _Told) -> Iterator[dict[str, str | None]]:
    for number, (line, row) in enumerate(rows, start=1):
        told.reached(number, line)
        yield row


@contextmanager
def _report(path: Path | None) -> Iterator[Callable[[int, str, str, str], None]]:
    """Takes lines of the report while the block lasts."""
    if path is None:
        yield lambda *_: None
        return
    writer = TableWriter(Form.CSV, REPORT_COLUMNS)
    try:
        file: BinaryIO = path.open("wb")
    except OSError as error:
        raise InputError(f"the report {path} cannot be written: {error.strerror or error}") from error
    with file:
        file.write(writer.begin())
        yield lambda *line: _ignored(file.write(writer.rows([line])))


def _ignored(_: int) -> None:
    return None


def _print_sum(file: Path, messages: int, total: Outcome, refused_lines: int, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    print(
        f"{file}: {total.received} values in {messages} messages: {total.stored} {would}stored, {total.duplicate} duplicates, "
        f"{total.conflict} conflicts, {sum(total.rejected.values())} {would}rejected"
    )
    for reason, values in sorted(total.rejected.items()):
        shown = "" if dry_run else f"; `kawasan rejections list --reason {reason.value}` shows them"
        print(f"- {values} {would}rejected: {reason.value}{shown}")
    if refused_lines:
        print(f"of {refused_lines} lines something {would or 'was '}refused; --report FILE lists all of it")


def _sum(one: Outcome, other: Outcome) -> Outcome:
    reasons = one.rejected.keys() | other.rejected.keys()
    return Outcome(
        stored=one.stored + other.stored,
        duplicate=one.duplicate + other.duplicate,
        conflict=one.conflict + other.conflict,
        rejected={reason: one.rejected.get(reason, 0) + other.rejected.get(reason, 0) for reason in reasons},
    )
