"""Episodes by the API: listed, reported with all that belongs to them, and dealt with until they can be closed."""

import csv
import io
import json
from typing import Any

from tests.support.alarm_served import START_US, alarms, sent, text_of
from tests.support.served import DAY, Api

__all__ = ["alarms"]

Alarms = tuple[Api, dict[str, int]]


async def test_episodes_are_listed_by_range_state_rule_and_target(alarms: Alarms) -> None:
    api, ids = alarms

    async def starts(role: str = "operator", **query: Any) -> list[tuple[int, str]]:
        answer = await api.api("episodes", role, **{**DAY, **query})
        return [(row["alarm"], row["start"]) for row in answer.body["episodes"]]

    only = [(ids["cod-limit"], "2026-03-02T10:00:00+07:00")]
    assert await starts() == only
    assert await starts("officer", open=False, closed=False, rule="cod-limit", target="p/_park") == only
    assert await starts("tenant") == []
    assert await starts(open=True) == []
    assert await starts(closed=True) == []
    assert await starts(category="warning") == []
    assert await starts(start="2026-03-02T10:00:01+07:00") == []
    assert (await api.api("episodes", start="2026-03-02", stop="2026-03-03")).status == 422
    assert (await api.api("episodes", after="x", **DAY)).status == 422


async def test_a_report_has_limit_law_values_windows_journal_and_who_was_told(alarms: Alarms) -> None:
    api, ids = alarms

    report = (await api.api(f"episodes/{ids['cod-limit']}/{text_of(START_US)}/report", "officer")).body

    assert (report["duration_s"], report["peak"], report["mean"], report["bound"]) == (3600.0, 150.0, 140.0, 100.0)
    assert (report["excess_kg"], report["unit"], report["valid"], report["missing"]) == (0.5, "mg/L", 1, 0)
    assert report["limit"] == {
        "lowest": None,
        "highest": 100.0,
        "unit": "mg/L",
        "statistic": "mean",
        "window": "hour",
        "share": 1.0,
        "authority": "permit",
        "legal_basis": "Permit 7/2025",
        "confirmed": False,
    }
    assert [line["step"] for line in report["journal"]] == ["raise", "clear"]
    assert [(one["contact"], one["state"]) for one in report["told"]] == [("officer", "pending")]
    assert [one["verdict"] for one in report["judgements"]] == ["beyond", "clear"]
    assert (report["usual_cause"], report["recommended_action"]) == ("Overload", "Look at the aeration")


async def test_a_report_and_a_list_are_csv_too(alarms: Alarms) -> None:
    api, ids = alarms
    path = f"episodes/{ids['cod-limit']}/{text_of(START_US)}"
    await sent(api, "POST", f"{path}/notes", {"kind": "cause", "text": '=cmd("x"), "quoted"\nand more'}, "officer")

    report = await api.api(f"{path}/report", format="csv")
    rows = await api.api("episodes", format="csv", **DAY)
    none = await api.api("episodes", "tenant", format="csv", **DAY)

    assert report.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in report.headers["content-disposition"]
    line = next(csv.DictReader(io.StringIO(report.body)))
    assert (line["peak"], line["final"], line["start"]) == ("150.0", "true", "2026-03-02T10:00:00+07:00")
    assert line["cause"].startswith("'=cmd")
    assert json.loads(line["limit"])["legal_basis"] == "Permit 7/2025"
    assert [one["kind"] for one in json.loads(line["notes"])] == ["cause"]
    assert [row["excess_kg"] for row in csv.DictReader(io.StringIO(rows.body))] == ["0.5"]
    assert none.body.count("\r\n") == 1
    assert none.body.startswith("alarm,start,stop,")


async def test_closing_needs_a_cause_and_an_action(alarms: Alarms) -> None:
    api, ids = alarms
    path = f"episodes/{ids['cod-limit']}/{text_of(START_US)}/notes"

    async def said(kind: str, text: str = "", role: str = "officer") -> tuple[int, str]:
        answer = await sent(api, "POST", path, {"kind": kind, "text": text}, role)
        return answer.status, answer.body.get("detail", "")

    early = await said("close")
    await said("cause", "a pump failed")
    half = await said("close")
    await said("action", "the pump was repaired")
    linked = [await said("link", "https://example.com/report.pdf"), await said("link", "javascript:alert(1)")]
    closed = await said("close", "dealt with", "operator")
    more = await said("cause", "another")
    reopened = await said("reopen", "the lab says more")
    shown = (await api.api(path.removesuffix("/notes"))).body

    assert early[0] == half[0] == 422
    assert "no cause yet" in early[1]
    assert "no action yet" in half[1]
    assert [status for status, _ in linked] == [201, 422]
    assert (closed[0], more[0], reopened[0]) == (201, 422, 201)
    assert "reopen it" in more[1]
    assert (shown["cause"], shown["action"], shown["closed_at"]) == ("a pump failed", "the pump was repaired", None)


async def test_others_episodes_do_not_exist_for_a_tenant(alarms: Alarms) -> None:
    api, ids = alarms
    path = f"episodes/{ids['cod-limit']}/{text_of(START_US)}"

    hidden = [(await api.api(one, "tenant")).status for one in (path, f"{path}/report")]
    hidden.append((await sent(api, "POST", f"{path}/notes", {"kind": "comment", "text": "?"}, "tenant")).status)

    assert hidden == [404, 404, 404]
    assert (await api.api(f"episodes/{ids['cod-limit']}/2026-03-05T00:00:00Z")).status == 404
    assert (await api.api(f"episodes/{ids['cod-limit']}/yesterday")).status == 422
    assert (await api.api(f"episodes/{ids['cod-limit']}/2026-03-02T10:30:00%2B07:00")).status == 200
