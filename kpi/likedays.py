"""Like days of the gaps of registers: which local days they are, and what was used on them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from domain.frames import FloatArray, SmallArray
from domain.references import Holidays
from domain.time import DAY_US, IntArray, Level, day_number, level_edges
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.ragged import bisect_groups, owners, runs_of, sums_by, within
from kpi.ranges import Ranges
from kpi.table import ChannelTable

__all__ = [
    "FEWEST",
    "LIKE_DAYS",
    "SIDES",
    "Gaps",
    "LoadMeasured",
    "Measured",
    "Pieces",
    "cut_at_edges",
    "day_classes",
    "like_weights",
]

LIKE_DAYS = 90
"""How many local days before a gap like days are looked for."""

FEWEST = 3
"""So many like days are needed."""

_MOST = 4
_WAVES = (0, 8, 24, LIKE_DAYS)
_SATURDAY, _SUNDAY = 5, 6

SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
"""Both ends of a run of equal values, as `searchsorted` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Base amounts of the past, sorted by (channel_id, start_us); (n,) each."""

    channel_id: SmallArray
    start_us: IntArray
    """[us UTC]"""
    amount: FloatArray
    """[unit]"""
    measured_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Gaps that lie in what is computed, whole, in order of channel and time; (g,) each."""

    row: IntArray
    """Of the channel in the table."""
    start_us: IntArray
    stop_us: IntArray
    amount: FloatArray
    """What the register advanced by, multiplier applied. [unit]"""
    uncut: BoolArray
    """No exchange and no change of the multiplier lies inside."""

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Gaps cut at base edges, in order of gap and time; (c,) each."""

    gap: IntArray
    cell_us: IntArray
    """Start of the base interval. [us UTC]"""
    length_us: IntArray
    """Of the base interval. [us]"""
    x0: IntArray
    x1: IntArray
    """What of the interval the gap covers. [us UTC]"""


LoadMeasured = Callable[[Ranges], Measured]
"""Base amounts as stored of half-open ranges of channels; those of one channel do not overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Gaps cut at local midnights, in order of gap and time, and the like days of each; (p,) each."""

    table: ChannelTable
    grid: Grid
    pieces: Pieces
    gap: IntArray
    ids: SmallArray
    """Channel of each."""
    first: IntArray
    """Where its pieces begin."""
    counts: IntArray
    """How many base intervals it has a piece of."""
    midnights: IntArray
    """From long enough before the first gap on. [us UTC]"""
    like: IntArray
    """Places of local days, by class, then time."""
    low: IntArray
    """The candidates of each are `like[low : high]`, the last one first."""
    high: IntArray

    def __len__(self) -> int:
        return len(self.gap)


def day_classes(zone: ZoneInfo, holidays: tuple[Holidays, ...], edges: IntArray) -> IntArray:
    """
    Class of each local day: 0 workday, 1 Saturday, 2 Sunday or holiday.

    Parameters
    ----------
    edges : int64 (d + 1,) [us UTC]
        Local midnights.

    Returns
    -------
    int64 (d,)
    """
    return np.array([_class_of(day_number(zone, one), one, holidays) for one in edges[:-1].tolist()], dtype=np.int64)


def _class_of(day: date, day_us: int, holidays: tuple[Holidays, ...]) -> int:
    if day.weekday() == _SUNDAY or any(day in one.dates and one.origin.holds(day_us) for one in holidays):
        return 2
    return 1 if day.weekday() == _SATURDAY else 0


def cut_at_edges(grid: Grid, gaps: Gaps) -> Pieces:
    """Gaps cut at the edges of base intervals."""
    edges = grid.edges(int(gaps.start_us.min()), int(gaps.stop_us.max()))
    low = np.searchsorted(edges, gaps.start_us, side="right") - 1
    counts = np.searchsorted(edges, gaps.stop_us, side="left") - low
    gap, bins = owners(counts), runs_of(low, counts)
    cell, end = edges[bins], edges[bins + 1]
    return Pieces(
        gap=gap,
        cell_us=cell,
        length_us=end - cell,
        x0=np.maximum(cell, gaps.start_us[gap]),
        x1=np.minimum(end, gaps.stop_us[gap]),
    )


def like_weights(  # noqa: PLR0917 - of what, by which days
    table: ChannelTable, grid: Grid, gaps: Gaps, pieces: Pieces, holidays: tuple[Holidays, ...], load: LoadMeasured
) -> FloatArray:
    """
    What like days used in each piece of gaps; (c,) [unit].

    0 in all of a gap of which some local day has fewer than three like days, and in one that is cut.
    """
    parts = _parts(table, grid, gaps, pieces, holidays)
    total, days = np.zeros(len(pieces.gap)), np.zeros(len(parts), dtype=np.int64)
    for wave, until in itertools.pairwise(_WAVES):
        most = np.minimum(parts.high - parts.low, until)
        open_ = np.flatnonzero(gaps.uncut[parts.gap] & (days < _MOST) & (most > wave))
        if not len(open_):
            break
        history = load(_asked(parts, open_, wave, most[open_]))
        for back in range(wave, until):
            # Day by day, so that the mean is added up in one order whatever else is computed.
            part = open_[(days[open_] < _MOST) & (most[open_] > back)]
            place, piece, chosen = _measured(parts, history, part, back)
            total[piece] += history.amount[place]
            days[chosen] += 1
    mean = np.maximum(total / np.maximum(np.repeat(days, parts.counts), 1), 0.0)
    short = np.zeros(len(gaps), dtype=np.bool_)
    short[parts.gap[days < FEWEST]] = True
    return np.where(short[pieces.gap], 0.0, mean * ((pieces.x1 - pieces.x0) / pieces.length_us))


def _parts(table: ChannelTable, grid: Grid, gaps: Gaps, pieces: Pieces, holidays: tuple[Holidays, ...]) -> _Parts:
    begin_us = int(gaps.start_us.min()) - (LIKE_DAYS + 2) * DAY_US
    midnights = level_edges(grid.zone, grid.base_s, Level.DAY, begin_us, int(gaps.stop_us.max()))
    day = np.searchsorted(midnights, pieces.cell_us, side="right") - 1
    opens = np.ones(len(day), dtype=np.bool_)
    opens[1:] = (pieces.gap[1:] != pieces.gap[:-1]) | (day[1:] != day[:-1])
    first = np.flatnonzero(opens)
    gap, classes = pieces.gap[first], day_classes(grid.zone, holidays, midnights)
    like = np.argsort(classes, kind="stable")
    begin, end = (np.searchsorted(classes[like], classes[day[first]], side=side) for side in SIDES)
    begun = np.searchsorted(midnights, gaps.start_us, side="right") - 1
    earliest = np.maximum(_exchanged(table, gaps, midnights), begun - LIKE_DAYS)
    return _Parts(
        table=table,
        grid=grid,
        pieces=pieces,
        gap=gap,
        ids=table.channel_id[gaps.row[gap]],
        first=first,
        counts=np.diff(first, append=len(day)),
        midnights=midnights,
        like=like,
        low=bisect_groups(like, begin, end, earliest[gap]),
        high=bisect_groups(like, begin, end, begun[gap]),
    )


def _exchanged(table: ChannelTable, gaps: Gaps, midnights: IntArray) -> IntArray:
    """The first whole local day after the last exchange before each gap, by its place; 0 where there is none."""
    low, high = table.exchange_bounds[gaps.row], table.exchange_bounds[gaps.row + 1]
    last = bisect_groups(table.exchange_at_us, low, high, gaps.start_us, right=True) - 1
    at = np.append(table.exchange_at_us, 0)[last]
    return np.where(last >= low, np.searchsorted(midnights, at, side="left"), 0)


def _asked(parts: _Parts, open_: IntArray, wave: int, most: IntArray) -> Ranges:
    """The intervals of the next candidates of some parts."""
    counts = most - wave
    part = np.repeat(open_, counts)
    day = parts.like[parts.high[part] - 1 - wave - within(counts)]
    begin = parts.midnights[day] + _slot(parts, parts.first[part]) * parts.grid.base_us
    end = begin + parts.counts[part] * parts.grid.base_us
    return Ranges(channel_id=parts.ids[part], from_us=begin, to_us=end).merged()


def _slot(parts: _Parts, piece: IntArray) -> IntArray:
    """Place of the base interval of each piece in its local day."""
    cell = parts.pieces.cell_us[piece]
    midnight = parts.midnights[np.searchsorted(parts.midnights, cell, side="right") - 1]
    slot: IntArray = (cell - midnight) // parts.grid.base_us
    return slot


def _measured(parts: _Parts, history: Measured, part: IntArray, back: int) -> tuple[IntArray, IntArray, IntArray]:
    """Where the like day so many back of some parts was wholly measured: rows of the history, pieces, parts."""
    counts = parts.counts[part]
    owner, piece = owners(counts), runs_of(parts.first[part], counts)
    day = parts.like[parts.high[part] - 1 - back]
    start = parts.midnights[day][owner] + _slot(parts, piece) * parts.grid.base_us
    low, high = (np.searchsorted(history.channel_id, parts.ids[part][owner], side=side) for side in SIDES)
    place = bisect_groups(history.start_us, low, high, start)
    known = place < high
    known[known] = history.start_us[place[known]] == start[known]
    known[known] = history.measured_s[place[known]] == parts.grid.base_s
    # An interval that would begin after the end of a shorter day belongs to the next one.
    known &= start < parts.midnights[day + 1][owner]
    whole: BoolArray = sums_by(owner, ~known, len(part)) == 0.0
    chosen = whole[owner]
    return place[chosen], piece[chosen], part[whole]
