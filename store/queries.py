"""What the API reads, each as one asking user, through the views of schema `api`.

Every function takes an asynchronous connection of role API and the user's name, sets
`kawasan.user` for its own transaction, and sees only what that user may see.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from domain.frames import AmountFrame, KpiFrame, Readings
from domain.registry import Registry
from domain.time import IntArray, Level

__all__ = [
    "LatestReading",
    "LedgerHour",
    "RejectedMessage",
    "RejectionRow",
    "StoredAmounts",
    "StoredKpis",
    "asking",
    "read_amounts",
    "read_kpis",
    "read_latest",
    "read_ledger",
    "read_readings",
    "read_registries",
    "read_registry",
    "read_rejected_message",
    "read_rejections",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestReading:
    """The newest stored reading of a channel."""

    channel_id: int
    ts_us: int
    value: float
    quality: int
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAmounts:
    """Amounts, and per row when and how often they were made."""

    frame: AmountFrame
    revision: NDArray[np.int32]
    computed_at_us: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKpis:
    """KPIs, and per row when, how often, by which formula and on which registry they were made."""

    frame: KpiFrame
    revision: NDArray[np.int32]
    computed_at_us: IntArray
    formula_version: NDArray[np.int16]
    registry_version: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHour:
    """What became of the values of one source in one hour: `received == stored + duplicate + conflict + rejected`."""

    source: str
    hour: datetime
    messages: int
    received: int
    stored: int
    duplicate: int
    conflict: int
    rejected: int
    reasons: dict[str, int]
    """`rejected` by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionRow:
    """Something that was set aside, as it is listed."""

    id: int
    message_id: int
    source: str
    topic: bytes
    place: str
    reason: str
    detail: str
    count: int
    """How often the same was set aside for the same reason."""
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedMessage:
    """A rejected message, whole, with everything that was set aside of it."""

    id: int
    source: str
    topic: bytes
    payload: bytes
    first_at: datetime
    rejections: tuple[RejectionRow, ...]


@asynccontextmanager
async def asking(conn: AsyncConnection[Any], user: str) -> AsyncIterator[None]:
    """A read-only transaction on one snapshot, in which the views show what `user` may see."""
    raise NotImplementedError
    yield


async def read_registries(conn: AsyncConnection[Any], user: str) -> tuple[Registry, ...]:
    """The parks the user may see, each with those of its tenants, meters, channels and rules the user may see."""
    raise NotImplementedError


async def read_registry(conn: AsyncConnection[Any], user: str, park_key: str) -> Registry | None:
    """One park as :func:`read_registries` shows it; None where there is none, or the user may not see it."""
    raise NotImplementedError


async def read_readings(
    conn: AsyncConnection[Any],
    user: str,
    channel_ids: Sequence[int],
    start_us: int,
    stop_us: int,
    *,
    after: tuple[int, int] | None = None,
    limit: int = 10_000,
) -> Readings:
    """
    Stored readings of `[start_us, stop_us)` in order of (channel_id, ts), at most `limit`.

    Parameters
    ----------
    after : (channel_id, ts_us) or None
        The key of the last row of the page before; None: the first page.
    """
    raise NotImplementedError


async def read_latest(conn: AsyncConnection[Any], user: str, channel_ids: Sequence[int]) -> tuple[LatestReading, ...]:
    """The newest reading of each channel that has one, in order of channel id."""
    raise NotImplementedError


async def read_amounts(
    conn: AsyncConnection[Any], user: str, level: Level, channel_ids: Sequence[int], *, start_us: int, stop_us: int
) -> StoredAmounts:
    """Stored amounts of intervals that start in `[start_us, stop_us)`."""
    raise NotImplementedError


async def read_kpis(
    conn: AsyncConnection[Any],
    user: str,
    kpis: Sequence[str],
    subjects: Sequence[tuple[int, int]],
    level: Level,
    *,
    start_us: int,
    stop_us: int,
) -> StoredKpis:
    """
    Stored KPIs of intervals that start in `[start_us, stop_us)`.

    Parameters
    ----------
    subjects : Sequence[(int, int)]
        Pairs of (code of SubjectKind, id).
    """
    raise NotImplementedError


async def read_ledger(
    conn: AsyncConnection[Any], user: str, start_us: int, stop_us: int, *, source: str | None = None
) -> tuple[LedgerHour, ...]:
    """The ledger by source and hour of reception, for hours in `[start_us, stop_us)`, in order of (hour, source)."""
    raise NotImplementedError


async def read_rejections(
    conn: AsyncConnection[Any],
    user: str,
    *,
    reason: str | None = None,
    unresolved: bool = False,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> tuple[RejectionRow, ...]:
    """
    What was set aside, newest first.

    Parameters
    ----------
    after : (last_at, id) or None
        Of the last row of the page before; None: the first page.
    """
    raise NotImplementedError


async def read_rejected_message(conn: AsyncConnection[Any], user: str, message_id: int) -> RejectedMessage | None:
    """A rejected message, whole; None where there is none, or the user may not see it."""
    raise NotImplementedError
