"""Closing a month through the API: who may, and who sees what of it."""

import pytest

from domain.time import parse_instant
from service.engine import run_cycle
from store import Role, connect, load_registry
from store.spans import append_tick
from tests.support.served import TOKENS, Answer, Api, api, filled_template

__all__ = ["api", "filled_template"]

APRIL_US = parse_instant("2026-04-01T00:00:00+07:00")


async def close_march(api: Api, role: str) -> Answer:
    answer = await api.client.post(
        "/api/v1/periods",
        json={"park": "p", "month": "2026-03", "note": "invoice"},
        headers={"Authorization": f"Bearer {TOKENS[role]}"},
    )
    return Answer(status=answer.status_code, body=answer.json(), headers=answer.headers)


def make_march_final(api: Api) -> None:
    with connect(api.url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        append_tick(conn, park.id, APRIL_US)
        while run_cycle(conn, park, cycle_rows=200_000, now_us=APRIL_US).spans:
            continue


async def test_an_operator_closes_a_final_month_once(api: Api) -> None:
    early = await close_march(api, "operator")
    make_march_final(api)
    made = await close_march(api, "operator")
    again = await close_march(api, "operator")

    assert early.status == 422
    assert "not final yet" in early.body["detail"]
    assert made.status == 201
    assert (made.body["month"], made.body["closed_by"], made.body["adjusted"]) == ("2026-03", "operator", 0)
    assert again.status == 422
    assert "closed before" in again.body["detail"]
    report = (await api.api("periods/2026-03", park="p")).body
    park_electricity = next(k for k in report["kpis"] if (k["kpi"], k["subject"]) == ("electricity", "park:p"))
    assert park_electricity["measured"] == pytest.approx(2160.0)
    assert park_electricity["reason"] == "insufficient_data"
    assert park_electricity["adjustment"] is None


async def test_others_close_nothing_and_see_of_a_closed_month_what_is_theirs(api: Api) -> None:
    make_march_final(api)
    refused = [(await close_march(api, role)).status for role in ("tenant", "officer")]
    await close_march(api, "operator")

    of_tenant = (await api.api("periods/2026-03", "tenant", park="p")).body["kpis"]
    of_officer = (await api.api("periods/2026-03", "officer", park="p")).body["kpis"]

    assert refused == [403, 403]
    assert {kpi["subject"] for kpi in of_tenant} == {"tenant:p/alpha"}
    assert "electricity" not in {kpi["kpi"] for kpi in of_officer}
    assert (await api.api("periods/2026-02", park="p")).status == 404
    assert (await api.api("periods", park="nowhere")).status == 404
    assert [row["month"] for row in (await api.api("periods", park="p")).body] == ["2026-03"]
