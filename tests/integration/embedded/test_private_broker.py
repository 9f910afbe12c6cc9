"""The private MQTT brokers of the demo and of all tests, running the files shipped in deploy/."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from domain.errors import Unavailable
from service.embedded import PrivateBroker

PROJECT = Path(__file__).resolve().parents[3]
PATIENCE_S = 20.0
TOPIC = "kawasan/v1/karawang/t01/main"


class Meeting:
    """A client that is connected, and what it was sent."""

    def __init__(self, address: str, client_id: str, password: str | None = None) -> None:
        self.answered = threading.Event()
        self.subscribed = threading.Event()
        self.arrived = threading.Condition()
        self.reason: ReasonCode | None = None
        self.payloads: list[bytes] = []
        parts = urlsplit(address)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        self.client.username_pw_set(parts.username, password or parts.password)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._received
        self.client.connect(str(parts.hostname), int(parts.port or 0))
        self.client.loop_start()
        assert self.answered.wait(PATIENCE_S)

    def _connected(self, _client: object, _user: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        self.reason = reason
        self.answered.set()

    def _received(self, _client: object, _user: object, message: mqtt.MQTTMessage) -> None:
        with self.arrived:
            self.payloads.append(bytes(message.payload))
            self.arrived.notify_all()

    def wait_for(self, count: int) -> set[bytes]:
        with self.arrived:
            self.arrived.wait_for(lambda: len(set(self.payloads)) >= count, PATIENCE_S)
            return set(self.payloads)


@contextmanager
def meeting(address: str, client_id: str, password: str | None = None) -> Iterator[Meeting]:
    met = Meeting(address, client_id, password)
    try:
        yield met
    finally:
        met.client.disconnect()
        met.client.loop_stop()


def subscribe(address: str) -> None:
    """Open the session of a reader that is away afterwards."""
    with meeting(address, "reader") as reader:
        reader.client.subscribe("kawasan/v1/#", qos=1)
        assert reader.subscribed.wait(PATIENCE_S)


def publish(address: str, count: int) -> set[bytes]:
    payloads = {f"{number}".encode() for number in range(count)}
    with meeting(address, "meter") as meter:
        sent = [meter.client.publish(TOPIC, payload, qos=1) for payload in payloads]
        for one in sent:
            one.wait_for_publish(PATIENCE_S)
    return payloads


def test_a_reader_that_was_away_gets_what_was_published_meanwhile(broker: PrivateBroker) -> None:
    subscribe(broker.url)
    published = publish(broker.url, 300)

    with meeting(broker.url, "reader") as reader:
        received = reader.wait_for(300)

    assert received == published


def test_a_stopped_broker_keeps_what_it_holds_for_a_reader(broker: PrivateBroker) -> None:
    address = broker.url
    subscribe(address)
    published = publish(address, 50)

    broker.stop()
    broker.start()
    with meeting(address, "reader") as reader:
        received = reader.wait_for(50)

    assert received == published


def test_nats_killed_keeps_every_message_it_acknowledged(nats: PrivateBroker) -> None:
    subscribe(nats.url)
    published = publish(nats.url, 300)

    nats.kill()
    nats.start()
    with meeting(nats.url, "reader") as reader:
        received = reader.wait_for(300)

    assert received == published


def test_a_killed_broker_comes_back_at_the_same_address(broker: PrivateBroker) -> None:
    address = broker.url

    broker.kill()
    broker.start()

    assert broker.url == address
    with meeting(address, "meter") as meter:
        assert meter.reason == 0


def test_a_wrong_password_does_not_get_in(broker: PrivateBroker) -> None:
    with meeting(broker.url, "guest", password="guessed") as guest:
        assert guest.reason is not None
        assert guest.reason.is_failure


def test_mosquitto_holds_more_for_a_slow_reader_than_its_default_allows(mosquitto: PrivateBroker) -> None:
    subscribe(mosquitto.url)
    published = publish(mosquitto.url, 1_500)

    with meeting(mosquitto.url, "reader") as reader:
        received = reader.wait_for(1_500)

    assert received == published


START_AND_DIE = """
import os, sys
from pathlib import Path
from service.embedded import PrivateBroker

broker = PrivateBroker(Path(sys.argv[1]), kind=sys.argv[2])
broker.start()
print(broker.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_broker_left_by_a_killed_kawasan_is_taken_over(broker: PrivateBroker, server_folder: Path) -> None:
    folder = server_folder.with_suffix(".left")
    killed = subprocess.run(
        [sys.executable, "-c", START_AND_DIE, str(folder), broker.kind],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    left = int(killed.stdout)
    successor = PrivateBroker(folder, kind=broker.kind)

    successor.start()

    try:
        assert killed.returncode == -signal.SIGKILL
        assert successor.pid != left
        assert not Path(f"/proc/{left}/cwd").exists()
    finally:
        successor.erase()


def test_two_brokers_on_the_same_store_are_refused(broker: PrivateBroker) -> None:
    second = PrivateBroker(broker.home, kind=broker.kind)

    with pytest.raises(Unavailable, match="another kawasan is at work on the data"):
        second.start()

    assert broker.is_running()


def test_a_port_that_is_taken_is_named(broker: PrivateBroker, server_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        second = PrivateBroker(server_folder.with_suffix(".second"), kind=broker.kind, port=port)

        with pytest.raises(Unavailable, match=f"port {port} of 127.0.0.1 is taken"):
            second.start()

    second.erase()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run under another account")
def test_roots_mosquitto_does_not_run_as_root(mosquitto: PrivateBroker) -> None:
    assert Path(f"/proc/{mosquitto.pid}").stat().st_uid != 0


def test_an_erased_broker_leaves_nothing_behind(broker: PrivateBroker) -> None:
    broker.erase()

    assert not broker.home.exists()
