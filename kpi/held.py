"""What gauges held and what flowed beside them, from corrected readings, as the amounts are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Readings
from domain.quality import UNUSABLE, Flag, Mark
from domain.time import SECOND_US, IntArray
from kpi.cuts import Segments, selected
from kpi.product import rates
from kpi.ragged import bisect_groups, bounds_of, owners, runs_of
from kpi.segments import gauge_segments, interval_segments, register_segments
from kpi.stored import Stored, stored
from kpi.table import INTERVAL, REGISTER, ChannelTable

__all__ = ["Carried", "Told", "carried", "held_values", "told_values"]

BoolArray = NDArray[np.bool_]
_UNKNOWN = int(Flag.ESTIMATED | Flag.STEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The readings of some gauges, one group each, as they hold; (n,) unless it says otherwise."""

    bounds: IntArray
    """(m + 1,)"""
    ts_us: IntArray
    """Rising within each group. [us UTC]"""
    stop_us: IntArray
    """Until when it holds; its own time where it holds nothing. [us UTC]"""
    value: FloatArray
    """Multiplier applied; of a reading in conflict it means nothing. [unit]"""
    quality: IntArray
    """What its source said, and what corrections made of it: see :mod:`domain.quality`."""
    conflict: BoolArray
    """No number may use it."""
    known_s: FloatArray
    """Time since the reading before it, 0 where that one did not hold so long. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Concentrations and what flowed with them, over the time both are known; stretches of a group do not overlap."""

    bounds: IntArray
    """(m + 1,)"""
    start_us: IntArray
    """(n,) [us UTC]"""
    stop_us: IntArray
    """(n,) [us UTC]"""
    concentration: FloatArray
    """(n,) [mg/L]"""
    rate: FloatArray
    """(n,) [m3 per us]"""


def _window(table: ChannelTable, rows: IntArray, readings: Readings) -> Stored:
    ids = table.channel_id[rows]
    low, high = (np.searchsorted(readings.channel_id, ids, side=side) for side in ("left", "right"))
    return stored(table, rows, readings, low.astype(np.int64), high.astype(np.int64))


def held_values(table: ChannelTable, rows: IntArray, readings: Readings) -> Segments:
    """
    What gauges held: each value to the next reading, at most the channel's hold, multiplier applied.

    Parameters
    ----------
    table : ChannelTable
    rows : int64 (m,)
        The gauges, by row of the table; a gauge may stand there more than once.
    readings : Readings
        Corrected; those of other channels change nothing.

    Returns
    -------
    Segments
        m groups; `amount` is the value.
    """
    return gauge_segments(table, _window(table, rows, readings))


def told_values(table: ChannelTable, rows: IntArray, readings: Readings) -> Told:
    """The readings of gauges one by one; parameters as of :func:`held_values`. Places where no reading stands are left out."""
    window = _window(table, rows, readings)
    known = window.readings
    group = owners(np.diff(window.bounds))
    stop = _held_until(table, window, group)
    # The newest reading before each that a number may use; one in conflict ends no hold.
    place = np.arange(len(known))
    usable = np.maximum.accumulate(np.where(known.conflict, -1, place))
    before = np.append(np.full(1, -1), usable[:-1])[: len(known)]
    reaches = (before >= window.bounds[group]) & (stop[before] >= known.ts_us)
    kept = (known.quality & int(Mark.UNHEARD)) == 0
    group, ts_us = group[kept], known.ts_us[kept]
    bounds = bounds_of(np.bincount(group, minlength=len(rows)))
    opens = np.isin(np.arange(len(ts_us)), bounds[:-1])
    earlier = np.append(ts_us[:1], ts_us[:-1])
    return Told(
        bounds=bounds,
        ts_us=ts_us,
        stop_us=stop[kept],
        value=known.value[kept] * table.factor[table.factor_index(rows[group], ts_us)],
        quality=known.quality[kept].astype(np.int64),
        conflict=known.conflict[kept],
        known_s=np.where(reaches[kept] & ~opens, (ts_us - earlier) / SECOND_US, 0.0),
    )


def _held_until(table: ChannelTable, window: Stored, group: IntArray) -> IntArray:
    """Until when each reading's value holds: see :func:`kpi.segments.gauge_segments`; one that may not be used holds nothing."""
    readings, rows = window.readings, window.rows[group]
    stop = np.minimum(readings.ts_us + table.hold_us[rows], table.valid_to_us[rows])
    used = np.flatnonzero(~readings.conflict)
    following = np.flatnonzero(group[used[1:]] == group[used[:-1]])
    stop[used[following]] = np.minimum(stop[used[following]], readings.ts_us[used[following + 1]])
    idle = readings.conflict | ((readings.quality & int(UNUSABLE)) != 0)
    return np.where(idle, readings.ts_us, stop)


def carried(table: ChannelTable, rows: IntArray, flows: IntArray, readings: Readings) -> Carried:
    """
    Concentrations with what flows beside them, over their common hold.

    A volume is taken as flowing evenly over its segment; gaps and steps of a register are left out.

    Parameters
    ----------
    table : ChannelTable
    rows, flows : int64 (m,)
        The concentrations and the flow or volume beside each, by row of the table; -1: there is none.
    readings : Readings
        Corrected, of both.
    """
    parts = [_carried(table, rows, flows, readings, chosen) for chosen in _by_kind(table, flows)]
    group, start, stop, concentration, rate = (
        np.concatenate([np.empty(0, dtype=dtype), *columns])
        for dtype, columns in zip(
            (np.int64, np.int64, np.int64, np.float64, np.float64),
            zip(*parts, strict=True) if parts else [()] * 5,
            strict=True,
        )
    )
    order = np.lexsort((start, group))
    return Carried(
        bounds=bounds_of(np.bincount(group, minlength=len(rows))),
        start_us=start[order],
        stop_us=stop[order],
        concentration=concentration[order],
        rate=rate[order],
    )


def _by_kind(table: ChannelTable, flows: IntArray) -> list[IntArray]:
    known = np.flatnonzero(flows >= 0)
    kinds = table.kind[flows[known]]
    return [known[kinds == kind] for kind in np.unique(kinds).tolist()]


_Columns = tuple[IntArray, IntArray, IntArray, FloatArray, FloatArray]


def _carried(table: ChannelTable, rows: IntArray, flows: IntArray, readings: Readings, chosen: IntArray) -> _Columns:
    """Group, start, stop, concentration and rate of some groups, whose flows are of one kind."""
    held = held_values(table, rows[chosen], readings)
    held = selected(held, held.stop_us > held.start_us)
    flow = rates(table, flows[chosen], _flow_segments(table, _window(table, flows[chosen], readings)))
    flow = selected(flow, (flow.stop_us > flow.start_us) & ((flow.flags & _UNKNOWN) == 0))
    group = owners(np.diff(held.bounds))
    low, high = flow.bounds[group], flow.bounds[group + 1]
    first = bisect_groups(flow.stop_us, low, high, held.start_us, right=True)
    counts = np.maximum(bisect_groups(flow.start_us, low, high, held.stop_us) - first, 0)
    index, other = owners(counts), runs_of(first, counts)
    start = np.maximum(held.start_us[index], flow.start_us[other])
    stop = np.minimum(held.stop_us[index], flow.stop_us[other])
    return chosen[group[index]], start, stop, held.amount[index], flow.amount[other]


def _flow_segments(table: ChannelTable, window: Stored) -> Segments:
    kind = int(table.kind[window.rows[0]])
    if kind == REGISTER:
        return register_segments(table, window)
    if kind == INTERVAL:
        return interval_segments(table, window)[1]
    return gauge_segments(table, window)
