"""The entries of alarms: rules and contacts as they stand in the park file and in the API.

Frozen values that pydantic checks one by one. What relates two places to each other is :mod:`domain.alarmchecks`; what a
rule becomes for each of its targets is :mod:`domain.watches`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictBool, ValidationInfo, field_validator

from domain.alarms import Category, Schedule, Severity
from domain.notifications import Contact, Quiet, Way
from domain.shapes import Key, Moment, Shape
from domain.watchentries import WATCH_SHAPES, Measure, WatchEntry

__all__ = [
    "ALARM_SHAPES",
    "AlarmEntry",
    "ContactEntry",
    "ScheduleEntry",
    "SuppressEntry",
    "TellEntry",
    "contact_of",
    "schedule_of",
]

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
_DAYS = {
    **{name: (number,) for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))},
    "workdays": (0, 1, 2, 3, 4),
    "weekend": (5, 6),
    "all": (0, 1, 2, 3, 4, 5, 6),
}
_LONGEST_S = 31 * 86400


def _clock(text: str) -> str:
    if _CLOCK.fullmatch(text) is None:
        raise ValueError('must be a stretch of the clock, like "22:00-06:00" (in quotation marks)')
    start, stop = _minutes(text)
    if start == stop:
        raise ValueError('must end at another time than it begins; the whole day is "00:00-24:00"')
    return text


def _minutes(text: str) -> tuple[int, int]:
    start, stop = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return start, stop


DayWord = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "workdays", "weekend", "all"]
Clock = Annotated[str, AfterValidator(_clock)]
SeverityWord = Literal["low", "medium", "high", "critical"]
Seconds: TypeAlias = Annotated[int, Field(ge=0, le=_LONGEST_S)]
_Text = Annotated[str, Field(max_length=1000)]


class ScheduleEntry(Shape):
    """When a rule is looked at; outside of it nothing is judged and nothing raised."""

    days: tuple[DayWord, ...] = Field(default=("all",), min_length=1)
    """`mon` to `sun`, `workdays` (mon to fri), `weekend` (sat and sun), `all`."""
    clock: Clock = "00:00-24:00"
    """Park-local, `"06:00-22:00"`; `"22:00-06:00"` goes over midnight and belongs to the day on which it begins."""
    holidays: bool = True
    """Whether it is looked at on holidays too."""


class SuppressEntry(Shape):
    """Another value, or another alarm, that says that this one means nothing now. Give `channel` or `alarm`."""

    channel: str | None = None
    """A gauge as `tenant/meter/quantity`, or `./quantity` of the target's own meter."""
    above: Measure | None = None
    """Suppressed while the gauge is at or above this. [unit of the gauge, or as written]"""
    below: Measure | None = None
    """Suppressed while the gauge is at or below this; with `above`: while it is between the two."""
    alarm: str | None = None
    """Key of another rule, or `rule@target`: suppressed while it is active. Of a rule with many targets the one that holds this target counts."""


class TellEntry(Shape):
    """Who is told, and after how long without acknowledgement."""

    contact: Key
    """Key of a contact of the park."""
    after_s: Seconds = 0
    """0: at once; later: only where nobody has acknowledged by then. [s]"""


class AlarmEntry(Shape):
    """A rule: what is watched, when it is beyond, what people read of it and who is told."""

    key: Key
    name: str = Field(min_length=1, max_length=200)
    category: Category
    """`exceedance`, `warning`, `data_quality`, `device` or `system`."""
    severity: SeverityWord
    watch: WatchEntry
    """What is watched: one of `channel`, `amount`, `rate`, `kpi`, `compliance`, `silence`, `finding`, `health`, and what belongs to it."""
    above: Measure | None = None
    """Beyond where the value is strictly above it: a number in the unit of what is watched, or a text that names its unit, like `"100 mg/L"`."""
    below: Measure | None = None
    """Beyond where the value is strictly below it."""
    deadband: Measure = 0.0
    """How far back within its bound a value must be to be cleared. It never moves where an alarm is raised."""
    on_delay_s: Seconds = 0
    """Known time beyond before it is raised. [s]"""
    off_delay_s: Seconds = 0
    """Known time back within before it is cleared. [s]"""
    merge_gap_s: Seconds | None = None
    """Exceedances no further apart than this are one episode; None: two windows (of months none). [s]"""
    latching: StrictBool = False
    """Whether it stays until somebody resets it, even acknowledged and back within."""
    realarm_s: int | None = Field(default=None, ge=60, le=_LONGEST_S)
    """Raised anew when it has been active and acknowledged for so long; None: never. [s]"""
    schedule: ScheduleEntry | None = None
    """None: always."""
    suppress: tuple[SuppressEntry, ...] = ()
    message: _Text = ""
    """What the notification says first; none: the name."""
    cause: _Text = ""
    """What usually is behind it."""
    consequence: _Text = ""
    """What follows where nothing is done."""
    action: _Text = ""
    """What is to be done."""
    tell: tuple[TellEntry, ...] = ()
    valid_from: Moment | None = None
    """None: as long as the park."""
    valid_to: Moment | None = None
    enabled: StrictBool = True
    """Whether it is evaluated at all."""

    @property
    def level(self) -> Severity:
        """Its severity as a number that can be compared."""
        return Severity[self.severity.upper()]


class ContactEntry(Shape):
    """Somebody, or something, that is told of alarms."""

    key: Key
    name: str = Field(min_length=1, max_length=200)
    way: Way
    """`email`, `webhook` or `mqtt`."""
    address: str = Field(min_length=1, max_length=500)
    """An e-mail address, an http(s) URL, or a topic."""
    categories: tuple[Category, ...] = Field(default=tuple(Category), min_length=1)
    """What it is told of."""
    least_severity: SeverityWord = "low"
    """It is told of nothing below this."""
    quiet: Clock | None = None
    """Park-local hours in which it is told later, like `"22:00-06:00"`; exceedances and what is critical do not wait."""
    hourly: int = Field(default=30, ge=1, le=1000)
    """Most notifications in an hour; those beyond are put together into one."""

    @field_validator("address")
    @classmethod
    def _address_fits(cls, address: str, info: ValidationInfo) -> str:
        way = info.data.get("way")
        wanted = "" if way is None else _ADDRESS[way](address)
        if wanted:
            raise ValueError(f"must be {wanted}")
        return address


def _email(address: str) -> str:
    return "" if _EMAIL.fullmatch(address) else "an e-mail address, like officer@example.com"


def _webhook(address: str) -> str:
    try:
        parts = urlsplit(address)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if is_right and not parts.username and not parts.password and not re.search(r"\s", address):
        return ""
    return "a URL like https://example.com/alarms, without a name or password in it"


def _mqtt(address: str) -> str:
    is_right = not re.search(r"[+#\s\x00]", address) and address.strip("/") == address
    return "" if is_right else "a topic like officers/wwtp, without '+', '#' and spaces"


_ADDRESS = {Way.EMAIL: _email, Way.WEBHOOK: _webhook, Way.MQTT: _mqtt}


ALARM_SHAPES: Mapping[str, type[Shape]] = {
    "alarms": AlarmEntry,
    "contacts": ContactEntry,
    "schedule": ScheduleEntry,
    "suppress": SuppressEntry,
    "tell": TellEntry,
    **WATCH_SHAPES,
}
"""The shapes by the field that holds them; of watches by their kind."""


def contact_of(entry: ContactEntry) -> Contact:
    """The contact that an entry describes."""
    quiet = (
        None if entry.quiet is None else Quiet(from_minute=_minutes(entry.quiet)[0], to_minute=_minutes(entry.quiet)[1])
    )
    return Contact(
        key=entry.key,
        name=entry.name,
        way=entry.way,
        address=entry.address,
        categories=entry.categories,
        least_severity=Severity[entry.least_severity.upper()],
        quiet=quiet,
        hourly=entry.hourly,
    )


def schedule_of(entry: ScheduleEntry | None) -> Schedule | None:
    """When a rule is looked at; None: always."""
    if entry is None:
        return None
    start, stop = _minutes(entry.clock)
    days = sorted({day for word in entry.days for day in _DAYS[word]})
    return Schedule(days=tuple(days), from_minute=start, to_minute=stop, on_holidays=entry.holidays)
