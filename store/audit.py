"""The audit log: who did what, when, from where. It is only ever added to; changes of inputs are noted by the database itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.connection import database_errors
from store.queries import asking
from store.statements import query

__all__ = ["AuditRow", "Note", "add_note", "note", "read_audit", "say_from"]

Outcome = Literal["done", "refused"]

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line to add."""

    act: str
    """What was done, in words that stay the same: `login`, `user added` ..."""
    who: str = ""
    """Name of the user, also of one who only claimed to be; empty: the account that runs the command."""
    target: str = ""
    """To what or whom."""
    concerns: str = ""
    """Name of the user whose parks' auditors may read it."""
    outcome: Outcome = "done"
    address: str = ""
    """Of the client; empty: on the machine itself."""
    via: str = ""
    """`page` or `api`; empty: the name that the connection gave itself."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What else there is to know; never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One line as it is read."""

    id: int
    at: datetime
    who: str
    act: str
    target: str
    outcome: Outcome
    address: str
    via: str
    parks: list[str]
    """Keys of the parks it is about; empty: of the installation."""
    detail: dict[str, Any]


def _parameters(line: Note) -> dict[str, Any]:
    # What strangers type in is kept short, and a NUL is nothing that a text of the database can hold.
    texts = {name: getattr(line, name).replace("\0", "")[:_LONGEST] for name in ("who", "target", "address")}
    rest = {name: getattr(line, name) for name in ("act", "concerns", "outcome", "via")}
    return {**rest, **texts, "concerns": line.concerns.replace("\0", ""), "detail": Jsonb(dict(line.detail))}


def note(conn: Connection[Any], line: Note) -> None:
    """Add a line, in the caller's transaction. Role AUTH or MIGRATE."""
    conn.execute(query("audit_note"), _parameters(line))


async def add_note(conn: AsyncConnection[Any], line: Note) -> None:
    """As :func:`note`, over an asynchronous connection."""
    await conn.execute(query("audit_note"), _parameters(line))


async def say_from(conn: AsyncConnection[Any], address: str, via: str) -> None:
    """Tell the database from where the changes come that this connection makes from now on; commits. Role API."""
    with database_errors("saying where a change comes from"):
        async with conn.transaction():
            await conn.execute(query("audit_from"), {"address": address, "via": via})


async def read_audit(
    conn: AsyncConnection[Any],
    user: str,
    *,
    start: datetime | None = None,
    stop: datetime | None = None,
    who: str | None = None,
    act: str | None = None,
    outcome: Outcome | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[AuditRow]:
    """
    Lines that a user may read, newest first. Role API.

    Parameters
    ----------
    start, stop : datetime or None
        Only lines of `[start, stop)`.
    before : int or None
        Only lines with a smaller id: how the next page is asked for.
    """
    asked = {
        "start": start, "stop": stop, "who": who, "act": act, "outcome": outcome, "before": before, "limit": limit,
    }  # fmt: skip
    with database_errors("reading the audit log"):
        async with asking(conn, user), conn.cursor(row_factory=class_row(AuditRow)) as cursor:
            await cursor.execute(query("audit_page"), asked)
            return await cursor.fetchall()
