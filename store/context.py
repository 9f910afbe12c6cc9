"""Entered values in the database: entering them, reading them as columns or as they were entered, and what they touch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row

from domain.context import CONTEXTS, ContextFrame
from domain.contextentries import ContextEntry
from domain.errors import InputError
from domain.time import to_datetime
from store.arrays import Element, columns_of, instants, integers
from store.connection import database_errors
from store.queries import asking, changing
from store.statements import query

__all__ = [
    "ContextRow",
    "Entered",
    "append_context_spans",
    "enter_context",
    "enter_context_as",
    "list_context",
    "list_context_as",
    "read_context",
    "read_context_as",
]

_ELEMENTS = (Element.INTEGER, Element.INTEGER, Element.INSTANT, Element.INSTANT, Element.FLOAT)
_KEYS = sorted(CONTEXTS)
_AFTER = ("after_tenant", "after_series", "after_start", "after_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What became of a value that somebody entered."""

    place: int
    """Among the values that were entered together, from 0."""
    outcome: Literal["stored", "same", "withdrawn", "refused"]
    """`same`: it was entered before."""
    detail: str
    """Why it was refused; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRow:
    """A value as it was entered."""

    id: int
    park: str
    tenant: str | None
    """None: of the whole park."""
    series: str
    start: datetime
    stop: datetime
    value: float
    note: str
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When a newer version took its place; None: it is in force."""
    superseded_by: str | None


def enter_context(
    conn: Connection[Any], park_id: int, entries: Sequence[ContextEntry], tenant_ids: Sequence[int], by: str
) -> tuple[Entered, ...]:
    """
    Enter values one after the other, in the caller's transaction, and put what they touch into the queue. Role WRITE.

    A value supersedes those that it covers; one that covers another only in part is refused, and touches nothing.

    Parameters
    ----------
    tenant_ids : sequence of int
        Beside each entry; :data:`domain.context.PARK_WIDE` for the whole park.
    by : str
        Who enters.

    Returns
    -------
    tuple of Entered
        What became of each, in their order.
    """
    if not entries:
        return ()
    with database_errors(f"entering {len(entries)} values"), conn.cursor() as cursor:
        cursor.execute(query("context_enter_by"), {**_parameters(park_id, entries, tenant_ids), "by": by})
        return tuple(_entered(*row) for row in cursor.fetchall())


async def enter_context_as(
    conn: AsyncConnection[Any], user: str, park_id: int, entries: Sequence[ContextEntry], tenant_ids: Sequence[int]
) -> tuple[Entered, ...]:
    """
    As :func:`enter_context`, by a user of the API: all of them, or none. Role API.

    Raises
    ------
    InputError
        Some are refused; the text names each, and nothing was entered.
    NotAllowed
        The user may not enter values for one of the tenants.
    """
    async with changing(conn, user):
        cursor = await conn.execute(query("context_enter"), _parameters(park_id, entries, tenant_ids))
        entered = tuple(_entered(*row) for row in await cursor.fetchall())
        refused = [f"values[{one.place}]: {one.detail}" for one in entered if one.outcome == "refused"]
        if refused:
            raise InputError("; ".join(refused))
    return entered


def _entered(place: int, outcome: Literal["stored", "same", "withdrawn", "refused"], detail: str) -> Entered:
    return Entered(place=place - 1, outcome=outcome, detail=detail)


def _parameters(park_id: int, entries: Sequence[ContextEntry], tenant_ids: Sequence[int]) -> dict[str, Any]:
    return {
        "park_id": park_id,
        "tenant_id": integers(np.array(tenant_ids, dtype=np.int32)),
        "key": [entry.series for entry in entries],
        "start": instants(np.array([entry.start_us for entry in entries], dtype=np.int64)),
        "stop": instants(np.array([entry.stop_us for entry in entries], dtype=np.int64)),
        "value": [entry.value for entry in entries],
        "note": [entry.note for entry in entries],
    }


def read_context(
    conn: Connection[Any], park_id: int, start_us: int, stop_us: int, as_of_us: int | None = None
) -> ContextFrame:
    """
    The values of a park that overlap `[start_us, stop_us)`, whole. Role WRITE.

    Parameters
    ----------
    as_of_us : int or None
        Those that were in force at that time; None: those that are now. [us UTC]
    """
    with database_errors("reading entered values"):
        cursor = conn.execute(query("context_read"), _range(park_id, start_us, stop_us, as_of_us), binary=True)
        return _frame(columns_of(cursor, *_ELEMENTS))


async def read_context_as(
    conn: AsyncConnection[Any], user: str, park_id: int, start_us: int, stop_us: int, *, as_of_us: int | None = None
) -> ContextFrame:
    """As :func:`read_context`, those that the user may see: a tenant's user only its own firm's. Role API."""
    async with asking(conn, user):
        cursor = await conn.execute(query("context_read"), _range(park_id, start_us, stop_us, as_of_us), binary=True)
        return _frame(columns_of(cursor, *_ELEMENTS))


def _range(park_id: int, start_us: int, stop_us: int, as_of_us: int | None) -> dict[str, Any]:
    return {
        "park_id": park_id,
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
        "as_of": None if as_of_us is None else to_datetime(as_of_us),
        "keys": _KEYS,
    }


def _frame(columns: list[np.ndarray[Any, np.dtype[Any]]]) -> ContextFrame:
    tenant_id, key, start_us, stop_us, value = columns
    return ContextFrame(
        tenant_id=tenant_id, key=np.array(_KEYS)[key - 1], start_us=start_us, stop_us=stop_us, value=value
    )


def list_context(
    conn: Connection[Any],
    park_key: str,
    *,
    tenant: str | None = None,
    series: str | None = None,
    start_us: int | None = None,
    stop_us: int | None = None,
    history: bool = False,
    limit: int = 1000,
) -> tuple[ContextRow, ...]:
    """Values as they were entered, by tenant, series and time; with `history`, superseded ones too. Role WRITE."""
    parameters = _listing(park_key, tenant, series, (start_us, stop_us), history=history, limit=limit)
    with database_errors("reading entered values"), conn.cursor(row_factory=class_row(ContextRow)) as cursor:
        return tuple(cursor.execute(query("context_list"), parameters).fetchall())


async def list_context_as(
    conn: AsyncConnection[Any],
    user: str,
    park_key: str,
    *,
    tenant: str | None = None,
    series: str | None = None,
    start_us: int | None = None,
    stop_us: int | None = None,
    history: bool = False,
    after: tuple[str, str, datetime, int] | None = None,
    limit: int = 1000,
) -> tuple[ContextRow, ...]:
    """
    As :func:`list_context`, those that the user may see. Role API.

    Parameters
    ----------
    after : (tenant, series, start, id) or None
        Key of the last row of the page before; None: the first page.
    """
    listing = _listing(park_key, tenant, series, (start_us, stop_us), history=history, limit=limit)
    parameters = listing | (dict(zip(_AFTER, after, strict=True)) if after else {})
    async with asking(conn, user), conn.cursor(row_factory=class_row(ContextRow)) as cursor:
        await cursor.execute(query("context_list"), parameters)
        return tuple(await cursor.fetchall())


def _listing(
    park_key: str,
    tenant: str | None,
    series: str | None,
    bounds_us: tuple[int | None, int | None],
    *,
    history: bool,
    limit: int,
) -> dict[str, Any]:
    start, stop = (None if bound is None else to_datetime(bound) for bound in bounds_us)
    return {
        "park": park_key,
        "tenant": tenant,
        "series": series,
        "start": start,
        "stop": stop,
        "history": history,
        "limit": limit,
        **dict.fromkeys(_AFTER),
    }


def append_context_spans(
    conn: Connection[Any], park_id: int, spans: Sequence[tuple[int, int, int | None]], *, now_us: int
) -> None:
    """
    Put stretches of time whose KPIs are to be made again into the queue, in the caller's transaction. Role MIGRATE.

    Parameters
    ----------
    spans : sequence of (tenant_id, from_us, to_us)
        :data:`domain.context.PARK_WIDE` for everybody; no end: up to now. What lies before the park's first tenant, or beyond now, is left out.
    """
    if spans:
        with database_errors("appending spans of context"):
            conn.execute(
                query("context_spans"),
                {
                    "park_id": park_id,
                    "tenant_id": integers(np.array([tenant for tenant, _, _ in spans], dtype=np.int32)),
                    "from_ts": instants(np.array([first for _, first, _ in spans], dtype=np.int64)),
                    "to_ts": [None if stop is None else to_datetime(stop) for _, _, stop in spans],
                    "now": to_datetime(now_us),
                },
            )
