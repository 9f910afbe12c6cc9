"""Real MQTT brokers for tests, each test with one of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.embedded import BrokerKind, PrivateBroker, find_broker
from tests.support.strictness import missing

# NATS repeats what was unacknowledged only after this time, and a test waits for it.
ACK_WAIT_S = 2


@contextmanager
def private_broker(kind: BrokerKind, folder: Path) -> Iterator[PrivateBroker]:
    """A broker of one's own, which may be killed and started again; gone at the end."""
    if find_broker(kind) is None:
        missing(f"no {kind}: install the package mosquitto, or run `make test` as root, which does")
    broker = PrivateBroker(folder, kind=kind, ack_wait_s=ACK_WAIT_S)
    try:
        broker.start()
        yield broker
    finally:
        broker.erase()


@pytest.fixture
def mosquitto(server_folder: Path) -> Iterator[PrivateBroker]:
    """A Mosquitto of the test's own (MQTT 3.1.1 and 5)."""
    with private_broker("mosquitto", server_folder.with_suffix(".mosquitto")) as broker:
        yield broker


@pytest.fixture
def nats(server_folder: Path) -> Iterator[PrivateBroker]:
    """A NATS server of the test's own (MQTT 3.1.1)."""
    with private_broker("nats", server_folder.with_suffix(".nats")) as broker:
        yield broker


@pytest.fixture(params=["mosquitto", "nats"])
def broker(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[PrivateBroker]:
    """A broker of the test's own; the test runs with Mosquitto and with NATS."""
    with private_broker(request.param, server_folder.with_suffix(f".{request.param}")) as started:
        yield started
