"""What an engine knows of a park from its last cycle, so that the next one reads only what is new."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.context import ContextFrame
from domain.errors import RegistryError
from domain.frames import AmountFrame, FloatArray, KpiFrame, SmallArray
from domain.registry import Park, Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.atoms import Atoms
from kpi.coarse import Coarse
from kpi.ranges import Ranges
from kpi.rows import taken_amounts
from kpi.weights import Weights
from service.engine.figures import changed_figures
from service.engine.gathered import Gathered
from service.engine.inputs import Inputs
from service.engine.kept import Difference, Kept
from service.engine.months import Months
from service.engine.pace import Pace
from service.engine.plan import Plan
from service.engine.watching import Watching, watching_of
from service.engine.years import Years
from store.amounts import put_amounts, read_amounts, write_amounts
from store.behind import behind
from store.context import read_context
from store.frames import final_rows
from store.registry import load_parks, load_registry
from store.spans import count_cycle

__all__ = ["Known", "Stamp"]

_DAYS_KEPT = 2
"""Local days whose base intervals and hours are kept: the open one, and the one before it or after it."""
_BACK_US = 62 * DAY_US
"""So far before the open day amounts by day are kept: the 28 of the weights, and its month. [us]"""
_BEFORE_US = 14 * DAY_US
"""So much more than what is asked for is read of amounts by day, if they are not kept anyway. [us]"""
_NEVER_US = int(np.iinfo(np.int64).max)
_CONTEXTS_KEPT = 8
"""Intervals whose entered values are read at the start of a cycle, because the last one needed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When a cycle computes, and what was final before it."""

    computed_at_us: int
    ticked_to_us: int | None
    """`park.ticked_to` before this cycle. [us UTC]"""


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
        self.pace = Pace()
        """How much a cycle takes from the queue."""
        self.measured_us = 0
        """When this system measured its health last. [us UTC]"""
        self.slowest_s = 0.0
        """The longest cycle since then. [s]"""
        self.told: set[int] = set()
        """Steps that people made of which whoever is to be told was told, by their numbers in the journal."""
        self.remembers = False
        """Whether this cycle follows on the last one of this engine, so that what that one left unfinished is known."""
        self._plan: Plan | None = None
        self._number = 0
        self._settled = False
        self._open_us = _NEVER_US
        self._kept: dict[tuple[Level, int], Kept] = {}
        self._medians: dict[int, FloatArray] = {}
        self._hours: dict[int, Atoms] = {}
        self._years: Years | None = None
        self._gathered: Gathered | None = None
        self._window: Kept | None = None
        self._months: Months | None = None
        self._weights: dict[bytes, Weights] = {}
        self._written: dict[tuple[Level, int, int, bytes], KpiFrame] = {}
        self._contexts: dict[tuple[int, int], ContextFrame] = {}
        self._watching: Watching | None = None
        self._inputs: tuple[Watching, Inputs] | None = None

    @classmethod
    def of(cls, registry: Registry) -> "Known":
        """What follows from a registry, and none of the numbers: for who looks at a park without computing it."""
        known = cls()
        known._plan = Plan(registry)
        return known

    def begin(self, conn: Connection[Any], park_id: int, park_key: str) -> Registry:
        """The registry for the cycle that has just taken its work; :meth:`settle` follows when it is committed."""
        number = count_cycle(conn, park_id)
        self.remembers = self._settled and number == self._number + 1
        if not self.remembers:
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
        # Read before anything is written, so that nothing has to wait until that is done.
        self._contexts = {between: read_context(conn, park_id, *between) for between in self._contexts}
        return self._plan.registry

    def context(self, conn: Connection[Any], start_us: int, stop_us: int) -> ContextFrame:
        """Entered values that overlap an interval, as they were when this cycle began."""
        between = start_us, stop_us
        if between not in self._contexts:
            if len(self._contexts) >= _CONTEXTS_KEPT:
                self._contexts.clear()
            self._contexts[between] = read_context(conn, self.plan.park.id, *between)
        return self._contexts[between]

    def turn(self, park: Park) -> None:
        """The park is ticked further: know which days are open, and give up what lies too far before them."""
        self.plan.turn(park)
        if park.ticked_to_us is None:
            return
        edges = level_edges(park.zone, park.base_s, Level.DAY, park.ticked_to_us - DAY_US, park.ticked_to_us + 1)
        if int(edges[-2]) != self._open_us:
            self._weights.clear()
            self._written.clear()
            if self._months is not None:
                self._months.turn(self._open_us)
        self.earliest_us, self._open_us = int(edges[0]), int(edges[-2])
        passed = [key for key in self._kept if key[0] < Level.DAY and key[1] < self.earliest_us]
        passed += [key for key in self._kept if key[0] is Level.DAY and key[1] < self._open_us - 2 * _BACK_US]
        for key in passed:
            del self._kept[key]
        for day_us in [day_us for day_us in self._medians if day_us < self.earliest_us]:
            del self._medians[day_us]
            self._hours.pop(day_us, None)

    def settle(self) -> None:
        """The cycle is committed: what is known is what is stored."""
        self._settled = True

    def forget(self) -> None:
        """Nothing of the numbers is known any more."""
        self._kept.clear()
        self._medians.clear()
        self._hours.clear()
        self._years = None
        self.release()
        self._months = None
        self._weights.clear()
        self._written.clear()
        # Alarms that a cycle made are not there if it was not committed.
        self._watching = None

    def release(self) -> None:
        """Give up what is kept only while KPIs of past days are made."""
        self._gathered = self._window = None
        if self._years is not None:
            self._years.release()

    @property
    def years(self) -> Years:
        """Terms of the stored KPIs of local days."""
        if self._years is None:
            self._years = Years(self.plan)
        return self._years

    @property
    def months(self) -> Months:
        """Amounts over months in few cells."""
        if self._months is None:
            self._months = Months(self.plan)
        return self._months

    def watching(self, conn: Connection[Any]) -> Watching:
        """The watches of its rules; alarms that are missing are made, in the caller's transaction."""
        if self._watching is None:
            units = {kpi.key: kpi.unit for kpi in self.plan.kpis}
            self._watching = watching_of(conn, self.plan.registry, units)
        return self._watching

    def inputs(self, conn: Connection[Any]) -> Inputs:
        """What stands behind those watches."""
        watching = self.watching(conn)
        if self._inputs is None or self._inputs[0] is not watching:
            self._inputs = watching, Inputs.of(self.plan, watching.watches)
        return self._inputs[1]

    def renew(self, conn: Connection[Any], park: Park) -> None:
        """Know the registry of a park that was just read, also between cycles."""
        if self._plan is None or self._plan.park.version < park.version:
            self.forget()
            self._plan = Plan(load_registry(conn, park.key))

    def forget_watching(self) -> None:
        """Nothing of the watches is known any more."""
        self._watching = None

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
        window = self._window
        if window is not None and window.start_us <= start_us and stop_us <= window.stop_us:
            return window.frame()
        kept = self._kept_days(conn, start_us, stop_us)
        return read_amounts(conn, Level.DAY, channels, start_us, stop_us) if kept is None else kept

    def keep_days(self, conn: Connection[Any], start_us: int, stop_us: int) -> bool:
        """Have all amounts by day in `[start, stop)` at hand, and some before them; answers whether they had to be read."""
        window = self._window
        if window is not None and window.start_us <= start_us and stop_us <= window.stop_us:
            return False
        if self._kept_days(conn, start_us, stop_us) is not None:
            return False
        # The days before are next: the newest are made first.
        start_us -= _BEFORE_US
        frame = read_amounts(conn, Level.DAY, self.plan.table.channel_id, start_us, stop_us)
        self._window = Kept(frame, start_us, stop_us)
        return True

    def gather(self, conn: Connection[Any], start_us: int, stop_us: int, cells: int) -> bool:
        """Read about so many base amounts of a past day; answers whether any were still to be read."""
        if self._gathered is None or (self._gathered.start_us, self._gathered.stop_us) != (start_us, stop_us):
            self._gathered = Gathered(self.plan.members, start_us, stop_us)
        if self._gathered.is_whole:
            return False
        self._gathered.read(conn, max(1, cells * self.plan.park.base_s // 86_400))
        return True

    def base_amounts(self, conn: Connection[Any], channels: SmallArray, start_us: int, stop_us: int) -> AmountFrame:
        """Base amounts of past days: at least those of some channels, all of them where they were gathered."""
        found = self._gathered
        if found is None or not found.is_whole or (found.start_us, found.stop_us) != (start_us, stop_us):
            return read_amounts(conn, Level.BASE, channels, start_us, stop_us)
        self._gathered = None
        return found.frame()

    def stored_days(self, conn: Connection[Any], start_us: int, stop_us: int) -> IntArray:
        """Starts, in `[start, stop)`, of the local days around the open one that have amounts. [us UTC]"""
        days = self._kept_days(conn, self._open_us, self._open_us)
        if days is None:
            return np.empty(0, dtype=np.int64)
        return np.unique(days.start_us[(days.start_us >= start_us) & (days.start_us < stop_us)])

    def _kept_days(self, conn: Connection[Any], start_us: int, stop_us: int) -> AmountFrame | None:
        """All amounts by day that are kept, where `[start, stop)` is among them."""
        found = next((kept for (level, _), kept in self._kept.items() if level is Level.DAY), None)
        if found is None or start_us < found.start_us or stop_us > found.stop_us:
            first_us, last_us = self._open_us - _BACK_US, self._open_us + 2 * _BACK_US
            if self._open_us == _NEVER_US or start_us < first_us or stop_us > last_us:
                return None
            frame = read_amounts(conn, Level.DAY, self.plan.table.channel_id, first_us, last_us)
            found = Kept(frame, first_us, last_us)
            self._kept = {key: kept for key, kept in self._kept.items() if key[0] is not Level.DAY}
            self._kept[Level.DAY, first_us] = found
        return found.frame()

    def write(self, conn: Connection[Any], frame: AmountFrame, ranges: Ranges, stamp: Stamp) -> None:
        """Make the amounts of some ranges, which are merged, equal to a frame: those that are stored and those that are kept."""
        if self._gathered is not None and frame.level is Level.BASE:
            self._gathered.forget(ranges)
        if self._window is not None and frame.level is Level.DAY:
            self._replace(self._window, frame, ranges, stamp)
        other, outside = frame, ranges
        for kept in [kept for (level, _), kept in self._kept.items() if level is frame.level]:
            # All that is stored there is known, so the database has nothing to compare.
            inside, outside = outside.split(kept.start_us, kept.stop_us)
            if len(inside):
                within = (other.start_us >= kept.start_us) & (other.start_us < kept.stop_us)
                whole = bool(within.all())
                self._write_kept(conn, kept, other if whole else taken_amounts(other, within), inside, stamp)
                other = taken_amounts(other, ~within)
        if len(outside):
            _write_all(conn, other, outside, stamp)
        if frame.level is Level.DAY and len(ranges):
            if int(ranges.from_us.min()) < self._open_us:
                self._weights.clear()
            self.months.note(ranges)

    def _write_kept(self, conn: Connection[Any], kept: Kept, frame: AmountFrame, ranges: Ranges, stamp: Stamp) -> None:
        found = self._replace(kept, frame, ranges, stamp)
        if found.gone:
            _write_all(conn, frame, ranges, stamp)
            return
        rows = np.sort(np.concatenate([found.changed, found.fresh]))
        late = self._final(frame, stamp)
        late[found.fresh] = False
        behind(conn, put_amounts, conn, frame, rows, late[rows], computed_at_us=stamp.computed_at_us)

    def _replace(self, kept: Kept, frame: AmountFrame, ranges: Ranges, stamp: Stamp) -> Difference:
        """Make what is kept equal to a frame; answers what was different."""
        found = kept.difference(ranges, frame)
        kept.replace(ranges, frame, found, self._final(frame, stamp)[found.changed])
        return found

    def _final(self, frame: AmountFrame, stamp: Stamp) -> NDArray[np.bool_]:
        park = self.plan.park
        return final_rows(park.zone, park.base_s, frame.level, frame.start_us, stamp.ticked_to_us)

    def weights(self, days_us: IntArray, made: Callable[[], Weights]) -> Weights:
        """Weights for some days; made again where an amount of a final day changed, or another day became final."""
        if self._open_us == _NEVER_US or int(days_us[0]) < self._open_us - DAY_US:
            return made()
        key = days_us.tobytes()
        if key not in self._weights:
            self._weights[key] = made()
        return self._weights[key]

    def changed_kpis(self, frame: KpiFrame, whose: bytes, start_us: int, stop_us: int) -> IntArray | None:
        """
        Rows of KPIs that are to be stored which differ from those that are stored; None: it is not known what is.

        From now on they are what is stored in `[start, stop)` of these subjects.
        """
        mine = (frame.level, start_us, stop_us, whose)
        before = self._written.get(mine)
        overlapping = [key for key in self._written if key[0] is frame.level and key[1] < stop_us and key[2] > start_us]
        for key in overlapping:
            del self._written[key]
        if stop_us > self._open_us - _BACK_US:
            self._written[mine] = frame
        return None if before is None else changed_figures(before, frame)

    def same_weights(self, day_us: int, weights: Weights) -> bool:
        """Whether the park's hours of a day were made with these weights before; from now on they are."""
        before = self._medians.get(day_us)
        if day_us >= self.earliest_us:
            self._medians[day_us] = weights.median
        return before is not None and np.array_equal(before, weights.median, equal_nan=True)

    def hours_of(self, start_us: int) -> Atoms | None:
        """Terms of the hours of a local day that is kept, of everybody; None: they are not known yet."""
        return self._hours.get(start_us)

    def keep_hours(self, start_us: int, hours: Atoms) -> None:
        """From now on the terms of these hours are known; to be put anew as they change."""
        self._hours[start_us] = hours

    def keep_coarse(self, conn: Connection[Any], start_us: int, stop_us: int) -> bool:
        """Have a month's amounts in few cells at hand, if it lies before the open day; answers whether they had to be read."""
        if stop_us > self._open_us or not self.months.lacks(start_us, stop_us):
            return False
        self.coarse_days(conn, start_us, stop_us)
        return True

    def coarse_days(self, conn: Connection[Any], start_us: int, stop_us: int) -> list[Coarse]:
        """Amounts over whole local days in few cells, by months; none of the days is cut by the tick."""
        return self.months.of(partial(self.days, conn), start_us, stop_us)


def _write_all(conn: Connection[Any], frame: AmountFrame, ranges: Ranges, stamp: Stamp) -> None:
    write_amounts(
        conn,
        frame,
        (ranges.channel_id, ranges.from_us, ranges.to_us),
        computed_at_us=stamp.computed_at_us,
        ticked_to_us=stamp.ticked_to_us,
    )
