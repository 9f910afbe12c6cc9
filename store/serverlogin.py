"""The login of the server: it may become the two roles that reading and logging people in need, and no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, conninfo
from psycopg.rows import class_row

from domain.errors import SettingsError
from store.connection import connect, database_errors
from store.statements import query

__all__ = ["ServerLogin", "make_server_login", "server_logins"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLogin:
    """A login by which a server is connected now."""

    login: str
    faults: Sequence[str]
    """What it may that no server needs, each as the end of a sentence; none: nothing."""


def make_server_login(url: str, server_url: str) -> str:
    """
    Make the login that `server_url` names, with its password, or give it that password; its name.

    Parameters
    ----------
    url : str
        As whom it is made: a login that may make roles and grant those of kawasan.
    server_url : str
        As the server will connect.

    Raises
    ------
    SettingsError
        `server_url` cannot be read, or names no user or password.
    InputError
        The login exists and may do more than a server needs.
    Unavailable
        The database cannot be reached, or does not let `url` make logins.
    """
    try:
        given = conninfo.conninfo_to_dict(server_url)
    except psycopg.ProgrammingError:
        # What the driver says quotes the text, with its password.
        raise SettingsError(
            "the server's database URL cannot be read; write postgresql://user:password@host/name"
        ) from None
    name, password = str(given.get("user") or ""), str(given.get("password") or "")
    if not name or not password:
        raise SettingsError(
            "the server's database URL names no user or no password; write postgresql://user:password@host/name"
        )
    with connect(url, None, application="kawasan-migrate") as conn, database_errors(f"making the login {name}"):
        # Only the verifier is sent: statements may be logged.
        verifier = conn.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        conn.execute(query("login_wanted"), {"name": name, "verifier": verifier})
        conn.execute(query("login_make"))
    return name


def server_logins(conn: Connection[Any]) -> tuple[ServerLogin, ...]:
    """The logins of servers that are connected to this database now, by name."""
    with database_errors("reading the servers' logins"), conn.cursor(row_factory=class_row(ServerLogin)) as cursor:
        return tuple(cursor.execute(query("login_faults")).fetchall())
