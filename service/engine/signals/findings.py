"""Samples of whether a check found something."""

import numpy as np

from domain.alarms import SampleFrame, Signal, Status
from domain.time import DAY_US, IntArray
from kpi.ragged import bisect_groups, bounds_of, owners, runs_of
from kpi.windows import clock_edges
from service.engine.signals.asked import Asked, made_samples, no_samples, seconds
from store.signalreads import findings_over

__all__ = ["finding_samples"]

_DAY_S = 86_400


def finding_samples(asked: Asked) -> SampleFrame:
    """
    Samples over ticked time: 1 where a finding lies in the base interval, else 0.

    On a local day without findings, and none on the day before, one sample stands for the whole day.
    """
    places = asked.places(Signal.FINDING)
    begin, end = _asked_us(asked, places)
    if not (begin < end).any():
        return no_samples()
    park = asked.known.plan.park
    first, last = int(begin[begin < end].min()), int(end[begin < end].max())
    days = clock_edges(park.zone, _DAY_S, first - 1, last)
    base = clock_edges(park.zone, park.base_s, int(days[0]), int(days[-1]))
    found = _Found(asked, places, int(days[0]) - DAY_US, int(days[-1]))
    group, start, stop = _cuts(days, base, found)
    wanted = (stop >= begin[group]) & (stop < end[group]) & (start >= found.since_us[group])
    group, start, stop = group[wanted], start[wanted], stop[wanted]
    value = found.any_in(group, start, stop).astype(np.float64)
    return made_samples(
        asked,
        np.array(places, dtype=np.int64)[group],
        start,
        stop,
        stop,
        (value, value),
        status=np.full(len(group), int(Status.VALID), dtype=np.int8),
        known_s=seconds(stop - start),
    )


def _asked_us(asked: Asked, places: list[int]) -> tuple[IntArray, IntArray]:
    begin = np.maximum(asked.from_us[places], asked.valid_from(places))
    end = np.minimum(np.minimum(asked.to_us[places], asked.valid_to(places) + 1), asked.ticked_us + 1)
    return begin, end


class _Found:
    """The findings of some watches, a group for each."""

    def __init__(self, asked: Asked, places: list[int], start_us: int, stop_us: int) -> None:
        sources = [asked.watches[place].source for place in places]
        channel_id = np.array([one.channel_id for one in sources], dtype=np.int32)
        rules = sorted({str(one.finding) for one in sources})
        rule = np.array([rules.index(str(one.finding)) for one in sources], dtype=np.int64)
        found = findings_over(asked.conn, np.unique(channel_id), rules, start_us, stop_us)
        key = found[0].astype(np.int64) * len(rules) + found[1]
        order = np.lexsort((found[2], key))
        mine = channel_id.astype(np.int64) * len(rules) + rule
        low = np.searchsorted(key[order], mine, side="left")
        counts = np.searchsorted(key[order], mine, side="right") - low
        rows = order[runs_of(low, counts)]
        self.bounds = bounds_of(counts)
        self.start_us = found[2][rows]
        stops, group = found[3][rows], owners(counts)
        self.stop_us = stops[np.lexsort((stops, group))]
        tree = asked.known.plan.tree
        self.since_us = np.maximum(asked.valid_from(places), tree.from_us[tree.places(channel_id)])
        """From when on each watch has samples. [us UTC]"""

    def any_in(self, group: IntArray, start_us: IntArray, stop_us: IntArray) -> IntArray:
        """Whether a finding overlaps each `[start, stop)` of a group: 1, else 0."""
        low, high = self.bounds[group], self.bounds[group + 1]
        begun = bisect_groups(self.start_us, low, high, stop_us)
        ended = bisect_groups(self.stop_us, low, high, start_us, right=True)
        return (begun > ended).astype(np.int64)


def _cuts(days: IntArray, base: IntArray, found: _Found) -> tuple[IntArray, IntArray, IntArray]:
    """Group, start and stop of all samples on some local days."""
    watches, count = len(found.bounds) - 1, len(days) - 1
    group, day = np.repeat(np.arange(watches), count), np.tile(np.arange(count), watches)
    dense = found.any_in(group, days[day] - DAY_US, days[day + 1]) > 0
    first = np.searchsorted(base, days)
    counts = np.where(dense, np.diff(first)[day], 1)
    owner = owners(counts)
    place = runs_of(first[day], counts)
    fine = dense[owner]
    start = base[place]
    stop = np.where(fine, base[np.minimum(place + 1, len(base) - 1)], days[day[owner] + 1])
    return group[owner], start, stop
