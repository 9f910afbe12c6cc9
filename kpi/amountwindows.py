"""Statistics over windows of whole base intervals, clock or not: the numbers of :mod:`kpi.windowstats`, for any windows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.alarms import WindowStatistic
from domain.frames import AmountFrame, FloatArray, SmallArray
from domain.quality import Flag
from domain.time import SECOND_US, IntArray
from kpi.block import ROUNDING_S
from kpi.gaugewindows import Windowed, joined_windowed
from kpi.profiles import percentiles
from kpi.ragged import bisect_groups, bounds_of, owners, runs_of, sums_by
from kpi.windows import Windows, in_parts, overlapping

__all__ = ["Intervals", "amount_windows", "interval_excess", "interval_times", "intervals_of"]

BoolArray = NDArray[np.bool_]
_KG_PER_GRAM = 1e-3
_P95 = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Base amounts of some channels, one group each, with the flows beside them; (n,) unless it says otherwise."""

    bounds: IntArray
    """(m + 1,)"""
    start_us: IntArray
    """[us UTC]"""
    stop_us: IntArray
    """[us UTC]"""
    amount: FloatArray
    """NaN where nothing is known. [unit]"""
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    measured_s: FloatArray
    estimated: BoolArray
    """Part of it was spread over a gap."""
    concentration: FloatArray
    """Mean, where it and the flow are measured from end to end; else NaN. [mg/L]"""
    volume: FloatArray
    """What flowed then; else NaN. [m3]"""

    @property
    def together(self) -> BoolArray:
        """Whether concentration and flow are both known."""
        return ~np.isnan(self.volume)


def intervals_of(
    frame: AmountFrame, edges: IntArray, channel_id: SmallArray, flow_id: SmallArray | None = None
) -> Intervals:
    """
    Base amounts of channels as windows are made of them.

    Parameters
    ----------
    frame : AmountFrame
        Level BASE.
    edges : int64 (e + 1,) [us UTC]
        Base edges over all of it; rows beyond are left out.
    channel_id : int32 (m,)
        One group each; a channel may stand there more than once.
    flow_id : int32 (m,), optional
        The flow or volume beside each; -1: there is none.
    """
    source, group = _rows_of(frame, edges, channel_id)
    nothing = _says_nothing(frame)
    amount = np.where(nothing, np.nan, frame.amount)
    start = frame.start_us[source]
    stop = edges[np.searchsorted(edges, start, side="right")]
    concentration, volume = np.full(len(source), np.nan), np.full(len(source), np.nan)
    if flow_id is not None:
        place = _beside(frame, group, start, flow_id)
        length_s = (stop - start) / SECOND_US
        whole = (place >= 0) & _whole(frame, frame.mean, source, length_s)
        whole[whole] = _whole(frame, amount, place[whole], length_s[whole])
        concentration[whole], volume[whole] = frame.mean[source[whole]], amount[place[whole]]
    return Intervals(
        bounds=bounds_of(np.bincount(group, minlength=len(channel_id))),
        start_us=start,
        stop_us=stop,
        amount=amount[source],
        mean=frame.mean[source],
        low=frame.low[source],
        high=frame.high[source],
        measured_s=frame.measured_s[source],
        estimated=(frame.flags[source] & int(Flag.ESTIMATED)) > 0,
        concentration=concentration,
        volume=volume,
    )


def _rows_of(frame: AmountFrame, edges: IntArray, channel_id: SmallArray) -> tuple[IntArray, IntArray]:
    first = np.searchsorted(frame.channel_id, channel_id, side="left")
    counts = np.searchsorted(frame.channel_id, channel_id, side="right") - first
    source, group = runs_of(first, counts), owners(counts)
    inside = (frame.start_us[source] >= edges[0]) & (frame.start_us[source] < edges[-1])
    return source[inside], group[inside]


def _says_nothing(frame: AmountFrame) -> BoolArray:
    """Rows that stand there only for their flag or their slot."""
    estimated = (frame.estimated != 0) | ((frame.flags & int(Flag.ESTIMATED)) != 0)
    says_nothing: BoolArray = (frame.measured_s <= 0) & ~estimated
    return says_nothing


def _beside(frame: AmountFrame, group: IntArray, start_us: IntArray, flow_id: SmallArray) -> IntArray:
    """Row of the flow's amount of the same interval; -1 where there is none."""
    low, high = (np.searchsorted(frame.channel_id, flow_id, side=side).astype(np.int64) for side in ("left", "right"))
    place = bisect_groups(frame.start_us, low[group], high[group], start_us)
    found = place < high[group]
    found[found] = frame.start_us[place[found]] == start_us[found]
    return np.where(found, place, -1)


def _whole(frame: AmountFrame, values: FloatArray, rows: IntArray, length_s: FloatArray) -> BoolArray:
    measured = frame.measured_s[rows]
    whole: BoolArray = ~np.isnan(values[rows]) & (measured > 0) & (measured >= length_s - ROUNDING_S)
    return whole


def amount_windows(intervals: Intervals, windows: Windows, statistic: NDArray[np.str_]) -> Windowed:
    """
    A statistic of each window, as :func:`kpi.windowstats.compared` makes it.

    Parameters
    ----------
    intervals : Intervals
    windows : Windows
        Of the groups of `intervals`, on base edges.
    statistic : str (k,)
        Value of :class:`domain.alarms.WindowStatistic`.
    """
    first, counts, most = overlapping(intervals.bounds, intervals.start_us, intervals.stop_us, windows)
    parts = []
    for part in in_parts(most):
        laid = _Laid(owner=owners(counts[part]), source=runs_of(first[part], counts[part]), count=len(counts[part]))
        length_s = (windows.stop_us[part] - windows.start_us[part]) / SECOND_US
        parts.append(_statistics(intervals, laid, length_s, statistic[part]))
    return joined_windowed(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """Which intervals lie in which windows, in order of window and time."""

    owner: IntArray
    source: IntArray
    count: int

    def summed(self, values: FloatArray) -> FloatArray:
        return sums_by(self.owner, values[self.source], self.count)

    def extreme(self, reduction: np.ufunc, values: FloatArray) -> FloatArray:
        found = np.full(self.count, np.nan)
        if len(self.owner):
            first = np.flatnonzero(np.append(True, self.owner[1:] != self.owner[:-1]))
            found[self.owner[first]] = reduction.reduceat(values[self.source], first)
        return found


def _statistics(intervals: Intervals, laid: _Laid, length_s: FloatArray, statistic: NDArray[np.str_]) -> Windowed:
    low, high = laid.extreme(np.fmin, intervals.low), laid.extreme(np.fmax, intervals.high)
    least = np.where(statistic == WindowStatistic.MAX.value, high, low)
    greatest = np.where(statistic == WindowStatistic.MIN.value, low, high)
    known_s, idle = laid.summed(intervals.measured_s), np.zeros(laid.count, dtype=np.bool_)

    def put(one: WindowStatistic, value: FloatArray, seconds: FloatArray) -> None:
        chosen = statistic == one.value
        least[chosen], greatest[chosen], known_s[chosen] = value[chosen], value[chosen], seconds[chosen]

    wanted = set(np.unique(statistic).tolist())
    # A steady value on the limit must not exceed it by the last digit of a division: but for sums, all stay between extremes.
    if WindowStatistic.MEAN.value in wanted:
        put(WindowStatistic.MEAN, np.clip(_mean(intervals, laid), low, high), known_s)
    if WindowStatistic.P95.value in wanted:
        put(WindowStatistic.P95, np.clip(_p95(intervals, laid), low, high), known_s)
    if WindowStatistic.SUM.value in wanted:
        put(WindowStatistic.SUM, *_sum(intervals, laid, length_s))
    if WindowStatistic.FLOW_WEIGHTED_MEAN.value in wanted:
        mean, seconds, passed = _weighted(intervals, laid)
        put(WindowStatistic.FLOW_WEIGHTED_MEAN, np.clip(mean, low, high), seconds)
        idle = (statistic == WindowStatistic.FLOW_WEIGHTED_MEAN.value) & (seconds > 0) & (passed <= 0)
    return Windowed(least=least, greatest=greatest, known_s=known_s, idle=idle)


def _quotient(over: FloatArray, under: FloatArray) -> FloatArray:
    ratio = np.full(over.shape, np.nan)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


def _mean(intervals: Intervals, laid: _Laid) -> FloatArray:
    known = ~np.isnan(intervals.mean)
    seconds = np.where(known, intervals.measured_s, 0.0)
    return _quotient(laid.summed(np.where(known, intervals.mean, 0.0) * seconds), laid.summed(seconds))


def _p95(intervals: Intervals, laid: _Laid) -> FloatArray:
    counted = (~np.isnan(intervals.mean) & (intervals.measured_s > 0))[laid.source]
    return percentiles(intervals.mean[laid.source[counted]], laid.owner[counted], laid.count, _P95)


def _sum(intervals: Intervals, laid: _Laid, whole_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = ~np.isnan(intervals.amount)
    length_s = (intervals.stop_us - intervals.start_us) / SECOND_US
    known_s = laid.summed(np.where(known, np.where(intervals.estimated, length_s, intervals.measured_s), 0.0))
    passed = laid.summed(np.where(known, intervals.amount, 0.0))
    scaled = np.where(known_s >= whole_s - ROUNDING_S, passed, passed * _quotient(whole_s, known_s))
    return np.where(known_s > 0, scaled, np.nan), known_s


def _weighted(intervals: Intervals, laid: _Laid) -> tuple[FloatArray, FloatArray, FloatArray]:
    together = intervals.together
    volume = np.where(together, intervals.volume, 0.0)
    passed = laid.summed(volume)
    moved = laid.summed(np.where(together, intervals.concentration, 0.0) * volume)
    length_s = (intervals.stop_us - intervals.start_us) / SECOND_US
    return _quotient(moved, passed), laid.summed(np.where(together, length_s, 0.0)), passed


def interval_times(intervals: Intervals, windows: Windows) -> FloatArray:
    """(k,) how much of each window was measured. [s]"""
    return _sums(intervals, windows, intervals.measured_s)


def interval_excess(intervals: Intervals, windows: Windows, limit: FloatArray) -> FloatArray:
    """
    What of the load in each window is above a limit, of base intervals of which concentration and flow are whole.

    As :mod:`kpi.exceedance` makes it: of the mean of each base interval.

    Parameters
    ----------
    limit : float64 (k,) [mg/L]
        Not finite: there is none.

    Returns
    -------
    float64 (k,) [kg]
        NaN where there is no limit, or no such interval.
    """
    excess = np.full(len(windows), np.nan)
    first, counts, most = overlapping(intervals.bounds, intervals.start_us, intervals.stop_us, windows)
    together = intervals.together
    for part in in_parts(most):
        owner, source = owners(counts[part]), runs_of(first[part], counts[part])
        owner, source = owner[together[source]], source[together[source]]
        beyond = np.maximum(intervals.concentration[source] - limit[part][owner], 0.0)
        count = len(counts[part])
        load = sums_by(owner, beyond * intervals.volume[source] * _KG_PER_GRAM, count)
        some = np.bincount(owner, minlength=count) > 0
        excess[part] = np.where(some & np.isfinite(limit[part]), load, np.nan)
    return excess


def _sums(intervals: Intervals, windows: Windows, values: FloatArray) -> FloatArray:
    sums = np.zeros(len(windows))
    first, counts, most = overlapping(intervals.bounds, intervals.start_us, intervals.stop_us, windows)
    for part in in_parts(most):
        source = runs_of(first[part], counts[part])
        sums[part] = sums_by(owners(counts[part]), values[source], len(counts[part]))
    return sums
