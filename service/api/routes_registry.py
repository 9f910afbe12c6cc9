"""Routes about what there is: parks, tenants, meters, channels."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from psycopg import AsyncConnection

from domain.quantities import QUANTITIES
from domain.registry import Channel, ComplianceRule, Registry
from service.api.access import Asker
from service.api.models import ChannelAnswer, LimitAnswer, MeterAnswer, ParkAnswer, TenantAnswer
from service.api.problem import not_found
from service.api.ranges import local_time, now_us
from service.api.registries import Registries
from service.api.services import Database, Serving
from store.queries import read_registries
from store.users import User

__all__ = ["registries_of", "router"]

router = APIRouter(tags=["registry"])

ParkKey = Annotated[str | None, Query(description="Key of a park; without it, all that you may see.", max_length=63)]
TenantKey = Annotated[str | None, Query(description="Key of a tenant.", max_length=63)]
MeterKey = Annotated[str | None, Query(description="Key of a meter.", max_length=63)]


async def registries_of(
    conn: AsyncConnection[Any], user: User, park: str | None, *, kept: Registries | None = None
) -> tuple[Registry, ...]:
    """
    The parks that a request is about.

    Parameters
    ----------
    kept : Registries or None
        What was read before and still holds; None: read them anew.

    Raises
    ------
    Problem
        404: the named park does not exist, or the user may not see it.
    """
    registries = await (read_registries(conn, user.name) if kept is None else kept.all(conn, user))
    if park is None:
        return registries
    chosen = tuple(registry for registry in registries if registry.park.key == park)
    if not chosen:
        raise not_found(f"park {park}")
    return chosen


@router.get("/parks")
async def list_parks(conn: Database, user: Asker, services: Serving) -> list[ParkAnswer]:
    """The parks that you may see."""
    return [
        ParkAnswer(
            key=park.key,
            name=park.name,
            timezone=park.zone.key,
            base_s=park.base_s,
            lateness_s=park.lateness_s,
            version=park.version,
            final_to=None if park.ticked_to_us is None else local_time(park.zone, park.ticked_to_us),
        )
        for park in (registry.park for registry in await services.registries.all(conn, user))
    ]


@router.get("/tenants")
async def list_tenants(conn: Database, user: Asker, services: Serving, park: ParkKey = None) -> list[TenantAnswer]:
    """The tenants that you may see."""
    return [
        TenantAnswer(
            park=registry.park.key,
            key=tenant.key,
            name=tenant.name,
            sector=tenant.sector,
            valid_from=local_time(registry.park.zone, tenant.valid_from_us),
            valid_to=None if tenant.valid_to_us is None else local_time(registry.park.zone, tenant.valid_to_us),
        )
        for registry in await registries_of(conn, user, park, kept=services.registries)
        for tenant in registry.tenants
    ]


@router.get("/meters")
async def list_meters(
    conn: Database, user: Asker, services: Serving, park: ParkKey = None, tenant: TenantKey = None
) -> list[MeterAnswer]:
    """The metering points that you may see."""
    return [
        meter
        for registry in await registries_of(conn, user, park, kept=services.registries)
        for meter in _meters(registry)
        if tenant in {None, meter.tenant}
    ]


@router.get("/channels")
async def list_channels(  # noqa: PLR0917 - what the framework hands over
    conn: Database,
    user: Asker,
    services: Serving,
    park: ParkKey = None,
    tenant: TenantKey = None,
    meter: MeterKey = None,
) -> list[ChannelAnswer]:
    """The channels that you may see, with the limits in force now."""
    return [
        channel
        for registry in await registries_of(conn, user, park, kept=services.registries)
        for channel in _channels(registry)
        if tenant in {None, channel.key.split("/")[1]} and meter in {None, channel.key.split("/")[2]}
    ]


def _meters(registry: Registry) -> Iterable[MeterAnswer]:
    zone = registry.park.zone
    for meter in registry.meters:
        tenant = registry.tenant_by_id[meter.tenant_id]
        parent = registry.meter_by_id.get(meter.parent_id) if meter.parent_id is not None else None
        yield MeterAnswer(
            park=registry.park.key,
            tenant=tenant.key,
            key=meter.key,
            subject=f"meter:{registry.park.key}/{tenant.key}/{meter.key}",
            name=meter.name,
            role=meter.role.value,
            parent=f"{registry.tenant_by_id[parent.tenant_id].key}/{parent.key}" if parent else None,
            demand_block_s=meter.demand_block_s,
            error_share=meter.error_share,
            valid_from=local_time(zone, meter.valid_from_us),
            valid_to=None if meter.valid_to_us is None else local_time(zone, meter.valid_to_us),
        )


def _channels(registry: Registry) -> Iterable[ChannelAnswer]:
    limits: dict[int, list[ComplianceRule]] = {}
    present_us = now_us()
    for rule in registry.rules:
        if rule.valid_from_us <= present_us and (rule.valid_to_us is None or present_us < rule.valid_to_us):
            limits.setdefault(rule.channel_id, []).append(rule)
    for channel in registry.channels:
        yield _channel(registry, channel, limits.get(channel.id, []))


def _channel(registry: Registry, channel: Channel, rules: list[ComplianceRule]) -> ChannelAnswer:
    quantity = QUANTITIES.get(channel.quantity)
    return ChannelAnswer(
        key=channel.key,
        quantity=channel.quantity,
        title=quantity.title if quantity else channel.quantity,
        kind=channel.kind.value,
        unit=channel.unit,
        interval_s=channel.interval_s,
        role=registry.meter_by_id[channel.meter_id].role.value,
        valid_from=local_time(registry.park.zone, channel.valid_from_us),
        valid_to=None if channel.valid_to_us is None else local_time(registry.park.zone, channel.valid_to_us),
        limits=[
            LimitAnswer(
                rule=rule.key,
                statistic=rule.statistic.value,
                window=rule.window.value,
                lowest=rule.lowest,
                highest=rule.highest,
                legal_basis=rule.legal_basis,
                confirmed=rule.confirmed,
            )
            for rule in rules
        ],
    )
