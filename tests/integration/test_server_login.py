"""The server's own login: it serves with the roles that reading and logging in need, and cannot become another one."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from domain.errors import InputError, SettingsError, Unavailable
from service.isolation import Look, look_at_isolation
from store import Role, connect
from store.serverlogin import make_server_login
from tests.support.served import DAY, TOKENS, Api, api, filled_template, served

__all__ = ["api", "filled_template"]

LOGIN, PASSWORD = "server_of_a_test", "of-a-test"


def as_login(url: str, password: str = PASSWORD, login: str = LOGIN) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{login}:{password}@{parts.hostname}:{parts.port}"))


@pytest.fixture
def server_url(api: Api) -> Iterator[str]:
    """The database's URL with a login that may take the two roles of reading and logging in."""
    url = as_login(api.url)
    assert make_server_login(api.url, url) == LOGIN
    yield url
    with psycopg.connect(api.url, autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [LOGIN])
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(LOGIN)))


async def look_at_login(url: str, as_owner: str) -> Look:
    """What the self-test says of the login of a server that answers by it."""
    async with served(url) as running:
        assert (await running.api("parks")).status == 200
        looks = await asyncio.to_thread(look_at_isolation, as_owner)
    return next(one for one in looks if one.what == "login of the server")


async def test_a_server_with_a_login_of_its_own_answers_as_ever(server_url: str) -> None:
    async with served(server_url) as running:
        ready = await running.get("/readyz", None)
        answer = await running.api("kpis/electricity", subject="park:p", level="day", **DAY)

    assert (ready.status, answer.status) == (200, 200)


async def test_a_rule_is_tried_by_the_servers_login(server_url: str) -> None:
    watched = {"watch": {"channel": "_park/outlet/cod"}, "above": "90 mg/L", "deadband": 5}
    entry = {"key": "cod", "name": "COD is high", "category": "warning", "severity": "medium", **watched}
    async with served(server_url) as running:
        answer = await running.client.post(
            "/api/v1/parks/p/alarm-rules/dry-run",
            json={"entry": entry, **DAY},
            headers={"Authorization": f"Bearer {TOKENS['operator']}"},
        )

    assert (answer.status_code, answer.json().get("raised")) == (200, 1), answer.text


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


async def test_the_self_test_says_what_the_servers_login_may_become(api: Api, server_url: str) -> None:
    own = await look_at_login(server_url, api.url)
    with psycopg.connect(api.url, autocommit=True) as conn:
        conn.execute(sql.SQL("GRANT kawasan_write TO {}").format(sql.Identifier(LOGIN)))
    wider = await look_at_login(server_url, api.url)

    # The fixture serves as the superuser meanwhile.
    superuser = f"{urlsplit(api.url).username} is a superuser"
    assert [fault.partition(";")[0] for fault in own.faults] == [superuser]
    assert [fault.partition(";")[0] for fault in wider.faults] == [superuser, f"{LOGIN} may become kawasan_write"]


def test_a_login_that_is_there_is_given_another_password(api: Api, server_url: str) -> None:
    make_server_login(api.url, as_login(api.url, "another"))

    with psycopg.connect(as_login(api.url, "another")) as conn:
        assert conn.info.user == LOGIN
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server_url)


def test_a_login_that_may_do_more_is_left_as_it_is(api: Api, server_url: str) -> None:
    owner = str(urlsplit(api.url).username)
    with psycopg.connect(api.url, autocommit=True) as conn:
        conn.execute(sql.SQL("GRANT kawasan_write TO {}").format(sql.Identifier(LOGIN)))

    for login in (owner, LOGIN):
        with pytest.raises(InputError, match="may do more than a server needs"):
            make_server_login(api.url, as_login(api.url, "taken-over", login))
    psycopg.connect(server_url).close()


@pytest.mark.parametrize(
    "url",
    ["postgresql://user@host/name", "postgresql://host/name", "postgresql://:x@host/name", "no url with secret=1"],
)
def test_a_login_needs_a_name_and_a_password(url: str) -> None:
    with pytest.raises(SettingsError) as told:
        make_server_login("postgresql://nobody@127.0.0.1:1/none", url)

    assert "postgresql://user:password@host/name" in str(told.value)
    assert "secret" not in str(told.value)
