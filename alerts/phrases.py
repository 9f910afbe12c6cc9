"""Values, lengths of time and moments as people read them."""

from datetime import datetime
from math import floor, isfinite, log10
from zoneinfo import ZoneInfo

from domain.alarms import Watch
from domain.time import to_datetime

__all__ = ["duration", "instant", "moment", "offset", "quantity", "told_apart"]

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DIGITS = 4
_MOST_DIGITS = 15
_UNITS_OF_TIME = (("day", "days", 86_400), ("h", "h", 3600), ("min", "min", 60), ("s", "s", 1))
_SHARES = frozenset({"disk_free"})


def duration(seconds: float) -> str:
    """
    A length of time in its two greatest units, rounded down. [s]

    Examples
    --------
    >>> duration(7500), duration(90_000), duration(0.4)
    ('2 h 5 min', '1 day 1 h', 'less than 1 s')
    """
    left = floor(seconds)
    if left < 1:
        return "less than 1 s"
    first = next(place for place, (_, _, length) in enumerate(_UNITS_OF_TIME) if left >= length)
    parts: list[str] = []
    for one, many, length in _UNITS_OF_TIME[first : first + 2]:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    return " ".join(parts)


def moment(instant_us: int, zone: ZoneInfo) -> str:
    """An instant in park-local time to the minute, with the zone's abbreviation: `24 November 2026 08:05 WIB`."""
    local = to_datetime(instant_us).astimezone(zone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year} {local:%H:%M} {_zone_word(local)}"


def offset(instant_us: int, zone: ZoneInfo) -> str:
    """What the zone is apart from UTC at an instant: `UTC+07:00`."""
    return _offset(to_datetime(instant_us).astimezone(zone))


def instant(instant_us: int) -> str:
    """An instant for machines, in UTC; with its fraction only where it has one: `2026-11-24T01:05:00Z`."""
    return to_datetime(instant_us).isoformat().replace("+00:00", "Z")


def quantity(value: float, watch: Watch, digits: int = _DIGITS) -> str:
    """
    A value of what is watched, with its unit.

    Seconds become minutes, hours and days, shares of a disk per cent; digits before the point are never cut.
    """
    if not isfinite(value):
        return "unknown"
    if watch.unit == "s":
        return duration(value)
    if watch.source.health in _SHARES:
        return f"{_number(100 * value, digits)} %"
    number = _number(value, digits)
    if watch.unit == "pH":
        return f"pH {number}"
    return number if watch.unit == "1" else f"{number} {watch.unit.replace('degC', '°C')}"


def told_apart(value: float, bound: float, watch: Watch) -> tuple[str, str]:
    """Value and bound with so many digits that they differ where they do: 100.004 mg/L is above 100 mg/L."""
    for digits in range(_DIGITS, _MOST_DIGITS + 1):
        texts = quantity(value, watch, digits), quantity(bound, watch, digits)
        if texts[0] != texts[1] or value == bound or watch.unit == "s":
            break
    return texts


def _number(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    places = max(digits - 1 - floor(log10(abs(value))), 0)
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _offset(local: datetime) -> str:
    digits = f"{local:%z}"
    return f"UTC{digits[:3]}:{digits[3:5]}"


def _zone_word(local: datetime) -> str:
    word = local.tzname() or ""
    return word if word.isalpha() else _offset(local)
