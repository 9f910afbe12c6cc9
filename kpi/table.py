"""The channels of a registry as columns, so that nothing loops over meters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.frames import FloatArray, SmallArray
from domain.quantities import QUANTITIES
from domain.registry import Channel, Exchange, Kind, Outage, Registry, Statistic
from domain.time import HOUR_US, SECOND_US, IntArray
from kpi.outages import Outages
from kpi.ragged import bisect_groups, bounds_of

__all__ = [
    "EVENT",
    "FAR_US",
    "GAUGE",
    "INTERVAL",
    "KIND_CODES",
    "MAX_INTERPOLATION_US",
    "PRODUCT",
    "REGISTER",
    "ChannelTable",
]

MAX_INTERPOLATION_US = 2 * HOUR_US
"""Accepted register readings further apart are a gap: spread, but not measured. [us]"""

KIND_CODES = {Kind.REGISTER: 0, Kind.INTERVAL: 1, Kind.GAUGE: 2, Kind.EVENT: 3, Kind.PRODUCT: 4}
"""Number that stands for a kind in `ChannelTable.kind`."""

REGISTER, INTERVAL, GAUGE, EVENT, PRODUCT = KIND_CODES.values()

FAR_US = 7_258_118_400 * SECOND_US
"""2200-01-01: stands for "still holds", and bounds every span, so that sums of times stay whole. [us UTC]"""

_INSTANT_HOLDS = 1.5
_NEVER_AVERAGED = frozenset({"ph"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTable:
    """Channels sorted by id, one per row; every array is (n,) unless its docstring says otherwise."""

    channel_id: SmallArray
    kind: SmallArray
    """Code of the kind, see `KIND_CODES`."""
    interval_us: IntArray
    """How often a reading is expected; for intervals, what each value covers. [us]"""
    hold_us: IntArray
    """How long a gauge's value counts at most: its interval for means, 1.5 of it for instants. [us]"""
    resolution: FloatArray
    """Before the first exchange, like the two below. [unit]"""
    modulus: FloatArray
    """Where the register starts again from zero; NaN: never. [unit]"""
    max_rate: FloatArray
    """Largest plausible rate before the multiplier; NaN: any. [unit per hour]"""
    part_resolution: FloatArray
    """(n + x,) Of every part that exchanges make of a channel, see `part_index`; so the two below. [unit]"""
    part_modulus: FloatArray
    part_max_rate: FloatArray
    rerated: NDArray[np.bool_]
    """An exchange gave the channel a device of another largest plausible rate."""
    valid_from_us: IntArray
    valid_to_us: IntArray
    """End of the channel's life; `FAR_US` while it lives. [us UTC]"""
    integrates: NDArray[np.bool_]
    """A gauge of a rate, whose values add up to an amount over hours."""
    averages: NDArray[np.bool_]
    """A gauge whose mean means something; pH has none."""
    factor_bounds: IntArray
    """(n + 1,) Rows of `factor_from_us` and `factor` of each channel; each has at least one."""
    factor_from_us: IntArray
    """(f,) From when a multiplier holds; the first of a channel holds from its beginning. [us UTC]"""
    factor: FloatArray
    """(f,)"""
    exchange_bounds: IntArray
    """(n + 1,) Rows of the exchange columns of each channel."""
    exchange_at_us: IntArray
    """(x,) Sorted within each channel. [us UTC]"""
    closing: FloatArray
    """(x,) Index of the device taken down. [unit]"""
    opening: FloatArray
    """(x,) Index of the device put up. [unit]"""
    outages: Outages
    """When the channels' meters are out of service; its rows are the channels."""
    concentration: SmallArray
    """Row of a product's concentration; -1 for others."""
    flow: SmallArray
    """Row of a product's flow or volume; -1 for others."""

    def __len__(self) -> int:
        return len(self.channel_id)

    @classmethod
    def of(cls, registry: Registry) -> "ChannelTable":
        """The table of a registry's channels."""
        outages = {meter.id: meter.outages for meter in registry.meters if meter.outages}
        return cls.of_channels(registry.channels, outages)

    @classmethod
    def of_channels(
        cls, channels: Iterable[Channel], outages: Mapping[int, tuple[Outage, ...]] | None = None
    ) -> "ChannelTable":
        """
        The table of some channels.

        Parameters
        ----------
        outages : mapping, optional
            Those of meters, by id; a meter that is not in it is always in service.

        Raises
        ------
        InputError
            Two channels have one id, or a product names an input that is not there.
        """
        ordered = sorted(channels, key=lambda channel: channel.id)
        ids = np.array([channel.id for channel in ordered], dtype=np.int32)
        if len(np.unique(ids)) < len(ids):
            raise InputError(f"two channels have one id among {ids.tolist()}")
        factors = [_factors(channel) for channel in ordered]
        exchanges = [sorted(channel.exchanges, key=lambda exchange: exchange.at_us) for channel in ordered]
        flat = [exchange for row in exchanges for exchange in row]
        parts = [part for channel, row in zip(ordered, exchanges, strict=True) for part in _parts(channel, row)]
        return cls(
            channel_id=ids,
            kind=np.array([KIND_CODES[channel.kind] for channel in ordered], dtype=np.int32),
            interval_us=_whole(channel.interval_s * SECOND_US for channel in ordered),
            hold_us=_whole(_hold_us(channel) for channel in ordered),
            resolution=_real(channel.resolution for channel in ordered),
            modulus=_real(channel.modulus for channel in ordered),
            max_rate=_real(channel.max_rate for channel in ordered),
            part_resolution=_real(part.resolution for part in parts),
            part_modulus=_real(part.modulus for part in parts),
            part_max_rate=_real(part.max_rate for part in parts),
            rerated=np.array(
                [any(exchange.max_rate is not None for exchange in row) for row in exchanges], dtype=np.bool_
            ),
            valid_from_us=_whole(channel.valid_from_us for channel in ordered),
            valid_to_us=_whole(_end_us(channel) for channel in ordered),
            integrates=np.array([_integrates(channel) for channel in ordered], dtype=np.bool_),
            averages=np.array([channel.quantity not in _NEVER_AVERAGED for channel in ordered], dtype=np.bool_),
            factor_bounds=bounds_of(_whole(len(row) for row in factors)),
            factor_from_us=_whole(from_us for row in factors for from_us, _ in row),
            factor=_real(factor for row in factors for _, factor in row),
            exchange_bounds=bounds_of(_whole(len(row) for row in exchanges)),
            exchange_at_us=_whole(exchange.at_us for exchange in flat),
            closing=_real(exchange.closing for exchange in flat),
            opening=_real(exchange.opening for exchange in flat),
            outages=Outages.of((outages or {}).get(channel.meter_id, ()) for channel in ordered),
            concentration=_input_rows(ordered, ids, 0),
            flow=_input_rows(ordered, ids, 1),
        )

    def rows(self, channel_ids: SmallArray) -> IntArray:
        """
        Row of each channel id, in any order, repeated or not.

        Raises
        ------
        InputError
            A channel is not in the table.
        """
        place = np.searchsorted(self.channel_id, channel_ids)
        known = place < len(self.channel_id)
        known[known] = self.channel_id[place[known]] == np.asarray(channel_ids)[known]
        if not known.all():
            strangers = np.unique(np.asarray(channel_ids)[~known])[:5].tolist()
            raise InputError(f"channels {strangers} are not in the table of {len(self)} channels")
        return place.astype(np.int64)

    def factor_index(self, rows: IntArray, instants_us: IntArray) -> IntArray:
        """Index into `factor` of the multiplier in force for a channel (row) at an instant; (n,)."""
        low, high = self.factor_bounds[rows], self.factor_bounds[rows + 1]
        return bisect_groups(self.factor_from_us, low + 1, high, instants_us, right=True) - 1

    def part_index(self, rows: IntArray, instants_us: IntArray) -> IntArray:
        """Index into the part columns of the device a channel (row) has at an instant: exchanged then, the new one; (n,)."""
        low, high = self.exchange_bounds[rows], self.exchange_bounds[rows + 1]
        return bisect_groups(self.exchange_at_us, low, high, instants_us, right=True) + rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What holds of a register between two exchanges."""

    resolution: float
    modulus: float | None
    max_rate: float | None


def _parts(channel: Channel, exchanges: Iterable[Exchange]) -> Iterator[_Part]:
    """The parts of a channel, in order of time; what an exchange does not say is as before it."""
    part = _Part(resolution=channel.resolution, modulus=channel.modulus, max_rate=channel.max_rate)
    yield part
    for exchange in exchanges:
        part = _Part(
            resolution=part.resolution if exchange.resolution is None else exchange.resolution,
            modulus=part.modulus if exchange.modulus is None else exchange.modulus,
            max_rate=part.max_rate if exchange.max_rate is None else exchange.max_rate,
        )
        yield part


def _whole(values: Iterable[int]) -> IntArray:
    return np.fromiter(values, dtype=np.int64)


def _real(values: Iterable[float | None]) -> FloatArray:
    return np.fromiter((np.nan if value is None else value for value in values), dtype=np.float64)


def _end_us(channel: Channel) -> int:
    return FAR_US if channel.valid_to_us is None else min(channel.valid_to_us, FAR_US)


def _hold_us(channel: Channel) -> int:
    share = 1.0 if channel.statistic is Statistic.MEAN else _INSTANT_HOLDS
    return int(channel.interval_s * SECOND_US * share)


def _integrates(channel: Channel) -> bool:
    quantity = QUANTITIES.get(channel.quantity)
    return channel.kind is Kind.GAUGE and quantity is not None and quantity.integral is not None


def _factors(channel: Channel) -> list[tuple[int, float]]:
    """Multipliers from the beginning of the channel's life on: (from, factor), those that change nothing left out."""
    kept = [(channel.valid_from_us, 1.0)]
    for multiplier in sorted(channel.multipliers, key=lambda multiplier: multiplier.from_us):
        if multiplier.from_us <= kept[0][0]:
            kept = [(channel.valid_from_us, multiplier.factor)]
        elif multiplier.factor != kept[-1][1]:
            kept.append((multiplier.from_us, multiplier.factor))
    return kept


def _input_rows(ordered: Sequence[Channel], ids: SmallArray, place: int) -> SmallArray:
    rows = np.full(len(ordered), -1, dtype=np.int32)
    for row, channel in enumerate(ordered):
        if channel.inputs is not None:
            found = np.flatnonzero(ids == channel.inputs[place])
            if not len(found):
                raise InputError(
                    f"product {channel.key!r} is made of channel {channel.inputs[place]}, which is missing"
                )
            rows[row] = found[0]
    return rows
