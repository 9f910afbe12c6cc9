"""Electricity, water and loads: sums over members, each with what was measured, estimated and known."""

from dataclasses import replace

import numpy as np
import pytest

from domain.frames import NullReason
from domain.quality import Flag
from domain.registry import Registry
from domain.time import HOUR_US, Level
from kpi.compute import subject_kpis
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_park,
    a_registry,
    a_tenant_subject,
    amounts,
    at,
    only_row,
    rows_of,
    the_kpis,
    together,
)

ONE, TWO = a_tenant_subject(1), a_tenant_subject(2)


def two_firms() -> Registry:
    meters = [a_meter(1, 1), a_meter(2, 2), a_meter(3, 2)]
    return a_registry(meters, [a_channel(number, number, "energy_import") for number in (1, 2, 3)])


def test_an_hour_of_electricity_is_the_sum_of_its_quarters() -> None:
    registry = two_firms()
    base = together(amounts(1, BEGIN_US, [1, 2, 3, 4]), amounts(2, BEGIN_US, [5] * 4), amounts(3, BEGIN_US, [7] * 4))

    frame = subject_kpis(
        registry, (PARK, ONE, TWO), the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
    )

    assert [only_row(frame, "electricity", one).value for one in (ONE, TWO, PARK)] == [10.0, 48.0, 58.0]


def test_a_complete_sum_says_that_nothing_was_estimated_and_all_was_measured() -> None:
    registry = two_firms()
    base = amounts(1, BEGIN_US, [1, 2, 3, 4])

    row = only_row(
        subject_kpis(
            registry, (ONE,), the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
        ),
        "electricity",
        ONE,
    )

    assert (row.measured, row.estimate, row.estimated_share) == (10.0, 10.0, 0.0)
    assert (row.profile_coverage, row.total_coverage, row.reason) == (1.0, 1.0, NullReason.NONE)


def test_a_subject_without_any_reading_has_a_row_that_says_so_and_no_zero() -> None:
    registry = two_firms()
    base = amounts(1, BEGIN_US, [1, 2, 3, 4])

    row = only_row(
        subject_kpis(
            registry, (TWO,), the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
        ),
        "electricity",
        TWO,
    )

    assert np.isnan([row.measured, row.estimate, row.value, row.estimated_share]).all()
    assert (row.profile_coverage, row.reason) == (0.0, NullReason.INSUFFICIENT_DATA)


def test_a_measured_zero_is_a_zero() -> None:
    registry = two_firms()
    base = amounts(1, BEGIN_US, [0, 0, 0, 0])

    row = only_row(
        subject_kpis(
            registry, (ONE,), the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
        ),
        "electricity",
        ONE,
    )

    assert (row.measured, row.value, row.estimated_share) == (0.0, 0.0, 0.0)


def test_a_subject_without_a_member_has_no_row() -> None:
    registry = two_firms()

    frame = subject_kpis(
        registry,
        (PARK, ONE, a_tenant_subject(9)),
        the_kpis(registry, "water_intake", "power_factor", "water_balance"),
        Level.HOUR,
        BEGIN_US,
        BEGIN_US + HOUR_US,
        amounts(1, BEGIN_US, [1] * 4),
    )

    assert len(frame) == 0


def test_a_row_that_stands_only_for_its_flag_is_no_amount_but_its_flag_is_seen() -> None:
    registry = two_firms()
    base = amounts(1, BEGIN_US, [0.0] * 4, measured_s=0.0, flags=int(Flag.SUSPECT))

    row = only_row(
        subject_kpis(
            registry, (ONE,), the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
        ),
        "electricity",
        ONE,
    )

    assert np.isnan(row.estimate)
    assert row.flags == Flag.SUSPECT


def test_what_a_gap_spread_is_estimated_and_counts_as_known_once_the_gap_is_closed() -> None:
    registry = two_firms()
    # Twelve hours measured, a gap from 12:00 to 22:00, two hours measured.
    gap = amounts(
        1,
        at("01-01 12:00"),
        [2.0] * 40,
        measured_s=0.0,
        estimated=2.0,
        flags=int(Flag.ESTIMATED),
        gap_s=[36000.0] + [0.0] * 39,
        gap_stop_us=[at("01-01 22:00")] + [0] * 39,
    )
    base = together(amounts(1, BEGIN_US, [1.0] * 48), gap, amounts(1, at("01-01 22:00"), [1.0] * 8))

    row = only_row(
        subject_kpis(registry, (ONE,), the_kpis(registry, "electricity"), Level.DAY, BEGIN_US, BEGIN_US + 1, base),
        "electricity",
        ONE,
    )

    assert (row.measured, row.estimate, row.value) == (56.0, 136.0, 136.0)
    assert row.estimated_share == pytest.approx(80 / 136)
    assert row.profile_coverage == pytest.approx(14 / 24)
    assert row.total_coverage == 1.0
    assert row.flags & Flag.ESTIMATED


def test_a_gap_that_ends_the_next_day_leaves_both_days_unknown_and_the_week_known() -> None:
    registry = two_firms()
    gap = amounts(
        1,
        at("01-01 12:00"),
        [1.0] * 96,
        measured_s=0.0,
        estimated=1.0,
        flags=int(Flag.ESTIMATED),
        gap_s=[86400.0] + [0.0] * 95,
        gap_stop_us=[at("01-02 12:00")] + [0] * 95,
    )
    rest = amounts(1, at("01-02 12:00"), [1.0] * (96 * 2 + 48))
    base = together(amounts(1, BEGIN_US, [1.0] * 48), gap, rest)

    days, week = (
        rows_of(
            subject_kpis(registry, (ONE,), the_kpis(registry, "electricity"), level, BEGIN_US, at("01-03 00:00"), base),
            "electricity",
            ONE,
        )
        for level in (Level.DAY, Level.WEEK)
    )

    assert days.total_coverage.tolist() == [0.5, 0.5]
    assert days.reason.tolist() == [NullReason.INSUFFICIENT_DATA] * 2
    assert (week.total_coverage.tolist(), week.value.tolist()) == ([1.0], [384.0])


def test_only_the_topmost_use_meter_of_a_tenant_counts() -> None:
    meters = [a_meter(1, 1), a_meter(2, 1, parent_id=1), a_meter(3, 1, role="supply"), a_meter(4, 2, parent_id=1)]
    registry = a_registry(meters, [a_channel(number, number, "energy_import") for number in (1, 2, 3, 4)])
    base = together(*(amounts(number, BEGIN_US, [10.0**number] * 4) for number in (1, 2, 3, 4)))
    subjects = (PARK, ONE, TWO, *(a_meter_subject(number) for number in (1, 2, 3, 4)))

    frame = subject_kpis(
        registry, subjects, the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
    )

    assert [only_row(frame, "electricity", one).value for one in subjects] == [
        40040.0,  # the union of the tenants' members
        40.0,
        40000.0,  # behind the other firm's meter, and yet a whole firm
        40.0,
        400.0,
        4000.0,  # a supply meter has its own electricity
        40000.0,
    ]


def test_a_submeter_counts_after_the_meter_above_it_is_gone() -> None:
    noon = at("01-01 12:00")
    meters = [a_meter(1, 1, valid_to_us=noon), a_meter(2, 1, parent_id=1)]
    registry = a_registry(meters, [a_channel(number, number, "energy_import") for number in (1, 2)])
    base = together(amounts(1, BEGIN_US, [3.0] * 48), amounts(2, BEGIN_US, [1.0] * 96))

    row = only_row(
        subject_kpis(registry, (ONE,), the_kpis(registry, "electricity"), Level.DAY, BEGIN_US, BEGIN_US + 1, base),
        "electricity",
        ONE,
    )

    assert (row.value, row.profile_coverage) == (3.0 * 48 + 48, 1.0)


def test_the_gauge_counts_up_to_the_day_on_which_the_register_begins() -> None:
    second = at("01-02 00:00")
    channels = [a_channel(1, 1, "power"), a_channel(2, 1, "energy_import", valid_from_us=second)]
    registry = a_registry([a_meter(1, 1)], channels)
    base = together(amounts(1, BEGIN_US, [1.0] * 192), amounts(2, second, [2.0] * 96))

    rows = rows_of(
        subject_kpis(registry, (ONE,), the_kpis(registry, "electricity"), Level.DAY, BEGIN_US, second + 1, base),
        "electricity",
        ONE,
    )

    assert rows.value.tolist() == [96.0, 192.0]


def test_a_channel_is_not_expected_outside_its_life() -> None:
    half = at("01-01 12:00")
    channels = [a_channel(1, 1, "energy_import"), a_channel(2, 2, "energy_import", valid_from_us=half)]
    registry = a_registry([a_meter(1, 1), a_meter(2, 2)], channels)
    base = together(amounts(1, BEGIN_US, [1.0] * 96), amounts(2, half, [1.0] * 48))

    frame = subject_kpis(
        registry, (PARK, TWO), the_kpis(registry, "electricity"), Level.DAY, BEGIN_US, BEGIN_US + 1, base
    )

    assert [only_row(frame, "electricity", one).total_coverage for one in (PARK, TWO)] == [1.0, 1.0]


def test_a_subject_has_no_row_before_it_lives() -> None:
    channels = [a_channel(1, 1, "energy_import", valid_from_us=at("01-02 00:00"))]
    registry = a_registry([a_meter(1, 1)], channels)

    frame = subject_kpis(
        registry,
        (ONE,),
        the_kpis(registry, "electricity"),
        Level.DAY,
        BEGIN_US,
        at("01-03 00:00"),
        amounts(1, at("01-02 00:00"), [1.0] * 96),
    )

    assert rows_of(frame, "electricity", ONE).start_us.tolist() == [at("01-02 00:00")]


def test_an_open_hour_expects_only_what_is_final_and_measures_everything() -> None:
    registry = replace(two_firms(), park=a_park(ticked_to_us=BEGIN_US + HOUR_US // 2))
    base = amounts(1, BEGIN_US, [1.0, 2.0, 3.0])

    row = only_row(
        subject_kpis(
            registry, (ONE,), the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
        ),
        "electricity",
        ONE,
    )

    assert (row.measured, row.value, row.profile_coverage) == (6.0, 6.0, 1.0)


@pytest.mark.parametrize("ticked_to_us", [None, BEGIN_US])
def test_where_nothing_is_expected_yet_the_coverage_is_not_a_number_and_there_is_no_value(
    ticked_to_us: int | None,
) -> None:
    registry = replace(two_firms(), park=a_park(ticked_to_us=ticked_to_us))
    base = amounts(1, BEGIN_US, [1.0, 2.0])

    row = only_row(
        subject_kpis(
            registry, (ONE,), the_kpis(registry, "electricity"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
        ),
        "electricity",
        ONE,
    )

    assert np.isnan([row.profile_coverage, row.total_coverage, row.value]).all()
    assert (row.measured, row.reason) == (3.0, NullReason.INSUFFICIENT_DATA)


def a_balance() -> Registry:
    meters = [
        a_meter(1, 1, role="supply", error_share=0.01),
        a_meter(2, 1, role="supply", parent_id=1),
        a_meter(3, 1, parent_id=1, error_share=0.02),
        a_meter(4, 2, parent_id=2, error_share=0.05),
    ]
    channels = [a_channel(number, number, "water_in") for number in (1, 2, 3)]
    return a_registry(meters, [*channels, a_channel(4, 4, "water_flow")])


def test_the_water_balance_is_supply_minus_use_with_the_band_of_its_meters() -> None:
    registry = a_balance()
    base = together(*(amounts(number, BEGIN_US, [value] * 4) for number, value in ((1, 25), (2, 9), (3, 10), (4, 5))))

    frame = subject_kpis(
        registry,
        (PARK,),
        the_kpis(registry, "water_balance", "water_loss_share"),
        Level.HOUR,
        BEGIN_US,
        BEGIN_US + HOUR_US,
        base,
    )

    balance, share = only_row(frame, "water_balance", PARK), only_row(frame, "water_loss_share", PARK)
    assert (balance.value, balance.measured, balance.estimated_share) == (40.0, 40.0, 0.0)
    assert balance.error == pytest.approx(np.sqrt((0.01 * 100) ** 2 + (0.02 * 40) ** 2 + (0.05 * 20) ** 2))
    assert share.value == pytest.approx(0.4)
    use_error = np.hypot(0.02 * 40, 0.05 * 20)
    assert share.error == pytest.approx(np.hypot(use_error, 0.6 * 1.0) / 100)


def test_the_balance_is_covered_as_its_worse_side() -> None:
    registry = a_balance()
    base = together(amounts(1, BEGIN_US, [25] * 4), amounts(3, BEGIN_US, [10] * 2), amounts(4, BEGIN_US, [5] * 2))

    row = only_row(
        subject_kpis(
            registry, (PARK,), the_kpis(registry, "water_balance"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
        ),
        "water_balance",
        PARK,
    )

    assert (row.profile_coverage, row.total_coverage) == (0.5, 0.5)
    assert (row.reason, row.estimate) == (NullReason.INSUFFICIENT_DATA, 70.0)


def test_the_share_of_no_supply_is_null_and_not_infinite() -> None:
    registry = a_balance()
    base = together(*(amounts(number, BEGIN_US, [value] * 4) for number, value in ((1, 0), (2, 0), (3, 1), (4, 1))))

    frame = subject_kpis(
        registry,
        (PARK,),
        the_kpis(registry, "water_balance", "water_loss_share"),
        Level.HOUR,
        BEGIN_US,
        BEGIN_US + HOUR_US,
        base,
    )

    assert only_row(frame, "water_balance", PARK).value == -8.0
    share = only_row(frame, "water_loss_share", PARK)
    assert share.reason == NullReason.ZERO_DENOMINATOR
    assert np.isnan([share.value, share.measured, share.estimate]).all()


def sewers() -> Registry:
    meters = [a_meter(1, 1, role="discharge"), a_meter(2, 2, role="discharge"), a_meter(3, 3, role="outlet")]
    channels = []
    for number in (1, 2, 3):
        inputs = (10 * number, 10 * number + 1)
        channels += [a_channel(inputs[0], number, "cod"), a_channel(inputs[1], number, "effluent_flow")]
        channels += [a_channel(10 * number + 2, number, "load_cod", inputs=inputs)]
    return a_registry(meters, channels)


def test_a_tenants_load_is_what_it_discharges_and_the_parks_what_leaves_by_its_outlets() -> None:
    registry = sewers()
    subjects = (PARK, ONE, TWO, a_tenant_subject(3), a_meter_subject(3))
    base = together(*(amounts(number, BEGIN_US, [value] * 4) for number, value in ((12, 1), (22, 2), (32, 0.5))))

    frame = subject_kpis(
        registry, subjects, the_kpis(registry, "load_cod"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base
    )

    assert [only_row(frame, "load_cod", one).value for one in (PARK, ONE, TWO, a_meter_subject(3))] == [
        2.0,
        4.0,
        8.0,
        2.0,
    ]
    assert len(rows_of(frame, "load_cod", a_tenant_subject(3))) == 0


@pytest.mark.parametrize("side", [10, 11])
def test_a_load_with_one_side_only_is_an_invalid_pair(side: int) -> None:
    registry = sewers()
    base = amounts(side, BEGIN_US, [np.nan] * 4, mean=30.0)

    row = only_row(
        subject_kpis(registry, (ONE,), the_kpis(registry, "load_cod"), Level.HOUR, BEGIN_US, BEGIN_US + HOUR_US, base),
        "load_cod",
        ONE,
    )

    assert row.reason == NullReason.INVALID_PAIR
    assert np.isnan([row.value, row.measured, row.estimate]).all()


def test_a_load_with_neither_side_has_insufficient_data() -> None:
    registry = sewers()

    row = only_row(
        subject_kpis(
            registry,
            (ONE,),
            the_kpis(registry, "load_cod"),
            Level.HOUR,
            BEGIN_US,
            BEGIN_US + HOUR_US,
            amounts(22, BEGIN_US, [1.0] * 4),
        ),
        "load_cod",
        ONE,
    )

    assert row.reason == NullReason.INSUFFICIENT_DATA
