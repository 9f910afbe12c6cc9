"""References in the database: bring them to a reference file, and say in words what changed. Rows are superseded, never updated."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from domain.errors import RegistryError
from domain.references import Origin, References
from domain.registry import OPERATOR
from domain.time import from_datetime, to_datetime
from store.connection import database_errors
from store.context import append_context_spans
from store.queries import asking
from store.referencerows import AnyReference, body_of, entries_of, entry_of
from store.statements import query
from store.touched import Touched

__all__ = ["ReferenceRow", "apply_references", "list_references", "read_references"]

_Place = tuple[str, str, int]
_EVERYBODY = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """A reference as it is stored, with who recorded it and when."""

    id: int
    park: str
    kind: str
    key: str
    valid_from: datetime
    valid_to: datetime | None
    body: dict[str, Any]
    source: str
    confirmed: bool
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When a newer version took its place; None: it is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    id: int
    entry: AnyReference


def apply_references(
    conn: Connection[Any], park_key: str, references: References, *, by: str, now_us: int | None = None
) -> tuple[str, ...]:
    """
    Make a park's references what its (checked) reference file says; commits. Role MIGRATE.

    Idempotent: applied twice, the second time changes nothing. Nothing is deleted: rows that are different now are
    superseded. A file need not repeat the past: versions that began before the first one it names of a key stay, and end
    where that begins. A key that the file no longer names ends now. Whatever the changes reach is put into the queue, the
    park's version is raised and `kawasan_registry` notified, in the same transaction.

    Parameters
    ----------
    references : References
        Of a file that :func:`domain.referencefile.reference_mistakes` finds nothing wrong with.
    by : str
        Who applies it.
    now_us : int or None
        When it happens; None: the database's clock. [us UTC]

    Returns
    -------
    tuple of str
        What changed, one sentence each.

    Raises
    ------
    RegistryError
        There is no such park.
    Unavailable
        The database is away, or the connection's role may not do it.
    """
    with database_errors(f"applying the references of park {park_key}"), conn.transaction():
        conn.execute(query("apply_lock"))
        conn.execute(query("apply_wait"), {"key": park_key})
        park_id, now = _park(conn, park_key, now_us)
        stored = _in_force(conn, park_id)
        current = {place: one.entry for place, one in stored.items()}
        wanted = _wanted(current, entries_of(references), from_datetime(now))
        changed = sorted(place for place in current.keys() | wanted.keys() if current.get(place) != wanted.get(place))
        for place in changed:
            if place in stored:
                conn.execute(query("reference_supersede"), {"id": stored[place].id, "now": now})
        for place in changed:
            if place in wanted:
                _insert(conn, park_id, place, wanted[place], now=now, by=by)
        _append_spans(conn, park_id, {place: (current.get(place), wanted.get(place)) for place in changed}, now)
        if any(kind == "holidays" for kind, _, _ in changed):
            conn.execute(query("alarm_rules_again"), {"park_id": park_id})
        if changed:
            conn.execute(query("reference_version"), {"park_id": park_id})
            conn.execute(query("apply_notify"), {"key": park_key})
    return tuple(_sentence(place, current.get(place), wanted.get(place)) for place in changed)


def list_references(
    conn: Connection[Any], park_key: str, *, kind: str | None = None, history: bool = False
) -> tuple[ReferenceRow, ...]:
    """References of a park in order of kind, key and time. Role WRITE or MIGRATE."""
    with database_errors("reading references"), conn.cursor(row_factory=class_row(ReferenceRow)) as cursor:
        cursor.execute(query("references_list"), {"park": park_key, "kind": kind, "history": history})
        return tuple(cursor.fetchall())


async def read_references(
    conn: AsyncConnection[Any], user: str, park_key: str, *, kind: str | None = None, history: bool = False
) -> tuple[ReferenceRow, ...]:
    """As :func:`list_references`, those that the user may see. Role API."""
    async with asking(conn, user), conn.cursor(row_factory=class_row(ReferenceRow)) as cursor:
        await cursor.execute(query("references_list"), {"park": park_key, "kind": kind, "history": history})
        return tuple(await cursor.fetchall())


def _park(conn: Connection[Any], park_key: str, now_us: int | None) -> tuple[int, datetime]:
    with conn.cursor(row_factory=dict_row) as cursor:
        park = cursor.execute(query("apply_park"), {"key": park_key}).fetchone()
    row = conn.execute(query("apply_now")).fetchone()
    if park is None or row is None:
        raise RegistryError(f"no park {park_key!r} in the database; `kawasan park apply FILE` brings one in")
    return park["id"], row[0] if now_us is None else to_datetime(now_us)


def _in_force(conn: Connection[Any], park_id: int) -> dict[_Place, _Stored]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("references_in_force"), {"park_id": park_id}).fetchall()
    return {
        (row["kind"], row["key"], from_datetime(row["valid_from"])): _Stored(
            id=row["id"], entry=entry_of({**row, "id": 0})
        )
        for row in rows
    }


def _wanted(
    current: Mapping[_Place, AnyReference], of_file: Mapping[_Place, AnyReference], now_us: int
) -> dict[_Place, AnyReference]:
    """What should be in force: what the file says, and of the past what it does not speak of."""
    first: dict[tuple[str, str], int] = {}
    for kind, key, from_us in of_file:
        first[kind, key] = min(from_us, first.get((kind, key), from_us))
    kept = {}
    for (kind, key, from_us), entry in current.items():
        until_us = first.get((kind, key), now_us)
        if from_us < until_us:
            kept[kind, key, from_us] = _ended(entry, until_us)
    return {**kept, **of_file}


def _ended(entry: AnyReference, until_us: int) -> AnyReference:
    stop_us = entry.origin.valid_to_us
    if stop_us is not None and stop_us <= until_us:
        return entry
    return replace(entry, origin=replace(entry.origin, valid_to_us=until_us))


def _insert(conn: Connection[Any], park_id: int, place: _Place, entry: AnyReference, *, now: datetime, by: str) -> None:
    kind, key, from_us = place
    origin = entry.origin
    conn.execute(
        query("reference_insert"),
        {
            "park_id": park_id,
            "kind": kind,
            "key": key,
            "valid_from": to_datetime(from_us),
            "valid_to": None if origin.valid_to_us is None else to_datetime(origin.valid_to_us),
            "body": Jsonb(body_of(entry)),
            "source": origin.source,
            "confirmed": origin.confirmed,
            "now": now,
            "by": by,
        },
    )


def _append_spans(
    conn: Connection[Any],
    park_id: int,
    changes: Mapping[_Place, tuple[AnyReference | None, AnyReference | None]],
    now: datetime,
) -> None:
    with conn.cursor(row_factory=dict_row) as cursor:
        tenants = {row["place"]: row["id"] for row in cursor.execute(query("apply_tenants"), {"park_id": park_id})}
        channels = {row["place"]: row["id"] for row in cursor.execute(query("apply_channels"), {"park_id": park_id})}
    touched = Touched(now=now)
    spans: list[tuple[int, int, int | None]] = []
    for (kind, key, _), (before, after) in changes.items():
        from_us, to_us = _reach(before, after)
        if kind == "check":
            for place, channel_id in channels.items():
                if key in {place, place.rpartition("/")[2]}:
                    touched.readings(channel_id, to_datetime(from_us))
        elif from_us != to_us:
            of_tenant = kind == "contract" and key != OPERATOR
            spans.append((tenants[key] if of_tenant else _EVERYBODY, from_us, to_us))
    touched.append(conn)
    append_context_spans(conn, park_id, spans, now_us=from_datetime(now))


def _reach(before: AnyReference | None, after: AnyReference | None) -> tuple[int, int | None]:
    """From when to when a change makes a difference; no end: for good. [us UTC]"""
    ends = [entry.origin.valid_to_us for entry in (before, after) if entry is not None]
    end = None if None in ends else max(stop for stop in ends if stop is not None)
    start = min(entry.origin.valid_from_us for entry in (before, after) if entry is not None)
    if before is not None and after is not None and _counts(before) == _counts(after):
        # Only until when it holds is different, or what is said of its source.
        known = [stop for stop in ends if stop is not None]
        return (min(known), end) if len(set(ends)) > 1 else (start, start)
    return start, end


def _counts(entry: AnyReference) -> AnyReference:
    """An entry without what makes no number different."""
    return replace(entry, origin=replace(entry.origin, valid_to_us=None, source="", confirmed=False))


def _sentence(place: _Place, before: AnyReference | None, after: AnyReference | None) -> str:
    kind, key, from_us = place
    word = "contract of" if kind == "contract" else kind
    name = f"{word} {key} from {to_datetime(from_us).isoformat()}"
    if before is None and after is not None:
        return f"{name}: added"
    if after is None:
        return f"{name}: withdrawn"
    if before is None:
        return name
    old, new = _said(before), _said(after)
    return f"{name}: " + ", ".join(
        f"{field} changed from {old[field]} to {new[field]}" for field in new if new[field] != old[field]
    )


def _said(entry: AnyReference) -> dict[str, str]:
    """An entry's fields as they stand in a sentence."""
    origin: Origin = entry.origin
    until = "open" if origin.valid_to_us is None else to_datetime(origin.valid_to_us).isoformat()
    own = {field: _shown(value) for field, value in body_of(entry).items()}
    return {**own, "valid_to": until, "source": repr(origin.source), "confirmed": "yes" if origin.confirmed else "no"}


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004 - one line
