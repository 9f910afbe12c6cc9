"""What is stored before a recomputation, kept in temporary tables of one connection, and what differs after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.rows import class_row

from domain.quality import Flag
from domain.time import IntArray, to_datetime
from store.arrays import integers
from store.connection import database_errors
from store.statements import query

__all__ = ["DifferingAmount", "DifferingKpi", "Snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferingAmount:
    """An amount that is not what it was."""

    channel_id: int
    level: int
    start: datetime
    before: float | None
    after: float | None
    came: bool
    """There was no row before."""
    went: bool
    """There is none now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferingKpi:
    """A KPI that is not what it was, but for 1e-12; `before` and `after` are its estimates."""

    subject_kind: int
    subject_id: int
    kpi: str
    level: int
    start: datetime
    before: float | None
    after: float | None
    came: bool
    went: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The amounts and KPIs of a range as they were stored. Role WRITE; lives as long as the connection."""

    conn: Connection[Any]
    parameters: dict[str, Any]
    amounts: int
    kpis: int

    @classmethod
    def take(  # noqa: PLR0917 - of what, when
        cls,
        conn: Connection[Any],
        park_id: int,
        channel_ids: Sequence[int],
        start_us: int,
        stop_us: int,
        first_us: IntArray,
        final_us: IntArray,
    ) -> "Snapshot":
        """
        Copy what is stored of `[start, stop)`; once per connection.

        Parameters
        ----------
        first_us : int64 (6,) [us UTC]
            For each level, the start of the interval that holds `start_us`: from there on KPIs are kept.
        final_us : int64 (6,) [us UTC]
            For each level, the start of the interval that is not final yet; what begins there or later is left out.
        """
        parameters = {
            "park_id": park_id,
            "channel_id": integers(np.array(channel_ids, dtype=np.int32)),
            "start": to_datetime(start_us),
            "stop": to_datetime(stop_us),
            "first": [to_datetime(int(instant)) for instant in first_us],
            "final": [to_datetime(int(instant)) for instant in final_us],
            "late": int(Flag.LATE),
        }
        with database_errors("keeping what is stored"):
            conn.execute(query("snapshot_amounts"), parameters)
            conn.execute(query("snapshot_kpis"), parameters)
            row = conn.execute(query("snapshot_sizes")).fetchone()
        amounts, kpis = row or (0, 0)
        return cls(conn=conn, parameters=parameters, amounts=amounts, kpis=kpis)

    def differing_amounts(self, limit: int) -> tuple[DifferingAmount, ...]:
        """Amounts that differ in any bit, but for having been computed late."""
        with database_errors("comparing amounts"), self.conn.cursor(row_factory=class_row(DifferingAmount)) as cursor:
            cursor.execute(query("amounts_differing"), {**self.parameters, "limit": limit})
            return tuple(cursor.fetchall())

    def differing_kpis(self, limit: int) -> tuple[DifferingKpi, ...]:
        """KPIs that differ by more than 1e-12 of themselves."""
        with database_errors("comparing KPIs"), self.conn.cursor(row_factory=class_row(DifferingKpi)) as cursor:
            cursor.execute(query("kpis_differing"), {**self.parameters, "limit": limit})
            return tuple(cursor.fetchall())
