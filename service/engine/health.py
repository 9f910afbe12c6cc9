"""The engine's own health, measured every minute: what rules of the signal HEALTH watch."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection

from domain.registry import Registry
from domain.time import SECOND_US
from store.connection import database_errors
from store.health import HealthSample, add_health
from store.signalreads import newest
from store.spans import pending_spans

__all__ = ["EVERY_US", "measure_health"]

EVERY_US = 60 * SECOND_US
"""How often it is measured. [us]"""


def measure_health(
    conn: Connection[Any], registry: Registry, now_us: int, folder: Path | None = None, *, slowest_s: float = 0.0
) -> int:
    """
    Measure this system for a park and store it; answers how many measurements are new.

    `ingest_lag` is the time since the park's newest reading, `engine_lag` that for which the oldest row waits in its queue,
    `queue_rows` how many wait, `engine_cycle` the longest cycle since it was measured last, `disk_free` the free share of the disk that holds `folder`. They stand for the minute that has
    begun, so that several engines of a park measure it once.

    Parameters
    ----------
    now_us : int
        The clock. [us UTC]
    folder : Path, optional
        Where data is stored; None: not on this machine.
    slowest_s : float
        The longest cycle since the last time. [s]

    Raises
    ------
    Unavailable
        The database is away.
    """
    at_us = now_us - now_us % EVERY_US
    rows, oldest_s = pending_spans(conn, registry.park.id)
    found = {"queue_rows": float(rows), "engine_lag": oldest_s, "engine_cycle": slowest_s}
    _, heard_us = newest(conn, np.array([channel.id for channel in registry.channels], dtype=np.int32))
    if len(heard_us):
        found["ingest_lag"] = max(0.0, (now_us - int(heard_us.max())) / SECOND_US)
    free = None if folder is None else _free_share(folder)
    if free is not None:
        found["disk_free"] = free
    samples = [HealthSample(name=name, at_us=at_us, value=value) for name, value in found.items()]
    with database_errors(f"measuring the health of park {registry.park.key}"), conn.transaction():
        return add_health(conn, registry.park.id, samples)


def _free_share(folder: Path) -> float | None:
    """Free share of the disk of a folder; None where it is not there."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free / usage.total if usage.total else None
