"""Factors: which keys there are, the unit each needs, and how another unit is brought to it."""

from types import MappingProxyType

from domain.context import CONTEXTS
from domain.errors import UnitError
from domain.units import conversion_factor

__all__ = ["FACTOR_UNITS", "FUELS", "canonical_factor"]

FUELS = ("gas", "diesel", "coal", "lpg", "biomass")
"""Fuels with a heating value and an emission factor; what is entered or metered of each is in the unit of its series."""

FACTOR_UNITS = MappingProxyType(
    {
        **dict.fromkeys(("grid", "grid_residual", "contracted"), "kgCO2e/kWh"),
        **{f"lhv_{fuel}": f"GJ/{CONTEXTS[f'fuel_{fuel}'].unit}" for fuel in FUELS},
        **{f"co2_{fuel}": "kgCO2e/GJ" for fuel in FUELS},
        "enthalpy_steam": "GJ/t",
        "co2_steam": "kgCO2e/GJ",
    }
)
"""Every factor by key, with the unit that numbers are made in. Others are refused, so that a misspelt key hides nothing."""

# Mass of gases, warming potentials included; pint does not know the suffixes.
_GASES = ("CO2e", "CO2eq", "CO2")
_NORMAL = {"Nm3": "m3", "Sm3": "", "l": "L", "ton": ""}
"""Normal cubic metres are those of the series; what could be meant in two ways is no unit."""


def canonical_factor(key: str, value: float, unit: str) -> float:
    """
    The value of a factor in the unit of its key.

    Raises
    ------
    UnitError
        There is no such factor, or the unit does not reduce to what it needs; names both.

    Examples
    --------
    >>> canonical_factor("grid", 0.8, "tCO2e/MWh")
    0.8
    >>> canonical_factor("lhv_gas", 36.0, "MJ/m3")
    0.036
    """
    wanted = FACTOR_UNITS.get(key)
    if wanted is None:
        raise UnitError(f"there is no factor {key!r}; known are {', '.join(FACTOR_UNITS)}")
    above, _, below = wanted.partition("/")
    own_above, _, own_below = unit.partition("/")
    try:
        scale = _scale(own_above, above) / _scale(own_below, below)
    except UnitError:
        raise UnitError(f"unit {unit!r} does not reduce to {wanted}, which it needs") from None
    return float(f"{value * scale:.15g}")


def _scale(unit: str, wanted: str) -> float:
    """The number by which one part of a factor's unit is multiplied; a gas converts only to a gas."""
    gas, wanted_gas = (next((suffix for suffix in _GASES if part.endswith(suffix)), "") for part in (unit, wanted))
    if bool(gas) != bool(wanted_gas):
        raise UnitError(f"{unit!r} is not {wanted}")
    mass, wanted_mass = unit.removesuffix(gas), wanted.removesuffix(wanted_gas)
    mass = _NORMAL.get(mass, mass)
    return 1.0 if mass == wanted_mass else conversion_factor(mass, wanted_mass)
