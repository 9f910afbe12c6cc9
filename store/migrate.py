"""Bring a database to this version's schema: run-once migrations, then what is applied anew each time.

`store/migrations/NNNN_what.sql` runs once, and may not change after it ran; `store/views/*.sql`
(hypertables, views, rights) is applied at every migrate. All of it is one transaction under an
advisory lock. Tables belong to the role `kawasan_migrate`, whoever migrates.
"""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

from domain.errors import SchemaError, Unavailable
from store.connection import connect, database_errors
from store.statements import query

__all__ = ["migrate", "pending", "pending_for"]

# Another database of the cluster may touch the same roles at the same moment.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    text: bytes
    once: bool

    @property
    def sha256(self) -> str:
        return sha256(self.text).hexdigest()


def _files() -> list[_File]:
    found = [
        _File(name=f"{folder}/{entry.name}", text=entry.read_bytes(), once=folder == "migrations")
        for folder in ("migrations", "views")
        for entry in (files("store") / folder).iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found, key=lambda file: file.name)


def _pending(applied: dict[str, str]) -> list[_File]:
    known = _files()
    edited = [file.name for file in known if file.once and applied.get(file.name, file.sha256) != file.sha256]
    if edited:
        raise SchemaError(
            f"{edited[0]} was edited after it ran on this database; put the released text back, and make a new migration"
        )
    names = {file.name for file in known}
    newer = sorted(name for name in applied if name.startswith("migrations/") and name not in names)
    if newer:
        raise SchemaError(
            f"the database has {newer[-1]}, which this version of kawasan does not know; install a newer one"
        )
    return [file for file in known if applied.get(file.name) != file.sha256]


def migrate(url: str) -> list[str]:
    """
    Bring the database to this version; safe to run twice, and by several processes at once.

    Creates the four group roles where they are missing and makes the login a member, creates the
    extension timescaledb where it is preloaded and may be created, runs the files of
    `store/migrations` that were not run yet, and applies `store/views` anew.

    Returns
    -------
    list of str
        Files that changed something: migrations run, and files of `store/views` that are new or differ.

    Raises
    ------
    SchemaError
        A migration that ran before has been edited since, or the database is of a newer version.
    Unavailable
        The database cannot be reached, or the login has not the rights it needs.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        with connect(url, None, application="kawasan-migrate") as conn, database_errors("migrating the database"):
            try:
                return _migrate(conn)
            except (psycopg.errors.InternalError_, psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
                if attempt == _ATTEMPTS:
                    raise
                conn.rollback()
    raise Unavailable("migrating the database: roles kept changing under it")


def _migrate(conn: Connection[Any]) -> list[str]:
    conn.execute(query("migrate_lock"))
    for step in ("migrate_roles", "migrate_extension", "migrate_owner", "migrate_as_owner", "migrate_record"):
        conn.execute(query(step))
    new = _pending(dict(conn.execute(query("migrate_applied")).fetchall()))
    changed = {file.name for file in new}
    for file in _files():
        if not file.once or file.name in changed:
            conn.execute(file.text)
            conn.execute(query("migrate_remember"), {"name": file.name, "sha256": file.sha256})
    conn.commit()
    return [file.name for file in new]


def pending(url: str) -> list[str]:
    """
    Files that :func:`migrate` would report; empty: the database is at this version.

    Raises
    ------
    SchemaError
        As :func:`migrate`.
    Unavailable
        The database cannot be reached.
    """
    with connect(url, None, application="kawasan-migrate") as conn, database_errors("reading the schema's version"):
        recorded = conn.execute(query("migrate_recorded")).fetchone()
        if recorded is None or not recorded[0]:
            return [file.name for file in _files()]
        return [file.name for file in _pending(dict(conn.execute(query("migrate_applied")).fetchall()))]


async def pending_for(conn: AsyncConnection[Any]) -> list[str]:
    """As :func:`pending`, over a connection of the API's pool (for its readiness)."""
    with database_errors("reading the schema's version"):
        async with conn.transaction():
            cursor = await conn.execute(query("migrate_applied"))
            return [file.name for file in _pending(dict(await cursor.fetchall()))]
