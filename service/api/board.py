"""The newest of everything that a user is told live, by key; and what of it is new to somebody who knows it up to a number.

Nobody has a queue of events: who reads knows the board up to a number, and takes from it what has a higher one. What changed
twice in between is told once, as it is now; so a slow reader gets the newest, and costs no more than a quick one. Pure.
"""

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["EVERYTHING", "Board", "Kind", "Mark", "Reader", "Row", "Selection", "event"]

PIECE_BYTES = 32 * 1024
"""About how much is sent at once; what is newer when that is sent, is sent in its place. [bytes]"""

_MOST_CACHED = 2 * 1024 * 1024
_MOST_OVER = 500
_MARK = re.compile(r"([0-9a-f]{16})-([0-9]{1,18})", re.ASCII)


class Kind(StrEnum):
    """What an event is about, and its name."""

    READINGS = "readings"
    POWER = "power"
    KPIS = "kpis"
    ALARM = "alarm"
    FLOW = "flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The newest of one thing."""

    kind: Kind
    key: str
    """Of the thing, among those of its kind."""
    place: str
    """Where it is: `park/tenant/meter/quantity`, or less of it; empty: everywhere."""
    subject: str = ""
    """Of which subject it is a number, as `tenant:park/tenant`; empty: of none."""
    contents: Mapping[str, Any]
    is_over: bool = False
    """It ends with this, and is told only to those who knew it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a board somebody wants; empty sets ask for nothing in particular."""

    kinds: frozenset[Kind] = frozenset()
    parks: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def takes(self, row: Row) -> bool:
        """Whether a row is wanted. What is everywhere is of no park, subject or channel in particular."""
        if self.kinds and row.kind not in self.kinds:
            return False
        if not (self.parks or self.subjects or self.channels):
            return True
        if not row.place or (self.parks and row.place.partition("/")[0] not in self.parks):
            return False
        if self.channels and (row.subject or row.place not in self.channels):
            return False
        return not self.subjects or self._is_of_subject(row)

    def _is_of_subject(self, row: Row) -> bool:
        if row.subject:
            return row.subject in self.subjects
        return any(f"{row.place}/".startswith(f"{one.partition(':')[2]}/") for one in self.subjects)


EVERYTHING = Selection()
"""All that the user may see."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far somebody knows which board; the id of an event."""

    epoch: str
    number: int

    @classmethod
    def parsed(cls, text: str) -> "Mark | None":
        """
        The mark that an event's id is; None: it is none of ours.

        Examples
        --------
        >>> Mark.parsed("00112233445566aa-12")
        Mark(epoch='00112233445566aa', number=12)
        >>> Mark.parsed("12") is None
        True
        """
        found = _MARK.fullmatch(text)
        return None if found is None else cls(found[1], int(found[2]))


@dataclass(slots=True, eq=False)
class Reader:
    """One who reads a board, and how far that has come."""

    selection: Selection
    epoch: str
    number: int
    """All with a lower one, and this, is known. 0: nothing."""
    since: int
    """From what number on the end of something is news."""


@dataclass(frozen=True, slots=True)
class _Placed:
    row: Row
    number: int
    text: bytes


@dataclass(slots=True, eq=False)
class Board:
    """Rows in the order in which they changed last, each with a number that is greater than those before it."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    """Changes when something was taken away; who knows another one knows nothing of this."""
    number: int = 0
    """Of the newest row."""
    _rows: dict[tuple[Kind, str], _Placed] = field(default_factory=dict)
    _over: dict[tuple[Kind, str], _Placed] = field(default_factory=dict)
    _floor: int = 0
    """What ended up to this number is forgotten."""
    _pieces: dict[tuple[Selection, int, int], tuple[bytes, int]] = field(default_factory=dict)
    _cached_bytes: int = 0

    def put(self, rows: Iterable[Row]) -> None:
        """Note what changed."""
        for row in rows:
            self.number += 1
            key = row.kind, row.key
            text = json.dumps(row.contents, separators=(",", ":")).encode()
            self._rows.pop(key, None)
            self._over.pop(key, None)
            (self._over if row.is_over else self._rows)[key] = _Placed(row, self.number, text)
            self._forget_pieces()
        while len(self._over) > _MOST_OVER:
            oldest = next(iter(self._over))
            self._floor = self._over.pop(oldest).number

    def drop(self, kind: Kind, keys: Iterable[str]) -> None:
        """Take away what there is no more to say of; who knows it is not told."""
        for key in keys:
            self._rows.pop((kind, key), None)
        self._forget_pieces()

    def begin_anew(self) -> None:
        """Take everything away, and have everybody told so: something may not be seen any more."""
        self.epoch = secrets.token_hex(8)
        self.number = self._floor = 0
        self._rows.clear()
        self._over.clear()
        self._forget_pieces()

    def knows(self, mark: Mark | None) -> bool:
        """Whether it can be said what is new to somebody who knows it up to a mark."""
        return mark is not None and mark.epoch == self.epoch and self._floor <= mark.number <= self.number

    def reader(self, selection: Selection, mark: Mark | None) -> Reader:
        """One who begins at a mark, or, where that is not known, at the beginning."""
        begun = mark.number if mark is not None and self.knows(mark) else None
        return Reader(
            selection=selection,
            epoch=self.epoch,
            number=begun or 0,
            since=self.number if begun is None else begun,
        )

    def has_lost(self, reader: Reader) -> bool:
        """Whether it cannot be said any more what is new to a reader, who has to begin anew."""
        return reader.epoch != self.epoch or self._floor > max(reader.number, reader.since)

    def piece(self, reader: Reader) -> bytes:
        """
        Some of what is new to a reader, as events, with what it then knows as their ids; empty: nothing is.

        The reader is moved on. Pieces are kept for others who know as much, so that each event is written once.
        """
        since = reader.since if reader.number < reader.since else 0
        asked = reader.selection, reader.number, since
        found = self._pieces.get(asked)
        if found is None:
            found = self._made(reader)
            if self._cached_bytes + len(found[0]) > _MOST_CACHED:
                self._forget_pieces()
            self._pieces[asked] = found
            self._cached_bytes += len(found[0])
        reader.number = found[1]
        return found[0]

    def _forget_pieces(self) -> None:
        self._pieces.clear()
        self._cached_bytes = 0

    def _made(self, reader: Reader) -> tuple[bytes, int]:
        taken: list[_Placed] = []
        size = 0
        for placed in self._news(reader.number, max(reader.number, reader.since)):
            if not reader.selection.takes(placed.row):
                continue
            if taken and size + len(placed.text) > PIECE_BYTES:
                return self._events(taken), taken[-1].number
            taken.append(placed)
            size += len(placed.text) + 1
        return self._events(taken), self.number

    def _news(self, number: int, over: int) -> Iterator[_Placed]:
        """What has a number beyond some, the least first; of what ended, what is beyond another."""
        news = [*_beyond(self._rows, number), *_beyond(self._over, over)]
        return iter(sorted(news, key=lambda one: one.number))

    def _events(self, rows: list[_Placed]) -> bytes:
        parts: list[bytes] = []
        begun = 0
        for at, placed in enumerate(rows):
            is_last = at + 1 == len(rows) or rows[at + 1].row.kind is not placed.row.kind
            if not is_last:
                continue
            texts = [one.text for one in rows[begun : at + 1]]
            begun = at + 1
            # There is one flow; of the others there are many.
            contents = texts[-1] if placed.row.kind is Kind.FLOW else b'{"values":[' + b",".join(texts) + b"]}"
            parts.append(event(placed.row.kind, contents, mark=Mark(self.epoch, placed.number)))
        return b"".join(parts)


def _beyond(rows: dict[tuple[Kind, str], _Placed], number: int) -> Iterator[_Placed]:
    for placed in reversed(rows.values()):
        if placed.number <= number:
            return
        yield placed


def event(name: str, contents: bytes, *, mark: Mark | None = None, retry_ms: int | None = None) -> bytes:
    r"""
    One event as it is sent.

    Parameters
    ----------
    contents : bytes
        JSON on one line.
    retry_ms : int or None
        After how long to come back once the stream has ended. [ms]

    Examples
    --------
    >>> event("flow", b"{}", mark=Mark("00112233445566aa", 3))
    b'event: flow\nid: 00112233445566aa-3\ndata: {}\n\n'
    """
    lines = [f"event: {name}\n".encode()]
    if mark is not None:
        lines.append(f"id: {mark.epoch}-{mark.number}\n".encode())
    if retry_ms is not None:
        lines.append(f"retry: {retry_ms}\n".encode())
    return b"".join((*lines, b"data: ", contents, b"\n\n"))
