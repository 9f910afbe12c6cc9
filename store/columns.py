"""A batch's readings put in order for the database: sorted by key, repeats marked, summed by day. No input or output."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.readings import ReadingBatch
from domain.time import DAY_US, IntArray

__all__ = ["CONFLICT", "DUPLICATE", "STORED", "Arranged", "Days", "arrange", "by_day", "newest_by_channel"]

STORED, DUPLICATE, CONFLICT = 0, 1, 2
"""What became of a reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """Readings sorted by (channel_id, ts, arrival). Sorted alike by every writer, their locks cannot cross."""

    message: NDArray[np.int32]
    channel_id: NDArray[np.int32]
    ts_us: IntArray
    """[us UTC]"""
    value: NDArray[np.float64]
    quality: NDArray[np.int32]
    key: IntArray
    """(n,): number of the row's key (channel_id, ts), counted from 0."""
    first: IntArray
    """(keys,): row of each key's first arrival."""

    def __len__(self) -> int:
        return len(self.ts_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Readings summed by channel and UTC day, in order of both."""

    channel_id: NDArray[np.int32]
    day_us: IntArray
    """Midnight, UTC. [us UTC]"""
    first_us: IntArray
    last_us: IntArray
    n: NDArray[np.int64]


def arrange(readings: ReadingBatch) -> Arranged:
    """Sort a batch's readings by key, those of one key in order of arrival."""
    order = np.lexsort((readings.ts_us, readings.channel_id))
    channel_id, ts_us = readings.channel_id[order], readings.ts_us[order]
    starts = _changes(channel_id, ts_us)
    return Arranged(
        message=readings.message[order],
        channel_id=channel_id,
        ts_us=ts_us,
        # PostgreSQL holds -0.0 and 0.0 equal, their bits are not.
        value=readings.value[order] + 0.0,
        quality=readings.quality[order],
        key=np.cumsum(starts) - 1,
        first=np.flatnonzero(starts),
    )


def by_day(channel_id: NDArray[np.int32], ts_us: IntArray) -> Days:
    """Sum readings that are sorted by (channel_id, ts) by channel and UTC day."""
    day = ts_us // DAY_US
    starts = np.flatnonzero(_changes(channel_id, day))
    stops = np.append(starts[1:], len(ts_us))
    return Days(
        channel_id=channel_id[starts],
        day_us=day[starts] * DAY_US,
        first_us=ts_us[starts],
        last_us=ts_us[stops - 1] if len(starts) else ts_us[:0],
        n=(stops - starts if len(starts) else starts).astype(np.int64),
    )


def newest_by_channel(channel_id: NDArray[np.int32]) -> IntArray:
    """Row of the newest reading of each channel, among readings sorted by (channel_id, ts)."""
    if not len(channel_id):
        return np.empty(0, dtype=np.int64)
    return np.append(np.flatnonzero(channel_id[1:] != channel_id[:-1]), len(channel_id) - 1)


def _changes(*sorted_columns: NDArray[Any]) -> NDArray[np.bool_]:
    changes = np.ones(len(sorted_columns[0]), dtype=np.bool_)
    if len(changes):
        changes[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in sorted_columns])
    return changes
