"""Laws of energy, its cost and carbon: vector equals scalar, tenants sum to the park, days fold to what base amounts give."""

import math
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.context import PARK_WIDE, ContextFrame
from domain.frames import AmountFrame, KpiFrame, NullReason, Subject, SubjectKind
from domain.quality import Flag
from domain.references import Contract, Factor, Tariff
from domain.registry import Channel, Meter, MeterRole
from domain.time import DAY_US, HOUR_US, SECOND_US, Level, level_edges, parse_instant
from kpi.catalogue import for_registry
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from kpi.weights import Weights, weight_days
from tests.support.entered_values import entered
from tests.support.priced_parks import a_block, a_contract, a_factor, a_tariff, with_references
from tests.support.reference_energy import factor_at, percentile, share_in_block
from tests.support.small_parks import (
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    a_tenant,
    a_tenant_subject,
    amounts,
    rows_of,
    together,
)

ROME = ZoneInfo("Europe/Rome")
# The week in which summer time begins, and the month that ends in it.
START_US = parse_instant("2026-03-23T00:00:00+01:00")
STOP_US = parse_instant("2026-03-30T00:00:00+02:00")
MARCH = parse_instant("2026-03-01T00:00:00+01:00"), parse_instant("2026-04-01T00:00:00+02:00")
HOURS = (STOP_US - START_US) // HOUR_US
BASE_S = 3600
CLOSE = 1e-11
TENANTS = tuple(a_tenant_subject(number) for number in (1, 2, 3))
SEEDS = st.integers(0, 2**32 - 1)
ENERGY = [
    "energy_total",
    "electricity_supply",
    "electricity_balance",
    "electricity_loss_share",
    "demand_peak_kva",
    "contract_use",
    "coincidence",
    "reactive_excess",
    "tou_high",
    "tou_low",
    "base_load",
    "renewable_share",
    "energy_cost",
    "co2_scope1",
    "co2_scope2_location",
    "co2_scope2_market",
    "co2_total",
    "carbon_intensity",
]


def drawn_meters(rng: np.random.Generator) -> tuple[list[Meter], list[Channel]]:
    life: dict[str, Any] = {"valid_from_us": START_US}
    meters = [a_meter(90, 3, role="supply", **life), a_meter(91, 3, role="generation", **life)]
    channels = [a_channel(900, 90, "energy_import", **life), a_channel(901, 90, "energy_export", **life)]
    channels.append(a_channel(910, 91, "energy_generation", **life))
    for tenant in (1, 2, 3):
        main, roof, boiler = (10 * tenant + place for place in range(3))
        late: dict[str, Any] = {"valid_from_us": START_US + int(rng.choice([0, 0, 2])) * DAY_US}
        meters.append(a_meter(main, tenant, demand_block_s=3600, **life))
        channels.append(a_channel(10 * main, main, "energy_import", **life))
        for place, quantity in enumerate(("energy_reactive_lagging", "energy_reactive_leading", "energy_export"), 1):
            if rng.random() < 0.7:
                channels.append(a_channel(10 * main + place, main, quantity, **life))
        if rng.random() < 0.6:
            meters.append(a_meter(roof, tenant, role="generation", parent_id=main, **late))
            channels.append(a_channel(10 * roof, roof, "energy_generation", **late))
        if rng.random() < 0.6:
            meters.append(a_meter(boiler, tenant, **late))
            channels.append(a_channel(10 * boiler, boiler, str(rng.choice(["gas", "diesel", "steam"])), **late))
    return meters, channels


def drawn_instant(rng: np.random.Generator) -> int:
    """Any minute of the week."""
    return START_US + int(rng.integers(1, 60 * HOURS)) * 60 * SECOND_US


def drawn_factors(rng: np.random.Generator) -> tuple[Factor, ...]:
    keys = [
        "grid",
        "grid_residual",
        "contracted",
        "lhv_gas",
        "lhv_diesel",
        "lhv_coal",
        "co2_gas",
        "co2_diesel",
        "co2_coal",
    ]
    factors = []
    for key in [*keys, "enthalpy_steam", *(["co2_steam"] if rng.random() < 0.5 else [])]:
        change = drawn_instant(rng)
        until = None if rng.random() < 0.9 else STOP_US - DAY_US
        values = np.round(rng.uniform(0.1, 2.0, 2), 3)
        factors += [
            a_factor(key, values[0], MARCH[0], change),
            a_factor(key, values[1], change, until and max(until, change + 1)),
        ]
    return tuple(factors)


def drawn_tariffs(rng: np.random.Generator) -> tuple[Tariff, ...]:
    tariffs = []
    for key in ("one", "two"):
        change = drawn_instant(rng)
        for from_us, to_us in ((MARCH[0], change), (change, None)):
            first, last = sorted(rng.choice(np.arange(1, 24 * 60), 2, replace=False).tolist())
            high = a_block("high", float(rng.integers(1, 9)), (0, 24))
            low = a_block("low", float(rng.integers(1, 9)), (0, 24))
            window = high.windows[0]
            high = replace(high, windows=(replace(window, start_min=first, stop_min=last),))
            low = replace(low, windows=(replace(window, stop_min=first), replace(window, start_min=last)))
            terms = {"reactive_price": 2.0, "fixed_per_month": 100.0, "pf_min": float(rng.choice([0.85, 0.9]))}
            tariffs.append(a_tariff(high, low, key=key, from_us=from_us, to_us=to_us, **terms))
    return tuple(tariffs)


def drawn_contracts(rng: np.random.Generator) -> tuple[Contract, ...]:
    contracts = []
    for tenant in ("t1", "t2", "_park"):
        change = START_US + int(rng.integers(1, 6)) * DAY_US
        for from_us, to_us in ((MARCH[0], change), (change, None)):
            kva = float(rng.integers(50, 200)) if rng.random() < 0.7 else None
            contracts.append(a_contract(tenant, str(rng.choice(["one", "two"])), kva, from_us, to_us))
    return tuple(contracts)


def drawn_context(rng: np.random.Generator) -> ContextFrame:
    entries = []
    for tenant in (1, 2, 3, PARK_WIDE):
        for key in ("fuel_gas", "fuel_coal", "certificates", "electricity_contracted"):
            if rng.random() < 0.5:
                continue
            start, stop = sorted(int(one) for one in rng.choice(np.arange(0, 31), 2, replace=False))
            span = MARCH if rng.random() < 0.3 else (MARCH[0] + start * DAY_US, MARCH[0] + stop * DAY_US)
            entries.append((tenant, key, *span, float(rng.integers(0, 5000))))
    return entered(*entries)


def drawn_amounts(rng: np.random.Generator, channel: Channel) -> AmountFrame:
    """A week of hours: measured, partly measured, missing, and perhaps one long gap."""
    amount = np.round(rng.uniform(0, 100, HOURS), int(rng.integers(0, 4)))
    state = rng.random(HOURS)
    missing, partial = rng.choice([0.0, 0.02, 0.3]), rng.choice([0.0, 0.05])
    measured_s = np.where(state < missing, 0.0, np.where(state < missing + partial, 1800.0, 3600.0))
    estimated, gap_s, gap_stop, flags = (np.zeros(HOURS) for _ in range(4))
    if rng.random() < 0.5:
        first = int(rng.integers(0, HOURS - 60))
        last = first + int(rng.integers(3, 60))
        measured_s[first:last], estimated[first:last] = 0.0, amount[first:last]
        flags[first:last], gap_s[first] = Flag.ESTIMATED, (last - first) * 3600
        gap_stop[first] = START_US + last * HOUR_US
    columns: dict[str, Any] = {
        "measured_s": measured_s,
        "estimated": estimated,
        "gap_s": gap_s,
        "gap_stop_us": gap_stop,
        "flags": flags,
    }
    frame = amounts(channel.id, START_US, amount, step_s=BASE_S, **columns)
    kept = ((measured_s > 0) | (flags > 0)) & (frame.start_us >= channel.valid_from_us)
    names = [name for name in AmountFrame.__slots__ if name != "level"]
    return AmountFrame(level=frame.level, **{name: getattr(frame, name)[kept] for name in names})


class Drawn:
    """A park with references, a week of its amounts, and what was entered."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        meters, channels = drawn_meters(rng)
        ticked = START_US + int(rng.choice([7 * 24 - 1, 3 * 24 + 11, 9])) * HOUR_US
        tenants = [a_tenant(n, key="_park" if n == 3 else f"t{n}", valid_from_us=START_US) for n in (1, 2, 3)]
        bare = a_registry(meters, channels, park=a_park(zone=ROME, base_s=BASE_S, ticked_to_us=ticked), tenants=tenants)
        self.registry = with_references(
            bare, factors=drawn_factors(rng), tariffs=drawn_tariffs(rng), contracts=drawn_contracts(rng)
        )
        self.base = together(*(drawn_amounts(rng, channel) for channel in channels))
        self.context = drawn_context(rng)
        ids = np.array(sorted(channel.id for channel in channels), dtype=np.int32)
        days = weight_days(self.registry.park, Level.DAY, *MARCH)
        median = np.round(rng.uniform(0, 1000, (len(ids), len(days))))
        median[rng.random(median.shape) < 0.2] = np.nan
        self.weights = Weights(channel_id=ids, day_us=days, median=median)
        self.kpis = tuple(kpi for kpi in for_registry(self.registry) if kpi.key in ENERGY)
        self.subjects = (
            PARK,
            *TENANTS,
            *(Subject(kind=SubjectKind.METER, id=meter.id) for meter in self.registry.meters),
        )

    def weights_on(self, days: np.ndarray) -> Weights:
        column = np.clip(np.searchsorted(self.weights.day_us, days), 0, len(self.weights.day_us) - 1)
        return replace(self.weights, day_us=days, median=self.weights.median[:, column])

    def computed(self, level: Level, span: tuple[int, int] = (START_US, STOP_US), **changes: Any) -> KpiFrame:
        edges = level_edges(ROME, BASE_S, level, *span)
        weights = self.weights_on(weight_days(self.registry.park, Level.DAY, int(edges[0]), int(edges[-1])))
        asked = {"subjects": self.subjects, "kpis": self.kpis, **changes}
        return subject_kpis(
            self.registry, asked["subjects"], asked["kpis"], level, *span, self.base, weights, context=self.context
        )

    def whole(self, channel: Channel, start_us: int) -> float | None:
        """The amount of an hour that was measured from end to end."""
        place = np.flatnonzero((self.base.channel_id == channel.id) & (self.base.start_us == start_us))
        if not len(place) or self.base.measured_s[place[0]] < BASE_S or start_us + HOUR_US <= channel.valid_from_us:
            return None
        return float(self.base.amount[place[0]])

    def known(self, channel: Channel, start_us: int) -> float | None:
        place = np.flatnonzero((self.base.channel_id == channel.id) & (self.base.start_us == start_us))
        return float(self.base.amount[place[0]]) if len(place) else None

    def channel(self, tenant: int, quantity: str) -> Channel | None:
        """The one channel of a quantity of a tenant's use meters."""
        for channel in self.registry.channels:
            meter = self.registry.meter_by_id[channel.meter_id]
            if meter.tenant_id == tenant and meter.role is MeterRole.USE and channel.quantity == quantity:
                return channel
        return None


def same(one: KpiFrame, other: KpiFrame) -> None:
    for name in ("kpi", "subject_kind", "subject_id", "start_us", "peak_at_us", "reason", "flags"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    figures = [
        "terms",
        "measured",
        "value",
        "estimate",
        "error",
        "profile_coverage",
        "total_coverage",
        "estimated_share",
    ]
    for name in figures:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=CLOSE, atol=1e-9, err_msg=name)


def hours_of(start_us: int, stop_us: int) -> range:
    return range(max(start_us, START_US), min(stop_us, STOP_US), HOUR_US)


def day_ends(rows: KpiFrame) -> list[tuple[int, int]]:
    edges = level_edges(ROME, BASE_S, Level.DAY, START_US, STOP_US)
    return [(int(start), int(edges[np.searchsorted(edges, start) + 1])) for start in rows.start_us]


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([Level.WEEK, Level.MONTH, Level.YEAR]))
def test_days_fold_to_what_base_amounts_give(seed: int, level: Level) -> None:
    drawn = Drawn(seed)
    kpis = tuple(kpi for kpi in drawn.kpis if kpi.folds)
    edges = level_edges(ROME, BASE_S, level, START_US, STOP_US)
    span = int(edges[0]), int(edges[-1])
    days = drawn.computed(Level.DAY, span, kpis=kpis)
    weights = drawn.weights_on(weight_days(drawn.registry.park, level, *span))
    channel_days = fold_amounts(drawn.base, Level.DAY, ROME, BASE_S)

    folded = fold_kpis(
        drawn.registry,
        drawn.subjects,
        kpis,
        level,
        *span,
        days,
        channel_days,
        weights,
        open_day=drawn.base,
        context=drawn.context,
    )

    direct = subject_kpis(
        drawn.registry,
        drawn.subjects,
        kpis,
        level,
        *span,
        drawn.base,
        drawn.weights_on(weight_days(drawn.registry.park, Level.DAY, *span)),
        context=drawn.context,
    )
    same(folded, direct)
    assert set(folded.kpi) <= set(ENERGY)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([Level.HOUR, Level.DAY, Level.MONTH]))
def test_tenants_sum_to_the_park(seed: int, level: Level) -> None:
    drawn = Drawn(seed)
    keep = drawn.context.tenant_id != PARK_WIDE
    names = list(ContextFrame.__slots__)
    drawn.context = ContextFrame(**{name: getattr(drawn.context, name)[keep] for name in names})
    frame = drawn.computed(level)

    for key in ("energy_total", "co2_scope1", "co2_scope2_location", "co2_total", "tou_high", "tou_low", "energy_cost"):
        park = rows_of(frame, key, PARK)
        if (park.reason == NullReason.NOT_CONFIGURED).any():
            continue
        parts = np.zeros(len(park))
        for tenant in TENANTS:
            rows = rows_of(frame, key, tenant)
            parts[np.searchsorted(park.start_us, rows.start_us)] += np.nan_to_num(rows.estimate)
        np.testing.assert_allclose(np.nan_to_num(park.estimate), parts, rtol=CLOSE, atol=1e-9, err_msg=key)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_blocks_equal_the_scalar_reference(seed: int) -> None:
    drawn = Drawn(seed)
    frame = drawn.computed(Level.DAY)
    references = drawn.registry.references

    for tenant in (1, 2):
        channel = drawn.channel(tenant, "energy_import")
        assert channel is not None
        for key in ("high", "low"):
            rows = rows_of(frame, f"tou_{key}", a_tenant_subject(tenant))
            expected = []
            for start, stop in day_ends(rows):
                parts = []
                for hour in hours_of(start, stop):
                    kwh = drawn.known(channel, hour)
                    contract = next(
                        one for one in references.contracts if one.origin.key == f"t{tenant}" and one.origin.holds(hour)
                    )
                    if kwh is None:
                        continue
                    for version in references.tariffs:
                        begin = max(hour, version.origin.valid_from_us)
                        end = min(hour + HOUR_US, version.origin.valid_to_us or 2**62)
                        if version.origin.key == contract.tariff and begin < end:
                            share = share_in_block(version, key, ROME, begin, end)
                            parts.append(kwh * share * (end - begin) / HOUR_US)
                expected.append(sum(parts) if parts else math.nan)
            np.testing.assert_allclose(rows.estimate, expected, rtol=CLOSE, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_apparent_peaks_equal_the_scalar_reference(seed: int) -> None:
    drawn = Drawn(seed)
    frame = drawn.computed(Level.DAY)

    for tenant in (1, 2, 3):
        rows = rows_of(frame, "demand_peak_kva", a_tenant_subject(tenant))
        active, lagging, leading = (
            drawn.channel(tenant, key)
            for key in ("energy_import", "energy_reactive_lagging", "energy_reactive_leading")
        )
        if lagging is None or active is None:
            assert len(rows) == 0
            continue
        expected = []
        for start, stop in day_ends(rows):
            peaks = []
            for hour in hours_of(start, stop):
                one, two = drawn.whole(active, hour), drawn.whole(lagging, hour)
                back = 0.0 if leading is None else drawn.whole(leading, hour)
                if one is not None and two is not None and back is not None:
                    peaks.append((math.hypot(one, two - back), -hour))
            best = max(peaks, default=(math.nan, 0))
            expected.append((best[0], -best[1]))
        np.testing.assert_allclose(rows.measured, [one for one, _ in expected], rtol=CLOSE)
        assert rows.peak_at_us.tolist() == [at for _, at in expected]


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([Level.DAY, Level.WEEK]))
def test_base_loads_equal_the_scalar_reference(seed: int, level: Level) -> None:
    drawn = Drawn(seed)
    frame = drawn.computed(level)

    for tenant in (1, 2, 3):
        rows = rows_of(frame, "base_load", a_tenant_subject(tenant))
        channel = drawn.channel(tenant, "energy_import")
        assert channel is not None
        spans = day_ends(rows) if level is Level.DAY else [(START_US, STOP_US)]
        loads = [
            [kwh for hour in hours_of(start, stop) if (kwh := drawn.whole(channel, hour)) is not None]
            for start, stop in spans
        ]
        np.testing.assert_allclose(rows.measured, [percentile(one, 0.05) for one in loads], rtol=CLOSE)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_carbon_equals_the_scalar_reference(seed: int) -> None:
    drawn = Drawn(seed)
    frame = drawn.computed(Level.DAY)
    factors = drawn.registry.references.factors

    for tenant in (1, 2, 3):
        rows = rows_of(frame, "co2_scope2_location", a_tenant_subject(tenant))
        channel = drawn.channel(tenant, "energy_import")
        steam = drawn.channel(tenant, "steam")
        if steam is not None and any(one.origin.key == "co2_steam" for one in factors):
            continue
        assert channel is not None
        for place, (start, stop) in enumerate(day_ends(rows)):
            parts = []
            for hour in hours_of(start, stop):
                kwh = drawn.known(channel, hour)
                minutes = [factor_at(factors, "grid", minute) for minute in range(hour, hour + HOUR_US, 60 * SECOND_US)]
                parts += [] if kwh is None else [kwh * sum(minutes) / len(minutes)]
            if any(math.isnan(one) for one in parts):
                assert rows.reason[place] == NullReason.NOT_CONFIGURED
            else:
                assert rows.estimate[place] == pytest.approx(sum(parts) if parts else math.nan, nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_day_does_not_depend_on_the_range_it_was_asked_in(seed: int) -> None:
    drawn = Drawn(seed)
    start = START_US + 2 * DAY_US
    week = drawn.computed(Level.DAY)

    day = drawn.computed(Level.DAY, (start + DAY_US // 2, start + DAY_US // 2 + 1))

    chosen = week.start_us == start
    for name in ("kpi", "subject_id", "terms", "value", "profile_coverage", "total_coverage", "flags"):
        np.testing.assert_array_equal(getattr(day, name), getattr(week, name)[chosen], err_msg=name)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([Level.BASE, Level.HOUR, Level.DAY, Level.WEEK, Level.MONTH]))
def test_a_value_is_either_there_or_has_a_reason(seed: int, level: Level) -> None:
    frame = Drawn(seed).computed(level)

    assert ((frame.reason == 0) == ~np.isnan(frame.value)).all()
    assert np.isfinite(frame.estimate[frame.reason == 0]).all()
    for name in ("profile_coverage", "total_coverage", "estimated_share"):
        share = getattr(frame, name)
        assert ((share >= 0) & (share <= 1) | np.isnan(share)).all(), name


@settings(max_examples=5, deadline=None)
@given(SEEDS, st.sampled_from([Level.DAY, Level.MONTH]))
def test_one_kpi_of_one_subject_is_the_same_alone(seed: int, level: Level) -> None:
    drawn = Drawn(seed)
    all_together = drawn.computed(level)

    for kpi in drawn.kpis:
        for subject in drawn.subjects[:3]:
            same(drawn.computed(level, subjects=(subject,), kpis=(kpi,)), rows_of(all_together, kpi.key, subject))
