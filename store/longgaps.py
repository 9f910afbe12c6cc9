"""Amounts of other times that a gap is estimated by, and gaps that other times are estimated by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.frames import FloatArray, SmallArray
from domain.quality import Flag
from domain.time import IntArray, Level, to_datetime
from store.arrays import Element, columns_of, instants, integers
from store.connection import database_errors
from store.statements import query

__all__ = ["gap_days", "read_base"]

_BASE = (Element.INTEGER, Element.INSTANT, Element.FLOAT, Element.FLOAT, Element.INTEGER)


def _stretches(level: Level, channel_id: NDArray[np.int32], from_us: IntArray, to_us: IntArray) -> dict[str, Any]:
    return {
        "channel_id": integers(channel_id),
        "from_ts": instants(from_us),
        "to_ts": instants(to_us),
        "level": int(level),
        "first": to_datetime(int(from_us.min())),
        "last": to_datetime(int(to_us.max())),
    }


def read_base(
    conn: Connection[Any], channel_id: NDArray[np.int32], from_us: IntArray, to_us: IntArray
) -> tuple[SmallArray, IntArray, FloatArray, FloatArray, SmallArray]:
    """
    Stored base amounts of half-open stretches of channels that do not overlap, sorted by channel and time.

    Returns
    -------
    (channel_id, start_us, amount, measured_s, flags) : (n,) each

    Raises
    ------
    Unavailable
        The database is away.
    """
    if not len(channel_id):
        whole, small = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
        return small, whole, np.empty(0), np.empty(0), small
    with database_errors(f"reading amounts of {len(channel_id)} stretches"):
        cursor = conn.execute(query("longgaps_base"), _stretches(Level.BASE, channel_id, from_us, to_us), binary=True)
        ids, start_us, amount, measured_s, flags = columns_of(cursor, *_BASE)
    return ids, start_us, amount, measured_s, flags


def gap_days(
    conn: Connection[Any], channel_id: NDArray[np.int32], from_us: IntArray, to_us: IntArray
) -> tuple[SmallArray, IntArray]:
    """
    Channels and starts of local days in half-open stretches of time in which a gap is estimated, by day, then channel.

    Raises
    ------
    Unavailable
        The database is away.
    """
    if not len(channel_id):
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
    parameters = _stretches(Level.DAY, channel_id, from_us, to_us) | {"flag": int(Flag.ESTIMATED)}
    with database_errors("reading which days are estimated"):
        cursor = conn.execute(query("longgaps_days"), parameters, binary=True)
        ids, day_us = columns_of(cursor, Element.INTEGER, Element.INSTANT)
    return ids, day_us
