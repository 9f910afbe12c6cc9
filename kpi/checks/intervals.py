"""Checks of the base intervals of one local day: spike, frozen, capacity, range, negative.

Each is a kernel on plain arrays of many channels at once, and a step that feeds it from a sheet.
"""

import numpy as np

from domain.findings import FindingFrame, Rule, joined_findings
from domain.frames import FloatArray
from domain.quantities import QUANTITIES
from domain.registry import MeterRole
from domain.time import HOUR_US, SECOND_US, IntArray
from kpi.checks.limits import WATCHED
from kpi.checks.runs import Stretches, chains, stretches
from kpi.checks.sheet import BoolArray, Day, Sheet, found
from kpi.ragged import owners
from kpi.table import GAUGE, INTERVAL, PRODUCT, REGISTER

__all__ = ["beyond", "day_slots", "frozen_runs", "interval_findings", "spikes"]

_MANY = 3
"""The third greatest interval is what a spike is held against."""

_JITTER_STEPS = 2.0


def spikes(amount: FloatArray, judged: BoolArray, share: FloatArray, floor: FloatArray) -> tuple[IntArray, FloatArray]:
    """
    The interval of each row that stands out of its day.

    Parameters
    ----------
    amount : float64 (c, k) [unit]
    judged : bool (c, k)
        Intervals that count: those measured throughout.
    share : float64 (c,)
        How far the greatest may be above the third greatest, as a share of that.
    floor : float64 (c,) [unit]
        Rows whose greatest amount is below are too coarse to judge.

    Returns
    -------
    place : int64 (c,)
        Of the first greatest interval; -1 where nothing stands out, fewer than three intervals count, or the
        third greatest is not above zero: of two busy intervals in an idle day neither is a spike.
    ratio : float64 (c,)
        (greatest - third greatest) / third greatest; NaN where that is not to be had.
    """
    if amount.shape[1] < _MANY:
        return np.full(len(amount), -1), np.full(len(amount), np.nan)
    known = np.where(judged, amount, -np.inf)
    third = np.partition(known, -_MANY, axis=1)[:, -_MANY]
    place = np.argmax(known, axis=1)
    greatest = known[np.arange(len(known)), place]
    ratio = np.full(len(amount), np.nan)
    np.divide(np.where(third > 0.0, greatest, 0.0) - np.maximum(third, 0.0), third, out=ratio, where=third > 0.0)
    stands_out = (ratio > share) & (greatest >= floor)
    return np.where(stands_out, place, -1), ratio


def frozen_runs(
    value: FloatArray, judged: BoolArray, tolerance: FloatArray, group: IntArray
) -> tuple[Stretches, IntArray]:
    """
    Stretches of equal non-zero values.

    Parameters
    ----------
    value : float64 (n,)
    judged : bool (n,)
        Values that count; one that does not ends a stretch.
    tolerance : float64 (n,)
        Two neighbours are equal that differ by no more. [unit]
    group : int64 (n,)

    Returns
    -------
    Stretches
    counts : int64 (s,)
        How many values each holds.
    """
    holds = judged & (value != 0.0)
    alike = np.zeros(len(value), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        alike[1:] = np.abs(value[1:] - value[:-1]) <= tolerance[1:]
    runs = chains(holds, alike, group)
    return runs, runs.last - runs.first + 1


def beyond(
    low: FloatArray, high: FloatArray, lowest: FloatArray, highest: FloatArray, group: IntArray
) -> tuple[Stretches, FloatArray, FloatArray]:
    """
    Stretches strictly beyond bounds, each with the value furthest beyond and the bound that it passed.

    Parameters
    ----------
    low, high : float64 (n,)
        Least and greatest value of each element; NaN is beyond nothing.
    lowest, highest : float64 (n,)
    group : int64 (n,)

    Returns
    -------
    Stretches
    value, bound : float64 (s,)
        Of several equally far ones the first; below goes before above.
    """
    with np.errstate(invalid="ignore"):
        under = np.where(np.isnan(low), -np.inf, lowest - low)
        over = np.where(np.isnan(high), -np.inf, high - highest)
    excess = np.maximum(under, over)
    runs = stretches(excess > 0.0, group)
    at = _greatest(excess, runs)
    below = under[at] >= over[at]
    return runs, np.where(below, low[at], high[at]), np.where(below, lowest[at], highest[at])


def _greatest(values: FloatArray, runs: Stretches) -> IntArray:
    """Where in each stretch the greatest value stands first."""
    if not len(runs):
        return np.empty(0, dtype=np.int64)
    counts = runs.last - runs.first + 1
    owner = owners(counts)
    index = np.repeat(runs.first, counts) + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    peak = np.full(len(runs), -np.inf)
    np.maximum.at(peak, owner, values[index])
    hit = np.flatnonzero(values[index] == peak[owner])[::-1]
    at = np.zeros(len(runs), dtype=np.int64)
    at[owner[hit]] = index[hit]
    return at


def interval_findings(sheet: Sheet) -> FindingFrame:
    """Everything that the intervals of the day say by themselves."""
    return joined_findings(_spike(sheet), _frozen(sheet), _capacity(sheet), _range(sheet), _negative(sheet))


def _kinds(day: Day, *kinds: int) -> BoolArray:
    return np.asarray(np.isin(day.table.kind, kinds), dtype=np.bool_)


def _watched(day: Day) -> BoolArray:
    """Gauges that are checked reading by reading."""
    quantity = np.array([channel.quantity in WATCHED for channel in day.channels], dtype=np.bool_)
    return np.asarray(quantity & (day.table.kind == GAUGE), dtype=np.bool_)


def _spike(sheet: Sheet) -> FindingFrame:
    day, limits = sheet.day, sheet.day.limits
    rows = np.flatnonzero(limits.on(Rule.SPIKE) & _kinds(day, REGISTER, INTERVAL))
    floor = (limits["floor_steps"] * day.step)[rows]
    share = limits["spike_share"][rows]
    place, ratio = spikes(sheet.amount[rows], sheet.whole[rows], share, floor)
    hit = np.flatnonzero(place >= 0)
    at = rows[hit] * (len(day.edges) - 1) + place[hit]
    return found(day, Rule.SPIKE, Stretches(first=at, last=at), ratio[hit], share[hit])


def _frozen(sheet: Sheet) -> FindingFrame:
    """Of amounts over the channel's own interval, and of gauges that are not watched reading by reading."""
    day, limits = sheet.day, sheet.day.limits
    gauge = (day.table.kind == GAUGE) & ~_watched(day)
    asked = limits.on(Rule.FROZEN) & (gauge | _kinds(day, REGISTER, INTERVAL))
    base_us = day.registry.park.base_s * SECOND_US
    # What is read less often than every base interval is the same in all of them that a reading covers.
    least_us = limits["frozen_count"] * np.maximum(day.table.interval_us, base_us)
    floor = np.where(gauge, 0.0, limits["floor_steps"] * day.step)
    value = np.where(gauge[:, None], sheet.high, sheet.amount)
    judged = sheet.whole & _heard(sheet) & asked[:, None]
    with np.errstate(invalid="ignore"):
        judged &= np.abs(value) >= floor[:, None]
        judged &= ~gauge[:, None] | (sheet.low == sheet.high)
        tolerance = np.where(gauge[:, None], 0.0, np.maximum(day.step[:, None] / 2.0, 1e-9 * np.abs(value)))
    runs, _ = frozen_runs(value.ravel(), judged.ravel(), tolerance.ravel(), day.group)
    row = runs.first // (len(day.edges) - 1)
    length_us = day.edges[runs.last % (len(day.edges) - 1) + 1] - day.edges[runs.first % (len(day.edges) - 1)]
    kept = length_us >= least_us[row]
    runs = Stretches(first=runs.first[kept], last=runs.last[kept])
    return found(day, Rule.FROZEN, runs, length_us[kept] / SECOND_US, least_us[row[kept]] / SECOND_US)


def day_slots(edges: IntArray, interval_us: IntArray) -> IntArray:
    """
    How many slots of channels begin in each interval of a day, counted from its start.

    Parameters
    ----------
    edges : int64 (k + 1,) [us UTC]
    interval_us : int64 (c,) [us]
        A slot of whole days begins in the first interval; one of several days is left out.

    Returns
    -------
    int64 (c, k)
    """
    after = edges - edges[0]
    begun = -(-after // interval_us[:, None])
    slots: IntArray = np.diff(begun, axis=1)
    slots[interval_us > edges[-1] - edges[0]] = 0
    return slots


def _heard(sheet: Sheet) -> BoolArray:
    """Whether the slot that covers the start of each interval, or one inside it, holds a reading."""
    day = sheet.day
    begins = day_slots(day.edges, day.table.interval_us) > 0
    place = np.maximum.accumulate(np.where(begins, np.arange(begins.shape[1]), 0), axis=1)
    heard: BoolArray = np.take_along_axis(sheet.slots > 0, place, axis=1)
    return heard


def _capacity(sheet: Sheet) -> FindingFrame:
    day, limits = sheet.day, sheet.day.limits
    hours = np.diff(day.edges) / HOUR_US
    gauge = day.table.kind == GAUGE
    asked = limits.on(Rule.CAPACITY) & ~_kinds(day, PRODUCT)
    nameplate = np.where(np.isnan(day.most), np.inf, day.most)
    most = np.minimum(np.minimum(limits["capacity_rate"], nameplate), _contracted(day))
    rate = np.where(gauge[:, None], sheet.high, np.where(sheet.whole, sheet.amount / hours, np.nan))
    rate[~asked] = np.nan
    # A register's smallest step is not seen more finely than this.
    slack = np.where(gauge, 0.0, 2.0 * day.step)[:, None] / hours
    highest = most[:, None] + slack
    nothing = np.full(rate.size, np.nan)
    runs, value, bound = beyond(nothing, rate.ravel(), nothing, highest.ravel(), day.group)
    return found(day, Rule.CAPACITY, runs, value, bound)


def _contracted(day: Day) -> FloatArray:
    """The contracted power of the tenant of each import channel; infinite where there is none. [kVA]"""
    registry = day.registry
    by_tenant = {
        contract.origin.key: contract.contracted_kva
        for contract in registry.references.contracts
        if contract.contracted_kva is not None and contract.origin.holds(day.day_us)
    }
    most = np.full(len(day.channels), np.inf)
    if not by_tenant:
        return most
    for row, channel in enumerate(day.channels):
        meter = registry.meter_by_id[channel.meter_id]
        if channel.quantity == "energy_import" and meter.role in {MeterRole.USE, MeterRole.SUPPLY}:
            most[row] = by_tenant.get(registry.tenant_by_id[meter.tenant_id].key, np.inf)
    return most


def _range(sheet: Sheet) -> FindingFrame:
    """Of gauges that are not watched reading by reading."""
    day, limits = sheet.day, sheet.day.limits
    asked = limits.on(Rule.RANGE) & (day.table.kind == GAUGE) & ~_watched(day)
    return _outside(sheet, Rule.RANGE, asked, limits["range_low"], limits["range_high"])


def _negative(sheet: Sheet) -> FindingFrame:
    """Registers may flicker back by two of their steps; gauges of what has no less than nothing may not."""
    day, limits = sheet.day, sheet.day.limits
    gauge = day.table.kind == GAUGE
    lowest = np.array([_least(channel.quantity) for channel in day.channels])
    asked = limits.on(Rule.NEGATIVE)
    below = np.where(gauge, lowest, -_JITTER_STEPS * day.step - 1e-9)
    none = np.full(len(day.channels), np.inf)
    low = np.where(gauge[:, None], sheet.low, sheet.amount)
    return _outside(sheet, Rule.NEGATIVE, asked, below, none, low=low)


def _least(quantity: str) -> float:
    about = QUANTITIES.get(quantity)
    if about is None or (about.lowest is None and not about.integral):
        return -np.inf
    return 0.0 if about.lowest is None else about.lowest


def _outside(
    sheet: Sheet,
    rule: Rule,
    asked: BoolArray,
    lowest: FloatArray,
    highest: FloatArray,
    *,
    low: FloatArray | None = None,
) -> FindingFrame:
    intervals = len(sheet.day.edges) - 1
    least = np.where(asked[:, None], sheet.low if low is None else low, np.nan)
    most = np.where(asked[:, None], sheet.high if low is None else low, np.nan)
    bounds = np.repeat(lowest, intervals), np.repeat(highest, intervals)
    runs, value, bound = beyond(least.ravel(), most.ravel(), *bounds, sheet.day.group)
    return found(sheet.day, rule, runs, value, bound)
