"""Alarm rules by the API: entered, replaced, ended, and tried over past data."""

from typing import Any

import pytest

from domain.parkfile import ParkFile
from domain.time import DAY_US
from service.api.alarmmodels import RuleRequest
from service.api.ranges import Span
from service.api.trials import trial_answer
from service.engine.trial import try_rule
from store import load_registry, open_pool
from store.connection import Role, connect, connect_asking
from store.health import HealthSample, add_health
from store.queries import read_registry
from tests.support.alarm_served import CONTACTS, KEYS, alarms, sent
from tests.support.databases import apply_to
from tests.support.served import DAY, DAY_START_US, PARK, Api, api, filled_template

__all__ = ["alarms", "api", "filled_template"]

Alarms = tuple[Api, dict[str, int]]
RULES = "parks/p/alarm-rules"
WITHIN = (DAY_START_US, DAY_START_US + DAY_US)
WHOLE = Span(start_us=WITHIN[0], stop_us=WITHIN[1])


def cod(**rest: Any) -> dict[str, Any]:
    """A rule about COD readings."""
    return {
        "key": "cod-warning",
        "name": "COD is high",
        "category": "warning",
        "severity": "medium",
        "watch": {"channel": "_park/outlet/cod"},
        "above": "90 mg/L",
        "deadband": 5,
        **rest,
    }


TRIED: list[tuple[dict[str, Any], int]] = [
    ({"on_delay_s": 3000}, 1),
    ({"on_delay_s": 7200}, 0),
    ({"above": 160.0}, 0),
    ({"enabled": False}, 1),
    ({"watch": {"channel": "_park/outlet/cod", "statistic": "mean", "window": "hour"}}, 1),
    ({"watch": {"compliance": "_park/outlet/cod"}, "above": None, "deadband": 0}, 1),
    ({"watch": {"rate": "_park/outlet/cod", "over": "10min"}, "above": 500.0}, 1),
    ({"watch": {"amount": "alpha/main/energy_import", "window": "hour"}, "above": "70 kWh"}, 0),
    ({"watch": {"kpi": "electricity", "level": "hour"}, "above": 85.0, "deadband": 0}, 1),
    ({"watch": {"silence": "channels", "of": "alpha/main/power"}, "above": 600.0}, 0),
    ({"watch": {"finding": "frozen", "of": "*/*/cod"}, "above": None, "deadband": 0}, 1),
    ({"watch": {"health": "ingest_lag"}, "above": 600.0, "deadband": 0}, 0),
    ({"suppress": [{"channel": "./effluent_flow", "above": 5}]}, 0),
]
"""What of the rule is changed, and how often it would be raised then."""


@pytest.fixture
async def told(api: Api) -> Api:
    """The API over a filled day, whose park has a contact."""
    apply_to(api.url, ParkFile.model_validate({**PARK.model_dump(), "contacts": CONTACTS}))
    return api


async def test_a_rule_is_entered_replaced_and_ended_with_who_and_why(alarms: Alarms) -> None:
    api, _ = alarms

    made = await sent(api, "POST", RULES, {"entry": cod(), "note": "autumn"})
    shown = await api.api(f"{RULES}/cod-warning")
    changed = await sent(
        api, "PUT", f"{RULES}/cod-warning", {"entry": cod(above=80.0), "note": "stricter"}, if_match='"1"'
    )
    late = await sent(api, "PUT", f"{RULES}/cod-warning", {"entry": cod()}, if_match='"1"')
    without = await sent(api, "DELETE", f"{RULES}/cod-warning", {"why": "done"})
    mute = await sent(api, "DELETE", f"{RULES}/cod-warning", {"why": " "}, if_match='"2"')
    ended = await sent(api, "DELETE", f"{RULES}/cod-warning", {"why": "winter"}, if_match='"2"')

    assert (made.status, made.body["version"], made.headers["etag"]) == (201, 1, '"1"')
    assert (shown.body["entry"]["above"], shown.body["recorded_by"], shown.body["note"]) == (
        "90 mg/L",
        "operator",
        "autumn",
    )
    assert (changed.status, changed.body["version"], changed.headers["etag"]) == (200, 2, '"2"')
    assert (late.status, without.status, mute.status) == (412, 428, 422)
    assert (ended.status, ended.body["superseded_why"], ended.body["superseded_by"]) == (200, "winter", "operator")
    assert (await api.api(f"{RULES}/cod-warning")).status == 404
    history = (await api.api(RULES, key="cod-warning", history=True)).body
    assert [(row["version"], row["entry"]["above"]) for row in history] == [(1, "90 mg/L"), (2, 80.0)]


async def test_all_that_is_wrong_is_told_together(alarms: Alarms) -> None:
    api, _ = alarms
    wrong = cod(
        watch={"channel": "_park/outlet/bod"},
        deadband=-1,
        tell=[{"contact": "nobody"}],
        suppress=[{"alarm": "no-such"}],
    )

    answer = await sent(api, "POST", RULES, {"entry": wrong})
    shape = await sent(api, "POST", RULES, {"entry": cod(severity="bad", watch={"channel": "a", "window": "soon"})})

    assert answer.status == 422
    sentences = [one["detail"] for one in answer.body["errors"]]
    assert len(sentences) >= 3
    for word in ("_park/outlet/bod", "nobody", "no-such"):
        assert any(word in sentence for sentence in sentences), sentences
    assert all(sentence in answer.body["detail"] for sentence in sentences)
    assert shape.status == 422
    assert len(shape.body["errors"]) >= 2
    assert {row["key"] for row in (await api.api(RULES)).body} == {"cod-limit", "ph-low", "power-high", "lag"}


async def test_a_kpi_that_does_not_exist_is_told_too(alarms: Alarms) -> None:
    api, _ = alarms

    answer = await sent(
        api, "POST", RULES, {"entry": cod(watch={"kpi": "electricty", "level": "day"}, above=1.0, deadband=0)}
    )

    assert answer.status == 422
    assert "did you mean electricity?" in answer.body["detail"]


async def test_only_who_runs_the_park_changes_rules_and_sees_who_is_told(alarms: Alarms) -> None:
    api, _ = alarms

    refused = [(await sent(api, "POST", RULES, {"entry": cod()}, role)).status for role in ("officer", "tenant")] + [
        (await sent(api, "POST", f"{RULES}/dry-run", {"entry": cod(), **DAY}, role)).status
        for role in ("officer", "tenant")
    ]
    seen = {role: (await api.api(RULES, role)).body for role in ("operator", "officer", "tenant")}

    assert refused == [403, 403, 403, 403]
    assert {row["key"] for row in seen["officer"]} == {"cod-limit", "ph-low"}
    assert {row["key"] for row in seen["tenant"]} == {"power-high"}
    assert all("tell" not in row["entry"] for row in seen["officer"])
    assert any(row["entry"].get("tell") for row in seen["operator"])
    assert (await api.api(f"{RULES}/lag", "officer")).status == 404
    assert (await sent(api, "POST", "parks/nowhere/alarm-rules", {"entry": cod()})).status == 404


async def test_a_rule_of_the_park_file_is_changed_in_the_file(alarms: Alarms) -> None:
    api, _ = alarms
    own = cod(key="ph-low", watch={"channel": "_park/outlet/ph"}, above=9.0, deadband=0)

    answers = [
        await sent(api, "POST", RULES, {"entry": own}),
        await sent(api, "PUT", f"{RULES}/ph-low", {"entry": own}, if_match="*"),
        await sent(api, "DELETE", f"{RULES}/ph-low", {"why": "no"}, if_match="*"),
    ]
    other_key = await sent(api, "PUT", f"{RULES}/ph-low", {"entry": cod()}, if_match="*")

    assert [one.status for one in answers] == [422, 422, 422]
    assert all("park file" in one.body["detail"] for one in answers)
    assert "keeps its key" in other_key.body["detail"]


async def test_a_trial_says_what_a_rule_would_have_done_and_stores_nothing(told: Api) -> None:
    entry = cod(tell=[{"contact": "officer"}, {"contact": "officer", "after_s": 1800}])

    answer = await sent(told, "POST", f"{RULES}/dry-run", {"entry": entry, **DAY})

    body = answer.body
    assert answer.status == 200, body
    assert (body["raised"], body["beyond"], body["missing"]) == (1, 60, 0)
    assert body["in_alarm_s"] == pytest.approx(3600.0, abs=60.0)
    assert body["summary"].startswith("It would have been raised once on 1 target")
    [episode] = body["episodes"]
    assert (episode["start"], episode["peak"], episode["bound"]) == ("2026-03-02T10:00:00+07:00", 150.0, 90.0)
    assert body["told"] == [{"contact": "officer", "raised": 1, "cleared": 1, "escalated": 1}]
    with connect(told.url, Role.WRITE) as conn:
        for table in ("alarm", "episode", "alarm_transition", "notification", "alarm_rule"):
            row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert row == (0,), table


@pytest.mark.parametrize(("change", "raised"), TRIED)
async def test_a_trial_follows_the_rule_as_it_is_written(told: Api, change: dict[str, Any], raised: int) -> None:
    answer = await sent(told, "POST", f"{RULES}/dry-run", {"entry": cod(**change), **DAY})

    assert (answer.status, answer.body.get("raised")) == (200, raised), answer.body


async def test_who_tries_a_rule_reads_what_the_engine_reads(told: Api) -> None:
    with connect(told.url, Role.WRITE) as engine:
        add_health(engine, None, [HealthSample(name="ingest_lag", at_us=DAY_START_US + 3_600_000_000, value=700.0)])
        engine.commit()
        registry = load_registry(engine, "p")
        async with open_pool(told.url, Role.API) as pool, pool.connection() as conn:
            assert await read_registry(conn, "operator", "p") == registry
        with connect_asking(told.url, "operator") as asker:
            for change, _ in TRIED:
                entry = RuleRequest.model_validate({"entry": cod(**change)}).entry
                by_both = [
                    trial_answer(try_rule(conn, registry, entry, *WITHIN), registry.park.zone, WHOLE)
                    for conn in (engine, asker)
                ]

                assert by_both[0] == by_both[1], change


async def test_a_trial_shows_nothing_of_a_park_to_who_does_not_run_it(told: Api) -> None:
    with connect_asking(told.url, "tenant") as asker, connect(told.url, Role.WRITE) as engine:
        registry = load_registry(engine, "p")
        entry = RuleRequest.model_validate({"entry": cod()}).entry

        assert try_rule(asker, registry, entry, *WITHIN).valid == 0


async def test_a_trial_of_a_rule_that_another_alarm_suppresses_looks_at_what_is_stored(alarms: Alarms) -> None:
    api, _ = alarms
    entry = cod(suppress=[{"alarm": "ph-low"}, {"alarm": f"cod-limit@{KEYS[0][1]}"}])

    answer = await sent(api, "POST", f"{RULES}/dry-run", {"entry": entry, **DAY})

    assert (answer.status, answer.body["raised"]) == (200, 0), answer.body


async def test_a_trial_needs_a_range_of_the_past_that_is_not_too_long(told: Api) -> None:
    async def said(start: str, stop: str) -> str:
        answer = await sent(told, "POST", f"{RULES}/dry-run", {"entry": cod(), "start": start, "stop": stop})
        assert answer.status == 422
        return str(answer.body["detail"])

    assert "stop must be after start" in await said(DAY["stop"], DAY["start"])
    assert "400 days" in await said("2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert "lies in the future" in await said("2100-01-01T00:00:00Z", "2100-01-02T00:00:00Z")
    assert "start" in await said("then", "2026-01-01T00:00:00Z")
