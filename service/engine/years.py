"""Terms of the stored KPIs of local days, by calendar years: what months and years are folded from."""

from itertools import pairwise
from typing import Any

import numpy as np
from psycopg import Connection

from domain.frames import KpiFrame
from domain.time import IntArray, Level, level_edges
from kpi.atoms import Atoms
from service.engine.plan import Plan
from store.kpis import read_kpis

__all__ = ["Years"]


class Years:
    """
    The terms of everybody's days in the year of the tick, and in one other year, read month by month as they are asked for.

    They are what is stored as long as every KPI of a day that is written is noted too.
    """

    def __init__(self, plan: Plan) -> None:
        """Nothing is read yet."""
        self._plan = plan
        self._terms: dict[int, Atoms] = {}
        """By the start of the year. [us UTC]"""
        self._read: set[int] = set()
        """Starts of months. [us UTC]"""

    def read(self, conn: Connection[Any], start_us: int, stop_us: int) -> bool:
        """Read one month of those in `[start, stop)`, which lies in one year; answers whether any was still to be read."""
        self._year(start_us)
        for first, last in pairwise(self._edges(Level.MONTH, start_us, stop_us)):
            if first not in self._read:
                self.note(_read_kpis(conn, self._plan, first, last), self._year(first).subjects, first, last)
                self._read.add(first)
                return True
        return False

    def of(self, conn: Connection[Any], start_us: int, stop_us: int) -> Atoms:
        """Terms of at least the local days in `[start, stop)`, which lies in one year."""
        while self.read(conn, start_us, stop_us):
            pass
        return self._year(start_us)

    def note(self, frame: KpiFrame, subjects: IntArray, start_us: int, stop_us: int) -> None:
        """The KPIs of some subjects (by their numbers) on the local days in `[start, stop)` are those of a frame."""
        for terms in self._terms.values():
            terms.put(frame, subjects, start_us, stop_us)

    def release(self) -> None:
        """Give up all but the year of the tick."""
        self._drop(())

    def _year(self, moment_us: int) -> Atoms:
        start_us, stop_us = self._edges(Level.YEAR, moment_us, moment_us + 1)
        if start_us not in self._terms:
            self._drop((start_us,))
            days = np.array(self._edges(Level.DAY, start_us, stop_us)[:-1], dtype=np.int64)
            self._terms[start_us] = Atoms.empty(self._plan.kpis, self._plan.subjects, days)
        return self._terms[start_us]

    def _drop(self, but: tuple[int, ...]) -> None:
        ticked_us = self._plan.park.ticked_to_us
        open_us = () if ticked_us is None else tuple(self._edges(Level.YEAR, ticked_us, ticked_us + 1)[:1])
        for start_us in self._terms.keys() - {*but, *open_us}:
            stop_us = self._edges(Level.YEAR, start_us, start_us + 1)[1]
            self._read = {month for month in self._read if not start_us <= month < stop_us}
            del self._terms[start_us]

    def _edges(self, level: Level, start_us: int, stop_us: int) -> list[int]:
        park = self._plan.park
        edges: list[int] = level_edges(park.zone, park.base_s, level, start_us, stop_us).tolist()
        return edges


def _read_kpis(conn: Connection[Any], plan: Plan, start_us: int, stop_us: int) -> KpiFrame:
    kinds = np.array([subject.kind.code for subject in plan.subjects], dtype=np.int16)
    ids = np.array([subject.id for subject in plan.subjects], dtype=np.int32)
    keys = [kpi.key for kpi in plan.kpis]
    return read_kpis(conn, keys, (kinds, ids), Level.DAY, start_us=start_us, stop_us=stop_us)
