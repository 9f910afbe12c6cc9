"""Databases with kawasan's schema for tests, and small parks and batches to put into them.

=====================  ==============================================================================
`kawasan_url`          address of a migrated, empty database; the test runs on both servers
`timescale_url`        the same on TimescaleDB only
`timescale_template`   name of a migrated database on TimescaleDB to make copies of
=====================  ==============================================================================

There is one such database on each server; it is emptied before each test, which takes a tenth of the
time of a new one. Tests that change the schema take a database of their own (`database`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from domain.parkfile import ParkFile
from domain.readings import Batch, Message, ReadingBatch, Rejection
from store.connection import Role, connect
from store.migrate import migrate
from store.registry import apply_park
from tests.support.services import Kind, new_database

NOON_US = 1_772_366_400_000_000
"""2026-03-01T12:00Z. [us UTC]"""

MINUTE_US = 60_000_000


EMPTY = """
DO $$
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
    EXECUTE (SELECT 'TRUNCATE ' || string_agg(format('%I', relname), ', ') || ' RESTART IDENTITY CASCADE'
             FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'applied_file');
END
$$
"""


@contextmanager
def migrated_database(server_url: str) -> Iterator[str]:
    """Address of a new database with the schema of this version."""
    with new_database(server_url) as url:
        migrate(url)
        yield url


def emptied(url: str) -> str:
    """Cut every other connection to a migrated database, and empty its tables as if nothing had ever been in them."""
    with psycopg.connect(url) as connection:
        connection.execute(EMPTY)
    return url


@pytest.fixture(scope="session")
def migrated_timescale_url(shared_timescale_url: str) -> Iterator[str]:
    """Address of the migrated database on TimescaleDB that tests share one after the other."""
    with migrated_database(shared_timescale_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_embedded_url(shared_embedded_url: str) -> Iterator[str]:
    """Address of the migrated database on the embedded PostgreSQL that tests share one after the other."""
    with migrated_database(shared_embedded_url) as url:
        yield url


@pytest.fixture(scope="session")
def timescale_template(shared_timescale_url: str) -> Iterator[str]:
    """Name of a migrated database on TimescaleDB to which nobody can connect, so that it can be copied at any time."""
    with migrated_database(shared_timescale_url) as url:
        name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        with psycopg.connect(shared_timescale_url, autocommit=True) as connection:
            # TimescaleDB's own workers connect to every database that lets them.
            connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield name


@pytest.fixture
def kawasan_url(server_kind: Kind, request: pytest.FixtureRequest) -> str:
    """Address of a migrated, empty database; the test runs on TimescaleDB and on the embedded PostgreSQL."""
    fixture = "migrated_timescale_url" if server_kind == "timescaledb" else "migrated_embedded_url"
    return emptied(request.getfixturevalue(fixture))


@pytest.fixture
def timescale_url(migrated_timescale_url: str) -> str:
    """Address of a migrated, empty database on TimescaleDB."""
    return emptied(migrated_timescale_url)


def channel(quantity: str, kind: str = "gauge", **rest: Any) -> dict[str, Any]:
    """A channel's entry of a park file; a register gets what a register must have."""
    must = {"max_rate": 1000.0, "digits": 6} if kind == "register" else {}
    return {"quantity": quantity, "kind": kind, "interval_s": 60, **must, **rest}


def meter(key: str, *channels: dict[str, Any], role: str = "use", **rest: Any) -> dict[str, Any]:
    """A meter's entry of a park file."""
    return {"key": key, "name": f"Meter {key}", "role": role, "channels": list(channels), **rest}


def tenant(key: str, *meters: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """A tenant's entry of a park file."""
    return {"key": key, "name": f"Tenant {key}", "meters": list(meters), **rest}


def park_file(*tenants: dict[str, Any], rules: Sequence[dict[str, Any]] = (), **park: Any) -> ParkFile:
    """A park file whose park is `p`, in Jakarta, from 2026 on."""
    entry = {
        "key": "p",
        "name": "Park",
        "timezone": "Asia/Jakarta",
        "valid_from": "2026-01-01T00:00:00+07:00",
        **park,
    }
    return ParkFile.model_validate({"park": entry, "tenants": list(tenants), "rules": list(rules)})


def apply_to(url: str, file: ParkFile, *, now_us: int | None = None) -> dict[str, int]:
    """Apply a park file; the ids of its channels by `tenant/meter/quantity`."""
    with connect(url, Role.MIGRATE) as conn:
        apply_park(conn, file, now_us=now_us)
        rows = conn.execute(
            "SELECT t.key || '/' || m.key || '/' || c.quantity, c.id FROM channel c"
            " JOIN meter m ON m.id = c.meter_id JOIN tenant t ON t.id = m.tenant_id JOIN park p ON p.id = c.park_id"
            " WHERE p.key = %s",
            [file.park.key],
        ).fetchall()
    return dict(rows)


def batch_of(
    rows: Iterable[tuple[int, int, float] | tuple[int, int, float, int]],
    *,
    source: str = "p/a",
    topic: bytes = b"kawasan/v1/p/a/m",
    payload: bytes = b"{}",
    received_us: int = NOON_US,
    rejections: Sequence[Rejection] = (),
) -> Batch:
    """A batch of one message with readings (channel_id, ts_us, value[, quality]) and rejections."""
    table = [(row[0], row[1], row[2], row[3] if len(row) > 3 else 0) for row in rows]
    return Batch(
        messages=(Message(topic=topic, payload=payload, received_us=received_us),),
        sources=(source,),
        readings=ReadingBatch(
            message=np.zeros(len(table), dtype=np.int32),
            channel_id=np.array([row[0] for row in table], dtype=np.int32),
            ts_us=np.array([row[1] for row in table], dtype=np.int64),
            value=np.array([row[2] for row in table], dtype=np.float64),
            quality=np.array([row[3] for row in table], dtype=np.int32),
        ),
        rejections=tuple(rejections),
    )
