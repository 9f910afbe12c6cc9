"""Users, their tokens, and what they are granted. Connections of role AUTH; tokens are known only by their hash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row

from domain.errors import InputError
from store.connection import database_errors
from store.statements import query

__all__ = [
    "User",
    "UserRole",
    "create_user",
    "disable_user",
    "drop_token",
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
    ADMIN = "admin"
    """Everything of all parks."""


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
    disabled: bool = False


def token_hash(token: str) -> bytes:
    """What is stored of a token: the SHA-256 of its UTF-8."""
    return sha256(token.encode("utf-8")).digest()


def create_user(
    conn: Connection[Any], name: str, role: UserRole, *, parks: Sequence[str] = (), tenants: Sequence[str] = ()
) -> User:
    """
    Create a user, or bring one of that name to this role and these grants; commits.

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
        row = conn.execute(query("user_upsert"), {"name": name, "role": role.value}).fetchone()
        grants["user_id"] = row[0] if row else None
        for step in ("user_forget_parks", "user_forget_tenants", "user_grant_parks", "user_grant_tenants"):
            conn.execute(query(step), grants)
        return _users(conn, name)[0]


def set_token(
    conn: Connection[Any], user: str, hash_: bytes, *, label: str, expires_at: datetime | None = None
) -> None:
    """Give a user a token, by its hash; a token of the same user and label is replaced. Commits."""
    with database_errors(f"setting a token of {user}"), conn.transaction():
        parameters = {"user": user, "hash": hash_, "label": label, "expires_at": expires_at}
        if not conn.execute(query("token_set"), parameters).rowcount:
            raise InputError(f"no user {user!r} in the database; create the user first")


def drop_token(conn: Connection[Any], user: str, *, label: str) -> bool:
    """Take a token from a user; whether there was one. Commits."""
    with database_errors(f"dropping a token of {user}"), conn.transaction():
        return conn.execute(query("token_drop"), {"user": user, "label": label}).rowcount > 0


def disable_user(conn: Connection[Any], name: str) -> bool:
    """Take a user's access away; whether it had any. Commits."""
    with database_errors(f"disabling user {name}"), conn.transaction():
        return conn.execute(query("user_disable"), {"name": name}).rowcount > 0


def list_users(conn: Connection[Any]) -> tuple[User, ...]:
    """All users, by name."""
    with database_errors("listing users"), conn.transaction():
        return _users(conn, None)


def _users(conn: Connection[Any], name: str | None) -> tuple[User, ...]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return tuple(_user(row) for row in cursor.execute(query("users_list"), {"name": name}).fetchall())


def _user(row: Mapping[str, Any]) -> User:
    rest = {name: row[name] for name in ("id", "name", "disabled")}
    return User(role=UserRole(row["role"]), parks=tuple(row["parks"]), tenants=tuple(row["tenants"]), **rest)


async def resolve_token(conn: AsyncConnection[Any], hash_: bytes) -> User | None:
    """Whose token it is; None where it is unknown, has expired, or its user is disabled. Role AUTH."""
    with database_errors("resolving a token"):
        async with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query("token_user"), {"hash": hash_})
            found = await cursor.fetchone()
            if found is None:
                return None
            await cursor.execute(query("users_list"), {"name": found["name"]})
            return _user((await cursor.fetchall())[0])
