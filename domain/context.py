"""Context series: what meters cannot say and people enter (production, turnover, employees, bills ...), dated."""

from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.time import IntArray

__all__ = ["CONTEXTS", "PARK_WIDE", "Context", "ContextFrame", "no_context"]

PARK_WIDE = 0
"""Stands for the whole park where a tenant's id is expected; ids begin at 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One thing that is entered."""

    key: str
    title: str
    """For people."""
    unit: str
    """`currency` stands for the park's own."""
    amount: bool
    """Whether values add up over time (tonnes); else one value holds over its interval (employees)."""


def _table(*contexts: Context) -> MappingProxyType[str, Context]:
    return MappingProxyType({context.key: context for context in contexts})


def _amount(key: str, title: str, unit: str) -> Context:
    return Context(key=key, title=title, unit=unit, amount=True)


def _level(key: str, title: str, unit: str) -> Context:
    return Context(key=key, title=title, unit=unit, amount=False)


CONTEXTS = _table(
    _amount("production_t", "Production, by mass", "t"),
    _amount("production_pcs", "Production, by pieces", "pcs"),
    _amount("turnover", "Turnover", "currency"),
    _amount("value_added", "Net value added", "currency"),
    _level("employees", "Employees", "1"),
    _level("area", "Area in use", "ha"),
    _amount("electricity_billed", "Electricity by the utility's bills", "kWh"),
    _amount("fuel_billed", "Energy of fuels and heat by bills", "GJ"),
    _amount("water_billed", "Water by the utility's bills", "m3"),
    _amount("certificates", "Renewable energy certificates retired", "kWh"),
    _amount("electricity_contracted", "Electricity under contracts with a factor of their own", "kWh"),
    _amount("fuel_gas", "Natural gas delivered, normal cubic metres", "m3"),
    _amount("fuel_diesel", "Diesel delivered", "L"),
    _amount("fuel_coal", "Coal delivered", "t"),
    _amount("fuel_lpg", "Liquefied petroleum gas delivered", "t"),
    _amount("fuel_biomass", "Biomass delivered", "t"),
)
"""Every series by key. Others than these are refused, so that a misspelt key cannot hide a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFrame:
    """Entered values in force, sorted by (tenant_id, key, start_us); those of one series do not overlap. (n,) each."""

    tenant_id: NDArray[np.int32]
    """:data:`PARK_WIDE` for values of the whole park."""
    key: NDArray[np.str_]
    """Key in :data:`CONTEXTS`."""
    start_us: IntArray
    stop_us: IntArray
    """Half-open. [us UTC]"""
    value: NDArray[np.float64]
    """An amount over the interval, or what held in it. [unit of the series]"""

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, column.name)) for column in fields(self)}
        if len(lengths) > 1:
            raise InputError(f"the columns of entered values differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.value)

    def of(self, key: str) -> "ContextFrame":
        """The values of one series, of all tenants and the park."""
        chosen = self.key == key
        return ContextFrame(**{column.name: getattr(self, column.name)[chosen] for column in fields(self)})


def no_context() -> ContextFrame:
    """Nothing was entered."""
    return ContextFrame(
        tenant_id=np.zeros(0, dtype=np.int32),
        key=np.zeros(0, dtype=np.str_),
        start_us=np.zeros(0, dtype=np.int64),
        stop_us=np.zeros(0, dtype=np.int64),
        value=np.zeros(0),
    )
