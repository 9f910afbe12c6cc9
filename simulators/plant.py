"""A park file laid out in arrays: which meters lie in which network, how large they are, what feeds what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.parkfile import ChannelEntry, Life, MeterEntry, ParkFile, TenantEntry, life_of, networks
from domain.registry import MeterRole
from domain.time import IntArray, from_datetime
from simulators.noise import HashArray, key_hash
from simulators.shapes import Shift, shift_of_sector

__all__ = ["FAR_FUTURE_US", "Network", "PlacedMeter", "Plant", "plant_of"]

FAR_FUTURE_US = 2**62

_ELECTRIC_LOSS = 0.018
"""Lost in cables and transformers between a bulk meter and the meters below it."""
_WATER_LOSS = 0.03
_DEFAULT_SIZE: Mapping[str, float] = {"electricity": 100.0, "water": 10.0, "effluent": 8.0}
_SIZING: Mapping[str, tuple[str, ...]] = {
    "electricity": ("energy_import", "energy_generation", "energy_export"),
    "water": ("water_in", "water_reuse"),
    "effluent": ("effluent_volume",),
}
_LEAST_SHARE, _MOST_SHARE = 0.34, 0.52
"""Full work takes this share of a meter's largest plausible rate."""
_OWN_SHARE = 0.5
"""Of a meter above others of its own tenant, what they do not measure."""
_LIGHTING = "lighting"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedMeter:
    """A meter where it stands, with the time it is there."""

    place: str
    """`tenant/meter`, as in topics and parents."""
    tenant: TenantEntry
    entry: MeterEntry
    life: Life
    shift: Shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The meters of one network in rows. Arrays are (m,) unless said otherwise."""

    meters: tuple[PlacedMeter, ...]
    row: Mapping[str, int]
    """Row of a meter by its place."""
    size: FloatArray
    """Rate at full work of what a meter measures and no meter below it does. [unit per hour]"""
    flow_up: FloatArray
    """(m, m): what each meter shows of the own rates of all, losses included."""
    shift: IntArray
    who: HashArray
    start_us: IntArray
    stop_us: IntArray

    def rows(self, *roles: MeterRole) -> IntArray:
        """Rows of the meters that have one of the roles."""
        return np.array([i for i, meter in enumerate(self.meters) if meter.entry.role in roles], dtype=np.int64)

    def quantity(self, key: str) -> NDArray[np.bool_]:
        """Which meters measure a quantity."""
        return np.array([any(c.quantity == key for c in m.entry.channels) for m in self.meters], dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A park in arrays."""

    key: str
    zone: ZoneInfo
    start_us: int
    """When the park begins; registers are counted from there. [us UTC]"""
    meters: tuple[PlacedMeter, ...]
    electricity: Network
    water: Network
    effluent: Network
    seed: int


def plant_of(file: ParkFile, seed: int) -> Plant:
    """Lay out a park file whose parts fit each other (no :func:`domain.parkfile.mistakes`)."""
    park = Life(file.park.valid_from, None)
    meters = tuple(
        PlacedMeter(
            place=f"{tenant.key}/{meter.key}",
            tenant=tenant,
            entry=meter,
            life=life_of(meter, life_of(tenant, park)),
            shift=Shift.NIGHT if _LIGHTING in meter.key else shift_of_sector(tenant.sector),
        )
        for tenant in file.tenants
        for meter in tenant.meters
    )
    return Plant(
        key=file.park.key,
        zone=ZoneInfo(file.park.timezone),
        start_us=from_datetime(file.park.valid_from),
        meters=meters,
        electricity=_network("electricity", meters, seed, _electric_weight),
        water=_network("water", meters, seed, _water_weight),
        effluent=_network("effluent", meters, seed, lambda _: (0.0, 1.0)),
        seed=seed,
    )


def _electric_weight(meter: PlacedMeter) -> tuple[float, float]:
    """What a meter adds to the one above it, and by how much it shows more than those below it."""
    up = {MeterRole.GENERATION: -1.0, MeterRole.EXPORT: 0.0}.get(meter.entry.role, 1.0)
    return up, 1.0 + _ELECTRIC_LOSS if meter.entry.role is MeterRole.SUPPLY else 1.0


def _water_weight(meter: PlacedMeter) -> tuple[float, float]:
    up = 0.0 if meter.entry.role is MeterRole.REUSE else 1.0
    return up, 1.0 + _WATER_LOSS if meter.entry.role is MeterRole.SUPPLY else 1.0


def _network(
    name: str, all_meters: Sequence[PlacedMeter], seed: int, weight: Callable[[PlacedMeter], tuple[float, float]]
) -> Network:
    meters = tuple(meter for meter in all_meters if name in networks(meter.entry))
    row = {meter.place: i for i, meter in enumerate(meters)}
    parent = [row.get(meter.entry.parent or "", -1) for meter in meters]
    who = np.array([key_hash(seed, name, meter.place) for meter in meters], dtype=np.uint64)
    return Network(
        meters=meters,
        row=row,
        size=np.array([_size(name, meters, parent, i, int(who[i])) for i in range(len(meters))], dtype=np.float64),
        flow_up=_flow_up(meters, parent, weight),
        shift=np.array([meter.shift for meter in meters], dtype=np.int64),
        who=who,
        start_us=np.array([from_datetime(meter.life.start) for meter in meters], dtype=np.int64),
        stop_us=np.array(
            [FAR_FUTURE_US if meter.life.stop is None else from_datetime(meter.life.stop) for meter in meters],
            dtype=np.int64,
        ),
    )


def _primary_rate(channel: ChannelEntry) -> float | None:
    """The largest plausible rate after the multiplier."""
    if channel.max_rate is None:
        return None
    return channel.max_rate * max((entry.factor for entry in channel.multipliers), default=1.0)


def _size(name: str, meters: Sequence[PlacedMeter], parent: Sequence[int], row: int, who: int) -> float:
    entry = meters[row].entry
    largest = next(
        (rate for channel in entry.channels if channel.quantity in _SIZING[name] for rate in [_primary_rate(channel)] if rate),
        _DEFAULT_SIZE[name],
    )
    below = [meters[i].entry.role for i, above in enumerate(parent) if above == row]
    if entry.role is MeterRole.SUPPLY and below:
        return 0.0
    if entry.role is MeterRole.GENERATION:
        return largest * 0.8
    share = _LEAST_SHARE + (_MOST_SHARE - _LEAST_SHARE) * (who % 997) / 997
    return largest * share * (_OWN_SHARE if MeterRole.USE in below else 1.0)


def _flow_up(
    meters: Sequence[PlacedMeter], parent: Sequence[int], weight: Callable[[PlacedMeter], tuple[float, float]]
) -> FloatArray:
    matrix = np.eye(len(meters))
    for source, meter in enumerate(meters):
        share, gain = weight(meter)
        above = parent[source]
        while above >= 0:
            share *= weight(meters[above])[1]
            matrix[above, source] = share
            above = parent[above]
        del gain
    return matrix
