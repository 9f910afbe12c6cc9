"""Interval amounts: what every channel did in every base interval, from the set of its readings."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from domain.frames import AmountFrame, FloatArray, Readings
from domain.time import HOUR_US, SECOND_US, IntArray, Level
from kpi.cells import Cells, Runs, Sums, add_flags, pieces_of, runs, spread
from kpi.cuts import Segments
from kpi.grid import Grid
from kpi.product import product_segments, rates
from kpi.ragged import sums_by
from kpi.ranges import Ranges
from kpi.received import received_values
from kpi.rows import joined_amounts
from kpi.segments import gauge_segments, interval_segments, register_segments
from kpi.slots import filled_slots
from kpi.stored import Notes, Stored
from kpi.table import INTERVAL, PRODUCT, REGISTER, ChannelTable
from kpi.tasks import Source, Task, tasks

__all__ = ["interval_amounts"]

_MANY = 1_000_000
"""From so many readings on it pays to compute tasks side by side: numpy leaves the interpreter while it computes."""
_MOST_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the values of gauges were in each cell; (c,) each."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    last: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """Readings and slots in each cell; (c,) each."""

    slots: IntArray
    received: IntArray
    unusable: IntArray


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
    source = Source.of(table, Grid(zone=zone, base_s=base_s), readings)
    if len(readings) < _MANY:
        return joined_amounts([_computed(task) for task in tasks(source, ranges)])
    with ThreadPoolExecutor(max_workers=min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        return joined_amounts(list(pool.map(_computed, tasks(source, ranges))))


def _computed(task: Task) -> AmountFrame:
    table, grid = task.source.table, task.source.grid
    if task.kind == PRODUCT:
        sums = _product_sums(task)
        nothing = np.zeros(len(task.cells), dtype=np.int64)
        return _frame(task, sums, _Counted(slots=nothing, received=nothing, unusable=nothing), None)
    window = task.window(task.rows)
    begun = None
    if task.simple:
        begun = runs(task.cells, window.bounds, window.readings.ts_us)
    slots = filled_slots(table, grid, task.cells, window, begun)
    held = None
    if task.kind == REGISTER:
        sums, notes = _register_sums(task, window, begun)
    elif task.kind == INTERVAL:
        sums, notes = _interval_sums(task, window)
    else:
        sums, notes, held = _gauge_sums(task, window)
    received, unusable = received_values(table, task.cells, window, begun, notes)
    return _frame(task, sums, _Counted(slots=slots, received=received, unusable=unusable), held)


def _register_sums(task: Task, window: Stored, begun: Runs | None) -> tuple[Sums, Notes]:
    segments = register_segments(task.source.table, window)
    if begun is None or segments.start_us is not window.readings.ts_us:
        begun = runs(task.cells, segments.bounds, segments.start_us)
    sums = spread(task.cells, segments, begun)
    _note(task.cells, segments.notes, sums)
    return sums, segments.notes


def _note(cells: Cells, notes: Notes, sums: Sums) -> None:
    if len(notes.group):
        add_flags(sums, cells.places(notes.group, cells.bins(notes.ts_us)), notes.flag)


def _mark(segments: Segments, segment: IntArray, cell: IntArray, sums: Sums) -> None:
    """Set the flags of segments in the cells in which they have a piece."""
    marked = np.flatnonzero(segments.flags[segment])
    add_flags(sums, cell[marked], segments.flags[segment[marked]])


def _interval_sums(task: Task, window: Stored) -> tuple[Sums, Notes]:
    table, cells = task.source.table, task.cells
    whole, once = interval_segments(table, window)
    sums = Sums.empty(len(cells))
    segment, whole_cell, x0, x1 = pieces_of(cells, whole)
    value, full = whole.amount[segment], table.interval_us[task.rows[whole.groups(segment)]]
    share = np.where(x1 - x0 == full, value, value * (x1 - x0) / full)
    sums.amount[:] = sums_by(whole_cell, share, len(cells))
    _, cell, x0, x1 = pieces_of(cells, once)
    sums.measured_us[:] = _whole_sums(cell, x1 - x0, len(cells))
    _note(cells, whole.notes, sums)
    _mark(whole, segment, whole_cell, sums)
    return sums, whole.notes


def _whole_sums(cell: IntArray, length: IntArray, cells: int) -> IntArray:
    # Sums of whole microseconds below 2 ** 53 are exact in a float.
    return sums_by(cell, length, cells).astype(np.int64)


def _product_sums(task: Task) -> Sums:
    table, rows, cells = task.source.table, task.rows, task.cells
    concentration = gauge_segments(table, task.window(table.concentration[rows].astype(np.int64)))
    flows = table.flow[rows].astype(np.int64)
    flow = rates(table, flows, _flow_segments(task, flows))
    segments = product_segments(table, rows, concentration, flow)
    sums = Sums.empty(len(cells))
    segment, cell, x0, x1 = pieces_of(cells, segments)
    sums.amount[:] = sums_by(cell, segments.amount[segment] * (x1 - x0), len(cells))
    sums.measured_us[:] = _whole_sums(cell, x1 - x0, len(cells))
    _mark(segments, segment, cell, sums)
    _note(cells, segments.notes, sums)
    return sums


def _flow_segments(task: Task, rows: IntArray) -> Segments:
    """What flowed, of channels that are all of one kind."""
    window, kind = task.window(rows), int(task.source.table.kind[rows[0]])
    if kind == REGISTER:
        return register_segments(task.source.table, window)
    if kind == INTERVAL:
        return interval_segments(task.source.table, window)[1]
    return gauge_segments(task.source.table, window)


def _gauge_sums(task: Task, window: Stored) -> tuple[Sums, Notes, _Held]:
    segments = gauge_segments(task.source.table, window)
    cells, count = task.cells, len(task.cells)
    sums = Sums.empty(count)
    segment, cell, x0, x1 = pieces_of(cells, segments)
    value, length = segments.amount[segment], x1 - x0
    sums.measured_us[:] = _whole_sums(cell, length, count)
    known = sums.measured_us > 0
    weighted = sums_by(cell, value * length, count)
    rows = np.repeat(task.rows[cells.group], np.diff(cells.bounds))
    adds_up = task.source.table.integrates[rows]
    sums.amount[:] = np.where(adds_up, weighted / HOUR_US, np.nan)
    mean, low, high, last = (np.full(count, np.nan) for _ in range(4))
    averaged = known & task.source.table.averages[rows]
    mean[averaged] = weighted[averaged] / sums.measured_us[averaged]
    if len(cell):
        # Gauges' segments do not overlap, so the pieces of a cell stand side by side.
        first = np.flatnonzero(np.append([True], cell[1:] != cell[:-1]))
        low[cell[first]] = np.minimum.reduceat(value, first)
        high[cell[first]] = np.maximum.reduceat(value, first)
        last[cell[first]] = value[np.append(first[1:], len(cell)) - 1]
    _mark(segments, segment, cell, sums)
    _note(cells, segments.notes, sums)
    return sums, segments.notes, _Held(mean=mean, low=low, high=high, last=last)


def _frame(task: Task, sums: Sums, counted: _Counted, held: _Held | None) -> AmountFrame:
    cells, nothing = task.cells, np.full(len(task.cells), np.nan)
    held = held or _Held(mean=nothing, low=nothing, high=nothing, last=nothing)
    known = (sums.measured_us > 0) | (sums.unmeasured_us > 0)
    amount = np.where(known, sums.amount, np.nan)
    start, length = cells.starts(), cells.lengths()
    peak = np.where(sums.measured_us == length, amount / (length / HOUR_US), np.nan)
    kept = known | (sums.flags != 0) | (counted.slots > 0) | (counted.received > 0)
    rows = slice(None) if kept.all() else np.flatnonzero(kept)
    ids = np.repeat(task.source.table.channel_id[task.rows[cells.group]], np.diff(cells.bounds))
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
        slots=counted.slots.astype(np.int32)[rows],
        received=counted.received.astype(np.int32)[rows],
        unusable=counted.unusable.astype(np.int32)[rows],
        flags=sums.flags[rows],
    )
