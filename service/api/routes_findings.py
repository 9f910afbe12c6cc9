"""The route about what the checks found."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict

from domain.errors import InputError
from domain.findings import Rule, unit_of
from domain.registry import Kind
from domain.time import from_datetime, parse_instant, to_datetime
from service.api.access import Asker
from service.api.problem import not_found, refused
from service.api.ranges import SpanQuery
from service.api.routes_registry import ParkKey
from service.api.services import Database
from store.findings import FindingRow, read_findings
from store.queries import read_registries
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["numbers"])

_MOST_CHANNELS = 50
_MARK_PARTS = 3

ChannelKeys = Annotated[
    list[str] | None,
    Query(
        alias="channel",
        description="Key of a channel, `park/tenant/meter/quantity`; may be given up to 50 times.",
        max_length=_MOST_CHANNELS,
    ),
]
RuleKeys = Annotated[list[Rule] | None, Query(alias="rule", description="Only these rules.", max_length=len(Rule))]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class FindingAnswer(_Shape):
    """What a check found. No number is changed by it."""

    channel: str
    rule: Rule
    day: date
    """Park-local day that it belongs to; of a finding about a month, its first day."""
    start: datetime
    stop: datetime
    value: float | None
    """What was found."""
    bound: float | None
    """What it was held against."""
    unit: str
    """Of both."""
    computed_at: datetime


class FindingPage(_Shape):
    """Findings, newest first."""

    findings: list[FindingAnswer]
    next: str | None
    """Give it as `after` for those that follow; null: these were all."""


@router.get("/findings")
async def list_findings(
    conn: Database,
    user: Asker,
    span: SpanQuery,
    park: ParkKey = None,
    *,
    channels: ChannelKeys = None,
    rules: RuleKeys = None,
    after: Annotated[str | None, Query(description="`next` of the page before.", max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most findings.")] = 100,
) -> FindingPage:
    """What the checks of readings and amounts found that starts in `[start, stop)`, newest first."""
    rows = await read_findings(
        conn,
        user.name,
        span.start_us,
        span.stop_us,
        park=park,
        channel_ids=await _channel_ids(conn, user, park, channels),
        rules=rules or (),
        after=None if after is None else _mark(after),
        limit=limit + 1,
    )
    page = rows[:limit]
    return FindingPage(
        findings=[_answer(row) for row in page], next=_text(page[-1]) if len(rows) > len(page) and page else None
    )


async def _channel_ids(
    conn: AsyncConnection[object], user: User, park: str | None, keys: Sequence[str] | None
) -> list[int] | None:
    if park is None and keys is None:
        return None
    registries = await read_registries(conn, user.name)
    if park is not None and all(registry.park.key != park for registry in registries):
        raise not_found(f"park {park}")
    if keys is None:
        return None
    ids = {channel.key: channel.id for registry in registries for channel in registry.channels}
    for key in keys:
        if key not in ids:
            raise not_found(f"channel {key[:300]}")
    return [ids[key] for key in keys]


def _mark(after: str) -> tuple[datetime, int, str]:
    parts = after.split("~")
    if len(parts) != _MARK_PARTS or parts[2] not in set(Rule) or not parts[1].isdecimal():
        raise refused(f"after: {after!r} is not `next` of a page of findings")
    try:
        return to_datetime(parse_instant(parts[0])), int(parts[1]), parts[2]
    except InputError as error:
        raise refused(f"after: {error}") from None


def _text(row: FindingRow) -> str:
    start, channel_id, rule = row.key
    return f"{to_datetime(from_datetime(start)).isoformat().replace('+00:00', 'Z')}~{channel_id}~{rule}"


def _answer(row: FindingRow) -> FindingAnswer:
    zone, rule = ZoneInfo(row.timezone), Rule(row.rule)
    return FindingAnswer(
        channel=row.channel,
        rule=rule,
        day=row.day.astimezone(zone).date(),
        start=row.start.astimezone(zone),
        stop=row.stop.astimezone(zone),
        value=row.value,
        bound=row.bound,
        unit=unit_of(rule, row.unit, is_gauge=row.kind == Kind.GAUGE.value),
        computed_at=row.computed_at,
    )
