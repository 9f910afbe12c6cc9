"""Tariffs: each minute of each kind of day belongs to one block, or the tariff is refused; time is cut by the clock on the wall."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.references import Block, Origin, Tariff, TariffWindow
from domain.tariffs import HOLIDAY, clock_mistakes, tariff_edges
from domain.time import DAY_US, HOUR_US, from_datetime, parse_instant, to_datetime

ORIGIN = Origin(id=1, key="t", valid_from_us=0, valid_to_us=None, source="s", confirmed=False)
ZONES = [ZoneInfo(name) for name in ("Asia/Jakarta", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns")]
EVERY_DAY = frozenset(range(8))

windows = st.builds(
    lambda days, clock: TariffWindow(days=days, start_min=min(clock), stop_min=max(clock)),
    st.frozensets(st.integers(0, 7), min_size=1),
    st.tuples(st.integers(0, 96), st.integers(0, 96)).filter(lambda pair: pair[0] != pair[1]).map(
        lambda pair: (pair[0] * 15, pair[1] * 15)
    ),
)  # fmt: skip
any_blocks = st.lists(st.lists(windows, min_size=1, max_size=4), min_size=1, max_size=3).map(
    lambda lists: tuple(Block(key=f"b{n}", price=1.0, windows=tuple(one)) for n, one in enumerate(lists))
)


@st.composite
def whole_blocks(draw: st.DrawFn) -> tuple[Block, ...]:
    """Three blocks between which every kind of day is shared out."""
    given_to: list[list[TariffWindow]] = [[], [], []]
    for day in range(8):
        inner = draw(st.sets(st.integers(1, 95), max_size=5))
        edges = [0, *sorted(quarter * 15 for quarter in inner), 1440]
        for start, stop in pairwise(edges):
            window = TariffWindow(days=frozenset({day}), start_min=start, stop_min=stop)
            given_to[draw(st.integers(0, 2))].append(window)
    return tuple(Block(key=f"b{n}", price=1.0, windows=tuple(one)) for n, one in enumerate(given_to))


def tariff(blocks: tuple[Block, ...]) -> Tariff:
    return Tariff(
        origin=ORIGIN, currency="IDR", blocks=blocks, reactive_price=0, pf_min=0.85, fixed_per_month=0, holidays="h"
    )


def owners(blocks: tuple[Block, ...], day: int, minute: int) -> list[int]:
    """Which blocks a minute belongs to, window by window."""
    return [
        index
        for index, block in enumerate(blocks)
        if any(day in window.days and window.start_min <= minute < window.stop_min for window in block.windows)
    ]


@given(any_blocks)
def test_a_tariff_is_refused_exactly_where_a_minute_belongs_to_no_block_or_to_two(blocks: tuple[Block, ...]) -> None:
    is_whole = all(len(owners(blocks, day, minute)) == 1 for day in range(8) for minute in range(0, 1440, 15))

    assert (clock_mistakes(blocks, holidays=True) == ()) == is_whole


@given(any_blocks)
def test_without_holidays_their_clock_need_not_be_whole(blocks: tuple[Block, ...]) -> None:
    is_whole = all(len(owners(blocks, day, minute)) == 1 for day in range(7) for minute in range(0, 1440, 15))

    assert (clock_mistakes(blocks, holidays=False) == ()) == is_whole


@given(
    whole_blocks(),
    st.sampled_from(ZONES),
    st.integers(0, 365 * 24 * 4),
    st.integers(1, 5 * 24 * 4),
    st.frozensets(st.integers(0, 365).map(lambda n: date(2026, 1, 1) + timedelta(days=n)), max_size=200),
)
def test_time_is_cut_as_the_clock_on_the_wall_says(
    blocks: tuple[Block, ...], zone: ZoneInfo, first: int, length: int, holidays: frozenset[date]
) -> None:
    start_us = from_datetime(datetime(2026, 1, 1, tzinfo=zone)) + first * 900_000_000 + 7
    stop_us = start_us + length * 900_000_000

    edges, index = tariff_edges(tariff(blocks), holidays, zone, start_us, stop_us)

    assert clock_mistakes(blocks, holidays=True) == ()
    assert (edges[0], edges[-1]) == (start_us, stop_us)
    assert (np.diff(edges) > 0).all()
    assert (np.diff(index) != 0).all()
    for moment_us in range(start_us, stop_us, 900_000_000):
        local = to_datetime(moment_us).astimezone(zone)
        kind = HOLIDAY if local.date() in holidays else local.weekday()
        place = int(np.searchsorted(edges, moment_us, side="right")) - 1
        assert [index[place]] == owners(blocks, kind, local.hour * 60 + local.minute)


def test_an_hour_that_the_clocks_repeat_belongs_to_its_block_twice() -> None:
    night = TariffWindow(days=EVERY_DAY, start_min=120, stop_min=180)
    rest = (
        TariffWindow(days=EVERY_DAY, start_min=0, stop_min=120),
        TariffWindow(days=EVERY_DAY, start_min=180, stop_min=1440),
    )
    blocks = (Block(key="night", price=1.0, windows=(night,)), Block(key="rest", price=2.0, windows=rest))
    start = parse_instant("2026-10-25T00:00:00+02:00")

    edges, index = tariff_edges(tariff(blocks), frozenset(), ZONES[1], start, start + DAY_US + HOUR_US)

    assert index.tolist() == [1, 0, 1]
    assert ((edges - start) // HOUR_US).tolist() == [0, 2, 4, 25]


def test_a_clock_with_a_gap_makes_no_edges() -> None:
    window = TariffWindow(days=EVERY_DAY, start_min=0, stop_min=1380)
    start = parse_instant("2026-10-01T00:00:00+07:00")

    with pytest.raises(InputError, match=r"tariff t: 2026-10-01T23:00:00\+07:00 belongs to no block"):
        tariff_edges(
            tariff((Block(key="b", price=1.0, windows=(window,)),)), frozenset(), ZONES[0], start, start + DAY_US
        )
