"""Routes about what came in: the ledger, and what was set aside."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from domain.readings import Reason
from service.api.access import Asker
from service.api.cursors import Pager, paged
from service.api.models import LedgerRow, RejectionAnswer
from service.api.ranges import ShortSpanQuery
from service.api.services import Database
from store.queries import read_ledger, read_rejections

__all__ = ["router"]

router = APIRouter(tags=["ingest"])


@router.get("/ingest/ledger")
async def list_ledger(
    conn: Database,
    user: Asker,
    span: ShortSpanQuery,
    source: Annotated[str | None, Query(description="`park/tenant`, `unknown`, or an import.", max_length=300)] = None,
    *,
    pager: Annotated[Pager, paged(datetime, str, most=10_000, usual=1000)],
) -> list[LedgerRow]:
    """What became of the values received in `[start, stop)`, by source and hour; at most 31 days at once."""
    rows = await read_ledger(
        conn, user.name, span.start_us, span.stop_us, source=source, after=pager.after, limit=pager.wanted
    )
    page, _ = pager.page(rows, lambda row: (row.hour, row.source))
    return [
        LedgerRow(
            source=row.source,
            hour=row.hour,
            messages=row.messages,
            received=row.received,
            stored=row.stored,
            duplicate=row.duplicate,
            conflict=row.conflict,
            rejected=row.rejected,
            reasons=row.reasons,
        )
        for row in page
    ]


@router.get("/rejections")
async def list_rejections(
    conn: Database,
    user: Asker,
    reason: Annotated[Reason | None, Query(description="Only these.")] = None,
    unresolved: Annotated[bool, Query(description="Only what was not ingested again since.")] = False,
    *,
    pager: Annotated[Pager, paged(datetime, int)],
) -> list[RejectionAnswer]:
    """What was set aside, newest first."""
    rows = await read_rejections(
        conn,
        user.name,
        reason=reason.value if reason else None,
        unresolved=unresolved,
        after=pager.after,
        limit=pager.wanted,
    )
    page, _ = pager.page(rows, lambda row: (row.last_at, row.id))
    return [
        RejectionAnswer(
            id=row.id,
            message_id=row.message_id,
            source=row.source,
            topic=row.topic.decode("utf-8", "backslashreplace"),
            place=row.place,
            reason=row.reason,
            detail=row.detail,
            count=row.count,
            first_at=row.first_at,
            last_at=row.last_at,
            resolved_at=row.resolved_at,
        )
        for row in page
    ]
