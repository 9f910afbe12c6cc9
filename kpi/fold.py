"""Amounts of a coarser level from those of a finer one, in a fixed order."""

from zoneinfo import ZoneInfo

import numpy as np

from domain.errors import InputError
from domain.frames import AmountFrame, FloatArray
from domain.time import IntArray, Level, level_edges
from kpi.ragged import owners, sums_by
from kpi.rows import empty_amounts

__all__ = ["fold_amounts", "folded_to"]


def fold_amounts(frame: AmountFrame, level: Level, zone: ZoneInfo, base_s: int) -> AmountFrame:
    """
    Amounts of a coarser level: sums, means weighted by the measured time, extremes, first peak.

    Along one chain (base to hour to day, day to month) the result depends on the finer rows only,
    bit for bit. Base to day at once gives the same low, high, last, peak, flags, slots and gap as by the
    hour; sums and means may differ in their last bits, being rounded in another order.

    A gap that begins in one interval of the finer level and ends in another of the same coarser
    interval is counted to `inner_gap_s`; the one that ends beyond stays the straddling one.

    Parameters
    ----------
    frame : AmountFrame
        Rows of a finer level: base for hours, base or hours for days, days for weeks, months and years. An
        interval of the coarser level is only right where all its rows are there.
    level : Level
    zone : ZoneInfo
        The park's.
    base_s : int [s]
        The park's base interval.

    Raises
    ------
    InputError
        `level` cannot be made of the frame's.
    """
    calendar = level in {Level.WEEK, Level.MONTH, Level.YEAR}
    if level <= frame.level or (calendar and frame.level is not Level.DAY):
        raise InputError(f"amounts by {level.key} cannot be folded from amounts by {frame.level.key}")
    if not len(frame):
        return empty_amounts(level)
    first_us, last_us = int(frame.start_us.min()), int(frame.start_us.max())
    return folded_to(frame, level_edges(zone, base_s, level, first_us, last_us + 1), level)


def folded_to(frame: AmountFrame, edges: IntArray, level: Level) -> AmountFrame:
    """
    As :func:`fold_amounts`, to cells with any edges, none of which lies inside an interval of the frame.

    Parameters
    ----------
    frame : AmountFrame
        Every row begins in one of the cells.
    edges : int64 (n + 1,) [us UTC]
    level : Level
        What the frame that is made is marked as.
    """
    if not len(frame):
        return empty_amounts(level)
    bins = np.searchsorted(edges, frame.start_us, side="right") - 1
    opens = np.ones(len(bins), dtype=np.bool_)
    opens[1:] = (bins[1:] != bins[:-1]) | (frame.channel_id[1:] != frame.channel_id[:-1])
    first = np.flatnonzero(opens)
    owner = owners(np.diff(first, append=len(bins)))
    stop = edges[bins[first] + 1]
    peak, peak_at = _peaks(frame, first, owner)
    inner_gap_s, gap_s, gap_stop_us = _gaps(frame, first, owner, stop)
    measured = sums_by(owner, frame.measured_s)
    return AmountFrame(
        level=level,
        channel_id=frame.channel_id[first],
        start_us=edges[bins[first]],
        amount=_known_sum(frame.amount, owner),
        mean=_mean(frame, owner, len(first)),
        low=np.fmin.reduceat(frame.low, first),
        high=np.fmax.reduceat(frame.high, first),
        last=_last(frame.last, owner, len(first)),
        peak=peak,
        peak_at_us=peak_at,
        measured_s=measured,
        estimated=sums_by(owner, frame.estimated),
        inner_gap_s=inner_gap_s,
        gap_s=gap_s,
        gap_stop_us=gap_stop_us,
        slots=np.add.reduceat(frame.slots, first),
        received=np.add.reduceat(frame.received, first),
        unusable=np.add.reduceat(frame.unusable, first),
        flags=np.bitwise_or.reduceat(frame.flags, first),
    )


def _known_sum(values: FloatArray, owner: IntArray) -> FloatArray:
    """Sums in order of the rows; NaN where nothing is known."""
    known = ~np.isnan(values)
    total = sums_by(owner, np.where(known, values, 0.0))
    total[sums_by(owner, known) == 0] = np.nan
    return total


def _mean(frame: AmountFrame, owner: IntArray, count: int) -> FloatArray:
    known = ~np.isnan(frame.mean)
    weight = np.where(known, frame.measured_s, 0.0)
    weighted = sums_by(owner, np.where(known, frame.mean, 0.0) * weight)
    time = sums_by(owner, weight)
    mean = np.full(count, np.nan)
    np.divide(weighted, time, out=mean, where=time > 0.0)
    return mean


def _last(values: FloatArray, owner: IntArray, count: int) -> FloatArray:
    known = np.flatnonzero(~np.isnan(values))
    last = np.full(count, np.nan)
    # Of several values for one place, numpy keeps the last.
    last[owner[known]] = values[known]
    return last


def _peaks(frame: AmountFrame, first: IntArray, owner: IntArray) -> tuple[FloatArray, IntArray]:
    """The greatest rate of each interval, and the first time it was reached."""
    peak = np.fmax.reduceat(frame.peak, first)
    reached = np.flatnonzero(frame.peak == peak[owner])[::-1]
    at = np.zeros(len(first), dtype=np.int64)
    at[owner[reached]] = frame.peak_at_us[reached]
    return peak, at


def _gaps(
    frame: AmountFrame, first: IntArray, owner: IntArray, stop_us: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Gaps that end inside, and the one that ends beyond: its length and end."""
    beyond = (frame.gap_s > 0.0) & (frame.gap_stop_us > stop_us[owner])
    ended = np.where(beyond, 0.0, frame.gap_s)
    inner = sums_by(owner, frame.inner_gap_s + ended)
    gap_s, gap_stop_us = np.zeros(len(first)), np.zeros(len(first), dtype=np.int64)
    gap_s[owner[beyond]] = frame.gap_s[beyond]
    gap_stop_us[owner[beyond]] = frame.gap_stop_us[beyond]
    return inner, gap_s, gap_stop_us
