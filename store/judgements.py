"""Judgements in the database: the verdict of each window of an alarm, made what an evaluation says. For the engine; role WRITE."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.frames import FloatArray, check_lengths
from domain.time import IntArray, to_datetime
from store.arrays import Column, Element, columns_of, floats, instants, integers
from store.connection import database_errors
from store.statements import query

__all__ = ["NO_VERDICT", "JudgementTable", "RevisedJudgements", "write_judgements"]

NO_VERDICT = -1
"""Verdict after a change of what is judged no more."""

# What no instant of the database lies beyond.
_FAR_US = 253_402_300_799_000_000
_INT, _SMALL, _REAL, _TIME = Element.INTEGER, Element.SMALLINT, Element.FLOAT, Element.INSTANT
_KINDS = {
    "alarm_id": _INT,
    "start_us": _TIME,
    "at_us": _TIME,
    "least": _REAL,
    "greatest": _REAL,
    "lowest": _REAL,
    "highest": _REAL,
    "verdict": _SMALL,
    "status": _SMALL,
    "known_s": _REAL,
    "final": Element.BOOLEAN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementTable:
    """Judgements of windows of many alarms; no two of an alarm have one `at_us`. (n,) each. Fields as in SampleFrame."""

    alarm_id: NDArray[np.int32]
    start_us: IntArray
    at_us: IntArray
    least: FloatArray
    greatest: FloatArray
    lowest: FloatArray
    """-inf where there is none. [unit]"""
    highest: FloatArray
    """inf where there is none. [unit]"""
    verdict: NDArray[np.int8]
    """0 clear, 1 between, 2 beyond, 3 unknown."""
    status: NDArray[np.int8]
    """Code of :class:`domain.alarms.Status`."""
    known_s: FloatArray
    final: NDArray[np.bool_]

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisedJudgements:
    """Judgements that were final and are different now, sorted by (alarm_id, at_us); (n,) each."""

    alarm_id: NDArray[np.int32]
    at_us: IntArray
    before: NDArray[np.int16]
    """Verdict that it had."""
    after: NDArray[np.int16]
    """Verdict that it has; NO_VERDICT where it is judged no more. The same as before where only its values are different."""

    def __len__(self) -> int:
        return len(self.at_us)


def write_judgements(
    conn: Connection[Any],
    table: JudgementTable,
    scope: tuple[NDArray[np.int32], IntArray, IntArray],
    *,
    computed_at_us: int,
) -> RevisedJudgements:
    """
    Make the stored judgements of some ranges equal to a table, in the caller's transaction; answers what was final. Role WRITE.

    Equal rows are not touched; those of a range that the table does not hold go. A row that was final gets `revision + 1` when it
    changes.

    Parameters
    ----------
    table : JudgementTable
        Every `at_us` is inside one of the ranges.
    scope : (alarm_id, from_us, to_us)
        int32, int64, int64 (s,) [us UTC]; half-open ranges of `at_us`, which do not overlap. OPEN_US is no end.

    Raises
    ------
    Unavailable
        The database is away.
    """
    alarm_id, from_us, to_us = scope
    if not len(alarm_id):
        return _revised([])
    parameters = {
        **_columns(table),
        "scope_alarm": integers(alarm_id),
        "scope_from": instants(np.clip(from_us, 0, _FAR_US)),
        "scope_to": instants(np.clip(to_us, 0, _FAR_US)),
        "computed_at": to_datetime(computed_at_us),
    }
    with database_errors(f"writing {len(table)} judgements"):
        gone = _rows(conn, "judgements_delete", parameters)
        return _revised([*gone, *(_rows(conn, "judgements_write", parameters) if len(table) else [])])


_Row = tuple[int, int, int, int]


def _rows(conn: Connection[Any], name: str, parameters: dict[str, Any]) -> list[_Row]:
    cursor = conn.execute(query(name), parameters, binary=True)
    columns = columns_of(cursor, _INT, _TIME, _SMALL, _SMALL)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _revised(rows: list[_Row]) -> RevisedJudgements:
    ordered = sorted(rows)
    return RevisedJudgements(
        alarm_id=np.array([row[0] for row in ordered], dtype=np.int32),
        at_us=np.array([row[1] for row in ordered], dtype=np.int64),
        before=np.array([row[2] for row in ordered], dtype=np.int16),
        after=np.array([row[3] for row in ordered], dtype=np.int16),
    )


def _columns(table: JudgementTable) -> dict[str, Column]:
    return {
        name.removesuffix("_us"): floats(getattr(table, name))
        if element is _REAL
        else Column(getattr(table, name), element)
        for name, element in _KINDS.items()
    }
