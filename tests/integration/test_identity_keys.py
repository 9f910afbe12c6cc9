"""Keys: made by their user, for some things only, for some time only; and what each role may do with any of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from service.api import create_app
from service.api.access import PAGE_HEADER
from service.settings import Settings
from store import Role, connect, open_pool
from store.users import Scope, set_token, token_hash
from tests.support.identities import bearer, filled_identities, identities
from tests.support.served import Api

__all__ = ["filled_identities", "identities"]


async def made(api: Api, name: str = "ani", **asked: Any) -> Any:
    answer = await api.client.post("/api/v1/keys", json={"label": "script", **asked}, headers=bearer(name))
    return answer.json() | {"status_code": answer.status_code}


def of(key: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['secret']}"}


async def test_a_key_is_shown_once_and_stored_by_its_hash_only(identities: Api, filled_identities: str) -> None:
    key = await made(identities)

    assert key["status_code"] == 201
    listed = (await identities.client.get("/api/v1/keys", headers=bearer("ani"))).json()
    assert [(row["label"], row["scopes"], row["is_this"]) for row in listed] == [
        ("script", ["read"], False),
        ("test", ["alarms", "read", "write"], True),
    ]
    assert key["secret"] not in str(listed)
    with psycopg.connect(filled_identities) as conn:
        assert conn.execute("SELECT 1 FROM token t WHERE t::text LIKE %s", [f"%{key['secret']}%"]).fetchall() == []
        assert conn.execute("SELECT 1 FROM audit a WHERE a::text LIKE %s", [f"%{key['secret']}%"]).fetchall() == []


async def test_a_key_for_reading_reads_and_does_nothing_else(identities: Api) -> None:
    key = await made(identities, scopes=["read"])

    assert (await identities.client.get("/api/v1/parks", headers=of(key))).status_code == 200
    for path in ("corrections", "keys", "alarms/1/acts", "episodes/1/2026-03-01T00:00:00Z/notes"):
        answer = await identities.client.post(f"/api/v1/{path}", json={}, headers={**of(key), "If-Match": "*"})
        assert (answer.status_code, "insufficient_scope" in answer.headers.get("www-authenticate", "")) == (403, True)


async def test_a_key_for_alarms_deals_with_alarms_only(identities: Api) -> None:
    key = await made(identities, scopes=["alarms"])

    act = await identities.client.post(
        "/api/v1/alarms/1/acts", json={"act": "comment", "text": "x"}, headers={**of(key), "If-Match": "*"}
    )
    assert act.status_code == 404
    assert (await identities.client.get("/api/v1/parks", headers=of(key))).status_code == 403
    assert (await identities.client.post("/api/v1/corrections", json={}, headers=of(key))).status_code == 403


async def test_a_key_makes_no_key_for_more_nor_for_longer_than_itself(identities: Api, filled_identities: str) -> None:
    soon = datetime.now(UTC) + timedelta(days=2)
    with connect(filled_identities, Role.AUTH) as conn:
        set_token(conn, "ani", token_hash("narrow"), label="narrow", expires_at=soon, scopes=[Scope.WRITE, Scope.READ])
    narrow = {"Authorization": "Bearer narrow"}

    more = await identities.client.post("/api/v1/keys", json={"label": "m", "scopes": ["alarms"]}, headers=narrow)
    longer = await identities.client.post("/api/v1/keys", json={"label": "l", "valid_days": 90}, headers=narrow)
    await identities.client.post("/login", data={"token": "narrow"})
    page = {PAGE_HEADER: "1", "Sec-Fetch-Site": "same-origin"}
    by_login = await identities.client.post("/api/v1/keys", json={"label": "s", "valid_days": 90}, headers=page)

    assert more.status_code == 403
    assert datetime.fromisoformat(longer.json()["expires_at"]) == soon
    assert datetime.fromisoformat(by_login.json()["expires_at"]) == soon


async def test_a_key_that_was_revoked_or_has_expired_is_nobodys(identities: Api, filled_identities: str) -> None:
    first, second = await made(identities), await made(identities, label="other")

    gone = await identities.client.delete(f"/api/v1/keys/{first['id']}", headers=bearer("ani"))
    with psycopg.connect(filled_identities) as conn:
        conn.execute("UPDATE token SET expires_at = now() WHERE label = 'other'")

    assert gone.status_code == 204
    assert (await identities.client.get("/api/v1/me", headers=of(first))).status_code == 401
    assert (await identities.client.get("/api/v1/me", headers=of(second))).status_code == 401


async def test_when_a_key_was_last_used_is_told(identities: Api) -> None:
    key = await made(identities)
    before = (await identities.client.get("/api/v1/keys", headers=bearer("ani"))).json()[0]
    await identities.client.get("/api/v1/parks", headers=of(key))
    after = (await identities.client.get("/api/v1/keys", headers=bearer("ani"))).json()[0]

    assert before["last_used_at"] is None
    assert after["last_used_at"] is not None


async def test_nobody_revokes_or_sees_the_keys_and_logins_of_others(identities: Api) -> None:
    key = await made(identities)
    await identities.client.post("/login", data={"token": "token of ani"})
    identities.client.cookies.clear()
    session = (await identities.client.get("/api/v1/sessions", headers=bearer("ani"))).json()[0]["id"]

    for path in (f"keys/{key['id']}", "keys/99999", f"sessions/{session}", "sessions/99999"):
        assert (await identities.client.delete(f"/api/v1/{path}", headers=bearer("boss"))).status_code == 404
    assert [row["label"] for row in (await identities.client.get("/api/v1/keys", headers=bearer("boss"))).json()] == [
        "test"
    ]
    assert (await identities.client.get("/api/v1/sessions", headers=bearer("boss"))).json() == []
    assert (await identities.client.delete(f"/api/v1/sessions/{session}", headers=bearer("ani"))).status_code == 204


@pytest.mark.parametrize(
    "asked",
    [
        {"label": ""}, {"label": "x" * 64}, {"label": "a\nb"}, {"scopes": []}, {"scopes": ["all"]}, {"valid_days": 0},
        {"valid_days": 367}, {"more": 1},
    ],
)  # fmt: skip
async def test_a_key_that_makes_no_sense_is_refused(identities: Api, asked: dict[str, Any]) -> None:
    assert (await made(identities, **asked))["status_code"] == 422


async def test_two_keys_of_one_label_are_refused(identities: Api) -> None:
    assert [(await made(identities))["status_code"] for _ in range(2)] == [201, 422]


async def test_an_auditor_reads_the_whole_park_and_changes_nothing_but_the_own_keys(identities: Api) -> None:
    seen = {}
    for name in ("ani", "udo"):
        answer = await identities.client.get("/api/v1/channels", headers=bearer(name))
        seen[name] = [row["key"] for row in answer.json()]
    correction = {"channel": "p/a/e/power", "action": "set", "ts": "2026-03-01T00:00:00Z", "value": 1.0, "why": "x"}

    refused = await identities.client.post("/api/v1/corrections", json=correction, headers=bearer("udo"))

    assert seen["udo"] == seen["ani"] != []
    assert refused.status_code == 403
    assert refused.json()["detail"] == "an auditor reads everything and changes nothing"
    assert (await made(identities, "udo"))["status_code"] == 201


async def test_the_database_itself_lets_an_auditor_change_nothing(identities: Api, filled_identities: str) -> None:
    assert identities.url == filled_identities
    calls = (
        "SELECT api.need_corrector(1)", "SELECT api.need_life_changer(1)", "SELECT api.need_rule_changer(1::smallint)",
        "SELECT api.close_period(1::smallint, 4::smallint, now() - interval '2 d', now() - interval '1 d', '')",
        "SELECT api.enter_context(1::smallint, ARRAY[0], ARRAY['area'], ARRAY[now()], ARRAY[now()], ARRAY[1.0::float8], ARRAY[''])",
    )  # fmt: skip
    with psycopg.connect(filled_identities) as conn:
        conn.execute("SELECT set_config('kawasan.user', 'udo', false)")
        for call in calls:
            with pytest.raises(psycopg.errors.Error) as caught, conn.transaction():
                conn.execute(call.encode())
            assert caught.value.sqlstate == "KW403", call


async def test_who_asks_too_often_is_told_when_to_go_on(filled_identities: str) -> None:
    app = create_app(Settings(database_url=SecretStr(filled_identities), requests_per_min=3))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://kawasan.test") as client,
    ):
        answers = [await client.get("/api/v1/parks", headers=bearer("ani")) for _ in range(4)]
        other = await client.get("/api/v1/parks", headers=bearer("tono"))

    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert [one.headers["ratelimit-remaining"] for one in answers] == ["2", "1", "0", "0"]
    assert {one.headers["ratelimit-limit"] for one in answers} == {"3"}
    assert 0 < int(answers[3].headers["retry-after"]) <= 20
    assert answers[3].headers["content-type"] == "application/problem+json"
    assert other.status_code == 200


async def test_nothing_of_identity_is_within_reach_of_the_api_or_the_writers(filled_identities: str) -> None:
    for table in ("password", "session", "token", "login_try", "audit", "app_user"):
        async with open_pool(filled_identities, Role.API, max_size=1) as pool, pool.connection() as conn:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute(f"SELECT * FROM public.{table}".encode())
        with connect(filled_identities, Role.WRITE) as writing, pytest.raises(psycopg.errors.InsufficientPrivilege):
            writing.execute(f"SELECT * FROM public.{table}".encode())
