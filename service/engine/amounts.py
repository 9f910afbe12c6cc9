"""From touched spans to base amounts, and from these to hours and days."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from psycopg import Connection

from domain.frames import Readings, SmallArray
from domain.registry import Park
from domain.time import IntArray, Level, level_edges
from kpi.amounts import interval_amounts
from kpi.corrections import correcting
from kpi.fold import fold_amounts
from kpi.gather import gather
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.ragged import owners, runs_of
from kpi.ranges import Ranges, joined
from service.engine.estimates import gaps_to_follow, with_profiles
from service.engine.known import Known, Stamp
from store.amounts import read_amounts
from store.corrections import corrections_of
from store.readings import readings_around

__all__ = ["Days", "Stamp", "recompute_amounts"]

_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Channels whose amounts may have changed, each with a local day; (n,), sorted by day, then channel."""

    channel_id: SmallArray
    day_us: IntArray
    """Start of the local day. [us UTC]"""
    from_us: IntArray
    """Where in the day they may have changed first. [us UTC]"""
    to_us: IntArray
    """Where they may have changed last, exclusive. [us UTC]"""

    def __len__(self) -> int:
        return len(self.channel_id)

    def ranges(self) -> Ranges:
        """The same stretches without their days."""
        return Ranges(channel_id=self.channel_id, from_us=self.from_us, to_us=self.to_us)

    def take(self, rows: BoolArray) -> "Days":
        """Some of the rows."""
        return Days(
            channel_id=self.channel_id[rows],
            day_us=self.day_us[rows],
            from_us=self.from_us[rows],
            to_us=self.to_us[rows],
        )


def recompute_amounts(conn: Connection[Any], known: Known, touched: Ranges, stamp: Stamp) -> Days:
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
    own = touched.take(np.isin(touched.channel_id, known.plan.table.channel_id)).merged()
    computed: list[Ranges] = []
    while len(own):
        ranges, own = _recompute_base(conn, known, own, stamp)
        computed.append(ranges)
    days = _days_of(known.plan.park, joined(*computed).merged())
    kept = days.day_us >= known.earliest_us
    _fold_days(conn, known, days.take(~kept), stamp)
    _fold_hours(conn, known, days.take(kept), stamp)
    return days


def _recompute_base(conn: Connection[Any], known: Known, touched: Ranges, stamp: Stamp) -> tuple[Ranges, Ranges]:
    """Base amounts of all that some spans reach; which ranges that were, and the spans of gaps that follow them."""
    park, table, registry = known.plan.park, known.plan.table, known.plan.registry

    def load(windows: Ranges, margin: int) -> tuple[Readings, BoolArray, BoolArray]:
        step_us = table.interval_us[table.rows(windows.channel_id)]
        return readings_around(conn, windows.channel_id, windows.from_us, windows.to_us, margin, step_us)

    work = gather(table, Grid.of(park), touched, correcting(load, partial(corrections_of, conn)))
    frame = interval_amounts(table, work.readings, work.ranges, park.zone, park.base_s)
    frame = with_profiles(conn, registry, table, work, frame)
    following = gaps_to_follow(conn, registry, table, work.ranges, frame)
    known.write(conn, frame, work.ranges, stamp)
    return work.ranges, following


def _no_days() -> Days:
    none = np.empty(0, dtype=np.int64)
    return Days(channel_id=np.empty(0, dtype=np.int32), day_us=none, from_us=none, to_us=none)


def _days_of(park: Park, ranges: Ranges) -> Days:
    """The local days that ranges cover, per channel."""
    if not len(ranges):
        return _no_days()
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(ranges.from_us.min()), int(ranges.to_us.max()))
    first = np.searchsorted(edges, ranges.from_us, side="right") - 1
    last = np.searchsorted(edges, ranges.to_us, side="left")
    counts = np.maximum(last - first, 0)
    owner = owners(counts)
    day = runs_of(first, counts)
    order = np.lexsort((ranges.from_us[owner], ranges.channel_id[owner], day))
    owner, day = owner[order], day[order]
    begin = np.maximum(ranges.from_us[owner], edges[day])
    end = np.minimum(ranges.to_us[owner], edges[day + 1])
    channel_id = ranges.channel_id[owner]
    opens = np.ones(len(day), dtype=np.bool_)
    opens[1:] = (day[1:] != day[:-1]) | (channel_id[1:] != channel_id[:-1])
    opening = np.flatnonzero(opens)
    return Days(
        channel_id=channel_id[opening],
        day_us=edges[day[opening]],
        from_us=begin[opening],
        to_us=np.maximum.reduceat(end, opening) if len(opening) else end,
    )


def _fold_hours(conn: Connection[Any], known: Known, days: Days, stamp: Stamp) -> None:
    """Of days that are kept, only the hours that may have changed are made again, and the days of all their hours."""
    park = known.plan.park
    for start_us in np.unique(days.day_us).tolist():
        mine = days.take(days.day_us == start_us)
        stop_us = int(level_edges(park.zone, park.base_s, Level.DAY, start_us, start_us + 1)[-1])
        edges = level_edges(park.zone, park.base_s, Level.HOUR, start_us, stop_us)
        ranges = Ranges(
            channel_id=mine.channel_id,
            from_us=edges[np.searchsorted(edges, mine.from_us, side="right") - 1],
            to_us=edges[np.searchsorted(edges, mine.to_us, side="left")],
        )
        hourly = known.day(conn, Level.HOUR, start_us, stop_us)
        base = known.day(conn, Level.BASE, start_us, stop_us).inside(ranges)
        known.write(conn, fold_amounts(base, Level.HOUR, park.zone, park.base_s), ranges, stamp)
        whole = Ranges.whole(mine.channel_id, start_us, stop_us)
        daily = fold_amounts(hourly.of(mine.channel_id), Level.DAY, park.zone, park.base_s)
        known.write(conn, daily, whole, stamp)


def _fold_days(conn: Connection[Any], known: Known, days: Days, stamp: Stamp) -> None:
    park = known.plan.park
    cells = 86_400 // park.base_s
    for channels, start_us, stop_us in _batches(park, days, cells):
        base = read_amounts(conn, Level.BASE, channels, start_us, stop_us)
        ranges = Ranges.whole(channels, start_us, stop_us)
        hours = fold_amounts(base, Level.HOUR, park.zone, park.base_s)
        known.write(conn, hours, ranges, stamp)
        known.write(conn, fold_amounts(hours, Level.DAY, park.zone, park.base_s), ranges, stamp)


def _batches(park: Park, days: Days, cells: int) -> list[tuple[SmallArray, int, int]]:
    """Runs of days with the same channels, as long as memory allows: (channels, start, stop)."""
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
