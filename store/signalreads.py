"""What alarms are held against, read in columns for many channels at once. Role WRITE."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.frames import AmountFrame, SmallArray
from domain.time import DAY_US, SECOND_US, IntArray, Level, to_datetime
from store.arrays import Element, columns_of, instants, integers
from store.connection import database_errors
from store.frames import AMOUNT_ELEMENTS, stored_amounts
from store.keys import time_bounds
from store.statements import query

__all__ = [
    "base_amounts",
    "findings_over",
    "heard",
    "marked",
    "newest",
    "oldest",
    "stored_episodes_after",
]


def newest(conn: Connection[Any], channel_ids: SmallArray) -> tuple[SmallArray, IntArray]:
    """Channels, rising, that have readings, each with the time of its newest one. [us UTC]"""
    with database_errors("reading how new readings are"):
        cursor = conn.execute(query("signal_newest"), {"channel_id": integers(channel_ids)}, binary=True)
        channel_id, ts_us = columns_of(cursor, Element.INTEGER, Element.INSTANT)
    return channel_id, ts_us


def oldest(conn: Connection[Any], channel_ids: SmallArray) -> tuple[SmallArray, IntArray]:
    """Channels, rising, that have readings, each with the time of its first one. [us UTC]"""
    with database_errors("reading how far readings go back"):
        cursor = conn.execute(query("signal_first"), {"channel_id": integers(channel_ids)}, binary=True)
        channel_id, ts_us = columns_of(cursor, Element.INTEGER, Element.INSTANT)
    return channel_id, ts_us


def base_amounts(conn: Connection[Any], channel_id: SmallArray, from_us: IntArray, to_us: IntArray) -> AmountFrame:
    """
    The stored base amounts that start in some stretches, sorted as a frame is.

    Parameters
    ----------
    channel_id, from_us, to_us : (s,)
        Stretches `[from, to)`; those of one channel do not overlap. [us UTC]

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors(f"reading base amounts of {len(channel_id)} stretches"):
        spread = np.concatenate([from_us, to_us]) if len(from_us) else np.zeros(1, dtype=np.int64)
        cursor = conn.execute(
            query("signal_amounts"),
            {
                "channel_id": integers(channel_id),
                "from_ts": instants(from_us),
                "to_ts": instants(to_us),
                "level": int(Level.BASE),
                **time_bounds(spread),
            },
            binary=True,
        )
        return stored_amounts(Level.BASE, columns_of(cursor, *AMOUNT_ELEMENTS)).frame


def heard(
    conn: Connection[Any], channel_id: SmallArray, from_us: IntArray, to_us: IntArray, *, step_s: int, origin_us: int
) -> tuple[SmallArray, IntArray]:
    """
    When channels were heard: the newest reading of each step of time in `(from, to]`, and the last one at or before `from`.

    Any stored reading counts, whatever its quality.

    Parameters
    ----------
    channel_id, from_us, to_us : (s,)
        One stretch of each channel. [us UTC]
    step_s : int [s]
    origin_us : int [us UTC]
        Steps are counted from here.

    Returns
    -------
    channel_id, ts_us : (n,)
        Sorted by both. [us UTC]
    """
    if not len(channel_id):
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
    bounds = time_bounds(np.concatenate([from_us, to_us]))
    with database_errors(f"reading when {len(channel_id)} channels were heard"):
        cursor = conn.execute(
            query("signal_heard"),
            {
                "channel_id": integers(channel_id),
                "from_ts": instants(from_us),
                "to_ts": instants(to_us),
                "step": to_datetime(step_s * SECOND_US) - to_datetime(0),
                "origin": to_datetime(origin_us),
                "before": to_datetime(int(from_us.min()) - DAY_US),
                **bounds,
            },
            binary=True,
        )
        found, ts_us = columns_of(cursor, Element.INTEGER, Element.INSTANT)
    order = np.lexsort((ts_us, found))
    return found[order], ts_us[order]


def marked(
    conn: Connection[Any], channel_id: SmallArray, from_us: IntArray, to_us: IntArray, *, marks: int
) -> NDArray[np.int32]:
    """
    What sources said of readings in some stretches `[from, to)`, joined; (s,), 0 where they said none of `marks`.

    Parameters
    ----------
    channel_id, from_us, to_us : (s,)
        In any order; they may overlap. [us UTC]
    marks : int
        Bit mask of :class:`domain.quality.Quality`: only readings with any of it count.
    """
    quality = np.zeros(len(channel_id), dtype=np.int32)
    if len(channel_id):
        with database_errors(f"reading what was said of readings in {len(channel_id)} stretches"):
            cursor = conn.execute(
                query("signal_marked"),
                {
                    "number": integers(np.arange(len(channel_id))),
                    "channel_id": integers(channel_id),
                    "from_ts": instants(from_us),
                    "to_ts": instants(to_us),
                    "marks": marks,
                    **time_bounds(np.concatenate([from_us, to_us])),
                },
                binary=True,
            )
            number, found = columns_of(cursor, Element.INTEGER, Element.INTEGER)
        quality[number] = found
    return quality


def findings_over(
    conn: Connection[Any], channel_ids: SmallArray, rules: Sequence[str], start_us: int, stop_us: int
) -> tuple[SmallArray, IntArray, IntArray, IntArray]:
    """Findings of some channels and rules that overlap `[start, stop)`: channel, place of the rule, start, stop. [us UTC]"""
    with database_errors("reading findings"):
        cursor = conn.execute(
            query("signal_findings"),
            {
                "channel_id": integers(channel_ids),
                "rules": list(rules),
                "start": to_datetime(start_us),
                "stop": to_datetime(stop_us),
            },
            binary=True,
        )
        channel_id, rule, start, stop = columns_of(
            cursor, Element.INTEGER, Element.INTEGER, Element.INSTANT, Element.INSTANT
        )
    return channel_id, rule.astype(np.int64) - 1, start, stop


def stored_episodes_after(
    conn: Connection[Any], park_id: int, names: Sequence[str], start_us: int
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """
    Stored episodes of a park's alarms that are open, or were cleared after a time.

    Parameters
    ----------
    names : sequence of str
        `rule@target`, or `rule` for all its targets.

    Returns
    -------
    (place, start, raised, cleared) : int64 (n,) each
        Place of the name; the year 2200 where it is open. [us UTC]
    """
    with database_errors("reading episodes of alarms that suppress others"):
        cursor = conn.execute(
            query("signal_episodes"),
            {"park_id": park_id, "names": list(names), "start": to_datetime(start_us)},
            binary=True,
        )
        number, start, raised, cleared = columns_of(
            cursor, Element.INTEGER, Element.INSTANT, Element.INSTANT, Element.INSTANT
        )
    return number.astype(np.int64) - 1, start, raised, cleared
