"""References: factors, tariffs, holidays, contracts, formulas and limits of checks, as frozen dated values with their sources.

They are data of a park, loaded from files (:mod:`domain.referencefile`), never code. A value that nobody read in the
document its source names is not `confirmed`, and says so wherever a number is made with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

__all__ = [
    "Block",
    "CheckLimits",
    "Contract",
    "Factor",
    "Formula",
    "Holidays",
    "Origin",
    "References",
    "Tariff",
    "TariffWindow",
    "dated",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What every reference has: its key, when it holds, and where it is from."""

    id: int
    """The database's; raised with every newer version."""
    key: str
    valid_from_us: int
    valid_to_us: int | None
    source: str
    confirmed: bool
    """Whether somebody read the value in the document that `source` names."""

    def holds(self, instant_us: int) -> bool:
        """Whether it is in force at an instant."""
        return self.valid_from_us <= instant_us and (self.valid_to_us is None or instant_us < self.valid_to_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A number with a unit: an emission factor, a heating value.

    Keys: `grid` and `grid_residual` (kgCO2e/kWh), `contracted` (kgCO2e/kWh), `lhv_<fuel>` (GJ per unit of the fuel),
    `co2_<fuel>` (kgCO2e/GJ), `enthalpy_steam` (GJ/t). Fuels: gas, diesel, coal, lpg, biomass.
    """

    origin: Origin
    value: float
    unit: str
    region: str
    """Grid, country or plant that it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffWindow:
    """A clock window of a tariff block, park-local."""

    days: frozenset[int]
    """Days of the week, 0 Monday to 6 Sunday; 7 holidays. A holiday is only day 7."""
    start_min: int
    """Minutes after local midnight. [min]"""
    stop_min: int
    """At most 1440; greater than `start_min`. [min]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of the clock with a price of its own."""

    key: str
    """As in `tou_<key>`, for example `wbp`."""
    price: float
    """[currency per kWh]"""
    windows: tuple[TariffWindow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Prices of electricity by local clock: each minute of each kind of day belongs to exactly one block."""

    origin: Origin
    currency: str
    blocks: tuple[Block, ...]
    reactive_price: float
    """Of the excess over `pf_min`, per month. [currency per kvarh]"""
    pf_min: float
    fixed_per_month: float
    """[currency per month]"""
    holidays: str | None
    """Key of the holidays that count as day 7; None: there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holidays:
    """Local dates that are no working days."""

    origin: Origin
    dates: frozenset[date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a tenant (or the park, as `_park`) agreed with its supplier; the origin's key is the tenant's key."""

    origin: Origin
    tariff: str | None
    """Key of a tariff."""
    contracted_kva: float | None
    """[kVA]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A KPI that the operator defined; the origin's key is the KPI's key."""

    origin: Origin
    title: str
    unit: str
    expression: str
    subjects: tuple[str, ...]
    """`park`, `tenant`, `meter`."""
    levels: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLimits:
    """Limits of the checks of readings; the key is a quantity, or a channel `tenant/meter/quantity` that it narrows to."""

    origin: Origin
    limits: tuple[tuple[str, float], ...]
    """By name, see `kpi.checks`: only those that differ from the defaults."""


Entry = TypeVar("Entry", Factor, Tariff, Holidays, Contract, Formula, CheckLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """All references of a park, each kind in order of key and time; of one kind and key they do not overlap."""

    factors: tuple[Factor, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    holidays: tuple[Holidays, ...] = ()
    contracts: tuple[Contract, ...] = ()
    formulas: tuple[Formula, ...] = ()
    checks: tuple[CheckLimits, ...] = ()


def dated(entries: Iterable[Entry], key: str) -> tuple[Entry, ...]:
    """The entries of one key, in order of time."""
    return tuple(sorted((one for one in entries if one.origin.key == key), key=lambda one: one.origin.valid_from_us))
