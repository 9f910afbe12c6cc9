"""Time, stated once: instants are int64 microseconds since 1970 UTC, calendars are park-local.

::

    instant     int64 [us UTC], whole microseconds
    interval    half-open [start, stop), labelled by its start
    base        the park's shortest interval (5, 15, 30 or 60 min), counted from local midnight
    hour        3600 s counted from local midnight
    day ...     local midnight to local midnight; 23 or 25 hours long where clocks change

A day is cut into base intervals from its local midnight on, so a base interval never
crosses a day, a month or a year, and every level is a whole number of base intervals.
"""

import re
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError

__all__ = [
    "DAY_US",
    "HOUR_US",
    "SECOND_US",
    "IntArray",
    "Level",
    "base_edges",
    "day_number",
    "from_datetime",
    "level_edges",
    "parse_instant",
    "to_datetime",
]

IntArray = NDArray[np.int64]

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US

# datetime.fromisoformat takes far more than RFC 3339 does: week dates, bare dates, times without an offset.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Level(IntEnum):
    """How much time one amount or KPI covers. The number is what the database stores."""

    BASE = 0
    HOUR = 1
    DAY = 2
    WEEK = 3
    MONTH = 4
    YEAR = 5

    @property
    def key(self) -> str:
        """As it stands in the API: `base`, `hour`, `day` ..."""
        return self.name.lower()


def to_datetime(instant_us: int) -> datetime:
    """An instant as an aware UTC datetime."""
    return _EPOCH + instant_us * _MICROSECOND


def from_datetime(moment: datetime) -> int:
    """
    An aware datetime as microseconds UTC.

    Raises
    ------
    InputError
        `moment` has no offset: a naive time names no instant.
    """
    if moment.tzinfo is None:
        raise InputError(f"time {moment.isoformat()} has no UTC offset; write it as {moment.isoformat()}+07:00")
    return (moment - _EPOCH) // _MICROSECOND


def parse_instant(text: str) -> int:
    """
    An RFC 3339 time with an offset, as microseconds UTC. Digits beyond microseconds are cut.

    Raises
    ------
    InputError
        The text is no such time, or has no offset.

    Examples
    --------
    >>> parse_instant("1970-01-01T07:00:01+07:00")
    1000000
    """
    if _RFC3339.fullmatch(text) is None:
        raise InputError(f"time {text[:40]!r} is not RFC 3339 with an offset; write it as 2026-01-31T08:15:00+07:00")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise InputError(f"time {text[:40]!r} is not RFC 3339; write it as 2026-01-31T08:15:00+07:00") from None
    instant_us = from_datetime(moment)
    try:
        # Year 1 or 9999 with an offset may lie outside the calendar in UTC, where every later use of it would fail.
        to_datetime(instant_us)
    except OverflowError:
        raise InputError(f"time {text[:40]!r} is outside the calendar") from None
    return instant_us


@lru_cache(maxsize=65536)
def _midnight(zone: ZoneInfo, day: date) -> int:
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))


def day_number(zone: ZoneInfo, instant_us: int) -> date:
    """The park-local calendar day in which an instant lies."""
    return to_datetime(instant_us).astimezone(zone).date()


def _first_day(level: Level, day: date) -> date:
    if level is Level.WEEK:
        return day - timedelta(days=day.weekday())
    if level is Level.MONTH:
        return day.replace(day=1)
    if level is Level.YEAR:
        return day.replace(month=1, day=1)
    return day


def _next_day(level: Level, day: date) -> date:
    if level is Level.WEEK:
        return day + timedelta(days=7)
    if level is Level.MONTH:
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    if level is Level.YEAR:
        return date(day.year + 1, 1, 1)
    return day + timedelta(days=1)


def _calendar_edges(zone: ZoneInfo, level: Level, start_us: int, stop_us: int) -> IntArray:
    day = _first_day(level, day_number(zone, start_us))
    edges = [_midnight(zone, day)]
    while edges[-1] < stop_us:
        day = _next_day(level, day)
        edges.append(_midnight(zone, day))
    return np.array(edges, dtype=np.int64)


def _steps(days: IntArray, step_us: int, start_us: int, stop_us: int) -> IntArray:
    counts = -(-np.diff(days) // step_us)
    owner = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    edges = np.append(days[owner] + within * step_us, days[-1])
    first = int(np.searchsorted(edges, start_us, side="right")) - 1
    last = int(np.searchsorted(edges, stop_us, side="left"))
    return edges[first : last + 1]


def base_edges(zone: ZoneInfo, base_s: int, start_us: int, stop_us: int) -> IntArray:
    """
    Edges of the base intervals that cover `[start_us, stop_us)`, from local midnights.

    Parameters
    ----------
    zone : ZoneInfo
        The park's zone.
    base_s : int [s]
        300, 900, 1800 or 3600.
    start_us, stop_us : int [us UTC]
        `start_us < stop_us`.

    Returns
    -------
    int64 (n + 1,) [us UTC]
        Strictly increasing; the first is at or before `start_us`, the last at or after `stop_us`.
    """
    if start_us >= stop_us:
        raise InputError(f"range from {to_datetime(start_us)} to {to_datetime(stop_us)} is empty")
    return _steps(_calendar_edges(zone, Level.DAY, start_us, stop_us), base_s * SECOND_US, start_us, stop_us)


def level_edges(zone: ZoneInfo, base_s: int, level: Level, start_us: int, stop_us: int) -> IntArray:
    """
    Edges of the intervals of one level that cover `[start_us, stop_us)`.

    As :func:`base_edges`, for any level; an hour is 3600 s counted from local midnight.
    """
    if level is Level.BASE:
        return base_edges(zone, base_s, start_us, stop_us)
    if level is Level.HOUR:
        return base_edges(zone, 3600, start_us, stop_us)
    if start_us >= stop_us:
        raise InputError(f"range from {to_datetime(start_us)} to {to_datetime(stop_us)} is empty")
    return _calendar_edges(zone, level, start_us, stop_us)
