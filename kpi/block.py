"""Interval amounts laid on the rows of some members: who has what in which cell, and how much of it is known."""

from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.time import SECOND_US, IntArray
from kpi.members import Members
from kpi.scene import Scene, ticked_edge

__all__ = ["Block", "Scene", "known_terms", "ticked_edge"]

BoolArray = NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)

ROUNDING_S = 1e-6
"""Times are whole microseconds: sums of seconds that differ by less are equal. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows of an amount frame, each in the cell of one member row; sorted by row and time. All other arrays are (k,)."""

    shape: tuple[int, int]
    """Member rows, cells."""
    edges: IntArray
    """(cells + 1,) of the cells. [us UTC]"""
    row: IntArray
    cell: IntArray
    start_us: IntArray
    stop_us: IntArray
    source: IntArray
    """Where it stands in the frame."""
    amount: FloatArray
    """NaN where nothing is known. [unit]"""
    estimated: FloatArray
    """[unit]"""
    measured_s: FloatArray
    covered_s: FloatArray
    """The expected part of `measured_s`. [s]"""
    expected_s: FloatArray
    flags: IntArray
    keyed: dict[bytes, IntArray] = field(init=False, default_factory=dict, repr=False, compare=False)
    """What :meth:`keys` found before, by the edges."""
    through: dict[bytes, tuple[IntArray, FloatArray]] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )
    """What :meth:`throughout` found before, by the edges."""
    facts: dict[str, BoolArray] = field(init=False, default_factory=dict, repr=False, compare=False)
    """What :attr:`known`, :attr:`measured` and :attr:`whole` found before."""
    sums: dict[tuple[str | bytes, ...], FloatArray] = field(init=False, default_factory=dict, repr=False, compare=False)
    """What was summed for members before, by what was summed, the members and the edges: many KPIs have the same."""

    @property
    def known(self) -> BoolArray:
        """Whether anything is known of the amount; not to be written to, like the two below."""
        if "known" not in self.facts:
            self.facts["known"] = ~np.isnan(self.amount)
        return self.facts["known"]

    @property
    def measured(self) -> BoolArray:
        """Whether some of the amount was measured."""
        if "measured" not in self.facts:
            self.facts["measured"] = self.known & (self.measured_s > 0)
        return self.facts["measured"]

    @property
    def whole(self) -> BoolArray:
        """Whether the interval was measured from end to end, so that it may enter ratios and peaks."""
        if "whole" not in self.facts:
            least_s = np.diff(self.edges) / SECOND_US - ROUNDING_S
            if self.is_dense:
                long = (self.measured_s.reshape(self.shape) >= least_s).ravel()
            else:
                long = self.measured_s >= least_s[self.cell]
            self.facts["whole"] = self.measured & long
        return self.facts["whole"]

    @property
    def is_dense(self) -> bool:
        """Whether every row has an entry in every cell."""
        return len(self.row) == self.shape[0] * self.shape[1]

    def taken(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        """The entries' values of another column of the frame; not to be written to."""
        if self.is_dense and len(self.row) == len(column) and (self.source[:: self.shape[1]] == self.row_starts).all():
            return column
        return column[self.source]

    @property
    def row_starts(self) -> IntArray:
        """(rows,) where the entries of each row begin, if it is dense."""
        return np.arange(self.shape[0]) * self.shape[1]

    def keys(self, edges: IntArray) -> IntArray:
        """Index of each entry in a flattened (rows, intervals) array; each cell lies in one of the intervals."""
        named = edges.tobytes()
        if named not in self.keyed:
            interval = np.searchsorted(edges, self.edges[:-1], side="right") - 1
            self.keyed[named] = self.row * (len(edges) - 1) + interval[self.cell]
        return self.keyed[named]

    def _is_grid(self, edges: IntArray) -> bool:
        """Whether the entries are all places of (rows, intervals) in their order."""
        return self.is_dense and len(edges) == len(self.edges) and bool((edges == self.edges).all())

    def _steps(self, edges: IntArray) -> int:
        """How many cells each interval has, where every row has an entry in each and all have as many; else 0."""
        steps, rest = divmod(self.shape[1], len(edges) - 1)
        alike = self.is_dense and rest == 0 and bool((self.edges[:: max(steps, 1)] == edges).all())
        return steps if alike else 0

    def summed(self, values: FloatArray | BoolArray, edges: IntArray) -> FloatArray:
        """Sums per row and interval, added up in order of time: (k,) to (rows, intervals), 0 where there is none."""
        shape = (self.shape[0], len(edges) - 1)
        weights = values.astype(np.float64, copy=False)
        if self._is_grid(edges):
            return weights.reshape(shape)
        if steps := self._steps(edges):
            # Running sums add in order of time, as below.
            return np.cumsum(weights.reshape(*shape, steps), axis=2)[..., -1].copy()
        sums = np.bincount(self.keys(edges), weights=weights, minlength=shape[0] * shape[1])
        return sums.astype(np.float64, copy=False).reshape(shape)

    def counted(self, counts: NDArray[np.integer], edges: IntArray) -> NDArray[np.integer]:
        """Sums of whole numbers per row and interval: (k,) to (rows, intervals), 0 where there is none."""
        if self._is_grid(edges):
            return counts.reshape(self.shape)
        if steps := self._steps(edges):
            total: IntArray = counts.reshape(self.shape[0], len(edges) - 1, steps).sum(axis=2, dtype=np.int64)
            return total
        return self.summed(counts.astype(np.float64), edges).astype(np.int64)

    def throughout(self, edges: IntArray) -> tuple[IntArray, FloatArray]:
        """Per row and interval: how many entries were measured from end to end, and what these amount to; not to be written to."""
        named = edges.tobytes()
        if named not in self.through and self._is_grid(edges):
            whole = self.whole.reshape(self.shape)
            amounts = self.amount.reshape(self.shape)
            self.through[named] = whole.astype(np.int64), amounts if whole.all() else np.where(whole, amounts, 0.0)
        elif named not in self.through and (steps := self._steps(edges)):
            amounts = self.amount if self.whole.all() else np.where(self.whole, self.amount, 0.0)
            counts = self.whole.reshape(self.shape[0], len(edges) - 1, steps).sum(axis=2, dtype=np.int64)
            self.through[named] = counts, self.summed(amounts, edges)
        if named not in self.through:
            counted = self.whole & (self.start_us >= edges[0]) & (self.start_us < edges[-1])
            chosen = np.flatnonzero(counted)
            interval = np.searchsorted(edges, self.edges[:-1], side="right") - 1
            keys = self.row[chosen] * (len(edges) - 1) + interval[self.cell[chosen]]
            shape = (self.shape[0], len(edges) - 1)
            counts = np.bincount(keys, minlength=shape[0] * shape[1])
            sums = np.bincount(keys, weights=self.amount[chosen], minlength=shape[0] * shape[1])
            self.through[named] = counts.reshape(shape), sums.astype(np.float64, copy=False).reshape(shape)
        return self.through[named]

    def any_of(self, facts: BoolArray, edges: IntArray) -> BoolArray:
        """Whether it is so for any entry, per row and interval: (k,) to (rows, intervals)."""
        if steps := self._steps(edges):
            some: BoolArray = np.logical_or.reduce(facts.reshape(self.shape[0], len(edges) - 1, steps), axis=2)
            return some
        return self.summed(facts, edges) > 0

    def joined(self, edges: IntArray) -> IntArray:
        """Flags per row and interval: (rows, intervals)."""
        if self._is_grid(edges):
            return self.flags.reshape(self.shape)
        if steps := self._steps(edges):
            joined: IntArray = np.bitwise_or.reduce(self.flags.reshape(self.shape[0], len(edges) - 1, steps), axis=2)
            return joined
        joined = np.zeros((self.shape[0], len(edges) - 1), dtype=np.int64)
        keys = self.keys(edges)
        if len(keys):
            first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
            joined.ravel()[keys[first]] = np.bitwise_or.reduceat(self.flags, first)
        return joined

    def extreme(self, reduction: np.ufunc, values: FloatArray, edges: IntArray) -> FloatArray:
        """`np.fmin` or `np.fmax` per row and interval: (rows, intervals), NaN where there is none."""
        extremes = np.full((self.shape[0], len(edges) - 1), np.nan)
        keys = self.keys(edges)
        if len(keys):
            first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
            extremes.ravel()[keys[first]] = reduction.reduceat(values, first)
        return extremes

    def scaled(self, factor: FloatArray | float) -> "Block":
        """The same entries in another unit, or in money; NaN: nothing is known of it."""
        return replace(self, amount=self.amount * factor, estimated=self.estimated * factor)

    def only(self, chosen: IntArray | BoolArray) -> "Block":
        """Some of the entries, in the same order."""
        if chosen.dtype == np.bool_:
            if chosen.all():
                return self
            chosen = np.flatnonzero(chosen)
        whole = {"shape", "edges", "keyed", "through", "facts", "sums"}
        columns = {one.name: getattr(self, one.name)[chosen] for one in fields(self) if one.name not in whole}
        return replace(self, **columns)

    def of_rows(self, row: IntArray, rows: int) -> "Block":
        """The same entries, their member rows counted anew."""
        return replace(self, row=row, shape=(rows, self.shape[1]))


def known_terms(block: Block, members: Members, edges: IntArray) -> FloatArray:
    """
    What the targets amount to: the measured part and the estimated part.

    Returns
    -------
    float64 (t, sides, p, 2) [unit of the channels]
        A measured part is NaN where nothing was measured, an estimated part where nothing at all is known. Not to be
        written to.
    """
    key = ("known terms", members.named, edges.tobytes())
    if key not in block.sums:
        terms = []
        for values, counted in _parts(block):
            total = np.zeros((len(members.kpi), members.sides, len(edges) - 1))
            if values.any():
                total = members.summed(block.summed(values, edges))
            total[~members.any_on_side(block.any_of(counted, edges))] = np.nan
            terms.append(total)
        block.sums[key] = np.stack(terms, axis=-1)
        block.sums[key].flags.writeable = False
    return block.sums[key]


def _parts(block: Block) -> tuple[tuple[FloatArray, BoolArray], tuple[FloatArray, BoolArray]]:
    """The measured and the estimated part of each entry, and where there is any."""
    measured, known = block.measured, block.known
    if measured.all():
        # Nearly always so; then nothing has to be chosen.
        some = block.estimated.any()
        return (block.amount - block.estimated if some else block.amount, measured), (block.estimated, known)
    return (
        (np.where(measured, block.amount - block.estimated, 0.0), measured),
        (np.where(known, np.where(measured, block.estimated, block.amount), 0.0), known),
    )
