"""NDJSON and CSV from the API: the same numbers as in JSON, with units and provenance, for exactly whom may see them."""

import csv
import io
import json
from typing import Any

import httpx2
import pytest

from domain.corrections import Action
from domain.errors import Unavailable
from domain.time import HOUR_US, SECOND_US
from service.api import lists, series
from store.connection import Role, connect
from store.corrections import correct
from tests.support.alarm_served import alarms
from tests.support.databases import MINUTE_US
from tests.support.served import DAY, DAY_START_US, Api, api, api_on_both, filled_template, next_page

__all__ = ["alarms", "api", "api_on_both", "filled_template"]

QUARTER = {"start": "2026-01-01T00:00:00+07:00", "stop": "2026-04-10T12:00:00+07:00"}
CHANNELS = ["p/alpha/main/energy_import", "p/_park/outlet/cod"]


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def table(text: str) -> list[dict[str, str]]:
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def as_cells(row: dict[str, Any]) -> dict[str, str]:
    """An object of NDJSON as CSV must have it."""

    def cell(value: Any) -> str:
        if isinstance(value, list):
            return " ".join(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)

    return {name: cell(value) for name, value in row.items()}


@pytest.mark.parametrize(
    ("key", "subject", "level"),
    [
        ("electricity", "tenant:p/alpha", "hour"),
        ("electricity", "meter:p/alpha/main", "base"),
        ("electricity", "park:p", "hour"),
        ("electricity", "park:p", "week"),
        ("electricity", "tenant:p/alpha", "month"),
        ("demand_peak", "tenant:p/alpha", "day"),
        ("load_cod", "park:p", "year"),
        ("timeliness", "park:p", "day"),
        ("water_intake", "tenant:p/alpha", "hour"),
    ],
)
async def test_kpis_of_any_range_are_those_of_json_with_where_they_are_from(
    api: Api, key: str, subject: str, level: str
) -> None:
    asked = {"subject": subject, "level": level, **QUARTER}

    plain = (await api.api(f"kpis/{key}", **asked)).body
    answer = await api.api(f"kpis/{key}", format="ndjson", **asked)
    rows = table((await api.api(f"kpis/{key}", format="csv", **asked)).body)

    found = lines(answer.body)
    for row, value in zip(found, plain["values"], strict=True):
        version = {name: value[name] or plain[name] for name in ("formula_version", "registry_version")}
        expected = {"kpi": key, "subject": subject, "level": level, **value, **version}
        assert {name: row[name] for name in expected} == expected
    assert rows == [as_cells(row) for row in found]
    assert list(rows[0]) == list(series.KPI_COLUMNS)


async def test_more_hours_than_json_may_hold_are_sent_as_a_table(api_on_both: Api) -> None:
    asked = {
        "subject": "tenant:p/alpha",
        "level": "hour",
        "start": "2025-01-01T00:00:00+07:00",
        "stop": "2026-07-01T00:00:00+07:00",
    }

    assert (await api_on_both.api("kpis/electricity", **asked)).status == 422
    answer = await api_on_both.api("kpis/electricity", format="csv", **asked)

    rows = table(answer.body)
    assert len(rows) == 546 * 24
    assert sum(float(row["value"]) for row in rows if row["value"]) == pytest.approx(1440.0)
    assert {row["unit"] for row in rows} == {"kWh"}
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == ('attachment; filename="electricity-tenant-p-alpha-hour.csv"')
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("level", ["base", "hour", "day", "week", "month"])
async def test_amounts_are_those_of_json(api: Api, level: str) -> None:
    asked: dict[str, Any] = {"channel": CHANNELS, "level": level, **QUARTER}

    plain = (await api.api("amounts", **asked)).body
    found = lines((await api.api("amounts", format="ndjson", **asked)).body)
    rows = table((await api.api("amounts", format="csv", **asked)).body)

    expected = [{"channel": one["channel"], "level": level, **value} for one in plain for value in one["values"]]
    assert found == expected
    assert rows == [as_cells(row) for row in found]


async def test_readings_are_those_of_json_however_many_pages_they_take(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(api.url, Role.MIGRATE) as conn:
        row = conn.execute("SELECT id FROM channel WHERE quantity = 'cod'").fetchone()
        assert row is not None
        moments = (DAY_START_US + HOUR_US, DAY_START_US + HOUR_US + 90 * SECOND_US, DAY_START_US + 99 * MINUTE_US)
        for moment_us in moments:
            correct(conn, row[0], Action.SET, first_us=moment_us, last_us=moment_us, value=7.0, why="lab", by="test")
    monkeypatch.setattr(series, "_READINGS_AT_ONCE", 33)

    plain = (await api.api("readings", channel=CHANNELS, **DAY)).body
    found = lines((await api.api("readings", channel=CHANNELS, format="ndjson", **DAY)).body)
    rows = table((await api.api("readings", channel=CHANNELS, format="csv", **QUARTER)).body)

    expected = [{"channel": one["channel"], "unit": one["unit"], **value} for one in plain for value in one["readings"]]
    assert found == expected
    assert len(found) == 2 * 1440 + 1
    assert sum(row["corrected"] == "7.0" for row in rows) == 3
    assert rows[0]["unit"] == "kWh"
    assert (await api.api("readings", channel=CHANNELS, **QUARTER)).status == 422


async def test_what_was_known_then_is_a_table_too(api: Api) -> None:
    then = {"as_of": "2026-03-02T12:00:00+07:00"}
    asked = {"subject": "tenant:p/alpha", "level": "hour", **DAY, **then}

    plain = (await api.api("kpis/electricity", **asked)).body["values"]
    kpis = lines((await api.api("kpis/electricity", format="ndjson", **asked)).body)
    amounts: dict[str, Any] = {"channel": CHANNELS, "level": "hour", **DAY, **then}

    assert [row["value"] for row in kpis] == [value["value"] for value in plain]
    assert len(lines((await api.api("amounts", format="ndjson", **amounts)).body)) == 48
    assert (await api.api("readings", format="ndjson", channel=CHANNELS, **DAY, **then)).body == ""


async def test_corrections_are_a_table_with_who_said_them_and_why(api: Api) -> None:
    with connect(api.url, Role.MIGRATE) as conn:
        row = conn.execute("SELECT id FROM channel WHERE quantity = 'cod'").fetchone()
        assert row is not None
        for minute in range(3):
            at_us = DAY_START_US + minute * MINUTE_US
            correct(conn, row[0], Action.SET, first_us=at_us, last_us=at_us, value=1.0, why="=HYPERLINK(1)", by="me")

    plain = (await api.api("corrections")).body
    found = lines((await api.api("corrections", format="ndjson", limit=1)).body)
    begun = await api.api("corrections", limit=1)
    rows = table((await api.get(f"{next_page(begun, '/api/v1/corrections')}&format=csv")).body)

    assert found == plain
    assert [row["why"] for row in rows] == ["'=HYPERLINK(1)"] * 2
    assert [row["recorded_by"] for row in rows] == ["me"] * 2
    assert (await api.api("corrections", "tenant", format="ndjson")).body == ""


async def test_findings_are_all_sent_whatever_the_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(api.url, Role.MIGRATE) as conn:
        conn.execute(
            "INSERT INTO finding (channel_id, rule, day, start, stop, value, bound, computed_at)"
            " SELECT c.id, 'frozen', d, d, d + interval '1 hour', 3, 2, now() FROM channel c,"
            " generate_series('2026-03-01T17:00Z'::timestamptz, '2026-03-10T17:00Z', interval '1 day') d ON CONFLICT DO NOTHING"
        )
    monkeypatch.setattr(lists, "_AT_ONCE", 7)

    plain = (await api.api("findings", limit=1000, **QUARTER)).body["findings"]
    found = lines((await api.api("findings", format="ndjson", limit=2, **QUARTER)).body)
    own = lines((await api.api("findings", "tenant", format="ndjson", **QUARTER)).body)
    only = table((await api.api("findings", format="csv", channel=CHANNELS[1], rule="frozen", **QUARTER)).body)

    assert found == plain
    assert len(found) == len({(row["channel"], row["rule"], row["start"]) for row in found}) >= 50
    assert {row["channel"].split("/")[1] for row in own} == {"alpha"}
    assert {row["channel"] for row in only} == {CHANNELS[1]}


async def test_episodes_are_a_table(alarms: tuple[Api, dict[str, int]]) -> None:
    api, _ = alarms

    plain = (await api.api("episodes", **DAY)).body["episodes"]
    found = lines((await api.api("episodes", format="ndjson", **DAY)).body)

    assert found == plain != []
    assert (await api.api("episodes", "tenant", format="ndjson", **DAY)).body == ""
    report = f"episodes/{plain[0]['alarm']}/2026-03-02T10:00:00%2B07:00/report"
    assert lines((await api.api(report, format="ndjson")).body) == [(await api.api(report)).body]


PATHS = [
    ("kpis/electricity", {"subject": "tenant:p/alpha", "level": "hour", **DAY}),
    ("amounts", {"channel": "p/alpha/main/energy_import", "level": "hour", **DAY}),
    ("readings", {"channel": "p/alpha/main/energy_import", **DAY}),
    ("findings", DAY),
    ("corrections", {}),
    ("episodes", DAY),
]


@pytest.mark.parametrize(("path", "asked"), PATHS, ids=[path for path, _ in PATHS])
async def test_the_form_is_negotiated_everywhere(api: Api, path: str, asked: dict[str, Any]) -> None:
    kinds = {}
    for accept in ("text/csv", "application/x-ndjson", "application/json", "image/png"):
        headers = {"Authorization": "Bearer token-of-operator", "Accept": accept}
        answer = await api.client.get(f"/api/v1/{path}", params=asked, headers=headers)
        kinds[accept] = answer.status_code, answer.headers["content-type"].split(";")[0]

    wrong = await api.api(path, format="xml", **asked)

    assert kinds == {
        "text/csv": (200, "text/csv"),
        "application/x-ndjson": (200, "application/x-ndjson"),
        "application/json": (200, "application/json"),
        "image/png": (406, "application/problem+json"),
    }
    assert (wrong.status, wrong.body["status"]) == (400, 400)
    assert "ask for json, ndjson, csv" in wrong.body["detail"]


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
async def test_a_neighbours_numbers_do_not_exist_in_any_form(api: Api, form: str) -> None:
    asked = [
        ("kpis/electricity", {"subject": "tenant:p/{}", "level": "hour"}),
        ("amounts", {"channel": "p/{}/main/energy_import", "level": "hour"}),
        ("readings", {"channel": "p/{}/main/energy_import"}),
        ("findings", {"channel": "p/{}/main/energy_import"}),
        ("corrections", {"channel": "p/{}/main/energy_import"}),
    ]
    for path, query in asked:
        answers = []
        for tenant in ("beta", "nobody"):
            named = {name: value.format(tenant) for name, value in query.items()}
            answer = await api.api(path, "tenant", format=form, **named, **DAY)
            answers.append((answer.status, answer.body["detail"].replace(tenant, "?")))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


async def test_what_is_wrong_from_the_beginning_is_a_problem_and_not_a_table(api: Api) -> None:
    asked = {"subject": "park:p", "level": "hour", "format": "csv", **DAY}

    async def status(**other: Any) -> tuple[int, str]:
        answer = await api.api("kpis/electricity", **{**asked, **other})
        return answer.status, answer.headers["content-type"]

    problem = "application/problem+json"
    assert await status(level="month", subject="p") == (422, problem)
    assert await status(stop=DAY["start"]) == (422, problem)
    assert await status(level="base", start="1970-01-01T00:00:00Z", stop="2199-12-31T00:00:00Z") == (422, problem)
    assert (await api.api("kpis/electricity", None, **asked)).status == 401


async def test_a_database_that_is_away_at_the_first_rows_is_a_problem_and_later_cuts_the_answer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = series._amounts
    calls: list[int] = []

    async def failing(*asked: Any) -> Any:
        calls.append(1)
        if len(calls) > works:
            raise Unavailable("the database is away")
        return await made(*asked)

    monkeypatch.setattr(series, "_amounts", failing)
    asked: dict[str, Any] = {"channel": CHANNELS, "level": "hour", "format": "csv", **QUARTER}
    works = 0
    early = await api.api("amounts", **asked)
    works, calls = 2, []
    headers = {"Authorization": "Bearer token-of-operator"}

    assert (early.status, early.headers["content-type"]) == (503, "application/problem+json")
    with pytest.raises(Exception, match="response already started"):
        await _strict(api).get("/api/v1/amounts", params=asked, headers=headers)


def _strict(api: Api) -> Any:
    """A client to which an application that fails in the middle of an answer looks as a cut connection does."""
    transport = httpx2.ASGITransport(app=api.client._transport.app)  # type: ignore[attr-defined]
    return httpx2.AsyncClient(transport=transport, base_url="http://kawasan.test")
