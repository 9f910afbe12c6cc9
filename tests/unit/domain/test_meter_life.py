"""What is wrong with an entry in the life of a meter, and what only looks odd."""

from dataclasses import replace
from typing import Any

import pytest

from domain.meterlife import (
    DeviceEntry,
    ExchangeEntry,
    LifeEntry,
    MultiplierEntry,
    Neighbours,
    OutageEntry,
    UnitEntry,
    exchange_warnings,
    life_mistakes,
)
from domain.parkfile import mistakes, parse
from domain.registry import Exchange, Multiplier, Outage, Registry
from domain.time import parse_instant
from tests.support.park_texts import RIGHT, changed
from tests.support.registries import REGISTER, VALID_FROM_US, small_registry

HOUR_US = 3_600_000_000
AT_US = parse_instant("2026-06-10T10:00:00+07:00")
NOW_US = AT_US + 7 * 24 * HOUR_US
DIAL = replace(REGISTER, modulus=1e6, max_rate=100.0, resolution=0.1)


def site(**changes: Any) -> Registry:
    """The small registry, its register and its meter as told."""
    registry = small_registry()
    meter = replace(registry.meters[0], outages=changes.pop("outages", ()))
    return replace(registry, meters=(meter,), channels=(replace(DIAL, **changes), *registry.channels[1:]))


def found(*entries: LifeEntry, registry: Registry | None = None, replacing: bool = False) -> tuple[str, ...]:
    registry = registry or site()
    return life_mistakes(registry, registry.meters[0], entries, now_us=NOW_US, replace=replacing)


def exchanged(quantity: str = "energy_import", at_us: int = AT_US, **rest: Any) -> ExchangeEntry:
    facts: dict[str, Any] = {"closing": 500.0, "opening": 0.0} | rest
    return ExchangeEntry(quantity=quantity, exchange=Exchange(at_us=at_us, **facts))


def test_a_right_entry_has_no_mistakes() -> None:
    right: tuple[LifeEntry, ...] = (
        exchanged(modulus=1e5, resolution=0.01, max_rate=200.0),
        DeviceEntry(serial="N-2", from_us=AT_US),
        MultiplierEntry(quantity="energy_import", from_us=NOW_US + HOUR_US, factor=0.5),
        UnitEntry(quantity="effluent_flow", from_us=AT_US, unit="m3/d"),
        OutageEntry(from_us=AT_US, to_us=None, reason="rebuilt"),
    )

    assert found(*right) == ()


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (exchanged(at_us=VALID_FROM_US - 1), "is not within its life, 2020-01-01T07:00:00+07:00 to open"),
        (exchanged(at_us=NOW_US + 1), "lies in the future"),
        (exchanged("cod"), "channel p/t/m/cod is of kind gauge; only a register"),
        (exchanged("load_cod"), "is made of two others by the engine"),
        (exchanged("steam"), "meter p/t/m has no channel 'steam'; it has energy_import, cod"),
        (
            exchanged(closing=1e6),
            "closing 1e+06 of the exchange at 2026-06-10T03:00:00+00:00 is not within 0 and 1e+06",
        ),
        (exchanged(opening=2e5, modulus=1e5), "opening 200000"),
        (exchanged(modulus=100.0), "after the exchange at 2026-06-10T03:00:00+00:00: at max_rate 100 it moves 25"),
        (exchanged(closing=float("nan")), "closing is nan, and must be a finite number"),
        (exchanged(max_rate=0.0), "max_rate is 0.0, and must be above 0"),
        (DeviceEntry(serial=" ", from_us=AT_US), "has no serial"),
        (MultiplierEntry(quantity="energy_import", from_us=AT_US, factor=-40.0), "multiplier -40 is not above 0"),
        (UnitEntry(quantity="energy_import", from_us=AT_US, unit="m3"), "it measures something else"),
        (OutageEntry(from_us=AT_US, to_us=AT_US, reason="x"), "not after it begins"),
        (OutageEntry(from_us=AT_US, to_us=None, reason=""), "an outage needs its reason"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(entry: LifeEntry, sentence: str) -> None:
    (said,) = found(entry)

    assert sentence in said


def test_all_registers_of_an_exchange_are_looked_at_at_once() -> None:
    assert len(found(exchanged("cod"), exchanged("steam"), exchanged(), exchanged())) == 3


def test_a_moment_that_is_taken_needs_to_be_replaced() -> None:
    registry = site(
        exchanges=(Exchange(at_us=AT_US, closing=1.0, opening=2.0),),
        multipliers=(Multiplier(from_us=AT_US, factor=2.0),),
        outages=(Outage(from_us=AT_US, to_us=AT_US + HOUR_US, reason="rebuilt"),),
    )
    taken: tuple[LifeEntry, ...] = (
        exchanged(),
        MultiplierEntry(quantity="energy_import", from_us=AT_US, factor=3.0),
        OutageEntry(from_us=AT_US, to_us=AT_US + 2 * HOUR_US, reason="longer"),
    )

    assert [("withdraw" in said) for said in found(*taken, registry=registry)] == [True] * 3
    assert found(*taken, registry=registry, replacing=True) == ()


def test_a_narrower_register_must_show_what_the_next_exchange_closes_at() -> None:
    registry = site(exchanges=(Exchange(at_us=AT_US + HOUR_US, closing=50_000.0, opening=0.0),))

    (said,) = found(exchanged(modulus=10_000.0), registry=registry)

    assert "closes at 50000, which a register that starts again at 10000 cannot show" in said


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ((-HOUR_US, 450.0), (HOUR_US, 50.0), None),
        ((-HOUR_US, 550.0), None, "closing 500 is below the reading 550 of 2026-06-10T09:00:00+07:00"),
        ((-HOUR_US, 300.0), None, "closing 500 is 200 kWh from the reading 300"),
        (None, (HOUR_US, 150.0), "opening 0 is 150 kWh from the reading 150"),
        ((-HOUR_US, 500.1), None, None),
        ((-100 * HOUR_US, 999_990.0), None, None),
    ],
)
def test_an_exchange_beside_odd_readings_is_warned_of(
    before: tuple[int, float] | None, after: tuple[int, float] | None, sentence: str | None
) -> None:
    near = Neighbours(
        before=None if before is None else (AT_US + before[0], before[1]),
        after=None if after is None else (AT_US + after[0], after[1]),
    )

    said = exchange_warnings(DIAL, exchanged().exchange, near, small_registry().park.zone)

    assert [sentence in one for one in said if sentence] == ([True] if sentence else [])
    assert len(said) == (sentence is not None)


PRESS = "        name: Press shop\n"
POWER = "{quantity: power, kind: gauge, interval_s: 60}"
OUTAGE = "{valid_from: 2026-03-01T00:00:00+07:00, valid_to: 2026-03-02T00:00:00+07:00, reason: rebuilt}"


def told(text: str) -> tuple[str, ...]:
    return mistakes(parse(text, "yaml"))


def test_a_park_file_says_outages_and_units() -> None:
    unit = POWER.replace("}", ", units: [{valid_from: 2026-03-01T00:00:00+07:00, unit: MW}]}")

    assert told(changed(PRESS, f"{PRESS}        outages: [{OUTAGE}]\n", changed(POWER, unit, RIGHT))) == ()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (PRESS, f"{PRESS}        outages: [{OUTAGE}, {OUTAGE}]\n", "it is out of service twice at the same time"),
        (
            PRESS,
            PRESS + f"        outages: [{OUTAGE.replace('2026-03-01', '2025-03-01')}]\n",
            "is not within that of meter",
        ),
        (
            POWER,
            POWER.replace("}", ", units: [{valid_from: 2026-03-01T00:00:00+07:00, unit: kWh}]}"),
            "'kWh' cannot be",
        ),
        (
            POWER,
            POWER.replace("}", ", units: [{valid_from: 2025-03-01T00:00:00+07:00, unit: W}]}"),
            "the unit at 2025-03-01",
        ),
    ],
)
def test_a_park_file_is_told_what_is_wrong_with_them(old: str, new: str, sentence: str) -> None:
    assert any(sentence in one for one in told(changed(old, new)))
