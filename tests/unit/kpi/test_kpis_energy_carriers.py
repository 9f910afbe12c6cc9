"""Energy of all carriers, electricity supplied and its balance, renewable share: worked by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from domain.context import PARK_WIDE
from domain.frames import AmountFrame, NullReason
from domain.quality import Flag
from domain.registry import Outage, Registry
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

DAY_ROWS = 96
ONE, TWO = a_tenant_subject(1), a_tenant_subject(2)
LHV = (a_factor("lhv_gas", 0.036), a_factor("lhv_diesel", 0.036), a_factor("enthalpy_steam", 2.7))
JANUARY = at("01-01 00:00"), at("02-01 00:00")


def a_day(channel: int, total: float, **columns: Any) -> AmountFrame:
    return amounts(channel, BEGIN_US, np.full(DAY_ROWS, total / DAY_ROWS), **columns)


def a_boiler_house() -> Registry:
    """A firm with electricity, gas, diesel and steam."""
    quantities = ("energy_import", "gas", "diesel", "steam")
    meters = [a_meter(number, 1) for number in range(1, 5)]
    return a_registry(meters, [a_channel(number, number, key) for number, key in enumerate(quantities, start=1)])


def a_solar_park() -> Registry:
    """
    Bulk meter 1 of tenant 9; firm 1 with its main meter 2 and a roof behind it (3); firm 2 with meter 4; a field (5) at the
    park's network.
    """
    meters = [
        a_meter(1, 9, role="supply", error_share=0.005),
        a_meter(2, 1, parent_id=1),
        a_meter(3, 1, role="generation", parent_id=2),
        a_meter(4, 2, parent_id=1),
        a_meter(5, 9, role="generation"),
    ]
    channels = [
        a_channel(10, 1, "energy_import"),
        a_channel(11, 1, "energy_export"),
        a_channel(20, 2, "energy_import"),
        a_channel(21, 2, "energy_export"),
        a_channel(30, 3, "energy_generation"),
        a_channel(40, 4, "energy_import"),
        a_channel(50, 5, "energy_generation"),
    ]
    return a_registry(meters, channels)


# One day. The grid gives 1000 and takes 50; the field makes 200; firm 1 takes 600, gives 40 back, makes 300 behind its
# meter; firm 2 takes 450.
SOLAR_DAY = together(
    *(
        a_day(channel, total)
        for channel, total in ((10, 1000), (11, 50), (20, 600), (21, 40), (30, 300), (40, 450), (50, 200))
    )
)


def test_all_carriers_are_added_up_as_energy() -> None:
    registry = with_references(a_boiler_house(), factors=LHV)
    base = together(a_day(1, 1000.0), a_day(2, 500.0), a_day(3, 100.0), a_day(4, 10.0))

    row = figure(registry, "energy_total", ONE, Level.DAY, base)

    # 1000 kWh x 3.6 MJ = 3.6 GJ; 500 m3 x 36 MJ = 18 GJ; 100 L x 36 MJ = 3.6 GJ; 10 t x 2.7 GJ = 27 GJ: 52.2 GJ
    assert row.value == pytest.approx(52.2, rel=1e-12)
    assert (row.total_coverage, row.estimated_share, row.reason) == (1.0, 0.0, NullReason.NONE)


def test_a_meter_has_the_energy_of_its_own_carrier() -> None:
    registry = with_references(a_boiler_house(), factors=LHV)

    row = figure(registry, "energy_total", a_meter_subject(2), Level.DAY, a_day(2, 500.0))

    assert row.value == pytest.approx(18.0, rel=1e-12)


def test_a_carrier_without_a_factor_makes_the_sum_null_whatever_else_is_known() -> None:
    registry = with_references(a_boiler_house(), factors=LHV[1:])
    base = together(a_day(1, 1000.0), a_day(2, 500.0), a_day(3, 100.0), a_day(4, 10.0))

    row = figure(registry, "energy_total", ONE, Level.DAY, base)

    assert row.reason == NullReason.NOT_CONFIGURED
    assert np.isnan(row.value)


def test_a_factor_that_changes_within_an_interval_is_split_by_time() -> None:
    # From 00:05 of the first quarter on the gas is richer: (5 x 30 + 10 x 45) / 15 = 40 MJ/m3.
    change = at("01-01 00:05")
    factors = (a_factor("lhv_gas", 0.030, to_us=change), a_factor("lhv_gas", 0.045, change))
    registry = with_references(a_registry([a_meter(1, 1)], [a_channel(1, 1, "gas")]), factors=factors)

    row = figure(registry, "energy_total", ONE, Level.BASE, amounts(1, BEGIN_US, [100.0]))

    assert row.value == pytest.approx(4.0, rel=1e-12)


def test_the_month_in_which_a_factor_changes_is_split() -> None:
    # 10 days of 100 m3 at 36 MJ/m3, 21 days at 38: 36 + 79.8 = 115.8 GJ.
    change = at("01-11 00:00")
    factors = (a_factor("lhv_gas", 0.036, to_us=change), a_factor("lhv_gas", 0.038, change))
    registry = with_references(a_registry([a_meter(1, 1)], [a_channel(1, 1, "gas")]), factors=factors)

    row = figure(registry, "energy_total", ONE, Level.MONTH, amounts(1, BEGIN_US, [100.0 / 96] * 96 * 31))

    assert row.value == pytest.approx(115.8, rel=1e-12)


def test_a_long_gap_of_a_gas_meter_is_estimated_in_the_energy_too() -> None:
    registry = with_references(a_boiler_house(), factors=LHV)
    half = DAY_ROWS // 2
    measured_s = np.repeat([900.0, 0.0], half)
    estimated = np.repeat([0.0, 500.0 / DAY_ROWS], half)
    gas = a_day(2, 500.0, measured_s=measured_s, estimated=estimated, flags=np.repeat([0, Flag.ESTIMATED], half))

    row = figure(registry, "energy_total", a_meter_subject(2), Level.DAY, gas)

    assert (row.measured, row.estimate) == (pytest.approx(9.0), pytest.approx(18.0))
    assert row.estimated_share == pytest.approx(0.5)
    assert row.reason == NullReason.INSUFFICIENT_DATA  # half of the day was measured, and the gap is not closed


def test_carriers_weigh_in_the_coverage_by_their_energy_not_by_their_number() -> None:
    registry = with_references(a_boiler_house(), factors=LHV)
    # Without usual amounts every meter counts the same: three of four are there.
    base = together(a_day(1, 1000.0), a_day(2, 500.0), a_day(4, 10.0))

    row = figure(registry, "energy_total", ONE, Level.DAY, base)

    assert row.total_coverage == pytest.approx(0.75)


def test_what_a_firm_makes_behind_its_meter_is_used_and_what_it_gives_back_is_not() -> None:
    registry = a_solar_park()

    used = [figure(registry, "energy_total", subject, Level.DAY, SOLAR_DAY).value for subject in (ONE, TWO, PARK)]

    # Firm 1: 600 + 300 - 40 = 860 kWh; firm 2: 450 kWh; the field of the park is used where the meters of firms say.
    assert used == pytest.approx([860 * 0.0036, 450 * 0.0036, 1310 * 0.0036], rel=1e-12)


def test_the_supply_of_a_park_is_bulk_and_field_without_what_goes_to_the_grid() -> None:
    row = figure(a_solar_park(), "electricity_supply", PARK, Level.DAY, SOLAR_DAY)

    assert row.value == pytest.approx(1000 + 200 - 50)


def test_the_balance_of_electricity_has_an_error_band() -> None:
    balance = figure(a_solar_park(), "electricity_balance", PARK, Level.DAY, SOLAR_DAY)
    loss = figure(a_solar_park(), "electricity_loss_share", PARK, Level.DAY, SOLAR_DAY)

    # Supply 1150, use 600 - 40 + 450 = 1010. The roof stands on neither side.
    assert balance.value == pytest.approx(140.0)
    # Bulk 0.5 % of 1000 and of 50, others 2 % of 200; use 2 % of 600, 40, 450.
    supply_error = np.sqrt(5**2 + 0.25**2 + 4**2)
    use_error = np.sqrt(12**2 + 0.8**2 + 9**2)
    assert balance.error == pytest.approx(np.hypot(supply_error, use_error))
    assert loss.value == pytest.approx(140 / 1150)
    assert loss.error == pytest.approx(np.hypot(use_error, 1010 / 1150 * supply_error) / 1150)


def test_the_renewable_share_of_a_firm_is_what_it_made_and_used() -> None:
    row = figure(a_solar_park(), "renewable_share", ONE, Level.DAY, SOLAR_DAY)

    assert row.value == pytest.approx((300 - 40) / 860)


def test_the_renewable_share_of_a_park_has_its_field_without_what_goes_to_the_grid() -> None:
    row = figure(a_solar_park(), "renewable_share", PARK, Level.DAY, SOLAR_DAY)

    # All use 860 + 450; roof and field 500, 50 to the grid.
    assert row.value == pytest.approx((300 + 200 - 50) / 1310)


def test_certificates_count_as_renewable_up_to_the_rest() -> None:
    registry = a_solar_park()
    day = BEGIN_US, BEGIN_US + DAY_US
    some, too_many = (entered((2, "certificates", *day, kwh)) for kwh in (90.0, 900.0))

    part, whole = (
        entered_figure(registry, "renewable_share", TWO, Level.DAY, SOLAR_DAY, context=context)
        for context in (some, too_many)
    )

    assert part.value == pytest.approx(90 / 450)
    assert whole.value == pytest.approx(1.0)


def test_without_generation_and_certificates_there_is_no_renewable_share() -> None:
    row = figure(a_solar_park(), "renewable_share", TWO, Level.DAY, SOLAR_DAY)

    assert row.reason == NullReason.NOT_CONFIGURED


def test_certificates_of_a_month_are_split_by_time_on_a_day_and_say_so() -> None:
    registry = a_solar_park()
    context = entered((2, "certificates", *JANUARY, 31 * 90.0))

    row = entered_figure(registry, "renewable_share", TWO, Level.DAY, SOLAR_DAY, context=context)

    assert row.value == pytest.approx(90 / 450)
    assert row.estimated_share == pytest.approx(90 / 450)
    assert row.flags & Flag.ESTIMATED
    assert row.measured == pytest.approx(0.0)


def test_an_interval_in_which_the_roof_is_not_known_leaves_both_sides() -> None:
    registry = a_solar_park()
    # Of the roof the first 6 quarters are missing; the rest makes 3 kWh a quarter.
    roof = amounts(30, BEGIN_US + 6 * 900_000_000, np.full(90, 3.0))
    base = together(a_day(20, 960.0), a_day(21, 0.0), roof)

    row = figure(registry, "renewable_share", ONE, Level.DAY, base)

    # 90 quarters of 10 kWh taken and 3 kWh made.
    assert row.value == pytest.approx(3 / 13)
    assert row.terms[0] == pytest.approx(90 * 13)
    assert row.profile_coverage == pytest.approx(90 / 96)


def test_deliveries_of_unmetered_fuels_are_energy_too() -> None:
    registry = with_references(a_boiler_house(), factors=(*LHV, a_factor("lhv_coal", 25.0)))
    base = amounts(1, BEGIN_US, [0.0] * 96 * 31)
    others = [amounts(number, BEGIN_US, [0.0] * 96 * 31) for number in (2, 3, 4)]
    context = entered((1, "fuel_coal", *JANUARY, 4.0), (1, "fuel_gas", *JANUARY, 1e6))

    row = entered_figure(registry, "energy_total", ONE, Level.MONTH, together(base, *others), context=context)

    # 4 t x 25 GJ/t. The gas is metered, so what was delivered of it does not count again.
    assert row.value == pytest.approx(100.0)
    assert row.estimated_share == 0.0


def test_what_is_entered_for_the_whole_park_stands_for_it_while_nobody_meters_the_fuel() -> None:
    registry = with_references(
        a_registry(
            [a_meter(1, 1), a_meter(2, 2)], [a_channel(1, 1, "energy_import"), a_channel(2, 2, "energy_import")]
        ),
        factors=(a_factor("lhv_gas", 0.036),),
    )
    base = together(*(amounts(number, BEGIN_US, [0.0] * 96 * 31) for number in (1, 2)))
    of_firms = (1, "fuel_gas", *JANUARY, 1000.0), (2, "fuel_gas", *JANUARY, 500.0)

    tenants = entered_figure(registry, "energy_total", PARK, Level.MONTH, base, context=entered(*of_firms))
    whole = entered_figure(
        registry,
        "energy_total",
        PARK,
        Level.MONTH,
        base,
        context=entered((PARK_WIDE, "fuel_gas", *JANUARY, 1600.0), *of_firms),
    )

    assert tenants.value == pytest.approx(54.0)
    assert whole.value == pytest.approx(57.6)


def test_a_roof_out_of_service_is_not_waited_for() -> None:
    registry = a_solar_park()
    # The roof is off from 00:00 to 03:00, which is 12 quarters, and makes 3 kWh a quarter from then on.
    off = Outage(from_us=BEGIN_US, to_us=at("01-01 03:00"), reason="inverter exchanged")
    meters = tuple(replace(meter, outages=(off,)) if meter.id == 3 else meter for meter in registry.meters)
    registry = replace(registry, meters=meters)
    roof = amounts(30, at("01-01 03:00"), np.full(84, 3.0))

    row = figure(registry, "renewable_share", ONE, Level.DAY, together(a_day(20, 960.0), a_day(21, 0.0), roof))

    assert row.value == pytest.approx(84 * 3 / (960 + 84 * 3))
    assert row.profile_coverage == 1.0
