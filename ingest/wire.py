"""The wire format: bytes become readings in columns, or rejections with their reason. Never an error.

One topic per meter, `kawasan/v1/{park}/{tenant}/{meter}`, and JSON in one of two shapes::

    {"ts": "2026-11-24T08:15:00+07:00", "values": {"energy_import": 123.4}}
    {"readings": [{"ts": 1795483800000, "values": {...}, "quality": {...}, "units": {...}}, ...]}

`docs/wire-format.md` says it for the people who connect meters.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from domain.errors import InputError, UnitError
from domain.quality import Quality
from domain.readings import Batch, Message, ReadingBatch, Reason, Rejection
from domain.time import DAY_US, SECOND_US, parse_instant, to_datetime
from domain.units import conversion_factor
from ingest.directory import PREFIX, ChannelEntry, Directory, MeterEntry

__all__ = ["Limits", "decode", "json_schema"]

QUALITY_WORDS = {quality.name.lower(): quality.value for quality in Quality if quality.name}
READING_KEYS = frozenset({"ts", "values", "quality", "units"})
UNKNOWN_SOURCE = "unknown"

_DETAIL = 300
_LARGEST = 1.7976931348623157e308
_EARLIEST_MS, _LATEST_MS = -62_135_596_800_000, 253_402_300_799_999
_SECONDS_NOT_MS = 100_000_000_000
_parse = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken at most."""

    message_bytes: int = 256 * 1024
    """A longer payload is rejected whole. [B]"""
    values: int = 50_000
    """A message with more values is rejected whole."""
    future_us: int = 5 * 60 * SECOND_US
    """How far ahead of our clock a reading may be. [us]"""
    oldest_us: int = 400 * DAY_US
    """How old a reading may be. [us]"""


@dataclass(slots=True)
class _Columns:
    """Columns as they grow."""

    message: list[int] = field(default_factory=list)
    channel_id: list[int] = field(default_factory=list)
    ts_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What is read against: the meter of the message, and the times that are taken."""

    index: int
    meter: MeterEntry
    earliest_us: int
    latest_us: int


class _Refused(Exception):  # noqa: N818 - carries a reason from the place where it is seen to where it is written down
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def decode(messages: Sequence[Message], directory: Directory, now_us: int, limits: Limits) -> Batch:
    """
    Decode messages into one batch.

    Total: whatever the bytes are, each value of each message ends as a reading or inside a rejection.
    One bad value does not touch the good ones beside it. Values are brought to the canonical unit,
    intervals and means that are stamped at their end to their start.

    Parameters
    ----------
    messages : sequence of Message
    directory : Directory
        Meters that are not in it are rejected as `unknown_meter`.
    now_us : int
        By our clock. [us UTC]
    limits : Limits

    Returns
    -------
    Batch
        With the same messages in the same order.
    """
    columns = _Columns()
    sources = []
    for index, message in enumerate(messages):
        meter = directory.meters.get(message.topic)
        sources.append(_source(message, meter))
        try:
            readings = _opened(message, meter is not None, limits)
            if meter is not None:
                oldest_us = now_us - limits.oldest_us if message.oldest_us is None else message.oldest_us
                latest_us = now_us + limits.future_us
                taken = _Taken(index=index, meter=meter, earliest_us=oldest_us, latest_us=latest_us)
                for place, reading in readings:
                    _read(columns, taken, place, reading)
        except _Refused as refused:
            columns.rejections.append(_rejection(index, "", refused.reason, refused.detail))
    return Batch(
        messages=tuple(messages),
        sources=tuple(sources),
        readings=ReadingBatch(
            message=np.array(columns.message, dtype=np.int32),
            channel_id=np.array(columns.channel_id, dtype=np.int32),
            ts_us=np.array(columns.ts_us, dtype=np.int64),
            value=np.array(columns.value, dtype=np.float64),
            quality=np.array(columns.quality, dtype=np.int32),
        ),
        rejections=tuple(columns.rejections),
    )


def _source(message: Message, meter: MeterEntry | None) -> str:
    if message.origin != "mqtt":
        return message.origin
    return UNKNOWN_SOURCE if meter is None else meter.source


def _rejection(message: int, place: str, reason: Reason, detail: str, values: int = 1) -> Rejection:
    return Rejection(message=message, place=_printable(place), reason=reason, detail=_printable(detail), values=values)


def _printable(text: str) -> str:
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(sign if " " <= sign <= "~" else "?" for sign in plain)[:_DETAIL]


def _opened(message: Message, is_known: bool, limits: Limits) -> list[tuple[str, dict[str, Any]]]:
    """The readings of a message of a known meter, each with its place, before anything in them was looked at."""
    if len(message.payload) > limits.message_bytes:
        size = len(message.payload)
        raise _Refused(Reason.TOO_LARGE, f"payload of {size} bytes; at most {limits.message_bytes} are taken")
    if not is_known:
        raise _unknown_topic(message.topic)
    readings = _readings(_content(message.payload))
    if sum(len(values) for _, reading in readings if isinstance(values := reading.get("values"), dict)) > limits.values:
        raise _Refused(Reason.TOO_LARGE, f"more than {limits.values} values in one message; split it")
    return readings


def _unknown_topic(topic: bytes) -> _Refused:
    try:
        text = topic.decode("utf-8")
    except UnicodeDecodeError:
        return _Refused(Reason.ENCODING, "the topic is not UTF-8")
    if "\0" in text:
        return _Refused(Reason.ENCODING, "the topic holds a NUL")
    parts = text.removeprefix(f"{PREFIX}/").split("/")
    if not text.startswith(f"{PREFIX}/") or len(parts) != 3 or not all(parts):  # noqa: PLR2004 - park, tenant, meter
        return _Refused(Reason.TOPIC, f"topic {text[:120]!r} is not {PREFIX}/park/tenant/meter")
    return _Refused(
        Reason.UNKNOWN_METER, f"no meter {'/'.join(parts)[:200]!r} in the registry; is it in the park file?"
    )


def _content(payload: bytes) -> object:
    """The JSON of a payload; numbers that are not finite come as such."""
    try:
        return _parse(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Perhaps only a NaN among good values: the slower parser takes those, so that they are refused one by one.
        return _tolerant(payload)


def _tolerant(payload: bytes) -> object:
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refused(Reason.ENCODING, f"the payload is not UTF-8 (byte {error.start})") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _Refused(Reason.MALFORMED, f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _Refused(Reason.MALFORMED, "not JSON we take: nested too deeply") from None
    except ValueError:
        raise _Refused(Reason.MALFORMED, "not JSON we take: a number with too many digits") from None


def _readings(content: object) -> list[tuple[str, dict[str, Any]]]:
    """The readings of a message, each with its place."""
    if not isinstance(content, dict):
        raise _Refused(Reason.MALFORMED, f"the payload is {_kind(content)}, not an object with ts and values")
    if "readings" not in content:
        return [("", content)]
    others = sorted(key for key in content if key != "readings" and not _is_private(key))
    if others:
        raise _Refused(Reason.MALFORMED, f"unknown key {others[0][:40]!r} beside readings")
    entries = content["readings"]
    if not isinstance(entries, list):
        raise _Refused(Reason.MALFORMED, f"readings is {_kind(entries)}, not a list")
    if not entries:
        raise _Refused(Reason.MALFORMED, "readings is empty")
    # An entry that is no object becomes one without values, and is refused at its own place.
    return [
        (f"readings[{place}]", entry if isinstance(entry, dict) else {"not an object": entry})
        for place, entry in enumerate(entries)
    ]


def _is_private(key: str) -> bool:
    return key.startswith(("_", "x-"))


def _kind(found: object) -> str:
    words = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if found is None else words.get(type(found), "something else")


def _read(columns: _Columns, taken: _Taken, place: str, reading: dict[str, Any]) -> None:
    values = reading.get("values")
    try:
        ts_us = _checked(reading, values)
    except _Refused as refused:
        count = max(1, len(values)) if isinstance(values, dict) else 1
        columns.rejections.append(_rejection(taken.index, place, refused.reason, refused.detail, count))
        return
    quality, units = reading.get("quality"), reading.get("units")
    dot = f"{place}.values." if place else "values."
    for quantity, value in reading["values"].items():
        try:
            entry = _known(taken.meter, quantity)
            number = _finite(_number(value) * _factor(entry, units, quantity))
            start_us = _in_time(entry, ts_us, taken)
            mask = 0 if quality is None else _mask(quality, quantity)
        except _Refused as refused:
            detail = f"{quantity[:60]}: {refused.detail}"
            columns.rejections.append(_rejection(taken.index, dot + quantity[:60], refused.reason, detail))
            continue
        columns.message.append(taken.index)
        columns.channel_id.append(entry.channel_id)
        columns.ts_us.append(start_us)
        columns.value.append(number)
        columns.quality.append(mask)


def _checked(reading: dict[str, Any], values: object) -> int:
    """The time of a reading whose shape is right. [us UTC]"""
    if not reading.keys() <= READING_KEYS:
        unknown = sorted(key for key in reading if key not in READING_KEYS and not _is_private(key))
        if unknown:
            raise _Refused(
                Reason.MALFORMED, f"unknown key {unknown[0][:40]!r}; a reading has ts, values, quality and units"
            )
    if not isinstance(values, dict):
        raise _Refused(Reason.MALFORMED, f"values is {_kind(values)}, not an object of quantities and numbers")
    if not values:
        raise _Refused(Reason.MALFORMED, "values is empty")
    units = reading.get("units")
    if units is not None and not isinstance(units, dict):
        raise _Refused(Reason.UNIT, f"units is {_kind(units)}, not an object of quantities and units")
    return _instant(reading.get("ts"))


def _instant(ts: object) -> int:
    if type(ts) is str:
        try:
            return parse_instant(ts)
        except InputError as error:
            raise _Refused(Reason.TIME, str(error)) from None
    if type(ts) is int:
        if not _EARLIEST_MS <= ts <= _LATEST_MS:
            raise _Refused(Reason.TIME, "ts is outside the calendar; write milliseconds since 1970 UTC")
        return ts * 1000
    if ts is None:
        raise _Refused(Reason.TIME, "no ts; write RFC 3339 with an offset, or whole milliseconds since 1970 UTC")
    raise _Refused(Reason.TIME, f"ts is {_kind(ts)}; write RFC 3339 with an offset, or whole milliseconds")


def _known(meter: MeterEntry, quantity: str) -> ChannelEntry:
    entry = meter.channels.get(quantity)
    if entry is None:
        known = ", ".join(sorted(meter.channels))
        raise _Refused(Reason.UNKNOWN_CHANNEL, f"the meter has no such channel; it has {known or 'none'}")
    return entry


def _number(value: object) -> float:
    if type(value) is float:
        number = value
    elif type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            raise _Refused(Reason.NOT_FINITE, "the number is too large") from None
    else:
        raise _Refused(Reason.NOT_A_NUMBER, f"the value is {_kind(value)}, not a number")
    return number


def _finite(number: float) -> float:
    if not -_LARGEST <= number <= _LARGEST:
        raise _Refused(Reason.NOT_FINITE, f"the value is {number} in the channel's unit, not a finite number")
    return number


def _factor(entry: ChannelEntry, units: dict[str, Any] | None, quantity: str) -> float:
    if units is None or quantity not in units:
        return entry.factor
    unit = units[quantity]
    if type(unit) is not str:
        raise _Refused(Reason.UNIT, f"the unit is {_kind(unit)}, not a text")
    try:
        return conversion_factor(unit, entry.unit)
    except UnitError as error:
        raise _Refused(Reason.UNIT, str(error)) from None


def _in_time(entry: ChannelEntry, ts_us: int, bounds: _Taken) -> int:
    """The start of what the value covers, where its time is one we take. [us UTC]"""
    if ts_us > bounds.latest_us:
        raise _Refused(Reason.CLOCK, f"{to_datetime(ts_us):%Y-%m-%dT%H:%M:%SZ} is in the future by our clock")
    start_us = ts_us - entry.shift_us
    if start_us < entry.valid_from_us or start_us > entry.valid_to_us:
        hint = "; is ts in seconds? it must be milliseconds" if 0 < ts_us // 1000 < _SECONDS_NOT_MS else ""
        raise _Refused(Reason.CLOCK, f"{_shown(ts_us)} is outside the life of the channel{hint}")
    if start_us < bounds.earliest_us:
        raise _Refused(
            Reason.CLOCK, f"{_shown(ts_us)} is older than the oldest that is taken, {_shown(bounds.earliest_us)}"
        )
    return start_us


def _shown(instant_us: int) -> str:
    try:
        return f"{to_datetime(instant_us):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return f"{instant_us} us"


def _mask(quality: object, quantity: str) -> int:
    """The quality bits of one value: said of all values of the reading, or of each quantity."""
    words = quality.get(quantity, ()) if isinstance(quality, dict) else quality
    if isinstance(words, str):
        words = (words,)
    if not isinstance(words, Iterable):
        raise _Refused(Reason.QUALITY, f"quality is {_kind(words)}, not a word or a list of words")
    mask = 0
    for word in words:
        bit = QUALITY_WORDS.get(word) if type(word) is str else None
        if bit is None:
            known = ", ".join(QUALITY_WORDS)
            raise _Refused(Reason.QUALITY, f"unknown quality {str(word)[:40]!r}; known are {known}")
        mask |= bit
    return mask


def json_schema() -> dict[str, Any]:
    """The payload as a JSON schema (2020-12)."""
    words = {"enum": list(QUALITY_WORDS)}
    said = {"oneOf": [words, {"type": "array", "items": words}]}
    reading = {
        "type": "object",
        "required": ["ts", "values"],
        "properties": {
            "ts": {
                "description": "RFC 3339 with an offset, or whole milliseconds since 1970 UTC",
                "oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}],
            },
            "values": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number"}},
            "quality": {
                "description": "of every value of the reading, or by quantity; absent: good",
                "oneOf": [*said["oneOf"], {"type": "object", "additionalProperties": said}],
            },
            "units": {
                "description": "by quantity, where not the one that the park file names",
                "type": "object",
                "additionalProperties": {"type": "string", "maxLength": 32},
            },
        },
        "patternProperties": {"^(_|x-)": {}},
        "additionalProperties": False,
    }
    many = {
        "type": "object",
        "required": ["readings"],
        "properties": {"readings": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/reading"}}},
        "patternProperties": {"^(_|x-)": {}},
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kawasan reading message, v1",
        "oneOf": [{"$ref": "#/$defs/reading"}, many],
        "$defs": {"reading": reading},
    }
