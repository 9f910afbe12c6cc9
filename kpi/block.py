"""Interval amounts laid on the rows of some members: who has what in which cell, and how much of it is known."""

from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.frames import FloatArray, SmallArray
from domain.quality import Flag
from domain.time import SECOND_US, IntArray, to_datetime
from kpi.members import Members
from kpi.ragged import owners, runs_of
from kpi.scene import Scene, always, ticked_edge
from kpi.tree import Rows, overlap

__all__ = ["Block", "Scene", "known_terms", "lay", "ticked_edge"]

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

    def summed(self, values: FloatArray | BoolArray, edges: IntArray) -> FloatArray:
        """Sums per row and interval, added up in order of time: (k,) to (rows, intervals), 0 where there is none."""
        shape = (self.shape[0], len(edges) - 1)
        weights = values.astype(np.float64, copy=False)
        if self._is_grid(edges):
            return weights.reshape(shape)
        sums = np.bincount(self.keys(edges), weights=weights, minlength=shape[0] * shape[1])
        return sums.astype(np.float64, copy=False).reshape(shape)

    def counted(self, counts: NDArray[np.integer], edges: IntArray) -> IntArray:
        """Sums of whole numbers per row and interval: (k,) to (rows, intervals), 0 where there is none."""
        if self._is_grid(edges):
            return counts.reshape(self.shape)
        return self.summed(counts.astype(np.float64), edges).astype(np.int64)

    def throughout(self, edges: IntArray) -> tuple[IntArray, FloatArray]:
        """Per row and interval: how many entries were measured from end to end, and what these amount to; not to be written to."""
        named = edges.tobytes()
        if named not in self.through and self._is_grid(edges):
            whole = self.whole.reshape(self.shape)
            sums = self.amount.reshape(self.shape)
            self.through[named] = whole.astype(np.int64), sums if whole.all() else np.where(whole, sums, 0.0)
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
        return facts.reshape(self.shape) if self._is_grid(edges) else self.summed(facts, edges) > 0

    def joined(self, edges: IntArray) -> IntArray:
        """Flags per row and interval: (rows, intervals)."""
        if self._is_grid(edges):
            return self.flags.reshape(self.shape)
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


def lay(scene: Scene, rows: Rows, channel: IntArray | None = None) -> Block:
    """
    The amounts of some member rows, in their lives.

    Parameters
    ----------
    scene : Scene
    rows : Rows
    channel : int64 (r,), optional
        Positions of other channels to take in place of the rows' own (the reactive energy beside the active); -1: none.

    Raises
    ------
    InputError
        An amount inside the range does not begin on an edge of its level.
    """
    columns = (rows.channel, rows.from_us, rows.to_us, *(() if channel is None else (channel,)))
    key = tuple(column.tobytes() for column in columns)
    if key not in scene.laid:
        block = _lay(scene, rows, channel)
        for column in fields(block):
            if isinstance(values := getattr(block, column.name), np.ndarray) and values is not scene.cells:
                # Many KPIs have it, none may change it.
                values.flags.writeable = False
        scene.laid[key] = block
    return scene.laid[key]


def _lay(scene: Scene, rows: Rows, channel: IntArray | None) -> Block:
    tree, frame, cells = scene.tree, scene.frame, scene.cells
    place = rows.channel if channel is None else channel
    channel_id = np.where(place >= 0, tree.channel_id[place], -1)
    gridded = _gridded(scene, rows, channel_id)
    if gridded is not None:
        return gridded
    first = np.searchsorted(frame.channel_id, channel_id, side="left")
    count = np.searchsorted(frame.channel_id, channel_id, side="right") - first
    row, source = owners(count), runs_of(first, count)
    start_us = frame.start_us[source]
    inside = (start_us >= cells[0]) & (start_us < cells[-1])
    if not inside.all():
        row, source, start_us = row[inside], source[inside], start_us[inside]
    cell = _cells_of(cells, start_us)
    astray = cells[cell] != start_us
    if astray.any():
        place_us = int(start_us[astray][0])
        raise InputError(
            f"channel {frame.channel_id[source[astray][0]]} has an amount from {to_datetime(place_us)}, "
            f"which is no edge of level {frame.level.key}; make the amounts with the park's zone and base interval"
        )
    stop_us = cells[1:][cell]
    if always(rows, cells) and not len(tree.outages):
        expected_s = (overlap(cells[:-1], cells[1:], cells[:1], np.array([scene.ticked_us])) / SECOND_US)[cell]
    else:
        lives = overlap(rows.from_us[row], rows.to_us[row], start_us, stop_us) > 0
        row, source, start_us, stop_us, cell = (part[lives] for part in (row, source, start_us, stop_us, cell))
        expected_s = scene.served_between(rows, row, start_us, stop_us) / SECOND_US
    amount, measured_s, estimated = frame.amount[source], frame.measured_s[source], frame.estimated[source]
    flags = frame.flags[source].astype(np.int64)
    _take_out_nothing(amount, measured_s, estimated, flags)
    return Block(
        shape=(len(rows), len(cells) - 1),
        edges=cells,
        row=row,
        cell=cell,
        start_us=start_us,
        stop_us=stop_us,
        source=source,
        amount=amount,
        estimated=estimated,
        measured_s=measured_s,
        covered_s=np.minimum(measured_s, expected_s),
        expected_s=expected_s,
        flags=flags,
    )


def _take_out_nothing(amount: FloatArray, measured_s: FloatArray, estimated: FloatArray, flags: IntArray) -> None:
    # A row may stand there only for its flag or its slot; what it says of the amount is then nothing, not zero.
    nothing = np.flatnonzero(measured_s <= 0)
    if not len(nothing):
        return
    nothing = nothing[(estimated[nothing] == 0) & (flags[nothing] & Flag.ESTIMATED == 0)]
    amount[nothing], estimated[nothing] = np.nan, 0.0


def _gridded(scene: Scene, rows: Rows, channel_id: SmallArray) -> Block | None:
    """The same block, where the frame has a row for every cell of each channel; None where it is not so."""
    grid = scene.grid
    if grid is None or len(scene.tree.outages) or not always(rows, scene.cells) or len(rows) > len(grid.channel_id):
        return None
    line = np.minimum(np.searchsorted(grid.channel_id, channel_id), len(grid.channel_id) - 1)
    if not len(line) or (grid.channel_id[line] != channel_id).any():
        return None
    frame, count, cells = scene.frame, len(scene.cells) - 1, len(rows) * (len(scene.cells) - 1)
    is_frame = len(line) == len(grid.channel_id) and bool((line == np.arange(len(line))).all())

    def lines(column: NDArray[Scalar]) -> NDArray[Scalar]:
        return column[:] if is_frame else column.reshape(-1, count)[line].ravel()

    amount, measured_s, estimated = lines(frame.amount), lines(frame.measured_s), lines(frame.estimated)
    flags, expected_s = lines(frame.flags).astype(np.int64), grid.expected_s[:cells]
    if is_frame and (measured_s <= 0).any():
        amount, estimated = amount.copy(), estimated.copy()
    _take_out_nothing(amount, measured_s, estimated, flags)
    is_due = bool((measured_s <= expected_s).all())
    return Block(
        shape=(len(rows), count),
        edges=scene.cells,
        row=grid.row[:cells],
        cell=grid.cell[:cells],
        start_us=grid.start_us[:cells],
        stop_us=grid.stop_us[:cells],
        source=(line[:, None] * count + np.arange(count)).ravel(),
        amount=amount,
        estimated=estimated,
        measured_s=measured_s,
        covered_s=measured_s if is_due else np.minimum(measured_s, expected_s),
        expected_s=expected_s,
        flags=flags,
    )


def _cells_of(cells: IntArray, start_us: IntArray) -> IntArray:
    """The cell in which each instant lies; all lie in one."""
    length = int(cells[1] - cells[0])
    if int(cells[-1] - cells[0]) == length * (len(cells) - 1) and (np.diff(cells) == length).all():
        cell: IntArray = (start_us - cells[0]) // length
        return cell
    return np.searchsorted(cells, start_us, side="right") - 1


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
        return (block.amount - block.estimated, measured), (block.estimated, known)
    return (
        (np.where(measured, block.amount - block.estimated, 0.0), measured),
        (np.where(known, np.where(measured, block.estimated, block.amount), 0.0), known),
    )
