"""From what is stored and what was evaluated to the steps of an alarm: which are new, and what late data revised.

Pure functions. A step of the condition that people have not seen yet is handed to the state machine in order of time. What
changed in the past is told by one REVISE that names it; an exceedance that late data brought and that is over already goes
through RAISE and CLEAR unannounced, so that the alarm waits for its acknowledgement, and through that REVISE.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from domain.alarms import AlarmState, Phase, Standing, Step
from domain.time import to_datetime
from service.engine.compared import Episode, Pairs, pairs

__all__ = ["Course", "Move", "moves"]

_ACTIVE = frozenset({AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_ACKED})
_NAMED = 3
"""Changes that one REVISE names; of the others it says how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the condition of an alarm went where it was evaluated."""

    before: tuple[Episode, ...]
    """Episodes that were stored there, in order."""
    after: tuple[Episode, ...]
    """Those that are there now, in order."""
    raised_us: tuple[int, ...] = ()
    """When the condition was raised, also where that was joined to an episode; in order. [us UTC]"""
    cleared_us: tuple[int, ...] = ()
    """When it was cleared, also where an episode went on after it; in order. [us UTC]"""
    is_now: bool
    """Whether it was evaluated up to the newest data by the rule that is in force: then the alarm follows it."""
    phase: Phase = Phase.CLEAR
    pending_us: int = 0
    """Start of what is PENDING. [us UTC]"""
    newest_us: int = 0
    """Time of the newest sample. [us UTC]"""
    is_suppressed: bool | None = None
    """Whether the newest sample is; None: there is none."""
    final_us: int = 0
    """What was decided by then was final before. [us UTC]"""
    is_ended: bool = False
    """Whether the rule is in force no more: what is open of it is active no more."""
    is_first: bool = False
    """Whether the rule is held against the past for the first time: nobody is bothered with what was over by then."""
    judgements: tuple[str, ...] = ()
    """Sentences about judgements that were final and are different now."""
    is_verdict_revised: bool = False
    """Whether one of these is beyond now, or was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A step to be applied to an alarm."""

    step: Step
    at_us: int
    """On data time. [us UTC]"""
    episode_us: int | None
    text: str = ""
    is_told: bool = True
    """Whether contacts may be told: not of a step that is only made so that the journal has it."""
    moved_us: int | None = None
    """Where late data put the start of the episode that the alarm is about. [us UTC]"""


def moves(standing: Standing, course: Course, *, unit: str, zone: ZoneInfo) -> tuple[Move, ...]:
    """
    Steps of an alarm, in order, that follow from how its condition went.

    Parameters
    ----------
    standing : Standing
        Before them.
    course : Course
    unit : str
        Of the values.
    zone : ZoneInfo
        Of the park: what people read is in its time.
    """
    both = pairs(course.before, course.after)
    found: list[Move] = []
    is_active = standing.state in _ACTIVE
    follows = course.is_now and not course.is_ended
    now = next((one for one in reversed(course.after) if one.is_open), None) if follows else None
    if is_active and course.is_now and not _continues(standing, now, both):
        found.append(_cleared(standing, course, both))
        is_active = False
    elif is_active and now is not None:
        found += _joined(both, now, course)
    if not is_active and not course.is_first:
        found += _passed(both, course)
    if now is not None and (not is_active or standing.episode_us != now.start_us):
        at_us = max([one for one in course.raised_us if one >= now.raised_us], default=now.raised_us)
        found.append(Move(step=Step.RAISE, at_us=at_us, episode_us=now.start_us))
    found += _waiting(standing, course, is_raised=bool(found))
    found += _suppressed(standing, course)
    revised = _revised(both, course, unit, zone, is_active=is_active)
    if revised or course.judgements:
        found.append(_revision(standing, both, course, revised))
    return tuple(found)


def _continues(standing: Standing, now: Episode | None, both: Pairs) -> bool:
    """Whether what is open now is what the alarm is active for."""
    if now is None:
        return False
    old = next((before for before, after in both if after is now), None)
    return now.start_us == standing.episode_us or (old is not None and old.start_us == standing.episode_us)


def _cleared(standing: Standing, course: Course, both: Pairs) -> Move:
    """The end of what the alarm was active for: of its stretch, where others were joined to the episode since."""
    mine = [pair for pair in both if pair[0] is not None and pair[0].start_us == standing.episode_us]
    before, over = mine[0] if mine else (None, None)
    if over is not None and not over.is_open:
        ends = [at_us for step, at_us in _unseen(before, over, course) if step is Step.CLEAR]
        return Move(step=Step.CLEAR, at_us=ends[0] if ends else over.cleared_us, episode_us=over.start_us)
    text = "Late data, or another version of the rule, say that it is not beyond its bounds."
    return Move(step=Step.CLEAR, at_us=course.newest_us, episode_us=standing.episode_us, text=text)


def _unseen(before: Episode | None, after: Episode, course: Course) -> list[tuple[Step, int]]:
    """Each time that an episode was raised and cleared, stretch after stretch, of which the alarm does not know."""
    seen_us = -1
    if before is not None and not before.is_open:
        seen_us = before.cleared_us
    elif before is not None:
        # Nothing of what came after its last raise: that it was looked at does not say that all was there by then.
        raises = bisect_right(course.raised_us, before.stop_us)
        seen_us = course.raised_us[raises - 1] if raises else -1
    first_us = max(after.raised_us, seen_us + 1)
    both = (
        (step, at_us)
        for step, times in ((Step.RAISE, course.raised_us), (Step.CLEAR, course.cleared_us))
        for at_us in times[bisect_left(times, first_us) : bisect_right(times, after.cleared_us)]
    )
    return sorted(both, key=lambda one: one[1])


def _joined(both: Pairs, now: Episode, course: Course) -> list[Move]:
    """Of what goes on: the times since it was looked at that it was cleared, and raised again before it was another exceedance."""
    before = next((old for old, new in both if new is now), None)
    steps = [] if before is None or not before.is_open else _unseen(before, now, course)
    found = []
    for (first, cleared_us), (second, raised_us) in zip(steps[::2], steps[1::2], strict=False):
        # An interruption that late data brought leaves an alarm that people may know of as it is.
        if (first, second) == (Step.CLEAR, Step.RAISE) and raised_us > course.final_us:
            found += [
                Move(step=step, at_us=at_us, episode_us=now.start_us)
                for step, at_us in ((first, cleared_us), (second, raised_us))
            ]
    return found


def _passed(both: Pairs, course: Course) -> list[Move]:
    """Of what came and is over, stretch after stretch: each raised and cleared; of the late ones only the newest."""
    found: list[Move] = []
    late: list[Move] = []
    for before, after in both:
        unseen = [] if after is None else _unseen(before, after, course)
        for (first, raised_us), (second, cleared_us) in pairwise(unseen):
            if after is None or (first, second) != (Step.RAISE, Step.CLEAR):
                continue
            is_late = raised_us <= course.final_us
            steps = [
                Move(step=step, at_us=at_us, episode_us=after.start_us, is_told=not is_late)
                for step, at_us in ((first, raised_us), (second, cleared_us))
            ]
            if is_late:
                late = steps
            else:
                found += steps
    return [*late, *found]


def _waiting(standing: Standing, course: Course, *, is_raised: bool) -> list[Move]:
    """Whether the on-delay runs now."""
    if not course.is_now or is_raised:
        return []
    if course.phase is Phase.PENDING and standing.state is AlarmState.NORMAL:
        return [Move(step=Step.BEGIN, at_us=course.newest_us, episode_us=course.pending_us)]
    if course.phase is not Phase.PENDING and standing.state is AlarmState.PENDING:
        return [Move(step=Step.DROP, at_us=course.newest_us, episode_us=standing.episode_us)]
    return []


def _suppressed(standing: Standing, course: Course) -> list[Move]:
    """Another state begins or ends to suppress it. It comes last: what was raised before is announced, or when that ends."""
    if not course.is_now or course.is_suppressed is None or course.is_suppressed == standing.suppressed:
        return []
    step = Step.SUPPRESS if course.is_suppressed else Step.RELEASE
    return [Move(step=step, at_us=course.newest_us, episode_us=standing.episode_us)]


def _revision(standing: Standing, both: Pairs, course: Course, revised: Sequence[str]) -> Move:
    starts = [one.start_us for pair in both for one in pair[::-1] if one is not None]
    moved = [
        after.start_us
        for before, after in both
        if before is not None and after is not None and before.start_us == standing.episode_us != after.start_us
    ]
    every = [*revised, *course.judgements]
    left = len(every) - _NAMED
    more = [f"And {left} more change{'s' if left > 1 else ''}."] if left > 0 else []
    why = "The rule was held against the past:" if course.is_first else "Late data changed the record:"
    return Move(
        step=Step.REVISE,
        at_us=course.newest_us,
        episode_us=next(reversed([*starts, *moved]), None),
        text=" ".join([why, *every[:_NAMED], *more]),
        is_told=bool(revised) or course.is_verdict_revised,
        moved_us=moved[-1] if moved else None,
    )


def _revised(both: Pairs, course: Course, unit: str, zone: ZoneInfo, *, is_active: bool) -> list[str]:
    """One sentence for each episode that late data brought, took away or changed."""
    found = []
    for before, after in both:
        if before is None and after is not None:
            # While a later exceedance is open, one that is over cannot be raised any more, however new it is.
            if not after.is_open and (is_active or course.is_first or after.raised_us <= course.final_us):
                found.append(f"an exceedance came, {_span(after, zone)}, peak {_figure(after.peak, unit)}.")
        elif after is None and before is not None:
            found.append(f"there was no exceedance {_span(before, zone)} (peak {_figure(before.peak, unit)}).")
        elif before is not None and after is not None and before.final:
            parts = _differences(before, after, unit, zone)
            if parts:
                found.append(f"the exceedance {_span(before, zone)} has another {', '.join(parts)}.")
    return found


def _differences(before: Episode, after: Episode, unit: str, zone: ZoneInfo) -> list[str]:
    parts = [
        f"{name} ({_local(one, zone)}, was {_local(other, zone)})"
        for name, one, other in (("start", after.start_us, before.start_us), ("end", after.stop_us, before.stop_us))
        if one != other
    ]
    if after.cleared_us != before.cleared_us and after.is_open:
        parts.append("course: it is not over")
    figures = (
        ("peak", after.peak, before.peak, unit),
        ("mean", after.mean, before.mean, unit),
        ("time beyond", after.beyond_s, before.beyond_s, "s"),
        ("excess load", after.excess_kg, before.excess_kg, "kg"),
    )
    parts += [
        f"{name} ({_figure(one, its_unit)}, was {_figure(other, its_unit)})"
        for name, one, other, its_unit in figures
        if one != other and not (np.isnan(one) and np.isnan(other))
    ]
    return parts


def _figure(value: float, unit: str) -> str:
    return "unknown" if np.isnan(value) else f"{value:g} {unit}".rstrip()


def _span(one: Episode, zone: ZoneInfo) -> str:
    end = "on" if one.is_open else f"to {_local(one.stop_us, zone)}"
    return f"from {_local(one.start_us, zone)} {end}"


def _local(moment_us: int, zone: ZoneInfo) -> str:
    return to_datetime(moment_us).astimezone(zone).strftime("%Y-%m-%d %H:%M")
