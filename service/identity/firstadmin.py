"""The first admin of a new installation, and one-time passwords given by a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg import AsyncConnection

from service.identity.passwords import ONE_TIME_S, hash_password, one_time_password
from store import Role, open_pool
from store.audit import Note
from store.passwords import first_admin, set_password

__all__ = ["ADMIN", "give_one_time_password", "make_first_admin", "with_connection"]

ADMIN = "admin"
"""Name of the first admin."""

Made = TypeVar("Made")


def with_connection(url: str, role: Role, work: Callable[[AsyncConnection[Any]], Awaitable[Made]]) -> Made:
    """What is done over one connection of its own, from a program that is not asynchronous."""

    async def run() -> Made:
        async with (
            open_pool(url, role, min_size=1, max_size=1, application="kawasan-user") as pool,
            pool.connection() as conn,
        ):
            return await work(conn)

    return asyncio.run(run())


def make_first_admin(url: str) -> str | None:
    """
    Make an admin where a database has no user at all; its one-time password, which is known to nobody else. Commits.

    It is made by the owner of the schema, so whoever may migrate may do it. There is no default password: what is not
    noted down now is replaced by `kawasan user password`.

    Returns
    -------
    str or None
        None: there are users.
    """
    password = one_time_password()
    hash_ = hash_password(password)
    made = with_connection(url, Role.MIGRATE, lambda conn: first_admin(conn, ADMIN, hash_, valid_s=ONE_TIME_S))
    return password if made else None


def give_one_time_password(url: str, user: str) -> str:
    """
    Give a user a one-time password in place of any other, and end all sessions; it must be changed at the first login. Commits.

    Raises
    ------
    InputError
        There is no such user.
    """
    password = one_time_password()
    hash_ = hash_password(password)
    line = Note(act="password set", target=user, concerns=user, detail={"one_time": True})
    with_connection(url, Role.AUTH, lambda conn: set_password(conn, user, hash_, valid_s=ONE_TIME_S, line=line))
    return password
