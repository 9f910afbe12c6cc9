"""Checks of a day against earlier ones: high, low, zero, drift; and of a month, how much of it is estimated."""

from dataclasses import dataclass

import numpy as np

from domain.findings import FindingFrame, Rule, joined_findings
from domain.frames import FloatArray
from domain.time import SECOND_US
from kpi.checks.sheet import BoolArray, Day, found_days
from kpi.table import GAUGE, INTERVAL, REGISTER

__all__ = [
    "DRIFT_DAYS",
    "WEEKS",
    "Past",
    "deviations",
    "estimated_shares",
    "month_findings",
    "usual_amounts",
    "usual_findings",
]

WEEKS = 8
"""How many same weekdays before a day it is held against."""

DRIFT_DAYS = 7
"""Days whose mean a day's mean is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Day amounts of some channels: of a day, and of others before it; NaN and 0 where no row is stored."""

    amount: FloatArray
    """(c,) Of the day. [unit]"""
    known: FloatArray
    """(c,) Share of the day that is known: measured, or in gaps that begin and end inside. [0..1]"""
    mean: FloatArray
    """(c,) Of gauges. [unit]"""
    weekday_amount: FloatArray
    """(c, 8) Of the same weekdays before. [unit]"""
    weekday_known: FloatArray
    """(c, 8) Known share; 0 for a holiday, which is held against nothing. [0..1]"""
    before_mean: FloatArray
    """(c, 7) Means of the days before. [unit]"""
    before_measured_s: FloatArray
    """(c, 7) What they weigh. [s]"""
    is_holiday: bool
    """Whether the day itself is one."""


def usual_amounts(amount: FloatArray, known: FloatArray, least_known: FloatArray, least: FloatArray) -> FloatArray:
    """
    The median of each row's days that are known well enough; NaN where there are too few.

    Parameters
    ----------
    amount, known : float64 (c, w)
    least_known : float64 (c,)
        Share of a day that must be known. [0..1]
    least : float64 (c,)
        So many days are needed.
    """
    good = (known >= least_known[:, None]) & ~np.isnan(amount)
    count = good.sum(axis=1)
    ordered = np.sort(np.where(good, amount, np.inf), axis=1)
    row = np.arange(len(amount))
    lower, upper = (
        ordered[row, np.maximum(count - 1, 0) // 2],
        ordered[row, np.minimum(count // 2, amount.shape[1] - 1)],
    )
    enough = count >= np.maximum(least, 1.0)
    return np.where(enough, (lower + upper) / 2.0, np.nan)


def deviations(mean: FloatArray, before: FloatArray, weight_s: FloatArray) -> FloatArray:
    """
    How far a mean is from that of the days before, as a share of it; NaN where that is unknown or zero.

    Parameters
    ----------
    mean : float64 (c,)
    before, weight_s : float64 (c, d)
        Means of the days before, and how much of each was measured; days without a mean weigh nothing.
    """
    weight = np.where(np.isnan(before), 0.0, weight_s)
    total, weighed = np.zeros(len(mean)), np.zeros(len(mean))
    # Added up day by day, in one order for every row.
    for column in range(before.shape[1]):
        total += np.where(weight[:, column] > 0.0, before[:, column], 0.0) * weight[:, column]
        weighed += weight[:, column]
    share = np.full(len(mean), np.nan)
    usual = np.divide(total, weighed, out=np.zeros(len(mean)), where=weighed > 0.0)
    np.divide(np.abs(mean - usual), np.abs(usual), out=share, where=usual != 0.0)
    return share


def usual_findings(day: Day, past: Past) -> FindingFrame:
    """High, low and zero of counters, and drift of watched gauges."""
    return joined_findings(*_amounts(day, past), _drift(day, past))


def _amounts(day: Day, past: Past) -> tuple[FindingFrame, ...]:
    limits = day.limits
    usual = usual_amounts(past.weekday_amount, past.weekday_known, limits["known_share"], limits["least_weeks"])
    judged = np.isin(day.table.kind, (REGISTER, INTERVAL)) & day.all_day & (past.known >= limits["known_share"])
    judged &= ~np.isnan(past.amount) & ~np.isnan(usual)
    if past.is_holiday:
        judged[:] = False
    coarse = usual < limits["floor_steps"] * day.step
    zero = judged & limits.on(Rule.ZERO) & (past.amount <= 0.0) & (usual > 0.0)
    most, fewest = limits["high_share"] * usual, limits["low_share"] * usual
    with np.errstate(invalid="ignore"):
        high = judged & limits.on(Rule.HIGH) & ~coarse & (past.amount > most)
        low = judged & limits.on(Rule.LOW) & ~coarse & ~zero & (past.amount < fewest)
    return (
        _of(day, Rule.ZERO, zero, past.amount, usual),
        _of(day, Rule.HIGH, high, past.amount, most),
        _of(day, Rule.LOW, low, past.amount, fewest),
    )


def _drift(day: Day, past: Past) -> FindingFrame:
    limits = day.limits
    length_s = (day.stop_us - day.day_us) / SECOND_US
    weight = np.where(past.before_measured_s >= limits["known_share"][:, None] * length_s, past.before_measured_s, 0.0)
    share = deviations(past.mean, past.before_mean, weight)
    judged = limits.on(Rule.DRIFT) & (day.table.kind == GAUGE) & (past.known >= limits["known_share"])
    judged &= (weight > 0.0).sum(axis=1) >= (DRIFT_DAYS + 1) // 2
    with np.errstate(invalid="ignore"):
        drifted = judged & (share > limits["drift_share"])
    return _of(day, Rule.DRIFT, drifted, share, limits["drift_share"])


def _of(day: Day, rule: Rule, hit: BoolArray, value: FloatArray, bound: FloatArray) -> FindingFrame:
    rows = np.flatnonzero(hit)
    return found_days(day, rule, rows, value[rows], bound[rows])


def estimated_shares(estimated: FloatArray, amount: FloatArray) -> FloatArray:
    """
    Share of a month's amount that is estimated; NaN where it adds up to nothing.

    Parameters
    ----------
    estimated, amount : float64 (c, d) [unit]
        Of the days of the month; NaN where nothing is known.
    """
    part, whole = np.zeros(len(amount)), np.zeros(len(amount))
    for column in range(amount.shape[1]):
        part += np.abs(np.nan_to_num(estimated[:, column]))
        whole += np.abs(np.nan_to_num(amount[:, column]))
    share = np.full(len(amount), np.nan)
    np.divide(part, whole, out=share, where=whole > 0.0)
    return share


def month_findings(first: Day, stop_us: int, estimated: FloatArray, amount: FloatArray) -> FindingFrame:
    """
    Channels too much of whose month is estimated.

    Parameters
    ----------
    first : Day
        The month's first day; its limits hold.
    stop_us : int
        End of the last final day of the month. [us UTC]
    estimated, amount : float64 (c, d)
        Of its final days.
    """
    share, most = estimated_shares(estimated, amount), first.limits["estimated_share"]
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(first.limits.on(Rule.ESTIMATION) & (share > most))
    made = found_days(first, Rule.ESTIMATION, rows, share[rows], most[rows])
    return FindingFrame(
        channel_id=made.channel_id,
        rule=made.rule,
        day_us=made.day_us,
        start_us=made.start_us,
        stop_us=np.full(len(rows), stop_us, dtype=np.int64),
        value=made.value,
        bound=made.bound,
    )
