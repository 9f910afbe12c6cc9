"""How long the KPIs of a whole park take, from the amounts of a day: two of them, a few, the whole catalogue."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kpi_contestants import BASE_US, BINS, MAX_RATE, MODULUS, RESOLUTION, START_US, TENANTS
from domain.frames import AmountFrame, SmallArray, Subject, SubjectKind
from domain.registry import Channel, Meter, MeterRole, Registry
from domain.time import Level
from kpi.catalogue import for_registry
from kpi.compute import subject_kpis
from kpi.tree import Tree
from kpi.weights import Weights
from tests.support.registries import small_registry

__all__ = ["amounts_of", "kpi_frame", "mixed_registry"]

FEW = ("electricity", "demand_peak", "load_factor", "water_intake", "availability")
QUANTITIES = (
    ("energy_import", "kWh"),
    ("energy_reactive_lagging", "kvarh"),
    ("energy_import", "kWh"),
    ("water_in", "m3"),
)
"""Of four channels that follow one another: active with reactive energy on one meter, active energy alone, water."""


def mixed_registry(channels: int) -> Registry:
    """Firms with as many registers, as the benchmark of the engine has them; one water meter is the park's supply."""
    small = small_registry()
    firm = small.tenants[0]
    park = replace(small.park, ticked_to_us=START_US + BINS * BASE_US)
    pairs = tuple(_points(small, channels))
    return replace(
        small,
        park=park,
        tenants=tuple(replace(firm, id=one, key=f"t{one}") for one in range(1, TENANTS + 1)),
        meters=tuple({meter.id: meter for meter, _ in pairs}.values()),
        channels=tuple(channel for _, channel in pairs),
    )


def _points(small: Registry, channels: int) -> Iterator[tuple[Meter, Channel]]:
    register = replace(small.channels[0], interval_s=60, resolution=RESOLUTION, modulus=MODULUS, max_rate=MAX_RATE)
    for one in range(1, channels + 1):
        place = (one - 1) % len(QUANTITIES)
        quantity, unit = QUANTITIES[place]
        number = one - 1 if place == 1 else one
        role = MeterRole.SUPPLY if one == len(QUANTITIES) else MeterRole.USE
        tenant = (one - 1) // len(QUANTITIES) % TENANTS + 1
        meter = replace(small.meters[0], id=number, tenant_id=tenant, key=f"m{number}", role=role)
        key = f"p/t{tenant}/m{number}/{quantity}"
        yield meter, replace(register, id=one, meter_id=number, key=key, quantity=quantity, unit=unit)


def kpi_frame(channels: int, repeat: int) -> dict[str, Any]:
    """How long KPIs of all these channels take; the best of some runs counts. [ms]"""
    registry = mixed_registry(channels)
    base = amounts_of(registry)
    tree, park, kpis = Tree.of(registry), registry.park, for_registry(registry)
    everybody = tuple(Subject(kind=SubjectKind.TENANT, id=one.id) for one in registry.tenants)
    whole = (Subject(kind=SubjectKind.PARK, id=park.id),)
    weights = Weights(channel_id=base_ids(registry), day_us=np.array([START_US]), median=np.full((channels, 1), 100.0))
    stop_us = START_US + BINS * BASE_US

    def best(level: Level, subjects: tuple[Subject, ...], keys: tuple[str, ...]) -> dict[str, Any]:
        chosen = tuple(kpi for kpi in kpis if kpi.key in keys)
        spent, frame = [], None
        for _ in range(repeat + 1):
            begun = time.process_time()
            frame = subject_kpis(registry, subjects, chosen, level, START_US, stop_us, base, weights, tree=tree)
            spent.append(time.process_time() - begun)
        made = 0 if frame is None else len(np.unique(frame.kpi))
        return {"kpis": made, "rows": 0 if frame is None else len(frame), "cpu_ms": round(min(spent) * 1000, 1)}

    catalogue = tuple(kpi.key for kpi in kpis)
    asked = {
        "park_base_electricity_water": (Level.BASE, whole, ("electricity", "water_intake")),
        f"park_base_{len(FEW)}_kpis": (Level.BASE, whole, FEW),
        "park_base_catalogue": (Level.BASE, whole, catalogue),
        "park_day_catalogue": (Level.DAY, whole, catalogue),
        f"park_and_{TENANTS}_tenants_day_catalogue": (Level.DAY, whole + everybody, catalogue),
    }
    return {name: best(*what) for name, what in asked.items()}


def base_ids(registry: Registry) -> SmallArray:
    """Ids of all channels, rising."""
    return np.array([channel.id for channel in registry.channels], dtype=np.int32)


def amounts_of(registry: Registry) -> AmountFrame:
    """All base amounts of a day, all measured."""
    ids = np.repeat(base_ids(registry), BINS)
    count = len(ids)
    start_us = np.tile(START_US + np.arange(BINS) * BASE_US, len(registry.channels))
    amount, nothing, none = np.random.default_rng(1).uniform(0, 9, count), np.full(count, np.nan), np.zeros(count)
    whole: NDArray[np.int64] = np.zeros(count, dtype=np.int64)
    return AmountFrame(
        level=Level.BASE,
        channel_id=ids,
        start_us=start_us,
        amount=amount,
        mean=nothing,
        low=nothing,
        high=nothing,
        last=nothing,
        peak=amount * 4,
        peak_at_us=start_us,
        measured_s=np.full(count, 900.0),
        estimated=none,
        inner_gap_s=none,
        gap_s=none,
        gap_stop_us=whole,
        slots=np.full(count, 15, dtype=np.int32),
        received=np.full(count, 15, dtype=np.int32),
        unusable=whole.astype(np.int32),
        flags=whole.astype(np.int32),
    )
