"""From terms to figures: fold the terms to the level, apply formula and gate, give each null its reason."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.frames import FloatArray, KpiFrame, NullReason, SmallArray, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import Registry
from domain.time import IntArray, Level
from kpi.block import Block, Scene
from kpi.definition import TERMS, Family, Figures, Fold, Gate, Kpi, Made, Term
from kpi.laying import lay
from kpi.members import Members
from kpi.shares import Coverage
from kpi.tree import Tree

__all__ = [
    "DAY_GATE",
    "HOUR_GATE",
    "Source",
    "all_figures",
    "folded",
    "joined_kpis",
    "members_of",
    "sheets",
    "taken_kpis",
]

HOUR_GATE = 0.75
"""Least coverage for a value up to an hour."""
DAY_GATE = 0.90
"""Least coverage for a value from a day on."""
ROUNDING = 1e-12
_FOUND_AT_MOST = 1024
"""Members that are kept; subjects are asked for in ever new sets."""

Source = Callable[[tuple[Kpi, ...]], Made]
"""Gives the terms of the KPIs of one sheet over the scene's atoms."""


def sheets(kpis: tuple[Kpi, ...]) -> tuple[tuple[Family, tuple[Kpi, ...]], ...]:
    """KPIs that are computed in one go: of one family, with one formula; of a shared family, one at a time."""
    sheets: dict[tuple[object, ...], list[Kpi]] = {}
    for kpi in dict.fromkeys(kpis):
        key = (kpi.family, kpi.key) if kpi.family.shared else (kpi.family, kpi.figures, kpi.gate, kpi.error)
        sheets.setdefault(key, []).append(kpi)
    return tuple((sheet[0].family, tuple(sheet)) for sheet in sheets.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What the KPIs of a sheet have in common, and those of a shared family too."""

    members: Members
    source: Source
    coverage: Coverage | None
    deviations: FloatArray | None


def all_figures(scene: Scene, kpis: tuple[Kpi, ...], source_of: Callable[[Family, Block, Members], Source]) -> KpiFrame:
    """
    The KPIs of a scene's subjects over its periods.

    Parameters
    ----------
    scene : Scene
    kpis : tuple of Kpi
        Those that are not made for the scene's level are left out.
    source_of : callable
        Where the terms over the atoms come from: base amounts, or stored days.

    Returns
    -------
    KpiFrame
    """
    kinds, ids = numbers_of(scene.subjects)
    whose = kinds.tobytes() + ids.tobytes()
    shared: dict[Family, _Prepared | None] = {}
    parts = []
    for family, sheet in sheets(tuple(kpi for kpi in kpis if kpi.made_at(scene.level))):
        prepared = shared[family] if family in shared else _prepared(scene, whose, family, sheet, source_of)
        if family.shared:
            shared[family] = prepared
        if prepared is not None:
            parts.append(_figures(scene, sheet, prepared, (kinds, ids)))
    return _in_order(scene.level, parts)


def _prepared(
    scene: Scene,
    whose: bytes,
    family: Family,
    sheet: tuple[Kpi, ...],
    source_of: Callable[[Family, Block, Members], Source],
) -> _Prepared | None:
    members = members_of(scene.registry, scene.tree, scene.subjects, whose, family, sheet)
    if members is None:
        return None
    block = lay(scene, members.rows)
    return _Prepared(
        members=members,
        source=source_of(family, block, members),
        coverage=None if family.coverage is None else family.coverage(scene, block, members),
        deviations=None if family.deviations is None else family.deviations(scene, block, members),
    )


def numbers_of(subjects: tuple[Subject, ...]) -> tuple[NDArray[np.int16], SmallArray]:
    """Code of the kind, and id, of each subject."""
    kinds = np.array([subject.kind.code for subject in subjects], dtype=np.int16)
    return kinds, np.array([subject.id for subject in subjects], dtype=np.int32)


def members_of(  # noqa: PLR0917 - of whom, of what
    registry: Registry, tree: Tree, subjects: tuple[Subject, ...], whose: bytes, family: Family, sheet: tuple[Kpi, ...]
) -> Members | None:
    """The members of the KPIs of a sheet; found once for each registry, since they do not change with time."""
    key = (family, tuple(kpi.key for kpi in sheet), whose)
    if key not in tree.found:
        if len(tree.found) >= _FOUND_AT_MOST:
            tree.found.clear()
        tree.found[key] = family.members(registry, tree, subjects, sheet)
    found: Members | None = tree.found[key]
    return found


def _figures(
    scene: Scene, sheet: tuple[Kpi, ...], prepared: _Prepared, numbers: tuple[NDArray[np.int16], SmallArray]
) -> KpiFrame:
    """The rows of one sheet, in order of target and time; `numbers` are kind and id of each subject."""
    kpi, members = sheet[0], prepared.members
    atoms = prepared.source(sheet)
    made = atoms
    if len(scene.atoms) != len(scene.periods):
        made = folded(atoms, kpi.terms, np.searchsorted(scene.atoms, scene.periods[:-1]))
    if kpi.family.over_periods is not None:
        made = kpi.family.over_periods(scene, members, sheet, atoms, made)
    kinds, ids = numbers
    offered = np.array([[kind in one.subjects for kind in SubjectKind] for one in sheet])
    kept = members.any_of(scene.alive(members.rows, scene.periods))
    kept &= offered[members.kpi, kinds[members.subject]][:, None]
    target, period = np.nonzero(kept)
    terms = made.terms[target, period]
    figures = kpi.figures(terms)
    profile, total = _coverages(figures, prepared.coverage, target, period)
    reason = _reasons(figures, kpi.gate, scene.level, profile, total)
    flags = made.flags[target, period]
    if figures.lower_bound is not None:
        flags |= np.where(figures.lower_bound, int(Flag.LOWER_BOUND), 0)
    error = np.full(len(target), np.nan)
    if kpi.error is not None and prepared.deviations is not None:
        error = kpi.error(terms, prepared.deviations[target, :, period])
    return KpiFrame(
        level=scene.level,
        kpi=np.array([one.key for one in sheet], dtype=np.str_)[members.kpi[target]],
        subject_kind=kinds[members.subject[target]],
        subject_id=ids[members.subject[target]],
        start_us=scene.periods[period],
        terms=terms,
        measured=figures.measured,
        value=np.where(reason == NullReason.NONE, figures.estimate, np.nan),
        estimate=figures.estimate,
        error=error,
        profile_coverage=profile,
        total_coverage=total,
        estimated_share=figures.estimated_share,
        peak_at_us=made.peak_at_us[target, period],
        reason=reason,
        flags=flags.astype(np.int32),
    )


def _coverages(
    figures: Figures, members: Coverage | None, target: IntArray, period: IntArray
) -> tuple[FloatArray, FloatArray]:
    stated = figures.coverage
    if members is None:
        if stated is None:
            raise InputError("a KPI has neither coverage in its terms nor a coverage of its members")
        return stated, stated
    profile, total = members.profile[target, period], members.total[target, period]
    if stated is None:
        return profile, total
    # Two things must be known (a metered amount, and what it is divided by): the one that is known less decides.
    return np.minimum(profile, stated), np.minimum(total, stated)


def _reasons(figures: Figures, gate: Gate, level: Level, profile: FloatArray, total: FloatArray) -> NDArray[np.int16]:
    """Why there is no value: a side that is not there at all says most, then too little data, then the formula."""
    least = HOUR_GATE if level <= Level.HOUR else DAY_GATE
    share = {Gate.PROFILE: profile, Gate.TOTAL: total}.get(gate)
    short = np.zeros(len(profile), dtype=np.bool_) if share is None else ~(share >= least - ROUNDING)
    short |= np.isnan(figures.estimate) & (figures.reason == NullReason.NONE)
    first = np.isin(figures.reason, (NullReason.INVALID_PAIR, NullReason.NOT_CONFIGURED, NullReason.NO_DENOMINATOR))
    return np.where(short & ~first, np.int16(NullReason.INSUFFICIENT_DATA), figures.reason).astype(np.int16)


def folded(made: Made, terms: tuple[Term, ...], first: IntArray) -> Made:
    """
    The terms of atoms as terms of longer intervals.

    Parameters
    ----------
    made : Made
    terms : tuple of Term
    first : int64 (p,)
        The atom with which each interval begins.
    """
    values = made.terms
    sums = np.full((values.shape[0], len(first), TERMS), np.nan)
    peak_at_us = np.zeros(sums.shape[:2], dtype=np.int64)
    greatest = [place for place, term in enumerate(terms) if term.fold is Fold.MAX]
    at = _first_greatest(values[..., greatest[0]], first) if greatest else None
    for place, term in enumerate(terms):
        if term.fold is Fold.SUM:
            some = np.add.reduceat((~np.isnan(values[..., place])).astype(np.int64), first, axis=1) > 0
            total = np.add.reduceat(np.nan_to_num(values[..., place]), first, axis=1)
            sums[..., place] = np.where(some, total, np.nan)
        elif at is not None:
            sums[..., place] = np.take_along_axis(values[..., place], at, axis=1)
    if at is not None:
        peak_at_us = np.take_along_axis(made.peak_at_us, at, axis=1)
    return Made(terms=sums, peak_at_us=peak_at_us, flags=np.bitwise_or.reduceat(made.flags, first, axis=1))


def _first_greatest(values: FloatArray, first: IntArray) -> IntArray:
    """(t, p) index of the first greatest value of each period; of its first atom where all are NaN."""
    known = np.where(np.isnan(values), -np.inf, values)
    greatest = np.maximum.reduceat(known, first, axis=1)
    sizes = np.diff(np.append(first, values.shape[1]))
    is_greatest = known == np.repeat(greatest, sizes, axis=1)
    index = np.arange(values.shape[1])
    return np.minimum.reduceat(np.where(is_greatest, index, values.shape[1]), first, axis=1)


def _in_order(level: Level, parts: list[KpiFrame]) -> KpiFrame:
    """Parts as one frame, sorted by KPI, subject kind, subject id and time."""
    if not parts:
        return _empty(level)
    frame = joined_kpis(*parts)
    return taken_kpis(frame, np.lexsort((frame.start_us, frame.subject_id, frame.subject_kind, frame.kpi)))


def joined_kpis(*frames: KpiFrame) -> KpiFrame:
    """Frames of one level, one after another; not sorted as one."""
    columns = {name: np.concatenate([getattr(frame, name) for frame in frames]) for name in _COLUMNS}
    return KpiFrame(level=frames[0].level, **columns)


def taken_kpis(frame: KpiFrame, rows: IntArray | NDArray[np.bool_]) -> KpiFrame:
    """Some of the rows of a frame."""
    return KpiFrame(level=frame.level, **{name: getattr(frame, name)[rows] for name in _COLUMNS})


_COLUMNS = tuple(column.name for column in fields(KpiFrame) if column.name != "level")


def _empty(level: Level) -> KpiFrame:
    nothing = np.zeros(0)
    return KpiFrame(
        level=level,
        kpi=nothing.astype(np.str_),
        subject_kind=nothing.astype(np.int16),
        subject_id=nothing.astype(np.int32),
        start_us=nothing.astype(np.int64),
        terms=np.zeros((0, TERMS)),
        measured=nothing,
        value=nothing,
        estimate=nothing,
        error=nothing,
        profile_coverage=nothing,
        total_coverage=nothing,
        estimated_share=nothing,
        peak_at_us=nothing.astype(np.int64),
        reason=nothing.astype(np.int16),
        flags=nothing.astype(np.int32),
    )
