"""Formulas of an operator by hand."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from domain.context import ContextFrame
from domain.frames import AmountFrame, NullReason, Subject
from domain.quality import Flag
from domain.references import Formula
from domain.registry import Registry
from domain.time import DAY_US, Level
from kpi.compute import member_channels, subject_kpis
from tests.support.entered_values import entered
from tests.support.small_formulas import a_formula, with_formulas
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_registry,
    a_tenant_subject,
    amounts,
    only_row,
    rows_of,
    the_kpis,
    together,
)

FIRM = a_tenant_subject(1)


def a_plant(expression: str, unit: str, **changes: Any) -> Registry:
    """A firm with electricity, water and own generation, and one formula."""
    meters = [a_meter(1, 1), a_meter(2, 1, role="generation")]
    channels = [
        a_channel(10, 1, "energy_import"),
        a_channel(11, 1, "water_in"),
        a_channel(12, 2, "energy_generation"),
    ]
    return with_formulas(a_registry(meters, channels), a_formula("ours", expression, unit, **changes))


def a_day(channel: int, amount: float, **columns: Any) -> AmountFrame:
    """An amount spread evenly over the quarter hours of 1 January."""
    return amounts(channel, BEGIN_US, np.full(96, amount / 96), **columns)


def of_day(
    registry: Registry, base: AmountFrame, *, subject: Subject = FIRM, context: ContextFrame | None = None
) -> SimpleNamespace:
    frame = subject_kpis(
        registry,
        (subject,),
        the_kpis(registry, "ours"),
        Level.DAY,
        BEGIN_US,
        BEGIN_US + 1,
        base,
        context=entered() if context is None else context,
    )
    return only_row(frame, "ours", subject)


def test_a_ratio_of_two_amounts() -> None:
    # 960 kWh / 48 m3
    registry = a_plant("electricity / water_intake", "kWh/m3")

    row = of_day(registry, together(a_day(10, 960.0), a_day(11, 48.0)))

    assert row.value == pytest.approx(20.0)
    assert (row.total_coverage, row.estimated_share, row.reason) == (1.0, 0.0, 0)


def test_the_result_is_in_the_declared_unit() -> None:
    # 20 kWh/m3 are 72 MJ/m3 or 0.072 GJ per 1,000 L.
    registry = a_plant("electricity / water_intake", "MJ/m3")

    assert of_day(registry, together(a_day(10, 960.0), a_day(11, 48.0))).value == pytest.approx(72.0)


def test_units_of_one_kind_are_brought_together_before_they_are_added() -> None:
    # 36 GJ by bills are 10,000 kWh; with 960 metered 10,960 kWh.
    registry = a_plant("electricity + fuel_billed", "kWh")
    context = entered((1, "fuel_billed", BEGIN_US, BEGIN_US + DAY_US, 36.0))

    row = of_day(registry, a_day_of_everything(), context=context)

    assert row.value == pytest.approx(10_960.0)


def a_day_of_everything() -> AmountFrame:
    return together(a_day(10, 960.0), a_day(11, 48.0), a_day(12, 240.0))


def test_an_interval_that_one_side_lacks_leaves_both() -> None:
    # Water is missing in the first eight quarter hours (8 %), in which 500 of 1,380 kWh were used: 880 kWh / 44 m3.
    electricity = amounts(10, BEGIN_US, np.concatenate([np.full(8, 62.5), np.full(88, 10.0)]))
    water = amounts(11, BEGIN_US + 8 * 900 * 1_000_000, np.full(88, 0.5))
    registry = a_plant("electricity / water_intake", "kWh/m3")

    row = of_day(registry, together(electricity, water))

    assert row.value == pytest.approx(20.0)
    assert row.total_coverage == pytest.approx(88 / 96)


def test_an_interval_that_is_estimated_on_one_side_only_leaves_both() -> None:
    gap = np.arange(96) < 9
    columns: dict[str, Any] = {"measured_s": np.where(gap, 0.0, 900.0), "flags": np.where(gap, int(Flag.ESTIMATED), 0)}
    columns["estimated"] = np.where(gap, 10.0, 0.0)
    columns["gap_s"] = np.where(np.arange(96) == 0, 9 * 900.0, 0.0)
    columns["gap_stop_us"] = np.where(np.arange(96) == 0, BEGIN_US + 9 * 900 * 1_000_000, 0)
    registry = a_plant("electricity / water_intake", "kWh/m3")
    water = amounts(11, BEGIN_US, np.where(gap, 5.0, 0.5))

    row = of_day(registry, together(amounts(10, BEGIN_US, np.full(96, 10.0), **columns), water))

    # 87 intervals of 10 kWh and 0.5 m3 are 0.906 of the day.
    assert row.value == pytest.approx(20.0)
    assert (row.total_coverage, row.estimated_share) == (pytest.approx(87 / 96), 0.0)


def test_intervals_that_are_estimated_on_both_sides_stay_and_are_told() -> None:
    gap = np.arange(96) < 48
    columns: dict[str, Any] = {
        "measured_s": np.where(gap, 0.0, 900.0),
        "flags": np.where(gap, int(Flag.ESTIMATED), 0),
        "gap_s": np.where(np.arange(96) == 0, 48 * 900.0, 0.0),
        "gap_stop_us": np.where(np.arange(96) == 0, BEGIN_US + 48 * 900 * 1_000_000, 0),
    }
    registry = a_plant("electricity / water_intake", "kWh/m3")
    electricity = amounts(10, BEGIN_US, np.full(96, 10.0), estimated=np.where(gap, 10.0, 0.0), **columns)
    water = amounts(11, BEGIN_US, np.full(96, 0.4), estimated=np.where(gap, 0.4, 0.0), **columns)

    row = of_day(registry, together(electricity, water))

    assert row.value == pytest.approx(25.0)
    assert (row.total_coverage, row.profile_coverage, row.estimated_share) == (1.0, 0.5, 0.5)


def test_a_sum_takes_each_amount_whole() -> None:
    # Generation is missing in the first eight quarter hours; imports of that time still count: 960 + 220.
    registry = a_plant("electricity + A_energy_generation", "kWh")
    generated = amounts(12, BEGIN_US + 8 * 900 * 1_000_000, np.full(88, 2.5))

    row = of_day(registry, together(a_day(10, 960.0), generated))

    assert row.value == pytest.approx(1180.0)
    assert row.total_coverage == pytest.approx(88 / 96)


def test_a_denominator_of_zero_is_said() -> None:
    registry = a_plant("electricity / water_intake", "kWh/m3")

    row = of_day(registry, together(a_day(10, 960.0), a_day(11, 0.0)))

    assert (row.reason, np.isnan(row.value)) == (NullReason.ZERO_DENOMINATOR, True)


def test_too_little_that_both_sides_know_is_insufficient() -> None:
    registry = a_plant("electricity / water_intake", "kWh/m3")

    row = of_day(registry, together(a_day(10, 960.0), amounts(11, BEGIN_US, np.full(80, 0.5))))

    assert (row.reason, row.measured) == (NullReason.INSUFFICIENT_DATA, pytest.approx(20.0))


def test_an_entered_series_is_compared_by_days() -> None:
    # (960 + 240) kWh / (3 t x 1000 kg)
    registry = a_plant("(electricity + A_energy_generation) / production_t", "kWh/kg")
    context = entered((1, "production_t", BEGIN_US, BEGIN_US + DAY_US, 3.0))

    row = of_day(registry, a_day_of_everything(), context=context)

    assert row.value == pytest.approx(0.4)
    assert row.flags == 0


def test_what_was_entered_for_two_days_is_split_and_told() -> None:
    registry = a_plant("electricity / production_t", "kWh/t")
    context = entered((1, "production_t", BEGIN_US, BEGIN_US + 2 * DAY_US, 12.0))

    row = of_day(registry, a_day_of_everything(), context=context)

    assert row.value == pytest.approx(160.0)
    assert (row.estimated_share, row.flags) == (1.0, Flag.ESTIMATED)


def test_nothing_entered_is_no_denominator() -> None:
    registry = a_plant("electricity / production_t", "kWh/t")

    assert of_day(registry, a_day_of_everything()).reason == NullReason.NO_DENOMINATOR


def test_a_formula_of_the_park_is_of_its_sums() -> None:
    meters = [a_meter(1, 1), a_meter(2, 2)]
    channels = [a_channel(number, meter, q) for number, meter, q in _QUANTITIES]
    registry = with_formulas(a_registry(meters, channels), a_formula("ours", "electricity / water_intake", "kWh/m3"))
    base = together(a_day(10, 100.0), a_day(11, 10.0), a_day(20, 900.0), a_day(21, 30.0))

    # 1,000 kWh / 40 m3, and no mean of 10 and 30.
    assert of_day(registry, base, subject=PARK).value == pytest.approx(25.0)


_QUANTITIES = ((10, 1, "energy_import"), (11, 1, "water_in"), (20, 2, "energy_import"), (21, 2, "water_in"))


def test_a_meter_and_an_hour_have_their_formula_too() -> None:
    registry = a_plant("electricity / water_intake", "kWh/m3", subjects=("meter",), levels=("base", "hour"))
    base = together(amounts(10, BEGIN_US, [1.0, 2.0, 3.0, 4.0]), amounts(11, BEGIN_US, [1.0, 1.0, 1.0, 2.0]))
    kpis = the_kpis(registry, "ours")
    meter = a_meter_subject(1)

    hour = subject_kpis(registry, (meter,), kpis, Level.HOUR, BEGIN_US, BEGIN_US + 1, base)
    quarters = subject_kpis(registry, (meter,), kpis, Level.BASE, BEGIN_US, BEGIN_US + 3_600_000_000, base)

    assert hour.value.tolist() == [pytest.approx(2.0)]
    assert quarters.value.tolist() == pytest.approx([1.0, 2.0, 3.0, 2.0])


def test_a_subject_that_lacks_an_amount_has_no_formula() -> None:
    registry = a_plant("electricity / water_intake", "kWh/m3", subjects=("meter",))
    frame = subject_kpis(
        registry,
        (a_meter_subject(2),),
        the_kpis(registry, "ours"),
        Level.DAY,
        BEGIN_US,
        BEGIN_US + 1,
        a_day_of_everything(),
    )

    assert len(frame) == 0


def test_before_a_formula_holds_there_is_none() -> None:
    registry = a_plant("electricity", "kWh")
    formula = registry.references.formulas[0]
    later = with_formulas(registry, _from(formula, BEGIN_US + 2 * DAY_US))
    frame = subject_kpis(
        later, (FIRM,), the_kpis(later, "ours"), Level.DAY, BEGIN_US, BEGIN_US + 3 * DAY_US, a_day_of_everything()
    )

    assert rows_of(frame, "ours", FIRM).start_us.tolist() == [BEGIN_US + 2 * DAY_US]


def _from(formula: Formula, from_us: int) -> Formula:
    return replace(formula, origin=replace(formula.origin, valid_from_us=from_us))


def test_the_channels_of_all_amounts_are_needed() -> None:
    registry = a_plant("electricity / water_intake", "kWh/m3")

    assert member_channels(registry, (FIRM,), the_kpis(registry, "ours")).tolist() == [10, 11]
