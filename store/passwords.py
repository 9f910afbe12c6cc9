"""Passwords by their hashes, how often a login was tried, and the first admin. Connections of role AUTH."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from domain.errors import InputError
from store.audit import Note, add_note
from store.connection import database_errors
from store.statements import query

__all__ = [
    "Password",
    "Tried",
    "first_admin",
    "forget_tries",
    "password_of",
    "rehash_password",
    "set_password",
    "try_login",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """What is known of a user's password."""

    hash: str
    one_time: bool
    expired: bool
    """A one-time password that was not used in time."""
    disabled: bool
    """The user is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How often something was tried within its window."""

    tries: int
    left_s: float
    """Until the window is over. [s]"""


async def password_of(conn: AsyncConnection[Any], user: str) -> Password | None:
    """The password of a user; None where there is no such user, or no password."""
    with database_errors("looking up a password"):
        async with conn.transaction(), conn.cursor(row_factory=class_row(Password)) as cursor:
            await cursor.execute(query("password_of"), {"user": user})
            return await cursor.fetchone()


async def set_password(
    conn: AsyncConnection[Any], user: str, hash_: str, *, valid_s: float | None = None, line: Note
) -> None:
    """
    Give a user a password, by its hash, and end all sessions; commits.

    Parameters
    ----------
    valid_s : float or None
        Of a one-time password: how long it may be used. [s] None: it is one that stays.

    Raises
    ------
    InputError
        There is no such user.
    """
    with database_errors(f"setting the password of {user}"):
        async with conn.transaction():
            asked = {"user": user, "hash": hash_, "valid_s": valid_s}
            if not (await conn.execute(query("password_set"), asked)).rowcount:
                raise InputError(f"no user {user!r} in the database; create the user first")
            await conn.execute(query("session_end_all"), {"user": user, "kept": None})
            await add_note(conn, line)


async def rehash_password(conn: AsyncConnection[Any], user: str, old: str, new: str) -> None:
    """Put the same password's hash by newer costs in place of the old one, unless it was changed meanwhile. Commits."""
    with database_errors(f"hashing the password of {user} anew"):
        async with conn.transaction():
            await conn.execute(query("password_rehash"), {"user": user, "old": old, "hash": new})


async def try_login(conn: AsyncConnection[Any], keys: Collection[bytes], *, window_s: float) -> list[Tried]:
    """
    Count a try under each key, and say how often each was tried; commits.

    It is counted before anything is compared, so many tries at once are all counted. Keys are counted in their order.
    """
    with database_errors("counting a login"):
        async with conn.transaction():
            await conn.execute(query("login_sweep"), {"window_s": window_s})
            found = []
            for key in keys:
                cursor = await conn.execute(query("login_try"), {"key": key, "window_s": window_s})
                row = await cursor.fetchone()
                found.append(Tried(tries=row[0], left_s=row[1]) if row else Tried(tries=0, left_s=0.0))
    return found


async def forget_tries(conn: AsyncConnection[Any], *, given_back: Collection[bytes], forgotten: bytes | None) -> None:
    """After a login that succeeded: take its own try back, and forget all those of one key. Commits."""
    with database_errors("counting a login"):
        async with conn.transaction():
            await conn.execute(query("login_untry"), {"keys": list(given_back)})
            if forgotten is not None:
                await conn.execute(query("login_forget"), {"key": forgotten})


async def first_admin(conn: AsyncConnection[Any], name: str, hash_: str, *, valid_s: float) -> bool:
    """Make an admin with a one-time password where there is no user at all; whether it was made. Commits. Role MIGRATE."""
    with database_errors("making the first admin"):
        async with conn.transaction():
            if await (await conn.execute(query("admin_first"), {"name": name})).fetchone() is None:
                return False
            await conn.execute(query("password_set"), {"user": name, "hash": hash_, "valid_s": valid_s})
            await add_note(conn, Note(act="user added", target=name, detail={"role": "admin", "first": True}))
    return True
