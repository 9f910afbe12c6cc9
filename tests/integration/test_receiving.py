"""The way from a real broker into a sink: nothing is acknowledged before it is committed, nothing is lost."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import CollectorRegistry

from domain.broker import BrokerAddress
from domain.errors import DataError, Unavailable
from domain.readings import Batch, Outcome, Reason
from domain.time import from_datetime, to_datetime
from ingest import Directory, IngestMetrics, Limits, MqttReceiver, Reception, Writer
from service.embedded import PrivateBroker
from tests.support.registries import small_registry

DEADLINE_S = 30.0
TOPIC = "kawasan/v1/p/t/m"


def now_us() -> int:
    return time.time_ns() // 1000


def until(said: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not said():
        assert time.monotonic() < ends, f"{what} did not come about in {DEADLINE_S:g} s"
        threading.Event().wait(0.02)


class Recorder:
    """A sink that keeps what it was given, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.rejected: list[Reason] = []
        self.away = 0
        self.poison: float | None = None
        self.gate = threading.Event()
        self.gate.set()

    def write(self, batch: Batch) -> Outcome:
        self.gate.wait(DEADLINE_S)
        if self.away:
            self.away -= 1
            raise Unavailable("away, as the test wants")
        if self.poison is not None and self.poison in batch.readings.value:
            raise DataError("refused, as the test wants")
        self.values += batch.readings.value.tolist()
        self.rejected += [rejection.reason for rejection in batch.rejections]
        return Outcome(stored=len(batch.readings))


def version_for(broker: PrivateBroker) -> str:
    return "5" if broker.speaks_mqtt5 else "3.1.1"


def reception(version: str, **wishes: int) -> Reception:
    return Reception(client_id="ingest-test", version=version, **wishes)  # type: ignore[arg-type]


@contextmanager
def ingesting(broker: PrivateBroker, sink: Recorder, wanted: Reception) -> Iterator[MqttReceiver]:
    stop = threading.Event()
    writer = Writer(sink, lambda: Directory.of([small_registry()]), Limits(), IngestMetrics(CollectorRegistry()))
    with MqttReceiver(BrokerAddress.parse(broker.url), wanted) as receiver:
        thread = threading.Thread(target=writer.run, args=(receiver, stop))
        thread.start()
        try:
            until(lambda: receiver.is_connected, "the connection")
            yield receiver
        finally:
            stop.set()
            sink.gate.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


def publish(broker: PrivateBroker, *values: float) -> None:
    address = BrokerAddress.parse(broker.url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"meter-{time.monotonic_ns()}")
    client.username_pw_set(str(address.user), address.password)
    client.connect(address.host, address.port)
    client.loop_start()
    start = from_datetime(to_datetime(now_us()).replace(microsecond=0)) // 1000 - 60_000
    sent = [
        client.publish(TOPIC, json.dumps({"ts": start + int(value), "values": {"energy_import": value}}), qos=1)
        for value in values
    ]
    for one in sent:
        one.wait_for_publish(DEADLINE_S)
        assert one.is_published()
    client.disconnect()
    client.loop_stop()


@pytest.fixture(params=["mosquitto 5", "mosquitto 3.1.1", "nats 3.1.1"])
def spoken(request: pytest.FixtureRequest) -> tuple[PrivateBroker, str]:
    kind, version = request.param.split()
    return request.getfixturevalue(kind), version


def test_every_published_value_reaches_the_sink(spoken: tuple[PrivateBroker, str]) -> None:
    broker, version = spoken
    sink = Recorder()

    with ingesting(broker, sink, reception(version)):
        publish(broker, *range(500))
        until(lambda: len(set(sink.values)) == 500, "the last of 500 values")

    assert sorted(set(sink.values)) == [float(value) for value in range(500)]


def test_what_was_not_committed_comes_again_after_a_restart(spoken: tuple[PrivateBroker, str]) -> None:
    broker, version = spoken
    sink = Recorder()
    with ingesting(broker, sink, reception(version)):
        pass
    publish(broker, *range(50))

    with MqttReceiver(BrokerAddress.parse(broker.url), reception(version)) as crashing:
        until(lambda: crashing.queued[0] == 50, "50 messages that wait")
    with ingesting(broker, sink, reception(version)):
        until(lambda: len(set(sink.values)) == 50, "all 50 values")

    assert sorted(set(sink.values)) == [float(value) for value in range(50)]


def test_what_was_acknowledged_does_not_come_again(mosquitto: PrivateBroker) -> None:
    sink = Recorder()
    with ingesting(mosquitto, sink, reception("5")):
        publish(mosquitto, *range(20))
        until(lambda: len(sink.values) == 20, "20 values")
    again = Recorder()

    with ingesting(mosquitto, again, reception("5")):
        publish(mosquitto, 99.0)
        until(lambda: 99.0 in again.values, "a later value")

    assert again.values == [99.0]


def test_nothing_is_acknowledged_while_the_database_is_away(mosquitto: PrivateBroker) -> None:
    sink = Recorder()
    sink.away = 3

    with ingesting(mosquitto, sink, reception("5")):
        publish(mosquitto, 1.0, 2.0)
        until(lambda: sorted(sink.values) == [1.0, 2.0], "both values, after three failures")

    assert sink.away == 0


def test_a_message_that_the_database_refuses_is_set_aside_alone(mosquitto: PrivateBroker) -> None:
    sink = Recorder()
    sink.poison = 7.0
    sink.gate.clear()

    with ingesting(mosquitto, sink, reception("5")):
        publish(mosquitto, *range(20))
        sink.gate.set()
        until(lambda: len(sink.values) == 19, "all but the refused one")

    assert sorted(sink.values) == [float(value) for value in range(20) if value != 7]
    assert sink.rejected == [Reason.DATABASE]


def test_an_acknowledgement_of_an_earlier_connection_is_not_sent(mosquitto: PrivateBroker) -> None:
    with MqttReceiver(BrokerAddress.parse(mosquitto.url), reception("5")) as receiver:
        until(lambda: receiver.is_connected, "the connection")
        publish(mosquitto, 1.0)
        stale = receiver.take(10, DEADLINE_S)
        assert len(stale) == 1
        mosquitto.stop()
        until(lambda: not receiver.is_connected, "the loss of the connection")
        mosquitto.start()
        until(lambda: receiver.is_connected, "the next connection")

        told = receiver.acknowledge(stale)
        again = receiver.take(10, DEADLINE_S)

        assert told == 0
        assert [delivery.message.payload for delivery in again] == [delivery.message.payload for delivery in stale]
        assert receiver.acknowledge(again) == 1


def test_a_slow_sink_bounds_what_waits_and_loses_nothing(mosquitto: PrivateBroker) -> None:
    sink = Recorder()
    sink.gate.clear()

    with ingesting(mosquitto, sink, reception("5", receive_maximum=100)) as receiver:
        publish(mosquitto, *range(1000))
        until(lambda: receiver.queued[0] > 0, "messages that wait")
        waiting = receiver.queued[0]
        sink.gate.set()
        until(lambda: len(set(sink.values)) == 1000, "all 1,000 values")

    assert waiting <= 100


def test_too_many_bytes_close_the_connection_until_half_is_written(mosquitto: PrivateBroker) -> None:
    sink = Recorder()
    sink.gate.clear()

    with ingesting(mosquitto, sink, reception("5", queue_bytes=2000)) as receiver:
        publish(mosquitto, *range(300))
        until(lambda: not receiver.is_connected, "the pause")
        sink.gate.set()
        until(lambda: len(set(sink.values)) == 300, "all 300 values")

    assert sorted(set(sink.values)) == [float(value) for value in range(300)]


def test_a_refused_login_is_said(mosquitto: PrivateBroker) -> None:
    address = BrokerAddress(host="127.0.0.1", port=mosquitto.port, tls=False, user="nobody", password="wrong")

    with MqttReceiver(address, reception("5")) as receiver, pytest.raises(Unavailable, match="refuses the connection"):
        receiver.take(1, DEADLINE_S)
