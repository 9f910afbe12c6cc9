"""Amounts over whole local days in few cells, by months: what the coverage of months and years is made of."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from domain.frames import AmountFrame, SmallArray
from domain.time import DAY_US, Level, level_edges
from kpi.coarse import Coarse, coarse_days, of_channels, replaced_coarse
from kpi.ranges import Ranges
from service.engine.plan import Plan

__all__ = ["LoadDays", "Months"]

LoadDays = Callable[[SmallArray, int, int], AmountFrame]
"""Amounts by day in `[start, stop)`: at least those of some channels, possibly more of both. [us UTC]"""

_KEPT = 40

_Ends = tuple[int, int]


class Months:
    """Those of the months that were asked for, or of parts of them, as long as every amount of a day that is written is noted."""

    def __init__(self, plan: Plan) -> None:
        """Nothing is made yet."""
        self._plan = plan
        self._made: dict[_Ends, Coarse] = {}
        self._stale: dict[_Ends, SmallArray] = {}
        """Channels whose amounts changed since."""

    def of(self, load: LoadDays, start_us: int, stop_us: int) -> list[Coarse]:
        """The parts of `[start, stop)`, month by month; none of its days is cut by the tick."""
        park = self._plan.park
        edges = level_edges(park.zone, park.base_s, Level.MONTH, start_us, stop_us)
        ends = [start_us, *edges[(edges > start_us) & (edges < stop_us)].tolist(), stop_us]
        return [self._part(load, part) for part in pairwise(ends)]

    def lacks(self, start_us: int, stop_us: int) -> bool:
        """Whether amounts have to be loaded for a month, or for a part of it."""
        return (start_us, stop_us) not in self._made or (start_us, stop_us) in self._stale

    def note(self, ranges: Ranges) -> None:
        """Amounts by day in some ranges were written."""
        for part in self._made:
            touched = ranges.channel_id[(ranges.from_us < part[1]) & (ranges.to_us > part[0])]
            if len(touched):
                # An import changes few channels, but all the days that there are.
                self._stale[part] = np.union1d(self._stale.get(part, touched[:0]), touched)

    def turn(self, open_us: int) -> None:
        """The day that begins here is open no more: parts of months that end where it begins, or near, are asked for no more. [us UTC]"""
        self._made = {part: one for part, one in self._made.items() if part[1] <= open_us - 2 * DAY_US}
        self._stale = {part: one for part, one in self._stale.items() if part in self._made}

    def _part(self, load: LoadDays, part: _Ends) -> Coarse:
        stale = self._stale.pop(part, None)
        if part not in self._made:
            if len(self._made) >= _KEPT:
                self._made.clear()
                self._stale.clear()
            self._made[part] = self._coarse(load(self._plan.table.channel_id, *part), part)
        elif stale is not None:
            fresh = self._coarse(of_channels(load(stale, *part), stale), part)
            self._made[part] = replaced_coarse(self._made[part], stale, fresh)
        return self._made[part]

    def _coarse(self, days: AmountFrame, part: _Ends) -> Coarse:
        return coarse_days(self._plan.park, self._plan.boundaries, days, *part)
