"""Dated facts (multipliers, exchanges, devices, rules): superseded where the park file says otherwise, never updated."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from store.statements import query

__all__ = ["Dated", "Fact", "Facts", "supersede", "written"]

Key = tuple[Any, ...]

_OF_ENTRY = frozenset({"id", "owner", "origin", "recorded_by"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """One kind of dated facts."""

    name: str
    """As in the names of its queries: `apply_<name>`, `apply_<name>_insert`, `apply_<name>_supersede`."""
    word: str
    """For people."""
    key: tuple[str, ...]
    """Columns that, beside the owner, tell one fact from another; the last is when it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact that was added, changed or withdrawn."""

    owner: int
    """Id of the channel or meter it is a fact of."""
    start: datetime
    """From when on it counts."""
    what: str
    """For people."""
    stop: datetime | None = None
    """Until when, where facts of the kind end; the later of the two where it was changed."""


Facts = dict[tuple[int, Key], dict[str, Any]]
"""By owner and key, the other columns."""


def written(value: Any) -> str:
    """A column's value as it stands in a sentence."""
    if value is None:
        return "none"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return f"{value:.15g}"
    return f'"{value}"'


def supersede(
    conn: Connection[Any],
    kind: Dated,
    park_id: int,
    now: datetime,
    wanted: Callable[[Facts, Collection[tuple[int, Key]]], Facts],
) -> list[Fact]:
    """
    Bring one kind of facts of a park to what is wanted.

    Parameters
    ----------
    wanted : callable
        What should be in force, given what is, and which of that people entered.

    Returns
    -------
    list of Fact
        What changed, in order of owner and key.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query(f"apply_{kind.name}"), {"park_id": park_id}).fetchall()
    ids = {(row["owner"], tuple(row[name] for name in kind.key)): row["id"] for row in rows}
    current = {
        (row["owner"], tuple(row[name] for name in kind.key)): {
            name: value for name, value in row.items() if name not in {*_OF_ENTRY, *kind.key}
        }
        for row in rows
    }
    entered = {
        (row["owner"], tuple(row[name] for name in kind.key)): row["recorded_by"]
        for row in rows
        if row["origin"] == "entry"
    }
    facts = wanted(current, entered)
    changed = sorted(place for place in current.keys() | facts.keys() if current.get(place) != facts.get(place))
    for place in changed:
        if place in current:
            conn.execute(query(f"apply_{kind.name}_supersede"), {"id": ids[place], "now": now})
    for owner, key in changed:
        if (owner, key) in facts:
            own = {**dict(zip(kind.key, key, strict=True)), **facts[owner, key]}
            conn.execute(query(f"apply_{kind.name}_insert"), {"park_id": park_id, "owner": owner, "now": now, **own})
    return [_fact(kind, place, current.get(place), facts.get(place), entered.get(place)) for place in changed]


def _fact(
    kind: Dated, place: tuple[int, Key], before: dict[str, Any] | None, after: dict[str, Any] | None, by: str | None
) -> Fact:
    owner, key = place
    what = _sentence(kind, key, before, after)
    if by is not None:
        what += f" (entered by {by}; the park file says otherwise)"
    stops = [columns.get("valid_to") for columns in (before, after) if columns is not None]
    known = [stop for stop in stops if stop is not None]
    return Fact(owner=owner, start=key[-1], what=what, stop=max(known) if len(known) == len(stops) else None)


def _sentence(kind: Dated, key: Key, before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    name = " ".join([kind.word, *(str(part) for part in key[:-1]), f"from {written(key[-1])}"])
    if before is None:
        return f"{name} added{_columns(after or {})}"
    if after is None:
        return f"{name} withdrawn{_columns(before)}"
    changed = [column for column in after if after[column] != before[column]]
    return f"{name}: " + ", ".join(
        f"{column} changed from {written(before[column])} to {written(after[column])}" for column in changed
    )


def _columns(columns: dict[str, Any]) -> str:
    said = ", ".join(f"{name} {written(value)}" for name, value in columns.items() if value is not None)
    return f" ({said})" if said else ""
