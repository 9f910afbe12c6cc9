"""Which topics and quantities are known: the registry, laid out for the decoder."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from domain.registry import Channel, Kind, Registry, Stamp
from domain.time import SECOND_US
from domain.units import conversion_factor

__all__ = ["PREFIX", "ChannelEntry", "Directory", "MeterEntry"]

PREFIX = "kawasan/v1"
"""What every topic begins with."""

_FOREVER_US = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEntry:
    """What the decoder must know of a channel."""

    channel_id: int
    unit: str
    """Canonical unit."""
    factor: float
    """From the unit the source publishes in to the canonical one."""
    shift_us: int
    """Subtracted from the published time, so that intervals stamped at their end begin at their start. [us]"""
    valid_from_us: int
    valid_to_us: int
    """A reading exactly then still belongs to the channel: it closes its last interval. [us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterEntry:
    """A meter that may publish."""

    source: str
    """`park/tenant`, for the ledger."""
    channels: MappingProxyType[str, ChannelEntry]
    """By quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """All meters that may publish, by topic."""

    meters: MappingProxyType[bytes, MeterEntry]

    @classmethod
    def of(cls, registries: Iterable[Registry]) -> "Directory":
        """
        The directory of some parks.

        Raises
        ------
        UnitError
            A channel's wire unit does not fit its canonical one.
        """
        meters: dict[bytes, MeterEntry] = {}
        for registry in registries:
            meters |= _meters(registry)
        return cls(meters=MappingProxyType(meters))


def _meters(registry: Registry) -> dict[bytes, MeterEntry]:
    channels: dict[int, dict[str, ChannelEntry]] = {}
    for channel in registry.channels:
        if channel.kind is not Kind.PRODUCT:
            channels.setdefault(channel.meter_id, {})[channel.quantity] = _entry(channel)
    found = {}
    for meter in registry.meters:
        source = f"{registry.park.key}/{registry.tenant_by_id[meter.tenant_id].key}"
        topic = f"{PREFIX}/{source}/{meter.key}".encode()
        found[topic] = MeterEntry(source=source, channels=MappingProxyType(channels.get(meter.id, {})))
    return found


def _entry(channel: Channel) -> ChannelEntry:
    ends = channel.stamp is Stamp.END and channel.kind in {Kind.INTERVAL, Kind.GAUGE}
    return ChannelEntry(
        channel_id=channel.id,
        unit=channel.unit,
        factor=conversion_factor(channel.wire_unit or channel.unit, channel.unit),
        shift_us=channel.interval_s * SECOND_US if ends else 0,
        valid_from_us=channel.valid_from_us,
        valid_to_us=_FOREVER_US if channel.valid_to_us is None else channel.valid_to_us,
    )
