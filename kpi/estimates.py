"""Estimation of long gaps of registers by like days: what a gap adds up to is exact, its course is that of days like it.

A gap up to 2 h is linear. Beyond, the difference of the register is shared out by the mean of the last 3 or 4 like days:

- like days are of the same class (workday, Saturday, Sunday or holiday), among the 90 local days before the day in which
  the gap begins, after the last exchange of the device, and wholly measured in the intervals that are asked of them. Days
  after the gap are not used: what is past never waits for what is to come;
- each local day of a gap has like days of its own; where one finds fewer than 3, the whole gap stays linear;
- a gap that an exchange or a change of the multiplier cuts stays linear, and so do channels that are read less often than
  every 2 h: nobody knows their course.

This is a second stage over :func:`kpi.amounts.interval_amounts`: like days are measured intervals of the first stage, which
no estimate can change, so the result is a pure function of the set of readings and depends on no window. Concentrations and
all other gauges are never estimated.
"""

from dataclasses import replace

import numpy as np

from domain.frames import AmountFrame, FloatArray, Readings
from domain.quality import Flag
from domain.references import Holidays
from domain.time import IntArray
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.likedays import SIDES, Gaps, LoadMeasured, Measured, Pieces, cut_at_edges, like_weights
from kpi.ragged import bisect_groups, sums_by
from kpi.ranges import Ranges
from kpi.segments import register_segments
from kpi.stored import stored
from kpi.table import MAX_INTERPOLATION_US, REGISTER, ChannelTable

__all__ = ["has_profile", "profiled"]


def has_profile(table: ChannelTable) -> BoolArray:
    """Which channels' gaps may be shared out by like days: registers read at least every 2 h; (n,)."""
    return np.asarray((table.kind == REGISTER) & (table.interval_us <= MAX_INTERPOLATION_US), dtype=np.bool_)


def profiled(  # noqa: PLR0917 - where, from what, of which days
    table: ChannelTable,
    grid: Grid,
    frame: AmountFrame,
    readings: Readings,
    ranges: Ranges,
    holidays: tuple[Holidays, ...],
    load: LoadMeasured,
) -> AmountFrame:
    """
    Base amounts in which long gaps have the course of like days, where there are enough of them.

    Parameters
    ----------
    frame : AmountFrame
        What `interval_amounts` made of `readings` in `ranges`.
    ranges : Ranges
        Merged, on base edges.
    holidays : tuple of Holidays
        Those of the park.
    load : LoadMeasured
        Called only where the frame holds a long gap of a register. What it says of `ranges` is not used: the
        frame itself holds what is measured there.

    Returns
    -------
    AmountFrame
        With other `amount` and `estimated`, and the flag PROFILE, in the intervals of such gaps; the gaps' totals
        are the same to rounding. The frame itself where there is none.
    """
    gaps = _long_gaps(table, grid, frame, readings)
    if not gaps.uncut.any():
        return frame
    pieces = cut_at_edges(grid, gaps)
    weight = like_weights(table, grid, gaps, pieces, holidays, _remembering(frame, ranges, load))
    total = sums_by(pieces.gap, weight, len(gaps))
    by_profile = gaps.uncut & (total > 0.0)
    if not by_profile.any():
        return frame
    share = gaps.amount[pieces.gap] * _linear(gaps, pieces)
    shaped = by_profile[pieces.gap]
    share[shaped] = gaps.amount[pieces.gap[shaped]] * weight[shaped] / total[pieces.gap[shaped]]
    return _replaced(table, frame, gaps, pieces, share, shaped)


def _long_gaps(table: ChannelTable, grid: Grid, frame: AmountFrame, readings: Readings) -> Gaps:
    marked = np.flatnonzero((frame.flags & int(Flag.ESTIMATED)) != 0)
    ids, starts = frame.channel_id[marked], frame.start_us[marked]
    rows = table.rows(np.unique(ids))
    rows = rows[has_profile(table)[rows]]
    bounds = (np.searchsorted(readings.channel_id, table.channel_id[rows], side=side) for side in SIDES)
    segments = register_segments(table, stored(table, rows, readings, *bounds))
    index = np.flatnonzero(((segments.flags & int(Flag.ESTIMATED)) != 0) & (segments.stop_us > segments.start_us))
    row, start, stop = rows[segments.groups(index)], segments.start_us[index], segments.stop_us[index]
    # Far from the ranges readings are loaded in part only: what looks like a gap there is none that is computed.
    low, high = (np.searchsorted(ids, table.channel_id[row], side=side) for side in SIDES)
    place = bisect_groups(starts, low, high, stop) - 1
    inside = (place >= low) & (np.append(starts, 0)[place] >= grid.floor(start))
    index, row, start, stop = index[inside], row[inside], start[inside], stop[inside]
    return Gaps(
        row=row, start_us=start, stop_us=stop, amount=segments.amount[index], uncut=_uncut(table, row, start, stop)
    )


def _uncut(table: ChannelTable, row: IntArray, start: IntArray, stop: IntArray) -> BoolArray:
    low, high = table.exchange_bounds[row], table.exchange_bounds[row + 1]
    exchanges = bisect_groups(table.exchange_at_us, low, high, stop, right=True) - bisect_groups(
        table.exchange_at_us, low, high, start
    )
    # The first multiplier of a channel holds from its beginning: it cuts nothing.
    low, high = table.factor_bounds[row] + 1, table.factor_bounds[row + 1]
    changes = bisect_groups(table.factor_from_us, low, high, stop, right=True) - bisect_groups(
        table.factor_from_us, low, high, start
    )
    return np.asarray((exchanges == 0) & (changes == 0), dtype=np.bool_)


def _remembering(frame: AmountFrame, ranges: Ranges, load: LoadMeasured) -> LoadMeasured:
    """Loads what is stored outside of some ranges, and what the frame has measured inside."""

    def remember(asked: Ranges) -> Measured:
        found = load(asked)
        low, high = (np.searchsorted(ranges.channel_id, found.channel_id, side=side) for side in SIDES)
        place = bisect_groups(ranges.from_us, low, high, found.start_us, right=True) - 1
        stale = (place >= low) & (np.append(ranges.to_us, 0)[place] > found.start_us)
        own = np.isin(frame.channel_id, asked.channel_id)
        columns = [
            np.concatenate([getattr(found, name)[~stale], getattr(frame, name)[own]])
            for name in ("channel_id", "start_us", "amount", "measured_s")
        ]
        order = np.lexsort((columns[1], columns[0]))
        channel_id, start_us, amount, measured_s = (column[order] for column in columns)
        return Measured(channel_id=channel_id, start_us=start_us, amount=amount, measured_s=measured_s)

    return remember


def _linear(gaps: Gaps, pieces: Pieces) -> FloatArray:
    """Share of its gap's length that each piece has."""
    length = (gaps.stop_us - gaps.start_us)[pieces.gap]
    share: FloatArray = (pieces.x1 - pieces.x0) / length
    return share


def _replaced(  # noqa: PLR0917 - one step of profiled
    table: ChannelTable, frame: AmountFrame, gaps: Gaps, pieces: Pieces, share: FloatArray, shaped: BoolArray
) -> AmountFrame:
    ids = table.channel_id[gaps.row[pieces.gap]]
    low, high = (np.searchsorted(frame.channel_id, ids, side=side) for side in SIDES)
    place = bisect_groups(frame.start_us, low, high, pieces.cell_us)
    # A gap reaches beyond what is computed: what it leaves there is computed when that is.
    found = place < high
    found[found] = frame.start_us[place[found]] == pieces.cell_us[found]
    estimated, touched = np.zeros(len(frame)), np.zeros(len(frame), dtype=np.bool_)
    # In order of time: where one gap ends and the next begins in one interval, both are in it.
    np.add.at(estimated, place[found], share[found])
    touched[place[found & shaped]] = True
    amount = np.where(touched, (frame.amount - frame.estimated) + estimated, frame.amount)
    return replace(
        frame,
        amount=amount,
        estimated=np.where(touched, estimated, frame.estimated),
        flags=np.where(touched, frame.flags | int(Flag.PROFILE), frame.flags).astype(np.int32),
    )
