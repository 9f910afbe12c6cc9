"""Which channels make up a KPI of a subject.

A *row* is a channel with the part of its life in which it counts; a *target* is one KPI of one subject; a *pair*
says that a row belongs to a target. All of it is numpy columns, so that nothing loops over meters or subjects.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, SmallArray, Subject, SubjectKind
from domain.time import IntArray
from kpi.ragged import same_rows
from kpi.tree import Rows, Tree

__all__ = ["Claims", "Members", "Runs", "claimed"]

BoolArray = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Rows that belong to whoever owns them. All arrays are (n,)."""

    kpi: IntArray
    """Position of the KPI among those that are asked for."""
    kind: SubjectKind
    owner: SmallArray
    """Id of the park, tenant or meter that the row belongs to."""
    row: IntArray
    side: int = 0
    """Which side of a balance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Targets (one KPI of one subject each) and the rows they are made of. There is no target without rows."""

    rows: Rows
    meter: IntArray
    """(r,) position of each row's meter in the tree."""
    channel_id: SmallArray
    """(r,)"""
    kpi: IntArray
    """(t,) position of each target's KPI among those that were asked for."""
    subject: IntArray
    """(t,) position of each target's subject among those that were asked for."""
    sides: int
    """1, or 2 for a balance; every target has rows on every side."""
    pair_row: IntArray
    """(q,) rows in order of target, side and row."""
    first: IntArray
    """(t x sides,) where the rows of each target and side begin in `pair_row`."""

    @property
    def pair_group(self) -> IntArray:
        """(q,) index into `first` of each pair."""
        return np.repeat(np.arange(len(self.first)), np.diff(np.append(self.first, len(self.pair_row))))

    @property
    def named(self) -> bytes:
        """Equal for members that put the same rows together in the same way."""
        return b"".join((self.sides.to_bytes(2), self.first.tobytes(), b"/", self.pair_row.tobytes()))

    def runs_of(self, mark: IntArray) -> "Runs":
        """
        The rows of each target in runs of one mark.

        Parameters
        ----------
        mark : int (r,)
            Of each row; the members have one side.
        """
        group, marks = self.pair_group, mark[self.pair_row]
        first = np.flatnonzero(np.append(True, (group[1:] != group[:-1]) | (marks[1:] != marks[:-1])))
        target = group[first]
        members = replace(self, kpi=self.kpi[target], subject=self.subject[target], first=first)
        return Runs(members=members, mark=marks[first], target=target, targets=len(self.kpi))

    def of_pairs(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """The values of each pair's row: (r, p) to (q, p); not to be written to."""
        if len(self.pair_row) == len(values) and (self.pair_row == np.arange(len(values))).all():
            return values
        return values[self.pair_row]

    def only(self, chosen: BoolArray) -> "Members":
        """Some of the targets, over the same rows."""
        groups = np.repeat(chosen, self.sides)
        sizes = np.diff(np.append(self.first, len(self.pair_row)))
        return replace(
            self,
            kpi=self.kpi[chosen],
            subject=self.subject[chosen],
            pair_row=self.pair_row[groups[self.pair_group]],
            first=np.cumsum(sizes[groups]) - sizes[groups],
        )

    def summed(self, values: FloatArray) -> FloatArray:
        """Sum over the rows of each target, in fixed order: (r, p) to (t, sides, p)."""
        sums = np.add.reduceat(self.of_pairs(values), self.first, axis=0)
        return sums.reshape(len(self.kpi), self.sides, values.shape[1])

    def any_on_side(self, facts: BoolArray) -> BoolArray:
        """Whether it is so for any row of each target and side: (r, p) to (t, sides, p)."""
        if same_rows(facts) or facts.all():
            return np.broadcast_to(facts[0], (len(self.kpi), self.sides, facts.shape[1])).copy()
        some = np.logical_or.reduceat(self.of_pairs(facts), self.first, axis=0)
        return some.reshape(len(self.kpi), self.sides, facts.shape[1])

    def joined(self, masks: IntArray) -> IntArray:
        """Bit masks of the rows of each target, both sides together: (r, p) to (t, p)."""
        if not masks.any():
            return np.zeros((len(self.kpi), masks.shape[1]), dtype=masks.dtype)
        return np.bitwise_or.reduceat(self.of_pairs(masks), self.first[:: self.sides], axis=0)

    def any_of(self, facts: BoolArray) -> BoolArray:
        """Whether it is so for any row of each target: (r, p) to (t, p)."""
        if same_rows(facts) or facts.all():
            return np.broadcast_to(facts[0], (len(self.kpi), facts.shape[1])).copy()
        return np.logical_or.reduceat(self.of_pairs(facts), self.first[:: self.sides], axis=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The rows of targets in runs that have something in common."""

    members: Members
    """Each run as if it were a target."""
    mark: IntArray
    """(f,) what the rows of each run have in common."""
    target: IntArray
    """(f,) to which target each run belongs; rising."""
    targets: int

    def put_together(self, values: FloatArray, chosen: BoolArray, first: IntArray) -> FloatArray:
        """
        Sums over some of the runs of each target, and over longer intervals; NaN where there is nothing.

        Parameters
        ----------
        values : float64 (c, n)
            Of the chosen runs; NaN where nothing is known.
        chosen : bool (f,)
        first : int64 (p,)
            The interval with which each longer one begins.
        """
        shape = (self.targets, values.shape[1])
        sums, some = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        np.add.at(sums, self.target[chosen], np.nan_to_num(values))
        np.logical_or.at(some, self.target[chosen], ~np.isnan(values))
        total: FloatArray = np.add.reduceat(sums, first, axis=1)
        return np.where(np.logical_or.reduceat(some, first, axis=1), total, np.nan)


def claimed(
    tree: Tree, rows: Rows, claims: tuple[Claims, ...], subjects: tuple[Subject, ...], *, sides: int = 1
) -> Members | None:
    """
    The targets among some subjects that have rows on every side; None where there are none.

    Parameters
    ----------
    tree : Tree
    rows : Rows
        Rows that nobody claims are left out.
    claims : tuple of Claims
    subjects : tuple of Subject
        Distinct.
    sides : int
    """
    code = np.array([(subject.kind.code << 32) + subject.id for subject in subjects], dtype=np.int64)
    order = np.argsort(code)
    found = [_pairs(claim, code[order], order) for claim in claims if len(claim.row)]
    if not found or not len(code):
        return None
    kpi, subject, side, row = (np.concatenate(column) for column in zip(*found, strict=True))
    group = (kpi * len(subjects) + subject) * sides + side
    in_order = np.lexsort((row, group))
    group, row = group[in_order], row[in_order]
    groups = np.unique(group)
    targets, present = np.unique(groups // sides, return_counts=True)
    whole = targets[present == sides]
    kept = np.isin(group // sides, whole)
    group, row = group[kept], row[kept]
    if not len(group):
        return None
    used, pair_row = np.unique(row, return_inverse=True)
    lean = rows.taken(used)
    return Members(
        rows=lean,
        meter=tree.meter[lean.channel],
        channel_id=tree.channel_id[lean.channel],
        kpi=whole // len(subjects),
        subject=whole % len(subjects),
        sides=sides,
        pair_row=pair_row,
        first=np.flatnonzero(np.append(True, group[1:] != group[:-1])),
    )


def _pairs(claim: Claims, code: IntArray, order: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    wanted = (claim.kind.code << 32) + claim.owner.astype(np.int64)
    place = np.searchsorted(code, wanted)
    place[place == len(code)] = 0
    hit = code[place] == wanted
    subject = order[place[hit]]
    return claim.kpi[hit], subject, np.full(len(subject), claim.side), claim.row[hit]
