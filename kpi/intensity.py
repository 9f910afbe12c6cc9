"""Intensity: metered amounts per output, turnover, area, employee: entries of the catalogue.

Both sides are of the same days (:mod:`kpi.sharedtime`), and a ratio of sums, never a mean of ratios.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.context import CONTEXTS
from domain.frames import FloatArray, NullReason, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import Registry
from domain.time import IntArray, Level
from kpi.block import Block, Scene
from kpi.definition import Family, Figures, Gate, Kpi, Made, Term, padded
from kpi.figures import DAY_GATE
from kpi.members import Members
from kpi.sharedtime import shared_time
from kpi.shares import Coverage
from kpi.sums import expected_hours, is_additive, known_sums
from kpi.tree import Tree

__all__ = ["PER", "intensities", "intensity_kpis"]

BoolArray = NDArray[np.bool_]
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Per:
    """What amounts are divided by."""

    series: str
    suffix: str
    unit: str
    title: str


PER = (
    _Per(series="production_t", suffix="t", unit="t", title="tonne produced"),
    _Per(series="production_pcs", suffix="pcs", unit="pcs", title="piece produced"),
    _Per(series="turnover", suffix="turnover", unit="currency", title="turnover"),
    _Per(series="value_added", suffix="value_added", unit="currency", title="value added"),
    _Per(series="area", suffix="area", unit="ha", title="hectare in use"),
    _Per(series="employees", suffix="employee", unit="employee", title="employee"),
)
"""The entered series that intensities are made per, each with the end of their keys."""


_AMOUNTS = (
    ("electricity_intensity", "Electricity", "electricity"),
    ("energy_intensity", "Energy of all carriers", "energy_total"),
    ("water_intensity", "Water intake", "water_intake"),
    ("carbon_intensity", "Greenhouse gases, scope 1 and 2", "co2_total"),
)
"""What is divided: the beginning of the keys and titles, and the key of the sum."""


def intensity_kpis(known: tuple[Kpi, ...]) -> tuple[Kpi, ...]:
    """The intensities of a park: each sum of the catalogue that has some, per each series that can be entered."""
    sums = {kpi.key: kpi for kpi in known if is_additive(kpi)}
    return tuple(kpi for key, title, of in _AMOUNTS if of in sums for kpi in intensities(key, title, sums[of]))


def intensities(key: str, title: str, amount: Kpi) -> tuple[Kpi, ...]:
    """One sum (:func:`kpi.sums.is_additive`) per each series of :data:`PER`, in their order."""
    family = _family(amount)
    return tuple(
        Kpi(
            key=f"{key}_{per.suffix}",
            title=f"{title} per {per.title}",
            unit=f"{amount.unit}/{per.unit}",
            formula=_formula(amount, per),
            terms=_terms(amount.unit, per.unit),
            family=family,
            figures=_ratio,
            gate=Gate.TOTAL,
            subjects=frozenset({SubjectKind.PARK, SubjectKind.TENANT}),
            levels=frozenset(level for level in Level if level >= Level.DAY),
            uses=amount.uses,
            of=per.series,
        )
        for per in PER
    )


def _formula(amount: Kpi, per: _Per) -> str:
    kind = "sum" if CONTEXTS[per.series].amount else "mean over time"
    return f"{amount.key} / {kind} of the entered {per.series}, over the days that both sides know"


def _terms(over: str, under: str) -> tuple[Term, ...]:
    return (
        Term(key="on_measured_days", unit=over),
        Term(key="on_other_days", unit=over),
        Term(key="estimated", unit=over),
        Term(key="hours_known", unit="h"),
        Term(key="hours_expected", unit="h"),
        Term(key="entered_on_measured_days", unit=under),
        Term(key="entered", unit=under),
        Term(key="entered_split_by_time", unit=under),
    )


def _family(amount: Kpi) -> Family:
    """Targets and amounts of a sum, by days, for entered values to be laid against."""
    inner = amount.family

    def members(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], _: tuple[Kpi, ...]) -> Members | None:
        return inner.members(registry, tree, subjects, (amount,))

    def terms(scene: Scene, block: Block, members: Members) -> Made:
        hours = expected_hours(scene, members, scene.atoms)
        none, nothing = np.full(hours.shape, np.nan), np.zeros(hours.shape, dtype=np.int64)
        if not _anything_entered(scene):
            return Made(terms=padded(none, none, none, none, hours), peak_at_us=nothing, flags=nothing)
        sums = known_sums(scene, amount, block, members, Level.DAY)
        whole = sums.measured_share >= DAY_GATE - ROUNDING
        made = padded(
            np.where(whole, sums.estimate, np.nan),
            np.where(whole, np.nan, sums.estimate),
            sums.estimate - np.nan_to_num(sums.measured),
            hours * sums.known_share,
            hours,
        )
        return Made(terms=made, peak_at_us=nothing, flags=sums.flags)

    def coverage(scene: Scene, block: Block, members: Members) -> Coverage:
        if inner.coverage is not None and _anything_entered(scene):
            return inner.coverage(scene, block, members)
        # What is shared with nothing is nothing; the figures say so.
        whole = np.ones((len(members.kpi), len(scene.periods) - 1))
        return Coverage(profile=whole, total=whole)

    return Family(
        members=members,
        terms=terms,
        coverage=coverage,
        also=inner.also,
        over_periods=_against_entered,
        shared=True,
    )


def _anything_entered(scene: Scene) -> bool:
    """Whether there is anything to divide by, for anybody; most of the work can be left where there is not."""
    return bool(np.isin(scene.context.key, [per.series for per in PER]).any())


def _against_entered(scene: Scene, members: Members, sheet: tuple[Kpi, ...], atoms: Made, folded: Made) -> Made:
    """
    The terms of periods, of the days that count.

    The terms of days keep what was metered whether they count or not, so that longer periods can be made of them.
    """
    days = np.moveaxis(atoms.terms, -1, 0)
    known_h, expected_h = np.nan_to_num(days[3]), np.nan_to_num(days[4])
    time = shared_time(scene, members, (sheet[0].of,), known_h, expected_h)
    under_measured, _ = time.over(0, time.counted & ~np.isnan(days[0]))
    under, split = time.over(0, time.counted)
    # Something was entered but does not count: no denominator is missing, data are.
    split = np.where(np.isnan(under) & time.any_entered(), 0.0, split)
    made = list(days[:5])
    if scene.level is not Level.DAY:
        made = [_summed(time.counted & ~np.isnan(day), day, time.first) for day in days[:4]]
        made.append(np.add.reduceat(expected_h, time.first, axis=1))
    split_or_spread = (np.nan_to_num(split) > 0) | (~np.isnan(under) & (np.nan_to_num(made[2]) != 0))
    flags = (folded.flags & ~int(Flag.ESTIMATED)) | np.where(split_or_spread, int(Flag.ESTIMATED), 0)
    return Made(terms=padded(*made, under_measured, under, split), peak_at_us=folded.peak_at_us, flags=flags)


def _summed(days: BoolArray, values: FloatArray, first: IntArray) -> FloatArray:
    """Sum of the chosen days per period; NaN where none is chosen."""
    some = np.logical_or.reduceat(days, first, axis=1)
    return np.where(some, np.add.reduceat(np.where(days, values, 0.0), first, axis=1), np.nan)


def _ratio(terms: FloatArray) -> Figures:
    """Amount over what was entered: the terms of an intensity."""
    known = np.nan_to_num(terms[:, 0]) + np.nan_to_num(terms[:, 1])
    under, split = terms[:, 6], terms[:, 7]
    ratio, estimate = np.full((2, len(terms)), np.nan)
    np.divide(terms[:, 0], terms[:, 5], out=ratio, where=terms[:, 5] > 0)
    np.divide(known, under, out=estimate, where=under > 0)
    reason = np.zeros(len(terms), dtype=np.int16)
    reason[np.isnan(under) & np.isnan(split)] = NullReason.NO_DENOMINATOR
    reason[under <= 0] = NullReason.ZERO_DENOMINATOR
    exact = np.ones((2, len(terms)))
    np.divide(known - np.nan_to_num(terms[:, 2]), known, out=exact[0], where=known > 0)
    np.divide(under - split, under, out=exact[1], where=under > 0)
    shared = np.zeros(len(terms))
    np.divide(terms[:, 3], terms[:, 4], out=shared, where=(terms[:, 4] > 0) & ~np.isnan(under))
    return Figures(
        measured=ratio,
        estimate=estimate,
        estimated_share=np.where(np.isnan(estimate), np.nan, 1.0 - np.clip(exact, 0.0, 1.0).prod(axis=0)),
        reason=reason,
        coverage=np.minimum(shared, 1.0),
    )
