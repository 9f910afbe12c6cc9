"""Logins and keys: whose a token or a session is, and which there are. Connections of role AUTH."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from domain.errors import InputError
from store.audit import Note, add_note
from store.connection import database_errors
from store.repeats import use_claim_of_key
from store.statements import query
from store.users import Scope, User, UserRole

__all__ = [
    "Identity",
    "Key",
    "Session",
    "add_key",
    "drop_key",
    "end_session",
    "end_sessions",
    "keys_of",
    "open_session",
    "resolve",
    "sessions_of",
    "touch",
]

_MOST_KEYS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is asking, and by what that is known."""

    user: User
    via: Literal["token", "session"]
    number: int
    """Id of the token or session."""
    scopes: frozenset[Scope]
    must_change: bool
    """Logged in by a one-time password: nothing is allowed but to change it."""
    is_stale: bool
    """Not marked as used for a minute; :func:`touch` does."""
    expires_at: datetime | None
    """When it ends, used or not; None: not by itself."""
    hash: bytes = field(repr=False)
    """By which it was found, so that it can be looked up again."""
    keys_until: datetime | None
    """How long a key that it makes may last: as long as the token it is, or was opened with; None: as long as asked for."""
    lasts_s: float
    """How long it holds where it is not used, nor changed, meanwhile; infinity: for good. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login of the pages."""

    number: int
    address: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    by_token: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A token, without the token."""

    number: int
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


async def resolve(conn: AsyncConnection[Any], hash_: bytes, *, of_cookie: bool) -> Identity | None:
    """
    Whose a secret is; None where it is unknown, has ended, or its user is disabled.

    Parameters
    ----------
    of_cookie : bool
        Whether a session counts too; a bearer is a token only.
    """
    with database_errors("resolving a token"):
        async with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query("identity_of"), {"hash": hash_, "of_cookie": of_cookie})
            found = await cursor.fetchone()
    return None if found is None else _identity(found, hash_)


def _identity(row: Mapping[str, Any], hash_: bytes) -> Identity:
    user = User(
        id=row["id"],
        name=row["name"],
        role=UserRole(row["role"]),
        parks=tuple(row["parks"]),
        tenants=tuple(row["tenants"]),
        energy=tuple(row["energy"]),
    )
    rest = {
        name: row[name] for name in ("via", "number", "must_change", "is_stale", "expires_at", "keys_until", "lasts_s")
    }
    return Identity(user=user, hash=hash_, scopes=frozenset(Scope(one) for one in row["scopes"]), **rest)


async def touch(conn: AsyncConnection[Any], identity: Identity, *, idle_s: float) -> None:
    """Mark a token or session as used now; a session then lasts `idle_s` [s] more. Commits."""
    with database_errors("marking a login as used"):
        async with conn.transaction():
            asked = {"number": identity.number, "idle_s": idle_s}
            await conn.execute(query(f"{identity.via}_touch"), asked)


async def open_session(
    conn: AsyncConnection[Any],
    user: str,
    hash_: bytes,
    *,
    idle_s: float,
    longest_s: float,
    token_hash: bytes | None = None,
    line: Note,
) -> bool:
    """
    Open a session and note it; whether the user may log in at all. Commits, and clears away sessions that ended.

    Parameters
    ----------
    idle_s, longest_s : float
        How long it lasts unused, and at most. [s]
    token_hash : bytes or None
        The token it was opened with: it ends with that, and has its scopes.
    """
    asked = {
        "user": user, "hash": hash_, "token_hash": token_hash, "address": line.address, "idle_s": idle_s, "longest_s": longest_s,
    }  # fmt: skip
    with database_errors(f"logging {user} in"):
        async with conn.transaction():
            await conn.execute(query("session_sweep"))
            if not (await conn.execute(query("session_open"), asked)).rowcount:
                return False
            await add_note(conn, line)
    return True


async def end_session(conn: AsyncConnection[Any], hash_: bytes, *, line: Note) -> bool:
    """End a session by the hash of its secret, and note who it was; whether there was one. Commits."""
    with database_errors("logging out"):
        async with conn.transaction():
            found = await (await conn.execute(query("session_end"), {"hash": hash_})).fetchone()
            if found is None:
                return False
            said = Note(
                act=line.act, who=found[0], target=found[0], concerns=found[0], address=line.address, via=line.via
            )
            await add_note(conn, said)
    return True


async def end_sessions(
    conn: AsyncConnection[Any], user: str, *, number: int | None = None, kept: bytes | None = None, line: Note
) -> int:
    """
    End one session of a user by its number, or all but the one of hash `kept`; how many ended. Commits.

    It is noted where any ended.
    """
    with database_errors(f"ending sessions of {user}"):
        async with conn.transaction():
            if number is None:
                ended = (await conn.execute(query("session_end_all"), {"user": user, "kept": kept})).rowcount
            else:
                ended = (await conn.execute(query("session_end_one"), {"user": user, "number": number})).rowcount
            if ended:
                await add_note(conn, line)
    return ended


async def sessions_of(conn: AsyncConnection[Any], user: str) -> list[Session]:
    """Sessions of a user that have not ended, the last used first."""
    with database_errors(f"listing sessions of {user}"):
        async with conn.transaction(), conn.cursor(row_factory=class_row(Session)) as cursor:
            await cursor.execute(query("sessions_of"), {"user": user})
            return await cursor.fetchall()


async def keys_of(conn: AsyncConnection[Any], user: str) -> list[Key]:
    """The tokens of a user, by label."""
    with database_errors(f"listing tokens of {user}"):
        async with conn.transaction(), conn.cursor(row_factory=class_row(Key)) as cursor:
            await cursor.execute(query("keys_of"), {"user": user})
            return await cursor.fetchall()


async def add_key(
    conn: AsyncConnection[Any],
    user: str,
    hash_: bytes,
    *,
    label: str,
    scopes: Collection[Scope],
    expires_at: datetime | None,
    line: Note,
    claim: UUID | None = None,
) -> int:
    """
    Add a token of a new label; its number. Commits.

    Parameters
    ----------
    claim : UUID or None
        What the request for it claimed by its key (:mod:`store.repeats`).

    Raises
    ------
    InputError
        The user has one of that label, or as many as may be, or is disabled.
    Overtaken
        The same request was taken up again meanwhile.
    """
    asked = {
        "user": user, "hash": hash_, "label": label, "scopes": sorted(one.value for one in scopes), "expires_at": expires_at, "most": _MOST_KEYS,
    }  # fmt: skip
    with database_errors(f"adding a key of {user}"):
        async with conn.transaction():
            if claim is not None:
                await use_claim_of_key(conn, claim)
            row = await (await conn.execute(query("key_add"), asked)).fetchone()
            if row is None:
                raise InputError(
                    f"a key {label!r} is there already, or there are {_MOST_KEYS}; choose another label, or revoke one"
                )
            await add_note(conn, line)
    return int(row[0])


async def drop_key(conn: AsyncConnection[Any], user: str, number: int, *, line: Note) -> bool:
    """Take a token from a user by its number; whether there was one. Commits; sessions opened with it end."""
    with database_errors(f"revoking a key of {user}"):
        async with conn.transaction():
            row = await (await conn.execute(query("key_drop"), {"user": user, "number": number})).fetchone()
            if row is not None:
                await add_note(conn, line)
    return row is not None
