"""Units: the canonical ones, and the factor that brings another unit to them.

Units come from pint. A factor is looked up once for a channel or a message's unit text and
then multiplied in numpy; pint itself is never on the path of a reading.
"""

import re
from fractions import Fraction
from functools import cache, lru_cache
from math import isclose

import pint

from domain.errors import UnitError

__all__ = ["conversion_factor"]

_DEFINITIONS = (
    "kvarh = kilowatt_hour",
    "kvar = kilowatt",
    "kVA = kilowatt",
    "Mvarh = 1000 * kvarh",
    "varh = 0.001 * kvarh",
    "pH = []",
    "mgL = milligram / liter",
    "degC_plain = kelvin",
    "kgCO2e = kilogram",
)

_SPELLINGS = {
    "m3": "meter**3",
    "m3/h": "meter**3/hour",
    "m3/d": "meter**3/day",
    "m3/s": "meter**3/second",
    "m³": "meter**3",
    "m³/h": "meter**3/hour",
    "l/s": "liter/second",
    "L/s": "liter/second",
    "L/min": "liter/minute",
    "L": "liter",
    "mg/L": "milligram/liter",
    "mg/l": "milligram/liter",
    "ug/L": "microgram/liter",
    "g/m3": "gram/meter**3",
    "degC": "degC_plain",
    "°C": "degC_plain",
    "uS/cm": "microsiemens/centimeter",
    "1": "dimensionless",
    "%": "percent",
}

# pint reads kvarh and kWh as the same dimension, and so would turn reactive energy into
# active energy; these families may only be converted within themselves.
_REACTIVE = frozenset({"varh", "kvarh", "Mvarh"})
# Other scales of temperature need more than a factor.
_CELSIUS = frozenset({"degC", "°C"})
_TEXT_BYTES = 32

# pint evaluates what it is given: "9**9**9**9" in a message would keep it busy for ever, and "kWh/0" divides by zero.
_NAME = "[A-Za-z%°µμ][A-Za-z0-9_²³]*"
_SHAPE = re.compile(f"1|{_NAME}(?:/{_NAME})?")


@cache
def _units() -> pint.UnitRegistry[float]:
    registry: pint.UnitRegistry[float] = pint.UnitRegistry(autoconvert_offset_to_baseunit=False)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


@lru_cache(maxsize=1024)
def conversion_factor(unit: str, canonical: str) -> float:
    """
    The number by which a value in `unit` is multiplied to be in `canonical`.

    Offsets are not converted: a temperature must come in degC.

    Raises
    ------
    UnitError
        The unit is unknown, or measures something else than `canonical` does.

    Examples
    --------
    >>> conversion_factor("MWh", "kWh")
    1000.0
    >>> conversion_factor("L/s", "m3/h")
    3.6
    """
    if unit == canonical:
        return 1.0
    if len(unit) > _TEXT_BYTES:
        raise UnitError(f"unit {unit[:_TEXT_BYTES]!r}... is longer than {_TEXT_BYTES} characters")
    if _SHAPE.fullmatch(unit) is None:
        raise UnitError(f"unit {unit!r} is not written like `kWh` or `m3/h`; this channel is in {canonical}")
    if "pH" in (unit, canonical):
        raise UnitError(f"unit {unit!r} cannot be brought to {canonical}: pH is a scale of its own")
    if canonical == "degC" and unit not in _CELSIUS:
        raise UnitError(f"unit {unit!r} cannot be brought to degC by a factor; a temperature must come in degC")
    if (unit in _REACTIVE) != (canonical in _REACTIVE):
        raise UnitError(f"unit {unit!r} cannot be brought to {canonical}: one is reactive energy")
    registry = _units()
    try:
        source = registry.Unit(_SPELLINGS.get(unit, unit))
        target = registry.Unit(_SPELLINGS.get(canonical, canonical))
        factor = float(registry.convert(1.0, source, target))
    except pint.DimensionalityError:
        raise UnitError(f"unit {unit!r} cannot be brought to {canonical}: it measures something else") from None
    except (
        pint.UndefinedUnitError,
        pint.errors.DefinitionSyntaxError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
    ):
        raise UnitError(f"unit {unit!r} is not known; this channel is in {canonical}") from None
    return _meant(factor)


def _meant(factor: float) -> float:
    """What a factor is but for rounding: pint makes 3.5999999999999996 of L/s to m3/h, and a day has 24 hours exactly."""
    simple = float(Fraction(factor).limit_denominator(1_000_000))
    return simple if isclose(simple, factor, rel_tol=1e-15) else float(f"{factor:.15g}")
