"""Laws of KPIs: vector equals scalar, parts equal the whole, days fold to what base amounts give."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.frames import AmountFrame, KpiFrame, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import Channel, Meter, MeterRole, Registry, RuleStatistic, RuleWindow
from domain.time import DAY_US, HOUR_US, SECOND_US, Level, level_edges, parse_instant
from kpi.catalogue import for_registry
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from kpi.weights import Weights, weight_days
from tests.support.reference_kpis import Reference
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
# The week in which summer time begins: Monday to Sunday, the Sunday an hour short.
START_US = parse_instant("2026-03-23T00:00:00+01:00")
STOP_US = parse_instant("2026-03-30T00:00:00+02:00")
BASE_S = 3600
CLOSE = 1e-12


def a_drawn_park(rng: np.random.Generator) -> Registry:
    """Three tenants with meters in a tree, of every kind that the catalogue knows."""
    life: dict[str, Any] = {"valid_from_us": START_US}
    meters: list[Meter] = [a_meter(90, 3, role="supply", error_share=0.01, **life)]
    channels: list[Channel] = [a_channel(900, 90, "water_in", **life)]
    above: dict[int, list[int]] = {1: [], 2: [], 3: []}
    for number in range(1, 7):
        tenant = int(rng.integers(1, 4))
        below = bool(above[tenant]) and rng.random() < 0.4
        parent = int(rng.choice(above[tenant])) if below else None
        meters.append(a_meter(number, tenant, parent_id=parent, demand_block_s=3600, **life))
        begin = START_US
        if parent is None and rng.random() < 0.3:
            # The reference knows no meter that takes over from another, so those that come late stand alone.
            begin += int(rng.integers(1, 5)) * DAY_US
        else:
            above[tenant].append(number)
        for place, quantity in enumerate(_carried(rng)):
            interval_s = int(rng.choice([900, 3600, 7200]))
            channels.append(
                a_channel(10 * number + place, number, quantity, valid_from_us=begin, interval_s=interval_s)
            )
    ticked = START_US + int(rng.choice([7 * 86400, 3 * 86400 + 3600 * 11, 3600 * 9, 4 * 86400])) * SECOND_US
    meters.append(a_meter(80, 3, role="outlet", **life))
    channels += [a_channel(800, 80, "cod", **life), a_channel(801, 80, "effluent_flow", **life)]
    channels.append(a_channel(802, 80, "load_cod", inputs=(800, 801), **life))
    meters.append(a_meter(81, 3, role="inlet", **life))
    channels += [a_channel(810, 81, "cod", **life), a_channel(811, 81, "effluent_volume", **life)]
    channels.append(a_channel(812, 81, "load_cod", inputs=(810, 811), **life))
    for number in (1, 2):
        meters.append(a_meter(70 + number, number, role="discharge", **life))
        channels.append(a_channel(700 + number, 70 + number, "effluent_volume", **life))
    meters.append(a_meter(75, 1, role="reuse", **life))
    channels.append(a_channel(750, 75, "water_reuse", **life))
    rules = (
        a_rule(1, 800, window=RuleWindow.DAY, highest=60.0, valid_from_us=START_US),
        a_rule(2, 800, key="peak", statistic=RuleStatistic.MAX, highest=95.0, valid_from_us=START_US),
        a_rule(3, 810, key="arriving", statistic=RuleStatistic.P95, highest=90.0, valid_from_us=START_US),
        a_rule(
            4,
            801,
            key="volume",
            statistic=RuleStatistic.SUM,
            highest=1500.0,
            window=RuleWindow.DAY,
            valid_from_us=START_US,
        ),
        a_rule(5, 800, key="mass", statistic=RuleStatistic.FLOW_WEIGHTED_MEAN, highest=55.0, valid_from_us=START_US),
    )
    park = a_park(zone=ROME, base_s=BASE_S, ticked_to_us=ticked)
    tenants = [a_tenant(number, **life) for number in (1, 2, 3)]
    return a_registry(meters, channels, park=park, tenants=tenants, rules=rules)


def _carried(rng: np.random.Generator) -> tuple[str, ...]:
    choices = (
        ("energy_import",),
        ("energy_import", "energy_reactive_lagging"),
        ("energy_import", "energy_reactive_lagging", "water_in"),
        ("power",),
        ("water_flow", "energy_import"),
    )
    return choices[int(rng.integers(0, len(choices)))]


def drawn_amounts(rng: np.random.Generator, channel: Channel) -> AmountFrame:
    """A week of hours: measured, partly measured, missing, and perhaps one long gap."""
    hours = (STOP_US - START_US) // HOUR_US
    amount = np.round(rng.uniform(0, 100, hours), int(rng.integers(0, 4)))
    state = rng.random(hours)
    missing, partial = rng.choice([0.0, 0.02, 0.3]), rng.choice([0.0, 0.05])
    measured_s = np.where(state < missing, 0.0, np.where(state < missing + partial, 1800.0, 3600.0))
    estimated, gap_s, gap_stop, flags = np.zeros(hours), np.zeros(hours), np.zeros(hours), np.zeros(hours)
    if rng.random() < 0.5:
        first = int(rng.integers(0, hours - 60))
        last = first + int(rng.integers(3, 60))
        measured_s[first:last], estimated[first:last] = 0.0, amount[first:last]
        flags[first:last], gap_s[first] = Flag.ESTIMATED, (last - first) * 3600
        gap_stop[first] = START_US + last * HOUR_US
    gauge = channel.unit in {"mg/L", "pH"}
    known = (measured_s > 0) | (flags > 0)
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
        slots=rng.integers(0, 5, hours),
    )
    lives = frame.start_us >= channel.valid_from_us
    return _taken(frame, known & lives)


def _taken(frame: AmountFrame, chosen: np.ndarray) -> AmountFrame:
    names = [name for name in AmountFrame.__slots__ if name != "level"]
    return AmountFrame(level=frame.level, **{name: getattr(frame, name)[chosen] for name in names})


def a_drawn_week(seed: int) -> tuple[Registry, AmountFrame, Weights]:
    rng = np.random.default_rng(seed)
    registry = a_drawn_park(rng)
    base = together(*(drawn_amounts(rng, channel) for channel in registry.channels))
    channels = np.array(sorted(channel.id for channel in registry.channels), dtype=np.int32)
    days = weight_days(registry.park, Level.DAY, START_US, STOP_US)
    median = np.round(rng.uniform(0, 1000, (len(channels), len(days))))
    median[rng.random(median.shape) < 0.2] = np.nan
    return registry, base, Weights(channel_id=channels, day_us=days, median=median)


def everybody(registry: Registry) -> tuple[Subject, ...]:
    tenants = [Subject(kind=SubjectKind.TENANT, id=tenant.id) for tenant in registry.tenants]
    meters = [Subject(kind=SubjectKind.METER, id=meter.id) for meter in registry.meters]
    return (PARK, *tenants, *meters)


def computed(registry: Registry, level: Level, base: AmountFrame, weights: Weights) -> KpiFrame:
    return subject_kpis(registry, everybody(registry), for_registry(registry), level, START_US, STOP_US, base, weights)


def a_reference(registry: Registry, base: AmountFrame, weights: Weights) -> Reference:
    medians = {
        (int(channel), int(day)): float(weights.median[row, column])
        for row, channel in enumerate(weights.channel_id)
        for column, day in enumerate(weights.day_us)
        if not np.isnan(weights.median[row, column])
    }
    return Reference.of(registry, base, medians)


def compared(rows: KpiFrame, names: str, expected: Iterable[tuple[float, ...]], *, atol: float = CLOSE) -> None:
    wanted = np.array(list(expected), dtype=np.float64).reshape(len(rows), len(names.split()))
    for column, name in enumerate(names.split()):
        np.testing.assert_allclose(getattr(rows, name), wanted[:, column], rtol=1e-11, atol=atol, err_msg=name)


def span_of(level: Level) -> tuple[int, int]:
    """Two days of hours are enough for the slow reference."""
    return START_US, START_US + 2 * DAY_US if level is Level.HOUR else STOP_US


def stops(registry: Registry, rows: KpiFrame) -> list[tuple[int, int]]:
    edges = level_edges(registry.park.zone, BASE_S, rows.level, START_US, STOP_US)
    return [(int(start), int(edges[np.searchsorted(edges, start) + 1])) for start in rows.start_us]


LEVELS = st.sampled_from([Level.HOUR, Level.DAY, Level.WEEK])
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_sums_equal_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    reference = a_reference(registry, base, weights)
    frame = computed(registry, level, base, weights)

    for key, quantities in (("electricity", ("energy_import", "power")), ("water_intake", ("water_in", "water_flow"))):
        for subject in everybody(registry)[:6]:
            rows = rows_of(frame, key, subject)
            members = reference.members(subject, *quantities)
            expected = []
            for start, stop in stops(registry, rows):
                measured, estimated = reference.amount(members, start, stop)
                estimate = estimated if np.isnan(measured) else measured + estimated
                expected.append((measured, estimate, *reference.coverage(members, start, stop)))
            compared(rows, "measured estimate profile_coverage total_coverage", expected)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([Level.HOUR, Level.DAY]))
def test_demand_equals_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    reference = a_reference(registry, base, weights)
    frame = computed(registry, level, base, weights)

    for subject in everybody(registry)[:6]:
        members = reference.members(subject, "energy_import", "power")
        rows = rows_of(frame, "demand_peak", subject)
        demands = [reference.demand(members, start, stop) for start, stop in stops(registry, rows)]
        compared(rows, "measured profile_coverage peak_at_us", [(one.peak, one.coverage, one.at) for one in demands])
        bounds = (rows.flags & Flag.LOWER_BOUND) > 0
        assert bounds.tolist() == [one.lower_bound for one in demands]
        compared(rows_of(frame, "load_factor", subject), "measured", [(one.load_factor,) for one in demands])


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_power_factor_and_availability_equal_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    reference = a_reference(registry, base, weights)
    frame = computed(registry, level, base, weights)

    for subject in everybody(registry)[:6]:
        members = reference.members(subject, "energy_import", "power")
        factors = rows_of(frame, "power_factor", subject)
        compared(factors, "measured", [(reference.power_factor(members, *one),) for one in stops(registry, factors)])
        slots = rows_of(frame, "availability", subject)
        filled = [reference.availability(subject, *one) for one in stops(registry, slots)]
        assert slots.terms[:, :2].tolist() == [list(one) for one in filled]


@settings(max_examples=20, deadline=None)
@given(SEEDS, LEVELS)
def test_the_water_balance_equals_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    reference = a_reference(registry, base, weights)
    rows = rows_of(computed(registry, level, base, weights), "water_balance", PARK)
    quantities = ("water_in", "water_flow")
    sides = [reference.members(PARK, *quantities, role=role) for role in (MeterRole.SUPPLY, MeterRole.USE)]

    expected = []
    for start, stop in stops(registry, rows):
        sums = [reference.amount(side, start, stop) for side in sides]
        covers = np.array([reference.coverage(side, start, stop) for side in sides])
        known = [estimated + np.nan_to_num(part) for part, estimated in sums]
        expected.append((sums[0][0] - sums[1][0], known[0] - known[1], *covers.min(axis=0)))
    # A difference of large sums has their last digits.
    compared(rows, "measured estimate profile_coverage total_coverage", expected, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([Level.DAY, Level.WEEK]))
def test_compliance_equals_the_scalar_reference(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    reference = a_reference(registry, base, weights)
    frame = computed(registry, level, base, weights)

    for rule in registry.rules[:2]:
        rows = rows_of(frame, f"compliance_{rule.key}", PARK)
        window = Level.DAY if rule.window is RuleWindow.DAY else Level.HOUR
        for place, (start, stop) in enumerate(stops(registry, rows)):
            edges = level_edges(registry.park.zone, BASE_S, window, start, stop).tolist()
            assert rows.terms[place, :3].tolist() == reference.windows(rule, list(pairwise(edges)))


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_tenants_sum_to_the_park(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    frame = computed(registry, level, base, weights)

    for key in ("electricity", "water_intake"):
        park = rows_of(frame, key, PARK)
        for column in ("measured", "estimate"):
            parts = np.zeros(len(park))
            for tenant in registry.tenants:
                rows = rows_of(frame, key, Subject(kind=SubjectKind.TENANT, id=tenant.id))
                place = np.searchsorted(park.start_us, rows.start_us)
                parts[place] += np.nan_to_num(getattr(rows, column))
            np.testing.assert_allclose(np.nan_to_num(getattr(park, column)), parts, rtol=CLOSE, atol=CLOSE)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([Level.WEEK, Level.MONTH, Level.YEAR]))
def test_days_fold_to_what_base_amounts_give(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    kpis, subjects = tuple(kpi for kpi in for_registry(registry) if kpi.folds), everybody(registry)
    park = registry.park
    edges = level_edges(park.zone, BASE_S, level, START_US, STOP_US)
    span = int(edges[0]), int(edges[-1])
    weights = _for_days(weights, weight_days(park, Level.DAY, *span))
    days = subject_kpis(registry, subjects, kpis, Level.DAY, *span, base, weights)
    channel_days = fold_amounts(base, Level.DAY, park.zone, BASE_S)

    folded = fold_kpis(registry, subjects, kpis, level, *span, days, channel_days, weights, open_day=base)

    _same(folded, subject_kpis(registry, subjects, kpis, level, *span, base, weights))


def _for_days(weights: Weights, days: np.ndarray) -> Weights:
    column = np.clip(np.searchsorted(weights.day_us, days), 0, len(weights.day_us) - 1)
    return replace(weights, day_us=days, median=weights.median[:, column])


def _same(one: KpiFrame, other: KpiFrame) -> None:
    for name in ("kpi", "subject_kind", "subject_id", "start_us", "peak_at_us", "reason", "flags"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in (
        "terms",
        "measured",
        "value",
        "estimate",
        "error",
        "profile_coverage",
        "total_coverage",
        "estimated_share",
    ):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=CLOSE, atol=CLOSE, equal_nan=True, err_msg=name
        )


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_day_does_not_depend_on_the_range_it_was_asked_in(seed: int) -> None:
    registry, base, weights = a_drawn_week(seed)
    kpis, subjects = for_registry(registry), everybody(registry)
    noon = START_US + 2 * DAY_US + DAY_US // 2
    week = subject_kpis(registry, subjects, kpis, Level.DAY, START_US, STOP_US, base, weights)

    day = subject_kpis(registry, subjects, kpis, Level.DAY, noon, noon + 1, base, weights)

    chosen = week.start_us == START_US + 2 * DAY_US
    for name in ("kpi", "subject_id", "terms", "value", "profile_coverage", "total_coverage", "flags"):
        np.testing.assert_array_equal(getattr(day, name), getattr(week, name)[chosen], err_msg=name)


@settings(max_examples=25, deadline=None)
@given(SEEDS, LEVELS)
def test_a_value_is_either_there_or_has_a_reason(seed: int, level: Level) -> None:
    registry, base, weights = a_drawn_week(seed)
    frame = computed(registry, level, base, weights)

    assert ((frame.reason == 0) == ~np.isnan(frame.value)).all()
    assert np.isfinite(frame.estimate[frame.reason == 0]).all()
    for share in (frame.profile_coverage, frame.total_coverage, frame.estimated_share):
        assert ((share >= 0) & (share <= 1) | np.isnan(share)).all()
    assert (frame.total_coverage >= frame.profile_coverage - CLOSE)[~np.isnan(frame.profile_coverage)].all()


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_one_kpi_of_one_subject_is_the_same_alone(seed: int) -> None:
    registry, base, weights = a_drawn_week(seed)
    together_ = computed(registry, Level.DAY, base, weights)

    for kpi in for_registry(registry):
        for subject in everybody(registry)[:3]:
            alone = subject_kpis(
                registry, (subject,), the_kpis(registry, kpi.key), Level.DAY, START_US, STOP_US, base, weights
            )
            _same(alone, rows_of(together_, kpi.key, subject))
