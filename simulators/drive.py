"""Drives a simulated park for ever: first what is missing up to now, then as time goes by."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import structlog

from domain.errors import InputError
from domain.parkfile import ParkFile
from domain.time import HOUR_US, SECOND_US, to_datetime
from simulators.faults import LONGEST_US, Fault, schedule, with_faults
from simulators.park import SimulatedPark
from simulators.publisher import Publisher
from simulators.reports import Outgoing, Report, batched

__all__ = ["Course", "catch_up", "simulate", "wall_clock_us"]

_log = structlog.get_logger("kawasan.simulators")

_TURN_S = 1.0
_LIVE_WITHIN_US = 2 * 60 * SECOND_US
"""Further behind than this, meters send what they stored in bulk."""
_STORED_S = 7 * 24 * 3600
"""How much meters store while the simulator is down. [s]"""
_SAVE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a park is driven."""

    seed: int = 0
    backfill_s: float = 24 * 3600.0
    """On a first start, how much of the past is published before what happens now. [s]"""
    catch_up_speed: float | None = None
    """How many seconds of the past are published in one second; None: as fast as the broker acknowledges."""
    faults: Sequence[Fault] = ()
    """What goes wrong on purpose."""
    faults_per_day: float = 0.0
    """How many more faults the whole park has on a day, on average, by seed."""


class _Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a park was driven; what is kept between two runs."""

    park: str
    seed: int
    until_us: int


def wall_clock_us() -> int:
    """The time now. [us UTC]"""
    return time.time_ns() // 1000


def simulate(
    file: ParkFile,
    publisher: Publisher,
    course: Course,
    *,
    stop: threading.Event,
    state: Path | None = None,
    now_us: Callable[[], int] = wall_clock_us,
) -> int:
    """
    Publish what the meters of a park read, until told to stop.

    Every reading is a pure function of file, seed and time. So a restart goes on where the last run stopped, and
    what is published twice is published with the same values.

    Parameters
    ----------
    file : ParkFile
        Without :func:`domain.parkfile.mistakes`.
    publisher : Publisher
        Entered, so connecting or connected.
    course : Course
    stop : threading.Event
        Ends it within about a second.
    state : Path or None
        Where is kept how far it came; None, or no such file yet: begin `backfill_s` before now.
    now_us : callable
        The time now. [us UTC]

    Returns
    -------
    int
        How many messages were published.

    Raises
    ------
    InputError
        The state file cannot be read or written.
    Unavailable, SettingsError
        As :meth:`simulators.publisher.Publisher.publish`.
    """
    park = SimulatedPark(file, course.seed)
    until_us = _begin_us(park, course, _load(state), now_us())
    _log.info("simulating", park=park.key, channels=len(park.channels), since=to_datetime(until_us).isoformat())
    published, waiting, saved_s = 0, list[Outgoing](), time.monotonic()
    while not stop.is_set():
        # Behind at the start, and whenever the broker or this machine was away.
        stored, until_us = catch_up(park, publisher, course, until_us, stop=stop, now_us=now_us)
        published += stored
        if stop.is_set():
            break
        turn_us = max(now_us(), until_us)
        waiting += _sent(park, course, until_us, turn_us)
        until_us = turn_us
        waiting.sort(key=lambda message: message.due_us)
        ready = [message for message in waiting if message.due_us <= turn_us]
        sent = publisher.publish(ready, stop=stop)
        # Told to stop between two messages, the rest still waits.
        waiting, published = waiting[sent:], published + sent
        if time.monotonic() - saved_s > _SAVE_S and publisher.is_settled:
            _save(state, _progress(park, course, until_us, waiting))
            saved_s = time.monotonic()
        stop.wait(_TURN_S)
    if publisher.is_settled:
        _save(state, _progress(park, course, until_us, waiting))
    return published


def catch_up(
    park: SimulatedPark,
    publisher: Publisher,
    course: Course,
    from_us: int,
    *,
    stop: threading.Event,
    now_us: Callable[[], int] = wall_clock_us,
) -> tuple[int, int]:
    """
    Publish what was read since `from_us`, in messages of up to an hour, until only the last minutes are missing.

    Returns
    -------
    (int, int)
        How many messages were published, and up to when everything was read. [us UTC]
    """
    until_us = from_us

    def hours() -> Iterator[Outgoing]:
        nonlocal until_us
        while until_us < now_us() - _LIVE_WITHIN_US:
            stop_us = min(until_us + HOUR_US, now_us())
            yield from _stored(park, course, until_us, stop_us)
            until_us = stop_us

    published = publisher.publish(hours(), speed=course.catch_up_speed, stop=stop)
    return published, until_us


def _begin_us(park: SimulatedPark, course: Course, kept: _Progress | None, now_us: int) -> int:
    if kept is None or (kept.park, kept.seed) != (park.key, course.seed):
        begin_us = now_us - int(course.backfill_s * SECOND_US)
    else:
        begin_us = max(kept.until_us, now_us - _STORED_S * SECOND_US)
    return min(max(begin_us, park.start_us), now_us)


def _faults(park: SimulatedPark, course: Course, start_us: int, stop_us: int) -> tuple[Fault, ...]:
    if course.faults_per_day <= 0:
        return tuple(course.faults)
    places = sorted({channel.meter.place for channel in park.channels})
    # Those that began before and are not over have to be found again.
    drawn = schedule(
        places,
        seed=course.seed,
        start_us=start_us - LONGEST_US,
        stop_us=stop_us,
        per_day=course.faults_per_day,
    )
    return (*course.faults, *drawn)


def _sent(park: SimulatedPark, course: Course, start_us: int, stop_us: int) -> tuple[Outgoing, ...]:
    """One message a report, with faults."""
    return with_faults(park, park.reports(start_us, stop_us), _faults(park, course, start_us, stop_us))


def _stored(park: SimulatedPark, course: Course, start_us: int, stop_us: int) -> list[Outgoing]:
    """One message a meter; those of meters that something befalls are one a report."""
    faults = _faults(park, course, start_us, stop_us)
    befallen = {fault.place for fault in faults if fault.start_us < stop_us}
    by_place: dict[str, list[Report]] = defaultdict(list)
    for report in park.reports(start_us, stop_us):
        by_place[report.place].append(report)
    bulk = [batched(park.key, reports) for place, reports in by_place.items() if place not in befallen]
    single = [report for place in sorted(befallen) for report in by_place.get(place, ())]
    # What a fault held back beyond this stretch goes now: a paced catching up must not wait for it.
    told = [replace(one, due_us=min(one.due_us, stop_us)) for one in (*bulk, *with_faults(park, single, faults))]
    return sorted(told, key=lambda message: (message.due_us, message.topic))


def _progress(park: SimulatedPark, course: Course, until_us: int, waiting: Sequence[Outgoing]) -> _Progress:
    """How far everything went to the broker; what still waits to be sent is made again by the next run."""
    return _Progress(
        park=park.key, seed=course.seed, until_us=min([until_us, *(message.read_us for message in waiting)])
    )


def _load(state: Path | None) -> _Progress | None:
    if state is None:
        return None
    try:
        return msgspec.json.decode(state.read_bytes(), type=_Progress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"the simulator's state {state} cannot be read: {error}; remove it to begin anew") from error


def _save(state: Path | None, progress: _Progress) -> None:
    if state is None:
        return
    draft = state.with_name(f"{state.name}.new")
    try:
        draft.write_bytes(msgspec.json.encode(progress))
        draft.replace(state)
    except OSError as error:
        raise InputError(f"the simulator's state {state} cannot be written: {error}") from error
