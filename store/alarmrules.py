"""Alarm rules in the database: what people enter beside the park file, with its versions; and what the engine has yet to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row

from domain.alarmentries import AlarmEntry
from domain.time import to_datetime
from store.alarmrulerows import document_of, entry_of_rule
from store.connection import database_errors
from store.queries import asking, changing
from store.statements import query
from store.texts import clean

__all__ = [
    "AlarmRuleRow",
    "create_rule",
    "end_rule",
    "list_rules",
    "mark_judged",
    "read_rules",
    "replace_rule",
    "unjudged_rules",
]


@dataclass(frozen=True, kw_only=True)
class AlarmRuleRow:
    """A version of a rule, with who recorded it when, and what became of it."""

    id: int
    park: str
    key: str
    version: int
    """What a change must have seen."""
    document: str
    """The entry as JSON text."""
    origin: Literal["file", "entry"]
    note: str
    """Why it was entered."""
    valid_from: datetime
    valid_to: datetime | None
    """None: open."""
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When somebody ended or replaced it; None: nobody did."""
    superseded_by: str | None
    superseded_why: str | None

    @cached_property
    def entry(self) -> AlarmEntry:
        """The rule as it was written; raises RegistryError where another version of kawasan wrote what this one cannot read."""
        return entry_of_rule(self.document)


def list_rules(
    conn: Connection[Any], park_key: str, *, key: str | None = None, history: bool = False
) -> tuple[AlarmRuleRow, ...]:
    """Rules of a park by key and version; with `history`, those that are over, too. Role WRITE or MIGRATE."""
    with database_errors("reading alarm rules"), conn.cursor(row_factory=class_row(AlarmRuleRow)) as cursor:
        parameters = {"park": park_key, "key": key, "history": history}
        return tuple(cursor.execute(query("alarm_rules_list"), parameters).fetchall())


async def read_rules(
    conn: AsyncConnection[Any], user: str, park_key: str, *, key: str | None = None, history: bool = False
) -> tuple[AlarmRuleRow, ...]:
    """As :func:`list_rules`, those that the user may see. Role API."""
    async with asking(conn, user), conn.cursor(row_factory=class_row(AlarmRuleRow)) as cursor:
        await cursor.execute(query("alarm_rules_list"), {"park": park_key, "key": key, "history": history})
        return tuple(await cursor.fetchall())


async def create_rule(conn: AsyncConnection[Any], user: str, park_id: int, entry: AlarmEntry, *, note: str = "") -> int:
    """
    Enter a rule beside those of the park file, and have the engine judge by it; answers its version. Role API.

    It begins at its `valid_from`, which may lie in the past; where it says none, now.

    Parameters
    ----------
    entry : AlarmEntry
        One that :func:`domain.alarmchecks.alarm_problems` finds nothing wrong with.
    note : str
        Why.

    Raises
    ------
    InputError
        The park has a rule of that key, or had one later than this would begin.
    NotAllowed
        The user does not operate the park.
    """
    async with changing(conn, user):
        cursor = await conn.execute(query("alarm_rule_create"), _parameters(park_id, entry, note))
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def replace_rule(
    conn: AsyncConnection[Any], user: str, park_id: int, entry: AlarmEntry, *, seen: int, note: str = ""
) -> int | None:
    """
    End an entered rule now and begin its next version now, or at its `valid_from` where that lies ahead. Role API.

    Parameters
    ----------
    entry : AlarmEntry
        As for :func:`create_rule`; its key says which rule it replaces.
    seen : int
        The version that the user has seen.

    Returns
    -------
    int or None
        The new version; None: the rule is of another version than was seen, and nothing changed.

    Raises
    ------
    InputError
        No such rule is in force, or it is the park file's.
    NotAllowed
        The user does not operate the park.
    """
    async with changing(conn, user):
        parameters = {**_parameters(park_id, entry, note), "seen": seen}
        row = await (await conn.execute(query("alarm_rule_replace"), parameters)).fetchone()
    return None if row is None or row[0] is None else int(row[0])


async def end_rule(conn: AsyncConnection[Any], user: str, park_id: int, key: str, *, seen: int, why: str) -> bool:
    """
    End an entered rule now; what was judged by it stands. Role API.

    Returns
    -------
    bool
        False: the rule is of another version than was seen, and nothing changed.

    Raises
    ------
    InputError
        No such rule is in force, it is the park file's, or no reason was given.
    NotAllowed
        The user does not operate the park.
    """
    async with changing(conn, user):
        parameters = {"park_id": park_id, "key": key, "seen": seen, "why": clean(why)}
        row = await (await conn.execute(query("alarm_rule_end"), parameters)).fetchone()
    return bool(row and row[0])


def _parameters(park_id: int, entry: AlarmEntry, note: str) -> dict[str, Any]:
    return {
        "park_id": park_id,
        "key": entry.key,
        "document": clean(document_of(entry)),
        "first": entry.valid_from,
        "last": entry.valid_to,
        "note": clean(note),
    }


def unjudged_rules(conn: Connection[Any], park_id: int) -> tuple[int, ...]:
    """
    Ids of the versions of rules that began, or were ended, since the engine last judged all of their time; in order. Role WRITE.

    The engine evaluates each from its beginning to the newest data, and says so by :func:`mark_judged`.
    """
    with database_errors("reading which alarm rules are new"):
        rows = conn.execute(query("alarm_rules_unjudged"), {"park_id": park_id}).fetchall()
    return tuple(row[0] for row in rows)


def mark_judged(
    conn: Connection[Any], park_id: int, rule_ids: Sequence[int], *, registry_version: int, now_us: int
) -> int:
    """
    Say that all of the time of some rules was judged, in the caller's transaction; answers of how many. Role WRITE.

    Parameters
    ----------
    registry_version : int
        Of the registry that was judged by; of rules that may have changed since, nothing is said.
    now_us : int
        [us UTC]
    """
    if not rule_ids:
        return 0
    with database_errors("marking alarm rules as judged"):
        parameters = {
            "park_id": park_id,
            "id": list(rule_ids),
            "registry_version": registry_version,
            "now": to_datetime(now_us),
        }
        return conn.execute(query("alarm_rules_judged"), parameters).rowcount
