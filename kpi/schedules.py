"""When a rule is looked at: hours of the local day, days of the week, holidays."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.alarms import Schedule
from domain.references import Holidays
from domain.time import SECOND_US, IntArray, from_datetime, to_datetime

__all__ = ["LocalClock", "scheduled"]

BoolArray = NDArray[np.bool_]
_MINUTE_US = 60 * SECOND_US
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalClock:
    """What the local clock and calendar say at some instants; (n,) each."""

    minute: IntArray
    """Of the local day. [min]"""
    weekday: IntArray
    """0 is Monday."""
    is_holiday: BoolArray
    follows_holiday: BoolArray
    """The day before is a holiday."""

    @classmethod
    def at(cls, zone: ZoneInfo, holidays: tuple[Holidays, ...], instants_us: IntArray) -> "LocalClock":
        """At some instants, in any order. [us UTC]"""
        # Each minute is looked up once: the offsets of a zone follow no pattern.
        minutes, owner = np.unique(instants_us // _MINUTE_US, return_inverse=True)
        local = [to_datetime(one * _MINUTE_US).astimezone(zone) for one in minutes.tolist()]
        days = {one.date() for one in local}
        free = {day: _is_holiday(zone, holidays, day) for day in days | {day - _DAY for day in days}}
        table = [
            (one.hour * 60 + one.minute, one.weekday(), free[one.date()], free[one.date() - _DAY]) for one in local
        ]
        columns = np.array(table, dtype=np.int64).reshape(-1, 4)[owner]
        return cls(
            minute=columns[:, 0],
            weekday=columns[:, 1],
            is_holiday=columns[:, 2] > 0,
            follows_holiday=columns[:, 3] > 0,
        )


def _is_holiday(zone: ZoneInfo, holidays: tuple[Holidays, ...], day: date) -> bool:
    start_us = from_datetime(datetime.combine(day, time(), tzinfo=zone))
    return any(day in one.dates and one.origin.holds(start_us) for one in holidays)


def scheduled(clock: LocalClock, schedule: Schedule) -> BoolArray:
    """
    Whether a rule is looked at, per instant of a clock; (n,).

    Hours that go over midnight belong to the day on which they begin: of a rule for Fridays from 22:00 to 06:00, the
    early hours of Saturday are part.
    """
    days, holidays = np.array(schedule.days, dtype=np.int64), schedule.on_holidays
    today = np.isin(clock.weekday, days) & (holidays | ~clock.is_holiday)
    begun, over = clock.minute >= schedule.from_minute, clock.minute >= schedule.to_minute
    if schedule.from_minute < schedule.to_minute:
        return today & begun & ~over
    yesterday = np.isin((clock.weekday - 1) % 7, days) & (holidays | ~clock.follows_holiday)
    on: BoolArray = (today & begun) | (yesterday & ~over)
    return on
