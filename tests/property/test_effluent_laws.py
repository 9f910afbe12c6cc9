"""Effluent KPIs in columns equal those reckoned one interval after another, and days sum to the week."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.frames import AmountFrame, FloatArray, KpiFrame
from domain.registry import Registry
from domain.time import DAY_US, Level
from kpi.compute import subject_kpis
from tests.support.reference_effluent import Passed, excess_load, hours_above, mean_concentration, removed
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    a_rule,
    amounts,
    rows_of,
    the_kpis,
    together,
)

DAYS, HOURS, BASE_S = 3, 72, 3600
INLET, OUTLET = 1, 2
LIMIT = 60.0
KPIS = "fwmc_cod", "removal_cod", "time_above_cod", "excess_load_cod"
ACCURACY: dict[str, Any] = {"rel": 1e-9, "abs": 1e-9, "nan_ok": True}

Series = tuple[FloatArray, FloatArray]
"""Concentration and volume of each hour; NaN: nothing measured."""


def a_plant() -> Registry:
    meters = [a_meter(INLET, 1, role="inlet"), a_meter(OUTLET, 1, role="outlet")]
    channels = []
    for meter in (INLET, OUTLET):
        concentration, flow = 10 * meter, 10 * meter + 1
        channels += [a_channel(concentration, meter, "cod"), a_channel(flow, meter, "effluent_flow")]
        channels.append(a_channel(10 * meter + 2, meter, "load_cod", inputs=(concentration, flow)))
    return a_registry(meters, channels, park=a_park(base_s=BASE_S), rules=(a_rule(1, 10 * OUTLET, highest=LIMIT),))


def drawn(rng: np.random.Generator) -> Series:
    """Hours of which some have no concentration, some no volume, and in some nothing flows."""
    concentration = rng.integers(0, 121, HOURS).astype(np.float64)
    volume = np.where(rng.random(HOURS) < 0.1, 0.0, np.round(rng.uniform(1, 500, HOURS), 2))
    for values in (concentration, volume):
        values[rng.random(HOURS) < rng.choice([0.0, 0.1, 0.6])] = np.nan
    return concentration, volume


def in_base(meter: int, concentration: FloatArray, volume: FloatArray) -> AmountFrame:
    number = 10 * meter
    load = concentration * volume / 1000
    held = {"mean": concentration, "low": concentration, "high": concentration}

    def rows(channel: int, values: FloatArray, known: FloatArray, **columns: Any) -> AmountFrame:
        measured_s = np.where(np.isnan(known), 0.0, float(BASE_S))
        return amounts(channel, BEGIN_US, values, step_s=BASE_S, measured_s=measured_s, **columns)

    none = np.full(HOURS, np.nan)
    return together(
        rows(number, none, concentration, **held), rows(number + 1, volume, volume), rows(number + 2, load, load)
    )


def passed(series: Series, start: int, stop: int) -> list[Passed]:
    return [
        Passed(
            concentration=None if np.isnan(concentration) else float(concentration),
            volume=None if np.isnan(volume) else float(volume),
        )
        for concentration, volume in zip(series[0][start:stop], series[1][start:stop], strict=True)
    ]


def computed(registry: Registry, inlet: Series, outlet: Series, level: Level) -> KpiFrame:
    base = together(in_base(INLET, *inlet), in_base(OUTLET, *outlet))
    return subject_kpis(registry, (PARK,), the_kpis(registry, *KPIS), level, BEGIN_US, BEGIN_US + DAYS * DAY_US, base)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([Level.HOUR, Level.DAY]))
def test_effluent_equals_the_scalar_reference(seed: int, level: Level) -> None:
    rng, registry = np.random.default_rng(seed), a_plant()
    inlet, outlet = drawn(rng), drawn(rng)
    frame = computed(registry, inlet, outlet, level)
    mean, removal, above, excess = (rows_of(frame, key, PARK) for key in KPIS)
    step = 24 if level is Level.DAY else 1

    assert len(mean) == len(removal) == len(above) == len(excess) == HOURS // step
    for place, start in enumerate(range(0, HOURS, step)):
        out, into = passed(outlet, start, start + step), passed(inlet, start, start + step)
        known = [one.concentration is not None for one in out]
        paired = [one.load is not None for one in out]
        assert mean.measured[place] == pytest.approx(_or_nan(mean_concentration(out)), **ACCURACY)
        assert removal.measured[place] == pytest.approx(_or_nan(removed(zip(into, out, strict=True))), **ACCURACY)
        wanted = hours_above(out, LIMIT, 1.0) if any(known) else np.nan
        assert above.measured[place] == pytest.approx(wanted, **ACCURACY)
        wanted = excess_load(out, LIMIT) if any(paired) else np.nan
        assert excess.measured[place] == pytest.approx(wanted, **ACCURACY)
        assert above.profile_coverage[place] == pytest.approx(np.mean(known))
        assert mean.profile_coverage[place] == pytest.approx(np.mean(paired))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_hours_sum_to_days_and_no_gap_is_filled(seed: int) -> None:
    rng, registry = np.random.default_rng(seed), a_plant()
    inlet, outlet = drawn(rng), drawn(rng)
    hours, days = (computed(registry, inlet, outlet, level) for level in (Level.HOUR, Level.DAY))

    for key in ("time_above_cod", "excess_load_cod"):
        by_hour, by_day = (rows_of(frame, key, PARK) for frame in (hours, days))
        parts = np.nansum(by_hour.measured.reshape(DAYS, 24), axis=1)
        assert np.nan_to_num(by_day.measured) == pytest.approx(parts, rel=1e-12, abs=1e-12)
        # What is known is measured, and the rest is nobody's guess.
        assert (np.nan_to_num(by_day.estimated_share) == 0).all()
