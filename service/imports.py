"""What became of the lines of an imported table: which cells were refused and why, and how many values of each line were stored."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.mapping import TableMapping, TableMessage
from domain.readings import Batch, Reason, Rejection

__all__ = ["Cells", "Fates", "LineNumbers", "RefusedCell"]

_PLACE = re.compile(r"(?:readings\[(\d+)\])?\.?(?:values\.(.+))?")
REFUSED = 3
_WORDS = ("stored", "duplicate", "conflict", "refused")
_GROWTH = 2


class LineNumbers:
    """Which line of a file each row of its table ends on; remembered only where that is not the next line."""

    def __init__(self) -> None:
        """Before the first row."""
        self._rows: list[int] = []
        self._shifts: list[int] = []

    def note(self, row: int, line: int) -> None:
        """Say on which line a row stands; rows in order."""
        if not self._shifts or self._shifts[-1] != line - row:
            self._rows.append(row)
            self._shifts.append(line - row)

    def of(self, row: int) -> int:
        """The line of a row that was noted."""
        return row + self._shifts[bisect_right(self._rows, row) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCell:
    """A cell of the table that was set aside."""

    row: int
    """Counted from 1."""
    column: str
    reason: Reason
    detail: str


class Cells:
    """From places in messages back to rows and columns of the table that they were made of."""

    def __init__(self, mapping: TableMapping) -> None:
        """By the mapping of the table."""
        self._time = mapping.time.column
        self._columns: dict[tuple[str, str], str] = {}
        for one in mapping.columns:
            topic = f"kawasan/v1/{mapping.park}/{one.tenant}/{one.meter}"
            self._columns[topic, one.quantity] = one.column

    def refused(self, made: TableMessage, rejection: Rejection) -> Iterator[RefusedCell]:
        """The cells that a rejection is about: one, all of a reading, or all of the message; of a time that is wrong, its own."""
        about = self.about(made, rejection)
        if rejection.reason is Reason.TIME:
            about = [(row, self._time) for row in dict.fromkeys(row for row, _ in about)]
        for row, column in about:
            yield RefusedCell(row=row, column=column, reason=rejection.reason, detail=rejection.detail)

    def kept_rows(self, made: TableMessage, rejections: Sequence[Rejection]) -> list[int]:
        """Row of each value of a message that was not set aside, in the order of the message."""
        cells = self._cells(made)
        gone = {(number, quantity) for one in rejections for number, quantity, _, _ in self._places(cells, one)}
        return [row for number, quantity, row, _ in cells if (number, quantity) not in gone]

    def about(self, made: TableMessage, rejection: Rejection) -> list[tuple[int, str]]:
        """Row and column of each value that is set aside with a rejection."""
        return [(row, column) for _, _, row, column in self._places(self._cells(made), rejection)]

    def _places(self, cells: list[tuple[int, str, int, str]], rejection: Rejection) -> list[tuple[int, str, int, str]]:
        found = _PLACE.fullmatch(rejection.place)
        number, quantity = found.groups() if found else (None, None)
        return [
            cell
            for cell in cells
            if (number is None or cell[0] == int(number)) and (quantity is None or cell[1] == quantity)
        ]

    def _cells(self, made: TableMessage) -> list[tuple[int, str, int, str]]:
        """Number of the reading, quantity, row and column of each value of a message."""
        content: dict[str, Any] = json.loads(made.payload)
        readings: list[Mapping[str, Any]] = content.get("readings", [content])
        return [
            (number, quantity, row, self._columns[made.topic, quantity])
            for number, (row, reading) in enumerate(zip(made.rows, readings, strict=True))
            for quantity in reading["values"]
        ]


class Fates:
    """How many values of each row were stored, duplicates, in conflict or refused: 16 bytes a row."""

    def __init__(self) -> None:
        """Of no row."""
        self._counts: NDArray[np.int32] = np.zeros((1024, len(_WORDS)), dtype=np.int32)
        self._rows = 0

    def add(self, batch: Batch, made: Sequence[TableMessage], cells: Cells, fate: NDArray[np.int8]) -> None:
        """
        Count a batch.

        Parameters
        ----------
        fate : int8 (n,)
            Of each of its readings, see :mod:`store.columns`.
        """
        rejections: dict[int, list[Rejection]] = {}
        for one in batch.rejections:
            rejections.setdefault(one.message, []).append(one)
            self._count([row for row, _ in cells.about(made[one.message], one)], REFUSED)
        rows = [
            row for place, message in enumerate(made) for row in cells.kept_rows(message, rejections.get(place, ()))
        ]
        for what in range(REFUSED):
            self._count(np.array(rows, dtype=np.int64)[fate == what].tolist(), what)

    def _count(self, rows: Sequence[int], what: int) -> None:
        self.reach(max(rows, default=0))
        np.add.at(self._counts[:, what], rows, 1)

    def reach(self, row: int) -> None:
        """Rows up to this one there are, whether anything was in them or not."""
        self._rows = max(self._rows, row)
        if self._rows >= len(self._counts):
            room = np.zeros((_GROWTH * self._rows, len(_WORDS)), dtype=np.int32)
            room[: len(self._counts)] = self._counts
            self._counts = room

    def sentences(self, lines: LineNumbers) -> Iterator[str]:
        """What became of the values of each line, in order; lines after each other of which the same became are one sentence."""
        if not self._rows:
            return
        counts = self._counts[1 : self._rows + 1]
        begins = np.flatnonzero(np.append(True, (counts[1:] != counts[:-1]).any(axis=1)))
        for first, last in zip(begins.tolist(), [*begins[1:].tolist(), len(counts)], strict=True):
            named = [f"{n} {word}" for n, word in zip(counts[first].tolist(), _WORDS, strict=True) if n]
            yield f"{_place(lines.of(first + 1), lines.of(last))}: {', '.join(named) or 'nothing in it'}"


def _place(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first} to {last}"
