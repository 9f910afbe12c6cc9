"""Errors, headers, readiness and metrics of the server."""

import json

import pytest

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
