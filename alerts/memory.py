"""Conditions step by step: fresh samples are judged by what is remembered of those before, without reading them again."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alerts.conditions import Memory, WatchTable
from alerts.course import Course, course
from alerts.steps import StepFrame, Turns, steps_of, turns_of
from domain.alarms import SampleFrame
from domain.frames import SmallArray

__all__ = ["Memory", "advance", "remembered"]

Scalar = TypeVar("Scalar", bound=np.generic)


def advance(table: WatchTable, memory: Memory, samples: SampleFrame) -> tuple[Memory, StepFrame]:
    """
    What fresh samples do to conditions.

    In whatever pieces the samples of a watch come, the steps are those that `alerts.evaluate.evaluate` makes of all of
    them at once. Watches without a sample stay as they are; `memory` itself is not changed.

    Parameters
    ----------
    table : WatchTable (w,)
    memory : Memory (w,)
    samples : SampleFrame (n,)
        Each watch's later than those that `memory` has seen.

    Returns
    -------
    Memory (w,), StepFrame (s,)

    Raises
    ------
    InputError
        Samples are not sorted, are of no watch, or are not later than what was seen.
    """
    went = course(table, memory, samples)
    turns = turns_of(table, memory, samples, went)
    return remembered(memory, samples, went, turns), steps_of(memory, samples, went, turns)


def remembered(memory: Memory, samples: SampleFrame, went: Course, turns: Turns) -> Memory:
    """Where the conditions stand after these samples."""
    row = np.flatnonzero(went.last)
    watch = samples.watch[row]
    kept = replace(
        memory,
        level=_put(memory.level, watch, went.level[row]),
        active=_put(memory.active, watch, went.active[row]),
        elapsed_us=_put(memory.elapsed_us, watch, went.elapsed_us[row]),
        run_us=_put(memory.run_us, watch, went.run_us[row]),
        stop_us=_put(memory.stop_us, watch, went.stop_us[row]),
        at_us=_put(memory.at_us, watch, samples.at_us[row]),
    )
    if not len(turns.row):
        return kept
    last = np.append(turns.watch[1:] != turns.watch[:-1], True)
    cleared = last & ~turns.raised
    return replace(
        kept,
        episode_us=_put(memory.episode_us, turns.watch[last], turns.episode_us[last]),
        ended_us=_put(memory.ended_us, turns.watch[cleared], turns.stop_us[cleared]),
    )


def _put(column: NDArray[Scalar], place: SmallArray, values: NDArray[Scalar]) -> NDArray[Scalar]:
    changed = column.copy()
    changed[place] = values
    return changed
