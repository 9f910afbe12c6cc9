"""Samples that the alarms of other rules suppress while they are active."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from alerts.conditions import WatchTable
from alerts.evaluate import evaluate, settled
from domain.alarms import SampleFrame, Status, Watch
from domain.time import DAY_US, SECOND_US, IntArray
from kpi.ragged import bisect_groups, bounds_of, owners, runs_of
from kpi.table import FAR_US
from service.engine.inputs import suppressors
from service.engine.signals.asked import Asked
from store.signalreads import stored_episodes_after

__all__ = ["Collect", "suppressed_by_alarms"]

Collect = Callable[[Asked, frozenset[int]], SampleFrame]
"""Makes samples, those suppressed by alarms marked; suppressing watches at some places are left aside."""

_FURTHER = 4
"""How many times further back the samples of a suppressing watch are made until what it says is certain."""


def suppressed_by_alarms(asked: Asked, samples: SampleFrame, collect: Collect, aside: frozenset[int]) -> SampleFrame:
    """
    The same samples, those at whose time another alarm has an episode that is raised and not yet cleared marked SUPPRESSED.

    The conditions of watches that suppress are evaluated from their own samples, as far back as it takes; so it does not
    depend on what is stored. Of alarms that are not among the watches asked with, the stored episodes are taken.
    Where watches suppress each other in a ring, none that is being evaluated suppresses those it depends on.

    Parameters
    ----------
    aside : frozenset of int
        Places of watches that suppress nothing here.
    """
    present = set(np.unique(samples.watch).tolist())
    following = {
        place: tuple(one for one in others if one not in aside)
        for place, others in suppressors(asked.watches).items()
        if place in present
    }
    pairs = [(place, other) for place, others in following.items() for other in others]
    status = samples.status.copy()
    if pairs:
        _mark(samples, status, pairs, *_evaluated(asked, samples, pairs, collect, aside | following.keys()))
    named = _unknown(asked.watches, present)
    if named:
        _mark(samples, status, named, *_stored(asked, samples, named))
    return replace(samples, status=status)


def _unknown(watches: tuple[Watch, ...], places: set[int]) -> list[tuple[int, str]]:
    """Places with the names of the alarms that suppress them and have no watch of their own here."""
    names = [
        (place, one.alarm) for place in sorted(places) for one in watches[place].suppressions if one.alarm is not None
    ]
    if not names:
        return []
    known = {one.rule for one in watches} | {f"{one.rule}@{one.target}" for one in watches}
    return [(place, name) for place, name in names if name not in known]


def _spans(samples: SampleFrame, places: IntArray) -> tuple[IntArray, IntArray]:
    """Where the samples of some watches stand; (n,) each."""
    low, high = (np.searchsorted(samples.watch, places, side=side).astype(np.int64) for side in ("left", "right"))
    return low, high


Active = tuple[IntArray, IntArray, IntArray, IntArray]
"""Bounds of each suppressing alarm's raises, when they are; bounds of its clears, when they are. [us UTC]"""


def _mark(
    samples: SampleFrame,
    status: np.ndarray[tuple[int], np.dtype[np.int8]],
    pairs: Sequence[tuple[int, object]],
    *active: IntArray,
) -> None:
    """Mark the samples of each pair's watch at whose time the pair's alarm is active."""
    raise_bounds, raised, clear_bounds, cleared = active
    low, high = _spans(samples, np.array([place for place, _ in pairs], dtype=np.int64))
    pair, row = owners(high - low), runs_of(low, high - low)
    at = samples.at_us[row]
    begun = bisect_groups(raised, raise_bounds[pair], raise_bounds[pair + 1], at, right=True) - raise_bounds[pair]
    ended = bisect_groups(cleared, clear_bounds[pair], clear_bounds[pair + 1], at, right=True) - clear_bounds[pair]
    status[row[begun > ended]] = int(Status.SUPPRESSED)


def _evaluated(
    asked: Asked, samples: SampleFrame, pairs: list[tuple[int, int]], collect: Collect, aside: frozenset[int]
) -> Active:
    """When the suppressing watch of each pair is raised and cleared."""
    count = len(asked.watches)
    needed, until = np.full(count, FAR_US), np.full(count, -FAR_US)
    low, high = _spans(samples, np.array([place for place, _ in pairs], dtype=np.int64))
    other = np.array([one for _, one in pairs], dtype=np.int64)
    np.minimum.at(needed, other, samples.at_us[low])
    np.maximum.at(until, other, samples.at_us[high - 1] + 1)
    back = np.array([_margin_us(one) for one in asked.watches], dtype=np.int64)
    earliest = np.array([one.valid_from_us for one in asked.watches], dtype=np.int64)
    table = WatchTable.of(asked.watches)
    while True:
        begin = np.where(needed < until, np.maximum(needed - back, earliest), until)
        found = collect(replace(asked, from_us=begin, to_us=until), aside)
        made = evaluate(table, found)
        quiet = settled(table, found, made.verdict, np.minimum(needed, until))
        unsure = (begin < until) & ~quiet & (begin > earliest)
        if not unsure.any():
            break
        back = np.where(unsure, back * _FURTHER, back)
    parts: list[IntArray] = []
    for at in (made.episodes.raised_us, np.minimum(made.episodes.cleared_us, FAR_US)):
        first, last = (
            np.searchsorted(made.episodes.watch, other, side=side).astype(np.int64) for side in ("left", "right")
        )
        parts += [bounds_of(last - first), at[runs_of(first, last - first)]]
    return parts[0], parts[1], parts[2], parts[3]


def _margin_us(watch: Watch) -> int:
    """How far back the condition of a watch most likely is certain. [us]"""
    delays = watch.on_delay_s + watch.off_delay_s + watch.merge_gap_s
    window = 32 * DAY_US if watch.source.by_month else (watch.source.window_s or 0) * SECOND_US
    return delays * SECOND_US + 2 * window + DAY_US // 8


def _stored(asked: Asked, samples: SampleFrame, named: list[tuple[int, str]]) -> Active:
    """When the alarm of each pair was raised and cleared, as it is stored."""
    names = sorted({name for _, name in named})
    first_us = int(samples.at_us.min())
    place, _, raised, cleared = stored_episodes_after(asked.conn, asked.known.plan.park.id, names, first_us)
    mine = np.array([names.index(name) for _, name in named], dtype=np.int64)
    parts: list[IntArray] = []
    for at in (raised, cleared):
        order = np.lexsort((at, place))
        first, last = (np.searchsorted(place[order], mine, side=side).astype(np.int64) for side in ("left", "right"))
        parts += [bounds_of(last - first), at[order][runs_of(first, last - first)]]
    return parts[0], parts[1], parts[2], parts[3]
