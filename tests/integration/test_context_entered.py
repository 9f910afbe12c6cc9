"""Entered values on a real database: by API, table and MQTT; superseded, never updated; and the KPIs that are made of them."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.context import PARK_WIDE, ContextFrame
from domain.contextentries import ContextEntry
from domain.errors import NotAllowed
from domain.frames import SubjectKind
from domain.readings import Batch, Message, Outcome, Reason
from domain.time import DAY_US, Level, parse_instant
from ingest import Directory, Limits, decode
from service.engine import run_cycle
from store import ReadingSink, Role, connect, load_registry, open_pool
from store.context import Entered, enter_context, enter_context_as, list_context, read_context
from store.kpis import read_kpis
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.served import DAY, DAY_START_US, TOKENS, Answer, Api, api, filled_template

__all__ = ["api", "filled_template"]

PARK = park_file(tenant("alpha", meter("main", channel("power"))), tenant("beta", meter("main", channel("power"))))
OCTOBER_US = parse_instant("2026-10-01T00:00:00+07:00")
NEVER_US = 2**53


def entry(value: float | None, first: int = 0, days: int = 1, series: str = "production_t") -> ContextEntry:
    start_us = OCTOBER_US + first * DAY_US
    return ContextEntry(series=series, start_us=start_us, stop_us=start_us + days * DAY_US, value=value)


def ids(url: str) -> dict[str, int]:
    with connect(url, Role.WRITE) as conn:
        return {one.key: one.id for one in load_registry(conn, "p").tenants}


def enter(url: str, *entries: ContextEntry, of: str = "alpha", by: str = "me") -> tuple[Entered, ...]:
    number = PARK_WIDE if of == "_park" else ids(url)[of]
    with connect(url, Role.WRITE) as conn:
        return enter_context(conn, load_registry(conn, "p").park.id, entries, [number] * len(entries), by)


def outcomes(url: str, *entries: ContextEntry, of: str = "alpha", by: str = "me") -> list[str]:
    return [one.outcome for one in enter(url, *entries, of=of, by=by)]


def in_force(url: str, as_of_us: int | None = None) -> list[tuple[int, str, float, float]]:
    """(tenant, series, first day, value) of everything in force."""
    with connect(url, Role.WRITE) as conn:
        park_id = load_registry(conn, "p").park.id
        frame: ContextFrame = read_context(conn, park_id, 0, NEVER_US, as_of_us=as_of_us)
    day = (frame.start_us - OCTOBER_US) / DAY_US
    return list(zip(frame.tenant_id.tolist(), frame.key.tolist(), day.tolist(), frame.value.tolist(), strict=True))


def queue(url: str) -> list[tuple[Any, ...]]:
    with connect(url, Role.WRITE) as conn:
        return conn.execute("DELETE FROM span_queue WHERE of_context RETURNING tenant_id, from_ts, to_ts").fetchall()


# Versions.


def test_a_value_that_was_entered_is_in_force(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    alpha = ids(kawasan_url)["alpha"]

    assert outcomes(kawasan_url, entry(5.0)) == ["stored"]
    assert in_force(kawasan_url) == [(alpha, "production_t", 0.0, 5.0)]


def test_a_newer_version_supersedes_and_the_older_one_is_kept_with_who_and_when(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(5.0), by="ann")

    enter(kawasan_url, entry(6.0), by="ben")
    with connect(kawasan_url, Role.WRITE) as conn:
        old, new = list_context(conn, "p", history=True)
        (only,) = list_context(conn, "p")

    assert (old.value, old.recorded_by, old.superseded_by) == (5.0, "ann", "ben")
    assert (new.value, new.recorded_by, new.superseded_at) == (6.0, "ben", None)
    assert old.superseded_at == new.recorded_at
    assert only.id == new.id


def test_what_was_in_force_at_a_time_can_be_told(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(5.0))
    with connect(kawasan_url, Role.WRITE) as conn:
        row = conn.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    between_us = row[0] if row else 0

    enter(kawasan_url, entry(6.0))

    assert [value for *_, value in in_force(kawasan_url, between_us)] == [5.0]
    assert [value for *_, value in in_force(kawasan_url, OCTOBER_US - 400 * DAY_US)] == []
    assert [value for *_, value in in_force(kawasan_url)] == [6.0]


def test_the_same_value_again_changes_nothing(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(5.0))
    queue(kawasan_url)

    assert outcomes(kawasan_url, entry(5.0)) == ["same"]
    assert queue(kawasan_url) == []


def test_a_value_for_a_longer_time_supersedes_all_that_it_covers(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(1.0, 0), entry(2.0, 1), entry(3.0, 2))

    assert outcomes(kawasan_url, entry(9.0, 0, days=2)) == ["stored"]
    assert [value for *_, value in in_force(kawasan_url)] == [9.0, 3.0]


@pytest.mark.parametrize(("first", "days"), [(-1, 2), (1, 2), (0, 1), (1, 1)])
def test_a_value_that_covers_another_only_in_part_is_refused_and_touches_nothing(
    kawasan_url: str, first: int, days: int
) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(5.0, 0, days=2), by="ann")
    queue(kawasan_url)

    (refused,) = enter(kawasan_url, entry(6.0, first, days))

    assert refused.outcome == "refused"
    assert (
        "covers only a part of the value 5 that ann entered for 2026-10-01 00:00:00 to 2026-10-03 00:00:00"
        in refused.detail
    )
    assert [value for *_, value in in_force(kawasan_url)] == [5.0]
    assert queue(kawasan_url) == []


def test_a_value_can_be_withdrawn_and_only_once(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(5.0))

    assert outcomes(kawasan_url, entry(None)) == ["withdrawn"]
    assert in_force(kawasan_url) == []
    assert outcomes(kawasan_url, entry(None)) == ["refused"]


def test_values_of_others_and_of_other_series_are_left_alone(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(1.0))
    enter(kawasan_url, entry(2.0), of="beta")
    enter(kawasan_url, entry(3.0), of="_park")

    enter(kawasan_url, entry(4.0, series="employees"))

    assert sorted(value for *_, value in in_force(kawasan_url)) == [1.0, 2.0, 3.0, 4.0]


def test_a_value_touches_its_tenant_for_its_time_and_a_value_of_the_park_everybody(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(1.0))
    enter(kawasan_url, entry(3.0), of="_park")

    spans = queue(kawasan_url)

    start, stop = parse_instant("2026-10-01T00:00:00+07:00"), parse_instant("2026-10-02T00:00:00+07:00")
    assert {tenant_id for tenant_id, *_ in spans} == {ids(kawasan_url)["alpha"], None}
    assert min(first.timestamp() for _, first, _ in spans) * 1e6 == start
    assert max(last.timestamp() for *_, last in spans) * 1e6 == stop


@pytest.mark.parametrize("seed", range(3))
def test_any_mix_of_entries_does_what_a_list_of_days_would(kawasan_url: str, seed: int) -> None:
    """The model: who enters may replace whole values, and cut none."""
    apply_to(kawasan_url, PARK)
    draw = np.random.default_rng(seed)
    model: dict[tuple[int, int], float] = {}
    entries, wanted = [], []
    for number in range(80):
        first, days = int(draw.integers(0, 12)), int(draw.integers(1, 5))
        value = None if draw.random() < 0.2 else float(number % 7)
        touching = [place for place in model if place[0] < first + days and place[1] > first]
        whole = all(first <= place[0] and place[1] <= first + days for place in touching)
        same = touching == [(first, first + days)] and value is not None and model[touching[0]] == value
        entries.append(entry(value, first, days))
        wanted.append(
            "refused"
            if not whole or (value is None and not touching)
            else "same" if same else "withdrawn" if value is None else "stored"
        )  # fmt: skip
        if wanted[-1] in {"stored", "withdrawn"}:
            for place in touching:
                del model[place]
        if wanted[-1] == "stored" and value is not None:
            model[first, first + days] = value

    assert outcomes(kawasan_url, *entries) == wanted
    assert [(day, value) for _, _, day, value in in_force(kawasan_url)] == [
        (float(place[0]), value) for place, value in sorted(model.items())
    ]


def test_what_lies_ahead_touches_nothing_yet(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)

    assert outcomes(kawasan_url, entry(1.0, 365 * 20)) == ["stored"]
    assert queue(kawasan_url) == []


# The API.


async def post(api: Api, role: str, *values: dict[str, Any], park: str = "p") -> Answer:
    answer = await api.client.post(
        "/api/v1/context",
        json={"park": park, "values": list(values)},
        headers={"Authorization": f"Bearer {TOKENS[role]}"},
    )
    return Answer(status=answer.status_code, body=answer.json(), headers=answer.headers)


def said(value: float | None, tenant: str = "alpha", **rest: Any) -> dict[str, Any]:
    return {"tenant": tenant, "series": "production_t", "start": "2026-03", "value": value, **rest}


async def listed(api: Api, role: str, **query: Any) -> list[tuple[str, float, str]]:
    answer = await api.api("context", role, park="p", **query)
    assert answer.status == 200
    return [(one["tenant"], one["value"], one["recorded_by"]) for one in answer.body]


async def test_an_operator_enters_for_anybody_and_a_tenant_for_itself(api: Api) -> None:
    first = await post(api, "operator", said(10.0), said(20.0, "beta"), said(40.0, "_park"))
    second = await post(api, "tenant", said(11.0, note="ERP"))

    assert (first.status, first.body) == (201, {"stored": 3, "same": 0, "withdrawn": 0})
    assert (second.status, second.body) == (201, {"stored": 1, "same": 0, "withdrawn": 0})
    assert await listed(api, "operator") == [
        ("_park", 40.0, "operator"),
        ("alpha", 11.0, "tenant"),
        ("beta", 20.0, "operator"),
    ]


async def test_a_tenant_sees_nothing_of_others_nor_of_the_park(api: Api) -> None:
    await post(api, "operator", said(10.0), said(20.0, "beta"), said(40.0, "_park"))

    assert await listed(api, "tenant") == [("alpha", 10.0, "operator")]
    assert (await api.api("context", "tenant", park="p", tenant="beta")).status == 404


@pytest.mark.parametrize(
    ("role", "tenant_key", "status"),
    [("tenant", "beta", 404), ("tenant", "gamma", 404), ("tenant", "_park", 403), ("officer", "alpha", 403)],
)
async def test_who_may_not_enter_is_refused_and_nothing_is_entered(
    api: Api, role: str, tenant_key: str, status: int
) -> None:
    answer = await post(api, role, said(1.0, tenant_key))

    assert answer.status == status
    assert await listed(api, "operator", history=True) == []


async def test_the_database_itself_keeps_a_tenant_to_its_own(api: Api) -> None:
    numbers = ids(api.url)
    with connect(api.url, Role.WRITE) as conn:
        park_id = load_registry(conn, "p").park.id
    pool = open_pool(api.url, Role.API)
    await pool.open()
    try:
        async with pool.connection() as conn_api:
            for other in (numbers["beta"], PARK_WIDE):
                with pytest.raises(NotAllowed, match="your own firm only"):
                    await enter_context_as(
                        conn_api, "tenant", park_id, [entry(1.0), entry(2.0, 1)], [numbers["alpha"], other]
                    )
    finally:
        await pool.close()

    assert in_force(api.url) == []


async def test_a_batch_is_entered_whole_or_not_at_all(api: Api) -> None:
    shapes = await post(api, "operator", said(1.0), said(-1.0, start="2026-04"), said(2.0, series="producton_t"))
    overlap = await post(api, "operator", said(1.0), said(2.0, start="2026-03-05"))

    assert (shapes.status, overlap.status) == (422, 422)
    assert "values[1]: value -1 is below 0" in shapes.body["detail"]
    assert "values[2]: series 'producton_t' is not one; did you mean production_t?" in shapes.body["detail"]
    assert (
        "values[1]: production_t from 2026-03-05 00:00:00 to 2026-03-06 00:00:00 covers only a part"
        in overlap.body["detail"]
    )
    assert await listed(api, "operator", history=True) == []


async def test_history_shows_who_superseded_what(api: Api) -> None:
    await post(api, "operator", said(10.0))
    await post(api, "tenant", said(11.0))
    await post(api, "tenant", said(None))

    answer = await api.api("context", "tenant", park="p", history=True)

    assert [(one["value"], one["recorded_by"], one["superseded_by"]) for one in answer.body] == [
        (10.0, "operator", "tenant"),
        (11.0, "tenant", "tenant"),
    ]
    assert await listed(api, "tenant") == []
    assert answer.body[0]["unit"] == "t"
    assert answer.body[0]["start"] == "2026-03-01T00:00:00+07:00"


# The table.

TABLE = """\
tenant,series,start,stop,value,note
alpha,production_t,2026-10,,120.5,ERP
beta,employees,2026-10-01T00:00:00+07:00,2026-11-01T00:00:00+07:00,412,
_park,area,2026,,86.4,land register

gamma,production_t,2026-10,,1,
alpha,production_t,2026-10-05,,3,
alpha,turnover,2026-10,,much,
alpha,producton_t,2026-10,,1,
"""


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", "context", *arguments, "--park", "p"],
        env={**environment, "KAWASAN_DATABASE_URL": url},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_table_is_entered_and_its_bad_lines_are_told(kawasan_url: str, tmp_path: Path) -> None:
    apply_to(kawasan_url, PARK)
    path = tmp_path / "october.csv"
    path.write_text(TABLE, encoding="utf-8")

    dry = run(kawasan_url, "import", str(path), "--dry-run")
    nothing = in_force(kawasan_url)
    first = run(kawasan_url, "import", str(path))
    again = run(kawasan_url, "import", str(path))

    lines = first.stdout.splitlines()
    assert (dry.returncode, first.returncode, again.returncode, nothing) == (1, 1, 1, [])
    assert "3 values would be entered" in dry.stdout
    assert [line.partition(":")[0] for line in lines] == [
        "line 6", "line 7", "line 8", "line 9", "3 values entered, 0 withdrawn, 0 are as they were, 4 refused",
    ]  # fmt: skip
    assert "has no tenant 'gamma'" in lines[0]
    assert "covers only a part of the value 120.5" in lines[1]
    assert "value 'much' is not a number" in lines[2]
    assert "did you mean production_t?" in lines[3]
    assert "0 values entered, 0 withdrawn, 3 are as they were, 4 refused" in again.stdout
    assert sorted(value for *_, value in in_force(kawasan_url)) == [86.4, 120.5, 412.0]


def test_a_table_withdraws_and_the_list_tells_it(timescale_url: str, tmp_path: Path) -> None:
    apply_to(timescale_url, PARK)
    enter(timescale_url, entry(5.0), by="ann")
    path = tmp_path / "mended.csv"
    path.write_text("tenant,series,start,value\nalpha,production_t,2026-10-01,withdraw\n", encoding="utf-8")

    imported = run(timescale_url, "import", str(path))
    shown = run(timescale_url, "list", "--from", "2026-10", "--history")

    assert (imported.returncode, shown.returncode) == (0, 0)
    assert "alpha  production_t  2026-10-01 00:00 to 2026-10-02 00:00  5" in shown.stdout
    assert "by ann; superseded" in shown.stdout


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("tenant,series,value\n", "the table lacks start"),
        ("tenant,series,start,value,unit\n", "the table has the unknown column 'unit'"),
        ("", "the table lacks tenant, series, start, value"),
        ('tenant,series,start,value\nalpha,"production_t,2026\n', "the table cannot be read"),
    ],
)
def test_a_table_of_another_shape_is_refused_whole(timescale_url: str, tmp_path: Path, text: str, wrong: str) -> None:
    apply_to(timescale_url, PARK)
    path = tmp_path / "odd.csv"
    path.write_text(text, encoding="utf-8")

    refused = run(timescale_url, "import", str(path))

    assert refused.returncode == 1
    assert wrong in refused.stderr


# MQTT.


def batch(url: str, content: object, of: str = "alpha") -> Batch:
    with connect(url, Role.WRITE) as conn:
        directory = Directory.of([load_registry(conn, "p")])
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    message = Message(topic=f"kawasan/v1/p/{of}/_context".encode(), payload=payload, received_us=OCTOBER_US)
    return decode([message], directory, OCTOBER_US, Limits())


def publish(url: str, content: object, of: str = "alpha") -> Outcome:
    with closing(ReadingSink(url)) as sink:
        return sink.write(batch(url, content, of))


def spoken(value: object, start: str = "2026-10-01", **rest: object) -> dict[str, object]:
    return {"series": "production_t", "start": start, "value": value, **rest}


def test_values_come_by_mqtt_with_their_source_as_who(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)

    outcome = publish(kawasan_url, spoken(5.5, note="line 2"))
    with connect(kawasan_url, Role.WRITE) as conn:
        (row,) = list_context(conn, "p")

    assert (outcome.stored, outcome.received) == (1, 1)
    assert (row.tenant, row.value, row.note, row.recorded_by) == ("alpha", 5.5, "line 2", "mqtt:p/alpha")


def test_the_operators_topic_is_for_the_whole_park(kawasan_url: str) -> None:
    apply_to(kawasan_url, park_file(tenant("_park", meter("m", channel("power")))))

    publish(kawasan_url, spoken(5.5), of="_park")

    assert [number for number, *_ in in_force(kawasan_url)] == [PARK_WIDE]


def test_good_values_are_stored_beside_bad_ones_and_the_ledger_adds_up(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(1.0, 10, days=5))
    values = [spoken(1), spoken("2", "2026-10-02"), spoken(3, "2026-10-03", serie="x"), spoken(4, "2026-10-12"), 5]

    outcome = publish(kawasan_url, {"values": values, "_sequence": 7})
    with connect(kawasan_url, Role.WRITE) as conn:
        ledger = conn.execute("SELECT source, messages, stored, duplicate, conflict, rejected FROM ledger").fetchall()
        places = conn.execute("SELECT place, reason FROM rejection ORDER BY place").fetchall()

    assert outcome == Outcome(stored=1, rejected={Reason.CONTEXT: 3, Reason.MALFORMED: 1})
    assert ledger == [("p/alpha", 1, 1, 0, 0, 4)]
    assert places == [
        ("values[1]", "context"),
        ("values[2]", "context"),
        ("values[3]", "context"),
        ("values[4]", "malformed"),
    ]
    assert sorted(value for *_, value in in_force(kawasan_url)) == [1.0, 1.0]


def test_a_message_that_comes_twice_is_a_duplicate(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    publish(kawasan_url, spoken(5.5))

    assert publish(kawasan_url, spoken(5.5)) == Outcome(duplicate=1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", Reason.MALFORMED),
        (b"\xff", Reason.ENCODING),
        (b'{"series": "a\x00"}', Reason.ENCODING),
        ([1], Reason.MALFORMED),
        ({"values": []}, Reason.MALFORMED),
        ({"values": 3}, Reason.MALFORMED),
        ({"values": [{}], "more": 1}, Reason.MALFORMED),
        (b'{"series": "production_t", "series": "turnover", "start": "2026", "value": 1}', Reason.MALFORMED),
        ({}, Reason.CONTEXT),
        (spoken(None), Reason.CONTEXT),
        (spoken(1, tenant="beta"), Reason.CONTEXT),
    ],
)
def test_a_message_that_makes_no_sense_is_a_rejection(kawasan_url: str, content: object, reason: Reason) -> None:
    apply_to(kawasan_url, PARK)

    assert publish(kawasan_url, content) == Outcome(rejected={reason: 1})
    assert in_force(kawasan_url) == []


def test_a_topic_of_nobody_is_a_rejection(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)

    assert batch(kawasan_url, spoken(1), of="gamma").rejections[0].reason is Reason.UNKNOWN_METER


# What is made of them.


def cycles(url: str) -> None:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        while run_cycle(conn, park, cycle_rows=200_000, now_us=NEVER_US).spans:
            continue


def stored(url: str, level: Level) -> dict[tuple[str, int], tuple[float, int]]:
    """Value and time of computing of alpha's, beta's and the park's electricity per tonne, by kind and id."""
    with connect(url, Role.WRITE) as conn:
        registry = load_registry(conn, "p")
        subjects = [(SubjectKind.PARK.code, registry.park.id)]
        subjects += [(SubjectKind.TENANT.code, one.id) for one in registry.tenants]
        kinds, numbers = (np.array(column) for column in zip(*subjects, strict=True))
        frame = read_kpis(
            conn,
            ["electricity_intensity_t"],
            (kinds.astype(np.int16), numbers.astype(np.int32)),
            level,
            start_us=DAY_START_US - 400 * DAY_US,
            stop_us=DAY_START_US + DAY_US,
        )
    names = {one.id: one.key for one in registry.tenants}
    return {
        (names[int(number)] if kind == SubjectKind.TENANT.code else "park", int(start_us)): (
            float(measured),
            int(reason),
        )
        for kind, number, start_us, measured, reason in zip(
            frame.subject_kind, frame.subject_id, frame.start_us, frame.measured, frame.reason, strict=True
        )
    }


async def test_the_engine_makes_kpis_anew_when_a_value_is_entered_and_corrected(api: Api) -> None:
    """Alpha uses 1440 kWh on the day."""
    before = stored(api.url, Level.DAY)["alpha", DAY_START_US]

    await post(api, "tenant", said(10.0, start="2026-03-02"))
    cycles(api.url)
    first = stored(api.url, Level.DAY)["alpha", DAY_START_US]
    await post(api, "tenant", said(20.0, start="2026-03-02"))
    cycles(api.url)
    second = stored(api.url, Level.DAY)["alpha", DAY_START_US]
    await post(api, "tenant", said(None, start="2026-03-02"))
    cycles(api.url)
    last = stored(api.url, Level.DAY)["alpha", DAY_START_US]

    assert np.isnan(before[0])
    assert first[0] == pytest.approx(144.0)
    assert second[0] == pytest.approx(72.0)
    assert np.isnan(last[0])


async def test_months_and_years_are_made_anew_too(api: Api) -> None:
    await post(api, "operator", said(10.0, start="2026-03-02"))
    cycles(api.url)

    for level, start in ((Level.MONTH, "2026-03-01T00:00:00+07:00"), (Level.YEAR, "2026-01-01T00:00:00+07:00")):
        assert stored(api.url, level)["alpha", parse_instant(start)][0] == pytest.approx(144.0)


async def test_a_kpi_made_on_reading_uses_what_was_entered(api: Api) -> None:
    """Weeks are made on reading, from the stored days."""
    await post(api, "tenant", said(10.0, start="2026-03-02"))
    cycles(api.url)

    week = await api.api("kpis/electricity_intensity_t", "tenant", subject="tenant:p/alpha", level="week", **DAY)

    assert week.body["values"][0]["measured"] == pytest.approx(144.0)


async def test_as_of_answers_from_what_was_entered_by_then(api: Api) -> None:
    await post(api, "tenant", said(10.0, start="2026-03-02"))
    (row,) = (await api.api("context", "tenant", park="p")).body
    await post(api, "tenant", said(20.0, start="2026-03-02"))
    cycles(api.url)

    then = await api.api(
        "kpis/electricity_intensity_t", "tenant", subject="tenant:p/alpha", level="day", as_of=row["recorded_at"], **DAY
    )
    now = await api.api("kpis/electricity_intensity_t", "tenant", subject="tenant:p/alpha", level="day", **DAY)

    assert then.body["values"][0]["measured"] == pytest.approx(144.0)
    assert now.body["values"][0]["measured"] == pytest.approx(72.0)


def test_a_span_of_context_is_no_tick(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    enter(kawasan_url, entry(1.0))

    cycles(kawasan_url)
    with connect(kawasan_url, Role.WRITE) as conn:
        park = load_registry(conn, "p").park

    assert park.ticked_to_us is None
