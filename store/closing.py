"""Closed periods: a snapshot of the numbers, and what would be different now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row, dict_row

from domain.time import Level, to_datetime
from store.connection import database_errors
from store.queries import asking, changing
from store.statements import query

__all__ = [
    "ClosedKpi",
    "ClosedPeriod",
    "adjust_closed",
    "close_period",
    "close_period_as",
    "closed_periods",
    "read_closed_kpis",
    "read_closed_periods",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPeriod:
    """A period that somebody closed."""

    id: int
    park: str
    level: int
    start: datetime
    stop: datetime
    note: str
    closed_at: datetime
    closed_by: str
    adjusted: int
    """How many of its KPIs would be different now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedKpi:
    """A KPI of a closed period, and its newest adjustment; no snapshot for one that came later."""

    subject_kind: int
    subject_id: int
    kpi: str
    value: float | None
    estimate: float | None
    measured: float | None
    total_coverage: float | None
    estimated_share: float | None
    reason: int | None
    formula_version: int | None
    registry_version: int | None
    revision: int | None
    computed_at: datetime | None
    adjustment_id: int | None
    adjusted_value: float | None
    adjusted_estimate: float | None
    adjusted_reason: int | None
    adjusted_at: datetime | None


def close_period(  # noqa: PLR0917 - what, when, why, who
    conn: Connection[Any], park_id: int, level: Level, start_us: int, stop_us: int, note: str, by: str
) -> int:
    """
    Take the snapshot of a period; commits with the caller's transaction. Role MIGRATE.

    Parameters
    ----------
    start_us, stop_us : int [us UTC]
        Edges of the level, park-local.
    by : str
        Who closes it.

    Returns
    -------
    int
        The period's id.

    Raises
    ------
    InputError
        The period is not final, still to be computed in parts, or was closed before.
    """
    parameters = _parameters(park_id, level, start_us, stop_us, note)
    with database_errors("closing a period"):
        row = conn.execute(query("close_period_by"), {**parameters, "by": by}).fetchone()
    return int(row[0]) if row else 0


async def close_period_as(  # noqa: PLR0917 - who, what, when, why
    conn: AsyncConnection[Any], user: str, park_id: int, level: Level, start_us: int, stop_us: int, note: str
) -> int:
    """As :func:`close_period`, by a user of the API, who must operate the park. Role API."""
    async with changing(conn, user):
        parameters = _parameters(park_id, level, start_us, stop_us, note)
        row = await (await conn.execute(query("close_period"), parameters)).fetchone()
    return int(row[0]) if row else 0


def _parameters(park_id: int, level: Level, start_us: int, stop_us: int, note: str) -> dict[str, Any]:
    return {
        "park_id": park_id,
        "level": int(level),
        "start": to_datetime(start_us),
        "stop": to_datetime(stop_us),
        "note": note,
    }


def closed_periods(conn: Connection[Any], park_key: str) -> tuple[ClosedPeriod, ...]:
    """The closed periods of a park, newest first. Role WRITE or MIGRATE."""
    with database_errors("reading closed periods"), conn.cursor(row_factory=class_row(ClosedPeriod)) as cursor:
        return tuple(cursor.execute(query("periods_closed"), {"park": park_key}).fetchall())


async def read_closed_periods(conn: AsyncConnection[Any], user: str, park_key: str) -> tuple[ClosedPeriod, ...]:
    """As :func:`closed_periods`, of a park that the user may see. Role API."""
    async with asking(conn, user), conn.cursor(row_factory=class_row(ClosedPeriod)) as cursor:
        await cursor.execute(query("periods_closed"), {"park": park_key})
        return tuple(await cursor.fetchall())


async def read_closed_kpis(conn: AsyncConnection[Any], user: str, period_id: int) -> tuple[ClosedKpi, ...]:
    """The KPIs of a closed period that the user may see. Role API."""
    async with asking(conn, user), conn.cursor(row_factory=class_row(ClosedKpi)) as cursor:
        await cursor.execute(query("period_kpis"), {"period_id": period_id})
        return tuple(await cursor.fetchall())


def adjust_closed(conn: Connection[Any], park_id: int, start_us: int, stop_us: int) -> int:
    """Put beside closed periods that overlap a range what is different now; answers how many KPIs are. Role WRITE."""
    with database_errors("adjusting closed periods"), conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            query("adjust_closed"),
            {"park_id": park_id, "start": to_datetime(start_us), "stop": to_datetime(stop_us)},
        )
        return cursor.rowcount
