"""Answers that are kept: never another user's, never of before a change, and 304 to whoever has them already."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from domain.corrections import Action
from domain.time import parse_instant
from service.engine import run_cycle
from store import ReadingSink, Role, connect, load_registry
from store.corrections import correct
from store.users import UserRole, create_user, disable_user, set_token, token_hash
from tests.support.databases import batch_of
from tests.support.served import DAY, DAY_START_US, TOKENS, Answer, Api, fill, served

DEADLINE_S = 20.0
LATEST_S = 1.0
ALPHA, BETA = "p/alpha/main/energy_import", "p/beta/main/energy_import"
BASE = {"level": "base", **DAY}


@pytest.fixture
async def kept(kawasan_url: str) -> AsyncIterator[Api]:
    """The API over a filled day, which keeps its answers; on both servers."""
    fill(kawasan_url)
    async with served(kawasan_url, kept_mb=64) as api:
        yield await alive(api)


async def alive(api: Api) -> Api:
    """Once the server hears of changes; before that it keeps nothing."""
    services = api.client._transport.app.state.services  # type: ignore[attr-defined]
    async with asyncio.timeout(DEADLINE_S):
        while not services.freshness.is_alive:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    return api


async def conditional(api: Api, path: str, etag: str, role: str = "operator", **query: Any) -> tuple[int, bytes, Any]:
    headers = {"Authorization": f"Bearer {TOKENS[role]}", "If-None-Match": etag}
    answer = await api.client.get(f"/api/v1/{path}", params=query, headers=headers)
    return answer.status_code, answer.content, answer.headers


async def until_it_differs(api: Api, path: str, before: Answer, role: str = "operator", **query: Any) -> Answer:
    """The first answer that is another one; within a second of the change."""
    async with asyncio.timeout(LATEST_S):
        while True:
            now = await api.api(path, role, **query)
            if (now.status, now.body) != (before.status, before.body):
                return now
            await asyncio.sleep(0.01)


def compute(url: str) -> None:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        while run_cycle(conn, park, cycle_rows=200_000, now_us=time.time_ns() // 1000).spans:
            continue


async def test_the_same_answer_has_the_same_etag_and_is_not_sent_again(kept: Api) -> None:
    for path, query in (
        ("amounts", {"channel": ALPHA, **BASE}),
        ("parks", {}),
        ("alarms", {}),
        ("audit", {}),
        ("me", {}),
    ):
        first = await kept.api(path, **query)
        if first.status != 200:
            continue
        status, body, headers = await conditional(kept, path, first.headers["etag"], **query)

        assert first.headers["etag"].startswith('W/"')
        assert (status, body) == (304, b"")
        assert headers["etag"] == first.headers["etag"]
        assert headers["vary"] == "Accept, Authorization, Cookie, Accept-Encoding"
        assert headers["cache-control"] == "private, no-cache"
        assert "content-length" not in headers
        assert "content-type" not in headers


async def test_kept_and_fresh_answers_are_the_same_byte_for_byte(kept: Api) -> None:
    headers = {"Authorization": f"Bearer {TOKENS['operator']}"}
    for path, query in (
        ("amounts", {"channel": ALPHA, **BASE}),
        ("readings", {"channel": ALPHA, **DAY}),
        ("kpis/electricity", {"subject": "tenant:p/alpha", "level": "day", **DAY}),
    ):
        sent = [
            await kept.client.get(f"/api/v1/{path}", params=query, headers=headers | extra)
            for extra in ({"Cache-Control": "no-cache"}, {}, {}, {"Cache-Control": "no-cache"})
        ]
        assert {answer.status_code for answer in sent} == {200}
        assert len({answer.content for answer in sent}) == 1
        assert len({answer.headers["etag"] for answer in sent}) == 1
        assert all(6000 - 12 <= int(answer.headers["ratelimit-remaining"]) < 6000 for answer in sent)


async def test_the_etag_of_what_another_may_see_is_worth_nothing(kept: Api) -> None:
    operators = {"channel": BETA, **BASE}
    seen = await kept.api("amounts", **operators)

    status, body, headers = await conditional(kept, "amounts", seen.headers["etag"], "tenant", **operators)
    missing = await conditional(kept, "amounts", '"x"', "tenant", channel="p/none/main/energy_import", **BASE)
    starred = await conditional(kept, "amounts", "*", "tenant", **operators)

    assert status == missing[0] == starred[0] == 404
    assert b"beta" in body
    assert "etag" not in headers


async def test_two_users_who_see_the_same_have_etags_of_their_own(kept: Api) -> None:
    query = {"channel": ALPHA, **BASE}
    operator, tenant = await kept.api("amounts", **query), await kept.api("amounts", "tenant", **query)

    assert operator.body == tenant.body
    assert operator.headers["etag"] != tenant.headers["etag"]
    assert (await conditional(kept, "amounts", operator.headers["etag"], "tenant", **query))[0] == 200


async def test_streams_and_errors_have_no_etag(kept: Api) -> None:
    table = await kept.api("amounts", channel=ALPHA, format="csv", **BASE)
    error = await kept.api("amounts", channel="p/x/y/z", **BASE)

    assert "etag" not in table.headers
    assert "etag" not in error.headers
    assert error.headers["cache-control"] == "no-store"


async def test_a_new_reading_and_a_correction_are_seen(kept: Api) -> None:
    readings, amounts = {"channel": ALPHA, **DAY}, {"channel": ALPHA, **BASE}
    before, numbers = await kept.api("readings", **readings), await kept.api("amounts", **amounts)
    with psycopg.connect(kept.url) as conn:
        (channel,) = conn.execute(
            "SELECT c.id FROM channel c JOIN meter m ON m.id = c.meter_id JOIN tenant t ON t.id = m.tenant_id"
            " WHERE t.key = 'alpha' AND c.quantity = 'energy_import'"
        ).fetchone() or (0,)
    with closing(ReadingSink(kept.url)) as sink:
        sink.write(batch_of([(channel, DAY_START_US + 30_000_000, 1000.5)], source="p/alpha"))

    after = await until_it_differs(kept, "readings", before, **readings)
    assert len(after.body[0]["readings"]) == len(before.body[0]["readings"]) + 1
    await asyncio.to_thread(compute, kept.url)
    with connect(kept.url, Role.MIGRATE) as conn:
        at_us = DAY_START_US + 3_600_000_000
        correct(conn, channel, Action.SET, first_us=at_us, last_us=at_us, value=1061.0, why="seen", by="me")
    assert await until_it_differs(kept, "readings", after, **readings)
    await asyncio.to_thread(compute, kept.url)
    assert await until_it_differs(kept, "amounts", numbers, **amounts)


async def test_a_changed_registry_is_seen(kept: Api) -> None:
    before = await kept.api("meters")
    with psycopg.connect(kept.url) as conn:
        conn.execute("UPDATE meter SET name = 'Renamed'")

    after = await until_it_differs(kept, "meters", before)

    assert {meter["name"] for meter in after.body} == {"Renamed"}


async def test_a_grant_that_was_withdrawn_shows_nothing_any_more(kept: Api) -> None:
    query = {"channel": ALPHA, **BASE}
    before = await kept.api("amounts", "tenant", **query)
    with connect(kept.url, Role.AUTH) as conn:
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/beta"])

    after = await until_it_differs(kept, "amounts", before, "tenant", **query)

    assert (before.status, after.status) == (200, 404)


async def test_a_token_that_was_revoked_opens_nothing_in_any_server(kawasan_url: str) -> None:
    fill(kawasan_url)
    async with served(kawasan_url, kept_mb=64) as one, served(kawasan_url, kept_mb=64) as other:
        both = [await alive(one), await alive(other)]
        before = [await api.api("amounts", channel=ALPHA, **BASE) for api in both]
        with psycopg.connect(kawasan_url) as conn:
            conn.execute("DELETE FROM token WHERE hash = %s", [token_hash(TOKENS["operator"])])
        after = [
            await until_it_differs(api, "amounts", answer, channel=ALPHA, **BASE)
            for api, answer in zip(both, before, strict=True)
        ]
        with connect(kawasan_url, Role.AUTH) as conn:
            seen = await one.api("parks", "officer")
            disable_user(conn, "officer")
            conn.commit()
        gone = await until_it_differs(one, "parks", seen, "officer")

    assert [answer.status for answer in (*before, *after, gone)] == [200, 200, 401, 401, 401]


async def test_a_token_ends_at_its_time_though_nothing_changes(kept: Api) -> None:
    with connect(kept.url, Role.AUTH) as conn:
        soon = datetime.now(UTC) + timedelta(seconds=1)
        set_token(conn, "operator", token_hash("short"), label="short", expires_at=soon)
        conn.commit()
    headers = {"Authorization": "Bearer short"}
    first = await kept.client.get("/api/v1/parks", headers=headers)
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.05)

    assert (first.status_code, (await kept.client.get("/api/v1/parks", headers=headers)).status_code) == (200, 401)


async def test_what_a_user_does_is_seen_by_the_very_next_request(kept: Api) -> None:
    query = {"channel": ALPHA, **DAY}
    headers = {"Authorization": f"Bearer {TOKENS['operator']}"}
    await kept.api("readings", **query)

    entry = {"channel": ALPHA, "action": "set", "ts": "2026-03-02T05:00:00+07:00", "value": 1301.0, "why": "seen"}
    made = await kept.client.post("/api/v1/corrections", json=entry, headers=headers)
    after = await kept.api("readings", **query)

    assert made.status_code == 201
    at = parse_instant("2026-03-02T05:00:00+07:00")
    assert [row["corrected"] for row in after.body[0]["readings"] if parse_instant(row["ts"]) == at] == [1301.0]
