"""Statistics of the course of demand over a whole period: they are made of its base intervals, and fold from no days."""

import numpy as np

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import Registry
from domain.time import IntArray
from kpi.block import Block, Scene
from kpi.carriers import Electricity
from kpi.definition import Family, Kpi, Made, padded
from kpi.demand import Coincident, coincident, demand_terms
from kpi.laying import lay
from kpi.measures import DEMAND, by_owner, without_peak
from kpi.members import Members, claimed
from kpi.tree import Tree

__all__ = ["BASE_LOAD", "BASE_LOAD_SHARE", "COINCIDENCE", "percentiles"]

BASE_LOAD_SHARE = 0.05
"""The base load is exceeded in all but this share of the base intervals."""


def percentiles(values: FloatArray, group: IntArray, groups: int, share: float) -> FloatArray:
    """
    One percentile of the values of each group, linear between the two nearest ranks.

    Parameters
    ----------
    values : float64 (k,)
        Without NaN.
    group : int64 (k,)
    groups : int
    share : float [0..1]

    Returns
    -------
    float64 (groups,)
        NaN for groups without values.

    Examples
    --------
    >>> percentiles(np.array([4.0, 1.0, 2.0, 3.0, 5.0]), np.array([0, 0, 0, 0, 0]), 2, 0.25)
    array([ 2., nan])
    """
    order = np.lexsort((values, group))
    ordered, counts = values[order], np.bincount(group, minlength=groups)
    first = np.cumsum(counts) - counts
    some = np.flatnonzero(counts)
    rank = (counts[some] - 1) * share
    low = np.floor(rank).astype(np.int64)
    high = np.minimum(low + 1, counts[some] - 1)
    below, above = ordered[first[some] + low], ordered[first[some] + high]
    found = np.full(groups, np.nan)
    found[some] = below + (above - below) * (rank - low)
    return found


def _drawn(scene: Scene, block: Block, members: Members) -> Coincident:
    return coincident(scene, (block,), members, scene.cells)


def _of_periods(scene: Scene, drawn: Coincident, edges: IntArray) -> FloatArray:
    """(t, p, 8): percentile, greatest share missing, hours entered, hours expected over some intervals."""
    period = np.searchsorted(edges, drawn.begins, side="right") - 1
    shape = (len(drawn.share), len(edges) - 1)
    counted = drawn.counted
    target, cell = np.nonzero(counted)
    keys = target * shape[1] + period[cell]
    load = percentiles((drawn.amounts[0] / drawn.hours)[target, cell], keys, shape[0] * shape[1], BASE_LOAD_SHARE)
    missing = np.full(shape, np.nan)
    np.fmax.at(missing, (target, period[cell]), 1.0 - drawn.share[target, cell])
    due = np.where((drawn.ends <= scene.ticked_us) & (drawn.all_weight > 0), drawn.hours, 0.0)
    first = np.searchsorted(drawn.begins, edges[:-1])
    entered, expected = (
        np.add.reduceat(hours, first, axis=1) for hours in (np.where(counted, due * drawn.share, 0.0), due)
    )
    return padded(load.reshape(shape), missing, entered, expected)


def _base_terms(scene: Scene, block: Block, members: Members) -> Made:
    terms = _of_periods(scene, _drawn(scene, block, members), scene.atoms)
    return without_peak(terms, members.joined(block.joined(scene.atoms)))


def _base_load(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
    """Percentiles of longer periods are not made of those of days."""
    if len(scene.atoms) == len(scene.periods):
        return folded
    drawn = _drawn(scene, lay(scene, members.rows), members)
    return Made(terms=_of_periods(scene, drawn, scene.periods), peak_at_us=folded.peak_at_us, flags=folded.flags)


BASE_LOAD = Family(members=DEMAND.members, terms=_base_terms, over_periods=_base_load)


def _park(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    top = Electricity.of(tree).imports
    return claimed(tree, top, by_owner(tree, top, (SubjectKind.PARK,)), subjects)


def _coincidence(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
    """Beside the park's peak of the period, the sum of what each of its tenants peaked at in the same period."""
    tenants = _tenants(scene, members)
    terms = folded.terms.copy()
    if tenants is not None:
        peaks = demand_terms(scene, lay(scene, tenants.rows), tenants).terms[..., 0]
        first = np.searchsorted(scene.atoms, scene.periods[:-1])
        greatest = np.fmax.reduceat(peaks, first, axis=1)
        some = ~np.isnan(greatest).all(axis=0)
        terms[..., 6] = np.where(some, np.nansum(greatest, axis=0), np.nan)
    return Made(terms=terms, peak_at_us=folded.peak_at_us, flags=folded.flags)


def _tenants(scene: Scene, members: Members) -> Members | None:
    """The same rows, by tenant."""
    everybody = tuple(Subject(kind=SubjectKind.TENANT, id=one.id) for one in scene.registry.tenants)
    claims = by_owner(scene.tree, members.rows, (SubjectKind.TENANT,))
    return claimed(scene.tree, members.rows, claims, everybody)


COINCIDENCE = Family(members=_park, terms=demand_terms, over_periods=_coincidence)
