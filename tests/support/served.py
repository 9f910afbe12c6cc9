"""An API over a real database that holds two tenants, a treatment plant and one computed day."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from domain.readings import Reason, Rejection
from domain.time import DAY_US, HOUR_US, parse_instant
from service.api import create_app
from service.engine import run_cycle
from service.settings import Settings
from store import ReadingSink, Role, connect, load_registry
from store.spans import append_tick
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, batch_of, channel, meter, park_file, tenant
from tests.support.services import new_database

DAY_START_US = parse_instant("2026-03-02T00:00:00+07:00")
DAY = {"start": "2026-03-02T00:00:00+07:00", "stop": "2026-03-03T00:00:00+07:00"}
TOKENS = {role: f"token-of-{role}" for role in ("operator", "tenant", "officer")}

PARK = park_file(
    tenant("alpha", meter("main", channel("energy_import", "register"), channel("power"))),
    tenant("beta", meter("main", channel("energy_import", "register"))),
    tenant("_park", meter("outlet", channel("cod"), channel("effluent_flow"), role="outlet")),
    rules=[
        {
            "key": "cod_hour",
            "meter": "_park/outlet",
            "quantity": "cod",
            "statistic": "mean",
            "window": "hour",
            "highest": 100.0,
            "legal_basis": "example",
        }
    ],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the API."""

    status: int
    body: Any
    headers: httpx2.Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The application, asked as one of its users."""

    url: str
    client: httpx2.AsyncClient

    async def get(self, path: str, role: str | None = "operator", **query: Any) -> Answer:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        answer = await self.client.get(path, params=query or None, headers=headers)
        is_json = answer.headers.get("content-type", "").split(";")[0] in {
            "application/json",
            "application/problem+json",
        }
        return Answer(status=answer.status_code, body=answer.json() if is_json else answer.text, headers=answer.headers)

    async def api(self, path: str, role: str | None = "operator", **query: Any) -> Answer:
        return await self.get(f"/api/v1/{path}", role, **query)


def next_page(answer: Answer, path: str) -> str:
    """Where the header Link of an answer leads to; what was asked for was `path`."""
    found = re.fullmatch(r'<(\?[^>]+)>; rel="next"', answer.headers.get("link", ""))
    assert found is not None, answer.headers
    return f"{path}{found[1]}"


def fill(url: str) -> None:
    """One day: alpha at 60 kW, beta at 30 kW, COD 50 mg/L at 10 m3/h but for one hour at 150 mg/L."""
    ids = apply_to(url, PARK)
    minutes = range(24 * 60 + 1)
    rows: list[tuple[int, int, float]] = []
    for minute in minutes:
        ts = DAY_START_US + minute * 60_000_000
        rows.append((ids["alpha/main/energy_import"], ts, 1000.0 + minute))
        rows.append((ids["beta/main/energy_import"], ts, 500.0 + minute / 2))
        rows.append((ids["_park/outlet/cod"], ts, 150.0 if 600 <= minute < 660 else 50.0))
        rows.append((ids["_park/outlet/effluent_flow"], ts, 10.0))
        rows.append((ids["alpha/main/power"], ts, 60.0))
    sink = ReadingSink(url)
    received_us = time.time_ns() // 1000
    rejection = Rejection(message=0, place="values.ph", reason=Reason.UNKNOWN_CHANNEL, detail="meter has no ph")
    sink.write(batch_of(rows, source="p/alpha", topic=b"kawasan/v1/p/alpha/main", received_us=received_us))
    sink.write(
        batch_of(
            [],
            source="p/alpha",
            topic=b"kawasan/v1/p/alpha/main",
            payload=b'{"values": {"ph": 7}}',
            received_us=received_us,
            rejections=(rejection,),
        )
    )
    sink.close()
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        append_tick(conn, park.id, DAY_START_US + DAY_US + HOUR_US)
        while run_cycle(conn, park, cycle_rows=200_000, now_us=received_us).remaining:
            continue
    with connect(url, Role.AUTH) as conn:
        create_user(conn, "operator", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/alpha"])
        create_user(conn, "officer", UserRole.OFFICER, parks=["p"])
        for role, token in TOKENS.items():
            set_token(conn, role, token_hash(token), label="test")


@contextmanager
def closed_to_others(server_url: str, url: str) -> Iterator[str]:
    """The database's name, while nobody can connect to it, as a copy needs it."""
    name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    with psycopg.connect(server_url, autocommit=True) as connection:
        # TimescaleDB's own workers connect to every database that lets them.
        connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    yield name


@asynccontextmanager
async def served(url: str, **settings: Any) -> AsyncIterator[Api]:
    """
    The application on a database, running, with some settings.

    It keeps nothing by itself: tests change the database behind its back, and ask before a signal of that can have come.
    """
    app = create_app(Settings(database_url=SecretStr(url), **{"kept_mb": 0, **settings}))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://kawasan.test"
        ) as client,
    ):
        yield Api(url=url, client=client)


@pytest.fixture(scope="session")
def filled_template(shared_timescale_url: str, timescale_template: str) -> Iterator[str]:
    """Name of a database on TimescaleDB that holds the filled day, to be copied."""
    with new_database(shared_timescale_url, timescale_template) as url:
        fill(url)
        with closed_to_others(shared_timescale_url, url) as name:
            yield name


@pytest.fixture
async def api(shared_timescale_url: str, filled_template: str) -> AsyncIterator[Api]:
    """The API over the filled day, on TimescaleDB."""
    with new_database(shared_timescale_url, filled_template) as url:
        async with served(url) as running:
            yield running


@pytest.fixture
async def api_on_both(kawasan_url: str) -> AsyncIterator[Api]:
    """The same on TimescaleDB and on the embedded PostgreSQL."""
    fill(kawasan_url)
    async with served(kawasan_url) as running:
        yield running
