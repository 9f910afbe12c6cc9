"""How much each channel counts in the coverage of a sum: what it usually amounts to in a day."""

from dataclasses import dataclass

import numpy as np

from domain.errors import InputError
from domain.frames import AmountFrame, FloatArray, SmallArray
from domain.registry import Park, Registry
from domain.time import DAY_US, SECOND_US, IntArray, Level, level_edges

__all__ = ["TRAILING_DAYS", "Weights", "trailing_start", "trailing_weights", "weight_days"]

TRAILING_DAYS = 28
"""Days whose median is a channel's weight, the last one included."""

LEAST_KNOWN = 0.75
"""Share of a whole day that must be known for it to enter the median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each channel usually amounts to in a day, as seen on some last days."""

    channel_id: SmallArray
    """(c,), strictly increasing."""
    day_us: IntArray
    """(d,) starts of the last days, strictly increasing. [us UTC]"""
    median: FloatArray
    """(c, d), not negative; NaN where no day of the 28 was known well enough. [unit of the channel]"""

    def of(self, channel_id: SmallArray, day_us: IntArray) -> FloatArray:
        """
        The medians of some channels on some last days; NaN for a channel that has none.

        Parameters
        ----------
        channel_id : int32 (r,)
        day_us : int64 (p,) [us UTC]
            Starts of local days.

        Returns
        -------
        float64 (r, p) [unit of each channel]

        Raises
        ------
        InputError
            The weights were not made for one of the days.
        """
        column = np.searchsorted(self.day_us, day_us)
        found = column < len(self.day_us)
        found[found] = self.day_us[column[found]] == day_us[found]
        if not found.all():
            raise InputError(
                f"weights are missing for the day that starts at {int(day_us[~found][0])} us; "
                "make them for every day that weight_days names"
            )
        row = np.searchsorted(self.channel_id, channel_id)
        known = row < len(self.channel_id)
        known[known] = self.channel_id[row[known]] == channel_id[known]
        if known.all() and len(column) and (column == column[0]).all():
            return np.broadcast_to(self.median[row, column[0]][:, None], (len(row), len(column)))
        medians = np.full((len(channel_id), len(day_us)), np.nan)
        medians[known] = self.median[row[known]][:, column]
        return medians


def weight_days(park: Park, level: Level, start_us: int, stop_us: int) -> IntArray:
    """
    Starts of the days whose weights the intervals of one level use.

    That is the last local day of each interval that covers `[start_us, stop_us)`; in an interval that is
    still open, the day up to which the park is ticked. :func:`kpi.subject_kpis` needs them for `Level.DAY`
    whatever its level, :func:`kpi.fold_kpis` for the level it folds to.

    Returns
    -------
    int64 (d,) [us UTC]
        Strictly increasing.
    """
    edges = level_edges(park.zone, park.base_s, level, start_us, stop_us)
    return np.unique(last_days(park, edges))


def last_days(park: Park, edges: IntArray) -> IntArray:
    """
    Start of the local day whose weights each interval uses.

    Parameters
    ----------
    park : Park
    edges : int64 (n + 1,) [us UTC]
        Edges of the intervals.

    Returns
    -------
    int64 (n,) [us UTC]
    """
    last = edges[1:] - 1
    if park.ticked_to_us is not None:
        # Days that are yet to come would leave an open month or year without any weight.
        last = np.where(edges[:-1] < park.ticked_to_us, np.minimum(last, park.ticked_to_us - 1), last)
    days = level_edges(park.zone, park.base_s, Level.DAY, int(last[0]), int(last.max()) + 1)
    return days[np.searchsorted(days, last, side="right") - 1]


def trailing_start(park: Park, day_us: int) -> int:
    """Start of the first of the 28 local days that end with the one that starts at `day_us`. [us UTC]"""
    days = level_edges(park.zone, park.base_s, Level.DAY, day_us - (TRAILING_DAYS + 1) * DAY_US, day_us + 1)
    return int(days[np.searchsorted(days, day_us) - TRAILING_DAYS + 1])


def trailing_weights(registry: Registry, channel_days: AmountFrame, days_us: IntArray) -> Weights:
    """
    Median daily amount of every channel over the 28 local days that end with each of some days.

    Only days that are final, and of which 75 % of the whole length is known (measured, or inside a gap that the same
    day closes), are counted, so the open day says nothing yet. Amounts below zero, which only register jitter
    makes, count as zero.

    Parameters
    ----------
    registry : Registry
    channel_days : AmountFrame
        Level DAY, from `trailing_start(park, days_us[0])` on; days that are absent are unknown.
    days_us : int64 (d,) [us UTC]
        Starts of local days, strictly increasing; see :func:`weight_days`.

    Raises
    ------
    InputError
        The amounts are not of days.
    """
    if channel_days.level is not Level.DAY:
        raise InputError(f"weights are made from amounts of days, not of level {channel_days.level.key}")
    channels = np.array(sorted(channel.id for channel in registry.channels), dtype=np.int32)
    if not len(days_us) or not len(channels):
        return Weights(channel_id=channels, day_us=days_us, median=np.empty((len(channels), len(days_us))))
    park = registry.park
    edges = level_edges(park.zone, park.base_s, Level.DAY, trailing_start(park, int(days_us[0])), int(days_us[-1]) + 1)
    amounts = _known_days(channel_days, channels, edges, park.ticked_to_us)
    window = np.searchsorted(edges, days_us)[:, None] - np.arange(TRAILING_DAYS - 1, -1, -1)
    return Weights(channel_id=channels, day_us=days_us, median=np.maximum(_median(amounts[:, window]), 0.0))


def _known_days(frame: AmountFrame, channels: SmallArray, edges: IntArray, ticked_us: int | None) -> FloatArray:
    """Amounts (channels, days), NaN where a day is not final, or not known well enough."""
    day = np.searchsorted(edges, frame.start_us)
    day[day >= len(edges) - 1] = 0
    row = np.searchsorted(channels, frame.channel_id)
    row[row >= len(channels)] = 0
    length_s = np.diff(edges)[day] / SECOND_US
    counted = (
        (edges[day] == frame.start_us)
        & (channels[row] == frame.channel_id)
        & (frame.measured_s + frame.inner_gap_s >= LEAST_KNOWN * length_s)
    )
    if ticked_us is not None:
        # Else each new reading of the open day would change what all of its hours weigh.
        counted &= edges[day + 1] <= ticked_us
    amounts = np.full((len(channels), len(edges) - 1), np.nan)
    amounts[row[counted], day[counted]] = frame.amount[counted]
    return amounts


def _median(values: FloatArray) -> FloatArray:
    """Median along the last axis without its NaNs, without numpy's warning where there is nothing else."""
    ordered = np.sort(values, axis=-1)
    count = np.count_nonzero(~np.isnan(ordered), axis=-1)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[..., None] // 2, axis=-1)[..., 0]
    high = np.take_along_axis(ordered, count[..., None] // 2, axis=-1)[..., 0]
    return (low + high) / 2
