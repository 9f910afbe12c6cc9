"""Long ranges in pieces of time, so that a table is sent while it is made, and no piece of it is large."""

import itertools
from collections.abc import Iterator

import numpy as np

from domain.registry import Park
from domain.time import DAY_US, SECOND_US, IntArray, Level, level_edges
from service.api.problem import refused
from service.api.ranges import SHORTEST_US, Span

__all__ = ["MOST_STREAMED", "need_streamable", "pieces_of_time"]

MOST_STREAMED = 2_000_000
"""How many intervals of one series a streamed table may hold: two hundred years of hours."""

_MOST_VALUES = 100_000
"""From about how many values a piece is made, where a single interval or day is not made of more."""
_MOST_INTERVALS = 1_500
_FIRST_INTERVALS = 100
"""The first piece is short, so that the answer begins early."""


def need_streamable(park: Park, level: Level, span: Span) -> None:
    """
    Refuse a range that no table should hold.

    Raises
    ------
    Problem
        422: it holds more than 2,000,000 intervals.
    """
    shortest_us = park.base_s * SECOND_US if level is Level.BASE else SHORTEST_US[level]
    if (span.stop_us - span.start_us) // shortest_us > MOST_STREAMED:
        raise refused(f"the range holds more than {MOST_STREAMED} intervals of level {level.key}; ask for it in parts")


def pieces_of_time(park: Park, level: Level, span: Span, *, a_day: float) -> Iterator[IntArray]:
    """
    Edges of runs of intervals that make up those of a level that begin in a range.

    Never across a local month, or a year where the intervals are months: a piece is at most that long. The first is short.

    Parameters
    ----------
    a_day : float
        From about how many values a day is made.

    Yields
    ------
    int64 (n + 1,) [us UTC]
        n >= 1; where one run ends the next begins.
    """
    long_us = max(1, int(_MOST_VALUES / max(a_day, 1.0))) * DAY_US
    calendar = Level.YEAR if level >= Level.MONTH else Level.MONTH
    bounds = level_edges(park.zone, park.base_s, calendar, span.start_us, span.stop_us).tolist()
    most = _FIRST_INTERVALS
    for first, last in itertools.pairwise(bounds):
        start_us, stop_us = max(first, span.start_us), min(last, span.stop_us)
        edges = level_edges(park.zone, park.base_s, level, start_us, stop_us)
        edges = edges[int(np.searchsorted(edges, start_us)) :]
        begun = 0
        while begun < len(edges) - 1:
            ended = int(np.searchsorted(edges, edges[begun] + long_us, side="right")) - 1
            ended = min(max(ended, begun + 1), begun + most, len(edges) - 1)
            yield edges[begun : ended + 1]
            begun, most = ended, _MOST_INTERVALS
