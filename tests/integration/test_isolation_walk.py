"""Nobody reads what is another's: every operation, asked with what is another's, answers as if it did not exist."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from domain.time import Level, from_datetime
from service.api.services import Serving
from store import Role, open_pool
from store.identity import resolve
from store.queries import asking
from store.shown import AmountsSought, read_shown_amounts
from store.users import token_hash
from tests.support.isolation_walk import Ask, Case, answer_text, asks, operations, own_asks
from tests.support.served import Api
from tests.support.streams import events_in
from tests.support.two_parks import (
    USERS,
    served_two_parks,
    token_of,
    two_parks_on_embedded,
    two_parks_on_timescale,
    two_parks_url,
)

__all__ = ["two_parks_on_embedded", "two_parks_on_timescale", "two_parks_url"]

OF_THE_MOMENT = ("date", "x-request-id", "ratelimit", "x-ratelimit", "server-timing", "content-length")
"""Headers that say when, how much is left, or, where the body says a name back, how long it is."""
NAME_NOBODY = {"POST /api/v1/keys"}
"""Operations that are told something, but nothing that is anybody's."""
MARKS = ("beta", "gamma", "777.0", "q.example.com")
"""What stands only in what is not alpha's."""


@pytest.fixture
async def two_parks(two_parks_url: str) -> AsyncIterator[tuple[Api, FastAPI]]:
    async with served_two_parks(two_parks_url) as running:
        yield running


def one(url: str, statement: str) -> Any:
    with psycopg.connect(url) as conn:
        row = conn.execute(statement.encode()).fetchone()
    assert row is not None, statement
    return row[0]


def ids_of(url: str, place: str, rule: str) -> dict[str, Any]:
    """Numbers of what is a meter's, by the parameter that names them; `place` is `park/tenant/meter`."""
    park, firm, key = place.split("/")
    meter = (
        f"(SELECT m.id FROM meter m JOIN tenant t ON t.id = m.tenant_id JOIN park p ON p.id = m.park_id"
        f" WHERE p.key = '{park}' AND t.key = '{firm}' AND m.key = '{key}')"
    )
    channels = f"(SELECT id FROM channel WHERE meter_id = {meter})"
    alarm = (
        f"SELECT a.id FROM alarm a JOIN park p ON p.id = a.park_id WHERE p.key = '{park}' AND rule_key = '{rule}'"
        f" AND (a.channel_id IN {channels} OR rule_key = 'much-energy')"
    )
    start = one(
        url, f"SELECT coalesce((SELECT start FROM episode WHERE alarm_id = ({alarm}) LIMIT 1), '2026-03-02T10:00Z')"
    )
    return {
        "alarm": one(url, alarm),
        "episode": start.isoformat().replace("+00:00", "Z"),
        "correction": one(url, f"SELECT id FROM correction WHERE channel_id IN {channels}"),
        "fact": one(url, f"SELECT id FROM multiplier WHERE channel_id IN {channels} AND origin = 'entry'"),
        "session": one(url, "SELECT id FROM session"),
        "api_key": one(url, "SELECT k.id FROM token k JOIN app_user u ON u.id = k.user_id WHERE u.name = 'admin'"),
    }


def sought(user: str, channel: int) -> AmountsSought:
    """All base amounts of a channel, as a user."""
    first, last = (from_datetime(datetime(year, 1, 1, tzinfo=UTC)) for year in (2020, 2040))
    return AmountsSought(
        user=user, channel_id=channel, level=Level.BASE, start_us=first, stop_us=last, most_rows=100_000
    )


NO_IDS = {
    "alarm": 2_000_000_001,
    "correction": 2_000_000_002,
    "fact": 2_000_000_003,
    "session": 2_000_000_004,
    "api_key": 2_000_000_005,
}
OWN = {"park": "p", "tenant": "alpha", "meter": "main", "channel": "p/alpha/main/energy_import", "kpi": "electricity",
       "subject": "tenant:p/alpha", "rule": "power-high", "source": "p/alpha", "target": "p/alpha"}  # fmt: skip


def foreign_ids(ids: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (ids[name], none) for name, none in NO_IDS.items()}


def neighbour(url: str, kpi: str, subject: tuple[str, str], quantity: str) -> Case:
    """Alpha asks for what is beta's."""
    ids = ids_of(url, "p/beta/main", "beta-only")
    return Case(
        name=f"alpha of beta's {quantity}",
        user="tenant",
        known={"park": "p", "meter": "main", "kpi": kpi, "episode": ids["episode"]},
        foreign={
            "tenant": ("beta", "zeta"),
            "channel": (f"p/beta/main/{quantity}", f"p/zeta/main/{quantity}"),
            "subject": subject,
            "rule": ("beta-only", "zeta-only"),
            "source": ("p/beta", "p/zeta"),
            "target": ("p/beta", "p/zeta"),
            **foreign_ids(ids),
        },
    )


def other_park(url: str, user: str, park: str, firm: str) -> Case:
    """Somebody of one park asks for what is in another."""
    ids, none = ids_of(url, f"{park}/{firm}/main", "power-high"), f"zz{park}"
    return Case(
        name=f"{user} of park {park}",
        user=user,
        known={"tenant": firm, "meter": "main", "kpi": "load_cod" if "officer" in user else "electricity", "episode": ids["episode"],
               "rule": "power-high"},
        foreign={
            "park": (park, none),
            "channel": (f"{park}/{firm}/main/power", f"{none}/{firm}/main/power"),
            "subject": (f"tenant:{park}/{firm}", f"tenant:{none}/{firm}"),
            "source": (f"{park}/{firm}", f"{none}/{firm}"),
            "target": (f"{park}/{firm}", f"{none}/{firm}"),
            **foreign_ids(ids),
        },
    )  # fmt: skip


def energy(url: str, rule: str) -> Case:
    """An officer asks for the energy of a firm of the own park, which was not granted."""
    ids = ids_of(url, "p/beta/main", rule)
    return Case(
        name=f"an officer of {rule}",
        user="officer",
        known={"park": "p", "tenant": "beta", "episode": ids["episode"], "source": "p/beta"},
        foreign={
            "meter": ("main", "zain"),
            "channel": ("p/beta/main/power", "p/beta/zain/power"),
            "kpi": ("electricity", "zlectricity"),
            "subject": ("meter:p/beta/main", "meter:p/beta/zain"),
            "rule": (rule, f"z{rule[1:]}"),
            "target": ("p/beta/main", "p/beta/zain"),
            **foreign_ids(ids),
        },
    )


def cases(url: str) -> Iterator[Case]:
    yield neighbour(url, "electricity", ("tenant:p/beta", "tenant:p/zeta"), "energy_import")
    yield neighbour(url, "electricity", ("meter:p/beta/main", "meter:p/zeta/main"), "power")
    yield energy(url, "beta-only")
    yield energy(url, "much-energy")
    yield other_park(url, "other-operator", "p", "alpha")
    yield other_park(url, "other-officer", "p", "beta")
    for user in ("tenant", "officer", "operator", "auditor"):
        yield other_park(url, user, "q", "gamma")


async def answered(api: Api, user: str, ask: Ask, version: int) -> httpx2.Response:
    return await api.client.request(
        ask.method,
        ask.path[version],
        params=ask.query[version],
        json=None if ask.body is None else ask.body[version],
        # Of the same number, or every problem would differ by its own.
        headers={"Authorization": f"Bearer {token_of(user)}", "X-Request-ID": "isolation-walk", **ask.headers},
    )


def headers_of(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if not name.startswith(OF_THE_MOMENT)}


def contents(url: str) -> dict[str, Any]:
    """What is in each table, but for what says who asked and when."""
    left_out = {"audit", "token", "session", "login_try", "idempotency"}
    with psycopg.connect(url) as conn:
        kept = conn.execute("SELECT (SELECT count(*) FROM token) || ' ' || (SELECT count(*) FROM session)").fetchone()
        tables = [
            row[0] for row in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        ]
        found = {
            table: conn.execute(
                f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM public.{table} t".encode()
            ).fetchone()
            for table in tables
            if table not in left_out
        }
    return {**found, "tokens and sessions": kept}


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the API sends to the database, in order."""
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noted(self: Any, query: Any, *rest: Any, **named: Any) -> Any:
        # Now and then the pool looks whether a connection is alive, and a token is marked as used.
        if query and b"last_used_at = now()" not in query:
            sent.append(str(query))
        return await execute(self, query, *rest, **named)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noted)
    return sent


async def test_what_is_anothers_is_answered_as_what_does_not_exist(
    two_parks: tuple[Api, FastAPI], statements: list[str]
) -> None:
    api, app = two_parks
    schema = app.openapi()
    before = contents(api.url)
    walked: set[str] = set()
    differ = []

    for case in cases(api.url):
        for ask in asks(schema, case):
            looks = []
            for version in (0, 1):
                statements.clear()
                answer = await answered(api, case.user, ask, version)
                text = answer.text if version == 0 else answer_text(answer.text, ask.echo)
                # As many steps for the one as for the other: nothing is to be timed.
                looks.append((answer.status_code, text, headers_of(answer), len(statements)))
            walked.add(ask.name.split(": ")[1].split(" by ")[0])
            if looks[0] != looks[1]:
                differ.append((ask.name, *looks))
            if looks[0][0] >= 500:
                differ.append((ask.name, looks[0]))

    assert differ == [], "\n".join(str(one) for one in differ)
    assert contents(api.url) == before
    assert (
        walked
        >= {
            f"{method} {path}"
            for method, path, operation in operations(schema)
            if operation.get("requestBody") or any(one.get("required") for one in operation.get("parameters", ()))
        }
        - NAME_NOBODY
    )


async def test_what_one_user_was_answered_is_kept_from_others(two_parks_url: str) -> None:
    """The operator asks first, so that answers are kept; the tenant asks for the same, and with the operator's ETag."""
    foreign, answers, tagged = [], 0, 0
    async with served_two_parks(two_parks_url, kept_mb=64) as (api, app):
        while not app.state.services.freshness.is_alive:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
        for case in cases(two_parks_url):
            for ask in asks(app.openapi(), case):
                # To whoever may see it, a stream never ends; and no answer of it is kept.
                if ask.method != "GET" or case.user != "tenant" or ask.path[0] == "/api/v1/live":
                    continue
                seen = await answered(api, "operator", ask, 0)
                etag = seen.headers.get("etag", '"none"')
                looks = []
                for version in (0, 1):
                    held = replace(ask, headers={**ask.headers, "If-None-Match": etag})
                    answer = await answered(api, case.user, held, version)
                    text = answer.text if version == 0 else answer_text(answer.text, ask.echo)
                    looks.append((answer.status_code, text, headers_of(answer)))
                if looks[0] != looks[1] or looks[0][0] == 304:
                    foreign.append((ask.name, *looks))
                answers, tagged = answers + 1, tagged + ("etag" in seen.headers)

    assert foreign == []
    assert answers > 20
    assert tagged > 10


def own_case(url: str, user: str) -> Case:
    ids = ids_of(url, "p/alpha/main", "power-high")
    known = {**OWN, **ids} if user == "tenant" else {**OWN, **ids, "kpi": "load_cod"}
    return Case(name=user, user=user, known=known, foreign={})


async def everything(api: Api, app: FastAPI, user: str) -> dict[str, tuple[int, str, dict[str, str]]]:
    """What a user is answered to every GET about what is the own."""
    found = {}
    for ask in own_asks(app.openapi(), own_case(api.url, user)):
        answer = await answered(api, user, ask, 0)
        found[ask.name] = answer.status_code, answer.text, headers_of(answer)
    return found


async def test_no_list_holds_what_is_anothers(two_parks: tuple[Api, FastAPI]) -> None:
    api, app = two_parks

    found = await everything(api, app, "tenant")

    assert {name: mark for name, (_, text, _) in found.items() for mark in MARKS if mark in text} == {}
    assert sum(status == 200 for status, _, _ in found.values()) > 25


ANOTHERS_DAY = """
INSERT INTO reading SELECT channel_id, ts + interval '7 minutes', value + 1, quality, received_at, batch_id
FROM reading WHERE channel_id = ANY (%(channels)s);
UPDATE latest SET ts = ts + interval '1 day', value = value + 1, received_at = now() WHERE channel_id = ANY (%(channels)s);
UPDATE amount SET amount = amount + 1, revision = revision + 1000, computed_at = now() WHERE channel_id = ANY (%(channels)s);
UPDATE kpi SET value = value + 1, revision = revision + 1000, computed_at = now()
WHERE (subject_kind = 1 AND subject_id = %(tenant)s) OR (subject_kind = 2 AND subject_id = ANY (%(meters)s));
INSERT INTO finding SELECT channel_id, 'spike', '2026-03-02', '2026-03-02T01:00Z', '2026-03-02T02:00Z', 1, 0, now()
FROM unnest(%(channels)s) AS k (channel_id);
INSERT INTO correction (park_id, channel_id, action, from_ts, to_ts, value, why, recorded_at, recorded_by)
SELECT park_id, channel_id, action, from_ts + interval '1 hour', to_ts + interval '1 hour', value, why, now(), recorded_by
FROM correction WHERE channel_id = ANY (%(channels)s);
INSERT INTO context_value (series_id, start, stop, value, note, recorded_by)
SELECT id, '2026-05-01Z', '2026-06-01Z', 5, '', 'x' FROM context_series WHERE tenant_id = %(tenant)s;
UPDATE alarm SET since = now(), version = version + 1 WHERE channel_id = ANY (%(channels)s);
INSERT INTO episode_note (alarm_id, episode, said_of, kind, text, recorded_by)
SELECT n.alarm_id, n.episode, n.said_of, 'comment', 'more', 'x' FROM episode_note n JOIN alarm a ON a.id = n.alarm_id
WHERE a.channel_id = ANY (%(channels)s);
INSERT INTO ledger SELECT source, hour + interval '1 hour', 9, 9, 9, 9, 9 FROM ledger WHERE source = %(source)s;
UPDATE rejection SET count = count + 1, last_at = now() WHERE park_id = (SELECT id FROM park WHERE key = 'q');
UPDATE closed_kpi SET value = value + 1 WHERE subject_kind = 1 AND subject_id = %(tenant)s;
INSERT INTO app_user (name, role) VALUES ('somebody', 'operator');
"""


@pytest.mark.parametrize(("user", "place"), [("tenant", "p/beta"), ("officer", "q/gamma"), ("auditor", "q/gamma")])
async def test_what_happens_to_another_changes_no_answer(two_parks: tuple[Api, FastAPI], user: str, place: str) -> None:
    api, app = two_parks
    park, firm = place.split("/")
    firm_id = one(
        api.url,
        f"SELECT t.id FROM tenant t JOIN park p ON p.id = t.park_id WHERE p.key = '{park}' AND t.key = '{firm}'",
    )
    before = await everything(api, app, user)

    with psycopg.connect(api.url, cursor_factory=psycopg.ClientCursor) as conn:
        meters = [row[0] for row in conn.execute("SELECT id FROM meter WHERE tenant_id = %s", [firm_id]).fetchall()]
        channels = [
            row[0] for row in conn.execute("SELECT id FROM channel WHERE meter_id = ANY (%s)", [meters]).fetchall()
        ]
        conn.execute(ANOTHERS_DAY, {"channels": channels, "meters": meters, "tenant": firm_id, "source": place})
    after = await everything(api, app, user)

    assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == {}


async def test_the_live_stream_tells_nothing_of_others(two_parks: tuple[Api, FastAPI]) -> None:
    api, app = two_parks
    told = ""

    async with open_pool(api.url, Role.AUTH) as auth, auth.connection() as conn:
        identity = await resolve(conn, token_hash(token_of("tenant")), of_cookie=False)
    assert identity is not None
    async with aclosing(app.state.services.live.events(identity)) as stream:
        with suppress(TimeoutError):
            async with asyncio.timeout(4.0):
                async for piece in stream:
                    told += piece.decode()

    assert {"readings", "kpis", "flow"} & {event.name for event in events_in(told)}
    assert "p/alpha" in told
    assert [mark for mark in MARKS if mark in told] == []


async def test_a_route_that_asks_for_everything_is_still_shown_only_what_its_user_may_see(
    two_parks: tuple[Api, FastAPI],
) -> None:
    api, app = two_parks
    channels = set(range(10_000))

    @app.get("/broken/{how}")
    async def broken(services: Serving, how: str, user: str = "") -> list[int]:
        text = {
            "views": "SELECT DISTINCT channel_id FROM reading",
            "tables": "SELECT DISTINCT channel_id FROM public.reading",
        }[how]
        async with services.connection() as conn, asking(conn, user):
            return [row[0] for row in await (await conn.execute(text.encode())).fetchall()]

    own = await api.client.get("/broken/views", params={"user": "tenant"})
    nobodys = await api.client.get("/broken/views")
    tables = await api.client.get("/broken/tables", params={"user": "operator"})
    with psycopg.connect(api.url) as conn:
        alphas = {
            row[0]
            for row in conn.execute(
                "SELECT c.id FROM channel c JOIN meter m ON m.id = c.meter_id JOIN tenant t ON t.id = m.tenant_id"
                " WHERE t.key = 'alpha'"
            ).fetchall()
        }
    assert set(own.json()) == alphas < channels
    assert nobodys.json() == []
    assert tables.status_code == 503
    assert "reading" not in tables.json()["detail"]


async def test_the_database_itself_cuts_what_a_rule_says_of_others(two_parks_url: str) -> None:
    async def shown(user: str) -> dict[str, Any]:
        async with open_pool(two_parks_url, Role.API) as pool, pool.connection() as conn, asking(conn, user):
            found = await conn.execute("SELECT document FROM alarm_rule WHERE key = 'power-high' AND park_id = 1")
            return dict((await found.fetchall())[0][0])

    whole, cut = await shown("operator"), await shown("tenant")

    assert [one.get("above") for one in whole["suppress"]] == [777.0, 888.0]
    assert [one.get("channel") for one in cut["suppress"]] == ["./power"]
    assert ("tell" in whole, "tell" in cut) == (True, False)
    assert {**whole, "tell": 0, "suppress": 0} == {**cut, "tell": 0, "suppress": 0}


async def test_amounts_are_shown_of_the_channels_that_the_view_shows(two_parks_url: str) -> None:
    with psycopg.connect(two_parks_url) as conn:
        channels = sorted(row[0] for row in conn.execute("SELECT DISTINCT channel_id FROM amount WHERE level = 0"))
    seen: dict[str, set[int]] = {}
    shown: dict[str, set[int]] = {}
    async with open_pool(two_parks_url, Role.API) as pool, pool.connection() as conn:
        for user in USERS:
            async with asking(conn, user):
                cursor = await conn.execute("SELECT id FROM channel")
                seen[user] = {row[0] for row in await cursor.fetchall()} & set(channels)
            found = await read_shown_amounts(conn, [sought(user, channel) for channel in channels])
            shown[user] = {channel for channel, rows in zip(channels, found, strict=True) if rows}
    assert shown == seen
    assert set() < seen["tenant"] < seen["operator"] < seen["admin"] == set(channels)
    assert set() < seen["officer"] < seen["operator"]


async def test_what_is_read_together_is_shown_to_each_as_if_asked_alone(two_parks_url: str) -> None:
    with psycopg.connect(two_parks_url) as conn:
        channels = sorted(row[0] for row in conn.execute("SELECT DISTINCT channel_id FROM amount WHERE level = 0"))
        conn.execute("INSERT INTO app_user (name, role, disabled_at) VALUES ('gone', 'admin', now())")
    users = [*USERS, "gone", "nobody", ""]
    every = [sought(user, channel) for user in users for channel in [*channels, 2_000_000_001]]
    async with open_pool(two_parks_url, Role.API) as pool, pool.connection() as conn:
        alone = {one: (await read_shown_amounts(conn, [one]))[0] for one in every}
        for seed in range(20):
            asked = Random(seed).choices(every, k=1 + seed * 5)
            together = await read_shown_amounts(conn, asked)
            assert together == [alone[one] for one in asked]
        asker = await (await conn.execute("SELECT coalesce(current_setting('kawasan.user', true), '')")).fetchone()
    assert asker == ("",)
    assert not any(alone[one] for one in every if one.user in {"gone", "nobody", ""})
    assert any(alone[one] for one in every)


def test_times_of_the_walk_are_ones_at_which_something_was(two_parks_url: str) -> None:
    kinds = one(
        two_parks_url,
        "SELECT array_agg(k ORDER BY k) FROM (SELECT 'episode' AS k FROM episode UNION SELECT 'finding' FROM finding"
        " UNION SELECT 'correction' FROM correction UNION SELECT 'conflict' FROM reading_conflict UNION SELECT 'closed' FROM closed_kpi"
        " UNION SELECT 'rejection' FROM rejection UNION SELECT 'note' FROM episode_note UNION SELECT 'kpi' FROM kpi) s",
    )

    assert kinds == ["closed", "conflict", "correction", "episode", "finding", "kpi", "note", "rejection"]
    assert from_datetime(one(two_parks_url, "SELECT min(start) FROM episode")) > 0
