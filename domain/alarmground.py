"""What alarm rules are held against: the places of a park, the same whether they come from a park file or from the registry."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from domain.alarms import OPEN_US, Authority
from domain.limits import LimitKind, kind_of
from domain.parkentries import ParkFile
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.registry import Channel, ComplianceRule, Kind, Meter, Registry
from domain.time import from_datetime
from domain.watchentries import (
    AmountWatch,
    ChannelWatch,
    ComplianceWatch,
    FindingWatch,
    HealthWatch,
    KpiWatch,
    RateWatch,
    SilenceWatch,
    WatchEntry,
)

__all__ = ["Bounds", "Ground", "Place", "Target", "fits", "matching", "pattern_of"]

_FLOWS = ("effluent_volume", "effluent_flow")
_PARK = "park"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The park, a tenant, a meter or a channel."""

    key: str
    """`tenant/meter/quantity`, `tenant/meter`, `tenant`; empty: the park."""
    id: int = 0
    """The database's; 0 where it comes from a file."""
    quantity: str = ""
    """Of a channel, as the two that follow."""
    kind: Kind | None = None
    interval_s: int = 0
    """Of a channel; of a meter or tenant the shortest of its published channels, 0 where it has none. [s]"""
    from_us: int = 0
    to_us: int = OPEN_US
    """[us UTC]"""

    @property
    def meter(self) -> str:
        """The meter of a channel: `tenant/meter`."""
        return self.key.rpartition("/")[0]

    @property
    def is_published(self) -> bool:
        """Whether a channel's values come from outside."""
        return self.kind not in (None, Kind.PRODUCT, Kind.EVENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A compliance rule as far as alarms are concerned."""

    key: str
    kind: LimitKind
    lowest: float | None
    highest: float | None
    authority: Authority
    from_us: int
    to_us: int
    """[us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one rule becomes for one place."""

    place: Place
    kind: LimitKind | None = None
    """Of a compliance point: which of its limits."""
    suffix: str = ""
    """After the place's key in the target: a KPI, or the kind of limit."""

    def written(self, park: str) -> str:
        """As alarms know it: `park/tenant/meter/quantity`, `park/alpha#power_factor`."""
        where = f"{park}/{self.place.key}" if self.place.key else park
        return f"{where}#{self.suffix}" if self.suffix else where


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The places of a park."""

    park: str
    base_s: int
    """Length of the base interval. [s]"""
    begins: datetime | None
    """From when the park takes readings, where that is known."""
    whole: Place
    """The park itself."""
    tenants: tuple[Place, ...]
    meters: tuple[Place, ...]
    channels: tuple[Place, ...]
    limits: Mapping[str, tuple[Bounds, ...]]
    """Compliance rules of channels that have some."""

    @classmethod
    def of_file(cls, file: ParkFile) -> "Ground":
        """The places that a park file describes, with the pollutant loads that the engine will make."""
        channels = tuple(_channels_of_file(file))
        limits: dict[str, tuple[Bounds, ...]] = {}
        for rule in file.rules:
            bounds = Bounds(
                key=rule.key,
                kind=kind_of(rule.statistic, rule.window),
                lowest=rule.lowest,
                highest=rule.highest,
                authority=rule.authority,
                from_us=from_datetime(rule.valid_from or file.park.valid_from),
                to_us=OPEN_US if rule.valid_to is None else from_datetime(rule.valid_to),
            )
            place = f"{rule.meter}/{rule.quantity}"
            limits[place] = (*limits.get(place, ()), bounds)
        return cls(
            park=file.park.key,
            base_s=file.park.base_minutes * 60,
            begins=file.park.valid_from,
            whole=Place(key=""),
            tenants=_timed((Place(key=tenant.key) for tenant in file.tenants), channels),
            meters=_timed(
                (Place(key=f"{tenant.key}/{meter.key}") for tenant in file.tenants for meter in tenant.meters), channels
            ),
            channels=channels,
            limits=limits,
        )

    @classmethod
    def of_registry(cls, registry: Registry) -> "Ground":
        """The places of a registry, with their ids and times."""
        channels = tuple(_channel(channel) for channel in registry.channels)
        tenants = registry.tenant_by_id
        limits: dict[str, tuple[Bounds, ...]] = {}
        for rule in registry.rules:
            channel = registry.channel_by_id.get(rule.channel_id)
            # A registry as one user sees it holds some of the channels.
            if channel is not None:
                place = _inner(channel.key)
                limits[place] = (*limits.get(place, ()), _bounds(rule))
        return cls(
            park=registry.park.key,
            base_s=registry.park.base_s,
            begins=None,
            whole=Place(key="", id=registry.park.id),
            tenants=_timed(
                (
                    Place(key=one.key, id=one.id, from_us=one.valid_from_us, to_us=_end(one.valid_to_us))
                    for one in registry.tenants
                ),
                channels,
            ),
            meters=_timed(
                (_meter(one, tenants[one.tenant_id].key) for one in registry.meters if one.tenant_id in tenants),
                channels,
            ),
            channels=channels,
            limits=limits,
        )

    @cached_property
    def by_channel(self) -> Mapping[str, Place]:
        """Channels by `tenant/meter/quantity`."""
        return {place.key: place for place in self.channels}

    @cached_property
    def by_meter(self) -> Mapping[str, Place]:
        """Meters by `tenant/meter`."""
        return {place.key: place for place in self.meters}

    @cached_property
    def by_tenant(self) -> Mapping[str, Place]:
        """Tenants by key."""
        return {place.key: place for place in self.tenants}

    def targets(self, watch: WatchEntry) -> tuple[Target, ...]:
        """What a watch comes down to: every place that its pattern names and that it fits; in order of key."""
        if isinstance(watch, HealthWatch):
            return (Target(place=self.whole),)
        found: Iterable[Target]
        if isinstance(watch, KpiWatch):
            found = (Target(place=place, suffix=watch.kpi) for place in self._subjects(watch.of))
        elif isinstance(watch, ComplianceWatch):
            found = self._compliance(watch)
        else:
            found = (Target(place=place) for place in self.named(watch) if fits(watch, place))
        return tuple(sorted(found, key=lambda target: (target.place.key, target.suffix)))

    def named(self, watch: WatchEntry) -> tuple[Place, ...]:
        """The places that a watch names by its pattern, whether it fits them or not."""
        if isinstance(watch, HealthWatch):
            return ()
        if isinstance(watch, KpiWatch):
            return self._subjects(watch.of)
        if isinstance(watch, SilenceWatch):
            below = {"channels": self.by_channel, "meters": self.by_meter, "tenants": self.by_tenant}
            return matching(watch.of, below[watch.silence])
        return matching(pattern_of(watch), self.by_channel)

    def _subjects(self, of: str) -> tuple[Place, ...]:
        if of == _PARK:
            return (self.whole,)
        return matching(of, self.by_meter if "/" in of else self.by_tenant)

    def _compliance(self, watch: ComplianceWatch) -> Iterator[Target]:
        for place in self.named(watch):
            kinds = {bounds.kind for bounds in self.limits.get(place.key, ())}
            for kind in sorted(kinds):
                if watch.window is None or kind.window.value == watch.window:
                    yield Target(place=place, kind=kind, suffix=kind.key)


def pattern_of(
    watch: ChannelWatch | AmountWatch | RateWatch | ComplianceWatch | FindingWatch | SilenceWatch | KpiWatch,
) -> str:
    """The pattern by which a watch names its places."""
    if isinstance(watch, ChannelWatch):
        return watch.channel
    if isinstance(watch, AmountWatch):
        return watch.amount
    if isinstance(watch, RateWatch):
        return watch.rate
    return watch.compliance if isinstance(watch, ComplianceWatch) else watch.of


def fits(watch: WatchEntry, place: Place) -> bool:
    """Whether a watch can take its values from a place that its pattern names."""
    if isinstance(watch, ChannelWatch | RateWatch):
        return place.kind is Kind.GAUGE
    if isinstance(watch, AmountWatch):
        about = QUANTITIES.get(place.quantity)
        return about is not None and place.kind is not Kind.EVENT and (about.stock or about.integral is not None)
    if isinstance(watch, FindingWatch):
        return place.kind is not Kind.EVENT
    if isinstance(watch, SilenceWatch):
        return place.is_published if watch.silence == "channels" else place.interval_s > 0
    return True


def matching(pattern: str, places: Mapping[str, Place]) -> tuple[Place, ...]:
    """
    Places whose keys a pattern names, part by part: `*` stands for any letters within one part; alone it names all.

    Parameters
    ----------
    places : mapping
        By key.
    """
    if "*" not in pattern:
        return (places[pattern],) if pattern in places else ()
    if pattern == "*":
        return tuple(places.values())
    named = _expression(pattern)
    return tuple(place for key, place in places.items() if named.fullmatch(key))


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(
        "/".join("[^/]*".join(re.escape(text) for text in part.split("*")) for part in pattern.split("/"))
    )


def _timed(places: Iterable[Place], channels: tuple[Place, ...]) -> tuple[Place, ...]:
    """Places above channels, each with the shortest interval of what is published below it."""
    shortest: dict[str, int] = {}
    for channel in channels:
        if channel.is_published:
            for key in (channel.meter, channel.meter.partition("/")[0]):
                shortest[key] = min(shortest.get(key, channel.interval_s), channel.interval_s)
    return tuple(
        Place(
            key=place.key, id=place.id, interval_s=shortest.get(place.key, 0), from_us=place.from_us, to_us=place.to_us
        )
        for place in places
    )


def _channels_of_file(file: ParkFile) -> Iterator[Place]:
    for tenant in file.tenants:
        for meter in tenant.meters:
            where = f"{tenant.key}/{meter.key}"
            own = {channel.quantity: channel for channel in meter.channels}
            for quantity, channel in own.items():
                yield Place(
                    key=f"{where}/{quantity}", quantity=quantity, kind=channel.kind, interval_s=channel.interval_s
                )
            if any(flow in own for flow in _FLOWS):
                for pollutant in CONCENTRATIONS:
                    if pollutant in own:
                        yield Place(
                            key=f"{where}/load_{pollutant}",
                            quantity=f"load_{pollutant}",
                            kind=Kind.PRODUCT,
                            interval_s=own[pollutant].interval_s,
                        )


def _channel(channel: Channel) -> Place:
    return Place(
        key=_inner(channel.key),
        id=channel.id,
        quantity=channel.quantity,
        kind=channel.kind,
        interval_s=channel.interval_s,
        from_us=channel.valid_from_us,
        to_us=_end(channel.valid_to_us),
    )


def _meter(meter: Meter, tenant: str) -> Place:
    return Place(key=f"{tenant}/{meter.key}", id=meter.id, from_us=meter.valid_from_us, to_us=_end(meter.valid_to_us))


def _bounds(rule: ComplianceRule) -> Bounds:
    return Bounds(
        key=rule.key,
        kind=kind_of(rule.statistic, rule.window),
        lowest=rule.lowest,
        highest=rule.highest,
        authority=rule.authority,
        from_us=rule.valid_from_us,
        to_us=_end(rule.valid_to_us),
    )


def _inner(key: str) -> str:
    """A key without the park's."""
    return key.partition("/")[2]


def _end(valid_to_us: int | None) -> int:
    return OPEN_US if valid_to_us is None else valid_to_us
