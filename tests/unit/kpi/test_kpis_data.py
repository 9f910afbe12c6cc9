"""Data by hand: good values of those received, slots filled in time, and how much of what bills say is metered."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from domain.context import PARK_WIDE, ContextFrame
from domain.frames import AmountFrame, NullReason, Readings, Subject
from domain.quality import Flag, Quality
from domain.references import References
from domain.registry import Outage, Registry
from domain.time import DAY_US, HOUR_US, SECOND_US, Level
from kpi.amounts import interval_amounts
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from kpi.ranges import Ranges
from kpi.receipts import timeliness_kpis
from kpi.table import ChannelTable
from tests.support.entered_values import entered
from tests.support.priced_parks import a_factor, entered_figure
from tests.support.small_parks import (
    BEGIN_US,
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_park,
    a_registry,
    a_tenant_subject,
    amounts,
    at,
    figure,
    only_row,
    the_kpis,
    together,
)

METER, FIRM = a_meter_subject(1), a_tenant_subject(1)


def test_validity_is_the_share_of_values_that_are_good() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph"), a_channel(2, 1, "cod")])
    base = together(
        amounts(1, BEGIN_US, [np.nan] * 4, received=[15, 15, 10, 0], unusable=[0, 5, 1, 0]),
        amounts(2, BEGIN_US, [np.nan] * 4, received=[1, 1, 1, 1], unusable=[0, 0, 0, 1]),
    )

    row = figure(registry, "validity", METER, Level.HOUR, base)

    assert row.terms[3:5].tolist() == [37.0, 44.0]  # (40 - 6) + (4 - 1) of 40 + 4
    assert row.value == pytest.approx(37 / 44)


def test_where_nothing_came_there_is_no_validity() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph")])

    row = figure(registry, "validity", METER, Level.HOUR, amounts(1, BEGIN_US, [np.nan], received=0))

    assert row.reason == NullReason.NO_DENOMINATOR
    assert np.isnan(row.value)


def test_validity_is_of_intervals_that_are_final() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph")], park=a_park(ticked_to_us=BEGIN_US + HOUR_US // 2))

    row = figure(registry, "validity", METER, Level.HOUR, amounts(1, BEGIN_US, [np.nan] * 4, received=2, unusable=1))

    assert row.terms[3:5].tolist() == [2.0, 4.0]


@pytest.mark.parametrize("level", [Level.MONTH, Level.YEAR])
def test_days_of_validity_fold(level: Level) -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph")])
    rng = np.random.default_rng(1)
    base = amounts(1, BEGIN_US, [np.nan] * 96 * 31, received=3, unusable=rng.integers(0, 3, 96 * 31))
    kpis = the_kpis(registry, "validity")
    days = subject_kpis(registry, (METER,), kpis, Level.DAY, BEGIN_US, BEGIN_US + 31 * DAY_US, base)

    folded = fold_kpis(
        registry, (METER,), kpis, level, BEGIN_US, BEGIN_US + 1, days, fold_amounts(base, Level.DAY, JAKARTA, 900)
    )

    assert only_row(folded, "validity", METER).value == figure(registry, "validity", METER, level, base).value


def received(
    registry: Registry,
    *readings: tuple[int, float],
    quality: dict[int, int] | None = None,
    conflict: tuple[int, ...] = (),
) -> AmountFrame:
    """Base amounts of channel 1 from readings so many minutes after midnight."""
    count = len(readings)
    marks = np.zeros(count, dtype=np.int32)
    for place, mark in (quality or {}).items():
        marks[place] = mark
    claimed = np.zeros(count, dtype=np.bool_)
    claimed[list(conflict)] = True
    table = ChannelTable.of(registry)
    stored = Readings(
        channel_id=np.ones(count, dtype=np.int32),
        ts_us=BEGIN_US + np.array([minute for minute, _ in readings]) * 60 * SECOND_US,
        value=np.array([value for _, value in readings], dtype=np.float64),
        quality=marks,
        conflict=claimed,
    )
    return interval_amounts(
        table, stored, Ranges.whole(table.channel_id, BEGIN_US, BEGIN_US + DAY_US), JAKARTA, registry.park.base_s
    )


def counts(frame: AmountFrame) -> list[tuple[int, int]]:
    return list(zip(frame.received.tolist(), frame.unusable.tolist(), strict=True))


def test_values_are_counted_in_the_interval_of_their_own_time() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph", interval_s=300)])

    frame = received(registry, (0, 7.0), (5, 7.0), (15, 7.0))

    assert counts(frame)[:2] == [(2, 0), (1, 0)]


def test_what_a_source_marks_or_two_values_claim_is_not_good_and_what_is_below_detection_is() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph", interval_s=60)])
    quality = {1: int(Quality.CALIBRATION), 2: int(Quality.FAULT), 3: int(Quality.BELOW_DETECTION)}

    frame = received(registry, *((minute, 7.0) for minute in range(6)), quality=quality, conflict=(2, 4))

    assert counts(frame)[0] == (6, 3)  # the calibration, the fault in a conflict once, the conflict
    assert frame.flags[0] & Flag.CONFLICT


def test_a_register_reading_that_is_not_accepted_is_not_good() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "energy_import", interval_s=300, max_rate=100.0)])
    values = [1000.0, 1001.0, 1002.0, 9999.0, 1004.0, 1005.0, 1006.0]

    frame = received(registry, *((5 * place, value) for place, value in enumerate(values)))

    assert counts(frame) == [(3, 0), (3, 1), (1, 0)]


def test_the_reading_at_the_end_of_a_life_is_in_no_interval() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph", interval_s=300, valid_to_us=BEGIN_US + HOUR_US)])

    frame = received(registry, (55, 7.0), (60, 7.0))

    assert counts(frame) == [(1, 0)]


def in_time(*rows: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Slots in time of channel 1, by quarters after midnight."""
    starts = np.array([BEGIN_US + quarter * HOUR_US // 4 for quarter, _ in rows], dtype=np.int64)
    slots = np.array([count for _, count in rows], dtype=np.int32)
    return np.ones(len(rows), dtype=np.int32), starts, slots


def timeliness(registry: Registry, slots: tuple[Any, Any, Any], level: Level = Level.HOUR) -> SimpleNamespace:
    (kpi,) = the_kpis(registry, "timeliness")
    stop_us = BEGIN_US + (HOUR_US if level is Level.HOUR else DAY_US)
    frame = timeliness_kpis(registry, METER, kpi, level, BEGIN_US, stop_us, slots)
    return only_row(frame, "timeliness", METER)


def test_timeliness_is_the_share_of_slots_that_were_filled_in_time() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph", interval_s=300)])

    row = timeliness(registry, in_time((0, 3), (1, 2), (3, 1)))

    assert row.value == pytest.approx(6 / 12)


def test_slots_in_downtime_are_not_expected_in_time() -> None:
    outage = Outage(from_us=BEGIN_US, to_us=BEGIN_US + HOUR_US // 2, reason="flooded")
    registry = a_registry([a_meter(1, 1, outages=(outage,))], [a_channel(1, 1, "ph", interval_s=300)])

    row = timeliness(registry, in_time((0, 3), (2, 3), (3, 0)))

    assert row.value == pytest.approx(3 / 6)


def test_where_nothing_was_in_time_timeliness_is_zero() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph", interval_s=300)])

    assert timeliness(registry, in_time(), Level.DAY).value == 0.0


def test_timeliness_is_not_made_of_amounts() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph")])
    kpis = the_kpis(registry, "timeliness")

    frame = subject_kpis(registry, (METER,), kpis, Level.DAY, BEGIN_US, BEGIN_US + 1, amounts(1, BEGIN_US, [np.nan]))

    assert not len(frame)


JANUARY = at("01-01 00:00"), at("02-01 00:00")


def a_firm(*quantities: str) -> Registry:
    channels = [a_channel(10 + place, 1, quantity) for place, quantity in enumerate(quantities)]
    registry = a_registry([a_meter(1, 1)], channels)
    return replace(registry, references=References(factors=(a_factor("lhv_gas", 0.04),)))


def daily(channel: int, amount: float, days: int = 31, **columns: Any) -> AmountFrame:
    return amounts(channel, BEGIN_US, np.full(96 * days, amount / 96), **columns)


def metering(
    registry: Registry,
    base: AmountFrame,
    context: ContextFrame,
    *,
    subject: Subject = FIRM,
    level: Level = Level.MONTH,
) -> SimpleNamespace:
    return entered_figure(registry, "metering_coverage", subject, level, base, context=context)


@pytest.mark.parametrize(("subject", "owner"), [(FIRM, 1), (PARK, PARK_WIDE), (PARK, 1)])
def test_metering_coverage_is_what_is_metered_of_what_is_billed(subject: Subject, owner: int) -> None:
    # Metered: 31 x 1000 kWh x 0.0036 = 111.6 GJ and 31 x 50 m3 x 0.04 = 62 GJ; billed: 40,000 kWh = 144 GJ and 80 GJ.
    base = together(daily(10, 1000.0), daily(11, 50.0))
    context = entered((owner, "electricity_billed", *JANUARY, 40_000.0), (owner, "fuel_billed", *JANUARY, 80.0))

    row = metering(a_firm("energy_import", "gas"), base, context, subject=subject)

    assert row.value == pytest.approx((111.6 + 62) / (144 + 80))
    assert (row.measured, row.estimated_share) == (pytest.approx(row.value), 0.0)
    assert row.profile_coverage == 1.0


def test_a_carrier_without_bills_enters_on_neither_side() -> None:
    base = together(daily(10, 1000.0), daily(11, 50.0))

    row = metering(a_firm("energy_import", "gas"), base, entered((1, "electricity_billed", *JANUARY, 40_000.0)))

    assert row.value == pytest.approx(31 / 40)


def test_a_dead_meter_lowers_what_is_metered() -> None:
    row = metering(
        a_firm("energy_import"), daily(10, 1000.0, days=10), entered((1, "electricity_billed", *JANUARY, 31_000.0))
    )

    assert row.value == pytest.approx(10 / 31)


def test_days_without_a_bill_leave_both_sides() -> None:
    bill = (1, "electricity_billed", at("01-01 00:00"), at("01-30 00:00"), 58_000.0)  # 29 of 31 days

    row = metering(a_firm("energy_import"), daily(10, 1000.0), entered(bill))

    assert row.value == pytest.approx(29 / 58)
    assert row.profile_coverage == pytest.approx(29 / 31)


def test_half_a_month_of_bills_is_not_enough() -> None:
    bill = (1, "electricity_billed", at("01-01 00:00"), at("01-16 00:00"), 30_000.0)

    row = metering(a_firm("energy_import"), daily(10, 1000.0), entered(bill))

    assert (row.reason, row.measured) == (NullReason.INSUFFICIENT_DATA, pytest.approx(0.5))


def test_a_bill_that_reaches_beyond_the_month_is_split_by_time_and_flagged() -> None:
    bill = (1, "electricity_billed", at("01-01 00:00"), at("03-04 00:00"), 62_000.0)

    row = metering(a_firm("energy_import"), daily(10, 500.0), entered(bill))

    assert row.value == pytest.approx(0.5)
    assert row.estimated_share == 1.0
    assert row.flags & Flag.ESTIMATED


def test_without_bills_there_is_no_denominator() -> None:
    nothing = metering(a_firm("energy_import"), daily(10, 500.0), entered())
    zero = metering(a_firm("energy_import"), daily(10, 500.0), entered((1, "electricity_billed", *JANUARY, 0.0)))

    assert (nothing.reason, zero.reason) == (NullReason.NO_DENOMINATOR, NullReason.ZERO_DENOMINATOR)


def test_metered_fuel_without_its_factor_is_not_configured() -> None:
    registry = replace(a_firm("gas"), references=References())

    row = metering(registry, daily(10, 50.0), entered((1, "fuel_billed", *JANUARY, 80.0)))

    assert row.reason == NullReason.NOT_CONFIGURED


@pytest.mark.parametrize("level", [Level.MONTH, Level.YEAR])
def test_stored_days_of_metered_energy_make_the_month_and_the_year(level: Level) -> None:
    registry = a_firm("energy_import", "gas")
    base = together(daily(10, 1000.0, days=59), daily(11, 50.0, days=59))
    months = (JANUARY, (at("02-01 00:00"), at("03-01 00:00")))
    context = entered(*((1, "electricity_billed", *month, 40_000.0) for month in months))
    kpis = the_kpis(registry, "metering_coverage")
    days = subject_kpis(registry, (FIRM,), kpis, Level.DAY, BEGIN_US, at("03-01 00:00"), base, context=context)
    span = (BEGIN_US, at("03-01 00:00"))

    folded = fold_kpis(
        registry, (FIRM,), kpis, level, *span, days, fold_amounts(base, Level.DAY, JAKARTA, 900), context=context
    )

    direct = subject_kpis(registry, (FIRM,), kpis, level, *span, base, context=context)
    np.testing.assert_allclose(folded.terms, direct.terms, rtol=1e-12, equal_nan=True)
    assert folded.measured[0] == pytest.approx(31 / 40 if level is Level.MONTH else 59 / 80)
