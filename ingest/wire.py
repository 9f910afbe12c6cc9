"""The wire format: bytes become readings in columns, or rejections with their reason. Never an error.

One topic per meter, `kawasan/v1/{park}/{tenant}/{meter}`, and JSON in one of two shapes::

    {"ts": "2026-11-24T08:15:00+07:00", "values": {"energy_import": 123.4}}
    {"readings": [{"ts": 1795483800000, "values": {...}, "quality": {...}, "units": {...}}, ...]}

`docs/wire-format.md` says it for the people who connect meters. Beside them, `kawasan/v1/{park}/{tenant}/_context` takes
entered values, which :mod:`ingest.entered` reads.

Plain readings of known channels are read by msgspec into typed objects; anything else goes
the careful way of :mod:`ingest.careful`. Both end in the same columns, and mean the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from domain.readings import Batch, ContextValue, Message, Reason
from domain.time import DAY_US, SECOND_US
from ingest.careful import Refused, read_carefully
from ingest.columns import WHOLE, Columns, rejection
from ingest.directory import PREFIX, ContextTopic, Directory, MeterEntry
from ingest.entered import read_context_message

__all__ = ["Limits", "decode"]

UNKNOWN_SOURCE = "unknown"


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


class _Reading(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    ts: int | str
    values: dict[str, float]


class _Payload(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    ts: int | str | None = None
    values: dict[str, float] | None = None
    readings: list[_Reading] | None = None


_parse = msgspec.json.Decoder(_Payload).decode


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
        With the same messages in the same order; its readings and rejections are in the order of the messages.
    """
    columns = Columns()
    sources: list[str] = []
    contexts: list[ContextValue] = []
    for index, message in enumerate(messages):
        meter = directory.meters.get(message.topic)
        entered = directory.contexts.get(message.topic) if meter is None else None
        sources.append(_source(message, entered or meter))
        try:
            if entered is not None:
                _check_size(message, limits)
                contexts += read_context_message(columns, index, message.payload, entered, limits.values)
            else:
                _read(columns, index, message, meter, limits)
        except Refused as refused:
            columns.rejections.append(rejection(index, "", refused.reason, refused.detail))
    readings, rejections = columns.finished(
        messages, directory, oldest_us=now_us - limits.oldest_us, latest_us=now_us + limits.future_us
    )
    return Batch(
        messages=tuple(messages),
        sources=tuple(sources),
        readings=readings,
        rejections=rejections,
        contexts=tuple(contexts),
    )


def _source(message: Message, known: MeterEntry | ContextTopic | None) -> str:
    if message.origin != "mqtt":
        return message.origin
    return UNKNOWN_SOURCE if known is None else known.source


def _check_size(message: Message, limits: Limits) -> None:
    size = len(message.payload)
    if size > limits.message_bytes:
        raise Refused(Reason.TOO_LARGE, f"payload of {size} bytes; at most {limits.message_bytes} are taken")


def _read(columns: Columns, index: int, message: Message, meter: MeterEntry | None, limits: Limits) -> None:
    _check_size(message, limits)
    if meter is None:
        _refuse_topic(message.topic)
    if not _read_plain(columns, index, message.payload, meter, most_values=limits.values):
        read_carefully(columns, index, message.payload, meter, limits.values)


def _refuse_topic(topic: bytes) -> NoReturn:
    try:
        text = topic.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(Reason.ENCODING, "the topic is not UTF-8") from None
    if "\0" in text:
        raise Refused(Reason.ENCODING, "the topic holds a NUL")
    parts = text.removeprefix(f"{PREFIX}/").split("/")
    if not text.startswith(f"{PREFIX}/") or len(parts) != 3 or not all(parts):  # noqa: PLR2004 - park, tenant, meter
        raise Refused(Reason.TOPIC, f"topic {text[:120]!r} is not {PREFIX}/park/tenant/meter")
    raise Refused(Reason.UNKNOWN_METER, f"no meter {'/'.join(parts)[:200]!r} in the registry; is it in the park file?")


def _read_plain(columns: Columns, index: int, payload: bytes, meter: MeterEntry, *, most_values: int) -> bool:
    """Add the readings of a message that holds nothing but numbers of known channels; False: it is to be read carefully."""
    try:
        content = _parse(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    try:
        if content.readings is None:
            return _add_one(columns, index, payload, content, meter)
        return _add_many(columns, index, payload, content.readings, meter, most_values=most_values)
    except KeyError:
        return False


def _is_said_once(payload: bytes, keys: int, texts: int) -> bool:
    """
    Whether a payload holds just so many keys, and no key twice.

    msgspec keeps the last of two equal keys, and so would lose a value. Where nothing is escaped, every key and
    every text takes two quotation marks, so their number tells.
    """
    return payload.count(b'"') == 2 * (keys + texts) and b"\\" not in payload


def _add_one(columns: Columns, index: int, payload: bytes, content: _Payload, meter: MeterEntry) -> bool:
    stamp, values = content.ts, content.values
    if stamp is None or not values or not _is_said_once(payload, 2 + len(values), int(type(stamp) is str)):
        return False
    rows = [meter.rows[quantity] for quantity in values]
    columns.message.append(index)
    columns.number.append(WHOLE)
    columns.stamp.append(stamp)
    columns.values.append(len(rows))
    columns.row += rows
    columns.value += values.values()
    return True


def _add_many(
    columns: Columns, index: int, payload: bytes, readings: list[_Reading], meter: MeterEntry, *, most_values: int
) -> bool:
    stamps = [reading.ts for reading in readings]
    values = [reading.values for reading in readings]
    counts = [len(one) for one in values]
    keys, texts = 1 + 2 * len(readings) + sum(counts), sum(type(stamp) is str for stamp in stamps)
    if not all(counts) or not _is_said_once(payload, keys, texts) or not 0 < sum(counts) <= most_values:
        return False
    rows_of = meter.rows
    rows = [rows_of[quantity] for one in values for quantity in one]
    columns.message += [index] * len(readings)
    columns.number += range(len(readings))
    columns.stamp += stamps
    columns.values += counts
    columns.row += rows
    columns.value += [value for one in values for value in one.values()]
    return True
