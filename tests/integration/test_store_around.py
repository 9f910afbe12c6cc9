"""What the engine reads around a span."""

import numpy as np
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

    readings, complete_before, complete_after = around(
        kawasan_url, *((channels[0], int(from_us), int(to_us)) for from_us, to_us in edges)
    )

    wanted: set[int] = set()
    for (from_us, to_us), before, after in zip(edges, complete_before, complete_after, strict=True):
        inside = np.flatnonzero((times >= from_us) & (times <= to_us))
        first, last = np.searchsorted(times, from_us), np.searchsorted(times, to_us, side="right")
        wanted.update(range(max(first - 2, 0), min(last + 2, len(times))))
        wanted.update(inside.tolist())
        assert (bool(before), bool(after)) == (first <= 2, last >= len(times) - 2)
    assert readings.value.tolist() == sorted(wanted)


def test_knowing_how_far_apart_readings_are_changes_nothing(kawasan_url: str, channels: list[int]) -> None:
    rng = np.random.default_rng(1)
    minutes = np.unique(rng.integers(0, 3000, 400))
    for one in channels:
        store(kawasan_url, *((one, NOON_US + int(minute) * 60_000_000, float(minute)) for minute in minutes))
    # One value of each clashes with what is stored.
    store(kawasan_url, *((one, NOON_US + int(minutes[200]) * 60_000_000, -1.0) for one in channels))
    first = np.sort(rng.integers(-200, 3200, 60)) * 60_000_000 + NOON_US
    channel_id = np.repeat(np.array(channels, dtype=np.int32), 60)
    from_us, to_us = np.tile(first, 2), np.tile(first + rng.integers(0, 90, 60) * 60_000_000, 2)

    with connect(kawasan_url, Role.WRITE) as conn:
        slowly = readings_around(conn, channel_id, from_us, to_us, 3)
        for step_s in (60, 450, 3600):
            step_us = np.full(len(from_us), step_s * 1_000_000)
            quickly = readings_around(conn, channel_id, from_us, to_us, 3, step_us)

            for column in ("channel_id", "ts_us", "value", "quality", "conflict"):
                assert getattr(quickly[0], column).tolist() == getattr(slowly[0], column).tolist()
            assert [side.tolist() for side in quickly[1:]] == [side.tolist() for side in slowly[1:]]
