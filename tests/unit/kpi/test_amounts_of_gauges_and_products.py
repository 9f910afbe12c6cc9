"""Gauges, interval channels and products, worked by hand on intervals of 15 minutes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from domain.frames import AmountFrame
from domain.quality import Flag, Quality
from domain.registry import Kind, Multiplier, Statistic
from domain.time import parse_instant
from kpi.amounts import interval_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, a_channel, readings_of
from tests.support.reference_amounts import Heard

TEN = parse_instant("2026-06-10T10:00:00+07:00")

FLOW: dict[str, Any] = {"kind": Kind.GAUGE, "quantity": "effluent_flow", "unit": "m3/h", "max_rate": None}
COD: dict[str, Any] = {"kind": Kind.GAUGE, "quantity": "cod", "unit": "mg/L", "max_rate": None}
MEAN: dict[str, Any] = {"statistic": Statistic.MEAN}


def heard_at(channel_id: int, told: Sequence[tuple[float, float]], **more: Any) -> list[Heard]:
    return [
        Heard(channel_id=channel_id, ts=TEN + round(minute * MINUTE), value=value, **more) for minute, value in told
    ]


def computed(channels: Sequence[dict[str, Any]], heard: Sequence[Heard], wanted: int) -> AmountFrame:
    """Amounts of one of some channels, which are numbered from 1."""
    table = ChannelTable.of_channels(a_channel(number, **facts) for number, facts in enumerate(channels, 1))
    ranges = Ranges.whole(np.array([wanted], dtype=np.int32), TEN - 24 * HOUR, TEN + 24 * HOUR)
    return interval_amounts(table, readings_of(heard), ranges, JAKARTA, 900)


def test_an_instant_value_holds_one_and_a_half_intervals_at_most() -> None:
    frame = computed([FLOW], heard_at(1, [(0, 60.0)]), 1)

    assert frame.measured_s.tolist() == [900.0, 450.0]
    assert frame.mean.tolist() == [60.0, 60.0]
    assert frame.amount.tolist() == [15.0, 7.5]
    assert frame.peak[0] == 60.0
    assert np.isnan(frame.peak[1])


def test_a_mean_holds_its_own_interval() -> None:
    assert computed([FLOW | MEAN], heard_at(1, [(0, 60.0)]), 1).measured_s.tolist() == [900.0]


def test_a_value_holds_until_the_next_and_is_not_interpolated() -> None:
    frame = computed([FLOW], heard_at(1, [(0, 60.0), (10, 120.0), (15, 0.0)]), 1)

    assert frame.mean[0] == pytest.approx((60.0 * 10 + 120.0 * 5) / 15)
    assert (frame.low[0], frame.high[0], frame.last[0]) == (60.0, 120.0, 120.0)


def test_a_concentration_adds_up_to_nothing() -> None:
    frame = computed([COD | MEAN], heard_at(1, [(0, 80.0)]), 1)

    assert frame.mean.tolist() == [80.0]
    assert np.isnan(frame.amount[0])
    assert np.isnan(frame.peak[0])


def test_ph_has_extremes_but_no_mean() -> None:
    frame = computed([{"kind": Kind.GAUGE, "quantity": "ph", "unit": "pH"}], heard_at(1, [(0, 6.0), (5, 9.0)]), 1)

    assert np.isnan(frame.mean[0])
    assert (frame.low[0], frame.high[0], frame.last[0]) == (6.0, 9.0, 9.0)


def test_an_unusable_value_ends_the_hold_before_it_and_holds_nothing() -> None:
    heard = [*heard_at(1, [(0, 60.0), (10, 120.0)]), *heard_at(1, [(5, 1.0)], quality=Quality.FAULT)]

    frame = computed([FLOW], heard, 1)

    assert frame.measured_s[0] == 600.0
    assert frame.low[0] == 60.0
    assert frame.flags[0] == Flag.SOURCE_INVALID


def test_a_value_with_a_conflict_is_as_if_absent() -> None:
    heard = [*heard_at(1, [(0, 60.0), (10, 120.0)]), *heard_at(1, [(5, 1.0)], conflict=True)]

    frame = computed([FLOW], heard, 1)

    assert frame.measured_s[0] == 900.0
    assert frame.mean[0] == pytest.approx(80.0)
    assert frame.flags[0] == Flag.CONFLICT


def test_a_gauge_takes_the_multiplier_in_force_while_it_holds() -> None:
    frame = computed(
        [FLOW | {"multipliers": (Multiplier(from_us=TEN + 5 * MINUTE, factor=2.0),)}], heard_at(1, [(0, 60.0)]), 1
    )

    assert frame.mean[0] == pytest.approx((60.0 * 5 + 120.0 * 10) / 15)


def test_an_interval_reading_is_split_in_proportion_to_overlap() -> None:
    frame = computed([{"kind": Kind.INTERVAL}], heard_at(1, [(5, 9.0), (20, 3.0)]), 1)

    assert frame.amount == pytest.approx([6.0, 3.0 + 2.0, 1.0])
    assert frame.measured_s.tolist() == [600.0, 900.0, 300.0]


def test_interval_readings_that_overlap_are_summed_but_measure_once() -> None:
    frame = computed([{"kind": Kind.INTERVAL}], heard_at(1, [(0, 9.0), (5, 6.0)]), 1)

    assert frame.amount == pytest.approx([9.0 + 4.0, 2.0])
    assert frame.measured_s.tolist() == [900.0, 300.0]


def product(flow: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        COD | MEAN,
        flow,
        {"kind": Kind.PRODUCT, "quantity": "load_cod", "unit": "kg", "inputs": (1, 2), "max_rate": None},
    ]


def test_a_load_is_taken_on_the_common_hold_of_both() -> None:
    heard = [*heard_at(1, [(0, 100.0)]), *heard_at(2, [(5, 60.0)])]

    frame = computed(product(FLOW | MEAN), heard, 3)

    assert frame.amount == pytest.approx([100.0 * 60.0 * 10 / 60 * 1e-3])
    assert frame.measured_s.tolist() == [600.0]
    assert frame.slots.tolist() == [0]


def test_a_register_flows_evenly_between_its_accepted_readings() -> None:
    volume = {"quantity": "effluent_volume", "unit": "m3"}
    heard = [*heard_at(1, [(0, 100.0), (15, 200.0)]), *heard_at(2, [(0, 10.0), (30, 40.0)])]

    frame = computed(product(volume), heard, 3)

    assert frame.amount == pytest.approx([1.5, 3.0])
    assert frame.peak == pytest.approx([6.0, 12.0])


def test_a_gap_of_the_register_makes_no_load() -> None:
    volume = {"quantity": "effluent_volume", "unit": "m3"}
    heard = [*heard_at(1, [(0, 100.0)]), *heard_at(2, [(0, 10.0), (121, 40.0)])]

    assert len(computed(product(volume), heard, 3)) == 0


def test_an_event_has_no_amounts() -> None:
    assert len(computed([{"kind": Kind.EVENT}], heard_at(1, [(0, 1.0)]), 1)) == 0
