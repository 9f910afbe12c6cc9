"""Small parks and their amounts, written down by hand in tests of KPIs."""

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from domain.frames import AmountFrame, KpiFrame, Subject, SubjectKind
from domain.quantities import QUANTITIES
from domain.registry import (
    Channel,
    ComplianceRule,
    Kind,
    Meter,
    MeterRole,
    Park,
    Registry,
    RuleStatistic,
    RuleWindow,
    Stamp,
    Statistic,
    Tenant,
)
from domain.time import SECOND_US, Level, parse_instant
from kpi.catalogue import for_registry
from kpi.compute import subject_kpis
from kpi.definition import Kpi
from kpi.weights import Weights

JAKARTA = ZoneInfo("Asia/Jakarta")
BEGIN_US = parse_instant("2026-01-01T00:00:00+07:00")
PARK = Subject(kind=SubjectKind.PARK, id=1)


def a_tenant_subject(number: int) -> Subject:
    return Subject(kind=SubjectKind.TENANT, id=number)


def a_meter_subject(number: int) -> Subject:
    return Subject(kind=SubjectKind.METER, id=number)


def a_park(**changes: Any) -> Park:
    park = Park(
        id=1, key="p", name="P", zone=JAKARTA, base_s=900, lateness_s=600, version=1, ticked_to_us=BEGIN_US + 10**16
    )
    return replace(park, **changes)


def a_tenant(number: int, **changes: Any) -> Tenant:
    tenant = Tenant(id=number, key=f"t{number}", name="T", sector=None, valid_from_us=BEGIN_US, valid_to_us=None)
    return replace(tenant, **changes)


def a_meter(number: int, tenant: int, role: str = "use", **changes: Any) -> Meter:
    meter = Meter(
        id=number,
        tenant_id=tenant,
        key=f"m{number}",
        name="M",
        role=MeterRole(role),
        parent_id=None,
        demand_block_s=900,
        error_share=0.02,
        valid_from_us=BEGIN_US,
        valid_to_us=None,
    )
    return replace(meter, **changes)


def a_channel(number: int, meter: int, quantity: str, **changes: Any) -> Channel:
    about = QUANTITIES[quantity]
    kind = Kind.PRODUCT if quantity.startswith("load_") else Kind.REGISTER if about.stock else Kind.GAUGE
    channel = Channel(
        id=number,
        meter_id=meter,
        key=f"p/t/m{meter}/{quantity}",
        quantity=quantity,
        kind=kind,
        unit=about.unit,
        interval_s=900,
        stamp=Stamp.START,
        statistic=Statistic.INSTANT,
        resolution=0.0,
        modulus=None,
        max_rate=1e6,
        valid_from_us=BEGIN_US,
        valid_to_us=None,
    )
    return replace(channel, **changes)


def a_rule(number: int, channel: int, **changes: Any) -> ComplianceRule:
    rule = ComplianceRule(
        id=number,
        key="cod",
        channel_id=channel,
        statistic=RuleStatistic.MEAN,
        window=RuleWindow.HOUR,
        least_valid=0.75,
        lowest=None,
        highest=100.0,
        legal_basis="permit 1",
        confirmed=True,
        valid_from_us=BEGIN_US,
        valid_to_us=None,
    )
    return replace(rule, **changes)


def a_registry(
    meters: list[Meter],
    channels: list[Channel],
    *,
    park: Park | None = None,
    tenants: list[Tenant] | None = None,
    rules: tuple[ComplianceRule, ...] = (),
) -> Registry:
    whole = park or a_park()
    owners = tenants or [a_tenant(number) for number in sorted({meter.tenant_id for meter in meters})]
    return Registry(park=whole, tenants=tuple(owners), meters=tuple(meters), channels=tuple(channels), rules=rules)


def at(text: str) -> int:
    """A local time in Jakarta of 2026, like `01-31 08:15`. [us UTC]"""
    return parse_instant(f"2026-{text.replace(' ', 'T')}:00+07:00")


def amounts(
    channel: int, first_us: int, values: Any, *, level: Level = Level.BASE, step_s: int = 900, **columns: Any
) -> AmountFrame:
    """Rows of one channel, one after another from an instant on, measured throughout unless said otherwise."""
    amount = np.asarray(values, dtype=np.float64)
    length = len(amount)
    made: dict[str, Any] = {
        "channel_id": np.full(length, channel, dtype=np.int32),
        "start_us": first_us + np.arange(length) * step_s * SECOND_US,
        "amount": amount,
        "peak_at_us": 0,
        "measured_s": float(step_s),
        "estimated": 0.0,
        "inner_gap_s": 0.0,
        "gap_s": 0.0,
        "gap_stop_us": 0,
        "slots": 1,
        "received": 1,
        "unusable": 0,
        "flags": 0,
        **columns,
    }
    kinds: dict[str, Any] = dict.fromkeys(("channel_id", "slots", "received", "unusable", "flags"), np.int32)
    kinds |= {"start_us": np.int64, "peak_at_us": np.int64, "gap_stop_us": np.int64}
    names = [column.name for column in fields(AmountFrame) if column.name != "level"]
    return AmountFrame(
        level=level,
        **{
            name: np.broadcast_to(np.asarray(made.get(name, np.nan), dtype=kinds.get(name, np.float64)), length).copy()
            for name in names
        },
    )


def together(*frames: AmountFrame) -> AmountFrame:
    """Rows of several frames as one, sorted as frames are."""
    names = [column.name for column in fields(AmountFrame) if column.name != "level"]
    columns = {name: np.concatenate([getattr(frame, name) for frame in frames]) for name in names}
    order = np.lexsort((columns["start_us"], columns["channel_id"]))
    return AmountFrame(level=frames[0].level, **{name: column[order] for name, column in columns.items()})


def rows_of(frame: KpiFrame, kpi: str, subject: Subject) -> KpiFrame:
    """The rows of one KPI of one subject."""
    chosen = (frame.kpi == kpi) & (frame.subject_kind == subject.kind.code) & (frame.subject_id == subject.id)
    names = [column.name for column in fields(KpiFrame) if column.name != "level"]
    return KpiFrame(level=frame.level, **{name: getattr(frame, name)[chosen] for name in names})


def only_row(frame: KpiFrame, kpi: str, subject: Subject) -> SimpleNamespace:
    """The one row of one KPI of one subject, as plain numbers."""
    rows = rows_of(frame, kpi, subject)
    assert len(rows) == 1, f"{len(rows)} rows of {kpi} of {subject}"
    names = [column.name for column in fields(KpiFrame) if column.name != "level"]
    return SimpleNamespace(**{name: getattr(rows, name)[0] for name in names})


def the_kpis(registry: Registry, *keys: str) -> tuple[Kpi, ...]:
    """Entries of the park's catalogue by key."""
    by_key = {kpi.key: kpi for kpi in for_registry(registry)}
    return tuple(by_key[key] for key in keys)


def figure(
    registry: Registry,
    kpi: str,
    subject: Subject,
    level: Level,
    base: AmountFrame,
    *,
    moment_us: int = BEGIN_US,
    weights: Weights | None = None,
) -> SimpleNamespace:
    """One KPI of one subject over the one interval in which a moment lies."""
    entries = the_kpis(registry, kpi)
    frame = subject_kpis(registry, (subject,), entries, level, moment_us, moment_us + 1, base, weights)
    return only_row(frame, kpi, subject)
