"""Measures of the alarm system: loads, floods, chattering and stale alarms."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.flood import Journal, alarm_load, chattering, floods, is_told, stale
from domain.alarms import AlarmState, Severity, Step
from domain.errors import InputError
from domain.time import DAY_US, HOUR_US, SECOND_US

START_US = 1_795_482_000_000_000
TEN_MIN_US = 600 * SECOND_US
STATES, STEPS = tuple(AlarmState), tuple(Step)
ACTIVE = (AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_ACKED)

Row = tuple[int, Step, AlarmState, AlarmState, float, float, bool, Severity]


def journal(rows: list[Row]) -> Journal:
    """Rows of alarm, step, before, after, data time [s], recorded [s], announced, severity."""
    return Journal(
        alarm=np.array([row[0] for row in rows], dtype=np.int64),
        step=np.array([STEPS.index(row[1]) for row in rows], dtype=np.int8),
        before=np.array([STATES.index(row[2]) for row in rows], dtype=np.int8),
        after=np.array([STATES.index(row[3]) for row in rows], dtype=np.int8),
        at_us=np.array([START_US + round(row[4] * SECOND_US) for row in rows], dtype=np.int64),
        recorded_us=np.array([START_US + round(row[5] * SECOND_US) for row in rows], dtype=np.int64),
        announced=np.array([row[6] for row in rows], dtype=np.bool_),
        severity=np.array([row[7] for row in rows], dtype=np.int8),
    )


def raised(alarm: int, at_s: float, recorded_s: float | None = None, severity: Severity = Severity.LOW) -> Row:
    recorded_s = at_s if recorded_s is None else recorded_s
    return alarm, Step.RAISE, AlarmState.NORMAL, AlarmState.ACTIVE_UNACKED, at_s, recorded_s, True, severity


def moved(alarm: int, step: Step, before: AlarmState, after: AlarmState, at_s: float, *, told: bool = False) -> Row:
    return alarm, step, before, after, at_s, at_s, told, Severity.LOW


# Load


def test_the_load_counts_what_people_are_told_of_and_not_who_else_is_told() -> None:
    rows = [
        raised(1, 0, severity=Severity.HIGH),
        moved(1, Step.ESCALATE, AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_UNACKED, 60, told=True),
        moved(1, Step.ACKNOWLEDGE, AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_ACKED, 70),
        moved(1, Step.REALARM, AlarmState.ACTIVE_ACKED, AlarmState.ACTIVE_UNACKED, 80, told=True),
        moved(2, Step.RAISE, AlarmState.NORMAL, AlarmState.ACTIVE_UNACKED, 90),
        moved(2, Step.EXPIRE, AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_UNACKED, 95, told=True),
        moved(1, Step.CLEAR, AlarmState.ACTIVE_UNACKED, AlarmState.RETURNED_UNACKED, 99, told=True),
    ]

    load = alarm_load(journal(rows), START_US, START_US + HOUR_US)

    assert is_told(journal(rows)).tolist() == [True, False, False, True, False, True, False]
    assert (load.alarms, load.per_10_min, load.most_in_10_min) == (3, 0.5, 3)
    assert load.severity_share.tolist() == pytest.approx([2 / 3, 0, 1 / 3, 0])
    assert (load.busiest.tolist(), load.busiest_share) == ([1, 2], 1.0)
    assert (len(load.floods.start_us), load.flood_share) == (0, 0.0)


def test_only_what_was_recorded_in_the_time_is_counted() -> None:
    rows = journal([raised(1, -1), raised(2, 0), raised(3, 3599), raised(4, 3600)])

    assert alarm_load(rows, START_US, START_US + HOUR_US).alarms == 2


def test_no_alarms_have_no_shares() -> None:
    load = alarm_load(journal([]), START_US, START_US + HOUR_US)

    assert (load.alarms, load.per_10_min, load.most_in_10_min, load.flood_share) == (0, 0.0, 0, 0.0)
    assert np.isnan(load.severity_share).all()
    assert np.isnan(load.busiest_share)
    assert len(load.chattering) == len(load.stale) == len(load.busiest) == 0


def test_an_empty_time_has_no_rate_and_one_that_ends_before_it_begins_is_refused() -> None:
    assert np.isnan(alarm_load(journal([]), START_US, START_US).per_10_min)
    with pytest.raises(InputError, match="ends before it begins"):
        alarm_load(journal([]), START_US, START_US - 1)


def test_a_journal_out_of_order_or_with_columns_of_different_lengths_is_refused() -> None:
    with pytest.raises(InputError, match="in the order in which they were recorded"):
        journal([raised(1, 10), raised(2, 5)])
    good = journal([raised(1, 10)])
    with pytest.raises(InputError, match="differ in length"):
        Journal(
            alarm=good.alarm[:0],
            step=good.step,
            before=good.before,
            after=good.after,
            at_us=good.at_us,
            recorded_us=good.recorded_us,
            announced=good.announced,
            severity=good.severity,
        )


def test_of_equally_busy_alarms_the_ten_with_the_lowest_ids_are_named() -> None:
    rows = [raised(alarm, 700 * place) for place, alarm in enumerate([30, *range(12, 0, -1), 30])]

    load = alarm_load(journal(rows), START_US, START_US + DAY_US)

    assert load.busiest.tolist() == [30, *range(1, 10)]
    assert load.busiest_share == pytest.approx(11 / 14)


# Floods


def times(*seconds: float) -> np.ndarray:
    return np.array([START_US + round(second * SECOND_US) for second in seconds], dtype=np.int64)


def test_ten_alarms_in_ten_minutes_are_no_flood_and_eleven_are() -> None:
    assert len(floods(times(*range(10))).start_us) == 0
    found = floods(times(*range(11)))

    assert (found.start_us - START_US).tolist() == [0]
    assert (found.stop_us - START_US).tolist() == [10 * SECOND_US]
    assert found.alarms.tolist() == [11]


def test_eleven_alarms_in_exactly_ten_minutes_are_no_flood() -> None:
    assert len(floods(times(*(60 * place for place in range(11)))).start_us) == 0
    assert len(floods(times(*(59.9 * place for place in range(11)))).start_us) == 1


def test_a_flood_that_goes_on_is_one_and_two_that_are_apart_are_two() -> None:
    going_on = times(*range(0, 1200, 30))
    apart = times(*range(11), *range(5000, 5020))

    assert floods(going_on).alarms.tolist() == [40]
    assert floods(apart).alarms.tolist() == [11, 20]


def test_two_full_ten_minutes_that_share_one_alarm_are_one_flood() -> None:
    assert floods(times(*[0] * 10, 599, *range(600, 610))).alarms.tolist() == [21]


def test_the_share_of_time_in_flood_is_that_between_its_first_and_last_alarm() -> None:
    rows = [raised(place, 36.0 * place) for place in range(101)]

    load = alarm_load(journal(rows), START_US, START_US + 2 * HOUR_US)

    assert load.flood_share == pytest.approx(0.5)
    assert load.most_in_10_min == 17


@given(st.lists(st.integers(0, 4000), max_size=80))
def test_floods_are_what_counting_each_ten_minutes_finds(seconds: list[int]) -> None:
    at_us = np.sort(times(*seconds)) if seconds else np.zeros(0, dtype=np.int64)
    windows = [[place for place, other in enumerate(at_us) if end - TEN_MIN_US < other <= end] for end in at_us]
    stretches: list[list[int]] = []
    for window in windows:
        # Of alarms at one instant the last has the whole window.
        if len(window) <= 10:
            continue
        if stretches and window[0] <= stretches[-1][1]:
            stretches[-1][1] = max(window[-1], stretches[-1][1])
        else:
            stretches.append([window[0], window[-1]])

    found = floods(at_us)

    assert found.start_us.tolist() == [at_us[first] for first, _ in stretches]
    assert found.stop_us.tolist() == [at_us[last] for _, last in stretches]
    assert found.alarms.tolist() == [last - first + 1 for first, last in stretches]


# Chattering


def test_an_alarm_that_is_raised_three_times_in_a_minute_chatters() -> None:
    rows = [raised(1, 0), raised(2, 1), raised(1, 30), raised(2, 32), raised(1, 60), raised(2, 61.1)]

    assert chattering(journal(rows)).tolist() == [1]


def test_a_burst_of_late_readings_is_no_chattering() -> None:
    rows = [raised(1, 0, 3600), raised(1, 1200, 3600), raised(1, 2400, 3600)]

    assert chattering(journal(rows)).tolist() == []


def test_what_chatters_on_a_shelf_chatters_too() -> None:
    rows = [(*raised(1, second)[:6], False, Severity.LOW) for second in (0, 10, 20)]

    assert chattering(journal(rows)).tolist() == [1]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 300)), max_size=60))
def test_chattering_is_what_looking_at_each_minute_finds(raises: list[tuple[int, int]]) -> None:
    by_alarm: defaultdict[int, list[int]] = defaultdict(list)
    for alarm, second in raises:
        by_alarm[alarm].append(second)
    expected = sorted(
        alarm
        for alarm, seconds in by_alarm.items()
        if any(sum(first <= second <= first + 60 for second in seconds) >= 3 for first in seconds)
    )

    rows = [raised(alarm, second, recorded_s=0) for alarm, second in raises]

    assert chattering(journal(rows)).tolist() == expected


# Stale


def test_what_is_active_for_more_than_a_day_is_stale_whether_or_not_acknowledged() -> None:
    rows = journal(
        [
            raised(1, 0),
            raised(2, 1),
            raised(3, 2),
            moved(1, Step.ACKNOWLEDGE, AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_ACKED, 50_000),
            moved(2, Step.CLEAR, AlarmState.ACTIVE_UNACKED, AlarmState.RETURNED_UNACKED, 50_001),
        ]
    )

    assert stale(rows, START_US + DAY_US).tolist() == []
    assert stale(rows, START_US + DAY_US + 1).tolist() == [1]
    assert stale(rows, START_US + DAY_US + 3 * SECOND_US).tolist() == [1, 3]


def test_an_alarm_that_was_cleared_and_raised_again_is_counted_from_then() -> None:
    rows = journal(
        [
            raised(1, 0),
            moved(1, Step.CLEAR, AlarmState.ACTIVE_UNACKED, AlarmState.RETURNED_UNACKED, 10),
            moved(1, Step.RAISE, AlarmState.RETURNED_UNACKED, AlarmState.ACTIVE_UNACKED, 50_000),
        ]
    )

    assert stale(rows, START_US + DAY_US + 20 * SECOND_US).tolist() == []
    assert stale(rows, START_US + DAY_US + 50_001 * SECOND_US).tolist() == [1]


def test_where_the_journal_begins_later_it_is_counted_from_there() -> None:
    rows = journal([raised(1, 0), moved(2, Step.ACKNOWLEDGE, AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_ACKED, 5)])

    assert stale(rows, START_US + DAY_US + 4 * SECOND_US).tolist() == [1]
    assert stale(rows, START_US + DAY_US + 6 * SECOND_US).tolist() == [1, 2]


def test_what_is_stale_at_the_end_may_have_been_raised_before_the_time_that_is_looked_at() -> None:
    rows = journal([raised(1, -2 * 86_400)])

    assert alarm_load(rows, START_US, START_US + HOUR_US).stale.tolist() == [1]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(STATES), st.integers(0, 40_000)), max_size=40))
def test_stale_is_what_following_each_alarm_finds(moves: list[tuple[int, AlarmState, int]]) -> None:
    state: dict[int, AlarmState] = {}
    since: dict[int, int] = {}
    rows: list[Row] = []
    now_s = 0
    for alarm, after, wait_s in moves:
        now_s += wait_s
        before = state.get(alarm, AlarmState.NORMAL)
        if after in ACTIVE and before not in ACTIVE:
            since[alarm] = now_s
        state[alarm] = after
        rows.append(moved(alarm, Step.COMMENT, before, after, now_s))

    found = stale(journal(rows), START_US + now_s * SECOND_US)

    assert found.tolist() == sorted(
        alarm for alarm, last in state.items() if last in ACTIVE and now_s - since[alarm] > 86_400
    )


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60))
def test_the_busiest_are_those_that_a_plain_count_finds(alarms: list[int]) -> None:
    rows = [raised(alarm, place) for place, alarm in enumerate(alarms)]
    counted = sorted(Counter(alarms).items(), key=lambda one: (-one[1], one[0]))[:10]

    load = alarm_load(journal(rows), START_US, START_US + HOUR_US)

    assert load.busiest.tolist() == [alarm for alarm, _ in counted]
    assert load.busiest_share == pytest.approx(sum(count for _, count in counted) / len(alarms))
