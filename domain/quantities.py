"""The quantities a meter can measure, each with its canonical unit.

A quantity is the last part of a channel's key. `rate_of` names the stock unit that a flow
adds up to, so that a gauge of a flow can stand in where there is no register.
"""

from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CONCENTRATIONS", "QUANTITIES", "Quantity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One thing that meters measure."""

    key: str
    """As it stands in topics, payloads and channel keys."""

    title: str
    """For people."""

    unit: str
    """The canonical unit in which values are stored."""

    stock: bool
    """Whether values are amounts (kWh, m3, kg), so that a register or interval channel fits."""

    integral: str | None = None
    """Unit of the amount a gauge of this quantity adds up to over hours; None: it adds up to nothing."""

    lowest: float | None = None
    """No value below this can be real; None where any number can. [unit]"""


def _table(*quantities: Quantity) -> MappingProxyType[str, Quantity]:
    return MappingProxyType({quantity.key: quantity for quantity in quantities})


def _stock(key: str, title: str, unit: str) -> Quantity:
    return Quantity(key=key, title=title, unit=unit, stock=True, lowest=0.0)


def _rate(key: str, title: str, unit: str, integral: str) -> Quantity:
    return Quantity(key=key, title=title, unit=unit, stock=False, integral=integral)


def _level(key: str, title: str, unit: str, lowest: float | None = 0.0) -> Quantity:
    return Quantity(key=key, title=title, unit=unit, stock=False, lowest=lowest)


CONCENTRATIONS = ("bod", "cod", "tss", "nh3n", "oil", "tn", "tp")
"""Quantities in mg/L that make a pollutant load with the flow of the same meter."""

QUANTITIES = _table(
    _stock("energy_import", "Active energy, import", "kWh"),
    _stock("energy_export", "Active energy, export", "kWh"),
    _stock("energy_generation", "Active energy, own generation", "kWh"),
    _stock("energy_reactive_lagging", "Reactive energy, lagging (Q1)", "kvarh"),
    _stock("energy_reactive_leading", "Reactive energy, leading (Q4)", "kvarh"),
    _rate("power", "Active power", "kW", "kWh"),
    _level("voltage", "Voltage", "V"),
    _level("current", "Current", "A"),
    _stock("gas", "Natural gas, normal cubic metres", "m3"),
    _stock("diesel", "Diesel, metered", "L"),
    _stock("steam", "Steam, taken from outside", "t"),
    _stock("water_in", "Water, intake from the network", "m3"),
    _stock("water_surface", "Water, intake from surface water", "m3"),
    _stock("water_ground", "Water, intake from groundwater", "m3"),
    _stock("water_rain", "Water, intake of rain", "m3"),
    _stock("water_reclaimed", "Water, intake of reclaimed water", "m3"),
    _rate("water_flow", "Water, flow", "m3/h", "m3"),
    _stock("water_reuse", "Water, reused", "m3"),
    _stock("effluent_volume", "Effluent, volume", "m3"),
    _rate("effluent_flow", "Effluent, flow", "m3/h", "m3"),
    _level("ph", "pH", "pH"),
    _level("temperature", "Temperature", "degC", None),
    _level("conductivity", "Conductivity", "uS/cm"),
    _level("pressure", "Pressure", "bar"),
    _level("bod", "Biochemical oxygen demand", "mg/L"),
    _level("cod", "Chemical oxygen demand", "mg/L"),
    _level("tss", "Total suspended solids", "mg/L"),
    _level("nh3n", "Ammonia nitrogen", "mg/L"),
    _level("oil", "Oil and grease", "mg/L"),
    _level("tn", "Total nitrogen", "mg/L"),
    _level("tp", "Total phosphorus", "mg/L"),
    *(_stock(f"load_{key}", f"Pollutant load, {key}", "kg") for key in CONCENTRATIONS),
)
"""Every quantity by key. `load_<p>` are made by the engine from concentration and flow."""
