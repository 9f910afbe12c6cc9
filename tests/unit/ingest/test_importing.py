"""Files come in by the same decoder and sink as messages, under a source of their own."""

from prometheus_client import CollectorRegistry

from domain.mapping import TableMapping
from domain.readings import Batch, Outcome, Reason
from domain.time import parse_instant
from ingest import Directory, IngestMetrics, Limits, Writer, import_rows
from tests.support.registries import small_registry

NOW_US = parse_instant("2026-11-24T08:00:00Z")

MAPPING = TableMapping.model_validate(
    {
        "park": "p",
        "time": {"column": "at", "interval_s": 86_400},
        "columns": [{"column": "v", "tenant": "t", "meter": "m", "quantity": "effluent_flow", "unit": "m3/d"}],
    }
)


class Sink:
    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def write(self, batch: Batch) -> Outcome:
        self.batches.append(batch)
        return Outcome(stored=len(batch.readings), rejected={one.reason: one.values for one in batch.rejections})


def imported(*rows: tuple[str, str]) -> tuple[Batch, Outcome]:
    sink = Sink()
    directory = Directory.of([small_registry()])
    writer = Writer(sink, lambda: directory, Limits(), IngestMetrics(CollectorRegistry()), now_us=lambda: NOW_US)
    parts = list(
        import_rows(writer, MAPPING, ({"at": at, "v": v} for at, v in rows), name="flow.csv", now_us=lambda: NOW_US)
    )
    assert sum(part.messages for part in parts) == len(rows)
    return sink.batches[0], parts[0].outcome


def test_rows_are_stored_in_the_canonical_unit_and_counted_for_their_file() -> None:
    batch, outcome = imported(("2026-11-02T00:00:00Z", "240"))

    assert batch.readings.value.tolist() == [10.0]
    assert batch.sources == ("import:flow.csv",)
    assert outcome == Outcome(stored=1)


def test_old_rows_are_taken_where_the_channel_lived_already() -> None:
    batch, _ = imported(("2021-01-02T00:00:00Z", "240"), ("2019-01-02T00:00:00Z", "240"))

    assert batch.readings.ts_us.tolist() == [parse_instant("2021-01-01T00:00:00Z")]
    assert [one.reason for one in batch.rejections] == [Reason.CLOCK]


def test_a_cell_that_is_no_number_is_rejected_and_the_import_goes_on() -> None:
    batch, outcome = imported(("2026-11-02T00:00:00Z", "n/a"), ("2026-11-03T00:00:00Z", "240"))

    assert [one.reason for one in batch.rejections] == [Reason.NOT_A_NUMBER]
    assert outcome.stored == 1
