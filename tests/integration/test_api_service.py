"""Errors, headers, readiness, metrics and the live stream of the server."""

import asyncio
import json
import time
from contextlib import aclosing
from typing import Any

import pytest

from service.api.freshness import Freshness
from service.api.live import LiveStream
from store import ReadingSink, Role, connect, open_pool
from store.users import User, UserRole
from tests.support.databases import batch_of
from tests.support.served import DAY, Api, api, filled_template, served

__all__ = ["api", "filled_template"]

DEADLINE_S = 20.0


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("kpis/electricity", {"subject": "park:p", "level": "day", "start": "2026-03-02", "stop": "x"}, "RFC 3339"),
        (
            "kpis/electricity",
            {"subject": "park:p", "level": "day", "start": DAY["stop"], "stop": DAY["start"]},
            "empty",
        ),
        ("kpis/electricity", {"subject": "park", "level": "day", **DAY}, "write park:KEY"),
        ("kpis/electricity", {"subject": "park:p", "level": "minute", **DAY}, "level"),
        ("kpis/water_balance", {"subject": "tenant:p/alpha", "level": "day", **DAY}, "made for park"),
        ("readings", {"channel": "p/alpha/main/power", **DAY, "stop": "2027-01-01T00:00:00Z"}, "31 days"),
        ("readings", DAY, "channel"),
        ("amounts", {"channel": "p/alpha/main/power", "level": "base", **DAY, "stop": "2190-01-01T00:00:00Z"}, "10000"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem_that_says_why(
    api: Api, path: str, query: dict[str, str], words: str
) -> None:
    answer = await api.api(path, **query)

    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.body["detail"]
    assert {"type", "title", "status", "detail", "instance"} <= set(answer.body)


async def test_what_there_is_not_is_a_problem_too(api: Api) -> None:
    for path in ("/api/v1/nothing", "/nothing", "/static/nothing.js"):
        answer = await api.get(path)
        assert (answer.status, answer.body["status"]) == (404, 404)


async def test_a_database_that_is_away_is_503_and_tells_nothing_of_it() -> None:
    async with served("postgresql://kawasan:hidden@127.0.0.1:1/kawasan") as away:
        ready = await away.get("/readyz", None)
        alive = await away.get("/healthz", None)

    assert (alive.status, ready.status) == (200, 503)
    assert ready.body["status"] == "waiting"
    assert "127.0.0.1" not in json.dumps(ready.body)


async def test_a_server_over_a_good_schema_is_ready(api: Api) -> None:
    ready = await api.get("/readyz", None)

    assert (ready.status, ready.body["checks"]) == (200, {"database": "ok", "migrations": "ok"})


async def test_nothing_is_loaded_from_elsewhere_and_nothing_is_kept_by_caches(api: Api) -> None:
    page = await api.get("/login", None)

    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.headers["cache-control"] == "no-store"
    assert "http" not in page.body.replace("http-equiv", "")


async def test_metrics_name_no_tenant_and_show_the_ledger_only_with_a_token(api: Api) -> None:
    await api.api("kpis/electricity", subject="tenant:p/alpha", level="day", **DAY)

    public, private = (await api.get("/metrics", None)).body, (await api.get("/metrics")).body

    assert 'kawasan_http_requests_total{method="GET",operation="read_kpi",status="200"} 1.0' in public
    assert "alpha" not in public
    assert "kawasan_ledger_hour_values{" not in public
    assert 'kawasan_ledger_hour_values{outcome="stored"} 7205.0' in private


async def test_operations_have_stable_names_and_each_route_a_tag(api: Api) -> None:
    document = (await api.get("/openapi.json", None)).body
    operations = [operation for path in document["paths"].values() for operation in path.values()]

    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert {"list_parks", "read_kpi", "stream_live", "list_ledger"} <= set(names)
    assert all(operation["tags"] and operation["summary"] for operation in operations)


async def events_until(live: LiveStream, user: User, wanted: str, count: int = 1) -> list[dict[str, Any]]:
    """Contents of the first `count` events of a name."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(live.events(user)) as events:  # type: ignore[type-var]
        async for event in events:
            if event.event == wanted:
                found.append(json.loads(str(event.data)))
            if len(found) == count:
                return found
    raise AssertionError(f"the stream ended before {count} events {wanted}")


async def test_the_live_stream_tells_first_everything_and_then_what_is_new(api: Api) -> None:
    tenant = User(id=2, name="tenant", role=UserRole.TENANT, parks=(), tenants=("p/alpha",))
    async with open_pool(api.url, Role.API) as pool:
        freshness = Freshness(api.url)
        live = LiveStream(freshness, pool)
        async with freshness.running(), live.running():
            task = asyncio.create_task(events_until(live, tenant, "readings", 2))
            (first,) = await events_until(live, tenant, "readings")
            await asyncio.to_thread(write_power, api.url)
            everything, change = await task

    assert {row["channel"] for row in first["values"]} == {"p/alpha/main/energy_import", "p/alpha/main/power"}
    assert everything == first
    assert [(row["channel"], row["value"]) for row in change["values"]] == [("p/alpha/main/power", 77.0)]


def write_power(url: str) -> None:
    """A new reading of alpha's power, now."""
    with connect(url, Role.WRITE) as conn:
        row = conn.execute("SELECT id FROM channel WHERE quantity = 'power'").fetchone()
    assert row is not None
    sink = ReadingSink(url)
    now_us = time.time_ns() // 1000
    sink.write(batch_of([(row[0], now_us, 77.0)], source="p/alpha", received_us=now_us))
    sink.close()


async def test_streams_end_when_the_server_stops(api: Api) -> None:
    operator = User(id=1, name="operator", role=UserRole.OPERATOR, parks=("p",), tenants=())
    async with open_pool(api.url, Role.API) as pool:
        freshness = Freshness(api.url)
        live = LiveStream(freshness, pool)
        async with freshness.running(), live.running():
            stream = live.events(operator)
            await anext(stream)
            assert live.listeners == 1

        ended = [event async for event in stream]

    assert live.listeners == 0
    assert all(event.event for event in ended)
