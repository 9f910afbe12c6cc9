"""What is held against what: columns of watches, the verdict of each sample, and where each condition stands."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from domain.alarms import Phase, SampleFrame, Status, Watch
from domain.errors import InputError
from domain.frames import FloatArray
from domain.time import IntArray

__all__ = ["NEVER_US", "BoolArray", "CodeArray", "Memory", "Verdict", "WatchTable", "verdicts"]

BoolArray = NDArray[np.bool_]
CodeArray = NDArray[np.int8]

NEVER_US = -(2**62)
"""Stands for the time of what has not happened; far enough from the ends of int64 to be subtracted from. [us UTC]"""


class Verdict(IntEnum):
    """What a sample says about its bounds. The number is what the database stores."""

    CLEAR = 0
    """Inside of all bounds, by the deadband."""
    BETWEEN = 1
    """Inside, but not by the deadband."""
    BEYOND = 2
    """Strictly outside."""
    UNKNOWN = 3
    """It does not count: not measured, or set aside."""

    @property
    def key(self) -> str:
        """As it stands in the API."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTable:
    """What of watches decides about their samples, in columns; (w,) each. Bounds come with the samples."""

    deadband: FloatArray
    """[unit of the watch]"""
    on_delay_s: IntArray
    """[s]"""
    off_delay_s: IntArray
    """[s]"""
    merge_gap_s: IntArray
    """[s]"""

    def __post_init__(self) -> None:
        if len({len(getattr(self, column.name)) for column in fields(self)}) > 1:
            raise InputError("the columns of a WatchTable differ in length; every watch has a value in each")

    def __len__(self) -> int:
        return len(self.deadband)

    @classmethod
    def of(cls, watches: Sequence[Watch]) -> "WatchTable":
        """
        Columns of watches, in their order.

        Raises
        ------
        InputError
            A deadband, delay or merge gap is below zero.
        """
        table = cls(
            deadband=np.array([watch.deadband for watch in watches], dtype=np.float64),
            on_delay_s=np.array([watch.on_delay_s for watch in watches], dtype=np.int64),
            off_delay_s=np.array([watch.off_delay_s for watch in watches], dtype=np.int64),
            merge_gap_s=np.array([watch.merge_gap_s for watch in watches], dtype=np.int64),
        )
        for column in fields(table):
            below = np.flatnonzero(getattr(table, column.name) < 0)
            if len(below):
                watch = watches[int(below[0])]
                raise InputError(
                    f"alarm {watch.rule}@{watch.target}: {column.name} is {getattr(watch, column.name):g}; "
                    "it is a length and must be 0 or more"
                )
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Where the condition of each watch stands after the samples so far; (w,) each."""

    level: BoolArray
    """Set by the last sample that was BEYOND, taken back by the last that was CLEAR."""
    active: BoolArray
    """Raised and not cleared."""
    elapsed_us: IntArray
    """Known time for which the level has been what it is. [us]"""
    run_us: IntArray
    """Start of the first sample of that time; 0 before the first change. [us UTC]"""
    stop_us: IntArray
    """End of the last sample that was BEYOND; NEVER_US where none was. [us UTC]"""
    episode_us: IntArray
    """Start of the last episode that was raised; 0 where none was. [us UTC]"""
    ended_us: IntArray
    """`stop_us` when the condition was cleared last; NEVER_US where it never was. [us UTC]"""
    at_us: IntArray
    """Of the last sample; NEVER_US where there was none. [us UTC]"""

    def __len__(self) -> int:
        return len(self.at_us)

    @classmethod
    def fresh(cls, table: WatchTable) -> "Memory":
        """Of watches that have not had a sample: nothing is beyond, nothing is active."""
        count = len(table)
        return cls(
            level=np.zeros(count, dtype=np.bool_),
            active=np.zeros(count, dtype=np.bool_),
            elapsed_us=np.zeros(count, dtype=np.int64),
            run_us=np.zeros(count, dtype=np.int64),
            stop_us=np.full(count, NEVER_US, dtype=np.int64),
            episode_us=np.zeros(count, dtype=np.int64),
            ended_us=np.full(count, NEVER_US, dtype=np.int64),
            at_us=np.full(count, NEVER_US, dtype=np.int64),
        )

    @property
    def phase(self) -> CodeArray:
        """Code of :class:`domain.alarms.Phase`; int8 (w,)."""
        active = np.where(self.level, np.int8(Phase.BEYOND), np.int8(Phase.CLEARING))
        return np.where(self.active, active, np.where(self.level, np.int8(Phase.PENDING), np.int8(Phase.CLEAR)))

    @property
    def pending_us(self) -> IntArray:
        """Start of the run that is pending, 0 where none is; int64 (w,). [us UTC]"""
        return np.where(self.level & ~self.active, self.run_us, 0)


def verdicts(table: WatchTable, samples: SampleFrame) -> CodeArray:
    """
    Verdict of each sample by the bounds in force for it.

    On a bound is not beyond it. A sample that counts but has no value (NaN) is UNKNOWN.

    Parameters
    ----------
    table : WatchTable (w,)
    samples : SampleFrame (n,)

    Returns
    -------
    int8 (n,)
        Codes of :class:`Verdict`.
    """
    deadband = table.deadband[samples.watch]
    least, greatest = samples.least, samples.greatest
    known = (samples.status == Status.VALID) & ~np.isnan(least) & ~np.isnan(greatest)
    beyond = (least < samples.lowest) | (greatest > samples.highest)
    clear = (least >= samples.lowest + deadband) & (greatest <= samples.highest - deadband)
    verdict = np.where(clear, np.int8(Verdict.CLEAR), np.int8(Verdict.BETWEEN))
    verdict[beyond] = Verdict.BEYOND
    verdict[~known] = Verdict.UNKNOWN
    return verdict
