"""Unit texts come from messages: hostile ones are refused at once, and the right ones give the factor that is meant."""

import pytest

from domain.errors import UnitError
from domain.units import conversion_factor


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "9**9**9**9",
        "m^99999999999",
        "kWh/0",
        "1/0",
        "2*kWh",
        "(",
        "kWh\0",
        "kWh ",
        "kW h",
        "m3/",
        "!!",
        "{}",
        "x" * 99,
    ],
)
def test_a_text_that_is_no_plain_unit_is_never_evaluated(text: str) -> None:
    with pytest.raises(UnitError):
        conversion_factor(text, "kWh")


@pytest.mark.parametrize("text", ["%", "1", "dB", "ppm", "mg/L"])
def test_ph_is_a_scale_of_its_own(text: str) -> None:
    with pytest.raises(UnitError):
        conversion_factor(text, "pH")


@pytest.mark.parametrize(
    ("unit", "canonical", "factor"),
    [
        ("m3/d", "m3/h", 1 / 24),
        ("L/s", "m3/h", 3.6),
        ("L/min", "m3/h", 0.06),
        ("ug/L", "mg/L", 0.001),
        ("Wh", "kWh", 0.001),
        ("MJ", "kWh", 1 / 3.6),
    ],
)
def test_a_factor_is_the_number_that_is_meant(unit: str, canonical: str, factor: float) -> None:
    assert conversion_factor(unit, canonical) == factor
