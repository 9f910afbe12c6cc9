"""Units of formulas: what an expression measures, worked out by pint before any number is made with it.

Amounts and entered values come in the units of the catalogue. They are brought to a few base units before they meet, so
that kWh and GJ can be added, and the result is brought to the unit that the formula declares.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pint
from pint.facets.plain import PlainUnit

from domain.errors import UnitError
from domain.frames import FloatArray
from kpi.expression import Apply, Expression, Name, Node, Number, evaluate

__all__ = ["Measured", "factor_to_base", "is_unit", "measured", "unit_problem"]

_DEFINITIONS = """
hour = [time] = h
second = hour / 3600 = s
minute = hour / 60
day = 24 * hour = d
meter = [length] = m
m2 = meter ** 2
m3 = meter ** 3
L = m3 / 1000
ha = 10000 * m2
kilogram = [mass] = kg
t = 1000 * kg
g = kg / 1000
mg = kg / 1000000
kWh = [energy]
MWh = 1000 * kWh
GWh = 1000000 * kWh
Wh = kWh / 1000
GJ = kWh / 0.0036
MJ = kWh / 3.6
TJ = 1000 * GJ
kJ = MJ / 1000
kW = kWh / hour
MW = 1000 * kW
kvarh = [reactive_energy]
Mvarh = 1000 * kvarh
kvar = kvarh / hour
kgCO2e = [greenhouse_gas]
tCO2e = 1000 * kgCO2e
gCO2e = kgCO2e / 1000
currency = [currency]
pcs = [pieces]
employee = []
percent = 0.01
"""
"""All units that formulas know. Reactive energy, greenhouse gases, money and pieces are dimensions of their own, so that
they cannot be added to, or cancelled against, what merely has the same physical dimension."""

_SHAPE = re.compile(
    r"1|[A-Za-z][A-Za-z0-9]*(?:\*{2}[2-4])?(?:[*/][A-Za-z][A-Za-z0-9]*(?:\*{2}[2-4])?){0,5}|1(?:/[A-Za-z][A-Za-z0-9]*){1,3}"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NAMES = frozenset(
    name.strip() for line in _DEFINITIONS.strip().splitlines() for name in line.split(" = ")[:1] + line.split(" = ")[2:]
)
_TEXT_LENGTH = 60
ROUNDING = 1e-9
_SAMPLES = (
    np.array([3.0, 0.7, 19.0]),
    np.array([5.0, 1.3, 2.0]),
    np.array([0.9, 11.0, 7.0]),
    np.array([13.0, 4.1, 0.3]),
)
"""What names are taken to be when an expression is tried: a denominator that is zero for all of these is always zero."""


@cache
def _units() -> pint.UnitRegistry[float]:
    units: pint.UnitRegistry[float] = pint.UnitRegistry(None)
    for definition in _DEFINITIONS.strip().splitlines():
        units.define(definition)
    return units


def is_unit(text: str) -> bool:
    """Whether a text is a unit that formulas know."""
    if len(text) > _TEXT_LENGTH or _SHAPE.fullmatch(text) is None:
        return False
    # Only names from above are shown to pint, which would take `NAN` for a number and read prefixes and plurals.
    return set(_WORD.findall(text)) <= _NAMES


def _parsed(text: str) -> pint.Unit:
    return _units().Unit("dimensionless" if text == "1" else text)


def factor_to_base(unit: str) -> float:
    """The number by which a value in a unit is multiplied to be in base units."""
    return float((1.0 * _parsed(unit)).to_base_units().magnitude)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a part of an expression measures."""

    unit: PlainUnit
    is_zero: bool = False
    """The constant 0, which goes with every unit."""

    @property
    def text(self) -> str:
        """For people: `kWh/m3`."""
        return "a plain number" if self.unit.dimensionless else f"{self.unit:C}"


def measured(expression: Expression, units: dict[str, str]) -> Measured:
    """
    What an expression measures.

    Parameters
    ----------
    expression : Expression
    units : dict
        Unit of each of its names.

    Raises
    ------
    UnitError
        It adds or compares what is unlike, or divides by what is always zero.
    """
    samples = {key: _SAMPLES[place % len(_SAMPLES)] * (1 + place) for place, key in enumerate(expression.names)}
    return _of(expression.root, units, samples)


def unit_problem(expression: Expression, units: dict[str, str], declared: str) -> str | None:
    """A sentence on why an expression cannot be in the declared unit; None: it can."""
    try:
        found = measured(expression, units)
    except UnitError as error:
        return str(error)
    if found.unit.dimensionality != _parsed(declared).dimensionality:
        return f"declared {declared} but the expression gives {found.text}"
    return None


def _of(node: Node, units: dict[str, str], samples: dict[str, FloatArray]) -> Measured:
    match node:
        case Number(value):
            return Measured(_parsed("1"), is_zero=value == 0)
        case Name(key):
            return Measured(_parsed(units[key]))
        case Apply(operator, operands):
            parts = [_of(operand, units, samples) for operand in operands]
            if operator == "/":
                _check_divisor(operands[1], samples, parts[1])
            return _applied(operator, operands, parts)


def _applied(operator: str, operands: tuple[Node, ...], parts: list[Measured]) -> Measured:
    first = parts[0].unit
    match operator:
        case "*":
            return Measured(first * parts[1].unit)
        case "/":
            return Measured(first / parts[1].unit)
        case "**":
            exponent = operands[1]
            return Measured(first ** int(exponent.value) if isinstance(exponent, Number) else first)
        case "sqrt":
            return Measured(first**0.5)
        case "negative" | "abs":
            return parts[0]
    return _alike(operator, parts)


def _alike(operator: str, parts: list[Measured]) -> Measured:
    """Of what is added, subtracted or compared: all must measure the same, but for a plain 0."""
    counted = [part for part in parts if not part.is_zero]
    if not counted:
        return parts[0]
    for part in counted[1:]:
        if part.unit.dimensionality != counted[0].unit.dimensionality:
            said = {"+": "added to", "-": "taken together with"}.get(operator, "compared with")
            raise UnitError(f"{counted[0].text} cannot be {said} {part.text}")
    return counted[0]


def _check_divisor(node: Node, samples: dict[str, FloatArray], part: Measured) -> None:
    values, _ = evaluate(node, samples)
    # What cancels leaves the last digits of what was added up.
    if not np.nan_to_num(values).any() or np.nanmax(np.abs(values)) < ROUNDING:
        raise UnitError(
            f"it divides by {part.text} that is always zero; a denominator must be able to differ from zero"
        )
