"""What a park file says the registry should hold, as flat rows to compare with the tables'. No input or output."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.parkentries import Life, life_of
from domain.parkfile import ChannelEntry, MeterEntry, ParkFile, RuleEntry, TenantEntry
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.registry import Kind, Stamp, Statistic

__all__ = [
    "Wanted",
    "WantedChannel",
    "WantedMeter",
    "WantedRule",
    "WantedTenant",
    "differences",
    "wanted_rows",
]

_FLOWS = ("effluent_volume", "effluent_flow")

Columns = dict[str, Any]
"""Column name to value; enums as their text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTenant:
    """A tenant's row."""

    place: str
    columns: Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMeter:
    """A meter's row; its parent stands in the columns by its place."""

    place: str
    """`tenant/meter`."""
    columns: Columns
    devices: dict[tuple[Any, ...], Columns] = field(default_factory=dict)
    """By (serial, valid_from)."""
    outages: dict[tuple[Any, ...], Columns] = field(default_factory=dict)
    """By (valid_from,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedChannel:
    """A channel's row; a product's inputs stand in the columns by their quantities."""

    place: str
    """`tenant/meter/quantity`."""
    columns: Columns
    multipliers: dict[tuple[Any, ...], Columns] = field(default_factory=dict)
    """By (valid_from,)."""
    exchanges: dict[tuple[Any, ...], Columns] = field(default_factory=dict)
    """By (at,)."""
    units: dict[tuple[Any, ...], Columns] = field(default_factory=dict)
    """By (valid_from,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRule:
    """A compliance rule's row."""

    place: str
    """`tenant/meter/quantity` of the channel it judges."""
    key: tuple[Any, ...]
    """(key, valid_from)."""
    columns: Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything a park file says, flat."""

    park: Columns
    tenants: tuple[WantedTenant, ...]
    meters: tuple[WantedMeter, ...]
    channels: tuple[WantedChannel, ...]
    """Products last."""
    rules: tuple[WantedRule, ...]


def wanted_rows(file: ParkFile) -> Wanted:
    """
    The rows of a park file that has been checked.

    A meter with a concentration and an effluent volume or flow gets a product channel `load_<p>` for each
    concentration: made from the volume where there is one, and there as long as both its inputs are.
    """
    whole = Life(file.park.valid_from, None)
    tenants = [(tenant, life_of(tenant, whole)) for tenant in file.tenants]
    meters = [(tenant, meter, life_of(meter, life)) for tenant, life in tenants for meter in tenant.meters]
    channels = [row for tenant, meter, life in meters for row in _channels(tenant, meter, life)]
    return Wanted(
        park={
            "name": file.park.name,
            "timezone": file.park.timezone,
            "base_s": file.park.base_minutes * 60,
            "lateness_s": file.park.lateness_minutes * 60,
        },
        tenants=tuple(_tenant(tenant, life) for tenant, life in tenants),
        meters=tuple(_meter(file, tenant, meter, life) for tenant, meter, life in meters),
        channels=tuple(sorted(channels, key=lambda row: row.columns["kind"] == Kind.PRODUCT.value)),
        rules=tuple(_rule(rule, whole) for rule in file.rules),
    )


def _dates(life: Life) -> Columns:
    return {"valid_from": life.start, "valid_to": life.stop}


def _tenant(tenant: TenantEntry, life: Life) -> WantedTenant:
    return WantedTenant(place=tenant.key, columns={"name": tenant.name, "sector": tenant.sector, **_dates(life)})


def _meter(file: ParkFile, tenant: TenantEntry, meter: MeterEntry, life: Life) -> WantedMeter:
    return WantedMeter(
        place=f"{tenant.key}/{meter.key}",
        columns={
            "name": meter.name,
            "role": meter.role.value,
            "parent": meter.parent,
            "demand_block_s": meter.demand_block_s or file.park.base_minutes * 60,
            "error_share": meter.error_share,
            **_dates(life),
        },
        devices={(device.serial, device.valid_from): {"valid_to": device.valid_to} for device in meter.devices},
        outages={
            (outage.valid_from,): {"valid_to": outage.valid_to, "reason": outage.reason} for outage in meter.outages
        },
    )


def _channels(tenant: TenantEntry, meter: MeterEntry, life: Life) -> Iterator[WantedChannel]:
    place = f"{tenant.key}/{meter.key}"
    own = {channel.quantity: (channel, life_of(channel, life)) for channel in meter.channels}
    for channel, channel_life in own.values():
        yield _channel(place, channel, channel_life)
    flow = next((own[quantity] for quantity in _FLOWS if quantity in own), None)
    if flow is not None:
        for quantity in CONCENTRATIONS:
            if quantity in own:
                yield _product(place, own[quantity], flow)


def _channel(place: str, channel: ChannelEntry, life: Life) -> WantedChannel:
    return WantedChannel(
        place=f"{place}/{channel.quantity}",
        columns={
            "kind": channel.kind.value,
            "unit": QUANTITIES[channel.quantity].unit,
            "wire_unit": channel.unit,
            "interval_s": channel.interval_s,
            "stamp": channel.stamp.value,
            "statistic": channel.statistic.value,
            "resolution": channel.resolution,
            "modulus": channel.modulus,
            "max_rate": channel.max_rate,
            "concentration": None,
            "flow": None,
            **_dates(life),
        },
        multipliers={(entry.valid_from,): {"factor": entry.factor} for entry in channel.multipliers},
        exchanges={
            (entry.at,): {
                "closing": entry.closing,
                "opening": entry.opening,
                "modulus": entry.modulus,
                "resolution": entry.resolution,
                "max_rate": entry.max_rate,
            }
            for entry in channel.exchanges
        },
        units={(entry.valid_from,): {"unit": entry.unit} for entry in channel.units},
    )


def _product(place: str, concentration: tuple[ChannelEntry, Life], flow: tuple[ChannelEntry, Life]) -> WantedChannel:
    (measured, measured_life), (carrier, carrier_life) = concentration, flow
    stops = [life.stop for life in (measured_life, carrier_life) if life.stop is not None]
    start = max(measured_life.start, carrier_life.start)
    return WantedChannel(
        place=f"{place}/load_{measured.quantity}",
        columns={
            "kind": Kind.PRODUCT.value,
            "unit": QUANTITIES[f"load_{measured.quantity}"].unit,
            "wire_unit": None,
            "interval_s": measured.interval_s,
            "stamp": Stamp.START.value,
            "statistic": Statistic.MEAN.value,
            "resolution": 0.0,
            "modulus": None,
            "max_rate": None,
            "concentration": measured.quantity,
            "flow": carrier.quantity,
            **_dates(Life(start, max(start, min(stops)) if stops else None)),
        },
    )


def _rule(rule: RuleEntry, whole: Life) -> WantedRule:
    life = life_of(rule, whole)
    return WantedRule(
        place=f"{rule.meter}/{rule.quantity}",
        key=(rule.key, life.start),
        columns={
            "statistic": rule.statistic.value,
            "time_window": rule.window.value,
            "least_valid": rule.least_valid,
            "lowest": rule.lowest,
            "highest": rule.highest,
            "legal_basis": rule.legal_basis,
            "confirmed": rule.confirmed,
            "authority": rule.authority.value,
            "valid_to": life.stop,
        },
    )


def differences(current: Mapping[str, Any], wanted: Columns) -> Columns:
    """The wanted columns whose value is not the current one."""
    return {name: value for name, value in wanted.items() if current[name] != value}
