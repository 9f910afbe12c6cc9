"""The channels of a plant: which number of the model each shows, and how its device shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from domain.frames import FloatArray
from domain.parkfile import ChannelEntry, life_of
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.registry import Kind, MeterRole, Stamp, Statistic
from domain.time import from_datetime
from domain.units import conversion_factor
from simulators.noise import key_hash
from simulators.plant import FAR_FUTURE_US, PlacedMeter, Plant

__all__ = ["Shown", "SimulatedChannel", "channels_of"]

_STOCK_NETWORK: Mapping[str, str] = {
    "energy_import": "electricity",
    "energy_export": "electricity",
    "energy_generation": "electricity",
    "energy_reactive_lagging": "electricity",
    "energy_reactive_leading": "electricity",
    "gas": "fuel",
    "diesel": "fuel",
    "steam": "fuel",
    "water_in": "water",
    "water_surface": "water",
    "water_ground": "water",
    "water_rain": "water",
    "water_reclaimed": "water",
    "water_reuse": "water",
    "effluent_volume": "effluent",
}
_RATE_OF: Mapping[str, str] = {"water_flow": "water_in", "effluent_flow": "effluent_volume"}
_DELAY_MS = 20_000
"""A reading reaches the broker up to this long after it was taken, each meter in its own rhythm. [ms]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A number of the model: a rate of a meter (`stock` names what it adds up to), or a level of one."""

    network: str
    """`electricity`, `fuel`, `water` or `effluent`."""
    row: int
    """Of the meter in its network."""
    stock: str | None
    """`energy_import` ... or `power`, import less export; None: a level."""
    level: str | None
    """Quantity of a level; None: a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedChannel:
    """One channel that publishes."""

    meter: PlacedMeter
    entry: ChannelEntry
    shown: Shown
    who: int
    """From :func:`simulators.noise.key_hash`."""
    delay_us: int
    start_us: int
    stop_us: int
    wire_factor: float
    """Canonical units in one unit of the wire."""

    @property
    def covers(self) -> bool:
        """Whether one value stands for an interval, and so is known only at its end."""
        mean = self.entry.kind is Kind.GAUGE and self.entry.statistic is Statistic.MEAN
        return self.entry.kind is Kind.INTERVAL or mean

    @property
    def stamps_end(self) -> bool:
        """Whether a value that stands for an interval carries the interval's end."""
        return self.covers and self.entry.stamp is Stamp.END

    @property
    def modulus(self) -> float:
        """Where the register starts again from zero; infinity: never. [canonical unit, before the multiplier]"""
        return np.inf if self.entry.digits is None else 10.0**self.entry.digits * self.entry.digit_value

    @property
    def factor(self) -> float:
        """The first multiplier."""
        ordered = sorted(self.entry.multipliers, key=lambda entry: entry.valid_from)
        return ordered[0].factor if ordered else 1.0

    def as_shown(self, values: FloatArray) -> FloatArray:
        """Values as the device shows and sends them: registers cut, others rounded to the resolution, in the wire's unit."""
        step = self.entry.resolution
        if step > 0 and self.entry.kind is Kind.REGISTER:
            # The index of a device turns when a step is complete; the small part keeps 0.3 / 0.1 from falling to 2.
            values = np.floor(values / step + 1e-6) * step
        elif step > 0:
            values = np.round(values / step) * step
        # Multiples of a decimal step come out of floats as 0.30000000000000004.
        return np.round(values / self.wire_factor, 9)


def channels_of(plant: Plant) -> tuple[SimulatedChannel, ...]:
    """Every channel that publishes, in the order of the file; events do not."""
    return tuple(
        _channel(plant, meter, entry)
        for meter in plant.meters
        for entry in meter.entry.channels
        if entry.kind is not Kind.EVENT and entry.quantity in QUANTITIES
    )


def _channel(plant: Plant, meter: PlacedMeter, entry: ChannelEntry) -> SimulatedChannel:
    life = life_of(entry, meter.life)
    longest_ms = min(_DELAY_MS, entry.interval_s * 1000 // 3)
    return SimulatedChannel(
        meter=meter,
        entry=entry,
        shown=_shown(plant, meter, entry.quantity),
        who=key_hash(plant.seed, meter.place, entry.quantity),
        delay_us=key_hash(plant.seed, meter.place) % longest_ms * 1000,
        start_us=from_datetime(life.start),
        stop_us=FAR_FUTURE_US if life.stop is None else from_datetime(life.stop),
        wire_factor=1.0 if entry.unit is None else conversion_factor(entry.unit, QUANTITIES[entry.quantity].unit),
    )


def _shown(plant: Plant, meter: PlacedMeter, quantity: str) -> Shown:
    stock = _RATE_OF.get(quantity, quantity)
    if quantity == "power":
        stock = "energy_generation" if meter.entry.role is MeterRole.GENERATION else "power"
    network = "electricity" if quantity == "power" else _STOCK_NETWORK.get(stock)
    if network is not None:
        return Shown(network=network, row=_row(plant, network, meter), stock=stock, level=None)
    preferred = {"voltage": "electricity", "current": "electricity", "pressure": "water"}.get(quantity, "effluent")
    if quantity in CONCENTRATIONS:
        preferred = "effluent"
    order = (preferred, "effluent", "water", "fuel", "electricity")
    network = next(name for name in order if meter.place in getattr(plant, name).row)
    return Shown(network=network, row=_row(plant, network, meter), stock=None, level=quantity)


def _row(plant: Plant, network: str, meter: PlacedMeter) -> int:
    row: int = getattr(plant, network).row[meter.place]
    return row
