"""Each row of the catalogue's table of differences, worked by hand on intervals of 15 minutes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from domain.errors import InputError
from domain.frames import AmountFrame
from domain.quality import Flag, Quality
from domain.registry import Exchange, Multiplier
from domain.time import parse_instant
from kpi.amounts import interval_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, a_channel, readings_of
from tests.support.reference_amounts import Heard

TEN = parse_instant("2026-06-10T10:00:00+07:00")


def amounts(told: Sequence[tuple[float, float]], **channel: Any) -> AmountFrame:
    """Amounts of a register of which (minute after 10:00, value) was read."""
    heard = [Heard(channel_id=1, ts=TEN + round(minute * MINUTE), value=value) for minute, value in told]
    return amounts_of(heard, **channel)


def amounts_of(heard: Sequence[Heard], **channel: Any) -> AmountFrame:
    table = ChannelTable.of_channels([a_channel(**channel)])
    ranges = Ranges.whole(np.array([1], dtype=np.int32), TEN - 48 * HOUR, TEN + 48 * HOUR)
    return interval_amounts(table, readings_of(heard), ranges, JAKARTA, 900)


def at(frame: AmountFrame, minute: int) -> int:
    found = np.flatnonzero(frame.start_us == TEN + minute * MINUTE)
    assert len(found) == 1, f"no row at minute {minute}"
    return int(found[0])


def flags(frame: AmountFrame) -> list[int]:
    return [int(flag) for flag in frame.flags]


def test_readings_on_the_edges_leave_their_differences_in_the_intervals_between() -> None:
    frame = amounts([(0, 100.0), (15, 103.0), (30, 103.0), (45, 110.5)])

    assert frame.amount[:3].tolist() == [3.0, 0.0, 7.5]
    assert frame.measured_s[:3].tolist() == [900.0, 900.0, 900.0]
    assert frame.peak[:3].tolist() == [12.0, 0.0, 30.0]
    assert frame.peak_at_us[:3].tolist() == frame.start_us[:3].tolist()


def test_the_last_reading_fills_a_slot_but_begins_no_amount() -> None:
    frame = amounts([(0, 100.0), (15, 103.0), (30, 104.0)])

    assert len(frame) == 3
    assert np.isnan(frame.amount[2])
    assert frame.slots.tolist() == [1, 1, 1]


def test_a_boundary_without_a_reading_lies_on_the_line_between_its_neighbours() -> None:
    frame = amounts([(5, 100.0), (20, 115.0), (35, 145.0)])

    assert frame.amount.tolist() == [10.0, 25.0, 10.0]
    assert frame.measured_s.tolist() == [600.0, 900.0, 300.0]
    assert np.isnan(frame.peak[[0, 2]]).all()


def test_an_idle_register_that_flickers_creates_no_energy() -> None:
    frame = amounts([(0, 1000.0), (15, 999.9), (30, 1000.0), (45, 999.8)])

    assert frame.amount[:3] == pytest.approx([-0.1, 0.1, -0.2])
    assert flags(frame)[:3] == [Flag.JITTER, 0, Flag.JITTER]


def test_a_register_that_passes_its_last_digit_counts_on() -> None:
    frame = amounts([(0, 980.0), (15, 990.0), (30, 4.0), (45, 10.0)], modulus=1000.0)

    assert frame.amount[:3] == pytest.approx([10.0, 14.0, 6.0])
    assert flags(frame)[:3] == [0, Flag.ROLLOVER, 0]


def test_a_fall_from_below_the_top_tenth_is_no_rollover() -> None:
    frame = amounts([(0, 880.0), (15, 885.0), (30, 890.0), (45, 5.0), (60, 6.0), (75, 7.0)], modulus=1000.0)

    assert flags(frame)[2] == Flag.RESET


def test_a_register_that_starts_anew_counts_what_it_shows_as_a_lower_bound() -> None:
    frame = amounts([(0, 5000.0), (15, 5001.0), (30, 5002.0), (45, 3.0), (60, 5.0), (75, 6.0)])

    assert frame.amount[:5].tolist() == [1.0, 1.0, 3.0, 2.0, 1.0]
    assert flags(frame)[:5] == [0, 0, Flag.RESET, 0, 0]


def test_a_jump_that_nothing_explains_counts_nothing() -> None:
    frame = amounts([(0, 100.0), (15, 101.0), (30, 102.0), (45, 9000.0), (60, 9001.0), (75, 9002.0)])

    assert frame.amount[[0, 1, 3, 4]].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert np.isnan(frame.amount[2])
    assert frame.measured_s[2] == 0.0
    assert flags(frame)[:5] == [0, 0, Flag.STEP, 0, 0]


def test_one_old_packet_on_a_large_register_adds_nothing() -> None:
    frame = amounts([(0, 1e6), (15, 1e6 + 1), (30, 1e6 + 2), (45, 17.0), (60, 1e6 + 4), (75, 1e6 + 5), (90, 1e6 + 6)])

    assert frame.amount[:6].tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert flags(frame)[:6] == [0, 0, 0, Flag.SUSPECT, 0, 0]


def test_two_readings_that_agree_only_with_each_other_are_suspect() -> None:
    frame = amounts(
        [(0, 100.0), (15, 101.0), (30, 102.0), (45, 5000.0), (60, 5001.0), (75, 105.0), (90, 106.0), (105, 107.0)]
    )

    assert frame.amount[:7].tolist() == [1.0] * 7
    assert flags(frame)[:7] == [0, 0, 0, Flag.SUSPECT, Flag.SUSPECT, 0, 0]


def test_the_newest_readings_not_yet_accepted_count_nothing() -> None:
    frame = amounts([(0, 100.0), (15, 101.0), (30, 102.0), (45, 9000.0), (60, 9001.0)])

    assert np.nansum(frame.amount) == 2.0
    assert flags(frame)[3:] == [Flag.SUSPECT, Flag.SUSPECT]


def test_two_readings_that_are_all_there_is_are_accepted_if_they_agree() -> None:
    assert amounts([(0, 100.0), (15, 101.0)]).amount[0] == 1.0
    assert flags(amounts([(0, 100.0), (15, 9001.0)])) == [Flag.SUSPECT, Flag.SUSPECT]


def test_an_exchange_counts_both_devices_up_to_it_and_from_it() -> None:
    exchange = Exchange(at_us=TEN + 20 * MINUTE, closing=103.0, opening=7.0)

    frame = amounts([(0, 100.0), (15, 102.0), (30, 9.0), (45, 10.0)], exchanges=(exchange,))

    assert frame.amount[:3] == pytest.approx([2.0, 3.0, 1.0])
    assert flags(frame)[:3] == [0, Flag.EXCHANGE, 0]


def test_each_side_of_an_exchange_has_its_own_multiplier() -> None:
    facts = {
        "exchanges": (Exchange(at_us=TEN + 15 * MINUTE, closing=103.0, opening=0.0),),
        "multipliers": (Multiplier(from_us=0, factor=10.0), Multiplier(from_us=TEN + 15 * MINUTE, factor=2.0)),
    }

    frame = amounts([(5, 100.0), (25, 4.0)], **facts)

    assert frame.amount.tolist() == [30.0, 8.0]


def test_a_pair_over_a_change_of_the_multiplier_is_cut_there() -> None:
    multipliers = (Multiplier(from_us=TEN + 10 * MINUTE, factor=3.0),)

    frame = amounts([(0, 100.0), (15, 115.0), (30, 130.0)], multipliers=multipliers)

    assert frame.amount[:2].tolist() == [10.0 + 3 * 5.0, 45.0]


def test_a_closing_index_below_what_was_read_makes_the_pair_a_step() -> None:
    exchange = Exchange(at_us=TEN + 20 * MINUTE, closing=50.0, opening=7.0)

    frame = amounts([(0, 100.0), (15, 102.0), (30, 9.0), (45, 10.0)], exchanges=(exchange,))

    assert np.isnan(frame.amount[1])
    assert flags(frame)[1] == Flag.EXCHANGE | Flag.STEP


def test_a_long_gap_is_spread_but_not_measured() -> None:
    frame = amounts([(0, 100.0), (15, 101.0), (175, 117.0), (190, 118.0)])
    gap = slice(1, 11)

    assert frame.amount[gap].sum() == pytest.approx(15.0)
    assert frame.measured_s[gap].tolist() == [0.0] * 10
    assert frame.estimated[gap] == pytest.approx(frame.amount[gap])
    assert frame.estimated[at(frame, 165)] == pytest.approx(1.0)
    assert frame.measured_s[at(frame, 165)] == 300.0
    assert (frame.gap_s[1], frame.gap_stop_us[1]) == (160 * 60.0, TEN + 175 * MINUTE)
    assert (frame.gap_s[2:] == 0.0).all()
    assert np.isnan(frame.peak[gap]).all()


def test_two_hours_between_readings_are_still_measured() -> None:
    frame = amounts([(0, 100.0), (120, 108.0)])

    assert frame.amount[:8].tolist() == [1.0] * 8
    assert (frame.measured_s[:8] == 900.0).all()


def test_conflicts_and_unusable_readings_are_taken_out_before_judgement() -> None:
    heard = [
        Heard(channel_id=1, ts=TEN, value=100.0),
        Heard(channel_id=1, ts=TEN + 15 * MINUTE, value=900.0, conflict=True),
        Heard(channel_id=1, ts=TEN + 30 * MINUTE, value=900.0, quality=Quality.CALIBRATION),
        Heard(channel_id=1, ts=TEN + 45 * MINUTE, value=103.0),
        Heard(channel_id=1, ts=TEN + 60 * MINUTE, value=104.0, quality=Quality.ESTIMATED_BY_SOURCE),
    ]

    frame = amounts_of(heard)

    assert frame.amount[:4].tolist() == [1.0] * 4
    assert flags(frame)[:4] == [0, Flag.CONFLICT, Flag.SOURCE_INVALID, 0]
    assert frame.slots[:5].tolist() == [1, 1, 1, 1, 1]


def test_only_the_channels_life_counts() -> None:
    life = {"valid_from_us": TEN + 15 * MINUTE, "valid_to_us": TEN + 45 * MINUTE}

    frame = amounts([(0, 100.0), (15, 101.0), (30, 102.0), (45, 103.0), (60, 104.0)], **life)

    assert frame.start_us.tolist() == [TEN + 15 * MINUTE, TEN + 30 * MINUTE]
    assert frame.amount.tolist() == [1.0, 1.0]
    assert frame.slots.tolist() == [1, 1]


def test_a_daily_reading_fills_the_slot_that_began_at_midnight() -> None:
    frame = amounts([(0, 100.0)], interval_s=86400)

    assert frame.start_us[frame.slots == 1].tolist() == [parse_instant("2026-06-10T00:00:00+07:00")]


def test_a_range_off_the_base_edges_is_refused() -> None:
    table = ChannelTable.of_channels([a_channel()])
    ranges = Ranges.whole(np.array([1], dtype=np.int32), TEN + MINUTE, TEN + HOUR)

    with pytest.raises(InputError, match="no edge of the 15 min intervals"):
        interval_amounts(table, readings_of([]), ranges, JAKARTA, 900)


def test_rows_outside_the_ranges_are_not_made() -> None:
    table = ChannelTable.of_channels([a_channel()])
    heard = [Heard(channel_id=1, ts=TEN + number * 15 * MINUTE, value=100.0 + number) for number in range(9)]
    ranges = Ranges(
        channel_id=np.array([1, 1], dtype=np.int32),
        from_us=np.array([TEN + 15 * MINUTE, TEN + 75 * MINUTE]),
        to_us=np.array([TEN + 30 * MINUTE, TEN + 105 * MINUTE]),
    )

    frame = interval_amounts(table, readings_of(heard), ranges, JAKARTA, 900)

    assert ((frame.start_us - TEN) // MINUTE).tolist() == [15, 75, 90]
