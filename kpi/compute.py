"""KPIs of many subjects at once: from base amounts, or folded from stored days."""

import numpy as np

from domain.context import ContextFrame, no_context
from domain.errors import InputError
from domain.frames import AmountFrame, KpiFrame, SmallArray, Subject
from domain.registry import Registry
from domain.time import IntArray, Level, base_edges, level_edges
from kpi.atoms import Atoms, subject_codes
from kpi.block import Block, Scene, ticked_edge
from kpi.coarse import Coarse
from kpi.definition import Family, Kpi
from kpi.figures import Source, all_figures, folded, members_of, numbers_of, sheets
from kpi.members import Members
from kpi.rows import AMOUNT_COLUMNS
from kpi.tree import Tree
from kpi.weights import Weights

__all__ = ["day_kpis", "fold_kpis", "from_hours", "member_channels", "subject_kpis"]


def subject_kpis(  # noqa: PLR0917 - of what, of whom, when, from what
    registry: Registry,
    subjects: tuple[Subject, ...],
    kpis: tuple[Kpi, ...],
    level: Level,
    start_us: int,
    stop_us: int,
    base: AmountFrame,
    weights: Weights | None = None,
    *,
    context: ContextFrame | None = None,
    tree: Tree | None = None,
) -> KpiFrame:
    """
    KPIs of subjects at any level, from base amounts.

    A row is there for every subject that has members of the KPI in the interval, by the lives of channel, meter and
    tenant, whether anything was measured or not. No row means `not_configured`: the subject had nothing of it then. A KPI
    that is not made for the level or the kind of subject has no rows either.

    Parameters
    ----------
    registry : Registry
        Its park's `ticked_to_us` says up to when readings were expected.
    subjects : tuple of Subject
        Of this park; one that it does not know has no rows.
    kpis : tuple of Kpi
        See :func:`kpi.catalogue.for_registry`.
    level : Level
    start_us, stop_us : int [us UTC]
        All intervals of the level that cover `[start, stop)` are computed, each whole.
    base : AmountFrame
        Level BASE; all rows of :func:`member_channels` in those intervals. Rows of other channels and times are ignored.
    weights : Weights, optional
        For the days of `weight_days(park, Level.DAY, start, stop)` over the whole intervals; None: members count the same.
    context : ContextFrame, optional
        Entered values that overlap the intervals; None: nothing was entered.
    tree : Tree, optional
        That of the registry, where it is at hand.

    Returns
    -------
    KpiFrame

    Raises
    ------
    InputError
        The amounts are not of base intervals of this park, or weights of a day are missing.
    """
    _check_level(base.level, Level.BASE)
    park = registry.park
    periods = level_edges(park.zone, park.base_s, level, start_us, stop_us)
    span = int(periods[0]), int(periods[-1])
    scene = Scene(
        registry=registry,
        tree=Tree.of(registry) if tree is None else tree,
        level=level,
        subjects=tuple(dict.fromkeys(subjects)),
        frame=base,
        cells=level_edges(park.zone, park.base_s, Level.BASE, *span),
        atoms=level_edges(park.zone, park.base_s, min(level, Level.DAY), *span),
        periods=periods,
        ticked_us=ticked_edge(park),
        weights=weights,
        context=no_context() if context is None else context,
    )

    def from_base(family: Family, block: Block, members: Members) -> Source:
        terms = family.terms(scene, block, members)
        return lambda _: terms

    return all_figures(scene, kpis, from_base)


def fold_kpis(  # noqa: PLR0917 - as subject_kpis
    registry: Registry,
    subjects: tuple[Subject, ...],
    kpis: tuple[Kpi, ...],
    level: Level,
    start_us: int,
    stop_us: int,
    days: KpiFrame | Atoms,
    channel_days: AmountFrame | Coarse,
    weights: Weights | None = None,
    *,
    open_day: AmountFrame | None = None,
    context: ContextFrame | None = None,
    tree: Tree | None = None,
) -> KpiFrame:
    """
    KPIs of a week, month or year from the stored KPIs of its days; the same numbers as from base amounts.

    Terms are folded from `days`, coverage and error bands come from `channel_days`, so that a gap that begins on one
    day and ends on another is closed, and members are weighed as at the end of the period. Rows as in
    :func:`subject_kpis`, but none of KPIs that do not fold.

    Parameters
    ----------
    registry, subjects, kpis
        As in :func:`subject_kpis`.
    level : Level
        WEEK, MONTH or YEAR.
    start_us, stop_us : int [us UTC]
        All intervals of the level that cover `[start, stop)` are computed, each whole.
    days : KpiFrame or Atoms
        Level DAY; the rows of the subjects and KPIs in those intervals. Others are ignored.
    channel_days : AmountFrame or Coarse
        Level DAY; the rows of :func:`member_channels` in those intervals. Coarse: cut at the tick, without `open_day`.
    weights : Weights, optional
        For the days of `weight_days(park, level, start, stop)`; None: members count the same.
    open_day : AmountFrame, optional
        Base amounts of the local day in which `ticked_to_us` lies. Its rows in `channel_days` do not tell what was
        measured before the tick from what was measured after; without `open_day` the earlier part is taken as
        measured as far as the whole would fill it.
    context : ContextFrame, optional
    tree : Tree, optional
        As in :func:`subject_kpis`.

    Raises
    ------
    InputError
        A level that is not folded, frames of another level, or weights of a day that are missing.
    """
    if level < Level.WEEK:
        raise InputError(f"level {level.key} is not folded from days; compute it from base amounts")
    park = registry.park
    periods = level_edges(park.zone, park.base_s, level, start_us, stop_us)
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(periods[0]), int(periods[-1]))
    if isinstance(channel_days, Coarse):
        frame, cells = channel_days.frame, channel_days.cells
    else:
        _check_level(channel_days.level, Level.DAY)
        frame, cells = channel_days, edges
    if open_day is not None:
        _check_level(open_day.level, Level.BASE)
        frame, cells = _opened(registry, edges, frame, open_day)
    scene = Scene(
        registry=registry,
        tree=Tree.of(registry) if tree is None else tree,
        level=level,
        subjects=tuple(dict.fromkeys(subjects)),
        frame=frame,
        cells=cells,
        atoms=edges,
        periods=periods,
        ticked_us=ticked_edge(park),
        weights=weights,
        context=no_context() if context is None else context,
    )
    stored = days if isinstance(days, Atoms) else _atoms_of(days, scene, kpis)
    codes = subject_codes(*numbers_of(scene.subjects))

    def from_days(_: Family, __: Block, members: Members) -> Source:
        return lambda sheet: stored.made(sheet, members, codes, edges[:-1])

    return all_figures(scene, tuple(kpi for kpi in kpis if kpi.folds), from_days)


def day_kpis(  # noqa: PLR0917 - as subject_kpis
    registry: Registry,
    subjects: tuple[Subject, ...],
    kpis: tuple[Kpi, ...],
    start_us: int,
    stop_us: int,
    hours: Atoms,
    coarse: Coarse,
    weights: Weights,
    *,
    context: ContextFrame | None = None,
    tree: Tree | None = None,
) -> KpiFrame:
    """
    KPIs of one local day from the terms of its hours; the same numbers as from base amounts.

    Parameters
    ----------
    registry, subjects, kpis
        As in :func:`subject_kpis`; only KPIs of which :func:`from_hours` is so.
    start_us, stop_us : int [us UTC]
        The local day.
    hours : Atoms
        Terms of these KPIs of these subjects over the hours of the day.
    coarse : Coarse
        Amounts of :func:`member_channels` over the day.
    weights, context, tree
        As in :func:`subject_kpis`.
    """
    park = registry.park
    day = np.array([start_us, stop_us])
    hourly = level_edges(park.zone, park.base_s, Level.HOUR, start_us, stop_us)
    scene = Scene(
        registry=registry,
        tree=Tree.of(registry) if tree is None else tree,
        level=Level.DAY,
        subjects=tuple(dict.fromkeys(subjects)),
        frame=coarse.frame,
        cells=coarse.cells,
        atoms=day,
        periods=day,
        ticked_us=ticked_edge(park),
        weights=weights,
        context=no_context() if context is None else context,
    )

    codes = subject_codes(*numbers_of(scene.subjects))

    def of_hours(_: Family, __: Block, members: Members) -> Source:
        return lambda sheet: folded(
            hours.made(sheet, members, codes, hourly[:-1]), sheet[0].terms, np.zeros(1, dtype=np.int64)
        )

    return all_figures(scene, kpis, of_hours)


def from_hours(kpi: Kpi) -> bool:
    """Whether the terms of a day on which nobody comes or goes follow from those of its hours."""
    return kpi.folds and kpi.family.by_hours and Level.HOUR in kpi.levels


def _atoms_of(days: KpiFrame, scene: Scene, kpis: tuple[Kpi, ...]) -> Atoms:
    _check_level(days.level, Level.DAY)
    stored = Atoms.empty(kpis, scene.subjects, scene.atoms[:-1])
    stored.put(days, stored.subjects, int(scene.atoms[0]), int(scene.atoms[-1]))
    return stored


def member_channels(
    registry: Registry, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...], *, tree: Tree | None = None
) -> SmallArray:
    """Ids of the channels whose amounts these KPIs of these subjects need, in order."""
    tree = Tree.of(registry) if tree is None else tree
    whose = b"".join(column.tobytes() for column in numbers_of(subjects))
    needed = [np.zeros(0, dtype=np.int64)]
    for family, sheet in sheets(kpis):
        members = members_of(registry, tree, subjects, whose, family, sheet)
        if members is not None:
            needed.append(members.rows.channel)
            needed.append(np.zeros(0, dtype=np.int64) if family.also is None else family.also(tree, members))
    places = np.unique(np.concatenate(needed))
    return tree.channel_id[places[places >= 0]]


def _check_level(found: Level, wanted: Level) -> None:
    if found is not wanted:
        raise InputError(f"rows of level {found.key} were given where those of level {wanted.key} are needed")


def _opened(
    registry: Registry, days: IntArray, channel_days: AmountFrame, open_day: AmountFrame
) -> tuple[AmountFrame, IntArray]:
    """Amounts of days, but of base intervals on the day that is cut by the tick; and the edges of all of them."""
    park, ticked_us = registry.park, ticked_edge(registry.park)
    cut = int(np.searchsorted(days, ticked_us, side="right")) - 1
    if not 0 <= cut < len(days) - 1 or days[cut] == ticked_us:
        return channel_days, days
    start_us, stop_us = int(days[cut]), int(days[cut + 1])
    whole = channel_days.start_us != start_us
    inside = (open_day.start_us >= start_us) & (open_day.start_us < stop_us)
    columns = {
        name: np.concatenate([getattr(channel_days, name)[whole], getattr(open_day, name)[inside]])
        for name in AMOUNT_COLUMNS
    }
    order = np.lexsort((columns["start_us"], columns["channel_id"]))
    frame = AmountFrame(level=Level.DAY, **{name: column[order] for name, column in columns.items()})
    inner = base_edges(park.zone, park.base_s, start_us, stop_us)
    return frame, np.concatenate([days[:cut], inner, days[cut + 2 :]])
