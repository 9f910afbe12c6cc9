"""Which topics and quantities are known, and what has to be done to a value of theirs: the registry, laid out for the decoder.

What concerns single values is kept in columns as well, so that factors, shifts and lives are applied to all
values of a batch at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.context import PARK_WIDE
from domain.registry import OPERATOR, Channel, Kind, Registry, Stamp
from domain.time import SECOND_US, IntArray
from domain.units import conversion_factor

__all__ = ["CONTEXT_LEVEL", "PREFIX", "ChannelEntry", "ContextTopic", "Directory", "MeterEntry"]

PREFIX = "kawasan/v1"
"""What every topic begins with."""

CONTEXT_LEVEL = "_context"
"""Where a topic of readings names the meter, that of entered values has this."""

_FOREVER_US = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEntry:
    """What the decoder must know of a channel."""

    row: int
    """Where the channel stands in the columns of its directory."""
    channel_id: int
    quantity: str
    unit: str
    """Canonical unit."""
    factors: tuple[tuple[int, float], ...]
    """From the unit the source publishes in to the canonical one, from when on; the first holds from the beginning. [us UTC]"""
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
    rows: MappingProxyType[str, int]
    """Where the channels stand in the columns of the directory, by quantity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextTopic:
    """Whose entered values come by a topic."""

    source: str
    """`park/tenant`, for the ledger."""
    park_id: int
    tenant_id: int
    """:data:`PARK_WIDE` for the operator's topic: its values are of the whole park."""
    zone: ZoneInfo
    """In which a month without times is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """All meters that may publish, by topic, and all their channels in columns of one length."""

    meters: MappingProxyType[bytes, MeterEntry]
    channels: tuple[ChannelEntry, ...]
    channel_id: NDArray[np.int32]
    factor: NDArray[np.float64]
    """The first of each channel."""
    changes: NDArray[np.bool_]
    """The source of the channel changes its unit at some time."""
    change_bounds: IntArray
    """(n + 1,) Rows of the two columns below of each channel, one for each change of its unit."""
    change_us: IntArray
    change_factor: NDArray[np.float64]
    shift_us: IntArray
    valid_from_us: IntArray
    valid_to_us: IntArray
    contexts: MappingProxyType[bytes, ContextTopic] = field(default_factory=lambda: MappingProxyType({}))
    """By topic, whose entered values may come by it."""

    @classmethod
    def of(cls, registries: Iterable[Registry]) -> "Directory":
        """
        The directory of some parks. Products are made by the engine; nobody may publish them.

        Raises
        ------
        UnitError
            A channel's wire unit does not fit its canonical one.
        """
        meters: dict[bytes, MeterEntry] = {}
        channels: list[ChannelEntry] = []
        known = tuple(registries)
        for registry in known:
            _add(registry, meters, channels)
        later = [change for entry in channels for change in entry.factors[1:]]
        counts = np.array([len(entry.factors) - 1 for entry in channels], dtype=np.int64)
        return cls(
            meters=MappingProxyType(meters),
            channels=tuple(channels),
            channel_id=np.array([entry.channel_id for entry in channels], dtype=np.int32),
            factor=np.array([entry.factors[0][1] for entry in channels], dtype=np.float64),
            changes=counts > 0,
            change_bounds=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
            change_us=np.array([at_us for at_us, _ in later], dtype=np.int64),
            change_factor=np.array([factor for _, factor in later], dtype=np.float64),
            shift_us=np.array([entry.shift_us for entry in channels], dtype=np.int64),
            valid_from_us=np.array([entry.valid_from_us for entry in channels], dtype=np.int64),
            valid_to_us=np.array([entry.valid_to_us for entry in channels], dtype=np.int64),
            contexts=MappingProxyType(dict(_contexts(known))),
        )

    def factors(self, row: IntArray, start_us: IntArray) -> NDArray[np.float64]:
        """What values are multiplied by: the unit of each channel (row) at the reading's own time; (n,)."""
        factor: NDArray[np.float64] = self.factor[row]
        if not self.changes.any():
            return factor
        changing = np.flatnonzero(self.changes[row])
        # Few channels ever change their unit, and few times: one step a change, for all their values at once.
        first, last = self.change_bounds[row[changing]], self.change_bounds[row[changing] + 1]
        for step in range(int((last - first).max(initial=0))):
            place = np.minimum(first + step, last - 1)
            begun = (first + step < last) & (self.change_us[place] <= start_us[changing])
            factor[changing[begun]] = self.change_factor[place[begun]]
        return factor


def _contexts(registries: Iterable[Registry]) -> Iterator[tuple[bytes, ContextTopic]]:
    for registry in registries:
        park = registry.park
        for tenant in registry.tenants:
            source = f"{park.key}/{tenant.key}"
            tenant_id = PARK_WIDE if tenant.key == OPERATOR else tenant.id
            topic = ContextTopic(source=source, park_id=park.id, tenant_id=tenant_id, zone=park.zone)
            yield f"{PREFIX}/{source}/{CONTEXT_LEVEL}".encode(), topic


def _add(registry: Registry, meters: dict[bytes, MeterEntry], channels: list[ChannelEntry]) -> None:
    by_meter: dict[int, dict[str, ChannelEntry]] = {}
    for channel in registry.channels:
        if channel.kind is not Kind.PRODUCT:
            entry = _entry(channel, row=len(channels))
            channels.append(entry)
            by_meter.setdefault(channel.meter_id, {})[channel.quantity] = entry
    for meter in registry.meters:
        source = f"{registry.park.key}/{registry.tenant_by_id[meter.tenant_id].key}"
        entries = by_meter.get(meter.id, {})
        meters[f"{PREFIX}/{source}/{meter.key}".encode()] = MeterEntry(
            source=source,
            channels=MappingProxyType(entries),
            rows=MappingProxyType({quantity: entry.row for quantity, entry in entries.items()}),
        )


def _entry(channel: Channel, row: int) -> ChannelEntry:
    ends = channel.stamp is Stamp.END and channel.kind in {Kind.INTERVAL, Kind.GAUGE}
    return ChannelEntry(
        row=row,
        channel_id=channel.id,
        quantity=channel.quantity,
        unit=channel.unit,
        factors=tuple(_factors(channel)),
        shift_us=channel.interval_s * SECOND_US if ends else 0,
        valid_from_us=channel.valid_from_us,
        valid_to_us=_FOREVER_US if channel.valid_to_us is None else channel.valid_to_us,
    )


def _factors(channel: Channel) -> Iterator[tuple[int, float]]:
    yield channel.valid_from_us, conversion_factor(channel.wire_unit or channel.unit, channel.unit)
    for change in channel.wire_units:
        yield change.from_us, conversion_factor(change.unit, channel.unit)
