"""A small registry in memory, for tests that need no database."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from domain.registry import Channel, Kind, Meter, MeterRole, Park, Registry, Stamp, Statistic, Tenant

VALID_FROM_US = 1_577_836_800_000_000
"""2020-01-01."""

REGISTER = Channel(
    id=1,
    meter_id=1,
    key="p/t/m/energy_import",
    quantity="energy_import",
    kind=Kind.REGISTER,
    unit="kWh",
    interval_s=900,
    stamp=Stamp.START,
    statistic=Statistic.INSTANT,
    resolution=0.01,
    modulus=None,
    max_rate=10_000.0,
    valid_from_us=VALID_FROM_US,
    valid_to_us=None,
)


def small_registry() -> Registry:
    """Park p, tenant t, meter m: a register, a daily mean stamped at its end, and a product."""
    mean = replace(
        REGISTER,
        id=2,
        key="p/t/m/cod",
        quantity="cod",
        kind=Kind.GAUGE,
        unit="mg/L",
        interval_s=86_400,
        stamp=Stamp.END,
        statistic=Statistic.MEAN,
        max_rate=None,
    )
    flow = replace(mean, id=3, key="p/t/m/effluent_flow", quantity="effluent_flow", unit="m3/h", wire_unit="L/s")
    load = replace(mean, id=4, key="p/t/m/load_cod", quantity="load_cod", kind=Kind.PRODUCT, unit="kg", inputs=(2, 3))
    tenant = Tenant(id=1, key="t", name="T", sector=None, valid_from_us=VALID_FROM_US, valid_to_us=None)
    meter = Meter(
        id=1,
        tenant_id=1,
        key="m",
        name="M",
        role=MeterRole.USE,
        parent_id=None,
        demand_block_s=900,
        error_share=0.02,
        valid_from_us=VALID_FROM_US,
        valid_to_us=None,
    )
    park = Park(id=1, key="p", name="P", zone=ZoneInfo("Asia/Jakarta"), base_s=900, lateness_s=600, version=1)
    return Registry(park=park, tenants=(tenant,), meters=(meter,), channels=(REGISTER, mean, flow, load))


def page_registry() -> Registry:
    """The small registry with what the examples of docs/wire-format.md measure beside it."""
    registry = small_registry()
    gauge = replace(registry.channels[1], interval_s=60, stamp=Stamp.START, statistic=Statistic.INSTANT)
    power = replace(gauge, id=5, key="p/t/m/power", quantity="power", unit="kW")
    ph = replace(gauge, id=6, key="p/t/m/ph", quantity="ph", unit="pH")
    return replace(registry, channels=(*registry.channels, power, ph))
