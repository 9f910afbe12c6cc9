"""The local clock of a tariff: which block each minute of each kind of day belongs to, and where blocks change in time."""

from datetime import date
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.references import Block, Tariff
from domain.time import DAY_US, SECOND_US, IntArray, Level, day_number, level_edges, to_datetime

__all__ = ["DAY_KINDS", "HOLIDAY", "clock_mistakes", "clock_of", "clock_text", "tariff_edges"]

DAY_KINDS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "holiday")
"""Kinds of day in the order of their numbers."""

HOLIDAY = 7
"""The kind of a holiday, whatever day of the week it is."""

_DAY_MIN = 1440
_MINUTE_US = 60 * SECOND_US
_NO_BLOCK = -1

_NAMES_OF_DAYS = MappingProxyType(
    {
        frozenset(range(5)): "workdays",
        frozenset(range(7)): "every day of the week",
        frozenset(range(8)): "every day",
        frozenset({5, 6}): "weekends",
        frozenset({5, 6, HOLIDAY}): "weekends and holidays",
    }
)


def clock_text(minute: int) -> str:
    """
    Minutes after midnight as on a clock.

    Examples
    --------
    >>> clock_text(1320)
    '22:00'
    """
    return f"{minute // 60:02d}:{minute % 60:02d}"


def clock_of(blocks: tuple[Block, ...]) -> NDArray[np.int16]:
    """
    Which block each minute of each kind of day belongs to.

    Returns
    -------
    int16 (8, 1440)
        Index into `blocks`; -1 where a minute belongs to none. Of several the last wins: :func:`clock_mistakes` tells.
    """
    clock = np.full((len(DAY_KINDS), _DAY_MIN), _NO_BLOCK, dtype=np.int16)
    for index, block in enumerate(blocks):
        for window in block.windows:
            clock[sorted(window.days), window.start_min : window.stop_min] = index
    return clock


def clock_mistakes(blocks: tuple[Block, ...], *, holidays: bool) -> tuple[str, ...]:
    """
    Where the clock of blocks has a gap or an overlap, one sentence for each stretch and set of days.

    Parameters
    ----------
    holidays : bool
        Whether the tariff names holidays; without them day 7 never comes, and need not be covered.

    Examples
    --------
    >>> from domain.references import TariffWindow
    >>> week = frozenset(range(7))
    >>> clock_mistakes((Block(key="lwbp", price=1.0, windows=(TariffWindow(days=week, start_min=0, stop_min=1380),)),), holidays=False)
    ('every day of the week 23:00-24:00 belongs to no block',)
    """
    kinds = len(DAY_KINDS) if holidays else HOLIDAY
    inside = np.zeros((len(blocks), kinds, _DAY_MIN), dtype=bool)
    for index, block in enumerate(blocks):
        for window in block.windows:
            days = [day for day in sorted(window.days) if day < kinds]
            # A minute that one block names twice is no contradiction of prices.
            inside[index, days, window.start_min : window.stop_min] = True
    changes = (np.diff(inside, axis=2) != 0).any(axis=0)
    stretches: dict[tuple[int, int, tuple[str, ...]], list[int]] = {}
    for kind in range(kinds):
        edges = [0, *(np.flatnonzero(changes[kind]) + 1).tolist(), _DAY_MIN]
        for start, stop in pairwise(edges):
            names = tuple(block.key for index, block in enumerate(blocks) if inside[index, kind, start])
            if len(names) != 1:
                stretches.setdefault((start, stop, names), []).append(kind)
    return tuple(_stretch(of_days, *stretch) for stretch, of_days in stretches.items())


def _stretch(kinds: list[int], start: int, stop: int, names: tuple[str, ...]) -> str:
    days = _NAMES_OF_DAYS.get(frozenset(kinds)) or ", ".join(DAY_KINDS[kind] for kind in kinds)
    when = f"{days} {clock_text(start)}-{clock_text(stop)}"
    if not names:
        return f"{when} belongs to no block"
    return f"{when} belongs to {' and '.join(names)}; each minute belongs to one block"


def tariff_edges(
    tariff: Tariff, holidays: frozenset[date], zone: ZoneInfo, start_us: int, stop_us: int
) -> tuple[IntArray, IntArray]:
    """
    Where the blocks of a tariff change within a span of time, by the local clock.

    What counts is what the clock on the wall shows: an hour that a change of clocks leaves out belongs to nobody, one that
    it repeats belongs to its block twice.

    Parameters
    ----------
    holidays : frozenset of date
        Local dates that are of kind 7, and of no day of the week.
    zone : ZoneInfo
        The park's zone.
    start_us, stop_us : int [us UTC]
        `start_us < stop_us`.

    Returns
    -------
    int64 (n + 1,) [us UTC]
        Strictly increasing, from `start_us` to `stop_us`.
    int64 (n,)
        Index into `tariff.blocks` of each stretch; neighbours differ.

    Raises
    ------
    InputError
        The span is empty, or the clock of the tariff has a gap in it.
    """
    days_us = level_edges(zone, 3600, Level.DAY, start_us, stop_us)
    first = day_number(zone, int(days_us[0]))
    number = first.toordinal() + np.arange(len(days_us) - 1)
    dates = np.fromiter((day.toordinal() for day in holidays), dtype=np.int64, count=len(holidays))
    kind = np.where(np.isin(number, dates), HOLIDAY, (number + 6) % 7)
    begins, index = _begins(clock_of(tariff.blocks), kind, days_us, zone)
    # Midnight begins a stretch anew even where the block goes on; those are joined.
    kept = np.append(True, np.diff(index) != 0)
    begins, index = begins[kept], index[kept]
    first_kept = int(np.searchsorted(begins, start_us, side="right")) - 1
    last_kept = int(np.searchsorted(begins, stop_us, side="left"))
    edges = np.append(begins[first_kept:last_kept], stop_us)
    edges[0] = start_us
    index = index[first_kept:last_kept]
    if (index == _NO_BLOCK).any():
        moment = to_datetime(int(edges[np.argmax(index == _NO_BLOCK)])).astimezone(zone)
        raise InputError(
            f"tariff {tariff.origin.key}: {moment.isoformat()} belongs to no block; its windows must cover each day"
        )
    return edges, index


def _begins(clock: NDArray[np.int16], kind: IntArray, days_us: IntArray, zone: ZoneInfo) -> tuple[IntArray, IntArray]:
    """First instants and blocks of all stretches, in order of time; each day begins one."""
    minutes = [np.append(0, np.flatnonzero(np.diff(row)) + 1) for row in clock]
    counts = np.array([len(row) for row in minutes], dtype=np.int64)
    flat, begin = np.concatenate(minutes), np.cumsum(counts) - counts
    odd = np.flatnonzero(np.diff(days_us) != DAY_US).tolist()
    of_day = counts[kind]
    of_day[odd] = 0
    owner = np.repeat(np.arange(len(kind)), of_day)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(of_day) - of_day, of_day)
    minute = flat[begin[kind[owner]] + within]
    parts = [(days_us[owner] + minute * _MINUTE_US, clock[kind[owner], minute].astype(np.int64))]
    parts += [_odd_day(clock[kind[day]], zone, int(days_us[day]), int(days_us[day + 1])) for day in odd]
    begins, index = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(begins)
    return begins[order], index[order]


def _odd_day(row: NDArray[np.int16], zone: ZoneInfo, midnight_us: int, next_us: int) -> tuple[IntArray, IntArray]:
    """First instants and blocks of a day on which the clocks change, minute by minute as the clock shows it."""
    minutes_us = np.arange(midnight_us, next_us, _MINUTE_US)
    block = row[_shown_minutes(zone, midnight_us, len(minutes_us))].astype(np.int64)
    starts = np.append(0, np.flatnonzero(np.diff(block)) + 1)
    return minutes_us[starts], block[starts]


@lru_cache(maxsize=256)
def _shown_minutes(zone: ZoneInfo, midnight_us: int, count: int) -> IntArray:
    shown = (to_datetime(midnight_us + minute * _MINUTE_US).astimezone(zone) for minute in range(count))
    return np.fromiter((moment.hour * 60 + moment.minute for moment in shown), dtype=np.int64, count=count)
