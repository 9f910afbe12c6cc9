"""Units, quantities and quality bits: what the words of the domain promise."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import UnitError
from domain.quality import UNUSABLE, Flag, Quality
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.units import conversion_factor


@pytest.mark.parametrize(
    ("unit", "canonical", "factor"),
    [
        ("kWh", "kWh", 1.0),
        ("Wh", "kWh", 0.001),
        ("MWh", "kWh", 1000.0),
        ("Mvarh", "kvarh", 1000.0),
        ("MW", "kW", 1000.0),
        ("L", "m3", 0.001),
        ("L/s", "m3/h", 3.6),
        ("m3/d", "m3/h", 1 / 24),
        ("g/m3", "mg/L", 1.0),
        ("ug/L", "mg/L", 0.001),
        ("kPa", "bar", 0.01),
        ("mS/cm", "uS/cm", 1000.0),
    ],
)
def test_a_unit_of_the_field_is_brought_to_the_canonical_one(unit: str, canonical: str, factor: float) -> None:
    assert conversion_factor(unit, canonical) == pytest.approx(factor, rel=1e-14)


def test_litres_a_second_are_exactly_3_6_cubic_metres_an_hour() -> None:
    assert conversion_factor("L/s", "m3/h") == 3.6


@pytest.mark.parametrize(
    ("unit", "canonical"),
    [
        ("kWh", "kvarh"),
        ("kvarh", "kWh"),
        ("kWh", "m3"),
        ("m3", "m3/h"),
        ("mg/L", "degC"),
        ("degF", "degC"),
        ("K", "degC"),
    ],
)
def test_a_unit_that_measures_something_else_is_refused(unit: str, canonical: str) -> None:
    with pytest.raises(UnitError, match=canonical):
        conversion_factor(unit, canonical)


@pytest.mark.parametrize(
    "unit", ["parsnip", "", "kWh kWh kWh kWh kWh kWh kWh kWh kWh", "(", "m3 +", "\0", "__import__('os')", "1/0"]
)
def test_text_that_is_no_unit_is_refused(unit: str) -> None:
    with pytest.raises(UnitError):
        conversion_factor(unit, "kWh")


@settings(deadline=None)  # the first unit loads the registry of pint
@given(st.text(max_size=40))
def test_any_text_gives_a_factor_or_a_unit_error(unit: str) -> None:
    try:
        factor = conversion_factor(unit, "m3")
    except UnitError:
        return
    assert math.isfinite(factor)


def test_every_quantity_has_a_canonical_unit_that_units_know() -> None:
    assert all(conversion_factor(quantity.unit, quantity.unit) == 1.0 for quantity in QUANTITIES.values())


def test_a_flow_adds_up_to_the_unit_of_its_stock() -> None:
    assert {key: quantity.integral for key, quantity in QUANTITIES.items() if quantity.integral} == {
        "power": "kWh",
        "water_flow": "m3",
        "effluent_flow": "m3",
    }


def test_every_concentration_has_a_load_in_kilograms() -> None:
    assert {QUANTITIES[key].unit for key in CONCENTRATIONS} == {"mg/L"}
    assert {QUANTITIES[f"load_{key}"].unit for key in CONCENTRATIONS} == {"kg"}


def test_only_temperature_and_flows_may_be_negative() -> None:
    assert {key for key, quantity in QUANTITIES.items() if quantity.lowest is None} == {
        "power",
        "water_flow",
        "effluent_flow",
        "temperature",
    }


def test_an_estimate_or_a_value_below_detection_is_used_and_a_faulty_one_is_not() -> None:
    usable = Quality.BELOW_DETECTION | Quality.ESTIMATED_BY_SOURCE | Quality.CLOCK_UNSURE

    assert not usable & UNUSABLE
    assert UNUSABLE == Quality.CALIBRATION | Quality.MAINTENANCE | Quality.FAULT | Quality.OUT_OF_RANGE


@pytest.mark.parametrize("bits", [Quality, Flag])
def test_bits_are_distinct_powers_of_two(bits: type[Quality] | type[Flag]) -> None:
    assert [bit.value for bit in bits] == [1 << place for place in range(len(bits))]
