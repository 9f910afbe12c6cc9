"""The engine's loop: woken by ingest or by a timer, it ticks and runs cycles until told to stop."""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from psycopg import Connection

from domain.errors import ParkError, Unavailable
from domain.registry import Park
from domain.time import SECOND_US, base_edges
from service.engine.cycle import run_cycle
from service.engine.health import EVERY_US, measure_health
from service.engine.known import Known
from service.engine.timers import run_timers
from store.connection import Role, connect, database_errors
from store.registry import load_parks
from store.signals import Signals
from store.spans import append_tick

__all__ = ["due_tick", "run_engine"]

_log = structlog.get_logger("kawasan.engine")
_RETRY_S = (0.5, 1.0, 2.0, 5.0)


def due_tick(park: Park, now_us: int) -> int | None:
    """The latest edge of a base interval that is final by now; None where the park is ticked to it. [us UTC]"""
    over_us = now_us - park.lateness_s * SECOND_US
    edge = int(base_edges(park.zone, park.base_s, over_us, over_us + 1)[0])
    return edge if park.ticked_to_us is None or edge > park.ticked_to_us else None


def run_engine(
    database_url: str,
    *,
    park_keys: tuple[str, ...] | None,
    cycle_rows: int,
    poll_s: float,
    stop: threading.Event,
    data_folder: Path | None = None,
) -> None:
    """
    Keep the numbers of some parks up to date until `stop` is set.

    Several engines of one park may run: one works, the others stand by at its lock.

    Parameters
    ----------
    park_keys : tuple of str or None
        None: all parks of the database, those that are applied later too.
    cycle_rows : int
        About how many readings one cycle may load.
    poll_s : float
        Longest time between two looks at the queue where nobody notifies. [s]
    data_folder : Path, optional
        Where the database keeps its data, if on this machine: the free share of its disk is watched.
    """
    failures = 0
    while not stop.is_set():
        try:
            with (
                connect(database_url, Role.WRITE, application="kawasan-engine", autocommit=True) as conn,
                Signals(database_url, "kawasan_spans", "kawasan_registry") as signals,
            ):
                failures = 0
                several = partial(_parks, conn, park_keys)
                _work(conn, signals, several, cycle_rows=cycle_rows, poll_s=poll_s, stop=stop, folder=data_folder)
        except Unavailable as error:
            wait_s = _RETRY_S[min(failures, len(_RETRY_S) - 1)]
            failures += 1
            _log.warning("database away, trying again", error=str(error), wait_s=wait_s)
            stop.wait(wait_s)


def _work(
    conn: Connection[Any],
    signals: Signals,
    several: Callable[[], tuple[Park, ...]],
    *,
    cycle_rows: int,
    poll_s: float,
    stop: threading.Event,
    folder: Path | None,
) -> None:
    # What is known goes with the connection: another one may be to another database, or to one that was set back.
    known: dict[int, Known] = {}
    while not stop.is_set():
        busy = False
        for park in several():
            _tick(conn, park)
            mine = known.setdefault(park.id, Known())
            done = run_cycle(conn, park, cycle_rows=cycle_rows, now_us=_now_us(), known=mine)
            busy |= done.remaining and done.spans > 0
            mine.slowest_s = max(mine.slowest_s, done.seconds)
            if done.spans:
                _log.info("cycle", park=park.key, spans=done.spans, faults=done.faults, seconds=done.seconds)
            _look_after(conn, park, mine, folder)
            if stop.is_set():
                return
        if not busy:
            signals.wait(poll_s, stop)


def _look_after(conn: Connection[Any], park: Park, known: Known, folder: Path | None) -> None:
    """What time brings beside the cycles: this system's health each minute, and the timers of alarms."""
    now_us = _now_us()
    known.renew(conn, park)
    if now_us // EVERY_US > known.measured_us // EVERY_US:
        measure_health(conn, known.plan.registry, now_us, folder, slowest_s=known.slowest_s)
        known.measured_us, known.slowest_s = now_us, 0.0
    try:
        run_timers(conn, park, known, now_us)
    except (ParkError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, Unavailable):
            raise
        # They are due again at the next look; the numbers go on. Alarms that were made in it are not there.
        known.forget_watching()
        _log.error("timers of alarms failed", park=park.key, error=f"{type(error).__name__}: {error}", exc_info=error)


def _parks(conn: Connection[Any], park_keys: tuple[str, ...] | None) -> tuple[Park, ...]:
    return tuple(one for one in load_parks(conn) if park_keys is None or one.key in park_keys)


def _tick(conn: Connection[Any], park: Park) -> None:
    tick_us = due_tick(park, _now_us())
    if tick_us is not None:
        with database_errors("appending a tick"), conn.transaction():
            append_tick(conn, park.id, tick_us)


def _now_us() -> int:
    return time.time_ns() // 1000
