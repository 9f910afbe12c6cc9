"""KPIs of intervals, as they are stored or made in the same way, and KPIs of intervals that are cut off at some time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from domain.frames import AmountFrame, FloatArray, KpiFrame, Subject, SubjectKind
from domain.registry import Park, Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.compute import fold_kpis, member_channels, subject_kpis
from kpi.definition import Kpi
from kpi.figures import joined_kpis, numbers_of, taken_kpis
from kpi.nights import RECENT_NIGHTS, USUAL_NIGHTS, step_kpis
from kpi.rows import taken_amounts
from kpi.weights import Weights, trailing_start, trailing_weights, weight_days
from service.engine.inputs import GROWS_BY
from service.engine.signals.asked import Asked
from store.amounts import read_amounts
from store.context import read_context
from store.kpis import read_kpis

__all__ = ["Figures", "figures_of", "figures_so_far"]

_NIGHTS_BEFORE = RECENT_NIGHTS + USUAL_NIGHTS - 1
_NIGHT_FLOW = "night_flow"
_KEPT = {
    SubjectKind.PARK: frozenset({Level.HOUR, Level.DAY, Level.MONTH, Level.YEAR}),
    SubjectKind.TENANT: frozenset({Level.DAY, Level.MONTH, Level.YEAR}),
    SubjectKind.METER: frozenset[Level](),
}
"""Levels at which the engine keeps KPIs; those of others are made."""
_DAYS_AT_ONCE = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """KPIs of subjects in columns, sorted by target and time; (n,) each."""

    kpis: tuple[Kpi, ...]
    subjects: tuple[Subject, ...]
    target: IntArray
    """See :meth:`code`."""
    start_us: IntArray
    """Start of the interval. [us UTC]"""
    at_us: IntArray
    """Its end, or up to where it is known. [us UTC]"""
    added_us: IntArray
    """From where on it says something that the one before did not. [us UTC]"""
    value: FloatArray
    """NaN where it has none. [unit of the KPI]"""
    coverage: FloatArray
    """Share of what was expected that was measured. [0..1]"""

    def code(self, kpi: Kpi, subject: Subject) -> int:
        """What stands for a KPI of a subject in `target`."""
        return self.kpis.index(kpi) * len(self.subjects) + self.subjects.index(subject)


Span = tuple[int, int]
"""First and last moment, the last excluded. [us UTC]"""


def figures_of(
    asked: Asked, kpis: tuple[Kpi, ...], subjects: tuple[Subject, ...], level: Level, ends: Span, *, nights: bool
) -> Figures:
    """KPIs of the intervals of a level that end in a span."""
    park = asked.known.plan.park
    edges = level_edges(park.zone, park.base_s, level, ends[0] - 1, ends[1])
    span = int(edges[0]), int(edges[-1])
    if nights:
        frames = [_steps(asked, kpi, subject, span) for kpi in kpis for subject in subjects]
    else:
        frames = list(_whole(asked, kpis, subjects, level, span))
    return _columns(kpis, subjects, [(frame, None) for frame in frames], edges)


def figures_so_far(
    asked: Asked, kpis: tuple[Kpi, ...], subjects: tuple[Subject, ...], level: Level, ends: Span
) -> Figures:
    """KPIs of the intervals of a level, cut off at each of their parts that ends in a span."""
    park = asked.known.plan.park
    step = GROWS_BY.get(level, Level.DAY)
    cuts = level_edges(park.zone, park.base_s, step, ends[0] - 1, ends[1])[1:]
    edges = level_edges(park.zone, park.base_s, level, ends[0] - 1, ends[1])
    cut_to = cuts[(cuts >= ends[0]) & (cuts < ends[1])]
    period = np.searchsorted(edges, cut_to, side="left") - 1
    parts: list[tuple[KpiFrame, int | None]] = []
    read: _Read | None = None
    for one in np.unique(period).tolist():
        inside = cut_to[period == one].tolist()
        span = int(edges[one]), int(edges[one + 1])
        if read is None or not read.holds(span, inside[-1]):
            # What is shorter than a day is made of the amounts of its local day.
            held = span if level >= Level.DAY else _day_of(park, span[0])
            read = _Read(asked, kpis, subjects, level, held, span[1] if level >= Level.DAY else held[1])
        made = _Period(asked, read, subjects, level, span)
        parts += [(frame, at_us) for at_us in inside for frame in made.up_to(at_us)]
    before = level_edges(park.zone, park.base_s, step, ends[0] - 2 * DAY_US, ends[1])
    return _columns(kpis, subjects, parts, edges, before)


def _columns(
    kpis: tuple[Kpi, ...],
    subjects: tuple[Subject, ...],
    parts: list[tuple[KpiFrame, int | None]],
    edges: IntArray,
    before: IntArray | None = None,
) -> Figures:
    """Rows of some frames, each with the end of its interval or where it was cut off; those of other targets left out."""
    keys = np.array(sorted(kpi.key for kpi in kpis), dtype=np.str_)
    order = np.array([[kpi.key for kpi in kpis].index(key) for key in keys.tolist()], dtype=np.int64)
    kinds, ids = numbers_of(subjects)
    whose = kinds.astype(np.int64) << 32 | ids
    by_code = np.argsort(whose)
    target, start, at, value, coverage = [], [], [], [], []
    for frame, at_us in parts:
        kpi = np.minimum(np.searchsorted(keys, frame.kpi), len(keys) - 1)
        mine = frame.subject_kind.astype(np.int64) << 32 | frame.subject_id
        subject = np.minimum(np.searchsorted(whose[by_code], mine), len(whose) - 1)
        kept = (keys[kpi] == frame.kpi) & (whose[by_code][subject] == mine)
        ends = edges[np.minimum(np.searchsorted(edges, frame.start_us, side="right"), len(edges) - 1)]
        target.append((order[kpi] * len(subjects) + by_code[subject])[kept])
        start.append(frame.start_us[kept])
        at.append((ends if at_us is None else np.full(len(frame), at_us))[kept])
        value.append(frame.value[kept])
        coverage.append(frame.profile_coverage[kept])
    whole, real = np.empty(0, dtype=np.int64), np.empty(0)
    columns = [np.concatenate([whole, *one]) for one in (target, start, at)]
    figures = [np.concatenate([real, *one]) for one in (value, coverage)]
    rows = np.lexsort((columns[2], columns[0]))
    targets, starts, ats = (column[rows] for column in columns)
    added = starts if before is None else before[np.maximum(np.searchsorted(before, ats, side="left") - 1, 0)]
    return Figures(
        kpis=kpis,
        subjects=subjects,
        target=targets,
        start_us=starts,
        at_us=ats,
        added_us=added,
        value=figures[0][rows],
        coverage=figures[1][rows],
    )


def _whole(
    asked: Asked, kpis: tuple[Kpi, ...], subjects: tuple[Subject, ...], level: Level, span: Span
) -> Iterator[KpiFrame]:
    """KPIs of whole intervals in a span, those that are kept as they are stored."""
    folding = tuple(kpi for kpi in kpis if kpi.folds or level <= Level.DAY)
    kept = tuple(one for one in subjects if level in _KEPT[one.kind])
    if kept and folding:
        keys = [kpi.key for kpi in folding]
        yield read_kpis(asked.conn, keys, numbers_of(kept), level, start_us=span[0], stop_us=span[1])
    others = tuple(one for one in subjects if one not in kept)
    rest = tuple(kpi for kpi in kpis if kpi not in folding)
    for whose, which in ((others, folding), (subjects, rest)):
        if whose and which:
            yield from _made(asked, which, whose, level, span)


def _made(
    asked: Asked, kpis: tuple[Kpi, ...], subjects: tuple[Subject, ...], level: Level, span: Span
) -> Iterator[KpiFrame]:
    park = asked.known.plan.park
    whole_days = level <= Level.DAY
    edges = level_edges(park.zone, park.base_s, Level.DAY if whole_days else level, *span)
    step = _DAYS_AT_ONCE if whole_days else 1
    for place in range(0, len(edges) - 1, step):
        start_us, stop_us = int(edges[place]), int(edges[min(place + step, len(edges) - 1)])
        read = _Read(asked, kpis, subjects, level, (start_us, stop_us), stop_us)
        frames = _Period(asked, read, subjects, level, (start_us, stop_us)).up_to(None)
        inside = [(frame.start_us >= span[0]) & (frame.start_us < span[1]) for frame in frames]
        yield from (taken_kpis(frame, np.flatnonzero(kept)) for frame, kept in zip(frames, inside, strict=True))


class _Read:
    """What the KPIs of the intervals in a span are made of, read once."""

    def __init__(  # noqa: PLR0917 - of what, of whom, when
        self, asked: Asked, kpis: tuple[Kpi, ...], subjects: tuple[Subject, ...], level: Level, span: Span, last_us: int
    ) -> None:
        plan = asked.known.plan
        self._span, self._last_us = span, last_us
        self.folded = tuple(kpi for kpi in kpis if level > Level.DAY and kpi.folds)
        self.based = tuple(kpi for kpi in kpis if kpi not in self.folded)
        channels = member_channels(plan.registry, subjects, kpis, tree=plan.tree)
        first_us = trailing_start(plan.park, span[0])
        self.days = read_amounts(asked.conn, Level.DAY, channels, first_us, last_us)
        self.kpi_days: list[KpiFrame] = []
        if self.folded:
            self.kpi_days = list(_whole(asked, self.folded, subjects, Level.DAY, (span[0], last_us)))
        self.base: AmountFrame | None = None
        if self.based:
            self.base = read_amounts(asked.conn, Level.BASE, channels, span[0], last_us)
        self._weights: dict[bytes, Weights] = {}

    def holds(self, span: Span, last_us: int) -> bool:
        """Whether it is all that intervals of a span need, up to a time."""
        return self._span[0] <= span[0] and span[1] <= self._span[1] and last_us <= self._last_us

    def weights(self, registry: Registry, days_us: IntArray) -> Weights:
        """Weights on some local days, all days before which are final."""
        key = days_us.tobytes()
        if key not in self._weights:
            self._weights[key] = trailing_weights(registry, self.days, days_us)
        return self._weights[key]


class _Period:
    """KPIs of some intervals, cut off at any time or not."""

    def __init__(self, asked: Asked, read: _Read, subjects: tuple[Subject, ...], level: Level, span: Span) -> None:
        self._asked, self._read, self._subjects, self._level, self._span = asked, read, subjects, level, span
        self._context = read_context(asked.conn, asked.known.plan.park.id, *span)
        self._base = None if read.base is None else _between(read.base, *span)

    def up_to(self, at_us: int | None) -> list[KpiFrame]:
        """The KPIs, as when the park was ticked up to a time; None: as it is ticked."""
        registry = self._asked.known.plan.registry
        end_us = self._span[1] if at_us is None else at_us
        if at_us is not None:
            registry = replace(registry, park=replace(registry.park, ticked_to_us=at_us))
        frames = []
        if self._base is not None:
            frames.append(self._from_base(registry, self._base, end_us))
        if self._read.folded:
            frames.append(self._from_days(registry, end_us))
        return frames

    def _weights(self, registry: Registry, level: Level, end_us: int) -> Weights:
        days_us = weight_days(registry.park, level, self._span[0], max(end_us, self._span[0] + 1))
        return self._read.weights(registry, days_us)

    def _from_base(self, registry: Registry, base: AmountFrame, end_us: int) -> KpiFrame:
        stop_us = min(end_us, self._span[1])
        weights = self._weights(registry, Level.DAY, self._whole_end(stop_us))
        return subject_kpis(
            *(registry, self._subjects, self._read.based, self._level, self._span[0], stop_us),
            *(_between(base, self._span[0], end_us), weights),
            context=self._context,
            tree=self._asked.known.plan.tree,
        )

    def _whole_end(self, stop_us: int) -> int:
        """The end of the interval that holds what is before a time."""
        park = self._asked.known.plan.park
        return int(level_edges(park.zone, park.base_s, self._level, self._span[0], stop_us)[-1])

    def _from_days(self, registry: Registry, end_us: int) -> KpiFrame:
        days = [taken_kpis(one, np.flatnonzero(one.start_us < end_us)) for one in self._read.kpi_days]
        first_us = int(self._read.days.start_us.min(initial=0))
        return fold_kpis(
            *(registry, self._subjects, self._read.folded, self._level, *self._span),
            *(
                joined_kpis(*days),
                _between(self._read.days, first_us, end_us),
                self._weights(registry, self._level, end_us),
            ),
            context=self._context,
            tree=self._asked.known.plan.tree,
        )


def _day_of(park: Park, instant_us: int) -> Span:
    """The local day that holds an instant. [us UTC]"""
    start, stop = level_edges(park.zone, park.base_s, Level.DAY, instant_us, instant_us + 1).tolist()
    return start, stop


def _between(frame: AmountFrame, start_us: int, end_us: int) -> AmountFrame:
    """The rows that begin in `[start, end)`."""
    kept = np.flatnonzero((frame.start_us >= start_us) & (frame.start_us < end_us))
    if len(kept) == len(frame):
        return frame
    return taken_amounts(frame, kept)


def _steps(asked: Asked, kpi: Kpi, subject: Subject, span: Span) -> KpiFrame:
    """Steps of the night flow, from the stored nights up to each."""
    park = asked.known.plan.park
    days = level_edges(park.zone, park.base_s, Level.DAY, span[0] - (_NIGHTS_BEFORE + 2) * DAY_US, span[1])
    count = int((days >= span[0]).sum()) + _NIGHTS_BEFORE
    days = days[-count:]
    nights = read_kpis(
        asked.conn, [_NIGHT_FLOW], numbers_of((subject,)), Level.DAY, start_us=int(days[0]), stop_us=span[1]
    )
    return step_kpis(kpi, nights, days[:-1])
