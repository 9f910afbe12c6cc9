"""The careful way through a payload: every value is looked at by itself, and judged by itself.

It is taken where the quick way of :mod:`ingest.wire` meets anything but plain readings of known
channels: a NaN among good values, a unit, a quality, a key given twice. It is some five times slower.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from domain.errors import InputError, UnitError
from domain.quality import Quality
from domain.readings import Reason
from domain.time import parse_instant
from domain.units import conversion_factor
from ingest.columns import WHOLE, Columns, place_of, rejection
from ingest.directory import ChannelEntry, MeterEntry
from ingest.texts import kind_of

__all__ = ["QUALITY_WORDS", "READING_KEYS", "Refused", "is_private", "json_content", "read_carefully"]

QUALITY_WORDS = {quality.name.lower(): quality.value for quality in Quality if quality.name}
READING_KEYS = ("ts", "values", "quality", "units")

# Looking up a unit that nobody knows takes pint a tenth of a millisecond, and a payload has room for thousands.
_MOST_UNITS = 64
_EPOCH_MS_DIGITS = 400


class Refused(Exception):  # noqa: N818 - carries a reason from the place where it is seen to where it is written down
    """A message, a reading or a value is set aside."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Say why, for the ledger and for a person."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _Doubled(dict[str, Any]):
    """An object in which keys are given more than once: JSON does not say which of them holds."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs
        seen: set[str] = set()
        self.doubled = {key for key, _ in pairs if key in seen or seen.add(key)}  # type: ignore[func-returns-value]


@dataclass(slots=True)
class _Bounds:
    """What one message may still do."""

    units: set[tuple[str, str]]


def read_carefully(columns: Columns, index: int, payload: bytes, meter: MeterEntry, most_values: int) -> None:
    """
    Add the readings and rejections of one message of a known meter to the columns.

    Raises
    ------
    Refused
        The whole message is set aside; nothing was added.
    """
    readings = list(_readings(json_content(payload)))
    if sum(_count(reading) for _, reading in readings) > most_values:
        raise Refused(Reason.TOO_LARGE, f"more than {most_values} values in one message; split it")
    bounds = _Bounds(units=set())
    for number, reading in readings:
        try:
            stamp, values = _checked(reading, meter)
        except Refused as refused:
            place = place_of(number)
            columns.rejections.append(rejection(index, place, refused.reason, refused.detail, _count(reading)))
            continue
        columns.message.append(index)
        columns.number.append(number)
        columns.stamp.append(stamp)
        before = len(columns.value)
        for quantity, value in values.items():
            try:
                _add(columns, meter, reading, quantity, value, bounds=bounds)
            except Refused as refused:
                detail = f"{quantity[:60]}: {refused.detail}"
                place = place_of(number, quantity)
                columns.rejections.append(rejection(index, place, refused.reason, detail, _times(values, quantity)))
        columns.values.append(len(columns.value) - before)


def is_private(key: str) -> bool:
    """Whether a key belongs to the gateway alone, and is passed over."""
    return key.startswith(("_", "x-"))


def json_content(payload: bytes) -> object:
    """The JSON of a payload; numbers that are not finite come as such, doubled keys are told."""
    if b"\0" in payload:
        raise Refused(Reason.ENCODING, "the payload holds a NUL")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(Reason.ENCODING, f"the payload is not UTF-8 (byte {error.start})") from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise Refused(Reason.MALFORMED, f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Refused(Reason.MALFORMED, "not JSON we take: nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    return content if len(content) == len(pairs) else _Doubled(pairs)


def _integer(text: str) -> int | float:
    # Python refuses to read an integer of thousands of digits; as a float it is infinite, and refused as a value.
    return int(text) if len(text) <= _EPOCH_MS_DIGITS else float(text)


def _readings(content: object) -> Iterator[tuple[int, Any]]:
    """The readings of a message, each with its number."""
    if not isinstance(content, dict):
        raise Refused(Reason.MALFORMED, f"the payload is {kind_of(content)}, not an object with ts and values")
    if "readings" not in content:
        return iter([(WHOLE, content)])
    if isinstance(content, _Doubled):
        raise Refused(Reason.MALFORMED, f"key {min(content.doubled)[:40]!r} is given twice")
    others = sorted(key for key in content if key != "readings" and not is_private(key))
    if others:
        raise Refused(Reason.MALFORMED, f"unknown key {others[0][:40]!r} beside readings")
    entries = content["readings"]
    if not isinstance(entries, list):
        raise Refused(Reason.MALFORMED, f"readings is {kind_of(entries)}, not a list")
    if not entries:
        raise Refused(Reason.MALFORMED, "readings is empty")
    return enumerate(entries)


def _count(reading: object) -> int:
    """How many values a reading holds, however wrong it is; at least one."""
    if not isinstance(reading, dict):
        return 1
    pairs = reading.pairs if isinstance(reading, _Doubled) else list(reading.items())
    found = (values for key, values in pairs if key == "values" and isinstance(values, dict))
    return max(1, sum(len(values.pairs) if isinstance(values, _Doubled) else len(values) for values in found))


def _times(values: dict[str, Any], quantity: str) -> int:
    """How often a quantity is given."""
    return sum(key == quantity for key, _ in values.pairs) if isinstance(values, _Doubled) else 1


def _checked(reading: object, meter: MeterEntry) -> tuple[int | str, dict[str, Any]]:
    """The stamp and the values of a reading whose shape is right."""
    if not isinstance(reading, dict):
        raise Refused(Reason.MALFORMED, f"the reading is {kind_of(reading)}, not an object with ts and values")
    if isinstance(reading, _Doubled):
        raise Refused(Reason.MALFORMED, f"key {min(reading.doubled)[:40]!r} is given twice")
    unknown = sorted(key for key in reading if key not in READING_KEYS and not is_private(key))
    if unknown:
        raise Refused(Reason.MALFORMED, f"unknown key {unknown[0][:40]!r}; a reading has ts, values, quality and units")
    values = reading.get("values")
    if not isinstance(values, dict):
        raise Refused(Reason.MALFORMED, f"values is {kind_of(values)}, not an object of quantities and numbers")
    if not values:
        raise Refused(Reason.MALFORMED, "values is empty")
    _check_names(Reason.UNIT, "units", reading.get("units"), values, meter)
    if isinstance(reading.get("quality"), dict):
        _check_names(Reason.QUALITY, "quality", reading["quality"], values, meter)
    return _stamp(reading.get("ts")), values


def _check_names(reason: Reason, key: str, said: object, values: dict[str, Any], meter: MeterEntry) -> None:
    """What is said of a quantity must be of one that can be meant: a typo would lose it silently."""
    if said is None:
        return
    if not isinstance(said, dict):
        raise Refused(reason, f"{key} is {kind_of(said)}, not an object by quantity")
    if isinstance(said, _Doubled):
        raise Refused(reason, f"{key} names {min(said.doubled)[:40]!r} twice")
    for quantity in said:
        if quantity not in values and quantity not in meter.channels:
            raise Refused(reason, f"{key} names {quantity[:40]!r}, which this meter does not have; which one is meant?")


def _stamp(ts: object) -> int | str:
    if type(ts) is str:
        try:
            parse_instant(ts)
        except InputError as error:
            raise Refused(Reason.TIME, str(error)) from None
        return ts
    if type(ts) is int:
        return ts
    if ts is None:
        raise Refused(Reason.TIME, "no ts; write RFC 3339 with an offset, or whole milliseconds since 1970 UTC")
    raise Refused(Reason.TIME, f"ts is {kind_of(ts)}; write RFC 3339 with an offset, or whole milliseconds")


def _add(
    columns: Columns, meter: MeterEntry, reading: dict[str, Any], quantity: str, value: object, *, bounds: _Bounds
) -> None:
    """Add one value to the columns."""
    if _times(reading["values"], quantity) > 1:
        raise Refused(Reason.MALFORMED, "given twice in one reading; which one holds?")
    entry = meter.channels.get(quantity)
    if entry is None:
        known = ", ".join(sorted(meter.channels))
        raise Refused(Reason.UNKNOWN_CHANNEL, f"the meter has no such channel; it has {known or 'none'}")
    number = _number(value)
    quality, units = reading.get("quality"), reading.get("units")
    factor = _factor(entry, units[quantity], bounds) if units is not None and quantity in units else None
    mask = 0 if quality is None else _mask(quality, quantity)
    if factor is not None:
        columns.factor[len(columns.value)] = factor
    if mask:
        columns.quality[len(columns.value)] = mask
    columns.row.append(entry.row)
    columns.value.append(number)


def _number(value: object) -> float:
    if type(value) not in {int, float}:
        raise Refused(Reason.NOT_A_NUMBER, f"the value is {kind_of(value)}, not a number")
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise Refused(Reason.NOT_FINITE, "the number is too large") from None
    if not isfinite(number):
        raise Refused(Reason.NOT_FINITE, f"the value is {number}, not a finite number")
    return number


def _factor(entry: ChannelEntry, unit: object, bounds: _Bounds) -> float:
    if type(unit) is not str:
        raise Refused(Reason.UNIT, f"the unit is {kind_of(unit)}, not a text")
    bounds.units.add((unit, entry.unit))
    if len(bounds.units) > _MOST_UNITS:
        raise Refused(Reason.UNIT, f"more than {_MOST_UNITS} different units in one message")
    try:
        return conversion_factor(unit, entry.unit)
    except UnitError as error:
        raise Refused(Reason.UNIT, str(error)) from None


def _mask(quality: object, quantity: str) -> int:
    """The quality bits of one value: said of all values of the reading, or of each quantity."""
    words = quality.get(quantity, ()) if isinstance(quality, dict) else quality
    if isinstance(words, str):
        words = (words,)
    if isinstance(words, dict) or not isinstance(words, Iterable):
        raise Refused(Reason.QUALITY, f"quality is {kind_of(words)}, not a word or a list of words")
    mask = 0
    for word in words:
        bit = QUALITY_WORDS.get(word) if type(word) is str else None
        if bit is None:
            known = ", ".join(QUALITY_WORDS)
            raise Refused(Reason.QUALITY, f"unknown quality {str(word)[:40]!r}; known are {known}")
        mask |= bit
    return mask
