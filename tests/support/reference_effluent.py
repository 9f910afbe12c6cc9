"""Effluent in plain scalar Python, one interval after another: what the columns of kpi are held against."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Passed", "excess_load", "hours_above", "mean_concentration", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What is known of one interval of one meter; None: not measured from end to end."""

    concentration: float | None
    """Mean. [mg/L]"""
    volume: float | None
    """[m3]"""

    @property
    def load(self) -> float | None:
        """Only where both are known. [kg]"""
        if self.concentration is None or self.volume is None:
            return None
        return self.concentration * self.volume / 1000


def mean_concentration(intervals: Iterable[Passed]) -> float | None:
    """Load over volume of the intervals that have both. [mg/L]"""
    load = volume = 0.0
    for one in intervals:
        if one.load is not None and one.volume is not None:
            load += one.load
            volume += one.volume
    return None if volume == 0 else load / volume * 1000


def removed(intervals: Iterable[tuple[Passed, Passed]]) -> float | None:
    """1 - what left / what came, of (inlet, outlet) of the intervals in which both loads are known."""
    came = left = 0.0
    for inlet, outlet in intervals:
        if inlet.load is not None and outlet.load is not None:
            came += inlet.load
            left += outlet.load
    return None if came == 0 else 1 - left / came


def hours_above(intervals: Iterable[Passed], limit: float, hours: float) -> float:
    """Intervals whose mean is beyond a limit. [h]"""
    return sum(hours for one in intervals if one.concentration is not None and one.concentration > limit)


def excess_load(intervals: Iterable[Passed], limit: float) -> float:
    """What of the load is beyond a limit, of the intervals that have both. [kg]"""
    excess = 0.0
    for one in intervals:
        if one.concentration is not None and one.volume is not None:
            excess += max(0.0, one.concentration - limit) * one.volume / 1000
    return excess
