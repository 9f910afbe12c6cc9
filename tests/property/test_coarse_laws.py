"""What an engine makes a day and a month from, to be fast, gives what base amounts give."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.frames import AmountFrame, KpiFrame, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import Meter, Outage, Registry, RuleStatistic, RuleWindow
from domain.time import DAY_US, HOUR_US, SECOND_US, Level, level_edges, parse_instant
from kpi.atoms import Atoms
from kpi.catalogue import for_registry
from kpi.coarse import boundaries_of, coarse_day, coarse_days, joined_coarse, merged_cells
from kpi.compute import day_kpis, fold_kpis, from_hours, subject_kpis
from kpi.fold import fold_amounts
from kpi.tree import Tree
from kpi.weights import Weights, weight_days
from tests.support.small_parks import (
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    a_rule,
    a_tenant,
    amounts,
    together,
)

ROME = ZoneInfo("Europe/Rome")
START_US = parse_instant("2026-03-27T00:00:00+01:00")
"""Friday; on Sunday an hour is left out."""
DAYS = 4
BASE_S = 900
BASE_US = BASE_S * SECOND_US
CLOSE = 1e-12
SEEDS = st.integers(0, 2**32 - 1)
QUANTITIES = (
    ("energy_import",),
    ("energy_import", "energy_reactive_lagging"),
    ("energy_import", "energy_reactive_lagging", "water_in"),
    ("power",),
    ("water_flow", "energy_import"),
)


def a_drawn_park(rng: np.random.Generator, *, at_midnight: bool) -> Registry:
    """Tenants with meters that come, go and stand still at any moment of four days, or at midnights only."""
    moment = START_US + rng.integers(0, DAYS * 96, 40) * BASE_US + rng.choice([0, 0, 7 * 60 * SECOND_US], 40)
    midnights = level_edges(ROME, BASE_S, Level.DAY, START_US, START_US + DAYS * DAY_US - HOUR_US)
    moments = iter((rng.choice(midnights[:-1], 40) if at_midnight else moment).tolist())

    def ended(begin: int) -> int:
        if at_midnight:
            return int(midnights[min(int(np.searchsorted(midnights, begin)) + int(rng.integers(1, 3)), DAYS)])
        return begin + int(rng.integers(1, 90)) * BASE_US

    life: dict[str, Any] = {"valid_from_us": START_US}
    meters: list[Meter] = [a_meter(90, 3, role="supply", error_share=0.01, **life)]
    channels = [a_channel(900, 90, "water_in", **life)]
    for number in range(1, 6):
        outages: tuple[Outage, ...] = ()
        if rng.random() < 0.3:
            begin = next(moments)
            outages = (Outage(from_us=begin, to_us=ended(begin), reason="x"),)
        begin = next(moments) if rng.random() < 0.4 else START_US
        end = ended(begin) if rng.random() < 0.3 else None
        meter = a_meter(number, int(rng.integers(1, 4)), demand_block_s=900, **life)
        meters.append(replace(meter, outages=outages))
        for place, quantity in enumerate(QUANTITIES[int(rng.integers(0, len(QUANTITIES)))]):
            channels.append(
                a_channel(10 * number + place, number, quantity, valid_from_us=begin, valid_to_us=end, interval_s=900)
            )
    meters.append(a_meter(80, 3, role="outlet", **life))
    channels += [a_channel(800, 80, "cod", **life), a_channel(801, 80, "effluent_flow", **life)]
    channels.append(a_channel(802, 80, "load_cod", inputs=(800, 801), **life))
    rules = (
        a_rule(1, 800, window=RuleWindow.DAY, highest=60.0, valid_from_us=START_US),
        a_rule(2, 800, key="peak", statistic=RuleStatistic.MAX, highest=95.0, valid_from_us=START_US),
    )
    ticked = START_US + int(rng.integers(1, DAYS * 96)) * BASE_US
    park = a_park(zone=ROME, base_s=BASE_S, ticked_to_us=ticked)
    tenants = [a_tenant(number, **life) for number in (1, 2, 3)]
    return a_registry(meters, channels, park=park, tenants=tenants, rules=rules)


def drawn_amounts(rng: np.random.Generator, registry: Registry) -> AmountFrame:
    edges = level_edges(ROME, BASE_S, Level.BASE, START_US, START_US + DAYS * DAY_US - HOUR_US)
    count = len(edges) - 1
    frames = []
    for channel in registry.channels:
        amount, state = np.round(rng.uniform(0, 100, count), int(rng.integers(0, 4))), rng.random(count)
        missing, partial = rng.choice([0.0, 0.02, 0.3]), rng.choice([0.0, 0.05])
        measured_s = np.where(state < missing, 0.0, np.where(state < missing + partial, 450.0, 900.0))
        estimated, gap_s, gap_stop, flags = (np.zeros(count) for _ in range(4))
        if rng.random() < 0.6:
            first = int(rng.integers(0, count - 100))
            last = first + int(rng.integers(9, 100))
            measured_s[first:last], estimated[first:last] = 0.0, amount[first:last]
            flags[first:last], gap_s[first], gap_stop[first] = Flag.ESTIMATED, (last - first) * 900, edges[last]
        gauge = channel.unit in {"mg/L", "pH"}
        known = (measured_s > 0) | (flags > 0)
        end = channel.valid_to_us or edges[-1]
        frame = amounts(
            channel.id,
            START_US,
            np.where(known & (not gauge), amount, np.nan),
            step_s=BASE_S,
            mean=np.where(measured_s > 0, amount, np.nan),
            low=np.where(measured_s > 0, amount - 1, np.nan),
            high=np.where(measured_s > 0, amount + 1, np.nan),
            measured_s=measured_s,
            estimated=estimated,
            gap_s=gap_s,
            gap_stop_us=gap_stop,
            flags=flags,
            slots=rng.integers(0, 2, count),
        )
        frames.append(taken(frame, known & (edges[1:] > channel.valid_from_us) & (edges[:-1] < end)))
    return together(*frames)


def taken(frame: AmountFrame, chosen: np.ndarray) -> AmountFrame:
    names = [name for name in AmountFrame.__slots__ if name != "level"]
    return AmountFrame(level=frame.level, **{name: getattr(frame, name)[chosen] for name in names})


def drawn_weights(rng: np.random.Generator, registry: Registry, days: np.ndarray) -> Weights:
    channels = np.array(sorted(channel.id for channel in registry.channels), dtype=np.int32)
    median = np.round(rng.uniform(0, 1000, len(channels)))
    median[rng.random(len(channels)) < 0.2] = np.nan
    return Weights(channel_id=channels, day_us=days, median=np.repeat(median[:, None], len(days), axis=1))


def everybody(registry: Registry) -> tuple[Subject, ...]:
    tenants = [Subject(kind=SubjectKind.TENANT, id=tenant.id) for tenant in registry.tenants]
    meters = [Subject(kind=SubjectKind.METER, id=meter.id) for meter in registry.meters]
    return (PARK, *tenants, *meters)


def check_same(one: KpiFrame, other: KpiFrame) -> None:
    np.testing.assert_array_equal(one.kpi, other.kpi)
    for name in ("subject_kind", "subject_id", "start_us", "peak_at_us", "reason", "flags"):
        differ = one.kpi[getattr(one, name) != getattr(other, name)]
        assert not len(differ), (name, np.unique(differ))
    for name in (
        *("terms", "measured", "value", "estimate", "error"),
        *("profile_coverage", "total_coverage", "estimated_share"),
    ):
        mine, theirs = getattr(one, name), getattr(other, name)
        close = np.isclose(mine, theirs, rtol=CLOSE, atol=CLOSE, equal_nan=True)
        differ = one.kpi[~close.reshape(len(one), -1).all(axis=1)]
        assert not len(differ), (name, np.unique(differ))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_a_day_from_its_hours_is_the_day_from_its_base_amounts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    registry = a_drawn_park(rng, at_midnight=True)
    base, park, tree = drawn_amounts(rng, registry), registry.park, Tree.of(registry)
    subjects, kpis = everybody(registry), tuple(kpi for kpi in for_registry(registry) if from_hours(kpi))
    edges = level_edges(ROME, BASE_S, Level.DAY, START_US, START_US + DAYS * DAY_US - HOUR_US)
    start_us, stop_us = edges[(day := int(rng.integers(0, DAYS))) : day + 2].tolist()
    weights = drawn_weights(rng, registry, edges[:-1])
    hourly = subject_kpis(registry, subjects, kpis, Level.HOUR, start_us, stop_us, base, weights)
    hours = Atoms.empty(kpis, subjects, level_edges(ROME, BASE_S, Level.HOUR, start_us, stop_us)[:-1])
    hours.put(hourly, hours.subjects, start_us, stop_us)
    inside = taken(base, (base.start_us >= start_us) & (base.start_us < stop_us))
    coarse = coarse_day(
        park, boundaries_of(registry, tree), fold_amounts(inside, Level.HOUR, ROME, BASE_S), inside, start_us, stop_us
    )

    made = day_kpis(registry, subjects, kpis, start_us, stop_us, hours, coarse, weights)

    check_same(made, subject_kpis(registry, subjects, kpis, Level.DAY, start_us, stop_us, base, weights))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_a_month_of_few_cells_is_the_month_of_all_its_days(seed: int) -> None:
    rng = np.random.default_rng(seed)
    registry = a_drawn_park(rng, at_midnight=False)
    base, park, tree = drawn_amounts(rng, registry), registry.park, Tree.of(registry)
    subjects, kpis = everybody(registry), for_registry(registry)
    start_us, stop_us = level_edges(ROME, BASE_S, Level.MONTH, START_US, START_US + 1).tolist()
    days = level_edges(ROME, BASE_S, Level.DAY, start_us, stop_us)
    weights = drawn_weights(rng, registry, np.unique([*days[:-1], *weight_days(park, Level.MONTH, start_us, stop_us)]))
    daily = subject_kpis(registry, subjects, kpis, Level.DAY, start_us, stop_us, base, weights)
    channel_days = fold_amounts(base, Level.DAY, ROME, BASE_S)
    inside = taken(base, base.start_us < stop_us)
    day = int(np.searchsorted(days, park.ticked_to_us or 0, side="right")) - 1
    bounds = boundaries_of(registry, tree)
    parts = []
    if day > 0:
        parts.append(coarse_days(park, bounds, channel_days, start_us, int(days[min(day, len(days) - 1)])))
    if day < len(days) - 1:
        opened = taken(inside, (inside.start_us >= days[day]) & (inside.start_us < days[day + 1]))
        hours = fold_amounts(opened, Level.HOUR, ROME, BASE_S)
        parts.append(coarse_day(park, bounds, hours, opened, int(days[day]), int(days[day + 1])))
    if day + 1 < len(days) - 1:
        parts.append(coarse_days(park, bounds, channel_days, int(days[day + 1]), stop_us))

    made = fold_kpis(registry, subjects, kpis, Level.MONTH, start_us, stop_us, daily, joined_coarse(*parts), weights)

    expected = fold_kpis(
        registry, subjects, kpis, Level.MONTH, start_us, stop_us, daily, channel_days, weights, open_day=base
    )
    check_same(made, expected)


def test_an_interval_with_a_boundary_inside_stays_alone_and_an_edge_on_one_stays() -> None:
    edges, boundaries = np.arange(8) * 10, np.array([25, 50])

    assert merged_cells(edges, boundaries, np.array([60])).tolist() == [0, 20, 30, 50, 60, 70]
