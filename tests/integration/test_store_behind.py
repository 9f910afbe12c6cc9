"""Work left behind on a connection: nobody sees a difference but in time."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from store.behind import Behind, behind
from store.connection import Role, connect


@pytest.fixture
def conn(timescale_url: str) -> Iterator[Connection[Any]]:
    """May make a table, which is a real one, so that another connection sees what was committed, and no more."""
    with connect(timescale_url, Role.MIGRATE, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.said (id int PRIMARY KEY)")
        try:
            yield conn
        finally:
            conn.execute("DROP TABLE public.said")


@pytest.fixture
def other(timescale_url: str) -> Iterator[Connection[Any]]:
    with connect(timescale_url, Role.MIGRATE, autocommit=True) as conn:
        yield conn


def say(conn: Connection[Any], number: int, *, wait_s: float = 0.0) -> None:
    conn.execute("SELECT pg_sleep(%s)", [wait_s])
    conn.execute("INSERT INTO said VALUES (%s)", [number])


def said(conn: Connection[Any]) -> list[int]:
    return [row[0] for row in conn.execute("SELECT id FROM said ORDER BY id").fetchall()]


def test_a_statement_comes_after_all_that_was_left_before_it(conn: Connection[Any]) -> None:
    with conn.transaction():
        behind(conn, say, conn, 1, wait_s=0.2)
        behind(conn, say, conn, 2)
        assert said(conn) == [1, 2]


def test_a_transaction_ends_after_what_was_left_in_it(conn: Connection[Any], other: Connection[Any]) -> None:
    with conn.transaction():
        behind(conn, say, conn, 1, wait_s=0.2)
        assert said(other) == []
    assert said(other) == [1]


def test_what_was_left_in_a_savepoint_goes_with_it(conn: Connection[Any]) -> None:
    def fail() -> None:
        with conn.transaction():
            behind(conn, say, conn, 2, wait_s=0.1)
            raise LookupError("of the caller's")

    with conn.transaction():
        behind(conn, say, conn, 1)
        with pytest.raises(LookupError, match="of the caller's"):
            fail()
        behind(conn, say, conn, 3)
    assert said(conn) == [1, 3]


def test_an_error_is_raised_at_the_next_statement(conn: Connection[Any]) -> None:
    def repeat() -> None:
        with conn.transaction():
            behind(conn, say, conn, 1)
            behind(conn, say, conn, 1)
            behind(conn, say, conn, 2)
            pytest.fail(f"nothing was raised before {said(conn)}")

    with pytest.raises(psycopg.errors.UniqueViolation):
        repeat()
    assert said(conn) == []


def test_an_error_is_raised_at_the_end_of_the_savepoint_which_it_rolls_back(conn: Connection[Any]) -> None:
    def repeat() -> None:
        with conn.transaction():
            behind(conn, say, conn, 1)

    with conn.transaction():
        say(conn, 1)
        with pytest.raises(psycopg.errors.UniqueViolation):
            repeat()
        say(conn, 2)
    assert said(conn) == [1, 2]


def test_a_connection_that_cannot_do_it_does_it_at_once(timescale_url: str) -> None:
    with psycopg.connect(timescale_url) as plain:
        plain.execute("CREATE TEMPORARY TABLE said (id int PRIMARY KEY)")
        assert not isinstance(plain, Behind)
        behind(plain, say, plain, 1)
        assert said(plain) == [1]


def test_a_closed_connection_leaves_nothing_running(timescale_url: str) -> None:
    conn = connect(timescale_url, Role.WRITE, autocommit=True)
    conn.execute("CREATE TEMPORARY TABLE said (id int PRIMARY KEY)")
    behind(conn, say, conn, 1, wait_s=0.2)
    conn.close()
    assert conn.closed
