"""Checks of what did not come: expected readings missing in a row."""

import numpy as np

from domain.findings import FindingFrame, Rule
from domain.frames import SmallArray
from domain.time import IntArray
from kpi.checks.intervals import day_slots
from kpi.checks.runs import Stretches, stretches
from kpi.checks.sheet import BoolArray, Sheet, found
from kpi.ragged import bounds_of
from kpi.table import EVENT, PRODUCT

__all__ = ["gap_findings", "missing_runs"]


def missing_runs(
    slots: SmallArray, expected: IntArray, least: IntArray, group: IntArray
) -> tuple[Stretches, IntArray, IntArray]:
    """
    Stretches of intervals in which nothing came although something was expected.

    Parameters
    ----------
    slots : int32 (n,)
        Slots that begin in each interval and hold a reading.
    expected : int64 (n,)
        Slots that begin there; an interval of none neither ends a stretch nor is part of one.
    least : int64 (g,)
        Per group, how many missing slots in a row are a gap; all of a group's always are.
    group : int64 (n,)
        From 0 on, rising.

    Returns
    -------
    Stretches
        Of the intervals.
    missing, bound : int64 (s,)
        How many slots are missing, and how many would have been enough.
    """
    asked = np.flatnonzero(expected > 0)
    runs = stretches(slots[asked] == 0, group[asked])
    total = bounds_of(expected[asked])
    missing = total[runs.last + 1] - total[runs.first]
    whole = np.bincount(group, expected, minlength=len(least)).astype(np.int64)
    bound = np.minimum(least, whole)[group[asked[runs.first]]]
    kept = missing >= bound
    runs = Stretches(first=asked[runs.first[kept]], last=asked[runs.last[kept]])
    return runs, missing[kept], bound[kept]


def gap_findings(sheet: Sheet) -> FindingFrame:
    """Whole base intervals without a reading; what is read less often than that, by its own interval."""
    day, limits = sheet.day, sheet.day.limits
    asked = limits.on(Rule.GAP) & ~np.isin(day.table.kind, (EVENT, PRODUCT))
    expected = day_slots(day.edges, day.table.interval_us) * (day.in_service & asked[:, None])
    least = limits["gap_slots"].astype(np.int64)
    runs, missing, bound = missing_runs(sheet.slots.ravel(), expected.ravel(), least, day.group)
    last = _covered(expected > 0, runs.last, day.in_service)
    return found(
        day, Rule.GAP, Stretches(first=runs.first, last=last), missing.astype(np.float64), bound.astype(np.float64)
    )


def _covered(begins: BoolArray, last: IntArray, in_service: BoolArray) -> IntArray:
    """The last interval that the slot beginning in an interval covers, in service."""
    intervals = begins.shape[1]
    place = np.where(begins | ~in_service, np.arange(intervals), intervals)
    # The next interval in which a slot begins, from each one on; one beyond the day where none does.
    following = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    following = np.concatenate([following[:, 1:], np.full((len(begins), 1), intervals)], axis=1)
    row = last // intervals
    ends: IntArray = row * intervals + following.ravel()[last] - 1
    return ends
