"""Alarm rules and contacts of a park file: brought to rows that are dated, versioned, and never rewritten."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.alarmentries import AlarmEntry, ContactEntry
from domain.errors import RegistryError
from store.alarmrulerows import contact_entry_of, document_of, entry_of_rule
from store.dated import written
from store.statements import query

__all__ = ["bring_alarm_rules", "bring_contacts", "free_from"]

_Entry = TypeVar("_Entry", AlarmEntry, ContactEntry)
Stretch = tuple[datetime, datetime | None]
"""Half-open; no end: for good."""
Said = tuple[str, str]
"""Key, and what of it changed, for people."""

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind(Generic[_Entry]):
    name: str
    """As in the names of its queries: `apply_<name>`, `apply_<name>_insert`, `apply_<name>_end`."""
    word: str
    read: Callable[[str], _Entry]
    dates: Callable[[_Entry], tuple[datetime | None, datetime | None]]


_RULES = _Kind(
    name="alarm_rules",
    word="alarm",
    read=entry_of_rule,
    dates=lambda entry: (entry.valid_from, entry.valid_to),
)
_CONTACTS: _Kind[ContactEntry] = _Kind(
    name="alarm_contacts", word="contact", read=contact_entry_of, dates=lambda _entry: (None, None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Park:
    conn: Connection[Any]
    park_id: int
    begins: datetime
    now: datetime


def bring_alarm_rules(
    conn: Connection[Any], park_id: int, entries: Sequence[AlarmEntry], *, begins: datetime, now: datetime
) -> list[Said]:
    """
    Make the rules of a park that came by a file what its (checked) file says, in the caller's transaction. Role MIGRATE.

    A rule that is new begins at its `valid_from`, or with the park. One that changed ends now, and its next version begins now; one that
    the file no longer has ends now. What is over stays as it was, and so does what people entered.

    Parameters
    ----------
    begins : datetime
        From when on the park takes readings.

    Returns
    -------
    list of (key, what)
        What changed, for people.

    Raises
    ------
    RegistryError
        Somebody entered a rule of the same key that is in force.
    """
    park = _Park(conn=conn, park_id=park_id, begins=begins, now=now)
    return _bring(park, _RULES, entries)


def bring_contacts(
    conn: Connection[Any], park_id: int, entries: Sequence[ContactEntry], *, begins: datetime, now: datetime
) -> list[Said]:
    """As :func:`bring_alarm_rules`, of the file's contacts."""
    return _bring(_Park(conn=conn, park_id=park_id, begins=begins, now=now), _CONTACTS, entries)


def _bring(park: _Park, kind: _Kind[_Entry], entries: Sequence[_Entry]) -> list[Said]:
    with park.conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query(f"apply_{kind.name}"), {"park_id": park.park_id}).fetchall()
    named: dict[str, list[_Entry]] = {}
    for entry in entries:
        named.setdefault(entry.key, []).append(entry)
    stored: dict[str, list[DictRow]] = {}
    for row in rows:
        stored.setdefault(row["key"], []).append(row)
    _refuse_entered(park, kind, named, stored)
    return [
        (key, what)
        for key in sorted(named.keys() | stored.keys())
        for what in _bring_key(park, kind, key, named.get(key, []), stored.get(key, []))
    ]


def _refuse_entered(
    park: _Park, kind: _Kind[_Entry], named: Mapping[str, object], stored: Mapping[str, Sequence[DictRow]]
) -> None:
    doubled = [
        f"{kind.word} {key} is in the park file, and {row['recorded_by']} entered one of that key by the API; end that, or take another key"
        for key in sorted(named.keys() & stored.keys())
        for row in stored[key][-1:]
        if row["origin"] == "entry" and _is_ahead(row["valid_to"], park.now)
    ]
    if doubled:
        raise RegistryError("; ".join(doubled))


def _is_ahead(stop: datetime | None, now: datetime) -> bool:
    return stop is None or stop > now


def _bring_key(
    park: _Park, kind: _Kind[_Entry], key: str, wanted: Sequence[_Entry], rows: Sequence[DictRow]
) -> list[str]:
    of_file = [row for row in rows if row["origin"] == "file" and row["superseded_at"] is None]
    kept = {row["id"]: entry for row in of_file if (entry := kind.read(row["document"])) in wanted}
    missing = [entry for entry in wanted if entry not in kept.values()]
    ended = [row for row in of_file if row["id"] not in kept and _is_ahead(row["valid_to"], park.now)]
    for row in ended:
        stop = max(park.now, row["valid_from"])
        park.conn.execute(query(f"apply_{kind.name}_end"), {"id": row["id"], "valid_to": stop, "now": park.now})
        row["valid_to"] = stop
    taken: list[Stretch] = [(row["valid_from"], row["valid_to"]) for row in rows]
    version = max((row["version"] for row in rows), default=0)
    before = kind.read(ended[-1]["document"]) if ended else None
    said: list[str] = []
    for entry in missing:
        start, stop = kind.dates(entry)
        stretch = free_from(start or (park.now if rows else park.begins), stop, taken)
        if stretch is None:
            continue
        version += 1
        taken.append(stretch)
        columns = {"key": key, "version": version, "valid_from": stretch[0], "valid_to": stretch[1]}
        own = {**columns, "park_id": park.park_id, "document": document_of(entry), "now": park.now}
        park.conn.execute(query(f"apply_{kind.name}_insert"), own)
        said.append(_sentence(version, stretch[0], before, entry))
    if ended and not said:
        said.append(f"version {ended[-1]['version']} ended")
    return said


def free_from(start: datetime, stop: datetime | None, taken: Sequence[Stretch]) -> Stretch | None:
    """
    What of `[start, stop)` is left from the first moment on that none of some stretches holds, up to the next that does.

    None where nothing is left. Empty stretches hold nothing.
    """
    held = sorted((stretch for stretch in taken if stretch[1] is None or stretch[0] < stretch[1]), key=lambda s: s[0])
    for first, last in held:
        if first <= start:
            if last is None:
                return None
            start = max(start, last)
        elif stop is None or first < stop:
            stop = first
            break
    return (start, stop) if stop is None or start < stop else None


def _sentence(version: int, start: datetime, before: _Entry | None, after: _Entry) -> str:
    if before is None:
        return f"added, version {version} from {written(start)}"
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = [name for name in new if new[name] != old.get(name)]
    listed = ", ".join(f"{name} changed from {_shown(old.get(name))} to {_shown(new[name])}" for name in changed)
    return f"version {version} from {written(start)}: {listed}"


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        text = str(value)
        return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return written(value)
