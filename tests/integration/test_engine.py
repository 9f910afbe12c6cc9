"""The engine on a real database: silence is seen, a span that fails is set aside, an import does not stop the rest."""

import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from domain.frames import NullReason, SubjectKind
from domain.time import HOUR_US, Level, parse_instant
from kpi.gather import gather
from kpi.ranges import Ranges
from service.engine import run_cycle, run_engine
from service.engine.loop import due_tick
from store import ReadingSink, Role, connect, load_registry
from store.amounts import read_amounts
from store.kpis import read_kpis
from store.spans import append_tick, faults, pending_spans
from tests.support.databases import apply_to, batch_of, channel, meter, park_file, tenant

DAY_START_US = parse_instant("2026-03-01T00:00:00+07:00")
BASE_US = 900_000_000
REGISTER: dict[str, Any] = {"resolution": 0.01, "interval_s": 900}


def firm(key: str) -> dict[str, Any]:
    return tenant(key, meter("main", channel("energy_import", "register", **REGISTER)))


def registers(channel_id: int, first: int, last: int) -> list[tuple[int, int, float]]:
    """A reading at the end of every base interval from one to another, 10 kWh each."""
    return [(channel_id, DAY_START_US + step * BASE_US, 10.0 * step) for step in range(first, last + 1)]


def write(url: str, rows: list[tuple[int, int, float]]) -> None:
    with closing(ReadingSink(url)) as sink:
        sink.write(batch_of(rows))


def cycles(url: str, tick_us: int | None = None, *, cycle_rows: int = 200_000) -> list[int]:
    """Run cycles until the queue is empty; how many rows each took."""
    taken = []
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        if tick_us is not None:
            append_tick(conn, park.id, tick_us)
        while (done := run_cycle(conn, park, cycle_rows=cycle_rows, now_us=DAY_START_US)).spans:
            taken.append(done.spans)
    return taken


def park_day(url: str, kpi: str) -> Any:
    """The stored KPI of the park on the day, as a frame of one row."""
    with connect(url, Role.WRITE) as conn:
        park = load_registry(conn, "p").park
        kinds, ids = np.array([SubjectKind.PARK.code], dtype=np.int16), np.array([park.id], dtype=np.int32)
        day = DAY_START_US + 24 * HOUR_US
        frame = read_kpis(conn, [kpi], (kinds, ids), Level.DAY, start_us=DAY_START_US, stop_us=day)
    assert len(frame) == 1
    return frame


def test_a_meter_that_falls_silent_makes_the_day_incomplete_without_any_message(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, park_file(firm("a"), firm("b")))
    write(kawasan_url, [*registers(ids["a/main/energy_import"], 0, 96), *registers(ids["b/main/energy_import"], 0, 48)])
    noon = DAY_START_US + 12 * HOUR_US
    cycles(kawasan_url, noon)
    assert park_day(kawasan_url, "electricity").total_coverage[0] == pytest.approx(1.0)

    cycles(kawasan_url, DAY_START_US + 24 * HOUR_US)

    electricity, availability = park_day(kawasan_url, "electricity"), park_day(kawasan_url, "availability")
    assert electricity.total_coverage[0] == pytest.approx(0.75)
    assert electricity.reason[0] == NullReason.INSUFFICIENT_DATA
    assert np.isnan(electricity.value[0])
    assert electricity.measured[0] == pytest.approx(96 * 10.0 + 48 * 10.0)
    assert availability.value[0] == pytest.approx((96 + 49) / 192, abs=2 / 192)


def test_a_late_reading_raises_the_revision_of_final_rows_only(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, park_file(firm("a")))
    channel_id = ids["a/main/energy_import"]
    late = registers(channel_id, 0, 96)[40]
    write(kawasan_url, [row for row in registers(channel_id, 0, 96) if row != late])
    cycles(kawasan_url, DAY_START_US + 12 * HOUR_US)

    write(kawasan_url, [(late[0], late[1], late[2] + 3.0), (channel_id, DAY_START_US + 97 * BASE_US, 970.0)])
    cycles(kawasan_url)

    with connect(kawasan_url, Role.WRITE) as conn:
        rows = conn.execute(b"SELECT start, amount, revision FROM amount WHERE level = 0 ORDER BY start").fetchall()
    changed = {index: (amount, revision) for index, (_, amount, revision) in enumerate(rows) if revision > 0}
    assert changed == {39: (pytest.approx(13.0), 1), 40: (pytest.approx(7.0), 1)}


def test_a_span_that_fails_alone_is_set_aside_and_blocks_nothing(
    kawasan_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = apply_to(kawasan_url, park_file(firm("a"), firm("b")))
    good, bad = ids["a/main/energy_import"], ids["b/main/energy_import"]
    write(kawasan_url, [*registers(good, 0, 8), *registers(bad, 0, 8)])

    def failing(table: Any, grid: Any, touched: Ranges, load: Any) -> Any:
        if bad in touched.channel_id:
            raise ZeroDivisionError("as the test wants")
        return gather(table, grid, touched, load)

    monkeypatch.setattr("service.engine.amounts.gather", failing)

    cycles(kawasan_url)

    with connect(kawasan_url, Role.WRITE) as conn:
        park_id = load_registry(conn, "p").park.id
        (fault,) = faults(conn, park_id)
        frame = read_amounts(
            conn, Level.BASE, np.array([good, bad], dtype=np.int32), DAY_START_US, DAY_START_US + HOUR_US
        )
        assert pending_spans(conn, park_id)[0] == 0
    assert (fault.channel_id, fault.error) == (bad, "ZeroDivisionError: as the test wants")
    assert set(frame.channel_id.tolist()) == {good}
    assert frame.amount.tolist() == [10.0] * 4


def test_a_long_import_is_taken_in_parts_the_newest_first(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, park_file(firm("a")))
    write(kawasan_url, registers(ids["a/main/energy_import"], 0, 96 * 20))

    taken = cycles(kawasan_url, cycle_rows=500)

    assert len(taken) > 2
    with connect(kawasan_url, Role.WRITE) as conn:
        stored = conn.execute(b"SELECT sum(amount), count(amount) FROM amount WHERE level = 0").fetchone()
    assert stored == (pytest.approx(96 * 20 * 10.0), 96 * 20)


def test_the_loop_is_woken_by_a_commit_and_stops_when_told(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, park_file(firm("a")))
    stop = threading.Event()
    loop = threading.Thread(
        target=run_engine,
        args=(kawasan_url,),
        kwargs={"park_keys": None, "cycle_rows": 200_000, "poll_s": 60.0, "stop": stop},
    )
    loop.start()
    try:
        with connect(kawasan_url, Role.WRITE, autocommit=True) as conn:
            _until(lambda: conn.execute(b"SELECT ticked_to FROM park").fetchone() != (None,))
            write(kawasan_url, registers(ids["a/main/energy_import"], 0, 8))
            _until(lambda: conn.execute(b"SELECT count(amount) FROM amount WHERE level = 0").fetchone() == (8,))
    finally:
        stop.set()
        loop.join(10.0)
    assert not loop.is_alive()


def test_a_tick_is_due_only_after_the_lateness_allowance(kawasan_url: str) -> None:
    apply_to(kawasan_url, park_file(firm("a"), lateness_minutes=10))
    with connect(kawasan_url, Role.WRITE) as conn:
        park = load_registry(conn, "p").park
    noon = DAY_START_US + 12 * HOUR_US

    assert due_tick(park, noon + 599_000_000) == noon - BASE_US
    assert due_tick(park, noon + 600_000_000) == noon
    ticked = replace(park, ticked_to_us=noon)
    assert due_tick(ticked, noon + 600_000_000) is None


def _until(said: Any) -> None:
    waited = threading.Event()
    for _ in range(300):
        if said():
            return
        waited.wait(0.1)
    pytest.fail("did not come about in 30 s")
