"""When readings were received, as one asking user: what is late is no property of the set of readings, and no amount knows it."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from domain.time import DAY_US, SECOND_US, IntArray, to_datetime
from store.arrays import Element, columns_of, integers
from store.queries import asking
from store.statements import query

__all__ = ["slots_in_time"]

_FAR = datetime(2200, 1, 1, tzinfo=UTC)


async def slots_in_time(  # noqa: PLR0917 - who asks, of which channels, on which grid, when
    conn: AsyncConnection[Any],
    user: str,
    channels: tuple[NDArray[np.int32], NDArray[np.int32]],
    grid: tuple[ZoneInfo, int],
    start_us: int,
    stop_us: int,
    *,
    within_s: int,
    as_of_us: int | None = None,
) -> tuple[NDArray[np.int32], IntArray, NDArray[np.int32]]:
    """
    Slots with a reading that came in time, by channel and base interval.

    Parameters
    ----------
    channels : (channel_id, interval_s)
        int32 (c,) each, of different channels. [s]
    grid : (zone, base_s)
        The park's.
    start_us, stop_us : int [us UTC]
        Slots that begin in `[start, stop)` are counted, wherever their readings lie.
    within_s : int [s]
        How long after a slot's end a reading of it is in time.
    as_of_us : int or None [us UTC]
        Only readings that were received by then; None: all.

    Returns
    -------
    channel_id, start_us, slots : (n,) each
        In order of channel and time; base intervals without any are left out.

    Raises
    ------
    Unavailable
        The database is away.
    """
    channel_id, interval_s = channels
    longest_us = int(interval_s.max(initial=0)) * SECOND_US + (DAY_US if len(interval_s) else 0)
    async with asking(conn, user):
        cursor = await conn.execute(
            query("slots_in_time"),
            {
                "channel_id": integers(channel_id),
                "interval_s": integers(interval_s),
                "zone": grid[0].key,
                "base_s": grid[1],
                "start": to_datetime(start_us),
                "stop": to_datetime(stop_us),
                # A slot that begins last may hold readings up to its end, and an hour more where clocks change.
                "until": to_datetime(stop_us + longest_us),
                "within_s": float(within_s),
                "as_of": _FAR if as_of_us is None else to_datetime(as_of_us),
            },
            binary=True,
        )
        found, start, slots = columns_of(cursor, Element.INTEGER, Element.INSTANT, Element.INTEGER)
    return found, start, slots
