"""Long ranges cut into pieces of time: together they are what one answer would hold, and each is small."""

from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.registry import Park
from domain.time import DAY_US, HOUR_US, Level, level_edges, parse_instant
from service.api.pieces import MOST_STREAMED, need_streamable, pieces_of_time
from service.api.problem import Problem
from service.api.ranges import Span
from tests.support.registries import small_registry

START_US = parse_instant("2026-01-01T00:00:00+01:00")


def park(zone: str) -> Park:
    return replace(small_registry().park, zone=ZoneInfo(zone), base_s=900)


@given(
    level=st.sampled_from(Level),
    zone=st.sampled_from(["Asia/Jakarta", "Europe/Berlin", "Australia/Lord_Howe"]),
    begin_h=st.integers(0, 9000),
    length_h=st.integers(1, 9000),
    a_day=st.floats(0, 1e6),
)
def test_pieces_are_together_all_intervals_that_begin_in_the_range(
    level: Level, zone: str, begin_h: int, length_h: int, a_day: float
) -> None:
    span = Span(start_us=START_US + begin_h * HOUR_US, stop_us=START_US + (begin_h + length_h) * HOUR_US)
    of = park(zone)

    pieces = list(pieces_of_time(of, level, span, a_day=a_day))

    edges = level_edges(of.zone, of.base_s, level, span.start_us, span.stop_us)
    starts = edges[:-1][edges[:-1] >= span.start_us]
    found = np.concatenate([piece[:-1] for piece in pieces]) if pieces else np.empty(0, dtype=np.int64)
    assert found.tolist() == starts.tolist()
    assert all(len(piece) > 1 for piece in pieces)
    assert all(one[-1] == other[0] for one, other in pairwise(pieces))


@pytest.mark.parametrize(("a_day", "longest_days"), [(96.0, 31), (20_000.0, 5), (1e9, 1)])
def test_a_piece_is_the_shorter_the_more_it_is_made_of(a_day: float, longest_days: int) -> None:
    span = Span(start_us=START_US, stop_us=START_US + 365 * DAY_US)

    pieces = list(pieces_of_time(park("Asia/Jakarta"), Level.HOUR, span, a_day=a_day))

    assert max(int(piece[-1] - piece[0]) for piece in pieces) <= longest_days * DAY_US


def test_no_table_is_longer_than_any_use_of_it() -> None:
    of = park("Asia/Jakarta")
    need_streamable(of, Level.HOUR, Span(start_us=0, stop_us=200 * 365 * DAY_US))

    with pytest.raises(Problem, match=f"more than {MOST_STREAMED} intervals of level base"):
        need_streamable(of, Level.BASE, Span(start_us=0, stop_us=200 * 365 * DAY_US))
