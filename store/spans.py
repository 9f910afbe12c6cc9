"""The engine's queue: what has to be computed again, the ticks, and the spans that failed.

The queue is append-only for everybody and taken by `DELETE ... RETURNING` under the park's
lock, in READ COMMITTED: the readings of a visible queue row are then visible too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.readings import Span
from domain.time import IntArray

__all__ = [
    "Fault",
    "Taken",
    "append_spans",
    "append_tick",
    "faults",
    "lock_park",
    "pending_spans",
    "resolve_fault",
    "set_fault",
    "set_ticked_to",
    "take_spans",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one cycle took from the queue; spans are sorted by (channel_id, from_us), and of one channel never overlap."""

    channel_id: NDArray[np.int32]
    from_us: IntArray
    """First instant to compute again. [us UTC]"""
    to_us: IntArray
    """Last instant to compute again, included. [us UTC]"""
    tick_us: int | None
    """The latest tick among what was taken; None: none was. [us UTC]"""
    rows: int
    """How many rows of the queue were taken; 0: there was nothing to do."""
    remaining: bool
    """Whether the queue still holds rows of this park."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A span whose computation failed alone and was set aside."""

    id: int
    channel_id: int | None
    from_us: int
    to_us: int
    failed_at: datetime
    error: str


def lock_park(conn: Connection[Any], park_id: int) -> None:
    """
    Wait for the park's engine lock; it is held to the end of the transaction.

    The first statement of every cycle: a second engine of the park stands by here.
    """
    raise NotImplementedError


def take_spans(conn: Connection[Any], park_id: int, limit_rows: int) -> Taken:
    """
    Take work from the queue: all ticks, and the newest spans, a tenth of the rows kept for the oldest.

    Must follow :func:`lock_park` in the same transaction; what is taken comes back if that rolls back.

    Parameters
    ----------
    limit_rows : int
        About how many readings the spans may hold, estimated from their length and the channels' intervals.
        At least one span is taken, however long.
    """
    raise NotImplementedError


def append_spans(conn: Connection[Any], spans: Sequence[Span]) -> int:
    """Put spans into the queue, in the caller's transaction, and notify `kawasan_spans`; answers how many."""
    raise NotImplementedError


def append_tick(conn: Connection[Any], park_id: int, tick_us: int) -> None:
    """Put a tick into the queue: every base interval that ended by `tick_us` is final once it is taken. [us UTC]"""
    raise NotImplementedError


def set_ticked_to(conn: Connection[Any], park_id: int, tick_us: int) -> None:
    """Say that every base interval that ended by `tick_us` is final; never goes back. [us UTC]"""
    raise NotImplementedError


def pending_spans(conn: Connection[Any], park_id: int) -> tuple[int, float]:
    """How many rows wait in the queue, and for how long the oldest has. [s]"""
    raise NotImplementedError


def set_fault(
    conn: Connection[Any], park_id: int, channel_id: int | None, error: str, *, from_us: int, to_us: int
) -> int:
    """Set a span aside that failed alone; answers the fault's id."""
    raise NotImplementedError


def faults(conn: Connection[Any], park_id: int) -> tuple[Fault, ...]:
    """The faults of a park that nobody resolved, newest first."""
    raise NotImplementedError


def resolve_fault(conn: Connection[Any], fault_id: int) -> None:
    """Put a fault's span back into the queue and mark the fault resolved."""
    raise NotImplementedError
