"""When people work and when the sun shines: shares of full load over the hours of a local day."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from zoneinfo import ZoneInfo

import numpy as np

from domain.frames import FloatArray
from domain.time import DAY_US, SECOND_US, IntArray, Level, level_edges, to_datetime

__all__ = ["STEP_US", "Clock", "Shift", "activity_table", "clock", "shift_of_sector", "sun"]

STEP_US = 300 * SECOND_US
"""The simulator's own step: rates hold for five minutes, registers run straight within. [us]"""

_SLOTS = int(DAY_US // STEP_US)
_RAMP_H = 0.5
_SUNRISE_H, _SUNSET_H = 5.8, 18.0
_US_PER_HOUR = 3600 * SECOND_US
# 1970-01-01 was a Thursday, which Python counts as 3.
_WEEKDAY_OF_EPOCH = 3
_SATURDAY = 5


class Shift(IntEnum):
    """How a firm works."""

    OFFICE = 0
    ONE = 1
    TWO = 2
    THREE = 3
    NIGHT = 4
    """Only in the dark: street lighting."""


_SHIFT_OF_SECTOR: Mapping[str, Shift] = {
    "automotive parts": Shift.TWO,
    "chemicals": Shift.THREE,
    "electronics": Shift.THREE,
    "estate operator": Shift.OFFICE,
    "food": Shift.TWO,
    "logistics": Shift.ONE,
    "metal": Shift.TWO,
    "packaging": Shift.THREE,
    "pharmaceuticals": Shift.ONE,
    "plastics": Shift.THREE,
    "textile finishing": Shift.THREE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Local calendar of a row of steps. Arrays are (n,), one element per step."""

    step: IntArray
    """Counter of steps since 1970 UTC."""
    slot: IntArray
    """Step of the local day, 0..287; the hour that repeats when clocks go back stays at the last."""
    day_kind: IntArray
    """0 working day, 1 Saturday, 2 Sunday."""
    hour: FloatArray
    """Hours since local midnight. [h]"""
    day: IntArray
    """Counter of local days since 1970."""


def shift_of_sector(sector: str | None) -> Shift:
    """How firms of a sector work; of sectors not known here, two shifts."""
    return _SHIFT_OF_SECTOR.get((sector or "").lower(), Shift.TWO)


def clock(zone: ZoneInfo, steps: IntArray) -> Clock:
    """The local calendar of consecutive steps."""
    start_us = steps * STEP_US
    midnights = level_edges(zone, 3600, Level.DAY, int(start_us[0]), int(start_us[-1]) + STEP_US)
    which = np.searchsorted(midnights, start_us, side="right") - 1
    since = start_us - midnights[which]
    # Local noon of a day lies within half a day of UTC noon of the same date, wherever the zone is.
    day = (midnights[which] + DAY_US // 2 + _offset_us(zone, int(midnights[0]))) // DAY_US
    weekday = (day + _WEEKDAY_OF_EPOCH) % 7
    return Clock(
        step=steps,
        slot=np.minimum(since // STEP_US, _SLOTS - 1),
        day_kind=np.maximum(weekday - _SATURDAY + 1, 0),
        hour=since / _US_PER_HOUR,
        day=day,
    )


def _offset_us(zone: ZoneInfo, instant_us: int) -> int:
    offset = to_datetime(instant_us).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) * SECOND_US


def _span(hours: FloatArray, start: float, stop: float) -> FloatArray:
    """1 between two hours, with ramps at both ends; a stop beyond 24 runs into the morning."""
    total = np.zeros_like(hours)
    for shifted in (hours, hours + 24.0):
        rise = np.clip((shifted - start) / _RAMP_H, 0.0, 1.0)
        fall = np.clip((stop - shifted) / _RAMP_H, 0.0, 1.0)
        total = np.maximum(total, rise * fall)
    return total


def activity_table() -> FloatArray:
    """
    Share of full work, by how a firm works, kind of day and step of the day.

    Returns
    -------
    float64 (5, 3, 288) [0..1]
        In the order of :class:`Shift`, of :attr:`Clock.day_kind`, of the local day's steps.
    """
    hours = (np.arange(_SLOTS, dtype=np.float64) + 0.5) * (STEP_US / _US_PER_HOUR)
    lunch = 1.0 - 0.35 * _span(hours, 11.75, 13.0)
    change = 1.0 - 0.12 * (_span(hours, 5.5, 6.5) + _span(hours, 13.5, 14.5) + _span(hours, 21.5, 22.5))
    one, two = _span(hours, 7.0, 16.5) * lunch, _span(hours, 6.0, 22.5) * (1.0 - 0.5 * (1.0 - lunch)) * change
    dark = _span(hours, 17.75, 30.0)
    idle = np.zeros_like(hours)
    table = np.empty((len(Shift), 3, _SLOTS))
    table[Shift.OFFICE] = _span(hours, 7.5, 17.0) * lunch, 0.5 * _span(hours, 8.0, 13.0), idle
    table[Shift.ONE] = one, 0.8 * _span(hours, 7.0, 12.5), idle
    table[Shift.TWO] = two, 0.85 * one, 0.08 * one
    table[Shift.THREE] = change, 0.93 * change, 0.8 * change
    table[Shift.NIGHT] = dark, dark, dark
    return table


def sun(hour: FloatArray) -> FloatArray:
    """Share of the clear noon sun over the hours of a day near the equator, where days are of nearly one length."""
    daylight = np.clip((hour - _SUNRISE_H) / (_SUNSET_H - _SUNRISE_H), 0.0, 1.0)
    # sin(pi) is a little above zero in floats; a night must be zero.
    return np.where(daylight < 1.0, np.sin(np.pi * daylight), 0.0) ** 1.2
