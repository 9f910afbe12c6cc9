"""The life of meters in the database: facts that people enter beside those of the park file, and withdraw."""

import json
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import DictRow, class_row, dict_row

from domain.meterlife import (
    DeviceEntry,
    ExchangeEntry,
    LifeEntry,
    LifeRow,
    MultiplierEntry,
    Neighbours,
    OutageEntry,
    UnitEntry,
)
from domain.time import from_datetime, to_datetime
from store.connection import database_errors
from store.queries import asking, changing
from store.statements import query
from store.texts import clean

__all__ = [
    "enter_life",
    "enter_life_as",
    "list_life",
    "neighbours_of",
    "read_life",
    "read_neighbours",
    "withdraw_life",
    "withdraw_life_as",
]


def list_life(conn: Connection[Any], meter_id: int, *, history: bool = False) -> tuple[LifeRow, ...]:
    """What is known of a meter's life, in order of time; with `history` also what was superseded. Role MIGRATE or WRITE."""
    with database_errors("reading the life of a meter"), conn.cursor(row_factory=class_row(LifeRow)) as cursor:
        return tuple(cursor.execute(query("life_list"), {"meter_id": meter_id, "history": history}).fetchall())


async def read_life(
    conn: AsyncConnection[Any], user: str, meter_id: int, *, history: bool = False
) -> tuple[LifeRow, ...]:
    """As :func:`list_life`, as far as the user may see it. Role API."""
    async with asking(conn, user), conn.cursor(row_factory=class_row(LifeRow)) as cursor:
        await cursor.execute(query("life_list"), {"meter_id": meter_id, "history": history})
        return tuple(await cursor.fetchall())


def neighbours_of(conn: Connection[Any], channel_id: int, at_us: int) -> Neighbours:
    """The stored readings on both sides of a moment. Role MIGRATE or WRITE."""
    with database_errors("reading around an exchange"), conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query("life_neighbours"), _moment(channel_id, at_us)).fetchone()
    return _neighbours(row)


async def read_neighbours(conn: AsyncConnection[Any], user: str, channel_id: int, at_us: int) -> Neighbours:
    """As :func:`neighbours_of`, as far as the user may see them. Role API."""
    async with asking(conn, user), conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("life_neighbours"), _moment(channel_id, at_us))
        return _neighbours(await cursor.fetchone())


def _moment(channel_id: int, at_us: int) -> dict[str, Any]:
    return {"channel_id": channel_id, "at": to_datetime(at_us)}


def _neighbours(row: DictRow | None) -> Neighbours:
    def side(name: str) -> tuple[int, float] | None:
        if row is None or row[f"{name}_ts"] is None:
            return None
        return from_datetime(row[f"{name}_ts"]), row[name]

    return Neighbours(before=side("before"), after=side("after"))


def enter_life(
    conn: Connection[Any], meter_id: int, entries: Sequence[LifeEntry], *, note: str, by: str, replace: bool = False
) -> tuple[int, ...]:
    """
    Enter facts about a meter, all or none, and have what they change computed again. Role MIGRATE.

    They should have passed :func:`domain.meterlife.life_mistakes`; what the database alone can know, it checks here.

    Parameters
    ----------
    note : str
        What people should know of it later.
    by : str
        Who enters it.
    replace : bool
        Whether they may take the place of what people entered for the same moment.

    Returns
    -------
    tuple of int
        Their numbers, in order.

    Raises
    ------
    InputError
        Something else stands there already; the text says what.
    """
    parameters = _entered(meter_id, entries, note=note, replace=replace)
    with database_errors("entering the life of a meter"):
        row = conn.execute(query("life_enter_by"), {**parameters, "by": by}).fetchone()
    return tuple(row[0]) if row else ()


async def enter_life_as(
    conn: AsyncConnection[Any],
    user: str,
    meter_id: int,
    entries: Sequence[LifeEntry],
    *,
    note: str,
    replace: bool = False,
) -> tuple[int, ...]:
    """As :func:`enter_life`, by a user of the API, who must operate the park. Role API."""
    async with changing(conn, user):
        cursor = await conn.execute(query("life_enter"), _entered(meter_id, entries, note=note, replace=replace))
        row = await cursor.fetchone()
    return tuple(row[0]) if row else ()


def withdraw_life(conn: Connection[Any], meter_id: int, kind: str, number: int, *, why: str, by: str) -> None:
    """
    Take an entered fact out of force, and have what it changed computed again. Role MIGRATE.

    Raises
    ------
    InputError
        The meter has none of that kind and number, it is not in force, it is the park file's, or no reason was given.
    """
    with database_errors("withdrawing from the life of a meter"):
        conn.execute(query("life_withdraw_by"), {**_gone(meter_id, kind, number, why), "by": by})


async def withdraw_life_as(
    conn: AsyncConnection[Any], user: str, meter_id: int, kind: str, number: int, *, why: str
) -> None:
    """As :func:`withdraw_life`, by a user of the API, who must operate the park. Role API."""
    async with changing(conn, user):
        await conn.execute(query("life_withdraw"), _gone(meter_id, kind, number, why))


def _gone(meter_id: int, kind: str, number: int, why: str) -> dict[str, Any]:
    return {"meter_id": meter_id, "kind": kind, "id": number, "why": clean(why)}


def _entered(meter_id: int, entries: Sequence[LifeEntry], *, note: str, replace: bool) -> dict[str, Any]:
    facts = [{**_fact(entry), "note": clean(note)} for entry in entries]
    return {"meter_id": meter_id, "facts": json.dumps(facts, allow_nan=False), "replace": replace}


def _fact(entry: LifeEntry) -> dict[str, Any]:
    moment = to_datetime(entry.from_us).isoformat()
    match entry:
        case DeviceEntry():
            return {"kind": "device", "from": moment, "serial": clean(entry.serial)}
        case ExchangeEntry():
            said = {
                name: getattr(entry.exchange, name)
                for name in ("closing", "opening", "modulus", "resolution", "max_rate")
            }
            return {"kind": "exchange", "at": moment, "quantity": entry.quantity, **said}
        case MultiplierEntry():
            return {"kind": "multiplier", "from": moment, "quantity": entry.quantity, "factor": entry.factor}
        case UnitEntry():
            return {"kind": "unit", "from": moment, "quantity": entry.quantity, "unit": entry.unit}
        case OutageEntry():
            end = None if entry.to_us is None else to_datetime(entry.to_us).isoformat()
            return {"kind": "outage", "from": moment, "to": end, "reason": clean(entry.reason)}
