"""What the API reads, each as one asking user, through the views of schema `api`.

Every function takes an asynchronous connection of role API and the user's name, sets
`kawasan.user` for its own transaction, and sees only what that user may see.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row, dict_row

from domain.frames import Readings
from domain.registry import Registry
from domain.time import Level, from_datetime, to_datetime
from store.around import sorted_readings
from store.arrays import Element, columns_of, integers, smallints
from store.connection import database_errors
from store.frames import AMOUNT_ELEMENTS, KPI_ELEMENTS, StoredAmounts, StoredKpis, stored_amounts, stored_kpis
from store.registry import REGISTRY_PARTS, facts_of, registries_of
from store.rejections import RejectedMessage, RejectionRow, page_parameters
from store.statements import query

__all__ = [
    "LatestReading",
    "LedgerHour",
    "RejectedMessage",
    "RejectionRow",
    "StoredAmounts",
    "StoredKpis",
    "asking",
    "changing",
    "read_amounts",
    "read_kpis",
    "read_latest",
    "read_ledger",
    "read_readings",
    "read_registries",
    "read_registry",
    "read_rejected_message",
    "read_rejections",
    "writing",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestReading:
    """The newest stored reading of a channel."""

    channel_id: int
    ts_us: int
    value: float
    quality: int
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHour:
    """What became of the values of one source in one hour: `received == stored + duplicate + conflict + rejected`."""

    source: str
    hour: datetime
    messages: int
    received: int
    stored: int
    duplicate: int
    conflict: int
    rejected: int
    reasons: dict[str, int]
    """`rejected` by reason."""


@asynccontextmanager
async def asking(conn: AsyncConnection[Any], user: str) -> AsyncIterator[None]:
    """A read-only transaction on one snapshot, in which the views show what `user` may see."""
    with database_errors("reading"):
        async with conn.transaction():
            await conn.execute(query("asking"), {"user": user})
            yield


@asynccontextmanager
async def writing(conn: AsyncConnection[Any], user: str) -> AsyncIterator[None]:
    """A transaction of `user` that may write what is about its requests themselves."""
    with database_errors("changing"):
        async with conn.transaction():
            await conn.execute(query("changing"))
            await conn.execute(query("asking"), {"user": user})
            yield


@asynccontextmanager
async def changing(conn: AsyncConnection[Any], user: str) -> AsyncIterator[None]:
    """
    A transaction that may change what the named functions of schema `api` let `user` change.

    Where the request came with a key (:mod:`store.repeats`), what it changes and that it did are committed together.

    Raises
    ------
    Overtaken
        The same request was taken up again meanwhile.
    """
    async with writing(conn, user):
        await conn.execute(query("use_claim"))
        yield


async def read_registries(conn: AsyncConnection[Any], user: str) -> tuple[Registry, ...]:
    """The parks the user may see, each with those of its tenants, meters, channels and rules the user may see."""
    return await _registries(conn, user, None, None)


async def _registries(
    conn: AsyncConnection[Any], user: str, park_key: str | None, as_of_us: int | None
) -> tuple[Registry, ...]:
    async with asking(conn, user):
        parks = await _select(conn, "registry_parks", {"park": park_key})
        ids = facts_of(parks, as_of_us)
        return registries_of(parks, [await _select(conn, name, ids) for name in REGISTRY_PARTS])


async def _select(conn: AsyncConnection[Any], name: str, parameters: dict[str, Any]) -> list[DictRow]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query(name), parameters)
        return await cursor.fetchall()


async def read_registry(
    conn: AsyncConnection[Any], user: str, park_key: str, *, as_of_us: int | None = None
) -> Registry | None:
    """
    One park as :func:`read_registries` shows it; None where there is none, or the user may not see it.

    Parameters
    ----------
    as_of_us : int or None [us UTC]
        Its dated facts as they were known at that moment; None: now.
    """
    found = await _registries(conn, user, park_key, as_of_us)
    return found[0] if found else None


async def read_readings(
    conn: AsyncConnection[Any],
    user: str,
    channel_ids: Sequence[int],
    start_us: int,
    stop_us: int,
    *,
    after: tuple[int, int] | None = None,
    limit: int = 10_000,
) -> Readings:
    """
    Stored readings of `[start_us, stop_us)` in order of (channel_id, ts), at most `limit`.

    Parameters
    ----------
    after : (channel_id, ts_us) or None
        The key of the last row of the page before; None: the first page.
    """
    after_channel, after_us = after if after is not None else (None, None)
    parameters = {
        **_within(channel_ids, start_us, stop_us),
        "after_channel": after_channel,
        "after_ts": None if after_us is None else to_datetime(after_us),
        "limit": limit,
    }
    async with asking(conn, user):
        page = await conn.execute(query("readings_page"), parameters, binary=True)
        columns = columns_of(page, Element.INTEGER, Element.INSTANT, Element.FLOAT, Element.INTEGER)
        marked = await conn.execute(query("conflicts_between"), parameters, binary=True)
        conflict_channel, conflict_us = columns_of(marked, Element.INTEGER, Element.INSTANT)
    channel_id, ts_us, value, quality = columns
    return sorted_readings(channel_id, ts_us, value, quality, (conflict_channel, conflict_us))


def _within(channel_ids: Sequence[int], start_us: int, stop_us: int) -> dict[str, Any]:
    return {
        "channel_id": integers(np.array(channel_ids, dtype=np.int32)),
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
    }


async def read_latest(conn: AsyncConnection[Any], user: str, channel_ids: Sequence[int]) -> tuple[LatestReading, ...]:
    """The newest reading of each channel that has one, in order of channel id."""
    async with asking(conn, user):
        rows = await _select(conn, "latest_read", {"channel_id": list(channel_ids)})
    return tuple(
        LatestReading(
            channel_id=row["channel_id"],
            ts_us=from_datetime(row["ts"]),
            value=row["value"],
            quality=row["quality"],
            received_us=from_datetime(row["received_at"]),
        )
        for row in rows
    )


async def read_amounts(
    conn: AsyncConnection[Any], user: str, level: Level, channel_ids: Sequence[int], *, start_us: int, stop_us: int
) -> StoredAmounts:
    """Stored amounts of intervals that start in `[start_us, stop_us)`."""
    async with asking(conn, user):
        parameters = {**_within(channel_ids, start_us, stop_us), "level": int(level)}
        cursor = await conn.execute(query("amounts_read"), parameters, binary=True)
        return stored_amounts(level, columns_of(cursor, *AMOUNT_ELEMENTS))


async def read_kpis(
    conn: AsyncConnection[Any],
    user: str,
    kpis: Sequence[str],
    subjects: Sequence[tuple[int, int]],
    level: Level,
    *,
    start_us: int,
    stop_us: int,
) -> StoredKpis:
    """
    Stored KPIs of intervals that start in `[start_us, stop_us)`.

    Parameters
    ----------
    subjects : Sequence[(int, int)]
        Pairs of (code of SubjectKind, id).
    """
    keys = sorted(set(kpis))
    async with asking(conn, user):
        cursor = await conn.execute(
            query("kpis_read"),
            {
                "keys": keys,
                "subject_kind": smallints(np.array([kind for kind, _ in subjects], dtype=np.int16)),
                "subject_id": integers(np.array([number for _, number in subjects], dtype=np.int32)),
                "level": int(level),
                "start": to_datetime(start_us),
                "stop": to_datetime(stop_us),
            },
            binary=True,
        )
        return stored_kpis(level, keys, columns_of(cursor, *KPI_ELEMENTS))


async def read_ledger(
    conn: AsyncConnection[Any],
    user: str,
    start_us: int,
    stop_us: int,
    *,
    source: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> tuple[LedgerHour, ...]:
    """
    The ledger by source and hour of reception, for hours in `[start_us, stop_us)`, in order of (hour, source).

    Parameters
    ----------
    after : (hour, source) or None
        Of the last row of the page before; None: the first page.
    limit : int or None
        None: all.
    """
    after_hour, after_source = after if after is not None else (None, None)
    page = {"after_hour": after_hour, "after_source": after_source, "limit": limit}
    parameters: dict[str, Any] = {"start": to_datetime(start_us), "stop": to_datetime(stop_us), "source": source}
    async with asking(conn, user):
        lines = await _select(conn, "ledger_read", {**parameters, **page})
        if lines:
            parameters |= {"start": lines[0]["hour"], "stop": lines[-1]["hour"] + timedelta(microseconds=1)}
        counted = await (await conn.execute(query("ledger_reasons"), parameters)).fetchall()
    reasons: dict[tuple[str, datetime], dict[str, int]] = {}
    for of_source, hour, reason, n in counted:
        reasons.setdefault((of_source, hour), {})[reason] = n
    return tuple(
        LedgerHour(
            received=line["stored"] + line["duplicate"] + line["conflict"] + line["rejected"],
            reasons=reasons.get((line["source"], line["hour"]), {}),
            **line,
        )
        for line in lines
    )


async def read_rejections(
    conn: AsyncConnection[Any],
    user: str,
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
    """
    async with asking(conn, user), conn.cursor(row_factory=class_row(RejectionRow)) as cursor:
        await cursor.execute(query("rejections_list"), page_parameters(reason, after, limit, unresolved=unresolved))
        return tuple(await cursor.fetchall())


async def read_rejected_message(conn: AsyncConnection[Any], user: str, message_id: int) -> RejectedMessage | None:
    """A rejected message, whole; None where there is none, or the user may not see it."""
    async with asking(conn, user):
        found = await _select(conn, "rejected_message_get", {"id": message_id})
        if not found:
            return None
        async with conn.cursor(row_factory=class_row(RejectionRow)) as cursor:
            await cursor.execute(query("rejections_of_message"), {"id": message_id})
            rejections = tuple(await cursor.fetchall())
    return RejectedMessage(rejections=rejections, **found[0])
