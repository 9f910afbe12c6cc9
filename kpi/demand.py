"""Coincident demand: what some members drew together in each demand block, and the greatest of it."""

import numpy as np

from domain.frames import FloatArray
from domain.time import HOUR_US, IntArray, Level, base_edges, level_edges
from kpi.block import Block, Scene, spread
from kpi.definition import Made, padded
from kpi.members import Members

__all__ = ["LEAST_BLOCK_COVERAGE", "demand_terms"]

LEAST_BLOCK_COVERAGE = 0.75
"""Weighted share of the members that must be measured over a whole demand block for it to count."""

ROUNDING = 1e-12


def demand_terms(scene: Scene, block: Block, members: Members) -> Made:
    """
    Peak and energy of coincident demand: (peak, share missing at the peak, hours entered, hours expected, energy, hours).

    The demand block of a target is the longest among its members' meters (the base interval at level BASE), counted
    from local midnight. A member enters a block where each base interval of it was measured from end to end, else it is
    missing there; a block counts where members with 75 % of the weight enter. So one dead meter of many leaves a
    peak, as a lower bound, and a single meter needs the whole block.
    """
    block_s = np.maximum.reduceat(scene.tree.demand_block_s[members.meter[members.pair_row]], members.first)
    if scene.level is Level.BASE:
        block_s = np.full(len(block_s), scene.registry.park.base_s)
    shape = (len(block_s), len(scene.atoms) - 1)
    terms = padded(np.full(shape, np.nan))
    peak_at_us = np.zeros(shape, dtype=np.int64)
    for length_s in np.unique(block_s):
        chosen = block_s == length_s
        terms[chosen], peak_at_us[chosen] = _peaks(scene, block, members.only(chosen), int(length_s))
    return Made(terms=terms, peak_at_us=peak_at_us, flags=members.joined(block.joined(scene.atoms)))


def _peaks(scene: Scene, block: Block, members: Members, length_s: int) -> tuple[FloatArray, IntArray]:
    """The terms (t, a, 8) and times (t, a) for one length of the demand block."""
    park, atoms = scene.registry.park, scene.atoms
    edges = base_edges(park.zone, length_s, int(atoms[0]), int(atoms[-1]))
    begins, ends = edges[:-1], edges[1:]
    atom = np.searchsorted(atoms, begins, side="right") - 1
    # A block longer than an hour's remainder lies in no hour as a whole, and then counts for none.
    inside = (atom >= 0) & (ends <= atoms[np.minimum(atom + 1, len(atoms) - 1)])
    kwh, entered, all_weight = _coincident(scene, block, members, edges)
    share = np.zeros(kwh.shape)
    np.divide(entered, all_weight, out=share, where=all_weight > 0)
    counted = inside & (share >= LEAST_BLOCK_COVERAGE - ROUNDING)
    hours = (ends - begins) / HOUR_US
    due_hours = np.where(inside & (ends <= scene.ticked_us) & (all_weight > 0), hours, 0.0)
    chosen = np.flatnonzero(inside)
    found, first = np.unique(atom[chosen], return_index=True)
    terms = padded(np.full((len(kwh), len(atoms) - 1), np.nan))
    peak_at_us = np.zeros(terms.shape[:2], dtype=np.int64)
    if not len(found):
        return terms, peak_at_us
    kw = np.where(counted, kwh / hours, -np.inf)[:, chosen]
    peak = np.maximum.reduceat(kw, first, axis=1)
    is_peak = kw == np.repeat(peak, np.diff(np.append(first, len(chosen))), axis=1)
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


def _coincident(
    scene: Scene, block: Block, members: Members, edges: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per target and demand block: amount of the members that were measured throughout, their weight, everybody's."""
    park, rows = scene.registry.park, members.rows
    days = level_edges(park.zone, park.base_s, Level.DAY, int(edges[0]), int(edges[-1]))
    # By the day, not by the level: the peak of a month is then that of its days.
    weight = spread(members, scene.weights_of(members, days), scene.alive(rows, days).astype(np.float64))
    day = np.searchsorted(days, edges[:-1], side="right") - 1
    weights = weight[:, day] * scene.alive(rows, edges)[members.pair_row]
    within = (block.start_us >= edges[0]) & (block.start_us < edges[-1])
    whole = block.only(within & block.whole)
    cells = np.searchsorted(scene.cells, edges[1:]) - np.searchsorted(scene.cells, edges[:-1])
    entered = whole.summed(np.ones(len(whole.row)), edges) == cells
    kwh = np.where(entered, whole.summed(whole.amount, edges), 0.0)
    return (
        np.add.reduceat(kwh[members.pair_row], members.first, axis=0),
        np.add.reduceat(weights * entered[members.pair_row], members.first, axis=0),
        np.add.reduceat(weights, members.first, axis=0),
    )
