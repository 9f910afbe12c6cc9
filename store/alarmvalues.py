"""What alarms are about in numbers: the episode of each of many at once, for lists and the live page. Role API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from store.queries import asking
from store.statements import query

__all__ = ["AlarmValue", "ShortStanding", "read_alarm_values", "read_short_standings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmValue:
    """The episode that an alarm is about. Values in the unit of what is watched."""

    alarm_id: int
    start: datetime
    stop: datetime
    cleared_at: datetime | None
    peak: float | None
    peak_at: datetime | None
    bound: float | None


async def read_alarm_values(
    conn: AsyncConnection[Any], user: str, about: Sequence[tuple[int, datetime]]
) -> dict[int, AlarmValue]:
    """
    The episodes that alarms are about, by the id of the alarm; those that the user may not see, or that are not stored, are left out.

    Parameters
    ----------
    about : sequence of (alarm_id, start)
        Each alarm once, with the start of its episode, or any moment that it covers.
    """
    if not about:
        return {}
    parameters = {"alarm_id": [number for number, _ in about], "at": [start for _, start in about]}
    async with asking(conn, user), conn.cursor(row_factory=class_row(AlarmValue)) as cursor:
        await cursor.execute(query("alarm_values"), parameters)
        return {value.alarm_id: value for value in await cursor.fetchall()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortStanding:
    """How an alarm stands, in short."""

    id: int
    state: str
    inhibit: str
    version: int


async def read_short_standings(
    conn: AsyncConnection[Any], user: str, alarm_ids: Sequence[int]
) -> dict[int, ShortStanding]:
    """How some alarms stand, by their id; those that the user may not see are left out."""
    if not alarm_ids:
        return {}
    async with asking(conn, user), conn.cursor(row_factory=class_row(ShortStanding)) as cursor:
        await cursor.execute(query("alarm_states"), {"alarm_id": list(alarm_ids)})
        return {row.id: row for row in await cursor.fetchall()}
