"""The times of many readings at once: RFC 3339 texts and epoch milliseconds to microseconds UTC.

Texts of the usual shape are read in numpy, a batch at a time; every other text goes to
:func:`domain.time.parse_instant`, which is also the reference the tests compare with.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.time import SECOND_US, IntArray, parse_instant

__all__ = ["instants"]

_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The calendar: from the year 1 to the year 9999. [ms]"""

# 2026-01-31T08:15:00Z, with milliseconds, with +07:00, with both, and with microseconds.
_SHAPES = {20: (0, 1), 24: (4, 1), 25: (0, 6), 27: (7, 1), 29: (4, 6), 32: (7, 6)}
_DIGITS = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
_DASH, _COLON, _DOT, _PLUS, _T, _Z, _ZERO = (ord(letter) for letter in "-:.+TZ0")


def instants(stamps: Sequence[int | str]) -> tuple[IntArray, dict[int, str]]:
    """
    Microseconds UTC of many stamps, and why some of them are no time.

    Parameters
    ----------
    stamps
        RFC 3339 texts with an offset, or whole milliseconds since 1970 UTC.

    Returns
    -------
    ts_us : int64 (n,) [us UTC]
        0 where there is no time. Digits beyond microseconds are cut.
    refused
        What is wrong, by position.
    """
    ts_us = np.zeros(len(stamps), dtype=np.int64)
    refused: dict[int, str] = {}
    by_length: dict[int, list[int]] = {}
    for position, stamp in enumerate(stamps):
        if isinstance(stamp, str):
            by_length.setdefault(len(stamp), []).append(position)
        elif _FIRST_MS <= stamp <= _LAST_MS:
            ts_us[position] = stamp * 1000
        else:
            refused[position] = "ts is outside the calendar; write milliseconds since 1970 UTC"
    odd: list[int] = []
    for length, positions in by_length.items():
        if length not in _SHAPES:
            odd += positions
            continue
        found_us, is_read = _usual([str(stamps[position]) for position in positions], length)
        ts_us[positions] = found_us
        if not is_read.all():
            odd += np.array(positions)[~is_read].tolist()
    for position in odd:
        try:
            ts_us[position] = parse_instant(str(stamps[position]))
        except InputError as error:
            refused[position] = str(error)
    return ts_us, refused


def _usual(texts: list[str], length: int) -> tuple[IntArray, NDArray[np.bool_]]:
    """Instants of texts of one length; 0 and False for those that are not of the usual shape or no time."""
    fraction, zone = _SHAPES[length]
    joined = "".join(texts).encode("ascii", "replace")
    # "replace" writes one sign for each that is not ASCII, so the lengths hold.
    letters = np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), length).astype(np.int64)
    tail = 19 + fraction
    fits = (letters[:, 4] == _DASH) & (letters[:, 7] == _DASH) & (letters[:, 10] == _T)
    fits &= (letters[:, 13] == _COLON) & (letters[:, 16] == _COLON)
    digits = [*_DIGITS, *range(20, tail)]
    if fraction:
        fits &= letters[:, 19] == _DOT
    if zone == 1:
        fits &= letters[:, tail] == _Z
    else:
        fits &= ((letters[:, tail] == _PLUS) | (letters[:, tail] == _DASH)) & (letters[:, tail + 3] == _COLON)
        digits += [tail + 1, tail + 2, tail + 4, tail + 5]
    value = letters - _ZERO
    fits &= ((value[:, digits] >= 0) & (value[:, digits] <= 9)).all(axis=1)  # noqa: PLR2004
    seconds, is_time = _seconds(value)
    fits &= is_time
    if zone != 1:
        hours, minutes = _number(value, tail + 1, 2), _number(value, tail + 4, 2)
        fits &= (hours <= 23) & (minutes <= 59)  # noqa: PLR2004
        seconds -= np.where(letters[:, tail] == _DASH, -60, 60) * (60 * hours + minutes)
    result = seconds * SECOND_US
    if fraction:
        result += _number(value, 20, fraction - 1) * 10 ** (7 - fraction)
    result[~fits] = 0
    return result, fits


def _number(value: IntArray, start: int, digits: int) -> IntArray:
    number = value[:, start].copy()
    for place in range(start + 1, start + digits):
        number = number * 10 + value[:, place]
    return number


def _seconds(value: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """Seconds since 1970 of the local times in the first 19 letters, and which of them exist."""
    year, month, day = _number(value, 0, 4), _number(value, 5, 2), _number(value, 8, 2)
    hour, minute, second = _number(value, 11, 2), _number(value, 14, 2), _number(value, 17, 2)
    exists = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)  # noqa: PLR2004
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    in_month = _MONTH_DAYS[np.where(exists, month, 0)] + (is_leap & (month == 2))  # noqa: PLR2004
    exists &= (day <= in_month) & (hour <= 23) & (minute <= 59) & (second <= 59)  # noqa: PLR2004
    # Days from the civil calendar, with the year beginning in March so that the leap day comes last.
    shifted = year - (month <= 2)  # noqa: PLR2004
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    days = era * 146_097 + day_of_era - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60 + second, exists
