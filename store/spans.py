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
from psycopg.rows import kwargs_row

from domain.readings import Span
from domain.time import IntArray, from_datetime, to_datetime
from store.arrays import Element, columns_of, instants, integers
from store.connection import database_errors
from store.statements import query
from store.texts import clean

__all__ = [
    "Fault",
    "Taken",
    "append_contexts",
    "append_spans",
    "append_tick",
    "contexts_remain",
    "count_cycle",
    "faults",
    "last_span",
    "lock_park",
    "pending_spans",
    "resolve_fault",
    "set_fault",
    "set_ticked_to",
    "spans_left",
    "take_spans",
]


_TAKEN = (
    *(Element.INTEGER, Element.INSTANT, Element.INSTANT),
    *(Element.INSTANT, Element.INTEGER),
    *(Element.INTEGER, Element.INSTANT, Element.INSTANT),
)


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
    contexts: tuple[tuple[int, int, int], ...] = ()
    """Where entered values or references changed: (tenant id, from, to); tenant :data:`domain.context.PARK_WIDE` is everybody.
    [us UTC]"""


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
    with database_errors("waiting for the park's engine lock"):
        conn.execute(query("park_lock"), {"park_id": park_id})


def count_cycle(conn: Connection[Any], park_id: int) -> int:
    """
    Number this cycle among all cycles of the park's engines. After :func:`lock_park`, in the same transaction.

    An engine whose last cycle has the number before was the only one at work since then.
    """
    with database_errors("counting a cycle"):
        row = conn.execute(query("cycle_count"), {"park_id": park_id}).fetchone()
    return int(row[0]) if row else 0


def take_spans(conn: Connection[Any], park_id: int, limit_rows: int) -> Taken:
    """
    Take work from the queue: all ticks, the newest spans, a tenth of the rows kept for the oldest, and the newest month of
    what was entered.

    Must follow :func:`lock_park` in the same transaction; what is taken comes back if that rolls back.

    Parameters
    ----------
    limit_rows : int
        About how many readings the spans may hold, estimated from their length and the channels' intervals.
        At least one span is taken, however long.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors("taking spans"):
        cursor = conn.execute(
            query("spans_take"),
            {"park_id": park_id, "newest_rows": limit_rows - limit_rows // 10, "oldest_rows": limit_rows // 10},
            binary=True,
        )
        channel_id, from_us, to_us, ticks_us, rows, *contexts = columns_of(cursor, *_TAKEN)
        remaining = conn.execute(query("spans_remain"), {"park_id": park_id}).fetchone()
    return Taken(
        channel_id=channel_id,
        from_us=from_us,
        to_us=to_us,
        tick_us=int(ticks_us.max()) if len(ticks_us) else None,
        rows=int(rows[0]),
        remaining=bool(remaining and remaining[0]),
        contexts=tuple(zip(*(column.tolist() for column in contexts), strict=True)),
    )


def append_spans(conn: Connection[Any], spans: Sequence[Span]) -> int:
    """Put spans into the queue, in the caller's transaction, and notify `kawasan_spans`; answers how many."""
    if not spans:
        return 0
    with database_errors(f"appending {len(spans)} spans"):
        appended = conn.execute(
            query("spans_insert"),
            {
                "channel_id": integers(np.array([span.channel_id for span in spans])),
                "from_ts": instants(np.array([span.from_us for span in spans])),
                "to_ts": instants(np.array([span.to_us for span in spans])),
            },
        )
        conn.execute(query("spans_notify"))
    return appended.rowcount


def append_contexts(
    conn: Connection[Any], park_id: int, tenant_id: NDArray[np.int32], from_us: IntArray, to_us: IntArray
) -> None:
    """
    Put stretches of time into the queue whose KPIs are still to be made, in the caller's transaction.

    Parameters
    ----------
    tenant_id : int32 (n,)
        :data:`domain.context.PARK_WIDE` for everybody.
    from_us, to_us : int64 (n,) [us UTC]
        Half-open; an empty stretch is a moment in longer intervals that are to be folded of days that are made.
    """
    if not len(tenant_id):
        return
    with database_errors(f"appending {len(tenant_id)} stretches of KPIs"):
        conn.execute(
            query("contexts_insert"),
            {
                "park_id": park_id,
                "tenant_id": integers(tenant_id),
                "from_ts": instants(from_us),
                "to_ts": instants(to_us),
            },
        )


def contexts_remain(conn: Connection[Any], park_id: int, start_us: int, stop_us: int) -> bool:
    """Whether the queue holds anything of `[start, stop)` whose KPIs are still to be made. [us UTC]"""
    with database_errors("looking for KPIs that are still to be made"):
        row = conn.execute(
            query("contexts_remain"),
            {"park_id": park_id, "start": to_datetime(start_us), "stop": to_datetime(stop_us)},
        ).fetchone()
    return bool(row and row[0])


def append_tick(conn: Connection[Any], park_id: int, tick_us: int) -> None:
    """Put a tick into the queue: every base interval that ended by `tick_us` is final once it is taken. [us UTC]"""
    with database_errors("appending a tick"):
        conn.execute(query("tick_insert"), {"park_id": park_id, "tick": to_datetime(tick_us)})
        conn.execute(query("spans_notify"))


def set_ticked_to(conn: Connection[Any], park_id: int, tick_us: int) -> None:
    """Say that every base interval that ended by `tick_us` is final; never goes back. [us UTC]"""
    with database_errors("setting a park's tick"):
        conn.execute(query("park_ticked"), {"park_id": park_id, "tick": to_datetime(tick_us)})


def pending_spans(conn: Connection[Any], park_id: int) -> tuple[int, float]:
    """How many rows wait in the queue, and for how long the oldest has. [s]"""
    with database_errors("looking at the queue"):
        row = conn.execute(query("spans_pending"), {"park_id": park_id}).fetchone()
    return (int(row[0]), float(row[1])) if row else (0, 0.0)


def last_span(conn: Connection[Any]) -> int:
    """Number of the newest row of the queue; 0: it is empty."""
    with database_errors("looking at the queue"):
        row = conn.execute(query("queue_last")).fetchone()
    return int(row[0]) if row else 0


def spans_left(conn: Connection[Any], park_id: int, last: int) -> int:
    """How many rows up to a number still wait in the queue of a park."""
    with database_errors("looking at the queue"):
        row = conn.execute(query("queue_left"), {"park_id": park_id, "last": last}).fetchone()
    return int(row[0]) if row else 0


def set_fault(
    conn: Connection[Any], park_id: int, channel_id: int | None, error: str, *, from_us: int, to_us: int
) -> int:
    """Set a span aside that failed alone; answers the fault's id."""
    with database_errors("setting a span aside"):
        row = conn.execute(
            query("fault_insert"),
            {
                "park_id": park_id,
                "channel_id": channel_id,
                "from_ts": to_datetime(from_us),
                "to_ts": to_datetime(to_us),
                "error": clean(error),
            },
        ).fetchone()
    return int(row[0]) if row else 0


def faults(conn: Connection[Any], park_id: int) -> tuple[Fault, ...]:
    """The faults of a park that nobody resolved, newest first."""
    with database_errors("reading faults"), conn.cursor(row_factory=kwargs_row(_fault)) as cursor:
        return tuple(cursor.execute(query("faults_unresolved"), {"park_id": park_id}).fetchall())


def _fault(*, from_ts: datetime, to_ts: datetime, **rest: Any) -> Fault:
    return Fault(from_us=from_datetime(from_ts), to_us=from_datetime(to_ts), **rest)


def resolve_fault(conn: Connection[Any], fault_id: int) -> None:
    """Put a fault's span back into the queue and mark the fault resolved."""
    with database_errors("resolving a fault"):
        conn.execute(query("fault_resolve"), {"id": fault_id})
        conn.execute(query("spans_notify"))
