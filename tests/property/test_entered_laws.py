"""Laws of entered values: vector equals scalar, parts equal the whole, days fold to what base amounts give."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.context import CONTEXTS, PARK_WIDE, ContextFrame
from domain.frames import AmountFrame, KpiFrame
from domain.references import Factor, Origin, References
from domain.registry import Registry
from domain.time import DAY_US, HOUR_US, Level, level_edges
from kpi.catalogue import for_registry
from kpi.compute import fold_kpis, subject_kpis
from kpi.custom import custom_problems
from kpi.definition import Kpi
from kpi.entered import Residents, entered_sums
from kpi.fold import fold_amounts
from kpi.intensity import PER
from kpi.weights import Weights, weight_days
from tests.property.test_kpi_laws import SEEDS, START_US, STOP_US, _for_days, _same, a_drawn_week, everybody
from tests.support.entered_values import Entry, a_frame
from tests.support.reference_entered import EnteredReference
from tests.support.small_formulas import a_formula

SERIES = ("production_t", "employees")
FUEL = "fuel_diesel"
TENANTS = (PARK_WIDE, 1, 2, 3)


@st.composite
def drawn_entries(draw: st.DrawFn, series: tuple[str, ...] = (*SERIES, FUEL)) -> list[Entry]:
    """Values of some tenants and perhaps the park, side by side or with holes, in hours or days."""
    entries: list[Entry] = []
    for tenant in TENANTS:
        for key in series:
            step_us = draw(st.sampled_from([6 * HOUR_US, DAY_US, 3 * DAY_US, 40 * DAY_US]))
            start_us = START_US + draw(st.integers(-5, 5)) * draw(st.sampled_from([HOUR_US, DAY_US]))
            for _ in range(draw(st.integers(0, 8))):
                length_us = step_us * draw(st.integers(1, 2))
                start_us += draw(st.sampled_from([0, 0, 0, HOUR_US, DAY_US]))
                value = draw(st.sampled_from([0.0, 1.0, 2.5, 40.0, 1e6]))
                entries.append((tenant, key, start_us, start_us + length_us, value))
                start_us += length_us
    return entries


EDGES = st.sampled_from([DAY_US, 2 * DAY_US, 7 * HOUR_US]).map(
    lambda step: np.arange(START_US, START_US + 8 * DAY_US, step, dtype=np.int64)
)


@settings(max_examples=150, deadline=None)
@given(drawn_entries(), EDGES, st.sampled_from(SERIES), st.sampled_from([None, (), (1, 2), (1, 2, 3)]))
def test_sums_equal_the_scalar_reference(
    entries: list[Entry], edges: np.ndarray, key: str, firms: tuple[int, ...] | None
) -> None:
    residents = None
    if firms is not None:
        lives = np.full(len(firms), edges[0]), np.full(len(firms), edges[-1])
        residents = Residents(tenant_id=np.array(firms, dtype=np.int32), from_us=lives[0], to_us=lives[1])
    sums = entered_sums(a_frame(entries), key, np.array(TENANTS), edges, residents)
    reference = EnteredReference(entries, firms)

    for row, tenant in enumerate(TENANTS):
        for period, (start, stop) in enumerate(pairwise(edges.tolist())):
            expected = reference.sums(tenant, key, start, stop)
            for name in ("total", "prorated", "covered"):
                found = float(getattr(sums, name)[row, period])
                assert found == pytest.approx(getattr(expected, name), rel=1e-12, abs=1e-9, nan_ok=True), name
            assert bool(sums.complete[row, period]) is expected.complete


@settings(max_examples=100, deadline=None)
@given(drawn_entries())
def test_no_entered_amount_is_lost_or_counted_twice(entries: list[Entry]) -> None:
    frame = a_frame(entries)
    edges = np.arange(START_US - 40 * DAY_US, START_US + 800 * DAY_US, 5 * HOUR_US, dtype=np.int64)
    sums = entered_sums(frame, "production_t", np.array(TENANTS[1:]), edges)

    for row, tenant in enumerate(TENANTS[1:]):
        chosen = (frame.tenant_id == tenant) & (frame.key == "production_t")
        assert np.nansum(sums.total[row]) == pytest.approx(float(frame.value[chosen].sum()), rel=1e-12)


FORMULAS = (
    a_formula("ratio", "electricity / water_intake", "kWh/m3"),
    a_formula("plain", "2 * electricity - A_energy_import", "MWh"),
    a_formula("per_output", "electricity / max(production_t, 0)", "kWh/t"),
    a_formula("of_four", "electricity * employees / (water_intake * production_t)", "kWh/m3/t"),
)


def the_intensities(registry: Registry) -> tuple[Kpi, ...]:
    endings = tuple(f"_intensity_{per.suffix}" for per in PER if per.series in SERIES)
    ours = {formula.origin.key for formula in registry.references.formulas}
    return tuple(kpi for kpi in for_registry(registry) if kpi.key.endswith(endings) or kpi.key in ours)


def a_week_with_formulas(seed: int) -> tuple[Registry, AmountFrame, Weights]:
    registry, base, weights = a_drawn_week(seed)
    factors = (_factor("grid", 0.8, "kgCO2e/kWh"), _factor("lhv_diesel", 0.036, "GJ/L"))
    return replace(registry, references=References(formulas=FORMULAS, factors=factors)), base, weights


def _factor(key: str, value: float, unit: str) -> Factor:
    origin = Origin(id=1, key=key, valid_from_us=0, valid_to_us=None, source="drawn", confirmed=True)
    return Factor(origin=origin, value=value, unit=unit, region="")


def span_of(registry: Registry, level: Level) -> tuple[int, int]:
    edges = level_edges(registry.park.zone, registry.park.base_s, level, START_US, STOP_US)
    return int(edges[0]), int(edges[-1])


@settings(max_examples=40, deadline=None)
@given(SEEDS, drawn_entries(), st.sampled_from([Level.WEEK, Level.MONTH, Level.YEAR]))
def test_days_fold_to_what_base_amounts_give(seed: int, entries: list[Entry], level: Level) -> None:
    registry, base, weights = a_week_with_formulas(seed)
    context = a_frame(entries)
    kpis, subjects, park = the_intensities(registry), everybody(registry), registry.park
    span = span_of(registry, level)
    weights = _for_days(weights, weight_days(park, Level.DAY, *span))
    days = subject_kpis(registry, subjects, kpis, Level.DAY, *span, base, weights, context=context)
    channel_days = fold_amounts(base, Level.DAY, park.zone, park.base_s)

    folded = fold_kpis(
        registry, subjects, kpis, level, *span, days, channel_days, weights, open_day=base, context=context
    )

    _same(folded, subject_kpis(registry, subjects, kpis, level, *span, base, weights, context=context))


def computed(registry: Registry, level: Level, context: ContextFrame, weights: Weights, base: AmountFrame) -> KpiFrame:
    kpis = the_intensities(registry)
    return subject_kpis(
        registry,
        everybody(registry),
        kpis,
        level,
        START_US,
        STOP_US,
        base,
        weights,
        context=context,
    )


@settings(max_examples=40, deadline=None)
@given(SEEDS, drawn_entries(), st.sampled_from([Level.DAY, Level.WEEK]))
def test_an_intensity_is_either_there_or_has_a_reason(seed: int, entries: list[Entry], level: Level) -> None:
    registry, base, weights = a_week_with_formulas(seed)

    frame = computed(registry, level, a_frame(entries), weights, base)

    assert ((frame.reason == 0) == ~np.isnan(frame.value)).all()
    for share in (frame.profile_coverage, frame.total_coverage, frame.estimated_share):
        assert ((share >= 0) & (share <= 1) | np.isnan(share)).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, drawn_entries(), st.sampled_from([Level.DAY, Level.WEEK]), st.sampled_from([2.0, 0.25]))
def test_twice_the_output_is_half_the_intensity(seed: int, entries: list[Entry], level: Level, factor: float) -> None:
    registry, base, weights = a_drawn_week(seed)
    context = a_frame(entry for entry in entries if entry[1] != FUEL)

    once = computed(registry, level, context, weights, base)
    other = computed(registry, level, replace(context, value=context.value * factor), weights, base)

    np.testing.assert_array_equal(once.reason, other.reason)
    np.testing.assert_allclose(once.value, other.value * factor, rtol=1e-12, equal_nan=True)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_formulas_of_a_drawn_park_fit_it(seed: int) -> None:
    registry, _, _ = a_week_with_formulas(seed)

    fits = {kpi.key for kpi in for_registry(registry)} >= {formula.origin.key for formula in FORMULAS}
    assert fits is not bool(custom_problems(registry))


def test_every_series_that_is_divided_by_can_be_entered() -> None:
    assert {per.series for per in PER} <= set(CONTEXTS)
