"""Coincident demand: what some members drew together in each demand block, and the greatest of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.time import HOUR_US, IntArray, Level, base_edges, level_edges
from kpi.block import Block, Scene
from kpi.definition import Made, padded
from kpi.members import Members
from kpi.ragged import same_rows
from kpi.shares import spread

__all__ = ["LEAST_BLOCK_COVERAGE", "Coincident", "coincident", "demand_terms", "peak_terms"]

LEAST_BLOCK_COVERAGE = 0.75
"""Weighted share of the members that must be measured over a whole demand block for it to count."""

ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Coincident:
    """What some targets drew in each demand block."""

    amounts: tuple[FloatArray, ...]
    """(t, b) each: of the members that were measured throughout. [unit of each kind]"""
    entered: FloatArray
    """(t, b) weight of those members."""
    all_weight: FloatArray
    """(t, b) weight of all that live then."""
    share: FloatArray
    """(t, b) their quotient; 0 where nobody lives. [0..1]"""
    begins: IntArray
    ends: IntArray
    """(b,) [us UTC]"""
    members: Members

    @property
    def hours(self) -> FloatArray:
        """(b,) length of each block. [h]"""
        return (self.ends - self.begins) / HOUR_US

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(t, b) whether members with 75 % of the weight enter."""
        return self.share >= LEAST_BLOCK_COVERAGE - ROUNDING


Rating = Callable[[Scene, Coincident], FloatArray]
"""What is compared: (t, b); NaN where a block cannot be rated, and does not count."""


def _power(_: Scene, drawn: Coincident) -> FloatArray:
    return drawn.amounts[0] / drawn.hours


def demand_terms(scene: Scene, block: Block, members: Members) -> Made:
    """Peak and energy of coincident active power, see :func:`peak_terms`. [kW, kWh]"""
    return peak_terms(scene, (block,), members, _power)


def peak_terms(scene: Scene, blocks: tuple[Block, ...], members: Members, rating: Rating) -> Made:
    """
    Peak and energy of coincident demand: (peak, share missing at the peak, hours entered, hours expected, energy, hours).

    The demand block of a target is the longest among its members' meters (the base interval at level BASE), counted
    from local midnight. A member enters a block where each base interval of it was measured from end to end, else it is
    missing there; a block counts where members with 75 % of the weight enter. So one dead meter of many leaves a
    peak, as a lower bound, and a single meter needs the whole block.

    Parameters
    ----------
    scene : Scene
    blocks : tuple of Block
        Amounts of each kind (active, reactive) on the members' rows; who counts is told by the first.
    members : Members
        With one side.
    rating : callable
    """
    longest_s = np.maximum.reduceat(scene.tree.demand_block_s[members.meter[members.pair_row]], members.first)
    if scene.level is Level.BASE:
        longest_s = np.full(len(longest_s), scene.registry.park.base_s)
    shape = (len(longest_s), len(scene.atoms) - 1)
    terms = padded(np.full(shape, np.nan))
    peak_at_us = np.zeros(shape, dtype=np.int64)
    for length_s in np.unique(longest_s):
        chosen = longest_s == length_s
        terms[chosen], peak_at_us[chosen] = _peaks(scene, blocks, members.only(chosen), int(length_s), rating)
    joined = blocks[0].joined(scene.atoms)
    for block in blocks[1:]:
        joined = joined | block.joined(scene.atoms)
    return Made(terms=terms, peak_at_us=peak_at_us, flags=members.joined(joined))


def _peaks(
    scene: Scene, blocks: tuple[Block, ...], members: Members, length_s: int, rating: Rating
) -> tuple[FloatArray, IntArray]:
    """The terms (t, a, 8) and times (t, a) for one length of the demand block."""
    park, atoms = scene.registry.park, scene.atoms
    edges = base_edges(park.zone, length_s, int(atoms[0]), int(atoms[-1]))
    begins, ends = edges[:-1], edges[1:]
    atom = np.searchsorted(atoms, begins, side="right") - 1
    # A block longer than an hour's remainder lies in no hour as a whole, and then counts for none.
    inside = (atom >= 0) & (ends <= atoms[np.minimum(atom + 1, len(atoms) - 1)])
    drawn = coincident(scene, blocks, members, edges)
    rated = rating(scene, drawn)
    kwh, share, hours = drawn.amounts[0], drawn.share, drawn.hours
    counted = inside & drawn.counted & ~np.isnan(rated)
    due_hours = np.where(inside & (ends <= scene.ticked_us) & (drawn.all_weight > 0), hours, 0.0)
    chosen = np.flatnonzero(inside)
    found, first = np.unique(atom[chosen], return_index=True)
    terms = padded(np.full((len(kwh), len(atoms) - 1), np.nan))
    peak_at_us = np.zeros(terms.shape[:2], dtype=np.int64)
    if not len(found):
        return terms, peak_at_us
    rate = np.where(counted, rated, -np.inf)[:, chosen]
    peak = np.maximum.reduceat(rate, first, axis=1)
    is_peak = rate == np.repeat(peak, np.diff(np.append(first, len(chosen))), axis=1)
    at = chosen[np.minimum.reduceat(np.where(is_peak, np.arange(len(chosen)), len(chosen) - 1), first, axis=1)]
    some = np.isfinite(peak)
    # With all members present both sums are of the same numbers in the same order, so this is exactly zero.
    missing = 1.0 - np.take_along_axis(share, at, axis=1)
    totals = [
        np.add.reduceat(values[:, chosen], first, axis=1)
        for values in (
            np.where(counted, due_hours * share, 0.0),
            due_hours,
            np.where(counted, kwh, 0.0),
            np.where(counted, hours, 0.0),
        )
    ]
    terms[:, found, 0], terms[:, found, 1] = np.where(some, peak, np.nan), np.where(some, missing, np.nan)
    terms[:, found, 2], terms[:, found, 3] = totals[0], totals[1]
    terms[:, found, 4], terms[:, found, 5] = np.where(some, totals[2], np.nan), np.where(some, totals[3], np.nan)
    peak_at_us[:, found] = np.where(some, begins[at], 0)
    return terms, peak_at_us


def coincident(scene: Scene, blocks: tuple[Block, ...], members: Members, edges: IntArray) -> Coincident:
    """
    What the members that were measured throughout drew in each demand block, and how much of the whole they are.

    Parameters
    ----------
    scene : Scene
    blocks : tuple of Block
        As in :func:`peak_terms`.
    members : Members
        With one side.
    edges : int64 (b + 1,) [us UTC]
        Of whole base intervals.
    """
    park, rows = scene.registry.park, members.rows
    days = level_edges(park.zone, park.base_s, Level.DAY, int(edges[0]), int(edges[-1]))
    # By the day, not by the level: the peak of a month is then that of its days.
    weight = spread(members, scene.weights_of(members, days), scene.alive(rows, days).astype(np.float64))
    day = np.searchsorted(days, edges[:-1], side="right") - 1
    cells = np.searchsorted(scene.cells, edges[1:]) - np.searchsorted(scene.cells, edges[:-1])
    complete = blocks[0].throughout(edges)[0] == cells
    # A meter out of service for a whole block is not missing from it; one that was measured all the same enters.
    present = scene.serves(rows, edges)
    if not (same_rows(present) and present[0].all()):
        present = present | (complete & scene.alive(rows, edges))
    amounts = [block.throughout(edges)[1] for block in blocks]
    if not complete.all():
        amounts = [np.where(complete, one, 0.0) for one in amounts]
    # Who is there and who is not is the same in most blocks of a day.
    some, which = _unlike(day, complete, present)
    weights = weight[:, day[some]] * members.of_pairs(present[:, some])
    entered = np.add.reduceat(weights * members.of_pairs(complete[:, some]), members.first, axis=0)[:, which]
    all_weight = np.add.reduceat(weights, members.first, axis=0)[:, which]
    share = np.zeros(entered.shape)
    np.divide(entered, all_weight, out=share, where=all_weight > 0)
    return Coincident(
        amounts=tuple(np.add.reduceat(members.of_pairs(one), members.first, axis=0) for one in amounts),
        entered=entered,
        all_weight=all_weight,
        share=share,
        begins=edges[:-1],
        ends=edges[1:],
        members=members,
    )


def _unlike(day: IntArray, *facts: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Blocks (columns of the facts) of which each is unlike the others, and for each block which of these it is like."""
    # What is so of all rows, or the same of all, tells no more than one row of it.
    telling = [one[:1] if same_rows(one) or one.all() else one for one in facts]
    packed = np.ascontiguousarray(np.concatenate([np.packbits(one, axis=0) for one in telling]).T)
    place: dict[tuple[int, bytes], int] = {}
    which = [
        place.setdefault((one, column.tobytes()), len(place)) for one, column in zip(day.tolist(), packed, strict=True)
    ]
    like = np.array(which, dtype=np.int64)
    return np.unique(like, return_index=True)[1], like
