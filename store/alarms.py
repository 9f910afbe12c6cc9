"""Alarms in the database: which there are, how each stands, and the journal of what happened to them. For the engine; role WRITE."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import dict_row

from domain.alarms import AlarmState, Category, Inhibit, Severity, Standing, Step, Transition
from domain.errors import InputError
from domain.time import from_datetime, to_datetime
from store.arrays import Column, booleans, instants, integers, smallints
from store.connection import database_errors
from store.statements import query
from store.texts import clean

__all__ = [
    "AlarmTarget",
    "RecordedTransition",
    "alarm_ids",
    "append_transitions",
    "standing_of",
    "standings",
    "standings_of_park",
    "transition_of",
    "untold_transitions",
    "write_standings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTarget:
    """A rule on a target, as its alarm is filed."""

    rule: str
    """Key of the rule."""
    target: str
    """As in :class:`domain.alarms.Watch`. Whose channel, meter or subject it names decides who may see the alarm."""
    category: Category
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTransition:
    """A transition as it stands in the journal."""

    id: int
    recorded_us: int
    """When it was written. [us UTC]"""
    transition: Transition


def alarm_ids(conn: Connection[Any], park_id: int, targets: Sequence[AlarmTarget]) -> dict[tuple[str, str], int]:
    """
    Ids of the alarms of a park by (rule, target); those that are missing are made, in the caller's transaction. Role WRITE.

    Alarms that are there keep their standing; their category and severity become those given.

    Parameters
    ----------
    targets : sequence of AlarmTarget
        No two with one (rule, target).

    Raises
    ------
    Unavailable
        The database is away.
    """
    if not targets:
        return {}
    parameters = {
        "park_id": park_id,
        "rule": [one.rule for one in targets],
        "target": [one.target for one in targets],
        "category": [one.category.value for one in targets],
        "severity": smallints(np.array([int(one.severity) for one in targets])),
    }
    with database_errors(f"filing {len(targets)} alarms"):
        conn.execute(query("alarms_insert"), parameters)
        conn.execute(query("alarms_refile"), parameters)
        rows = conn.execute(query("alarms_ids"), parameters).fetchall()
    return {(rule, target): number for rule, target, number in rows}


def standings(conn: Connection[Any], alarm_id: NDArray[np.int32]) -> dict[int, Standing]:
    """
    How some alarms stand, by id; nobody else changes them until the caller's transaction ends. Role WRITE.

    Raises
    ------
    InputError
        One of them does not exist.
    Unavailable
        The database is away.
    """
    if not len(alarm_id):
        return {}
    with database_errors(f"reading how {len(alarm_id)} alarms stand"), conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("standings_locked"), {"alarm_id": integers(alarm_id)}).fetchall()
    found = {row["alarm_id"]: standing_of(row) for row in rows}
    missing = sorted({int(number) for number in alarm_id} - found.keys())
    if missing:
        raise InputError(f"alarm {missing[0]} is not in the database; alarm_ids makes the alarms of a rule")
    return found


def standings_of_park(conn: Connection[Any], park_id: int, *, quiet: bool = True) -> dict[int, Standing]:
    """
    How the alarms of a park stand, by id, without holding them; for a change, read them by :func:`standings`. Role WRITE.

    Parameters
    ----------
    quiet : bool
        Also those that are normal and that nothing inhibits.
    """
    with database_errors("reading how the alarms of a park stand"), conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("standings_of_park"), {"park_id": park_id, "quiet": quiet}).fetchall()
    return {row["alarm_id"]: standing_of(row) for row in rows}


def standing_of(row: Mapping[str, Any]) -> Standing:
    """How an alarm stands, from the columns of its row, `id` named `alarm_id`."""
    return Standing(
        alarm_id=row["alarm_id"],
        state=AlarmState(row["state"]),
        inhibit=Inhibit(row["inhibit"]),
        suppressed=row["suppressed"],
        since_us=from_datetime(row["since"]),
        episode_us=_us(row["episode"]),
        raised_us=_us(row["raised_at"]),
        acked_us=_us(row["acked_at"]),
        acked_by=row["acked_by"],
        level=row["level"],
        until_us=_us(row["until"]),
        version=row["version"],
    )


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else from_datetime(moment)


def write_standings(conn: Connection[Any], changed: Sequence[Standing]) -> int:
    """
    Store how some alarms stand now, in the caller's transaction, which holds them by :func:`standings`. Role WRITE.

    Parameters
    ----------
    changed : sequence of Standing
        Each of another alarm, its version raised.

    Returns
    -------
    int
        How many were stored: one of a version that is not newer is not.
    """
    if not changed:
        return 0
    with database_errors(f"writing how {len(changed)} alarms stand"):
        return conn.execute(query("standings_write"), _standing_columns(changed)).rowcount


def _standing_columns(changed: Sequence[Standing]) -> dict[str, Any]:
    return {
        "alarm_id": integers(np.array([one.alarm_id for one in changed])),
        "state": [one.state.value for one in changed],
        "inhibit": [one.inhibit.value for one in changed],
        "suppressed": booleans(np.array([one.suppressed for one in changed])),
        "since": _moments(one.since_us for one in changed),
        "episode": _moments(one.episode_us for one in changed),
        "raised_at": _moments(one.raised_us for one in changed),
        "acked_at": _moments(one.acked_us for one in changed),
        "acked_by": [one.acked_by for one in changed],
        "level": smallints(np.array([one.level for one in changed])),
        "until": _moments(one.until_us for one in changed),
        "version": integers(np.array([one.version for one in changed])),
    }


def _moments(moments_us: Iterable[int | None]) -> Column:
    """Instants, of which the database takes 1970 for none. [us UTC]"""
    return instants(np.array([0 if moment is None else moment for moment in moments_us], dtype=np.int64))


def append_transitions(conn: Connection[Any], transitions: Sequence[Transition]) -> tuple[int, ...]:
    """
    Add steps to the journal, in the caller's transaction, and notify `kawasan_alarms`; answers their ids, in order. Role WRITE.

    Raises
    ------
    Unavailable
        The database is away.
    """
    if not transitions:
        return ()
    parameters = {
        "alarm_id": integers(np.array([one.alarm_id for one in transitions])),
        "step": [one.step.value for one in transitions],
        "before": [one.before.value for one in transitions],
        "after": [one.after.value for one in transitions],
        "inhibit": [one.inhibit.value for one in transitions],
        "at": _moments(one.at_us for one in transitions),
        "episode": _moments(one.episode_us for one in transitions),
        "actor": [clean(one.actor) for one in transitions],
        "text": [clean(one.text) for one in transitions],
        "announced": booleans(np.array([one.announced for one in transitions])),
        "level": smallints(np.array([one.level for one in transitions])),
    }
    with database_errors(f"writing {len(transitions)} transitions"):
        rows = conn.execute(query("transitions_insert"), parameters).fetchall()
        conn.execute(query("transitions_notify"), parameters)
    # They are numbered in their order; in which order they are answered is not said.
    return tuple(sorted(row[0] for row in rows))


def untold_transitions(conn: Connection[Any], park_id: int, since_us: int) -> tuple[RecordedTransition, ...]:
    """
    What people did to alarms of a park since a moment that is to be announced and of which no notification is in the outbox, oldest
    first. Role WRITE.

    Whoever acts through the API writes no notifications; the engine does it with these.

    Parameters
    ----------
    since_us : int
        When it was recorded. [us UTC]
    """
    with database_errors("reading what is still to be announced"), conn.cursor(row_factory=dict_row) as cursor:
        parameters = {"park_id": park_id, "since": to_datetime(since_us)}
        rows = cursor.execute(query("transitions_untold"), parameters).fetchall()
    return tuple(
        RecordedTransition(id=row["id"], recorded_us=from_datetime(row["recorded_at"]), transition=transition_of(row))
        for row in rows
    )


def transition_of(row: Mapping[str, Any]) -> Transition:
    """A transition from the columns of its row."""
    return Transition(
        alarm_id=row["alarm_id"],
        step=Step(row["step"]),
        before=AlarmState(row["before"]),
        after=AlarmState(row["after"]),
        inhibit=Inhibit(row["inhibit"]),
        at_us=from_datetime(row["at"]),
        episode_us=_us(row["episode"]),
        actor=row["actor"],
        text=row["text"],
        announced=row["announced"],
        level=row["level"],
    )
