"""Columns on their way to and from the database: numpy arrays as binary PostgreSQL arrays.

A batch of rows crosses as one array per column: bound as a parameter and unnested going in,
`array_agg`ed and read with one `frombuffer` coming out. Measured on 500,000 rows of five
columns, out: 0.24 s against 1.1 s for binary COPY, whose driver hands over row by row.
Nulls do not cross: queries turn them into NaN or 0, and back.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from domain.errors import InputError
from domain.time import IntArray

__all__ = [
    "POSTGRES_EPOCH_US",
    "Column",
    "Element",
    "booleans",
    "columns_of",
    "floats",
    "instants",
    "integers",
    "register_arrays",
    "smallints",
]

POSTGRES_EPOCH_US = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01T00:00Z. [us UTC]"""

_HEADER = np.dtype(">i4")


class Element(Enum):
    """A column's type: oid of the array, oid of its elements, and how one element is written."""

    BOOLEAN = (1000, 16, "?")
    SMALLINT = (1005, 21, ">i2")
    INTEGER = (1007, 23, ">i4")
    FLOAT = (1022, 701, ">f8")
    INSTANT = (1185, 1184, ">i8")
    BIGINT = (1016, 20, ">i8")

    @property
    def array_oid(self) -> int:
        """Type of the parameter."""
        return self.value[0]

    @property
    def oid(self) -> int:
        """Type of one element."""
        return self.value[1]

    @property
    def row(self) -> np.dtype[Any]:
        """An element as it stands in an array: its length, then its bytes."""
        return np.dtype([("length", ">i4"), ("value", self.value[2])])


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numpy values on its way into a query, as a parameter."""

    values: NDArray[Any]
    """(n,); instants in microseconds UTC since 1970."""
    element: Element

    def __len__(self) -> int:
        return len(self.values)

    @property
    def wire(self) -> bytes:
        """The array in PostgreSQL's binary form, without a loop over its elements."""
        size = len(self.values)
        dimensions = [1, 0, self.element.oid, size, 1] if size else [0, 0, self.element.oid]
        rows = np.empty(size, dtype=self.element.row)
        rows["length"] = rows.dtype["value"].itemsize
        shift = POSTGRES_EPOCH_US if self.element is Element.INSTANT else 0
        rows["value"] = self.values - shift if shift else self.values
        return np.array(dimensions, dtype=_HEADER).tobytes() + rows.tobytes()


def instants(us: IntArray) -> Column:
    """Instants [us UTC] as `timestamptz[]`."""
    return Column(us, Element.INSTANT)


def integers(values: NDArray[Any]) -> Column:
    """Whole numbers as `int[]`."""
    return Column(values, Element.INTEGER)


def smallints(values: NDArray[Any]) -> Column:
    """Whole numbers as `smallint[]`."""
    return Column(values, Element.SMALLINT)


def floats(values: NDArray[Any]) -> Column:
    """Numbers as `float8[]`, bit for bit but that -0.0 becomes 0.0: PostgreSQL holds the two equal, bits do not."""
    return Column(values + 0.0, Element.FLOAT)


def booleans(values: NDArray[Any]) -> Column:
    """Truth values as `boolean[]`."""
    return Column(values, Element.BOOLEAN)


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def get_key(self, obj: Column, format: PyFormat) -> Any:  # noqa: A002, ARG002 - psycopg's signature
        return (self.cls, obj.element)

    def upgrade(self, obj: Column, format: PyFormat) -> "_ColumnDumper":  # noqa: A002, ARG002 - psycopg's signature
        dumper = _ColumnDumper(self.cls)
        dumper.oid = obj.element.array_oid
        return dumper

    def dump(self, obj: Column) -> Buffer:
        return obj.wire


def register_arrays(conn: Connection[Any] | AsyncConnection[Any]) -> None:
    """Let a connection take :class:`Column` values as parameters."""
    conn.adapters.register_dumper(Column, _ColumnDumper)


def columns_of(cursor: Cursor[Any] | AsyncCursor[Any], *elements: Element) -> list[NDArray[Any]]:
    """
    The columns of a query that answers with one row of `array_agg`s, and was executed with `binary=True`.

    Parameters
    ----------
    *elements : Element
        What the columns hold, in their order.

    Returns
    -------
    list of (n,) arrays in native byte order
        Instants are int64 [us UTC]; no rows give empty arrays.

    Raises
    ------
    InputError
        A column holds nulls or another type than was said.
    """
    result = cursor.pgresult
    if result is None or result.ntuples != 1 or result.nfields != len(elements):
        raise InputError(f"a query of {len(elements)} columns must answer with one row of as many arrays")
    return [_column(result.get_value(0, place), element) for place, element in enumerate(elements)]


def _column(wire: bytes | None, element: Element) -> NDArray[Any]:
    native = element.row["value"].newbyteorder("=")
    if wire is None or len(wire) == 3 * _HEADER.itemsize:
        return np.empty(0, dtype=native)
    dimensions, nulls, oid, size, _ = np.frombuffer(wire, dtype=_HEADER, count=5)
    offset = 5 * _HEADER.itemsize
    if dimensions != 1 or nulls or oid != element.oid or len(wire) != offset + size * element.row.itemsize:
        raise InputError(f"expected an array of {element.name} without nulls, got oid {oid}, nulls: {bool(nulls)}")
    values = np.frombuffer(wire, dtype=element.row, offset=offset)["value"].astype(native)
    return values + POSTGRES_EPOCH_US if element is Element.INSTANT else values
