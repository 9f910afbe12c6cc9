"""Users, their tokens, and what they are granted. Connections of role AUTH; tokens are known only by their hash."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row

from domain.errors import InputError
from store.audit import Note, note
from store.connection import database_errors
from store.statements import query

__all__ = [
    "ALL_SCOPES",
    "Scope",
    "User",
    "UserRole",
    "create_user",
    "disable_user",
    "drop_token",
    "enable_user",
    "grant_energy",
    "list_users",
    "resolve_token",
    "set_token",
    "token_hash",
]


class UserRole(StrEnum):
    """What a user is in the parks that are granted."""

    OPERATOR = "operator"
    """Everything of the granted parks."""
    TENANT = "tenant"
    """Meters of the granted tenants."""
    OFFICER = "officer"
    """Effluent and discharge of the granted parks."""
    AUDITOR = "auditor"
    """Reads everything of the granted parks and who did what there; changes nothing."""
    ADMIN = "admin"
    """Everything of all parks."""


class Scope(StrEnum):
    """What a key may be used for, of what its user may do."""

    READ = "read"
    """Asks."""
    ALARMS = "alarms"
    """Deals with alarms and their episodes."""
    WRITE = "write"
    """Changes anything else."""


ALL_SCOPES = frozenset(Scope)
"""Scopes of a token that was given no narrower ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may ask."""

    id: int
    name: str
    role: UserRole
    parks: tuple[str, ...]
    """Keys of the granted parks."""
    tenants: tuple[str, ...]
    """Granted tenants as `park/tenant`."""
    energy: tuple[str, ...] = ()
    """Tenants as `park/tenant` of whom an officer sees everything that is metered."""
    disabled: bool = False


def token_hash(token: str) -> bytes:
    """What is stored of a token: the SHA-256 of its UTF-8."""
    return sha256(token.encode("utf-8")).digest()


def create_user(
    conn: Connection[Any], name: str, role: UserRole, *, parks: Sequence[str] = (), tenants: Sequence[str] = ()
) -> User:
    """
    Create a user, or bring one of that name to this role and these grants; what changed is noted. Commits.

    Parameters
    ----------
    parks : Sequence[str]
        Park keys.
    tenants : Sequence[str]
        `park/tenant` keys.

    Raises
    ------
    InputError
        A park or tenant is not known, or a tenant user is granted none.
    """
    if role is UserRole.TENANT and not tenants:
        raise InputError(f"user {name!r}: a tenant user needs a tenant; write it as park/tenant")
    grants: dict[str, Any] = {"parks": list(parks), "tenants": list(tenants)}
    with database_errors(f"creating user {name}"), conn.transaction():
        unknown = [row[0] for row in conn.execute(query("user_unknown_grants"), grants).fetchall()]
        if unknown:
            raise InputError(f"user {name!r}: no park or tenant {', '.join(unknown)} in the database")
        before = _users(conn, name)
        row = conn.execute(query("user_upsert"), {"name": name, "role": role.value}).fetchone()
        grants["user_id"] = row[0] if row else None
        forgotten = ("user_forget_parks", "user_forget_tenants", "user_forget_energy")
        for step in (*forgotten, "user_grant_parks", "user_grant_tenants"):
            conn.execute(query(step), grants)
        user = _users(conn, name)[0]
        if before != (user,):
            detail = {"role": role.value, "parks": list(user.parks), "tenants": list(user.tenants)}
            act = "user changed" if before else "user added"
            note(conn, Note(act=act, target=name, concerns=name, detail=detail))
        return user


def set_token(
    conn: Connection[Any],
    user: str,
    hash_: bytes,
    *,
    label: str,
    expires_at: datetime | None = None,
    scopes: Collection[Scope] = ALL_SCOPES,
) -> None:
    """Give a user a token, by its hash; a token of the same user and label is replaced. Commits."""
    kept = sorted(scope.value for scope in scopes)
    with database_errors(f"setting a token of {user}"), conn.transaction():
        parameters = {"user": user, "hash": hash_, "label": label, "expires_at": expires_at, "scopes": kept}
        had = conn.execute(query("token_has"), parameters).fetchone()
        if not conn.execute(query("token_set"), parameters).rowcount:
            raise InputError(f"no user {user!r} in the database; create the user first")
        if had is None or not had[0]:
            note(conn, _of_token("token set", user, label, scopes=kept))


def drop_token(conn: Connection[Any], user: str, *, label: str) -> bool:
    """Take a token from a user; whether there was one. Commits."""
    with database_errors(f"dropping a token of {user}"), conn.transaction():
        dropped = conn.execute(query("token_drop"), {"user": user, "label": label}).rowcount > 0
        if dropped:
            note(conn, _of_token("token revoked", user, label))
        return dropped


def _of_token(act: str, user: str, label: str, **more: Any) -> Note:
    return Note(act=act, target=user, concerns=user, detail={"label": label, **more})


def disable_user(conn: Connection[Any], name: str) -> bool:
    """Take a user's access away; whether it had any. Commits."""
    return _switched(conn, name, "user_disable", "user disabled")


def enable_user(conn: Connection[Any], name: str) -> bool:
    """Give a disabled user access again; whether it was disabled. Commits."""
    return _switched(conn, name, "user_enable", "user enabled")


def _switched(conn: Connection[Any], name: str, step: str, act: str) -> bool:
    with database_errors(f"{act}: {name}"), conn.transaction():
        switched = conn.execute(query(step), {"name": name}).rowcount > 0
        if switched:
            note(conn, Note(act=act, target=name, concerns=name))
        return switched


def grant_energy(conn: Connection[Any], name: str, tenants: Sequence[str]) -> User:
    """
    Let an officer see everything that is metered of some tenants, and of no others; what changed is noted. Commits.

    Parameters
    ----------
    tenants : Sequence[str]
        `park/tenant` keys of parks that are granted; none takes the grant away.

    Raises
    ------
    InputError
        There is no such user, the user is no officer, or a tenant is not known or of a park that is not granted.
    """
    with database_errors(f"granting energy to {name}"), conn.transaction():
        before = _users(conn, name)
        if not before:
            raise InputError(f"no user {name!r} in the database; create the user first")
        if before[0].role is not UserRole.OFFICER:
            raise InputError(
                f"user {name!r} is {before[0].role.value}; energy is granted to officers, others see it by their role"
            )
        grants: dict[str, Any] = {"user_id": before[0].id, "parks": [], "tenants": list(tenants)}
        unknown = [row[0] for row in conn.execute(query("user_unknown_grants"), grants).fetchall()]
        unknown += [one for one in tenants if one not in unknown and one.split("/")[0] not in before[0].parks]
        if unknown:
            raise InputError(f"user {name!r}: no tenant {', '.join(unknown)} in the parks that are granted")
        for step in ("user_forget_energy", "user_grant_energy"):
            conn.execute(query(step), grants)
        user = _users(conn, name)[0]
        if before != (user,):
            note(conn, Note(act="user changed", target=name, concerns=name, detail={"energy": list(user.energy)}))
        return user


def list_users(conn: Connection[Any]) -> tuple[User, ...]:
    """All users, by name."""
    with database_errors("listing users"), conn.transaction():
        return _users(conn, None)


def _users(conn: Connection[Any], name: str | None) -> tuple[User, ...]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return tuple(_user(row) for row in cursor.execute(query("users_list"), {"name": name}).fetchall())


def _user(row: Mapping[str, Any]) -> User:
    rest = {name: row[name] for name in ("id", "name", "disabled")}
    energy = tuple(row["energy"])
    return User(
        role=UserRole(row["role"]), parks=tuple(row["parks"]), tenants=tuple(row["tenants"]), energy=energy, **rest
    )


async def resolve_token(conn: AsyncConnection[Any], hash_: bytes) -> User | None:
    """Whose token it is; None where it is unknown, has expired, or its user is disabled. Role AUTH."""
    with database_errors("resolving a token"):
        async with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query("identity_of"), {"hash": hash_, "of_cookie": False})
            found = await cursor.fetchone()
    return None if found is None else _user({**found, "disabled": False})
