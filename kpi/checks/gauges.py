"""Checks of watched gauges, reading by reading: range, frozen, outlier."""

from dataclasses import dataclass

import numpy as np

from domain.findings import FindingFrame, Rule, joined_findings
from domain.frames import FloatArray, Readings
from domain.quality import UNUSABLE
from domain.time import HOUR_US, SECOND_US, IntArray
from kpi.checks.intervals import beyond, frozen_runs
from kpi.checks.runs import Stretches
from kpi.checks.sheet import BoolArray, Day
from kpi.ragged import bisect_groups

__all__ = ["TRAILING_US", "medians_before", "reading_findings"]

TRAILING_US = 2 * HOUR_US
"""How far before a reading those lie that it is held against. [us]"""

_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """Usable readings of a day's channels, multiplier applied, with those of the two hours before the day."""

    day: Day
    row: IntArray
    """(n,) Of the channel, rising."""
    ts_us: IntArray
    value: FloatArray
    today: BoolArray
    """(n,) Not from before the day."""


def medians_before(
    ts_us: IntArray, value: FloatArray, group: IntArray, least: IntArray
) -> tuple[FloatArray, FloatArray]:
    """
    Median, and median absolute deviation from it, of the readings of the two hours before each.

    Parameters
    ----------
    ts_us : int64 (n,) [us UTC]
        Rising within each group.
    value : float64 (n,)
    group : int64 (n,)
        Rising.
    least : int64 (n,)
        So many earlier readings are needed.

    Returns
    -------
    median, mad : float64 (n,)
        NaN where there are too few.
    """
    median, mad = np.full(len(value), np.nan), np.full(len(value), np.nan)
    begin = np.searchsorted(group, group, side="left")
    first = bisect_groups(ts_us, begin, np.arange(len(value)), ts_us - TRAILING_US)
    counts = np.arange(len(value)) - first
    judged = np.flatnonzero(counts >= np.maximum(least, 1))
    if not len(judged):
        return median, mad
    # Windows of one length are laid side by side, so many at once that they fit.
    order = judged[np.argsort(counts[judged], kind="stable")]
    begin_at = 0
    while begin_at < len(order):
        longest = int(counts[order[min(begin_at + _AT_ONCE // int(counts[order[begin_at]]), len(order)) - 1]])
        part = order[begin_at : begin_at + max(1, _AT_ONCE // longest)]
        median[part], mad[part] = _medians(value, first[part], counts[part])
        begin_at += len(part)
    return median, mad


def _medians(value: FloatArray, first: IntArray, counts: IntArray) -> tuple[FloatArray, FloatArray]:
    inside = np.arange(int(counts.max())) < counts[:, None]
    window = np.where(inside, value[np.minimum(first[:, None] + np.arange(inside.shape[1]), len(value) - 1)], np.inf)
    median = _middle(window, counts)
    apart = np.where(inside, np.abs(np.where(inside, window, 0.0) - median[:, None]), np.inf)
    return median, _middle(apart, counts)


def _middle(window: FloatArray, counts: IntArray) -> FloatArray:
    ordered = np.sort(window, axis=1)
    row = np.arange(len(ordered))
    middle: FloatArray = (ordered[row, (counts - 1) // 2] + ordered[row, counts // 2]) / 2.0
    return middle


def reading_findings(day: Day, readings: Readings) -> FindingFrame:
    """
    What the readings of watched gauges say by themselves; values are kept, whatever is found.

    Parameters
    ----------
    day : Day
        Of watched gauges.
    readings : Readings
        At least all of the day and of the two hours before it. Those with a conflict or marked unusable by
        their source do not count.
    """
    heard = _heard(day, readings)
    return joined_findings(_range(heard), _frozen(heard), _outliers(heard))


def _heard(day: Day, readings: Readings) -> _Heard:
    ids, table = day.table.channel_id, day.table
    place = np.minimum(np.searchsorted(ids, readings.channel_id), max(len(ids) - 1, 0))
    kept = ~readings.conflict & ((readings.quality & int(UNUSABLE)) == 0)
    kept &= (readings.ts_us >= day.day_us - TRAILING_US) & (readings.ts_us < day.stop_us)
    kept &= (ids[place] == readings.channel_id) if len(ids) else False
    kept &= (readings.ts_us >= table.valid_from_us[place]) & (readings.ts_us < table.valid_to_us[place])
    at = np.flatnonzero(kept)
    row, ts_us = place[at].astype(np.int64), readings.ts_us[at]
    factor = table.factor[table.factor_index(row, ts_us)]
    return _Heard(day=day, row=row, ts_us=ts_us, value=readings.value[at] * factor, today=ts_us >= day.day_us)


def _range(heard: _Heard) -> FindingFrame:
    limits, row = heard.day.limits, heard.row
    asked = heard.today & limits.on(Rule.RANGE)[row]
    value = np.where(asked, heard.value, np.nan)
    runs, worst, bound = beyond(value, value, limits["range_low"][row], limits["range_high"][row], row)
    return _about(heard, Rule.RANGE, runs, worst, bound)


def _frozen(heard: _Heard) -> FindingFrame:
    limits, row = heard.day.limits, heard.row
    judged = heard.today & limits.on(Rule.FROZEN)[row]
    runs, counts = frozen_runs(heard.value, judged, np.zeros(len(row)), row)
    stood_s = (heard.ts_us[runs.last] - heard.ts_us[runs.first]) / SECOND_US
    least_s = limits["frozen_s"][row[runs.first]]
    kept = (counts >= limits["frozen_count"][row[runs.first]]) & (stood_s >= least_s)
    runs = Stretches(first=runs.first[kept], last=runs.last[kept])
    return _about(heard, Rule.FROZEN, runs, stood_s[kept], least_s[kept])


def _outliers(heard: _Heard) -> FindingFrame:
    limits, row = heard.day.limits, heard.row
    median, mad = medians_before(heard.ts_us, heard.value, row, limits["outlier_points"][row].astype(np.int64))
    apart = np.maximum(limits["outlier_mads"][row] * mad, limits["outlier_least"][row])
    value = np.where(heard.today & limits.on(Rule.OUTLIER)[row] & ~np.isnan(median), heard.value, np.nan)
    runs, worst, bound = beyond(value, value, median - apart, median + apart, row)
    return _about(heard, Rule.OUTLIER, runs, worst, bound)


def _about(heard: _Heard, rule: Rule, runs: Stretches, value: FloatArray, bound: FloatArray) -> FindingFrame:
    """Findings about readings in a row: until the last one no longer holds, or the next comes, or the day ends."""
    day, row = heard.day, heard.row[runs.first]
    following = np.append(heard.ts_us[1:], np.iinfo(np.int64).max)
    following[:-1][heard.row[1:] != heard.row[:-1]] = np.iinfo(np.int64).max
    stop = np.minimum(following[runs.last], heard.ts_us[runs.last] + day.table.hold_us[row])
    return FindingFrame(
        channel_id=day.table.channel_id[row],
        rule=np.full(len(row), rule.code, dtype=np.int16),
        day_us=np.full(len(row), day.day_us, dtype=np.int64),
        start_us=heard.ts_us[runs.first],
        stop_us=np.minimum(stop, day.stop_us),
        value=value,
        bound=bound,
    )
