"""How far an evaluation has to reach so that it ends in what an evaluation of everything would end in.

A watch's condition has a memory: a run that waits for its delay, an episode that may still be joined. An evaluation that
begins without it is right only where there is none, at a *quiet point*:

- begin: no stored episode is near, and either there is no on-delay, or a sample before the change is clear, so that no run
  can be waiting; or at the very start of a stored episode, which the change lies in
- end: a clear sample after the change at which neither what is stored nor what is evaluated is active, or near enough to be
  joined to what follows; or the newest data

Before the change what is stored is right, since a condition depends on nothing that comes after.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alerts.conditions import CodeArray, Verdict
from domain.alarms import OPEN_US, BoolArray, EpisodeFrame, SampleFrame, Signal, Watch
from domain.frames import SmallArray
from domain.time import DAY_US, SECOND_US, IntArray, Level

__all__ = ["Bounds", "begin_us", "cut_us", "is_begun", "quiet_us", "taken_episodes", "taken_samples"]

_MONTH_US = 31 * DAY_US
_LEVEL_US = {
    Level.BASE: 3600 * SECOND_US,
    Level.HOUR: 3600 * SECOND_US,
    Level.DAY: DAY_US,
    Level.WEEK: 7 * DAY_US,
    Level.YEAR: 366 * DAY_US,
}
_SLACK_US = 3600 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What of some watches says how far their evaluation reaches; (w,) each."""

    on_delay_us: IntArray
    join_us: IntArray
    """A sample so long after the end of an episode ends before nothing that could be joined to it. [us]"""
    margin_us: IntArray
    """So long before a change it is likely to be quiet. [us]"""
    valid_from_us: IntArray
    valid_to_us: IntArray

    @classmethod
    def of(cls, watches: Sequence[Watch], base_s: int) -> "Bounds":
        """Those of some watches of a park with base intervals of `base_s`. [s]"""
        on, off, merge = (
            np.array([getattr(watch, name) for watch in watches], dtype=np.int64) * SECOND_US
            for name in ("on_delay_s", "off_delay_s", "merge_gap_s")
        )
        window = np.array([_window_us(watch, base_s) for watch in watches], dtype=np.int64)
        return cls(
            on_delay_us=on,
            join_us=merge + window,
            margin_us=on + off + merge + 2 * window + _SLACK_US,
            valid_from_us=np.array([watch.valid_from_us for watch in watches], dtype=np.int64),
            valid_to_us=np.array([watch.valid_to_us for watch in watches], dtype=np.int64),
        )

    def take(self, rows: IntArray) -> "Bounds":
        """Those of some of the watches."""
        return Bounds(
            on_delay_us=self.on_delay_us[rows],
            join_us=self.join_us[rows],
            margin_us=self.margin_us[rows],
            valid_from_us=self.valid_from_us[rows],
            valid_to_us=self.valid_to_us[rows],
        )


def _window_us(watch: Watch, base_s: int) -> int:
    source = watch.source
    if source.by_month:
        return _MONTH_US
    if source.signal is Signal.KPI:
        return _LEVEL_US.get(source.level, _MONTH_US) if source.level is not None else _MONTH_US
    return max(source.window_s or 0, base_s) * SECOND_US


def begin_us(bounds: Bounds, from_us: IntArray, stored: EpisodeFrame) -> IntArray:
    """
    From where to evaluate what begins at `from_us`, given the stored episodes around it.

    An episode that reaches `from_us`, or is near enough to be joined to one after it, is evaluated from its own start.

    Parameters
    ----------
    from_us : int64 (w,) [us UTC]
    stored : EpisodeFrame
        Stored episodes of these watches; those that start at `from_us` or later change nothing.

    Returns
    -------
    int64 (w,) [us UTC]
        Never before the watch is valid.
    """
    begin = np.maximum(from_us, bounds.valid_from_us)
    reaching = (stored.start_us < begin[stored.watch]) & (_over_us(bounds, stored) >= begin[stored.watch])
    np.minimum.at(begin, stored.watch[reaching], stored.start_us[reaching])
    return begin


def is_begun(
    bounds: Bounds,
    begin: IntArray,
    from_us: IntArray,
    *,
    stored: EpisodeFrame,
    samples: SampleFrame,
    verdict: CodeArray,
) -> BoolArray:
    """
    Whether the evaluation of each watch began where its condition has no memory; (w,).

    Parameters
    ----------
    begin : int64 (w,) [us UTC]
        Where it began, by :func:`begin_us`.
    from_us : int64 (w,) [us UTC]
        Where the inputs changed first: what is stored before is right.
    stored : EpisodeFrame
        Stored episodes of these watches.
    samples : SampleFrame
        From `begin` on.
    verdict : int8 (n,)
        Code of :class:`Verdict` of each sample.
    """
    begun = (bounds.on_delay_us == 0) | (begin <= bounds.valid_from_us)
    # An episode begins at the first sample of a run, where nothing was waiting.
    begun[stored.watch[stored.start_us == begin[stored.watch]]] = True
    clear = (verdict == Verdict.CLEAR) & (samples.at_us < from_us[samples.watch])
    begun[samples.watch[clear]] = True
    return np.asarray(begun)


def cut_us(
    bounds: Bounds,
    to_us: IntArray,
    *,
    stored: EpisodeFrame,
    samples: SampleFrame,
    verdict: CodeArray,
    episodes: EpisodeFrame,
) -> IntArray:
    """
    Time of the first sample, at or after `to_us`, from which on nothing can have changed; (w,) [us UTC].

    -1 where there is none among the samples.

    Parameters
    ----------
    to_us : int64 (w,) [us UTC]
        Inputs did not change from here on.
    stored, episodes : EpisodeFrame
        What is stored, and what was evaluated.
    """
    candidate = (verdict == Verdict.CLEAR) & (samples.at_us >= to_us[samples.watch])
    candidate &= ~_covered(bounds, stored, samples) & ~_covered(bounds, episodes, samples)
    cut = np.full(len(to_us), OPEN_US)
    np.minimum.at(cut, samples.watch[candidate], samples.at_us[candidate])
    cut[cut == OPEN_US] = -1
    return cut


def quiet_us(
    bounds: Bounds, samples: SampleFrame, verdict: CodeArray, episodes: EpisodeFrame, known_us: IntArray
) -> IntArray:
    """
    From where each watch may be evaluated next time without looking back, if inputs change no earlier; (w,) [us UTC].

    Only samples that are final count: the others change with what comes next.

    Parameters
    ----------
    samples : SampleFrame
        Evaluated from a quiet point on.
    known_us : int64 (w,) [us UTC]
        The quiet point that is known already; taken where the samples have none.
    """
    beyond = _beyond(samples.watch, verdict)
    quiet = samples.final & ~beyond & ~_covered(bounds, episodes, samples)
    found = known_us.copy()
    np.maximum.at(found, samples.watch[quiet], samples.at_us[quiet] + 1)
    return found


def _beyond(watch: SmallArray, verdict: CodeArray) -> BoolArray:
    """(n,) where the last sample that decides, this one included, was beyond."""
    decides = (verdict == Verdict.CLEAR) | (verdict == Verdict.BEYOND)
    first = np.ones(len(watch), dtype=np.bool_)
    first[1:] = watch[1:] != watch[:-1]
    place = np.maximum.accumulate(np.where(decides | first, np.arange(len(watch)), 0))
    return np.asarray(verdict[place] == Verdict.BEYOND)


def _over_us(bounds: Bounds, episodes: EpisodeFrame) -> IntArray:
    """(n,) until when episodes reach: cleared, and too far back to be joined. [us UTC]"""
    over = np.maximum(episodes.cleared_us, episodes.stop_us + bounds.join_us[episodes.watch])
    return np.where(episodes.cleared_us == OPEN_US, OPEN_US, over)


def _covered(bounds: Bounds, episodes: EpisodeFrame, samples: SampleFrame) -> BoolArray:
    """(n,) samples that lie in an episode, or so close after it that another one could be joined to it."""
    if not len(episodes) or not len(samples):
        return np.zeros(len(samples), dtype=np.bool_)
    # Of each watch the furthest end of the episodes that started by the sample: they are in order of their start.
    times = np.unique(np.concatenate([episodes.start_us, samples.at_us]))
    count = len(times) + 1
    keys = episodes.watch.astype(np.int64) * count + np.searchsorted(times, episodes.start_us)
    mine = samples.watch.astype(np.int64) * count + np.searchsorted(times, samples.at_us)
    before = np.searchsorted(keys, mine, side="right") - 1
    has = (before >= 0) & (episodes.watch[np.maximum(before, 0)] == samples.watch)
    over = _over_us(bounds, episodes)
    rank = np.searchsorted(np.unique(over), over) + episodes.watch.astype(np.int64) * (len(over) + 1)
    furthest = np.unique(over)[np.maximum.accumulate(rank) - episodes.watch.astype(np.int64) * (len(over) + 1)]
    return np.asarray(has & (samples.at_us < furthest[np.maximum(before, 0)]))


def taken_episodes(frame: EpisodeFrame, rows: IntArray | BoolArray, place: SmallArray | None = None) -> EpisodeFrame:
    """Some rows of episodes; with `place` their watches are renumbered: (w,) new place of each."""
    watch = frame.watch[rows]
    return EpisodeFrame(
        watch=watch if place is None else place[watch],
        **{name: getattr(frame, name)[rows] for name in EpisodeFrame.__slots__ if name != "watch"},
    )


def taken_samples(frame: SampleFrame, rows: IntArray | BoolArray, place: SmallArray | None = None) -> SampleFrame:
    """Some rows of samples; with `place` their watches are renumbered: (w,) new place of each."""
    watch = frame.watch[rows]
    return SampleFrame(
        watch=watch if place is None else place[watch],
        **{name: getattr(frame, name)[rows] for name in SampleFrame.__slots__ if name != "watch"},
    )
