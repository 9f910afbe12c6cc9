"""One set of readings in any order: shuffled, repeated, cut into other messages, with faults among them."""

import json
import random
from collections.abc import Sequence
from typing import Any

from domain.parkfile import ParkFile
from domain.time import parse_instant
from simulators.reports import Outgoing

START_US = parse_instant("2024-03-30T00:00:00+07:00")
"""Three days over the end of a month."""
STEP_US = 900_000_000
STEPS = 3 * 96

TOPICS = {"power": "kawasan/v1/disorder/firm/main", "outlet": "kawasan/v1/disorder/_park/outlet"}


def published(topic: str, payload: bytes) -> Outgoing:
    """A message that is sent whenever its turn comes."""
    return Outgoing(topic=topic, payload=payload, due_us=START_US, read_us=START_US)


def disorder_park() -> ParkFile:
    """Registers, interval amounts, gauges and a load, with a rule."""

    def channel(quantity: str, kind: str, **rest: Any) -> dict[str, Any]:
        return {"quantity": quantity, "kind": kind, "interval_s": 900, "resolution": 0.01, **rest}

    main = [
        channel("energy_import", "register", max_rate=5000.0, digits=5),
        channel("energy_reactive_lagging", "register", max_rate=5000.0),
        channel("water_in", "interval"),
    ]
    outlet = [
        channel("effluent_volume", "register", max_rate=5000.0),
        channel("cod", "gauge"),
        channel("ph", "gauge", statistic="mean"),
    ]
    return ParkFile.model_validate(
        {
            "park": {
                "key": "disorder",
                "name": "Disorder",
                "timezone": "Asia/Jakarta",
                "valid_from": "2024-01-01T00:00:00+07:00",
            },
            "tenants": [
                {"key": "_park", "name": "Operator", "meters": [_meter("outlet", "outlet", outlet)]},
                {"key": "firm", "name": "Firm", "meters": [_meter("main", "use", main)]},
            ],
            "rules": [
                {
                    "key": "cod",
                    "meter": "_park/outlet",
                    "quantity": "cod",
                    "statistic": "mean",
                    "window": "hour",
                    "highest": 100.0,
                    "legal_basis": "made up for the test",
                }
            ],
        }
    )


def _meter(key: str, role: str, channels: list[dict[str, Any]]) -> dict[str, Any]:
    return {"key": key, "name": key.title(), "role": role, "channels": channels}


def readings(seed: int) -> list[tuple[str, dict[str, Any]]]:
    """The good readings: (topic, reading); some missing, some in conflict, one spike, one rollover, one reset."""
    dice = random.Random(seed)
    energy, reactive, volume = 99_500.0, 10.0, 5_000.0
    made: list[tuple[str, dict[str, Any]]] = []
    for step in range(STEPS + 1):
        energy = round((energy + dice.uniform(0, 60)) % 100_000, 2)
        reactive = round(reactive + dice.uniform(0, 20), 2) if step != 150 else 1.5
        volume = round(volume + dice.uniform(0, 9), 2)
        if dice.random() < 0.04 or 100 <= step < 112:
            continue
        jitter_us = dice.choice((0, 0, 1_234_567, 45_000_000))
        ts_ms = (START_US + step * STEP_US + jitter_us) // 1000
        seen = 7.0 if step == 60 else energy
        power = {"energy_import": seen, "energy_reactive_lagging": reactive, "water_in": round(dice.uniform(0, 5), 2)}
        outlet = {"effluent_volume": volume, "cod": round(dice.uniform(60, 130), 1), "ph": round(dice.gauss(7.5, 1), 2)}
        made += [(TOPICS["power"], {"ts": ts_ms, "values": power}), (TOPICS["outlet"], {"ts": ts_ms, "values": outlet})]
        if dice.random() < 0.03:
            made.append((TOPICS["power"], {"ts": ts_ms, "values": {"energy_import": seen + 40.0}}))
        if dice.random() < 0.03:
            made.append((TOPICS["outlet"], {"ts": ts_ms + 60_000, "values": {"cod": 70.0}, "quality": "calibration"}))
    return made


def faults() -> list[Outgoing]:
    """Broken messages; each is always cut the same way, so that its rejections are the same ones."""
    topic = TOPICS["power"]
    good = START_US // 1000 + 7_777
    texts = [
        "{",
        '{"ts":"2024-03-30T00:00:00","values":{"energy_import":1}}',
        f'{{"ts":{good},"values":{{"energy_import":NaN,"nonsense":1,"water_in":"3"}}}}',
        f'{{"ts":{good},"values":{{"energy_import":1}},"units":{{"energy_import":"m3"}}}}',
        '{"ts":99999999999999,"values":{"energy_import":1}}',
        '{"readings":[1,2]}',
    ]
    made = [published(topic, text.encode()) for text in texts]
    return [*made, published("kawasan/v1/disorder/firm/gone", texts[2].encode()), published(topic, b"\xff\x00\xfe")]


def in_order(made: Sequence[tuple[str, dict[str, Any]]]) -> list[Outgoing]:
    """One reading a message, as they were made, the faults at the end."""
    return [published(topic, json.dumps(reading).encode()) for topic, reading in made] + faults()


def disordered(made: Sequence[tuple[str, dict[str, Any]]], seed: int) -> list[Outgoing]:
    """The same readings shuffled, a fifth of them twice, cut into messages of any size, the faults anywhere."""
    dice = random.Random(seed)
    values = [
        (topic, {**reading, "values": {quantity: value}})
        for topic, reading in made
        for quantity, value in reading["values"].items()
    ]
    values += dice.sample(values, len(values) // 5)
    dice.shuffle(values)
    messages: list[Outgoing] = []
    for topic in TOPICS.values():
        mine = [reading for of, reading in values if of == topic]
        while mine:
            size = dice.choice((1, 2, 3, 10, 40))
            part, mine = mine[:size], mine[size:]
            content = part[0] if len(part) == 1 else {"readings": part}
            messages.append(published(topic, json.dumps(content).encode()))
    messages += faults() * 2
    dice.shuffle(messages)
    return messages
