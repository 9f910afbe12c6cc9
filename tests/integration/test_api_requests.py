"""Requests by their numbers: on answers, in problems and in the lines that are logged; and what no line may hold."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from service.logs import configure_logs
from service.settings import Settings
from tests.support.served import DAY, TOKENS, Api, api, filled_template

__all__ = ["api", "filled_template"]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The lines that the server logs, as `kawasan serve` writes them for collectors."""
    root = logging.getLogger()
    before, level, written = root.handlers[:], root.level, io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(Settings(log_format="json"), "serve")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines() if "httpx2" not in line]
    root.handlers[:] = before
    root.setLevel(level)


def lines_of(lines: list[dict[str, Any]], number: str) -> list[dict[str, Any]]:
    return [line for line in lines if line.get("request_id") == number]


async def test_a_request_leaves_one_line_with_its_route_user_and_number(api: Api, logged: Any) -> None:
    answer = await api.client.get(
        "/api/v1/kpis/electricity",
        params={"subject": "tenant:p/alpha", "level": "day", **DAY},
        headers={"Authorization": f"Bearer {TOKENS['tenant']}", "X-Request-ID": "trace-of-a-client"},
    )

    (line,) = lines_of(logged(), "trace-of-a-client")
    assert answer.headers["x-request-id"] == "trace-of-a-client"
    assert (line["method"], line["status"], line["user"], line["process"]) == ("GET", 200, "tenant", "serve")
    assert line["route"].endswith("/kpis/{key}")
    assert line["bytes"] == len(answer.content)
    assert 0 < line["seconds"] < 60


async def test_no_line_holds_a_token_a_query_or_what_a_path_names(api: Api, logged: Any) -> None:
    secret = "a-secret-that-was-mistyped"
    await api.client.get(
        f"/api/v1/kpis/{secret}", params={"token": secret}, headers={"Authorization": f"Bearer {secret}"}
    )
    await api.client.get(f"/{secret}", headers={"Cookie": f"kawasan_session={secret}", "X-Request-ID": f"{secret} x"})

    text = json.dumps(logged())
    assert "request answered" in text
    assert secret not in text


@pytest.mark.parametrize("given", ["short", "with space-12345", "x" * 129, "semi;colon-1234", "-begins-badly-1"])
async def test_a_number_that_could_be_mistaken_is_replaced(api: Api, given: str) -> None:
    answer = await api.client.get("/healthz", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_problem_says_by_which_number_it_is_found_in_the_log(api: Api) -> None:
    answer = await api.api("kpis/nothing", subject="park:p", level="day", **DAY)

    assert answer.status == 404
    assert answer.body["request_id"] == answer.headers["x-request-id"]


async def test_a_failure_of_ours_is_logged_with_the_number_that_its_answer_has(
    api: Api, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a cause that nobody outside should read")

    monkeypatch.setattr("service.api.registries.read_registries", broken)
    answer = await api.api("parks")

    lines = lines_of(logged(), answer.headers["x-request-id"])
    assert answer.status == 500
    assert "x-frame-options" in answer.headers
    assert "cause" not in json.dumps(answer.body)
    assert [line["event"] for line in lines] == ["request failed", "request answered"]
    assert "a cause that nobody outside should read" in lines[0]["exception"]
