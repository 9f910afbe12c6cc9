"""The way from a real broker into a sink: nothing is acknowledged before it is committed, nothing is lost."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

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


class Proxy:
    """Passes bytes between a client and a broker, until the cable is cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset all connections, as a lost link does; new ones are taken."""
        for one in self._pairs:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                broker = socket.create_connection(("127.0.0.1", self._to_port))
                self._pairs += [client, broker]
                for one, other in ((client, broker), (broker, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def proxied(broker: PrivateBroker) -> Iterator[Proxy]:
    proxy = Proxy(broker.port)
    try:
        yield proxy
    finally:
        proxy.close()


def reception(version: str, **wishes: int) -> Reception:
    return Reception(client_id="ingest-test", version=version, **wishes)  # type: ignore[arg-type]


@contextmanager
def ingesting(
    broker: PrivateBroker, sink: Recorder, wanted: Reception, through: "Proxy | None" = None
) -> Iterator[MqttReceiver]:
    stop = threading.Event()
    writer = Writer(sink, lambda: Directory.of([small_registry()]), Limits(), IngestMetrics(CollectorRegistry()))
    address = BrokerAddress.parse(broker.url)
    if through is not None:
        address = replace(address, port=through.port)
    with MqttReceiver(address, wanted) as receiver:
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


def publish(broker: PrivateBroker, *values: float, retain: bool = False) -> None:
    address = BrokerAddress.parse(broker.url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"meter-{time.monotonic_ns()}")
    client.username_pw_set(str(address.user), address.password)
    client.connect(address.host, address.port)
    client.loop_start()
    start = from_datetime(to_datetime(now_us()).replace(microsecond=0)) // 1000 - 60_000
    sent = [
        client.publish(
            TOPIC, json.dumps({"ts": start + int(value), "values": {"energy_import": value}}), qos=1, retain=retain
        )
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
        until(lambda: receiver.held[0] >= 100, "a full window")
        held = receiver.held[0]
        sink.gate.set()
        until(lambda: len(set(sink.values)) == 1000, "all 1,000 values")

    assert held == 100


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_is_too_much_is_left_with_the_broker_and_comes_again(mosquitto: PrivateBroker, version: str) -> None:
    sink = Recorder()
    sink.gate.clear()

    with ingesting(mosquitto, sink, reception(version, queue_bytes=2000)) as receiver:
        publish(mosquitto, *range(300))
        until(lambda: receiver.is_overflowing, "more than 2,000 bytes")
        waiting = receiver.queued[1]
        sink.gate.set()
        until(lambda: len(set(sink.values)) == 300, "all 300 values")

    assert waiting <= 2000
    # Each was acknowledged on the connection that brought it, so none was written twice.
    assert sorted(sink.values) == [float(value) for value in range(300)]


def test_a_refused_login_is_said(mosquitto: PrivateBroker) -> None:
    address = BrokerAddress(host="127.0.0.1", port=mosquitto.port, tls=False, user="nobody", password="wrong")

    with MqttReceiver(address, reception("5")) as receiver, pytest.raises(Unavailable, match="refuses the connection"):
        receiver.take(1, DEADLINE_S)


def test_a_broker_that_does_not_speak_the_version_is_said_with_what_to_do(nats: PrivateBroker) -> None:
    with (
        MqttReceiver(BrokerAddress.parse(nats.url), reception("5")) as receiver,
        pytest.raises(Unavailable, match="try the other"),
    ):
        receiver.take(1, DEADLINE_S)


def test_a_connection_cut_in_the_middle_of_a_batch_loses_nothing(mosquitto: PrivateBroker) -> None:
    sink = Recorder()
    sink.gate.clear()

    with (
        proxied(mosquitto) as proxy,
        ingesting(mosquitto, sink, reception("5", receive_maximum=50), through=proxy) as receiver,
    ):
        publish(mosquitto, *range(200))
        until(lambda: receiver.held[0] == 50, "a full window, part of it being written")
        proxy.cut()
        until(lambda: not receiver.is_connected, "the loss of the connection")
        sink.gate.set()
        until(lambda: len(set(sink.values)) == 200, "all 200 values")

    assert set(sink.values) == {float(value) for value in range(200)}


def test_messages_published_while_nobody_listens_are_received_later(spoken: tuple[PrivateBroker, str]) -> None:
    broker, version = spoken
    sink = Recorder()
    with ingesting(broker, sink, reception(version)):
        pass

    publish(broker, *range(100))
    with ingesting(broker, sink, reception(version)):
        until(lambda: len(sink.values) >= 100, "100 values")

    assert set(sink.values) == {float(value) for value in range(100)}


def test_a_retained_reading_is_an_ordinary_one(spoken: tuple[PrivateBroker, str]) -> None:
    broker, version = spoken
    sink = Recorder()
    publish(broker, 5.0, retain=True)

    with ingesting(broker, sink, reception(version)):
        until(lambda: sink.values == [5.0], "the retained value")


def test_a_clean_stop_has_the_broker_forget_all_that_was_written(mosquitto: PrivateBroker) -> None:
    sink, again = Recorder(), Recorder()
    with ingesting(mosquitto, sink, reception("5", receive_maximum=20)):
        publish(mosquitto, *range(400))
        until(lambda: len(sink.values) > 50, "some of the values")

    with ingesting(mosquitto, again, reception("5")):
        until(lambda: len(sink.values + again.values) >= 400, "the rest")

    assert sorted(sink.values + again.values) == [float(value) for value in range(400)]
