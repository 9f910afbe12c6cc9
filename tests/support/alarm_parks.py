"""A small park with alarm rules, readings for it, and what the database says of its alarms."""

import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import psycopg

from domain.parkfile import ParkFile
from domain.time import SECOND_US, from_datetime, parse_instant
from service.engine import Known, run_cycle
from store import ReadingSink, Role, connect, load_registry
from store.spans import append_tick
from tests.support.databases import batch_of, channel, meter, park_file, tenant

BEGIN_US = parse_instant("2026-03-02T00:00:00+07:00")
MINUTE_US = 60 * SECOND_US
COD = "_park/outlet/cod"
MINUTES = 360
"""How long many rules are told of."""
FLOW = "_park/outlet/effluent_flow"

Row = tuple[int, int, float]


def a_rule(key: str, watch: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """An alarm's entry of a park file."""
    must = {"key": key, "name": f"Rule {key}", "category": "warning", "severity": "medium"}
    return {**must, "watch": watch, "tell": [{"contact": "officer"}], **rest}


def alarm_park(*alarms: dict[str, Any], **park: Any) -> ParkFile:
    """A park with an outlet that measures COD, pH and flow each minute, a line, and some rules."""
    file = park_file(
        tenant(
            "_park",
            meter("outlet", channel("cod"), channel("ph"), channel("effluent_flow"), role="outlet"),
            meter("plant", channel("power")),
        ),
        **{"lateness_minutes": 1, **park},
    )
    officer = {"key": "officer", "name": "Officer", "way": "email", "address": "officer@example.com"}
    return ParkFile.model_validate(
        {**file.model_dump(mode="json", exclude_none=True), "alarms": list(alarms), "contacts": [officer]}
    )


def minutes(channel_id: int, values: Sequence[float | None], *, first: int = 0) -> list[Row]:
    """A reading each minute from a minute on; None: there is none."""
    return [
        (channel_id, BEGIN_US + (first + number) * MINUTE_US, value)
        for number, value in enumerate(values)
        if value is not None
    ]


def at(minute: int) -> int:
    """[us UTC]"""
    return BEGIN_US + minute * MINUTE_US


def write(url: str, rows: Iterable[Row]) -> None:
    """Store readings, as ingest does."""
    with closing(ReadingSink(url)) as sink:
        sink.write(batch_of(list(rows)))


def cycles(url: str, *, now: int, tick: int | None = None, known: Known | None = None) -> None:
    """Run the engine at a minute until nothing is left; `tick` is a minute too."""
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        if tick is not None:
            append_tick(conn, park.id, BEGIN_US + tick * MINUTE_US)
        mine = Known() if known is None else known
        while run_cycle(conn, park, cycle_rows=200_000, now_us=BEGIN_US + now * MINUTE_US, known=mine).spans:
            continue


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Rows of the database, by its owner."""
    with psycopg.connect(url) as conn:
        return conn.execute(statement).fetchall()


def episodes(url: str) -> list[tuple[Any, ...]]:
    """What is stored of episodes, but when it was computed and how often it changed."""
    return asked(
        url,
        "SELECT a.rule_key, a.target, e.start, e.stop, e.raised_at, e.cleared_at, e.last_at, e.peak, e.peak_at, e.bound, e.mean,"
        " e.beyond_s, e.excess_kg, e.valid, e.missing, e.excluded, e.final"
        " FROM episode e JOIN alarm a ON a.id = e.alarm_id ORDER BY a.rule_key, a.target, e.start",
    )


def spans(url: str, rule: str) -> list[tuple[int, int, int | None]]:
    """Episodes of a rule: start, stop and clearing in minutes; None: it is open."""
    rows = asked(
        url,
        "SELECT e.start, e.stop, e.cleared_at FROM episode e JOIN alarm a ON a.id = e.alarm_id"
        f" WHERE a.rule_key = '{rule}' ORDER BY e.start",
    )
    return [
        tuple(None if one is None else (from_datetime(one) - BEGIN_US) // MINUTE_US for one in row)  # type: ignore[misc]
        for row in rows
    ]


def judgements(url: str) -> list[tuple[Any, ...]]:
    """What is stored of judgements."""
    return asked(
        url,
        "SELECT a.rule_key, a.target, j.start, j.at, j.least, j.greatest, j.lowest, j.highest, j.verdict, j.status, j.known_s,"
        " j.final FROM judgement j JOIN alarm a ON a.id = j.alarm_id ORDER BY a.rule_key, a.target, j.at",
    )


def verdicts(url: str, rule: str) -> list[tuple[Any, ...]]:
    """Judgements of a rule: start, end, verdict, whether final, revision."""
    return asked(
        url,
        "SELECT j.start, j.at, j.verdict, j.final, j.revision FROM judgement j JOIN alarm a ON a.id = j.alarm_id"
        f" WHERE a.rule_key = '{rule}' ORDER BY j.at",
    )


def said(url: str, rule: str) -> str:
    """Text of the last step of a rule's alarms."""
    rows = asked(
        url,
        "SELECT t.text FROM alarm_transition t JOIN alarm a ON a.id = t.alarm_id"
        f" WHERE a.rule_key = '{rule}' ORDER BY t.id DESC LIMIT 1",
    )
    return str(rows[0][0])


def state(url: str, rule: str) -> str:
    """State of a rule's only alarm."""
    ((found,),) = asked(url, f"SELECT state FROM alarm WHERE rule_key = '{rule}'")
    return str(found)


def journal(url: str, rule: str) -> list[tuple[str, str, bool]]:
    """Steps of a rule's alarms in order: step, state after it, whether it was announced."""
    rows = asked(
        url,
        "SELECT t.step, t.after, t.announced FROM alarm_transition t JOIN alarm a ON a.id = t.alarm_id"
        f" WHERE a.rule_key = '{rule}' ORDER BY t.id",
    )
    return [(step, after, announced) for step, after, announced in rows]


def broken_chains(url: str) -> list[tuple[Any, ...]]:
    """Steps that do not begin where the one before ended, and alarms that do not stand where their last step left them."""
    return asked(
        url,
        "WITH steps AS (SELECT t.*, lag(t.after, 1, 'normal') OVER (PARTITION BY t.alarm_id ORDER BY t.id) AS left_at"
        " FROM alarm_transition t)"
        " SELECT s.alarm_id, s.id::text, s.step FROM steps s WHERE s.before <> s.left_at"
        " UNION ALL SELECT a.id, a.version::text, a.state FROM alarm a WHERE a.state <> coalesce((SELECT t.after"
        "   FROM alarm_transition t WHERE t.alarm_id = a.id ORDER BY t.id DESC LIMIT 1), 'normal')"
        " OR a.version <> (SELECT count(*) FROM alarm_transition t WHERE t.alarm_id = a.id)",
    )


def untold(url: str) -> list[tuple[Any, ...]]:
    """Steps that were announced and are not in the outbox exactly once, and others that are."""
    return asked(
        url,
        "SELECT t.alarm_id, t.step, t.announced, count(n.id) FROM alarm_transition t"
        " LEFT JOIN notification n ON n.transition_id = t.id GROUP BY t.id"
        " HAVING count(n.id) <> CASE WHEN t.announced THEN 1 ELSE 0 END",
    )


MANY = (
    a_rule("at_once", {"channel": COD}, above=100, deadband=10),
    a_rule("delayed", {"channel": COD}, above=100, deadband=10, on_delay_s=300, off_delay_s=300, merge_gap_s=900),
    a_rule("hourly", {"channel": COD, "statistic": "mean", "window": "hour"}, above=95, category="exceedance"),
    a_rule(
        "rolling",
        {"channel": COD, "statistic": "max", "window": "10min", "alignment": "rolling"},
        above=110,
        on_delay_s=120,
        suppress=[{"alarm": "idle"}],
    ),
    a_rule("idle", {"channel": FLOW}, below=1, merge_gap_s=0),
    a_rule("flow", {"amount": FLOW, "window": "hour"}, below=10, category="warning"),
    a_rule("silent", {"silence": "channels", "of": COD}, above="20 min", category="device"),
)


def told(ids: dict[str, int], seed: int) -> list[Row]:
    """Six hours of COD and flow that come and go around their limits, with gaps."""
    made = random.Random(seed)
    cod, flow, rows = 90.0, 20.0, []
    for minute in range(MINUTES):
        cod = min(150.0, max(50.0, 90 + 0.9 * (cod - 90) + made.uniform(-25, 25)))
        flow = 0.0 if 130 <= minute < 150 else made.uniform(5, 30)
        if not 200 <= minute < 240 and made.random() > 0.05:
            rows += minutes(ids[COD], [round(cod, 3)], first=minute)
        rows += minutes(ids[FLOW], [round(flow, 3)], first=minute)
    return rows
