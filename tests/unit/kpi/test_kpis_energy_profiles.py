"""Base load and coincidence of peaks: worked by hand."""

import numpy as np
import pytest

from domain.frames import NullReason
from domain.quality import Flag
from domain.registry import Registry
from domain.time import Level
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from kpi.profiles import percentiles
from tests.support.small_parks import (
    BEGIN_US,
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
    a_registry,
    a_tenant_subject,
    amounts,
    at,
    figure,
    the_kpis,
    together,
)

ONE = a_tenant_subject(1)


def firms(number: int) -> Registry:
    meters = [a_meter(place, place) for place in range(1, number + 1)]
    return a_registry(meters, [a_channel(place, place, "energy_import") for place in range(1, number + 1)])


def test_the_base_load_is_the_fifth_percentile_of_the_quarter_hours() -> None:
    # 96 quarters of 0 .. 95 kWh: rank 0.05 x 95 = 4.75, so 4.75 kWh, in a quarter 19 kW
    base = amounts(1, BEGIN_US, np.arange(96.0)[::-1])

    row = figure(firms(1), "base_load", ONE, Level.DAY, base)

    assert row.value == pytest.approx(19.0)
    assert (row.profile_coverage, row.reason) == (1.0, NullReason.NONE)


def test_the_base_load_of_a_park_is_of_the_sum() -> None:
    base = together(amounts(1, BEGIN_US, np.arange(96.0)), amounts(2, BEGIN_US, np.arange(96.0)[::-1]))

    row = figure(firms(2), "base_load", PARK, Level.DAY, base)

    assert row.value == pytest.approx(95 * 4)


def test_the_base_load_of_a_month_is_not_made_of_those_of_its_days() -> None:
    # One idle day among thirty-one is less than 5 % of the month.
    values = np.repeat([0.0, 1.0], [96, 30 * 96])

    row = figure(firms(1), "base_load", ONE, Level.MONTH, amounts(1, BEGIN_US, values))

    assert row.value == pytest.approx(4.0)


def test_an_interval_that_was_not_measured_is_no_base_load() -> None:
    base = amounts(1, BEGIN_US, np.ones(90))

    row = figure(firms(1), "base_load", ONE, Level.DAY, base)

    assert (row.value, row.profile_coverage) == (pytest.approx(4.0), pytest.approx(90 / 96))


def test_too_few_intervals_make_no_base_load() -> None:
    row = figure(firms(1), "base_load", ONE, Level.DAY, amounts(1, BEGIN_US, np.ones(60)))

    assert row.reason == NullReason.INSUFFICIENT_DATA
    assert row.measured == pytest.approx(4.0)


def test_a_dead_meter_makes_the_base_load_a_lower_bound() -> None:
    base = together(*(amounts(number, BEGIN_US, np.ones(96)) for number in range(1, 20)))

    row = figure(firms(20), "base_load", PARK, Level.DAY, base)

    assert row.value == pytest.approx(19 * 4)
    assert row.flags & Flag.LOWER_BOUND


def test_a_base_load_is_made_of_base_intervals_and_folds_from_no_days() -> None:
    registry, base = firms(1), amounts(1, BEGIN_US, np.ones(31 * 96))
    kpis = the_kpis(registry, "base_load")
    stop_us = at("02-01 00:00")
    days = subject_kpis(registry, (ONE,), kpis, Level.DAY, BEGIN_US, stop_us, base)

    folded = fold_kpis(
        registry, (ONE,), kpis, Level.MONTH, BEGIN_US, stop_us, days, fold_amounts(base, Level.DAY, JAKARTA, 900)
    )

    assert len(folded) == 0


def test_coincidence_is_the_parks_peak_over_the_sum_of_its_tenants() -> None:
    base = together(amounts(1, BEGIN_US, [9, 1, 5, 1]), amounts(2, BEGIN_US, [1, 9, 6, 1]))

    row = figure(firms(2), "coincidence", PARK, Level.HOUR, base)

    # The park peaks at 5 + 6 = 11 kWh a quarter, each of the two at 9.
    assert row.value == pytest.approx(11 / 18)


def test_the_peaks_of_a_month_are_compared_with_each_other() -> None:
    day = np.ones(96)
    one, two = np.tile(day, 31), np.tile(day, 31)
    one[5 * 96 + 40], two[20 * 96 + 60] = 10.0, 10.0
    base = together(amounts(1, BEGIN_US, one), amounts(2, BEGIN_US, two))

    row = figure(firms(2), "coincidence", PARK, Level.MONTH, base)

    # Both peak at 10, on different days; together they never draw more than 11.
    assert row.value == pytest.approx(11 / 20)


def test_an_idle_park_has_no_coincidence() -> None:
    row = figure(firms(1), "coincidence", PARK, Level.HOUR, amounts(1, BEGIN_US, [0.0] * 4))

    assert row.reason == NullReason.ZERO_DENOMINATOR


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_percentiles_are_numpys(share: float) -> None:
    rng = np.random.default_rng(1)
    values, group = rng.uniform(0, 9, 200), rng.integers(0, 7, 200)

    found = percentiles(values, group, 9, share)

    expected = [np.quantile(values[group == one], share) for one in range(7)]
    np.testing.assert_allclose(found, [*expected, np.nan, np.nan], rtol=1e-12)
