"""Routes about numbers: readings, amounts, KPIs."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from domain.registry import Channel, Park, Registry
from domain.time import DAY_US, SECOND_US, IntArray, Level
from kpi.catalogue import for_registry
from kpi.definition import Basis, Kpi
from kpi.thinning import A_BUCKET
from service.api.access import Asker
from service.api.amountrows import AmountsAsked, AmountsJson
from service.api.amounts import amount_values, folded
from service.api.answers import OF_NUMBERS, OF_READINGS
from service.api.as_of import AsOfQuery, Past, past_kpi, without_origin
from service.api.forms import FORMS, AskedForm, TableResponse
from service.api.levels import LevelQuery
from service.api.models import AmountSeries, KpiAnswer, KpiSeries, ReadingSeries
from service.api.numbers import MOST_ROWS, kpi_columns
from service.api.problem import not_found, refused
from service.api.provenance import references_used
from service.api.ranges import LevelName, Span, SpanQuery, need_short, periods
from service.api.readingpages import Seen, Thinned, read_page, read_thinned
from service.api.routes_registry import ParkKey, registries_of
from service.api.series import KpiSought, amount_table, kpi_table, reading_table
from service.api.services import Database, Services, Serving
from service.api.subjects import SUBJECT, find_subject, may_see_kpi, park_of
from service.api.values import kpi_values
from service.formats import Form
from store.queries import read_amounts
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["numbers"])

_MOST_READINGS = 10_000
_MOST_CHANNELS = 50
_MOST_THINNED = 5_000_000

ChannelKeys = Annotated[
    list[str],
    Query(
        alias="channel",
        description="Key of a channel, `park/tenant/meter/quantity`; may be given up to 50 times.",
        min_length=1,
        max_length=_MOST_CHANNELS,
    ),
]
KpiKey = Annotated[str, Path(alias="key", description="Key in the catalogue.", max_length=200)]
SubjectQuery = Annotated[
    str,
    Query(
        description="`park:KEY`, `tenant:PARK/TENANT` or `meter:PARK/TENANT/METER`.",
        max_length=300,
        json_schema_extra=SUBJECT,
    ),
]


async def _channels(
    services: Services, user: User, keys: Sequence[str], as_of_us: int | None = None
) -> list[tuple[Registry, Channel]]:
    registries: dict[str, Registry | None] = {}
    for park in dict.fromkeys(key.split("/")[0] for key in keys):
        registries[park] = await _registry(services, user, park, as_of_us)
    found = []
    for key in dict.fromkeys(keys):
        registry = registries[key.split("/")[0]]
        channel = registry.channel_by_key.get(key) if registry else None
        if registry is None or channel is None:
            raise not_found(f"channel {key[:300]}")
        found.append((registry, channel))
    return found


async def _registry(services: Services, user: User, park: str, as_of_us: int | None) -> Registry | None:
    known = services.registries.known(user, park) if as_of_us is None else None
    if known is not None:
        return known
    async with services.connection() as conn:
        if as_of_us is None:
            return await services.registries.one(conn, user, park)
        past = await Past.of(conn, user, park, as_of_us)
    return None if past is None else past.registry


def _only_park(keys: Sequence[str]) -> str | None:
    parks = {key.split("/")[0] for key in keys}
    return parks.pop() if len(parks) == 1 else None


@router.get("/readings", response_model=list[ReadingSeries], responses=FORMS)
async def list_readings(  # noqa: PLR0917 - what the framework hands over
    request: Request,
    user: Asker,
    services: Serving,
    keys: ChannelKeys,
    span: SpanQuery,
    form: AskedForm,
    *,
    as_of: AsOfQuery,
    limit: Annotated[int, Query(ge=1, le=_MOST_READINGS, description="Most readings per channel.")] = _MOST_READINGS,
    max_points: Annotated[
        int | None,
        Query(
            ge=A_BUCKET,
            le=_MOST_READINGS,
            description="Thin readings to at most so many per channel, of any range: of each stretch of time the first, the least, "
            "the greatest and the last are kept. `limit` then counts for nothing.",
        ),
    ] = None,
) -> Any:
    """
    Stored readings of channels in `[start, stop)`, as the devices said them; in JSON at most 31 days at once, or `max_points`.

    Where a correction says otherwise, it stands beside the reading. With `as_of`, what had been received, and was
    corrected, by then.
    """
    services.answers.promise(request, user, OF_READINGS, _only_park(keys))
    channels = await _channels(services, user, keys)
    if form is not Form.JSON:
        if max_points is not None:
            raise refused("max_points thins JSON only; NDJSON and CSV hold all readings, so leave it out")
        seen = Seen(connections=services.connection, user=user, as_of_us=as_of)
        return TableResponse(form, reading_table(seen, channels, span))
    seen = Seen(connections=services.connection, user=user, as_of_us=as_of)
    if max_points is not None:
        _need_readable(channels, span)
        return [
            _thinned(channel, registry, await read_thinned(seen, channel, span, max_points))
            for registry, channel in channels
        ]
    need_short(span)
    series = []
    for registry, channel in channels:
        readings, then_us = await read_page(seen, channel, span, limit)
        values = readings.values(registry.park.zone)
        series.append(ReadingSeries(channel=channel.key, unit=channel.unit, readings=values, complete=then_us is None))
    return series


def _thinned(channel: Channel, registry: Registry, found: Thinned) -> ReadingSeries:
    return ReadingSeries(
        channel=channel.key,
        unit=channel.unit,
        readings=found.readings.values(registry.park.zone),
        complete=True,
        thinned=found.is_thinned,
    )


def _need_readable(channels: Sequence[tuple[Registry, Channel]], span: Span) -> None:
    """Refuse what would be made of too many readings."""
    length_s = (span.stop_us - span.start_us) / SECOND_US
    expected = sum(length_s / channel.interval_s for _, channel in channels)
    if expected > _MOST_THINNED:
        raise refused(
            f"the range holds about {expected:.0f} readings, more than {_MOST_THINNED}; ask for fewer channels or a shorter range"
        )


@router.get("/amounts", response_model=list[AmountSeries], responses=FORMS)
async def list_amounts(
    request: Request,
    user: Asker,
    services: Serving,
    keys: ChannelKeys,
    form: AskedForm,
    *,
    wanted: LevelQuery,
    span: SpanQuery,
    as_of: AsOfQuery,
) -> Any:
    """
    What channels did in the intervals of a level that begin in `[start, stop)`; what is not known is null.

    With `as_of`, computed from what was recorded by then.
    """
    services.answers.promise(request, user, OF_NUMBERS if as_of is None else OF_READINGS, _only_park(keys))
    channels = await _channels(services, user, keys, as_of)
    level = wanted.level([registry.park for registry, _ in channels], span)
    if form is not Form.JSON:
        seen = Seen(connections=services.connection, user=user, as_of_us=as_of)
        return TableResponse(form, amount_table(seen, channels, level.level, span))
    edges = [_edges(registry.park, level.level, span, len(keys)) for registry, _ in channels]
    if as_of is None and level.level <= Level.DAY:
        asked = [
            AmountsAsked.of(registry, channel, level.level, one)
            for (registry, channel), one in zip(channels, edges, strict=True)
        ]
        again = AmountsJson(services.amounts, user.name, asked)
        services.answers.understand(request, again)
        return Response(await again(), media_type="application/json")
    return [
        await _series(services, user, registry, channel, level, one, as_of)
        for (registry, channel), one in zip(channels, edges, strict=True)
    ]


def _edges(park: Park, level: Level, span: Span, channels: int) -> IntArray:
    edges = periods(park, level, span)
    step_us = park.base_s * SECOND_US if level is Level.BASE else DAY_US
    if (edges[-1] - edges[0]) // step_us * channels > MOST_ROWS:
        raise refused(f"more than {MOST_ROWS} amounts were asked for; ask for fewer channels or a shorter range")
    return edges


async def _series(  # noqa: PLR0917 - who asks for what, when
    services: Services,
    user: User,
    registry: Registry,
    channel: Channel,
    level: LevelName,
    edges: IntArray,
    as_of_us: int | None,
) -> AmountSeries:
    """Amounts that are folded, or of the past."""
    park = registry.park
    source = min(level.level, Level.DAY)
    first_us, last_us = int(edges[0]), int(edges[-1])
    async with services.connection() as conn:
        if as_of_us is None or first_us == last_us:
            stored = await read_amounts(conn, user.name, source, [channel.id], start_us=first_us, stop_us=last_us)
        else:
            past = Past(conn=conn, user=user, registry=registry, as_of_us=as_of_us)
            stored = without_origin(await past.amounts(source, [channel.id], first_us, last_us))
    outages = registry.meter_by_id[channel.meter_id].outages
    values = await anyio.to_thread.run_sync(
        partial(amount_values, folded(stored, level.level, park), edges, park, channel, outages)
    )
    return AmountSeries(channel=channel.key, level=level.value, timezone=park.zone.key, values=values)


@router.get("/kpis")
async def list_kpis(conn: Database, user: Asker, services: Serving, park: ParkKey = None) -> list[KpiAnswer]:
    """The catalogue: every KPI that you may ask for."""
    found: dict[str, Kpi] = {}
    for registry in await registries_of(conn, user, park, kept=services.registries):
        found |= {kpi.key: kpi for kpi in for_registry(registry) if may_see_kpi(user, kpi.key)}
    return [
        KpiAnswer(
            key=kpi.key,
            title=kpi.title,
            unit=kpi.unit,
            formula=kpi.formula,
            formula_version=kpi.version,
            subjects=sorted(kind.value for kind in kpi.subjects),
            levels=[level.key for level in Level if level in kpi.levels],
            gate=kpi.gate.value,
            source=kpi.source,
        )
        for kpi in found.values()
    ]


@router.get("/kpis/{key}", response_model=KpiSeries, responses=FORMS)
async def read_kpi(
    request: Request,
    user: Asker,
    services: Serving,
    key: KpiKey,
    form: AskedForm,
    *,
    subject: SubjectQuery,
    wanted: LevelQuery,
    span: SpanQuery,
    as_of: AsOfQuery,
) -> Any:
    """
    One KPI of one subject, for each interval of a level that begins in `[start, stop)`, gaps included.

    With `as_of`, computed from what was recorded by then.
    """
    services.answers.promise(request, user, OF_NUMBERS if as_of is None else OF_READINGS, park_of(subject))
    registry = await _registry(services, user, park_of(subject), as_of)
    if registry is None:
        raise not_found(f"subject {subject}")
    named = find_subject(registry, user, subject)
    kpi = _kpi(registry, user, key, subject)
    if kpi.made_of is Basis.RECEIPTS and as_of is None:
        services.answers.withdraw(request)
    level = wanted.level([registry.park], span, kpi.levels)
    if named.subject.kind not in kpi.subjects or level.level not in kpi.levels:
        raise refused(
            f"{key} is made for {', '.join(sorted(kind.value for kind in kpi.subjects))} "
            f"at level {', '.join(one.key for one in Level if one in kpi.levels)}"
        )
    if form is not Form.JSON:
        seen = Seen(connections=services.connection, user=user, as_of_us=as_of)
        sought = KpiSought(registry=registry, named=named, kpi=kpi)
        return TableResponse(form, kpi_table(seen, [sought], level.level, span))
    park = registry.park
    edges = periods(park, level.level, span)
    values = []
    if len(edges) > 1:
        async with services.connection() as conn:
            if as_of is None:
                columns, absent = await kpi_columns(conn, user, registry, named.subject, kpi, level.level, edges)
            else:
                past = Past(conn=conn, user=user, registry=registry, as_of_us=as_of)
                columns, absent = await past_kpi(past, named.subject, kpi, level.level, edges)
        values = list(
            kpi_values(columns, edges, unit=kpi.unit, zone=park.zone, ticked_us=park.ticked_to_us, absent=absent)
        )
    return KpiSeries(
        kpi=kpi.key,
        title=kpi.title,
        subject=subject,
        subject_name=named.name,
        level=level.value,
        timezone=park.zone.key,
        formula=kpi.formula,
        formula_version=kpi.version,
        registry_version=park.version,
        references=references_used(registry, kpi, named.subject, edges),
        values=values,
    )


def _kpi(registry: Registry, user: User, key: str, subject: str) -> Kpi:
    found = next((kpi for kpi in for_registry(registry) if kpi.key == key and may_see_kpi(user, key, subject)), None)
    if found is None:
        raise not_found(f"KPI {key}")
    return found
