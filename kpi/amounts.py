"""Interval amounts: what every channel did in every base interval, from the set of its readings."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from zoneinfo import ZoneInfo

import numpy as np

from domain.errors import InputError
from domain.frames import AmountFrame, FloatArray, Readings
from domain.registry import Kind
from domain.time import DAY_US, HOUR_US, SECOND_US, IntArray, Level, to_datetime
from kpi.cells import Cells, Runs, Sums, add_flags, pieces_of, runs, spread
from kpi.cuts import Segments
from kpi.grid import Grid
from kpi.product import product_segments, volumes
from kpi.ragged import bounds_of
from kpi.ranges import Ranges
from kpi.segments import gauge_segments, interval_segments, register_segments
from kpi.slots import filled_slots, stays_in_cell
from kpi.stored import Notes, Stored, stored
from kpi.table import KIND_CODES, ChannelTable

__all__ = ["interval_amounts"]

_BLOCK = 1_500_000
"""Readings, and cells, that are in work at once: it bounds memory, and keeps the columns near the processor."""

_REGISTER, _INTERVAL, _GAUGE, _EVENT, _PRODUCT = (
    KIND_CODES[kind] for kind in (Kind.REGISTER, Kind.INTERVAL, Kind.GAUGE, Kind.EVENT, Kind.PRODUCT)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """Channels of one kind whose amounts are computed together."""

    table: ChannelTable
    grid: Grid
    readings: Readings
    low: IntArray
    """(t,) Where the readings of each channel of the table begin."""
    high: IntArray
    rows: IntArray
    """(m,) Channels, by row of the table."""
    cells: Cells

    def window(self, rows: IntArray) -> Stored:
        return stored(self.table, rows, self.readings, self.low[rows], self.high[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the values of gauges were in each cell; (c,) each."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    last: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Ranges cut to what the readings can reach, and which base intervals they are."""

    row: IntArray
    edges: IntArray
    first: IntArray
    counts: IntArray


def interval_amounts(
    table: ChannelTable, readings: Readings, ranges: Ranges, zone: ZoneInfo, base_s: int
) -> AmountFrame:
    """
    What channels did in the base intervals of some ranges, computed from scratch.

    The amount of an interval is the sum, in order of time, of what each segment (see
    :mod:`kpi.segments`) leaves in it, so it depends on the readings around it and on no window:
    see :func:`kpi.reach.reach` for how many readings a range needs.

    Parameters
    ----------
    table : ChannelTable
    readings : Readings
        Those of a product's two inputs stand for the product. Readings of other channels, and far
        from the ranges, are allowed and change nothing.
    ranges : Ranges
        Half-open, on base edges; those of one channel may overlap.
    zone : ZoneInfo
        The park's.
    base_s : int [s]
        The park's base interval.

    Returns
    -------
    AmountFrame
        At base level; only intervals inside the ranges of which something is known.

    Raises
    ------
    InputError
        A range is not on base edges, or its channel is not in the table.
    """
    grid = Grid(zone=zone, base_s=base_s)
    ranges = ranges.merged()
    low = np.searchsorted(readings.channel_id, table.channel_id, side="left")
    high = np.searchsorted(readings.channel_id, table.channel_id, side="right")
    _check_edges(grid, ranges)
    units = _units(table, grid, readings, ranges, low, high)
    parts = []
    for rows, cells in _blocks(table, grid, units, high - low):
        task = _Task(table=table, grid=grid, readings=readings, low=low, high=high, rows=rows, cells=cells)
        parts.append(_computed(task))
    return _joined(parts)


def _check_edges(grid: Grid, ranges: Ranges) -> None:
    for instants in (ranges.from_us, ranges.to_us):
        off = np.flatnonzero(grid.floor(instants) != instants)
        if len(off):
            row = int(off[0])
            raise InputError(
                f"range of channel {ranges.channel_id[row]} has an end at {to_datetime(int(instants[row]))}, which is "
                f"no edge of the {grid.base_s // 60} min intervals of {grid.zone}"
            )


def _units(
    table: ChannelTable, grid: Grid, readings: Readings, ranges: Ranges, low: IntArray, high: IntArray
) -> _Units:
    row = table.rows(ranges.channel_id)
    none = np.iinfo(np.int64).max
    filled = np.flatnonzero(high > low)
    first, last = np.full(len(table), none), np.full(len(table), -none)
    # A slot begins at most its interval and a day before a reading; a value counts at most its hold after it.
    first[filled] = readings.ts_us[low[filled]] - table.interval_us[filled] - DAY_US
    last[filled] = (
        readings.ts_us[high[filled] - 1] + np.maximum(table.hold_us, table.interval_us)[filled] + grid.base_us
    )
    product = np.flatnonzero(table.kind == _PRODUCT)
    inputs = table.concentration[product], table.flow[product]
    first[product] = np.minimum(first[inputs[0]], first[inputs[1]])
    last[product] = np.maximum(last[inputs[0]], last[inputs[1]])
    begin, end = np.maximum(ranges.from_us, first[row]), np.minimum(ranges.to_us, last[row])
    kept = (begin < end) & (table.kind[row] != _EVENT)
    row, begin, end = row[kept], begin[kept], end[kept]
    if not len(row):
        nothing = np.empty(0, dtype=np.int64)
        return _Units(row=nothing, edges=nothing, first=nothing, counts=nothing)
    edges = grid.edges(int(begin.min()), int(end.max()))
    place = np.searchsorted(edges, begin, side="right") - 1
    return _Units(row=row, edges=edges, first=place, counts=np.searchsorted(edges, end, side="left") - place)


def _blocks(table: ChannelTable, grid: Grid, units: _Units, readings: IntArray) -> Iterator[tuple[IntArray, Cells]]:
    """Channels of one sort at a time, as many as are good to have in work at once."""
    simple = stays_in_cell(table, grid)
    work = readings.copy()
    product = np.flatnonzero(table.kind == _PRODUCT)
    flow = np.zeros(len(table), dtype=np.int64)
    flow[product] = table.kind[table.flow[product]]
    sort = (table.kind * len(KIND_CODES) + flow) * 2 + simple
    work[product] = readings[table.concentration[product]] + readings[table.flow[product]]
    for wanted in np.unique(sort[units.row]).tolist():
        unit = np.flatnonzero(sort[units.row] == wanted)
        rows, group = np.unique(units.row[unit], return_inverse=True)
        cost = work[rows] + np.bincount(group, units.counts[unit]).astype(np.int64)
        block = (np.cumsum(cost) - cost) // _BLOCK
        for one in np.unique(block).tolist():
            begin, end = np.searchsorted(block, [one, one + 1])
            of_block = unit[(group >= begin) & (group < end)]
            yield rows[begin:end], _cells(grid, units, of_block, group[(group >= begin) & (group < end)] - begin)


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


def _computed(task: _Task) -> AmountFrame:
    kind = int(task.table.kind[task.rows[0]])
    if kind == _PRODUCT:
        sums = _product_sums(task)
        return _frame(task, sums, np.zeros(len(task.cells), dtype=np.int64), None)
    window = task.window(task.rows)
    begun = None
    if stays_in_cell(task.table, task.grid)[task.rows[0]]:
        begun = runs(task.cells, window.bounds, window.readings.ts_us)
    slots = filled_slots(task.table, task.grid, task.cells, window, begun)
    held = None
    if kind == _REGISTER:
        sums = _register_sums(task, window, begun)
    elif kind == _INTERVAL:
        sums = _interval_sums(task, window)
    else:
        sums, held = _gauge_sums(task, window)
    return _frame(task, sums, slots, held)


def _register_sums(task: _Task, window: Stored, begun: Runs | None) -> Sums:
    segments = register_segments(task.table, window)
    if begun is None or segments.start_us is not window.readings.ts_us:
        begun = runs(task.cells, segments.bounds, segments.start_us)
    sums = spread(task.cells, segments, begun)
    _note(task.cells, segments.notes, sums)
    return sums


def _note(cells: Cells, notes: Notes, sums: Sums) -> None:
    if len(notes.group):
        add_flags(sums, cells.places(notes.group, cells.bins(notes.ts_us)), notes.flag)


def _interval_sums(task: _Task, window: Stored) -> Sums:
    whole, once = interval_segments(task.table, window)
    sums = _linear_sums(task.cells, whole)
    _, cell, x0, x1 = pieces_of(task.cells, once)
    sums.measured_us[:] = _whole_sums(cell, x1 - x0, len(task.cells))
    return sums


def _linear_sums(cells: Cells, segments: Segments) -> Sums:
    """Sums of segments that may overlap, or lie far apart."""
    sums = Sums.empty(len(cells))
    segment, cell, x0, x1 = pieces_of(cells, segments)
    start = segments.start_us[segment]
    whole = segments.stop_us[segment] - start
    amount = segments.amount[segment]
    share = np.where(x1 - x0 == whole, amount, amount * (x1 - start) / whole - amount * (x0 - start) / whole)
    sums.amount[:] = np.bincount(cell, share, minlength=len(cells))
    sums.measured_us[:] = _whole_sums(cell, x1 - x0, len(cells))
    marked = np.flatnonzero(segments.flags[segment])
    add_flags(sums, cell[marked], segments.flags[segment[marked]])
    _note(cells, segments.notes, sums)
    return sums


def _whole_sums(cell: IntArray, length: IntArray, cells: int) -> IntArray:
    # Sums of whole microseconds below 2 ** 53 are exact in a float.
    return np.bincount(cell, length, minlength=cells).astype(np.int64)


def _product_sums(task: _Task) -> Sums:
    table, rows = task.table, task.rows
    concentration = gauge_segments(table, task.window(table.concentration[rows].astype(np.int64)))
    volume = _volume_segments(task, table.flow[rows].astype(np.int64))
    return _linear_sums(task.cells, product_segments(table, rows, concentration, volume))


def _volume_segments(task: _Task, rows: IntArray) -> Segments:
    """What flowed, of channels that are all of one kind."""
    window, kind = task.window(rows), int(task.table.kind[rows[0]])
    if kind == _REGISTER:
        return register_segments(task.table, window)
    if kind == _INTERVAL:
        return interval_segments(task.table, window)[1]
    return volumes(gauge_segments(task.table, window))


def _gauge_sums(task: _Task, window: Stored) -> tuple[Sums, _Held]:
    segments = gauge_segments(task.table, window)
    cells, count = task.cells, len(task.cells)
    sums = Sums.empty(count)
    segment, cell, x0, x1 = pieces_of(cells, segments)
    value, length = segments.amount[segment], x1 - x0
    sums.measured_us[:] = _whole_sums(cell, length, count)
    known = sums.measured_us > 0
    weighted = np.bincount(cell, value * length, minlength=count)
    rows = np.repeat(task.rows[cells.group], np.diff(cells.bounds))
    adds_up = task.table.integrates[rows]
    sums.amount[:] = np.where(adds_up, weighted / HOUR_US, np.nan)
    mean, low, high, last = (np.full(count, np.nan) for _ in range(4))
    averaged = known & task.table.averages[rows]
    mean[averaged] = weighted[averaged] / sums.measured_us[averaged]
    if len(cell):
        # Gauges' segments do not overlap, so the pieces of a cell stand side by side.
        first = np.flatnonzero(np.append([True], cell[1:] != cell[:-1]))
        low[cell[first]] = np.minimum.reduceat(value, first)
        high[cell[first]] = np.maximum.reduceat(value, first)
        last[cell[first]] = value[np.append(first[1:], len(cell)) - 1]
    _note(cells, segments.notes, sums)
    return sums, _Held(mean=mean, low=low, high=high, last=last)


def _frame(task: _Task, sums: Sums, slots: IntArray, held: _Held | None) -> AmountFrame:
    cells, nothing = task.cells, np.full(len(task.cells), np.nan)
    held = held or _Held(mean=nothing, low=nothing, high=nothing, last=nothing)
    known = (sums.measured_us > 0) | (sums.unmeasured_us > 0)
    amount = np.where(known, sums.amount, np.nan)
    start, length = cells.starts(), cells.lengths()
    peak = np.where(sums.measured_us == length, amount / (length / HOUR_US), np.nan)
    kept = known | (sums.flags != 0) | (slots > 0)
    rows = slice(None) if kept.all() else np.flatnonzero(kept)
    ids = np.repeat(task.table.channel_id[task.rows[cells.group]], np.diff(cells.bounds))
    return AmountFrame(
        level=Level.BASE,
        channel_id=ids[rows],
        start_us=start[rows],
        amount=amount[rows],
        mean=held.mean[rows],
        low=held.low[rows],
        high=held.high[rows],
        last=held.last[rows],
        peak=peak[rows],
        peak_at_us=np.where(np.isnan(peak), 0, start)[rows],
        measured_s=(sums.measured_us / SECOND_US)[rows],
        estimated=sums.estimated[rows],
        inner_gap_s=np.zeros(len(cells))[rows],
        gap_s=(sums.gap_us / SECOND_US)[rows],
        gap_stop_us=sums.gap_stop_us[rows],
        slots=slots.astype(np.int32)[rows],
        flags=sums.flags[rows],
    )


def _joined(parts: list[AmountFrame]) -> AmountFrame:
    """Frames of different channels as one, sorted."""
    parts = parts or [empty_amounts(Level.BASE)]
    ids = np.concatenate([part.channel_id for part in parts])
    order: slice | IntArray = slice(None)
    if (ids[1:] < ids[:-1]).any():
        order = np.argsort(ids, kind="stable")
    columns = {
        name.name: np.concatenate([getattr(part, name.name) for part in parts])[order]
        for name in fields(AmountFrame)
        if name.name != "level"
    }
    return AmountFrame(level=Level.BASE, **columns)


def empty_amounts(level: Level) -> AmountFrame:
    """An amount frame without rows."""
    whole, real, small = np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.int32)
    return AmountFrame(
        level=level,
        channel_id=small,
        start_us=whole,
        amount=real,
        mean=real,
        low=real,
        high=real,
        last=real,
        peak=real,
        peak_at_us=whole,
        measured_s=real,
        estimated=real,
        inner_gap_s=real,
        gap_s=real,
        gap_stop_us=whole,
        slots=small,
        flags=small,
    )
