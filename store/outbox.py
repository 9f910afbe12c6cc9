"""The outbox: notifications are put in with what they tell of, and taken out to be sent, at least once. Role WRITE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.errors import InputError
from domain.notifications import Delivery, Notification, Outcome, Way
from domain.time import from_datetime, to_datetime
from store.arrays import booleans, instants
from store.connection import database_errors
from store.statements import query
from store.texts import clean

__all__ = ["Claimed", "WayLag", "claim", "enqueue", "lags", "next_due_us", "postpone", "record", "sent_since"]

_STATES: Mapping[Outcome, str] = MappingProxyType(
    {Outcome.SENT: "sent", Outcome.RETRY: "pending", Outcome.REFUSED: "refused"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A notification that this worker may send until its lease ends."""

    id: int
    park_id: int
    park: str
    """Key."""
    alarm_id: int | None
    transition_id: int | None
    created_us: int
    """When it was put in. [us UTC]"""
    attempts: int
    """Made before."""
    notification: Notification


@dataclass(frozen=True, slots=True, kw_only=True)
class WayLag:
    """What of the outbox is due and not sent, by way."""

    way: Way
    due: int
    oldest_s: float
    """For how long the oldest of them is due. [s]"""


def enqueue(
    conn: Connection[Any],
    park_id: int,
    notifications: Sequence[Notification],
    transition_ids: Sequence[int | None],
) -> int:
    """
    Put notifications into the outbox, in the caller's transaction, and notify `kawasan_outbox`; answers how many are new.

    One whose `dedup_key` is there already is left out.

    Parameters
    ----------
    transition_ids : sequence of int or None
        Beside each, what it tells of, as :func:`store.alarms.append_transitions` numbered it; None: of nothing (a test).

    Raises
    ------
    InputError
        There are more of the one than of the other.
    Unavailable
        The database is away.
    """
    if len(notifications) != len(transition_ids):
        raise InputError(
            f"{len(notifications)} notifications come with {len(transition_ids)} transitions; give one beside each"
        )
    if not notifications:
        return 0
    parameters = {
        "park_id": park_id,
        "transition_id": list(transition_ids),
        "contact": [clean(one.contact) for one in notifications],
        "way": [one.way.value for one in notifications],
        "address": [clean(one.address) for one in notifications],
        "subject": [clean(one.subject) for one in notifications],
        "body": [clean(one.body) for one in notifications],
        "payload": [clean(one.payload) for one in notifications],
        "dedup_key": [clean(one.dedup_key) for one in notifications],
        "urgent": booleans(np.array([one.urgent for one in notifications])),
        "not_before": instants(np.array([one.not_before_us for one in notifications], dtype=np.int64)),
    }
    with database_errors(f"putting {len(notifications)} notifications into the outbox"):
        added = conn.execute(query("outbox_insert"), parameters).rowcount
        if added:
            conn.execute(query("outbox_notify"))
    return added


def claim(
    conn: Connection[Any], way: Way, limit: int, lease_s: float, *, now_us: int | None = None
) -> tuple[Claimed, ...]:
    """
    Take what is due of one way, the urgent first; commit before sending. Nobody else gets it until the lease ends.

    What is never recorded (the worker died) is taken again after its lease: at least once, so receivers drop repeats by `dedup_key`.

    Parameters
    ----------
    lease_s : float
        Longer than all of it can take to send. [s]
    now_us : int or None
        None: the database's clock. [us UTC]

    Raises
    ------
    Unavailable
        The database is away.
    """
    parameters = {"way": way.value, "limit": limit, "lease_s": lease_s, "now": _moment(now_us)}
    with database_errors(f"taking from the outbox of {way.value}"), conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("outbox_claim"), parameters).fetchall()
    return tuple(_claimed(row) for row in rows)


def _moment(moment_us: int | None) -> object:
    return None if moment_us is None else to_datetime(moment_us)


def _claimed(row: DictRow) -> Claimed:
    return Claimed(
        id=row["id"],
        park_id=row["park_id"],
        park=row["park"],
        alarm_id=row["alarm_id"],
        transition_id=row["transition_id"],
        created_us=from_datetime(row["created_at"]),
        attempts=row["attempts"],
        notification=Notification(
            contact=row["contact"],
            way=Way(row["way"]),
            address=row["address"],
            subject=row["subject"],
            body=row["body"],
            payload=row["payload"],
            dedup_key=row["dedup_key"],
            not_before_us=from_datetime(row["not_before"]),
            urgent=row["urgent"],
        ),
    )


def record(
    conn: Connection[Any],
    notification_id: int,
    delivery: Delivery,
    *,
    at_us: int,
    retry_us: int | None = None,
) -> None:
    """
    Record one attempt and what it makes of the notification, in the caller's transaction; its lease ends. Role WRITE.

    What was sent, refused or given up stays so, whatever is recorded later.

    Parameters
    ----------
    at_us : int
        When the attempt ended. [us UTC]
    retry_us : int or None
        After RETRY, when to try again; None: it is given up. Of no meaning otherwise. [us UTC]

    Raises
    ------
    Unavailable
        The database is away.
    """
    gives_up = delivery.outcome is Outcome.RETRY and retry_us is None
    parameters = {
        "id": notification_id,
        "at": to_datetime(at_us),
        "outcome": delivery.outcome.value,
        "detail": clean(delivery.detail),
        "state": "given_up" if gives_up else _STATES[delivery.outcome],
        "next_at": to_datetime(at_us if retry_us is None else retry_us),
    }
    with database_errors(f"recording an attempt of notification {notification_id}"):
        conn.execute(query("outbox_attempt"), parameters)
        conn.execute(query("outbox_settle"), parameters)


def postpone(conn: Connection[Any], notification_ids: Sequence[int], until_us: int) -> None:
    """Put off what was claimed without an attempt (a contact had its fill for this hour), and end its lease. [us UTC]"""
    with database_errors(f"putting off {len(notification_ids)} notifications"):
        conn.execute(query("outbox_postpone"), {"id": list(notification_ids), "until": to_datetime(until_us)})


def sent_since(conn: Connection[Any], since_us: int) -> dict[tuple[int, str], int]:
    """How much each contact, by (park id, key), was sent since a moment; what was put together counts as one. [us UTC]"""
    with database_errors("counting what was sent"):
        rows = conn.execute(query("outbox_sent"), {"since": to_datetime(since_us)}).fetchall()
    return {(park_id, contact): n for park_id, contact, n in rows}


def next_due_us(conn: Connection[Any]) -> int | None:
    """When the next notification that waits is due, or its lease ends; None: none waits. [us UTC]"""
    with database_errors("looking at the outbox"):
        row = conn.execute(query("outbox_next")).fetchone()
    return None if row is None or row[0] is None else from_datetime(row[0])


def lags(conn: Connection[Any], *, now_us: int | None = None) -> tuple[WayLag, ...]:
    """What is due and not sent, by way; ways of which nothing is due are left out."""
    with database_errors("looking at the outbox"):
        rows = conn.execute(query("outbox_lags"), {"now": _moment(now_us)}).fetchall()
    return tuple(WayLag(way=Way(way), due=due, oldest_s=oldest_s) for way, due, oldest_s in rows)
