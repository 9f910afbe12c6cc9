"""The route about what the checks found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict

from domain.findings import Rule
from service.api.access import Asker
from service.api.cursors import Pager, paged
from service.api.findings import FindingAnswer, finding_answer
from service.api.forms import FORMS, AskedForm, TableResponse
from service.api.lists import finding_table
from service.api.problem import not_found
from service.api.ranges import SpanQuery
from service.api.routes_registry import ParkKey
from service.api.series import Seen
from service.api.services import Database, Serving
from service.formats import Form
from store.findings import read_findings
from store.queries import read_registries
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["numbers"])

_MOST_CHANNELS = 50

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
    pager: Annotated[Pager, paged(datetime, int, str)],
) -> Any:
    """What the checks of readings and amounts found that starts in `[start, stop)`, newest first."""
    channel_ids = await _channel_ids(conn, user, park, channels)
    if form is not Form.JSON:
        seen = Seen(connections=services.connection, user=user)
        table = finding_table(seen, span, park=park, channel_ids=channel_ids, rules=rules or (), after=pager.after)
        return TableResponse(form, table)
    rows = await read_findings(
        conn,
        user.name,
        span.start_us,
        span.stop_us,
        park=park,
        channel_ids=channel_ids,
        rules=rules or (),
        after=pager.after,
        limit=pager.wanted,
    )
    page, following = pager.page(rows, lambda row: row.key)
    return FindingPage(findings=[finding_answer(row) for row in page], next=following)


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
