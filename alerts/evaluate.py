"""Conditions from beginning to end: what samples say, the episodes they make, and where each watch stands after them."""

from dataclasses import dataclass

import numpy as np

from alerts.conditions import BoolArray, CodeArray, Memory, Verdict, WatchTable
from alerts.course import course
from alerts.episodes import episodes_of
from alerts.memory import remembered
from alerts.steps import StepFrame, steps_of, turns_of
from domain.alarms import EpisodeFrame, SampleFrame
from domain.time import IntArray

__all__ = ["Evaluation", "evaluate", "settled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What samples of watches amount to."""

    verdict: CodeArray
    """Code of :class:`alerts.conditions.Verdict` of each sample; int8 (n,)."""
    episodes: EpisodeFrame
    steps: StepFrame
    phase: CodeArray
    """Code of :class:`domain.alarms.Phase` after the last sample of each watch; int8 (w,)."""
    pending_us: IntArray
    """Start of what is PENDING; 0 where nothing is. (w,) [us UTC]"""


def evaluate(table: WatchTable, samples: SampleFrame) -> Evaluation:
    """
    Verdicts, episodes and steps of watches over their samples; a function of these two and nothing else.

    Each watch is evaluated as if nothing was beyond before its first sample: where only a part of its samples is given,
    it must begin at a quiet place (see :func:`settled`). Watches do not touch each other.

    Parameters
    ----------
    table : WatchTable (w,)
    samples : SampleFrame (n,)

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        Samples are not sorted by watch and time, or are of no watch.
    """
    fresh = Memory.fresh(table)
    went = course(table, fresh, samples)
    turns = turns_of(table, fresh, samples, went)
    after = remembered(fresh, samples, went, turns)
    return Evaluation(
        verdict=went.verdict,
        episodes=episodes_of(samples, went, turns),
        steps=steps_of(fresh, samples, went, turns),
        phase=after.phase,
        pending_us=after.pending_us,
    )


def settled(table: WatchTable, samples: SampleFrame, verdict: CodeArray, changed_us: IntArray) -> BoolArray:
    """
    Whether what precedes the samples cannot matter to what they say from `changed_us` on, level of the condition included.

    So it is where the first sample that decides the level is CLEAR and before `changed_us`. Whoever evaluates a part of
    what there is, with no stored episode that reaches into it from before, goes further back until it is so, or until
    there is nothing further back: time that was not measured moves no delay and no level, so no fixed margin is enough.

    Parameters
    ----------
    table : WatchTable (w,)
    samples : SampleFrame (n,)
    verdict : int8 (n,)
        Of these samples.
    changed_us : int64 (w,) [us UTC]
        From where on inputs changed.

    Returns
    -------
    bool (w,)
        False as well for a watch without such a sample.
    """
    decides = np.flatnonzero((verdict == Verdict.BEYOND) | (verdict == Verdict.CLEAR))
    watch, place = np.unique(samples.watch[decides], return_index=True)
    row = decides[place]
    quiet = np.zeros(len(table), dtype=np.bool_)
    quiet[watch] = (verdict[row] == Verdict.CLEAR) & (samples.at_us[row] < changed_us[watch])
    return quiet
