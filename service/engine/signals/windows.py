"""Samples of gauges over windows that are no whole base intervals: made of readings, from two minutes up."""

import numpy as np

from domain.alarms import Alignment, SampleFrame, Signal
from domain.time import SECOND_US, IntArray
from kpi.block import ROUNDING_S
from kpi.gaugewindows import gauge_windows, measured_times
from kpi.ragged import bisect_groups
from kpi.windows import Windows, clock_edges, clock_windows, joined_windows, rolling_windows, running_windows
from service.engine.signals.asked import Asked, made_samples, no_samples, seconds, statuses
from service.engine.signals.values import Gauges, gauges_of

__all__ = ["window_samples"]


def window_samples(asked: Asked) -> SampleFrame:
    """
    Samples of VALUE over windows shorter than a base interval, or no multiple of one.

    A clock window has a sample once all of it is ticked or known by the newest reading; rolling and running ones end at
    each reading. The value that begins with a reading lies in the windows after it.
    """
    base_s = asked.known.plan.park.base_s
    places = asked.places(
        Signal.VALUE,
        lambda one: (
            one.source.statistic is not None and not one.source.by_month and bool((one.source.window_s or 0) % base_s)
        ),
    )
    if not places:
        return no_samples()
    window_s = np.array([asked.watches[place].source.window_s for place in places], dtype=np.int64)
    gauges = gauges_of(asked, places, window_s * SECOND_US)
    windows = _windows(asked, places, gauges, window_s)
    of = windows.group
    statistic = np.array([str(asked.watches[place].source.statistic) for place in places], dtype=np.str_)
    least_valid = np.array([asked.watches[place].source.least_valid for place in places])
    clock = np.array([asked.watches[place].source.alignment is Alignment.CLOCK for place in places], dtype=np.bool_)
    found = gauge_windows(gauges.held, windows, statistic[of], gauges.flowing)
    share = (found.known_s + ROUNDING_S) / seconds(windows.stop_us - windows.start_us)
    known = ~np.isnan(found.least) & (share >= least_valid[of])
    added = measured_times(gauges.held, windows.adding())
    return made_samples(
        asked,
        gauges.watch[of],
        windows.start_us,
        windows.stop_us,
        windows.stop_us,
        (found.least, found.greatest),
        status=statuses(known & ~found.idle, found.idle),
        known_s=np.where(clock[of], found.known_s, added),
        excess_kg=gauges.excess(windows.adding()),
    )


def _windows(asked: Asked, places: list[int], gauges: Gauges, window_s: IntArray) -> Windows:
    """Windows of all watches, a group for each; within their validity and the life of their channel."""
    table, tree, since = asked.known.plan.table, asked.known.plan.tree, asked.valid_from(places)
    begin, end = gauges.begin_us, gauges.end_us
    alignments = [asked.watches[place].source.alignment for place in places]
    parts = []
    for one in sorted({(int(length), alignment) for length, alignment in zip(window_s, alignments, strict=True)}):
        chosen = np.array([here == one for here in zip(window_s.tolist(), alignments, strict=True)], dtype=np.bool_)
        parts.append(_of_shape(asked, gauges, np.flatnonzero(chosen), one, (begin, end)))
    windows = joined_windows(parts)
    channel = tree.places(table.channel_id[gauges.rows])
    begun = np.maximum(tree.from_us[channel], asked.known_from(table.channel_id[gauges.rows]))
    alive = (windows.start_us < tree.to_us[channel][windows.group]) & (windows.stop_us > begun[windows.group])
    return windows.taken(alive & (windows.start_us >= since[windows.group]))


def _of_shape(
    asked: Asked, gauges: Gauges, chosen: IntArray, shape: tuple[int, Alignment], asked_us: tuple[IntArray, IntArray]
) -> Windows:
    """Windows of one length that lie alike, their groups counted as those of all watches."""
    window_s, alignment = shape
    begin, end = asked_us[0][chosen], asked_us[1][chosen]
    zone, some = asked.known.plan.park.zone, begin < end
    if not some.any():
        return joined_windows([])
    edges = clock_edges(zone, window_s, int(begin[some].min()) - 1, int(end[some].max()))
    if alignment is Alignment.CLOCK:
        windows = clock_windows(edges, begin, end)
    else:
        told = gauges.told
        floor, stop = told.bounds[chosen], told.bounds[chosen + 1]
        low, high = (bisect_groups(told.ts_us, floor, stop, side) for side in (begin, np.maximum(begin, end)))
        if alignment is Alignment.ROLLING:
            windows = rolling_windows(told.ts_us, floor, low, high, window_s * SECOND_US)
        else:
            windows = running_windows(told.ts_us, floor, low, high, edges)
    return windows.of_groups(chosen)
