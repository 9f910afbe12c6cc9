"""Measurements of this system itself, which rules of the signal HEALTH watch, and probes tell. Role WRITE; read: role API too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row

from domain.frames import FloatArray
from domain.time import IntArray, to_datetime
from store.arrays import Element, columns_of, floats, instants
from store.connection import database_errors
from store.statements import query

__all__ = ["HealthSample", "HealthTable", "SystemHealth", "add_health", "health_between", "system_health"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSample:
    """One measurement."""

    name: str
    """`ingest_lag` [s], `disk_free` [0..1], `engine_lag` [s], `queue_rows` [1], `engine_cycle` [s], `broker_connected` [0 or 1], `ingest_held` [1]."""
    at_us: int
    """[us UTC]"""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemHealth:
    """The newest of one measurement, as the worst of all parks has it; one older than a quarter of an hour is not there."""

    name: str
    at: datetime
    value: float
    age_s: float
    """[s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthTable:
    """Measurements, sorted by (name, at_us); (n,) each."""

    name: NDArray[np.int32]
    """Place in the names that were asked for."""
    at_us: IntArray
    value: FloatArray

    def __len__(self) -> int:
        return len(self.at_us)


def add_health(conn: Connection[Any], park_id: int | None, samples: Sequence[HealthSample]) -> int:
    """
    Store measurements of a park (None: of the whole installation), in the caller's transaction; answers how many are new.

    A second one of the same name and moment is left out, as is what is no finite number.

    Raises
    ------
    Unavailable
        The database is away.
    """
    kept = [one for one in samples if np.isfinite(one.value)]
    if not kept:
        return 0
    parameters = {
        "park_id": park_id,
        "name": [one.name for one in kept],
        "at": instants(np.array([one.at_us for one in kept], dtype=np.int64)),
        "value": floats(np.array([one.value for one in kept])),
    }
    with database_errors(f"writing {len(kept)} measurements of health"):
        return conn.execute(query("health_insert"), parameters).rowcount


def health_between(
    conn: Connection[Any], park_id: int, names: Sequence[str], start_us: int, stop_us: int
) -> HealthTable:
    """
    Measurements of `[start_us, stop_us)` of a park, and of the whole installation where the park has none of that moment.

    Parameters
    ----------
    names : sequence of str
        Which; the table's `name` is the place in it.

    Raises
    ------
    Unavailable
        The database is away.
    """
    parameters = {
        "park_id": park_id,
        "names": list(names),
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
    }
    with database_errors("reading measurements of health"):
        cursor = conn.execute(query("health_read"), parameters, binary=True)
        name, at_us, value = columns_of(cursor, Element.INTEGER, Element.INSTANT, Element.FLOAT)
    return HealthTable(name=name - 1, at_us=at_us, value=value)


async def system_health(conn: AsyncConnection[Any]) -> tuple[SystemHealth, ...]:
    """How this system is, over all parks, by name; over a connection of the API's pool."""
    with database_errors("reading the system's health"):
        async with conn.transaction(), conn.cursor(row_factory=class_row(SystemHealth)) as cursor:
            await cursor.execute(query("system_health"))
            return tuple(await cursor.fetchall())
