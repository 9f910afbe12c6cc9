"""What an engine knows of a park from its last cycle, so that the next one reads only what is new."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.errors import RegistryError
from domain.frames import AmountFrame, FloatArray, KpiFrame, SmallArray, SubjectKind
from domain.registry import Park, Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.catalogue import for_registry
from kpi.definition import Kpi
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from kpi.tree import Tree
from kpi.weights import Weights
from service.engine.kept import Kept
from store.amounts import read_amounts, write_amounts
from store.kpis import read_kpis
from store.registry import load_parks, load_registry
from store.spans import count_cycle

__all__ = ["Known", "Plan", "Stamp"]

_DAYS_KEPT = 2
"""Local days whose base intervals and hours are kept: the open one, and the one before it or after it."""
_BACK_US = 62 * DAY_US
"""So far before the open day amounts by day are kept: the 28 of the weights, and its month. [us]"""
_NEVER_US = int(np.iinfo(np.int64).max)
_LONGEST_US = 32 * DAY_US
"""KPIs by day are kept for stretches of at most a month. [us]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When a cycle computes, and what was final before it."""

    computed_at_us: int
    ticked_to_us: int | None
    """`park.ticked_to` before this cycle. [us UTC]"""


class Plan:
    """What follows from a registry at one version, however far its park is ticked."""

    def __init__(self, registry: Registry) -> None:
        """Nothing is made before it is asked for."""
        self._registry = registry

    @property
    def park(self) -> Park:
        """As it is now."""
        return self._registry.park

    @property
    def registry(self) -> Registry:
        """Its park as it is now."""
        return self._registry

    def turn(self, park: Park) -> None:
        """The park is ticked further."""
        if park != self._registry.park:
            self._registry = replace(self._registry, park=park)

    @cached_property
    def tree(self) -> Tree:
        """Its meters and channels in columns."""
        return Tree.of(self._registry)

    @cached_property
    def table(self) -> ChannelTable:
        """Its channels as amounts need them."""
        return ChannelTable.of(self._registry)

    @cached_property
    def kpis(self) -> tuple[Kpi, ...]:
        """Its whole catalogue."""
        return for_registry(self._registry)


class Known:
    """
    The registry of a park, and the amounts of its newest days, as they are after this engine's last cycle.

    What is known holds as long as no other engine computed anything in between, which the number of the cycle tells,
    and as the last cycle was committed. Else it is read again. For one connection and one park; not thread-safe.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.earliest_us = _NEVER_US
        """Base intervals and hours of local days that begin from here on are kept. [us UTC]"""
        self._plan: Plan | None = None
        self._number = 0
        self._settled = False
        self._open_us = _NEVER_US
        self._kept: dict[tuple[Level, int], Kept] = {}
        self._medians: dict[int, FloatArray] = {}
        self._kpi_days: dict[int, KpiFrame] = {}

    def begin(self, conn: Connection[Any], park_id: int, park_key: str) -> Registry:
        """The registry for the cycle that has just taken its work; :meth:`settle` follows when it is committed."""
        number = count_cycle(conn, park_id)
        if not self._settled or number != self._number + 1:
            self.forget()
        self._number, self._settled = number, False
        parks = load_parks(conn, park_key)
        if not parks:
            raise RegistryError(f"no park {park_key!r} in the database; `kawasan park apply FILE` brings one in")
        park = parks[0]
        if self._plan is None or self._plan.park.version != park.version:
            self.forget()
            self._plan = Plan(load_registry(conn, park_key))
        self.turn(park)
        return self._plan.registry

    def turn(self, park: Park) -> None:
        """The park is ticked further: know which days are open, and give up what lies too far before them."""
        self.plan.turn(park)
        if park.ticked_to_us is None:
            return
        edges = level_edges(park.zone, park.base_s, Level.DAY, park.ticked_to_us - DAY_US, park.ticked_to_us + 1)
        self.earliest_us, self._open_us = int(edges[0]), int(edges[-2])
        passed = [key for key in self._kept if key[0] < Level.DAY and key[1] < self.earliest_us]
        passed += [key for key in self._kept if key[0] is Level.DAY and key[1] < self._open_us - 2 * _BACK_US]
        for key in passed:
            del self._kept[key]
        for day_us in [day_us for day_us in self._medians if day_us < self.earliest_us]:
            del self._medians[day_us]
        for day_us in [day_us for day_us in self._kpi_days if day_us < self._open_us - _LONGEST_US]:
            del self._kpi_days[day_us]

    def settle(self) -> None:
        """The cycle is committed: what is known is what is stored."""
        self._settled = True

    def forget(self) -> None:
        """Nothing of the numbers is known any more."""
        self._kept.clear()
        self._medians.clear()
        self._kpi_days.clear()

    @property
    def plan(self) -> Plan:
        """What follows from the registry."""
        if self._plan is None:
            raise RegistryError("nothing is known of the park before the first cycle begins")
        return self._plan

    def day(self, conn: Connection[Any], level: Level, start_us: int, stop_us: int) -> Kept:
        """The base intervals or hours of all channels on a local day that is kept."""
        key = (level, start_us)
        if key not in self._kept:
            self._make_room(level)
            frame = read_amounts(conn, level, self.plan.table.channel_id, start_us, stop_us)
            self._kept[key] = Kept(frame, start_us, stop_us)
        return self._kept[key]

    def _make_room(self, level: Level) -> None:
        others = sorted(day_us for one, day_us in self._kept if one is level)
        for day_us in others[: len(others) - _DAYS_KEPT + 1]:
            # The one before the open day goes first: it is needed less and less.
            del self._kept[level, day_us]

    def days(self, conn: Connection[Any], channels: SmallArray, start_us: int, stop_us: int) -> AmountFrame:
        """Amounts by day in `[start, stop)`: at least those of some channels, possibly more of both."""
        first_us = self._open_us - _BACK_US
        if self._open_us == _NEVER_US or start_us < first_us:
            return read_amounts(conn, Level.DAY, channels, start_us, stop_us)
        found = next((kept for (level, _), kept in self._kept.items() if level is Level.DAY), None)
        if found is None or start_us < found.start_us or stop_us > found.stop_us:
            last_us = self._open_us + 2 * _BACK_US
            if stop_us > last_us:
                return read_amounts(conn, Level.DAY, channels, start_us, stop_us)
            frame = read_amounts(conn, Level.DAY, self.plan.table.channel_id, first_us, last_us)
            found = Kept(frame, first_us, last_us)
            self._kept = {key: kept for key, kept in self._kept.items() if key[0] is not Level.DAY}
            self._kept[Level.DAY, first_us] = found
        return found.frame()

    def write(self, conn: Connection[Any], frame: AmountFrame, ranges: Ranges, stamp: Stamp) -> None:
        """Make the amounts of some ranges, which are merged, equal to a frame: those that are stored and those that are kept."""
        write_amounts(
            conn,
            frame,
            (ranges.channel_id, ranges.from_us, ranges.to_us),
            computed_at_us=stamp.computed_at_us,
            ticked_to_us=stamp.ticked_to_us,
        )
        for (level, _), kept in self._kept.items():
            if level is frame.level:
                kept.replace(ranges, frame)

    def same_weights(self, day_us: int, weights: Weights) -> bool:
        """Whether the park's hours of a day were made with these weights before; from now on they are."""
        before = self._medians.get(day_us)
        if day_us >= self.earliest_us:
            self._medians[day_us] = weights.median
        return before is not None and np.array_equal(before, weights.median, equal_nan=True)

    def kpi_days(self, conn: Connection[Any], start_us: int, stop_us: int) -> KpiFrame:
        """The stored KPIs of the days in `[start, stop)`, of the park and all its tenants."""
        park = self.plan.park
        if stop_us - start_us > _LONGEST_US:
            return _read_kpis(conn, self.plan, start_us, stop_us)
        starts = level_edges(park.zone, park.base_s, Level.DAY, start_us, stop_us)[:-1].tolist()
        missing = [day_us for day_us in starts if day_us not in self._kpi_days]
        if missing:
            found = _read_kpis(conn, self.plan, min(missing), max(missing) + 1)
            for day_us in missing:
                self._kpi_days[day_us] = _taken(found, found.start_us == day_us)
        return _joined([self._kpi_days[day_us] for day_us in starts])

    def note_kpi_days(self, frame: KpiFrame, kinds: NDArray[np.int16], ids: SmallArray, days_us: IntArray) -> None:
        """The KPIs of some subjects on some days were made anew."""
        whose = _codes(kinds, ids)
        for day_us in days_us.tolist():
            known = self._kpi_days.get(day_us)
            if known is not None:
                others = ~np.isin(_codes(known.subject_kind, known.subject_id), whose)
                mine = frame.start_us == day_us
                self._kpi_days[day_us] = _joined([_taken(known, others), _taken(frame, mine)])


def _codes(kinds: NDArray[np.int16], ids: SmallArray) -> IntArray:
    codes: IntArray = (kinds.astype(np.int64) << 32) + ids
    return codes


def _read_kpis(conn: Connection[Any], plan: Plan, start_us: int, stop_us: int) -> KpiFrame:
    tenants = [tenant.id for tenant in plan.registry.tenants]
    kinds = np.array([SubjectKind.PARK.code, *(SubjectKind.TENANT.code for _ in tenants)], dtype=np.int16)
    ids = np.array([plan.park.id, *tenants], dtype=np.int32)
    keys = [kpi.key for kpi in plan.kpis]
    return read_kpis(conn, keys, (kinds, ids), Level.DAY, start_us=start_us, stop_us=stop_us)


def _taken(frame: KpiFrame, rows: NDArray[np.bool_]) -> KpiFrame:
    return KpiFrame(level=frame.level, **{name: getattr(frame, name)[rows] for name in _KPI_COLUMNS})


def _joined(frames: list[KpiFrame]) -> KpiFrame:
    """Frames one after another, not sorted as one."""
    columns = {name: np.concatenate([getattr(frame, name) for frame in frames]) for name in _KPI_COLUMNS}
    return KpiFrame(level=frames[0].level, **columns)


_KPI_COLUMNS = tuple(column.name for column in fields(KpiFrame) if column.name != "level")
