"""
How fast messages are stored, from the broker into the database, beside what either side could do alone.

One run, one JSON line. A backlog is published first, so that the publisher takes no part in the race:

- `receive_only`: paho receives and acknowledges, nothing is decoded or stored: the ceiling of the left side
- `end_to_end`: receive, decode, commit, acknowledge
- `copy_only`: binary COPY of the same rows into the same table: the ceiling of the right side

Run it by `make bench` or `python -m benchmarks.bench_ingest [--messages N]`.
"""

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import CollectorRegistry

from domain.broker import BrokerAddress
from domain.parkfile import ParkFile
from domain.time import DAY_US
from ingest import Directory, IngestMetrics, Limits, MqttReceiver, Reception, Writer
from service.embedded import PrivateBroker, PrivatePostgres, find_installations
from store import ReadingSink, Role, apply_park, connect, load_registries, migrate

METERS = 200
READINGS = (1, 100)
POSTGRES_EPOCH_US = 946_684_800_000_000
DEADLINE_S = 300.0


def park() -> ParkFile:
    """A park of METERS meters with one register each."""
    register = {"quantity": "energy_import", "kind": "register", "interval_s": 1, "resolution": 0.01, "max_rate": 1e9}
    meters = [{"key": f"m{n}", "name": f"M{n}", "role": "use", "channels": [register]} for n in range(METERS)]
    return ParkFile.model_validate(
        {
            "park": {"key": "p", "name": "P", "timezone": "Asia/Jakarta", "valid_from": "2020-01-01T00:00:00+07:00"},
            "tenants": [{"key": "t", "name": "T", "meters": meters}],
        }
    )


def payloads(messages: int, readings: int, start_us: int) -> Iterator[tuple[str, bytes]]:
    """Messages of all meters in turn, with rising times and registers."""
    for number in range(messages):
        step = number // METERS * readings
        entries = [
            {"ts": start_us // 1000 + (step + place) * 1000, "values": {"energy_import": step + place + 0.25}}
            for place in range(readings)
        ]
        content: Any = entries[0] if readings == 1 else {"readings": entries}
        yield f"kawasan/v1/p/t/m{number % METERS}", json.dumps(content).encode()


def publish(url: str, messages: Iterator[tuple[str, bytes]]) -> None:
    """Publish all, each acknowledged by the broker."""
    address = BrokerAddress.parse(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench-publisher")
    client.username_pw_set(str(address.user), address.password)
    client.max_inflight_messages_set(2000)
    client.max_queued_messages_set(0)
    client.connect(address.host, address.port)
    client.loop_start()
    sent = [client.publish(topic, payload, qos=1) for topic, payload in messages]
    sent[-1].wait_for_publish(DEADLINE_S)
    for one in sent:
        one.wait_for_publish(DEADLINE_S)
    client.disconnect()
    client.loop_stop()


def reception(broker: PrivateBroker, client_id: str) -> Reception:
    """How the benchmark receives."""
    return Reception(client_id=client_id, version="5" if broker.speaks_mqtt5 else "3.1.1")


def subscribe(broker: PrivateBroker, client_id: str) -> None:
    """Make a session that collects what is published while nobody reads."""
    with MqttReceiver(BrokerAddress.parse(broker.url), reception(broker, client_id)) as receiver:
        wait(lambda: receiver.is_connected)
        time.sleep(0.5)


def wait(said: Callable[[], bool]) -> None:
    """Wait until something is so, within the benchmark's bound of time."""
    ends = time.monotonic() + DEADLINE_S
    while not said():
        if time.monotonic() > ends:
            raise TimeoutError(f"not done in {DEADLINE_S:g} s")
        time.sleep(0.01)


def receive_only(broker: PrivateBroker, messages: int) -> float:
    """Messages per second that paho receives and acknowledges."""
    taken, begun = 0, 0.0
    with MqttReceiver(BrokerAddress.parse(broker.url), reception(broker, "bench-receive")) as receiver:
        while taken < messages:
            deliveries = receiver.take(5000, 5.0)
            begun = begun or time.perf_counter()
            receiver.acknowledge(deliveries)
            taken += len(deliveries)
    return messages / (time.perf_counter() - begun)


def end_to_end(broker: PrivateBroker, url: str, readings: int) -> float:
    """Readings per second that are received, decoded, committed and acknowledged."""

    def load() -> Directory:
        with connect(url, Role.WRITE) as conn:
            return Directory.of(load_registries(conn))

    class Counting:
        stored = 0

        def __init__(self) -> None:
            self.sink = ReadingSink(url)

        def write(self, batch: Any) -> Any:
            outcome = self.sink.write(batch)
            self.stored += outcome.stored
            return outcome

    counting, stop = Counting(), threading.Event()
    writer = Writer(counting, load, Limits(), IngestMetrics(CollectorRegistry()))
    with MqttReceiver(BrokerAddress.parse(broker.url), reception(broker, "bench-ingest")) as receiver:
        thread = threading.Thread(target=writer.run, args=(receiver, stop))
        begun = time.perf_counter()
        thread.start()
        wait(lambda: counting.stored >= readings)
        seconds = time.perf_counter() - begun
        stop.set()
        thread.join()
    return readings / seconds


def copy_only(url: str, rows: int) -> float:
    """Rows per second of binary COPY into the same table, in batches as large as ingest's."""
    columns = np.dtype(
        [("fields", ">i2")]
        + [
            part
            for name, kind in (("c", ">i4"), ("t", ">i8"), ("v", ">f8"), ("q", ">i4"), ("r", ">i8"), ("b", ">i8"))
            for part in ((f"{name}_length", ">i4"), (name, kind))
        ]
    )
    table = np.zeros(rows, dtype=columns)
    table["fields"] = 6
    for name, size in (("c", 4), ("t", 8), ("v", 8), ("q", 4), ("r", 8), ("b", 8)):
        table[f"{name}_length"] = size
    table["c"] = np.arange(rows) % METERS + 1
    table["t"] = time.time_ns() // 1000 - POSTGRES_EPOCH_US - 30 * DAY_US + np.arange(rows) // METERS * 1_000_000
    table["r"] = time.time_ns() // 1000 - POSTGRES_EPOCH_US
    head, tail = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
    with psycopg.connect(url) as conn:
        begun = time.perf_counter()
        for part in np.array_split(table, max(1, rows // 50_000)):
            with conn.cursor() as cursor, cursor.copy("COPY reading FROM STDIN BINARY") as copy:
                copy.write(head + part.tobytes() + tail)
            conn.commit()
        return rows / (time.perf_counter() - begun)


@contextmanager
def database(folder: Path) -> Iterator[tuple[str, str]]:
    """A private database with TimescaleDB where that is installed: (url, what it is)."""
    given = os.environ.get("KAWASAN_BENCH_DATABASE_URL")
    if given:
        yield given, "given"
        return
    found = find_installations()
    chosen = next((one for one in found if one.timescaledb), found[0])
    with PrivatePostgres(folder / "postgres", installation=chosen) as server:
        try:
            yield server.url, f"PostgreSQL {chosen.major}{' with TimescaleDB' if chosen.timescaledb else ''}"
        finally:
            server.erase()


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="messages of one reading; a tenth of 100")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kawasan-bench-", dir="/var/tmp"))
    folder.chmod(0o711)
    result: dict[str, Any] = {"benchmark": "ingest", "cores": os.cpu_count(), "python": platform.python_version()}
    with database(folder) as (url, what):
        broker = PrivateBroker(folder / "broker")
        result |= {"database": what, "broker": broker.kind}
        migrate(url)
        with connect(url, Role.MIGRATE) as conn:
            apply_park(conn, park())
        for place, readings in enumerate(READINGS):
            messages = wanted.messages if readings == 1 else wanted.messages // 10
            start_us = (time.time_ns() // 1_000_000_000 - (place + 1) * 10 * 86_400) * 1_000_000
            with broker:
                for client_id in ("bench-receive", "bench-ingest"):
                    subscribe(broker, client_id)
                publish(broker.url, payloads(messages, readings, start_us))
                ceiling = receive_only(broker, messages)
                stored = end_to_end(broker, url, messages * readings)
            copied = copy_only(url, messages * readings) if readings > 1 else None
            result[f"{readings}_per_message"] = {
                "messages": messages,
                "receive_only_messages_per_s": round(ceiling),
                "end_to_end_messages_per_s": round(stored / readings),
                "end_to_end_readings_per_s": round(stored),
                "copy_only_rows_per_s": None if copied is None else round(copied),
            }
        broker.erase()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
