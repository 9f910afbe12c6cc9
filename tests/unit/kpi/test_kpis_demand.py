"""Peak demand, load factor and power factor: made of wholly measured intervals only."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.frames import NullReason, SubjectKind
from domain.quality import Flag
from domain.registry import Registry
from domain.time import HOUR_US, Level, parse_instant
from kpi.compute import subject_kpis
from tests.support.small_parks import (
    BEGIN_US,
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
    rows_of,
    the_kpis,
    together,
)

QUARTER_US = HOUR_US // 4
ONE = a_tenant_subject(1)
METER = a_meter_subject(1)


def firms(number: int, *, block_s: int = 900) -> Registry:
    meters = [a_meter(place, place, demand_block_s=block_s) for place in range(1, number + 1)]
    return a_registry(meters, [a_channel(place, place, "energy_import") for place in range(1, number + 1)])


def test_the_peak_is_the_greatest_quarter_with_its_time() -> None:
    registry = firms(1)

    row = figure(registry, "demand_peak", METER, Level.HOUR, amounts(1, BEGIN_US, [1, 5, 2, 4]))

    assert (row.value, row.measured, row.peak_at_us) == (20.0, 20.0, BEGIN_US + QUARTER_US)
    assert (row.profile_coverage, row.reason, row.flags) == (1.0, NullReason.NONE, 0)


def test_of_equal_peaks_the_first_one_is_named() -> None:
    registry = firms(1)

    row = figure(registry, "demand_peak", METER, Level.HOUR, amounts(1, BEGIN_US, [1, 5, 5, 4]))

    assert row.peak_at_us == BEGIN_US + QUARTER_US


def test_the_peak_of_a_park_is_coincident() -> None:
    registry = firms(2)
    base = together(amounts(1, BEGIN_US, [9, 1, 5, 1]), amounts(2, BEGIN_US, [1, 9, 6, 1]))

    row = figure(registry, "demand_peak", PARK, Level.HOUR, base)

    assert (row.value, row.peak_at_us) == (44.0, BEGIN_US + 2 * QUARTER_US)


def test_the_longest_demand_block_of_the_members_counts() -> None:
    meters = [a_meter(1, 1), a_meter(2, 1, demand_block_s=1800)]
    registry = a_registry(meters, [a_channel(1, 1, "energy_import"), a_channel(2, 2, "energy_import")])
    base = together(amounts(1, BEGIN_US, [0, 8, 5, 5]), amounts(2, BEGIN_US, [0, 0, 0, 0]))

    tenant, meter = (figure(registry, "demand_peak", subject, Level.HOUR, base) for subject in (ONE, METER))

    assert (tenant.value, tenant.peak_at_us) == (20.0, BEGIN_US + 2 * QUARTER_US)
    assert (meter.value, meter.peak_at_us) == (32.0, BEGIN_US + QUARTER_US)


def test_at_base_level_the_block_is_the_base_interval() -> None:
    registry = firms(1, block_s=3600)

    row = figure(registry, "demand_peak", METER, Level.BASE, amounts(1, BEGIN_US, [3.0]))

    assert (row.value, row.peak_at_us) == (12.0, BEGIN_US)


def test_a_block_that_does_not_divide_the_hour_counts_in_the_day_but_in_no_hour_it_leaves() -> None:
    registry = firms(1, block_s=2700)
    base = amounts(1, BEGIN_US, [1, 1, 1, 30, 0, 0] + [0] * 90)

    day = figure(registry, "demand_peak", METER, Level.DAY, base)
    hours = subject_kpis(
        registry, (METER,), the_kpis(registry, "demand_peak"), Level.HOUR, BEGIN_US, BEGIN_US + 2 * HOUR_US, base
    )

    assert (day.value, day.peak_at_us) == (40.0, BEGIN_US + 3 * QUARTER_US)
    assert hours.measured.tolist()[0] == 4.0
    assert np.isnan(hours.measured[1])


def test_a_partly_measured_interval_makes_no_peak() -> None:
    registry = firms(1)
    base = amounts(1, BEGIN_US, [1, 50, 2, 1], measured_s=[900, 899, 900, 900])

    row = figure(registry, "demand_peak", METER, Level.HOUR, base)

    assert (row.value, row.profile_coverage) == (8.0, 0.75)


def test_below_the_gate_the_peak_is_measured_and_has_no_value() -> None:
    registry = firms(1)

    row = figure(registry, "demand_peak", METER, Level.HOUR, amounts(1, BEGIN_US, [1, 5]))

    assert (row.measured, row.reason, row.profile_coverage) == (20.0, NullReason.INSUFFICIENT_DATA, 0.5)
    assert np.isnan(row.value)


def test_one_dead_meter_of_many_neither_hides_the_peak_nor_passes_unseen() -> None:
    registry = firms(40)
    base = together(*(amounts(number, BEGIN_US, [1.0] * 95 + [2.0]) for number in range(1, 40)))

    row = figure(registry, "demand_peak", PARK, Level.DAY, base)

    assert (row.value, row.peak_at_us) == (39 * 8.0, at("01-01 23:45"))
    assert row.flags & Flag.LOWER_BOUND
    assert row.profile_coverage == pytest.approx(39 / 40)


def test_a_block_in_which_too_many_are_missing_does_not_count() -> None:
    registry = firms(4)
    full = together(*(amounts(number, BEGIN_US, [1.0] * 96) for number in (1, 2)))
    base = together(full, *(amounts(number, BEGIN_US, [9.0] + [1.0] * 90) for number in (3, 4)))

    row = figure(registry, "demand_peak", PARK, Level.DAY, base)

    assert (row.value, row.peak_at_us) == (80.0, BEGIN_US)
    assert row.profile_coverage == pytest.approx(91 / 96)
    assert not row.flags & Flag.LOWER_BOUND


def test_the_lower_bound_is_a_matter_of_the_block_of_the_peak() -> None:
    registry = firms(4)
    base = together(
        *(amounts(number, BEGIN_US, [2.0] + [1.0] * 95) for number in (1, 2, 3)),
        amounts(4, BEGIN_US, [2.0] + [1.0] * 90),
    )

    row = figure(registry, "demand_peak", PARK, Level.WEEK, base)

    assert row.measured == 32.0
    assert not row.flags & Flag.LOWER_BOUND


def test_the_load_factor_takes_energy_and_hours_of_the_same_blocks() -> None:
    registry = firms(1)
    base = amounts(1, BEGIN_US, [1, 9, 5, 3], measured_s=[900, 10, 900, 900])

    row = figure(registry, "load_factor", METER, Level.HOUR, base)

    assert row.value == pytest.approx((1 + 5 + 3) / (20 * 0.75))


def test_the_load_factor_of_no_load_is_null() -> None:
    registry = firms(1)

    row = figure(registry, "load_factor", METER, Level.HOUR, amounts(1, BEGIN_US, [0, 0, 0, 0]))

    assert (row.reason, row.profile_coverage) == (NullReason.ZERO_DENOMINATOR, 1.0)
    assert np.isnan([row.value, row.measured]).all()


def test_a_clock_change_gives_the_day_its_own_hours() -> None:
    start, stop = parse_instant("2026-03-29T00:00:00+01:00"), parse_instant("2026-03-30T00:00:00+02:00")
    registry = a_registry(
        [a_meter(1, 1, demand_block_s=3600)],
        [a_channel(1, 1, "energy_import")],
        park=a_park(zone=ZoneInfo("Europe/Rome")),
    )
    quarters = (stop - start) // QUARTER_US
    base = amounts(1, start, [2.0] * (quarters - 1) + [6.0])

    row = figure(registry, "load_factor", METER, Level.DAY, base, moment_us=start)

    assert quarters == 23 * 4
    assert row.value == pytest.approx((2 * 91 + 6) / (12 * 23))


def reactive() -> Registry:
    meters = [a_meter(1, 1), a_meter(2, 1), a_meter(3, 2)]
    channels = [a_channel(number, number, "energy_import") for number in (1, 2, 3)]
    return a_registry(meters, [*channels, a_channel(11, 1, "energy_reactive_lagging")])


def test_the_power_factor_is_that_of_the_sums_of_energies() -> None:
    registry = reactive()
    base = together(amounts(1, BEGIN_US, [1, 3, 1, 3]), amounts(11, BEGIN_US, [3, 1, 1, 1]))

    row = figure(registry, "power_factor", METER, Level.HOUR, base)

    assert row.value == pytest.approx(8 / 10)


def test_an_interval_with_one_side_only_leaves_both_sides() -> None:
    registry = reactive()
    base = together(
        amounts(1, BEGIN_US, [3, 100, 3, 3]), amounts(11, BEGIN_US, [4, 7, 4, 4], measured_s=[900, 0, 900, 900])
    )

    row = figure(registry, "power_factor", METER, Level.HOUR, base)

    assert (row.value, row.profile_coverage) == (pytest.approx(0.6), 0.75)


def test_meters_without_reactive_energy_are_left_out_of_the_power_factor() -> None:
    registry = reactive()
    base = together(amounts(1, BEGIN_US, [3] * 4), amounts(2, BEGIN_US, [50] * 4), amounts(11, BEGIN_US, [4] * 4))
    subjects = (PARK, ONE, a_tenant_subject(2), a_meter_subject(2))

    frame = subject_kpis(
        registry, subjects, the_kpis(registry, "power_factor"), Level.HOUR, BEGIN_US, BEGIN_US + 1, base
    )

    assert rows_of(frame, "power_factor", PARK).value == pytest.approx([0.6])
    assert set(frame.subject_kind.tolist()) == {SubjectKind.PARK.code, SubjectKind.TENANT.code}
    assert len(frame) == 2


def test_the_power_factor_of_no_energy_is_null() -> None:
    registry = reactive()
    base = together(amounts(1, BEGIN_US, [0] * 4), amounts(11, BEGIN_US, [0] * 4))

    row = figure(registry, "power_factor", METER, Level.HOUR, base)

    assert row.reason == NullReason.ZERO_DENOMINATOR


def test_a_power_factor_whose_sides_never_meet_has_insufficient_data() -> None:
    registry = reactive()
    base = together(amounts(1, BEGIN_US, [3] * 2), amounts(11, BEGIN_US + 2 * QUARTER_US, [4] * 2))

    row = figure(registry, "power_factor", METER, Level.HOUR, base)

    assert (row.reason, row.profile_coverage) == (NullReason.INSUFFICIENT_DATA, 0.0)
    assert np.isnan(row.measured)
