"""Messages as people read them, word for word, and as machines do."""

import json
from dataclasses import replace
from math import nan
from zoneinfo import ZoneInfo

import pytest

from alerts.phrases import duration, instant, moment, quantity, told_apart
from alerts.words import EpisodeSummary, Message, digest, message
from domain.alarms import (
    AlarmState,
    Alignment,
    Category,
    Inhibit,
    Severity,
    Signal,
    Source,
    Standing,
    Step,
    Tell,
    Texts,
    Transition,
    Watch,
    WindowStatistic,
)
from domain.errors import InputError
from domain.notifications import Notification, Way
from domain.registry import Park
from domain.time import SECOND_US, Level, parse_instant

PARK = Park(id=1, key="karawang", name="Karawang", zone=ZoneInfo("Asia/Jakarta"), base_s=900, lateness_s=600, version=1)
START_US = parse_instant("2026-11-24T08:00:00+07:00")
MIN_US = 60 * SECOND_US

WATCH = Watch(
    rule_id=1,
    alarm_id=7,
    rule="cod_limit",
    target="karawang/_park/wwtp_outlet/cod",
    name="COD of the outlet",
    category=Category.EXCEEDANCE,
    severity=Severity.HIGH,
    source=Source(
        signal=Signal.COMPLIANCE,
        channel_id=3,
        statistic=WindowStatistic.MEAN,
        window_s=3600,
        alignment=Alignment.ROLLING,
    ),
    unit="mg/L",
    texts=Texts(
        message="The outlet does not keep its limit.",
        cause="Too little air in the basin.",
        consequence="A report to the agency is due within 24 h.",
        action="Take a sample and call the laboratory.",
    ),
    tell=(Tell(contact="shift"), Tell(contact="boss", after_s=1800)),
)
EPISODE = EpisodeSummary(
    start_us=START_US,
    peak=142.34,
    peak_at_us=START_US + 30 * MIN_US,
    bound=100.0,
    mean=120.1,
    beyond_s=5400.0,
    excess_kg=12.345,
    legal_basis="Permen LH 3/2010, Annex I",
)
ACTIVE = Standing(alarm_id=7, state=AlarmState.ACTIVE_UNACKED, episode_us=START_US, raised_us=START_US)
ACKED = replace(ACTIVE, state=AlarmState.ACTIVE_ACKED, acked_us=START_US + 41 * MIN_US, acked_by="Budi Santoso")

ADVICE = """The outlet does not keep its limit.
Likely cause: Too little air in the basin.
Consequence: A report to the agency is due within 24 h.
What to do: Take a sample and call the laboratory.
"""
FOOT = """
Alarm cod_limit of karawang/_park/wwtp_outlet/cod, park Karawang. Times are those of the park (Asia/Jakarta, UTC+07:00).
"""
JUDGED = """
What is judged is the mean over the last 1 h. The limit is set by Permen LH 3/2010, Annex I.

"""


def said(
    step: Step,
    *,
    watch: Watch = WATCH,
    standing: Standing = ACTIVE,
    after: AlarmState = AlarmState.ACTIVE_UNACKED,
    episode: EpisodeSummary | None = EPISODE,
    minutes: int = 90,
    level: int = 0,
    actor: str = "engine",
    text: str = "",
) -> Message:
    transition = Transition(
        alarm_id=7,
        step=step,
        before=standing.state,
        after=after,
        inhibit=Inhibit.NONE,
        at_us=START_US + minutes * MIN_US,
        episode_us=START_US,
        actor=actor,
        text=text,
        announced=True,
        level=level,
    )
    return message(transition, watch, park=PARK, standing=standing, episode=episode)


# Whole messages


def test_a_raise_word_for_word() -> None:
    raised = said(Step.RAISE, standing=Standing(alarm_id=7))

    assert raised.subject == (
        "High exceedance in Karawang, COD of the outlet: 142.3 mg/L is above the limit of 100 mg/L"
    )
    assert raised.body == (
        "Chemical oxygen demand (karawang/_park/wwtp_outlet/cod) is above its limit of 100 mg/L. "
        "It began at 24 November 2026 08:00 WIB. "
        "The value furthest beyond is 142.3 mg/L, at 24 November 2026 08:30 WIB. The mean is 120.1 mg/L. "
        "It has been beyond for 1 h 30 min in all. The load above the limit is 12.35 kg.\n"
        + JUDGED
        + ADVICE
        + "\nNobody has acknowledged this alarm yet.\n"
        + FOOT
    )


def test_a_clear_word_for_word() -> None:
    cleared = said(Step.CLEAR, standing=ACKED, after=AlarmState.NORMAL, minutes=210)

    assert cleared.subject == "High exceedance in Karawang, COD of the outlet: back within the limit of 100 mg/L"
    assert cleared.body == (
        "Chemical oxygen demand (karawang/_park/wwtp_outlet/cod) is back within its limit of 100 mg/L, "
        "since 24 November 2026 11:30 WIB. It began at 24 November 2026 08:00 WIB and lasted 3 h 30 min. "
        "The value furthest beyond was 142.3 mg/L, at 24 November 2026 08:30 WIB. The mean was 120.1 mg/L. "
        "It was beyond for 1 h 30 min in all. The load above the limit was 12.35 kg.\n"
        + JUDGED
        + ADVICE
        + "\nBudi Santoso acknowledged this alarm at 24 November 2026 08:41 WIB.\n"
        + FOOT
    )


def test_an_escalation_word_for_word() -> None:
    escalated = said(Step.ESCALATE, level=1)

    assert escalated.subject == (
        "High exceedance in Karawang, COD of the outlet: "
        "not acknowledged for 30 min, 142.3 mg/L is above the limit of 100 mg/L"
    )
    assert escalated.body.startswith(
        "Chemical oxygen demand (karawang/_park/wwtp_outlet/cod) is above its limit of 100 mg/L. "
        "Nobody has acknowledged this alarm for 30 min, so more people are told of it. It began at"
    )
    assert escalated.body.endswith(ADVICE + FOOT)


def test_an_escalation_of_what_is_over_says_so() -> None:
    escalated = said(Step.ESCALATE, level=1, after=AlarmState.RETURNED_UNACKED)

    assert "not acknowledged for 30 min, back within the limit of 100 mg/L" in escalated.subject
    assert "It began at 24 November 2026 08:00 WIB. The value furthest beyond was" in escalated.body


def test_the_end_of_an_escalation_names_who_took_it_on() -> None:
    over = said(Step.DEESCALATE, standing=replace(ACKED, level=1), after=AlarmState.ACTIVE_ACKED)

    assert over.subject.endswith("COD of the outlet: acknowledged by Budi Santoso")
    assert over.body.startswith(
        "Budi Santoso acknowledged this alarm at 24 November 2026 08:41 WIB. You were told because nobody had; this needs "
        "nothing more of you. Chemical oxygen demand (karawang/_park/wwtp_outlet/cod) is above its limit of 100 mg/L."
    )


def test_a_re_alarm_says_who_had_acknowledged() -> None:
    again = said(Step.REALARM, standing=ACKED)

    assert again.subject.endswith("still active, 142.3 mg/L is above the limit of 100 mg/L")
    assert (
        "is above its limit of 100 mg/L, still. Budi Santoso acknowledged this alarm at 24 November 2026 08:41 WIB. "
        "Because it has stayed active since, it is raised anew."
    ) in again.body


@pytest.mark.parametrize(
    ("step", "actor", "why"),
    [
        (Step.EXPIRE, "engine", "You are told now because its shelf is over."),
        (Step.UNSHELVE, "sari", "You are told now because its shelf was ended, by sari."),
        (Step.PUT_BACK, "sari", "You are told now because it was put back into service, by sari."),
        (Step.RELEASE, "engine", "You are told now because it is no longer suppressed."),
    ],
)
def test_the_end_of_an_inhibit_says_why_people_hear_of_it_only_now(step: Step, actor: str, why: str) -> None:
    released = said(step, actor=actor)

    assert why in released.body
    assert "142.3 mg/L is above the limit of 100 mg/L" in released.subject


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (AlarmState.ACTIVE_UNACKED, "\nNobody has acknowledged this alarm yet.\n"),
        (AlarmState.ACTIVE_ACKED, "\nThis alarm has been acknowledged.\n"),
    ],
)
def test_whether_it_is_acknowledged_is_said_even_where_it_is_not_known_by_whom(
    after: AlarmState, sentence: str
) -> None:
    assert sentence in said(Step.UNSHELVE, standing=replace(ACTIVE, state=after), after=after).body


def test_a_revision_says_what_was_revised() -> None:
    revised = said(Step.REVISE, text="The peak was 130 mg/L and is 142.3 mg/L.", after=AlarmState.NORMAL)

    assert revised.subject.endswith("COD of the outlet: revised by late data")
    assert revised.body.startswith(
        "Data that came late changed what was final of this alarm. The peak was 130 mg/L and is 142.3 mg/L. Chemical"
    )


# What is said of different signals


@pytest.mark.parametrize(
    ("changes", "source", "numbers", "sentence", "subject"),
    [
        (
            {"unit": "pH", "target": "karawang/_park/wwtp_outlet/ph"},
            Source(signal=Signal.VALUE, channel_id=1),
            (5.2, 6.0),
            "pH (karawang/_park/wwtp_outlet/ph) is below its limit of pH 6.",
            "pH 5.2 is below the limit of pH 6",
        ),
        (
            {"category": Category.WARNING},
            Source(signal=Signal.COMPLIANCE, share=0.8, statistic=WindowStatistic.MEAN, window_s=86_400),
            (85.0, 80.0),
            "is above its warning level (80 % of the limit) of 80 mg/L.",
            "85 mg/L is above the warning level (80 % of the limit) of 80 mg/L",
        ),
        (
            {"category": Category.DEVICE, "unit": "s", "target": "karawang/steel/mdb", "highest": 900.0},
            Source(signal=Signal.SILENCE, meter_id=3),
            (2100.0, 900.0),
            "Meter karawang/steel/mdb has sent nothing for 35 min; expected is something every 15 min at least.",
            "nothing has come for 35 min",
        ),
        (
            {"category": Category.DEVICE, "unit": "s", "target": "karawang/steel", "highest": 3600.0},
            Source(signal=Signal.SILENCE, tenant_id=3),
            (7260.0, 3600.0),
            "The gateway of tenant karawang/steel has sent nothing for 2 h 1 min; expected is something every 1 h at least.",
            "nothing has come for 2 h 1 min",
        ),
        (
            {"category": Category.DATA_QUALITY, "unit": "1", "target": "karawang/_park/wwtp_outlet/ph"},
            Source(signal=Signal.FINDING, finding="frozen"),
            (1.0, 0.5),
            "The check `frozen` has found something at pH (karawang/_park/wwtp_outlet/ph).",
            "the check `frozen` has found something",
        ),
        (
            {"category": Category.SYSTEM, "unit": "s", "target": "karawang"},
            Source(signal=Signal.HEALTH, health="ingest_lag"),
            (754.0, 300.0),
            "The lag of incoming readings (karawang) is above its alarm limit of 5 min.",
            "12 min 34 s is above the alarm limit of 5 min",
        ),
        (
            {"category": Category.SYSTEM, "unit": "1", "target": "karawang"},
            Source(signal=Signal.HEALTH, health="disk_free"),
            (0.042, 0.1),
            "The free share of the disk (karawang) is below its alarm limit of 10 %.",
            "4.2 % is below the alarm limit of 10 %",
        ),
        (
            {"category": Category.WARNING, "unit": "1", "target": "karawang/steel#power_factor"},
            Source(signal=Signal.KPI, kpi="power_factor", level=Level.MONTH, alignment=Alignment.RUNNING),
            (0.8231, 0.85),
            "KPI `power_factor` of karawang/steel is below its alarm limit of 0.85.",
            "0.8231 is below the alarm limit of 0.85",
        ),
    ],
)
def test_each_signal_has_its_own_words(
    changes: dict[str, object], source: Source, numbers: tuple[float, float], sentence: str, subject: str
) -> None:
    watch = replace(WATCH, source=source, **changes)  # type: ignore[arg-type]
    episode = replace(EPISODE, peak=numbers[0], bound=numbers[1], excess_kg=nan)

    raised = said(Step.RAISE, watch=watch, episode=episode)

    assert sentence in raised.body
    assert raised.subject.endswith(f": {subject}")
    assert "load above" not in raised.body


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (Source(signal=Signal.VALUE), "Each reading is judged."),
        (
            Source(signal=Signal.VALUE, statistic=WindowStatistic.FLOW_WEIGHTED_MEAN, window_s=86_400),
            "What is judged is the flow-weighted mean over each day.",
        ),
        (
            Source(signal=Signal.COMPLIANCE, statistic=WindowStatistic.P95, by_month=True, alignment=Alignment.RUNNING),
            "What is judged is the 95th percentile over the month so far.",
        ),
        (
            Source(signal=Signal.AMOUNT, statistic=WindowStatistic.SUM, window_s=900, alignment=Alignment.ROLLING),
            "What is judged is the sum over the last 15 min.",
        ),
        (Source(signal=Signal.RATE, window_s=600), "What is judged is the change over 10 min."),
        (Source(signal=Signal.KPI, level=Level.DAY), "What is judged is the KPI of each day."),
    ],
)
def test_how_it_is_judged_is_said(source: Source, sentence: str) -> None:
    assert f"\n\n{sentence}" in said(Step.RAISE, watch=replace(WATCH, source=source)).body


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ({"highest": 100.0}, "is above its limit of 100 mg/L."),
        ({"lowest": 2.0}, "is below its limit of 2 mg/L."),
        ({"lowest": 6.0, "highest": 9.0}, "is outside of its limit of 6 mg/L to 9 mg/L."),
        ({}, "is beyond its limit."),
    ],
)
def test_without_an_episode_the_bounds_of_the_rule_are_named(bounds: dict[str, float], sentence: str) -> None:
    watch = replace(WATCH, lowest=bounds.get("lowest"), highest=bounds.get("highest"))

    raised = said(Step.RAISE, watch=watch, episode=None)

    assert f"{sentence} It began at 24 November 2026 08:00 WIB.\n" in raised.body
    assert json.loads(raised.payload)["episode"] == {"start": "2026-11-24T01:00:00Z", "unit": "mg/L"}


def test_the_end_of_an_episode_is_used_where_it_is_known() -> None:
    cleared = said(
        Step.CLEAR,
        after=AlarmState.RETURNED_UNACKED,
        minutes=210,
        episode=replace(EPISODE, stop_us=START_US + 60 * MIN_US),
    )

    assert "since 24 November 2026 09:00 WIB. It began at 24 November 2026 08:00 WIB and lasted 1 h." in cleared.body


def test_what_a_rule_does_not_say_leaves_no_empty_lines() -> None:
    raised = said(Step.RAISE, watch=replace(WATCH, texts=Texts(message="")), episode=replace(EPISODE, legal_basis=""))

    assert "\n\n\n" not in raised.body
    assert "Likely cause" not in raised.body


def test_a_subject_is_one_line_whatever_a_name_holds() -> None:
    raised = said(Step.RAISE, watch=replace(WATCH, name="COD\r\nBcc: all@park.example"))

    assert raised.subject.splitlines() == [raised.subject]


# For machines


def test_the_payload_of_an_alarm_is_complete() -> None:
    payload = json.loads(said(Step.CLEAR, standing=ACKED, after=AlarmState.NORMAL, minutes=210).payload)

    assert payload == {
        "kind": "alarm",
        "park": {"key": "karawang", "name": "Karawang", "zone": "Asia/Jakarta"},
        "alarm": "cod_limit@karawang/_park/wwtp_outlet/cod",
        "alarm_id": 7,
        "rule": "cod_limit",
        "target": "karawang/_park/wwtp_outlet/cod",
        "name": "COD of the outlet",
        "category": "exceedance",
        "severity": "high",
        "step": "clear",
        "state": "normal",
        "state_before": "active_acked",
        "level": 0,
        "at": "2026-11-24T04:30:00Z",
        "at_local": "24 November 2026 11:30 WIB",
        "episode": {
            "start": "2026-11-24T01:00:00Z",
            "stop": None,
            "unit": "mg/L",
            "peak": 142.34,
            "peak_at": "2026-11-24T01:30:00Z",
            "bound": 100.0,
            "mean": 120.1,
            "beyond_s": 5400.0,
            "excess_kg": 12.345,
            "legal_basis": "Permen LH 3/2010, Annex I",
        },
        "acknowledged": {"by": "Budi Santoso", "at": "2026-11-24T01:41:00Z"},
        "actor": "engine",
        "text": "",
        "message": "The outlet does not keep its limit.",
        "cause": "Too little air in the basin.",
        "consequence": "A report to the agency is due within 24 h.",
        "action": "Take a sample and call the laboratory.",
    }


def test_what_is_not_known_is_null_and_never_nan() -> None:
    episode = replace(EPISODE, mean=nan, excess_kg=nan, beyond_s=nan)

    raised = said(Step.RAISE, episode=episode)

    known = json.loads(raised.payload, parse_constant=pytest.fail)["episode"]
    assert (known["mean"], known["excess_kg"], known["beyond_s"]) == (None, None, None)
    assert "nan" not in raised.body


# Put together


def held(number: int, contact: str = "shift") -> Notification:
    words = said(Step.RAISE, watch=replace(WATCH, name=f"Rule {number}"), minutes=number)
    return Notification(
        contact=contact,
        way=Way.EMAIL,
        address=f"{contact}@park.example",
        subject=words.subject,
        body=words.body,
        payload=words.payload,
        dedup_key=f"karawang/r@t/{number}/{contact}",
        not_before_us=START_US + number * MIN_US,
        urgent=False,
    )


def test_held_back_notifications_become_one_that_names_each_with_its_time() -> None:
    together = digest([held(1), held(2)])

    assert together.subject == "2 alarm messages of Karawang, put together"
    assert together.body == (
        "These 2 messages are more than you are sent in one hour, so here they are in one.\n\n"
        "24 November 2026 08:01 WIB  High exceedance in Karawang, Rule 1: 142.3 mg/L is above the limit of 100 mg/L\n"
        "24 November 2026 08:02 WIB  High exceedance in Karawang, Rule 2: 142.3 mg/L is above the limit of 100 mg/L\n"
    )
    payload = json.loads(together.payload)
    assert (payload["kind"], payload["count"]) == ("digest", 2)
    assert [alarm["name"] for alarm in payload["alarms"]] == ["Rule 1", "Rule 2"]
    assert together.not_before_us == START_US + 2 * MIN_US
    assert not together.urgent


def test_a_digest_of_the_same_has_the_same_key_and_of_others_another() -> None:
    assert digest([held(1), held(2)]).dedup_key == digest([held(2), held(1)]).dedup_key
    assert digest([held(1), held(2)]).dedup_key != digest([held(1), held(3)]).dedup_key


def test_a_digest_of_very_many_names_fifty() -> None:
    lines = digest([held(number) for number in range(60)]).body.splitlines()

    assert lines[-1] == "... and 10 more."
    assert len(lines) == 2 + 50 + 1


def test_a_single_one_stays_as_it_is() -> None:
    assert digest([held(1)]) == held(1)


def test_a_digest_of_nothing_or_of_two_contacts_is_refused() -> None:
    with pytest.raises(InputError, match="at least one notification"):
        digest([])
    with pytest.raises(InputError, match="these notifications are for boss, shift"):
        digest([held(1), held(2, "boss")])


# Values and times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than 1 s"),
        (0.9, "less than 1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (86_399, "23 h 59 min"),
        (86_400, "1 day"),
        (2 * 86_400 + 60, "2 days"),
        (90_000, "1 day 1 h"),
    ],
)
def test_lengths_of_time_have_their_two_greatest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "kW", "0 kW"),
        (-0.00001, "kW", "-0.00001 kW"),
        (1234567.8, "kWh", "1234568 kWh"),
        (99.999, "mg/L", "100 mg/L"),
        (0.12345, "1", "0.1235"),
        (28.5, "degC", "28.5 °C"),
        (nan, "mg/L", "unknown"),
        (7.0, "pH", "pH 7"),
    ],
)
def test_values_have_four_digits_and_their_unit(value: float, unit: str, text: str) -> None:
    assert quantity(value, replace(WATCH, unit=unit)) == text


def test_a_value_just_beyond_its_bound_does_not_look_equal_to_it() -> None:
    assert told_apart(100.00042, 100.0, WATCH) == ("100.0004 mg/L", "100 mg/L")
    assert told_apart(100.0, 100.0, WATCH) == ("100 mg/L", "100 mg/L")


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Asia/Jakarta", "24 November 2026 08:00 WIB"),
        ("Asia/Makassar", "24 November 2026 09:00 WITA"),
        ("Asia/Ho_Chi_Minh", "24 November 2026 08:00 UTC+07:00"),
        ("Europe/Berlin", "24 November 2026 02:00 CET"),
        ("UTC", "24 November 2026 01:00 UTC"),
    ],
)
def test_times_are_local_and_name_their_zone(zone: str, text: str) -> None:
    assert moment(START_US, ZoneInfo(zone)) == text


def test_instants_for_machines_are_in_utc() -> None:
    assert instant(START_US) == "2026-11-24T01:00:00Z"
    assert instant(START_US + 1) == "2026-11-24T01:00:00.000001Z"
