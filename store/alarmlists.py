"""Alarms for people: what a user may see of them, of their journal and of who was told; and what somebody does to one.

Role API, each row only where the user may see it; at the command line role WRITE, which sees all.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, Connection, Rollback
from psycopg.rows import class_row

from domain.alarms import AlarmState, Category, Severity, Standing, Transition
from domain.time import to_datetime
from store.alarms import standing_of
from store.connection import database_errors
from store.queries import asking, changing
from store.statements import query
from store.texts import clean

__all__ = [
    "AlarmRow",
    "AttemptRow",
    "NotificationRow",
    "TransitionRow",
    "act",
    "act_by",
    "read_alarm",
    "read_alarms",
    "read_attempts",
    "read_notifications",
    "read_transitions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """An alarm as it stands, with the names that go with it."""

    alarm_id: int
    park: str
    timezone: str
    rule: str
    """Key of its rule."""
    rule_version: int | None
    """Of the newest version of the rule, whether it is in force or not."""
    document: str | None
    """The entry of that version as JSON text: name, texts, limits as they were written."""
    target: str
    channel: str | None
    """`park/tenant/meter/quantity` where it is about a channel."""
    unit: str | None
    """Of that channel."""
    category: str
    severity: int
    state: str
    inhibit: str
    suppressed: bool
    since: datetime
    episode: datetime | None
    raised_at: datetime | None
    acked_at: datetime | None
    acked_by: str | None
    level: int
    until: datetime | None
    version: int

    @property
    def standing(self) -> Standing:
        """How it stands, as the state machine takes it."""
        return standing_of(asdict(self))

    @property
    def key(self) -> tuple[datetime, int]:
        """Where a page that ends with it goes on."""
        return self.since, self.alarm_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRow:
    """A line of the journal."""

    id: int
    alarm_id: int
    park: str
    rule: str
    target: str
    category: str
    severity: int
    step: str
    before: str
    after: str
    inhibit: str
    at: datetime
    recorded_at: datetime
    episode: datetime | None
    actor: str
    text: str
    announced: bool
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRow:
    """A notification, and what became of it."""

    id: int
    park: str
    alarm_id: int | None
    transition_id: int | None
    contact: str
    way: str
    address: str
    subject: str
    body: str
    urgent: bool
    not_before: datetime
    created_at: datetime
    state: str
    """`pending`, `sent`, `refused` or `given_up`."""
    attempts: int
    next_at: datetime
    sent_at: datetime | None
    last_detail: str | None
    """What the last attempt came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt to deliver a notification."""

    id: int
    notification_id: int
    at: datetime
    outcome: str
    detail: str


async def read_alarms(
    conn: AsyncConnection[Any],
    user: str,
    *,
    park: str | None = None,
    states: Sequence[AlarmState] = (),
    categories: Sequence[Category] = (),
    least_severity: Severity = Severity.LOW,
    rule: str | None = None,
    target: str | None = None,
    inhibited: bool | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> tuple[AlarmRow, ...]:
    """
    Alarms that the user may see, those that changed last first.

    Parameters
    ----------
    states, categories : sequence
        Only of these; empty: of all.
    target : str or None
        Only of this target, and of what lies under it (`park/tenant` finds that of its meters).
    inhibited : bool or None
        Only those that something keeps from being announced, or only the others; None: both.
    after : (since, alarm_id) or None
        Key of the last row of the page before; None: the first page.
    """
    after_since, after_id = after or (None, None)
    parameters = {
        "alarm_id": None,
        "park": park,
        "states": [state.value for state in states] or None,
        "categories": [category.value for category in categories] or None,
        "severity": int(least_severity),
        "rule": rule,
        "target": target,
        "inhibited": inhibited,
        "after_since": after_since,
        "after_id": after_id,
        "limit": limit,
    }
    async with asking(conn, user), conn.cursor(row_factory=class_row(AlarmRow)) as cursor:
        await cursor.execute(query("alarms_page"), parameters)
        return tuple(await cursor.fetchall())


async def read_alarm(conn: AsyncConnection[Any], user: str, alarm_id: int) -> AlarmRow | None:
    """One alarm; None where there is none, or the user may not see it."""
    names = ("park", "states", "categories", "rule", "target", "inhibited", "after_since", "after_id")
    parameters: dict[str, Any] = {**dict.fromkeys(names), "alarm_id": alarm_id, "severity": 0, "limit": 1}
    async with asking(conn, user), conn.cursor(row_factory=class_row(AlarmRow)) as cursor:
        await cursor.execute(query("alarms_page"), parameters)
        return await cursor.fetchone()


async def read_transitions(
    conn: AsyncConnection[Any],
    user: str,
    *,
    park: str | None = None,
    alarm_id: int | None = None,
    start_us: int | None = None,
    stop_us: int | None = None,
    after: int | None = None,
    newer_than: int | None = None,
    limit: int = 100,
) -> tuple[TransitionRow, ...]:
    """
    The journal of alarms that the user may see, newest first.

    Parameters
    ----------
    start_us, stop_us : int or None [us UTC]
        Only what was recorded in `[start_us, stop_us)`.
    after : int or None
        Id of the last of the page before; None: the first page.
    newer_than : int or None
        Only those with a higher id: what is new since it was read last.
    """
    parameters = {
        "park": park,
        "alarm_id": alarm_id,
        "start": None if start_us is None else to_datetime(start_us),
        "stop": None if stop_us is None else to_datetime(stop_us),
        "after": after,
        "newer_than": newer_than,
        "limit": limit,
    }
    async with asking(conn, user), conn.cursor(row_factory=class_row(TransitionRow)) as cursor:
        await cursor.execute(query("transitions_page"), parameters)
        return tuple(await cursor.fetchall())


async def read_notifications(
    conn: AsyncConnection[Any],
    user: str,
    *,
    park: str | None = None,
    alarm_id: int | None = None,
    state: str | None = None,
    contact: str | None = None,
    after: int | None = None,
    limit: int = 100,
) -> tuple[NotificationRow, ...]:
    """
    Notifications that the user may see, newest first.

    Parameters
    ----------
    state : str or None
        Only of this: `pending`, `sent`, `refused`, `given_up`.
    after : int or None
        Id of the last of the page before; None: the first page.
    """
    parameters = {
        "park": park,
        "alarm_id": alarm_id,
        "state": state,
        "contact": contact,
        "after": after,
        "limit": limit,
    }
    async with asking(conn, user), conn.cursor(row_factory=class_row(NotificationRow)) as cursor:
        await cursor.execute(query("notifications_page"), parameters)
        return tuple(await cursor.fetchall())


async def read_attempts(conn: AsyncConnection[Any], user: str, notification_id: int) -> tuple[AttemptRow, ...]:
    """What was tried to deliver a notification that the user may see, in order of time."""
    async with asking(conn, user), conn.cursor(row_factory=class_row(AttemptRow)) as cursor:
        await cursor.execute(query("attempts_of"), {"id": notification_id})
        return tuple(await cursor.fetchall())


async def act(
    conn: AsyncConnection[Any], user: str, standing_before: Standing, standing: Standing, transition: Transition
) -> bool:
    """
    Do to an alarm what a person does: store how it stands now, and the step in the journal, under the user's name.

    Who acts is the user, whatever the transition says. When it was raised is the engine's to say and stays. A comment changes nothing
    but the version.

    Parameters
    ----------
    standing_before : Standing
        As it was read, with the version that must still be that of the alarm.
    standing, transition : Standing, Transition
        As :func:`alerts.machine.apply` made them of it.

    Returns
    -------
    bool
        False: the alarm moved on since it was read; read it again. Nothing changed.

    Raises
    ------
    InputError
        The user may not see the alarm, a reason is missing, or a shelf is without an end or too long.
    NotAllowed
        A tenant does more than comment.
    """
    parameters = _act_parameters(standing_before, standing, transition)
    async with changing(conn, user):
        row = await (await conn.execute(query("alarm_act"), parameters)).fetchone()
        if not (row and row[0]):
            # Nothing was done, so nothing is to be remembered as done.
            raise Rollback
    return bool(row and row[0])


def act_by(
    conn: Connection[Any], by: str, standing_before: Standing, standing: Standing, transition: Transition
) -> bool:
    """As :func:`act`, by somebody at the command line, who is named and may do everything. Role MIGRATE."""
    parameters = {**_act_parameters(standing_before, standing, transition), "by": clean(by)}
    with database_errors("dealing with an alarm"):
        row = conn.execute(query("alarm_act_by"), parameters).fetchone()
    return bool(row and row[0])


def _act_parameters(standing_before: Standing, standing: Standing, transition: Transition) -> dict[str, Any]:
    return {
        "alarm_id": standing_before.alarm_id,
        "seen": standing_before.version,
        "step": transition.step.value,
        "state": standing.state.value,
        "inhibit": standing.inhibit.value,
        "suppressed": standing.suppressed,
        "since": to_datetime(standing.since_us),
        "episode": _moment(standing.episode_us),
        "acked_at": _moment(standing.acked_us),
        "level": standing.level,
        "until": _moment(standing.until_us),
        "at": to_datetime(transition.at_us),
        "of_episode": _moment(transition.episode_us),
        "text": clean(transition.text),
        "announced": transition.announced,
    }


def _moment(moment_us: int | None) -> datetime | None:
    return None if moment_us is None else to_datetime(moment_us)
