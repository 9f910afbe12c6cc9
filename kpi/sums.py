"""An additive KPI by days or base intervals: what it sums to, and over how much of the time that is known."""

from dataclasses import dataclass, replace

import numpy as np

from domain.frames import FloatArray
from domain.quality import Flag
from domain.time import IntArray, Level
from kpi.block import Block, Scene
from kpi.definition import TERMS, Fold, Kpi
from kpi.members import Members

__all__ = ["KnownSums", "expected_hours", "is_additive", "known_sums"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSums:
    """Sums of one KPI per target and interval; (t, a) each."""

    measured: FloatArray
    """NaN where nothing was measured. [unit of the KPI]"""
    estimate: FloatArray
    """Estimated parts included; NaN where nothing is known. [unit of the KPI]"""
    measured_share: FloatArray
    """Share of the expected time that was measured, weighted by the members. [0..1]"""
    known_share: FloatArray
    """The same, with the time whose amount is known by estimation. [0..1]"""
    flags: IntArray


def is_additive(kpi: Kpi) -> bool:
    """Whether a KPI is a plain sum, of a measured and an estimated part in its own unit."""
    first = [term for term in kpi.terms if term.unit == kpi.unit]
    return [term.key for term in first[:2]] == ["measured", "estimated"] and all(
        term.fold is Fold.SUM for term in kpi.terms
    )


def known_sums(scene: Scene, kpi: Kpi, block: Block, members: Members, level: Level) -> KnownSums:
    """
    An additive KPI over the scene's atoms, or over its base intervals.

    Parameters
    ----------
    scene : Scene
        Made from base amounts.
    kpi : Kpi
        See :func:`is_additive`.
    block : Block
        The members' amounts.
    members : Members
        Of this KPI alone.
    level : Level
        BASE, or what the scene's atoms are.
    """
    edges = scene.cells if level is Level.BASE else scene.atoms
    within = replace(scene, level=level, atoms=edges, periods=edges)
    family, shape = kpi.family, (len(members.kpi), len(edges) - 1)
    made = family.terms(within, block, members)
    if family.over_periods is not None:
        made = family.over_periods(within, members, (kpi,), made, made)
    figures = kpi.figures(made.terms.reshape(-1, TERMS))
    if family.coverage is not None:
        measured_share = family.coverage(within, block, members).profile
        spread = np.asarray((block.flags & Flag.ESTIMATED) > 0) & ~np.isnan(block.amount)
        known_share = measured_share
        if spread.any():
            filled = replace(block, covered_s=np.where(spread, block.expected_s, block.covered_s))
            known_share = family.coverage(within, filled, members).profile
    else:
        stated = figures.coverage
        measured_share = np.zeros(shape) if stated is None else stated.reshape(shape)
        known_share = measured_share
    estimate = figures.estimate.reshape(shape)
    # Where a factor is missing, the meters are known and the sum is not.
    known = ~np.isnan(estimate)
    return KnownSums(
        measured=figures.measured.reshape(shape),
        estimate=estimate,
        measured_share=np.where(known, np.nan_to_num(measured_share), 0.0),
        known_share=np.where(known, np.nan_to_num(known_share), 0.0),
        flags=made.flags,
    )


def expected_hours(scene: Scene, members: Members, edges: IntArray) -> FloatArray:
    """Time of each interval in which anything was expected of a target, up to the tick: (t, a). [h]"""
    due_s = scene.expected_s(members.rows, edges)
    hours: FloatArray = np.maximum.reduceat(due_s[members.pair_row], members.first[:: members.sides], axis=0) / 3600
    return hours
