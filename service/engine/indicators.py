"""From changed amounts to the stored KPIs of tenants and the park: hours, days, months, years."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from psycopg import Connection

from domain.frames import AmountFrame, KpiFrame, SmallArray, Subject, SubjectKind
from domain.registry import Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.atoms import Atoms, subject_codes
from kpi.coarse import Coarse, coarse_day, joined_coarse
from kpi.compute import day_kpis, fold_kpis, member_channels, subject_kpis
from kpi.definition import Kpi
from kpi.figures import joined_kpis, numbers_of, taken_kpis
from kpi.weights import Weights, trailing_start, trailing_weights, weight_days
from service.engine.kept import Kept
from service.engine.known import Known, Stamp
from service.engine.touched import Hours, park_only
from store.behind import behind
from store.closing import adjust_closed
from store.kpis import write_kpis

__all__ = ["fold_period", "recompute_kpis", "trailing_days"]

_DAYS_AT_ONCE = 31
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What the steps of one cycle share."""

    conn: Connection[Any]
    known: Known
    subjects: tuple[Subject, ...]
    """Those that the KPIs of the subjects are made of."""
    stamp: Stamp
    coarse: dict[tuple[int, int], Coarse]
    """Already made, by their ends."""

    @property
    def registry(self) -> Registry:
        return self.known.plan.registry

    @cached_property
    def channels(self) -> SmallArray:
        """What the KPIs of the subjects are made of; open days, whose weights are known, do without."""
        plan = self.known.plan
        if len(self.subjects) == len(plan.subjects):
            return plan.members
        return member_channels(plan.registry, self.subjects, plan.kpis, tree=plan.tree)

    @property
    def park_id(self) -> int:
        return self.known.plan.park.id


def recompute_kpis(  # noqa: PLR0917 - of whom, when, at which levels
    conn: Connection[Any],
    known: Known,
    subjects: tuple[Subject, ...],
    days_us: IntArray,
    levels: tuple[Level, ...],
    stamp: Stamp,
    *,
    hours: Hours | None = None,
) -> None:
    """
    Compute the stored KPIs of some subjects on some local days, and of the longer intervals that hold these.

    Parameters
    ----------
    days_us : int64 (n,) [us UTC]
        Starts of local days, in order.
    levels : tuple of Level
        The longer ones to fold: MONTH, YEAR.
    hours : Hours, optional
        Where amounts changed, if nothing else did; None: anything may be different.
    """
    if not len(days_us):
        return
    plan = known.plan
    work = _Work(conn=conn, known=known, subjects=subjects, stamp=stamp, coarse={})
    for start_us, stop_us in _runs(work, days_us):
        if start_us >= known.earliest_us:
            _open(work, start_us, stop_us, hours)
        else:
            base = known.base_amounts(conn, work.channels, start_us, stop_us)
            weights = _weights(work, Level.DAY, start_us, stop_us)
            # Hours of a tenant are made when asked for, from its few channels; those of the park take all channels.
            for level, whose in ((Level.HOUR, park_only(plan.registry)), (Level.DAY, subjects)):
                frame = _made(work, whose, plan.kpis, level, start_us, stop_us, base, weights)
                _write(work, frame, whose, start_us, stop_us)
    _fold_periods(work, days_us, levels)


def fold_period(conn: Connection[Any], known: Known, level: Level, period: tuple[int, int], stamp: Stamp) -> None:
    """Fold a month or year of everybody, whose local days' own KPIs are made."""
    work = _Work(conn=conn, known=known, subjects=known.plan.subjects, stamp=stamp, coarse={})
    _fold(work, level, period)
    adjust_closed(conn, work.park_id, *period)


def trailing_days(known: Known, level: Level, start_us: int, stop_us: int) -> tuple[int, int]:
    """From when to when amounts by day weigh in some intervals. [us UTC]"""
    park = known.plan.park
    days = weight_days(park, level, start_us, stop_us)
    # A local day is at most 25 hours long.
    return trailing_start(park, int(days[0])), int(days[-1]) + DAY_US


def _fold_periods(work: _Work, days_us: IntArray, levels: tuple[Level, ...]) -> None:
    for level in levels:
        for period in _periods(work.registry, level, days_us):
            _fold(work, level, period)
    adjust_closed(work.conn, work.park_id, int(days_us[0]), int(days_us[-1]) + 1)


def _open(work: _Work, start_us: int, stop_us: int, hours: Hours | None) -> None:
    """The hours and the day of a local day whose amounts are kept; as far as they can be different."""
    known, plan = work.known, work.known.plan
    weights = _weights(work, Level.DAY, start_us, stop_us)
    atoms = known.hours_of(start_us)
    # An hour is made of its own amounts, and of how much each channel weighs on that day.
    same = known.same_weights(start_us, weights)
    changed, whose = (start_us, stop_us), work.subjects
    if atoms is None or not same:
        whose = plan.subjects
    elif hours is not None:
        inside = hours.on(start_us, stop_us)
        if inside is None:
            return
        changed = inside
    if atoms is None:
        atoms = Atoms.empty(plan.by_hours[0], whose, _edges(work, Level.HOUR, start_us, stop_us)[:-1])
        known.keep_hours(start_us, atoms)
    kept = known.day(work.conn, Level.BASE, start_us, stop_us)
    edges = _edges(work, Level.HOUR, start_us, stop_us)
    first = int(edges[np.searchsorted(edges, changed[0], side="right") - 1])
    last = int(edges[np.searchsorted(edges, changed[1], side="left")])
    frame = _made(work, whose, plan.kpis, Level.HOUR, first, last, kept.between(first, last), weights)
    atoms.put(frame, _codes(whose), first, last)
    # Hours of a tenant are made when asked for, from its few channels; those of the park take all channels.
    of_park = frame.subject_kind == SubjectKind.PARK.code
    _write(work, taken_kpis(frame, of_park), park_only(work.registry), first, last)
    _open_days(work, start_us, stop_us, atoms, kept, weights)


def _open_days(  # noqa: PLR0917 - of what, when, from what
    work: _Work, start_us: int, stop_us: int, hours: Atoms, kept: Kept, weights: Weights
) -> None:
    """A local day from the terms of its hours, and what does not follow from them from base amounts."""
    plan = work.known.plan
    summed, others = plan.by_hours
    if _is_cut(plan.boundaries, start_us, stop_us):
        summed, others = (), summed + others
    frames = [_made(work, work.subjects, others, Level.DAY, start_us, stop_us, kept.frame(), weights)]
    if summed:
        context = work.known.context(work.conn, start_us, stop_us)
        coarse = _coarse_day(work, start_us, stop_us)
        frames.append(
            day_kpis(
                *(plan.registry, work.subjects, summed, start_us, stop_us, hours, coarse, weights),
                context=context,
                tree=plan.tree,
            )
        )
    _write(work, joined_kpis(*frames), work.subjects, start_us, stop_us)


def _is_cut(boundaries: IntArray, start_us: int, stop_us: int) -> bool:
    """Whether anything that decides who counts begins or ends inside."""
    first, last = np.searchsorted(boundaries, [start_us, stop_us - 1], side="right")
    return bool(first < last)


def _coarse_day(work: _Work, start_us: int, stop_us: int) -> Coarse:
    key = start_us, stop_us
    if key not in work.coarse:
        plan, known = work.known.plan, work.known
        hours, base = (known.day(work.conn, level, start_us, stop_us).frame() for level in (Level.HOUR, Level.BASE))
        work.coarse[key] = coarse_day(plan.park, plan.boundaries, hours, base, start_us, stop_us)
    return work.coarse[key]


def _coarse(work: _Work, start_us: int, stop_us: int) -> Coarse:
    """Amounts over a month or year in few cells."""
    ticked_us, known = work.known.plan.park.ticked_to_us, work.known
    if ticked_us is None or not start_us <= ticked_us < stop_us:
        return joined_coarse(*known.coarse_days(work.conn, start_us, stop_us))
    first, last = _edges(work, Level.DAY, ticked_us, ticked_us + 1).tolist()
    before = known.coarse_days(work.conn, start_us, first) if start_us < first else []
    after = known.coarse_days(work.conn, last, stop_us) if last < stop_us else []
    return joined_coarse(*before, _coarse_day(work, first, last), *after)


def _edges(work: _Work, level: Level, start_us: int, stop_us: int) -> IntArray:
    park = work.known.plan.park
    return level_edges(park.zone, park.base_s, level, start_us, stop_us)


def _made(  # noqa: PLR0917 - of whom, what, when, from what
    work: _Work,
    subjects: tuple[Subject, ...],
    kpis: tuple[Kpi, ...],
    level: Level,
    start_us: int,
    stop_us: int,
    base: AmountFrame,
    weights: Weights,
) -> KpiFrame:
    plan, context = work.known.plan, work.known.context(work.conn, start_us, stop_us)
    return subject_kpis(
        plan.registry, subjects, kpis, level, start_us, stop_us, base, weights, context=context, tree=plan.tree
    )


def _fold(work: _Work, level: Level, period: tuple[int, int]) -> None:
    start_us, stop_us = period
    known, plan = work.known, work.known.plan
    frame = fold_kpis(
        plan.registry,
        work.subjects,
        plan.kpis,
        level,
        start_us,
        stop_us,
        known.years.of(work.conn, start_us, stop_us),
        _coarse(work, start_us, stop_us),
        _weights(work, level, start_us, stop_us),
        context=known.context(work.conn, start_us, stop_us),
        tree=plan.tree,
    )
    _write(work, frame, work.subjects, start_us, stop_us)


def _weights(work: _Work, level: Level, start_us: int, stop_us: int) -> Weights:
    park = work.known.plan.park
    days = weight_days(park, level, start_us, stop_us)

    def made() -> Weights:
        channel_days = work.known.days(work.conn, work.channels, *trailing_days(work.known, level, start_us, stop_us))
        return trailing_weights(work.registry, channel_days, days)

    return work.known.weights(days, made)


def _write(work: _Work, frame: KpiFrame, subjects: tuple[Subject, ...], start_us: int, stop_us: int) -> None:
    known, plan = work.known, work.known.plan
    kinds, ids = numbers_of(subjects)
    if frame.level is Level.DAY:
        known.years.note(frame, subject_codes(kinds, ids), start_us, stop_us)
    changed = known.changed_kpis(frame, kinds.tobytes() + ids.tobytes(), start_us, stop_us)
    if changed is not None:
        # Each row is stored, so that none has to be looked for in vain.
        frame, kinds, ids = taken_kpis(frame, changed), kinds[:0], ids[:0]
    count = len(ids)
    behind(
        work.conn,
        write_kpis,
        work.conn,
        plan.park.id,
        frame,
        (kinds, ids, np.full(count, start_us, dtype=np.int64), np.full(count, stop_us, dtype=np.int64)),
        formula_versions={kpi.key: kpi.version for kpi in plan.kpis},
        registry_version=plan.park.version,
        computed_at_us=work.stamp.computed_at_us,
        ticked_to_us=work.stamp.ticked_to_us,
    )


def _codes(subjects: tuple[Subject, ...]) -> IntArray:
    return subject_codes(*numbers_of(subjects))


def _runs(work: _Work, days_us: IntArray) -> Iterator[tuple[int, int]]:
    """Neighbouring days together, as many as memory allows, days that are kept by themselves: (start, stop)."""
    known, park = work.known, work.known.plan.park
    channels = len(work.channels) if days_us[0] < known.earliest_us else 0
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(days_us[0]), int(days_us[-1]) + 1)
    place = np.searchsorted(edges, days_us)
    longest = max(1, min(_DAYS_AT_ONCE, _CELLS_AT_ONCE // max(1, channels * (86_400 // park.base_s))))
    begin = 0
    for index in range(1, len(place) + 1):
        apart = index == len(place) or place[index] != place[index - 1] + 1 or days_us[index] >= known.earliest_us
        if apart or index - begin == longest:
            yield int(edges[place[begin]]), int(edges[place[index - 1] + 1])
            begin = index


def _periods(registry: Registry, level: Level, days_us: IntArray) -> list[tuple[int, int]]:
    """The months or years that hold any of some days: (start, stop)."""
    park = registry.park
    edges = level_edges(park.zone, park.base_s, level, int(days_us[0]), int(days_us[-1]) + 1)
    place = np.unique(np.searchsorted(edges, days_us, side="right") - 1)
    return list(zip(edges[place].tolist(), edges[place + 1].tolist(), strict=True))
