"""The entries of a reference file: factors, tariffs, holidays, contracts, formulas and limits of checks of one park.

Frozen values that pydantic checks one by one. What relates two places to each other is
:mod:`domain.referencechecks`; reading a file's text is :mod:`domain.referencefile`, which is what others import.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field

from domain.shapes import Finite, Key, Positive, Shape

__all__ = [
    "BlockEntry",
    "CheckEntry",
    "ContractEntry",
    "FactorEntry",
    "FormulaEntry",
    "HolidaysEntry",
    "ReferenceEntry",
    "ReferenceFile",
    "TariffEntry",
    "WindowEntry",
]

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_DAYS = {name: frozenset({number}) for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
_DAYS |= {
    "holiday": frozenset({7}),
    "workdays": frozenset(range(5)),
    "weekend": frozenset({5, 6}),
    "all": frozenset(range(8)),
}


def _listed(value: Any) -> Any:
    """A single word stands for a list of one."""
    return [value] if isinstance(value, str) else value


def _clock(text: str) -> str:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError('must be a stretch of the clock, like "17:00-22:00" (in quotation marks)')
    start, stop = _minutes(text)
    if stop > 24 * 60:
        raise ValueError('must end at 24:00 at the latest, like "22:00-24:00"')
    if start >= stop:
        raise ValueError(
            'must begin before it ends; what passes midnight is two windows, "22:00-24:00" and "00:00-06:00"'
        )
    return text


def _minutes(text: str) -> tuple[int, int]:
    start, stop = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return start, stop


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must say where the value is from: document, edition, page; or who measured it")
    return text


DayWord = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday", "workdays", "weekend", "all"]
Clock = Annotated[str, AfterValidator(_clock)]
Source = Annotated[str, Field(max_length=1000), AfterValidator(_said)]
Days = Annotated[tuple[DayWord, ...], BeforeValidator(_listed), Field(min_length=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ReferenceEntry(Shape):
    """What every reference says of itself."""

    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    """None: until the next version of the same key, or for good."""
    source: Source
    """Where the value is from."""
    confirmed: bool = False
    """Whether somebody read the value in the document that `source` names."""


class FactorEntry(ReferenceEntry):
    """An emission factor, a heating value."""

    key: Key
    value: NotNegative
    unit: str = Field(min_length=1, max_length=32)
    """Any that reduces to the unit of the key, for example `tCO2e/MWh` for `grid`."""
    region: str = Field(default="", max_length=200)
    """Grid, country or plant that it is for."""


class WindowEntry(Shape):
    """A stretch of the local clock on some kinds of day."""

    days: Days = ("all",)
    """`mon` to `sun`, `holiday`, `workdays` (mon to fri), `weekend` (sat and sun), `all` (holidays too)."""
    clock: Clock
    """`"17:00-22:00"`; at most to 24:00."""

    @property
    def day_numbers(self) -> frozenset[int]:
        """0 Monday to 6 Sunday; 7 holidays."""
        return frozenset().union(*(_DAYS[word] for word in self.days))

    @property
    def minutes(self) -> tuple[int, int]:
        """Start and stop, after local midnight. [min]"""
        return _minutes(self.clock)


class BlockEntry(Shape):
    """A part of the clock with a price of its own."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    """Becomes the KPI `tou_<key>`."""
    price: Finite
    """[currency per kWh]"""
    windows: tuple[WindowEntry, ...] = Field(min_length=1)


class TariffEntry(ReferenceEntry):
    """Prices of electricity by local clock."""

    key: Key
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    """ISO 4217, for example `IDR`."""
    blocks: tuple[BlockEntry, ...] = Field(min_length=1)
    reactive_price: NotNegative = 0.0
    """Of the excess over `pf_min`, per month. [currency per kvarh]"""
    pf_min: float = Field(default=0.85, gt=0, le=1)
    fixed_per_month: NotNegative = 0.0
    """[currency per month]"""
    holidays: Key | None = None
    """Key of the holidays that count as `holiday`; None: there are none."""


class HolidaysEntry(ReferenceEntry):
    """Local dates that are no working days."""

    key: Key
    dates: tuple[date, ...] = Field(min_length=1)


class ContractEntry(ReferenceEntry):
    """What a tenant, or the park as `_park`, agreed with its supplier."""

    tenant: Key
    tariff: Key | None = None
    contracted_kva: Positive | None = None
    """[kVA]"""


class FormulaEntry(ReferenceEntry):
    """A KPI that the operator defines."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    title: str = Field(min_length=1, max_length=200)
    unit: str = Field(min_length=1, max_length=32)
    expression: str = Field(min_length=1, max_length=1000)
    subjects: Annotated[
        tuple[Literal["park", "tenant", "meter"], ...], BeforeValidator(_listed), Field(min_length=1)
    ] = ("park", "tenant")
    levels: Annotated[
        tuple[Literal["base", "hour", "day", "week", "month", "year"], ...],
        BeforeValidator(_listed),
        Field(min_length=1),
    ] = ("day", "week", "month", "year")
    version: int = Field(default=1, ge=1)
    """Raised whenever the expression changes."""


class CheckEntry(ReferenceEntry):
    """Limits of the checks of readings: of a quantity, or of one channel `tenant/meter/quantity`."""

    key: str = Field(min_length=1, max_length=200)
    limits: dict[str, Finite] = Field(min_length=1)


class ReferenceFile(Shape):
    """Everything that a park's numbers are made with beside readings and entered values.

    In a file, fields of the topmost level that begin with `x-` may hold anything: they are the place
    for YAML anchors, and are left out before the rest is read.
    """

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^x-": {}}})

    park: Key
    """Key of the park that these are for."""
    factors: tuple[FactorEntry, ...] = ()
    tariffs: tuple[TariffEntry, ...] = ()
    holidays: tuple[HolidaysEntry, ...] = ()
    contracts: tuple[ContractEntry, ...] = ()
    formulas: tuple[FormulaEntry, ...] = ()
    checks: tuple[CheckEntry, ...] = ()
