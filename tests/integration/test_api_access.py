"""Who may see what: what is not yours does not exist."""

import pytest

from domain.time import DAY_US, Level
from store import Role, open_pool
from store.queries import read_kpis
from tests.support.served import DAY, DAY_START_US, Api, api, filled_template

__all__ = ["api", "filled_template"]

NUMBERS = (
    ("kpis/electricity", {"subject": "tenant:p/beta", "level": "day"}),
    ("kpis/electricity", {"subject": "meter:p/beta/main", "level": "day"}),
    ("kpis/electricity", {"subject": "park:p", "level": "day"}),
    ("kpis/load_cod", {"subject": "meter:p/_park/outlet", "level": "day"}),
    ("amounts", {"channel": "p/beta/main/energy_import", "level": "day"}),
    ("readings", {"channel": "p/beta/main/energy_import"}),
    ("readings", {"channel": ["p/alpha/main/energy_import", "p/beta/main/energy_import"]}),
)


@pytest.mark.parametrize(("path", "query"), NUMBERS)
async def test_what_is_of_another_tenant_is_answered_as_if_it_did_not_exist(
    api: Api, path: str, query: dict[str, str]
) -> None:
    answer = await api.api(path, "tenant", **query, **DAY)

    made_up = {name: str(value).replace("beta", "gamma") for name, value in query.items()}
    unknown = await api.api(path, "tenant", **made_up, **DAY)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert unknown.status == 404
    assert set(answer.body) == set(unknown.body)


async def test_a_tenant_sees_its_own(api: Api) -> None:
    own = await api.api("kpis/electricity", "tenant", subject="tenant:p/alpha", level="day", **DAY)

    assert own.body["values"][0]["value"] == pytest.approx(1440.0)
    assert [row["key"] for row in (await api.api("tenants", "tenant")).body] == ["alpha"]
    assert {row["tenant"] for row in (await api.api("meters", "tenant")).body} == {"alpha"}
    assert {row["key"].split("/")[1] for row in (await api.api("channels", "tenant")).body} == {"alpha"}


async def test_a_tenant_sees_no_park_that_was_not_granted(api: Api) -> None:
    assert (await api.api("meters", "tenant", park="q")).status == 404


async def test_an_officer_sees_effluent_and_no_electricity(api: Api) -> None:
    assert (await api.api("kpis/electricity", "officer", subject="park:p", level="day", **DAY)).status == 404
    assert (await api.api("kpis/load_factor", "officer", subject="park:p", level="day", **DAY)).status == 404
    assert (await api.api("kpis/load_cod", "officer", subject="park:p", level="day", **DAY)).status == 200
    seen = {kpi["key"] for kpi in (await api.api("kpis", "officer")).body}
    assert seen == {
        "load_cod", "fwmc_cod", "removal_cod", "specific_load_cod", "flow_per_area", "treated_share",
        "compliance_cod_hour", "time_above_cod_hour", "excess_load_cod_hour",
    }  # fmt: skip
    assert {row["role"] for row in (await api.api("channels", "officer")).body} == {"outlet"}
    assert (await api.api("rejections", "officer")).body == []


@pytest.mark.parametrize("header", [None, "Bearer nobody", "Basic dXNlcjpwdw==", f"Bearer {'x' * 5000}"])
async def test_without_a_valid_token_nothing_is_answered(api: Api, header: str | None) -> None:
    answer = await api.client.get("/api/v1/parks", headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["status"] == 401


async def test_the_login_page_gives_a_cookie_that_reads_and_scripts_cannot_see(api: Api) -> None:
    entered = await api.client.post("/login", data={"token": "token-of-tenant"})
    cookie = entered.headers["set-cookie"]

    assert entered.status_code == 303
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await api.client.get("/api/v1/tenants")).json()[0]["key"] == "alpha"
    assert "demo" not in (await api.client.get("/")).text
    await api.client.post("/logout")
    assert (await api.client.get("/api/v1/tenants")).status_code == 401


async def test_a_token_that_is_not_known_stays_at_the_login(api: Api) -> None:
    answer = await api.client.post("/login", data={"token": "nobody"})

    assert answer.status_code == 403
    assert "not known" in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_form_of_another_site_is_refused(api: Api) -> None:
    for headers in ({"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await api.client.post("/login", data={"token": "token-of-tenant"}, headers=headers)
        assert answer.status_code == 403


async def test_the_views_themselves_show_an_officer_no_electricity(api: Api) -> None:
    async with open_pool(api.url, Role.API) as pool, pool.connection() as conn:
        span = {"start_us": DAY_START_US, "stop_us": DAY_START_US + DAY_US}
        keys = ["electricity", "demand_peak", "load_factor", "power_factor", "availability", "load_cod"]

        seen = await read_kpis(conn, "officer", keys, [(0, 1), (1, 1), (1, 2), (1, 3)], Level.DAY, **span)

    assert set(seen.frame.kpi.tolist()) == {"load_cod"}
