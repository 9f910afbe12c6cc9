"""Laws of water and effluent: vector equals scalar, days fold to months, tenants sum to the park."""

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.frames import AmountFrame, KpiFrame, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import Channel, MeterRole, Registry, RuleStatistic, RuleWindow
from domain.time import DAY_US, HOUR_US, SECOND_US, Level, level_edges, parse_instant
from kpi.catalogue import for_registry
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from kpi.weights import Weights, weight_days
from tests.support.reference_water import WaterReference
from tests.support.small_parks import (
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    a_rule,
    a_tenant,
    amounts,
    rows_of,
    the_kpis,
    together,
)

ROME = ZoneInfo("Europe/Rome")
# Saturday and the Sunday on which summer time begins, an hour short.
START_US = parse_instant("2026-03-28T00:00:00+01:00")
STOP_US = parse_instant("2026-03-30T00:00:00+02:00")
BASE_S = 1800
CLOSE = 1e-12
SEEDS = st.integers(0, 2**32 - 1)
LEVELS = st.sampled_from([Level.BASE, Level.HOUR, Level.DAY, Level.WEEK])
LIFE: dict[str, Any] = {"valid_from_us": START_US}
SOURCES = ("water_in", "water_flow", "water_ground", "water_rain", "water_reclaimed")


def a_drawn_park(rng: np.random.Generator) -> Registry:
    """Firms that take water from several sources, discharge and reuse it; a bulk meter; a treatment plant."""
    meters, channels = [a_meter(900, 9, role="supply", **LIFE)], [a_channel(900, 900, "water_in", **LIFE)]
    firms = range(1, int(rng.integers(2, 5)))
    for firm in firms:
        for place in range(int(rng.integers(1, 3))):
            meter = 100 * firm + 10 * place
            meters.append(a_meter(meter, firm, **LIFE))
            found = rng.choice(SOURCES, int(rng.integers(1, 3)), replace=False)
            channels += [a_channel(meter + number, meter, str(one), **LIFE) for number, one in enumerate(found)]
        for place, (role, quantity) in enumerate((("discharge", "effluent_volume"), ("reuse", "water_reuse"))):
            if rng.random() < 0.7:
                meter = 100 * firm + 50 + 10 * place
                meters.append(a_meter(meter, firm, role=role, **LIFE))
                channels.append(a_channel(meter, meter, quantity, **LIFE))
    plants = [("outlet", 910), ("inlet", 920)]
    for role, meter in [one for one in plants if rng.random() < 0.8]:
        meters.append(a_meter(meter, 9, role=role, **LIFE))
        channels += [a_channel(meter, meter, "cod", **LIFE), a_channel(meter + 1, meter, "effluent_flow", **LIFE)]
        channels.append(a_channel(meter + 2, meter, "load_cod", inputs=(meter, meter + 1), **LIFE))
    rules = _rules({channel.id for channel in channels})
    ticked = START_US + int(rng.choice([47 * 3600, 30 * 3600, 11 * 3600])) * SECOND_US
    tenants = [a_tenant(number, **LIFE) for number in (*firms, 9)]
    park = a_park(zone=ROME, base_s=BASE_S, ticked_to_us=ticked)
    return a_registry(meters, channels, park=park, tenants=tenants, rules=rules)


def _rules(channels: set[int]) -> tuple[Any, ...]:
    drawn = (
        a_rule(1, 910, highest=60.0, **LIFE),
        a_rule(2, 910, key="mass", statistic=RuleStatistic.FLOW_WEIGHTED_MEAN, highest=55.0, **LIFE),
        a_rule(3, 910, key="p95", statistic=RuleStatistic.P95, window=RuleWindow.DAY, highest=90.0, **LIFE),
        a_rule(4, 911, key="volume", statistic=RuleStatistic.SUM, window=RuleWindow.DAY, highest=1500.0, **LIFE),
        a_rule(5, 920, key="arriving", statistic=RuleStatistic.INSTANT, lowest=5.0, highest=95.0, **LIFE),
    )
    return tuple(rule for rule in drawn if rule.channel_id in channels)


def drawn_amounts(rng: np.random.Generator, channel: Channel) -> AmountFrame:
    count = (STOP_US - START_US) // (BASE_S * SECOND_US)
    amount, state = np.round(rng.uniform(0, 100, count), int(rng.integers(0, 4))), rng.random(count)
    missing = rng.choice([0.0, 0.02, 0.2])
    measured_s = np.where(state < missing, 0.0, np.where(state < missing + 0.03, 600.0, float(BASE_S)))
    estimated, gap_s, gap_stop, flags = (np.zeros(count) for _ in range(4))
    gauge = channel.unit == "mg/L"
    if rng.random() < 0.4 and not gauge:
        first = int(rng.integers(0, count - 20))
        last = first + int(rng.integers(5, 20))
        measured_s[first:last], estimated[first:last], flags[first:last] = 0.0, amount[first:last], Flag.ESTIMATED
        gap_s[first], gap_stop[first] = (last - first) * BASE_S, START_US + last * BASE_S * SECOND_US
    held = np.where(measured_s > 0, amount, np.nan)
    frame = amounts(
        channel.id,
        START_US,
        np.where((measured_s > 0) | (flags > 0), np.nan if gauge else amount, np.nan),
        step_s=BASE_S,
        mean=held,
        low=held - 1,
        high=held + 1,
        measured_s=measured_s,
        estimated=estimated,
        gap_s=gap_s,
        gap_stop_us=gap_stop,
        flags=flags,
        slots=rng.integers(0, 3, count),
        received=rng.integers(2, 5, count),
        unusable=rng.integers(0, 3, count),
    )
    kept = (measured_s > 0) | (flags > 0)
    names = [name for name in AmountFrame.__slots__ if name != "level"]
    return AmountFrame(level=frame.level, **{name: getattr(frame, name)[kept] for name in names})


def drawn(seed: int) -> tuple[Registry, AmountFrame, Weights, WaterReference]:
    rng = np.random.default_rng(seed)
    registry = a_drawn_park(rng)
    base = together(*(drawn_amounts(rng, channel) for channel in registry.channels))
    ids = np.array(sorted(channel.id for channel in registry.channels), dtype=np.int32)
    edges = level_edges(ROME, BASE_S, Level.MONTH, START_US, STOP_US)
    days = weight_days(registry.park, Level.DAY, int(edges[0]), int(edges[-1]))
    median = np.round(rng.uniform(0, 1000, (len(ids), 1)))
    median[rng.random(median.shape) < 0.2] = np.nan
    median = np.broadcast_to(median, (len(ids), len(days)))
    medians = {
        (int(channel), int(day)): float(median[row, 0])
        for row, channel in enumerate(ids)
        for day in days
        if not np.isnan(median[row, 0])
    }
    weights = Weights(channel_id=ids, day_us=days, median=median)
    return registry, base, weights, WaterReference.of_week(registry, base, medians)


def everybody(registry: Registry) -> tuple[Subject, ...]:
    return (PARK, *(Subject(kind=SubjectKind.TENANT, id=tenant.id) for tenant in registry.tenants))


def spans(registry: Registry, rows: KpiFrame) -> list[tuple[int, int]]:
    edges = level_edges(registry.park.zone, BASE_S, rows.level, START_US, STOP_US)
    return [(int(start), int(edges[np.searchsorted(edges, start) + 1])) for start in rows.start_us]


def computed(registry: Registry, key: str, level: Level, base: AmountFrame, weights: Weights) -> KpiFrame:
    kpis = the_kpis(registry, key)
    return subject_kpis(registry, everybody(registry), kpis, level, START_US, STOP_US, base, weights)


def of_roles(reference: WaterReference, subject: Subject, role: MeterRole, *quantities: str) -> list[Channel]:
    registry = reference.registry
    whole = subject.kind is SubjectKind.PARK
    return [
        channel
        for channel in registry.channels
        for meter in [registry.meter_by_id[channel.meter_id]]
        if meter.role is role and channel.quantity in quantities and (whole or meter.tenant_id == subject.id)
    ]


def intake(reference: WaterReference, subject: Subject) -> list[Channel]:
    """A meter with a register of the network does not count by its flow."""
    found = of_roles(reference, subject, MeterRole.USE, *SOURCES)
    with_register = {channel.meter_id for channel in found if channel.quantity == "water_in"}
    return [one for one in found if one.quantity != "water_flow" or one.meter_id not in with_register]


def owners(reference: WaterReference, members: list[Channel]) -> set[int]:
    return {reference.registry.meter_by_id[channel.meter_id].tenant_id for channel in members}


def of_tenants(reference: WaterReference, members: list[Channel], tenants: set[int]) -> list[Channel]:
    return [one for one in members if reference.registry.meter_by_id[one.meter_id].tenant_id in tenants]


EFFLUENT = ("effluent_volume", "effluent_flow")


def discharge_and_intake(reference: WaterReference, subject: Subject) -> tuple[list[Channel], list[Channel]]:
    taken = intake(reference, subject)
    outlets = of_roles(reference, subject, MeterRole.OUTLET, *EFFLUENT)
    if subject.kind is SubjectKind.PARK and outlets:
        return outlets, taken
    given = of_roles(reference, subject, MeterRole.DISCHARGE, *EFFLUENT)
    both = owners(reference, given) & owners(reference, taken)
    return of_tenants(reference, given, both), of_tenants(reference, taken, both)


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_wastewater_per_intake_equals_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights, reference = drawn(seed)
    frame = computed(registry, "wastewater_ratio", level, base, weights)

    for subject in everybody(registry):
        rows = rows_of(frame, "wastewater_ratio", subject)
        sides = discharge_and_intake(reference, subject)
        assert bool(len(rows)) == all(sides)
        expected = [reference.pair(*sides, *span) for span in spans(registry, rows)]
        wanted = np.array(expected, dtype=np.float64).reshape(-1, 7)
        np.testing.assert_allclose(rows.terms[:, :7], wanted, rtol=1e-11, atol=CLOSE)


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_reclaimed_and_removed_shares_equal_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights, reference = drawn(seed)
    reclaimed = of_roles(reference, PARK, MeterRole.USE, "water_reclaimed")
    out, into = (of_roles(reference, PARK, role, "load_cod") for role in (MeterRole.OUTLET, MeterRole.INLET))
    keys = {kpi.key for kpi in for_registry(registry)}

    for key, over, under in (("reclaimed_share", reclaimed, intake(reference, PARK)), ("removal_cod", out, into)):
        if key in keys and over and under:
            rows = rows_of(computed(registry, key, level, base, weights), key, PARK)
            expected = np.array([reference.pair(over, under, *span) for span in spans(registry, rows)])
            np.testing.assert_allclose(rows.terms[:, :7], expected, rtol=1e-11, atol=CLOSE)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_night_equals_the_scalar_reference(seed: int) -> None:
    registry, base, weights, reference = drawn(seed)
    rows = rows_of(computed(registry, "night_flow", Level.DAY, base, weights), "night_flow", PARK)
    supply = of_roles(reference, PARK, MeterRole.SUPPLY, "water_in")
    use = [one for one in intake(reference, PARK) if one.quantity in {"water_in", "water_flow"}]

    found = [reference.night(supply, use, *span) for span in spans(registry, rows)]

    assert len(rows) == 2
    np.testing.assert_allclose(rows.terms[:, 0], [one[0] for one in found], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(rows.terms[:, 1:3], [one[2:] for one in found], rtol=1e-11, atol=CLOSE)
    assert rows.peak_at_us.tolist() == [one[1] for one in found]


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_concentrations_and_what_is_beyond_equal_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights, reference = drawn(seed)
    loads = of_roles(reference, PARK, MeterRole.OUTLET, "load_cod")
    assume(bool(loads))
    rows = rows_of(computed(registry, "fwmc_cod", level, base, weights), "fwmc_cod", PARK)
    expected = np.array([reference.mean_concentration(loads, *span) for span in spans(registry, rows)])
    np.testing.assert_allclose(rows.terms[:, :2], expected, rtol=1e-11, atol=CLOSE)

    rule, flow = registry.rules[0], registry.channel_by_id[911]
    hours, excess = (
        rows_of(computed(registry, key, level, base, weights), key, PARK)
        for key in ("time_above_cod", "excess_load_cod")
    )
    beyond = np.array([reference.beyond(rule, flow, *span) for span in spans(registry, hours)])
    np.testing.assert_allclose(hours.terms[:, 0], beyond[:, 0], rtol=1e-11, atol=CLOSE)
    np.testing.assert_allclose(excess.terms[:, 0], beyond[:, 1], rtol=1e-11, atol=CLOSE)


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_tenants_sum_to_the_park_for_each_source(seed: int, level: Level) -> None:
    registry, base, weights, _ = drawn(seed)
    keys = [kpi.key for kpi in for_registry(registry) if kpi.key.startswith("water_intake")]

    for key in keys:
        frame = computed(registry, key, level, base, weights)
        park = rows_of(frame, key, PARK)
        parts = np.zeros(len(park))
        for tenant in everybody(registry)[1:]:
            rows = rows_of(frame, key, tenant)
            parts[np.searchsorted(park.start_us, rows.start_us)] += np.nan_to_num(rows.estimate)
        np.testing.assert_allclose(np.nan_to_num(park.estimate), parts, rtol=CLOSE, atol=1e-9)
    total = rows_of(computed(registry, "water_intake", level, base, weights), "water_intake", PARK)
    sources = [
        rows_of(computed(registry, key, level, base, weights), key, PARK) for key in keys if key != "water_intake"
    ]
    together_ = np.sum([np.nan_to_num(one.estimate) for one in sources if len(one)], axis=0)
    np.testing.assert_allclose(np.nan_to_num(total.estimate), together_, rtol=CLOSE, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([Level.WEEK, Level.MONTH, Level.YEAR]))
def test_days_of_water_and_effluent_fold_to_what_base_amounts_give(seed: int, level: Level) -> None:
    registry, base, _, _ = drawn(seed)
    subjects, kpis = everybody(registry), tuple(kpi for kpi in for_registry(registry) if kpi.folds)
    edges = level_edges(ROME, BASE_S, level, START_US, STOP_US)
    span = int(edges[0]), int(edges[-1])
    days = subject_kpis(registry, subjects, kpis, Level.DAY, *span, base)
    channel_days = fold_amounts(base, Level.DAY, ROME, BASE_S)

    folded = fold_kpis(registry, subjects, kpis, level, *span, days, channel_days, open_day=base)

    direct = subject_kpis(registry, subjects, kpis, level, *span, base)
    assert folded.kpi.tolist() == direct.kpi.tolist()
    for name in ("terms", "measured", "value", "estimate", "profile_coverage", "total_coverage", "estimated_share"):
        np.testing.assert_allclose(
            getattr(folded, name), getattr(direct, name), rtol=CLOSE, atol=CLOSE, equal_nan=True, err_msg=name
        )
    assert folded.reason.tolist() == direct.reason.tolist()


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_day_does_not_depend_on_the_range_it_was_asked_in(seed: int) -> None:
    registry, base, weights, _ = drawn(seed)
    subjects, kpis = everybody(registry), for_registry(registry)
    both = subject_kpis(registry, subjects, kpis, Level.DAY, START_US, STOP_US, base, weights)

    second = subject_kpis(
        registry, subjects, kpis, Level.DAY, START_US + DAY_US, START_US + DAY_US + HOUR_US, base, weights
    )

    chosen = both.start_us == START_US + DAY_US
    assert len(second) == int(chosen.sum())
    for name in ("kpi", "subject_id", "terms", "value", "profile_coverage", "flags", "peak_at_us"):
        np.testing.assert_array_equal(getattr(second, name), getattr(both, name)[chosen], err_msg=name)
