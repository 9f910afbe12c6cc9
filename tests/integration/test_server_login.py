"""The server's own login: it serves with the roles that reading and logging in need, and cannot become another one."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from domain.errors import Unavailable
from store import Role, connect
from tests.support.served import DAY, Api, api, filled_template, served

__all__ = ["api", "filled_template"]

LOGIN, PASSWORD = "server_of_a_test", "of-a-test"


@pytest.fixture
def server_url(api: Api) -> Iterator[str]:
    """The database's URL with a login that may take the two roles of reading and logging in."""
    name = sql.Identifier(LOGIN)
    with psycopg.connect(api.url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN NOINHERIT PASSWORD {}").format(name, PASSWORD))
        conn.execute(sql.SQL("GRANT kawasan_api, kawasan_auth TO {}").format(name))
    parts = urlsplit(api.url)
    yield urlunsplit(parts._replace(netloc=f"{LOGIN}:{PASSWORD}@{parts.hostname}:{parts.port}"))
    with psycopg.connect(api.url, autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [LOGIN])
        conn.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_a_server_with_a_login_of_its_own_answers_as_ever(server_url: str) -> None:
    async with served(server_url) as running:
        ready = await running.get("/readyz", None)
        answer = await running.api("kpis/electricity", subject="park:p", level="day", **DAY)

    assert (ready.status, answer.status) == (200, 200)


@pytest.mark.parametrize("role", [Role.WRITE, Role.MIGRATE])
def test_the_servers_login_cannot_become_a_role_that_writes(server_url: str, role: Role) -> None:
    with pytest.raises(Unavailable, match="permission denied"):
        connect(server_url, role)
    with (
        psycopg.connect(server_url) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role.value)))


def test_the_servers_login_reads_no_table_by_itself(server_url: str) -> None:
    with psycopg.connect(server_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT value FROM public.reading LIMIT 1")
