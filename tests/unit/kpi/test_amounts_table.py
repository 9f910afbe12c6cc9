"""The channel table, the grid of base intervals and the slots counted on it."""

from datetime import timedelta

import numpy as np
import pytest

from domain.errors import InputError
from domain.registry import Kind, Multiplier, Statistic
from domain.time import base_edges, day_number, parse_instant
from kpi.grid import Grid
from kpi.slots import slot_starts
from kpi.table import FAR_US, ChannelTable
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, ROME, a_channel

DAY = 24 * HOUR
NIGHT = parse_instant("2026-10-25T00:00:00+02:00")


def test_channels_stand_sorted_by_id_and_are_found_in_any_order() -> None:
    table = ChannelTable.of_channels([a_channel(9), a_channel(2), a_channel(5)])

    assert table.channel_id.tolist() == [2, 5, 9]
    assert table.rows(np.array([9, 2, 9], dtype=np.int32)).tolist() == [2, 0, 2]


def test_what_a_channel_does_not_have_is_nan_or_far() -> None:
    table = ChannelTable.of_channels([a_channel(1, max_rate=None)])

    assert np.isnan([table.max_rate[0], table.modulus[0]]).all()
    assert table.valid_to_us[0] == FAR_US


def test_a_mean_holds_its_interval_and_an_instant_half_as_long_again() -> None:
    mean = a_channel(1, kind=Kind.GAUGE, quantity="power", statistic=Statistic.MEAN)
    table = ChannelTable.of_channels([mean, a_channel(2, kind=Kind.GAUGE, quantity="ph")])

    assert table.hold_us.tolist() == [15 * MINUTE, 22.5 * MINUTE]
    assert table.integrates.tolist() == [True, False]


def test_the_multiplier_in_force_is_one_until_the_first() -> None:
    table = ChannelTable.of_channels([a_channel(1, multipliers=(Multiplier(from_us=100, factor=40.0),))])

    index = table.factor_index(np.zeros(3, dtype=np.int64), np.array([99, 100, 101]))

    assert table.factor[index].tolist() == [1.0, 40.0, 40.0]


def test_a_multiplier_that_was_replaced_before_the_life_began_is_left_out() -> None:
    past = (Multiplier(from_us=10, factor=2.0), Multiplier(from_us=20, factor=3.0), Multiplier(from_us=30, factor=3.0))

    assert ChannelTable.of_channels([a_channel(1, valid_from_us=25, multipliers=past)]).factor.tolist() == [3.0]


def test_two_channels_of_one_id_are_refused() -> None:
    with pytest.raises(InputError, match="one id"):
        ChannelTable.of_channels([a_channel(1), a_channel(1)])


def test_a_product_of_a_channel_that_is_missing_is_refused() -> None:
    product = a_channel(3, kind=Kind.PRODUCT, quantity="load_cod", inputs=(1, 2))

    with pytest.raises(InputError, match="made of channel 2, which is missing"):
        ChannelTable.of_channels([a_channel(1), product])


@pytest.mark.parametrize("base_s", [300, 900, 1800, 3600])
def test_floor_and_ceil_are_the_edges_that_are_laid_out(base_s: int) -> None:
    grid, edges = Grid(zone=ROME, base_s=base_s), base_edges(ROME, base_s, NIGHT, NIGHT + 25 * HOUR)
    instants = NIGHT + np.arange(0, 24 * HOUR, 7 * MINUTE)

    assert grid.floor(instants).tolist() == edges[np.searchsorted(edges, instants, side="right") - 1].tolist()
    assert grid.ceil(instants).tolist() == edges[np.searchsorted(edges, instants, side="left")].tolist()


def slot_of(grid: Grid, instant: int, interval_us: int) -> int:
    return int(slot_starts(grid, np.array([instant]), np.array([interval_us]))[0])


def test_slots_are_counted_from_local_midnight() -> None:
    grid = Grid(zone=JAKARTA, base_s=900)
    morning = parse_instant("2026-06-10T00:00:00+07:00")

    assert slot_of(grid, morning + 20 * MINUTE, 7 * MINUTE) == morning + 14 * MINUTE
    assert slot_of(grid, morning + 23 * HOUR, 5 * HOUR) == morning + 20 * HOUR


def test_a_daily_slot_is_the_local_day_even_of_25_hours() -> None:
    assert slot_of(Grid(zone=ROME, base_s=900), NIGHT + 24 * HOUR + 30 * MINUTE, DAY) == NIGHT


def test_a_weekly_slot_is_seven_whole_local_days() -> None:
    grid = Grid(zone=ROME, base_s=900)
    starts = {slot_of(grid, NIGHT + number * DAY + 3 * HOUR, 7 * DAY) for number in range(7)}

    days = sorted(day_number(ROME, start) for start in starts)
    assert len(days) <= 2
    assert days[-1] - days[0] in {timedelta(0), timedelta(days=7)}
