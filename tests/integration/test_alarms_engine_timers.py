"""What time brings to alarms between cycles, what people did, and the engine's own health."""

from pathlib import Path

import numpy as np
import pytest

from alerts.machine import apply
from domain.alarms import Step
from domain.time import SECOND_US
from service.engine import Known
from service.engine.health import measure_health
from service.engine.timers import run_timers
from store import Role, connect, load_registry
from store.alarms import append_transitions, standings, write_standings
from store.health import health_between
from tests.support.alarm_parks import COD, a_rule, alarm_park, asked, at, cycles, journal, minutes, state, write
from tests.support.databases import apply_to

HIGH = a_rule(
    "high",
    {"channel": COD},
    above=100,
    tell=[{"contact": "officer"}, {"contact": "officer", "after_s": 600}],
    realarm_s=3600,
)


def timers(url: str, *, now: int, known: Known | None = None) -> int:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        return run_timers(conn, load_registry(conn, "p").park, Known() if known is None else known, at(now))


def act(url: str, step: Step, *, now: int, text: str = "", until: int | None = None) -> None:
    """What somebody does to the only alarm, as the API writes it: without notifications."""
    with connect(url, Role.WRITE) as conn:
        known = Known.of(load_registry(conn, "p"))
        (watch,) = known.watching(conn).watches
        before = standings(conn, np.array([watch.alarm_id], dtype=np.int32))[watch.alarm_id]
        until_us = None if until is None else at(until)
        after, transition = apply(
            before, step, watch=watch, at_us=at(now), now_us=at(now), actor="ana", text=text, until_us=until_us
        )
        assert transition is not None
        write_standings(conn, [after])
        append_transitions(conn, [transition])


@pytest.fixture
def raised(kawasan_url: str) -> str:
    """A database whose only alarm was raised at minute 11."""
    ids = apply_to(kawasan_url, alarm_park(HIGH))
    write(kawasan_url, minutes(ids[COD], [130.0] * 10))
    cycles(kawasan_url, now=11)
    assert journal(kawasan_url, "high") == [("raise", "active_unacked", True)]
    return kawasan_url


def test_what_nobody_acknowledges_is_escalated_once(raised: str) -> None:
    assert timers(raised, now=20) == 0
    assert timers(raised, now=21) == 1
    assert timers(raised, now=25) == 0

    assert journal(raised, "high")[1:] == [("escalate", "active_unacked", True)]
    assert asked(raised, "SELECT count(*) FROM notification") == [(2,)]


def test_escalation_ends_when_it_is_acknowledged_and_it_is_raised_anew_in_time(raised: str) -> None:
    known = Known()
    timers(raised, now=21, known=known)
    act(raised, Step.ACKNOWLEDGE, now=30)

    assert timers(raised, now=31, known=known) == 1
    assert journal(raised, "high")[-1] == ("deescalate", "active_acked", True)

    assert timers(raised, now=89, known=known) == 0
    assert timers(raised, now=90, known=known) == 1
    assert journal(raised, "high")[-1] == ("realarm", "active_unacked", True)


def test_a_shelf_ends_at_its_time_and_what_is_active_is_announced_then(raised: str) -> None:
    act(raised, Step.SHELVE, now=15, text="Sensor is being cleaned", until=60)

    assert timers(raised, now=59) == 0
    assert timers(raised, now=60) == 1
    assert journal(raised, "high")[-1] == ("expire", "active_unacked", True)


def test_what_people_did_is_told_once(raised: str) -> None:
    known = Known()
    act(raised, Step.SHELVE, now=15, text="Sensor is being cleaned", until=60)
    act(raised, Step.UNSHELVE, now=20, text="Done")
    before = asked(raised, "SELECT count(*) FROM notification")[0][0]

    timers(raised, now=20, known=known)
    timers(raised, now=21, known=known)
    timers(raised, now=22)

    rows = asked(
        raised,
        "SELECT t.step, count(n.id) FROM alarm_transition t JOIN notification n ON n.transition_id = t.id"
        " WHERE t.actor = 'ana' GROUP BY t.step",
    )
    assert rows == [("unshelve", 1)]
    assert asked(raised, "SELECT count(*) FROM notification")[0][0] == before + 1


def test_timers_of_a_park_without_rules_do_nothing(kawasan_url: str) -> None:
    apply_to(kawasan_url, alarm_park())

    assert timers(kawasan_url, now=10) == 0


def test_health_is_measured_once_a_minute_whoever_measures(raised: str, tmp_path: Path) -> None:
    with connect(raised, Role.WRITE, autocommit=True) as conn:
        registry = load_registry(conn, "p")
        now_us = at(20) + 5 * SECOND_US
        assert measure_health(conn, registry, now_us, tmp_path, slowest_s=0.5) == 5
        assert measure_health(conn, registry, now_us + SECOND_US, tmp_path) == 0
        assert measure_health(conn, registry, now_us + 60 * SECOND_US) == 4
        names = ("disk_free", "ingest_lag", "queue_rows")
        found = health_between(conn, registry.park.id, names, at(20), at(21))

    assert found.at_us.tolist() == [at(20)] * 3
    values = dict(zip((names[one] for one in found.name.tolist()), found.value.tolist(), strict=True))
    assert values["ingest_lag"] == 11 * 60 + 5
    assert values["queue_rows"] == 0
    assert 0 < values["disk_free"] <= 1


def test_a_rule_of_this_systems_health_is_raised_by_its_measurements(kawasan_url: str) -> None:
    lag = a_rule("lag", {"health": "ingest_lag"}, above="10 min", category="system")
    ids = apply_to(kawasan_url, alarm_park(lag))
    known = Known()
    write(kawasan_url, minutes(ids[COD], [50.0]))
    cycles(kawasan_url, now=1, tick=0, known=known)
    with connect(kawasan_url, Role.WRITE, autocommit=True) as conn:
        registry = load_registry(conn, "p")
        for minute in (5, 12, 13):
            measure_health(conn, registry, at(minute))

    cycles(kawasan_url, now=15, tick=15, known=known)

    assert journal(kawasan_url, "lag") == [("raise", "active_unacked", True)]
    assert state(kawasan_url, "lag") == "active_unacked"
