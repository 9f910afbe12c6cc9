"""Times in which meters are out of service, in columns, so that nothing loops over meters."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.registry import Outage
from domain.time import IntArray
from kpi.ragged import bisect_groups, bounds_of

__all__ = ["Outages"]

BoolArray = NDArray[np.bool_]

_FOREVER_US = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """The outages of some rows (channels, or meters), joined where they meet, in order of row and time."""

    bounds: IntArray
    """(n + 1,) Those of row i are `[bounds[i], bounds[i + 1])`."""
    from_us: IntArray
    """(o,) [us UTC]"""
    to_us: IntArray
    """(o,) Very late while one lasts. [us UTC]"""
    before_us: IntArray
    """(o,) How long the row was out of service before each. [us]"""

    @classmethod
    def of(cls, rows: Iterable[tuple[Outage, ...]]) -> "Outages":
        """Those of each row; in any order, and they may overlap."""
        joined = [_joined(row) for row in rows]
        flat = [stretch for row in joined for stretch in row]
        before: list[int] = []
        for row in joined:
            total = 0
            for begin, end in row:
                before.append(total)
                total += end - begin
        return cls(
            bounds=bounds_of(np.array([len(row) for row in joined], dtype=np.int64)),
            from_us=np.array([begin for begin, _ in flat], dtype=np.int64),
            to_us=np.array([end for _, end in flat], dtype=np.int64),
            before_us=np.array(before, dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.from_us)

    def taken(self, rows: IntArray) -> "Outages":
        """Those of some rows, which are then the rows; repeated or not."""
        counts = self.counts(rows)
        bounds = bounds_of(counts)
        index = np.arange(bounds[-1]) + np.repeat(self.bounds[rows] - bounds[:-1], counts)
        return Outages(
            bounds=bounds, from_us=self.from_us[index], to_us=self.to_us[index], before_us=self.before_us[index]
        )

    def counts(self, rows: IntArray) -> IntArray:
        """How many outages each of some rows has."""
        counts: IntArray = self.bounds[rows + 1] - self.bounds[rows]
        return counts

    def holds(self, rows: IntArray, instants_us: IntArray) -> BoolArray:
        """Whether each row is out of service at its instant; (n,)."""
        low, high = self.bounds[rows], self.bounds[rows + 1]
        place = bisect_groups(self.from_us, low, high, instants_us, right=True) - 1
        out = place >= low
        out[out] = instants_us[out] < self.to_us[place[out]]
        return out

    def length(self, rows: IntArray, from_us: IntArray, to_us: IntArray) -> IntArray:
        """How long each row is out of service within its `[from, to)`, 0 where that is empty; all (n,). [us]"""
        lost = np.zeros(len(rows), dtype=np.int64)
        some = np.flatnonzero((self.counts(rows) > 0) & (from_us < to_us))
        if len(some):
            lost[some] = self._until(rows[some], to_us[some]) - self._until(rows[some], from_us[some])
        return lost

    def _until(self, rows: IntArray, instants_us: IntArray) -> IntArray:
        """How long each row, which has outages, was out of service before its instant. [us]"""
        low, high = self.bounds[rows], self.bounds[rows + 1]
        place = bisect_groups(self.from_us, low, high, instants_us, right=True) - 1
        begun = place >= low
        place = np.maximum(place, low)
        inside = np.minimum(instants_us, self.to_us[place]) - self.from_us[place]
        return np.where(begun, self.before_us[place] + inside, 0)


def _joined(outages: tuple[Outage, ...]) -> list[tuple[int, int]]:
    stretches: list[tuple[int, int]] = []
    for outage in sorted(outages, key=lambda one: one.from_us):
        end = _FOREVER_US if outage.to_us is None else outage.to_us
        if stretches and outage.from_us <= stretches[-1][1]:
            stretches[-1] = stretches[-1][0], max(end, stretches[-1][1])
        elif outage.from_us < end:
            stretches.append((outage.from_us, end))
    return stretches
