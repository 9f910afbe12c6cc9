"""The base intervals that are computed, laid end to end, and the sums that fall into them.

A *cell* is one base interval of one range of one channel. Cells of a block of channels are
numbered from 0 in order of channel and time. Each sum is made cell by cell in order of time,
so it depends on the segments that overlap the cell and on nothing else.
"""

from dataclasses import dataclass

import numpy as np

from domain.frames import FloatArray, SmallArray
from domain.quality import Flag
from domain.time import IntArray
from kpi.cuts import Segments
from kpi.ragged import owners, within

__all__ = ["Cells", "Runs", "Sums", "add_flags", "pieces_of", "runs", "spread"]

_UNMEASURED = int(Flag.ESTIMATED | Flag.STEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Ranges of some channels on one series of base edges."""

    edges: IntArray
    """(e + 1,) Base edges of the park over all ranges. [us UTC]"""
    base_us: int
    uniform: bool
    """All intervals are `base_us` long (a clock change can shorten one)."""
    group: IntArray
    """(u,) Group of each range, rising; every group has one at least."""
    first: IntArray
    """(u,) Interval of `edges` where each range begins."""
    bounds: IntArray
    """(u + 1,) Cells of each range."""

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def bins(self, instants_us: IntArray) -> IntArray:
        """The interval in which each instant lies, by its place in `edges`; beyond them negative or too large."""
        if self.uniform:
            bins: IntArray = instants_us - self.edges[0]
            bins //= self.base_us
            return bins
        return np.searchsorted(self.edges, instants_us, side="right") - 1

    def stops(self, bins: IntArray) -> IntArray:
        """End of each interval, by its place in `edges`. [us UTC]"""
        if self.uniform:
            stops: IntArray = (bins + 1) * self.base_us + self.edges[0]
            return stops
        known = np.append(self.edges, np.iinfo(np.int64).max)
        return known[np.clip(bins + 1, 0, len(self.edges))]

    def _keys(self, group: IntArray, bins: IntArray) -> IntArray:
        keys: IntArray = group * (len(self.edges) + 1) + np.clip(bins, -1, len(self.edges) - 1) + 1
        return keys

    def places(self, group: IntArray, bins: IntArray) -> IntArray:
        """Cell of each interval of a channel; -1 where it is in no range."""
        if not len(self.group):
            return np.full(len(group), -1)
        unit = group
        if not self._one_each():
            unit = np.searchsorted(self._keys(self.group, self.first), self._keys(group, bins), side="right") - 1
            unit = np.maximum(unit, 0)
        place = self.bounds[unit] + bins - self.first[unit]
        inside = (self.group[unit] == group) & (bins >= self.first[unit]) & (place < self.bounds[unit + 1])
        return np.where(inside, place, -1)

    def overlapped(self, group: IntArray, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """
        The cells of a channel among the intervals `low .. high` (both included), for many such.

        Returns
        -------
        (index, cell, bin) : int64 (k,) each
            Which of the many, the cell, and its place in `edges`; in order of index and time.
        """
        last = self.first + np.diff(self.bounds) - 1
        if self._one_each():
            reached = (high >= low) & (high >= self.first[group]) & (low <= last[group])
            index = np.flatnonzero(reached)
            return self._stretched(index, group[index], low, high, last)
        begin = np.searchsorted(self._keys(self.group, last), self._keys(group, low), side="left")
        end = np.searchsorted(self._keys(self.group, self.first), self._keys(group, high), side="right")
        counts = np.where(high >= low, np.maximum(end - begin, 0), 0)
        index = owners(counts)
        return self._stretched(index, begin[index] + within(counts), low, high, last)

    def _one_each(self) -> bool:
        """Whether each group has one range, which then has its number."""
        return bool(len(self.group) and len(self.group) == self.group[-1] + 1)

    def _stretched(
        self, index: IntArray, unit: IntArray, low: IntArray, high: IntArray, last: IntArray
    ) -> tuple[IntArray, IntArray, IntArray]:
        lowest = np.maximum(low[index], self.first[unit])
        counts = np.minimum(high[index], last[unit]) - lowest + 1
        bins = np.repeat(lowest, counts) + within(counts)
        cell = bins + np.repeat(self.bounds[unit] - self.first[unit], counts)
        return np.repeat(index, counts), cell, bins

    def starts(self) -> IntArray:
        """Start of each cell. [us UTC]"""
        return self.edges[self._bins()]

    def lengths(self) -> IntArray:
        """Length of each cell. [us]"""
        if self.uniform:
            return np.full(len(self), self.base_us)
        return np.diff(self.edges)[self._bins()]

    def _bins(self) -> IntArray:
        counts = np.diff(self.bounds)
        bins: IntArray = np.repeat(self.first, counts) + within(counts)
        return bins


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Instants that follow each other in one interval of one channel."""

    first: IntArray
    """(r,) Index of the first instant of each run."""
    counts: IntArray
    """(r,)"""
    bins: IntArray
    """(r,) Interval of each run, by its place in the edges."""
    group: IntArray
    """(r,)"""
    cell: IntArray
    """(r,) -1 where the interval is in no range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What fell into each cell; (c,) each."""

    amount: FloatArray
    """0 where nothing fell."""
    measured_us: IntArray
    unmeasured_us: IntArray
    """Time in gaps. [us]"""
    estimated: FloatArray
    gap_us: IntArray
    """Length of the gap that begins inside. [us]"""
    gap_stop_us: IntArray
    flags: SmallArray

    @classmethod
    def empty(cls, cells: int) -> "Sums":
        """Sums of nothing."""
        return cls(
            amount=np.zeros(cells),
            measured_us=np.zeros(cells, dtype=np.int64),
            unmeasured_us=np.zeros(cells, dtype=np.int64),
            estimated=np.zeros(cells),
            gap_us=np.zeros(cells, dtype=np.int64),
            gap_stop_us=np.zeros(cells, dtype=np.int64),
            flags=np.zeros(cells, dtype=np.int32),
        )


def runs(cells: Cells, bounds: IntArray, instants_us: IntArray) -> Runs:
    """Runs of instants, rising within each group `[bounds[i], bounds[i + 1])`."""
    bins = cells.bins(instants_us)
    opens = np.ones(len(bins), dtype=np.bool_)
    np.not_equal(bins[1:], bins[:-1], out=opens[1:])
    opens[bounds[:-1][bounds[:-1] < len(bins)]] = True
    first = np.flatnonzero(opens)
    bins = bins[first]
    group = owners(np.diff(np.searchsorted(first, bounds)))
    return Runs(
        first=first,
        counts=np.diff(first, append=len(instants_us)),
        bins=bins,
        group=group,
        cell=cells.places(group, bins),
    )


def add_flags(sums: Sums, cell: IntArray, flags: SmallArray) -> None:
    """Set flags in some cells; those at -1 are left out."""
    inside = cell >= 0
    np.bitwise_or.at(sums.flags, cell[inside], flags[inside])


def spread(cells: Cells, segments: Segments, begun: Runs) -> Sums:
    """
    Amounts of segments that do not overlap, shared out linearly to the cells they overlap.

    Parameters
    ----------
    begun : Runs
        Runs of the segments' starts.
    """
    sums = Sums.empty(len(cells))
    length = segments.stop_us - segments.start_us
    weights = segments.amount
    # Only the last segment that begins in an interval can reach beyond it.
    last = begun.first + begun.counts - 1
    run = np.flatnonzero(segments.stop_us[last] > cells.stops(begun.bins))
    crossing = last[run]
    if len(crossing):
        whole = length[crossing]
        stays = cells.stops(begun.bins[run]) - segments.start_us[crossing]
        weights = segments.amount.copy()
        weights[crossing] = weights[crossing] * stays / whole
        _reach_in(cells, segments, begun, run, sums)
        length[crossing] = stays
    _begin(begun, segments, weights, length, sums)
    _gaps(cells, segments, sums)
    return sums


def _reach_in(cells: Cells, segments: Segments, begun: Runs, run: IntArray, sums: Sums) -> None:
    """What the last segments of some runs leave in the cells after the one they begin in."""
    crossing = begun.first[run] + begun.counts[run] - 1
    begin, end = begun.bins[run] + 1, cells.bins(segments.stop_us[crossing] - 1)
    index, cell, bins = cells.overlapped(begun.group[run], begin, end)
    segment = crossing[index]
    x0 = cells.edges[bins]
    amount, length = _share(segments, segment, x0, np.minimum(segments.stop_us[segment], cells.edges[bins + 1]))
    sums.amount[cell] = amount
    flags = segments.flags[segment]
    marked = np.flatnonzero(flags)
    add_flags(sums, cell[marked], flags[marked])
    gap = marked[(flags[marked] & int(Flag.ESTIMATED)) != 0]
    sums.estimated[cell[gap]] = amount[gap]
    sums.unmeasured_us[cell[gap]] = length[gap]
    length[marked[(flags[marked] & _UNMEASURED) != 0]] = 0
    sums.measured_us[cell] = length


def _share(segments: Segments, segment: IntArray, x0: IntArray, x1: IntArray) -> tuple[FloatArray, IntArray]:
    start = segments.start_us[segment]
    whole = segments.stop_us[segment] - start
    amount = segments.amount[segment]
    share = amount * (x1 - start) / whole - amount * (x0 - start) / whole
    return np.where(x1 - x0 == whole, amount, share), x1 - x0


def _begin(begun: Runs, segments: Segments, weights: FloatArray, length: IntArray, sums: Sums) -> None:
    """Add what segments leave in the cells they begin in."""
    inside = begun.cell >= 0
    cell = begun.cell[inside]
    marked = np.flatnonzero(segments.flags)
    if len(marked):
        flags = segments.flags[marked]
        at = begun.cell[np.searchsorted(begun.first, marked, side="right") - 1]
        add_flags(sums, at, flags)
        gap = ((flags & int(Flag.ESTIMATED)) != 0) & (at >= 0)
        np.add.at(sums.estimated, at[gap], weights[marked[gap]])
        np.add.at(sums.unmeasured_us, at[gap], length[marked[gap]])
        length[marked[(flags & _UNMEASURED) != 0]] = 0
    if not len(begun.first):
        return
    sums.measured_us[cell] += np.add.reduceat(length, begun.first)[inside]
    reached = np.flatnonzero(inside)[sums.amount[cell] != 0.0]
    if len(reached):
        # What reaches in from before comes first in time, so it is added first.
        weights = weights.copy() if weights is segments.amount else weights
        first = begun.first[reached]
        weights[first] = sums.amount[begun.cell[reached]] + weights[first]
    ids = owners(begun.counts)
    sums.amount[cell] = np.bincount(ids, weights, minlength=len(begun.first))[inside]


def _gaps(cells: Cells, segments: Segments, sums: Sums) -> None:
    """Note each gap, whole, on the cell in which it begins."""
    gaps = segments.gaps
    cell = cells.places(gaps.group, cells.bins(gaps.start_us))
    inside = cell >= 0
    sums.gap_us[cell[inside]] = (gaps.stop_us - gaps.start_us)[inside]
    sums.gap_stop_us[cell[inside]] = gaps.stop_us[inside]


def pieces_of(cells: Cells, segments: Segments) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """
    Every segment cut at the edges of cells.

    Returns
    -------
    (segment, cell, x0, x1) : int64 (k,) each
        Which segment, into which cell, from when to when [us UTC]; in order of segment and time.
    """
    index = np.flatnonzero(segments.stop_us > segments.start_us)
    start, stop = segments.start_us[index], segments.stop_us[index]
    which, cell, bins = cells.overlapped(segments.groups(index), cells.bins(start), cells.bins(stop - 1))
    x0 = np.maximum(start[which], cells.edges[bins])
    x1 = np.minimum(stop[which], cells.edges[bins + 1])
    return index[which], cell, x0, x1
