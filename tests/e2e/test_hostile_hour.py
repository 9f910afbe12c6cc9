"""Broken payloads between good ones: every good value is stored, every bad one is listed, nothing stops."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from domain.readings import Message
from domain.time import parse_instant
from ingest import Directory, Limits, decode
from service.embedded import PrivateBroker
from simulators.publisher import Publisher
from simulators.reports import Outgoing
from store import Role, connect, load_registries
from tests.support.disorder import TOPICS, disorder_park, faults, published
from tests.support.installation import DEADLINE_S, Installation, installation, until

ROUNDS = 16
PER_ROUND = 100
MOST_GROWTH_BYTES = 48 * 1024 * 1024
START_MS = parse_instant("2024-03-30T00:00:00+07:00") // 1000


@pytest.fixture
def whole(tmp_path: Path, kawasan_url: str, mosquitto: PrivateBroker) -> Iterator[Installation]:
    with installation(tmp_path, kawasan_url, mosquitto) as started:
        yield started


def good(number: int) -> Outgoing:
    reading = {"ts": START_MS + number * 1000, "values": {"energy_import": number * 0.01, "water_in": 0.5}}
    return published(TOPICS["power"], json.dumps(reading).encode())


def bad(dice: random.Random) -> Outgoing:
    """A good message damaged, random bytes, or something that is large, deep or strange."""
    known = good(dice.randrange(10**6)).payload
    damaged = bytearray(known)
    for _ in range(3):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    payload = dice.choice(
        [
            b"{" + bytes(damaged),
            dice.randbytes(dice.randrange(1, 400)),
            b"[" * dice.randrange(1000, 60_000),
            b'{"ts":1,"values":' + b'{"a":' * 500 + b"1" + b"}" * 501,
            json.dumps({"readings": [{"values": {f"q{n}": n}} for n in range(dice.randrange(1, 60))]}).encode(),
            b" " * dice.randrange(262_145, 300_000),
            f'{{"ts":{START_MS},"values":{{"energy_import":{"9" * dice.randrange(400, 5000)}}}}}'.encode(),
            dice.choice(faults()).payload,
        ]
    )
    topic = dice.choice(
        [TOPICS["power"], TOPICS["outlet"], "kawasan/v1/x", "kawasan/v1/a/b/c/d", "kawasan/v1/p/\u202e/m"]
    )
    return published(topic, payload)


def expected(whole: Installation, messages: list[Outgoing]) -> tuple[int, int]:
    """How many values must be rejected, and how many distinct rejections that makes."""
    with connect(whole.database_url, Role.WRITE) as conn:
        directory = Directory.of(load_registries(conn))
    now_us = parse_instant("2026-06-01T00:00:00Z")
    made = [Message(topic=one.topic.encode(), payload=one.payload, received_us=now_us) for one in messages]
    batch = decode(made, directory, now_us, Limits(oldest_us=now_us))
    distinct = {
        (messages[one.message].topic, messages[one.message].payload, one.place, one.reason) for one in batch.rejections
    }
    return sum(one.values for one in batch.rejections), len(distinct)


def test_an_hour_of_broken_payloads_loses_no_good_value(whole: Installation) -> None:
    whole.run("migrate")
    whole.apply(disorder_park())
    whole.start("ingest", "ingest", KAWASAN_REJECTIONS_KEPT="1000000")
    until(lambda: "ingest runs" in (whole.folder / "ingest.log").read_text(), "the subscription")
    process = psutil.Process(whole.pid("ingest"))
    dice = random.Random(1)
    sent: list[Outgoing] = []
    memory: list[int] = []

    with Publisher(whole.broker.url, client_id="gateway") as gateway:
        for number in range(ROUNDS):
            part = [bad(dice) for _ in range(PER_ROUND)]
            sent += part
            goods = [good(number * PER_ROUND + place) for place in range(PER_ROUND)]
            gateway.publish(message for pair in zip(part, goods, strict=True) for message in pair)
            gateway.settle(DEADLINE_S)
            stored = 2 * (number + 1) * PER_ROUND
            until(lambda stored=stored: whole.row("SELECT count(*) FROM reading") == (stored,), f"{stored} good values")  # type: ignore[misc]
            memory.append(process.memory_info().rss)

    values, distinct = expected(whole, sent)
    until(lambda: whole.row("SELECT coalesce(sum(rejected), 0) FROM ledger") == (values,), "every bad value counted")
    assert whole.row("SELECT count(*) FROM rejection") == (distinct,)
    assert whole.row("SELECT count(*) FROM rejection WHERE reason = '' OR detail = ''") == (0,)
    assert max(memory[ROUNDS // 2 :]) - memory[ROUNDS // 4] < MOST_GROWTH_BYTES
    assert process.is_running()
