"""Logging in on the page: by name and password, by token, too often, with a one-time password, and out again."""

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from service.api.access import COOKIE, PAGE_HEADER
from service.identity.firstadmin import ADMIN, give_one_time_password, make_first_admin
from service.identity.limits import LIMITS, Kind
from store import Role, connect
from store.users import disable_user, drop_token, set_token, token_hash
from tests.support.databases import emptied
from tests.support.identities import PASSWORD, bearer, filled_identities, identities
from tests.support.served import Api, served

__all__ = ["filled_identities", "identities"]

NEW = "three blue umbrellas"


async def log_in(api: Api, name: str = "ani", password: str = PASSWORD) -> int:
    return (await api.client.post("/login", data={"name": name, "password": password})).status_code


async def mark_of(api: Api, page: str = "/password") -> str:
    found = re.search(r'name="mark" value="([0-9a-f]{64})"', (await api.client.get(page)).text)
    assert found is not None
    return found[1]


async def test_name_and_password_open_the_page_and_read(identities: Api) -> None:
    assert await log_in(identities) == 303

    assert (await identities.client.get("/")).status_code == 200
    assert [park["key"] for park in (await identities.client.get("/api/v1/parks")).json()] == ["p"]
    me = (await identities.client.get("/api/v1/me")).json()
    assert (me["name"], me["via"], me["scopes"]) == ("ani", "session", ["alarms", "read", "write"])


async def test_the_cookie_is_for_this_host_only_and_holds_nothing_that_is_stored(
    identities: Api, filled_identities: str
) -> None:
    answer = await identities.client.post("/login", data={"name": "ani", "password": PASSWORD})

    cookie = answer.headers["set-cookie"]
    secret = cookie.partition("=")[2].partition(";")[0]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert "Domain" not in cookie
    with psycopg.connect(filled_identities) as conn:
        rows = conn.execute("SELECT s::text FROM session s").fetchall()
        (hashed,) = conn.execute("SELECT hash FROM session").fetchall()
    assert all(secret not in row[0] for row in rows)
    assert hashed[0] == token_hash(secret)


@pytest.mark.parametrize(
    ("name", "password"), [("ani", "wrong"), ("nobody", PASSWORD), ("", ""), ("ani\0", PASSWORD), ("ani", "x" * 129), ("ANI", PASSWORD)]
)  # fmt: skip
async def test_what_is_not_right_is_refused_in_the_same_words(identities: Api, name: str, password: str) -> None:
    answer = await identities.client.post("/login", data={"name": name, "password": password})

    assert answer.status_code == 403
    assert "The name or the password is not right." in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_name_is_tried_from_one_address_so_often_and_no_more_even_with_the_right_password(
    identities: Api,
) -> None:
    tried = [await log_in(identities, password="wrong") for _ in range(LIMITS[Kind.BOTH])]

    answer = await identities.client.post("/login", data={"name": "ani", "password": PASSWORD})

    assert set(tried) == {403}
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "Try again in 15 minutes." in answer.text
    assert await log_in(identities, "tono") == 303


async def test_a_login_that_succeeds_forgets_the_tries_before_it(identities: Api) -> None:
    for _ in range(3):
        for _ in range(LIMITS[Kind.BOTH] - 1):
            assert await log_in(identities, password="wrong") == 403
        assert await log_in(identities) == 303


async def test_one_address_tries_only_so_many_names(identities: Api) -> None:
    tried = [await log_in(identities, f"user{n}") for n in range(LIMITS[Kind.ADDRESS])]

    assert set(tried) == {403}
    assert await log_in(identities, "tono") == 429


async def test_tries_are_counted_in_the_database_and_so_by_all_server_processes(
    identities: Api, filled_identities: str
) -> None:
    async with served(filled_identities) as other:
        for n in range(LIMITS[Kind.BOTH]):
            assert await log_in((identities, other)[n % 2], password="wrong") == 403

        assert (await log_in(identities), await log_in(other)) == (429, 429)


async def test_after_the_window_it_may_be_tried_again(identities: Api, filled_identities: str) -> None:
    for _ in range(LIMITS[Kind.BOTH] + 1):
        await log_in(identities, password="wrong")
    with psycopg.connect(filled_identities) as conn:
        conn.execute("UPDATE login_try SET since = since - interval '16 min'")

    assert await log_in(identities) == 303


async def test_a_session_ends_with_logging_out(identities: Api) -> None:
    await log_in(identities)
    cookie = {COOKIE: identities.client.cookies[COOKIE]}
    await identities.client.post("/logout")

    identities.client.cookies.update(cookie)
    assert (await identities.client.get("/api/v1/me")).status_code == 401
    assert (await identities.client.get("/")).headers["location"] == "/login"


async def test_a_session_slides_while_it_is_used_but_not_beyond_its_end(
    identities: Api, filled_identities: str
) -> None:
    await log_in(identities)
    with psycopg.connect(filled_identities) as conn:
        conn.execute("UPDATE session SET seen_at = now() - interval '2 min', expires_at = now() + interval '1 min'")
    assert (await identities.client.get("/api/v1/me")).status_code == 200
    with psycopg.connect(filled_identities) as conn:
        (slid,) = conn.execute("SELECT expires_at FROM session").fetchone() or (None,)
        conn.execute("UPDATE session SET seen_at = now() - interval '2 min', ends_at = now() + interval '1 hour'")
    assert (await identities.client.get("/api/v1/me")).status_code == 200
    with psycopg.connect(filled_identities) as conn:
        (bounded,) = conn.execute("SELECT expires_at <= ends_at FROM session").fetchone() or (None,)
        conn.execute("UPDATE session SET ends_at = now() - interval '1 s'")

    assert slid > datetime.now(UTC) + timedelta(hours=11)
    assert bounded
    assert (await identities.client.get("/api/v1/me")).status_code == 401


async def test_a_session_by_token_ends_with_the_token_and_has_its_scopes(
    identities: Api, filled_identities: str
) -> None:
    await identities.client.post("/login", data={"token": "token of ani"})
    first = await identities.client.get("/api/v1/me")
    with connect(filled_identities, Role.AUTH) as conn:
        drop_token(conn, "ani", label="test")

    assert first.json()["via"] == "session"
    assert (await identities.client.get("/api/v1/me")).status_code == 401


async def test_a_session_is_no_bearer(identities: Api) -> None:
    await log_in(identities)
    secret = identities.client.cookies[COOKIE]
    identities.client.cookies.clear()

    answer = await identities.client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})

    assert answer.status_code == 401


async def test_a_disabled_user_is_out_at_once(identities: Api, filled_identities: str) -> None:
    await log_in(identities)
    with connect(filled_identities, Role.AUTH) as conn:
        disable_user(conn, "ani")

    assert (await identities.client.get("/api/v1/me")).status_code == 401
    assert (await identities.client.get("/api/v1/me", headers=bearer("ani"))).status_code == 401
    assert await log_in(identities) == 403


async def test_a_one_time_password_opens_nothing_but_the_form_that_changes_it(
    identities: Api, filled_identities: str
) -> None:
    once = give_one_time_password_in_thread(filled_identities, "ani")
    answer = await identities.client.post("/login", data={"name": "ani", "password": once})
    assert answer.headers["location"] == "/password"
    assert (await identities.client.get("/")).headers["location"] == "/password"
    refused = await identities.client.get("/api/v1/parks")
    assert (refused.status_code, "/password" in refused.json()["detail"]) == (403, True)

    fields = {"mark": await mark_of(identities), "current": once, "new": NEW, "again": NEW}
    changed = await identities.client.post("/password", data=fields)

    assert (changed.status_code, changed.headers["location"]) == (303, "/")
    assert (await identities.client.get("/api/v1/parks")).status_code == 200
    assert (await log_in(identities, password=once), await log_in(identities, password=NEW)) == (403, 303)


def give_one_time_password_in_thread(url: str, name: str) -> str:
    """The command runs a loop of its own, which a test that runs in one cannot."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(give_one_time_password, url, name).result()


async def test_a_one_time_password_waits_seven_days(identities: Api, filled_identities: str) -> None:
    once = give_one_time_password_in_thread(filled_identities, "ani")
    with psycopg.connect(filled_identities) as conn:
        conn.execute("UPDATE password SET expires_at = now() - interval '1 s' WHERE one_time")

    assert await log_in(identities, password=once) == 403


async def test_changing_the_password_ends_all_other_logins(identities: Api, filled_identities: str) -> None:
    async with served(filled_identities) as other:
        await log_in(other)
        await log_in(identities)
        fields = {"mark": await mark_of(identities), "current": PASSWORD, "new": NEW, "again": NEW}
        assert (await identities.client.post("/password", data=fields)).status_code == 303

        assert (await identities.client.get("/api/v1/me")).status_code == 200
        assert (await other.client.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"current": "wrong"}, "The current password is not right."),
        ({"again": "three red umbrellas"}, "not the same in both fields"),
        ({"new": "short", "again": "short"}, "12 or more"),
        ({"new": PASSWORD, "again": PASSWORD}, "is the current one"),
        ({"new": "ani ani ani ani", "again": "ani ani ani ani"}, "holds the name"),
    ],
)
async def test_a_password_that_cannot_be_taken_is_refused_with_the_reason(
    identities: Api, fields: dict[str, str], said: str
) -> None:
    await log_in(identities)
    sound = {"mark": await mark_of(identities), "current": PASSWORD, "new": NEW, "again": NEW}

    answer = await identities.client.post("/password", data=sound | fields)

    assert answer.status_code == 403
    assert said in answer.text
    assert await log_in(identities) == 303


@pytest.mark.parametrize("mark", ["", "0" * 64, "ü"])
async def test_a_form_without_the_mark_of_its_session_changes_nothing(identities: Api, mark: str) -> None:
    await log_in(identities)

    fields = {"mark": mark, "current": PASSWORD, "new": NEW, "again": NEW}
    answer = await identities.client.post("/password", data=fields)

    assert answer.status_code == 403
    assert await log_in(identities) == 303


async def test_a_form_of_another_site_changes_nothing_even_with_the_mark(identities: Api) -> None:
    await log_in(identities)
    fields = {"mark": await mark_of(identities), "current": PASSWORD, "new": NEW, "again": NEW}

    answer = await identities.client.post("/password", data=fields, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403


async def test_the_cookie_does_not_change_anything_without_the_header_of_the_page(identities: Api) -> None:
    await log_in(identities)
    asked = {"label": "x", "scopes": ["read"]}

    plain = await identities.client.post("/api/v1/keys", json=asked)
    elsewhere = await identities.client.post(
        "/api/v1/keys", json=asked, headers={PAGE_HEADER: "1", "Sec-Fetch-Site": "cross-site"}
    )
    ours = await identities.client.post(
        "/api/v1/keys", json=asked, headers={PAGE_HEADER: "1", "Sec-Fetch-Site": "same-origin"}
    )

    assert (plain.status_code, elsewhere.status_code, ours.status_code) == (401, 403, 201)


def test_the_first_admin_is_made_once_and_only_where_there_is_no_user(kawasan_url: str) -> None:
    first, again = make_first_admin(kawasan_url), make_first_admin(kawasan_url)

    assert first is not None
    assert again is None
    with psycopg.connect(emptied(kawasan_url)) as conn:
        conn.execute("INSERT INTO app_user (name, role) VALUES ('eve', 'officer')")
    assert make_first_admin(kawasan_url) is None


def test_the_first_admins_password_is_not_stored_and_must_be_changed(kawasan_url: str) -> None:
    password = make_first_admin(kawasan_url)

    assert password is not None
    with psycopg.connect(kawasan_url) as conn:
        rows = conn.execute(
            "SELECT u.name, u.role, p.hash, p.one_time FROM app_user u JOIN password p ON p.user_id = u.id"
        )
        name, role, hash_, one_time = rows.fetchall()[0]
    assert (name, role, one_time) == (ADMIN, "admin", True)
    assert hash_.startswith("$argon2id$")
    assert password not in hash_


def test_a_new_token_of_the_same_label_ends_logins_by_the_old_one(filled_identities: str) -> None:
    with connect(filled_identities, Role.AUTH) as conn:
        set_token(conn, "ani", token_hash("one"), label="x")
        conn.execute(
            "INSERT INTO session (hash, user_id, token_hash, address, expires_at, ends_at) "
            "SELECT 'h', id, %s, '', now() + interval '1 h', now() + interval '1 h' FROM app_user WHERE name = 'ani'",
            [token_hash("one")],
        )
        set_token(conn, "ani", token_hash("two"), label="x")
        conn.commit()
        left = conn.execute("SELECT count(*) FROM session s JOIN token t ON t.hash = s.token_hash").fetchone()

    assert left == (0,)
