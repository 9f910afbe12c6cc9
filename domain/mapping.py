"""Mappings: how the rows of a table (a CSV file) become messages of meters.

One mapping serves replay over MQTT and import without it, so both read a file the same way.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from domain.errors import InputError
from domain.quantities import QUANTITIES
from domain.registry import Stamp
from domain.time import SECOND_US, from_datetime, to_datetime

__all__ = [
    "MappedColumn",
    "MappedTime",
    "TableMapping",
    "TableMessage",
    "mapping_schema",
    "parse_mapping",
    "table_messages",
]

Row: TypeAlias = Mapping[str, str | None]
Key = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,62}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MappedTime(_Entry):
    """Where the time of a row stands."""

    column: str
    format: str | None = None
    """`epoch_s`, `epoch_ms`, or as in strptime (`%d.%m.%Y %H:%M`); None: ISO 8601."""
    zone: str | None = None
    """Of times without an offset: an IANA zone, or an offset like `+07:00`. In the hour that is repeated in autumn the order of the rows tells which is meant."""
    interval_s: int = Field(gt=0, le=32 * 86_400)
    """What a row covers. [s]"""
    stamp: Stamp = Stamp.START
    """Which end of what the row covers the time names; messages of values carry the start, of registers the end."""

    @field_validator("zone")
    @classmethod
    def _exists(cls, zone: str | None) -> str | None:
        if zone is not None and _zone(zone) is None:
            raise ValueError(
                f"zone {zone!r} is neither an IANA time zone, like Asia/Jakarta, nor an offset, like +07:00"
            )
        return zone


class MappedColumn(_Entry):
    """One column, and the channel it belongs to."""

    column: str
    tenant: Key
    meter: Key
    quantity: str
    unit: str | None = None
    """Unit in the file, where not the channel's own."""
    factor: float = Field(default=1.0, allow_inf_nan=False)
    """Multiplied with the number in the file."""
    cumulative: bool = False
    """The file holds amounts per row, the meter publishes a register: an opening reading, then one at each row's end."""
    opening: float = Field(default=0.0, allow_inf_nan=False)
    """Index of the register before the first row. [unit]"""

    @field_validator("quantity")
    @classmethod
    def _is_known(cls, quantity: str) -> str:
        if quantity not in QUANTITIES:
            raise ValueError(f"quantity {quantity!r} is not known; known are {', '.join(QUANTITIES)}")
        return quantity


class TableMapping(_Entry):
    """A whole mapping."""

    park: Key
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal_comma: bool = False
    """Numbers are written `12,5`."""
    empty: tuple[str, ...] = ()
    """Cells that hold no value, beside empty ones, such as `?`."""
    time: MappedTime
    columns: tuple[MappedColumn, ...] = Field(min_length=1)
    readings_per_message: int = Field(default=1, ge=1, le=5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMessage:
    """One message made from rows."""

    topic: str
    payload: bytes
    ts_us: int
    """End of the last row in it: when a meter would have sent it. [us UTC]"""
    rows: tuple[int, ...]
    """Which row each of its readings was made of, counted from 1."""


def parse_mapping(text: str) -> TableMapping:
    """
    A mapping from the text of a TOML file.

    Raises
    ------
    InputError
        Not TOML, or not a mapping; all mistakes at once.
    """
    try:
        return TableMapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the mapping is not TOML: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InputError("the mapping is wrong:\n  " + "\n  ".join(lines)) from None


def mapping_schema() -> dict[str, Any]:
    """The JSON schema of a mapping file."""
    return TableMapping.model_json_schema()


def table_messages(
    mapping: TableMapping, rows: Iterable[Row], *, past_bad_times: bool = False
) -> Iterator[TableMessage]:
    """
    Messages of the rows of a table, in order.

    Empty cells are left out. What is no number is sent as it stands, to be rejected and listed like
    any other. A cumulative column is summed in decimal, so that no rounding adds up. Where a row does not begin where the
    last one with an amount ended, the unchanged register is read at its start too: what the row
    holds belongs to the row, and not to the gap before it.

    Parameters
    ----------
    past_bad_times : bool
        Send a time that cannot be read as it stands too, to be rejected with its values, and go on. Not in the first row,
        where the mapping must be wrong, and not where a column is cumulative: all sums after it would be wrong.

    Raises
    ------
    InputError
        A column is missing, a time cannot be read, or an amount to be summed is no number; names row and column.
    """
    forgiving = past_bad_times and not any(one.cumulative for one in mapping.columns)
    reader = _Reader(mapping=mapping, forgiving=forgiving)
    waiting: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    last_us: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        stop_us, readings = reader.readings(row, number)
        for topic, reading in readings:
            waiting.setdefault(topic, []).append((number, reading))
            last_us[topic] = stop_us
            if len(waiting[topic]) >= mapping.readings_per_message:
                yield _message(topic, waiting.pop(topic), stop_us)
    for topic, held in waiting.items():
        yield _message(topic, held, last_us[topic])


def _message(topic: str, held: list[tuple[int, dict[str, Any]]], ts_us: int) -> TableMessage:
    readings = [reading for _, reading in held]
    content = readings[0] if len(readings) == 1 else {"readings": readings}
    payload = json.dumps(content, separators=(",", ":")).encode()
    return TableMessage(topic=topic, payload=payload, ts_us=ts_us, rows=tuple(number for number, _ in held))


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Makes readings of rows; holds the registers of cumulative columns, and the last time without an offset."""

    mapping: TableMapping
    forgiving: bool
    """Whether rows whose time cannot be read are passed on."""
    totals: dict[int, Decimal] = field(default_factory=dict)
    counted_to_us: dict[int, int] = field(default_factory=dict)
    last_us: int | None = None

    def readings(self, row: Row, number: int) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
        """End of a row; topic and reading for each meter and time that it speaks of."""
        if number == 1:
            _check_columns(self.mapping, row)
        try:
            start_us, stop_us = self._covered(row, number)
        except InputError:
            # Where not even the first row can be read it is the mapping that is wrong.
            if not self.forgiving or number == 1:
                raise
            return self.last_us or 0, self._timeless(row)
        groups: dict[tuple[str, int], dict[str, Any]] = {}
        for place, one in enumerate(self.mapping.columns):
            for ts_us, value in self._values(place, self._cell(row, one.column), number, start_us, stop_us):
                topic = f"kawasan/v1/{self.mapping.park}/{one.tenant}/{one.meter}"
                reading = groups.setdefault((topic, ts_us), {"ts": _stamp(ts_us), "values": {}})
                reading["values"][one.quantity] = value
                if one.unit is not None:
                    reading.setdefault("units", {})[one.quantity] = one.unit
        in_time = sorted(groups.items(), key=lambda group: group[0][1])
        return stop_us, [(topic, reading) for (topic, _), reading in in_time]

    def _timeless(self, row: Row) -> list[tuple[str, dict[str, Any]]]:
        """Readings of a row whose time nobody can read; the text of the time is said to be none even where it looks like one."""
        text = (row[self.mapping.time.column] or "").strip()[:80]
        found: dict[str, dict[str, Any]] = {}
        for one in self.mapping.columns:
            if said := self._cell(row, one.column):
                topic = f"kawasan/v1/{self.mapping.park}/{one.tenant}/{one.meter}"
                reading = found.setdefault(topic, {"ts": f"{text} (not as mapped)", "values": {}})
                reading["values"][one.quantity] = said
        return list(found.items())

    def _cell(self, row: Row, column: str) -> str:
        text = (row[column] or "").strip()
        return "" if text in self.mapping.empty else text

    def _covered(self, row: Row, number: int) -> tuple[int, int]:
        time, text = self.mapping.time, (row[self.mapping.time.column] or "").strip()
        try:
            stamp_us = self._instant(text)
        except InputError as error:
            raise InputError(f"row {number}: {error}") from None
        except (ValueError, OverflowError, InvalidOperation):
            raise InputError(f"row {number}: time {text[:40]!r} in column {time.column} cannot be read") from None
        length_us = time.interval_s * SECOND_US
        return (stamp_us, stamp_us + length_us) if time.stamp is Stamp.START else (stamp_us - length_us, stamp_us)

    def _instant(self, text: str) -> int:
        time = self.mapping.time
        if time.format in _EPOCHS:
            return int(Decimal(text) * _EPOCHS[time.format])
        moment = datetime.strptime(text, time.format) if time.format else datetime.fromisoformat(text)  # noqa: DTZ007
        if moment.tzinfo is not None:
            return from_datetime(moment)
        zone = None if time.zone is None else _zone(time.zone)
        if zone is None:
            raise InputError(f"time {text[:40]!r} has no offset; name a zone in the mapping")
        found_us = from_datetime(moment.replace(tzinfo=zone))
        if self.last_us is not None and found_us <= self.last_us:
            found_us = max(found_us, from_datetime(moment.replace(tzinfo=zone, fold=1)))
        self.last_us = found_us
        return found_us

    def _values(
        self, place: int, text: str, number: int, start_us: int, stop_us: int
    ) -> Iterator[tuple[int, float | str]]:
        one = self.mapping.columns[place]
        if not text:
            return
        value = _decimal(text.replace(",", ".") if self.mapping.decimal_comma else text)
        if not one.cumulative:
            yield start_us, text if value is None else float(value * Decimal(repr(one.factor)))
            return
        if value is None:
            raise InputError(f"row {number}: {text[:40]!r} in column {one.column} is not a number")
        total = self.totals.setdefault(place, Decimal(repr(one.opening)))
        if self.counted_to_us.get(place) != start_us:
            yield start_us, float(total)
        self.totals[place] = total + value * Decimal(repr(one.factor))
        self.counted_to_us[place] = stop_us
        yield stop_us, float(self.totals[place])


_EPOCHS = {"epoch_s": SECOND_US, "epoch_ms": 1000}


def _zone(name: str) -> tzinfo | None:
    """An IANA zone or a fixed offset; None if it is neither."""
    try:
        if name[:1] in {"+", "-"}:
            return timezone(datetime.strptime(name, "%z").utcoffset() or timedelta(0))
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _stamp(ts_us: int) -> int | str:
    """A time as the wire format has it: whole milliseconds, or a text where that would cut it."""
    return to_datetime(ts_us).isoformat() if ts_us % 1000 else ts_us // 1000


def _check_columns(mapping: TableMapping, row: Row) -> None:
    wanted = {mapping.time.column, *(one.column for one in mapping.columns)}
    absent = sorted(wanted - row.keys())
    if absent:
        raise InputError(f"the table has no column {', '.join(absent)}; it has {', '.join(sorted(row))}")


def _decimal(text: str) -> Decimal | None:
    """A finite number, or None."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    # Beyond, no float holds it, and written out it would fill the memory.
    return value if value.is_finite() and abs(value.adjusted()) < 300 else None  # noqa: PLR2004
