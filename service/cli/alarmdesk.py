"""What the commands about alarms and episodes share: asking the same lists as the API, of all parks, and who acts."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg import AsyncConnection

from domain.registry import Registry
from service.settings import load_settings
from store import Role, connect, load_registries, open_pool
from store.connection import database_errors
from store.users import User, UserRole

__all__ = ["APPLICATION", "ask", "beyond_words", "everybody", "length_words", "me"]

APPLICATION = "kawasan-alarms"

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400

Found = TypeVar("Found")


def everybody() -> User:
    """Who sees all parks: whoever may run commands."""
    return User(id=0, name=me(), role=UserRole.ADMIN, parks=(), tenants=())


def me() -> str:
    """Under which name the journal keeps what is done by commands."""
    return f"cli:{getpass.getuser()}"


def ask(question: Callable[[AsyncConnection[Any], tuple[Registry, ...]], Awaitable[Found]]) -> Found:
    """
    What a question of the API answers when it is asked of the tables themselves, with the registries of all parks.

    Raises
    ------
    Unavailable
        The database is away.
    """
    url = load_settings().need_database()
    with connect(url, Role.WRITE, application=APPLICATION) as conn:
        registries = load_registries(conn)

    async def asked() -> Found:
        with database_errors("reading alarms"):
            async with (
                open_pool(url, Role.WRITE, max_size=1, application=APPLICATION) as pool,
                pool.connection() as conn,
            ):
                return await question(conn, registries)

    return asyncio.run(asked())


def beyond_words(peak: float | None, bound: float | None, unit: str) -> str:
    """How far something is beyond, with its bound: `153 mg/L against 100 mg/L`; empty for what is only there or not."""
    if peak is None or (unit == "1" and bound == 0):
        return ""
    return f"{_value_words(peak, unit)} against {_value_words(bound, unit)}"


def _value_words(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    if unit == "s":
        return length_words(value)
    return f"{value:g}" if unit in {"", "1"} else f"{value:g} {unit}"


def length_words(length_s: float) -> str:
    """A length of time: `45 s`, `12 min`, `3.5 h`, `2 d`."""
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if length_s >= unit_s:
            return f"{length_s / unit_s:.3g} {unit}"
    return f"{length_s:.3g} s"
