"""Every kernel of the checks equals its plain-Python reference, on many channels at once."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.time import HOUR_US
from kpi.checks.across import differences, excesses
from kpi.checks.gauges import TRAILING_US, medians_before
from kpi.checks.intervals import beyond, frozen_runs, spikes
from kpi.checks.silence import missing_runs
from kpi.checks.usual import deviations, estimated_shares, usual_amounts
from tests.support import reference_checks as plain

NONE = float("nan")
CELLS = 8

amounts = st.sampled_from([0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 2.5, 3.0, 9.0, 60.0, -0.2])
unsure = st.one_of(amounts, st.just(NONE))
bounds = st.sampled_from([-np.inf, 0.0, 1.0, 2.5, 10.0, np.inf])
shares = st.sampled_from([0.0, 0.4, 0.9, 1.0])


def rows(values: Any, width: int = CELLS, least: int = 1) -> Any:
    """Channels of so many values each."""
    return st.lists(st.lists(values, min_size=width, max_size=width), min_size=least, max_size=5)


def like(count: int, values: Any) -> Any:
    return st.lists(values, min_size=count, max_size=count)


def flat_groups(count: int, width: int = CELLS) -> Any:
    return np.repeat(np.arange(count), width)


@given(data=st.data())
def test_spikes(data: st.DataObject) -> None:
    table = data.draw(rows(amounts))
    judged = data.draw(like(len(table), like(CELLS, st.booleans())))
    share, floor = data.draw(like(len(table), shares)), data.draw(like(len(table), st.sampled_from([0.0, 2.0, 9.0])))

    place, ratio = spikes(np.array(table), np.array(judged), np.array(share), np.array(floor))

    for row, told in enumerate(zip(table, judged, share, floor, strict=True)):
        expected = plain.spike(*told)
        assert (None if place[row] < 0 else (place[row], ratio[row])) == expected


@given(data=st.data())
def test_frozen_runs(data: st.DataObject) -> None:
    table = data.draw(rows(amounts))
    judged = data.draw(like(len(table), like(CELLS, st.booleans())))
    tolerance = data.draw(like(len(table), like(CELLS, st.sampled_from([0.0, 0.5, 1.0]))))

    runs, counts = frozen_runs(
        np.array(table).ravel(), np.array(judged).ravel(), np.array(tolerance).ravel(), flat_groups(len(table))
    )

    expected = [
        ((first + row * CELLS, last + row * CELLS), count)
        for row, told in enumerate(zip(table, judged, tolerance, strict=True))
        for (first, last), count in plain.frozen(*told)
    ]
    assert list(zip(zip(runs.first, runs.last, strict=True), counts, strict=True)) == expected


@given(data=st.data())
def test_stretches_beyond_bounds(data: st.DataObject) -> None:
    lows = data.draw(rows(unsure))
    highs = data.draw(like(len(lows), like(CELLS, unsure)))
    lowest = data.draw(like(len(lows), like(CELLS, bounds.filter(np.isfinite))))
    highest = data.draw(like(len(lows), like(CELLS, bounds)))

    low, high, least, most = (np.array(table).ravel() for table in (lows, highs, lowest, highest))
    runs, value, bound = beyond(low, high, least, most, flat_groups(len(lows)))

    expected = [
        ((first + row * CELLS, last + row * CELLS), worst, passed)
        for row, told in enumerate(zip(lows, highs, lowest, highest, strict=True))
        for (first, last), worst, passed in plain.beyond(*told)
    ]
    assert list(zip(zip(runs.first, runs.last, strict=True), value, bound, strict=True)) == expected


@given(data=st.data())
def test_missing_readings(data: st.DataObject) -> None:
    slots = data.draw(rows(st.integers(0, 2)))
    expected = data.draw(like(len(slots), like(CELLS, st.sampled_from([0, 1, 1, 3]))))
    least = data.draw(like(len(slots), st.integers(1, 5)))

    runs, missing, bound = missing_runs(
        np.array(slots, dtype=np.int32).ravel(), np.array(expected).ravel(), np.array(least), flat_groups(len(slots))
    )

    told = [
        ((first + row * CELLS, last + row * CELLS), count, enough)
        for row, one in enumerate(zip(slots, expected, least, strict=True))
        for (first, last), count, enough in plain.missing(*one)
    ]
    assert list(zip(zip(runs.first, runs.last, strict=True), missing, bound, strict=True)) == told


@given(data=st.data())
def test_usual_amounts(data: st.DataObject) -> None:
    table = data.draw(rows(unsure))
    known = data.draw(like(len(table), like(CELLS, shares)))
    least_known, least = data.draw(like(len(table), shares)), data.draw(like(len(table), st.integers(1, CELLS)))

    found = usual_amounts(np.array(table), np.array(known), np.array(least_known), np.array(least, dtype=float))

    for row, told in enumerate(zip(table, known, least_known, least, strict=True)):
        assert (None if np.isnan(found[row]) else found[row]) == plain.usual(*told)


@given(data=st.data())
def test_deviations_from_the_days_before(data: st.DataObject) -> None:
    before = data.draw(rows(unsure, 7))
    weight = data.draw(like(len(before), like(7, st.sampled_from([0.0, 3600.0, 86400.0]))))
    mean = data.draw(like(len(before), unsure))

    found = deviations(np.array(mean), np.array(before), np.array(weight))

    for row, told in enumerate(zip(mean, before, weight, strict=True)):
        assert (None if np.isnan(found[row]) else found[row]) == plain.deviation(*told)


@given(data=st.data())
def test_differences_of_counter_and_rate(data: st.DataObject) -> None:
    counted = data.draw(rows(amounts))
    summed = data.draw(like(len(counted), like(CELLS, amounts)))
    shared = data.draw(like(len(counted), like(CELLS, st.booleans())))

    found = differences(np.array(counted), np.array(summed), np.array(shared))

    for row, told in enumerate(zip(counted, summed, shared, strict=True)):
        assert (found[0][row], found[1][row]) == plain.difference(*told)


@given(
    families=st.lists(
        st.tuples(amounts, shares, st.lists(st.tuples(amounts, shares), min_size=1, max_size=4)),
        min_size=1,
        max_size=5,
    )
)
def test_excesses_of_children_over_their_parent(families: list[Any]) -> None:
    children = [child for _, _, own in families for child in own]
    child_of = np.repeat(np.arange(len(families)), [len(own) for _, _, own in families])

    excess, band = excesses(
        np.array([parent for parent, _, _ in families]),
        np.array([error for _, error, _ in families]),
        np.array([amount for amount, _ in children]),
        np.array([error for _, error in children]),
        child_of,
    )

    assert list(zip(excess, band, strict=True)) == [plain.excess(*family) for family in families]


@given(
    series=st.lists(
        st.lists(st.tuples(st.integers(1, HOUR_US), amounts), min_size=1, max_size=20), min_size=1, max_size=3
    ),
    least=st.integers(1, 6),
)
@settings(deadline=None)
def test_medians_of_the_two_hours_before(series: list[list[tuple[int, float]]], least: int) -> None:
    times = [np.cumsum([step for step, _ in one]) for one in series]
    values = [[value for _, value in one] for one in series]
    group = np.repeat(np.arange(len(series)), [len(one) for one in series])

    median, mad = medians_before(
        np.concatenate(times), np.concatenate([np.array(one) for one in values]), group, np.full(len(group), least)
    )

    expected = [
        told
        for at, own in zip(times, values, strict=True)
        for told in plain.before(at.tolist(), own, least, TRAILING_US)
    ]
    found = [None if np.isnan(one) else (one, other) for one, other in zip(median, mad, strict=True)]
    assert found == expected


@given(data=st.data())
def test_estimated_shares(data: st.DataObject) -> None:
    estimated = data.draw(rows(unsure))
    whole = data.draw(like(len(estimated), like(CELLS, unsure)))

    found = estimated_shares(np.array(estimated), np.array(whole))

    for row, told in enumerate(zip(estimated, whole, strict=True)):
        assert (None if np.isnan(found[row]) else found[row]) == plain.estimated_share(*told)
