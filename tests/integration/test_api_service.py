"""Errors, headers, readiness and metrics of the server."""

import json
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from store import Role, connect, load_registry
from store.health import HealthSample, add_health
from tests.support.served import DAY, Api, api, filled_template, served

__all__ = ["api", "filled_template"]


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


async def test_a_server_over_a_good_schema_is_ready_and_says_what_it_knows_of_the_rest(api: Api) -> None:
    before = (await api.get("/readyz", None)).body["system"]
    with connect(api.url, Role.WRITE) as conn:
        now_us = time.time_ns() // 1000
        park = load_registry(conn, "p").park.id
        add_health(conn, park, [HealthSample(name="engine_lag", at_us=now_us, value=7.0)])
        add_health(conn, None, [HealthSample(name="broker_connected", at_us=now_us, value=1.0)])

    ready = await api.get("/readyz", None)

    assert (ready.status, ready.body["checks"]) == (200, {"live": "ok", "database": "ok", "migrations": "ok"})
    assert before["engine"].startswith("not reported")
    assert ready.body["system"]["engine"] == "7 s behind"
    assert ready.body["system"]["broker"].startswith("connected, as ingest said ")


async def test_a_server_whose_engine_is_further_behind_than_is_allowed_is_not_ready(api: Api) -> None:
    with connect(api.url, Role.WRITE) as conn:
        park = load_registry(conn, "p").park.id
        add_health(conn, park, [HealthSample(name="engine_lag", at_us=time.time_ns() // 1000, value=700.0)])

    async with served(api.url, ready_lag_s=600.0) as strict, served(api.url, ready_lag_s=800.0) as mild:
        late, in_time = await strict.get("/readyz", None), await mild.get("/readyz", None)

    assert (late.status, late.body["checks"]["engine"]) == (503, "is 700 s behind, and 600 s are allowed")
    assert in_time.status == 200


async def test_nothing_is_loaded_from_elsewhere_and_nothing_is_kept_by_caches(api: Api) -> None:
    page = await api.get("/login", None)

    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.headers["cache-control"] == "no-store"
    assert "http" not in page.body.replace("http-equiv", "")


async def test_metrics_are_for_those_who_run_the_park_and_name_no_tenant(api: Api) -> None:
    await api.api("kpis/electricity", subject="tenant:p/alpha", level="day", **DAY)

    refused = [(await api.get("/metrics", role)).status for role in (None, "tenant", "officer")]
    text = (await api.get("/metrics")).body

    assert refused == [401, 404, 404]
    assert 'kawasan_http_requests_total{method="GET",operation="read_kpi",status="200"} 1.0' in text
    assert 'kawasan_ledger_hour_values{outcome="stored"} 7205.0' in text
    assert 'kawasan_ledger_hour_rejected_values{reason="unknown_channel"} 1.0' in text
    assert "alpha" not in text


async def test_metrics_open_to_all_hold_nothing_of_the_ledger(api: Api) -> None:
    async with served(api.url, metrics_public=True) as open_to_all:
        await open_to_all.get("/metrics")
        text = (await open_to_all.get("/metrics", None)).body

    assert "kawasan_http_requests_total{" in text
    assert "kawasan_ledger_hour_values{" not in text
    assert "kawasan_ledger_hour_rejected_values{" not in text


async def test_metrics_are_as_prometheus_wants_them(api: Api) -> None:
    with connect(api.url, Role.WRITE) as conn:
        park = load_registry(conn, "p").park.id
        add_health(conn, park, [HealthSample(name="queue_rows", at_us=time.time_ns() // 1000, value=3.0)])

    families = {one.name: one for one in text_string_to_metric_families((await api.get("/metrics")).body)}
    ours = {name: one for name, one in families.items() if name.startswith("kawasan_")}

    assert families.keys() == ours.keys()
    assert {
        "kawasan_pool_connections",
        "kawasan_pool_wait_seconds",
        "kawasan_live_listeners",
        "kawasan_build_info",
    } <= set(ours)
    assert [sample.value for sample in ours["kawasan_engine_queue_rows"].samples] == [3.0]
    assert [name for name, one in ours.items() if not one.documentation] == []
    assert [name for name in ours if re.search(r"_(ms|kb|mb|minutes|percent)(_|$)", name)] == []


async def test_operations_have_stable_names_and_each_route_a_tag(api: Api) -> None:
    document = (await api.get("/openapi.json", None)).body
    operations = [operation for path in document["paths"].values() for operation in path.values()]

    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert {"list_parks", "read_kpi", "stream_live", "list_ledger"} <= set(names)
    assert all(operation["tags"] and operation["summary"] for operation in operations)
