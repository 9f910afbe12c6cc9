"""States of an alarm and the steps between them: one table, after ISA-18.2 and OPC UA Part 9 (docs/alarms-states.md).

What inhibits an alarm (a shelf, a suppression, being out of service) stands beside its state and never changes it: the
state goes on underneath, and nothing is announced. These cases the standards leave open, or to the product:

- A step that the table does not have for a state changes nothing; asked for by the condition or by time, that is no mistake.
  A *person's* act that makes no sense is refused with a sentence.
- Acknowledging works under every inhibit, as in OPC UA: who looks at the list of shelved alarms may take note of one.
- A timed shelf may be set in every state, before the work that will raise the alarm. Shelving anew replaces the shelf.
- A one-shot shelf ends with the first CLEAR, acknowledged or not, in the same transition (in OPC UA it ends when the alarm
  becomes inactive), and at the latest at its time. Set while nothing is active, it covers the next occurrence. A DROP does
  not end it: nothing was raised.
- RAISE under a shelf, one-shot or timed, goes on underneath. When the shelf ends while it is active, it is announced then.
- Suppression underneath a shelf, or while out of service, is remembered, and is what is left when that ends. Nothing is
  announced before both are over.
- Taking out of service ends a shelf: what is out of service comes back by a decision with a reason, not by a clock.
- CLEAR while inhibited is not announced, then or later. What came and went underneath is RETURNED_UNACKED, waits in the list
  for its acknowledgement, and is not escalated (`raised_us` is None): nobody who is told first has been told of it.
- RAISE while active changes no state. Where it names another episode (a new version of the rule, or late data that moved the
  start) the standing follows, unannounced. Steps of the condition must come in order of time, and those of an episode in
  the past only while no later one is open; otherwise REVISE tells of it.
- Escalation counts the time in which nobody acknowledged: CLEAR does not stop it, and RAISE out of RETURNED_UNACKED does not
  start it anew, or an alarm that comes and goes would never reach the second level. Once every level was told, such a RAISE
  starts over. The end of an inhibit starts the count anew too: people are told then.
- REALARM goes on underneath, unannounced. ESCALATE and DEESCALATE wait for the end of the inhibit.
- A step of time before its time changes nothing, so that a timer that runs twice does no harm.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alerts.acts import check_act
from domain.alarms import Act, AlarmState, Category, Inhibit, Standing, Step, Transition, Watch
from domain.time import SECOND_US

__all__ = ["ACTIVE", "LATCHING", "STATES", "UNACKED", "after_many", "apply", "due", "levels"]

ACTIVE = frozenset({AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_ACKED})
"""States in which the condition holds."""

UNACKED = frozenset({AlarmState.ACTIVE_UNACKED, AlarmState.RETURNED_UNACKED})
"""States in which somebody has to acknowledge."""

STATES: Mapping[tuple[AlarmState, Step], AlarmState] = MappingProxyType(
    {
        (AlarmState.NORMAL, Step.BEGIN): AlarmState.PENDING,
        (AlarmState.NORMAL, Step.RAISE): AlarmState.ACTIVE_UNACKED,
        (AlarmState.PENDING, Step.DROP): AlarmState.NORMAL,
        (AlarmState.PENDING, Step.RAISE): AlarmState.ACTIVE_UNACKED,
        (AlarmState.ACTIVE_UNACKED, Step.ACKNOWLEDGE): AlarmState.ACTIVE_ACKED,
        (AlarmState.ACTIVE_UNACKED, Step.CLEAR): AlarmState.RETURNED_UNACKED,
        (AlarmState.ACTIVE_ACKED, Step.CLEAR): AlarmState.NORMAL,
        (AlarmState.ACTIVE_ACKED, Step.REALARM): AlarmState.ACTIVE_UNACKED,
        (AlarmState.RETURNED_UNACKED, Step.ACKNOWLEDGE): AlarmState.NORMAL,
        (AlarmState.RETURNED_UNACKED, Step.RAISE): AlarmState.ACTIVE_UNACKED,
        (AlarmState.LATCHED, Step.RESET): AlarmState.NORMAL,
        (AlarmState.LATCHED, Step.RAISE): AlarmState.ACTIVE_UNACKED,
    }
)
"""The table. What it does not have changes nothing."""

LATCHING: Mapping[tuple[AlarmState, Step], AlarmState] = MappingProxyType(
    {
        (AlarmState.ACTIVE_ACKED, Step.CLEAR): AlarmState.LATCHED,
        (AlarmState.RETURNED_UNACKED, Step.ACKNOWLEDGE): AlarmState.LATCHED,
    }
)
"""Where the table of a latching rule is another."""

_SET: Mapping[Step, Inhibit] = MappingProxyType(
    {
        Step.SHELVE: Inhibit.SHELVED,
        Step.SHELVE_ONCE: Inhibit.SHELVED_ONCE,
        Step.TAKE_OUT: Inhibit.OUT_OF_SERVICE,
    }
)
_SHELVES = frozenset({Inhibit.SHELVED, Inhibit.SHELVED_ONCE})
_ACTS = frozenset(Step(act) for act in Act)
_OF_TIME = frozenset({Step.EXPIRE, Step.REALARM, Step.ESCALATE, Step.DEESCALATE})
_ENDS = frozenset({Step.UNSHELVE, Step.EXPIRE, Step.PUT_BACK})
_CAN_RELEASE = _ENDS | {Step.RELEASE}
_ALWAYS_KEPT = frozenset({Step.REVISE, Step.COMMENT})
_ALWAYS_ANNOUNCED = frozenset({Step.CLEAR, Step.REALARM, Step.ESCALATE, Step.DEESCALATE})


def levels(watch: Watch) -> tuple[int, ...]:
    """Times without acknowledgement after which more people are told, in order; the first is that of level 1. [s]"""
    return tuple(sorted({tell.after_s for tell in watch.tell if tell.after_s > 0}))


def apply(
    standing: Standing,
    step: Step,
    *,
    watch: Watch,
    at_us: int,
    now_us: int,
    actor: str = "engine",
    text: str = "",
    episode_us: int | None = None,
    until_us: int | None = None,
) -> tuple[Standing, Transition | None]:
    """
    How the alarm stands after a step, and the step as the journal keeps it.

    Applying a step again changes nothing, but for COMMENT and REVISE, which are entries each time.

    Parameters
    ----------
    standing : Standing
        Before it.
    step : Step
    watch : Watch
        The version of the rule that holds.
    at_us : int [us UTC]
        When it happened: on data time for steps of the condition, on the clock for the others.
    now_us : int [us UTC]
        The clock, which shelves, re-alarms and escalation are counted on.
    actor : str
        A user's name; `engine` for the condition and time.
    text : str
        The reason, the comment, what was revised.
    episode_us : int [us UTC], optional
        Start of the episode that the step is about; None: the one that the alarm is about. Where late data moved the start of
        that one and it is not active any more, hand over the standing with the new start in place, and REVISE.
    until_us : int [us UTC], optional
        Of a shelf: when it ends. A one-shot shelf without it lasts as long as a shelf may.

    Returns
    -------
    Standing
        After it, with its version raised by one; or the one that was given.
    Transition or None
        None: the step changes nothing as the alarm stands.

    Raises
    ------
    InputError
        A person's act that makes no sense as the alarm stands; a shelf without a reason, or that ends never, in the past or
        too late; a comment without text.
    """
    if step in _ACTS:
        until_us = check_act(standing, Act(step), watch=watch, now_us=now_us, text=text, until_us=until_us)
    if step in _OF_TIME and step not in due(standing, watch, now_us):
        return standing, None
    after = replace(_inhibited(standing, step, until_us), state=_state_after(standing.state, step, watch.latching))
    after = _counted(standing, after, step, watch, now_us)
    if step is Step.ACKNOWLEDGE:
        after = replace(after, acked_us=now_us, acked_by=actor)
    after = _about(after, step, episode_us)
    if after == standing and step not in _ALWAYS_KEPT:
        return standing, None
    since_us = at_us if after.state is not standing.state else standing.since_us
    after = replace(after, since_us=since_us, version=standing.version + 1)
    transition = Transition(
        alarm_id=standing.alarm_id,
        step=step,
        before=standing.state,
        after=after.state,
        inhibit=after.inhibit,
        at_us=at_us,
        episode_us=standing.episode_us if episode_us is None else episode_us,
        actor=actor,
        text=text,
        announced=_is_announced(standing, after, step, watch),
        level=after.level,
    )
    return after, transition


def due(standing: Standing, watch: Watch, now_us: int) -> tuple[Step, ...]:
    """
    What time alone brings by now, in the order in which it is to be applied.

    EXPIRE of a shelf; DEESCALATE once it is acknowledged or normal; REALARM; and ESCALATE, once for each level whose time is
    over, so that after a standstill no level is left out. Apply them, and ask again: the end of a shelf can make more due.
    """
    steps: list[Step] = []
    if standing.inhibit in _SHELVES and standing.until_us is not None and standing.until_us <= now_us:
        steps.append(Step.EXPIRE)
    inhibited = standing.inhibit is not Inhibit.NONE
    if standing.level > 0 and standing.state not in UNACKED and not inhibited:
        steps.append(Step.DEESCALATE)
    if _is_realarm_due(standing, watch, now_us):
        steps.append(Step.REALARM)
    if standing.state in UNACKED and standing.raised_us is not None and not inhibited:
        waited_us = now_us - standing.raised_us
        over = sum(after_s * SECOND_US <= waited_us for after_s in levels(watch))
        steps.extend([Step.ESCALATE] * (over - standing.level))
    return tuple(steps)


def after_many(states: ArrayLike, steps: ArrayLike, latching: ArrayLike) -> NDArray[np.int8]:
    """
    States after one step each, as :func:`apply` has them, for many alarms at once.

    Whether a step of time is due, and whether an act is allowed, is not looked at.

    Parameters
    ----------
    states : int (n,)
        Places in `tuple(AlarmState)`.
    steps : int (n,) or int
        Places in `tuple(Step)`.
    latching : bool (n,) or bool

    Returns
    -------
    int8 (n,)
        Places in `tuple(AlarmState)`.
    """
    table = _codes()
    kinds = np.asarray(latching, dtype=np.bool_).astype(np.intp)
    return table[kinds, np.asarray(states, dtype=np.intp), np.asarray(steps, dtype=np.intp)]


@cache
def _codes() -> NDArray[np.int8]:
    """int8 (2, states, steps): not latching, latching."""
    states, steps = tuple(AlarmState), tuple(Step)
    table = np.array(
        [
            [[states.index(_state_after(state, step, latching)) for step in steps] for state in states]
            for latching in (False, True)
        ],
        dtype=np.int8,
    )
    table.setflags(write=False)
    return table


def _state_after(state: AlarmState, step: Step, latching: bool) -> AlarmState:
    if latching and (state, step) in LATCHING:
        return LATCHING[state, step]
    return STATES.get((state, step), state)


def _inhibited(standing: Standing, step: Step, until_us: int | None) -> Standing:
    """With what inhibits it after the step."""
    if step in _SET:
        return replace(standing, inhibit=_SET[step], until_us=until_us)
    if step in (Step.SUPPRESS, Step.RELEASE):
        suppressed = replace(standing, suppressed=step is Step.SUPPRESS)
        by_people = standing.inhibit not in (Inhibit.NONE, Inhibit.SUPPRESSED)
        return suppressed if by_people else _bare(suppressed)
    once_is_over = standing.inhibit is Inhibit.SHELVED_ONCE and step is Step.CLEAR and standing.state in ACTIVE
    return _bare(standing) if step in _ENDS or once_is_over else standing


def _bare(standing: Standing) -> Standing:
    """Without what people set: what is left is whether it is suppressed."""
    left = Inhibit.SUPPRESSED if standing.suppressed else Inhibit.NONE
    return replace(standing, inhibit=left, until_us=None)


def _counted(standing: Standing, after: Standing, step: Step, watch: Watch, now_us: int) -> Standing:
    """With when it was raised, and how far it is escalated."""
    if step is Step.RAISE and standing.state not in ACTIVE:
        return after if _counts_on(standing, watch) else _anew(after, now_us)
    if step is Step.REALARM:
        return _anew(after, now_us)
    if step in (Step.ESCALATE, Step.DEESCALATE):
        return replace(after, level=standing.level + 1 if step is Step.ESCALATE else 0)
    # A clock that ran while nobody could be told would escalate at once.
    if standing.inhibit is not Inhibit.NONE and after.inhibit is Inhibit.NONE and after.state in UNACKED:
        was_told = after.state in ACTIVE or standing.raised_us is not None
        return replace(after, raised_us=now_us if was_told else None)
    return after


def _counts_on(standing: Standing, watch: Watch) -> bool:
    """Whether nobody acknowledged the time before, and levels are left that were not told of it."""
    is_unacked = standing.state is AlarmState.RETURNED_UNACKED and standing.raised_us is not None
    return is_unacked and standing.level < len(levels(watch))


def _anew(after: Standing, now_us: int) -> Standing:
    raised_us = now_us if after.inhibit is Inhibit.NONE else None
    return replace(after, raised_us=raised_us, acked_us=None, acked_by=None, level=0)


def _about(after: Standing, step: Step, episode_us: int | None) -> Standing:
    """With the episode that it is about: none when it is dealt with and everybody who was told knows."""
    if step is Step.RAISE and episode_us is not None:
        return replace(after, episode_us=episode_us)
    dealt_with = after.state in (AlarmState.NORMAL, AlarmState.PENDING) and after.level == 0
    return replace(after, episode_us=None) if dealt_with else after


def _is_realarm_due(standing: Standing, watch: Watch, now_us: int) -> bool:
    if standing.state is not AlarmState.ACTIVE_ACKED or watch.realarm_s is None or standing.acked_us is None:
        return False
    return standing.acked_us + watch.realarm_s * SECOND_US <= now_us


def _is_announced(standing: Standing, after: Standing, step: Step, watch: Watch) -> bool:
    if after.inhibit is not Inhibit.NONE:
        return False
    if step in _CAN_RELEASE:
        return after.state in ACTIVE
    if standing.inhibit is not Inhibit.NONE:
        return False
    if step is Step.REVISE:
        return watch.category is Category.EXCEEDANCE
    if step is Step.RAISE:
        return standing.state not in ACTIVE
    return step in _ALWAYS_ANNOUNCED
