"""Tables of answers written out: CSV, NDJSON and JSON, a piece at a time, for the API and the command line alike."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

__all__ = ["MEDIA_TYPES", "Form", "Row", "TableWriter", "csv_text"]

Row: TypeAlias = Sequence[object]
"""Values in the order of the columns: text, numbers, times, None, tuples of words, or lists and dicts of such."""


class Form(StrEnum):
    """How a table is written."""

    JSON = "json"
    NDJSON = "ndjson"
    """One JSON object a line, each complete in itself."""
    CSV = "csv"
    """As RFC 4180: commas, CRLF, a line of names first; UTF-8 without a mark."""


MEDIA_TYPES = {
    Form.JSON: "application/json",
    Form.NDJSON: "application/x-ndjson",
    Form.CSV: "text/csv; charset=utf-8",
}

# What a spreadsheet takes for the beginning of a formula; the wide ones are folded to the others by some.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_encode = msgspec.json.Encoder().encode


class TableWriter:
    """
    Writes one table in one form, a piece at a time; nothing of what was written is kept.

    In JSON the table is a list of the objects that NDJSON has a line each of. Numbers that are not finite are null,
    and empty in CSV.
    """

    def __init__(self, form: Form, columns: Sequence[str]) -> None:
        """For rows of these columns."""
        self._form = form
        self._columns = tuple(columns)
        self._begun = False

    def begin(self) -> bytes:
        """What stands before the first row."""
        if self._form is Form.CSV:
            return _csv_lines([self._columns])
        return b"[" if self._form is Form.JSON else b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Some rows."""
        if self._form is Form.CSV:
            return _csv_lines([_cell(value) for value in row] for row in rows)
        objects = [_encode(dict(zip(self._columns, row, strict=True))) for row in rows]
        if not objects:
            return b""
        if self._form is Form.NDJSON:
            return b"\n".join(objects) + b"\n"
        before, self._begun = (b",\n" if self._begun else b"\n"), True
        return before + b",\n".join(objects)

    def end(self) -> bytes:
        """What stands after the last row."""
        return b"\n]\n" if self._form is Form.JSON else b""


def csv_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """A whole table as CSV."""
    writer = TableWriter(Form.CSV, columns)
    return (writer.begin() + writer.rows(rows)).decode()


def _csv_lines(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    made = _CELLS.get(type(value))
    if made is not None:
        return made(value)
    return _text(str(value)) if isinstance(value, str) else value


def _text(value: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe before it says that it is one."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _number(value: float) -> float | str:
    return value if value - value == 0 else ""


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _nested(value: object) -> str:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)


_CELLS: dict[type, Callable[[Any], object]] = {
    str: _text,
    bool: lambda value: "true" if value else "false",
    float: _number,
    datetime: _moment,
    date: date.isoformat,
    tuple: lambda words: " ".join(str(word) for word in words),
    list: _nested,
    dict: _nested,
}
