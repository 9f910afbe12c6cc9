"""What a KPI is: an entry of the catalogue, the terms it is made of, and how they become its value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import Registry
from domain.time import IntArray, Level
from kpi.block import Block, Scene
from kpi.members import Members
from kpi.shares import Coverage
from kpi.tree import Tree

__all__ = ["TERMS", "Basis", "Family", "Figures", "Fold", "Gate", "Kpi", "Made", "Term", "padded"]

TERMS = 8
"""How many terms a KPI may have: the width of `KpiFrame.terms`."""

BoolArray = NDArray[np.bool_]


class Fold(StrEnum):
    """How the terms of days become the term of a week, month or year."""

    SUM = "sum"
    """Of what is known; NaN only where nothing is."""
    MAX = "max"
    """The greatest; the time of the KPI is the first at which it was reached."""
    AT_MAX = "at_max"
    """The value beside the greatest of the KPI's MAX term."""


class Gate(StrEnum):
    """Which coverage decides whether there is a value."""

    PROFILE = "profile"
    """For peaks and ratios, which need each interval."""
    TOTAL = "total"
    """For sums, which know what passed during a gap once it is closed."""
    NONE = "none"
    """For KPIs that are about what is missing."""


class Basis(StrEnum):
    """What a KPI is made of."""

    AMOUNTS = "amounts"
    """Base amounts, and what is folded of them."""
    NIGHTS = "nights"
    """Stored days of `night_flow`, on reading."""
    RECEIPTS = "receipts"
    """When readings were received, on reading: amounts do not depend on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One sum or extreme that a KPI is made of."""

    key: str
    unit: str
    fold: Fold = Fold.SUM


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The terms of some targets over some intervals."""

    terms: FloatArray
    """(t, p, 8) NaN where there is none."""
    peak_at_us: IntArray
    """(t, p) start of the block of the greatest MAX term; 0 where there is none. [us UTC]"""
    flags: IntArray
    """(t, p) bit mask of :class:`domain.quality.Flag`, of all amounts that entered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a formula makes of its terms. All arrays are (n,)."""

    measured: FloatArray
    estimate: FloatArray
    estimated_share: FloatArray
    reason: NDArray[np.int16]
    """Why the formula has no value; 0 where it has."""
    coverage: FloatArray | None = None
    """For KPIs whose terms say how much of the expected time entered; else the coverage of the members holds."""
    lower_bound: BoolArray | None = None
    """Where part of what is summed was missing at that time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Family:
    """KPIs whose terms come out of the amounts in one way."""

    members: Callable[[Registry, Tree, tuple[Subject, ...], tuple["Kpi", ...]], Members | None]
    """Who belongs to which target; None where nobody does."""
    terms: Callable[[Scene, Block, Members], Made]
    """The terms over the scene's atoms, from base amounts."""
    coverage: Callable[[Scene, Block, Members], Coverage] | None = None
    """Coverage over the scene's periods, from amounts of any level; None: the terms say it."""
    deviations: Callable[[Scene, Block, Members], FloatArray] | None = None
    """(t, sides, p) standard error of each side over the periods, for balances."""
    also: Callable[[Tree, Members], IntArray] | None = None
    """Positions of further channels that the terms need beside the members' own; -1: none."""
    over_periods: Callable[[Scene, Members, tuple["Kpi", ...], Made, Made], Made] | None = None
    """Last word on the terms: from those over the atoms and those folded to the periods, those of the periods; for terms
    that do not fold (entered values that cover a month, prices)."""
    shared: bool = False
    """Whether all its KPIs are made of the same terms, which are then made once."""
    by_hours: bool = True
    """Whether the terms of a day on which nobody comes or goes follow from those of its hours."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kpi:
    """An entry of the catalogue."""

    key: str
    title: str
    unit: str
    formula: str
    """For people; `A(q)` is the amount of quantity q over the level."""
    terms: tuple[Term, ...]
    family: Family
    figures: Callable[[FloatArray], Figures]
    """The formula: (n, 8) terms of any level to figures."""
    gate: Gate
    subjects: frozenset[SubjectKind]
    levels: frozenset[Level] = field(default_factory=lambda: frozenset(Level))
    version: int = 1
    """Raised whenever the formula changes."""
    source: str = "definition"
    error: Callable[[FloatArray, FloatArray], FloatArray] | None = None
    """Half-width of the error band, from (n, 8) terms and (n, sides) deviations."""
    folds: bool = True
    """Whether weeks, months and years follow from stored days; else (percentiles) they are made of base amounts on reading."""
    uses: tuple[str, ...] = ()
    """References it is made with, as `factor:grid`, `tariff:*`: shown beside each value, with their sources."""
    by_days: bool = False
    """Whether its terms are made and stored by days although it is not offered for them, so that months can be folded."""
    of: str = ""
    """The pollutant, rule, tariff block or series, where the family has one KPI for each."""

    made_of: Basis = Basis.AMOUNTS
    """Others than those of amounts are not stored."""

    def made_at(self, level: Level) -> bool:
        """Whether its rows are made of amounts for a level."""
        offered = level in self.levels or (self.by_days and level is Level.DAY)
        return offered and self.made_of is Basis.AMOUNTS


def padded(*terms: FloatArray) -> FloatArray:
    """Terms (t, p) each, side by side and filled up with NaN: (t, p, 8)."""
    full = np.full((*terms[0].shape, TERMS), np.nan)
    for place, term in enumerate(terms):
        full[..., place] = term
    return full
