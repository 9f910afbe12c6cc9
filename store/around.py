"""Stored readings around spans: what the engine needs to compute a span again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.frames import Readings
from domain.time import DAY_US, IntArray
from store.arrays import Element, columns_of, instants, integers
from store.connection import database_errors
from store.keys import time_bounds
from store.statements import query

__all__ = ["readings_around", "sorted_readings", "within_margins"]

# Spans are read together where they lie together, so that a far one does not open every chunk for all.
_TOGETHER_US = 28 * DAY_US

_BEFORE, _AFTER = 0, 2


def readings_around(
    conn: Connection[Any],
    channel_id: NDArray[np.int32],
    from_us: IntArray,
    to_us: IntArray,
    margin: int,
) -> tuple[Readings, NDArray[np.bool_], NDArray[np.bool_]]:
    """
    All stored readings inside some spans, and up to `margin` more on each side of each.

    Parameters
    ----------
    channel_id, from_us, to_us : (s,)
        Spans, both ends included; those of one channel do not overlap. [us UTC]
    margin : int
        How many stored readings before and after each span are wanted.

    Returns
    -------
    readings : Readings
        Each reading once, though it may lie around several spans.
    complete_before, complete_after : bool (s,)
        There are no stored readings on that side beyond those returned for the span.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors(f"reading around {len(channel_id)} spans"):
        lowest, highest = _bounds(conn, channel_id, from_us, to_us, margin)
        rows = _rows(conn, (channel_id, from_us, to_us, lowest, highest), margin)
        conflicts = _conflicts(conn, channel_id, lowest, highest)
    number, side, *columns = rows
    keep, complete_before, complete_after = within_margins(number, side, columns[1], len(channel_id), margin)
    channel, ts_us, value, quality = (column[keep] for column in columns)
    return sorted_readings(channel, ts_us, value, quality, conflicts), complete_before, complete_after


def _bounds(
    conn: Connection[Any], channel_id: NDArray[np.int32], from_us: IntArray, to_us: IntArray, margin: int
) -> tuple[IntArray, IntArray]:
    cursor = conn.execute(
        query("around_bounds"),
        {
            "number": integers(np.arange(len(channel_id))),
            "channel_id": integers(channel_id),
            "from_ts": instants(from_us),
            "to_ts": instants(to_us),
            "wanted": margin + 1,
        },
        binary=True,
    )
    number, below, above = columns_of(cursor, Element.INTEGER, Element.INSTANT, Element.INSTANT)
    lowest, highest = np.empty_like(from_us), np.empty_like(to_us)
    lowest[number], highest[number] = below, above
    return lowest, highest


def _rows(
    conn: Connection[Any],
    spans: tuple[NDArray[np.int32], IntArray, IntArray, IntArray, IntArray],
    margin: int,
) -> list[NDArray[Any]]:
    elements = (
        Element.INTEGER,
        Element.SMALLINT,
        Element.INTEGER,
        Element.INSTANT,
        Element.FLOAT,
        Element.INTEGER,
    )
    channel_id, from_us, to_us, lowest, highest = spans
    groups = np.unique(np.stack([lowest // _TOGETHER_US, highest // _TOGETHER_US]), axis=1, return_inverse=True)[1]
    parts = []
    for group in range(int(groups.max()) + 1 if len(groups) else 0):
        number = np.flatnonzero(groups == group)
        cursor = conn.execute(
            query("around_readings"),
            {
                "number": integers(number),
                "channel_id": integers(channel_id[number]),
                "from_ts": instants(from_us[number]),
                "to_ts": instants(to_us[number]),
                "lowest": instants(lowest[number]),
                "highest": instants(highest[number]),
                "wanted": margin + 1,
                **time_bounds(np.concatenate([lowest[number], highest[number]])),
            },
            binary=True,
        )
        parts.append(columns_of(cursor, *elements))
    empty = [np.empty(0, dtype=element.row["value"].newbyteorder("=")) for element in elements]
    return [np.concatenate(columns) for columns in zip(empty, *parts, strict=True)]


def _conflicts(
    conn: Connection[Any], channel_id: NDArray[np.int32], lowest: IntArray, highest: IntArray
) -> tuple[NDArray[np.int32], IntArray]:
    cursor = conn.execute(
        query("around_conflicts"),
        {"channel_id": integers(channel_id), "lowest": instants(lowest), "highest": instants(highest)},
        binary=True,
    )
    channel, ts_us = columns_of(cursor, Element.INTEGER, Element.INSTANT)
    return channel, ts_us


def within_margins(
    number: NDArray[np.int32], side: NDArray[np.int16], ts_us: IntArray, spans: int, margin: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the rows found around some spans are within their margins, and whether each side of a span is complete."""
    # One reading more than the margin was asked for on each side: where it came, the side is not complete.
    keep = np.ones(len(number), dtype=np.bool_)
    complete = []
    for which, outward in ((_BEFORE, ts_us), (_AFTER, -ts_us)):
        rows = np.flatnonzero(side == which)
        too_many = np.bincount(number[rows], minlength=spans) > margin
        complete.append(~too_many)
        rows = rows[np.lexsort((outward[rows], number[rows]))]
        outermost = rows[np.unique(number[rows], return_index=True)[1]]
        keep[outermost[too_many[number[outermost]]]] = False
    return keep, complete[0], complete[1]


def sorted_readings(
    channel_id: NDArray[np.int32],
    ts_us: IntArray,
    value: NDArray[np.float64],
    quality: NDArray[np.int32],
    conflicts: tuple[NDArray[np.int32], IntArray],
) -> Readings:
    """Readings in order of their keys, each once, with the keys marked that are in `conflicts` (channel_id, ts_us)."""
    many = len(channel_id)
    channels, times = np.concatenate([channel_id, conflicts[0]]), np.concatenate([ts_us, conflicts[1]])
    is_conflict = np.arange(len(channels)) >= many
    order = np.lexsort((is_conflict, times, channels))
    channels, times, is_conflict = channels[order], times[order], is_conflict[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (channels[1:] != channels[:-1]) | (times[1:] != times[:-1])
    key = np.cumsum(first) - 1
    marked = np.zeros(int(first.sum()), dtype=np.bool_)
    marked[key[is_conflict]] = True
    rows = first & ~is_conflict
    source = order[rows]
    return Readings(
        channel_id=channel_id[source],
        ts_us=ts_us[source],
        value=value[source],
        quality=quality[source],
        conflict=marked[key[rows]],
    )
