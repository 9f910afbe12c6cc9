"""Statistics over windows of a gauge's readings, from two minutes up: for many channels and windows at once.

What holds when is as in the amounts (:func:`kpi.segments.gauge_segments`): a value counts until the next reading, at most
as long as its channel lets it hold. So windows of whole base intervals say the same as those of
:mod:`kpi.amountwindows`, but for p95 and the flow-weighted mean, which these take of base intervals.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from domain.alarms import WindowStatistic
from domain.frames import FloatArray
from domain.time import HOUR_US, SECOND_US, IntArray
from kpi.cuts import Segments
from kpi.held import Carried
from kpi.profiles import percentiles
from kpi.ragged import bounds_of, owners, runs_of, sums_by
from kpi.windows import Windows, in_parts, overlapping

__all__ = ["Windowed", "excess_loads", "gauge_windows", "joined_windowed", "measured_times"]

BoolArray = NDArray[np.bool_]
_KG_PER_GRAM = 1e-3
_P95 = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowed:
    """What windows amount to; (k,) each."""

    least: FloatArray
    """Held against a lower bound; NaN where nothing is known. [unit]"""
    greatest: FloatArray
    """Held against an upper bound; but for RANGE the same. [unit]"""
    known_s: FloatArray
    """Time over which it is known. [s]"""
    idle: BoolArray
    """Nothing flowed that could have a concentration."""


def joined_windowed(parts: list[Windowed]) -> Windowed:
    """Several as one, in their order."""
    none = Windowed(least=np.empty(0), greatest=np.empty(0), known_s=np.empty(0), idle=np.empty(0, dtype=np.bool_))
    return Windowed(
        **{
            column.name: np.concatenate([getattr(part, column.name) for part in (none, *parts)])
            for column in fields(Windowed)
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """What of values that hold lies in windows, in order of window and time; (p,) unless it says otherwise."""

    count: int
    """Windows."""
    owner: IntArray
    """Which window."""
    source: IntArray
    """Which value."""
    length_us: IntArray
    """More than 0. [us]"""

    def summed(self, values: FloatArray | IntArray) -> FloatArray:
        """(k,) sums per window, in order of time; 0 where there is none."""
        return sums_by(self.owner, values, self.count)

    def extreme(self, reduction: np.ufunc, values: FloatArray) -> FloatArray:
        """(k,) NaN where there is none."""
        found = np.full(self.count, np.nan)
        if len(self.owner):
            first = np.flatnonzero(np.append(True, self.owner[1:] != self.owner[:-1]))
            found[self.owner[first]] = reduction.reduceat(values, first)
        return found


def _pieces(held: Segments | Carried, windows: Windows, first: IntArray, counts: IntArray) -> _Pieces:
    owner, source = owners(counts), runs_of(first, counts)
    begin = np.maximum(held.start_us[source], windows.start_us[owner])
    length = np.minimum(held.stop_us[source], windows.stop_us[owner]) - begin
    some = length > 0
    return _Pieces(count=len(windows), owner=owner[some], source=source[some], length_us=length[some])


def _over(held: Segments | Carried, windows: Windows, made: Callable[[_Pieces, slice], None]) -> None:
    """Lay out the pieces of windows, as many at a time as memory allows."""
    first, counts, most = overlapping(held.bounds, held.start_us, held.stop_us, windows)
    for part in in_parts(most):
        made(_pieces(held, windows.taken(part), first[part], counts[part]), part)


def gauge_windows(
    held: Segments, windows: Windows, statistic: NDArray[np.str_], flowing: Carried | None = None
) -> Windowed:
    """
    A statistic of each window.

    MEAN weighs each value by the time it held inside; MIN, MAX and RANGE are of what held inside; P95 is of the values
    that held inside, each once; SUM is what a rate adds up to, its measured part standing for the whole window;
    FLOW_WEIGHTED_MEAN is over the time in which concentration and flow are both known.

    Parameters
    ----------
    held : Segments
        See :func:`kpi.held.held_values`. [unit]
    windows : Windows
        Of the groups of `held`.
    statistic : str (k,)
        Value of :class:`domain.alarms.WindowStatistic`.
    flowing : Carried, optional
        Of the same groups; needed for flow-weighted means.

    Returns
    -------
    Windowed
    """
    count = len(windows)
    least, greatest, known_s = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)
    idle = np.zeros(count, dtype=np.bool_)

    def made(pieces: _Pieces, part: slice) -> None:
        value, wanted = held.amount[pieces.source], statistic[part]
        low, high = pieces.extreme(np.minimum, value), pieces.extreme(np.maximum, value)
        seconds = pieces.summed(pieces.length_us) / SECOND_US
        least[part] = np.where(wanted == WindowStatistic.MAX.value, high, low)
        greatest[part] = np.where(wanted == WindowStatistic.MIN.value, low, high)
        known_s[part] = seconds
        whole_s = (windows.stop_us[part] - windows.start_us[part]) / SECOND_US
        for one, over in _MADE.items():
            chosen = wanted == one.value
            if chosen.any():
                found = np.where(chosen, over(pieces, value, low, high, whole_s), 0.0)
                least[part], greatest[part] = (np.where(chosen, found, side[part]) for side in (least, greatest))

    _over(held, windows, made)
    weighted = np.flatnonzero(statistic == WindowStatistic.FLOW_WEIGHTED_MEAN.value)
    if len(weighted) and flowing is not None:
        found = _flow_weighted(flowing, windows.taken(weighted))
        # A steady concentration on the limit must not exceed it by the last digit of a division.
        mean = np.clip(found.least, least[weighted], greatest[weighted])
        least[weighted], greatest[weighted] = mean, mean
        known_s[weighted], idle[weighted] = found.known_s, found.idle
    return Windowed(least=least, greatest=greatest, known_s=known_s, idle=idle)


def _quotient(over: FloatArray, under: FloatArray) -> FloatArray:
    ratio = np.full(over.shape, np.nan)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


def _mean(pieces: _Pieces, value: FloatArray, low: FloatArray, high: FloatArray, _: FloatArray) -> FloatArray:
    mean = _quotient(pieces.summed(value * pieces.length_us), pieces.summed(pieces.length_us))
    return np.clip(mean, low, high)


def _p95(pieces: _Pieces, value: FloatArray, low: FloatArray, high: FloatArray, _: FloatArray) -> FloatArray:
    return np.clip(percentiles(value, pieces.owner, pieces.count, _P95), low, high)


def _sum(pieces: _Pieces, value: FloatArray, _: FloatArray, __: FloatArray, whole_s: FloatArray) -> FloatArray:
    known_s = pieces.summed(pieces.length_us) / SECOND_US
    passed = pieces.summed(value * pieces.length_us) / HOUR_US
    scaled = np.where(known_s >= whole_s, passed, passed * _quotient(whole_s, known_s))
    return np.where(known_s > 0, scaled, np.nan)


_MADE = {WindowStatistic.MEAN: _mean, WindowStatistic.P95: _p95, WindowStatistic.SUM: _sum}
"""Statistics that are no extremes of what held."""


def _flow_weighted(flowing: Carried, windows: Windows) -> Windowed:
    mean, known_s, passed = (np.zeros(len(windows)) for _ in range(3))

    def made(pieces: _Pieces, part: slice) -> None:
        volume = flowing.rate[pieces.source] * pieces.length_us
        passed[part] = pieces.summed(volume)
        mean[part] = _quotient(pieces.summed(flowing.concentration[pieces.source] * volume), passed[part])
        known_s[part] = pieces.summed(pieces.length_us) / SECOND_US

    _over(flowing, windows, made)
    return Windowed(least=mean, greatest=mean, known_s=known_s, idle=(known_s > 0) & (passed <= 0))


def measured_times(held: Segments | Carried, windows: Windows) -> FloatArray:
    """(k,) how much of each window is known. [s]"""
    known_s = np.zeros(len(windows))

    def made(pieces: _Pieces, part: slice) -> None:
        known_s[part] = pieces.summed(pieces.length_us) / SECOND_US

    _over(held, windows, made)
    return known_s


def excess_loads(flowing: Carried, windows: Windows, limit: FloatArray) -> FloatArray:
    """
    What of the load in each window is above a limit: the sum of max(0, C - limit) x Q x dt.

    Parameters
    ----------
    flowing : Carried
    windows : Windows
        Of the groups of `flowing`; empty ones are allowed.
    limit : float64 (k,) [mg/L]
        Not finite: there is none.

    Returns
    -------
    float64 (k,) [kg]
        NaN where there is no limit, or where nothing is known of concentration and flow together.
    """
    excess = np.full(len(windows), np.nan)

    def made(pieces: _Pieces, part: slice) -> None:
        bound = limit[part]
        beyond = np.maximum(flowing.concentration[pieces.source] - bound[pieces.owner], 0.0)
        load = pieces.summed(beyond * flowing.rate[pieces.source] * pieces.length_us * _KG_PER_GRAM)
        some = np.diff(bounds_of(np.bincount(pieces.owner, minlength=pieces.count))) > 0
        excess[part] = np.where(some & np.isfinite(bound), load, np.nan)

    _over(flowing, windows, made)
    return excess
