"""Alarms in the engine's cycles on a real database: raised and cleared, in any order, late, suppressed, restarted."""

from typing import Any

import pytest

from domain.time import Level, parse_instant
from service.engine import Known
from service.engine.signals import samples_of
from store import Role, connect, load_registry
from store.closing import close_period
from tests.support.alarm_parks import (
    COD,
    a_rule,
    alarm_park,
    asked,
    at,
    broken_chains,
    cycles,
    journal,
    minutes,
    said,
    spans,
    state,
    untold,
    verdicts,
    write,
)
from tests.support.databases import apply_to

HIGH = a_rule(
    "high", {"channel": COD}, above=100, deadband=10, on_delay_s=120, off_delay_s=180, merge_gap_s=0, category="warning"
)
HOURLY = a_rule(
    "hourly", {"channel": COD, "statistic": "mean", "window": "hour"}, above=100, category="exceedance", severity="high"
)


def test_an_alarm_is_raised_after_its_delay_and_cleared_by_its_deadband(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH))
    known = Known()

    values = [80.0] * 5 + [120.0] * 2
    write(kawasan_url, minutes(ids[COD], values))
    cycles(kawasan_url, now=10, known=known)

    assert journal(kawasan_url, "high") == [("begin", "pending", False)]
    assert spans(kawasan_url, "high") == []

    write(kawasan_url, minutes(ids[COD], [130.0, 95.0, 85.0, 85.0], first=7))
    cycles(kawasan_url, now=12, known=known)

    assert journal(kawasan_url, "high")[1:] == [("raise", "active_unacked", True)]
    assert spans(kawasan_url, "high") == [(5, 8, None)]

    write(kawasan_url, minutes(ids[COD], [85.0, 85.0, 85.0], first=11))
    cycles(kawasan_url, now=14, known=known)

    assert journal(kawasan_url, "high")[2:] == [("clear", "returned_unacked", True)]
    assert spans(kawasan_url, "high") == [(5, 8, 12)]
    told = asked(kawasan_url, "SELECT count(*), count(DISTINCT transition_id) FROM notification")
    assert told == [(2, 2)]


def test_a_late_exceedance_that_is_over_waits_for_its_acknowledgement(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH))
    known = Known()
    rows = minutes(ids[COD], [80.0] * 300)
    write(kawasan_url, [row for row in rows if not 100 <= (row[1] - rows[0][1]) // 60_000_000 < 120])
    cycles(kawasan_url, now=310, tick=300, known=known)
    assert journal(kawasan_url, "high") == []

    write(kawasan_url, minutes(ids[COD], [130.0] * 20, first=100))
    cycles(kawasan_url, now=320, known=known)

    assert spans(kawasan_url, "high") == [(100, 120, 123)]
    assert journal(kawasan_url, "high") == [
        ("raise", "active_unacked", False),
        ("clear", "returned_unacked", False),
        ("revise", "returned_unacked", False),
    ]
    assert "an exceedance came, from 2026-03-02 01:40 to 2026-03-02 02:00, peak 130 mg/L" in said(kawasan_url, "high")


def test_late_data_that_changes_a_final_judgement_is_revised_and_told(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HOURLY))
    known = Known()
    cycles(kawasan_url, now=0, known=known)
    write(kawasan_url, minutes(ids[COD], [120.0] * 50))
    write(kawasan_url, minutes(ids[COD], [50.0] * 60, first=60))
    cycles(kawasan_url, now=125, tick=120, known=known)
    assert [row[2:] for row in verdicts(kawasan_url, "hourly")] == [(2, True, 0), (0, True, 0)]
    assert [step for step, *_ in journal(kawasan_url, "hourly")] == ["raise", "clear"]

    write(kawasan_url, minutes(ids[COD], [0.0] * 10, first=50))
    cycles(kawasan_url, now=126, known=known)

    assert [row[2:] for row in verdicts(kawasan_url, "hourly")] == [(0, True, 1), (0, True, 0)]
    assert spans(kawasan_url, "hourly") == []
    assert journal(kawasan_url, "hourly")[2:] == [("revise", "returned_unacked", True)]
    text = said(kawasan_url, "hourly")
    assert "there was no exceedance from 2026-03-02 00:00 to 2026-03-02 01:00 (peak 120 mg/L)" in text
    assert "is clear, at 100 mg/L; it was beyond" in text


def test_silence_alone_raises_by_ticks(kawasan_url: str) -> None:
    silent = a_rule("silent", {"silence": "channels", "of": COD}, above="30 min", category="device")
    ids = apply_to(kawasan_url, alarm_park(silent))
    known = Known()
    write(kawasan_url, minutes(ids[COD], [50.0] * 15))
    cycles(kawasan_url, now=16, tick=15, known=known)
    cycles(kawasan_url, now=31, tick=30, known=known)
    # It was silent from the start of the park to its first reading.
    assert journal(kawasan_url, "silent") == [("revise", "normal", False)]

    cycles(kawasan_url, now=46, tick=45, known=known)

    assert journal(kawasan_url, "silent")[1:] == [("raise", "active_unacked", True)]

    write(kawasan_url, minutes(ids[COD], [50.0], first=70))
    cycles(kawasan_url, now=76, tick=75, known=known)

    assert journal(kawasan_url, "silent")[2:] == [("clear", "returned_unacked", True)]


def test_an_alarm_suppresses_another_while_it_is_active(kawasan_url: str) -> None:
    idle = a_rule("idle", {"channel": "_park/outlet/effluent_flow"}, below=1, category="warning")
    over = a_rule("over", {"channel": COD}, above=100, suppress=[{"alarm": "idle"}])
    ids = apply_to(kawasan_url, alarm_park(over, idle))
    known = Known()
    flow = ids["_park/outlet/effluent_flow"]

    write(kawasan_url, minutes(flow, [0.0] * 10) + minutes(ids[COD], [130.0] * 10))
    cycles(kawasan_url, now=11, known=known)

    assert journal(kawasan_url, "idle") == [("raise", "active_unacked", True)]
    assert ("raise", "active_unacked", True) not in journal(kawasan_url, "over")
    assert journal(kawasan_url, "over")[-1][0] == "suppress"

    write(kawasan_url, minutes(flow, [10.0] * 5, first=10) + minutes(ids[COD], [130.0] * 5, first=10))
    cycles(kawasan_url, now=16, known=known)

    assert [step for step, *_ in journal(kawasan_url, "over")][-2:] == ["raise", "release"]
    assert sum(announced for *_, announced in journal(kawasan_url, "over")) == 1


def test_a_new_rule_is_held_against_the_past_and_the_alarm_follows_what_is_now(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park())
    known = Known()
    values = [80.0] * 10 + [130.0] * 10 + [80.0] * 100 + [130.0] * 10
    write(kawasan_url, minutes(ids[COD], values))
    cycles(kawasan_url, now=131, tick=120, known=known)

    apply_to(kawasan_url, alarm_park(HIGH), now_us=at(132))
    cycles(kawasan_url, now=132, known=known)

    assert spans(kawasan_url, "high") == [(10, 20, 23), (120, 130, None)]
    assert [step for step, *_ in journal(kawasan_url, "high")] == ["raise", "revise"]
    assert asked(kawasan_url, "SELECT count(*) FROM alarm_rule WHERE judged_at IS NULL") == [(0,)]


def test_a_rule_that_ends_ends_its_alarm_and_the_next_version_begins_anew(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH))
    known = Known()
    write(kawasan_url, minutes(ids[COD], [130.0] * 10))
    cycles(kawasan_url, now=11, known=known)
    assert journal(kawasan_url, "high")[-1][:2] == ("raise", "active_unacked")

    apply_to(kawasan_url, alarm_park({**HIGH, "above": 110}), now_us=at(15))
    write(kawasan_url, minutes(ids[COD], [130.0] * 10, first=10))
    cycles(kawasan_url, now=21, known=known)

    # No exceedance goes on from one version to the next.
    assert [(start, cleared) for start, _, cleared in spans(kawasan_url, "high")] == [(0, None), (15, None)]
    assert state(kawasan_url, "high") == "active_unacked"

    apply_to(kawasan_url, alarm_park(), now_us=at(25))
    cycles(kawasan_url, now=26, known=known)

    assert journal(kawasan_url, "high")[-1][:2] == ("clear", "returned_unacked")


def test_versions_that_are_judged_at_once_make_one_journal(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH))
    known = Known()
    cycles(kawasan_url, now=0, known=known)
    write(kawasan_url, minutes(ids[COD], [130.0] * 10 + [50.0] * 10))
    apply_to(kawasan_url, alarm_park({**HIGH, "above": 110}), now_us=at(40))
    write(kawasan_url, minutes(ids[COD], [50.0] * 25 + [130.0] * 10, first=20))
    cycles(kawasan_url, now=60, known=known)

    assert [(start, cleared) for start, _, cleared in spans(kawasan_url, "high")] == [(0, 13), (45, None)]
    assert broken_chains(kawasan_url) == []
    assert untold(kawasan_url) == []
    assert state(kawasan_url, "high") == "active_unacked"


def test_a_watch_that_fails_alone_is_set_aside_and_blocks_nothing(
    kawasan_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH, HOURLY, a_rule("other", {"channel": COD}, above=100)))

    def failing(conn: Any, known: Known, watches: Any, *rest: Any) -> Any:
        if any(watch.rule == "high" for watch in watches):
            raise ValueError("a bad watch")
        return samples_of(conn, known, watches, *rest)

    monkeypatch.setattr("service.engine.alarms.samples_of", failing)
    write(kawasan_url, minutes(ids[COD], [130.0] * 10))
    cycles(kawasan_url, now=11)
    cycles(kawasan_url, now=16, tick=15)

    assert spans(kawasan_url, "other") == [(0, 10, None)]
    assert journal(kawasan_url, "high") == []
    found = asked(kawasan_url, "SELECT channel_id, error FROM engine_fault WHERE resolved_at IS NULL")
    assert found == [(ids[COD], f"alarm high@p/{COD}: ValueError: a bad watch")]


def test_the_outbox_holds_one_notification_for_each_announced_step(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH, HOURLY))
    for first in range(0, 300, 30):
        values = [130.0 if (first // 30) % 2 else 50.0] * 30
        write(kawasan_url, minutes(ids[COD], values, first=first))
        # Each time another engine, and each time the same work twice.
        cycles(kawasan_url, now=first + 31, tick=first + 30)
        cycles(kawasan_url, now=first + 32, tick=first + 30)

    rows = asked(
        kawasan_url,
        "SELECT t.announced, count(n.id), count(DISTINCT t.id) FROM alarm_transition t"
        " LEFT JOIN notification n ON n.transition_id = t.id GROUP BY t.announced ORDER BY t.announced",
    )
    told = {announced: (notifications, steps) for announced, notifications, steps in rows}
    assert told[True][0] == told[True][1] > 8
    assert told.get(False, (0, 0))[0] == 0


def test_a_closed_month_is_left_as_it_is(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH, HOURLY))
    known = Known()
    write(kawasan_url, minutes(ids[COD], [50.0] * 120))
    cycles(kawasan_url, now=31 * 1440, tick=31 * 1440, known=known)
    march = parse_instant("2026-03-01T00:00:00+07:00"), parse_instant("2026-04-01T00:00:00+07:00")
    with connect(kawasan_url, Role.MIGRATE) as conn:
        close_period(conn, load_registry(conn, "p").park.id, Level.MONTH, *march, "invoice", "test")
    snapshot = "SELECT * FROM closed_kpi ORDER BY subject_kind, subject_id, kpi"
    before = asked(kawasan_url, snapshot)

    write(kawasan_url, minutes(ids[COD], [130.0] * 60, first=120))
    cycles(kawasan_url, now=31 * 1440 + 5, known=known)

    assert asked(kawasan_url, snapshot) == before
    # What is known of the river is known, whatever was invoiced.
    assert spans(kawasan_url, "high")[0][0] == 120


def test_exceedances_after_the_end_of_a_rule_go_with_it(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, alarm_park(HIGH))
    known = Known()
    write(kawasan_url, minutes(ids[COD], [130.0] * 5 + [50.0] * 10 + [130.0] * 10))
    cycles(kawasan_url, now=26, known=known)
    assert len(spans(kawasan_url, "high")) == 2

    apply_to(kawasan_url, alarm_park(), now_us=at(12))
    cycles(kawasan_url, now=27, known=known)

    assert spans(kawasan_url, "high") == [(0, 5, 8)]
    assert state(kawasan_url, "high") == "returned_unacked"
