"""Users, tokens, and what each user sees through the API's views."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection, Connection

from domain.errors import InputError
from domain.readings import Reason, Rejection
from domain.time import DAY_US, HOUR_US, Level
from store import queries
from store.connection import Role, connect, open_pool
from store.migrate import pending_for
from store.readings import ReadingSink
from store.users import (
    UserRole,
    create_user,
    disable_user,
    drop_token,
    list_users,
    resolve_token,
    set_token,
    token_hash,
)
from tests.support.databases import NOON_US, apply_to, batch_of, channel, meter, park_file, tenant

START_US, STOP_US = NOON_US - DAY_US, NOON_US + DAY_US


@pytest.fixture
def park(kawasan_url: str) -> dict[str, int]:
    """Parks p and q: two tenants with electricity and discharge each, an outlet with a rule; ids by `tenant/meter/quantity`."""
    power = meter("e", channel("power"))
    sewer = meter("w", channel("cod"), channel("effluent_flow"), channel("power"), role="discharge")
    outlet = meter("out", channel("ph"), role="outlet")
    rule = {
        "key": "ph_out",
        "meter": "_park/out",
        "quantity": "ph",
        "statistic": "range",
        "window": "day",
        "lowest": 6,
        "highest": 9,
        "legal_basis": "Permit",
    }
    ids = apply_to(
        kawasan_url,
        park_file(tenant("_park", outlet), tenant("a", power, sewer), tenant("b", power, sewer), rules=[rule]),
    )
    other = apply_to(kawasan_url, park_file(tenant("c", power), key="q"))
    return ids | other


@pytest.fixture
def auth(kawasan_url: str, park: dict[str, int]) -> Iterator[Connection[Any]]:
    """A connection for users; one user of each role is there."""
    assert park
    with connect(kawasan_url, Role.AUTH) as conn:
        create_user(conn, "boss", UserRole.ADMIN)
        create_user(conn, "op", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "officer", UserRole.OFFICER, parks=["p"])
        create_user(conn, "anna", UserRole.TENANT, tenants=["p/a"])
        yield conn


@pytest.fixture
def readings(kawasan_url: str, park: dict[str, int]) -> None:
    """Two readings of every channel that is published, one a conflict; and rejections of two sources."""
    sink = ReadingSink(kawasan_url)
    reject = (Rejection(message=0, place="", reason=Reason.MALFORMED, detail="no"),)
    published = {place: number for place, number in park.items() if "load_" not in place}
    for place, number in published.items():
        source = ("q/" if place.startswith("c/") else "p/") + place.partition("/")[0]
        rows = [(number, NOON_US, 1.0), (number, NOON_US + 1, 2.0), (number, NOON_US + 1, 3.0)]
        sink.write(batch_of(rows, source=source))
    sink.write(batch_of([], source="p/a", topic=b"kawasan/v1/p/a/e", payload=b"\xff", rejections=reject))
    sink.write(batch_of([], source="unknown", topic=b"what", rejections=reject))
    sink.close()


@asynccontextmanager
async def api(url: str) -> AsyncIterator[AsyncConnection[Any]]:
    async with open_pool(url, Role.API, max_size=2) as pool, pool.connection() as conn:
        yield conn


async def seen(url: str, user: str) -> set[str]:
    """The channels a user sees."""
    async with api(url) as conn:
        registries = await queries.read_registries(conn, user)
    return {line.key for registry in registries for line in registry.channels}


def test_a_user_is_created_and_brought_to_other_grants(auth: Connection[Any]) -> None:
    create_user(auth, "eve", UserRole.OPERATOR, parks=["p", "q"])

    user = create_user(auth, "eve", UserRole.TENANT, tenants=["p/b"])

    assert (user.role, user.parks, user.tenants) == (UserRole.TENANT, (), ("p/b",))
    assert [one.name for one in list_users(auth)] == ["anna", "boss", "eve", "officer", "op"]


@pytest.mark.parametrize(("role", "grants"), [("operator", {"parks": ["x"]}), ("tenant", {"tenants": ["p/x"]})])
def test_a_grant_of_what_is_not_there_is_refused(
    auth: Connection[Any], role: str, grants: dict[str, list[str]]
) -> None:
    with pytest.raises(InputError, match="no park or tenant"):
        create_user(auth, "eve", UserRole(role), **grants)

    assert "eve" not in {user.name for user in list_users(auth)}


def test_a_tenant_user_without_a_tenant_is_refused(auth: Connection[Any]) -> None:
    with pytest.raises(InputError, match="needs a tenant"):
        create_user(auth, "eve", UserRole.TENANT)


async def resolved(url: str, token: str) -> str | None:
    async with open_pool(url, Role.AUTH, max_size=1) as pool, pool.connection() as conn:
        user = await resolve_token(conn, token_hash(token))
    return None if user is None else user.name


async def test_a_token_names_its_user_until_it_is_replaced(auth: Connection[Any], kawasan_url: str) -> None:
    set_token(auth, "op", token_hash("one"), label="web")
    first = await resolved(kawasan_url, "one")

    set_token(auth, "op", token_hash("two"), label="web")

    assert first == "op"
    assert await resolved(kawasan_url, "one") is None
    assert await resolved(kawasan_url, "two") == "op"


async def test_a_token_that_was_dropped_expired_or_never_was_names_nobody(
    auth: Connection[Any], kawasan_url: str
) -> None:
    set_token(auth, "op", token_hash("dropped"), label="one")
    set_token(auth, "op", token_hash("expired"), label="two", expires_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert drop_token(auth, "op", label="one")
    assert not drop_token(auth, "op", label="one")
    assert [await resolved(kawasan_url, token) for token in ("dropped", "expired", "never")] == [None] * 3


async def test_a_disabled_user_has_no_token_and_sees_nothing(auth: Connection[Any], kawasan_url: str) -> None:
    set_token(auth, "boss", token_hash("one"), label="web")

    assert disable_user(auth, "boss")
    assert await resolved(kawasan_url, "one") is None
    assert await seen(kawasan_url, "boss") == set()


def test_a_token_for_nobody_is_refused(auth: Connection[Any]) -> None:
    with pytest.raises(InputError, match="no user 'nobody'"):
        set_token(auth, "nobody", token_hash("one"), label="web")


def keys(*places: str) -> set[str]:
    return set(places)


SEWER = ("cod", "effluent_flow", "load_cod")


@pytest.mark.usefixtures("auth")
async def test_who_sees_which_channels(kawasan_url: str) -> None:
    own_a = {f"p/a/w/{quantity}" for quantity in (*SEWER, "power")} | {"p/a/e/power"}
    own_b = {place.replace("p/a/", "p/b/") for place in own_a}
    effluent = {f"p/{key}/w/{quantity}" for key in "ab" for quantity in SEWER} | {"p/_park/out/ph"}

    assert await seen(kawasan_url, "boss") == own_a | own_b | keys("p/_park/out/ph", "q/c/e/power")
    assert await seen(kawasan_url, "op") == own_a | own_b | keys("p/_park/out/ph")
    assert await seen(kawasan_url, "officer") == effluent
    assert await seen(kawasan_url, "anna") == own_a
    assert await seen(kawasan_url, "nobody") == set()
    assert await seen(kawasan_url, "") == set()


@pytest.mark.usefixtures("auth")
async def test_rules_are_seen_by_who_sees_their_channel(kawasan_url: str) -> None:
    counts = {}
    async with api(kawasan_url) as conn:
        for user in ("op", "officer"):
            registry = await queries.read_registry(conn, user, "p")
            counts[user] = 0 if registry is None else len(registry.rules)
        tenants_view = await queries.read_registry(conn, "anna", "p")
        hidden = await queries.read_registry(conn, "op", "q")

    assert counts == {"op": 1, "officer": 1}
    assert tenants_view is not None
    assert (len(tenants_view.rules), [one.key for one in tenants_view.tenants]) == (0, ["a"])
    assert hidden is None


@pytest.mark.usefixtures("auth", "readings")
async def test_readings_and_latest_of_others_are_not_seen(kawasan_url: str, park: dict[str, int]) -> None:
    every = list(park.values())
    async with api(kawasan_url) as conn:
        rows = await queries.read_readings(conn, "anna", every, START_US, STOP_US)
        latest = await queries.read_latest(conn, "anna", every)
        nothing = await queries.read_readings(conn, "nobody", every, START_US, STOP_US)

    own = {number for place, number in park.items() if place.startswith("a/") and "load_" not in place}
    assert set(rows.channel_id.tolist()) == {row.channel_id for row in latest} == own
    assert rows.conflict.tolist() == [False, True] * len(own)
    assert [row.ts_us for row in latest] == [NOON_US + 1] * len(own)
    assert len(nothing) == 0


@pytest.mark.usefixtures("auth", "readings")
async def test_readings_come_page_by_page(kawasan_url: str, park: dict[str, int]) -> None:
    every = list(park.values())
    async with api(kawasan_url) as conn:
        whole = await queries.read_readings(conn, "boss", every, START_US, STOP_US)
        pages, after = [], None
        while True:
            page = await queries.read_readings(conn, "boss", every, START_US, STOP_US, after=after, limit=3)
            if not len(page):
                break
            pages.append(page)
            after = (int(page.channel_id[-1]), int(page.ts_us[-1]))

    for column in ("channel_id", "ts_us", "value", "conflict"):
        joined = np.concatenate([getattr(page, column) for page in pages])
        assert joined.tolist() == getattr(whole, column).tolist()
    assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)


@pytest.mark.usefixtures("auth")
async def test_amounts_of_others_are_not_seen(kawasan_url: str, park: dict[str, int]) -> None:
    with connect(kawasan_url, Role.WRITE) as conn:
        conn.execute(
            "INSERT INTO amount (channel_id, level, start, amount, measured_s, estimated, inner_gap_s, gap_s, slots, flags, revision, computed_at)"
            " SELECT id, 0, to_timestamp(%s), 2, 900, 0, 0, 0, 15, 0, 4, to_timestamp(7) FROM channel",
            [NOON_US // 1_000_000],
        )
    every = list(park.values())
    async with api(kawasan_url) as reading:
        amounts = await queries.read_amounts(reading, "officer", Level.BASE, every, start_us=NOON_US, stop_us=STOP_US)
        nothing = await queries.read_amounts(reading, "officer", Level.HOUR, every, start_us=NOON_US, stop_us=STOP_US)

    assert len(amounts.frame) == 7
    assert set(amounts.revision.tolist()) == {4}
    assert set(amounts.computed_at_us.tolist()) == {7_000_000}
    assert len(nothing.frame) == 0


@pytest.mark.usefixtures("auth")
async def test_kpis_of_others_are_not_seen(kawasan_url: str) -> None:
    with connect(kawasan_url, Role.MIGRATE) as conn:
        ids: dict[str, int] = dict(conn.execute("SELECT key, id FROM tenant").fetchall())
        conn.execute(
            "INSERT INTO kpi (park_id, subject_kind, subject_id, kpi, level, start, terms, reason, flags, formula_version, registry_version, revision, computed_at)"
            " SELECT 1, s.kind, s.id, k, 2, to_timestamp(%(noon)s), '{1,2,3,4,5,6}', 0, 0, 2, 9, 0, now()"
            " FROM (VALUES (0, 1), (1, %(a)s), (1, %(b)s)) s (kind, id), unnest('{electricity,load_cod}'::text[]) k",
            {"noon": NOON_US // 1_000_000, "a": ids["a"], "b": ids["b"]},
        )
    subjects = [(0, 1), (1, ids["a"]), (1, ids["b"])]
    found = {}
    async with api(kawasan_url) as reading:
        for user in ("boss", "op", "officer", "anna", "nobody"):
            stored = await queries.read_kpis(
                reading, user, ["load_cod", "electricity"], subjects, Level.DAY, start_us=NOON_US, stop_us=STOP_US
            )
            frame = stored.frame
            found[user] = list(
                zip(frame.kpi.tolist(), frame.subject_kind.tolist(), frame.subject_id.tolist(), strict=True)
            )
            assert set(stored.formula_version.tolist()) <= {2}
            assert set(stored.registry_version.tolist()) <= {9}

    whole = [(key, *subject) for key in ("electricity", "load_cod") for subject in subjects]
    assert found["boss"] == found["op"] == whole
    assert found["officer"] == whole[3:]
    assert found["anna"] == [("electricity", 1, ids["a"]), ("load_cod", 1, ids["a"])]
    assert found["nobody"] == []


@pytest.mark.usefixtures("auth", "readings")
async def test_the_ledger_shows_each_user_the_own_sources(kawasan_url: str) -> None:
    sources = {}
    async with api(kawasan_url) as conn:
        for user in ("boss", "op", "officer", "anna", "nobody"):
            lines = await queries.read_ledger(conn, user, NOON_US - DAY_US, NOON_US + DAY_US)
            assert all(
                line.received == line.stored + line.duplicate + line.conflict + sum(line.reasons.values())
                for line in lines
            )
            sources[user] = [line.source for line in lines]
        one = await queries.read_ledger(conn, "anna", NOON_US - DAY_US, NOON_US + DAY_US, source="p/a")

    assert sources["boss"] == ["p/_park", "p/a", "p/b", "q/c", "unknown"]
    assert sources["op"] == ["p/_park", "p/a", "p/b"]
    assert sources["anna"] == ["p/a"]
    assert sources["officer"] == sources["nobody"] == []
    assert [(line.stored, line.conflict, line.rejected, line.reasons) for line in one] == [(8, 4, 1, {"malformed": 1})]


@pytest.mark.usefixtures("auth", "readings")
async def test_rejections_are_for_those_who_run_the_park(kawasan_url: str) -> None:
    listed = {}
    async with api(kawasan_url) as conn:
        for user in ("boss", "op", "officer", "anna", "nobody"):
            listed[user] = [row.source for row in await queries.read_rejections(conn, user)]
        first = (await queries.read_rejections(conn, "op"))[0]
        message = await queries.read_rejected_message(conn, "op", first.message_id)
        hidden = await queries.read_rejected_message(conn, "anna", first.message_id)

    assert sorted(listed["boss"]) == ["p/a", "unknown"]
    assert listed["op"] == ["p/a"]
    assert listed["officer"] == listed["anna"] == listed["nobody"] == []
    assert message is not None
    assert (message.payload, len(message.rejections)) == (b"\xff", 1)
    assert hidden is None


@pytest.mark.usefixtures("readings")
async def test_an_operator_of_every_park_sees_what_belongs_to_none(auth: Connection[Any], kawasan_url: str) -> None:
    create_user(auth, "all", UserRole.OPERATOR, parks=["p", "q"])

    async with api(kawasan_url) as conn:
        rows = await queries.read_rejections(conn, "all", reason="malformed", unresolved=True, limit=5)

    assert sorted(row.source for row in rows) == ["p/a", "unknown"]


@pytest.mark.usefixtures("auth")
async def test_a_pool_hands_a_connection_on_without_its_user(kawasan_url: str) -> None:
    async with open_pool(kawasan_url, Role.API, min_size=1, max_size=1) as pool:
        async with pool.connection() as conn:
            assert await queries.read_registries(conn, "boss")
        async with pool.connection() as conn:
            cursor = await conn.execute("SELECT count(*) FROM park")
            assert await cursor.fetchone() == (0,)


async def test_the_api_knows_whether_the_schema_is_at_this_version(kawasan_url: str) -> None:
    async with api(kawasan_url) as conn:
        assert await pending_for(conn) == []


@pytest.mark.usefixtures("auth")
async def test_the_ledger_leaves_out_other_hours(kawasan_url: str, park: dict[str, int]) -> None:
    sink = ReadingSink(kawasan_url)
    sink.write(batch_of([(park["a/e/power"], NOON_US, 1.0)]))
    sink.close()

    async with api(kawasan_url) as conn:
        later = await queries.read_ledger(conn, "boss", NOON_US + HOUR_US, NOON_US + DAY_US)

    assert later == ()
