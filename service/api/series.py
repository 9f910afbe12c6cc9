"""Readings, amounts and KPIs as tables of any length, made in pieces of time; each row names its unit and where it is from."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import anyio.to_thread
from pydantic import BaseModel

from domain.registry import Channel, Registry
from domain.time import DAY_US, SECOND_US, IntArray, Level
from kpi.compute import member_channels
from kpi.definition import Basis, Kpi
from service.api.amounts import amount_values, folded
from service.api.as_of import Past, past_kpi, without_origin
from service.api.corrected import ShownReadings
from service.api.forms import Piece, Table
from service.api.models import AmountValue, KpiValue, ReadingValue, ReferenceUsed
from service.api.numbers import is_stored, kpi_columns
from service.api.pieces import need_streamable, pieces_of_time
from service.api.provenance import references_used
from service.api.ranges import Span
from service.api.readingpages import Connections, Seen, read_page
from service.api.subjects import Named
from service.api.values import kpi_values
from service.formats import Row
from store.queries import read_amounts

__all__ = [
    "AMOUNT_COLUMNS",
    "KPI_COLUMNS",
    "READING_COLUMNS",
    "Connections",
    "KpiSought",
    "Seen",
    "amount_table",
    "kpi_table",
    "reading_table",
    "row_of",
]

READING_COLUMNS = ("channel", "unit", *ReadingValue.model_fields)
AMOUNT_COLUMNS = ("channel", "level", *AmountValue.model_fields)
KPI_COLUMNS = ("kpi", "subject", "level", *KpiValue.model_fields, "references")

_READINGS_AT_ONCE = 2_000
_DAY_S = DAY_US / SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiSought:
    """One KPI of one subject."""

    registry: Registry
    """As the user sees it."""
    named: Named
    kpi: Kpi


def row_of(answer: BaseModel, names: Sequence[str]) -> Iterator[object]:
    """Values of an answer in the order of some names; its lists are of words."""
    for name in names:
        value = getattr(answer, name)
        yield tuple(value) if type(value) is list else value


def reading_table(seen: Seen, channels: Sequence[tuple[Registry, Channel]], span: Span) -> Table:
    """Stored readings of channels, one channel after the other, each in order of time; no range is too long."""

    async def pieces() -> AsyncIterator[Piece]:
        for place, (registry, channel) in enumerate(channels):
            start_us: int | None = span.start_us
            while start_us is not None:
                rest = Span(start_us=start_us, stop_us=span.stop_us)
                readings, start_us = await read_page(seen, channel, rest, _READINGS_AT_ONCE)
                rows = await anyio.to_thread.run_sync(_reading_rows, registry, channel, readings)
                reached_us = span.stop_us if start_us is None else start_us
                yield Piece(rows=rows, done=_done(span, reached_us, place, len(channels)))

    return Table(name="readings", columns=READING_COLUMNS, pieces=pieces())


def _reading_rows(registry: Registry, channel: Channel, readings: ShownReadings) -> tuple[Row, ...]:
    own = channel.key, channel.unit
    return tuple((*own, *row_of(value, READING_COLUMNS[2:])) for value in readings.values(registry.park.zone))


def amount_table(seen: Seen, channels: Sequence[tuple[Registry, Channel]], level: Level, span: Span) -> Table:
    """
    Amounts of channels in the intervals that begin in a span, one channel after the other.

    Raises
    ------
    Problem
        422: the range is longer than any table.
    """
    for registry, _ in channels:
        need_streamable(registry.park, level, span)

    async def pieces() -> AsyncIterator[Piece]:
        for place, (registry, channel) in enumerate(channels):
            a_day = _DAY_S / registry.park.base_s if level is Level.BASE else 1.0
            if seen.as_of_us is not None:
                a_day += _DAY_S / channel.interval_s
            for edges in pieces_of_time(registry.park, level, span, a_day=a_day):
                rows = await _amounts(seen, registry, channel, level, edges)
                yield Piece(rows=rows, done=_done(span, int(edges[-1]), place, len(channels)))

    return Table(name=f"amounts-{level.key}", columns=AMOUNT_COLUMNS, pieces=pieces())


async def _amounts(seen: Seen, registry: Registry, channel: Channel, level: Level, edges: IntArray) -> tuple[Row, ...]:
    source = min(level, Level.DAY)
    bounds = int(edges[0]), int(edges[-1])
    async with seen.connections() as conn:
        if seen.as_of_us is None:
            stored = await read_amounts(
                conn, seen.user.name, source, [channel.id], start_us=bounds[0], stop_us=bounds[1]
            )
        else:
            past = Past(conn=conn, user=seen.user, registry=registry, as_of_us=seen.as_of_us)
            stored = without_origin(await past.amounts(source, [channel.id], *bounds))

    def made() -> tuple[Row, ...]:
        park, outages = registry.park, registry.meter_by_id[channel.meter_id].outages
        values = amount_values(folded(stored, level, park), edges, park, channel, outages)
        return tuple((channel.key, level.key, *row_of(value, AMOUNT_COLUMNS[2:])) for value in values)

    return await anyio.to_thread.run_sync(made)


def kpi_table(seen: Seen, sought: Sequence[KpiSought], level: Level, span: Span) -> Table:
    """
    KPIs in the intervals that begin in a span, one KPI of one subject after the other.

    Each row says by which version of the formula and of the registry it was made, and which references were in force.

    Raises
    ------
    Problem
        422: the range is longer than any table. Of a piece, while it is made: it would be made from too many amounts.
    """
    for one in sought:
        need_streamable(one.registry.park, level, span)

    async def pieces() -> AsyncIterator[Piece]:
        for place, one in enumerate(sought):
            for edges in pieces_of_time(one.registry.park, level, span, a_day=_values_a_day(seen, one, level)):
                rows = await _kpis(seen, one, level, edges)
                yield Piece(rows=rows, done=_done(span, int(edges[-1]), place, len(sought)))

    only = f"{sought[0].kpi.key}-{sought[0].named.reference}-{level.key}" if len(sought) == 1 else f"kpis-{level.key}"
    return Table(name=only, columns=KPI_COLUMNS, pieces=pieces())


def _values_a_day(seen: Seen, one: KpiSought, level: Level) -> float:
    """From about how many values a day of a KPI is made."""
    registry, kpi = one.registry, one.kpi
    if seen.as_of_us is None and kpi.made_of is not Basis.RECEIPTS and is_stored(one.named.subject, level, kpi):
        return 24.0 if level is Level.HOUR else 1.0
    ids = member_channels(registry, (one.named.subject,), (kpi,)).tolist()
    base = len(ids) * _DAY_S / registry.park.base_s
    if seen.as_of_us is None and kpi.made_of is not Basis.RECEIPTS:
        return base
    return base + sum(_DAY_S / registry.channel_by_id[number].interval_s for number in ids)


async def _kpis(seen: Seen, one: KpiSought, level: Level, edges: IntArray) -> tuple[Row, ...]:
    registry, kpi, subject = one.registry, one.kpi, one.named.subject
    async with seen.connections() as conn:
        if seen.as_of_us is None:
            columns, absent = await kpi_columns(conn, seen.user, registry, subject, kpi, level, edges)
        else:
            past = Past(conn=conn, user=seen.user, registry=registry, as_of_us=seen.as_of_us)
            columns, absent = await past_kpi(past, subject, kpi, level, edges)

    def made() -> tuple[Row, ...]:
        park = registry.park
        references = references_used(registry, kpi, subject, edges)
        values = kpi_values(columns, edges, unit=kpi.unit, zone=park.zone, ticked_us=park.ticked_to_us, absent=absent)
        return tuple(_kpi_row(one, level, value, references) for value in values)

    return await anyio.to_thread.run_sync(made)


def _kpi_row(one: KpiSought, level: Level, value: KpiValue, references: Sequence[ReferenceUsed]) -> Row:
    own = dict(zip(KPI_COLUMNS[3:-1], row_of(value, KPI_COLUMNS[3:-1]), strict=True))
    if value.formula_version is None:
        own["formula_version"] = one.kpi.version
    if value.registry_version is None:
        own["registry_version"] = one.registry.park.version
    used = tuple(
        f"{used.kind}:{used.key}#{used.id}"
        for used in references
        if used.valid_from < value.stop and (used.valid_to is None or used.valid_to > value.start)
    )
    return (one.kpi.key, one.named.reference, level.key, *own.values(), used)


def _done(span: Span, reached_us: int, place: int, of: int) -> float:
    """How much is done where one of several series has come so far."""
    share = (min(reached_us, span.stop_us) - span.start_us) / (span.stop_us - span.start_us)
    return (place + share) / of
