"""The audit log: what is noted, that it stays, and who reads it."""

from typing import Any

import psycopg
import pytest

from service.cli.parks import apply_file
from store import Role, connect
from store.users import UserRole, create_user, disable_user, drop_token, set_token, token_hash
from tests.support.databases import channel, meter, park_file, tenant
from tests.support.identities import PASSWORD, bearer, filled_identities, identities
from tests.support.served import Api

__all__ = ["filled_identities", "identities"]

SET = {"channel": "p/a/e/power", "action": "set", "ts": "2026-03-01T00:00:00Z", "value": 1.0, "why": "the gauge hung"}


async def log_of(api: Api, name: str = "boss", **query: Any) -> list[dict[str, Any]]:
    answer = await api.client.get("/api/v1/audit", params=query, headers=bearer(name))
    assert answer.status_code == 200
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


async def test_every_login_is_noted_with_who_and_from_where_whether_it_succeeded_or_not(identities: Api) -> None:
    await identities.client.post("/login", data={"name": "ani", "password": PASSWORD})
    await identities.client.post("/logout")
    await identities.client.post("/login", data={"name": "ani", "password": "wrong"})
    await identities.client.post("/login", data={"name": "mallory\0", "password": "wrong"})
    await identities.client.post("/login", data={"name": "mallory", "password": "wrong"})
    await identities.client.post("/login", data={"token": "token of tono"})
    await identities.client.post("/login", data={"token": "made up"})

    seen = [(row["who"], row["act"], row["outcome"], row["detail"]) for row in await log_of(identities, limit=6)]

    assert seen == [
        ("?", "login", "refused", {"why": "unknown token"}),
        ("tono", "login", "done", {"by": "token"}),
        ("mallory", "login", "refused", {"why": "no such user, or without a password"}),
        ("ani", "login", "refused", {"why": "wrong password"}),
        ("ani", "logout", "done", {}),
        ("ani", "login", "done", {"by": "password"}),
    ]
    assert {(row["address"], row["via"]) for row in await log_of(identities, limit=6)} == {("127.0.0.1", "page")}


async def test_who_goes_on_after_too_many_tries_does_not_fill_the_log(identities: Api) -> None:
    for _ in range(12):
        await identities.client.post("/login", data={"name": "ani", "password": "wrong"})

    why = [row["detail"]["why"] for row in await log_of(identities, act="login")]

    assert why == ["tried too often (both)", *["wrong password"] * 5]


async def test_a_change_over_the_api_is_noted_in_its_own_transaction(identities: Api) -> None:
    done = await identities.client.post("/api/v1/corrections", json=SET, headers=bearer("ani"))
    refused = await identities.client.post("/api/v1/corrections", json=SET | {"why": ""}, headers=bearer("ani"))

    assert (done.status_code, refused.status_code) == (201, 422)
    (row,) = await log_of(identities, act="correction entered")
    assert (row["who"], row["target"], row["parks"], row["via"]) == ("ani", "p/a/e/power", ["p"], "api")
    assert row["address"] == "127.0.0.1"
    assert (row["detail"]["rows"], row["detail"]["first"]["why"]) == (1, "the gauge hung")


async def test_values_entered_together_are_one_line(identities: Api) -> None:
    values = [
        {"series": "production_t", "start": f"2026-03-0{day}T00:00:00+07:00", "stop": f"2026-03-0{day + 1}T00:00:00+07:00", "value": 1.0}
        for day in range(1, 6)
    ]  # fmt: skip
    answer = await identities.client.post(
        "/api/v1/context",
        json={"park": "p", "values": [{"tenant": "a", **one} for one in values]},
        headers=bearer("tono"),
    )

    assert answer.status_code == 201
    (row,) = await log_of(identities, act="value entered")
    assert (row["who"], row["target"]) == ("tono", "p/a/production_t")


def test_what_commands_do_is_noted_with_the_account_that_ran_them(filled_identities: str) -> None:
    with connect(filled_identities, Role.AUTH, application="kawasan-user") as conn:
        create_user(conn, "eve", UserRole.OFFICER, parks=["p"])
        create_user(conn, "eve", UserRole.OFFICER, parks=["p"])
        create_user(conn, "eve", UserRole.OPERATOR, parks=["p"])
        set_token(conn, "eve", token_hash("x"), label="web")
        set_token(conn, "eve", token_hash("x"), label="web")
        drop_token(conn, "eve", label="web")
        disable_user(conn, "eve")
    with psycopg.connect(filled_identities) as conn:
        rows = conn.execute("SELECT act, who LIKE 'cli:%', via FROM audit WHERE target = 'eve' ORDER BY id").fetchall()

    acts = ("user added", "user changed", "token set", "token revoked", "user disabled")
    assert rows == [(act, True, "kawasan-user") for act in acts]


def test_a_park_file_that_changes_something_is_noted_thing_by_thing(filled_identities: str) -> None:
    e = meter("e", channel("energy_import", "register"), channel("power"))
    w = meter("w", channel("cod"), channel("effluent_flow"), role="discharge")
    with psycopg.connect(filled_identities) as conn:
        before = conn.execute("SELECT max(id) FROM audit").fetchone()
    park = park_file(tenant("a", e, w), tenant("b", e, meter("new", channel("power"))))

    apply_file(filled_identities, park)

    with psycopg.connect(filled_identities) as conn:
        rows = conn.execute("SELECT act, target FROM audit WHERE id > %s ORDER BY id", before).fetchall()
    assert ("channel entered", "p/b/new/power") in rows
    assert {"meter entered", "channel entered", "park changed"} <= {act for act, _ in rows}
    assert not {"tenant entered", "tenant changed"} & {act for act, _ in rows}


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit", "DELETE FROM audit WHERE false"]
)
@pytest.mark.parametrize("role", ["kawasan_auth", "kawasan_write", "kawasan_api", "kawasan_migrate", None])
def test_nobody_changes_or_deletes_a_line(filled_identities: str, role: str | None, statement: str) -> None:
    with psycopg.connect(filled_identities) as conn:
        if role is not None:
            conn.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.errors.Error, match=r"only ever added to|permission denied"):
            conn.execute(statement.encode())


async def test_an_auditor_reads_what_is_of_the_own_parks_only(identities: Api, filled_identities: str) -> None:
    for name in ("ani", "qia", "boss", "tono", "mallory"):
        await identities.client.post("/login", data={"name": name, "password": PASSWORD})
    with connect(filled_identities, Role.AUTH) as conn:
        create_user(conn, "both", UserRole.AUDITOR, parks=["p", "q"])
        set_token(conn, "both", token_hash("token of both"), label="test")

    seen = {
        name: {row["who"] for row in await log_of(identities, name, act="login")} for name in ("boss", "udo", "both")
    }
    parks = {tuple(row["parks"]) for row in await log_of(identities, "udo", limit=1000)}

    assert seen["boss"] == seen["both"] == {"ani", "qia", "boss", "tono", "mallory"}
    assert seen["udo"] == {"ani", "tono"}
    assert parks == {("p",)}


@pytest.mark.parametrize("name", ["ani", "tono", "olga", "qia"])
async def test_the_log_is_for_admins_and_auditors(identities: Api, filled_identities: str, name: str) -> None:
    answer = await identities.client.get("/api/v1/audit", headers=bearer(name))
    with psycopg.connect(filled_identities) as conn:
        conn.execute("SELECT set_config('kawasan.user', %s, false)", [name])
        rows = conn.execute("SELECT * FROM api.audit").fetchall()

    assert answer.status_code == 403
    assert rows == []


async def test_the_log_is_paged_and_filtered(identities: Api) -> None:
    for name in ("ani", "tono", "ani"):
        await identities.client.post("/login", data={"name": name, "password": PASSWORD})
    whole = await log_of(identities, limit=1000)
    first = (await identities.client.get("/api/v1/audit", params={"limit": 2}, headers=bearer("boss"))).json()
    rest = await log_of(identities, after=first["next"], limit=1000)

    assert [row["id"] for row in first["entries"] + rest] == [row["id"] for row in whole]
    assert {row["who"] for row in await log_of(identities, who="ani", act="login")} == {"ani"}
    middle = whole[1]["at"]
    assert [row["id"] for row in await log_of(identities, start=middle, limit=1000)] == [row["id"] for row in whole[:2]]
    assert [row["id"] for row in await log_of(identities, stop=middle, limit=1000)] == [row["id"] for row in whole[2:]]
    wrong: tuple[dict[str, str | int], ...] = (
        {"start": "yesterday"},
        {"after": "0"},
        {"limit": 0},
        {"outcome": "maybe"},
        {"who": "\0"},
    )
    for query, status in zip(wrong, (422, 422, 422, 422, 400), strict=True):
        answer = await identities.client.get("/api/v1/audit", params=query, headers=bearer("boss"))
        assert answer.status_code == status
