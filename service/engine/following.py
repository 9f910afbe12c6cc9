"""Steps applied to alarms: how they stand, the journal and the outbox, in one transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import Connection

from alerts.announce import notifications
from alerts.machine import ACTIVE, apply
from alerts.words import EpisodeSummary
from domain.alarms import Standing, Step, Transition, Watch
from domain.notifications import Notification
from domain.registry import Registry
from service.engine.revisions import Move
from store.alarms import append_transitions, write_standings
from store.outbox import enqueue

__all__ = ["Steps", "Told", "follow", "written"]

_ON_CLOCK = frozenset({Step.REVISE, Step.EXPIRE, Step.REALARM, Step.ESCALATE, Step.DEESCALATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What happens to one alarm."""

    watch: Watch
    """The version of the rule that holds."""
    standing: Standing
    """Before it."""
    moves: tuple[Move, ...]
    episodes: Mapping[int, EpisodeSummary] = field(default_factory=dict)
    """What is known of its exceedances, by their starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A step that was made, and whom it is told to."""

    transition: Transition
    notifications: tuple[Notification, ...]


def follow(steps: Steps, registry: Registry, now_us: int) -> tuple[Standing, tuple[Told, ...]]:
    """How an alarm stands after some moves, and what was made of each; those that change nothing leave nothing."""
    standing, made = steps.standing, []
    contacts = {contact.key: contact for contact in registry.contacts}
    for move in steps.moves:
        if move.moved_us is not None and standing.state not in ACTIVE:
            standing = replace(standing, episode_us=move.moved_us)
        before = standing
        standing, transition = apply(
            before,
            move.step,
            watch=steps.watch,
            at_us=now_us if move.step in _ON_CLOCK else move.at_us,
            now_us=now_us,
            text=move.text,
            episode_us=move.episode_us,
        )
        if transition is None:
            continue
        if not move.is_told:
            transition = replace(transition, announced=False)
        messages = notifications(
            transition,
            steps.watch,
            park=registry.park,
            standing=before,
            episode=steps.episodes.get(transition.episode_us or 0),
            contacts=contacts,
            now_us=now_us,
        )
        made.append(Told(transition=transition, notifications=messages))
    return standing, tuple(made)


def written(
    conn: Connection[Any], registry: Registry, several: Iterable[Steps], now_us: int, held: dict[int, Standing]
) -> int:
    """
    Apply the steps of some alarms and store all that follows, in the caller's transaction.

    Parameters
    ----------
    several : iterable of Steps
        Those of one alarm that come later begin where the earlier ones ended: asked for one after another, from `held`.
    held : dict of int to Standing
        How these alarms stand, held by the transaction; changed with each.

    Returns
    -------
    int
        Transitions written.
    """
    after: dict[int, Standing] = {}
    made: list[Told] = []
    for steps in several:
        standing, told = follow(steps, registry, now_us)
        if told:
            held[standing.alarm_id] = after[standing.alarm_id] = standing
            made += told
    ids = append_transitions(conn, [one.transition for one in made])
    write_standings(conn, list(after.values()))
    messages = [(message, number) for one, number in zip(made, ids, strict=True) for message in one.notifications]
    enqueue(conn, registry.park.id, [message for message, _ in messages], [number for _, number in messages])
    return len(made)
