"""Readings as they were known at a moment: what had been received by then, and no conflict that came later. Role API."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from domain.frames import Readings
from domain.time import IntArray, to_datetime
from store.around import sorted_readings, within_margins
from store.arrays import Element, columns_of, instants, integers
from store.keys import time_bounds
from store.queries import asking
from store.statements import query

__all__ = ["readings_around_then", "readings_then"]

_GROWTH, _ALL = 32, 2**31 - 1
_ROWS = (Element.INTEGER, Element.INSTANT, Element.FLOAT, Element.INTEGER)


async def readings_then(
    conn: AsyncConnection[Any],
    user: str,
    channel_id: int,
    start_us: int,
    stop_us: int,
    *,
    as_of_us: int,
    limit: int = 10_000,
) -> Readings:
    """The first readings of one channel in `[start_us, stop_us)`, at most `limit`, as they were known at a moment."""
    channels = np.array([channel_id], dtype=np.int32)
    page = {
        "channel_id": channel_id,
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
        "as_of": to_datetime(as_of_us),
        "limit": limit,
    }
    async with asking(conn, user):
        rows = columns_of(await conn.execute(query("past_page"), page, binary=True), *_ROWS)
        claims = await _claims(conn, channels, start_us, stop_us, as_of_us)
    return _as_claimed(rows, claims)


async def readings_around_then(
    conn: AsyncConnection[Any],
    user: str,
    spans: tuple[NDArray[np.int32], IntArray, IntArray],
    margin: int,
    *,
    as_of_us: int,
) -> tuple[Readings, NDArray[np.bool_], NDArray[np.bool_]]:
    """
    As :func:`store.around.readings_around`, but what was known at a moment, and as far as the user may see it.

    Parameters
    ----------
    spans : (channel_id, from_us, to_us), (s,) each
        Both ends included; those of one channel do not overlap.
    margin : int
        How many readings before and after each span are wanted.
    as_of_us : int [us UTC]
    """
    if not len(spans[0]):
        nothing = np.empty(0, dtype=np.bool_)
        return _as_claimed(_none(), _none()), nothing, nothing
    async with asking(conn, user):
        wanted, (lowest, highest) = margin + 1, await _bounds(conn, spans, margin + 1)
        floor, ceiling = await _bounds(conn, spans, _ALL)
        while True:
            number, side, *rows = await _around(conn, spans, (lowest, highest), margin, as_of_us)
            keep, before, after = within_margins(number, side, rows[1], len(spans[0]), margin)
            # Where many came only later, those of the days that were searched are too few to say there are no others.
            if not ((before & (lowest > floor)) | (after & (highest < ceiling))).any():
                break
            wanted = min(wanted * _GROWTH, _ALL)
            lowest, highest = await _bounds(conn, spans, wanted)
        claims = await _claims(conn, np.unique(spans[0]), int(lowest.min()), int(highest.max()) + 1, as_of_us)
    return _as_claimed([column[keep] for column in rows], claims), before, after


async def _bounds(
    conn: AsyncConnection[Any], spans: tuple[NDArray[np.int32], IntArray, IntArray], wanted: int
) -> tuple[IntArray, IntArray]:
    cursor = await conn.execute(
        query("around_bounds"),
        {
            "number": integers(np.arange(len(spans[0]))),
            "channel_id": integers(spans[0]),
            "from_ts": instants(spans[1]),
            "to_ts": instants(spans[2]),
            "wanted": wanted,
        },
        binary=True,
    )
    number, below, above = columns_of(cursor, Element.INTEGER, Element.INSTANT, Element.INSTANT)
    lowest, highest = np.empty_like(spans[1]), np.empty_like(spans[2])
    lowest[number], highest[number] = below, above
    return lowest, highest


async def _around(
    conn: AsyncConnection[Any],
    spans: tuple[NDArray[np.int32], IntArray, IntArray],
    bounds: tuple[IntArray, IntArray],
    margin: int,
    as_of_us: int,
) -> list[NDArray[Any]]:
    lowest, highest = bounds
    cursor = await conn.execute(
        query("past_around"),
        {
            "number": integers(np.arange(len(spans[0]))),
            "channel_id": integers(spans[0]),
            "from_ts": instants(spans[1]),
            "to_ts": instants(spans[2]),
            "lowest": instants(lowest),
            "highest": instants(highest),
            "wanted": margin + 1,
            "as_of": to_datetime(as_of_us),
            **time_bounds(np.concatenate([lowest, highest])),
        },
        binary=True,
    )
    return columns_of(cursor, Element.INTEGER, Element.SMALLINT, *_ROWS)


async def _claims(
    conn: AsyncConnection[Any], channel_id: NDArray[np.int32], first_us: int, stop_us: int, as_of_us: int
) -> list[NDArray[Any]]:
    parameters = {
        "channel_id": integers(channel_id),
        **time_bounds(np.array([first_us, stop_us])),
        "as_of": to_datetime(as_of_us),
    }
    return columns_of(await conn.execute(query("past_claims"), parameters, binary=True), *_ROWS)


def _none() -> list[NDArray[Any]]:
    return [np.empty(0, dtype=element.row["value"].newbyteorder("=")) for element in _ROWS]


def _as_claimed(rows: Sequence[NDArray[Any]], claims: Sequence[NDArray[Any]]) -> Readings:
    """
    Readings with the conflicts that were known: two claims of a key make one, a single claim is its value.

    Which value of a key is stored depends on which came first; what was known of it does not.
    """
    order = np.lexsort((claims[1], claims[0]))
    channel_id, ts_us, value, quality = (column[order] for column in claims)
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (channel_id[1:] != channel_id[:-1]) | (ts_us[1:] != ts_us[:-1])
    key = np.cumsum(first) - 1
    several = np.bincount(key, minlength=int(first.sum())) > 1
    contended, alone = first & several[key], first & ~several[key]
    conflicts = channel_id[contended], ts_us[contended]
    readings = sorted_readings(rows[0], rows[1], rows[2], rows[3], conflicts)
    single = sorted_readings(channel_id[alone], ts_us[alone], value[alone], quality[alone], conflicts)
    found, row = _same_key(readings, single)
    values, qualities = readings.value.copy(), readings.quality.copy()
    values[row], qualities[row] = single.value[found], single.quality[found]
    return replace(readings, value=values, quality=qualities)


def _same_key(readings: Readings, others: Readings) -> tuple[IntArray, IntArray]:
    """Rows of others whose keys are among those of readings, and where."""
    ids = np.concatenate([readings.channel_id, others.channel_id]).astype(np.int64)
    instants_us = np.concatenate([readings.ts_us, others.ts_us])
    order = np.lexsort((instants_us, ids))
    same = (ids[order][1:] == ids[order][:-1]) & (instants_us[order][1:] == instants_us[order][:-1])
    # The sort is stable, so a reading comes before the other of its key.
    pair = np.flatnonzero(same)
    return order[pair + 1] - len(readings), order[pair]
