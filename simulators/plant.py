"""A park file laid out in arrays: which meters lie in which network, how large they are, what feeds what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.parkfile import ChannelEntry, Life, MeterEntry, ParkFile, TenantEntry, life_of, networks
from domain.registry import MeterRole
from domain.time import IntArray, from_datetime
from simulators.noise import HashArray, key_hash, uniform
from simulators.shapes import Shift, shift_of_sector

__all__ = ["FAR_FUTURE_US", "Network", "PlacedMeter", "Plant", "plant_of"]

FAR_FUTURE_US = 2**62

_LOSS: Mapping[str, float] = {"electricity": 0.018, "fuel": 0.0, "water": 0.03, "effluent": 0.0}
"""Lost between a bulk meter and the meters below it, as a share of what they show."""
_LEAK: Mapping[str, float] = {"electricity": 0.0, "fuel": 0.0, "water": 0.02, "effluent": 0.0}
"""Lost below a bulk meter day and night, as a share of what the meters below it show at full work."""
_ADDS: Mapping[MeterRole, float] = {MeterRole.GENERATION: -1.0, MeterRole.EXPORT: 0.0, MeterRole.REUSE: 0.0}
"""What a meter adds to the one above it, where that is not its own rate."""
_DEFAULT_SIZE: Mapping[str, float] = {"electricity": 100.0, "fuel": 20.0, "water": 10.0, "effluent": 8.0}
_SIZING: Mapping[str, tuple[str, ...]] = {
    "electricity": ("energy_import", "energy_generation", "energy_export"),
    "fuel": ("gas", "diesel", "steam"),
    "water": ("water_in", "water_surface", "water_ground", "water_rain", "water_reclaimed", "water_reuse"),
    "effluent": ("effluent_volume",),
}
_LEAST_SHARE, _MOST_SHARE = 0.34, 0.52
"""Full work takes this share of a meter's largest plausible rate."""
_GENERATION_SHARE = 0.8
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
class Links:
    """Weighted sums of some rows, as a sparse matrix: dense products of this size only keep BLAS threads waiting."""

    target: IntArray
    """(t,): rows that are made."""
    begin: IntArray
    """(t,): where the sources of each begin."""
    source: IntArray
    """(k,): rows that are added."""
    share: FloatArray
    """(k,): weight of each."""

    def sums(self, values: FloatArray) -> FloatArray:
        """(m, n) to (t, n), added in the order of the sources."""
        if not len(self.target):
            return np.empty((0, values.shape[1]))
        made: FloatArray = np.add.reduceat(values[self.source] * self.share[:, None], self.begin, axis=0)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The meters of one network in rows. Arrays are (m,) unless said otherwise."""

    meters: tuple[PlacedMeter, ...]
    row: Mapping[str, int]
    """Row of a meter by its place."""
    size: FloatArray
    """Rate at full work of what a meter measures and no meter below it does. [unit per hour]"""
    leaks: NDArray[np.bool_]
    """Bulk meters above others: their own rate is what leaks, the same day and night."""
    shown: Links
    """What each meter shows of the own rates of itself and of those below it, losses included."""
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
    fuel: Network
    """Gas, diesel and steam: each meter measures one of them."""
    water: Network
    effluent: Network
    discharged: Links
    """Which share of each intake (rows of `water`) leaves through which manhole (rows of `effluent`) of the same tenant."""
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
    water, effluent = _network("water", meters, seed), _network("effluent", meters, seed)
    return Plant(
        key=file.park.key,
        zone=ZoneInfo(file.park.timezone),
        start_us=from_datetime(file.park.valid_from),
        meters=meters,
        electricity=_network("electricity", meters, seed),
        fuel=_network("fuel", meters, seed),
        water=water,
        effluent=effluent,
        discharged=_discharged(water, effluent),
        seed=seed,
    )


def _network(name: str, all_meters: Sequence[PlacedMeter], seed: int) -> Network:
    # A probe that measures nothing of any network (pH, temperature) stands in the sewer.
    meters = tuple(meter for meter in all_meters if name in (networks(meter.entry) or {"effluent"}))
    row = {meter.place: i for i, meter in enumerate(meters)}
    parent = [row.get(meter.entry.parent or "", -1) for meter in meters]
    who = np.array([key_hash(seed, name, meter.place) for meter in meters], dtype=np.uint64)
    shown = _links(_carried_up(meters, parent, 1.0 + _LOSS[name]))
    size = np.array([_size(name, meters, parent, i, int(who[i])) for i in range(len(meters))], dtype=np.float64)
    leaks = np.array([_is_bulk(meters, parent, i) for i in range(len(meters))], dtype=np.bool_)
    size[leaks] = _LEAK[name] * shown.sums(size[:, None])[leaks, 0]
    return Network(
        meters=meters,
        row=row,
        size=size,
        leaks=leaks,
        shown=shown,
        shift=np.array([meter.shift for meter in meters], dtype=np.int64),
        who=who,
        start_us=np.array([from_datetime(meter.life.start) for meter in meters], dtype=np.int64),
        stop_us=np.array(
            [FAR_FUTURE_US if meter.life.stop is None else from_datetime(meter.life.stop) for meter in meters],
            dtype=np.int64,
        ),
    )


def _is_bulk(meters: Sequence[PlacedMeter], parent: Sequence[int], row: int) -> bool:
    return meters[row].entry.role is MeterRole.SUPPLY and row in parent


def _primary_rate(channel: ChannelEntry) -> float | None:
    """The largest plausible rate after the multiplier."""
    if channel.max_rate is None:
        return None
    return channel.max_rate * max((entry.factor for entry in channel.multipliers), default=1.0)


def _size(name: str, meters: Sequence[PlacedMeter], parent: Sequence[int], row: int, who: int) -> float:
    entry = meters[row].entry
    largest = next(
        (
            rate
            for channel in entry.channels
            if channel.quantity in _SIZING[name]
            for rate in [_primary_rate(channel)]
            if rate
        ),
        _DEFAULT_SIZE[name],
    )
    below = [meters[i].entry.role for i, above in enumerate(parent) if above == row]
    if _is_bulk(meters, parent, row):
        return 0.0
    if entry.role is MeterRole.GENERATION:
        return largest * _GENERATION_SHARE
    share = _LEAST_SHARE + (_MOST_SHARE - _LEAST_SHARE) * (who % 997) / 997
    return largest * share * (_OWN_SHARE if MeterRole.USE in below else 1.0)


def _links(shares: dict[tuple[int, int], float]) -> Links:
    """By (target, source)."""
    pairs = sorted(shares)
    target, begin = np.unique(np.array([pair[0] for pair in pairs], dtype=np.int64), return_index=True)
    return Links(
        target=target,
        begin=begin.astype(np.int64),
        source=np.array([pair[1] for pair in pairs], dtype=np.int64),
        share=np.array([shares[pair] for pair in pairs], dtype=np.float64),
    )


def _carried_up(meters: Sequence[PlacedMeter], parent: Sequence[int], gain: float) -> dict[tuple[int, int], float]:
    shares = {(row, row): 1.0 for row in range(len(meters))}
    for source, meter in enumerate(meters):
        share = _ADDS.get(meter.entry.role, 1.0)
        above = parent[source]
        while above >= 0:
            share *= gain if meters[above].entry.role is MeterRole.SUPPLY else 1.0
            shares[above, source] = share
            above = parent[above]
    return shares


def _discharged(water: Network, effluent: Network) -> Links:
    rows = effluent.rows(MeterRole.DISCHARGE)
    returned = 0.6 + 0.28 * uniform(effluent.who[rows], np.zeros(1, dtype=np.int64))
    shares: dict[tuple[int, int], float] = {}
    for source, intake in enumerate(water.meters):
        # A meter below another of its own tenant is counted by that one.
        top = not (intake.entry.parent or "").startswith(f"{intake.tenant.key}/")
        own = [i for i, row in enumerate(rows) if effluent.meters[row].tenant.key == intake.tenant.key]
        if top and intake.entry.role is MeterRole.USE:
            shares.update({(int(rows[i]), source): float(returned[i]) / len(own) for i in own})
    return _links(shares)
