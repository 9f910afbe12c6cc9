"""Ranges to compute, cut into tasks: channels of one sort, as many as are good to have in work at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from domain.errors import InputError
from domain.frames import Readings
from domain.time import DAY_US, IntArray, to_datetime
from kpi.cells import Cells
from kpi.grid import Grid
from kpi.ragged import bounds_of
from kpi.ranges import Ranges
from kpi.slots import stays_in_cell
from kpi.stored import Stored, stored
from kpi.table import EVENT, KIND_CODES, PRODUCT, ChannelTable

__all__ = ["Source", "Task", "tasks"]

_BLOCK = 300_000
"""Readings and cells that are in work at once: it bounds memory, and keeps the columns near the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Readings, and where those of each channel stand."""

    table: ChannelTable
    grid: Grid
    readings: Readings
    low: IntArray
    """(t,) Where the readings of each channel of the table begin."""
    high: IntArray
    """(t,) Where they end."""

    @classmethod
    def of(cls, table: ChannelTable, grid: Grid, readings: Readings) -> "Source":
        """Readings of channels of a table; those of others are left aside."""
        return cls(
            table=table,
            grid=grid,
            readings=readings,
            low=np.searchsorted(readings.channel_id, table.channel_id, side="left"),
            high=np.searchsorted(readings.channel_id, table.channel_id, side="right"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Channels of one sort whose amounts are computed together."""

    source: Source
    rows: IntArray
    """(m,) Channels, by row of the table, rising."""
    cells: Cells
    kind: int
    simple: bool
    """Slots begin in the base interval of their readings."""

    def window(self, rows: IntArray) -> Stored:
        """The stored readings of some channels, by row of the table."""
        source = self.source
        return stored(source.table, rows, source.readings, source.low[rows], source.high[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Ranges cut to what the readings can reach, and which base intervals they are."""

    row: IntArray
    edges: IntArray
    first: IntArray
    counts: IntArray


def tasks(source: Source, ranges: Ranges) -> Iterator[Task]:
    """
    The tasks that some ranges make; each channel is in one of them.

    Raises
    ------
    InputError
        A range is not on base edges, or its channel is not in the table.
    """
    ranges = ranges.merged()
    _check_edges(source.grid, ranges)
    units = _units(source, ranges)
    table, sort, work = source.table, _sorts(source), _work(source)
    simple = stays_in_cell(table, source.grid)
    for wanted in np.unique(sort[units.row]).tolist():
        unit = np.flatnonzero(sort[units.row] == wanted)
        rows, group = np.unique(units.row[unit], return_inverse=True)
        cost = work[rows] + np.bincount(group, units.counts[unit]).astype(np.int64)
        block = (np.cumsum(cost) - cost) // _BLOCK
        for one in np.unique(block).tolist():
            begin, end = np.searchsorted(block, [one, one + 1])
            inside = (group >= begin) & (group < end)
            yield Task(
                source=source,
                rows=rows[begin:end],
                cells=_cells(source.grid, units, unit[inside], group[inside] - begin),
                kind=int(table.kind[rows[0]]),
                simple=bool(simple[rows[0]]),
            )


def _sorts(source: Source) -> IntArray:
    """A number per channel: kind, kind of a product's flow, and whether its slots are simple."""
    table = source.table
    product = np.flatnonzero(table.kind == PRODUCT)
    flow = np.zeros(len(table), dtype=np.int64)
    flow[product] = table.kind[table.flow[product]]
    return (table.kind * len(KIND_CODES) + flow) * 2 + stays_in_cell(table, source.grid)


def _work(source: Source) -> IntArray:
    """How many readings each channel is made of."""
    table, counts = source.table, source.high - source.low
    product = np.flatnonzero(table.kind == PRODUCT)
    counts[product] = counts[table.concentration[product]] + counts[table.flow[product]]
    return counts


def _check_edges(grid: Grid, ranges: Ranges) -> None:
    for instants in (ranges.from_us, ranges.to_us):
        off = np.flatnonzero(grid.floor(instants) != instants)
        if len(off):
            row = int(off[0])
            raise InputError(
                f"range of channel {ranges.channel_id[row]} has an end at {to_datetime(int(instants[row]))}, which is "
                f"no edge of the {grid.base_s // 60} min intervals of {grid.zone}"
            )


def _units(source: Source, ranges: Ranges) -> _Units:
    table, grid, readings, low, high = source.table, source.grid, source.readings, source.low, source.high
    row = table.rows(ranges.channel_id)
    none = np.iinfo(np.int64).max
    filled = np.flatnonzero(high > low)
    first, last = np.full(len(table), none), np.full(len(table), -none)
    # A slot begins at most its interval and a day before a reading; a value counts at most its hold after it.
    first[filled] = readings.ts_us[low[filled]] - table.interval_us[filled] - DAY_US
    last[filled] = (
        readings.ts_us[high[filled] - 1] + np.maximum(table.hold_us, table.interval_us)[filled] + grid.base_us
    )
    product = np.flatnonzero(table.kind == PRODUCT)
    inputs = table.concentration[product], table.flow[product]
    first[product] = np.minimum(first[inputs[0]], first[inputs[1]])
    last[product] = np.maximum(last[inputs[0]], last[inputs[1]])
    begin, end = np.maximum(ranges.from_us, first[row]), np.minimum(ranges.to_us, last[row])
    kept = (begin < end) & (table.kind[row] != EVENT)
    row, begin, end = row[kept], begin[kept], end[kept]
    if not len(row):
        nothing = np.empty(0, dtype=np.int64)
        return _Units(row=nothing, edges=nothing, first=nothing, counts=nothing)
    edges = grid.edges(int(begin.min()), int(end.max()))
    place = np.searchsorted(edges, begin, side="right") - 1
    return _Units(row=row, edges=edges, first=place, counts=np.searchsorted(edges, end, side="left") - place)


def _cells(grid: Grid, units: _Units, unit: IntArray, group: IntArray) -> Cells:
    edges = units.edges
    return Cells(
        edges=edges,
        base_us=grid.base_us,
        uniform=bool(edges[-1] - edges[0] == (len(edges) - 1) * grid.base_us),
        group=group,
        first=units.first[unit],
        bounds=bounds_of(units.counts[unit]),
    )
