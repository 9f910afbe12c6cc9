"""The publisher against real brokers: in order, bounded, and nothing lost when a broker goes away and comes back."""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from domain.errors import SettingsError, Unavailable
from domain.mapping import parse_mapping
from domain.parkfile import parse
from domain.time import HOUR_US, SECOND_US
from service.embedded import PrivateBroker
from simulators.drive import Course, simulate
from simulators.publisher import Publisher
from simulators.replay import replay, replayed_messages
from simulators.reports import Outgoing
from tests.support.park_texts import RIGHT
from tests.support.simulated import START_US, small_park

DEADLINE_S = 40.0

MAPPING = """
park = "estate"

[time]
column = "time"
interval_s = 3600

[[columns]]
column = "kwh"
tenant = "alpha"
meter = "main"
quantity = "energy_import"
cumulative = true
"""


class Listener:
    """Hears everything under `kawasan/`, with a session that outlives its connections."""

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._heard: list[tuple[str, bytes]] = []
        self._subscribed = threading.Event()
        address = urlsplit(url)
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="listener",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self._client.username_pw_set(str(address.username), address.password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("kawasan/#", qos=1) and None
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect(str(address.hostname), int(address.port or 0))
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def payloads(self) -> list[bytes]:
        with self._lock:
            return [payload for _, payload in self._heard]

    def messages(self) -> list[tuple[str, bytes]]:
        with self._lock:
            return list(self._heard)

    def wait_for(self, payloads: Iterable[bytes]) -> None:
        """Until all of them were heard, in whatever order and however often."""
        wanted, deadline_s = set(payloads), time.monotonic() + DEADLINE_S
        while not wanted <= set(self.payloads()):
            assert time.monotonic() < deadline_s, f"{len(wanted - set(self.payloads()))} messages were not heard"
            time.sleep(0.02)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            self._heard.append((message.topic, bytes(message.payload)))


@contextmanager
def listening(broker: PrivateBroker) -> Iterator[Listener]:
    listener = Listener(broker.url)
    try:
        yield listener
    finally:
        listener.close()


def numbered(first: int, count: int, step_us: int = SECOND_US) -> list[Outgoing]:
    return [
        Outgoing(topic="kawasan/v1/estate/alpha/main", payload=b"%d" % number, due_us=number * step_us, read_us=0)
        for number in range(first, first + count)
    ]


def payloads(messages: Iterable[Outgoing]) -> list[bytes]:
    return [message.payload for message in messages]


def test_messages_arrive_once_and_in_order(broker: PrivateBroker) -> None:
    messages = numbered(0, 500)

    with listening(broker) as listener, Publisher(broker.url, window=50) as publisher:
        published = publisher.publish(messages)
        publisher.settle(DEADLINE_S)
        listener.wait_for(payloads(messages))

        assert published == publisher.acknowledged == 500
        assert listener.payloads() == payloads(messages)


def test_no_more_messages_are_under_way_than_the_window_holds(mosquitto: PrivateBroker) -> None:
    taken: list[int] = []

    def counted() -> Iterator[Outgoing]:
        for message in numbered(0, 300):
            taken.append(len(taken) - publisher.acknowledged)
            yield message

    with Publisher(mosquitto.url, window=10) as publisher:
        publisher.publish(counted())
        publisher.settle(DEADLINE_S)

    # One more than the window is taken from the iterable before there is room for it.
    assert max(taken) <= 11


def test_nothing_is_lost_when_the_broker_restarts_while_publishing(mosquitto: PrivateBroker) -> None:
    messages = numbered(0, 1000)
    halfway = threading.Event()

    def watched() -> Iterator[Outgoing]:
        for number, message in enumerate(messages):
            if number == 400:
                halfway.set()
            yield message

    with listening(mosquitto) as listener, Publisher(mosquitto.url, window=20) as publisher:
        publishing = threading.Thread(target=lambda: publisher.publish(watched()))
        publishing.start()
        assert halfway.wait(DEADLINE_S)
        mosquitto.stop()
        mosquitto.start()
        publishing.join(DEADLINE_S)
        publisher.settle(DEADLINE_S)
        listener.wait_for(payloads(messages))

        assert set(listener.payloads()) == set(payloads(messages))


def test_what_a_killed_broker_had_acknowledged_is_published_again(mosquitto: PrivateBroker) -> None:
    before, after = numbered(0, 200), numbered(200, 50)

    with Publisher(mosquitto.url, repeat_s=60) as publisher:
        publisher.publish(before)
        publisher.settle(DEADLINE_S)
        mosquitto.kill()
        mosquitto.start()
        with listening(mosquitto) as listener:
            publisher.settle(DEADLINE_S)
            publisher.publish(after)
            publisher.settle(DEADLINE_S)
            # Without a store that was saved, only what comes again can be heard by a new listener.
            listener.wait_for(payloads(after))
            repeated = publisher.acknowledged - len(before) - len(after)

    assert repeated == len(before)


def test_only_what_was_acknowledged_lately_is_repeated(mosquitto: PrivateBroker) -> None:
    with Publisher(mosquitto.url, repeat_s=0.0) as publisher:
        publisher.publish(numbered(0, 100))
        publisher.settle(DEADLINE_S)
        mosquitto.kill()
        mosquitto.start()
        publisher.publish(numbered(100, 10))
        publisher.settle(DEADLINE_S)

        assert publisher.acknowledged == 110


def test_a_broker_that_comes_up_later_is_waited_for(mosquitto: PrivateBroker) -> None:
    url = mosquitto.url
    mosquitto.stop()

    with Publisher(url) as publisher:
        publisher.publish(numbered(0, 5))
        mosquitto.start()
        publisher.settle(DEADLINE_S)

        assert publisher.acknowledged == 5


def test_no_broker_is_told_as_unavailable_with_its_address_and_no_password(mosquitto: PrivateBroker) -> None:
    url = mosquitto.url
    mosquitto.stop()

    with Publisher(url) as publisher, pytest.raises(Unavailable, match=f"127.0.0.1:{urlsplit(url).port}") as caught:
        publisher.wait_connected(0.2)

    assert str(urlsplit(url).password) not in str(caught.value)


def test_a_silent_broker_is_given_up_when_patience_ends(mosquitto: PrivateBroker) -> None:
    with Publisher(mosquitto.url, window=5, patience_s=0.5) as publisher:
        publisher.wait_connected(DEADLINE_S)
        mosquitto.stop()
        with pytest.raises(Unavailable, match=r"acknowledged nothing for 0\.5 s"):
            publisher.publish(numbered(0, 20))


def test_a_wrong_password_is_told_at_once(mosquitto: PrivateBroker) -> None:
    address = urlsplit(mosquitto.url)

    with (
        Publisher(f"mqtt://nobody:wrong@{address.hostname}:{address.port}") as publisher,
        pytest.raises(SettingsError, match="refuses the connection"),
    ):
        publisher.wait_connected(DEADLINE_S)


def test_publishing_stops_between_two_messages(mosquitto: PrivateBroker) -> None:
    stop = threading.Event()

    def stopping() -> Iterator[Outgoing]:
        for number, message in enumerate(numbered(0, 100)):
            if number == 30:
                stop.set()
            yield message

    with Publisher(mosquitto.url) as publisher:
        assert publisher.publish(stopping(), stop=stop) == 30


def test_a_speed_factor_spreads_messages_over_their_own_time(mosquitto: PrivateBroker) -> None:
    with Publisher(mosquitto.url) as publisher:
        publisher.wait_connected(DEADLINE_S)
        begun_s = time.monotonic()
        publisher.publish(numbered(0, 11, step_us=60 * SECOND_US), speed=1200)

        # Ten minutes at 1200 times are half a second.
        assert 0.5 <= time.monotonic() - begun_s < 5


def test_a_replayed_table_arrives_as_its_messages(broker: PrivateBroker) -> None:
    mapping = parse_mapping(MAPPING)
    rows = [{"time": f"2026-01-01T0{hour}:00:00+07:00", "kwh": str(hour)} for hour in range(9)]

    with listening(broker) as listener, Publisher(broker.url) as publisher:
        published = replay(publisher, mapping, rows)
        listener.wait_for(payloads(replayed_messages(mapping, rows)))

        assert published == len(listener.messages()) >= 9


def test_a_replay_stops_when_told_to(mosquitto: PrivateBroker) -> None:
    stop = threading.Event()
    stop.set()

    with Publisher(mosquitto.url) as publisher:
        assert replay(publisher, parse_mapping(MAPPING), [{"time": "2026-01-01T00:00:00Z", "kwh": "1"}], stop=stop) == 0


def test_a_simulated_park_publishes_its_past_and_its_present(broker: PrivateBroker) -> None:
    now_us = START_US + 3 * HOUR_US
    stop = threading.Event()
    turns = iter(range(10))

    def clock() -> int:
        turn = next(turns, None)
        if turn is None:
            stop.set()
        return now_us + 30 * SECOND_US * (10 if turn is None else turn)

    with listening(broker) as listener, Publisher(broker.url) as publisher:
        published = simulate(parse(RIGHT, "yaml"), publisher, Course(backfill_s=3 * 3600), stop=stop, now_us=clock)
        publisher.settle(DEADLINE_S)
        deadline_s = time.monotonic() + DEADLINE_S
        while len(listener.messages()) < published and time.monotonic() < deadline_s:
            time.sleep(0.02)
        heard = listener.messages()

    told = {
        (topic, one["ts"] * 1000): one["values"]
        for topic, payload in heard
        for one in json.loads(payload).get("readings", [json.loads(payload)])
    }
    wanted = {
        (f"kawasan/v1/estate/{report.place}", report.ts_us): dict(report.values)
        for report in small_park(seed=0).reports(START_US, now_us + 4 * 60 * SECOND_US)
        if report.due_us <= now_us + 4 * 60 * SECOND_US
    }
    assert wanted.items() <= told.items()
