"""Meters out of service: nothing is expected of them, and what they send still counts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.registry import Kind, Outage, Registry
from domain.time import DAY_US, HOUR_US, SECOND_US, Level
from kpi.outages import Outages
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_registry,
    a_rule,
    amounts,
    figure,
    together,
)

QUARTER_US = 900 * SECOND_US
METER = a_meter_subject(1)


def out(registry: Registry, meter: int, first: int, last: int | None) -> Registry:
    """The registry with a meter out of service between two quarters of the first day."""
    outage = Outage(
        from_us=BEGIN_US + first * QUARTER_US, to_us=None if last is None else BEGIN_US + last * QUARTER_US, reason="x"
    )
    meters = tuple(replace(one, outages=(outage,)) if one.id == meter else one for one in registry.meters)
    return replace(registry, meters=meters)


def two_meters() -> Registry:
    return a_registry(
        [a_meter(1, 1), a_meter(2, 1)],
        [a_channel(1, 1, "energy_import"), a_channel(2, 2, "energy_import")],
    )


def test_slots_in_approved_downtime_stand_apart_from_filled_and_expected_ones() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph", interval_s=300)])
    base = amounts(1, BEGIN_US, [np.nan] * 4, slots=[3, 2, 0, 1])

    row = figure(out(registry, 1, 2, 3), "availability", METER, Level.HOUR, base)

    assert row.terms[:3].tolist() == [6.0, 9.0, 3.0]
    assert row.value == pytest.approx(6 / 9)


def test_a_meter_out_of_service_all_the_time_has_no_availability() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "ph")])

    row = figure(out(registry, 1, -8, None), "availability", METER, Level.HOUR, amounts(1, BEGIN_US, [1.0], slots=0))

    assert row.terms[:3].tolist() == [0.0, 0.0, 4.0]
    assert np.isnan(row.value)


def test_coverage_is_of_the_time_in_service() -> None:
    base = together(amounts(1, BEGIN_US, [5.0] * 96), amounts(2, BEGIN_US, [5.0] * 48))

    whole = figure(two_meters(), "electricity", PARK, Level.DAY, base)
    served = figure(out(two_meters(), 2, 48, 96), "electricity", PARK, Level.DAY, base)

    assert whole.total_coverage == pytest.approx(0.75)
    assert np.isnan(whole.value)
    assert served.total_coverage == pytest.approx(1.0)
    assert served.value == pytest.approx(144 * 5.0)


def test_what_a_meter_out_of_service_sends_still_counts() -> None:
    base = together(amounts(1, BEGIN_US, [5.0] * 96), amounts(2, BEGIN_US, [5.0] * 96))

    row = figure(out(two_meters(), 2, 48, 96), "electricity", PARK, Level.DAY, base)

    assert row.value == pytest.approx(192 * 5.0)


def test_a_meter_out_of_service_is_not_missing_from_a_peak() -> None:
    base = together(amounts(1, BEGIN_US, [5.0] * 96), amounts(2, BEGIN_US, [5.0] * 48))

    whole = figure(two_meters(), "demand_peak", PARK, Level.DAY, base)
    served = figure(out(two_meters(), 2, 48, 96), "demand_peak", PARK, Level.DAY, base)

    assert whole.terms[2:4].tolist() == [12.0, 24.0]
    assert served.terms[2:4].tolist() == [24.0, 24.0]


@pytest.mark.parametrize(("measured", "windows"), [(12, [12.0, 0.0, 0.0]), (13, [13.0, 0.0, 0.0])])
def test_a_window_out_of_service_is_judged_only_where_it_was_measured(measured: int, windows: list[float]) -> None:
    registry = a_registry(
        [a_meter(1, 1, "outlet")],
        [a_channel(1, 1, "cod", kind=Kind.GAUGE)],
        rules=(a_rule(1, 1),),
    )
    values: dict[str, Any] = dict.fromkeys(("mean", "low", "high", "last"), 50.0)
    base = amounts(1, BEGIN_US, [np.nan] * 4 * measured, **values)

    row = figure(out(registry, 1, 48, 96), "compliance_cod", METER, Level.DAY, base)

    assert row.terms[:3].tolist() == windows


stretches = st.lists(
    st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(-3, 30))).map(
        lambda pair: Outage(from_us=pair[0], to_us=None if pair[1] is None else pair[0] + pair[1], reason="x")
    ),
    max_size=4,
)


@given(rows=st.lists(stretches, min_size=1, max_size=4), begin=st.integers(-5, 90), length=st.integers(-3, 60))
def test_the_length_out_of_service_is_what_counting_moment_by_moment_gives(
    rows: list[list[Outage]], begin: int, length: int
) -> None:
    outages = Outages.of(tuple(row) for row in rows)
    number = np.arange(len(rows))
    edges = np.full(len(rows), begin), np.full(len(rows), begin + length)

    def is_out(row: list[Outage], moment: int) -> bool:
        return any(one.from_us <= moment and (one.to_us is None or moment < one.to_us) for one in row)

    counted = [sum(is_out(row, moment) for moment in range(begin, begin + length)) for row in rows]
    assert outages.length(number, *edges).tolist() == counted
    assert outages.holds(number, edges[0]).tolist() == [is_out(row, begin) for row in rows]


def test_an_outage_that_lasts_goes_on_beyond_all_numbers() -> None:
    outages = Outages.of([(Outage(from_us=0, to_us=None, reason="x"),)])
    far = 7_258_118_400 * SECOND_US

    lost = outages.length(np.array([0]), np.array([-DAY_US]), np.array([far]))

    assert lost.tolist() == [far]
    assert outages.holds(np.array([0]), np.array([HOUR_US])).tolist() == [True]
