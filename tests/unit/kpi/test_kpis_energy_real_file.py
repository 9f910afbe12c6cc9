"""Energy, cost and carbon of a year of a steel plant, against pandas on the same file."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # it ships no types
import pytest

from domain.frames import AmountFrame
from domain.registry import Registry
from domain.time import Level, parse_instant
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from tests.support.priced_parks import a_block, a_contract, a_factor, a_tariff, with_references
from tests.support.reference_energy import steel_year
from tests.support.small_parks import (
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    a_tenant,
    a_tenant_subject,
    amounts,
    figure,
    the_kpis,
    together,
)

BEGIN = parse_instant("2018-01-01T00:00:00+09:00")
JULY = parse_instant("2018-07-01T00:00:00+09:00")
ONE = a_tenant_subject(1)
WORKDAYS, WEEKEND = frozenset(range(5)), frozenset({5, 6})
# A made-up tariff: peak 10-12 and 13-17 on workdays, low at night and on Sundays and Saturdays, mid else.
BLOCKS = (
    a_block("peak", 180.0, (10, 12), (13, 17), days=WORKDAYS),
    a_block("mid", 110.0, (9, 10), (12, 13), (17, 23), days=WORKDAYS),
    replace(
        a_block("low", 60.0, (0, 9), (23, 24), days=WORKDAYS),
        windows=(
            *a_block("x", 0, (0, 9), (23, 24), days=WORKDAYS).windows,
            *a_block("x", 0, (0, 24), days=WEEKEND).windows,
        ),
    ),
)
FIXED, REACTIVE, PF_MIN = 1_000_000.0, 30.0, 0.9
TARIFF = a_tariff(*BLOCKS, from_us=BEGIN, currency="KRW", fixed_per_month=FIXED, reactive_price=REACTIVE, pf_min=PF_MIN)


@pytest.fixture(scope="module")
def steel(real_data: Path) -> tuple[pd.DataFrame, Registry, AmountFrame]:
    file = steel_year(real_data / "steel_gwangyang_2018_15min.csv")
    life: dict[str, Any] = {"valid_from_us": BEGIN}
    quantities = ("energy_import", "energy_reactive_lagging", "energy_reactive_leading")
    registry = a_registry(
        [a_meter(1, 1, **life)],
        [a_channel(number, 1, key, **life) for number, key in enumerate(quantities, start=1)],
        park=a_park(zone=ZoneInfo("Asia/Seoul"), ticked_to_us=parse_instant("2019-01-01T00:00:00+09:00")),
        tenants=[a_tenant(1, **life)],
    )
    registry = with_references(
        registry,
        tariffs=(TARIFF,),
        contracts=(a_contract("t1", kva=750.0, from_us=BEGIN),),
        factors=(a_factor("grid", 0.46, BEGIN, JULY), a_factor("grid", 0.42, JULY)),
    )
    columns = ("kwh", "lagging", "leading")
    base = together(*(amounts(place, BEGIN, file[name]) for place, name in enumerate(columns, start=1)))
    return file, registry, base


def block_of(file: pd.DataFrame) -> pd.Series:
    workday, hour = file["weekday"] < 5, file["hour"]
    peak = workday & hour.isin([10, 11, 13, 14, 15, 16])
    mid = workday & hour.isin([9, 12, *range(17, 23)])
    return pd.Series(np.select([peak, mid], ["peak", "mid"], "low"), index=file.index)


@pytest.mark.parametrize("key", ["peak", "mid", "low"])
def test_the_blocks_of_the_year(steel: tuple[pd.DataFrame, Registry, AmountFrame], key: str) -> None:
    file, registry, base = steel
    expected = file["kwh"].groupby(block_of(file)).sum()

    row = figure(registry, f"tou_{key}", PARK, Level.YEAR, base, moment_us=BEGIN)

    assert row.value == pytest.approx(expected[key], rel=1e-12)
    assert expected.sum() == pytest.approx(959_636.71)


def test_the_apparent_peak_of_the_year_is_not_at_the_active_one(
    steel: tuple[pd.DataFrame, Registry, AmountFrame],
) -> None:
    file, registry, base = steel
    kva = 4 * np.hypot(file["kwh"], file["lagging"] - file["leading"])

    peak, use = (
        figure(registry, key, ONE, Level.YEAR, base, moment_us=BEGIN) for key in ("demand_peak_kva", "contract_use")
    )

    assert peak.value == pytest.approx(kva.max(), rel=1e-12)
    assert pd.Timestamp(peak.peak_at_us, unit="us", tz="UTC") == file["start"][kva.idxmax()]
    assert use.value == pytest.approx(kva.max() / 750, rel=1e-12)


def test_the_base_load_of_the_year(steel: tuple[pd.DataFrame, Registry, AmountFrame]) -> None:
    file, registry, base = steel

    row = figure(registry, "base_load", ONE, Level.YEAR, base, moment_us=BEGIN)

    assert row.value == pytest.approx((4 * file["kwh"]).quantile(0.05), rel=1e-12)


def test_the_reactive_excess_of_each_month(steel: tuple[pd.DataFrame, Registry, AmountFrame]) -> None:
    file, registry, base = steel
    months = file.groupby("month")[["kwh", "lagging"]].sum()
    expected = (months["lagging"] - math.tan(math.acos(PF_MIN)) * months["kwh"]).clip(lower=0.0)

    frame = subject_kpis(
        registry, (ONE,), the_kpis(registry, "reactive_excess"), Level.MONTH, BEGIN, BEGIN + 364 * 86_400_000_000, base
    )

    np.testing.assert_allclose(frame.value, expected, rtol=1e-9)
    assert 0 < (expected > 0).sum() < 12  # of both sorts there are some


def cost_of(file: pd.DataFrame) -> pd.Series:
    """By month: energy by blocks, reactive excess, fixed."""
    price = block_of(file).map({"peak": 180.0, "mid": 110.0, "low": 60.0})
    energy = (file["kwh"] * price).groupby(file["month"]).sum()
    months = file.groupby("month")[["kwh", "lagging"]].sum()
    excess = (months["lagging"] - math.tan(math.acos(PF_MIN)) * months["kwh"]).clip(lower=0.0)
    return energy + REACTIVE * excess + FIXED


@pytest.mark.parametrize("subject", [ONE, PARK])
def test_the_cost_of_each_month_and_of_the_year(
    steel: tuple[pd.DataFrame, Registry, AmountFrame], subject: Any
) -> None:
    file, registry, base = steel
    expected = cost_of(file)
    kpis = the_kpis(registry, "energy_cost")
    span = BEGIN, BEGIN + 364 * 86_400_000_000

    months, year = (subject_kpis(registry, (subject,), kpis, level, *span, base) for level in (Level.MONTH, Level.YEAR))

    np.testing.assert_allclose(months.value, expected, rtol=1e-12)
    np.testing.assert_allclose(year.value, [expected.sum()], rtol=1e-12)


def test_the_carbon_of_a_year_in_which_the_factor_changes(steel: tuple[pd.DataFrame, Registry, AmountFrame]) -> None:
    file, registry, base = steel
    factor = np.where(file["month"] < 7, 0.46, 0.42)

    carbon, intensity = (
        figure(registry, key, ONE, Level.YEAR, base, moment_us=BEGIN) for key in ("co2_total", "carbon_intensity")
    )

    assert carbon.value == pytest.approx((file["kwh"] * factor).sum(), rel=1e-12)
    assert intensity.value == pytest.approx((file["kwh"] * factor).sum() / file["kwh"].sum(), rel=1e-12)


@pytest.mark.parametrize("level", [Level.MONTH, Level.YEAR])
def test_the_days_of_the_year_fold_to_the_same(steel: tuple[pd.DataFrame, Registry, AmountFrame], level: Level) -> None:
    _, registry, base = steel
    keys = ("tou_peak", "tou_mid", "tou_low", "demand_peak_kva", "contract_use", "reactive_excess", "energy_cost")
    kpis = the_kpis(registry, *keys, "co2_total", "co2_scope2_location", "carbon_intensity", "energy_total")
    span = BEGIN, int(base.start_us[-1]) + 1
    days = subject_kpis(registry, (ONE, PARK), kpis, Level.DAY, *span, base)

    folded = fold_kpis(
        registry, (ONE, PARK), kpis, level, *span, days, fold_amounts(base, Level.DAY, registry.park.zone, 900)
    )

    direct = subject_kpis(registry, (ONE, PARK), kpis, level, *span, base)
    assert folded.kpi.tolist() == direct.kpi.tolist()
    np.testing.assert_allclose(folded.value, direct.value, rtol=1e-9)
