"""The notifier's threads: one for each way, so that a way that fails keeps no other waiting."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import Connection

from alerts.channels import Channel
from alerts.words import digest
from domain.errors import Unavailable
from domain.notifications import Delivery, Notification, Outcome, Way
from domain.time import SECOND_US
from service.notify.backoff import again_at, wait_s
from service.notify.limits import hourly_limits, sort_out
from store.connection import Role, connect, database_errors
from store.outbox import Claimed, claim, enqueue, postpone, record, sent_since
from store.registry import load_registries
from store.signals import Signals

__all__ = ["Pace", "run_notifier"]

_logger = logging.getLogger("kawasan.notify")

_HOUR_US = 3600 * SECOND_US
_AWAY_S = (0.5, 1.0, 2.0, 5.0)
_LEAVE_S = 5.0
"""How long a delivery that is under way may take to end when we are told to stop. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is taken at once, and for how long."""

    most: int = 500
    """Notifications taken at once: enough to see how many of them are for one contact."""
    work_s: float = 30.0
    """After this, what was taken and not tried is given back. [s]"""
    lease_s: float = 120.0
    """When what a notifier left half done is taken again: longer than `work_s` and the longest delivery. [s]"""
    poll_s: float = 2.0
    """Longest time between two looks at the outbox where nobody notifies. [s]"""
    held_s: float = 60.0
    """How often it is looked whether a contact that had its fill may get more. [s]"""
    contacts_s: float = 60.0
    """How often contacts are read anew, besides when the registry changes. [s]"""


@dataclass(slots=True, eq=False)
class _Shared:
    """What the threads have in common."""

    stop: threading.Event
    hourly: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """Replaced as a whole, never changed."""
    is_known: threading.Event = field(default_factory=threading.Event)
    """Set once `hourly` was read, or when nothing is to be sent any more."""
    broken: list[BaseException] = field(default_factory=list)
    """What ended a thread; the process ends with it."""


@dataclass(slots=True, eq=False)
class _Worker:
    """One way: its channel, and what its thread remembers between two claims."""

    url: str
    channel: Channel
    pace: Pace
    shared: _Shared
    wake: threading.Event = field(default_factory=threading.Event)
    resting: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By address: how often it failed one after the other, and until when it is left alone. [us UTC]"""
    owed: list[Callable[[Connection[Any]], None]] = field(default_factory=list)
    """Attempts that could not be recorded, because the database went away behind them."""


def run_notifier(
    database_url: str,
    channels: Mapping[Way, Channel],
    *,
    stop: threading.Event,
    pace: Pace | None = None,
) -> None:
    """
    Send what is in the outbox until `stop` is set.

    Several notifiers may run on one database: each notification is leased to one of them.

    Parameters
    ----------
    channels : mapping of Way to Channel
        One thread is run for each.

    Raises
    ------
    Exception
        Whatever ended a thread for another reason than a database or an other side that is away.
    """
    paced = pace or Pace()
    shared = _Shared(stop)
    workers = [_Worker(database_url, channel, paced, shared) for channel in channels.values()]
    threads = [
        threading.Thread(target=_run, args=(worker,), name=f"notify-{worker.channel.name}", daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    _logger.info("notifier runs", extra={"ways": ",".join(channels)})
    _listen(database_url, workers, shared, paced)
    shared.is_known.set()
    _wake(workers)
    leave = time.monotonic() + _LEAVE_S
    for thread in threads:
        thread.join(max(0.0, leave - time.monotonic()))
    if shared.broken:
        raise shared.broken[0]


def _wake(workers: Iterable[_Worker]) -> None:
    for worker in workers:
        worker.wake.set()


def _listen(url: str, workers: list[_Worker], shared: _Shared, pace: Pace) -> None:
    failures = 0
    while not shared.stop.is_set() and not shared.broken:
        try:
            with Signals(url, "kawasan_outbox", "kawasan_registry") as signals:
                read_again = 0.0
                while not shared.stop.is_set() and not shared.broken:
                    if time.monotonic() >= read_again:
                        shared.hourly = _limits(url)
                        shared.is_known.set()
                        read_again = time.monotonic() + pace.contacts_s
                    heard = signals.wait(pace.poll_s, shared.stop)
                    failures = 0
                    _wake(workers)
                    if "kawasan_registry" in heard:
                        read_again = 0.0
        except Unavailable as error:
            failures = _away(error, failures, shared.stop)


def _limits(url: str) -> Mapping[tuple[int, str], int]:
    with connect(url, Role.WRITE, application="kawasan-notify") as conn:
        return hourly_limits({registry.park.id: registry.contacts for registry in load_registries(conn)})


def _away(error: Unavailable, failures: int, stop: threading.Event) -> int:
    wait = _AWAY_S[min(failures, len(_AWAY_S) - 1)]
    _logger.warning("database away, trying again", extra={"reason": str(error), "wait_s": wait})
    stop.wait(wait)
    return failures + 1


def _run(worker: _Worker) -> None:
    try:
        _keep_working(worker)
    except BaseException as error:  # noqa: BLE001 - the top of a thread: its end is told to the process
        worker.shared.broken.append(error)


def _keep_working(worker: _Worker) -> None:
    failures, stop = 0, worker.shared.stop
    worker.shared.is_known.wait()
    while not stop.is_set():
        try:
            with connect(worker.url, Role.WRITE, application="kawasan-notify", autocommit=True) as conn:
                while not stop.is_set():
                    busy = _turn(conn, worker)
                    failures = 0
                    if not busy:
                        worker.wake.wait(worker.pace.poll_s)
                    worker.wake.clear()
        except Unavailable as error:
            failures = _away(error, failures, stop)


def _turn(conn: Connection[Any], worker: _Worker) -> bool:
    """Send what is due; whether more may be."""
    while worker.owed:
        worker.owed[0](conn)
        del worker.owed[0]
    pace, began_us = worker.pace, _now_us()
    claimed = claim(conn, worker.channel.name, pace.most, pace.lease_s)
    if not claimed:
        return False
    sent = sent_since(conn, began_us - _HOUR_US)
    split = sort_out(claimed, sent=sent, hourly=worker.shared.hourly)
    if split.held:
        postpone(conn, [one.id for one in split.held], began_us + round(pace.held_s * SECOND_US))
    for parts in split.together:
        _put_together(conn, parts)
    ends = time.monotonic() + pace.work_s
    for place, one in enumerate(split.alone):
        if worker.shared.stop.is_set() or time.monotonic() >= ends:
            postpone(conn, [left.id for left in split.alone[place:]], _now_us())
            break
        _attempt(conn, worker, one)
    return bool(split.alone or split.together)


def _put_together(conn: Connection[Any], parts: tuple[Claimed, ...]) -> None:
    """One notification in place of several, in one transaction: so none of them is lost, and none is told twice."""
    now_us = _now_us()
    # It has its place under the limit, and its parts had waited for the end of quiet hours.
    whole = replace(digest(tuple(one.notification for one in parts)), urgent=True, not_before_us=now_us)
    told = Delivery(outcome=Outcome.SENT, detail=f"put together with {len(parts) - 1} others into {whole.dedup_key}")
    with database_errors("putting notifications together"), conn.transaction():
        enqueue(conn, parts[0].park_id, [whole], [None])
        for one in parts:
            record(conn, one.id, told, at_us=now_us)


def _attempt(conn: Connection[Any], worker: _Worker, one: Claimed) -> None:
    address, now_us = one.notification.address, _now_us()
    failed, until_us = worker.resting.get(address, (0, 0))
    if until_us > now_us:
        postpone(conn, [one.id], until_us)
        return
    delivery = _delivered(worker.channel, one.notification)
    at_us, retry_us = _now_us(), None
    worker.resting.pop(address, None)
    if delivery.outcome is Outcome.RETRY:
        due_us = max(one.created_us, one.notification.not_before_us)
        attempts = max(one.attempts, failed) + 1
        retry_us = again_at(attempts, due_us=due_us, now_us=at_us)
        worker.resting[address] = (failed + 1, at_us + wait_s(failed + 1) * SECOND_US)
    _logger.info(
        "notification tried",
        extra={"id": one.id, "way": worker.channel.name.value, "outcome": delivery.outcome.value},
    )

    def write(into: Connection[Any]) -> None:
        with database_errors("recording an attempt"), into.transaction():
            record(into, one.id, delivery, at_us=at_us, retry_us=retry_us)

    worker.owed.append(write)
    write(conn)
    worker.owed.pop()


def _delivered(channel: Channel, notification: Notification) -> Delivery:
    try:
        return channel.deliver(notification)
    except Exception as error:
        # A mistake of ours in one message must not keep the others of its way waiting for ever.
        _logger.exception("channel failed", extra={"way": channel.name.value})
        return Delivery(outcome=Outcome.RETRY, detail=f"unexpected {type(error).__name__}; the log says more")


def _now_us() -> int:
    return time.time_ns() // 1000
