"""Blocks of tariffs, cost, use of contracts: worked by hand."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from domain.frames import AmountFrame, NullReason
from domain.quality import Flag
from domain.references import Holidays
from domain.registry import OPERATOR, Outage, Registry
from domain.time import DAY_US, Level, level_edges
from kpi.catalogue import for_registry
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from tests.support.priced_parks import a_block, a_contract, a_tariff, an_origin, evening, with_references
from tests.support.small_parks import (
    BEGIN_US,
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_registry,
    a_tenant,
    a_tenant_subject,
    amounts,
    at,
    figure,
    the_kpis,
    together,
)

ONE, TWO = a_tenant_subject(1), a_tenant_subject(2)
QUARTERS = 96
CONTRACTS = (a_contract("t1"), a_contract("t2"))


def firms(number: int = 1, *, reactive: bool = False) -> Registry:
    meters = [a_meter(place, place) for place in range(1, number + 1)]
    channels = [a_channel(place, place, "energy_import") for place in range(1, number + 1)]
    if reactive:
        channels += [a_channel(10 + place, place, "energy_reactive_lagging") for place in range(1, number + 1)]
    return a_registry(meters, channels)


def priced(registry: Registry, *tariffs: Any, contracts: Any = CONTRACTS, **kinds: Any) -> Registry:
    return with_references(registry, tariffs=tariffs, contracts=contracts, **kinds)


def flat(channel: int, kwh: float, days: int = 1, first_us: int = BEGIN_US, **columns: Any) -> AmountFrame:
    """The same amount in every quarter hour."""
    return amounts(channel, first_us, np.full(QUARTERS * days, kwh), **columns)


def test_the_energy_of_a_day_is_split_by_the_clock() -> None:
    registry = priced(firms(), evening())
    base = amounts(1, BEGIN_US, np.arange(QUARTERS, dtype=float))

    wbp, lwbp = (figure(registry, f"tou_{key}", ONE, Level.DAY, base) for key in ("wbp", "lwbp"))

    # 17:00 to 22:00 are quarters 68 to 87: (68 + 87) / 2 x 20 = 1550 of 4560 kWh
    assert (wbp.value, lwbp.value) == (1550.0, 3010.0)
    assert (wbp.profile_coverage, wbp.reason) == (1.0, NullReason.NONE)


def test_a_window_that_cuts_an_interval_splits_it_in_proportion() -> None:
    windows = a_tariff(
        replace(a_block("wbp", 2.0, (0, 24)), windows=(replace(a_block("x", 0, (17, 18)).windows[0], start_min=1025),)),
        replace(
            a_block("lwbp", 1.0, (0, 24)),
            windows=(
                replace(a_block("x", 0, (0, 17)).windows[0], stop_min=1025),
                a_block("x", 0, (18, 24)).windows[0],
            ),
        ),
    )
    registry = priced(firms(), windows)

    row = figure(registry, "tou_wbp", ONE, Level.BASE, flat(1, 9.0), moment_us=at("01-01 17:00"))

    assert row.value == pytest.approx(6.0)  # 17:05 to 17:15 is two thirds of the quarter


def test_outside_its_windows_a_block_has_zero_which_is_known() -> None:
    registry = priced(firms(), evening())

    row = figure(registry, "tou_wbp", ONE, Level.HOUR, flat(1, 1.0), moment_us=at("01-01 03:00"))

    assert (row.value, row.profile_coverage) == (0.0, 1.0)


def test_a_gap_outside_the_windows_takes_nothing_from_their_coverage() -> None:
    registry = priced(firms(), evening())
    base = amounts(1, BEGIN_US + 40 * 900_000_000, np.ones(56))

    wbp, lwbp = (figure(registry, f"tou_{key}", ONE, Level.DAY, base) for key in ("wbp", "lwbp"))

    assert (wbp.value, wbp.profile_coverage) == (20.0, 1.0)
    assert (lwbp.reason, lwbp.profile_coverage) == (NullReason.INSUFFICIENT_DATA, pytest.approx(36 / 76))


def test_a_meter_out_of_service_is_not_expected_within_the_windows() -> None:
    registry = firms()
    off = Outage(from_us=at("01-01 16:00"), to_us=at("01-01 18:00"), reason="switchgear")
    registry = priced(replace(registry, meters=(replace(registry.meters[0], outages=(off,)),)), evening())
    base = together(amounts(1, BEGIN_US, np.ones(64)), amounts(1, at("01-01 18:00"), np.ones(24)))

    row = figure(registry, "tou_wbp", ONE, Level.DAY, base)

    assert (row.value, row.profile_coverage) == (16.0, 1.0)
    assert row.terms[3] == 4.0  # 18:00 to 22:00


def test_energy_spread_over_a_gap_within_a_window_is_estimated_and_gated() -> None:
    registry = priced(firms(), evening())
    # Nothing was read from 17:00 to 22:00; the register knows the 20 kWh, but not their course.
    inside = np.arange(QUARTERS)
    gap = (inside >= 68) & (inside < 88)
    base = amounts(
        1,
        BEGIN_US,
        np.ones(QUARTERS),
        measured_s=np.where(gap, 0.0, 900.0),
        estimated=np.where(gap, 1.0, 0.0),
        flags=np.where(gap, int(Flag.ESTIMATED), 0),
    )

    row = figure(registry, "tou_wbp", ONE, Level.DAY, base)

    assert (row.estimate, row.estimated_share, row.profile_coverage) == (20.0, 1.0, 0.0)
    assert row.reason == NullReason.INSUFFICIENT_DATA


def test_holidays_are_days_of_their_own() -> None:
    workdays = frozenset(range(5))
    blocks = (
        a_block("wbp", 2.0, (17, 22), days=workdays),
        replace(
            a_block("lwbp", 1.0, (0, 17), (22, 24), days=workdays),
            windows=(
                *a_block("x", 0, (0, 17), (22, 24), days=workdays).windows,
                *a_block("x", 0, (0, 24), days=frozenset({5, 6, 7})).windows,
            ),
        ),
    )
    holidays = Holidays(origin=an_origin("libur"), dates=frozenset({date(2026, 1, 1)}))
    registry = priced(firms(), a_tariff(*blocks, holidays="libur"), holidays=(holidays,))

    values = [
        figure(registry, "tou_wbp", ONE, Level.DAY, flat(1, 1.0, 4), moment_us=at(f"01-0{day} 12:00")).value
        for day in (1, 2, 3)
    ]

    assert values == [0.0, 20.0, 0.0]  # New Year, a Friday, a Saturday


def test_the_park_has_the_blocks_of_all_tenants_each_by_its_own_tariff() -> None:
    other = a_tariff(a_block("wbp", 2.0, (18, 20)), a_block("lwbp", 1.0, (0, 18), (20, 24)), key="i4")
    registry = priced(firms(2), evening(), other, contracts=(a_contract("t1"), a_contract("t2", "i4")))
    base = together(flat(1, 1.0), flat(2, 10.0))

    one, two, park = (figure(registry, "tou_wbp", subject, Level.DAY, base).value for subject in (ONE, TWO, PARK))

    assert (one, two, park) == (20.0, 80.0, 100.0)


def test_a_meter_has_the_blocks_of_its_tenants_tariff() -> None:
    registry = priced(firms(2), evening(), contracts=(a_contract("t1"),))

    row = figure(registry, "tou_wbp", a_meter_subject(1), Level.DAY, flat(1, 1.0))

    assert row.value == 20.0


def test_who_has_no_contract_has_no_blocks() -> None:
    registry = priced(firms(2), evening(), contracts=(a_contract("t1"),))
    kpis = the_kpis(registry, "tou_wbp")

    frame = subject_kpis(registry, (ONE, TWO, PARK), kpis, Level.DAY, BEGIN_US, BEGIN_US + 1, flat(1, 1.0))

    assert sorted(frame.subject_id.tolist()) == [1, 1]  # tenant 1 and park 1


def test_a_time_without_its_tariff_is_not_configured() -> None:
    registry = priced(firms(), evening(to_us=at("01-01 12:00")))

    row = figure(registry, "tou_wbp", ONE, Level.DAY, flat(1, 1.0))

    assert row.reason == NullReason.NOT_CONFIGURED


def test_the_month_of_a_new_contract_has_two_tariffs() -> None:
    other = a_tariff(a_block("wbp", 2.0, (18, 20)), a_block("lwbp", 1.0, (0, 18), (20, 24)), key="i4")
    change = at("01-11 00:00")
    contracts = (a_contract("t1", to_us=change), a_contract("t1", "i4", from_us=change))
    registry = priced(firms(), evening(), other, contracts=contracts)

    row = figure(registry, "tou_wbp", ONE, Level.MONTH, flat(1, 1.0, 31))

    assert row.value == pytest.approx(10 * 20 + 21 * 8)


PRICES: dict[str, Any] = {"reactive_price": 100.0, "fixed_per_month": 50_000.0}


def test_the_cost_of_a_month_is_energy_by_blocks_and_the_fixed_charge() -> None:
    registry = priced(firms(), evening(**PRICES))

    row = figure(registry, "energy_cost", ONE, Level.MONTH, flat(1, 1.0, 31))

    # 31 x (20 kWh x 1500 + 76 kWh x 1000) + 50,000
    assert row.value == pytest.approx(31 * 106_000 + 50_000)
    assert row.terms[2] == 50_000.0


def test_reactive_energy_beyond_what_is_free_costs_by_the_month() -> None:
    registry = priced(firms(reactive=True), evening(**PRICES))
    # In the first half of the month too much, in the second half too little; the month is settled as one.
    kvarh = np.repeat([1.0, 0.5], [15 * QUARTERS, 16 * QUARTERS])
    base = together(flat(1, 1.0, 31), amounts(11, BEGIN_US, kvarh))

    row = figure(registry, "energy_cost", ONE, Level.MONTH, base)

    excess = 15 * 96 + 8 * 96 - 0.6197443384031024 * 31 * 96
    assert row.terms[5] == pytest.approx(excess)
    assert row.value == pytest.approx(31 * 106_000 + 50_000 + 100 * excess)


def test_the_year_costs_what_its_months_cost() -> None:
    registry = priced(firms(2, reactive=True), evening(**PRICES))
    ends = at("04-01 00:00")
    registry = replace(registry, park=replace(registry.park, ticked_to_us=ends))
    days = (ends - BEGIN_US) // DAY_US
    # Firm 1 is over what is free in January and under it later, firm 2 never is over it.
    reactive = np.repeat([2.0, 0.1], [31 * QUARTERS, (days - 31) * QUARTERS])
    base = together(flat(1, 1.0, days), amounts(11, BEGIN_US, reactive), flat(2, 2.0, days), flat(12, 0.2, days))
    kpis = the_kpis(registry, "energy_cost")

    def cost(subject: Any, level: Level) -> np.ndarray:
        return subject_kpis(registry, (subject,), kpis, level, BEGIN_US, ends, base).value

    months = cost(ONE, Level.MONTH)
    assert months == pytest.approx(
        [31 * 106_000 + 50_000 + 100 * 31 * 96 * (2 - 0.6197443384031024), 28 * 106_000 + 50_000, 31 * 106_000 + 50_000]
    )
    assert cost(ONE, Level.YEAR) == pytest.approx([months.sum()])
    # What firm 2 has left free is of no use to firm 1: the park pays what both pay.
    assert cost(PARK, Level.MONTH) == pytest.approx(months + cost(TWO, Level.MONTH))


def test_a_new_version_of_a_tariff_has_its_prices_from_its_day_on() -> None:
    change = at("01-11 00:00")
    tariffs = (
        evening(to_us=change, fixed_per_month=31_000.0),
        evening(2000.0, 3000.0, from_us=change, fixed_per_month=62_000.0),
    )
    registry = priced(firms(), *tariffs)

    row = figure(registry, "energy_cost", ONE, Level.MONTH, flat(1, 1.0, 31))

    # 10 days at the old prices, 21 at the new ones; the fixed charges by days: 10 x 1000 + 21 x 2000
    assert row.value == pytest.approx(10 * 106_000 + 21 * 212_000 + 52_000)


def test_a_time_without_a_price_makes_the_cost_null() -> None:
    registry = priced(firms(), evening(from_us=at("01-02 00:00")))

    row = figure(registry, "energy_cost", ONE, Level.MONTH, flat(1, 1.0, 31))

    assert row.reason == NullReason.NOT_CONFIGURED


def test_a_month_whose_reactive_meter_is_silent_costs_at_least_this() -> None:
    registry = priced(firms(reactive=True), evening(**PRICES))
    base = together(flat(1, 1.0, 31), flat(11, 5.0, 30))

    row = figure(registry, "energy_cost", ONE, Level.MONTH, base)

    assert row.terms[6] == 1.0
    assert row.flags & Flag.LOWER_BOUND


def test_an_open_month_has_its_fixed_charge_and_the_months_to_come_have_none() -> None:
    registry = priced(firms(), evening(**PRICES))
    registry = replace(registry, park=replace(registry.park, ticked_to_us=at("01-03 00:00")))

    row = figure(registry, "energy_cost", ONE, Level.YEAR, flat(1, 1.0, 2))

    assert row.value == pytest.approx(2 * 106_000 + 50_000)


def test_costs_are_offered_by_month_and_year_in_the_currency_of_the_tariff() -> None:
    (kpi,) = the_kpis(priced(firms(), evening(currency="MYR")), "energy_cost")

    assert kpi.unit == "MYR"
    assert kpi.levels == frozenset({Level.MONTH, Level.YEAR})
    assert kpi.uses == ("contract:*", "tariff:i3")


def test_tariffs_in_two_currencies_make_two_costs() -> None:
    other = a_tariff(a_block("all", 0.1, (0, 24)), key="export", currency="USD")
    registry = priced(firms(2), evening(), other, contracts=(a_contract("t1"), a_contract("t2", "export")))

    keys = [kpi.key for kpi in for_registry(registry) if kpi.key.startswith("energy_cost")]
    row = figure(registry, "energy_cost_usd", PARK, Level.MONTH, flat(2, 1.0, 31))

    assert keys == ["energy_cost_idr", "energy_cost_usd"]
    assert row.value == pytest.approx(31 * 96 * 0.1)


@pytest.mark.parametrize("level", [Level.MONTH, Level.YEAR])
def test_the_cost_of_a_month_folds_from_its_days(level: Level) -> None:
    registry = priced(firms(2, reactive=True), evening(**PRICES))
    base = together(flat(1, 1.0, 59), flat(11, 1.0, 59), flat(2, 3.0, 59), flat(12, 0.5, 59))
    kpis, subjects = the_kpis(registry, "energy_cost"), (ONE, TWO, PARK)
    edges = level_edges(JAKARTA, 900, level, BEGIN_US, at("02-28 00:00"))
    span = int(edges[0]), int(edges[-1])
    days = subject_kpis(registry, subjects, kpis, Level.DAY, *span, base)

    folded = fold_kpis(registry, subjects, kpis, level, *span, days, fold_amounts(base, Level.DAY, JAKARTA, 900))

    direct = subject_kpis(registry, subjects, kpis, level, *span, base)
    np.testing.assert_allclose(folded.terms, direct.terms, rtol=1e-12)
    np.testing.assert_allclose(folded.estimate, direct.estimate, rtol=1e-12)


def with_leading(registry: Registry, number: int = 1) -> Registry:
    return replace(registry, channels=(*registry.channels, a_channel(20 + number, number, "energy_reactive_leading")))


def test_the_apparent_peak_is_of_active_and_reactive_energy_of_one_block() -> None:
    registry = firms(reactive=True)
    base = together(amounts(1, BEGIN_US, [3, 4, 4, 1]), amounts(11, BEGIN_US, [4, 3, 1, 2]))

    row = figure(registry, "demand_peak_kva", ONE, Level.HOUR, base)

    # sqrt(3^2 + 4^2) = 5 kVAh in a quarter: 20 kVA; the second quarter has the same, the first is named.
    assert (row.value, row.peak_at_us) == (20.0, BEGIN_US)


def test_leading_reactive_energy_is_taken_from_lagging() -> None:
    registry = with_leading(firms(reactive=True))
    base = together(*(amounts(number, BEGIN_US, [value] * 4) for number, value in ((1, 3.0), (11, 6.0), (21, 2.0))))

    row = figure(registry, "demand_peak_kva", ONE, Level.HOUR, base)

    assert row.value == 20.0  # sqrt(3^2 + (6 - 2)^2) x 4


def test_an_interval_without_its_leading_reading_does_not_count() -> None:
    registry = with_leading(firms(reactive=True))
    base = together(
        amounts(1, BEGIN_US, [3.0] * 96), amounts(11, BEGIN_US, [4.0] * 96), amounts(21, BEGIN_US, [0.0] * 72)
    )

    row = figure(registry, "demand_peak_kva", ONE, Level.DAY, base)

    assert row.profile_coverage == pytest.approx(0.75)
    assert row.reason == NullReason.INSUFFICIENT_DATA


def test_the_apparent_peak_of_a_park_is_coincident_in_both_parts() -> None:
    registry = firms(2, reactive=True)
    base = together(
        *(amounts(number, BEGIN_US, [value] * 4) for number, value in ((1, 3.0), (2, 6.0), (11, 12.0), (12, 0.0)))
    )

    row = figure(registry, "demand_peak_kva", PARK, Level.HOUR, base)

    assert row.value == 60.0  # sqrt(9^2 + 12^2) = 15; not the 12.4 + 6 of each by itself


def test_the_use_of_a_contract_is_the_apparent_peak_over_what_is_contracted() -> None:
    registry = priced(firms(reactive=True), evening(), contracts=(a_contract("t1", kva=25.0),))
    base = together(flat(1, 3.0), flat(11, 4.0))

    row = figure(registry, "contract_use", ONE, Level.DAY, base)

    assert row.value == pytest.approx(0.8)


def test_the_use_of_a_contract_that_changes_is_the_greatest_against_its_own() -> None:
    change = at("01-11 00:00")
    contracts = (a_contract("t1", kva=25.0, to_us=change), a_contract("t1", kva=50.0, from_us=change))
    registry = priced(firms(reactive=True), evening(), contracts=contracts)
    # 20 kVA of 25 first, then 30 kVA of 50: the peak is the second, the greatest use the first.
    base = together(
        amounts(1, BEGIN_US, np.repeat([3.0, 4.5], [10 * 96, 21 * 96])),
        amounts(11, BEGIN_US, np.repeat([4.0, 6.0], [10 * 96, 21 * 96])),
    )

    row = figure(registry, "contract_use", ONE, Level.MONTH, base)

    assert (row.value, row.peak_at_us) == (pytest.approx(0.8), BEGIN_US)


def test_the_park_uses_the_contract_of_its_operator() -> None:
    registry = firms(2, reactive=True)
    operator = a_tenant(9, key=OPERATOR)
    registry = replace(registry, tenants=(*registry.tenants, operator))
    registry = priced(registry, evening(), contracts=(a_contract(OPERATOR, kva=100.0), a_contract("t1", kva=25.0)))
    base = together(*(flat(number, value) for number, value in ((1, 3.0), (2, 6.0), (11, 12.0), (12, 0.0))))

    row = figure(registry, "contract_use", PARK, Level.DAY, base)

    assert row.value == pytest.approx(0.6)


def test_who_contracted_no_power_has_no_use_of_it() -> None:
    registry = priced(firms(reactive=True), evening())
    kpis = the_kpis(registry, "contract_use")

    frame = subject_kpis(registry, (ONE, PARK), kpis, Level.DAY, BEGIN_US, BEGIN_US + 1, flat(1, 3.0))

    assert len(frame) == 0


def test_reactive_energy_beyond_what_is_free() -> None:
    registry = firms(reactive=True)
    base = together(flat(1, 1.0), flat(11, 0.75))

    row = figure(registry, "reactive_excess", ONE, Level.DAY, base)

    # tan(acos(0.85)) = 0.619744: 72 - 0.619744 x 96 = 12.5045 kvarh
    assert row.value == pytest.approx(12.50454, abs=1e-5)


def test_below_what_is_free_there_is_no_excess() -> None:
    base = together(flat(1, 1.0), flat(11, 0.5))

    assert figure(firms(reactive=True), "reactive_excess", ONE, Level.DAY, base).value == 0.0


def test_the_tariff_says_from_which_power_factor_on_reactive_energy_is_free() -> None:
    registry = priced(firms(reactive=True), evening(pf_min=0.8))
    base = together(flat(1, 1.0), flat(11, 0.85))

    row = figure(registry, "reactive_excess", ONE, Level.DAY, base)

    assert row.value == pytest.approx(96 * (0.85 - 0.75))  # tan(acos(0.8)) = 0.75


def test_an_interval_without_reactive_energy_leaves_both_sides_of_the_excess() -> None:
    base = together(flat(1, 1.0), amounts(11, BEGIN_US, np.full(90, 0.75)))

    row = figure(firms(reactive=True), "reactive_excess", ONE, Level.DAY, base)

    assert row.value == pytest.approx(90 * (0.75 - 0.6197443384031024))
    assert row.profile_coverage == pytest.approx(90 / 96)
