"""What is wrong between the places of a park file, in sentences.

Each check yields sentences that name the thing, its value and what would be right. They run on a
file whose shapes are right, and all of them run, so that one reading of the list mends the file.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from domain.alarmchecks import alarm_problems, contact_problems
from domain.channelchecks import channel_mistakes, dates_mistakes
from domain.parkentries import ChannelEntry, Life, MeterEntry, ParkEntry, ParkFile, RuleEntry, TenantEntry, life_of
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.registry import OPERATOR, Kind, MeterRole, RuleStatistic, RuleWindow
from domain.time import Level, from_datetime, level_edges

__all__ = ["mistakes", "networks"]

_DAY_S = 86400
_HOUR_S = 3600
_SECOND_US = 1_000_000
_YEARS_LOOKED_AHEAD = 10

_NETWORKS: Mapping[str, str] = {
    **dict.fromkeys(("energy_import", "energy_export", "energy_generation"), "electricity"),
    **dict.fromkeys(("energy_reactive_lagging", "energy_reactive_leading"), "electricity"),
    **dict.fromkeys(("power", "voltage", "current"), "electricity"),
    **dict.fromkeys(("gas", "diesel", "steam"), "fuel"),
    **dict.fromkeys(("water_in", "water_surface", "water_ground", "water_rain", "water_reclaimed"), "water"),
    **dict.fromkeys(("water_flow", "water_reuse", "pressure"), "water"),
    **dict.fromkeys(("effluent_volume", "effluent_flow", *CONCENTRATIONS), "effluent"),
}


@dataclass(frozen=True)
class _Point:
    """A meter where it stands."""

    tenant: TenantEntry
    meter: MeterEntry
    life: Life
    outer: Life

    @property
    def place(self) -> str:
        return f"{self.tenant.key}/{self.meter.key}"


@dataclass(frozen=True)
class _Site:
    """A park file with its meters by place."""

    file: ParkFile

    @cached_property
    def life(self) -> Life:
        return Life(self.file.park.valid_from, None)

    @cached_property
    def points(self) -> tuple[_Point, ...]:
        return tuple(
            _Point(tenant, meter, life_of(meter, outer), outer)
            for tenant in self.file.tenants
            for outer in [life_of(tenant, self.life)]
            for meter in tenant.meters
        )

    @cached_property
    def by_place(self) -> dict[str, _Point]:
        return {point.place: point for point in self.points}


def networks(meter: MeterEntry) -> frozenset[str]:
    """Which networks a meter is part of (`electricity`, `fuel`, `water`, `effluent`), by the quantities it measures."""
    return frozenset(_NETWORKS[channel.quantity] for channel in meter.channels if channel.quantity in _NETWORKS)


def mistakes(park_file: ParkFile) -> tuple[str, ...]:
    """
    Everything in a park file that contradicts itself or makes no sense, one sentence each.

    Parameters
    ----------
    park_file : ParkFile
        Of the right shape.

    Returns
    -------
    tuple of str
        In the order of the file; empty where the file can be applied.
    """
    site = _Site(park_file)
    return (
        *_park(park_file.park),
        *_keys(park_file),
        *(sentence for tenant in park_file.tenants for sentence in _tenant(site, tenant)),
        *(sentence for point in site.points for sentence in _meter(site, point)),
        *_rules(site),
        *alarm_problems(park_file),
        *contact_problems(park_file.contacts),
    )


def _twice(keys: list[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _park(park: ParkEntry) -> Iterator[str]:
    try:
        zone = ZoneInfo(park.timezone)
    except (KeyError, ValueError, OSError):
        yield f"park {park.key}: timezone {park.timezone!r} is not an IANA zone; write one like 'Asia/Jakarta'"
        return
    # A day that is no whole number of base intervals would end in a shorter one; the next ten years stand for all.
    year = park.valid_from.year
    start, stop = (from_datetime(datetime(y, 1, 1, tzinfo=zone)) for y in (year, year + _YEARS_LOOKED_AHEAD))
    midnights = level_edges(zone, park.base_minutes * 60, Level.DAY, start, stop)
    odd = np.diff(midnights) % (park.base_minutes * 60 * _SECOND_US) != 0
    if odd.any():
        yield (
            f"park {park.key}: base_minutes {park.base_minutes} does not divide every day of {park.timezone}, "
            "whose clocks change by half an hour; use 30 or less"
        )


def _keys(file: ParkFile) -> Iterator[str]:
    for key in _twice([tenant.key for tenant in file.tenants]):
        yield f"tenant {key}: the key stands twice; keys of tenants are unique in the park"
    for tenant in file.tenants:
        if tenant.key.startswith("_") and tenant.key != OPERATOR:
            yield f"tenant {tenant.key}: keys that begin with '_' are reserved; only {OPERATOR!r}, the operator, has one"
        for key in _twice([meter.key for meter in tenant.meters]):
            yield f"meter {tenant.key}/{key}: the key stands twice; keys of meters are unique in their tenant"
        for meter in tenant.meters:
            for quantity in _twice([channel.quantity for channel in meter.channels]):
                yield f"channel {tenant.key}/{meter.key}/{quantity}: the quantity stands twice; a meter has one channel of each"


def _tenant(site: _Site, tenant: TenantEntry) -> Iterator[str]:
    yield from dates_mistakes(f"tenant {tenant.key}", life_of(tenant, site.life), site.life, "the park")


def _meter(site: _Site, point: _Point) -> Iterator[str]:
    what = f"meter {point.place}"
    base_s = site.file.park.base_minutes * 60
    block_s = point.meter.demand_block_s
    yield from dates_mistakes(what, point.life, point.outer, f"tenant {point.tenant.key}")
    if block_s is not None and (block_s < base_s or block_s % base_s or block_s > _HOUR_S or _DAY_S % block_s):
        yield f"{what}: demand_block_s {block_s} must be a multiple of the base interval ({base_s}), at most 3600, and divide a day"
    yield from _devices(point)
    yield from _outages(point)
    yield from _parents(site, point)
    for channel in point.meter.channels:
        yield from channel_mistakes(f"{point.place}/{channel.quantity}", channel, point.life)


def _devices(point: _Point) -> Iterator[str]:
    lives = [
        (Life(device.valid_from, device.valid_to or point.life.stop), device.serial) for device in point.meter.devices
    ]
    for life, serial in lives:
        yield from dates_mistakes(f"device {serial} on {point.place}", life, point.life, f"meter {point.place}")
    for (life, serial), (next_life, next_serial) in pairwise(sorted(lives, key=lambda pair: (pair[0].start, pair[1]))):
        if life.stop is None or next_life.start < life.stop:
            yield (
                f"meter {point.place}: devices {serial} and {next_serial} are mounted at the same time "
                f"({life} and {next_life}); a meter has one device at a time"
            )


def _outages(point: _Point) -> Iterator[str]:
    what = f"meter {point.place}"
    lives = sorted(
        (Life(outage.valid_from, outage.valid_to or point.life.stop) for outage in point.meter.outages),
        key=lambda life: life.start,
    )
    for life in lives:
        yield from dates_mistakes(f"the outage of {what}", life, point.life, what)
    for life, following in pairwise(lives):
        if life.stop is None or following.start < life.stop:
            yield f"{what}: it is out of service twice at the same time ({life} and {following}); give one outage for both"


def _parents(site: _Site, point: _Point) -> Iterator[str]:
    above: list[_Point] = []
    parent = point.meter.parent
    while parent is not None:
        upstream = site.by_place.get(parent)
        if upstream is None:
            if not above:
                yield f"meter {point.place}: parent {parent!r} is no meter of this park; write it as tenant/meter"
            return
        if upstream is point or upstream in above:
            if upstream is point:
                chain = " -> ".join(p.place for p in (point, *above, point))
                yield f"meter {point.place}: it is its own parent by way of {chain}"
            return
        above.append(upstream)
        parent = upstream.meter.parent
    if above:
        yield from _upstream(point, above)


def _upstream(point: _Point, above: list[_Point]) -> Iterator[str]:
    own, upper = networks(point.meter), networks(above[0].meter)
    if own and upper and not own & upper:
        yield (
            f"meter {point.place}: parent {above[0].place} measures {', '.join(sorted(upper))}, "
            f"not {', '.join(sorted(own))}; a parent lies upstream in the same network"
        )
    foreign = next(
        (p for p in above if p.meter.role is MeterRole.USE and p.tenant.key != point.tenant.key),
        None,
    )
    if point.meter.role is MeterRole.USE and foreign is not None:
        yield (
            f"meter {point.place}: role 'use' below {foreign.place}, a 'use' meter of tenant {foreign.tenant.key}; "
            "its use would count for both"
        )


def _rules(site: _Site) -> Iterator[str]:
    for rule in site.file.rules:
        yield from _rule(site, rule)
    ordered = sorted(site.file.rules, key=lambda rule: (rule.key, life_of(rule, site.life).start))
    for rule, follower in pairwise(ordered):
        life, next_life = life_of(rule, site.life), life_of(follower, site.life)
        if rule.key == follower.key and (life.stop is None or next_life.start < life.stop):
            yield f"rule {rule.key}: stands twice at the same time ({life} and {next_life}); end the one before the next begins"


def _rule(site: _Site, rule: RuleEntry) -> Iterator[str]:
    what = f"rule {rule.key}"
    yield from dates_mistakes(what, life_of(rule, site.life), site.life, "the park")
    yield from _limits(what, rule)
    point = site.by_place.get(rule.meter)
    if point is None:
        yield f"{what}: meter {rule.meter!r} is no meter of this park; write it as tenant/meter"
        return
    channel = next((channel for channel in point.meter.channels if channel.quantity == rule.quantity), None)
    if channel is None:
        measured = ", ".join(channel.quantity for channel in point.meter.channels)
        yield f"{what}: meter {rule.meter} has no channel {rule.quantity!r}; it has {measured}"
        return
    yield from _statistic(what, rule, channel, point)
    base_s = site.file.park.base_minutes * 60
    window_s = {
        RuleWindow.BASE: base_s,
        RuleWindow.HOUR: _HOUR_S,
        RuleWindow.DAY: _DAY_S,
        RuleWindow.MONTH: 28 * _DAY_S,
    }[rule.window]
    if channel.interval_s > window_s:
        yield f"{what}: window {rule.window.value!r} ({window_s} s) is shorter than interval_s {channel.interval_s} of {rule.meter}/{rule.quantity}"


def _statistic(what: str, rule: RuleEntry, channel: ChannelEntry, point: _Point) -> Iterator[str]:
    quantity = QUANTITIES.get(rule.quantity)
    if quantity is None or channel.kind is Kind.EVENT:
        yield f"{what}: {rule.quantity} cannot be judged; a limit is judged on a value that holds for a time, like cod or effluent_flow"
        return
    if rule.statistic is RuleStatistic.SUM:
        if not (quantity.stock or quantity.integral):
            yield f"{what}: statistic 'sum' of {rule.quantity}, which adds up to nothing; use it for a volume or a flow"
    elif quantity.stock:
        yield f"{what}: {rule.quantity} is no gauge; a limit is judged on a value that holds for a time, like cod or effluent_flow; of a volume only the 'sum'"
    if rule.statistic is RuleStatistic.FLOW_WEIGHTED_MEAN:
        flows = {"effluent_flow", "effluent_volume"} & {one.quantity for one in point.meter.channels}
        if rule.quantity not in CONCENTRATIONS or not flows:
            yield (
                f"{what}: statistic 'flow_weighted_mean' belongs to a concentration beside effluent_flow or effluent_volume of "
                f"the same meter; use 'mean'"
            )


def _limits(what: str, rule: RuleEntry) -> Iterator[str]:
    if rule.lowest is None and rule.highest is None:
        yield f"{what}: gives neither lowest nor highest; a rule needs a limit"
    elif rule.statistic is RuleStatistic.RANGE and (rule.lowest is None or rule.highest is None):
        yield f"{what}: statistic 'range' needs both lowest and highest"
    if rule.lowest is not None and rule.highest is not None and rule.lowest > rule.highest:
        yield f"{what}: lowest {rule.lowest:g} is above highest {rule.highest:g}; no value could meet it"
    averages = {RuleStatistic.MEAN, RuleStatistic.FLOW_WEIGHTED_MEAN, RuleStatistic.P95}
    if rule.quantity == "ph" and rule.statistic in averages:
        yield f"{what}: pH is logarithmic and never averaged; use statistic 'range', 'min' or 'max'"
