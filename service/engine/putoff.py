"""KPIs of past days that take too long for the cycle that changed them: they go back into the queue, and are made in parts.

A day of a park takes the base amounts of all its channels from the database. On a park of 10,000 channels that is a million
rows, so an import of a year must not have its 365 days made before the readings that have just come.
"""

import time
from typing import Any

import numpy as np
from psycopg import Connection

from domain.context import PARK_WIDE
from domain.frames import Subject, SubjectKind
from domain.time import IntArray, Level, level_edges
from service.engine.indicators import fold_periods, recompute_kpis
from service.engine.known import Known, Stamp
from store.spans import append_contexts, contexts_remain

__all__ = ["put_back", "put_off", "recompute_put_off"]

_AT_ONCE = 1_000_000
"""Base amounts that a cycle reads for the KPIs of past days without thinking twice."""
_SPARE_S = 1.0
"""How long a cycle makes KPIs that were put off, when it has made one part of them. [s]"""
_FEW_TENANTS = 10


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


def recompute_put_off(
    conn: Connection[Any], known: Known, subjects: tuple[Subject, ...], days_us: IntArray, stamp: Stamp
) -> None:
    """
    Make the KPIs of some days, the newest first, for as long as a cycle may take; the others go back into the queue.

    A month or year is folded, for everybody, when none of its days is in the queue any more.
    """
    begun, left = time.monotonic(), days_us
    portion = _days_at_once(known)
    made: list[IntArray] = []
    while len(left) and (not made or time.monotonic() - begun < _SPARE_S):
        made.append(left[-portion:])
        left = left[:-portion]
        recompute_kpis(conn, known, subjects, made[-1], (), stamp)
    _append(conn, known, subjects, left)
    done = np.sort(np.concatenate([days_us[:0], *made]))
    for level in (Level.MONTH, Level.YEAR):
        for days, span in _by_period(known, level, done):
            if not contexts_remain(conn, known.plan.park.id, *span):
                fold_periods(conn, known, days, level, stamp)


def _days_at_once(known: Known) -> int:
    cells = len(known.plan.table) * (86_400 // known.plan.park.base_s)
    return max(1, _AT_ONCE // max(1, cells))


def _by_period(known: Known, level: Level, days_us: IntArray) -> list[tuple[IntArray, tuple[int, int]]]:
    """The days in each month or year, with its ends."""
    if not len(days_us):
        return []
    park = known.plan.park
    edges = level_edges(park.zone, park.base_s, level, int(days_us[0]), int(days_us[-1]) + 1)
    place = np.searchsorted(edges, days_us, side="right") - 1
    return [(days_us[place == one], (int(edges[one]), int(edges[one + 1]))) for one in np.unique(place).tolist()]


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
