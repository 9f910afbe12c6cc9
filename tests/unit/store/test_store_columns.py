"""A batch put in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.readings import ReadingBatch
from domain.time import DAY_US
from store.columns import arrange, by_day, newest_by_channel


def readings(*rows: tuple[int, int, float]) -> ReadingBatch:
    return ReadingBatch(
        message=np.arange(len(rows), dtype=np.int32),
        channel_id=np.array([row[0] for row in rows], dtype=np.int32),
        ts_us=np.array([row[1] for row in rows], dtype=np.int64),
        value=np.array([row[2] for row in rows], dtype=np.float64),
        quality=np.zeros(len(rows), dtype=np.int32),
    )


def test_readings_are_sorted_by_key_and_those_of_a_key_by_arrival() -> None:
    arranged = arrange(readings((2, 5, 1.0), (1, 9, 2.0), (2, 5, 3.0), (1, 4, 4.0)))

    assert arranged.value.tolist() == [4.0, 2.0, 1.0, 3.0]
    assert arranged.key.tolist() == [0, 1, 2, 2]
    assert arranged.first.tolist() == [0, 1, 2]
    assert arranged.message.tolist() == [3, 1, 0, 2]


def test_nothing_is_arranged_to_nothing() -> None:
    arranged = arrange(readings())

    assert len(arranged) == len(arranged.first) == 0
    assert len(by_day(arranged.channel_id, arranged.ts_us).n) == 0
    assert len(newest_by_channel(arranged.channel_id)) == 0


def test_days_are_utc_days_and_end_before_midnight() -> None:
    days = by_day(np.array([1, 1, 1, 2], dtype=np.int32), np.array([-1, 0, DAY_US - 1, 0]))

    assert days.channel_id.tolist() == [1, 1, 2]
    assert days.day_us.tolist() == [-DAY_US, 0, 0]
    assert days.first_us.tolist() == [-1, 0, 0]
    assert days.last_us.tolist() == [-1, DAY_US - 1, 0]
    assert days.n.tolist() == [1, 2, 1]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(-3 * DAY_US, 3 * DAY_US)), max_size=40))
def test_days_and_newest_equal_a_plain_count(rows: list[tuple[int, int]]) -> None:
    rows.sort()
    channel_id = np.array([row[0] for row in rows], dtype=np.int32)
    ts_us = np.array([row[1] for row in rows], dtype=np.int64)

    days, newest = by_day(channel_id, ts_us), newest_by_channel(channel_id)

    plain: dict[tuple[int, int], list[int]] = {}
    for channel, moment in rows:
        plain.setdefault((channel, moment // DAY_US * DAY_US), []).append(moment)
    columns = (days.channel_id, days.day_us, days.first_us, days.last_us, days.n)
    got = list(zip(*(column.tolist() for column in columns), strict=True))
    assert got == [(*place, min(times), max(times), len(times)) for place, times in plain.items()]
    assert [rows[place] for place in newest.tolist()] == [
        max(row for row in rows if row[0] == channel) for channel in sorted({row[0] for row in rows})
    ]
