"""What excludes samples: outages, calibration and maintenance, schedules, and other values or alarms that suppress them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.alarms import SampleFrame, Signal, Status
from domain.quality import Quality
from domain.registry import Kind
from domain.time import IntArray
from kpi.held import held_values
from kpi.ragged import bisect_groups
from kpi.ranges import Ranges
from kpi.schedules import LocalClock, scheduled
from service.engine.signals.asked import Asked, finite
from service.engine.signals.readings import readings_over
from store.signalreads import marked

__all__ = ["decided_us", "excluded"]

BoolArray = NDArray[np.bool_]
_OF_CHANNELS = frozenset({Signal.VALUE, Signal.AMOUNT, Signal.RATE, Signal.COMPLIANCE})
_MARKS = int(Quality.CALIBRATION | Quality.MAINTENANCE)


def decided_us(samples: SampleFrame) -> IntArray:
    """(n,) the moment by which a sample is excluded or not: of a window the last one in it. [us UTC]"""
    return samples.at_us - (samples.start_us < samples.at_us)


def excluded(asked: Asked, samples: SampleFrame) -> SampleFrame:
    """The same samples, with the reason why some of them do not count; the reasons of one override those before it."""
    if not len(samples):
        return samples
    status = samples.status.copy()
    _mark_services(asked, samples, status)
    _mark_out_of_service(asked, samples, status)
    status[_by_values(asked, samples)] = int(Status.SUPPRESSED)
    status[_unscheduled(asked, samples)] = int(Status.UNSCHEDULED)
    return replace(samples, status=status)


def _channels(asked: Asked, samples: SampleFrame) -> IntArray:
    """(n,) channel that a sample is about; -1 where it is not about one."""
    ids = [
        one.source.channel_id if one.source.signal in _OF_CHANNELS and one.source.channel_id is not None else -1
        for one in asked.watches
    ]
    return np.array(ids, dtype=np.int64)[samples.watch]


def _mark_services(asked: Asked, samples: SampleFrame, status: NDArray[np.int8]) -> None:
    """Windows that are missing because a source said that it was being calibrated, or serviced, inside."""
    channel_id = _channels(asked, samples)
    some = np.flatnonzero((status == int(Status.MISSING)) & (channel_id >= 0) & (samples.start_us < samples.at_us))
    if not len(some):
        return
    channels = asked.known.plan.registry.channel_by_id
    sent = np.array(
        [
            (one.inputs or (one.id,))[0] if one.kind is Kind.PRODUCT else one.id
            for one in map(channels.__getitem__, channel_id[some].tolist())
        ],
        dtype=np.int32,
    )
    table = asked.known.plan.table
    begin = samples.start_us[some]
    said = marked(asked.conn, sent, begin, samples.stop_us[some], marks=_MARKS)
    # A window between two readings is empty because of the one before it.
    interval_us = table.interval_us[table.rows(sent)]
    none = np.flatnonzero((said == 0) & (samples.stop_us[some] - begin < interval_us))
    earlier = begin[none] - interval_us[none]
    said[none] = marked(asked.conn, sent[none], earlier, begin[none], marks=_MARKS)
    status[some[(said & int(Quality.MAINTENANCE)) != 0]] = int(Status.MAINTENANCE)
    status[some[(said & int(Quality.CALIBRATION)) != 0]] = int(Status.CALIBRATION)


def _mark_out_of_service(asked: Asked, samples: SampleFrame, status: NDArray[np.int8]) -> None:
    """
    Samples of meters out of service: readings then, windows in which they are so from end to end, and missing ones in part.

    Of compliance points, what was measured all the same is judged.
    """
    table = asked.known.plan.table
    channel_id = _channels(asked, samples)
    some = np.flatnonzero(channel_id >= 0)
    if not len(table.outages) or not len(some):
        return
    rows = table.rows(channel_id[some].astype(np.int32))
    begin, end = samples.start_us[some], samples.at_us[some]
    lost = table.outages.length(rows, begin, end)
    whole = np.where(begin < end, lost == end - begin, table.outages.holds(rows, end))
    judged = np.array([one.source.signal is Signal.COMPLIANCE for one in asked.watches], dtype=np.bool_)
    missing = status[some] != int(Status.VALID)
    out = np.where(judged[samples.watch[some]], missing & (lost > 0), whole | (missing & (lost > 0)))
    status[some[out]] = int(Status.OUT_OF_SERVICE)


def _unscheduled(asked: Asked, samples: SampleFrame) -> BoolArray:
    plan = asked.known.plan
    outside = np.zeros(len(samples), dtype=np.bool_)
    schedules = {one.schedule for one in asked.watches if one.schedule is not None}
    for schedule in schedules:
        mine = np.array([one.schedule == schedule for one in asked.watches], dtype=np.bool_)
        some = np.flatnonzero(mine[samples.watch])
        clock = LocalClock.at(plan.park.zone, plan.registry.references.holidays, decided_us(samples)[some])
        outside[some] = ~scheduled(clock, schedule)
    return outside


def _by_values(asked: Asked, samples: SampleFrame) -> BoolArray:
    """Samples at whose end another gauge says that they mean nothing; where it is not known, it says nothing."""
    entries = [
        (place, one)
        for place, watch in enumerate(asked.watches)
        for one in watch.suppressions
        if one.channel_id is not None
    ]
    suppressed = np.zeros(len(samples), dtype=np.bool_)
    watch = np.array([place for place, _ in entries], dtype=np.int64)
    low, high = (np.searchsorted(samples.watch, watch, side=side).astype(np.int64) for side in ("left", "right"))
    some = np.flatnonzero(low < high)
    if not len(some):
        return suppressed
    instants = decided_us(samples)
    table = asked.known.plan.table
    channel_id = np.array([entries[one][1].channel_id for one in some.tolist()], dtype=np.int32)
    rows = table.rows(channel_id)
    spans = Ranges(channel_id=channel_id, from_us=instants[low[some]], to_us=instants[high[some] - 1] + 1)
    held = held_values(table, rows, readings_over(asked, spans))
    counts = (high - low)[some]
    group = np.repeat(np.arange(len(some)), counts)
    row = np.arange(len(group)) + np.repeat(low[some] - (np.cumsum(counts) - counts), counts)
    place = bisect_groups(held.start_us, held.bounds[group], held.bounds[group + 1], instants[row], right=True) - 1
    known = place >= held.bounds[group]
    known[known] = held.stop_us[place[known]] > instants[row[known]]
    lowest = np.array([finite(entries[one][1].lowest, -np.inf) for one in some.tolist()])[group]
    highest = np.array([finite(entries[one][1].highest, np.inf) for one in some.tolist()])[group]
    value = held.amount[place[known]]
    known[known] = (value >= lowest[known]) & (value <= highest[known])
    suppressed[row[known]] = True
    return suppressed
