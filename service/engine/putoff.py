"""KPIs of past days that take too long for the cycle that changed them: they go back into the queue, and are made in parts.

A day of a park takes the base amounts of all its channels from the database. On a park of 10,000 channels that is a million
rows, so an import of a year must not have its 365 days made before the readings that have just come. Nor may any cycle take
long over one of them, for the live readings wait until it is done: the work is cut into steps, and a cycle ends after the
step in which its time is up. What is not done by then stands in the queue. Only what was read for it is remembered, and read
again after a crash; so an engine that has just lost its memory, perhaps to another one that works in turns with it, does not
stop before one day or fold is done.

In the queue a stretch of time is days whose KPIs are to be made; an empty one is a mark: at the start of a month, that the
month is to be folded, because some of its days were made; a microsecond after the start of a year, that the year is.
"""

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from psycopg import Connection

from domain.context import PARK_WIDE
from domain.frames import Subject, SubjectKind
from domain.time import IntArray, Level, level_edges
from service.engine.indicators import fold_period, recompute_kpis, trailing_days
from service.engine.known import Known, Stamp
from store.spans import append_contexts, contexts_remain

__all__ = ["put_back", "put_off", "recompute_put_off"]

_AT_ONCE = 250_000
"""Base amounts that a cycle reads in one step: about half a second's work of the database."""
_SPARE_S = 2.0
"""After so long a cycle begins no further step of what was put off. [s]"""
_FEW_TENANTS = 10
_YEAR_MARK_US = 1

_Period = tuple[Level, int, int]
"""A month or year, with its ends. [us UTC]"""


def put_off(conn: Connection[Any], known: Known, subjects: tuple[Subject, ...], days_us: IntArray) -> IntArray:
    """
    The days whose KPIs are made in this cycle; those of others are put into the queue.

    Parameters
    ----------
    days_us : int64 (n,) [us UTC]
        Starts of local days, in order.
    """
    past = days_us < known.earliest_us
    if int(past.sum()) <= _days_at_once(known):
        return days_us
    _append(conn, known, subjects, days_us[past])
    return days_us[~past]


def put_back(conn: Connection[Any], park_id: int, contexts: tuple[tuple[int, int, int], ...]) -> None:
    """Put back what was taken and not made: (tenant, from, to) each. [us UTC]"""
    table = np.array(contexts, dtype=np.int64).reshape(-1, 3)
    append_contexts(conn, park_id, table[:, 0].astype(np.int32), table[:, 1], table[:, 2])


def recompute_put_off(  # noqa: PLR0917 - of whom, what, when
    conn: Connection[Any],
    known: Known,
    subjects: tuple[Subject, ...],
    days_us: IntArray,
    marks_us: tuple[int, ...],
    stamp: Stamp,
) -> IntArray:
    """
    Make the KPIs of some days, the newest first, for as long as a cycle may take; what is left goes back into the queue.

    A month or year is folded, for everybody, when none of its days is in the queue any more. At least one step is done.

    Parameters
    ----------
    days_us : int64 (n,) [us UTC]
        Starts of local days, in order.
    marks_us : tuple of int
        Marks of months and years that were still to be folded. [us UTC]

    Returns
    -------
    int64 (m,) [us UTC]
        Starts of the days that were made, and of the months and years that were folded; in order.
    """
    until, left = time.monotonic() + _SPARE_S, days_us
    for rest in _days(conn, known, subjects, days_us, stamp):
        left = rest
        if time.monotonic() >= until and (known.remembers or len(left) < len(days_us)):
            break
    _append(conn, known, subjects, left)
    made = days_us[len(left) :]
    due = _due(conn, known, made, marks_us)
    folded = 0
    if not len(days_us) or time.monotonic() < until:
        for count in _folds(conn, known, due, stamp):
            folded = count
            if time.monotonic() >= until and (known.remembers or len(made) or folded):
                break
    marks = [start_us + (_YEAR_MARK_US if level is Level.YEAR else 0) for level, start_us, _ in due[folded:]]
    put_back(conn, known.plan.park.id, tuple((PARK_WIDE, mark_us, mark_us) for mark_us in marks))
    if not marks and not len(left):
        known.release()
    starts = [start_us for _, start_us, _ in due[:folded]]
    return np.unique(np.array([*made.tolist(), *starts], dtype=np.int64))


def _days(
    conn: Connection[Any], known: Known, subjects: tuple[Subject, ...], days_us: IntArray, stamp: Stamp
) -> Iterator[IntArray]:
    """Make days, the newest first; after each step, which are left."""
    portion = _days_at_once(known)
    while len(days_us):
        some = days_us[-max(1, portion) :]
        if not portion and some[0] < known.earliest_us:
            for _ in _gathering(conn, known, int(some[0])):
                yield days_us
        recompute_kpis(conn, known, subjects, some, (), stamp)
        days_us = days_us[: len(days_us) - len(some)]
        yield days_us


def _gathering(conn: Connection[Any], known: Known, day_us: int) -> Iterator[None]:
    """Read in steps what a past day is made of."""
    start_us, stop_us = _edges(known, Level.DAY, day_us, day_us + 1)
    if known.keep_days(conn, *trailing_days(known, Level.DAY, start_us, stop_us)):
        yield
    while known.gather(conn, start_us, stop_us, _AT_ONCE):
        yield


def _folds(conn: Connection[Any], known: Known, periods: list[_Period], stamp: Stamp) -> Iterator[int]:
    """Fold months and years in steps; after each step, how many are folded."""
    for count, (level, start_us, stop_us) in enumerate(periods):
        while known.years.read(conn, start_us, stop_us):
            yield count
        for first, last in pairwise(_edges(known, Level.MONTH, start_us, stop_us)):
            if known.keep_coarse(conn, first, last):
                yield count
        if known.keep_days(conn, *trailing_days(known, level, start_us, stop_us)):
            yield count
        fold_period(conn, known, level, (start_us, stop_us), stamp)
        yield count + 1


def _due(conn: Connection[Any], known: Known, days_us: IntArray, marks_us: tuple[int, ...]) -> list[_Period]:
    """The months, then the years, of some days and marks of which no day is in the queue."""
    moments = {(level, day_us) for level in (Level.MONTH, Level.YEAR) for day_us in days_us.tolist()}
    for mark_us in marks_us:
        is_month = mark_us == _edges(known, Level.MONTH, mark_us, mark_us + 1)[0]
        moments.add((Level.MONTH if is_month else Level.YEAR, mark_us))
    periods: set[_Period] = set()
    for level, moment_us in moments:
        start_us, stop_us = _edges(known, level, moment_us, moment_us + 1)
        periods.add((level, start_us, stop_us))
    return [one for one in sorted(periods) if not contexts_remain(conn, known.plan.park.id, *one[1:])]


def _edges(known: Known, level: Level, start_us: int, stop_us: int) -> list[int]:
    park = known.plan.park
    edges: list[int] = level_edges(park.zone, park.base_s, level, start_us, stop_us).tolist()
    return edges


def _days_at_once(known: Known) -> int:
    """Days whose base amounts are read in one step; 0: those of one are too many for that."""
    return _AT_ONCE // max(1, len(known.plan.table) * (86_400 // known.plan.park.base_s))


def _append(conn: Connection[Any], known: Known, subjects: tuple[Subject, ...], days_us: IntArray) -> None:
    """Put days into the queue, neighbouring ones of a month as one stretch."""
    if not len(days_us):
        return
    park = known.plan.park
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(days_us[0]), int(days_us[-1]) + 1)
    place = np.searchsorted(edges, days_us)
    months = level_edges(park.zone, park.base_s, Level.MONTH, int(days_us[0]), int(days_us[-1]) + 1)
    opens = np.append(True, (place[1:] != place[:-1] + 1) | np.isin(days_us[1:], months))
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(place)) - 1
    tenants = [one.id for one in subjects if one.kind is SubjectKind.TENANT]
    whose = np.array(tenants if tenants and len(tenants) <= _FEW_TENANTS else [PARK_WIDE], dtype=np.int32)
    append_contexts(
        conn,
        park.id,
        np.repeat(whose, len(first)),
        np.tile(edges[place[first]], len(whose)),
        np.tile(edges[place[last] + 1], len(whose)),
    )
