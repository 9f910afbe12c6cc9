"""Samples over windows of whole base intervals: of gauges, of what channels add up to, and of compliance rules alike."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from domain.alarms import Alignment, SampleFrame, WindowStatistic
from domain.frames import FloatArray, SmallArray
from domain.time import SECOND_US, IntArray
from kpi.amountwindows import Intervals, amount_windows, interval_excess, interval_times, intervals_of
from kpi.block import ROUNDING_S
from kpi.ranges import Ranges
from kpi.windows import Windows, clock_edges, clock_windows, joined_windows, rolling_windows, running_windows
from kpi.windowstats import flow_beside
from service.engine.signals.asked import Asked, made_samples, no_samples, seconds, statuses
from store.signalreads import base_amounts

__all__ = ["MONTH", "Spells", "concentration_flows", "interval_samples"]

MONTH = 0
"""Stands for the local month as the length of a window."""

_CONCENTRATION = "mg/L"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spells:
    """Watches, each for as long as it is held against the same bounds in the same windows; (n,) each."""

    place: IntArray
    """Of the watch."""
    channel_id: SmallArray
    statistic: NDArray[np.str_]
    """Value of :class:`domain.alarms.WindowStatistic`."""
    window_s: IntArray
    """`MONTH`: the local month. [s]"""
    alignment: NDArray[np.str_]
    """Value of :class:`domain.alarms.Alignment`."""
    lowest: FloatArray
    highest: FloatArray
    least_valid: FloatArray
    since_us: IntArray
    """No window begins earlier. [us UTC]"""
    until_us: IntArray
    """No window ends later. [us UTC]"""

    def __len__(self) -> int:
        return len(self.place)

    def taken(self, chosen: IntArray) -> "Spells":
        """Some of them."""
        return Spells(**{column.name: getattr(self, column.name)[chosen] for column in fields(self)})


def interval_samples(asked: Asked, spells: Spells) -> SampleFrame:
    """
    Samples of windows that end in what is asked for.

    A window has a sample once all of it is ticked or, by the newest reading, known; one that does not touch the life of
    its channel, or ends before the channel's first reading, has none.
    """
    if not len(spells):
        return no_samples()
    windows = _windows(asked, spells)
    if not len(windows):
        return no_samples()
    intervals, flows = _intervals(asked, spells, windows)
    of = windows.group
    found = amount_windows(intervals, windows, spells.statistic[of])
    share = (found.known_s + ROUNDING_S) / seconds(windows.stop_us - windows.start_us)
    known = ~np.isnan(found.least) & ~np.isnan(found.greatest) & (share >= spells.least_valid[of])
    added = interval_times(intervals, windows.adding())
    clock = spells.alignment[of] == Alignment.CLOCK.value
    return made_samples(
        asked,
        spells.place[of],
        windows.start_us,
        windows.stop_us,
        windows.stop_us,
        (found.least, found.greatest),
        status=statuses(known & ~found.idle, found.idle),
        known_s=np.where(clock, found.known_s, added),
        bounds=(spells.lowest[of], spells.highest[of]),
        excess_kg=interval_excess(intervals, windows.adding(), np.where(flows[of] >= 0, spells.highest[of], np.nan)),
    )


def _windows(asked: Asked, spells: Spells) -> Windows:
    known_from = asked.known_from(spells.channel_id)
    from_us = np.maximum(np.maximum(asked.from_us[spells.place], spells.since_us), known_from)
    known_us = np.maximum(asked.known_to(spells.channel_id), asked.ticked_us)
    to_us = np.minimum(np.minimum(asked.to_us[spells.place], spells.until_us + 1), known_us + 1)
    tree = asked.known.plan.tree
    channel = tree.places(spells.channel_id)
    parts = [part for chosen in _shapes(spells) for part in _of_shape(asked, spells, chosen, from_us, to_us)]
    windows = joined_windows(parts)
    life = tree.from_us[channel], tree.to_us[channel]
    begun = np.maximum(life[0], known_from)
    alive = (windows.start_us < life[1][windows.group]) & (windows.stop_us > begun[windows.group])
    return windows.taken(alive & (windows.start_us >= spells.since_us[windows.group]))


def _shapes(spells: Spells) -> Iterator[IntArray]:
    """Spells whose windows are of one length and lie alike."""
    shapes = np.stack([spells.window_s, np.unique(spells.alignment, return_inverse=True)[1]])
    kind = np.unique(shapes, axis=1, return_inverse=True)[1].ravel()
    for one in range(int(kind.max(initial=-1)) + 1):
        yield np.flatnonzero(kind == one)


def _of_shape(asked: Asked, spells: Spells, chosen: IntArray, from_us: IntArray, to_us: IntArray) -> Iterator[Windows]:
    """Windows of some spells, their groups counted as those of all."""
    park = asked.known.plan.park
    begin, end = from_us[chosen], to_us[chosen]
    if not (begin < end).any():
        return
    first, last = int(begin[begin < end].min()), int(end[begin < end].max())
    window_s = int(spells.window_s[chosen[0]])
    edges = clock_edges(park.zone, None if window_s == MONTH else window_s, first - 1, last)
    alignment = spells.alignment[chosen[0]]
    if alignment == Alignment.CLOCK.value or (alignment == Alignment.ROLLING.value and window_s == MONTH):
        windows = clock_windows(edges, begin, end)
    else:
        base = clock_edges(park.zone, park.base_s, first - park.base_s * SECOND_US - 1, last)
        low, high = (np.searchsorted(base, side, side="left").astype(np.int64) for side in (begin, end))
        # The first edge lies before all that is asked for: it only says from where on the next one adds.
        low, floor = np.maximum(low, 1), np.zeros(len(low), dtype=np.int64)
        if alignment == Alignment.ROLLING.value:
            windows = rolling_windows(base, floor, low, high, window_s * SECOND_US)
        else:
            windows = running_windows(base, floor, low, high, edges)
    yield windows.of_groups(chosen)


def concentration_flows(asked: Asked, channel_ids: SmallArray) -> SmallArray:
    """Id of the flow or volume beside each of some channels; -1 where there is none, or where it is no concentration."""
    plan = asked.known.plan
    channels = plan.registry.channel_by_id
    tree = plan.tree
    flow = flow_beside(tree, tree.places(channel_ids))
    concentration = np.array([channels[one].unit == _CONCENTRATION for one in channel_ids.tolist()], dtype=np.bool_)
    found = (flow >= 0) & concentration
    return np.where(found, tree.channel_id[np.maximum(flow, 0)], -1).astype(np.int32)


def _intervals(asked: Asked, spells: Spells, windows: Windows) -> tuple[Intervals, SmallArray]:
    """Base amounts under some windows, a group for each spell; and the flow beside each."""
    count, limits = len(spells), np.iinfo(np.int64)
    begin, end = np.full(count, limits.max), np.full(count, limits.min)
    np.minimum.at(begin, windows.group, np.minimum(windows.start_us, windows.added_us))
    np.maximum.at(end, windows.group, windows.stop_us)
    weighted = spells.statistic == WindowStatistic.FLOW_WEIGHTED_MEAN.value
    flows = concentration_flows(asked, spells.channel_id)
    flows = np.where(weighted | np.isfinite(spells.highest), flows, -1).astype(np.int32)
    some = begin < end
    with_flow = some & (flows >= 0)
    needed = Ranges(
        channel_id=np.concatenate([spells.channel_id[some], flows[with_flow]]).astype(np.int32),
        from_us=np.concatenate([begin[some], begin[with_flow]]),
        to_us=np.concatenate([end[some], end[with_flow]]),
    ).merged()
    frame = base_amounts(asked.conn, needed.channel_id, needed.from_us, needed.to_us)
    park = asked.known.plan.park
    edges = clock_edges(park.zone, park.base_s, int(begin[some].min()), int(end[some].max()))
    return intervals_of(frame, edges, spells.channel_id, flows), flows
