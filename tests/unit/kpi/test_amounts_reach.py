"""How far a touched reading reaches, worked by hand; that it is far enough is a law of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from domain.errors import InputError
from domain.readings import Span
from domain.registry import Kind, Statistic
from domain.time import parse_instant
from kpi.gather import Work, gather
from kpi.ranges import Ranges
from kpi.reach import Loaded, input_ranges, product_ranges, reach
from kpi.table import FAR_US, ChannelTable
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, Case, a_channel, readings_of
from tests.support.amount_model import Shelf
from tests.support.reference_amounts import Heard

TEN = parse_instant("2026-06-10T10:00:00+07:00")
DAY = 24 * HOUR


def a_case(told: Sequence[tuple[float, float]], **facts: Any) -> Case:
    heard = tuple(Heard(channel_id=1, ts=TEN + round(minute * MINUTE), value=value) for minute, value in told)
    return Case(channels=(a_channel(**facts),), heard=heard, zone=JAKARTA, base_s=900)


def gathered(case: Case, minute: float, until: float | None = None, margin: int = 8) -> tuple[Work, Shelf]:
    shelf = Shelf()
    shelf.kept = {(one.channel_id, one.ts): one for one in case.heard}
    to_us = TEN + round((minute if until is None else until) * MINUTE)
    span = Span(channel_id=1, from_us=TEN + round(minute * MINUTE), to_us=to_us)
    return gather(case.table, case.grid, Ranges.of(span), shelf.around, margin=margin), shelf


def minutes(work: Work) -> list[tuple[float, float]]:
    """Ranges in minutes after 10:00."""
    ends = zip(work.ranges.from_us.tolist(), work.ranges.to_us.tolist(), strict=True)
    return [((begin - TEN) / MINUTE, (end - TEN) / MINUTE) for begin, end in ends]


STEADY = [(15.0 * number, 100.0 + number) for number in range(40)]


def test_a_register_reaches_to_the_third_accepted_reading_on_either_side() -> None:
    work, _ = gathered(a_case(STEADY), 300)

    assert minutes(work) == [(255, 345)]


def test_a_suspect_third_reading_is_passed_over() -> None:
    told = [(minute, 9e6 if minute == 255 else value) for minute, value in STEADY]

    work, _ = gathered(a_case(told), 300)

    assert minutes(work) == [(240, 345)]


def test_the_newest_reading_reaches_to_its_own_interval() -> None:
    work, shelf = gathered(a_case(STEADY), 585)

    assert minutes(work) == [(540, 600)]
    assert shelf.loads == 1


def test_the_first_reading_ever_reaches_over_its_own_interval() -> None:
    work, _ = gathered(a_case([(0, 100.0)]), 0)

    assert minutes(work) == [(0, 15)]


def test_a_long_run_of_suspect_readings_takes_few_loads() -> None:
    suspect = [(15.0 * number, 9e6 * (number % 2)) for number in range(40, 2040)]
    good = [(15.0 * number, 100.0 + number) for number in range(2040, 2060)]

    work, shelf = gathered(a_case([*STEADY, *suspect, *good]), 15 * 1000)

    assert minutes(work) == [(15 * 39, 15 * 2040)]
    assert shelf.loads < 10


def test_a_gauge_reaches_from_its_time_to_the_end_of_its_hold() -> None:
    facts = {"kind": Kind.GAUGE, "quantity": "power", "statistic": Statistic.INSTANT, "interval_s": 3600}

    work, _ = gathered(a_case(STEADY, **facts), 303)

    assert minutes(work) == [(300, 405)]


def test_a_daily_gauge_reaches_back_to_the_midnight_at_which_its_slot_began() -> None:
    facts = {"kind": Kind.GAUGE, "quantity": "cod", "statistic": Statistic.MEAN, "interval_s": 86400}

    work, _ = gathered(a_case([(0, 80.0)], **facts), 0)

    assert minutes(work) == [(-600, 24 * 60)]


def test_a_change_until_further_notice_is_bounded() -> None:
    work, shelf = gathered(a_case(STEADY), 300, until=(FAR_US - TEN) / MINUTE)

    assert minutes(work)[0][0] == 255
    assert work.ranges.to_us[0] <= FAR_US + DAY
    assert shelf.loads == 1


def test_a_range_that_is_not_settled_names_a_wider_window() -> None:
    case = a_case(STEADY)
    touched = Ranges.of(Span(channel_id=1, from_us=TEN + 300 * MINUTE, to_us=TEN + 300 * MINUTE))
    readings, before, after = _around(case, touched, 1)
    loaded = Loaded(asked=touched, margin=1, readings=readings, complete_before=before, complete_after=after)

    known = reach(case.table, case.grid, touched, loaded)

    assert known.settled.tolist() == [False]
    assert known.wider.from_us[0] < touched.from_us[0]
    assert known.wider.to_us[0] > touched.to_us[0]


def _around(case: Case, asked: Ranges, margin: int) -> tuple[Any, Any, Any]:
    shelf = Shelf()
    shelf.kept = {(one.channel_id, one.ts): one for one in case.heard}
    return shelf.around(asked, margin)


def test_a_window_without_a_margin_is_refused() -> None:
    touched = Ranges.of(Span(channel_id=1, from_us=0, to_us=0))
    none = np.zeros(1, dtype=np.bool_)

    with pytest.raises(InputError, match="margin is 0"):
        Loaded(asked=touched, margin=0, readings=readings_of([]), complete_before=none, complete_after=none)


PRODUCTS = ChannelTable.of_channels(
    [
        a_channel(1, kind=Kind.GAUGE, quantity="cod"),
        a_channel(2, quantity="effluent_volume"),
        a_channel(3, kind=Kind.GAUGE, quantity="tss"),
        a_channel(7, kind=Kind.PRODUCT, quantity="load_cod", inputs=(1, 2)),
        a_channel(8, kind=Kind.PRODUCT, quantity="load_tss", inputs=(3, 2)),
    ]
)


def test_a_flow_touches_every_load_that_is_made_of_it() -> None:
    ranges = product_ranges(PRODUCTS, Ranges.of(Span(channel_id=2, from_us=10, to_us=20)))

    assert ranges.channel_id.tolist() == [7, 8]
    assert (ranges.from_us.tolist(), ranges.to_us.tolist()) == ([10, 10], [20, 20])


def test_a_load_needs_both_its_inputs() -> None:
    ranges = input_ranges(PRODUCTS, Ranges.of(Span(channel_id=8, from_us=10, to_us=20)))

    assert ranges.channel_id.tolist() == [2, 3]


def test_a_channel_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(InputError, match=r"channels \[99\] are not in the table of 5 channels"):
        PRODUCTS.rows(np.array([1, 99], dtype=np.int32))


def test_ranges_of_one_channel_that_touch_are_merged_and_others_kept() -> None:
    ranges = Ranges(
        channel_id=np.array([2, 1, 2, 2, 1], dtype=np.int32),
        from_us=np.array([5, 0, 0, 30, 7]),
        to_us=np.array([9, 3, 5, 31, 8]),
    ).merged()

    rows = zip(ranges.channel_id.tolist(), ranges.from_us.tolist(), ranges.to_us.tolist(), strict=True)
    assert list(rows) == [(1, 0, 3), (1, 7, 8), (2, 0, 9), (2, 30, 31)]
