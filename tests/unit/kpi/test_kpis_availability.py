"""Availability: slots with a reading, of the slots in which one was expected."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.frames import NullReason
from domain.registry import Kind, Registry
from domain.time import HOUR_US, SECOND_US, Level, parse_instant
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_park,
    a_registry,
    amounts,
    at,
    figure,
    together,
)

METER = a_meter_subject(1)


def one_channel(**changes: Any) -> Registry:
    return a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph", **changes)])


def test_slots_are_counted_by_the_channels_own_interval() -> None:
    registry = one_channel(interval_s=300)

    row = figure(registry, "availability", METER, Level.HOUR, amounts(1, BEGIN_US, [np.nan] * 4, slots=[3, 3, 0, 1]))

    assert row.terms[:2].tolist() == [7.0, 12.0]
    assert row.value == row.measured == row.profile_coverage == pytest.approx(7 / 12)


def test_a_slow_channel_is_expected_in_the_interval_in_which_its_slot_begins() -> None:
    registry = one_channel(interval_s=8 * 3600)
    base = amounts(1, BEGIN_US, [np.nan] * 96, slots=[1] + [0] * 95)

    day = figure(registry, "availability", METER, Level.DAY, base)
    second = figure(registry, "availability", METER, Level.HOUR, base, moment_us=BEGIN_US + HOUR_US)

    assert day.terms[:2].tolist() == [1.0, 3.0]
    assert second.reason == NullReason.NO_DENOMINATOR
    assert np.isnan([second.value, second.profile_coverage]).all()


def test_a_channel_by_the_week_is_expected_once_a_week() -> None:
    registry = one_channel(interval_s=7 * 86400)
    base = amounts(1, BEGIN_US, [np.nan], slots=0)

    row = figure(registry, "availability", METER, Level.MONTH, base)

    assert row.terms[1] == 4.0  # the Sundays of January 2026


def test_a_silent_channel_has_an_availability_of_zero_and_is_not_hidden() -> None:
    registry = one_channel()

    row = figure(registry, "availability", METER, Level.DAY, amounts(9, BEGIN_US, [1.0]))

    assert (row.value, row.reason) == (0.0, NullReason.NONE)


def test_slots_are_expected_only_in_the_life_of_the_channel() -> None:
    registry = one_channel(valid_from_us=BEGIN_US + 600 * SECOND_US, valid_to_us=at("01-01 12:00"), interval_s=300)

    row = figure(registry, "availability", METER, Level.DAY, amounts(1, BEGIN_US, [np.nan] * 96, slots=3))

    assert row.terms[:2].tolist() == [142.0, 142.0]


def test_slots_are_expected_only_in_intervals_that_are_final() -> None:
    registry = replace(one_channel(), park=a_park(ticked_to_us=BEGIN_US + HOUR_US))

    row = figure(registry, "availability", METER, Level.DAY, amounts(1, BEGIN_US, [np.nan] * 8, slots=1))

    assert row.terms[:2].tolist() == [4.0, 4.0]


def test_products_and_events_are_not_expected() -> None:
    channels = [
        a_channel(1, 1, "ph"),
        a_channel(2, 1, "cod", kind=Kind.EVENT),
        a_channel(3, 1, "effluent_flow"),
        a_channel(4, 1, "load_cod", inputs=(2, 3)),
    ]
    registry = a_registry([a_meter(1, 1)], channels)
    base = together(*(amounts(number, BEGIN_US, [1.0] * 4) for number in (1, 2, 3, 4)))

    row = figure(registry, "availability", PARK, Level.HOUR, base)

    assert row.terms[:2].tolist() == [8.0, 8.0]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29T00:00:00+01:00", 23), ("2026-10-25T00:00:00+02:00", 25)])
def test_a_day_of_a_clock_change_has_its_own_number_of_slots(day: str, hours: int) -> None:
    registry = replace(one_channel(interval_s=3600), park=a_park(zone=ZoneInfo("Europe/Rome")))
    start = parse_instant(day)

    row = figure(registry, "availability", METER, Level.DAY, amounts(1, start, [np.nan]), moment_us=start)

    assert row.terms[:2].tolist() == [1.0, float(hours)]
