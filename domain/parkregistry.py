"""The registry that a park file would become, for checks and dry runs that have no database."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from domain.alarmentries import AlarmEntry, contact_of
from domain.alarmrules import AlarmRule
from domain.parkentries import ChannelEntry, Life, MeterEntry, ParkFile, life_of
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.references import References
from domain.registry import (
    Channel,
    ComplianceRule,
    Kind,
    Meter,
    Multiplier,
    Outage,
    Park,
    Registry,
    Stamp,
    Statistic,
    Tenant,
    WireUnit,
)
from domain.time import from_datetime

__all__ = ["registry_of"]

_FLOWS = ("effluent_volume", "effluent_flow")
_FILE = "file"


def registry_of(file: ParkFile, references: References | None = None) -> Registry:
    """
    A park file as a registry whose ids are the places of its rows, counted from 1.

    Parameters
    ----------
    file : ParkFile
        Without mistakes.
    references : References, optional
        None: there are none.
    """
    whole = Life(file.park.valid_from, None)
    tenants, meters, channels = _rows(file, whole)
    places = {channel.key: channel.id for channel in channels}
    return Registry(
        park=Park(
            id=1,
            key=file.park.key,
            name=file.park.name,
            zone=ZoneInfo(file.park.timezone),
            base_s=file.park.base_minutes * 60,
            lateness_s=file.park.lateness_minutes * 60,
            version=1,
        ),
        tenants=tenants,
        meters=meters,
        channels=channels,
        rules=_compliance_rules(file, whole, places),
        references=references or References(),
        alarm_rules=_alarm_rules(file, whole),
        contacts=tuple(contact_of(entry) for entry in file.contacts),
    )


def _rows(file: ParkFile, whole: Life) -> tuple[tuple[Tenant, ...], tuple[Meter, ...], tuple[Channel, ...]]:
    found = [(tenant, meter) for tenant in file.tenants for meter in tenant.meters]
    meter_ids = {f"{tenant.key}/{meter.key}": place for place, (tenant, meter) in enumerate(found, 1)}
    lives = {tenant.key: life_of(tenant, whole) for tenant in file.tenants}
    tenants = tuple(
        Tenant(id=place, key=one.key, name=one.name, sector=one.sector, **_dates(lives[one.key]))
        for place, one in enumerate(file.tenants, 1)
    )
    tenant_ids = {tenant.key: tenant.id for tenant in tenants}
    meters = tuple(
        Meter(
            id=meter_ids[f"{tenant.key}/{meter.key}"],
            tenant_id=tenant_ids[tenant.key],
            key=meter.key,
            name=meter.name,
            role=meter.role,
            parent_id=None if meter.parent is None else meter_ids[meter.parent],
            demand_block_s=meter.demand_block_s or file.park.base_minutes * 60,
            error_share=meter.error_share,
            outages=_outages(meter),
            **_dates(life_of(meter, lives[tenant.key])),
        )
        for tenant, meter in found
    )
    numbers = count(1)
    channels = tuple(
        channel
        for tenant, meter in found
        for channel in _channels(
            f"{file.park.key}/{tenant.key}/{meter.key}",
            meter,
            meter_ids[f"{tenant.key}/{meter.key}"],
            life_of(meter, lives[tenant.key]),
            numbers,
        )
    )
    # Products come after the channels they are made of.
    return tenants, meters, tuple(sorted(channels, key=lambda channel: channel.kind is Kind.PRODUCT))


def _dates(life: Life) -> dict[str, Any]:
    return {"valid_from_us": from_datetime(life.start), "valid_to_us": _end(life.stop)}


def _end(stop: datetime | None) -> int | None:
    return None if stop is None else from_datetime(stop)


def _outages(meter: MeterEntry) -> tuple[Outage, ...]:
    ordered = sorted(meter.outages, key=lambda one: one.valid_from)
    return tuple(
        Outage(from_us=from_datetime(one.valid_from), to_us=_end(one.valid_to), reason=one.reason) for one in ordered
    )


def _channels(where: str, meter: MeterEntry, meter_id: int, life: Life, numbers: "count[int]") -> Iterator[Channel]:
    own = {channel.quantity: _channel(where, channel, meter_id, life, next(numbers)) for channel in meter.channels}
    yield from own.values()
    flow = next((own[quantity] for quantity in _FLOWS if quantity in own), None)
    if flow is not None:
        for pollutant in CONCENTRATIONS:
            if pollutant in own:
                yield _product(where, own[pollutant], flow, next(numbers))


def _channel(where: str, channel: ChannelEntry, meter_id: int, outer: Life, number: int) -> Channel:
    return Channel(
        id=number,
        meter_id=meter_id,
        key=f"{where}/{channel.quantity}",
        quantity=channel.quantity,
        kind=channel.kind,
        unit=QUANTITIES[channel.quantity].unit,
        interval_s=channel.interval_s,
        stamp=channel.stamp,
        statistic=channel.statistic,
        resolution=channel.resolution,
        modulus=channel.modulus,
        max_rate=channel.max_rate,
        multipliers=tuple(
            Multiplier(from_us=from_datetime(one.valid_from), factor=one.factor)
            for one in sorted(channel.multipliers, key=lambda one: one.valid_from)
        ),
        exchanges=tuple(one.as_fact() for one in sorted(channel.exchanges, key=lambda one: one.at)),
        wire_unit=channel.unit,
        wire_units=tuple(
            WireUnit(from_us=from_datetime(one.valid_from), unit=one.unit)
            for one in sorted(channel.units, key=lambda one: one.valid_from)
        ),
        **_dates(life_of(channel, outer)),
    )


def _product(where: str, concentration: Channel, flow: Channel, number: int) -> Channel:
    quantity = f"load_{concentration.quantity}"
    stops = [one.valid_to_us for one in (concentration, flow) if one.valid_to_us is not None]
    start_us = max(concentration.valid_from_us, flow.valid_from_us)
    return Channel(
        id=number,
        meter_id=concentration.meter_id,
        key=f"{where}/{quantity}",
        quantity=quantity,
        kind=Kind.PRODUCT,
        unit=QUANTITIES[quantity].unit,
        interval_s=concentration.interval_s,
        stamp=Stamp.START,
        statistic=Statistic.MEAN,
        resolution=0.0,
        modulus=None,
        max_rate=None,
        valid_from_us=start_us,
        valid_to_us=max(start_us, min(stops)) if stops else None,
        inputs=(concentration.id, flow.id),
    )


def _compliance_rules(file: ParkFile, whole: Life, places: dict[str, int]) -> tuple[ComplianceRule, ...]:
    return tuple(
        ComplianceRule(
            id=number,
            key=rule.key,
            channel_id=places[f"{file.park.key}/{rule.meter}/{rule.quantity}"],
            statistic=rule.statistic,
            window=rule.window,
            least_valid=rule.least_valid,
            lowest=rule.lowest,
            highest=rule.highest,
            legal_basis=rule.legal_basis,
            confirmed=rule.confirmed,
            authority=rule.authority,
            **_dates(life_of(rule, whole)),
        )
        for number, rule in enumerate(file.rules, 1)
    )


def _alarm_rules(file: ParkFile, whole: Life) -> tuple[AlarmRule, ...]:
    def begins(entry: AlarmEntry) -> datetime:
        return entry.valid_from or whole.start

    ordered = sorted(file.alarms, key=lambda entry: (entry.key, begins(entry)))
    versions: dict[str, int] = {}
    rules = []
    for number, entry in enumerate(ordered, 1):
        versions[entry.key] = versions.get(entry.key, 0) + 1
        rules.append(
            AlarmRule(
                id=number,
                key=entry.key,
                version=versions[entry.key],
                entry=entry,
                origin="file",
                valid_from_us=from_datetime(begins(entry)),
                valid_to_us=_end(entry.valid_to),
                recorded_at_us=from_datetime(whole.start),
                recorded_by=_FILE,
            )
        )
    return tuple(rules)
