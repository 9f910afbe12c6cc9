"""Samples of how long nothing was heard: of a channel, of a meter as a device, of a tenant as a gateway."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.alarms import SampleFrame, Signal, Source, Status
from domain.frames import SmallArray
from domain.registry import Kind, Registry
from domain.time import SECOND_US, IntArray
from kpi.outages import Outages
from kpi.ragged import bounds_of, owners, runs_of
from kpi.table import FAR_US
from kpi.windows import clock_edges
from service.engine.signals.asked import Asked, finite, made_samples, no_samples, seconds
from store.signalreads import heard

__all__ = ["silence_samples"]

_DAY_S = 86_400
_HALF_HOUR_S = 1800


def silence_samples(asked: Asked) -> SampleFrame:
    """
    The age of the newest reading at edges of ticked base intervals, of those that never sent since they are expected.

    At each edge until it is certain that nothing comes (the bound, the on-delay and two intervals are over), then at local
    midnights only. A sample stands for the time since the edge before; of one beyond its bound, for the time since then.
    After a meter was out of service, it counts from the end of that on.
    """
    places = asked.places(Signal.SILENCE)
    if not places:
        return no_samples()
    groups = _Groups.of(asked, places)
    park = asked.known.plan.park
    begin = np.maximum(np.maximum(asked.from_us[places], asked.valid_from(places)), groups.since_us)
    end = np.minimum(np.minimum(asked.to_us[places], asked.valid_to(places) + 1), asked.ticked_us + 1)
    end = np.minimum(end, groups.until_us + 1)
    if not (begin < end).any():
        return no_samples()
    first, last = int(begin[begin < end].min()), int(end[begin < end].max())
    edges = clock_edges(park.zone, park.base_s, first - park.base_s * SECOND_US, last)
    midnights = clock_edges(park.zone, _DAY_S, first - 1, last)
    events = _events(asked, groups, begin, np.maximum(begin, end))
    kept = _kept(events, groups, edges, midnights, (begin, end))
    return _made(asked, places, groups, edges, midnights, kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Groups:
    """The channels of each watch; (g,) unless it says otherwise."""

    bounds: IntArray
    """(g + 1,)"""
    channel_id: SmallArray
    """(c,)"""
    since_us: IntArray
    """From when on it is expected. [us UTC]"""
    until_us: IntArray
    outages: Outages
    """A row for each group."""
    limit_us: IntArray
    """Age beyond which it is silent; far where there is no bound. [us]"""
    dense_us: IntArray
    """Up to this age there is a sample at each edge. [us]"""

    @classmethod
    def of(cls, asked: Asked, places: list[int]) -> "_Groups":
        plan, watches = asked.known.plan, [asked.watches[place] for place in places]
        ids = [_channels(plan.registry, one.source) for one in watches]
        meters = [_meter(plan.registry, one.source) for one in watches]
        channel = plan.tree.places(np.array([one for row in ids for one in row], dtype=np.int32))
        counts = np.array([len(row) for row in ids], dtype=np.int64)
        group = owners(counts)
        since, until = np.full(len(places), FAR_US), np.full(len(places), -FAR_US)
        np.minimum.at(since, group, plan.tree.from_us[channel])
        np.maximum.at(until, group, plan.tree.to_us[channel])
        limit = np.array([min(finite(one.highest, np.inf) * SECOND_US, FAR_US) for one in watches]).astype(np.int64)
        delays = np.array([one.on_delay_s for one in watches], dtype=np.int64) * SECOND_US
        by_id = plan.registry.meter_by_id
        return cls(
            bounds=bounds_of(counts),
            channel_id=plan.tree.channel_id[channel],
            since_us=since,
            until_us=np.minimum(until, FAR_US),
            outages=Outages.of(() if one is None else by_id[one].outages for one in meters),
            limit_us=limit,
            dense_us=np.minimum(limit + delays + 2 * plan.park.base_s * SECOND_US, FAR_US),
        )


def _channels(registry: Registry, source: Source) -> list[int]:
    """Those that send: nobody publishes a product, but what it is made of."""
    if source.channel_id is not None:
        return list(registry.channel_by_id[source.channel_id].inputs or (source.channel_id,))
    meters = {source.meter_id}
    if source.tenant_id is not None:
        meters = {one.id for one in registry.meters if one.tenant_id == source.tenant_id}
    return [one.id for one in registry.channels if one.meter_id in meters and one.kind is not Kind.PRODUCT]


def _meter(registry: Registry, source: Source) -> int | None:
    if source.channel_id is not None:
        return registry.channel_by_id[source.channel_id].meter_id
    return source.meter_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Events:
    """From when each group is waited for anew: it was heard, is expected, or is in service again; in order of both."""

    group: IntArray
    at_us: IntArray


def _events(asked: Asked, groups: _Groups, begin: IntArray, end: IntArray) -> _Events:
    park, group = asked.known.plan.park, owners(np.diff(groups.bounds))
    ids, place = np.unique(groups.channel_id, return_inverse=True)
    from_us, to_us = np.full(len(ids), FAR_US), np.full(len(ids), -FAR_US)
    np.minimum.at(from_us, place, begin[group] - park.base_s * SECOND_US)
    np.maximum.at(to_us, place, end[group])
    some = from_us < to_us
    origin = int(clock_edges(park.zone, park.base_s, int(begin.min()), int(begin.min()) + 1)[0])
    # Where clocks change, edges move by half an hour at least.
    step_s = math.gcd(park.base_s, _HALF_HOUR_S)
    channel_id, ts_us = heard(asked.conn, ids[some], from_us[some], to_us[some], step_s=step_s, origin_us=origin)
    low = np.searchsorted(channel_id, groups.channel_id, side="left")
    counts = np.searchsorted(channel_id, groups.channel_id, side="right") - low
    row, ended = runs_of(low, counts), owners(np.diff(groups.outages.bounds))
    every = np.concatenate([group[owners(counts)], np.arange(len(groups.since_us)), ended])
    at_us = np.concatenate([ts_us[row], groups.since_us, np.minimum(groups.outages.to_us, FAR_US)])
    order = np.lexsort((at_us, every))
    return _Events(group=every[order], at_us=at_us[order])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The edges that have samples, in order of group and time; (n,) each."""

    group: IntArray
    at_us: IntArray
    since_us: IntArray
    """From when it was waited for. [us UTC]"""


def _kept(
    events: _Events, groups: _Groups, edges: IntArray, midnights: IntArray, asked_us: tuple[IntArray, IntArray]
) -> _Kept:
    following = np.append(events.at_us[1:], FAR_US)
    last = np.append(events.group[1:] != events.group[:-1], True)
    until = np.where(last, FAR_US, following)
    begin = np.maximum(events.at_us, asked_us[0][events.group])
    end = np.minimum(until, asked_us[1][events.group])
    near = np.minimum(end, events.at_us + groups.dense_us[events.group] + 1)
    index, at = _edges_in(edges, begin, near)
    far_index, far = _edges_in(midnights, np.maximum(begin, near), end)
    index, at = np.concatenate([index, far_index]), np.concatenate([at, far])
    order = np.lexsort((at, index))
    index, at = index[order], at[order]
    return _Kept(group=events.group[index], at_us=at, since_us=events.at_us[index])


def _edges_in(edges: IntArray, begin: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
    """The edges in each `[begin, end)`: which of these, and the edge."""
    low = np.searchsorted(edges, begin, side="left")
    counts = np.maximum(np.searchsorted(edges, end, side="left") - low, 0)
    return owners(counts), edges[runs_of(low, counts)]


def _made(  # noqa: PLR0917 - what is asked, and where samples are
    asked: Asked, places: list[int], groups: _Groups, edges: IntArray, midnights: IntArray, kept: _Kept
) -> SampleFrame:
    group, at = kept.group, kept.at_us
    age = at - kept.since_us
    before = edges[np.maximum(np.searchsorted(edges, at, side="left") - 1, 0)]
    # The first midnight follows the last of the edges one by one.
    sure = kept.since_us + groups.dense_us[group]
    earlier = midnights[np.maximum(np.searchsorted(midnights, at, side="left") - 1, 0)]
    start = np.where(age > groups.dense_us[group], np.maximum(sure, earlier), before)
    beyond = age > groups.limit_us[group]
    start = np.where(beyond, np.maximum(start, kept.since_us + groups.limit_us[group]), start)
    start = np.minimum(np.maximum(start, asked.valid_from(places)[group]), at)
    out: NDArray[np.bool_] = groups.outages.holds(group, at - 1)
    age_s = seconds(age)
    return made_samples(
        asked,
        np.array(places, dtype=np.int64)[group],
        start,
        at,
        at,
        (age_s, age_s),
        status=np.where(out, Status.OUT_OF_SERVICE, Status.VALID).astype(np.int8),
        known_s=seconds(at - start),
    )
