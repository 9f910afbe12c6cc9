"""Long lists in pages: all of a list, once each, in order; and a mark shows nobody anything."""

from base64 import urlsafe_b64encode
from json import dumps
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI

from tests.integration.test_isolation_walk import MARKS, two_parks
from tests.support.served import Answer, Api, next_page
from tests.support.two_parks import token_of, two_parks_on_embedded, two_parks_on_timescale, two_parks_url

__all__ = ["two_parks", "two_parks_on_embedded", "two_parks_on_timescale", "two_parks_url"]

SPAN = {"start": "2026-03-01T00:00:00+07:00", "stop": "2026-03-20T00:00:00+07:00"}
LISTS: dict[str, dict[str, Any]] = {
    "alarms": {},
    "alarms/{alarm}/transitions": {},
    "alarms/{alarm}/judgements": SPAN,
    "episodes": SPAN,
    "findings": SPAN,
    "corrections": {"history": True},
    "conflicts": {"resolved": True},
    "audit": {},
    "rejections": {},
    "context": {"park": "p", "history": True},
    "ingest/ledger": {},
}


async def asked(api: Api, user: str, address: str, **query: Any) -> Answer:
    headers = {"Authorization": f"Bearer {token_of(user)}"}
    answer = await api.client.get(address, headers=headers, params=query or None)
    return Answer(status=answer.status_code, body=answer.json(), headers=answer.headers)


def rows_of(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer.body
    body = answer.body
    return list(body if isinstance(body, list) else next(value for value in body.values() if isinstance(value, list)))


def path_of(api: Api, name: str) -> str:
    with psycopg.connect(api.url) as conn:
        row = conn.execute(
            "SELECT alarm_id FROM alarm_transition GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
        ).fetchone()
    assert row is not None
    return f"/api/v1/{name.format(alarm=row[0])}"


def query_of(api: Api, name: str) -> dict[str, Any]:
    if name != "ingest/ledger":
        return LISTS[name]
    with psycopg.connect(api.url) as conn:
        row = conn.execute("SELECT min(hour) - interval '1 hour', max(hour) + interval '1 hour' FROM ledger").fetchone()
    assert row is not None
    return {"start": row[0].isoformat(), "stop": row[1].isoformat()}


@pytest.mark.parametrize("name", LISTS)
async def test_pages_together_are_the_list(two_parks: tuple[Api, FastAPI], name: str) -> None:
    api, _ = two_parks
    path, query = path_of(api, name), query_of(api, name)
    whole = await asked(api, "admin", path, **query, limit=1000)
    answer = await asked(api, "admin", path, **query, limit=1)
    found, pages = rows_of(answer), 1

    while "link" in answer.headers and pages < 40:
        answer = await asked(api, "admin", next_page(answer, path))
        found += rows_of(answer)
        pages += 1

    assert "link" not in whole.headers
    assert found == rows_of(whole)[: len(found)]
    assert len(found) == min(len(rows_of(whole)), 40) > 1


@pytest.mark.parametrize("name", LISTS)
async def test_a_mark_of_another_user_shows_nothing_that_is_not_ones_own(
    two_parks: tuple[Api, FastAPI], name: str
) -> None:
    api, _ = two_parks
    path, query = path_of(api, name), query_of(api, name)
    answer = await asked(api, "admin", path, **query, limit=1)

    for _ in range(5):
        address = next_page(answer, path)
        for user in ("tenant", "officer", "auditor"):
            seen = await asked(api, user, address)
            assert seen.status in {200, 403, 404}
            assert [mark for mark in MARKS if mark in str(seen.body) and user == "tenant"] == []
            assert "q/gamma" not in str(seen.body)
        answer = await asked(api, "admin", address)
        if "link" not in answer.headers:
            break


async def test_a_mark_belongs_to_its_list_and_parameters(two_parks: tuple[Api, FastAPI]) -> None:
    api, _ = two_parks
    answer = await asked(api, "admin", "/api/v1/alarms", limit=1, severity="low")
    mark = answer.body["next"]

    async def status(path: str, **query: Any) -> int:
        return (await asked(api, "admin", f"/api/v1/{path}", after=mark, **query)).status

    assert await status("alarms", severity="low") == 200
    assert await status("alarms", severity="low", limit=7) == 200
    assert await status("alarms", severity="high") == 422
    assert await status("alarms") == 422
    assert await status("rejections", severity="low") == 422
    assert await status("audit") == 422


@pytest.mark.parametrize("parts", [[], ["2026-03-02T00:00:00Z"], ["x", 1], [1, 1], ["2026-03-02T00:00:00Z", -1], [None, None],
                                   ["2026-03-02T00:00:00Z", 2**70], ["2026-03-02T00:00:00Z", True], ["9999-12-31T23:59:59-14:00", 1]])  # fmt: skip
async def test_a_mark_that_was_made_up_is_refused(two_parks: tuple[Api, FastAPI], parts: list[Any]) -> None:
    api, _ = two_parks
    made = urlsafe_b64encode(dumps(["0" * 12, *parts]).encode()).decode().rstrip("=")

    answer = await asked(api, "admin", "/api/v1/alarms", after=made)

    assert answer.status == 422
    assert "begin without it" in answer.body["detail"]
