"""Greenhouse gases: worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from domain.frames import AmountFrame, NullReason
from domain.quality import Flag
from domain.references import Factor
from domain.registry import Registry
from domain.time import DAY_US, Level
from tests.support.entered_values import entered
from tests.support.priced_parks import a_factor, entered_figure, with_references
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_registry,
    a_tenant_subject,
    amounts,
    at,
    figure,
    together,
)

ONE, TWO = a_tenant_subject(1), a_tenant_subject(2)
JANUARY = at("01-01 00:00"), at("02-01 00:00")
GAS = (a_factor("lhv_gas", 0.036), a_factor("co2_gas", 56.1))
GRID = (a_factor("grid", 0.8),)
MARKET = (a_factor("grid_residual", 0.9), a_factor("contracted", 0.1))


def a_firm(*quantities: str, factors: tuple[Factor, ...]) -> Registry:
    meters = [a_meter(number, 1) for number in range(1, len(quantities) + 1)]
    channels = [a_channel(number, number, key) for number, key in enumerate(quantities, start=1)]
    return with_references(a_registry(meters, channels), factors=factors)


def january(channel: int, total: float) -> AmountFrame:
    return amounts(channel, BEGIN_US, np.full(96 * 31, total / 96 / 31))


def test_scope_1_is_metered_gas_by_its_heat_and_factor() -> None:
    registry = a_firm("gas", factors=GAS)

    row = figure(registry, "co2_scope1", ONE, Level.DAY, amounts(1, BEGIN_US, [10.0] * 96))

    # 960 m3 x 0.036 GJ/m3 x 56.1 kg/GJ = 1938.816 kg
    assert row.value == pytest.approx(1938.816)


def test_scope_1_of_deliveries_only() -> None:
    registry = a_firm("energy_import", factors=(a_factor("lhv_coal", 25.0), a_factor("co2_coal", 94.6)))
    context = entered((1, "fuel_coal", *JANUARY, 10.0))

    month = entered_figure(registry, "co2_scope1", ONE, Level.MONTH, january(1, 100.0), context=context)
    day = entered_figure(registry, "co2_scope1", ONE, Level.DAY, january(1, 100.0), context=context)

    # 10 t x 25 GJ/t x 94.6 kg/GJ = 23,650 kg; a day has 1/31 of it, by time.
    assert (month.value, month.estimated_share) == (pytest.approx(23650.0), 0.0)
    assert (day.value, day.estimated_share) == (pytest.approx(23650.0 / 31), 1.0)
    assert day.flags & Flag.ESTIMATED
    assert not month.flags & Flag.ESTIMATED


def test_a_month_that_is_entered_in_part_has_too_little_data() -> None:
    registry = a_firm("energy_import", factors=(a_factor("lhv_coal", 25.0), a_factor("co2_coal", 94.6)))
    context = entered((1, "fuel_coal", BEGIN_US, BEGIN_US + 20 * DAY_US, 10.0))

    row = entered_figure(registry, "co2_scope1", ONE, Level.MONTH, january(1, 100.0), context=context)

    assert (row.reason, row.total_coverage) == (NullReason.INSUFFICIENT_DATA, pytest.approx(20 / 31))
    assert row.estimate == pytest.approx(23650.0)


def test_without_meters_and_deliveries_of_fuels_scope_1_is_not_configured() -> None:
    registry = a_firm("energy_import", factors=())

    row = figure(registry, "co2_scope1", ONE, Level.DAY, january(1, 100.0))

    assert row.reason == NullReason.NOT_CONFIGURED


def test_a_delivery_without_a_factor_is_not_configured() -> None:
    registry = a_firm("energy_import", factors=(a_factor("lhv_coal", 25.0),))
    context = entered((1, "fuel_coal", *JANUARY, 10.0))

    row = entered_figure(registry, "co2_scope1", ONE, Level.MONTH, january(1, 100.0), context=context)

    assert row.reason == NullReason.NOT_CONFIGURED


def test_a_delivery_over_a_change_of_its_factor_is_split_by_time_and_still_whole() -> None:
    # 31 days; from day 11 on the coal is richer: 10/31 x 20 + 21/31 x 25 GJ/t.
    change = at("01-11 00:00")
    factors = (
        a_factor("lhv_coal", 20.0, to_us=change),
        a_factor("lhv_coal", 25.0, change),
        a_factor("co2_coal", 100.0),
    )
    registry = a_firm("energy_import", factors=factors)
    context = entered((1, "fuel_coal", *JANUARY, 31.0))

    row = entered_figure(registry, "co2_scope1", ONE, Level.MONTH, january(1, 100.0), context=context)

    assert row.value == pytest.approx((10 * 20 + 21 * 25) * 100.0)
    assert row.estimated_share == 0.0


def test_a_fuel_that_gets_a_meter_counts_by_deliveries_up_to_then() -> None:
    # The meter of gas comes on 16 January: 15 of 31 days of the delivery count, then the meter's 500 m3.
    begins = at("01-16 00:00")
    meters = [a_meter(1, 1), a_meter(2, 1, valid_from_us=begins)]
    channels = [a_channel(1, 1, "energy_import"), a_channel(2, 2, "gas", valid_from_us=begins)]
    registry = with_references(a_registry(meters, channels), factors=GAS)
    base = together(january(1, 100.0), amounts(2, begins, np.full(96 * 16, 500 / 96 / 16)))
    context = entered((1, "fuel_gas", *JANUARY, 3100.0))

    row = entered_figure(registry, "co2_scope1", ONE, Level.MONTH, base, context=context)

    assert row.value == pytest.approx((1500 + 500) * 0.036 * 56.1)
    assert row.estimated_share == pytest.approx(0.75)  # 1500 of 2000 m3 are split by time


def test_scope_2_by_location_takes_the_grid_factor_of_each_interval() -> None:
    # The factor changes at noon: 48 quarters x 10 kWh x 0.8 + 48 x 10 x 0.7 = 384 + 336 = 720 kg
    noon = at("01-01 12:00")
    registry = a_firm("energy_import", factors=(a_factor("grid", 0.8, to_us=noon), a_factor("grid", 0.7, noon)))

    row = figure(registry, "co2_scope2_location", ONE, Level.DAY, amounts(1, BEGIN_US, [10.0] * 96))

    assert row.value == pytest.approx(720.0)


def test_steam_is_scope_2_where_it_has_a_factor() -> None:
    steam = (a_factor("enthalpy_steam", 2.7), a_factor("co2_steam", 70.0))
    base = together(amounts(1, BEGIN_US, [10.0] * 96), amounts(2, BEGIN_US, [0.1] * 96))

    without = figure(a_firm("energy_import", "steam", factors=GRID), "co2_scope2_location", ONE, Level.DAY, base)
    with_it = figure(
        a_firm("energy_import", "steam", factors=(*GRID, *steam)), "co2_scope2_location", ONE, Level.DAY, base
    )

    # 960 kWh x 0.8 = 768 kg; 9.6 t x 2.7 GJ/t x 70 kg/GJ = 1814.4 kg
    assert (without.value, with_it.value) == (pytest.approx(768.0), pytest.approx(2582.4))


def test_a_time_without_a_grid_factor_makes_scope_2_null() -> None:
    registry = a_firm("energy_import", factors=(a_factor("grid", 0.8, to_us=at("01-01 12:00")),))

    row = figure(registry, "co2_scope2_location", ONE, Level.DAY, amounts(1, BEGIN_US, [10.0] * 96))

    assert row.reason == NullReason.NOT_CONFIGURED


def test_scope_2_by_market_has_contracts_first_then_certificates_then_the_residual() -> None:
    registry = a_firm("energy_import", factors=MARKET)
    context = entered((1, "electricity_contracted", *JANUARY, 400.0), (1, "certificates", *JANUARY, 250.0))

    row = entered_figure(registry, "co2_scope2_market", ONE, Level.MONTH, january(1, 1000.0), context=context)

    # 400 x 0.1 + 250 x 0 + 350 x 0.9 = 40 + 315 = 355 kg
    assert row.value == pytest.approx(355.0)
    assert row.estimated_share == 0.0


def test_what_is_contracted_beyond_what_was_taken_counts_for_nothing() -> None:
    registry = a_firm("energy_import", factors=MARKET)
    context = entered((1, "electricity_contracted", *JANUARY, 1600.0), (1, "certificates", *JANUARY, 250.0))

    row = entered_figure(registry, "co2_scope2_market", ONE, Level.MONTH, january(1, 1000.0), context=context)

    assert row.value == pytest.approx(100.0)  # 1000 x 0.1


def test_scope_2_by_market_without_contracts_is_all_residual() -> None:
    row = figure(a_firm("energy_import", factors=MARKET), "co2_scope2_market", ONE, Level.MONTH, january(1, 1000.0))

    assert row.value == pytest.approx(900.0)


def test_a_contract_without_a_factor_is_not_configured() -> None:
    registry = a_firm("energy_import", factors=MARKET[:1])
    context = entered((1, "electricity_contracted", *JANUARY, 400.0))

    row = entered_figure(registry, "co2_scope2_market", ONE, Level.MONTH, january(1, 1000.0), context=context)

    assert row.reason == NullReason.NOT_CONFIGURED


def test_certificates_of_an_open_month_count_up_to_the_tick() -> None:
    registry = a_firm("energy_import", factors=MARKET)
    registry = replace(registry, park=replace(registry.park, ticked_to_us=at("01-11 00:00")))
    context = entered((1, "certificates", *JANUARY, 310.0))
    base = amounts(1, BEGIN_US, np.full(960, 1000 / 960))

    row = entered_figure(registry, "co2_scope2_market", ONE, Level.MONTH, base, context=context)

    # 10 of 31 days: 100 of 1000 kWh are certified.
    assert row.value == pytest.approx(900 * 0.9)
    assert row.estimated_share == pytest.approx(0.1)


def test_the_park_has_the_carbon_of_its_tenants() -> None:
    meters = [a_meter(1, 1), a_meter(2, 2), a_meter(3, 2)]
    channels = [a_channel(1, 1, "energy_import"), a_channel(2, 2, "energy_import"), a_channel(3, 3, "gas")]
    registry = with_references(a_registry(meters, channels), factors=(*GRID, *GAS))
    base = together(*(amounts(number, BEGIN_US, [float(number)] * 96) for number in (1, 2, 3)))

    for key, expected in (("co2_scope2_location", (76.8, 153.6)), ("co2_total", (76.8, 153.6 + 288 * 0.036 * 56.1))):
        one, two, park = (figure(registry, key, subject, Level.DAY, base).value for subject in (ONE, TWO, PARK))

        assert (one, two) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
        assert park == pytest.approx(one + two)


def test_carbon_intensity_is_of_all_energy() -> None:
    registry = a_firm("energy_import", "gas", factors=(*GRID, *GAS))
    base = together(amounts(1, BEGIN_US, [10.0] * 96), amounts(2, BEGIN_US, [1.0] * 96))

    row = figure(registry, "carbon_intensity", ONE, Level.DAY, base)

    # 960 kWh x 0.8 + 96 m3 x 0.036 x 56.1 = 768 + 193.8816 kg, over 960 + 96 x 0.036 / 0.0036 = 1920 kWh
    assert row.value == pytest.approx((768 + 193.8816) / 1920)


def test_carbon_intensity_has_deliveries_on_both_sides() -> None:
    factors = (*GRID, a_factor("lhv_coal", 25.0), a_factor("co2_coal", 94.6))
    registry = a_firm("energy_import", factors=factors)
    context = entered((1, "fuel_coal", *JANUARY, 10.0))

    row = entered_figure(registry, "carbon_intensity", ONE, Level.MONTH, january(1, 1000.0), context=context)

    # (800 + 23650) kg over 1000 kWh + 250 GJ / 0.0036
    assert row.value == pytest.approx(24450 / (1000 + 250 / 0.0036))


def test_a_meter_has_its_own_carbon_intensity() -> None:
    registry = a_firm("energy_import", "gas", factors=(*GRID, *GAS))

    row = figure(registry, "carbon_intensity", a_meter_subject(2), Level.DAY, amounts(2, BEGIN_US, [1.0] * 96))

    assert row.value == pytest.approx(56.1 * 0.0036)


def test_no_energy_has_no_carbon_intensity() -> None:
    registry = a_firm("energy_import", factors=GRID)

    row = figure(registry, "carbon_intensity", ONE, Level.DAY, amounts(1, BEGIN_US, [0.0] * 96))

    assert row.reason == NullReason.ZERO_DENOMINATOR
