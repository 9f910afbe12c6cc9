"""The steps that conditions take: where they begin, are dropped, raised and cleared, and of which episode."""

from dataclasses import dataclass, fields

import numpy as np

from alerts.conditions import BoolArray, CodeArray, Memory, WatchTable
from alerts.course import Course, latest
from domain.alarms import SampleFrame, Step
from domain.errors import InputError
from domain.frames import SmallArray
from domain.time import SECOND_US, IntArray

__all__ = ["STEPS", "StepFrame", "Turns", "steps_of", "turns_of"]

STEPS: tuple[Step, ...] = (Step.BEGIN, Step.DROP, Step.RAISE, Step.CLEAR)
"""Steps that a condition takes. The code of one is its place here, which is also its place among all steps."""

_BEGIN, _DROP, _RAISE, _CLEAR = range(len(STEPS))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFrame:
    """Steps of conditions, sorted by (watch, at_us); a sample makes one at most. (n,) each."""

    watch: SmallArray
    """Place of the watch."""
    at_us: IntArray
    """`at_us` of the sample that decided it. [us UTC]"""
    step: CodeArray
    """Place in `STEPS`."""
    episode_us: IntArray
    """Start of the episode; of BEGIN and DROP, of what would have become one. [us UTC]"""

    def __post_init__(self) -> None:
        if len({len(getattr(self, column.name)) for column in fields(self)}) > 1:
            raise InputError("the columns of a StepFrame differ in length; every step has a value in each")

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Where conditions are raised and cleared, in turns for each watch; (t,) each, sorted by row."""

    row: IntArray
    """Of the sample that decided it."""
    watch: SmallArray
    raised: BoolArray
    """Raised; else cleared."""
    begins: BoolArray
    """Raised, and too far from the exceedance before it to be the same episode."""
    episode_us: IntArray
    """Start of the episode. [us UTC]"""
    stop_us: IntArray
    """End of the last sample that was BEYOND. [us UTC]"""


def turns_of(table: WatchTable, memory: Memory, samples: SampleFrame, went: Course) -> Turns:
    """Where conditions are raised and cleared; an exceedance within the merge gap of the one before has its episode."""
    row = np.flatnonzero(went.active != went.was_active)
    watch, raised, stop_us = samples.watch[row], went.active[row], went.stop_us[row]
    first = np.ones(len(row), dtype=np.bool_)
    first[1:] = watch[1:] != watch[:-1]
    ended_us = np.empty_like(stop_us)
    ended_us[1:] = stop_us[:-1]
    ended_us[first] = memory.ended_us[watch[first]]
    start_us = went.run_us[row]
    begins = raised & (start_us - ended_us > table.merge_gap_s[watch] * SECOND_US)
    episode_us = np.where(begins, start_us, memory.episode_us[watch])
    return Turns(
        row=row,
        watch=watch,
        raised=raised,
        begins=begins,
        episode_us=episode_us[latest(begins | first)],
        stop_us=stop_us,
    )


def steps_of(memory: Memory, samples: SampleFrame, went: Course, turns: Turns) -> StepFrame:
    """All steps of the conditions over these samples."""
    change = went.level != went.was_level
    step = np.full(len(change), -1, dtype=np.int8)
    step[change & went.level & ~went.active] = _BEGIN
    step[change & went.was_level & ~went.was_active] = _DROP
    step[turns.row] = np.where(turns.raised, np.int8(_RAISE), np.int8(_CLEAR))
    episode_us = went.run_us.copy()
    dropped = np.flatnonzero(step == _DROP)
    episode_us[dropped] = np.where(went.first[dropped], memory.run_us[samples.watch[dropped]], went.run_us[dropped - 1])
    episode_us[turns.row] = turns.episode_us
    row = np.flatnonzero(step >= 0)
    return StepFrame(watch=samples.watch[row], at_us=samples.at_us[row], step=step[row], episode_us=episode_us[row])
