"""Interval amounts in the database: whole frames in and out."""

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.errors import InputError
from domain.frames import AmountFrame
from domain.quality import Flag
from domain.time import IntArray, Level, to_datetime
from store.arrays import Column, Element, booleans, columns_of, instants, integers
from store.connection import database_errors
from store.frames import AMOUNT_ELEMENTS, amount_columns, final_rows, stored_amounts
from store.statements import query

__all__ = ["put_amounts", "read_amounts", "stored_days", "write_amounts"]


def write_amounts(
    conn: Connection[Any],
    frame: AmountFrame,
    ranges: tuple[NDArray[np.int32], IntArray, IntArray],
    *,
    computed_at_us: int,
    ticked_to_us: int | None,
) -> int:
    """
    Make the stored amounts of some ranges equal to a frame, in the caller's transaction.

    Rows of the frame are inserted or, where anything but `revision`, `computed_at` and the flag
    `LATE` differs, updated; equal rows are not touched. Rows of the frame's level that start inside
    a range and are not in the frame are deleted. A row whose interval was final before this cycle
    gets `revision + 1` and the flag `LATE` when it changes.

    Parameters
    ----------
    frame : AmountFrame
        Of channels of one park. Every row starts inside one of the ranges.
    ranges : (channel_id, from_us, to_us)
        int32 and int64 (r,) [us UTC]; half-open `[from, to)`.
    ticked_to_us : int or None
        `park.ticked_to` as it was *before* this cycle; None: nothing is final yet. [us UTC]

    Returns
    -------
    int
        How many rows were inserted, updated or deleted.

    Raises
    ------
    InputError
        The channels are not in the registry.
    Unavailable
        The database is away.
    """
    with database_errors(f"writing {len(frame)} amounts of level {frame.level.key}"):
        deleted = _delete(conn, frame, ranges)
        return deleted + (_write(conn, frame, computed_at_us, ticked_to_us) if len(frame) else 0)


def _delete(conn: Connection[Any], frame: AmountFrame, ranges: tuple[NDArray[np.int32], IntArray, IntArray]) -> int:
    channel_id, from_us, to_us = ranges
    if not len(channel_id):
        return 0
    return conn.execute(
        query("amounts_delete"),
        {
            "level": int(frame.level),
            "range_channel_id": integers(channel_id),
            "range_from": instants(from_us),
            "range_to": instants(to_us),
            "channel_id": integers(frame.channel_id),
            "start": instants(frame.start_us),
            "first": to_datetime(int(from_us.min())),
            "last": to_datetime(int(to_us.max())),
        },
    ).rowcount


def _write(conn: Connection[Any], frame: AmountFrame, computed_at_us: int, ticked_to_us: int | None) -> int:
    park = conn.execute(query("amounts_park"), {"channel_id": int(frame.channel_id[0])}).fetchone()
    if park is None:
        raise InputError(f"channel {frame.channel_id[0]} is not in the registry; its amounts belong to no park")
    final = final_rows(ZoneInfo(park[0]), park[1], frame.level, frame.start_us, ticked_to_us)
    return conn.execute(
        query("amounts_write"),
        {
            **amount_columns(frame),
            "final": booleans(final),
            "level": int(frame.level),
            "late": int(Flag.LATE),
            "computed_at": to_datetime(computed_at_us),
            "first": to_datetime(int(frame.start_us.min())),
            "last_start": to_datetime(int(frame.start_us.max())),
        },
    ).rowcount


def put_amounts(
    conn: Connection[Any], frame: AmountFrame, rows: IntArray, late: NDArray[np.bool_], *, computed_at_us: int
) -> None:
    """
    Store some rows of a frame, each in place of the one that is stored for its key, in the caller's transaction.

    As :func:`write_amounts`, for who knows what is stored: all rows must differ from it.

    Parameters
    ----------
    frame : AmountFrame
    rows : int64 (n,)
        Which rows.
    late : bool (n,)
        Which of them change a stored row that was final: these get `revision + 1` and the flag `LATE`.

    Raises
    ------
    Unavailable
        The database is away.
    """
    if not len(rows):
        return
    with database_errors(f"writing {len(rows)} amounts of level {frame.level.key}"):
        columns = {name: Column(column.values[rows], column.element) for name, column in amount_columns(frame).items()}
        flags = columns["flags"].values & ~int(Flag.LATE) | np.where(late, int(Flag.LATE), 0)
        conn.execute(
            query("amounts_put"),
            {
                **columns,
                "flags": integers(flags),
                "raised": integers(late.astype(np.int32)),
                "level": int(frame.level),
                "late": int(Flag.LATE),
                "computed_at": to_datetime(computed_at_us),
            },
        )


def read_amounts(
    conn: Connection[Any], level: Level, channel_ids: NDArray[np.int32], start_us: int, stop_us: int
) -> AmountFrame:
    """
    The stored amounts of some channels whose intervals start in `[start_us, stop_us)`, sorted as a frame is.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors(f"reading amounts of level {level.key}"):
        cursor = conn.execute(
            query("amounts_read"),
            {
                "channel_id": integers(channel_ids),
                "level": int(level),
                "start": to_datetime(start_us),
                "stop": to_datetime(stop_us),
            },
            binary=True,
        )
        return stored_amounts(level, columns_of(cursor, *AMOUNT_ELEMENTS)).frame


def stored_days(conn: Connection[Any], park_id: int) -> IntArray:
    """
    Starts of all days of which a park has amounts, in order. [us UTC]

    Looks at every chunk: for rare occasions.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors("reading which days have amounts"):
        cursor = conn.execute(query("amounts_days"), {"park_id": park_id, "level": int(Level.DAY)}, binary=True)
        days: IntArray = columns_of(cursor, Element.INSTANT)[0]
    return days
