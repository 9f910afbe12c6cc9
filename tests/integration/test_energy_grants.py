"""An officer sees a tenant's energy only where it was granted, and then only that tenant's."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from domain.errors import InputError
from service.cli.main import app as commands
from store import Role, connect
from store.users import grant_energy, list_users
from tests.support.served import Answer, Api
from tests.support.two_parks import (
    served_two_parks,
    token_of,
    two_parks_on_embedded,
    two_parks_on_timescale,
    two_parks_url,
)

__all__ = ["two_parks_on_embedded", "two_parks_on_timescale", "two_parks_url"]

DAY = {"start": "2026-03-02T00:00:00+07:00", "stop": "2026-03-03T00:00:00+07:00", "level": "day"}


@pytest.fixture
async def two_parks(two_parks_url: str) -> AsyncIterator[tuple[Api, FastAPI]]:
    async with served_two_parks(two_parks_url) as running:
        yield running


async def got(api: Api, path: str, **query: str) -> Answer:
    answer = await api.client.get(
        f"/api/v1/{path}", params=query, headers={"Authorization": f"Bearer {token_of('officer')}"}
    )
    return Answer(status=answer.status_code, body=answer.json(), headers=answer.headers)


async def statuses(api: Api) -> list[int]:
    asked = [
        ("kpis/electricity", {"subject": "tenant:p/alpha", **DAY}),
        ("kpis/electricity", {"subject": "meter:p/alpha/main", **DAY}),
        ("amounts", {"channel": "p/alpha/main/energy_import", **DAY}),
        ("kpis/electricity", {"subject": "tenant:p/beta", **DAY}),
        ("kpis/electricity", {"subject": "park:p", **DAY}),
        ("amounts", {"channel": "p/beta/main/energy_import", **DAY}),
    ]
    return [(await got(api, path, **query)).status for path, query in asked]


async def test_energy_is_seen_where_it_was_granted_and_not_elsewhere(two_parks: tuple[Api, FastAPI]) -> None:
    api, _ = two_parks
    before = await statuses(api)
    with connect(api.url, Role.AUTH) as conn:
        grant_energy(conn, "officer", ["p/alpha"])
    granted = await statuses(api)
    value = (await got(api, "kpis/electricity", subject="tenant:p/alpha", **DAY)).body["values"][0]["value"]
    alarms = {row["rule"] for row in (await got(api, "alarms")).body["alarms"]}
    with connect(api.url, Role.AUTH) as conn:
        grant_energy(conn, "officer", [])

    assert before == [404] * 6
    assert granted == [200, 200, 200, 404, 404, 404]
    assert value is not None
    assert alarms == {"power-high"}
    assert await statuses(api) == before


async def test_an_exceedance_of_a_firms_energy_is_none_of_an_officers(two_parks: tuple[Api, FastAPI]) -> None:
    api, _ = two_parks

    assert (await got(api, "alarms")).body["alarms"] == []
    assert (await got(api, "episodes", start=DAY["start"], stop=DAY["stop"])).body["episodes"] == []


def test_energy_is_granted_to_officers_of_the_park_only(two_parks_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(two_parks_url, Role.AUTH) as conn:
        for name, firm, words in (
            ("tenant", "p/alpha", "is tenant"),
            ("officer", "q/gamma", "no tenant q/gamma in the parks that are granted"),
            ("officer", "p/zeta", "no tenant p/zeta"),
            ("nobody", "p/alpha", "no user 'nobody'"),
        ):
            with pytest.raises(InputError, match=words):
                grant_energy(conn, name, [firm])
    monkeypatch.setenv("KAWASAN_DATABASE_URL", two_parks_url)

    said = CliRunner().invoke(commands, ["user", "grant", "officer", "--energy", "p/alpha"]).output

    assert said == "officer: officer of p, with the energy of p/alpha\n"
    with connect(two_parks_url, Role.AUTH) as conn:
        assert next(one for one in list_users(conn) if one.name == "officer").energy == ("p/alpha",)
