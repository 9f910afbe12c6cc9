"""The unit that a source publishes in, by the reading's own time."""

import json
from dataclasses import replace
from typing import Any

import pytest

from domain.readings import Batch, Message
from domain.registry import Channel, WireUnit
from domain.time import parse_instant, to_datetime
from ingest import Directory, Limits, decode
from tests.support.registries import small_registry

NOW_US = parse_instant("2026-11-24T08:00:00Z")
CHANGE_US = parse_instant("2026-11-20T00:00:00Z")
DAY_US = 86_400_000_000


def directory(**changes: tuple[WireUnit, ...]) -> Directory:
    """The small registry with other units of some quantities."""
    registry = small_registry()

    def of(channel: Channel) -> Channel:
        return replace(channel, wire_units=changes.get(channel.quantity, ()))

    return Directory.of([replace(registry, channels=tuple(of(channel) for channel in registry.channels))])


def decoded(known: Directory, *readings: tuple[int, dict[str, float]], **rest: Any) -> Batch:
    told = [{"ts": to_datetime(ts).isoformat(), "values": values, **rest} for ts, values in readings]
    payload = json.dumps({"readings": told}).encode()
    return decode([Message(topic=b"kawasan/v1/p/t/m", payload=payload, received_us=NOW_US)], known, NOW_US, Limits())


def test_the_unit_in_force_at_a_readings_own_time_counts_in_whatever_order_readings_come() -> None:
    later = CHANGE_US + 2 * DAY_US
    known = directory(energy_import=(WireUnit(from_us=CHANGE_US, unit="MWh"), WireUnit(from_us=later, unit="Wh")))

    batch = decoded(
        known,
        (later, {"energy_import": 5000.0}),
        (CHANGE_US, {"energy_import": 4.0}),
        (CHANGE_US - 1, {"energy_import": 3.0, "effluent_flow": 10.0}),
        (later - 1, {"energy_import": 4.5}),
    )

    assert batch.readings.value.tolist() == [5.0, 4000.0, 3.0, 36.0, 4500.0]


def test_a_message_that_names_its_unit_is_taken_at_its_word() -> None:
    known = directory(energy_import=(WireUnit(from_us=CHANGE_US, unit="MWh"),))

    batch = decoded(known, (CHANGE_US, {"energy_import": 4.0}), units={"energy_import": "kWh"})

    assert batch.readings.value.tolist() == [4.0]


@pytest.mark.parametrize(("stamp_us", "value"), [(CHANGE_US, 1.0), (CHANGE_US + DAY_US, 1000.0)])
def test_a_value_stamped_at_its_end_is_of_the_unit_at_its_start(stamp_us: int, value: float) -> None:
    known = directory(cod=(WireUnit(from_us=CHANGE_US, unit="g/L"),))

    batch = decoded(known, (stamp_us, {"cod": 1.0}))

    assert batch.readings.value.tolist() == [value]
