"""Episodes as they were stored, held against what they are now."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.alarms import OPEN_US, EpisodeFrame
from domain.time import IntArray

__all__ = ["Episode", "Pairs", "changed_rows", "episodes_of", "pairs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What is compared of an episode."""

    start_us: int
    stop_us: int
    raised_us: int
    cleared_us: int
    """OPEN_US while it is active. [us UTC]"""
    peak: float
    mean: float
    beyond_s: float
    excess_kg: float
    final: bool

    @property
    def is_open(self) -> bool:
        """Whether it is active."""
        return self.cleared_us == OPEN_US


Pairs = Sequence[tuple[Episode | None, Episode | None]]
"""Episodes that were stored, each with the one that it is now; None where it came or went. In order of time."""


def episodes_of(frame: EpisodeFrame, watch: int) -> tuple[Episode, ...]:
    """The episodes of one watch."""
    first, last = np.searchsorted(frame.watch, [watch, watch + 1]).tolist()
    columns = [getattr(frame, name)[first:last].tolist() for name in Episode.__slots__]
    return tuple(Episode(**dict(zip(Episode.__slots__, row, strict=True))) for row in zip(*columns, strict=True))


def changed_rows(before: EpisodeFrame, after: EpisodeFrame) -> tuple[IntArray, IntArray]:
    """
    Rows of stored episodes that are not there any more, or not as they were; and rows of those that replace them.

    Both frames are of the same watches.
    """
    times, place = np.unique(np.concatenate([before.start_us, after.start_us]), return_inverse=True)
    old = before.watch.astype(np.int64) * len(times) + place[: len(before)]
    new = after.watch.astype(np.int64) * len(times) + place[len(before) :]
    _, mine, theirs = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    same = np.ones(len(mine), dtype=np.bool_)
    for name in EpisodeFrame.__slots__:
        one, other = getattr(before, name)[mine], getattr(after, name)[theirs]
        equal = one == other
        if one.dtype.kind == "f":
            equal |= np.isnan(one) & np.isnan(other)
        same &= equal
    return np.setdiff1d(np.arange(len(before)), mine[same]), np.setdiff1d(np.arange(len(after)), theirs[same])


def pairs(before: Sequence[Episode], after: Sequence[Episode]) -> tuple[tuple[Episode | None, Episode | None], ...]:
    """
    Episodes that were stored, each with the one that it is now; None where it came or went. In order of time.

    The same is one with the same start; else what is open now continues what was open; else one that overlaps.
    """
    found: list[tuple[Episode | None, Episode | None]] = []
    old, new = list(before), list(after)
    for is_same in (_starts_with, _is_open_like, _overlaps):
        for one in tuple(new):
            other = next((each for each in old if is_same(each, one)), None)
            if other is not None:
                found.append((other, one))
                old.remove(other)
                new.remove(one)
    found += [(one, None) for one in old] + [(None, one) for one in new]
    return tuple(sorted(found, key=_when))


def _starts_with(old: Episode, new: Episode) -> bool:
    return old.start_us == new.start_us


def _is_open_like(old: Episode, new: Episode) -> bool:
    return old.is_open and new.is_open


def _overlaps(old: Episode, new: Episode) -> bool:
    return old.start_us < new.stop_us and new.start_us < old.stop_us


def _when(pair: tuple[Episode | None, Episode | None]) -> tuple[int, int]:
    old, new = pair
    one = new if new is not None else old
    return (0, 0) if one is None else (one.start_us, one.raised_us)
