"""Episodes for people: what a user may see of them, what was judged, and what people say of one.

Role API, each row only where the user may see it; at the command line role WRITE, which sees all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row

from domain.alarms import Category
from domain.time import to_datetime
from store.connection import database_errors
from store.queries import asking, changing
from store.statements import query
from store.texts import clean

__all__ = [
    "EpisodeRow",
    "JudgementRow",
    "NoteKind",
    "NoteRow",
    "note_episode",
    "note_episode_by",
    "read_episode",
    "read_episodes",
    "read_judgements",
]


# What a page of episodes can be narrowed by.
_EVERY: dict[str, Any] = dict.fromkeys(
    ("park", "alarm_id", "rule", "target", "categories", "going_on", "closed", "after_start", "after_alarm")
)


class NoteKind(StrEnum):
    """What somebody says of an episode."""

    CAUSE = "cause"
    ACTION = "action"
    COMMENT = "comment"
    LINK = "link"
    """The address of a document or a picture."""
    CLOSE = "close"
    """It is dealt with: needs a cause and an action said before."""
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRow:
    """An episode, with the names that go with it and what people made of it. Values in the unit of what is watched."""

    alarm_id: int
    start: datetime
    park: str
    timezone: str
    rule: str
    """Key of its rule."""
    rule_version: int
    """Version of the rule by which it is one."""
    document: str
    """The entry of that version as JSON text."""
    target: str
    channel: str | None
    unit: str | None
    """Of the channel, where it is about one."""
    category: str
    severity: int
    stop: datetime
    raised_at: datetime
    cleared_at: datetime | None
    """None: it is still going on."""
    last_at: datetime
    peak: float | None
    peak_at: datetime | None
    bound: float | None
    mean: float | None
    beyond_s: float
    excess_kg: float | None
    valid: int
    missing: int
    excluded: int
    final: bool
    revision: int
    """How often late data changed it after it was final."""
    computed_at: datetime
    cause: str | None
    """As it was said last."""
    action: str | None
    closed_at: datetime | None
    """When somebody closed it; None: nobody did, or it was reopened."""
    closed_by: str | None

    @property
    def key(self) -> tuple[datetime, int]:
        """Where a page that ends with it goes on."""
        return self.start, self.alarm_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRow:
    """What somebody said of an episode."""

    id: int
    alarm_id: int
    episode: datetime
    said_of: datetime
    """Start of the episode as it was then: late data may have moved it."""
    kind: str
    text: str
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementRow:
    """The verdict of one window."""

    alarm_id: int
    start: datetime
    at: datetime
    least: float | None
    greatest: float | None
    lowest: float | None
    highest: float | None
    verdict: int
    """0 clear, 1 between, 2 beyond, 3 unknown."""
    status: int
    """Code of :class:`domain.alarms.Status`."""
    known_s: float
    final: bool
    revision: int
    computed_at: datetime


async def read_episodes(
    conn: AsyncConnection[Any],
    user: str,
    start_us: int,
    stop_us: int,
    *,
    park: str | None = None,
    alarm_id: int | None = None,
    rule: str | None = None,
    target: str | None = None,
    categories: Sequence[Category] = (),
    going_on: bool | None = None,
    closed: bool | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> tuple[EpisodeRow, ...]:
    """
    Episodes that start in `[start_us, stop_us)` and that the user may see, newest first.

    Parameters
    ----------
    target : str or None
        Only of this target, and of what lies under it.
    going_on : bool or None
        Only those that are not cleared, or only those that are; None: both.
    closed : bool or None
        Only those that somebody closed, or only the others; None: both.
    after : (start, alarm_id) or None
        Key of the last row of the page before; None: the first page.
    """
    after_start, after_alarm = after or (None, None)
    parameters = {
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
        "park": park,
        "alarm_id": alarm_id,
        "rule": rule,
        "target": target,
        "categories": [category.value for category in categories] or None,
        "going_on": going_on,
        "closed": closed,
        "after_start": after_start,
        "after_alarm": after_alarm,
        "limit": limit,
    }
    async with asking(conn, user), conn.cursor(row_factory=class_row(EpisodeRow)) as cursor:
        await cursor.execute(query("episodes_page"), parameters)
        return tuple(await cursor.fetchall())


async def read_episode(
    conn: AsyncConnection[Any], user: str, alarm_id: int, start_us: int
) -> tuple[EpisodeRow, tuple[NoteRow, ...]] | None:
    """
    One episode, and what was said of it in order of time; None where there is none, or the user may not see it.

    Parameters
    ----------
    start_us : int
        Its start, or any moment that it covers: late data may have moved its start. [us UTC]
    """
    async with asking(conn, user):
        sought = {"alarm_id": alarm_id, "at": to_datetime(start_us)}
        found = await (await conn.execute(query("episode_find"), sought)).fetchone()
        if found is None:
            return None
        start = found[0]
        async with conn.cursor(row_factory=class_row(EpisodeRow)) as cursor:
            just = {
                **_EVERY,
                "alarm_id": alarm_id,
                "start": start,
                "stop": start + timedelta(microseconds=1),
                "limit": 1,
            }
            await cursor.execute(query("episodes_page"), just)
            episode = await cursor.fetchone()
        async with conn.cursor(row_factory=class_row(NoteRow)) as cursor:
            await cursor.execute(query("episode_notes"), {"alarm_id": alarm_id, "start": start})
            notes = tuple(await cursor.fetchall())
    return None if episode is None else (episode, notes)


async def read_judgements(
    conn: AsyncConnection[Any], user: str, alarm_id: int, start_us: int, stop_us: int, *, limit: int = 10_000
) -> tuple[JudgementRow, ...]:
    """Judgements of an alarm that the user may see, of windows that ended in `[start_us, stop_us)`, in order of time. [us UTC]"""
    parameters = {
        "alarm_id": alarm_id,
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
        "limit": limit,
    }
    async with asking(conn, user), conn.cursor(row_factory=class_row(JudgementRow)) as cursor:
        await cursor.execute(query("judgements_page"), parameters)
        return tuple(await cursor.fetchall())


async def note_episode(  # noqa: PLR0917 - who, of which, what
    conn: AsyncConnection[Any], user: str, alarm_id: int, start_us: int, kind: NoteKind, text: str
) -> int:
    """
    Say something of an episode, under the user's name; answers the note's id. Notes are never changed.

    Raises
    ------
    InputError
        There is no such episode, or the user may not see it; it cannot be closed yet; the text is missing. The text says which.
    NotAllowed
        A tenant does more than comment.
    """
    parameters = {"alarm_id": alarm_id, "start": to_datetime(start_us), "kind": kind.value, "text": clean(text)}
    async with changing(conn, user):
        row = await (await conn.execute(query("episode_note"), parameters)).fetchone()
    return int(row[0]) if row else 0


def note_episode_by(  # noqa: PLR0917 - who, of what, what
    conn: Connection[Any], by: str, alarm_id: int, start_us: int, kind: NoteKind, text: str
) -> int:
    """As :func:`note_episode`, by somebody at the command line, who is named and may do everything. Role MIGRATE."""
    parameters = {
        "alarm_id": alarm_id,
        "start": to_datetime(start_us),
        "kind": kind.value,
        "text": clean(text),
        "by": clean(by),
    }
    with database_errors("noting something of an episode"):
        row = conn.execute(query("episode_note_by"), parameters).fetchone()
    return int(row[0]) if row else 0
