"""Entered values as people and gateways write them, checked: a line of a table, a row of a request, a message's object."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from domain.context import CONTEXTS
from domain.errors import InputError
from domain.time import Level, from_datetime, level_edges, parse_instant

__all__ = ["FIELDS", "ContextEntry", "ContextMistake", "context_entry", "period_of"]

FIELDS = ("tenant", "series", "start", "stop", "value", "note")
"""What is said of a value; `tenant` only where the place does not say it."""

_SIGNED = frozenset({"turnover", "value_added"})
_LONGEST_NOTE = 500
_SHOWN = 60
_PERIOD = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


class ContextMistake(InputError):  # noqa: N818 - as a person would say it
    """Something is wrong with an entered value; the text tells all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEntry:
    """A value that somebody enters for `[start, stop)`."""

    series: str
    """Key in :data:`domain.context.CONTEXTS`."""
    start_us: int
    stop_us: int
    """[us UTC]"""
    value: float | None
    """None: what was entered for this time is withdrawn. [unit of the series]"""
    note: str = ""


def context_entry(fields: Mapping[str, object], zone: ZoneInfo, *, may_withdraw: bool = False) -> ContextEntry:
    """
    The entry that somebody wrote, everything in it looked at.

    Parameters
    ----------
    fields : mapping
        `series`, `start`, `stop`, `value`, `note`. Without `stop`, `start` is a local year, month or day, which is meant whole.
    zone : ZoneInfo
        The park's zone.
    may_withdraw : bool
        Whether a value of None is meant so.

    Raises
    ------
    ContextMistake
        With everything that is wrong, and what would be right.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> one = context_entry({"series": "production_t", "start": "2026-10", "value": 12}, ZoneInfo("Asia/Jakarta"))
    >>> (one.stop_us - one.start_us) / 86_400_000_000
    31.0
    """
    wrong: list[str] = []
    others = sorted(str(name)[:_SHOWN] for name in fields if name not in FIELDS)
    if others:
        wrong.append(f"unknown field {others[0]!r}; a value has series, start, stop, value and note")
    series = _series(fields.get("series"), wrong)
    interval = _interval(fields.get("start"), fields.get("stop"), zone, wrong)
    value = _value(fields.get("value"), series, wrong, may_withdraw=may_withdraw)
    note = _note(fields.get("note"), wrong)
    if wrong:
        raise ContextMistake("; ".join(wrong))
    return ContextEntry(series=series, start_us=interval[0], stop_us=interval[1], value=value, note=note)


def period_of(text: str, zone: ZoneInfo) -> tuple[int, int] | None:
    """The local year, month or day that a text names, from start to stop; None: it names none. [us UTC]"""
    found = _PERIOD.fullmatch(text)
    if found is None:
        return None
    year, month, day = (None if part is None else int(part) for part in found.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
    except ValueError:
        return None
    if not _FIRST_YEAR <= first.year <= _LAST_YEAR:
        return None
    level = Level.YEAR if month is None else Level.MONTH if day is None else Level.DAY
    # Noon is on the day itself, whatever its clocks do.
    noon_us = from_datetime(datetime(first.year, first.month, first.day, 12, tzinfo=zone))
    start_us, stop_us = level_edges(zone, 3600, level, noon_us, noon_us + 1).tolist()
    return start_us, stop_us


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _series(value: object, wrong: list[str]) -> str:
    if isinstance(value, str) and value in CONTEXTS:
        return value
    if value is None or value == "":
        wrong.append(f"no series; known are {', '.join(CONTEXTS)}")
        return ""
    near = get_close_matches(str(value)[:_SHOWN], CONTEXTS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(CONTEXTS)}"
    wrong.append(f"series {_shown(value)} is not one; {hint}")
    return ""


def _interval(start: object, stop: object, zone: ZoneInfo, wrong: list[str]) -> tuple[int, int]:
    if not isinstance(start, str) or not start:
        wrong.append("no start; write 2026-10-01T00:00:00+07:00, or a whole local month as 2026-10 without a stop")
        return 0, 0
    if stop is None or stop == "":
        period = period_of(start, zone)
        if period is None:
            wrong.append(
                f"start {_shown(start)} without a stop is no local year, month or day; write 2026, 2026-10 or 2026-10-31"
            )
        return period or (0, 0)
    edges = []
    for name, text in (("start", start), ("stop", stop)):
        try:
            edges.append(parse_instant(text if isinstance(text, str) else repr(text)))
        except InputError as error:
            wrong.append(f"{name}: {error}")
    if len(edges) < 2:  # noqa: PLR2004 - both
        return 0, 0
    if edges[0] >= edges[1]:
        wrong.append(
            f"stop {_shown(stop)} is not after start {_shown(start)}; a value is for the time from start up to stop"
        )
    return edges[0], edges[1]


def _value(value: object, series: str, wrong: list[str], *, may_withdraw: bool) -> float | None:
    if value is None and may_withdraw:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong.append(f"value {_shown(value)} is not a number" if value is not None else "no value")
        return None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        wrong.append(f"value {_shown(value)} is not a finite number")
    elif number < 0 and series not in _SIGNED:
        wrong.append(f"value {number:g} is below 0; {series or 'an entered value'} cannot be")
    return number


def _note(value: object, wrong: list[str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        wrong.append(f"note {_shown(value)} is not a text")
        return ""
    if len(value) > _LONGEST_NOTE:
        wrong.append(f"the note has {len(value)} characters; at most {_LONGEST_NOTE} are kept")
    # NUL and lone surrogates cannot be stored as text.
    return "".join(sign if sign.isprintable() else " " for sign in value)
