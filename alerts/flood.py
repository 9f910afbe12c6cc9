"""How well the alarms themselves do, after ISA-18.2 (IEC 62682) and EEMUA 191: a function of the journal of transitions.

Two times matter. People meet an alarm when it is *recorded*: loads and floods are counted on that clock. Whether an alarm
chatters or stands for days is said by the *data*, or a logger that sends an hour in one burst would seem to chatter.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from domain.alarms import AlarmState, BoolArray, Severity, Step
from domain.errors import InputError
from domain.frames import FloatArray, SmallArray
from domain.time import SECOND_US, IntArray, to_datetime

__all__ = [
    "CHATTERING_PER_MINUTE",
    "FLOOD_PER_10_MIN",
    "STALE_S",
    "AlarmLoad",
    "Floods",
    "Journal",
    "alarm_load",
    "chattering",
    "floods",
    "is_told",
    "stale",
]

FLOOD_PER_10_MIN = 10
"""More alarms than this in 10 minutes are more than one operator can deal with."""
CHATTERING_PER_MINUTE = 3
"""An alarm that is raised so often in one minute chatters."""
STALE_S = 24 * 3600
"""An alarm that is active for longer is stale. [s]"""

_TEN_MIN_US = 600 * SECOND_US
_MINUTE_US = 60 * SECOND_US
_STEPS = tuple(Step)
_STATES = tuple(AlarmState)
_TOLD = (Step.RAISE, Step.REALARM, Step.UNSHELVE, Step.EXPIRE, Step.PUT_BACK, Step.RELEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Transitions of many alarms in the order in which they were recorded; (n,) each."""

    alarm: IntArray
    """Database id of the alarm."""
    step: NDArray[np.int8]
    """Place in `tuple(Step)`."""
    before: NDArray[np.int8]
    """Place in `tuple(AlarmState)`."""
    after: NDArray[np.int8]
    """Place in `tuple(AlarmState)`."""
    at_us: IntArray
    """On data time for steps of the condition. [us UTC]"""
    recorded_us: IntArray
    """On the clock; never falls. [us UTC]"""
    announced: BoolArray
    severity: NDArray[np.int8]
    """Code of :class:`Severity`."""

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, column.name)) for column in fields(self)}
        if len(lengths) > 1:
            raise InputError(f"the columns of a Journal differ in length: {sorted(lengths)}")
        if np.any(np.diff(self.recorded_us) < 0):
            raise InputError("the transitions of a Journal must be in the order in which they were recorded")

    def __len__(self) -> int:
        return len(self.alarm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floods:
    """Stretches of time with more than `FLOOD_PER_10_MIN` alarms in 10 minutes, in order; (f,) each."""

    start_us: IntArray
    """The first alarm of it. [us UTC]"""
    stop_us: IntArray
    """The last alarm of it. [us UTC]"""
    alarms: IntArray
    """How many there were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLoad:
    """How much the alarms of a park asked of its people, from a time to another."""

    alarms: int
    """Those that people were told of: raised, raised anew, or announced at the end of an inhibit."""
    per_10_min: float
    """In the mean; about 1 can be dealt with by one operator. NaN where the time is empty."""
    most_in_10_min: int
    """The most in any 10 minutes, wherever they begin."""
    floods: Floods
    flood_share: float
    """Of the time that was a flood; below 0.01 is good. [0..1]"""
    severity_share: FloatArray
    """(4,) Share of each severity, LOW first; about 0.80, 0.15, 0.05 for low, medium, high is good. NaN where there are no
    alarms. [0..1]"""
    chattering: IntArray
    """Ids of alarms that chattered."""
    stale: IntArray
    """Ids of alarms that are stale at the end."""
    busiest: IntArray
    """Ids of at most 10 alarms that people were told of most, most first; of equal ones the lower id first."""
    busiest_share: float
    """What they make of all alarms; above 0.05 they are worth mending. NaN where there are no alarms. [0..1]"""


def alarm_load(journal: Journal, from_us: int, to_us: int) -> AlarmLoad:
    """
    The load of what was recorded in `[from_us, to_us)`.

    What stands in the journal before is used for what was active then: an alarm whose last transition is not there is taken
    as not stale. What comes later is left out.

    Parameters
    ----------
    journal : Journal
    from_us, to_us : int [us UTC]

    Raises
    ------
    InputError
        `to_us` is before `from_us`.
    """
    if to_us < from_us:
        raise InputError(f"the time from {to_datetime(from_us)} to {to_datetime(to_us)} ends before it begins")
    past = _rows(journal, journal.recorded_us < to_us)
    inside = _rows(past, past.recorded_us >= from_us)
    told = is_told(inside)
    at_us = inside.recorded_us[told]
    found = floods(at_us)
    busiest, counts = _busiest(inside.alarm[told])
    length_us = to_us - from_us
    number = len(at_us)
    return AlarmLoad(
        alarms=number,
        per_10_min=number * _TEN_MIN_US / length_us if length_us else np.nan,
        most_in_10_min=int(_in_last_10_min(at_us).max(initial=0)),
        floods=found,
        flood_share=float((found.stop_us - found.start_us).sum() / length_us) if length_us else 0.0,
        severity_share=_severity_share(inside.severity[told]),
        chattering=chattering(inside),
        stale=stale(past, to_us),
        busiest=busiest,
        busiest_share=float(counts.sum() / number) if number else np.nan,
    )


def is_told(journal: Journal) -> BoolArray:
    """Which transitions are alarms to people; an escalation tells others of the same one. (n,)"""
    codes = np.array([_STEPS.index(step) for step in _TOLD], dtype=np.int8)
    return journal.announced & np.isin(journal.step, codes)


def floods(at_us: IntArray) -> Floods:
    """
    Floods among alarms.

    Parameters
    ----------
    at_us : int64 (a,) [us UTC]
        Times of alarms, none before the one before it.
    """
    in_flood = np.flatnonzero(_in_last_10_min(at_us) > FLOOD_PER_10_MIN)
    first = np.searchsorted(at_us, at_us[in_flood] - _TEN_MIN_US, side="right")
    # Both ends rise, so a flood goes on as long as the next one begins within it.
    begins = np.ones(len(in_flood), dtype=np.bool_)
    begins[1:] = first[1:] > in_flood[:-1]
    ends = np.append(begins[1:], True)[: len(in_flood)]
    start, stop = first[begins], in_flood[ends]
    return Floods(start_us=at_us[start], stop_us=at_us[stop], alarms=(stop - start + 1).astype(np.int64))


def chattering(journal: Journal) -> IntArray:
    """Ids of the alarms that were raised `CHATTERING_PER_MINUTE` times or more within a minute of data time, each once."""
    raised = journal.step == _STEPS.index(Step.RAISE)
    alarm, at_us = journal.alarm[raised], journal.at_us[raised]
    order = np.lexsort((at_us, alarm))
    alarm, at_us = alarm[order], at_us[order]
    apart = CHATTERING_PER_MINUTE - 1
    same = alarm[apart:] == alarm[:-apart]
    near = at_us[apart:] - at_us[:-apart] <= _MINUTE_US
    return np.unique(alarm[apart:][same & near])


def stale(journal: Journal, now_us: int) -> IntArray:
    """
    Ids of the alarms that are active and have been for more than `STALE_S`, each once.

    Acknowledging and raising anew do not end that time; being cleared does. Counted from the data time at which it became
    active, or, where the journal begins later, from its first transition.
    """
    if not len(journal):
        return journal.alarm[:0]
    active = np.array([_STATES.index(AlarmState.ACTIVE_UNACKED), _STATES.index(AlarmState.ACTIVE_ACKED)], dtype=np.int8)
    order = np.argsort(journal.alarm, kind="stable")
    alarm = journal.alarm[order]
    is_first = np.append(True, alarm[1:] != alarm[:-1])
    is_last = np.append(is_first[1:], True)
    after = np.isin(journal.after[order], active)
    began = after & (~np.isin(journal.before[order], active) | is_first)
    place = np.maximum.accumulate(np.where(began, np.arange(len(alarm)), 0))
    since_us = journal.at_us[order][place]
    return alarm[is_last & after & (now_us - since_us > STALE_S * SECOND_US)]


def _rows(journal: Journal, which: BoolArray) -> Journal:
    return Journal(**{column.name: getattr(journal, column.name)[which] for column in fields(journal)})


def _in_last_10_min(at_us: IntArray) -> IntArray:
    """How many alarms there were in the 10 minutes up to each, itself too; one 10 minutes before is not."""
    first = np.searchsorted(at_us, at_us - _TEN_MIN_US, side="right")
    return np.arange(1, len(at_us) + 1) - first


def _severity_share(severity: NDArray[np.int8]) -> FloatArray:
    codes = np.array([level.value for level in Severity], dtype=np.int8)
    counts = (severity[:, np.newaxis] == codes).sum(axis=0)
    return counts / len(severity) if len(severity) else np.full(len(codes), np.nan)


def _busiest(alarm: IntArray, most: int = 10) -> tuple[IntArray, SmallArray]:
    ids, counts = np.unique(alarm, return_counts=True)
    order = np.lexsort((ids, -counts))[:most]
    return ids[order], counts[order].astype(np.int32)
