"""Readings of one channel, page by page; and few of them in place of many."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import anyio.to_thread
import numpy as np
from psycopg import AsyncConnection

from domain.registry import Channel
from kpi.thinning import thinned_rows
from service.api.corrected import ShownReadings, shown_readings
from service.api.ranges import Span
from store.corrections import read_corrections_of
from store.past import readings_then
from store.queries import read_readings
from store.users import User

__all__ = ["Connections", "Seen", "Thinned", "read_page", "read_thinned"]

Connections: TypeAlias = Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]
"""Lends a connection for as long as one piece takes, so that a slow reader keeps none from others."""

_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Who asks, by which connections, and as of when."""

    connections: Connections
    user: User
    as_of_us: int | None = None
    """None: what is known now. [us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned:
    """Readings of a whole span, or some of them that look the same."""

    readings: ShownReadings
    is_thinned: bool
    """Whether some were left out."""


async def read_page(seen: Seen, channel: Channel, span: Span, limit: int) -> tuple[ShownReadings, int | None]:
    """The first readings of a channel in a span, at most `limit`, and where the next begin; None: these were all. [us UTC]"""
    name, ids = seen.user.name, np.array([channel.id], dtype=np.int32)
    async with seen.connections() as conn:
        if seen.as_of_us is None:
            rows = await read_readings(conn, name, [channel.id], span.start_us, span.stop_us, limit=limit)
        else:
            bounds = channel.id, span.start_us, span.stop_us
            rows = await readings_then(conn, name, *bounds, as_of_us=seen.as_of_us, limit=limit)
        corrections = await read_corrections_of(conn, name, ids, as_of_us=seen.as_of_us)
    complete = len(rows) < limit
    show = partial(shown_readings, rows, corrections, channel.id, span, complete=complete)
    return await anyio.to_thread.run_sync(show), None if complete else int(rows.ts_us[-1]) + 1


async def read_thinned(seen: Seen, channel: Channel, span: Span, most: int) -> Thinned:
    """
    All readings of a span where these are at most `most`; else the ends and extremes of buckets of time, at most `most`.

    They are read in pages, and thinned after each: memory holds a page, however long the span.
    """
    kept, start_us = await read_page(seen, channel, span, _AT_ONCE)
    is_thinned = len(kept) > most
    kept = await anyio.to_thread.run_sync(_thin, kept, span, most) if is_thinned else kept
    while start_us is not None:
        page, start_us = await read_page(seen, channel, Span(start_us=start_us, stop_us=span.stop_us), _AT_ONCE)
        kept = kept.and_then(page)
        if is_thinned or len(kept) > most:
            kept, is_thinned = await anyio.to_thread.run_sync(_thin, kept, span, most), True
    return Thinned(readings=kept, is_thinned=is_thinned)


def _thin(readings: ShownReadings, span: Span, most: int) -> ShownReadings:
    return readings.take(thinned_rows(readings.ts_us, readings.counted, span.start_us, span.stop_us, most))
