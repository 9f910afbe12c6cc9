"""Logging in, by name and password or by a token, and changing a password. Every try is counted and noted."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from anyio import CapacityLimiter, to_thread
from psycopg import AsyncConnection

from domain.errors import InputError
from service.identity.limits import LIMITS, WINDOW_S, Kind, login_keys, wait_s
from service.identity.passwords import check_password, hash_password, verify_password
from service.identity.tokens import new_secret
from store.audit import Note, add_note
from store.connection import AsyncPool, database_errors
from store.identity import open_session, resolve
from store.passwords import (
    Password,
    forget_tries,
    password_of,
    rehash_password,
    set_password,
    try_login,
)
from store.users import token_hash

__all__ = ["Login", "Opened", "Refused", "TooOften", "change_password", "log_in", "log_in_by_token"]

_NOT_RIGHT = "The name or the password is not right."
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What logging in works with."""

    auth: AsyncPool
    """Connections of role AUTH."""
    hashing: CapacityLimiter
    """How many passwords are hashed at once; each takes memory, and others wait."""
    idle_s: float
    """How long a session lasts unused. [s]"""
    longest_s: float
    """How long it lasts at most. [s]"""
    address: str
    """Where the one who logs in is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session was opened."""

    secret: str
    """What the cookie is to hold."""
    must_change: bool
    """The password was a one-time password: nothing is allowed but to change it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not right."""

    why: str
    """A sentence for the one who tried; it does not tell which names there are."""


@dataclass(frozen=True, slots=True)
class TooOften:
    """It was tried too often; this try was not looked at."""

    wait_s: float
    """Until the next is. [s]"""


async def log_in(by: Login, name: str, password: str) -> Opened | Refused | TooOften:
    """
    Open a session by name and password.

    A name that is not there, a user that is disabled, and a wrong password are told apart in the audit log only, and
    take as long.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or "\0" in name:
        return Refused(_NOT_RIGHT)
    keys = login_keys(name, by.address)
    wait = await _counted(by, keys, name)
    if wait:
        return TooOften(wait)
    with database_errors("logging in"):
        async with by.auth.connection() as conn:
            known = await password_of(conn, name)
    is_right, newer = await _verified(by, password, known)
    why = _why_not(known, is_right=is_right)
    with database_errors("logging in"):
        async with by.auth.connection() as conn:
            if why or known is None:
                await _note_refused(conn, by, name, why)
                return Refused(_NOT_RIGHT)
            if newer is not None:
                await rehash_password(conn, name, known.hash, newer)
            return await _opened(conn, by, name, keys, must_change=known.one_time)


def _why_not(known: Password | None, *, is_right: bool) -> str:
    """Why a login is refused, for the audit log; empty: it is not."""
    if known is None:
        return "no such user, or without a password"
    if not is_right:
        return "wrong password"
    if known.disabled:
        return "the user is disabled"
    return "the one-time password has expired" if known.expired else ""


async def log_in_by_token(by: Login, token: str) -> Opened | Refused | TooOften:
    """Open a session by a token: it ends with that at the latest, and may do no more."""
    keys = login_keys(None, by.address)
    wait = await _counted(by, keys, "")
    if wait:
        return TooOften(wait)
    hash_ = token_hash(token)
    with database_errors("logging in"):
        async with by.auth.connection() as conn:
            found = await resolve(conn, hash_, of_cookie=False)
            if found is None:
                await _note_refused(conn, by, "", "unknown token")
                return Refused("This token is not known, or has expired.")
            return await _opened(conn, by, found.user.name, keys, token=hash_)


async def change_password(by: Login, name: str, current: str, new: str) -> Opened | Refused | TooOften:
    """
    Give a user the password that the user chose, end all sessions, and open a new one.

    The current password is asked for again: a page that was left open is not enough.
    """
    try:
        check_password(new, name)
    except InputError as error:
        sentence = str(error)
        return Refused(f"{sentence[:1].upper()}{sentence[1:]}.")
    if new == current:
        return Refused("The new password is the current one; choose another.")
    keys = login_keys(name, by.address)
    wait = await _counted(by, keys, name)
    if wait:
        return TooOften(wait)
    with database_errors("changing a password"):
        async with by.auth.connection() as conn:
            known = await password_of(conn, name)
    is_right, _ = await _verified(by, current, known)
    why = _why_not(known, is_right=is_right)
    hash_ = None if why else await to_thread.run_sync(hash_password, new, limiter=by.hashing)
    with database_errors("changing a password"):
        async with by.auth.connection() as conn:
            if hash_ is None:
                await _note_refused(conn, by, name, why, act="password changed")
                return Refused("The current password is not right.")
            line = Note(act="password changed", who=name, target=name, concerns=name, address=by.address, via="page")
            await set_password(conn, name, hash_, line=line)
            return await _opened(conn, by, name, keys)


async def _counted(by: Login, keys: dict[Kind, bytes], name: str) -> float:
    """How long to wait; 0: it is this one's turn. [s]"""
    with database_errors("counting a login"):
        async with by.auth.connection() as conn:
            # The address first: one that tried too often makes no further rows by trying other names.
            for kind, key in keys.items():
                (tried,) = await try_login(conn, [key], window_s=WINDOW_S)
                wait = wait_s([kind], [tried])
                if wait:
                    if tried.tries == LIMITS[kind] + 1:
                        # Only once in a window, so that whoever goes on does not fill the log.
                        await _note_refused(conn, by, name, f"tried too often ({kind.value})")
                    return wait
    return 0.0


async def _verified(by: Login, password: str, known: Password | None) -> tuple[bool, str | None]:
    return await to_thread.run_sync(verify_password, password, known.hash if known else None, limiter=by.hashing)


async def _note_refused(conn: AsyncConnection[Any], by: Login, name: str, why: str, *, act: str = "login") -> None:
    line = Note(
        act=act, who=name or "?", target=name, concerns=name, outcome="refused", address=by.address, via="page", detail={"why": why}
    )  # fmt: skip
    async with conn.transaction():
        await add_note(conn, line)


async def _opened(
    conn: AsyncConnection[Any],
    by: Login,
    name: str,
    keys: dict[Kind, bytes],
    *,
    token: bytes | None = None,
    must_change: bool = False,
) -> Opened | Refused:
    secret = new_secret()
    how = "one-time password" if must_change else "password" if token is None else "token"
    line = Note(act="login", who=name, target=name, concerns=name, address=by.address, via="page", detail={"by": how})
    opened = await open_session(
        conn, name, token_hash(secret), idle_s=by.idle_s, longest_s=by.longest_s, token_hash=token, line=line
    )
    if not opened:
        return Refused(_NOT_RIGHT)
    given_back: Collection[bytes] = [key for kind, key in keys.items() if kind is not Kind.BOTH]
    await forget_tries(conn, given_back=given_back, forgotten=keys.get(Kind.BOTH))
    return Opened(secret=secret, must_change=must_change)
