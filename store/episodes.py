"""Episodes in the database: those that are stored, and making them what an evaluation says. For the engine; role WRITE."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.alarms import OPEN_US
from domain.frames import FloatArray, SmallArray, check_lengths
from domain.time import IntArray, to_datetime
from store.arrays import Column, Element, columns_of, floats, instants, integers
from store.connection import database_errors
from store.statements import query

__all__ = ["Change", "EpisodeChanges", "EpisodeTable", "replace_episodes", "stored_episodes"]

BoolArray = NDArray[np.bool_]

# What no instant of the database lies beyond.
_FAR_US = 253_402_300_799_000_000
_INT, _REAL, _TIME, _TRUTH = Element.INTEGER, Element.FLOAT, Element.INSTANT, Element.BOOLEAN
_KINDS = {
    "alarm_id": _INT,
    "rule_id": _INT,
    "start_us": _TIME,
    "stop_us": _TIME,
    "raised_us": _TIME,
    "cleared_us": _TIME,
    "last_us": _TIME,
    "peak": _REAL,
    "peak_at_us": _TIME,
    "bound": _REAL,
    "mean": _REAL,
    "beyond_s": _REAL,
    "excess_kg": _REAL,
    "valid": _INT,
    "missing": _INT,
    "excluded": _INT,
    "final": _TRUTH,
}


class Change(IntEnum):
    """What became of an episode."""

    CAME = 0
    CHANGED = 1
    WENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeTable:
    """Episodes of many alarms, sorted by (alarm_id, start_us), which is their key; (n,) each. Fields as in EpisodeFrame."""

    alarm_id: NDArray[np.int32]
    rule_id: NDArray[np.int32]
    """Of the version of the rule by which it is one."""
    start_us: IntArray
    stop_us: IntArray
    raised_us: IntArray
    cleared_us: IntArray
    """OPEN_US while it is active. [us UTC]"""
    last_us: IntArray
    peak: FloatArray
    peak_at_us: IntArray
    bound: FloatArray
    mean: FloatArray
    beyond_s: FloatArray
    excess_kg: FloatArray
    valid: SmallArray
    missing: SmallArray
    excluded: SmallArray
    final: BoolArray

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.start_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeChanges:
    """What replacing episodes changed, sorted by (alarm_id, start_us); (n,) each."""

    alarm_id: NDArray[np.int32]
    start_us: IntArray
    change: NDArray[np.int16]
    """Code of :class:`Change`."""
    was_final: BoolArray
    """Whether it was final before; never of one that came."""

    def __len__(self) -> int:
        return len(self.start_us)


def stored_episodes(conn: Connection[Any], alarm_id: NDArray[np.int32], from_us: IntArray) -> EpisodeTable:
    """
    The stored episodes of some alarms that were not over before a moment: cleared at or after it, or still open. Role WRITE.

    Parameters
    ----------
    alarm_id : int32 (a,)
        Each once.
    from_us : int64 (a,) [us UTC]
        Beside each alarm.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors(f"reading episodes of {len(alarm_id)} alarms"):
        parameters = {"alarm_id": integers(alarm_id), "from_ts": _within(from_us)}
        cursor = conn.execute(query("episodes_stored"), parameters, binary=True)
        columns = dict(zip(_KINDS, columns_of(cursor, *_KINDS.values()), strict=True))
    cleared_us = np.where(columns["cleared_us"] == 0, OPEN_US, columns["cleared_us"])
    return EpisodeTable(**{**columns, "cleared_us": cleared_us})


def replace_episodes(
    conn: Connection[Any],
    table: EpisodeTable,
    scope: tuple[NDArray[np.int32], IntArray, IntArray],
    *,
    computed_at_us: int,
) -> EpisodeChanges:
    """
    Make the stored episodes that start in some ranges equal to a table, in the caller's transaction. Role WRITE.

    Equal rows are not touched; those of a range that the table does not hold go. A row that was final gets `revision + 1` when it
    changes. What people said stays with the episode that covers the start it was said of, else with the nearest of its alarm.

    Parameters
    ----------
    table : EpisodeTable
        Every row starts inside one of the ranges.
    scope : (alarm_id, from_us, to_us)
        int32, int64, int64 (s,) [us UTC]; half-open ranges of starts, which do not overlap. OPEN_US is no end.

    Raises
    ------
    Unavailable
        The database is away.
    """
    alarm_id, from_us, to_us = scope
    if not len(alarm_id):
        return _changes([])
    parameters = {
        **_columns(table),
        "scope_alarm": integers(alarm_id),
        "scope_from": _within(from_us),
        "scope_to": _within(to_us),
        "computed_at": to_datetime(computed_at_us),
    }
    with database_errors(f"writing {len(table)} episodes"):
        gone = _rows(conn, "episodes_delete", parameters)
        written = _rows(conn, "episodes_write", parameters) if len(table) else []
        if gone or written:
            conn.execute(query("episode_notes_move"), parameters)
    return _changes([*gone, *written])


_Row = tuple[int, int, int, bool]


def _rows(conn: Connection[Any], name: str, parameters: dict[str, Any]) -> list[_Row]:
    cursor = conn.execute(query(name), parameters, binary=True)
    columns = columns_of(cursor, _INT, _TIME, Element.SMALLINT, _TRUTH)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _changes(rows: list[_Row]) -> EpisodeChanges:
    ordered = sorted(rows)
    return EpisodeChanges(
        alarm_id=np.array([row[0] for row in ordered], dtype=np.int32),
        start_us=np.array([row[1] for row in ordered], dtype=np.int64),
        change=np.array([row[2] for row in ordered], dtype=np.int16),
        was_final=np.array([row[3] for row in ordered], dtype=np.bool_),
    )


def _within(moments_us: IntArray) -> Column:
    """Instants that the database can hold. [us UTC]"""
    return instants(np.clip(moments_us, 0, _FAR_US))


def _columns(table: EpisodeTable) -> dict[str, Column]:
    columns = {name: getattr(table, name) for name in _KINDS}
    columns["cleared_us"] = np.where(table.cleared_us == OPEN_US, 0, table.cleared_us)
    return {
        name.removesuffix("_us"): floats(columns[name]) if element is _REAL else Column(columns[name], element)
        for name, element in _KINDS.items()
    }
