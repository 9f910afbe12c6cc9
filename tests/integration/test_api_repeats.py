"""A request with an Idempotency-Key is done once, whatever happens, and answered as it was to whoever may still ask."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from domain.corrections import Action
from domain.errors import Overtaken, Unavailable
from domain.time import parse_instant
from service.api import repeats, routes_corrections
from store import Role, open_pool
from store.corrections import correct_as
from store.repeats import CLAIM_S, claim_key, free_claim, keep_answer
from tests.support.identities import bearer, filled_identities, identities
from tests.support.served import Api

__all__ = ["filled_identities", "identities"]

AT_US = parse_instant("2026-03-02T05:00:00+07:00")


def correction(value: float = 1.0, why: str = "read at the meter") -> dict[str, Any]:
    at = "2026-03-02T05:00:00+07:00"
    return {"channel": "p/a/e/power", "action": "set", "ts": at, "value": value, "why": why, "replace": True}


async def sent(api: Api, body: Any, key: str | None, user: str = "ani", path: str = "corrections") -> httpx2.Response:
    headers = bearer(user) | ({} if key is None else {"Idempotency-Key": key})
    return await api.client.post(f"/api/v1/{path}", json=body, headers=headers)


def count(api: Api, statement: str = "SELECT count(*) FROM correction") -> int:
    with psycopg.connect(api.url) as conn:
        row = conn.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def changed(api: Api, statement: str) -> int:
    with psycopg.connect(api.url) as conn:
        return conn.execute(statement.encode()).rowcount


async def test_a_repeat_is_answered_as_it_was_and_not_done_again(identities: Api) -> None:
    first = await sent(identities, correction(), "one")
    again = await sent(identities, correction(), "one")
    without = await sent(identities, correction(), None)

    assert (first.status_code, again.status_code, without.status_code) == (201, 201, 201)
    assert (again.content, again.headers["content-type"]) == (first.content, first.headers["content-type"])
    assert (first.headers.get("idempotency-replayed"), again.headers.get("idempotency-replayed")) == (None, "true")
    assert count(identities) == 2


async def test_a_key_is_for_one_request(identities: Api) -> None:
    await sent(identities, correction(), "one")
    other = await sent(identities, correction(2.0), "one")
    elsewhere = await sent(identities, {"park": "p", "month": "2026-02"}, "one", path="periods")

    assert (other.status_code, elsewhere.status_code) == (422, 422)
    assert "was sent with another request" in other.json()["detail"]
    assert count(identities) == 1


async def test_the_same_key_of_another_user_is_another_key(identities: Api) -> None:
    mine, theirs = await sent(identities, correction(), "one"), await sent(identities, correction(), "one", "boss")

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert "idempotency-replayed" not in theirs.headers
    assert count(identities) == 2


async def test_of_many_at_once_one_is_done(identities: Api) -> None:
    answers = await asyncio.gather(*(sent(identities, correction(), "one") for _ in range(6)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum(answer.status_code == 201 and "idempotency-replayed" not in answer.headers for answer in answers) == 1
    # Between the commit of the change and the keeping of its answer it is done already.
    refused = [answer.json()["detail"] for answer in answers if answer.status_code == 409]
    assert all("is at work" in said or "was done" in said for said in refused), refused
    assert count(identities) == 1


async def test_what_was_refused_leaves_the_key_free(identities: Api) -> None:
    unfit = await sent(identities, correction(why=" "), "one")
    shapeless = await sent(identities, {"channel": 1}, "one")
    right = await sent(identities, correction(), "one")

    assert (unfit.status_code, shapeless.status_code, right.status_code) == (422, 422, 201)
    assert count(identities) == 1


async def test_what_failed_leaves_the_key_free(identities: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> int:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(routes_corrections, "correct_as", fail)
    failed = await sent(identities, correction(), "one")
    monkeypatch.undo()
    again = await sent(identities, correction(), "one")

    assert (failed.status_code, again.status_code) == (500, 201)


async def test_what_was_done_is_not_done_again_though_its_answer_was_lost(
    identities: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the database went away")

    monkeypatch.setattr(repeats, "keep_answer", away)
    first = await sent(identities, correction(), "one")
    monkeypatch.undo()
    again = await sent(identities, correction(), "one")

    assert (first.status_code, again.status_code) == (201, 409)
    assert "was done" in again.json()["detail"]
    assert count(identities) == 1


async def test_an_answer_that_fails_after_the_change_does_not_free_the_key(
    identities: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(routes_corrections, "_one", fail)
    failed = await sent(identities, correction(), "one")
    monkeypatch.undo()
    again = await sent(identities, correction(), "one")

    assert (failed.status_code, again.status_code) == (500, 409)
    assert count(identities) == 1


async def test_a_repeat_is_let_in_anew(identities: Api) -> None:
    await sent(identities, correction(), "one")

    changed(identities, "UPDATE app_user SET role = 'officer' WHERE name = 'ani'")
    less = await sent(identities, correction(), "one")
    changed(identities, "DELETE FROM token WHERE user_id = (SELECT id FROM app_user WHERE name = 'ani')")
    nobody = await sent(identities, correction(), "one")

    assert (less.status_code, nobody.status_code) == (409, 401)
    assert "p/a/e/power" not in less.text


async def test_a_new_key_for_programs_is_made_once_and_its_secret_is_kept_nowhere(identities: Api) -> None:
    asked = {"label": "report", "scopes": ["read"], "valid_days": 9}

    first = await sent(identities, asked, "one", path="keys")
    again = await sent(identities, asked, "one", path="keys")

    assert (first.status_code, again.status_code) == (201, 409)
    assert count(identities, "SELECT count(*) FROM token WHERE label = 'report'") == 1
    assert count(identities, "SELECT count(*) FROM idempotency WHERE done AND body IS NULL") == 1
    secret = first.json()["secret"]
    assert count(identities, f"SELECT count(*) FROM idempotency i WHERE i::text LIKE '%{secret}%'") == 0


async def test_a_request_that_died_is_taken_over_and_can_then_do_nothing(identities: Api) -> None:
    channel_id = count(identities, "SELECT id FROM channel WHERE quantity = 'power' ORDER BY id LIMIT 1")
    async with (
        open_pool(identities.url, Role.API) as pool,
        pool.connection() as dead,
        pool.connection() as living,
    ):
        first = await claim_key(dead, "ani", "one", "POST /x", b"print")
        meanwhile = await claim_key(living, "ani", "one", "POST /x", b"print")
        changed(identities, f"UPDATE idempotency SET claimed_at = claimed_at - interval '{CLAIM_S + 1} s'")
        second = await claim_key(living, "ani", "one", "POST /x", b"print")
        assert (first.outcome, meanwhile.outcome, second.outcome) == ("claimed", "busy", "claimed")

        with pytest.raises(Overtaken, match="taken up again"):
            await correct_as(dead, "ani", channel_id, Action.SET, first_us=AT_US, last_us=AT_US, value=1.0, why="late")
        await correct_as(living, "ani", channel_id, Action.SET, first_us=AT_US, last_us=AT_US, value=2.0, why="in time")

    assert count(identities, "SELECT sum(value)::int FROM correction") == 2
    assert count(identities, "SELECT count(*) FROM idempotency WHERE done") == 1


async def test_nobody_touches_a_key_of_another(identities: Api) -> None:
    async with open_pool(identities.url, Role.API) as pool, pool.connection() as conn:
        taken = await claim_key(conn, "ani", "one", "POST /x", b"print")
        assert isinstance(taken.claim, UUID)

        await free_claim(conn, "tono", taken.claim)
        await keep_answer(conn, "tono", taken.claim, status=200, headers={}, body=b"forged")
        await free_claim(conn, "ani", uuid4())

    assert count(identities, "SELECT count(*) FROM idempotency WHERE NOT done") == 1


async def test_keys_are_forgotten_after_a_day(identities: Api) -> None:
    await sent(identities, correction(), "one")
    await sent(identities, correction(), "two")
    changed(identities, "UPDATE idempotency SET expires_at = expires_at - interval '25 hours'")

    again = await sent(identities, correction(), "one")

    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False)
    assert count(identities, "SELECT count(*) FROM idempotency") == 1
    assert count(identities, "SELECT count(*) FROM correction") == 3


@pytest.mark.parametrize("key", ["", "with blank", "x" * 256, "tab\there", "\u00e9"])
async def test_a_key_is_a_word_of_visible_signs(identities: Api, key: str) -> None:
    headers = [(b"authorization", b"Bearer token of ani"), (b"idempotency-key", key.encode("latin-1"))]

    answer = await identities.client.post("/api/v1/corrections", json=correction(), headers=headers)

    assert answer.status_code == 422
    assert "idempotency-key" in answer.json()["detail"].lower()
    assert count(identities) == 0
