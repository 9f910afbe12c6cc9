"""Weeks, months and years from stored days."""

from dataclasses import replace

import numpy as np
import pytest

from domain.errors import InputError
from domain.frames import AmountFrame, KpiFrame, NullReason, Subject
from domain.quality import Flag
from domain.registry import Registry
from domain.time import DAY_US, Level
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from tests.support.small_parks import (
    BEGIN_US,
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    amounts,
    at,
    only_row,
    the_kpis,
    together,
)


def firms(number: int) -> Registry:
    life = {"valid_from_us": BEGIN_US}
    meters = [a_meter(place, place) for place in range(1, number + 1)]
    return a_registry(meters, [a_channel(place, place, "energy_import", **life) for place in range(1, number + 1)])


def month(
    registry: Registry,
    kpi: str,
    subject: Subject,
    base: AmountFrame,
    *,
    days_kept: slice = slice(None),
    open_day: AmountFrame | None = None,
) -> KpiFrame:
    kpis, stop_us = the_kpis(registry, kpi), at("02-01 00:00")
    days = subject_kpis(registry, (subject,), kpis, Level.DAY, BEGIN_US, stop_us, base)
    names = [name for name in KpiFrame.__slots__ if name != "level"]
    kept = KpiFrame(level=Level.DAY, **{name: getattr(days, name)[days_kept] for name in names})
    channel_days = fold_amounts(base, Level.DAY, JAKARTA, 900)
    return fold_kpis(registry, (subject,), kpis, Level.MONTH, BEGIN_US, stop_us, kept, channel_days, open_day=open_day)


def test_a_month_is_the_sum_of_its_days() -> None:
    registry = firms(2)
    base = together(amounts(1, BEGIN_US, [1.0] * 96 * 31), amounts(2, BEGIN_US, [2.0] * 96 * 31))

    row = only_row(month(registry, "electricity", PARK, base), "electricity", PARK)

    assert (row.value, row.total_coverage, row.start_us) == (3.0 * 96 * 31, 1.0, BEGIN_US)


def test_days_without_a_row_are_missing_from_the_sum_and_are_no_zero() -> None:
    registry = firms(1)

    row = only_row(
        month(registry, "electricity", PARK, amounts(1, BEGIN_US, [1.0] * 96), days_kept=slice(5, 9)),
        "electricity",
        PARK,
    )

    assert np.isnan([row.measured, row.estimate]).all()
    assert row.reason == NullReason.INSUFFICIENT_DATA


def test_the_peak_of_a_month_keeps_the_first_time_and_its_own_lower_bound() -> None:
    registry = firms(4)
    first = amounts(1, BEGIN_US, [5.0] + [1.0] * 95 + [5.0] + [1.0] * (96 * 30 - 1))
    rest = [amounts(number, BEGIN_US, [1.0] * 96 * 31) for number in (2, 3)]
    last = amounts(4, BEGIN_US, [1.0] * 96 * 10)

    row = only_row(month(registry, "demand_peak", PARK, together(first, *rest, last)), "demand_peak", PARK)

    assert (row.measured, row.peak_at_us) == (32.0, BEGIN_US)
    assert not row.flags & Flag.LOWER_BOUND
    assert row.profile_coverage == pytest.approx((10 + 21 * 0.75) / 31)


def test_a_gap_over_midnight_is_closed_by_the_month() -> None:
    registry = firms(1)
    gap = amounts(
        1,
        at("01-10 12:00"),
        [1.0] * 96,
        measured_s=0.0,
        estimated=1.0,
        flags=int(Flag.ESTIMATED),
        gap_s=[86400.0] + [0.0] * 95,
        gap_stop_us=[at("01-11 12:00")] + [0] * 95,
    )
    before = amounts(1, BEGIN_US, [1.0] * (96 * 9 + 48))
    after = amounts(1, at("01-11 12:00"), [1.0] * (96 * 20 + 48))

    row = only_row(month(registry, "electricity", PARK, together(before, gap, after)), "electricity", PARK)

    assert (row.total_coverage, row.value) == (1.0, 96.0 * 31)
    assert row.profile_coverage == pytest.approx(30 / 31)


def test_base_amounts_of_the_open_day_tell_what_was_missed_before_the_tick() -> None:
    registry = replace(firms(1), park=a_park(ticked_to_us=at("01-02 12:00")))
    day, open_day = amounts(1, BEGIN_US, [1.0] * 96), amounts(1, at("01-02 06:00"), [1.0] * 72)
    base = together(day, open_day)

    with_base, without = (
        only_row(month(registry, "electricity", PARK, base, open_day=rows), "electricity", PARK)
        for rows in (base, None)
    )

    assert with_base.profile_coverage == pytest.approx(30 / 36)
    assert without.profile_coverage == 1.0


@pytest.mark.parametrize("level", [Level.BASE, Level.HOUR, Level.DAY])
def test_levels_up_to_a_day_are_not_folded(level: Level) -> None:
    registry = firms(1)
    kpis = the_kpis(registry, "electricity")
    base = amounts(1, BEGIN_US, [1.0] * 96)
    days = subject_kpis(registry, (PARK,), kpis, Level.DAY, BEGIN_US, BEGIN_US + DAY_US, base)
    channel_days = fold_amounts(base, Level.DAY, JAKARTA, 900)

    with pytest.raises(InputError, match="compute it from base amounts"):
        fold_kpis(registry, (PARK,), kpis, level, BEGIN_US, BEGIN_US + DAY_US, days, channel_days)


def test_kpis_of_hours_do_not_fold_to_a_month() -> None:
    registry = firms(1)
    kpis = the_kpis(registry, "electricity")
    base = amounts(1, BEGIN_US, [1.0] * 96)
    hours = subject_kpis(registry, (PARK,), kpis, Level.HOUR, BEGIN_US, BEGIN_US + DAY_US, base)
    channel_days = fold_amounts(base, Level.DAY, JAKARTA, 900)

    with pytest.raises(InputError, match="level hour were given"):
        fold_kpis(registry, (PARK,), kpis, Level.MONTH, BEGIN_US, BEGIN_US + DAY_US, hours, channel_days)
