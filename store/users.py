"""Users, their tokens, and what they are granted. Connections of role AUTH; tokens are known only by their hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg import AsyncConnection, Connection

__all__ = ["User", "UserRole", "create_user", "drop_token", "list_users", "resolve_token", "set_token", "token_hash"]


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
    raise NotImplementedError


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
    raise NotImplementedError


def set_token(
    conn: Connection[Any], user: str, hash_: bytes, *, label: str, expires_at: datetime | None = None
) -> None:
    """Give a user a token, by its hash; a token of the same user and label is replaced. Commits."""
    raise NotImplementedError


def drop_token(conn: Connection[Any], user: str, *, label: str) -> bool:
    """Take a token from a user; whether there was one. Commits."""
    raise NotImplementedError


def list_users(conn: Connection[Any]) -> tuple[User, ...]:
    """All users, by name."""
    raise NotImplementedError


async def resolve_token(conn: AsyncConnection[Any], hash_: bytes) -> User | None:
    """Whose token it is; None where it is unknown, has expired, or its user is disabled. Role AUTH."""
    raise NotImplementedError
