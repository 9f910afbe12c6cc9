"""Corrections of readings in the database: what was said, and by whom; readings themselves are only ever read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
from psycopg.rows import class_row, dict_row

from domain.corrections import Action, Claim, Conflict, Correction, CorrectionTable
from domain.time import to_datetime
from store.arrays import Element, columns_of, integers
from store.connection import database_errors
from store.queries import asking, changing
from store.statements import query

__all__ = [
    "correct",
    "correct_as",
    "corrections_of",
    "list_conflicts",
    "list_corrections",
    "read_conflicts",
    "read_corrections",
    "read_corrections_of",
    "withdraw",
    "withdraw_as",
]

_ELEMENTS = (
    Element.BIGINT,
    Element.INTEGER,
    Element.INSTANT,
    Element.INSTANT,
    Element.FLOAT,
    Element.INSTANT,
    Element.BOOLEAN,
)


def corrections_of(conn: Connection[Any], channel_id: NDArray[np.int32]) -> CorrectionTable:
    """Every correction of some channels, superseded ones too. Role WRITE or MIGRATE."""
    with database_errors("reading corrections"):
        cursor = conn.execute(query("corrections_of_channels"), _asked(channel_id, None), binary=True)
        return _table(cursor)


async def read_corrections_of(
    conn: AsyncConnection[Any], user: str, channel_id: NDArray[np.int32], *, as_of_us: int | None = None
) -> CorrectionTable:
    """Every correction of some channels that was recorded by a moment (None: by now), in force or not then. Role API."""
    async with asking(conn, user):
        cursor = await conn.execute(query("corrections_of_channels"), _asked(channel_id, as_of_us), binary=True)
        return _table(cursor)


def _asked(channel_id: NDArray[np.int32], as_of_us: int | None) -> dict[str, Any]:
    return {"channel_id": integers(channel_id), "as_of": None if as_of_us is None else to_datetime(as_of_us)}


def _table(cursor: Cursor[Any] | AsyncCursor[Any]) -> CorrectionTable:
    ids, channel_id, from_us, to_us, value, recorded_us, in_force = columns_of(cursor, *_ELEMENTS)
    return CorrectionTable(
        id=ids,
        channel_id=channel_id,
        from_us=from_us,
        to_us=to_us,
        value=value,
        recorded_us=recorded_us,
        in_force=in_force,
    )


def list_corrections(
    conn: Connection[Any],
    channel_ids: Sequence[int] | None,
    *,
    history: bool = False,
    after: int | None = None,
    limit: int = 1000,
) -> tuple[Correction, ...]:
    """Corrections of some channels (None: of all), newest first; with `history` the superseded too. Role WRITE."""
    parameters = _page(channel_ids, history=history, after=after, limit=limit)
    with database_errors("reading corrections"), conn.cursor(row_factory=class_row(Correction)) as cursor:
        return tuple(cursor.execute(query("corrections_list"), parameters).fetchall())


async def read_corrections(
    conn: AsyncConnection[Any],
    user: str,
    channel_ids: Sequence[int] | None,
    *,
    start_us: int | None = None,
    stop_us: int | None = None,
    history: bool = False,
    after: int | None = None,
    correction_id: int | None = None,
    limit: int = 1000,
) -> tuple[Correction, ...]:
    """
    Corrections that the user may see, newest first. Role API.

    Parameters
    ----------
    channel_ids : Sequence[int] or None
        None: of every channel.
    start_us, stop_us : int or None [us UTC]
        Only those that cover something of `[start_us, stop_us)`.
    history : bool
        Also those that were superseded.
    after : int or None
        Id of the last of the page before; None: the first page.
    correction_id : int or None
        Only this one.
    """
    parameters = {
        **_page(channel_ids, history=history, after=after, limit=limit),
        **_times(start_us, stop_us),
        "id": correction_id,
    }
    async with asking(conn, user), conn.cursor(row_factory=class_row(Correction)) as cursor:
        await cursor.execute(query("corrections_list"), parameters)
        return tuple(await cursor.fetchall())


def _page(channel_ids: Sequence[int] | None, *, history: bool, after: int | None, limit: int) -> dict[str, Any]:
    return {
        "channel_id": None if channel_ids is None else list(channel_ids),
        "id": None,
        "start": None,
        "stop": None,
        "history": history,
        "after": after,
        "limit": limit,
    }


def _times(start_us: int | None, stop_us: int | None) -> dict[str, datetime | None]:
    return {
        "start": None if start_us is None else to_datetime(start_us),
        "stop": None if stop_us is None else to_datetime(stop_us),
    }


def list_conflicts(
    conn: Connection[Any],
    channel_ids: Sequence[int] | None,
    *,
    resolved: bool = False,
    after: tuple[int, int] | None = None,
    limit: int = 1000,
) -> tuple[Conflict, ...]:
    """Times that several values claim, in order of (channel id, time); with `resolved` the decided too. Role WRITE."""
    parameters = _conflicts(channel_ids, resolved=resolved, after=after, limit=limit)
    with database_errors("reading conflicts"), conn.cursor(row_factory=dict_row) as cursor:
        return tuple(_conflict(row) for row in cursor.execute(query("conflicts_list"), parameters))


async def read_conflicts(
    conn: AsyncConnection[Any],
    user: str,
    channel_ids: Sequence[int] | None,
    *,
    start_us: int | None = None,
    stop_us: int | None = None,
    resolved: bool = False,
    after: tuple[int, int] | None = None,
    limit: int = 1000,
) -> tuple[Conflict, ...]:
    """
    As :func:`list_conflicts`, of channels that the user may see. Role API.

    Parameters
    ----------
    after : (channel_id, ts_us) or None
        Of the last of the page before; None: the first page.
    """
    parameters = {
        **_conflicts(channel_ids, resolved=resolved, after=after, limit=limit),
        **_times(start_us, stop_us),
    }
    async with asking(conn, user), conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("conflicts_list"), parameters)
        return tuple([_conflict(row) async for row in cursor])


def _conflicts(
    channel_ids: Sequence[int] | None, *, resolved: bool, after: tuple[int, int] | None, limit: int
) -> dict[str, Any]:
    after_channel, after_us = after if after is not None else (None, None)
    return {
        "channel_id": None if channel_ids is None else list(channel_ids),
        "start": None,
        "stop": None,
        "resolved": resolved,
        "after_channel": after_channel,
        "after_ts": None if after_us is None else to_datetime(after_us),
        "limit": limit,
    }


def _conflict(row: Mapping[str, Any]) -> Conflict:
    claims = zip(row["value"], row["quality"], row["received_at"], strict=True)
    return Conflict(
        channel=row["channel"],
        channel_id=row["channel_id"],
        unit=row["unit"],
        ts=row["ts"],
        claims=tuple(Claim(value=value, quality=quality, received_at=at) for value, quality, at in claims),
        correction_id=row["correction_id"],
        chosen=row["chosen"],
    )


def correct(
    conn: Connection[Any],
    channel_id: int,
    action: Action,
    *,
    first_us: int,
    last_us: int,
    value: float | None,
    why: str,
    by: str,
    replace: bool = False,
) -> int:
    """
    Enter a correction, and have what it changes computed again; commits with the caller's transaction. Role MIGRATE.

    Parameters
    ----------
    first_us, last_us : int [us UTC]
        Both included; the same for a set or a choice.
    value : float or None [unit of the channel, before the multiplier]
        None for a void.
    replace : bool
        Whether it may take the place of a set that is in force at the same instant.

    Returns
    -------
    int
        Its id.

    Raises
    ------
    InputError
        Something is wrong with it; the text says what would be right.
    """
    parameters = _entry(channel_id, action, first_us, last_us, value, why=why, replace=replace)
    with database_errors("correcting"):
        row = conn.execute(query("correct_by"), {**parameters, "by": by}).fetchone()
    return int(row[0]) if row else 0


async def correct_as(
    conn: AsyncConnection[Any],
    user: str,
    channel_id: int,
    action: Action,
    *,
    first_us: int,
    last_us: int,
    value: float | None,
    why: str,
    replace: bool = False,
) -> int:
    """As :func:`correct`, by a user of the API, who must operate the park. Role API."""
    parameters = _entry(channel_id, action, first_us, last_us, value, why=why, replace=replace)
    async with changing(conn, user):
        row = await (await conn.execute(query("correct"), parameters)).fetchone()
    return int(row[0]) if row else 0


def _entry(
    channel_id: int, action: Action, first_us: int, last_us: int, value: float | None, *, why: str, replace: bool
) -> dict[str, Any]:
    return {
        "channel_id": channel_id,
        "action": action.value,
        "first": to_datetime(first_us),
        "last": to_datetime(last_us),
        "value": value,
        "why": why,
        "replace": replace,
    }


def withdraw(conn: Connection[Any], correction_id: int, *, why: str, by: str) -> None:
    """
    Take a correction out of force, and have what it changed computed again. Role MIGRATE.

    Raises
    ------
    InputError
        There is none of that id, or it is no longer in force, or no reason was given.
    """
    with database_errors("withdrawing a correction"):
        conn.execute(query("correction_withdraw_by"), {"id": correction_id, "why": why, "by": by})


async def withdraw_as(conn: AsyncConnection[Any], user: str, correction_id: int, *, why: str) -> None:
    """As :func:`withdraw`, by a user of the API, who must operate the park. Role API."""
    async with changing(conn, user):
        await conn.execute(query("correction_withdraw"), {"id": correction_id, "why": why})
