"""
Reading what the views of schema `api` show to users that are made up for it, and forgotten again.

Connections of role MIGRATE. All of it is one transaction that is never committed (:func:`tried`), so that nobody else ever
sees these users, and all that is read is of one moment.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import class_row

from store.connection import database_errors
from store.statements import query

__all__ = [
    "Owner",
    "Shown",
    "TriedUser",
    "ViewColumns",
    "api_views",
    "newest",
    "owners",
    "right_faults",
    "shown_to",
    "tried",
]

Shown: TypeAlias = tuple[Any, ...]
"""What one row says of whose it is: the values of the columns that were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumns:
    """A view that the API may read."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose something is, found without any view."""

    kind: str
    """What it is: park, tenant, meter, channel, series, alarm, ..."""
    key: str
    """Its id, or the key by which rows refer to it."""
    park_id: int
    tenant_id: int | None
    """None: the park's own."""
    role: str
    """Of its meter, where it has one."""
    quantity: str
    """Of its channel, or the key of its series, where it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedUser:
    """A user to look through the views as."""

    name: str
    role: str
    parks: tuple[int, ...] = ()
    """Ids of granted parks."""
    tenants: tuple[int, ...] = ()
    """Ids of granted tenants."""
    energy: tuple[int, ...] = ()
    """Ids of tenants of whom an officer sees everything that is metered."""
    disabled: bool = False


@contextmanager
def tried(conn: Connection[Any], users: Sequence[TriedUser]) -> Iterator[None]:
    """A transaction in which `users` exist; it ends without a trace. Their names must not be taken."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    with database_errors("trying the views"), conn.transaction(force_rollback=True):
        for user in users:
            row = conn.execute(
                query("isolation_add_user"), {"name": user.name, "role": user.role, "disabled": user.disabled}
            ).fetchone()
            granted = {"parks": list(user.parks), "tenants": list(user.tenants), "energy": list(user.energy)}
            conn.execute(query("isolation_grant"), {"user_id": row[0] if row else None, **granted})
        yield


def right_faults(conn: Connection[Any]) -> tuple[str, ...]:
    """Rights that the API's role should not have, each as the end of a sentence about that role."""
    with database_errors("reading rights"):
        return tuple(row[0] for row in conn.execute(query("isolation_rights")).fetchall())


def api_views(conn: Connection[Any]) -> tuple[ViewColumns, ...]:
    """The views that the API may read, by name."""
    with database_errors("reading the views' columns"):
        rows = conn.execute(query("isolation_views")).fetchall()
    return tuple(ViewColumns(name=name, columns=tuple(columns)) for name, columns in rows)


def owners(conn: Connection[Any]) -> tuple[Owner, ...]:
    """Whose everything is, from the tables themselves."""
    with database_errors("reading whose things are"), conn.cursor(row_factory=class_row(Owner)) as cursor:
        return tuple(cursor.execute(query("isolation_owners")).fetchall())


def newest(conn: Connection[Any]) -> datetime | None:
    """The time of the newest reading; None: there is none."""
    with database_errors("reading the newest time"):
        row = conn.execute(query("isolation_newest")).fetchone()
    return row[0] if row else None


def shown_to(
    conn: Connection[Any],
    user: str,
    view: str,
    columns: Sequence[str],
    *,
    since: tuple[str, datetime] | None = None,
) -> frozenset[Shown]:
    """
    The distinct values of some columns that a view shows to a user, read in the API's role.

    Parameters
    ----------
    user : str
        Name of a user; an empty one is nobody.
    columns : Sequence[str]
        Names of columns, as :func:`api_views` has them.
    since : (column, datetime) or None
        Only rows of which this column is not before that time.
    """
    # Which views there are only the database knows: their names come from its catalogue, and are quoted by the driver.
    statement = sql.SQL("SELECT DISTINCT {} FROM api.{}").format(
        sql.SQL(", ").join(sql.Identifier(column) for column in columns), sql.Identifier(view)
    )
    if since is not None:
        statement += sql.SQL(" WHERE {} >= {}").format(sql.Identifier(since[0]), sql.Placeholder())
    with database_errors(f"reading {view}"):
        conn.execute(query("isolation_become"), {"user": user})
        rows = conn.execute(statement, [] if since is None else [since[1]]).fetchall()
        conn.execute(query("isolation_become_owner"))
    return frozenset(tuple(tuple(one) if isinstance(one, list) else one for one in row) for row in rows)
