"""Bringing a database to this version's schema."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from domain.errors import DataError, SchemaError, SettingsError, Unavailable
from store.connection import Role, connect, database_errors
from store.migrate import migrate, pending
from tests.support.services import Kind, new_database, url_of

TABLES = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, c.relacl::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname IN ('public', 'api') AND a.attnum > 0 AND c.relkind IN ('r', 'v', 'i')
ORDER BY 1, 2, 3
"""


def schema_of(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as conn:
        return conn.execute(TABLES).fetchall()


def test_a_new_database_is_pending_until_it_is_migrated(database: str) -> None:
    before = pending(database)

    done = migrate(database)

    assert "migrations/0001_readings.sql" in before
    assert done == before
    assert pending(database) == []


def test_migrating_twice_changes_nothing(database: str) -> None:
    migrate(database)
    schema = schema_of(database)

    again = migrate(database)

    assert again == []
    assert schema_of(database) == schema


def test_a_copy_of_a_migrated_database_is_like_a_fresh_one(database: str, kawasan_url: str) -> None:
    migrate(database)

    assert schema_of(kawasan_url) == schema_of(database)


def test_readings_are_a_hypertable_where_the_extension_is(kawasan_url: str, server_kind: Kind) -> None:
    with psycopg.connect(kawasan_url) as conn:
        extension = conn.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        hypertables = []
        if extension == (1,):
            hypertables = conn.execute("SELECT hypertable_name FROM timescaledb_information.hypertables").fetchall()

    expected = [("amount",), ("kpi",), ("reading",)] if server_kind == "timescaledb" else []
    assert sorted(hypertables) == expected


def test_a_migration_that_was_edited_after_it_ran_is_refused(database: str) -> None:
    migrate(database)
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE applied_file SET sha256 = 'other' WHERE name LIKE 'migrations/0001%'")

    with pytest.raises(SchemaError, match=r"0001_readings\.sql was edited"):
        migrate(database)
    with pytest.raises(SchemaError, match=r"0001_readings\.sql was edited"):
        pending(database)


def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    migrate(database)
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO applied_file (name, sha256) VALUES ('migrations/9999_later.sql', 'x')")

    with pytest.raises(SchemaError, match=r"9999_later\.sql"):
        migrate(database)


def test_views_that_differ_are_reported_and_made_anew(database: str) -> None:
    migrate(database)
    with psycopg.connect(database) as conn:
        conn.execute("DROP VIEW api.latest")
        conn.execute("UPDATE applied_file SET sha256 = 'other' WHERE name = 'views/20_api.sql'")

    assert pending(database) == ["views/20_api.sql"]
    assert migrate(database) == ["views/20_api.sql"]
    with connect(database, Role.API) as api:
        assert api.execute("SELECT * FROM latest").fetchall() == []


def test_processes_that_migrate_at_once_do_not_disturb_each_other(server_url: str) -> None:
    failures: list[Exception] = []

    def run(url: str) -> None:
        try:
            migrate(url)
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    with new_database(server_url) as one, new_database(server_url) as other:
        threads = [threading.Thread(target=run, args=(url,)) for url in (one, one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert pending(one) == pending(other) == []


@contextmanager
def login(server_url: str, name: str) -> Iterator[str]:
    """A login without any right but to connect; its address up to the database."""
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(name)))
    try:
        host = server_url.rpartition("@")[2].partition("/")[0]
        yield f"postgresql://{name}:x@{host}/"
    finally:
        with psycopg.connect(server_url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_an_owner_who_is_no_superuser_can_migrate_if_the_roles_exist(server_url: str, kawasan_url: str) -> None:
    name = f"owner_{kawasan_url[-8:]}"
    with login(server_url, name) as address, new_database(server_url) as url:
        database = url.rpartition("/")[2]
        with psycopg.connect(server_url, autocommit=True) as conn:
            conn.execute(sql.SQL("GRANT kawasan_migrate TO {}").format(sql.Identifier(name)))
            conn.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), sql.Identifier(name))
            )

        migrate(address + database)

        assert pending(url_of(server_url, database)) == []


def test_a_login_without_the_role_is_told_how_to_get_it(server_url: str, kawasan_url: str) -> None:
    name = f"nobody_{kawasan_url[-8:]}"
    with login(server_url, name) as address, pytest.raises(Unavailable, match="GRANT kawasan_write TO"):
        connect(address + kawasan_url.rpartition("/")[2], Role.WRITE)


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM token", "INSERT INTO app_user (name, role) VALUES ('x', 'admin')"]
)
def test_ingest_and_engine_cannot_touch_users(kawasan_url: str, statement: str) -> None:
    with connect(kawasan_url, Role.WRITE) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement.encode())


@pytest.mark.parametrize(
    "statement", ["UPDATE reading SET value = 0", "DELETE FROM reading", "DELETE FROM ledger", "DELETE FROM batch"]
)
def test_ingest_and_engine_cannot_change_what_was_read(kawasan_url: str, statement: str) -> None:
    with connect(kawasan_url, Role.WRITE) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement.encode())


@pytest.mark.parametrize("table", ["public.reading", "public.token", "public.park", "api.asker"])
def test_the_api_reads_no_table(kawasan_url: str, table: str) -> None:
    with connect(kawasan_url, Role.API) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"SELECT * FROM {table}".encode())


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"cannot connect to database x at 127\.0\.0\.1"):
        connect("postgresql://u:secret@127.0.0.1:1/x", Role.WRITE)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(Unavailable) as caught:
        connect("postgresql://u:secret@127.0.0.1:1/x", Role.WRITE)

    assert "secret" not in str(caught.value)


def test_an_address_that_cannot_be_read_is_a_setting_that_is_wrong() -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        connect("nonsense", Role.WRITE)


def test_contents_the_database_refuses_are_told_from_a_database_that_is_away(kawasan_url: str) -> None:
    with connect(kawasan_url, Role.WRITE) as conn:
        with pytest.raises(DataError, match="trying: "), database_errors("trying"):
            conn.execute("SELECT 1/0")
        conn.rollback()
        with pytest.raises(Unavailable, match="kawasan migrate"), database_errors("trying"):
            conn.execute("SELECT * FROM nothing_of_this_name")
