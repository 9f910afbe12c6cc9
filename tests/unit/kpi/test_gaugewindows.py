"""Windows of a gauge's readings: worked examples, and any readings against plain Python."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alarms import WindowStatistic
from domain.registry import Kind
from kpi.amounts import interval_amounts
from kpi.amountwindows import amount_windows, interval_times, intervals_of
from kpi.gaugewindows import excess_loads, gauge_windows, measured_times
from kpi.grid import Grid
from kpi.held import carried, held_values, told_values
from kpi.ranges import Ranges
from kpi.ratesofchange import rates_of_change
from kpi.table import GAUGE, ChannelTable
from kpi.windows import Windows, clock_edges, clock_windows, rolling_windows, running_windows
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, MORNINGS, ROME, Case, a_channel, drawn_case, readings_of
from tests.support.reference_amounts import Heard, holds
from tests.support.reference_windows import Answer, excess_kg, flowing_of, weighted_window, window_of

ALL = tuple(one for one in WindowStatistic if one is not WindowStatistic.FLOW_WEIGHTED_MEAN)
BEGIN = MORNINGS[JAKARTA][0]
COD = a_channel(1, kind=Kind.GAUGE, quantity="cod", unit="mg/L", interval_s=120, max_rate=None, meter_id=1)
FLOW = a_channel(2, kind=Kind.GAUGE, quantity="effluent_flow", unit="m3/h", interval_s=120, max_rate=None, meter_id=1)


def told(channel_id: int, values: dict[float, float], **marks: bool) -> list[Heard]:
    """Readings by minute."""
    return [
        Heard(channel_id=channel_id, ts=BEGIN + int(minute * MINUTE), value=value, **marks)
        for minute, value in values.items()
    ]


def windows(*spans: tuple[float, float], group: int = 0) -> Windows:
    """Windows in minutes after the beginning."""
    start = np.array([BEGIN + int(a * MINUTE) for a, _ in spans], dtype=np.int64)
    stop = np.array([BEGIN + int(b * MINUTE) for _, b in spans], dtype=np.int64)
    return Windows(group=np.full(len(spans), group), start_us=start, stop_us=stop, added_us=start)


def one_statistic(
    heard: list[Heard], statistic: WindowStatistic, *spans: tuple[float, float]
) -> tuple[list[float], ...]:
    table = ChannelTable.of_channels([COD])
    held = held_values(table, np.array([0]), readings_of(heard))
    made = gauge_windows(held, windows(*spans), np.full(len(spans), statistic.value))
    return made.least.tolist(), made.greatest.tolist(), made.known_s.tolist()


def test_a_value_counts_by_the_time_it_held_and_no_longer_than_its_bound() -> None:
    heard = told(1, {0: 10.0, 2: 40.0})

    least, greatest, known_s = one_statistic(heard, WindowStatistic.MEAN, (0, 4), (0, 10), (4, 10), (6, 10))

    # 10 for two minutes and 40 for two; and for three, 1.5 intervals, at most.
    assert least[:3] == pytest.approx([25.0, 28.0, 40.0])
    assert greatest[:3] == pytest.approx([25.0, 28.0, 40.0])
    assert np.isnan(least[3])
    assert known_s == [240.0, 300.0, 60.0, 0.0]


def test_a_range_has_both_extremes() -> None:
    least, greatest, _ = one_statistic(told(1, {0: 6.5, 2: 9.5, 4: 7.0}), WindowStatistic.RANGE, (0, 6), (4, 6))

    assert (least, greatest) == ([6.5, 7.0], [9.5, 7.0])


def test_a_reading_marked_by_its_source_ends_what_held_and_one_in_conflict_does_not() -> None:
    heard = [*told(1, {0: 10.0}), Heard(channel_id=1, ts=BEGIN + MINUTE, value=99.0, quality=4)]
    clash = [*told(1, {0: 10.0}), Heard(channel_id=1, ts=BEGIN + MINUTE, value=99.0, conflict=True)]

    marked, claimed = (one_statistic(readings, WindowStatistic.MAX, (0, 3)) for readings in (heard, clash))

    assert marked == ([10.0], [10.0], [60.0])
    assert claimed == ([10.0], [10.0], [180.0])


def test_a_steady_value_on_the_limit_has_exactly_that_mean() -> None:
    heard = told(1, dict.fromkeys(range(0, 60, 2), 0.1))

    least, greatest, _ = one_statistic(heard, WindowStatistic.MEAN, (0, 59))

    assert (least, greatest) == ([0.1], [0.1])


def test_rolling_windows_end_at_instants_and_say_what_they_add() -> None:
    instants = BEGIN + np.array([0, 2, 5]) * MINUTE

    made = rolling_windows(instants, np.array([0]), np.array([1]), np.array([3]), 4 * MINUTE)

    assert ((made.start_us - BEGIN) // MINUTE).tolist() == [-2, 1]
    assert ((made.stop_us - BEGIN) // MINUTE).tolist() == [2, 5]
    assert ((made.added_us - BEGIN) // MINUTE).tolist() == [0, 2]


def test_running_windows_begin_at_the_clock_and_an_instant_on_an_edge_ends_the_one_before() -> None:
    edges = clock_edges(JAKARTA, 600, BEGIN - 1, BEGIN + 30 * MINUTE)
    instants = BEGIN + np.array([6, 10, 12]) * MINUTE

    made = running_windows(instants, np.array([0]), np.array([0]), np.array([3]), edges)

    assert ((made.start_us - BEGIN) // MINUTE).tolist() == [0, 0, 10]
    assert ((made.added_us - BEGIN) // MINUTE).tolist() == [6, 6, 10]


def test_clock_windows_are_counted_from_each_local_midnight_also_where_clocks_change() -> None:
    midnight = MORNINGS[ROME][0]

    hours = clock_edges(ROME, 2 * 3600, midnight, midnight + 23 * HOUR)
    days = clock_edges(ROME, 86_400, midnight, midnight + 1)

    # The day has 23 hours, and the last of its windows ends with it.
    assert (np.diff(hours) // HOUR).tolist() == [2] * 11 + [1]
    assert (np.diff(days) // HOUR).tolist() == [23]
    three = clock_edges(ROME, 3 * 86_400, midnight, midnight + 40 * 24 * HOUR)
    later = clock_edges(ROME, 3 * 86_400, midnight + 9 * 24 * HOUR, midnight + 40 * 24 * HOUR)
    assert set(later.tolist()) <= set(three.tolist())


def test_what_is_above_a_limit_is_a_load() -> None:
    heard = told(1, {0: 150.0, 2: 90.0, 4: 130.0}) + told(2, {0: 60.0, 2: 60.0, 4: 30.0})
    table = ChannelTable.of_channels([COD, FLOW])
    flowing = carried(table, np.array([0]), np.array([1]), readings_of(heard))

    made = excess_loads(flowing, windows((0, 2), (0, 6), (20, 22), (0, 2)), np.array([100.0, 100.0, 100.0, np.inf]))

    assert made[:2] == pytest.approx([50 * 2 * 1e-3, (50 * 2 + 30 * 1) * 1e-3])
    assert np.isnan(made[2:]).all()


def test_without_a_flow_there_is_neither_a_weighted_mean_nor_an_excess() -> None:
    table = ChannelTable.of_channels([COD])
    readings = readings_of(told(1, {0: 150.0}))
    flowing = carried(table, np.array([0]), np.array([-1]), readings)
    held = held_values(table, np.array([0]), readings)

    made = gauge_windows(held, windows((0, 2)), np.array(["flow_weighted_mean"]), flowing)

    assert np.isnan(made.least).all()
    assert made.known_s.tolist() == [0.0]
    assert np.isnan(excess_loads(flowing, windows((0, 2)), np.array([100.0]))).all()


def test_a_flow_that_stands_still_makes_a_window_idle() -> None:
    table = ChannelTable.of_channels([COD, FLOW])
    readings = readings_of(told(1, {0: 150.0}) + told(2, {0: 0.0}))
    held, flowing = held_values(table, np.array([0]), readings), carried(table, np.array([0]), np.array([1]), readings)

    made = gauge_windows(held, windows((0, 2), (30, 32)), np.full(2, "flow_weighted_mean"), flowing)

    assert made.idle.tolist() == [True, False]


def test_rates_of_change_are_against_what_held_before() -> None:
    table = ChannelTable.of_channels([COD])
    heard = told(1, {0: 1.0, 2: 2.0, 4: 5.0, 6.5: 6.0, 20: 9.0})
    made = rates_of_change(told_values(table, np.array([0]), readings_of(heard)), np.array([4 * MINUTE]))

    # At 6.5 min the value of 2 min held four minutes before; at 20 min nothing did.
    assert made.tolist() == pytest.approx([np.nan, np.nan, 60.0, 4.0 / 4.5 * 60, np.nan], nan_ok=True)


spans = st.lists(st.tuples(st.integers(-30, 900), st.integers(1, 400)), min_size=1, max_size=8)


def drawn_windows(case: Case, drawn: list[tuple[int, int]], groups: int) -> Windows:
    first = min(one.ts for one in case.heard)
    start = np.array([first + begin * 3 * MINUTE + 17 for begin, _ in drawn] * groups, dtype=np.int64)
    length = np.array([length * 2 * MINUTE for _, length in drawn] * groups, dtype=np.int64)
    return Windows(
        group=np.repeat(np.arange(groups), len(drawn)), start_us=start, stop_us=start + length, added_us=start
    )


@settings(deadline=None, max_examples=120)
@given(case=drawn_case(), drawn=spans)
def test_every_window_is_what_plain_python_says(case: Case, drawn: list[tuple[int, int]]) -> None:
    table, readings = case.table, readings_of(case.heard)
    rows = np.flatnonzero(table.kind == GAUGE)
    channels = {one.id: one for one in case.channels}
    held = held_values(table, rows, readings)
    asked = drawn_windows(case, drawn, len(rows))

    for statistic in ALL:
        made = gauge_windows(held, asked, np.full(len(asked), statistic.value))
        for place in range(len(asked)):
            channel = channels[int(table.channel_id[rows[asked.group[place]]])]
            heard = sorted((one for one in case.heard if one.channel_id == channel.id), key=lambda one: one.ts)
            alive = [one for one in heard if channel.valid_from_us <= one.ts]
            alive = [one for one in alive if channel.valid_to_us is None or one.ts <= channel.valid_to_us]
            expected = window_of(
                holds(channel, alive), int(asked.start_us[place]), int(asked.stop_us[place]), statistic.value
            )
            agrees(expected, made.least[place], made.greatest[place], made.known_s[place])


def agrees(expected: Answer, least: float, greatest: float, known_s: float) -> None:
    assert known_s == pytest.approx(expected.known_s, rel=1e-12)
    assert least == pytest.approx(expected.least, rel=1e-9, nan_ok=True)
    assert greatest == pytest.approx(expected.greatest, rel=1e-9, nan_ok=True)


@settings(deadline=None, max_examples=80)
@given(
    case=drawn_case().filter(lambda case: len(case.channels) > 2),
    drawn=spans,
    limit=st.sampled_from([0.0, 300.0, np.inf]),
)
def test_flow_weighted_means_and_excess_loads_are_what_plain_python_says(
    case: Case, drawn: list[tuple[int, int]], limit: float
) -> None:
    channels = {one.id: replace(one, valid_from_us=0, valid_to_us=None) for one in case.channels}
    table, readings = ChannelTable.of_channels(channels.values()), readings_of(case.heard)
    if 5 not in channels:
        return
    rows, flows = (table.rows(np.array([one], dtype=np.int32)) for one in (5, 6))
    flowing = carried(table, rows, flows, readings)
    asked = drawn_windows(case, drawn, 1)
    heard = sorted(case.heard, key=lambda one: one.ts)
    reference = flowing_of(channels[5], channels[6], heard)

    made = gauge_windows(held_values(table, rows, readings), asked, np.full(len(asked), "flow_weighted_mean"), flowing)
    excess = excess_loads(flowing, asked, np.full(len(asked), limit))

    for place, (a, b) in enumerate(zip(asked.start_us.tolist(), asked.stop_us.tolist(), strict=True)):
        expected = weighted_window(reference, a, b)
        assert made.known_s[place] == pytest.approx(expected.known_s, rel=1e-12)
        if abs(sum(one.per_us for one in reference)) > 1e-15 and not expected.idle:
            assert made.least[place] == pytest.approx(expected.least, rel=1e-6, nan_ok=True)
        assert excess[place] == pytest.approx(excess_kg(reference, a, b, limit), rel=1e-6, abs=1e-9, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(case=drawn_case(), lengths=st.sampled_from([1, 2, 5]))
def test_windows_of_whole_base_intervals_say_the_same_from_readings_and_from_amounts(case: Case, lengths: int) -> None:
    table, readings, grid = case.table, readings_of(case.heard), Grid(zone=case.zone, base_s=case.base_s)
    rows = np.flatnonzero(table.kind == GAUGE)
    first, last = (
        min(one.ts for one in case.heard),
        min(max(one.ts for one in case.heard), min(one.ts for one in case.heard) + 48 * HOUR),
    )
    edges = grid.edges(first, last + HOUR)
    ids = table.channel_id[rows]
    frame = interval_amounts(table, readings, Ranges.whole(ids, int(edges[0]), int(edges[-1])), case.zone, case.base_s)
    intervals, held = intervals_of(frame, edges, ids), held_values(table, rows, readings)
    group = np.repeat(np.arange(len(rows)), len(edges) - lengths)
    place = np.tile(np.arange(len(edges) - lengths), len(rows))
    asked = Windows(group=group, start_us=edges[place], stop_us=edges[place + lengths], added_us=edges[place])

    assert interval_times(intervals, asked) == pytest.approx(measured_times(held, asked))
    for statistic in (
        WindowStatistic.MEAN,
        WindowStatistic.MIN,
        WindowStatistic.MAX,
        WindowStatistic.RANGE,
        WindowStatistic.SUM,
    ):
        counted = np.ones(len(asked), dtype=np.bool_)
        if statistic is WindowStatistic.MEAN:
            counted = table.averages[rows][asked.group]
        if statistic is WindowStatistic.SUM:
            counted = table.integrates[rows][asked.group]
        codes = np.full(len(asked), statistic.value)
        one, other = amount_windows(intervals, asked, codes), gauge_windows(held, asked, codes)
        np.testing.assert_allclose(one.least[counted], other.least[counted], rtol=1e-9, err_msg=statistic)
        np.testing.assert_allclose(one.greatest[counted], other.greatest[counted], rtol=1e-9, err_msg=statistic)


def test_clock_windows_that_end_in_a_span_are_found_for_each_group() -> None:
    edges = clock_edges(JAKARTA, 600, BEGIN, BEGIN + HOUR)
    from_us, to_us = np.array([BEGIN + 10 * MINUTE, BEGIN]), np.array([BEGIN + 21 * MINUTE, BEGIN + 5 * MINUTE])

    made = clock_windows(edges, from_us, to_us)

    assert made.group.tolist() == [0, 0]
    assert ((made.stop_us - BEGIN) // MINUTE).tolist() == [10, 20]
