"""Findings in the database: made anew for some days, and listed; and the day amounts that they are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row

from domain.findings import RULES, FindingFrame, Rule
from domain.frames import FloatArray
from domain.time import IntArray, Level, to_datetime
from store.arrays import Element, columns_of, floats, instants, integers
from store.connection import database_errors
from store.queries import asking
from store.statements import query

__all__ = [
    "DayAmounts",
    "FindingRow",
    "estimated_channels",
    "list_findings",
    "read_days",
    "read_findings",
    "stored_channel_days",
    "write_findings",
]

_DAYS = (Element.INTEGER, Element.FLOAT, Element.FLOAT, Element.FLOAT, Element.FLOAT, Element.FLOAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAmounts:
    """Day amounts of single days of channels; (n,) each, NaN and 0 where no row is stored."""

    amount: FloatArray
    """[unit]"""
    mean: FloatArray
    """[unit]"""
    measured_s: FloatArray
    inner_gap_s: FloatArray
    estimated: FloatArray
    """[unit]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A finding with the names that go with it."""

    channel_id: int
    park: str
    timezone: str
    channel: str
    """`park/tenant/meter/quantity`."""
    unit: str
    """Of the channel."""
    kind: str
    """Of the channel."""
    rule: str
    day: datetime
    start: datetime
    stop: datetime
    value: float | None
    bound: float | None
    computed_at: datetime

    @property
    def key(self) -> tuple[datetime, int, str]:
        """Where a page that ends with it goes on."""
        return self.start, self.channel_id, self.rule


def write_findings(
    conn: Connection[Any],
    frame: FindingFrame,
    scope: tuple[NDArray[np.int32], IntArray],
    rules: Sequence[Rule],
    *,
    computed_at_us: int,
) -> int:
    """
    Make the stored findings of some rules on some days equal to a frame, in the caller's transaction.

    Parameters
    ----------
    frame : FindingFrame
        All of these rules, channels and days.
    scope : (channel_id, day_us)
        int32 and int64 (s,): the days that were checked. [us UTC]
    rules : sequence of Rule
        The rules that were checked there.

    Returns
    -------
    int
        How many findings came, changed or went.

    Raises
    ------
    Unavailable
        The database is away.
    """
    channel_id, day_us = scope
    if not len(channel_id):
        return 0
    parameters = {
        **_columns(frame),
        "scope_channel": integers(channel_id),
        "scope_day": instants(day_us),
        "scope_rules": [rule.value for rule in rules],
        "rules": [rule.value for rule in RULES],
        "computed_at": to_datetime(computed_at_us),
    }
    with database_errors(f"writing {len(frame)} findings"):
        gone = conn.execute(query("findings_delete"), parameters).rowcount
        return gone + (conn.execute(query("findings_write"), parameters).rowcount if len(frame) else 0)


def _columns(frame: FindingFrame) -> dict[str, Any]:
    return {
        "channel_id": integers(frame.channel_id),
        "rule": integers(frame.rule + 1),
        "day": instants(frame.day_us),
        "start": instants(frame.start_us),
        "stop": instants(frame.stop_us),
        "value": floats(frame.value),
        "bound": floats(frame.bound),
    }


def read_days(conn: Connection[Any], channel_id: NDArray[np.int32], day_us: IntArray) -> DayAmounts:
    """
    The stored day amounts of single days of channels, in the order asked for.

    Parameters
    ----------
    channel_id : int32 (n,)
    day_us : int64 (n,) [us UTC]
        Starts of local days.

    Raises
    ------
    Unavailable
        The database is away.
    """
    count = len(channel_id)
    amount, mean = np.full(count, np.nan), np.full(count, np.nan)
    measured, inner, estimated = np.zeros(count), np.zeros(count), np.zeros(count)
    if count:
        with database_errors(f"reading {count} day amounts"):
            cursor = conn.execute(
                query("findings_days"),
                {
                    "number": integers(np.arange(count)),
                    "channel_id": integers(channel_id),
                    "day": instants(day_us),
                    "level": int(Level.DAY),
                    "first": to_datetime(int(day_us.min())),
                    "last": to_datetime(int(day_us.max())),
                },
                binary=True,
            )
            place, *columns = columns_of(cursor, *_DAYS)
        amount[place], mean[place], measured[place], inner[place], estimated[place] = columns
    return DayAmounts(amount=amount, mean=mean, measured_s=measured, inner_gap_s=inner, estimated=estimated)


def estimated_channels(
    conn: Connection[Any], channel_ids: NDArray[np.int32], start_us: int, stop_us: int
) -> NDArray[np.int32]:
    """Which of some channels have anything estimated on a day that starts in `[start_us, stop_us)`."""
    with database_errors("reading which channels are estimated"):
        cursor = conn.execute(
            query("findings_estimated"),
            {
                "channel_id": integers(channel_ids),
                "level": int(Level.DAY),
                "start": to_datetime(start_us),
                "stop": to_datetime(stop_us),
            },
            binary=True,
        )
        found: NDArray[np.int32] = np.sort(columns_of(cursor, Element.INTEGER)[0])
    return found


def stored_channel_days(conn: Connection[Any], park_id: int) -> tuple[NDArray[np.int32], IntArray]:
    """Channels and starts of the days of which a park has amounts. For rare occasions: looks at every chunk."""
    with database_errors("reading which days have amounts"):
        cursor = conn.execute(query("findings_stored_days"), {"park_id": park_id, "level": int(Level.DAY)}, binary=True)
        channel_id, day_us = columns_of(cursor, Element.INTEGER, Element.INSTANT)
    return channel_id, day_us


def _page(  # noqa: PLR0917 - the filters of a list
    park: str | None,
    channel_ids: Sequence[int] | None,
    rules: Sequence[Rule],
    start_us: int,
    stop_us: int,
    after: tuple[datetime, int, str] | None,
    limit: int,
) -> dict[str, Any]:
    after_start, after_channel, after_rule = after or (None, None, None)
    return {
        "park": park,
        "channels": None if channel_ids is None else list(channel_ids),
        "rules": [rule.value for rule in rules] or None,
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
        "after_start": after_start,
        "after_channel": after_channel,
        "after_rule": after_rule,
        "limit": limit,
    }


def list_findings(
    conn: Connection[Any],
    start_us: int,
    stop_us: int,
    *,
    park: str | None = None,
    channel_ids: Sequence[int] | None = None,
    rules: Sequence[Rule] = (),
    after: tuple[datetime, int, str] | None = None,
    limit: int = 100,
) -> tuple[FindingRow, ...]:
    """
    Findings that start in `[start_us, stop_us)`, newest first. Role WRITE.

    Parameters
    ----------
    channel_ids : sequence of int or None
        Only of these channels; None: of all.
    rules : sequence of Rule
        Only of these rules; empty: of all.
    after : (start, channel_id, rule) or None
        Key of the last row of the page before; None: the first page.

    Raises
    ------
    Unavailable
        The database is away.
    """
    parameters = _page(park, channel_ids, rules, start_us, stop_us, after, limit)
    with database_errors("listing findings"), conn.cursor(row_factory=class_row(FindingRow)) as cursor:
        return tuple(cursor.execute(query("findings_page"), parameters).fetchall())


async def read_findings(
    conn: AsyncConnection[Any],
    user: str,
    start_us: int,
    stop_us: int,
    *,
    park: str | None = None,
    channel_ids: Sequence[int] | None = None,
    rules: Sequence[Rule] = (),
    after: tuple[datetime, int, str] | None = None,
    limit: int = 100,
) -> tuple[FindingRow, ...]:
    """As :func:`list_findings`, of channels that a user may see. Role API."""
    parameters = _page(park, channel_ids, rules, start_us, stop_us, after, limit)
    async with asking(conn, user), conn.cursor(row_factory=class_row(FindingRow)) as cursor:
        await cursor.execute(query("findings_page"), parameters)
        return tuple(await cursor.fetchall())
