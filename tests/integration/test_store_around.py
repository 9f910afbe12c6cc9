"""What the engine reads around a span."""

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from domain.frames import Readings
from domain.time import DAY_US
from store.connection import Role, connect
from store.readings import ReadingSink, readings_around
from tests.support.databases import NOON_US, apply_to, batch_of, channel, meter, park_file, tenant


@pytest.fixture
def channels(kawasan_url: str) -> list[int]:
    ids = apply_to(kawasan_url, park_file(tenant("a", meter("m", channel("ph"), channel("cod")))))
    return [ids["a/m/ph"], ids["a/m/cod"]]


def store(url: str, *rows: tuple[int, int, float]) -> None:
    sink = ReadingSink(url)
    sink.write(batch_of(rows))
    sink.close()


def around(
    url: str, *spans: tuple[int, int, int], margin: int = 2
) -> tuple[Readings, NDArray[np.bool_], NDArray[np.bool_]]:
    channel_id, from_us, to_us = (np.array(column) for column in zip(*spans, strict=True))
    with connect(url, Role.WRITE) as conn:
        return readings_around(conn, channel_id.astype(np.int32), from_us, to_us, margin)


def test_a_span_comes_with_its_neighbours_on_both_sides(kawasan_url: str, channels: list[int]) -> None:
    store(kawasan_url, *((channels[0], NOON_US + n, float(n)) for n in range(10)))

    readings, complete_before, complete_after = around(kawasan_url, (channels[0], NOON_US + 4, NOON_US + 5))

    assert readings.value.tolist() == [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert complete_before.tolist() == complete_after.tolist() == [False]


def test_a_side_is_complete_when_there_is_nothing_beyond(kawasan_url: str, channels: list[int]) -> None:
    store(kawasan_url, *((channels[0], NOON_US + n, float(n)) for n in range(10)))

    readings, complete_before, complete_after = around(kawasan_url, (channels[0], NOON_US + 2, NOON_US + 8))

    assert readings.value.tolist() == list(range(10))
    assert complete_before.tolist() == [True]
    assert complete_after.tolist() == [True]


def test_neighbours_are_found_years_away(kawasan_url: str, channels: list[int]) -> None:
    far = [NOON_US - 1000 * DAY_US, NOON_US - 999 * DAY_US, NOON_US - 400 * DAY_US, NOON_US, NOON_US + 900 * DAY_US]
    store(kawasan_url, *((channels[0], ts_us, 1.0) for ts_us in far))

    readings, complete_before, complete_after = around(kawasan_url, (channels[0], NOON_US, NOON_US))

    assert readings.ts_us.tolist() == far[1:]
    assert complete_before.tolist() == [False]
    assert complete_after.tolist() == [True]


def test_other_readings_of_the_same_day_are_neighbours_too(kawasan_url: str, channels: list[int]) -> None:
    store(kawasan_url, *((channels[0], NOON_US + n * 3_600_000_000, float(n)) for n in range(-3, 4)))

    readings, complete_before, _ = around(kawasan_url, (channels[0], NOON_US, NOON_US), margin=1)

    assert readings.value.tolist() == [-1.0, 0.0, 1.0]
    assert complete_before.tolist() == [False]


def test_readings_around_two_spans_come_once(kawasan_url: str, channels: list[int]) -> None:
    store(kawasan_url, *((which, NOON_US + n, float(n)) for which in channels for n in range(6)))
    spans = [
        (channels[1], NOON_US + 3, NOON_US + 3),
        (channels[0], NOON_US, NOON_US + 1),
        (channels[0], NOON_US + 4, NOON_US + 9),
    ]

    readings, complete_before, complete_after = around(kawasan_url, *spans)

    expected = [(channels[0], n) for n in range(6)] + [(channels[1], n) for n in range(1, 6)]
    assert list(zip(readings.channel_id.tolist(), (readings.ts_us - NOON_US).tolist(), strict=True)) == expected
    assert complete_before.tolist() == [False, True, False]
    assert complete_after.tolist() == [True, False, True]


def test_a_key_that_two_values_claim_is_marked(kawasan_url: str, channels: list[int]) -> None:
    store(kawasan_url, *((channels[0], NOON_US + n, 1.0) for n in range(3)), (channels[0], NOON_US + 1, 2.0))

    readings, _, _ = around(kawasan_url, (channels[0], NOON_US, NOON_US + 2))

    assert readings.conflict.tolist() == [False, True, False]


def test_a_channel_without_readings_has_none_around(kawasan_url: str, channels: list[int]) -> None:
    readings, complete_before, complete_after = around(kawasan_url, (channels[0], NOON_US, NOON_US + DAY_US))

    assert len(readings) == 0
    assert complete_before.tolist() == complete_after.tolist() == [True]


def test_no_spans_give_no_readings(kawasan_url: str) -> None:
    empty = np.empty(0, dtype=np.int64)
    with connect(kawasan_url, Role.WRITE) as conn:
        readings, complete_before, _ = readings_around(conn, empty.astype(np.int32), empty, empty, 2)

    assert len(readings) == len(complete_before) == 0


def test_what_is_read_equals_a_plain_reading_of_the_table(kawasan_url: str, channels: list[int]) -> None:
    random = np.random.default_rng(7)
    times = np.unique(NOON_US + random.integers(-40, 40, 60) * (DAY_US // 3) + random.integers(0, 3, 60))
    store(kawasan_url, *((channels[0], int(ts_us), float(n)) for n, ts_us in enumerate(times)))
    edges = np.sort(random.choice(np.arange(-45, 45), 8, replace=False)).reshape(4, 2) * DAY_US + NOON_US

    readings, complete_before, complete_after = around(kawasan_url, *((channels[0], *map(int, edge)) for edge in edges))

    wanted = set()
    for (from_us, to_us), before, after in zip(edges, complete_before, complete_after, strict=True):
        inside = np.flatnonzero((times >= from_us) & (times <= to_us))
        first, last = np.searchsorted(times, from_us), np.searchsorted(times, to_us, side="right")
        wanted.update(range(max(first - 2, 0), min(last + 2, len(times))))
        wanted.update(inside.tolist())
        assert (bool(before), bool(after)) == (first <= 2, last >= len(times) - 2)
    assert readings.value.tolist() == sorted(wanted)


def chunks_of(plan: object) -> set[str]:
    """Names of the chunks a plan of EXPLAIN (FORMAT JSON) reads."""
    if isinstance(plan, list):
        return set().union(*(chunks_of(part) for part in plan)) if plan else set()
    if not isinstance(plan, dict):
        return set()
    own = {str(plan["Relation Name"])} if str(plan.get("Relation Name", "")).startswith("_hyper_") else set()
    return own.union(*(chunks_of(part) for part in plan.values()))


def test_a_recent_span_does_not_open_the_chunks_of_the_past(timescale_url: str) -> None:
    ids = apply_to(timescale_url, park_file(tenant("a", meter("m", channel("ph")))))
    rows = [(ids["a/m/ph"], NOON_US - week * 7 * DAY_US + n, 1.0) for week in range(30) for n in range(5)]
    store(timescale_url, *rows)
    plans: list[object] = []

    class Explaining(psycopg.Connection[tuple[object, ...]]):
        """Answers as usual, and remembers how the hot query was planned."""

        def execute(self, query: object, params: object = None, **rest: object) -> psycopg.Cursor[tuple[object, ...]]:  # type: ignore[override]
            if isinstance(query, bytes) and b"LATERAL" in query and b"FROM reading b" in query:
                plans.append(super().execute(b"EXPLAIN (FORMAT JSON) " + query, params).fetchone())  # type: ignore[arg-type]
            return super().execute(query, params, **rest)  # type: ignore[arg-type]

    with connect(timescale_url, Role.WRITE) as conn:
        conn.__class__ = Explaining
        channel_id, span_us = np.array([ids["a/m/ph"]], dtype=np.int32), np.array([NOON_US])
        readings, _, _ = readings_around(conn, channel_id, span_us, span_us + 1, 2)
        every = conn.execute("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'")
        chunks = every.fetchone()

    assert len(readings) == 6
    assert chunks is not None
    assert int(str(chunks[0])) >= 30
    assert len(plans) == 1
    assert 1 <= len(chunks_of(list(plans[0]))) <= 3  # type: ignore[call-overload]
