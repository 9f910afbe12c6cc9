"""The writing loop: what is acknowledged, and when; what is retried, halved, set aside."""

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from domain.errors import DataError, Unavailable
from domain.readings import Batch, Message, Outcome, Reason
from ingest import Delivery, Directory, IngestMetrics, Limits, Writer
from tests.support.registries import small_registry

NOW_US = 1_795_507_200_000_000
TOPIC = b"kawasan/v1/p/t/m"


def message(value: float, topic: bytes = TOPIC) -> Message:
    payload = b'{"ts":%d,"values":{"energy_import":%f}}' % (NOW_US // 1000 - 60_000, value)
    return Message(topic=topic, payload=payload, received_us=NOW_US)


class Deliveries:
    """A receiver that has some messages, and asks to stop once they are acknowledged."""

    def __init__(self, stop: threading.Event, *messages: Message) -> None:
        self.stop = stop
        self.waiting = [
            Delivery(message=one, packet_id=number, qos=1, generation=1) for number, one in enumerate(messages, start=1)
        ]
        self.acknowledged: list[int] = []
        self.on_acknowledge: Callable[[], None] = lambda: None

    def take(self, most: int, timeout_s: float) -> Sequence[Delivery]:
        assert timeout_s > 0
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        if not taken:
            self.stop.set()
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        self.on_acknowledge()
        self.acknowledged += [delivery.packet_id for delivery in deliveries]
        return len(deliveries)


class Sink:
    """A sink that refuses what a test wants refused, and keeps the rest."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.calls = 0
        self.failing: Callable[[Batch], Exception | None] = lambda _batch: None

    def write(self, batch: Batch) -> Outcome:
        self.calls += 1
        error = self.failing(batch)
        if error is not None:
            raise error
        self.batches.append(batch)
        rejected: dict[Reason, int] = {}
        for one in batch.rejections:
            rejected[one.reason] = rejected.get(one.reason, 0) + one.values
        return Outcome(stored=len(batch.readings), rejected=rejected)

    @property
    def values(self) -> list[float]:
        return [value for batch in self.batches for value in batch.readings.value.tolist()]


def writer_into(sink: Sink, registry: CollectorRegistry | None = None) -> Writer:
    metrics = IngestMetrics(CollectorRegistry() if registry is None else registry)
    return Writer(sink, lambda: Directory.of([small_registry()]), Limits(), metrics, now_us=lambda: NOW_US)


def poisoned_by(value: float) -> Callable[[Batch], Exception | None]:
    return lambda batch: DataError("refused\x00 for \u00fc") if value in batch.readings.value else None


def test_nothing_is_acknowledged_before_it_is_committed() -> None:
    stop, sink = threading.Event(), Sink()
    receiver = Deliveries(stop, message(1), message(2))
    committed_before: list[int] = []
    receiver.on_acknowledge = lambda: committed_before.append(len(sink.values))

    writer_into(sink).run(receiver, stop)

    assert committed_before == [2]
    assert receiver.acknowledged == [1, 2]


def test_while_the_database_is_away_nothing_is_acknowledged_and_nothing_dropped() -> None:
    stop, sink = threading.Event(), Sink()
    receiver = Deliveries(stop, message(1))
    sink.failing = lambda _batch: Unavailable("away") if sink.calls <= 2 else None

    writer_into(sink).run(receiver, stop)

    assert sink.calls == 3
    assert sink.values == [1.0]
    assert receiver.acknowledged == [1]


def test_told_to_stop_while_the_database_is_away_it_leaves_the_messages_to_the_broker() -> None:
    stop, sink = threading.Event(), Sink()
    receiver = Deliveries(stop, message(1))

    def away(_batch: Batch) -> Exception:
        stop.set()
        return Unavailable("away")

    sink.failing = away

    writer_into(sink).run(receiver, stop)

    assert receiver.acknowledged == []


def test_the_directory_is_asked_for_again_while_the_database_is_away() -> None:
    stop, sink = threading.Event(), Sink()
    receiver = Deliveries(stop, message(1))
    answers: list[Exception | Directory] = [Unavailable("away"), Directory.of([small_registry()])]

    def load() -> Directory:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    Writer(sink, load, Limits(), IngestMetrics(CollectorRegistry()), now_us=lambda: NOW_US).run(receiver, stop)

    assert sink.values == [1.0]


@pytest.mark.parametrize("bad", [0, 5, 12])
def test_the_one_message_that_the_database_refuses_is_set_aside_and_all_others_are_stored(bad: int) -> None:
    sink = Sink()
    sink.failing = poisoned_by(float(bad))

    outcome = writer_into(sink).write([message(value) for value in range(13)])

    assert sorted(sink.values) == [float(value) for value in range(13) if value != bad]
    assert outcome == Outcome(stored=12, rejected={Reason.DATABASE: 1})


def test_a_message_set_aside_by_the_database_is_whole_and_told_in_plain_letters() -> None:
    sink = Sink()
    sink.failing = poisoned_by(7.0)

    writer_into(sink).write([message(7.0)])

    (batch,) = sink.batches
    (rejection,) = batch.rejections
    assert batch.messages == (message(7.0),)
    assert rejection.detail == "refused? for \\xfc"


def test_a_database_that_refuses_even_the_rejection_ends_the_writer_without_acknowledging() -> None:
    stop, sink = threading.Event(), Sink()
    receiver = Deliveries(stop, message(1))
    sink.failing = lambda _batch: DataError("refused")

    with pytest.raises(DataError):
        writer_into(sink).run(receiver, stop)

    assert receiver.acknowledged == []


def test_a_meter_that_was_added_meanwhile_is_known_at_its_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink()
    loads: list[int] = []

    def load() -> Directory:
        loads.append(1)
        return Directory.of([small_registry()] if len(loads) > 1 else [])

    writer = Writer(sink, load, Limits(), IngestMetrics(CollectorRegistry()), now_us=lambda: NOW_US)
    monkeypatch.setattr("ingest.writer._REFRESH_S", -1.0)

    outcome = writer.write([message(1)])

    assert outcome.stored == 1
    assert len(loads) == 2


def test_unknown_meters_do_not_have_the_registry_read_at_every_batch() -> None:
    sink = Sink()
    loads: list[int] = []

    def load() -> Directory:
        loads.append(1)
        return Directory.of([small_registry()])

    writer = Writer(sink, load, Limits(), IngestMetrics(CollectorRegistry()), now_us=lambda: NOW_US)
    for _ in range(5):
        writer.write([message(1, topic=b"kawasan/v1/p/t/other")])

    assert len(loads) == 1


def test_a_refresh_has_the_registry_read_before_the_next_batch() -> None:
    sink = Sink()
    loads: list[int] = []

    def load() -> Directory:
        loads.append(1)
        return Directory.of([small_registry()])

    writer = Writer(sink, load, Limits(), IngestMetrics(CollectorRegistry()), now_us=lambda: NOW_US)
    writer.write([message(1)])
    writer.refresh()
    writer.write([message(2)])

    assert len(loads) == 2


def test_what_became_of_the_values_is_counted() -> None:
    sink, registry = Sink(), CollectorRegistry()

    writer_into(sink, registry).write([message(1), message(2, topic=b"nonsense"), message(3)])

    assert registry.get_sample_value("kawasan_ingest_values_total", {"fate": "stored"}) == 2
    assert registry.get_sample_value("kawasan_ingest_rejected_total", {"reason": "topic"}) == 1
    assert registry.get_sample_value("kawasan_ingest_messages_total") == 3


def test_how_the_receiver_is_is_shown_as_it_is_now() -> None:
    registry = CollectorRegistry()
    receiver = SimpleNamespace(is_connected=False, is_overflowing=False, held=(0, 0))
    IngestMetrics(registry).watch(receiver)

    receiver.is_connected, receiver.held = True, (7, 900)

    shown = [
        registry.get_sample_value(f"kawasan_ingest_{name}") for name in ("connected", "held_messages", "held_bytes")
    ]
    assert shown == [1, 7, 900]
