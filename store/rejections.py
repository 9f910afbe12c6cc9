"""What was set aside, as it is listed, inspected and marked as mended. Role WRITE; the API has its own way in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.connection import database_errors
from store.statements import query

__all__ = [
    "RejectedMessage",
    "RejectionRow",
    "list_rejections",
    "page_parameters",
    "rejected_message",
    "resolve_rejections",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionRow:
    """Something that was set aside, as it is listed."""

    id: int
    message_id: int
    source: str
    """Who is accountable in the ledger: `park/tenant`, `unknown`, or an import."""
    topic: bytes
    place: str
    reason: str
    detail: str
    count: int
    """How often the same was set aside for the same reason."""
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None
    """When its message was ingested again after the mapping was mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedMessage:
    """A rejected message, whole, with everything that was set aside of it."""

    id: int
    source: str
    topic: bytes
    payload: bytes
    first_at: datetime
    rejections: tuple[RejectionRow, ...]


def page_parameters(
    reason: str | None, after: tuple[datetime, int] | None, limit: int, *, unresolved: bool
) -> dict[str, Any]:
    """Parameters of the query `rejections_list`."""
    after_at, after_id = after if after is not None else (None, None)
    return {
        "reason": reason,
        "unresolved": unresolved,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }


def list_rejections(
    conn: Connection[Any],
    *,
    reason: str | None = None,
    unresolved: bool = False,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> tuple[RejectionRow, ...]:
    """
    What was set aside, newest first.

    Parameters
    ----------
    after : (last_at, id) or None
        Of the last row of the page before; None: the first page.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors("listing rejections"), conn.cursor(row_factory=class_row(RejectionRow)) as cursor:
        parameters = page_parameters(reason, after, limit, unresolved=unresolved)
        return tuple(cursor.execute(query("rejections_list"), parameters).fetchall())


def rejected_message(conn: Connection[Any], message_id: int) -> RejectedMessage | None:
    """
    A rejected message, whole; None where there is none.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors(f"reading rejected message {message_id}"):
        row = conn.execute(query("rejected_message_get"), {"id": message_id}).fetchone()
        if row is None:
            return None
        with conn.cursor(row_factory=class_row(RejectionRow)) as cursor:
            rejections = tuple(cursor.execute(query("rejections_of_message"), {"id": message_id}).fetchall())
    number, source, topic, payload, first_at = row
    return RejectedMessage(
        id=number, source=source, topic=topic, payload=payload, first_at=first_at, rejections=rejections
    )


def resolve_rejections(conn: Connection[Any], message_ids: Sequence[int]) -> int:
    """
    Mark everything that was set aside of some messages as mended, in the caller's transaction; answers how many.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors("resolving rejections"):
        return conn.execute(query("rejections_resolve"), {"message_id": list(message_ids)}).rowcount
