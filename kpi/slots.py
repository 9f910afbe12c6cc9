"""Slots: the moments at which a channel is expected to send a reading, counted from local midnight."""

import numpy as np

from domain.time import DAY_US, HOUR_US, IntArray, day_number
from kpi.cells import Cells, Runs
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.ragged import owners, runs_of
from kpi.stored import Stored, heard
from kpi.table import ChannelTable

__all__ = ["filled_slots", "slot_starts", "stays_in_cell"]


def stays_in_cell(table: ChannelTable, grid: Grid) -> BoolArray:
    """Whether a slot of each channel always begins in the base interval of its readings; (n,)."""
    stays: BoolArray = grid.base_us % np.minimum(table.interval_us, grid.base_us + 1) == 0
    return stays


def slot_starts(grid: Grid, instants_us: IntArray, interval_us: IntArray) -> IntArray:
    """
    Start of the slot in which each instant lies.

    Slots shorter than a day are counted from each local midnight (the last of a day may be cut short);
    longer ones are whole local days, the number of days counted from 0001-01-01.

    Parameters
    ----------
    instants_us : int64 (n,) [us UTC]
    interval_us : int64 (n,) [us]
        Interval of the channel.

    Returns
    -------
    int64 (n,) [us UTC]
    """
    midnight, _ = grid.midnights(instants_us)
    short = interval_us < DAY_US
    step = np.where(short, interval_us, DAY_US)
    starts = np.where(short, midnight + (instants_us - midnight) // step * step, midnight)
    days = interval_us // DAY_US
    several = np.flatnonzero(days > 1)
    if len(several):
        mornings, place = np.unique(midnight[several], return_inverse=True)
        number = np.array([day_number(grid.zone, int(morning)).toordinal() for morning in mornings], dtype=np.int64)
        back = number[place] % days[several]
        # Noon of the day wanted, give or take the hour of a clock change.
        noon = midnight[several] - back * DAY_US + 12 * HOUR_US
        starts[several] = grid.midnights(noon)[0]
    return starts


def filled_slots(table: ChannelTable, grid: Grid, cells: Cells, window: Stored, begun: Runs | None) -> IntArray:
    """
    How many slots that begin in each cell hold at least one stored reading, whatever its quality.

    Only slots that begin within the channel's life count, and while its meter is in service.

    Parameters
    ----------
    begun : Runs or None
        Runs of the readings' times, where every channel's slots stay in the cell of their readings.

    Returns
    -------
    int64 (c,)
    """
    stood = heard(window)
    if begun is None or stood is not window:
        return _looked_up(table, grid, cells, stood)
    fresh = _first_of_slots(table, cells, window, begun)
    _outside_life(table, cells, window, begun, fresh)
    _out_of_service(table, cells, window, begun, fresh)
    inside = begun.cell >= 0
    slots = np.zeros(len(cells), dtype=np.int64)
    per_run = begun.counts if fresh.all() else np.add.reduceat(fresh, begun.first, dtype=np.int64)
    slots[begun.cell[inside]] = per_run[inside]
    return slots


def _first_of_slots(table: ChannelTable, cells: Cells, window: Stored, begun: Runs) -> BoolArray:
    """Which readings are the first of their slots; (n,)."""
    ts_us, fresh = window.readings.ts_us, np.empty(len(window.readings), dtype=np.bool_)
    steps = table.interval_us[window.rows]
    if cells.uniform and len(steps) and (steps == steps[0]).all():
        # All slots are counted from one edge, a whole number of them to each interval.
        number = ts_us - cells.edges[0]
        number //= steps[0]
        np.not_equal(number[1:], number[:-1], out=fresh[1:])
        fresh[begun.first] = True
        return fresh
    np.greater_equal(ts_us[1:] - ts_us[:-1], np.repeat(steps, np.diff(window.bounds))[1:], out=fresh[1:])
    fresh[begun.first] = True
    crowded = np.flatnonzero(~fresh)
    if len(crowded):
        # Neither is the first of its interval, so both are counted from the same edge.
        run = np.searchsorted(begun.first, crowded, side="right") - 1
        edge, step = cells.stops(begun.bins[run] - 1), table.interval_us[window.rows[begun.group[run]]]
        fresh[crowded] = (ts_us[crowded] - edge) // step != (ts_us[crowded - 1] - edge) // step
    return fresh


def _outside_life(table: ChannelTable, cells: Cells, window: Stored, begun: Runs, fresh: BoolArray) -> None:
    filled = window.bounds[1:] > window.bounds[:-1]
    rows, first, last = window.rows[filled], window.bounds[:-1][filled], window.bounds[1:][filled] - 1
    ts_us = window.readings.ts_us
    edge = cells.stops(begun.bins[np.searchsorted(begun.first, first)] - 1)
    step = table.interval_us[rows]
    early = edge + (ts_us[first] - edge) // step * step < table.valid_from_us[rows]
    fresh[first[early]] = False
    fresh[last[ts_us[last] >= table.valid_to_us[rows]]] = False


def _out_of_service(table: ChannelTable, cells: Cells, window: Stored, begun: Runs, fresh: BoolArray) -> None:
    groups = np.flatnonzero(table.outages.counts(window.rows))
    if not len(groups):
        return
    counts = window.bounds[groups + 1] - window.bounds[groups]
    index = runs_of(window.bounds[groups], counts)
    rows = np.repeat(window.rows[groups], counts)
    edge = cells.stops(begun.bins[np.searchsorted(begun.first, index, side="right") - 1] - 1)
    step, ts_us = table.interval_us[rows], window.readings.ts_us[index]
    fresh[index[table.outages.holds(rows, edge + (ts_us - edge) // step * step)]] = False


def _looked_up(table: ChannelTable, grid: Grid, cells: Cells, window: Stored) -> IntArray:
    ts_us, group = window.readings.ts_us, owners(np.diff(window.bounds))
    rows = window.rows[group]
    starts = slot_starts(grid, ts_us, table.interval_us[rows])
    fresh = np.ones(len(starts), dtype=np.bool_)
    fresh[1:] = (starts[1:] != starts[:-1]) | (group[1:] != group[:-1])
    fresh &= (starts >= table.valid_from_us[rows]) & (ts_us < table.valid_to_us[rows])
    if len(table.outages):
        fresh &= ~table.outages.holds(rows, starts)
    cell = cells.places(group[fresh], cells.bins(starts[fresh]))
    return np.bincount(cell[cell >= 0], minlength=len(cells))
