"""How the condition of each watch goes from sample to sample: its level, how long it has been so, whether it is active."""

from dataclasses import dataclass

import numpy as np

from alerts.conditions import NEVER_US, BoolArray, CodeArray, Memory, Verdict, WatchTable, verdicts
from domain.alarms import SampleFrame
from domain.errors import InputError
from domain.frames import SmallArray
from domain.time import SECOND_US, IntArray, to_datetime

__all__ = ["Course", "course", "latest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is so after each sample, and right before it; (n,) each."""

    first: BoolArray
    """The first sample of its watch here."""
    last: BoolArray
    verdict: CodeArray
    level: BoolArray
    was_level: BoolArray
    active: BoolArray
    was_active: BoolArray
    run: IntArray
    """Row of the first sample with the level of now; of a level from before these samples, the watch's first row."""
    run_us: IntArray
    """Start of the first sample with the level of now. [us UTC]"""
    elapsed_us: IntArray
    """Known time for which the level has been what it is. [us]"""
    beyond: IntArray
    """Row of the last sample that was BEYOND, this one included; the watch's first row where none was."""
    stop_us: IntArray
    """End of the last sample that was BEYOND, before these samples too. [us UTC]"""
    held_us: IntArray
    """End of what the sample itself stands for: its own stop, no later than the next sample of its watch. [us UTC]"""


def latest(known: BoolArray) -> IntArray:
    """Row of the last True at or before each row; the first must be True."""
    return np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))


def course(table: WatchTable, memory: Memory, samples: SampleFrame) -> Course:
    """
    The course of all conditions over their next samples.

    Known time is counted in whole microseconds, so that it is the same in whatever pieces the samples come.

    Parameters
    ----------
    table : WatchTable (w,)
    memory : Memory (w,)
        Where the conditions stood before.
    samples : SampleFrame (n,)
        Of any of the watches, later than what `memory` has seen of them.

    Raises
    ------
    InputError
        Samples are not sorted by watch and time, are of no watch, or are not later than what was seen.
    """
    watch = samples.watch
    first, last = _ends(watch)
    _check_order(len(table), memory, samples, first)
    verdict = verdicts(table, samples)
    level = _level(memory, samples, verdict, first)
    was_level = _before(level, memory.level, watch, first)
    change = level != was_level
    begun = change | first
    run = latest(begun)
    carried = ~change[run]
    elapsed_us = _elapsed(memory, samples, verdict, change=change, run=run, carried=carried)
    active = _active(table, memory, watch, level=level, elapsed_us=elapsed_us, first=first)
    held_us = _held(samples, last)
    is_beyond = verdict == Verdict.BEYOND
    beyond = latest(is_beyond | first)
    # The last sample of a reading stood until the next one, which is known only now.
    before_us = np.minimum(memory.stop_us[watch], samples.at_us[latest(first)])
    return Course(
        first=first,
        last=last,
        verdict=verdict,
        level=level,
        was_level=was_level,
        active=active,
        was_active=_before(active, memory.active, watch, first),
        run=run,
        run_us=np.where(carried, memory.run_us[watch], samples.start_us[run]),
        elapsed_us=elapsed_us,
        beyond=beyond,
        stop_us=np.where(is_beyond[beyond], held_us[beyond], before_us),
        held_us=held_us,
    )


def _ends(watch: SmallArray) -> tuple[BoolArray, BoolArray]:
    """Whether each row is the first, and the last, of its watch."""
    turn = np.ones(len(watch) + 1, dtype=np.bool_)
    np.not_equal(watch[1:], watch[:-1], out=turn[1:-1])
    return turn[:-1], turn[1:]


def _check_order(count: int, memory: Memory, samples: SampleFrame, first: BoolArray) -> None:
    watch, at_us = samples.watch, samples.at_us
    if len(watch) and (watch[0] < 0 or watch[-1] >= count):
        raise InputError(f"samples are of watches {watch[0]} to {watch[-1]}, but there are {count}, counted from 0")
    before_us = np.empty_like(at_us)
    before_us[1:] = at_us[:-1]
    before_us[first] = memory.at_us[watch[first]]
    wrong = at_us <= before_us
    wrong[1:] |= watch[1:] < watch[:-1]
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"sample {place}, of watch {watch[place]} at {to_datetime(int(at_us[place])).isoformat()}, is not later than "
            "the one before it; samples must be sorted by watch and time, with one at each time"
        )


def _before(after: BoolArray, remembered: BoolArray, watch: SmallArray, first: BoolArray) -> BoolArray:
    """The same, as it was before each sample."""
    before = np.empty_like(after)
    before[1:] = after[:-1]
    before[first] = remembered[watch[first]]
    return before


def _level(memory: Memory, samples: SampleFrame, verdict: CodeArray, first: BoolArray) -> BoolArray:
    """Set by BEYOND, taken back by CLEAR, else as it was."""
    decides = (verdict == Verdict.BEYOND) | (verdict == Verdict.CLEAR)
    set_ = np.where(decides, verdict == Verdict.BEYOND, memory.level[samples.watch])
    return set_[latest(decides | first)]


def _elapsed(
    memory: Memory, samples: SampleFrame, verdict: CodeArray, *, change: BoolArray, run: IntArray, carried: BoolArray
) -> IntArray:
    """Known time of each run so far; a window that begins it is evidence for its own length, a reading for none."""
    counts = (verdict != Verdict.UNKNOWN) & ~(change & (samples.start_us >= samples.at_us))
    known_us: IntArray = np.where(counts, np.rint(samples.known_s * SECOND_US), 0.0).astype(np.int64)
    total_us = np.cumsum(known_us)
    before_us = np.where(carried, memory.elapsed_us[samples.watch], 0)
    return total_us - (total_us - known_us)[run] + before_us


def _active(
    table: WatchTable, memory: Memory, watch: SmallArray, *, level: BoolArray, elapsed_us: IntArray, first: BoolArray
) -> BoolArray:
    """Raised where the level was set for the on-delay, cleared where it was not for the off-delay, else as it was."""
    delay_us = np.where(level, table.on_delay_s[watch], table.off_delay_s[watch]) * SECOND_US
    over = elapsed_us >= delay_us
    return np.where(over, level, memory.active[watch])[latest(over | first)]


def _held(samples: SampleFrame, last: BoolArray) -> IntArray:
    """End of what each sample stands for."""
    next_us = np.full(len(last), -NEVER_US)
    next_us[:-1] = samples.at_us[1:]
    next_us[last] = -NEVER_US
    held_us: IntArray = np.minimum(samples.stop_us, next_us)
    return held_us
