"""Ratios of what two groups of meters passed in the same time: the shared mask of their base intervals.

An interval counts where both sides were measured. Where one side has a gap, it leaves both, unless the other has one too:
then both are estimated, and what they are counts as estimated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.quality import Flag
from domain.time import HOUR_US, Level, level_edges
from kpi.block import Block, Scene
from kpi.definition import Made, Term, padded
from kpi.measures import without_peak
from kpi.members import Members
from kpi.shares import spread

__all__ = ["LEAST_TOGETHER", "Sides", "pair_terms", "sides_of", "terms_of_pair"]

BoolArray = NDArray[np.bool_]

LEAST_TOGETHER = 0.90
"""Weighted share of a side's meters that must be known in an interval for the side to be."""
ROUNDING = 1e-12


def terms_of_pair(over: str, under: str, unit: str) -> tuple[Term, ...]:
    """The terms that :func:`pair_terms` makes."""
    return (
        Term(key=f"{over}_measured", unit=unit),
        Term(key=f"{over}_estimated", unit=unit),
        Term(key=f"{under}_measured", unit=unit),
        Term(key=f"{under}_estimated", unit=unit),
        Term(key="hours_entered", unit="h"),
        Term(key="hours_expected", unit="h"),
        Term(key="hours_unpaired", unit="h"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """How much of each side of some targets is known in each base interval; (t, sides, n) each."""

    weight: FloatArray
    """(q, n) of each pair of target and row; 0 where the row does not count."""
    measured: FloatArray
    """Weighted share of the members that was measured from end to end. [0..1]"""
    known: FloatArray
    """The same, with those whose amount is spread over a gap. [0..1]"""
    due: BoolArray
    """Whether anything was expected of the side, past or to come."""


def _state(block: Block, chosen: BoolArray) -> BoolArray:
    """(r, n) whether a row has one of some entries in each cell."""
    found = np.zeros(block.shape, dtype=np.bool_)
    found[block.row[chosen], block.cell[chosen]] = True
    return found


def sides_of(scene: Scene, block: Block, members: Members) -> Sides:
    """
    How much of each side is known in each base interval, its members weighed as on that day.

    A member that is out of service is not missing; one that was measured all the same counts.

    Parameters
    ----------
    scene : Scene
        Made from base amounts.
    block : Block
        The members' amounts.
    members : Members
    """
    park, rows, cells = scene.registry.park, members.rows, scene.cells
    days = level_edges(park.zone, park.base_s, Level.DAY, int(cells[0]), int(cells[-1]))
    by_day = spread(members, scene.weights_of(members, days), scene.alive(rows, days).astype(np.float64))
    measured = _state(block, block.whole)
    known = measured | _state(block, _is_estimated(block))
    present = scene.serves(rows, cells) | (known & scene.alive(rows, cells))
    day = np.searchsorted(days, cells[:-1], side="right") - 1
    weight = by_day[:, day] * present[members.pair_row]
    shape = (len(members.kpi), members.sides, len(cells) - 1)
    whole = np.add.reduceat(weight, members.first, axis=0)
    shares = []
    for state in (measured, known):
        share = np.zeros(whole.shape)
        part = np.add.reduceat(weight * state[members.pair_row], members.first, axis=0)
        np.divide(part, whole, out=share, where=whole > 0)
        shares.append(share.reshape(shape))
    return Sides(weight=weight, measured=shares[0], known=shares[1], due=(whole > 0).reshape(shape))


def _is_estimated(block: Block) -> BoolArray:
    estimated: BoolArray = ~np.isnan(block.amount) & ((block.flags & int(Flag.ESTIMATED)) > 0) & ~block.whole
    return estimated


def pair_terms(scene: Scene, block: Block, members: Members) -> Made:
    """
    What both sides passed in the intervals that they share: see :func:`terms_of_pair`.

    Parameters
    ----------
    scene : Scene
    block : Block
        The members' amounts.
    members : Members
        With two sides, the first over the second.
    """
    sides, atoms, cells = sides_of(scene, block, members), scene.atoms, scene.cells
    first = np.searchsorted(cells, atoms[:-1])
    measured = sides.measured >= LEAST_TOGETHER - ROUNDING
    both = np.all(measured, axis=1)
    neither = np.all((sides.known >= LEAST_TOGETHER - ROUNDING) & ~measured, axis=1)
    exact, spread_out = (_passed(block, members, chosen) for chosen in (block.whole, _is_estimated(block)))
    # What was measured while the side as a whole was not is part of an estimate.
    parts = (
        np.where(both[:, None], exact, 0.0),
        np.where(both[:, None], spread_out, np.where(neither[:, None], exact + spread_out, 0.0)),
    )
    some = np.logical_or.reduceat(both | neither, first, axis=1)
    columns = [
        np.where(some, np.add.reduceat(parts[part][:, side], first, axis=1), np.nan)
        for side in range(2)
        for part in range(2)
    ]
    hours = np.diff(cells) / HOUR_US
    due = sides.due.all(axis=1) & (cells[1:] <= scene.ticked_us)
    entered = np.where(due & both, hours * sides.measured.min(axis=1), 0.0)
    unpaired = np.where(due & ~both & (sides.measured > 0).any(axis=1), hours, 0.0)
    spent = [np.add.reduceat(one, first, axis=1) for one in (entered, np.where(due, hours, 0.0), unpaired)]
    return without_peak(padded(*columns, *spent), members.joined(block.joined(atoms)))


def _passed(block: Block, members: Members, chosen: BoolArray) -> FloatArray:
    """(t, sides, n) what the chosen entries of each side add up to in each interval."""
    amount = np.zeros(block.shape)
    amount[block.row[chosen], block.cell[chosen]] = block.amount[chosen]
    return members.summed(amount)
