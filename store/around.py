"""Stored readings around spans: what the engine needs to compute a span again."""

from dataclasses import dataclass
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

_BEFORE, _INSIDE, _AFTER = 0, 1, 2


def readings_around(  # noqa: PLR0917 - spans in columns
    conn: Connection[Any],
    channel_id: NDArray[np.int32],
    from_us: IntArray,
    to_us: IntArray,
    margin: int,
    step_us: IntArray | None = None,
) -> tuple[Readings, NDArray[np.bool_], NDArray[np.bool_]]:
    """
    All stored readings inside some spans, and up to `margin` more on each side of each.

    Parameters
    ----------
    channel_id, from_us, to_us : (s,)
        Spans, both ends included; those of one channel do not overlap. [us UTC]
    margin : int
        How many stored readings before and after each span are wanted.
    step_us : (s,), optional
        How far apart the readings of each span most likely are; it makes the search fast, and changes nothing. [us]

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
        spans = _Spans(channel_id=channel_id, from_us=from_us, to_us=to_us)
        known = np.zeros(len(channel_id), dtype=np.bool_)
        near, lowest, highest = _no_rows(), from_us.copy(), to_us.copy()
        if step_us is not None and len(channel_id):
            lowest, highest = from_us - (margin + 2) * step_us, to_us + (margin + 2) * step_us
            near, known = _near(conn, spans, lowest, highest, margin)
        far = np.flatnonzero(~known)
        lowest[far], highest[far] = _bounds(conn, channel_id[far], from_us[far], to_us[far], margin)
        rows = _rows(conn, (channel_id[far], from_us[far], to_us[far], lowest[far], highest[far]), margin)
        rows[0] = far[rows[0]].astype(np.int32)
        conflicts = _conflicts(conn, channel_id, lowest, highest)
    number, side, *columns = (np.concatenate(column) for column in zip(near, rows, strict=True))
    keep, complete_before, complete_after = within_margins(number, side, columns[1], len(channel_id), margin)
    channel, ts_us, value, quality = (column[keep] for column in columns)
    return sorted_readings(channel, ts_us, value, quality, conflicts), complete_before, complete_after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spans:
    channel_id: NDArray[np.int32]
    from_us: IntArray
    to_us: IntArray


def _near(
    conn: Connection[Any], spans: _Spans, lowest: IntArray, highest: IntArray, margin: int
) -> tuple[list[NDArray[Any]], NDArray[np.bool_]]:
    """
    As :func:`_rows`, looked for no further than between some bounds; and for which spans that is all there is to find.

    Where a channel sends regularly, one look into the index per span is enough.
    """
    parts = []
    conn.execute(query("around_one_by_one"), {"choose": "off"})
    for number in _together(lowest, highest):
        cursor = conn.execute(
            query("around_near"),
            {
                "number": integers(number),
                "channel_id": integers(spans.channel_id[number]),
                "lowest": instants(lowest[number]),
                "highest": instants(highest[number]),
                **time_bounds(np.concatenate([lowest[number], highest[number]])),
            },
            binary=True,
        )
        parts.append(columns_of(cursor, Element.INTEGER, Element.INSTANT, Element.FLOAT, Element.INTEGER))
    conn.execute(query("around_one_by_one"), {"choose": "on"})
    number, ts_us, value, quality = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((ts_us, number))
    number, ts_us = number[order], ts_us[order]
    count = len(spans.channel_id)
    side = np.where(ts_us < spans.from_us[number], _BEFORE, np.where(ts_us > spans.to_us[number], _AFTER, _INSIDE))
    all_, before, after = (np.bincount(number[which], minlength=count) for which in (side >= 0, side == 0, side > 1))
    known = (before > margin) & ((after > margin) | (_newest(conn, spans.channel_id) <= highest))
    place = np.arange(len(number)) - (np.cumsum(all_) - all_)[number]
    keep = known[number] & (place >= (before - margin - 1)[number]) & (place <= (all_ - after + margin)[number])
    columns = (number, side.astype(np.int16), spans.channel_id[number], ts_us, value[order], quality[order])
    return [column[keep] for column in columns], known


def _newest(conn: Connection[Any], channel_id: NDArray[np.int32]) -> IntArray:
    """Time of the newest stored reading of each channel; very late where none is known. [us UTC]"""
    known, ts_us = columns_of(
        conn.execute(query("around_newest"), {"channel_id": integers(np.unique(channel_id))}, binary=True),
        Element.INTEGER,
        Element.INSTANT,
    )
    place = np.minimum(np.searchsorted(known, channel_id), max(len(known) - 1, 0))
    newest = np.full(len(channel_id), np.iinfo(np.int64).max)
    if len(known):
        found = known[place] == channel_id
        newest[found] = ts_us[place[found]]
    return newest


def _together(lowest: IntArray, highest: IntArray) -> list[IntArray]:
    """Spans, by number, in groups that lie together."""
    if not len(lowest):
        return []
    groups = np.unique(np.stack([lowest // _TOGETHER_US, highest // _TOGETHER_US]), axis=1, return_inverse=True)[1]
    return [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]


_ELEMENTS = (
    Element.INTEGER,
    Element.SMALLINT,
    Element.INTEGER,
    Element.INSTANT,
    Element.FLOAT,
    Element.INTEGER,
)


def _no_rows() -> list[NDArray[Any]]:
    return [np.empty(0, dtype=element.row["value"].newbyteorder("=")) for element in _ELEMENTS]


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
    channel_id, from_us, to_us, lowest, highest = spans
    parts = []
    conn.execute(query("around_one_by_one"), {"choose": "off"})
    for number in _together(lowest, highest):
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
        parts.append(columns_of(cursor, *_ELEMENTS))
    return [np.concatenate(columns) for columns in zip(_no_rows(), *parts, strict=True)]


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
