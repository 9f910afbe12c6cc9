"""Connections to the database, each in one of four roles, and the driver's errors as ours.

A role is assumed at connect time (`-c role=`); what the role may do is granted by
`store/views/grants.sql`. Tables are in schema `public`, what the API reads in schema `api`;
the same query text serves both, because the search path goes with the role.
"""

import getpass
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import psycopg
from psycopg import AsyncConnection, Connection, conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from domain.errors import DataError, InputError, NotAllowed, Overtaken, ParkError, SettingsError, Unavailable
from store.arrays import register_arrays
from store.behind import Behind
from store.statements import query

__all__ = ["AsyncPool", "Role", "connect", "connect_asking", "database_errors", "open_pool"]

AsyncPool = AsyncConnectionPool[AsyncConnection[TupleRow]]

_SETTINGS = (
    "timezone=UTC",
    # Every query is planned with its bounds in sight, or chunks are not excluded.
    "plan_cache_mode=force_custom_plan",
    "jit=off",
    "idle_in_transaction_session_timeout=10min",
)
# What the API reads for one answer is of one moment.
_SNAPSHOT = ("default_transaction_isolation=repeatable\\ read", "default_transaction_read_only=on")
_NETWORK = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# 22 data exception, 23 integrity, 54 a row too wide for an index or a page.
_CONTENT_CLASSES = frozenset({"22", "23", "54"})
# What functions of store/views raise on purpose.
_OURS = "KW"
_NOT_ALLOWED = "KW403"
_OVERTAKEN = "KW409"
_CHECKED_S = 1.0


class Role(StrEnum):
    """What a connection may do. Each is a group role of the database, made by `migrate`."""

    MIGRATE = "kawasan_migrate"
    """Owns the schema: migrations, and `apply_park`."""
    WRITE = "kawasan_write"
    """Ingest and engine: readings, the ledger, the queue, amounts and KPIs; reads the registry."""
    API = "kawasan_api"
    """Reads the views of schema `api`, each row only where the asking user may see it."""
    AUTH = "kawasan_auth"
    """Users, their tokens, and what they are granted."""

    @property
    def search_path(self) -> str:
        """Schema in which the role's queries find their tables."""
        return "api" if self is Role.API else "public"


def _conninfo(url: str, role: Role | None, application: str) -> str:
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise SettingsError(f"the database URL cannot be read ({error}); write postgresql://user@host/name") from error
    settings = [*_SETTINGS, f"kawasan.actor={_actor()}", f"search_path={role.search_path if role else 'public'}"]
    if role is not None:
        settings.append(f"role={role.value}")
    if role is Role.API:
        settings.extend(_SNAPSHOT)
    options = " ".join([str(given.get("options") or ""), *(f"-c {setting}" for setting in settings)]).strip()
    return conninfo.make_conninfo("", **{**_NETWORK, "application_name": application, **given, "options": options})


def _actor() -> str:
    """Who runs this process, for the audit log, as an option of a connection is written: `cli:` and the account."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A container may run as an account that has no name.
        name = f"uid {os.getuid()}"
    return f"cli:{name}".replace("\\", "\\\\").replace(" ", "\\ ")


def _place(url: str) -> str:
    given = conninfo.conninfo_to_dict(url)
    return f"{given.get('dbname') or 'postgres'} at {given.get('host') or 'the local socket'}"


@contextmanager
def database_errors(doing: str) -> Iterator[None]:
    """
    Turn the driver's errors into ours, once, at the edge of a public function.

    Raises
    ------
    InputError, NotAllowed, Overtaken
        A named function of ours refused what was asked for (KW422), who asked (KW403), or what another took over (KW409); the text is
        its own.
    DataError
        The database refused the contents (SQLSTATE classes 22, 23 and 54); the same contents will be refused again.
    Unavailable
        Everything else: no connection, a server shutting down, a deadlock, a missing table or right.
    """
    try:
        yield
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] == _OURS:
            raise _refusal(error) from error
        text = f"{doing}: {_sentence(error)}"
        if (error.sqlstate or "")[:2] in _CONTENT_CLASSES or isinstance(error, psycopg.DataError):
            raise DataError(text) from error
        raise Unavailable(text) from error


def _refusal(error: psycopg.Error) -> ParkError:
    text = error.diag.message_primary or str(error)
    return {_NOT_ALLOWED: NotAllowed, _OVERTAKEN: Overtaken}.get(error.sqlstate or "", InputError)(text)


def _sentence(error: psycopg.Error) -> str:
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    if (error.sqlstate or "")[:2] == "42":
        return f"{first} (is the schema at this version? `kawasan migrate` brings it there)"
    return first


def _refused(url: str, role: Role | None, error: psycopg.Error) -> Unavailable:
    hint = ""
    if role is not None and f'role "{role.value}"' in str(error):
        hint = f"; `kawasan migrate` makes the role, and a superuser grants it: GRANT {role.value} TO <login>"
    return Unavailable(f"cannot connect to database {_place(url)}: {' '.join(str(error).split())}{hint}")


def connect(
    url: str, role: Role | None, *, autocommit: bool = False, application: str = "kawasan"
) -> Connection[TupleRow]:
    """
    A connection that acts as one role, in UTC, with a fixed search path.

    Parameters
    ----------
    url : str
        `postgresql://...` or any libpq connection string.
    role : Role or None
        None: as the login itself, for `migrate` and for LISTEN.

    Raises
    ------
    Unavailable
        Nobody answers, or the login may not act as the role.
    SettingsError
        The URL cannot be read.
    """
    text = _conninfo(url, role, application)
    try:
        conn = Behind.connect(text, autocommit=autocommit)
    except psycopg.Error as error:
        raise _refused(url, role, error) from error
    register_arrays(conn)
    return conn


def connect_asking(url: str, user: str, *, application: str = "kawasan-api") -> Connection[TupleRow]:
    """
    A connection in role API by which one user asks, read-only, in one transaction on one snapshot.

    For what reads by a connection that waits, in a thread of its own. It is nobody else's after it, so the user stays set.

    Raises
    ------
    Unavailable
        Nobody answers, or the login may not act as the role.
    """
    conn = connect(url, Role.API, application=application)
    try:
        with database_errors("reading"):
            conn.execute(query("asking_alone"), {"user": user})
    except ParkError:
        conn.close()
        raise
    return conn


def open_pool(
    url: str, role: Role, *, min_size: int = 1, max_size: int = 8, application: str = "kawasan-api"
) -> AsyncPool:
    """
    A pool of asynchronous connections in one role, not opened yet: use it as `async with open_pool(...) as pool`.

    Connections commit each statement by itself, outside of a transaction. One is checked before it is lent, unless it was
    within the second before; a lender that waits longer than 10 s gets psycopg_pool.PoolTimeout, which
    :func:`database_errors` turns into Unavailable.
    """
    return AsyncConnectionPool(
        _conninfo(url, role, application),
        kwargs={"autocommit": True},
        connection_class=_Lent,
        min_size=min_size,
        max_size=max_size,
        timeout=10.0,
        open=False,
        configure=_configure,
        check=_check,
    )


class _Lent(AsyncConnection[TupleRow]):
    checked_s = -_CHECKED_S


async def _check(conn: AsyncConnection[TupleRow]) -> None:
    now_s = time.monotonic()
    if isinstance(conn, _Lent) and now_s - conn.checked_s >= _CHECKED_S:
        await AsyncConnectionPool.check_connection(conn)
        conn.checked_s = now_s


async def _configure(conn: AsyncConnection[TupleRow]) -> None:
    register_arrays(conn)
