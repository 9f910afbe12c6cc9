"""The private PostgreSQL of the demo and of all tests: what it keeps, and how it says what is wrong."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from domain.errors import Unavailable
from service.embedded import PrivatePostgres, find_installations
from tests.support.services import new_database

PROJECT = Path(__file__).resolve().parents[3]


def keep_a_number(url: str, number: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def kept_numbers(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM kept ORDER BY number")]


def private_server(folder: Path, port: int | None = None) -> PrivatePostgres:
    installation = next(one for one in find_installations() if one.packaged)
    return PrivatePostgres(folder, installation=installation, durable=False, port=port)


def test_a_stopped_server_starts_again_at_the_same_address_with_its_data(embedded_server: PrivatePostgres) -> None:
    address = embedded_server.url
    keep_a_number(address, 1)

    embedded_server.stop()
    embedded_server.start()

    assert embedded_server.url == address
    assert kept_numbers(address) == [1]


def test_a_killed_server_keeps_what_was_committed(embedded_server: PrivatePostgres) -> None:
    for number in range(5):
        keep_a_number(embedded_server.url, number)
        embedded_server.kill()
        embedded_server.start()

    assert kept_numbers(embedded_server.url) == [0, 1, 2, 3, 4]


def test_a_killed_timescaledb_keeps_what_was_committed(timescale_server: PrivatePostgres) -> None:
    with psycopg.connect(timescale_server.url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION timescaledb")
        connection.execute("CREATE TABLE kept (ts timestamptz NOT NULL, number int)")
        connection.execute("SELECT create_hypertable('kept', 'ts')")
        connection.execute("INSERT INTO kept VALUES (now(), 7)")

    timescale_server.kill()
    timescale_server.start()

    assert kept_numbers(timescale_server.url) == [7]


def test_a_server_that_was_killed_by_somebody_else_is_not_running_and_starts_again(
    embedded_server: PrivatePostgres,
) -> None:
    keep_a_number(embedded_server.url, 1)
    os.kill(embedded_server.pid, signal.SIGKILL)
    os.waitid(os.P_PID, embedded_server.pid, os.WEXITED | os.WNOWAIT)

    was_running = embedded_server.is_running()
    embedded_server.start()

    assert not was_running
    assert kept_numbers(embedded_server.url) == [1]


START_AND_DIE = """
import os, sys
from pathlib import Path
from service.embedded import PrivatePostgres, find_installations

installation = next(one for one in find_installations() if one.packaged)
server = PrivatePostgres(Path(sys.argv[1]), installation=installation, durable=False)
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_server_left_by_a_killed_kawasan_is_taken_over_with_its_data(server_folder: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", START_AND_DIE, str(server_folder)],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    left = int(killed.stdout)
    server = private_server(server_folder)

    server.start()

    try:
        assert killed.returncode == -signal.SIGKILL
        assert server.pid != left
        assert not Path(f"/proc/{left}/cwd").exists()
        keep_a_number(server.url, 1)
    finally:
        server.erase()


def test_two_servers_on_the_same_data_are_refused(embedded_server: PrivatePostgres) -> None:
    second = PrivatePostgres(embedded_server.home, installation=embedded_server.installation)

    with pytest.raises(Unavailable, match="another kawasan is at work on the data"):
        second.start()

    keep_a_number(embedded_server.url, 1)


def test_a_port_that_is_taken_is_named(server_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = private_server(server_folder, port)

        with pytest.raises(Unavailable, match=f"port {port} of 127.0.0.1 is taken"):
            server.start()

    server.erase()


def test_a_wrong_password_does_not_get_in(embedded_server: PrivatePostgres) -> None:
    address = f"postgresql://postgres:guessed@127.0.0.1:{embedded_server.port}/postgres"

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address)


def test_an_erased_server_leaves_nothing_behind(server_folder: Path) -> None:
    server = private_server(server_folder)
    server.start()

    server.erase()

    assert not server.home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run under another account")
def test_roots_server_runs_from_folders_that_its_account_cannot_enter(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    server = private_server(hidden / "data")
    server.start()

    try:
        keep_a_number(server.url, 1)
        assert kept_numbers(server.url) == [1]
        assert hidden.stat().st_mode & 0o777 == 0o700
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    finally:
        server.erase()


def test_a_database_of_a_test_is_empty_and_gone_afterwards(server_url: str) -> None:
    with new_database(server_url) as address:
        keep_a_number(address, 1)

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(address)


def test_the_shared_timescaledb_has_the_extension(timescale_database: str) -> None:
    with psycopg.connect(timescale_database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        found = connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").fetchone()

    assert found == (1,)
