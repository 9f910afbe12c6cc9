"""From changed amounts to the stored KPIs of tenants and the park: hours, days, months, years."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from domain.frames import AmountFrame, KpiFrame, SmallArray, Subject, SubjectKind
from domain.quantities import QUANTITIES
from domain.registry import Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.catalogue import for_registry
from kpi.compute import fold_kpis, member_channels, subject_kpis
from kpi.definition import Kpi
from kpi.weights import TRAILING_DAYS, Weights, trailing_start, trailing_weights, weight_days
from service.engine.amounts import Days, Stamp
from store.amounts import read_amounts
from store.closing import adjust_closed
from store.kpis import read_kpis, write_kpis

__all__ = ["recompute_kpis", "touched_days"]

_DAYS_AT_ONCE = 31
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the steps of one cycle share."""

    conn: Connection[Any]
    registry: Registry
    kpis: tuple[Kpi, ...]
    stamp: Stamp


def park_only(registry: Registry) -> tuple[Subject, ...]:
    """The park itself."""
    return (Subject(kind=SubjectKind.PARK, id=registry.park.id),)


def all_subjects(registry: Registry) -> tuple[Subject, ...]:
    """The park and its tenants: those whose KPIs are stored."""
    return (*park_only(registry), *(Subject(kind=SubjectKind.TENANT, id=tenant.id) for tenant in registry.tenants))


def subjects_of(registry: Registry, channel_ids: SmallArray) -> tuple[Subject, ...]:
    """The park and those tenants that own any of some channels."""
    owners = {
        registry.meter_by_id[registry.channel_by_id[channel].meter_id].tenant_id
        for channel in np.unique(channel_ids).tolist()
    }
    return (*park_only(registry), *(Subject(kind=SubjectKind.TENANT, id=tenant) for tenant in sorted(owners)))


def touched_days(registry: Registry, days: Days, ticked: tuple[int, int] | None) -> IntArray:
    """
    Starts of the local days whose KPIs may have changed, in order. [us UTC]

    A day's amounts weigh in the coverage of the 27 days after it, as far as there are any by now, where
    channels are weighed against each other: one that is alone in the park with what it measures has no peer.

    Parameters
    ----------
    ticked : (from, to) or None
        What the tick of this cycle made final. [us UTC]
    """
    park = registry.park
    wanted = [days.day_us]
    weighed = days.day_us[np.isin(days.channel_id, _with_peers(registry))]
    if len(weighed):
        latest = max(int(days.day_us.max()), park.ticked_to_us or 0)
        edges = level_edges(park.zone, park.base_s, Level.DAY, int(weighed.min()), latest + 1)
        place = np.unique(np.searchsorted(edges, weighed))
        after = (place[:, None] + np.arange(TRAILING_DAYS)).ravel()
        wanted.append(edges[:-1][np.unique(after[after < len(edges) - 1])])
    if ticked is not None and ticked[0] < ticked[1]:
        wanted.append(level_edges(park.zone, park.base_s, Level.DAY, *ticked)[:-1])
    return np.unique(np.concatenate(wanted))


def _with_peers(registry: Registry) -> SmallArray:
    """Channels that stand in sums with others of the park: those whose amounts are in the same unit."""
    by_unit: dict[str, list[int]] = {}
    for channel in registry.channels:
        unit = QUANTITIES[channel.quantity].integral or channel.unit
        by_unit.setdefault(unit, []).append(channel.id)
    return np.array([one for ids in by_unit.values() if len(ids) > 1 for one in ids], dtype=np.int32)


def recompute_kpis(  # noqa: PLR0917 - of whom, when, at which levels
    conn: Connection[Any],
    registry: Registry,
    subjects: tuple[Subject, ...],
    days_us: IntArray,
    levels: tuple[Level, ...],
    stamp: Stamp,
) -> None:
    """
    Compute the stored KPIs of some subjects on some local days, and of the longer intervals that hold these.

    Parameters
    ----------
    days_us : int64 (n,) [us UTC]
        Starts of local days, in order.
    levels : tuple of Level
        The longer ones to fold: MONTH, YEAR.
    """
    if not len(days_us):
        return
    work = _Work(conn=conn, registry=registry, kpis=for_registry(registry), stamp=stamp)
    channels = member_channels(registry, subjects, work.kpis)
    for start_us, stop_us in _runs(registry, days_us, len(channels)):
        base = read_amounts(conn, Level.BASE, channels, start_us, stop_us)
        weights = _weights(work, channels, Level.DAY, start_us, stop_us)
        # Hours of a tenant are made when asked for, from its few channels; those of the park take all channels.
        for level, whose in ((Level.HOUR, park_only(registry)), (Level.DAY, subjects)):
            frame = subject_kpis(registry, whose, work.kpis, level, start_us, stop_us, base, weights)
            _write(work, frame, whose, start_us, stop_us)
    for level in levels:
        for period in _periods(registry, level, days_us):
            _fold(work, subjects, channels, level, period)
    adjust_closed(conn, registry.park.id, int(days_us[0]), int(days_us[-1]) + 1)


def _fold(
    work: _Work, subjects: tuple[Subject, ...], channels: SmallArray, level: Level, period: tuple[int, int]
) -> None:
    start_us, stop_us = period
    kinds = np.array([subject.kind.code for subject in subjects], dtype=np.int16)
    ids = np.array([subject.id for subject in subjects], dtype=np.int32)
    keys = [kpi.key for kpi in work.kpis]
    days = read_kpis(work.conn, keys, (kinds, ids), Level.DAY, start_us=start_us, stop_us=stop_us)
    channel_days = read_amounts(work.conn, Level.DAY, channels, start_us, stop_us)
    frame = fold_kpis(
        work.registry,
        subjects,
        work.kpis,
        level,
        start_us,
        stop_us,
        days,
        channel_days,
        _weights(work, channels, level, start_us, stop_us),
        open_day=_open_day(work, channels, start_us, stop_us),
    )
    _write(work, frame, subjects, start_us, stop_us)


def _open_day(work: _Work, channels: SmallArray, start_us: int, stop_us: int) -> AmountFrame | None:
    """Base amounts of the day in which the tick lies, where that day is inside the period."""
    park = work.registry.park
    if park.ticked_to_us is None or not start_us <= park.ticked_to_us < stop_us:
        return None
    first, last = level_edges(park.zone, park.base_s, Level.DAY, park.ticked_to_us, park.ticked_to_us + 1).tolist()
    return read_amounts(work.conn, Level.BASE, channels, first, last)


def _weights(work: _Work, channels: SmallArray, level: Level, start_us: int, stop_us: int) -> Weights:
    park = work.registry.park
    days = weight_days(park, level, start_us, stop_us)
    first = trailing_start(park, int(days[0]))
    # A local day is at most 25 hours long.
    channel_days = read_amounts(work.conn, Level.DAY, channels, first, int(days[-1]) + DAY_US)
    return trailing_weights(work.registry, channel_days, days)


def _write(work: _Work, frame: KpiFrame, subjects: tuple[Subject, ...], start_us: int, stop_us: int) -> None:
    count = len(subjects)
    write_kpis(
        work.conn,
        work.registry.park.id,
        frame,
        (
            np.array([subject.kind.code for subject in subjects], dtype=np.int16),
            np.array([subject.id for subject in subjects], dtype=np.int32),
            np.full(count, start_us, dtype=np.int64),
            np.full(count, stop_us, dtype=np.int64),
        ),
        formula_versions={kpi.key: kpi.version for kpi in work.kpis},
        registry_version=work.registry.park.version,
        computed_at_us=work.stamp.computed_at_us,
        ticked_to_us=work.stamp.ticked_to_us,
    )


def _runs(registry: Registry, days_us: IntArray, channels: int) -> Iterator[tuple[int, int]]:
    """Neighbouring days together, as many as memory allows: (start, stop)."""
    park = registry.park
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(days_us[0]), int(days_us[-1]) + 1)
    place = np.searchsorted(edges, days_us)
    longest = max(1, min(_DAYS_AT_ONCE, _CELLS_AT_ONCE // max(1, channels * (86_400 // park.base_s))))
    begin = 0
    for index in range(1, len(place) + 1):
        if index == len(place) or place[index] != place[index - 1] + 1 or index - begin == longest:
            yield int(edges[place[begin]]), int(edges[place[index - 1] + 1])
            begin = index


def _periods(registry: Registry, level: Level, days_us: IntArray) -> list[tuple[int, int]]:
    """The months or years that hold any of some days: (start, stop)."""
    park = registry.park
    edges = level_edges(park.zone, park.base_s, level, int(days_us[0]), int(days_us[-1]) + 1)
    place = np.unique(np.searchsorted(edges, days_us, side="right") - 1)
    return list(zip(edges[place].tolist(), edges[place + 1].tolist(), strict=True))
