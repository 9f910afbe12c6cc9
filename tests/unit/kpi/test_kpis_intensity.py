"""Intensities by hand: what was metered over what was entered, both of the same days."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from domain.context import PARK_WIDE, ContextFrame
from domain.frames import AmountFrame, NullReason, Subject
from domain.quality import Flag
from domain.references import Factor, Origin, References
from domain.registry import OPERATOR, Registry
from domain.time import DAY_US, Level
from kpi.compute import subject_kpis
from tests.support.entered_values import entered
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_registry,
    a_tenant,
    a_tenant_subject,
    amounts,
    at,
    only_row,
    the_kpis,
    together,
)

DAY_ROWS = 96
JANUARY = at("01-01 00:00"), at("02-01 00:00")
SERIES = {
    "t": ("production_t", 50.0),
    "pcs": ("production_pcs", 1000.0),
    "turnover": ("turnover", 4.0e6),
    "value_added": ("value_added", 1.0e6),
    "area": ("area", 2.5),
    "employee": ("employees", 40.0),
}


def a_firm(quantity: str = "energy_import") -> Registry:
    return a_registry([a_meter(1, 1)], [a_channel(10, 1, quantity)])


def by_days(channel: int, *kwh: float, **columns: Any) -> AmountFrame:
    """Days one after another from 1 January, each spread evenly over its quarter hours."""
    return amounts(channel, BEGIN_US, np.repeat(np.array(kwh) / DAY_ROWS, DAY_ROWS), **columns)


def days(first: int, last: int) -> tuple[int, int]:
    """From the start of one day of January to the end of another."""
    return BEGIN_US + (first - 1) * DAY_US, BEGIN_US + last * DAY_US


def intensity(
    registry: Registry,
    key: str,
    base: AmountFrame,
    context: ContextFrame,
    *,
    level: Level = Level.MONTH,
    subject: Subject | None = None,
    moment_us: int = BEGIN_US,
) -> SimpleNamespace:
    whom = a_tenant_subject(1) if subject is None else subject
    frame = subject_kpis(
        registry, (whom,), the_kpis(registry, key), level, moment_us, moment_us + 1, base, context=context
    )
    return only_row(frame, key, whom)


@pytest.mark.parametrize("suffix", SERIES)
def test_electricity_of_a_month_is_divided_by_what_was_entered_for_it(suffix: str) -> None:
    # 31 days of 100 kWh are 3,100 kWh.
    series, value = SERIES[suffix]
    context = entered((1, series, *JANUARY, value))

    row = intensity(a_firm(), f"electricity_intensity_{suffix}", by_days(10, *[100.0] * 31), context)

    assert row.value == pytest.approx(3100 / value)
    assert row.measured == pytest.approx(3100 / value)
    assert (row.total_coverage, row.estimated_share, row.reason) == (1.0, 0.0, 0)
    assert row.flags == 0


@pytest.mark.parametrize("suffix", SERIES)
def test_water_of_a_month_is_divided_by_what_was_entered_for_it(suffix: str) -> None:
    # 31 days of 8 m3 are 248 m3.
    series, value = SERIES[suffix]
    context = entered((1, series, *JANUARY, value))

    row = intensity(a_firm("water_in"), f"water_intensity_{suffix}", by_days(10, *[8.0] * 31), context)

    assert row.value == pytest.approx(248 / value)


def grid(value: float, **changes: Any) -> Factor:
    origin = Origin(id=1, key="grid", valid_from_us=BEGIN_US, valid_to_us=None, source="worked example", confirmed=True)
    return Factor(origin=replace(origin, **changes), value=value, unit="kgCO2e/kWh", region="Jawa-Bali")


def with_factors(registry: Registry, *factors: Factor) -> Registry:
    return replace(registry, references=References(factors=factors))


@pytest.mark.parametrize("suffix", SERIES)
def test_energy_of_all_carriers_of_a_month_is_divided_by_what_was_entered_for_it(suffix: str) -> None:
    # 31 days of 100 kWh are 3,100 kWh, and 11.16 GJ.
    series, value = SERIES[suffix]
    context = entered((1, series, *JANUARY, value))

    row = intensity(a_firm(), f"energy_intensity_{suffix}", by_days(10, *[100.0] * 31), context)

    assert row.value == pytest.approx(11.16 / value)


@pytest.mark.parametrize("suffix", SERIES)
def test_carbon_of_a_month_is_divided_by_what_was_entered_for_it(suffix: str) -> None:
    # 3,100 kWh x 0.8 kgCO2e/kWh = 2,480 kgCO2e.
    series, value = SERIES[suffix]
    context = entered((1, series, *JANUARY, value))

    row = intensity(
        with_factors(a_firm(), grid(0.8)), f"carbon_intensity_{suffix}", by_days(10, *[100.0] * 31), context
    )

    assert row.value == pytest.approx(2480 / value)


def test_days_before_there_was_a_factor_leave_both_sides() -> None:
    # The grid's factor begins on 4 January: 28 x 100 kWh x 0.8 against 28 x 5 t.
    factor = grid(0.8, valid_from_us=days(4, 4)[0])
    context = entered(*((1, "production_t", *days(day, day), 5.0) for day in range(1, 32)))

    row = intensity(with_factors(a_firm(), factor), "carbon_intensity_t", by_days(10, *[100.0] * 31), context)

    assert row.value == pytest.approx(2240 / 140)
    assert row.total_coverage == pytest.approx(28 / 31)


def test_without_a_factor_there_is_no_carbon_to_divide() -> None:
    context = entered((1, "production_t", *JANUARY, 50.0))

    row = intensity(a_firm(), "carbon_intensity_t", by_days(10, *[100.0] * 31), context)

    assert np.isnan([row.value, row.measured, row.estimate]).all()
    assert row.reason == NullReason.INSUFFICIENT_DATA


def test_fuel_that_was_delivered_for_the_month_is_part_of_its_energy() -> None:
    # 3,100 kWh are 11.16 GJ; 1,000 L of diesel at 0.036 GJ/L are 36 GJ; 47.16 GJ / 50 t.
    lhv = Factor(origin=grid(1.0, key="lhv_diesel").origin, value=0.036, unit="GJ/L", region="")
    context = entered((1, "production_t", *JANUARY, 50.0), (1, "fuel_diesel", *JANUARY, 1000.0))

    row = intensity(with_factors(a_firm(), lhv), "energy_intensity_t", by_days(10, *[100.0] * 31), context)

    assert row.value == pytest.approx(47.16 / 50)


@pytest.mark.parametrize(
    ("key", "amount", "quantities"),
    [
        ("electricity_intensity_t", "electricity", ("energy_import",)),
        ("water_intensity_t", "water_intake", ("water_in", "water_ground", "water_rain")),
    ],
)
def test_what_is_divided_is_the_sum_of_the_catalogue(key: str, amount: str, quantities: tuple[str, ...]) -> None:
    channels = [a_channel(10 + place, 1, quantity) for place, quantity in enumerate(quantities)]
    registry = a_registry([a_meter(1, 1)], channels)
    base = together(*(by_days(channel.id, *[10.0 + channel.id] * 31) for channel in channels))
    context = entered((1, "production_t", *JANUARY, 50.0))

    of_catalogue = intensity(registry, amount, base, context)

    assert intensity(registry, key, base, context).value == pytest.approx(of_catalogue.value / 50)


def test_it_is_a_ratio_of_sums_and_no_mean_of_ratios() -> None:
    # 100 kWh for 10 t, then 300 kWh for 5 t: 400 / 15, while the mean of 10 and 60 would be 35.
    context = entered((1, "production_t", *days(1, 1), 10.0), (1, "production_t", *days(2, 2), 5.0))

    week = intensity(a_firm(), "electricity_intensity_t", by_days(10, 100.0, 300.0), context, level=Level.WEEK)

    assert week.measured == pytest.approx(400 / 15)


def test_a_day_without_an_entered_value_leaves_both_sides() -> None:
    # Days 1 to 30 are entered with 5 t each, the last day is not: 30 x 100 kWh / 150 t, over 30 of 31 days.
    context = entered(*((1, "production_t", *days(day, day), 5.0) for day in range(1, 31)))

    row = intensity(a_firm(), "electricity_intensity_t", by_days(10, *[100.0] * 30, 9000.0), context)

    assert row.value == pytest.approx(3000 / 150)
    assert row.total_coverage == pytest.approx(30 / 31)
    assert row.estimated_share == 0.0


def test_a_day_whose_meter_was_dead_leaves_both_sides() -> None:
    # The meter says nothing on days 30 and 31, on which 50 t were made: 29 x 100 kWh / (29 x 5 t).
    made = [5.0] * 29 + [25.0, 25.0]
    context = entered(*((1, "production_t", *days(day, day), made[day - 1]) for day in range(1, 32)))

    row = intensity(a_firm(), "electricity_intensity_t", by_days(10, *[100.0] * 29), context)

    assert row.value == pytest.approx(2900 / 145)
    assert row.total_coverage == pytest.approx(29 / 31)


def test_a_months_production_is_left_out_where_the_meter_was_dead_for_too_long() -> None:
    # 27 of 31 days are 0.87 of the time in which the 50 t were made.
    context = entered((1, "production_t", *JANUARY, 50.0))

    row = intensity(a_firm(), "electricity_intensity_t", by_days(10, *[100.0] * 27), context)

    assert (row.reason, row.total_coverage) == (NullReason.INSUFFICIENT_DATA, 0.0)
    assert np.isnan([row.value, row.measured, row.estimate]).all()


def test_a_register_that_was_silent_inside_the_month_still_has_its_intensity() -> None:
    # Four days of a gap that ended inside: the month's energy is exact, though its course is estimated.
    rows = np.arange(31 * DAY_ROWS)
    gap = (rows >= 10 * DAY_ROWS) & (rows < 14 * DAY_ROWS)
    base = by_days(
        10,
        *[100.0] * 31,
        measured_s=np.where(gap, 0.0, 900.0),
        estimated=np.where(gap, 100.0 / DAY_ROWS, 0.0),
        flags=np.where(gap, int(Flag.ESTIMATED), 0),
        gap_s=np.where(rows == 10 * DAY_ROWS, 4 * 86400.0, 0.0),
        gap_stop_us=np.where(rows == 10 * DAY_ROWS, BEGIN_US + 14 * DAY_US, 0),
    )
    context = entered(*((1, "production_t", *days(day, day), 5.0 + (day in range(11, 15))) for day in range(1, 32)))

    row = intensity(a_firm(), "electricity_intensity_t", base, context)

    # Measured: 27 days of 100 kWh and 5 t; with the gap's days, 3,100 kWh and 159 t.
    assert row.measured == pytest.approx(2700 / 135)
    assert row.value == pytest.approx(3100 / 159)
    assert (row.profile_coverage, row.total_coverage) == (pytest.approx(27 / 31), 1.0)
    assert row.estimated_share == pytest.approx(400 / 3100)
    assert row.flags == Flag.ESTIMATED


def test_what_was_entered_for_a_longer_time_is_split_and_flagged() -> None:
    # 62 t over January's 31 days are 2 t on a day: 100 kWh / 2 t, all of the denominator estimated.
    context = entered((1, "production_t", *JANUARY, 62.0))

    row = intensity(a_firm(), "electricity_intensity_t", by_days(10, 100.0), context, level=Level.DAY)

    assert row.value == pytest.approx(50.0)
    assert row.estimated_share == 1.0
    assert row.flags == Flag.ESTIMATED


def test_employees_hold_and_are_averaged_over_time() -> None:
    # 10 people for 10 days and 41 for 21 days: mean (100 + 861) / 31 = 31.
    context = entered((1, "employees", *days(1, 10), 10.0), (1, "employees", *days(11, 31), 41.0))

    row = intensity(a_firm(), "electricity_intensity_employee", by_days(10, *[100.0] * 31), context)

    assert row.value == pytest.approx(3100 / 31)
    assert row.estimated_share == 0.0


def test_nothing_entered_is_no_denominator() -> None:
    row = intensity(a_firm(), "electricity_intensity_t", by_days(10, *[100.0] * 31), entered())

    assert (row.reason, np.isnan(row.value)) == (NullReason.NO_DENOMINATOR, True)


def test_a_month_in_which_nothing_was_made_is_a_zero_denominator() -> None:
    context = entered((1, "production_t", *JANUARY, 0.0))

    row = intensity(a_firm(), "electricity_intensity_t", by_days(10, *[100.0] * 31), context)

    assert (row.reason, np.isnan(row.value)) == (NullReason.ZERO_DENOMINATOR, True)


def a_park_of_two() -> tuple[Registry, AmountFrame]:
    tenants = [a_tenant(1), a_tenant(2), a_tenant(3, key=OPERATOR)]
    meters = [a_meter(1, 1), a_meter(2, 2)]
    registry = a_registry(
        meters, [a_channel(10, 1, "energy_import"), a_channel(20, 2, "energy_import")], tenants=tenants
    )
    return registry, together(by_days(10, *[100.0] * 31), by_days(20, *[300.0] * 31))


def test_the_parks_own_value_stands_for_the_park() -> None:
    # (100 + 300) x 31 kWh / 100 t; what the tenants entered is not added.
    registry, base = a_park_of_two()
    context = entered((PARK_WIDE, "production_t", *JANUARY, 100.0), (1, "production_t", *JANUARY, 7.0))

    assert intensity(registry, "electricity_intensity_t", base, context, subject=PARK).value == pytest.approx(124.0)


def test_without_a_value_of_the_park_its_tenants_are_summed() -> None:
    # 12,400 kWh / (30 + 32) t; the operator has entered nothing and nobody waits for it.
    registry, base = a_park_of_two()
    context = entered((1, "production_t", *JANUARY, 30.0), (2, "production_t", *JANUARY, 32.0))

    assert intensity(registry, "electricity_intensity_t", base, context, subject=PARK).value == pytest.approx(200.0)


def test_a_park_of_which_one_tenant_is_missing_has_no_denominator() -> None:
    registry, base = a_park_of_two()
    context = entered((1, "production_t", *JANUARY, 30.0))

    row = intensity(registry, "electricity_intensity_t", base, context, subject=PARK)

    assert (row.reason, np.isnan(row.estimate)) == (NullReason.NO_DENOMINATOR, True)


def test_an_open_month_is_compared_up_to_the_tick() -> None:
    # Ten of the month's days are final: 1,000 kWh against ten thirty-firsts of 62 t.
    registry = a_firm()
    ticked = replace(registry, park=replace(registry.park, ticked_to_us=days(1, 10)[1]))
    context = entered((1, "production_t", *JANUARY, 62.0))

    row = intensity(ticked, "electricity_intensity_t", by_days(10, *[100.0] * 10), context)

    assert row.value == pytest.approx(1000 / 20)
    assert row.estimated_share == 1.0
