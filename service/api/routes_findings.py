"""The route about what the checks found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict

from domain.errors import InputError
from domain.findings import Rule
from domain.time import from_datetime, parse_instant, to_datetime
from service.api.access import Asker
from service.api.findings import FindingAnswer, finding_answer
from service.api.forms import FORMS, AskedForm, TableResponse
from service.api.lists import finding_table
from service.api.problem import not_found, refused
from service.api.ranges import SpanQuery
from service.api.routes_registry import ParkKey
from service.api.series import Seen
from service.api.services import Database, Serving
from service.formats import Form
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


class FindingPage(BaseModel):
    """Findings, newest first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    findings: list[FindingAnswer]
    next: str | None
    """Give it as `after` for those that follow; null: these were all."""


@router.get("/findings", response_model=FindingPage, responses=FORMS)
async def list_findings(  # noqa: PLR0917 - what the framework hands over
    conn: Database,
    user: Asker,
    services: Serving,
    span: SpanQuery,
    form: AskedForm,
    park: ParkKey = None,
    *,
    channels: ChannelKeys = None,
    rules: RuleKeys = None,
    after: Annotated[str | None, Query(description="`next` of the page before.", max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most findings.")] = 100,
) -> Any:
    """What the checks of readings and amounts found that starts in `[start, stop)`, newest first."""
    channel_ids = await _channel_ids(conn, user, park, channels)
    mark = None if after is None else _mark(after)
    if form is not Form.JSON:
        seen = Seen(connections=services.connection, user=user)
        table = finding_table(seen, span, park=park, channel_ids=channel_ids, rules=rules or (), after=mark)
        return TableResponse(form, table)
    rows = await read_findings(
        conn,
        user.name,
        span.start_us,
        span.stop_us,
        park=park,
        channel_ids=channel_ids,
        rules=rules or (),
        after=mark,
        limit=limit + 1,
    )
    page = rows[:limit]
    return FindingPage(
        findings=[finding_answer(row) for row in page], next=_text(page[-1]) if len(rows) > len(page) and page else None
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
