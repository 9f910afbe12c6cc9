"""What KPIs are computed from: registry, amounts, intervals, entered values."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from domain.context import ContextFrame
from domain.frames import AmountFrame, FloatArray, SmallArray, Subject
from domain.registry import Park, Registry
from domain.time import SECOND_US, IntArray, Level, base_edges
from kpi.members import Members
from kpi.ragged import same_rows
from kpi.tree import FOREVER_US, Rows, Tree, overlap
from kpi.weights import Weights, last_days

if TYPE_CHECKING:
    from kpi.block import Block

__all__ = ["Grid", "Scene", "always", "ticked_edge"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Amounts of channels (c) of which each has a row for every cell; the first rows of its columns are those of fewer channels."""

    channel_id: SmallArray
    """(c,), rising."""
    row: IntArray
    """(c x cells,), like all below."""
    cell: IntArray
    start_us: IntArray
    stop_us: IntArray
    expected_s: FloatArray
    """Time up to the tick. [s]"""
    has_estimates: bool
    has_flags: bool

    @classmethod
    def of(cls, frame: AmountFrame, cells: IntArray, ticked_us: int) -> "Grid | None":
        """That of a frame; None where a channel has more or fewer rows than there are cells."""
        count = len(cells) - 1
        if not len(frame) or len(frame) % count:
            return None
        ids, starts = frame.channel_id.reshape(-1, count), frame.start_us.reshape(-1, count)
        # A frame is sorted: between equal ids there is no other.
        if (ids[:, 0] != ids[:, -1]).any() or (ids[1:, 0] == ids[:-1, 0]).any() or (starts != cells[:-1]).any():
            return None
        channels, expected_us = len(ids), overlap(cells[:-1], cells[1:], cells[:1], np.array([ticked_us]))
        return cls(
            channel_id=ids[:, 0],
            row=np.repeat(np.arange(channels), count),
            cell=np.tile(np.arange(count), channels),
            start_us=np.tile(cells[:-1], channels),
            stop_us=np.tile(cells[1:], channels),
            expected_s=np.tile(expected_us / SECOND_US, channels),
            has_estimates=bool(frame.estimated.any()),
            has_flags=bool(frame.flags.any()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that KPIs are computed from, once for all of them."""

    registry: Registry
    tree: Tree
    level: Level
    """What is asked for."""
    subjects: tuple[Subject, ...]
    frame: AmountFrame
    cells: IntArray
    """(n + 1,) edges of the intervals of the frame's rows. [us UTC]"""
    atoms: IntArray
    """(a + 1,) edges of the intervals for which terms are made: those of the level, at most days. [us UTC]"""
    periods: IntArray
    """(p + 1,) edges of the intervals of the level. [us UTC]"""
    ticked_us: int
    """Up to here intervals are final, and readings expected; on an edge of a base interval. [us UTC]"""
    weights: Weights | None
    """None: all members count the same."""
    context: ContextFrame
    """Entered values of the subjects and of the park; all that overlap the periods."""
    laid: "dict[tuple[bytes, ...], Block]" = field(init=False, default_factory=dict, repr=False, compare=False)
    """What was laid on rows before, by their columns: many KPIs have the same rows."""
    whole: "dict[str, Grid | None]" = field(init=False, default_factory=dict, repr=False, compare=False)
    """What :attr:`grid` found before."""
    noted: dict[tuple[object, ...], Any] = field(init=False, default_factory=dict, repr=False, compare=False)
    """What else was made before and is asked for again, beside what it was made of."""

    @property
    def grid(self) -> "Grid | None":
        """The frame as a grid of channels and cells, where it has a row for each."""
        if "grid" not in self.whole:
            self.whole["grid"] = Grid.of(self.frame, self.cells, self.ticked_us)
        return self.whole["grid"]

    @property
    def has_gaps(self) -> bool:
        """Whether the frame tells of any long gap."""
        if ("gaps",) not in self.noted:
            self.noted["gaps",] = bool((self.frame.inner_gap_s > 0).any() or (self.frame.gap_s > 0).any())
        return bool(self.noted["gaps",])

    def weights_of(self, members: Members, edges: IntArray) -> FloatArray:
        """(r, p) what each row usually amounts to in a day, seen from the end of each interval; NaN: not known."""
        if self.weights is None:
            return np.broadcast_to(np.nan, (len(members.rows), len(edges) - 1))
        return self.weights.of(members.channel_id, last_days(self.registry.park, edges))

    def expected_s(self, rows: Rows, edges: IntArray) -> FloatArray:
        """(r, p) time in which each row should have been measured: its life in service, up to the tick; not to be written to. [s]"""
        served_us = self._served_us(rows, np.minimum(rows.to_us, self.ticked_us), edges)
        if same_rows(served_us):
            return np.broadcast_to(served_us[:1] / SECOND_US, served_us.shape)
        return served_us / SECOND_US

    def serves(self, rows: Rows, edges: IntArray) -> BoolArray:
        """(r, p) whether anything is expected of each row in each interval, past or to come."""
        served_us = self._served_us(rows, rows.to_us, edges)
        if same_rows(served_us):
            return np.broadcast_to(served_us[:1] > 0, served_us.shape)
        return served_us > 0

    def _served_us(self, rows: Rows, until_us: IntArray, edges: IntArray) -> IntArray:
        if always(rows, edges) and not len(self.tree.outages):
            until = until_us.min(initial=edges[-1]), until_us.max(initial=edges[0])
            if min(until[0], edges[-1]) == min(until[1], edges[-1]):
                served_us = overlap(edges[:-1], edges[1:], edges[:1], np.array(until[:1]))
                return np.broadcast_to(served_us, (len(rows), len(edges) - 1))
        served = overlap(rows.from_us[:, None], until_us[:, None], edges[:-1], edges[1:])
        meter = self.tree.meter[rows.channel]
        some = np.flatnonzero(self.tree.outages.counts(meter))
        if len(some):
            begin = np.maximum(rows.from_us[some][:, None], edges[:-1])
            end = np.minimum(until_us[some][:, None], edges[1:])
            shape = begin.shape
            lost = self.tree.outages.length(np.repeat(meter[some], shape[1]), begin.ravel(), end.ravel())
            served[some] -= lost.reshape(shape)
        return served

    def served_between(self, rows: Rows, row: IntArray, start_us: IntArray, stop_us: IntArray) -> IntArray:
        """(k,) how long something is expected of a row, up to the tick, within each `[start, stop)`. [us]"""
        begin = np.maximum(rows.from_us[row], start_us)
        end = np.minimum(np.minimum(rows.to_us[row], self.ticked_us), stop_us)
        served: IntArray = np.maximum(end - begin, 0)
        if len(self.tree.outages):
            served -= self.tree.outages.length(self.tree.meter[rows.channel[row]], begin, end)
        return served

    def alive(self, rows: Rows, edges: IntArray) -> BoolArray:
        """(r, p) whether each row counts at all in each interval, past or to come."""
        if always(rows, edges):
            return np.broadcast_to(np.True_, (len(rows), len(edges) - 1))
        return overlap(rows.from_us[:, None], rows.to_us[:, None], edges[:-1], edges[1:]) > 0


def always(rows: Rows, edges: IntArray) -> bool:
    """Whether all rows count from the first edge to the last, which is nearly always so."""
    return bool((rows.from_us <= edges[0]).all() and (rows.to_us >= edges[-1]).all())


def ticked_edge(park: Park) -> int:
    """The last edge of a base interval up to which the park is ticked; before all time where it is not. [us UTC]"""
    if park.ticked_to_us is None:
        return -FOREVER_US
    return int(base_edges(park.zone, park.base_s, park.ticked_to_us, park.ticked_to_us + 1)[0])
