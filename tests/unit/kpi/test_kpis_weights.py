"""Weights: what a member usually amounts to decides how much its silence matters."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.errors import InputError
from domain.frames import AmountFrame, NullReason
from domain.registry import Registry
from domain.time import DAY_US, HOUR_US, SECOND_US, Level, parse_instant
from kpi.weights import Weights, trailing_start, trailing_weights, weight_days
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    amounts,
    at,
    figure,
    together,
)


def firms(number: int, **park: int | None) -> Registry:
    meters = [a_meter(place, place) for place in range(1, number + 1)]
    channels = [a_channel(place, place, "energy_import") for place in range(1, number + 1)]
    return a_registry(meters, channels, park=a_park(**park))


def days(channel: int, first_us: int, values: list[float], **columns: object) -> AmountFrame:
    return amounts(channel, first_us, values, level=Level.DAY, step_s=86400, **columns)


def weighted(registry: Registry, *medians: float) -> Weights:
    channels = np.array([channel.id for channel in registry.channels], dtype=np.int32)
    return Weights(
        channel_id=channels, day_us=np.array([BEGIN_US]), median=np.array(medians, dtype=np.float64).reshape(-1, 1)
    )


def test_the_weight_is_the_median_of_28_days_with_the_last_one() -> None:
    registry = firms(1)
    frame = days(1, BEGIN_US, [float(day) for day in range(29)])

    weights = trailing_weights(registry, frame, np.array([BEGIN_US + 27 * DAY_US, BEGIN_US + 28 * DAY_US]))

    assert weights.median.tolist() == [[13.5, 14.5]]


def test_days_that_are_not_known_well_enough_are_not_counted() -> None:
    registry = firms(1)
    known_s = np.array([86400, 64800, 64799, 0]) * 1.0
    frame = days(1, BEGIN_US, [1.0, 5.0, 90.0, 90.0], measured_s=known_s)

    weights = trailing_weights(registry, frame, np.array([BEGIN_US + 3 * DAY_US]))

    assert weights.median.tolist() == [[3.0]]


def test_the_open_day_is_not_counted() -> None:
    frame, asked = days(1, BEGIN_US, [1.0, 3.0, 90.0]), np.array([BEGIN_US + 2 * DAY_US])

    opened = trailing_weights(firms(1, ticked_to_us=BEGIN_US + 3 * DAY_US - 900 * SECOND_US), frame, asked)
    closed = trailing_weights(firms(1, ticked_to_us=BEGIN_US + 3 * DAY_US), frame, asked)

    assert opened.median.tolist() == [[2.0]]
    assert closed.median.tolist() == [[3.0]]


def test_a_gap_that_its_day_closes_is_known() -> None:
    registry = firms(1)
    frame = days(1, BEGIN_US, [7.0], measured_s=40000.0, inner_gap_s=46400.0)

    weights = trailing_weights(registry, frame, np.array([BEGIN_US]))

    assert weights.median.tolist() == [[7.0]]


def test_a_channel_without_a_known_day_has_no_weight_and_jitter_weighs_nothing() -> None:
    registry = firms(2)

    weights = trailing_weights(registry, days(1, BEGIN_US, [-0.2]), np.array([BEGIN_US]))

    assert weights.median[0, 0] == 0.0
    assert np.isnan(weights.median[1, 0])


def test_the_day_of_a_clock_change_is_whole_with_its_own_hours() -> None:
    start = parse_instant("2026-03-29T00:00:00+01:00")
    registry = replace(firms(1), park=a_park(zone=ZoneInfo("Europe/Rome")))

    weights = trailing_weights(registry, days(1, start, [4.0], measured_s=0.75 * 23 * 3600), np.array([start]))

    assert weights.median.tolist() == [[4.0]]


def test_amounts_of_hours_make_no_weights() -> None:
    with pytest.raises(InputError, match="level hour"):
        trailing_weights(firms(1), amounts(1, BEGIN_US, [1.0], level=Level.HOUR), np.array([BEGIN_US]))


def test_the_first_of_28_days_is_27_days_before_the_last() -> None:
    assert trailing_start(a_park(), BEGIN_US) == BEGIN_US - 27 * DAY_US


def test_each_interval_is_weighed_on_its_last_day() -> None:
    park = a_park()

    months = weight_days(park, Level.MONTH, BEGIN_US, at("02-10 00:00"))
    hours = weight_days(park, Level.HOUR, at("01-05 22:00"), at("01-06 02:00"))

    assert months.tolist() == [at("01-31 00:00"), at("02-28 00:00")]
    assert hours.tolist() == [at("01-05 00:00"), at("01-06 00:00")]


def test_an_open_month_is_weighed_on_the_day_up_to_which_it_is_final() -> None:
    open_on = a_park(ticked_to_us=at("01-10 09:00"))

    assert weight_days(open_on, Level.MONTH, BEGIN_US, BEGIN_US + 1).tolist() == [at("01-10 00:00")]
    assert weight_days(open_on, Level.MONTH, at("03-01 00:00"), at("03-02 00:00")).tolist() == [at("03-31 00:00")]


def test_coverage_is_weighted_so_that_a_small_dead_meter_does_not_null_the_park() -> None:
    registry = firms(2)
    base = amounts(1, BEGIN_US, [1.0] * 96)

    small = figure(registry, "electricity", PARK, Level.DAY, base, weights=weighted(registry, 950, 50))
    large = figure(registry, "electricity", PARK, Level.DAY, base, weights=weighted(registry, 50, 950))

    assert (small.total_coverage, small.value) == (pytest.approx(0.95), 96.0)
    assert (large.total_coverage, large.reason) == (pytest.approx(0.05), NullReason.INSUFFICIENT_DATA)


def test_a_member_without_a_weight_gets_the_mean_of_the_others() -> None:
    registry = firms(3)
    base = together(amounts(1, BEGIN_US, [1.0] * 96), amounts(2, BEGIN_US, [1.0] * 96))

    row = figure(registry, "electricity", PARK, Level.DAY, base, weights=weighted(registry, 10, 50, np.nan))

    assert row.total_coverage == pytest.approx(60 / 90)


@pytest.mark.parametrize("medians", [(np.nan, np.nan), (0.0, 0.0)])
def test_without_any_weight_all_members_are_equal(medians: tuple[float, float]) -> None:
    registry = firms(2)

    row = figure(
        registry, "electricity", PARK, Level.DAY, amounts(1, BEGIN_US, [1.0] * 96), weights=weighted(registry, *medians)
    )

    assert row.total_coverage == 0.5


def test_one_dead_meter_of_four_hundred_is_seen_and_nulls_nothing() -> None:
    registry = firms(400)
    base = together(*(amounts(number, BEGIN_US, [1.0] * 96) for number in range(2, 401)))

    row = figure(registry, "electricity", PARK, Level.DAY, base)

    assert row.value == 399 * 96.0
    assert row.total_coverage == pytest.approx(399 / 400)


@pytest.mark.parametrize(("level", "share", "reason"), [
    (Level.HOUR, 0.75, NullReason.NONE),
    (Level.HOUR, 0.74, NullReason.INSUFFICIENT_DATA),
    (Level.DAY, 0.90, NullReason.NONE),
    (Level.DAY, 0.89, NullReason.INSUFFICIENT_DATA),
])  # fmt: skip
def test_the_gate_is_three_quarters_up_to_an_hour_and_nine_tenths_from_a_day_on(
    level: Level, share: float, reason: NullReason
) -> None:
    registry = firms(1)
    cells = 4 if level is Level.HOUR else 96

    row = figure(registry, "electricity", PARK, level, amounts(1, BEGIN_US, [1.0] * cells, measured_s=900 * share))

    assert row.reason == reason


def test_weights_that_lack_a_day_are_refused() -> None:
    registry = firms(1)
    weights = Weights(
        channel_id=np.array([1], dtype=np.int32), day_us=np.array([BEGIN_US - DAY_US]), median=np.array([[1.0]])
    )

    with pytest.raises(InputError, match="weight_days"):
        figure(registry, "electricity", PARK, Level.DAY, amounts(1, BEGIN_US, [1.0]), weights=weights)


def test_the_day_weighs_its_own_demand_blocks() -> None:
    registry = firms(2)
    base = together(amounts(1, BEGIN_US, [1.0] * 96), amounts(2, BEGIN_US, [5.0] * 4))

    light = figure(registry, "demand_peak", PARK, Level.DAY, base, weights=weighted(registry, 90, 10))
    heavy = figure(registry, "demand_peak", PARK, Level.DAY, base, weights=weighted(registry, 50, 50))

    assert light.profile_coverage == pytest.approx((4 * 1.0 + 92 * 0.9) / 96)
    assert heavy.profile_coverage == pytest.approx(4 / 96)
    assert light.measured == heavy.measured == 24.0


def test_an_amount_that_begins_on_no_edge_is_refused() -> None:
    with pytest.raises(InputError, match="no edge of level base"):
        figure(firms(1), "electricity", PARK, Level.DAY, amounts(1, BEGIN_US + 60 * SECOND_US, [1.0]))


def test_amounts_of_another_level_are_refused() -> None:
    with pytest.raises(InputError, match="level hour"):
        figure(firms(1), "electricity", PARK, Level.DAY, amounts(1, BEGIN_US, [1.0], level=Level.HOUR))


def test_hours_far_from_the_range_change_nothing() -> None:
    registry = firms(1)
    near = amounts(1, BEGIN_US + HOUR_US, [1.0] * 4)
    wide = together(amounts(1, BEGIN_US, [50.0] * 4), near, amounts(1, BEGIN_US + 2 * HOUR_US, [70.0] * 4))

    row = figure(registry, "electricity", PARK, Level.HOUR, wide, moment_us=BEGIN_US + HOUR_US)

    assert row.value == 4.0
