"""From touched spans to base amounts, and from these to hours and days."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from psycopg import Connection

from domain.errors import ParkError
from domain.frames import AmountFrame, Readings, SmallArray
from domain.registry import Registry
from domain.time import IntArray, Level, level_edges
from kpi.amounts import interval_amounts
from kpi.fold import fold_amounts
from kpi.grid import Grid
from kpi.ranges import Ranges, joined
from kpi.reach import affected_products, reach
from kpi.table import ChannelTable
from store.amounts import read_amounts, write_amounts
from store.readings import readings_around

__all__ = ["Days", "Stamp", "recompute_amounts"]

_FIRST_MARGIN = 8
_WIDENINGS = 24
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
    table, grid = ChannelTable.of(registry), Grid.of(registry.park)
    known = touched.take(np.isin(touched.channel_id, table.channel_id)).merged()
    if not len(known):
        return _no_days()
    readings, ranges = _loaded(conn, table, grid, known)
    products = affected_products(table, ranges)
    if len(products):
        readings = _with_inputs(conn, table, readings, products)
        ranges = joined(ranges, products)
    ranges = ranges.merged()
    frame = interval_amounts(table, readings, ranges, grid)
    _write(conn, frame, ranges, stamp)
    days = _days_of(registry, ranges)
    _fold_days(conn, registry, days, stamp)
    return days


def _loaded(conn: Connection[Any], table: ChannelTable, grid: Grid, touched: Ranges) -> tuple[Readings, Ranges]:
    """Enough readings to compute all that the touched spans reach, and the ranges that they reach."""
    parts: list[Readings] = []
    ranges: list[Ranges] = []
    waiting, window = touched, touched
    margin = _FIRST_MARGIN
    for _ in range(_WIDENINGS):
        loads = window.merged()
        readings, before, after = readings_around(conn, loads.channel_id, loads.from_us, loads.to_us, margin)
        found = reach(table, grid, readings, waiting, loads, before, after)
        ranges.append(found.ranges.take(found.settled))
        parts.append(readings)
        if found.settled.all():
            return _together(parts), joined(*ranges)
        waiting, window = waiting.take(~found.settled), found.wider.take(~found.settled)
        margin *= 2
    channels = sorted(set(waiting.channel_id.tolist()))[:5]
    raise ParkError(f"channels {channels}: no accepted reading found within {margin} readings of what was touched")


def _with_inputs(conn: Connection[Any], table: ChannelTable, readings: Readings, products: Ranges) -> Readings:
    """The readings, and those of both inputs of the products over their ranges."""
    row = np.searchsorted(table.channel_id, products.channel_id)
    inputs = joined(
        Ranges(
            channel_id=table.channel_id[table.concentration[row]], from_us=products.from_us, to_us=products.to_us
        ),
        Ranges(channel_id=table.channel_id[table.flow[row]], from_us=products.from_us, to_us=products.to_us),
    ).merged()
    grid_free = _settled_inputs(conn, table, inputs)
    return _together([readings, grid_free])


def _settled_inputs(conn: Connection[Any], table: ChannelTable, inputs: Ranges) -> Readings:
    raise NotImplementedError


def _together(parts: list[Readings]) -> Readings:
    """Several loads as one, each reading once, in order."""
    columns = {
        column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Readings)
    }
    order = np.lexsort((columns["ts_us"], columns["channel_id"]))
    channel_id, ts_us = columns["channel_id"][order], columns["ts_us"][order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (channel_id[1:] != channel_id[:-1]) | (ts_us[1:] != ts_us[:-1])
    return Readings(**{name: column[order][fresh] for name, column in columns.items()})


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
