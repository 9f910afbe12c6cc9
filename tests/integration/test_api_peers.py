"""Comparison with peers: a percentile of a closed month, with enough of them and none that dominates; never a value."""

from collections.abc import AsyncIterator, Mapping

import psycopg
import pytest

from domain.time import parse_instant, to_datetime
from store import Role, connect
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.served import Answer, Api, served

START = to_datetime(parse_instant("2026-03-01T00:00:00+07:00"))
STOP = to_datetime(parse_instant("2026-04-01T00:00:00+07:00"))
FIRMS = ("alpha", "b", "c", "d", "e", "f", "g")
USERS: Mapping[str, tuple[UserRole, dict[str, list[str]]]] = {
    "tenant": (UserRole.TENANT, {"tenants": ["p/alpha"]}),
    "operator": (UserRole.OPERATOR, {"parks": ["p"]}),
    "officer": (UserRole.OFFICER, {"parks": ["p"]}),
    "two": (UserRole.TENANT, {"tenants": ["p/alpha", "p/b"]}),
}
FIVE = {"alpha": 30.0, "b": 10.0, "c": 20.0, "d": 30.0, "e": 40.0, "f": 50.0}


def firm(key: str, sector: str | None = "textile") -> dict[str, object]:
    return tenant(key, meter("main", channel("energy_import", "register")), **({"sector": sector} if sector else {}))


@pytest.fixture
async def api(kawasan_url: str) -> AsyncIterator[Api]:
    firms = [firm(key) for key in FIRMS[:-1]]
    apply_to(kawasan_url, park_file(firm("_park"), *firms, firm("g", "food"), firm("h", None)))
    with connect(kawasan_url, Role.AUTH) as conn:
        for name, (role, grants) in USERS.items():
            create_user(conn, name, role, **grants)
            set_token(conn, name, token_hash(f"token-of-{name}"), label="test")
    async with served(kawasan_url) as running:
        yield running


def close(api: Api, values: Mapping[str, float | None]) -> None:
    """A closed month whose snapshot holds these values of `electricity`."""
    with psycopg.connect(api.url) as conn:
        conn.execute(
            "INSERT INTO closed_period (park_id, level, start, stop, note, closed_by) SELECT id, 4, %s, %s, '', 'me' FROM park",
            [START, STOP],
        )
        for key, value in values.items():
            conn.execute(
                "INSERT INTO closed_kpi (period_id, subject_kind, subject_id, kpi, measured, value, estimate, error, profile_coverage,"
                " total_coverage, estimated_share, peak_at, reason, flags, formula_version, registry_version, revision, computed_at)"
                " SELECT p.id, 1, t.id, 'electricity', %s, %s, %s, 0, 1, 1, 0, NULL, 0, 0, 1, 1, 1, now()"
                " FROM closed_period p, tenant t WHERE t.key = %s",
                [value, value, value, key],
            )


async def asked(api: Api, user: str = "tenant", subject: str = "tenant:p/alpha", kpi: str = "electricity") -> Answer:
    headers = {"Authorization": f"Bearer token-of-{user}"}
    answer = await api.client.get(
        f"/api/v1/peers/{kpi}", params={"subject": subject, "month": "2026-03"}, headers=headers
    )
    return Answer(status=answer.status_code, body=answer.json(), headers=answer.headers)


async def told(
    api: Api, user: str = "tenant", subject: str = "tenant:p/alpha"
) -> tuple[float | None, int | None, str | None]:
    body = (await asked(api, user, subject)).body
    return body["percentile"], body["peers"], body["reason"]


async def test_a_tenant_is_told_its_place_among_five_peers_and_no_value(api: Api) -> None:
    close(api, FIVE)

    answer = await asked(api)

    # Two are below, and of the one that is equal one half.
    assert (answer.body["percentile"], answer.body["peers"], answer.body["reason"]) == (0.5, 5, None)
    assert set(answer.body) == {"kpi", "subject", "month", "percentile", "peers", "reason"}
    assert await told(api, "operator") == (0.5, 5, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({**FIVE, "f": None}, "too_few_peers"),
        ({**FIVE, "f": None, "g": 1.0}, "too_few_peers"),
        ({**FIVE, "f": 101.0}, "dominant_peer"),
        ({**FIVE, "alpha": None}, "no_value"),
        ({key: value for key, value in FIVE.items() if key != "alpha"}, "no_value"),
        ({**FIVE, "f": float("nan")}, "too_few_peers"),
    ],
)
async def test_without_enough_peers_or_with_one_that_dominates_there_is_no_percentile(
    api: Api, values: dict[str, float | None], reason: str
) -> None:
    close(api, values)

    assert await told(api) == (None, None, reason)


async def test_one_that_has_just_one_half_does_not_dominate(api: Api) -> None:
    close(api, {**FIVE, "f": 100.0})

    assert await told(api) == (0.5, 5, None)


async def test_what_somebody_is_granted_too_is_no_peer(api: Api) -> None:
    close(api, FIVE)

    assert await told(api, "two") == (None, None, "too_few_peers")


async def test_a_month_that_is_not_closed_and_a_tenant_without_a_sector_say_so(api: Api) -> None:
    assert await told(api) == (None, None, "not_closed")
    assert await told(api, "operator", "tenant:p/h") == (None, None, "no_sector")
    assert await told(api, "operator", "tenant:p/_park") == (None, None, "no_sector")


async def test_new_values_after_the_closing_do_not_move_a_place(api: Api) -> None:
    close(api, FIVE)
    before = await told(api)

    with psycopg.connect(api.url) as conn:
        conn.execute(
            "INSERT INTO kpi SELECT 1, 1, subject_id, kpi, 4, %s, '{}', 999, 999, 999, 0, 1, 1, 0, NULL, 0, 0, 1, 1, 1, now()"
            " FROM closed_kpi",
            [START],
        )

    assert await told(api) == before


async def test_the_place_of_another_is_answered_as_if_it_did_not_exist(api: Api) -> None:
    close(api, FIVE)

    other, none = await asked(api, subject="tenant:p/c"), await asked(api, subject="tenant:p/z")
    assert (other.status, none.status) == (404, 404)
    assert other.body["detail"].replace("p/c", "p/z") == none.body["detail"]
    assert (await asked(api, "officer")).status == 404
    with psycopg.connect(api.url) as conn:
        conn.execute("SELECT set_config('role', 'kawasan_api', true), set_config('kawasan.user', 'tenant', true)")
        rows = [
            conn.execute("SELECT * FROM api.peer_rank(%s, 'electricity', 4::smallint, %s)", [one, START]).fetchall()
            for one in range(1, 9)
        ]
    assert [len(found) for found in rows].count(1) == 1
