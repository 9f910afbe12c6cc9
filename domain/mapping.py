"""Mappings: how the rows of a table (a CSV file) become messages of meters.

One mapping serves replay over MQTT and import without it, so both read a file the same way.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from domain.errors import InputError
from domain.time import SECOND_US, from_datetime

__all__ = ["MappedColumn", "MappedTime", "TableMapping", "TableMessage", "parse_mapping", "table_messages"]

Key = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,62}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MappedTime(_Entry):
    """Where the time of a row stands; it is the start of what the row covers."""

    column: str
    format: str | None = None
    """As in strptime; None: ISO 8601."""
    zone: str | None = None
    """IANA zone of times without an offset."""
    interval_s: int = Field(gt=0)
    """What a row covers. [s]"""

    @field_validator("zone")
    @classmethod
    def _exists(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError):
                raise ValueError(f"zone {zone!r} is not an IANA time zone, like Asia/Jakarta") from None
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


class TableMapping(_Entry):
    """A whole mapping."""

    park: Key
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    time: MappedTime
    columns: tuple[MappedColumn, ...] = Field(min_length=1)
    readings_per_message: int = Field(default=1, ge=1, le=5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMessage:
    """One message made from rows."""

    topic: str
    payload: bytes
    ts_us: int
    """Time of its last reading. [us UTC]"""


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


def table_messages(mapping: TableMapping, rows: Iterable[Mapping[str, str | None]]) -> Iterator[TableMessage]:
    """
    Messages of the rows of a table, in order.

    Empty cells are left out. A cumulative column is summed in decimal, so that no rounding adds up; it may not
    have empty cells, for the register would be wrong ever after.

    Raises
    ------
    InputError
        A column is missing, a time or a number cannot be read, or a cumulative cell is empty; names row and column.
    """
    totals = {one.column: Decimal(repr(one.opening)) for one in mapping.columns if one.cumulative}
    waiting: dict[str, list[dict[str, object]]] = {}
    last_us = 0
    for number, row in enumerate(rows, start=1):
        _check_columns(mapping, row, number)
        start_us = _start(mapping.time, row[mapping.time.column] or "", number)
        if number == 1:
            for topic, reading in _openings(mapping, totals, start_us):
                waiting.setdefault(topic, []).append(reading)
        last_us = start_us + mapping.time.interval_s * SECOND_US
        for topic, reading in _readings(mapping, row, number, start_us, totals):
            waiting.setdefault(topic, []).append(reading)
        for topic in [topic for topic, held in waiting.items() if len(held) >= mapping.readings_per_message]:
            yield _message(topic, waiting.pop(topic), last_us)
    for topic, held in waiting.items():
        yield _message(topic, held, last_us)


def _message(topic: str, held: list[dict[str, object]], ts_us: int) -> TableMessage:
    content = held[0] if len(held) == 1 else {"readings": held}
    return TableMessage(topic=topic, payload=json.dumps(content, separators=(",", ":")).encode(), ts_us=ts_us)


def _check_columns(mapping: TableMapping, row: Mapping[str, str | None], number: int) -> None:
    if number > 1:
        return
    wanted = {mapping.time.column, *(one.column for one in mapping.columns)}
    absent = sorted(wanted - row.keys())
    if absent:
        raise InputError(f"the table has no column {', '.join(absent)}; it has {', '.join(sorted(row))}")


def _start(time: MappedTime, text: str, number: int) -> int:
    try:
        moment = datetime.strptime(text, time.format) if time.format else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        raise InputError(f"row {number}: time {text[:40]!r} in column {time.column} cannot be read") from None
    if moment.tzinfo is None:
        if time.zone is None:
            raise InputError(f"row {number}: time {text[:40]!r} has no offset; name a zone in the mapping")
        moment = moment.replace(tzinfo=ZoneInfo(time.zone))
    return from_datetime(moment)


def _topic(mapping: TableMapping, one: MappedColumn) -> str:
    return f"kawasan/v1/{mapping.park}/{one.tenant}/{one.meter}"


def _openings(
    mapping: TableMapping, totals: dict[str, Decimal], start_us: int
) -> Iterator[tuple[str, dict[str, object]]]:
    first = [(one, totals[one.column]) for one in mapping.columns if one.cumulative]
    yield from _grouped(mapping, [(one, value, start_us) for one, value in first])


def _readings(
    mapping: TableMapping, row: Mapping[str, str | None], number: int, start_us: int, totals: dict[str, Decimal]
) -> Iterator[tuple[str, dict[str, object]]]:
    found: list[tuple[MappedColumn, Decimal, int]] = []
    stop_us = start_us + mapping.time.interval_s * SECOND_US
    for one in mapping.columns:
        text = (row[one.column] or "").strip()
        if not text:
            if one.cumulative:
                raise InputError(f"row {number}: column {one.column} is empty; a register needs every row")
            continue
        value = _decimal(text, one, number)
        if one.cumulative:
            totals[one.column] += value
            found.append((one, totals[one.column], stop_us))
        else:
            found.append((one, value, start_us))
    yield from _grouped(mapping, found)


def _decimal(text: str, one: MappedColumn, number: int) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InputError(f"row {number}: {text[:40]!r} in column {one.column} is not a number") from None
    if not value.is_finite():
        raise InputError(f"row {number}: {text[:40]!r} in column {one.column} is not a finite number")
    return value if one.factor == 1.0 else value * Decimal(repr(one.factor))


def _grouped(
    mapping: TableMapping, values: Iterable[tuple[MappedColumn, Decimal, int]]
) -> Iterator[tuple[str, dict[str, object]]]:
    """Values of one meter at one time as one reading."""
    groups: dict[tuple[str, int], dict[str, dict[str, object]]] = {}
    for one, value, ts_us in values:
        reading = groups.setdefault((_topic(mapping, one), ts_us), {"values": {}, "units": {}})
        reading["values"][one.quantity] = float(value)
        if one.unit is not None:
            reading["units"][one.quantity] = one.unit
    for (topic, ts_us), reading in groups.items():
        whole: dict[str, object] = {"ts": ts_us // 1000, "values": reading["values"]}
        if reading["units"]:
            whole["units"] = reading["units"]
        yield topic, whole
