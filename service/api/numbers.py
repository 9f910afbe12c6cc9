"""KPIs of one subject over a range: read where they are stored, else made from amounts with the same pure functions."""

from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import anyio.to_thread
import numpy as np
from psycopg import AsyncConnection

from domain.context import ContextFrame
from domain.frames import AmountFrame, KpiFrame, NullReason, SmallArray, Subject, SubjectKind
from domain.registry import Registry
from domain.time import DAY_US, HOUR_US, SECOND_US, IntArray, Level, level_edges
from kpi.compute import fold_kpis, member_channels, subject_kpis
from kpi.definition import TERMS, Basis, Kpi
from kpi.weights import Weights, trailing_start, trailing_weights, weight_days
from service.api.onreading import NIGHTS, days_with_nights_before, night_step_columns, receipt_columns
from service.api.problem import refused
from service.api.values import KpiColumns
from store.context import read_context_as
from store.queries import StoredAmounts, read_amounts, read_kpis
from store.users import User

__all__ = ["MOST_ROWS", "between", "is_stored", "kpi_columns", "no_rows"]

MOST_ROWS = 1_000_000
"""From how many amounts one answer may be made."""

_STORED = {
    SubjectKind.PARK: frozenset({Level.HOUR, Level.DAY, Level.MONTH, Level.YEAR}),
    SubjectKind.TENANT: frozenset({Level.DAY, Level.MONTH, Level.YEAR}),
    SubjectKind.METER: frozenset[Level](),
}


def is_stored(subject: Subject, level: Level, kpi: Kpi) -> bool:
    """
    Whether the engine keeps these KPIs.

    Those of meters, of tenants' hours, of base intervals and weeks are made on reading, and longer ones that do not fold.
    """
    return kpi.made_of is Basis.AMOUNTS and level in _STORED[subject.kind] and (kpi.folds or level <= Level.DAY)


async def kpi_columns(  # noqa: PLR0917 - who asks for what, of whom, when
    conn: AsyncConnection[Any],
    user: User,
    registry: Registry,
    subject: Subject,
    kpi: Kpi,
    level: Level,
    edges: IntArray,
) -> tuple[KpiColumns, NullReason]:
    """
    The rows there are, and why others are not there.

    Parameters
    ----------
    edges : int64 (n + 1,) [us UTC]
        Of the intervals asked for; n >= 1.

    Raises
    ------
    Problem
        422: the answer would be made from too many amounts.
    """
    start_us, stop_us = int(edges[0]), int(edges[-1])
    channels = member_channels(registry, (subject,), (kpi,))
    if not len(channels):
        return no_rows(level), NullReason.NOT_CONFIGURED
    asked = [(subject.kind.code, subject.id)]
    if kpi.made_of is Basis.NIGHTS:
        days = days_with_nights_before(registry, edges)
        nights = await read_kpis(conn, user.name, [NIGHTS], asked, level, start_us=int(days[0]), stop_us=stop_us)
        return night_step_columns(kpi, nights, days), NullReason.INSUFFICIENT_DATA
    if kpi.made_of is Basis.RECEIPTS:
        received = await receipt_columns(conn, user, registry, subject, kpi, level, edges, channels)
        return received, NullReason.NOT_CONFIGURED
    if is_stored(subject, level, kpi):
        stored = await read_kpis(conn, user.name, [kpi.key], asked, level, start_us=start_us, stop_us=stop_us)
        columns = KpiColumns(
            frame=stored.frame,
            revision=stored.revision,
            computed_at_us=stored.computed_at_us,
            formula_version=stored.formula_version,
            registry_version=stored.registry_version,
        )
        return columns, NullReason.INSUFFICIENT_DATA
    ask = _Ask(conn=conn, user=user, registry=registry, subject=subject, kpi=kpi, channels=channels, level=level)
    if level is Level.WEEK and kpi.folds and subject.kind is not SubjectKind.METER:
        frame, amounts = await _from_days(ask, edges)
    else:
        frame, amounts = await _from_base(ask, edges)
    return _with_origin(between(frame, start_us, stop_us), amounts, edges), NullReason.NOT_CONFIGURED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    conn: AsyncConnection[Any]
    user: User
    registry: Registry
    subject: Subject
    kpi: Kpi
    channels: SmallArray
    level: Level

    async def amounts(self, level: Level, start_us: int, stop_us: int) -> StoredAmounts:
        shortest_us = self.registry.park.base_s * SECOND_US if level is Level.BASE else 23 * HOUR_US
        rows = len(self.channels) * ((stop_us - start_us) // shortest_us)
        if rows > MOST_ROWS:
            days = max(1, MOST_ROWS * shortest_us // (len(self.channels) * DAY_US))
            raise refused(f"the answer would be made from {rows} amounts; ask for at most {days} days at once")
        return await read_amounts(
            self.conn, self.user.name, level, self.channels.tolist(), start_us=start_us, stop_us=stop_us
        )

    async def weights(self, level: Level, start_us: int, stop_us: int) -> Weights:
        days_us = weight_days(self.registry.park, level, start_us, stop_us)
        first_us = trailing_start(self.registry.park, int(days_us[0]))
        days = await self.amounts(Level.DAY, first_us, int(days_us[-1]) + 1)
        return await anyio.to_thread.run_sync(trailing_weights, self.registry, days.frame, days_us)

    async def context(self, start_us: int, stop_us: int) -> ContextFrame:
        return await read_context_as(self.conn, self.user.name, self.registry.park.id, start_us, stop_us)


async def _from_base(ask: _Ask, edges: IntArray) -> tuple[KpiFrame, StoredAmounts]:
    start_us, stop_us = int(edges[0]), int(edges[-1])
    amounts = await ask.amounts(Level.BASE, start_us, stop_us)
    weights = await ask.weights(Level.DAY, start_us, stop_us)
    context = await ask.context(start_us, stop_us)
    make = partial(
        subject_kpis, ask.registry, (ask.subject,), (ask.kpi,), ask.level, start_us, stop_us, amounts.frame, weights
    )
    return await anyio.to_thread.run_sync(partial(make, context=context)), amounts


async def _from_days(ask: _Ask, edges: IntArray) -> tuple[KpiFrame, StoredAmounts]:
    start_us, stop_us = int(edges[0]), int(edges[-1])
    subjects = [(ask.subject.kind.code, ask.subject.id)]
    amounts = await ask.amounts(Level.DAY, start_us, stop_us)
    weights = await ask.weights(ask.level, start_us, stop_us)
    days = await read_kpis(
        ask.conn, ask.user.name, [ask.kpi.key], subjects, Level.DAY, start_us=start_us, stop_us=stop_us
    )
    make = partial(
        fold_kpis,
        ask.registry,
        (ask.subject,),
        (ask.kpi,),
        ask.level,
        start_us,
        stop_us,
        days.frame,
        amounts.frame,
        weights,
    )
    open_day = await _open_day(ask, start_us, stop_us)
    context = await ask.context(start_us, stop_us)
    return await anyio.to_thread.run_sync(partial(make, open_day=open_day, context=context)), amounts


async def _open_day(ask: _Ask, start_us: int, stop_us: int) -> AmountFrame | None:
    """Base amounts of the day that is cut by the park's tick, where it lies in the range."""
    park = ask.registry.park
    if park.ticked_to_us is None or not start_us <= park.ticked_to_us < stop_us:
        return None
    day = level_edges(park.zone, park.base_s, Level.DAY, park.ticked_to_us, park.ticked_to_us + 1)
    return (await ask.amounts(Level.BASE, int(day[0]), int(day[-1]))).frame


def no_rows(level: Level) -> KpiColumns:
    """KPIs of no interval."""
    floats, longs = np.zeros(0), np.zeros(0, dtype=np.int64)
    smalls, shorts = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int16)
    frame = KpiFrame(
        level=level,
        kpi=np.zeros(0, dtype=np.str_),
        subject_kind=shorts,
        subject_id=smalls,
        start_us=longs,
        terms=np.zeros((0, TERMS)),
        measured=floats,
        value=floats,
        estimate=floats,
        error=floats,
        profile_coverage=floats,
        total_coverage=floats,
        estimated_share=floats,
        peak_at_us=longs,
        reason=shorts,
        flags=smalls,
    )
    return KpiColumns(frame=frame, revision=smalls, computed_at_us=longs)


def between(frame: KpiFrame, start_us: int, stop_us: int) -> KpiFrame:
    """The rows of intervals that start in `[start_us, stop_us)`."""
    kept = (frame.start_us >= start_us) & (frame.start_us < stop_us)
    columns = {column.name: getattr(frame, column.name)[kept] for column in fields(KpiFrame) if column.name != "level"}
    return KpiFrame(level=frame.level, **columns)


def _with_origin(frame: KpiFrame, amounts: StoredAmounts, edges: IntArray) -> KpiColumns:
    """What is made on reading is as new, and as often revised, as the newest amount in it."""
    revision = np.zeros(len(edges), dtype=np.int32)
    computed_at_us = np.zeros(len(edges), dtype=np.int64)
    place = np.searchsorted(edges, amounts.frame.start_us, side="right") - 1
    np.maximum.at(revision, place, amounts.revision)
    np.maximum.at(computed_at_us, place, amounts.computed_at_us)
    row = np.searchsorted(edges, frame.start_us)
    return KpiColumns(frame=frame, revision=revision[row], computed_at_us=computed_at_us[row])
