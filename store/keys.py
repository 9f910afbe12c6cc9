"""The first reading of each key of a batch into the database, and what is stored for the key in the end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import Connection

from domain.time import IntArray, to_datetime
from store.arrays import POSTGRES_EPOCH_US, Element, columns_of, floats, instants, integers
from store.columns import Arranged
from store.statements import query

__all__ = ["Clash", "Keys", "copy_keys", "insert_keys", "stored_keys", "time_bounds"]

_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
_NO_BATCH = -1
_COPY_FIELDS = (
    ("channel_id", ">i4"),
    ("ts", ">i8"),
    ("value", ">f8"),
    ("quality", ">i4"),
    ("received_at", ">i8"),
    ("batch_id", ">i8"),
)
_COPY_ROW = np.dtype(
    [("fields", ">i2"), *(part for name, kind in _COPY_FIELDS for part in ((f"{name}_length", ">i4"), (name, kind)))]
)


class Clash(Exception):  # noqa: N818 - not a mistake: a key of the straight COPY was stored already
    """A key that was taken for new is stored; nothing of the transaction stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """For each key of a batch: whether this batch stored it, and what is stored."""

    ours: NDArray[np.bool_]
    value: NDArray[np.float64]
    quality: NDArray[np.int32]


def copy_keys(
    conn: Connection[Any], batch_id: int, arranged: Arranged, received_us: IntArray, doubtful: NDArray[np.bool_]
) -> Keys:
    """
    Store the keys by a straight COPY, but for those of the doubtful that a look-up finds stored.

    Parameters
    ----------
    received_us : int64 (messages,) [us UTC]
    doubtful : bool (keys,)
        Keys that may be stored already.

    Raises
    ------
    Clash
        Another key was stored already, or is being stored by another writer.
    """
    keys = _found(conn, batch_id, arranged, np.flatnonzero(doubtful))
    rows = arranged.first[keys.ours]
    if len(rows):
        try:
            with conn.cursor() as cursor, cursor.copy(query("readings_copy")) as copy:
                copy.write(_copy_text(batch_id, arranged, received_us, rows))
        except psycopg.errors.UniqueViolation as error:
            raise Clash from error
    return keys


def insert_keys(conn: Connection[Any], batch_id: int, arranged: Arranged, received_us: IntArray) -> Keys:
    """Store those keys that are not stored yet, waiting for other writers of the same keys."""
    rows = arranged.first
    conn.execute(
        query("readings_insert"),
        {
            "batch": batch_id,
            "channel_id": integers(arranged.channel_id[rows]),
            "ts": instants(arranged.ts_us[rows]),
            "value": floats(arranged.value[rows]),
            "quality": integers(arranged.quality[rows]),
            "received_at": instants(received_us[arranged.message[rows]]),
        },
    )
    return _found(conn, batch_id, arranged, np.arange(len(rows)))


def stored_keys(conn: Connection[Any], arranged: Arranged) -> Keys:
    """What is stored for the keys now; those that are not are ours to store."""
    return _found(conn, _NO_BATCH, arranged, np.arange(len(arranged.first)))


def _found(conn: Connection[Any], batch_id: int, arranged: Arranged, asked: IntArray) -> Keys:
    ours = np.ones(len(arranged.first), dtype=np.bool_)
    value, quality = arranged.value[arranged.first], arranged.quality[arranged.first]
    if len(asked):
        rows = arranged.first[asked]
        cursor = conn.execute(
            query("readings_stored"),
            {
                "batch": batch_id,
                "place": integers(asked),
                "channel_id": integers(arranged.channel_id[rows]),
                "ts": instants(arranged.ts_us[rows]),
                **time_bounds(arranged.ts_us[rows]),
            },
            binary=True,
        )
        place, value[place], quality[place], ours[place] = _places(cursor)
    return Keys(ours=ours, value=value, quality=quality)


def _places(cursor: psycopg.Cursor[Any]) -> list[NDArray[Any]]:
    return columns_of(cursor, Element.INTEGER, Element.FLOAT, Element.INTEGER, Element.BOOLEAN)


def time_bounds(ts_us: IntArray) -> dict[str, Any]:
    """Parameters `first` and `last` of a query: the bounds of some times, in sight of the planner."""
    return {"first": to_datetime(int(ts_us.min())), "last": to_datetime(int(ts_us.max()))}


def _copy_text(batch_id: int, arranged: Arranged, received_us: IntArray, rows: IntArray) -> bytes:
    text = np.empty(len(rows), dtype=_COPY_ROW)
    text["fields"] = len(_COPY_FIELDS)
    for name, kind in _COPY_FIELDS:
        text[f"{name}_length"] = np.dtype(kind).itemsize
    text["channel_id"] = arranged.channel_id[rows]
    text["ts"] = arranged.ts_us[rows] - POSTGRES_EPOCH_US
    text["value"] = arranged.value[rows]
    text["quality"] = arranged.quality[rows]
    text["received_at"] = received_us[arranged.message[rows]] - POSTGRES_EPOCH_US
    text["batch_id"] = batch_id
    return _COPY_HEADER + text.tobytes() + _COPY_TRAILER
