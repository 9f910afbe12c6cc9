"""Closed months and recomputation on a real database: snapshots stay, what comes later stands beside them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import Connection
from typer.testing import CliRunner

from domain.errors import InputError
from domain.time import DAY_US, Level, parse_instant
from service.cli.main import app
from service.engine import run_engine
from service.periods import month_of
from service.recompute import channels_named, recompute
from store import Role, connect, load_registry
from store.closing import close_period, closed_periods
from tests.integration.test_engine import BASE_US, cycles, firm, write
from tests.support.databases import apply_to, park_file

MARCH_US = parse_instant("2026-03-01T00:00:00+07:00")
APRIL_US = parse_instant("2026-04-01T00:00:00+07:00")


def march(channel_id: int, kwh: float = 1.0) -> list[tuple[int, int, float]]:
    """A register that is read at the end of every base interval of March 2026 and rises evenly."""
    return [(channel_id, MARCH_US + step * BASE_US, kwh * step) for step in range(31 * 96 + 1)]


def close_march(conn: Connection[Any]) -> int:
    return close_period(conn, load_registry(conn, "p").park.id, Level.MONTH, MARCH_US, APRIL_US, "invoice", "test")


@pytest.fixture
def final_march(kawasan_url: str) -> tuple[str, int]:
    """A database in which March is computed and final, and the channel it was measured by."""
    ids = apply_to(kawasan_url, park_file(firm("a")))
    channel_id = ids["a/main/energy_import"]
    write(kawasan_url, march(channel_id))
    cycles(kawasan_url, APRIL_US)
    return kawasan_url, channel_id


@contextmanager
def engine_at(url: str) -> Iterator[None]:
    stop = threading.Event()
    loop = threading.Thread(
        target=run_engine,
        args=(url,),
        kwargs={"park_keys": None, "cycle_rows": 200_000, "poll_s": 0.2, "stop": stop},
    )
    loop.start()
    try:
        yield
    finally:
        stop.set()
        loop.join(20.0)


def test_what_changes_after_a_month_was_closed_stands_beside_it(final_march: tuple[str, int]) -> None:
    url, channel_id = final_march
    with connect(url, Role.MIGRATE) as conn:
        period = close_march(conn)

    # Another value for the reading at step 10: neither is used from now on. One between steps 10 and 11 comes late, so that
    # the register at step 10 is 9 + (10.9 - 9) x 900 / 1350 = 10.2667, and the peak is 4 x 1.2667.
    write(url, [(channel_id, MARCH_US + 10 * BASE_US, 10.4)])
    write(url, [(channel_id, MARCH_US + 10 * BASE_US + BASE_US // 2, 10.9)])
    cycles(url)

    with connect(url, Role.WRITE) as conn:
        closed: dict[str, float] = dict(
            conn.execute(
                b"SELECT kpi, value FROM closed_kpi WHERE period_id = %s AND subject_kind = 0", [period]
            ).fetchall()
        )
        adjusted = conn.execute(
            b"SELECT kpi, closed_value, value FROM adjustment WHERE subject_kind = 0 AND kpi = 'demand_peak'"
        ).fetchall()
        (listed,) = closed_periods(conn, "p")
    assert closed["electricity"] == pytest.approx(31 * 96.0)
    assert closed["demand_peak"] == pytest.approx(4.0)
    assert adjusted == [("demand_peak", pytest.approx(4.0), pytest.approx(4 * (1.9 * 900 / 1350)))]
    assert listed.adjusted >= 1


def test_recomputing_a_closed_month_that_nothing_changed_adjusts_nothing(final_march: tuple[str, int]) -> None:
    url, _ = final_march
    with connect(url, Role.MIGRATE) as conn:
        close_march(conn)

    with engine_at(url), connect(url, Role.WRITE, autocommit=True) as conn:
        registry = load_registry(conn, "p")
        done = recompute(
            conn, registry, channels_named(registry, ()), MARCH_US, APRIL_US, 60.0, lambda _: None, most_shown=10
        )

        assert done.is_equal
        assert done.amounts >= 31 * 97
        assert done.kpis > 31
        assert conn.execute(b"SELECT count(*) FROM adjustment").fetchone() == (0,)


def test_a_stored_number_that_does_not_follow_from_the_readings_is_found(final_march: tuple[str, int]) -> None:
    url, channel_id = final_march
    with connect(url, Role.WRITE) as conn:
        conn.execute(
            b"UPDATE amount SET amount = amount + 5 WHERE channel_id = %s AND level = 0 AND start = to_timestamp(%s)",
            [channel_id, (MARCH_US + DAY_US) / 1e6],
        )

    with engine_at(url), connect(url, Role.WRITE, autocommit=True) as conn:
        registry = load_registry(conn, "p")
        named = channels_named(registry, ["p/a/main/energy_import"])
        done = recompute(
            conn, registry, named, MARCH_US + DAY_US, MARCH_US + 2 * DAY_US, 60.0, lambda _: None, most_shown=10
        )

    assert not done.is_equal
    (found,) = done.differing_amounts
    assert (found.channel_id, found.level) == (channel_id, 0)
    assert [found.before, found.after] == pytest.approx([6.0, 1.0])


def test_a_month_is_closed_once_and_only_when_it_is_final(kawasan_url: str) -> None:
    ids = apply_to(kawasan_url, park_file(firm("a")))
    write(kawasan_url, march(ids["a/main/energy_import"]))
    with (
        connect(kawasan_url, Role.MIGRATE) as conn,
        pytest.raises(InputError, match="not final yet"),
        conn.transaction(),
    ):
        close_march(conn)
    cycles(kawasan_url, APRIL_US)

    with connect(kawasan_url, Role.MIGRATE) as conn:
        close_march(conn)
        with pytest.raises(InputError, match="closed before"), conn.transaction():
            close_march(conn)


def test_a_month_with_work_in_the_queue_is_not_closed(final_march: tuple[str, int]) -> None:
    url, channel_id = final_march
    write(url, [(channel_id, MARCH_US + 5 * BASE_US + 60_000_000, 5.1)])

    with connect(url, Role.MIGRATE) as conn, pytest.raises(InputError, match="still has to compute"):
        close_march(conn)


def test_a_month_is_written_in_one_way_only(final_march: tuple[str, int]) -> None:
    with connect(final_march[0], Role.WRITE) as conn:
        park = load_registry(conn, "p").park

    assert month_of(park, "2026-03") == (MARCH_US, APRIL_US)
    for text in ("2026-13", "2026-3", "March", "2026-03-01", ""):
        with pytest.raises(InputError, match="2026-10"):
            month_of(park, text)


def test_the_commands_close_and_list_and_recompute(
    final_march: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = final_march
    monkeypatch.setenv("KAWASAN_DATABASE_URL", url)
    run = CliRunner()

    closed = run.invoke(app, ["period", "close", "2026-03", "--park", "p", "--note", "invoice"])
    listed = run.invoke(app, ["period", "list", "--park", "p"])
    with engine_at(url):
        again = run.invoke(
            app,
            ["recompute", "--park", "p", "--from", "2026-03-02T00:00:00+07:00", "--to", "2026-03-04T00:00:00+07:00"],
        )

    assert "2026-03 of park p is closed" in closed.output
    assert "invoice" in listed.output
    assert "nothing changed since" in listed.output
    assert again.exit_code == 0, again.output
    assert "computed again and equal" in again.output
