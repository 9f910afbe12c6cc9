"""Stored KPIs of tenants and the park (and of meters, where wanted): whole frames in and out."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.errors import InputError
from domain.frames import KpiFrame
from domain.quality import Flag
from domain.time import IntArray, Level, to_datetime
from store.arrays import Column, booleans, columns_of, instants, integers, smallints
from store.connection import database_errors
from store.frames import KPI_ELEMENTS, final_rows, kpi_columns, numbered_keys, stored_kpis
from store.statements import query

__all__ = ["read_kpis", "write_kpis"]


def write_kpis(
    conn: Connection[Any],
    park_id: int,
    frame: KpiFrame,
    ranges: tuple[NDArray[np.int16], NDArray[np.int32], IntArray, IntArray],
    *,
    formula_versions: Mapping[str, int],
    registry_version: int,
    computed_at_us: int,
    ticked_to_us: int | None,
) -> int:
    """
    Make the stored KPIs of some ranges equal to a frame, in the caller's transaction.

    As :func:`store.amounts.write_amounts`: equal rows are not touched, rows in a range that the frame
    does not hold are deleted (whatever their KPI), and a row that was final gets `revision + 1` and `LATE`
    when it changes. A row also counts as changed when its formula's version did; the registry's version
    is stored with changed rows only.

    Parameters
    ----------
    ranges : (subject_kind, subject_id, from_us, to_us)
        int16 (codes of SubjectKind), int32, int64, int64 (r,) [us UTC]; half-open.
    formula_versions : Mapping[str, int]
        By KPI key; 1 where a key is not named.
    ticked_to_us : int or None
        `park.ticked_to` as it was *before* this cycle. [us UTC]

    Returns
    -------
    int
        How many rows were inserted, updated or deleted.

    Raises
    ------
    InputError
        There is no such park.
    Unavailable
        The database is away.
    """
    keys, number = numbered_keys(frame)
    with database_errors(f"writing {len(frame)} KPIs of level {frame.level.key}"):
        deleted = _delete(conn, frame, ranges, {"keys": keys, "key": integers(number)})
        if not len(frame):
            return deleted
        park = conn.execute(query("kpis_park"), {"park_id": park_id}).fetchone()
        if park is None:
            raise InputError(f"park {park_id} is not in the database")
        final = final_rows(ZoneInfo(park[0]), park[1], frame.level, frame.start_us, ticked_to_us)
        versions = np.array([formula_versions.get(key, 1) for key in keys], dtype=np.int16)
        written = conn.execute(
            query("kpis_write"),
            {
                **kpi_columns(frame, number),
                "park_id": park_id,
                "keys": keys,
                "formula_version": smallints(versions[number - 1]),
                "final": booleans(final),
                "level": int(frame.level),
                "late": int(Flag.LATE),
                "registry_version": registry_version,
                "computed_at": to_datetime(computed_at_us),
                "first": to_datetime(int(frame.start_us.min())),
                "last_start": to_datetime(int(frame.start_us.max())),
            },
        )
        return deleted + written.rowcount


def _delete(
    conn: Connection[Any],
    frame: KpiFrame,
    ranges: tuple[NDArray[np.int16], NDArray[np.int32], IntArray, IntArray],
    keys: Mapping[str, list[str] | Column],
) -> int:
    kind, subject_id, from_us, to_us = ranges
    if not len(kind):
        return 0
    return conn.execute(
        query("kpis_delete"),
        {
            **keys,
            "level": int(frame.level),
            "range_kind": smallints(kind),
            "range_id": integers(subject_id),
            "range_from": instants(from_us),
            "range_to": instants(to_us),
            "subject_kind": smallints(frame.subject_kind),
            "subject_id": integers(frame.subject_id),
            "start": instants(frame.start_us),
            "first": to_datetime(int(from_us.min())),
            "last": to_datetime(int(to_us.max())),
        },
    ).rowcount


def read_kpis(
    conn: Connection[Any],
    kpis: Sequence[str],
    subjects: tuple[NDArray[np.int16], NDArray[np.int32]],
    level: Level,
    *,
    start_us: int,
    stop_us: int,
) -> KpiFrame:
    """
    The stored KPIs of some subjects whose intervals start in `[start_us, stop_us)`, sorted as a frame is.

    Parameters
    ----------
    kpis : Sequence[str]
        Keys in the catalogue.
    subjects : (subject_kind, subject_id)
        int16 (codes of SubjectKind) and int32 (n,).

    Raises
    ------
    Unavailable
        The database is away.
    """
    keys = sorted(set(kpis))
    with database_errors(f"reading KPIs of level {level.key}"):
        cursor = conn.execute(
            query("kpis_read"),
            {
                "keys": keys,
                "subject_kind": smallints(subjects[0]),
                "subject_id": integers(subjects[1]),
                "level": int(level),
                "start": to_datetime(start_us),
                "stop": to_datetime(stop_us),
            },
            binary=True,
        )
        return stored_kpis(level, keys, columns_of(cursor, *KPI_ELEMENTS)).frame
