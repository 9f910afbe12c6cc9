"""From touched spans to base amounts, and from these to hours and days."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from domain.frames import AmountFrame, Readings, SmallArray
from domain.registry import Registry
from domain.time import IntArray, Level, level_edges
from kpi.amounts import interval_amounts
from kpi.fold import fold_amounts
from kpi.gather import gather
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from store.amounts import read_amounts, write_amounts
from store.readings import readings_around

__all__ = ["Days", "Stamp", "recompute_amounts"]

_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When a cycle computes, and what was final before it."""

    computed_at_us: int
    ticked_to_us: int | None
    """`park.ticked_to` before this cycle. [us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Channels whose amounts may have changed, each with a local day; (n,), sorted by day, then channel."""

    channel_id: SmallArray
    day_us: IntArray
    """Start of the local day. [us UTC]"""

    def __len__(self) -> int:
        return len(self.channel_id)


def recompute_amounts(conn: Connection[Any], registry: Registry, touched: Ranges, stamp: Stamp) -> Days:
    """
    Compute every base amount that touched readings can have changed, and the hours and days above them.

    Parameters
    ----------
    touched : Ranges
        First and last touched instant of each span, both included.

    Returns
    -------
    Days
        The local days that were computed again.
    """
    park, table = registry.park, ChannelTable.of(registry)
    known = touched.take(np.isin(touched.channel_id, table.channel_id)).merged()
    if not len(known):
        return _no_days()

    def load(windows: Ranges, margin: int) -> tuple[Readings, BoolArray, BoolArray]:
        return readings_around(conn, windows.channel_id, windows.from_us, windows.to_us, margin)

    work = gather(table, Grid.of(park), known, load)
    _write(conn, interval_amounts(table, work.readings, work.ranges, park.zone, park.base_s), work.ranges, stamp)
    days = _days_of(registry, work.ranges)
    _fold_days(conn, registry, days, stamp)
    return days


def _write(conn: Connection[Any], frame: AmountFrame, ranges: Ranges, stamp: Stamp) -> None:
    write_amounts(
        conn,
        frame,
        (ranges.channel_id, ranges.from_us, ranges.to_us),
        computed_at_us=stamp.computed_at_us,
        ticked_to_us=stamp.ticked_to_us,
    )


def _no_days() -> Days:
    return Days(channel_id=np.empty(0, dtype=np.int32), day_us=np.empty(0, dtype=np.int64))


def _days_of(registry: Registry, ranges: Ranges) -> Days:
    """The local days that ranges cover, per channel."""
    if not len(ranges):
        return _no_days()
    park = registry.park
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(ranges.from_us.min()), int(ranges.to_us.max()))
    first = np.searchsorted(edges, ranges.from_us, side="right") - 1
    last = np.searchsorted(edges, ranges.to_us, side="left")
    counts = np.maximum(last - first, 0)
    owner = np.repeat(np.arange(len(ranges)), counts)
    day = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
    pairs = np.unique(np.stack([edges[day], ranges.channel_id[owner].astype(np.int64)], axis=1), axis=0)
    return Days(channel_id=pairs[:, 1].astype(np.int32), day_us=np.ascontiguousarray(pairs[:, 0]))


def _fold_days(conn: Connection[Any], registry: Registry, days: Days, stamp: Stamp) -> None:
    park = registry.park
    cells = 86_400 // park.base_s
    for channels, start_us, stop_us in _batches(registry, days, cells):
        base = read_amounts(conn, Level.BASE, channels, start_us, stop_us)
        ranges = Ranges.whole(channels, start_us, stop_us)
        hours = fold_amounts(base, Level.HOUR, park.zone, park.base_s)
        _write(conn, hours, ranges, stamp)
        _write(conn, fold_amounts(hours, Level.DAY, park.zone, park.base_s), ranges, stamp)


def _batches(registry: Registry, days: Days, cells: int) -> list[tuple[SmallArray, int, int]]:
    """Runs of days with the same channels, as long as memory allows: (channels, start, stop)."""
    park = registry.park
    starts, first = np.unique(days.day_us, return_index=True)
    if not len(starts):
        return []
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(starts[0]), int(starts[-1]) + 1)
    stops = edges[np.searchsorted(edges, starts) + 1]
    groups = np.split(days.channel_id, first[1:])
    batches: list[tuple[SmallArray, int, int]] = []
    for channels, start_us, stop_us in zip(groups, starts.tolist(), stops.tolist(), strict=True):
        if batches:
            known, begun, ended = batches[-1]
            length = (stop_us - begun) // 86_400_000_000 + 1
            if ended == start_us and length * len(known) * cells < _CELLS_AT_ONCE and np.array_equal(known, channels):
                batches[-1] = (known, begun, stop_us)
                continue
        batches.append((channels, start_us, stop_us))
    return batches
