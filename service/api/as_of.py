"""What was known at a moment: numbers computed again, by the same pure functions, from what was recorded by then.

Readings received by then, conflicts known by then, corrections, dated facts of the registry, references and
entered values in force then; final is what was final then. Nothing is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import anyio.from_thread
import anyio.to_thread
import numpy as np
from fastapi import Depends, Query
from psycopg import AsyncConnection

from domain.context import ContextFrame
from domain.corrections import CorrectionTable
from domain.frames import AmountFrame, KpiFrame, NullReason, Readings, SmallArray, Subject, SubjectKind
from domain.quality import Flag
from domain.references import Holidays
from domain.registry import Channel, Registry
from domain.time import DAY_US, SECOND_US, IntArray, Level, base_edges, level_edges
from kpi.amounts import interval_amounts
from kpi.catalogue import for_registry
from kpi.compute import fold_kpis, member_channels, subject_kpis
from kpi.corrections import correcting
from kpi.definition import Basis, Kpi
from kpi.estimates import profiled
from kpi.fold import fold_amounts
from kpi.gather import Load, gather_ranges
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.likedays import Measured
from kpi.nights import step_kpis
from kpi.ranges import Ranges
from kpi.rows import taken_amounts
from kpi.table import ChannelTable
from kpi.weights import Weights, trailing_start, trailing_weights, weight_days
from service.api.numbers import between, no_rows
from service.api.onreading import NIGHTS, days_with_nights_before, receipt_columns, unstored
from service.api.problem import refused
from service.api.ranges import DATE_TIME, instant, now_us
from service.api.values import KpiColumns
from store.context import read_context_as
from store.corrections import read_corrections_of
from store.past import readings_around_then
from store.queries import StoredAmounts, asking, read_registry
from store.users import User

__all__ = ["AsOfQuery", "Past", "past_kpi", "then_final", "without_origin"]

MOST_VALUES = 2_000_000
"""From how many readings and base amounts, taken together, one answer about the past may be made."""


def _as_of(
    as_of: Annotated[
        str | None,
        Query(
            description="Answer from what was recorded by this instant (RFC 3339 with an offset) instead of by now.",
            json_schema_extra=DATE_TIME,
        ),
    ] = None,
) -> int | None:
    if as_of is None:
        return None
    moment_us = instant("as_of", as_of)
    if moment_us > now_us():
        raise refused(f"as_of: {as_of} lies in the future; leave it out for what is known now")
    return moment_us


AsOfQuery = Annotated[int | None, Depends(_as_of)]
"""The moment whose knowledge a request asks for; None: now. [us UTC]"""


def then_final(registry: Registry, as_of_us: int) -> Registry:
    """The registry with the tick of a moment: the last base edge that was final then, and no later than the real one."""
    park = registry.park
    if park.ticked_to_us is None:
        return registry
    over_us = as_of_us - park.lateness_s * SECOND_US
    edge_us = int(base_edges(park.zone, park.base_s, over_us, over_us + 1)[0])
    return replace(registry, park=replace(park, ticked_to_us=min(edge_us, park.ticked_to_us)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One park as it was known at a moment, to one user."""

    conn: AsyncConnection[Any]
    user: User
    registry: Registry
    as_of_us: int

    @classmethod
    async def of(cls, conn: AsyncConnection[Any], user: User, park_key: str, as_of_us: int) -> "Past | None":
        """The park's past; None where there is no such park, or the user may not see it."""
        registry = await read_registry(conn, user.name, park_key, as_of_us=as_of_us)
        if registry is None:
            return None
        return cls(conn=conn, user=user, registry=then_final(registry, as_of_us), as_of_us=as_of_us)

    async def amounts(self, level: Level, channel_ids: Sequence[int], start_us: int, stop_us: int) -> AmountFrame:
        """
        Amounts of intervals that start in `[start_us, stop_us)`, at base level, by the hour, or by the day.

        Parameters
        ----------
        start_us, stop_us : int [us UTC]
            Edges of the level.

        Raises
        ------
        Problem
            422: the answer would be made from too many readings.
        """
        channels = [self.registry.channel_by_id[number] for number in channel_ids]
        self._need_few(channels, start_us, stop_us)
        park, table = self.registry.park, ChannelTable.of(self.registry)
        grid = Grid.of(park)
        first_us, last_us = int(grid.floor(np.array([start_us]))[0]), int(grid.ceil(np.array([stop_us]))[0])
        wanted = Ranges.whole(np.array(sorted(channel_ids), dtype=np.int32), first_us, last_us)
        load = correcting(self._load, self._corrections)
        async with asking(self.conn, self.user.name):
            make = partial(_amounts, level, table, grid, wanted, self.registry.references.holidays, load)
            return await anyio.to_thread.run_sync(make)

    def _need_few(self, channels: Sequence[Channel], start_us: int, stop_us: int) -> None:
        sources = {number for one in channels for number in (one.inputs or (one.id,))}
        a_day = sum(
            DAY_US / (self.registry.channel_by_id[number].interval_s * SECOND_US)
            for number in sources
            if number in self.registry.channel_by_id
        )
        a_day += len(channels) * DAY_US / (self.registry.park.base_s * SECOND_US)
        values = a_day * (stop_us - start_us) / DAY_US
        if values > MOST_VALUES:
            days = int(MOST_VALUES / a_day)
            raise refused(
                f"the answer would be made from about {values:.0f} readings and base amounts of {len(sources)} channels; "
                f"with as_of, ask for {days} days at once at most (the 28 days before, which coverage is weighed by, "
                "included), or for a subject with fewer channels"
            )

    def _load(self, windows: Ranges, margin: int) -> tuple[Readings, BoolArray, BoolArray]:
        spans = (windows.channel_id, windows.from_us, windows.to_us)
        ask = partial(readings_around_then, self.conn, self.user.name, spans, margin, as_of_us=self.as_of_us)
        return anyio.from_thread.run(ask)

    def _corrections(self, channel_ids: SmallArray) -> CorrectionTable:
        return anyio.from_thread.run(
            partial(read_corrections_of, self.conn, self.user.name, channel_ids, as_of_us=self.as_of_us)
        )


def _amounts(  # noqa: PLR0917 - of what, when, from what
    level: Level, table: ChannelTable, grid: Grid, wanted: Ranges, holidays: tuple[Holidays, ...], load: Load
) -> AmountFrame:
    def made(ranges: Ranges) -> tuple[AmountFrame, Readings]:
        readings = gather_ranges(table, grid, ranges, load).readings
        return interval_amounts(table, readings, ranges, grid.zone, grid.base_s), readings

    def measured(ranges: Ranges) -> Measured:
        known, _ = made(ranges)
        return Measured(
            channel_id=known.channel_id, start_us=known.start_us, amount=known.amount, measured_s=known.measured_s
        )

    frame, readings = made(wanted)
    if (frame.flags & int(Flag.ESTIMATED)).any():
        frame = profiled(table, grid, frame, readings, wanted.merged(), holidays, measured)
    # By the hour and on to the day, as the engine folds, so that sums are rounded alike.
    for coarser in (Level.HOUR, Level.DAY):
        if level >= coarser:
            frame = fold_amounts(frame, coarser, grid.zone, grid.base_s)
    return frame


def without_origin(frame: AmountFrame) -> StoredAmounts:
    """Amounts that are stored nowhere: never revised, made at no time."""
    count = len(frame)
    return StoredAmounts(
        frame=frame, revision=np.zeros(count, dtype=np.int32), computed_at_us=np.zeros(count, dtype=np.int64)
    )


async def past_kpi(
    past: Past, subject: Subject, kpi: Kpi, level: Level, edges: IntArray
) -> tuple[KpiColumns, NullReason]:
    """
    As :func:`service.api.numbers.kpi_columns`, from what was known at a moment.

    Raises
    ------
    Problem
        422: the answer would be made from too many readings.
    """
    registry, park = past.registry, past.registry.park
    channels = member_channels(registry, (subject,), (kpi,))
    if not len(channels):
        return no_rows(level), NullReason.NOT_CONFIGURED
    if kpi.made_of is Basis.RECEIPTS:
        received = await receipt_columns(
            past.conn, past.user, registry, subject, kpi, level, edges, channels, as_of_us=past.as_of_us
        )
        return received, NullReason.NOT_CONFIGURED
    if kpi.made_of is Basis.NIGHTS:
        nightly = next(one for one in for_registry(registry) if one.key == NIGHTS)
        days = days_with_nights_before(registry, edges)
        nights, absent = await past_kpi(past, subject, nightly, level, days)
        return unstored(step_kpis(kpi, nights.frame, days[:-1])), absent
    start_us, stop_us = int(edges[0]), int(edges[-1])
    first_us = trailing_start(park, int(weight_days(park, Level.DAY, start_us, stop_us)[0]))
    base = await past.amounts(Level.BASE, channels.tolist(), first_us, stop_us)
    folds = level > Level.DAY and kpi.folds and subject.kind is not SubjectKind.METER
    context = await read_context_as(past.conn, past.user.name, park.id, start_us, stop_us, as_of_us=past.as_of_us)
    make = partial(_folded if folds else _direct, registry, subject, kpi, level, (start_us, stop_us), base, context)
    frame = between(await anyio.to_thread.run_sync(make), start_us, stop_us)
    count = len(frame)
    columns = KpiColumns(
        frame=frame, revision=np.zeros(count, dtype=np.int32), computed_at_us=np.zeros(count, dtype=np.int64)
    )
    return columns, NullReason.INSUFFICIENT_DATA


def _direct(  # noqa: PLR0917 - of whom, what, when, from what
    registry: Registry,
    subject: Subject,
    kpi: Kpi,
    level: Level,
    span: tuple[int, int],
    base: AmountFrame,
    context: ContextFrame,
) -> KpiFrame:
    weights = _weights(registry, Level.DAY, span, _by_day(registry, base))
    return subject_kpis(registry, (subject,), (kpi,), level, *span, base, weights, context=context)


def _folded(  # noqa: PLR0917 - as _direct
    registry: Registry,
    subject: Subject,
    kpi: Kpi,
    level: Level,
    span: tuple[int, int],
    base: AmountFrame,
    context: ContextFrame,
) -> KpiFrame:
    """From KPIs of days, as the engine makes those of longer intervals."""
    park, channel_days = registry.park, _by_day(registry, base)
    days = _direct(registry, subject, kpi, Level.DAY, span, base, context)
    weights = _weights(registry, level, span, channel_days)
    open_day = None
    if park.ticked_to_us is not None and span[0] <= park.ticked_to_us < span[1]:
        first, last = level_edges(park.zone, park.base_s, Level.DAY, park.ticked_to_us, park.ticked_to_us + 1).tolist()
        open_day = _rows(base, first, last)
    channel_days = _rows(channel_days, *span)
    return fold_kpis(
        registry,
        (subject,),
        (kpi,),
        level,
        *span,
        days,
        channel_days,
        weights,
        open_day=open_day,
        context=context,
    )


def _by_day(registry: Registry, base: AmountFrame) -> AmountFrame:
    park = registry.park
    hours = fold_amounts(base, Level.HOUR, park.zone, park.base_s)
    return fold_amounts(hours, Level.DAY, park.zone, park.base_s)


def _weights(registry: Registry, level: Level, span: tuple[int, int], channel_days: AmountFrame) -> Weights:
    days_us = weight_days(registry.park, level, *span)
    first_us = trailing_start(registry.park, int(days_us[0]))
    return trailing_weights(registry, _rows(channel_days, first_us, int(days_us[-1]) + 1), days_us)


def _rows(frame: AmountFrame, start_us: int, stop_us: int) -> AmountFrame:
    """The rows of intervals that start in `[start_us, stop_us)`."""
    kept = (frame.start_us >= start_us) & (frame.start_us < stop_us)
    return taken_amounts(frame, kept)
