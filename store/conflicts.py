"""Values that claim a key which another value holds: duplicates told from conflicts, and conflicts kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.time import IntArray
from store.arrays import Element, columns_of, floats, instants, integers
from store.columns import CONFLICT, DUPLICATE, Arranged
from store.keys import Keys, time_bounds
from store.statements import query

__all__ = ["foreseen_conflicts", "settle_conflicts"]


def settle_conflicts(
    conn: Connection[Any], batch_id: int, arranged: Arranged, keys: Keys, received_us: IntArray
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """
    Tell duplicates from conflicts among the readings this batch did not store, and keep the conflicts.

    A reading is a duplicate if a value known for its key (the stored one, or one kept as a conflict) lies within
    half the channel's resolution and has the same quality; else it is a conflict, and known from then on.

    Returns
    -------
    fate : int8 (n,)
        DUPLICATE or CONFLICT; meaningless where this batch stored the reading.
    touched : bool (keys,)
        Keys that got a new conflict.
    """
    fate = np.full(len(arranged), DUPLICATE, dtype=np.int8)
    touched = np.zeros(len(arranged.first), dtype=np.bool_)
    rows, half_step = _differing(conn, arranged, keys)
    if not len(rows):
        return fate, touched
    # One writer at a time, so that two new values of one key see each other.
    conn.execute(query("conflicts_lock"))
    new = rows[_unknown(arranged, rows, half_step, _known(conn, arranged, rows))]
    if len(new):
        _keep(conn, batch_id, arranged, new, received_us)
    fate[new] = CONFLICT
    touched[arranged.key[new]] = True
    return fate, touched


def foreseen_conflicts(
    conn: Connection[Any],
    arranged: Arranged,
    keys: Keys,
    earlier: Mapping[tuple[int, int], Sequence[tuple[float, int]]],
) -> IntArray:
    """
    Rows that :func:`settle_conflicts` would keep as conflicts; nothing is written or locked.

    Parameters
    ----------
    earlier : mapping of (channel_id, ts_us) to (value, quality)
        Conflicts that would be known before these readings come.
    """
    rows, half_step = _differing(conn, arranged, keys)
    if not len(rows):
        return rows
    known = _known(conn, arranged, rows)
    for key in np.unique(arranged.key[rows]).tolist():
        first = arranged.first[key]
        place = int(arranged.channel_id[first]), int(arranged.ts_us[first])
        known.setdefault(key, []).extend(earlier.get(place, ()))
    return rows[_unknown(arranged, rows, half_step, known)]


def _differing(conn: Connection[Any], arranged: Arranged, keys: Keys) -> tuple[IntArray, NDArray[np.float64]]:
    """Rows whose value is another than what is stored for their key, and half the resolution of each."""
    contends = np.ones(len(arranged), dtype=np.bool_)
    contends[arranged.first[keys.ours]] = False
    rows = np.flatnonzero(contends)
    half_step = np.zeros(0)
    if len(rows):
        half_step = _half_steps(conn, arranged.channel_id[rows])
        key = arranged.key[rows]
        with np.errstate(over="ignore"):  # two values may lie further apart than a float can say
            near = np.abs(arranged.value[rows] - keys.value[key]) <= half_step
        differs = ~(near & (arranged.quality[rows] == keys.quality[key]))
        rows, half_step = rows[differs], half_step[differs]
    return rows, half_step


def _half_steps(conn: Connection[Any], channel_id: NDArray[np.int32]) -> NDArray[np.float64]:
    channels, inverse = np.unique(channel_id, return_inverse=True)
    cursor = conn.execute(query("channel_resolutions"), {"channel_id": integers(channels)}, binary=True)
    known, resolution = columns_of(cursor, Element.INTEGER, Element.FLOAT)
    half = np.zeros(len(channels))
    half[np.searchsorted(channels, known)] = resolution / 2
    return half[inverse]


def _known(conn: Connection[Any], arranged: Arranged, rows: IntArray) -> dict[int, list[tuple[float, int]]]:
    asked = np.unique(arranged.key[rows])
    first = arranged.first[asked]
    cursor = conn.execute(
        query("conflicts_known"),
        {
            "key": integers(asked),
            "channel_id": integers(arranged.channel_id[first]),
            "ts": instants(arranged.ts_us[first]),
        },
        binary=True,
    )
    found: dict[int, list[tuple[float, int]]] = {}
    columns = columns_of(cursor, Element.INTEGER, Element.FLOAT, Element.INTEGER)
    for key, value, quality in zip(*(column.tolist() for column in columns), strict=True):
        found.setdefault(key, []).append((value, quality))
    return found


def _unknown(
    arranged: Arranged, rows: IntArray, half_step: NDArray[np.float64], known: dict[int, list[tuple[float, int]]]
) -> NDArray[np.bool_]:
    # In order of arrival and one by one, because each new value is known to the next; contradictions are rare.
    unknown = np.zeros(len(rows), dtype=np.bool_)
    columns = (arranged.key[rows], arranged.value[rows], arranged.quality[rows], half_step)
    for place, (key, value, quality, half) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        claims = known.setdefault(key, [])
        if not any(abs(value - claim) <= half and quality == said for claim, said in claims):
            claims.append((value, quality))
            unknown[place] = True
    return unknown


def _keep(conn: Connection[Any], batch_id: int, arranged: Arranged, rows: IntArray, received_us: IntArray) -> None:
    first = arranged.first[np.unique(arranged.key[rows])]
    conn.execute(
        query("conflicts_insert_stored"),
        {
            "channel_id": integers(arranged.channel_id[first]),
            "ts": instants(arranged.ts_us[first]),
            **time_bounds(arranged.ts_us[first]),
        },
    )
    conn.execute(
        query("conflicts_insert"),
        {
            "batch": batch_id,
            "channel_id": integers(arranged.channel_id[rows]),
            "ts": instants(arranged.ts_us[rows]),
            "value": floats(arranged.value[rows]),
            "quality": integers(arranged.quality[rows]),
            "received_at": instants(received_us[arranged.message[rows]]),
        },
    )
