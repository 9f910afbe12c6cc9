"""The park's base intervals: where any instant lies among them, without laying them all out."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from domain.registry import Park
from domain.time import DAY_US, SECOND_US, IntArray, Level, base_edges, level_edges

__all__ = ["Grid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Base intervals of a park, counted from its local midnights."""

    zone: ZoneInfo
    base_s: int
    """Length of the base interval. [s]"""

    @classmethod
    def of(cls, park: Park) -> "Grid":
        """The grid of a park."""
        return cls(zone=park.zone, base_s=park.base_s)

    @property
    def base_us(self) -> int:
        """Length of the base interval. [us]"""
        return self.base_s * SECOND_US

    def edges(self, start_us: int, stop_us: int) -> IntArray:
        """Edges of the base intervals that cover `[start_us, stop_us)`; see :func:`domain.time.base_edges`."""
        return base_edges(self.zone, self.base_s, start_us, stop_us)

    def midnights(self, instants_us: IntArray) -> tuple[IntArray, IntArray]:
        """The local midnight at or before each instant, and the one after it; (n,) each. [us UTC]"""
        # Local days are met a UTC day at a time, so that instants years apart do not lay out all days between.
        days = np.unique(instants_us // DAY_US) * DAY_US
        laid = [level_edges(self.zone, self.base_s, Level.DAY, day, day + DAY_US) for day in days.tolist()]
        edges = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *laid]))
        place = np.searchsorted(edges, instants_us, side="right")
        return edges[place - 1], edges[place]

    def floor(self, instants_us: IntArray) -> IntArray:
        """The base edge at or before each instant. [us UTC]"""
        midnight, _ = self.midnights(instants_us)
        return midnight + (instants_us - midnight) // self.base_us * self.base_us

    def ceil(self, instants_us: IntArray) -> IntArray:
        """The base edge at or after each instant. [us UTC]"""
        midnight, following = self.midnights(instants_us)
        steps = -(-(instants_us - midnight) // self.base_us)
        return np.minimum(midnight + steps * self.base_us, following)
