"""A rule tried over past data: what it would have raised, and how often people would have been told. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from psycopg import Connection

from alerts.conditions import Verdict, WatchTable
from alerts.evaluate import Evaluation, evaluate, settled
from alerts.steps import STEPS, StepFrame
from domain.alarmentries import AlarmEntry
from domain.alarmrules import AlarmRule
from domain.alarms import OPEN_US, EpisodeFrame, SampleFrame, Status, Step, Watch
from domain.errors import InputError
from domain.notifications import Contact
from domain.registry import Registry
from domain.time import SECOND_US, IntArray
from service.alarmwatches import watches_for
from service.engine.known import Known
from service.engine.reach import Bounds
from service.engine.signals import samples_of

__all__ = ["Told", "Trial", "Turn", "try_rule"]

_MOST_SAMPLES = 3_000_000
_ATTEMPTS = 3
_FURTHER = 4
_RAISE, _CLEAR = STEPS.index(Step.RAISE), STEPS.index(Step.CLEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """From when to when one target would have been in alarm."""

    watch: int
    raised_us: int
    cleared_us: int | None
    """None: it would still be. [us UTC]"""

    def within_s(self, start_us: int, stop_us: int) -> float:
        """How much of it lies in `[start, stop)`. [s]"""
        end_us = stop_us if self.cleared_us is None else min(self.cleared_us, stop_us)
        return max(0, end_us - max(self.raised_us, start_us)) / SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How often a contact would have been told."""

    contact: str
    raised: int
    cleared: int
    escalated: int
    """Because it lasted longer than the time without acknowledgement, where nobody would have acknowledged while it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a rule would have done in `[start, stop)`."""

    watches: tuple[Watch, ...]
    """One for each target."""
    turns: tuple[Turn, ...]
    """Those that reach into the range, in order of time."""
    raised: int
    """How many of them begin in it."""
    in_alarm_s: float
    """Time in alarm within the range, of all targets together. [s]"""
    episodes: EpisodeFrame
    """Those that reach into the range; turns within the merge gap are one."""
    valid: int
    """Samples of the range that count."""
    missing: int
    excluded: int
    """Calibration, maintenance, suppressed, unscheduled and so on."""
    beyond: int
    """Those that are beyond."""
    told: tuple[Told, ...]


def try_rule(conn: Connection[Any], registry: Registry, entry: AlarmEntry, start_us: int, stop_us: int) -> Trial:
    """
    Evaluate a rule over `[start, stop)` of what is stored, as if it had held for all of that time; writes nothing.

    By a connection of role WRITE, or one by which somebody who runs the park asks: both see all that it reads.

    Quiet hours and hourly limits of contacts are not looked at: what they put off, or put together, is counted.

    Parameters
    ----------
    registry : Registry
        The whole of the park.
    entry : AlarmEntry
        One that :func:`domain.alarmchecks.alarm_problems` finds nothing wrong with. It is evaluated even where it is not enabled.

    Raises
    ------
    InputError
        It would look at more than 3,000,000 samples.
    """
    rule = AlarmRule(
        id=0,
        key=entry.key,
        version=0,
        entry=entry.model_copy(update={"enabled": True}),
        origin="entry",
        valid_from_us=0,
        valid_to_us=None,
        recorded_at_us=0,
        recorded_by="",
    )
    others = tuple(one for one in registry.alarm_rules if one.key != entry.key)
    tried = replace(registry, alarm_rules=(*others, rule))
    watches = watches_for(tried, entry.key)
    _check_size(tried, watches, start_us, stop_us)
    samples, found = _evaluated(conn, tried, watches, start_us, stop_us)
    turns = _turns(found.steps, start_us, stop_us)
    inside = (samples.at_us >= start_us) & (samples.at_us < stop_us)
    status, verdict = samples.status[inside], found.verdict[inside]
    valid, missing = int(np.sum(status == Status.VALID)), int(np.sum(status == Status.MISSING))
    return Trial(
        watches=watches,
        turns=turns,
        raised=sum(turn.raised_us >= start_us for turn in turns),
        in_alarm_s=sum(turn.within_s(start_us, stop_us) for turn in turns),
        episodes=_reaching(found.episodes, start_us, stop_us),
        valid=valid,
        missing=missing,
        excluded=len(status) - valid - missing,
        beyond=int(np.sum(verdict == Verdict.BEYOND)),
        told=_told(registry.contacts, entry, turns, start_us, stop_us),
    )


def _check_size(registry: Registry, watches: Sequence[Watch], start_us: int, stop_us: int) -> None:
    expected = sum((stop_us - start_us) // (_shortest_s(registry, watch) * SECOND_US) for watch in watches)
    if expected > _MOST_SAMPLES:
        raise InputError(
            f"the rule would look at about {expected:,} samples of {len(watches)} targets, and a trial looks at {_MOST_SAMPLES:,} "
            "at most; try a shorter range, or fewer targets"
        )


def _shortest_s(registry: Registry, watch: Watch) -> int:
    """At least how far apart its samples are. [s]"""
    source, base_s = watch.source, registry.park.base_s
    channel = registry.channel_by_id.get(source.channel_id) if source.channel_id is not None else None
    if channel is not None and (source.statistic is None or (source.window_s or base_s) < base_s):
        return max(1, min(channel.interval_s, base_s))
    return base_s


def _evaluated(
    conn: Connection[Any], registry: Registry, watches: tuple[Watch, ...], start_us: int, stop_us: int
) -> tuple[SampleFrame, Evaluation]:
    """From so far back on that what precedes cannot matter, or from as far as is reasonable."""
    table, known = WatchTable.of(watches), Known.of(registry)
    start: IntArray = np.full(len(watches), start_us, dtype=np.int64)
    stop: IntArray = np.full(len(watches), stop_us, dtype=np.int64)
    back = Bounds.of(watches, registry.park.base_s).margin_us
    for attempt in range(_ATTEMPTS):
        samples = samples_of(conn, known, watches, np.maximum(start - back, 0), stop)
        found = evaluate(table, samples)
        unsettled = ~settled(table, samples, found.verdict, start)
        if attempt == _ATTEMPTS - 1 or not unsettled.any():
            break
        back = np.where(unsettled, back * _FURTHER, back)
    return samples, found


def _turns(steps: StepFrame, start_us: int, stop_us: int) -> tuple[Turn, ...]:
    rows = np.flatnonzero((steps.step == _RAISE) | (steps.step == _CLEAR))
    watch, at_us, step = steps.watch[rows], steps.at_us[rows], steps.step[rows]
    raised = np.flatnonzero(step == _RAISE)
    follower = np.minimum(raised + 1, max(len(rows) - 1, 0))
    is_cleared = (follower > raised) & (watch[follower] == watch[raised]) & (step[follower] == _CLEAR)
    cleared_us = np.where(is_cleared, at_us[follower], OPEN_US)
    reaches = (at_us[raised] < stop_us) & (cleared_us > start_us)
    found = zip(
        watch[raised[reaches]].tolist(), at_us[raised[reaches]].tolist(), cleared_us[reaches].tolist(), strict=True
    )
    turns = [
        Turn(watch=one, raised_us=begin_us, cleared_us=None if end_us == OPEN_US else end_us)
        for one, begin_us, end_us in found
    ]
    return tuple(sorted(turns, key=lambda turn: (turn.raised_us, turn.watch)))


def _reaching(episodes: EpisodeFrame, start_us: int, stop_us: int) -> EpisodeFrame:
    rows = np.flatnonzero((episodes.start_us < stop_us) & (episodes.stop_us > start_us))
    rows = rows[np.lexsort((episodes.watch[rows], episodes.start_us[rows]))]
    return EpisodeFrame(**{name: getattr(episodes, name)[rows] for name in EpisodeFrame.__slots__})


def _told(
    contacts: Sequence[Contact], entry: AlarmEntry, turns: Sequence[Turn], start_us: int, stop_us: int
) -> tuple[Told, ...]:
    known = {contact.key: contact for contact in contacts}
    begun = [turn for turn in turns if turn.raised_us >= start_us]
    ended = sum(turn.cleared_us is not None and turn.cleared_us < stop_us for turn in turns)
    told: dict[str, Told] = {}
    for tell in entry.tell:
        contact = known.get(tell.contact)
        if contact is None or entry.category not in contact.categories or entry.level < contact.least_severity:
            continue
        lasting = [turn for turn in begun if turn.within_s(start_us, stop_us) > tell.after_s]
        before = told.get(tell.contact, Told(contact=tell.contact, raised=0, cleared=0, escalated=0))
        told[tell.contact] = (
            replace(before, escalated=before.escalated + len(lasting))
            if tell.after_s
            else replace(before, raised=len(begun), cleared=ended)
        )
    return tuple(told.values())
