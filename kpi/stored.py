"""Stored readings of some channels, side by side, and the notes that go with them."""

from dataclasses import dataclass, fields

import numpy as np

from domain.frames import Readings, SmallArray
from domain.quality import UNUSABLE, Flag, Mark
from domain.time import IntArray
from kpi.judge import Used
from kpi.ragged import bisect_groups, bounds_of, runs_of
from kpi.table import ChannelTable

__all__ = ["Notes", "Stored", "add_notes", "edited_rows", "heard", "source_notes", "stored", "usable"]

_ABSENT = int(Mark.VOIDED | Mark.UNHEARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """All stored readings of some channels, within their lives; an end of life is included."""

    rows: IntArray
    """(m,) Row of each group's channel in the table."""
    bounds: IntArray
    """(m + 1,)"""
    readings: Readings
    """(n,) Those of group i are `[bounds[i], bounds[i + 1])`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Flags that belong to a moment; (k,) each."""

    group: IntArray
    ts_us: IntArray
    flag: SmallArray


def stored(table: ChannelTable, rows: IntArray, readings: Readings, low: IntArray, high: IntArray) -> Stored:
    """
    The stored readings of some channels, cut to the channels' lives; a view where they stand side by side.

    Parameters
    ----------
    rows : int64 (m,)
        Channels, by row of the table.
    low, high : int64 (m,)
        Where the readings of each stand in `readings`.
    """
    low, high = _alive(table, rows, readings, low, high)
    counts = high - low
    filled = counts > 0
    first, last = low[filled], high[filled]
    if len(first) and (first[1:] == last[:-1]).all():
        index: slice | IntArray = slice(int(first[0]), int(last[-1]))
    else:
        index = runs_of(low, counts)
    picked = Readings(
        channel_id=readings.channel_id[index],
        ts_us=readings.ts_us[index],
        value=readings.value[index],
        quality=readings.quality[index],
        conflict=readings.conflict[index],
    )
    return Stored(rows=rows, bounds=bounds_of(counts), readings=picked)


def _alive(
    table: ChannelTable, rows: IntArray, readings: Readings, low: IntArray, high: IntArray
) -> tuple[IntArray, IntArray]:
    begin, end = table.valid_from_us[rows], table.valid_to_us[rows]
    filled = np.flatnonzero(high > low)
    first, last = readings.ts_us[low[filled]], readings.ts_us[high[filled] - 1]
    if (first >= begin[filled]).all() and (last <= end[filled]).all():
        return low, high
    low = bisect_groups(readings.ts_us, low, high, begin)
    return low, bisect_groups(readings.ts_us, low, high, end, right=True)


def usable(window: Stored) -> Used:
    """The readings that registers and interval channels are made of: no conflict, no unusable quality."""
    readings = window.readings
    used = Used(rows=window.rows, bounds=window.bounds, ts_us=readings.ts_us, value=readings.value)
    if not (readings.quality.any() or readings.conflict.any()):
        return used
    kept = (readings.quality & int(UNUSABLE)) == 0
    kept &= ~readings.conflict
    return used if kept.all() else used.take(kept)


def source_notes(window: Stored) -> Notes:
    """Where the source marked a reading unusable, two values claim one time, or a correction spoke."""
    readings = window.readings
    marked = np.flatnonzero(readings.quality)
    marks = readings.quality[marked]
    spoiled = marked[(marks & int(UNUSABLE)) != 0]
    claimed = np.flatnonzero(readings.conflict)
    claimed = claimed[(readings.quality[claimed] & _ABSENT) == 0]
    changed = marked[((marks & int(Mark.EDITED)) != 0) | ((marks & _ABSENT) == int(Mark.VOIDED))]
    index = np.concatenate([spoiled, claimed, changed])
    kinds = np.array([Flag.SOURCE_INVALID, Flag.CONFLICT, Flag.EDITED], dtype=np.int32)
    flag = np.repeat(kinds, [len(spoiled), len(claimed), len(changed)])
    group = np.searchsorted(window.bounds, index, side="right") - 1
    return Notes(group=group, ts_us=readings.ts_us[index], flag=flag)


def _is_marked(readings: Readings) -> bool:
    # The greatest of a column takes no memory, and corrected readings are rare.
    return bool(readings.quality.max(initial=0) >= int(Mark.EDITED))


def edited_rows(window: Stored, used: Used) -> IntArray:
    """Which of the readings used have their value from a correction, by index."""
    if not _is_marked(window.readings):
        return np.empty(0, dtype=np.int64)
    index = np.flatnonzero((window.readings.quality & int(Mark.EDITED)) != 0)
    group, instants = np.searchsorted(window.bounds, index, side="right") - 1, window.readings.ts_us[index]
    place = bisect_groups(used.ts_us, used.bounds[group], used.bounds[group + 1], instants)
    kept: IntArray = place[(place < used.bounds[group + 1]) & (np.append(used.ts_us, 0)[place] == instants)]
    return kept


def heard(window: Stored) -> Stored:
    """The readings that are stored: those that fill slots."""
    if not _is_marked(window.readings):
        return window
    absent = (window.readings.quality & int(Mark.UNHEARD)) != 0
    counts = np.zeros(len(absent) + 1, dtype=np.int64)
    np.cumsum(~absent, out=counts[1:])
    columns = {column.name: getattr(window.readings, column.name)[~absent] for column in fields(Readings)}
    return Stored(rows=window.rows, bounds=counts[window.bounds], readings=Readings(**columns))


def add_notes(notes: Notes, group: IntArray, ts_us: IntArray, flag: Flag) -> Notes:
    """Notes with one more kind of flag."""
    if not len(group):
        return notes
    return Notes(
        group=np.concatenate([notes.group, group]),
        ts_us=np.concatenate([notes.ts_us, ts_us]),
        flag=np.concatenate([notes.flag, np.full(len(group), int(flag), dtype=np.int32)]),
    )
