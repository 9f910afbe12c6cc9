"""KPIs of the real files: a year of a steel plant's electricity, a year of a treatment plant's effluent."""

import csv
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.frames import AmountFrame, FloatArray, NullReason, Readings
from domain.registry import Registry, RuleStatistic, RuleWindow, Statistic
from domain.time import HOUR_US, IntArray, Level, from_datetime, level_edges, parse_instant
from kpi.amounts import interval_amounts
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.small_parks import (
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_park,
    a_registry,
    a_rule,
    a_tenant,
    amounts,
    figure,
    rows_of,
    the_kpis,
    together,
)

METER = a_meter_subject(1)


def columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture(scope="module")
def steel(real_data: Path) -> tuple[Registry, AmountFrame]:
    file = columns(real_data / "steel_gwangyang_2018_15min.csv")
    start = parse_instant(file["interval_start"][0])
    life: dict[str, Any] = {"valid_from_us": start}
    registry = a_registry(
        [a_meter(1, 1, **life)],
        [a_channel(1, 1, "energy_import", **life), a_channel(2, 1, "energy_reactive_lagging", **life)],
        park=a_park(zone=ZoneInfo("Asia/Seoul")),
        tenants=[a_tenant(1, **life)],
    )
    base = together(
        amounts(1, start, [float(text) for text in file["active_energy_kwh"]]),
        amounts(2, start, [float(text) for text in file["reactive_lagging_kvarh"]]),
    )
    return registry, base


@pytest.mark.parametrize(
    ("kpi", "expected", "digits"),
    [
        ("electricity", 959636.71, 2),
        ("demand_peak", 628.72, 2),
        ("load_factor", 0.174239, 6),
        ("power_factor", 0.902937, 6),
    ],
)
@pytest.mark.parametrize("subject", [METER, PARK])
def test_the_year_of_the_steel_plant(
    steel: tuple[Registry, AmountFrame], kpi: str, expected: float, digits: int, subject: Any
) -> None:
    registry, base = steel

    row = figure(registry, kpi, subject, Level.YEAR, base, moment_us=int(base.start_us[0]))

    assert round(float(row.value), digits) == expected
    assert (row.profile_coverage, row.flags) == (1.0, 0)


def test_the_steel_plant_peaks_on_a_morning_in_november(steel: tuple[Registry, AmountFrame]) -> None:
    registry, base = steel

    row = figure(registry, "demand_peak", METER, Level.YEAR, base, moment_us=int(base.start_us[0]))

    assert row.peak_at_us == parse_instant("2018-11-22T09:30:00+09:00")


@pytest.mark.parametrize("level", [Level.MONTH, Level.YEAR])
def test_the_days_of_the_steel_plant_fold_to_its_months_and_year(
    steel: tuple[Registry, AmountFrame], level: Level
) -> None:
    registry, base = steel
    kpis = the_kpis(registry, "electricity", "demand_peak", "load_factor", "power_factor", "availability")
    span = int(base.start_us[0]), int(base.start_us[-1]) + 1
    days = subject_kpis(registry, (METER,), kpis, Level.DAY, *span, base)
    channel_days = fold_amounts(base, Level.DAY, registry.park.zone, 900)

    folded = fold_kpis(registry, (METER,), kpis, level, *span, days, channel_days)

    direct = subject_kpis(registry, (METER,), kpis, level, *span, base)
    assert len(folded) == len(kpis) * (12 if level is Level.MONTH else 1)
    np.testing.assert_allclose(folded.value, direct.value, rtol=1e-12)


def test_a_month_of_the_steel_plant_is_the_sum_of_its_rows(
    real_data: Path, steel: tuple[Registry, AmountFrame]
) -> None:
    registry, base = steel
    file = columns(real_data / "steel_gwangyang_2018_15min.csv")
    pairs = zip(file["interval_start"], file["active_energy_kwh"], strict=True)
    june = sum(float(kwh) for start, kwh in pairs if start.startswith("2018-06"))

    row = figure(
        registry, "electricity", METER, Level.MONTH, base, moment_us=parse_instant("2018-06-15T00:00:00+09:00")
    )

    assert row.value == pytest.approx(june, rel=1e-12)


SERIES = {1: "flow_in", 2: "bod_out", 3: "cod_out", 4: "ss_out", 5: "ph_out"}
POLLUTANTS = {12: (2, "bod"), 13: (3, "cod"), 14: (4, "tss")}


def plant(first_us: int) -> Registry:
    """The outlet of the treatment plant, with its daily means as gauges; in a zone whose days all have 24 hours."""
    life: dict[str, Any] = {"valid_from_us": first_us}
    gauge: dict[str, Any] = {**life, "interval_s": 86400, "statistic": Statistic.MEAN}
    quantities = {1: "effluent_flow", 2: "bod", 3: "cod", 4: "tss", 5: "ph"}
    channels = [a_channel(number, 1, quantity, **gauge) for number, quantity in quantities.items()]
    channels += [
        a_channel(number, 1, f"load_{pollutant}", inputs=(concentration, 1), **life)
        for number, (concentration, pollutant) in POLLUTANTS.items()
    ]
    limits = {"bod": (2, 50.0), "cod": (3, 100.0), "ss": (4, 150.0)}
    rules = [
        a_rule(number, channel, key=key, highest=limit, window=RuleWindow.DAY, **life)
        for number, (key, (channel, limit)) in enumerate(limits.items(), start=1)
    ]
    rules.append(
        a_rule(9, 5, key="ph", statistic=RuleStatistic.RANGE, lowest=6.0, highest=9.0, window=RuleWindow.DAY, **life)
    )
    return a_registry(
        [a_meter(1, 1, role="outlet", **life)],
        channels,
        park=a_park(zone=JAKARTA),
        tenants=[a_tenant(1, **life)],
        rules=tuple(rules),
    )


@pytest.fixture(scope="module")
def effluent(real_data: Path) -> tuple[dict[str, list[str]], Registry, AmountFrame]:
    file = columns(real_data / "wwtp_effluent_1990_daily.csv")
    zone = JAKARTA
    begin = _midnights(["1990-01-01", "1991-01-01"])
    edges = level_edges(zone, 900, Level.DAY, int(begin[0]), int(begin[1]))
    registry = plant(int(begin[0]))
    ts_us = _midnights(file["date"])
    hours = np.diff(edges)[np.searchsorted(edges, ts_us)] / HOUR_US
    readings = _readings(file, ts_us, hours)
    table = ChannelTable.of(registry)
    base = interval_amounts(
        table, readings, Ranges.whole(table.channel_id, int(edges[0]), int(edges[-1])), zone, registry.park.base_s
    )
    return file, registry, base


def _midnights(dates: list[str]) -> IntArray:
    zone = JAKARTA
    return np.array([from_datetime(datetime.fromisoformat(text).replace(tzinfo=zone)) for text in dates])


def _readings(file: dict[str, list[str]], ts_us: IntArray, hours: FloatArray) -> Readings:
    ids, times, values = [], [], []
    for number, name in SERIES.items():
        known = np.array([text != "" for text in file[name]])
        series = np.array([float(text or "nan") for text in file[name]])
        values.append((series / hours if name == "flow_in" else series)[known])
        times.append(ts_us[known])
        ids.append(np.full(int(known.sum()), number, dtype=np.int32))
    count = sum(len(part) for part in ids)
    return Readings(
        channel_id=np.concatenate(ids),
        ts_us=np.concatenate(times),
        value=np.concatenate(values),
        quality=np.zeros(count, dtype=np.int32),
        conflict=np.zeros(count, dtype=np.bool_),
    )


@pytest.mark.parametrize(
    ("rule", "ok", "valid"), [("bod", 275, 278), ("cod", 210, 290), ("ss", 296, 297), ("ph", 299, 299)]
)
@pytest.mark.parametrize("subject", [METER, PARK])
def test_the_days_of_the_treatment_plant_within_its_limits(
    effluent: tuple[dict[str, list[str]], Registry, AmountFrame], rule: str, ok: int, valid: int, subject: Any
) -> None:
    _, registry, base = effluent

    row = figure(registry, f"compliance_{rule}", subject, Level.YEAR, base, moment_us=int(base.start_us[0]))

    assert row.terms[:3].tolist() == [ok, valid - ok, 365 - valid]
    assert row.value == pytest.approx(ok / valid)


@pytest.mark.parametrize(("pollutant", "name"), [("bod", "bod_out"), ("cod", "cod_out"), ("tss", "ss_out")])
def test_the_monthly_loads_of_the_treatment_plant(
    effluent: tuple[dict[str, list[str]], Registry, AmountFrame], pollutant: str, name: str
) -> None:
    file, registry, base = effluent
    span = int(base.start_us[0]), int(base.start_us[-1]) + 1
    expected = np.zeros(12)
    for date, flow, concentration in zip(file["date"], file["flow_in"], file[name], strict=True):
        if flow and concentration:
            expected[int(date[5:7]) - 1] += float(flow) * float(concentration) * 1e-3

    frame = subject_kpis(registry, (PARK,), the_kpis(registry, f"load_{pollutant}"), Level.MONTH, *span, base)

    rows = rows_of(frame, f"load_{pollutant}", PARK)
    np.testing.assert_allclose(rows.measured, expected, rtol=1e-9)
    assert np.isnan(rows.value).all()  # no month has 90 % of its days


def test_a_day_of_the_treatment_plant_without_its_cod_is_an_invalid_pair(
    effluent: tuple[dict[str, list[str]], Registry, AmountFrame],
) -> None:
    file, registry, base = effluent
    date = next(
        date for date, cod, flow in zip(file["date"], file["cod_out"], file["flow_in"], strict=True) if flow and not cod
    )

    row = figure(registry, "load_cod", PARK, Level.DAY, base, moment_us=int(_midnights([date])[0]))

    assert row.reason == NullReason.INVALID_PAIR
