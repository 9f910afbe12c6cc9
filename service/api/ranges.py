"""Times in requests and answers: half-open ranges in RFC 3339, levels, and how much may be asked for at once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
from fastapi import Depends, Query
from pydantic.config import JsonDict

from domain.errors import InputError
from domain.registry import Park
from domain.time import DAY_US, HOUR_US, IntArray, Level, from_datetime, level_edges, parse_instant, to_datetime
from service.api.problem import refused

__all__ = [
    "DATE_TIME",
    "MOST_PERIODS",
    "SHORTEST_US",
    "LevelName",
    "ShortSpanQuery",
    "Span",
    "SpanQuery",
    "instant",
    "local_time",
    "need_short",
    "now_us",
    "periods",
]

MOST_PERIODS = 10_000
"""How many intervals one answer may hold."""

DATE_TIME: JsonDict = {"format": "date-time"}
"""What the description of the API says of a text that :func:`instant` reads."""

_EARLIEST_US = from_datetime(datetime(1970, 1, 1, tzinfo=UTC))
_LATEST_US = from_datetime(datetime(2200, 1, 1, tzinfo=UTC))
SHORTEST_US = {
    Level.BASE: 300 * 1_000_000,
    Level.HOUR: HOUR_US,
    Level.DAY: 23 * HOUR_US,
    Level.WEEK: 7 * DAY_US - HOUR_US,
    Level.MONTH: 28 * DAY_US - HOUR_US,
    Level.YEAR: 365 * DAY_US - HOUR_US,
}
"""The least length of an interval of each level. [us]"""


class LevelName(StrEnum):
    """How much time each number covers: the park's base interval, or a span of the park-local calendar."""

    BASE = "base"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def level(self) -> Level:
        """As the frames have it."""
        return Level[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open range of time `[start, stop)`. [us UTC]"""

    start_us: int
    stop_us: int


def now_us() -> int:
    """The present moment. [us UTC]"""
    return from_datetime(datetime.now(UTC))


def instant(name: str, text: str) -> int:
    """
    A time in a request, between 1970 and 2200. [us UTC]

    Raises
    ------
    Problem
        422: it is none; `name` says which it was.
    """
    try:
        # A `+` that was not escaped in a query string arrives as a blank.
        moment = parse_instant(f"{text[:10]}{text[10:].replace(' ', '+')}" if " " in text[11:] else text)
    except InputError as error:
        raise refused(f"{name}: {error}") from None
    if not _EARLIEST_US <= moment <= _LATEST_US:
        raise refused(f"{name}: {text} is not between 1970 and 2200")
    return moment


def _span(longest_days: float | None = None) -> Callable[[str, str], Span]:
    def read(
        start: Annotated[
            str, Query(description="First instant, RFC 3339 with an offset.", json_schema_extra=DATE_TIME)
        ],
        stop: Annotated[str, Query(description="End of the range, not included.", json_schema_extra=DATE_TIME)],
    ) -> Span:
        span = Span(start_us=instant("start", start), stop_us=instant("stop", stop))
        if span.start_us >= span.stop_us:
            raise refused(f"the range from {start} to {stop} is empty; stop must be after start")
        if longest_days is not None:
            need_short(span, longest_days)
        return span

    return read


SpanQuery = Annotated[Span, Depends(_span())]
"""The range of a request for numbers, bounded by how many intervals it holds."""


def need_short(span: Span, longest_days: float = 31.0) -> None:
    """
    Refuse a range that is too long for one answer.

    Raises
    ------
    Problem
        422: it is longer.
    """
    if span.stop_us - span.start_us > longest_days * DAY_US:
        raise refused(f"the range is longer than {longest_days:g} days; ask for it in parts")


ShortSpanQuery = Annotated[Span, Depends(_span(31.0))]
"""The range of a request for single rows, at most 31 days."""


def periods(park: Park, level: Level, span: Span) -> IntArray:
    """
    Edges of the intervals of a level that begin inside a range: int64 (n + 1,), or (1,) if none does. [us UTC]

    Raises
    ------
    Problem
        422: there would be more than 10,000 of them.
    """
    shortest = park.base_s * 1_000_000 if level is Level.BASE else SHORTEST_US[level]
    if (span.stop_us - span.start_us) // shortest > MOST_PERIODS:
        raise refused(f"the range holds more than {MOST_PERIODS} intervals of level {level.key}; ask for it in parts")
    edges = level_edges(park.zone, park.base_s, level, span.start_us, span.stop_us)
    return edges[int(np.searchsorted(edges, span.start_us)) :]


def local_time(zone: ZoneInfo, instant_us: int) -> datetime:
    """An instant with the park's own offset."""
    return to_datetime(instant_us).astimezone(zone)
