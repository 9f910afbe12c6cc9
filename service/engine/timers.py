"""What time alone brings to alarms, and what people did to them that contacts are told of."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import structlog
from psycopg import Connection

from alerts.announce import notifications
from alerts.machine import apply, due
from alerts.words import EpisodeSummary
from domain.alarms import Standing, Watch
from domain.notifications import Notification
from domain.registry import Park, Registry
from domain.time import DAY_US
from service.engine.following import Steps, written
from service.engine.known import Known
from service.engine.outcomes import summary_of
from service.engine.revisions import Move
from store.alarms import RecordedTransition, standings, standings_of_park, untold_transitions
from store.connection import database_errors
from store.episodes import stored_episodes
from store.outbox import enqueue
from store.spans import lock_park

__all__ = ["run_timers", "time_steps"]

_UNTOLD_US = DAY_US
"""What people did longer ago is told to nobody any more. [us]"""
_ROUNDS = 8
_log = structlog.get_logger("kawasan.engine")


def run_timers(conn: Connection[Any], park: Park, known: Known, now_us: int) -> int:
    """
    Take the alarms of a park through what time brings by now: shelves that end, re-alarms, escalation; announce what people did.

    In a transaction of its own, under the park's lock, which the engine's cycles hold as well.

    Parameters
    ----------
    known : Known
        Of the park.
    now_us : int
        The clock. [us UTC]

    Returns
    -------
    int
        Transitions written.

    Raises
    ------
    Unavailable
        The database is away; nothing was done.
    """
    known.renew(conn, park)
    if not known.plan.registry.alarm_rules:
        return 0
    with database_errors(f"timers of the alarms of park {park.key}"), conn.transaction():
        waiting = standings_of_park(conn, park.id, quiet=False)
        watches = _in_force(known, conn, now_us)
        over = [
            number
            for number, standing in waiting.items()
            if number in watches and due(standing, watches[number], now_us)
        ]
        acts = [one for one in untold_transitions(conn, park.id, now_us - _UNTOLD_US) if one.id not in known.told]
        if not over and not acts:
            return 0
        lock_park(conn, park.id)
        _tell_acts(conn, known, watches, acts, now_us)
        held = standings(conn, np.array(over, dtype=np.int32))
        episodes = _episodes(conn, known.plan.registry, watches, held.values())
        steps = [
            Steps(
                watch=watches[number],
                standing=standing,
                moves=time_steps(standing, watches[number], now_us),
                episodes=episodes.get(number, {}),
            )
            for number, standing in held.items()
        ]
        count = written(conn, known.plan.registry, steps, now_us, held)
    # Those that nobody is to be told of would come again each time.
    known.told.update(one.id for one in acts)
    if count:
        _log.info("timers of alarms", park=park.key, transitions=count)
    return count


def time_steps(standing: Standing, watch: Watch, now_us: int) -> tuple[Move, ...]:
    """All that time brings by now, also what follows from its first steps: the end of a shelf can make more due."""
    found: list[Move] = []
    for _ in range(_ROUNDS):
        steps = due(standing, watch, now_us)
        if not steps:
            break
        for step in steps:
            found.append(Move(step=step, at_us=now_us, episode_us=standing.episode_us))
            standing, _ = apply(standing, step, watch=watch, at_us=now_us, now_us=now_us)
    return tuple(found)


def _in_force(known: Known, conn: Connection[Any], now_us: int) -> dict[int, Watch]:
    """By alarm: the version that says how it stands."""
    watching = known.watching(conn)
    return {
        watching.watches[place].alarm_id: watching.watches[place]
        for place in np.flatnonzero(watching.followed(now_us)).tolist()
    }


def _episodes(
    conn: Connection[Any], registry: Registry, watches: Mapping[int, Watch], several: Iterable[Standing]
) -> dict[int, dict[int, EpisodeSummary]]:
    """By alarm and start: what is known of the exceedances that some alarms are about."""
    asked = {one.alarm_id: one.episode_us for one in several if one.episode_us is not None}
    found: dict[int, dict[int, EpisodeSummary]] = {}
    if not asked:
        return found
    alarms = np.array(sorted(asked), dtype=np.int32)
    table = stored_episodes(conn, alarms, np.array([asked[one] for one in alarms.tolist()], dtype=np.int64))
    for row in range(len(table)):
        alarm_id = int(table.alarm_id[row])
        summary = summary_of(registry, watches[alarm_id], table, row)
        found.setdefault(alarm_id, {})[summary.start_us] = summary
    return found


def _tell_acts(
    conn: Connection[Any],
    known: Known,
    watches: Mapping[int, Watch],
    acts: Iterable[RecordedTransition],
    now_us: int,
) -> None:
    """Put into the outbox what people did that is announced: who acts through the API writes no notifications."""
    registry = known.plan.registry
    contacts = {contact.key: contact for contact in registry.contacts}
    messages: list[Notification] = []
    numbers: list[int] = []
    for act in acts:
        watch = watches.get(act.transition.alarm_id)
        if watch is None:
            continue
        done = act.transition
        # As it stood before, as far as a message needs it.
        before = Standing(
            alarm_id=done.alarm_id,
            state=done.before,
            episode_us=done.episode_us,
            level=done.level,
            raised_us=act.recorded_us,
        )
        summaries = _episodes(conn, registry, watches, [before]).get(done.alarm_id, {})
        made = notifications(
            done,
            watch,
            park=registry.park,
            standing=before,
            episode=summaries.get(done.episode_us or 0),
            contacts=contacts,
            now_us=now_us,
        )
        messages += made
        numbers += [act.id] * len(made)
    enqueue(conn, registry.park.id, messages, numbers)
