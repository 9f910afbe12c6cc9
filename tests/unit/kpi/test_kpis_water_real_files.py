"""
Water and effluent of the real files: a year of district flows, a year of a treatment plant.

The expected numbers are sums over the files' own rows, made with pandas beside this program:

    plant = pd.read_csv("wwtp_effluent_1990_daily.csv")
    rows = plant.dropna(subset=["flow_in", "cod_in", "cod_out"])
    1 - (rows.flow_in * rows.cod_out).sum() / (rows.flow_in * rows.cod_in).sum()  # 0.7731444
    (np.maximum(0, rows.cod_out - 100) * rows.flow_in).sum() * 1e-3  # of days with flow and COD: 106384.402 kg
    3.6 * district.loc["2022-01-10T02" : "2022-01-10T03"].min()  # 20.151 m3/h
"""

import csv
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.frames import AmountFrame
from domain.registry import Registry, RuleWindow, Statistic
from domain.time import Level, from_datetime, parse_instant
from kpi.compute import subject_kpis
from tests.support.small_parks import (
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
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

ROME = ZoneInfo("Europe/Rome")
DISTRICT = "water_dma_inflow_2022_hourly.csv"
PLANT = "wwtp_effluent_1990_daily.csv"
POLLUTANTS = ("bod", "cod", "ss")
LIMITS = {"bod": 50.0, "cod": 100.0, "ss": 150.0}
QUANTITIES = {"bod": "bod", "cod": "cod", "ss": "tss"}


def columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture(scope="module")
def districts(real_data: Path) -> dict[str, tuple[Registry, AmountFrame]]:
    """Two districts of the file, each as a park with one supply meter and no metered use."""
    file = columns(real_data / DISTRICT)
    starts = np.array([parse_instant(text) for text in file["time_utc"]])
    first = int(starts[0])
    life: dict[str, Any] = {"valid_from_us": first}
    registry = a_registry(
        [a_meter(1, 1, role="supply", **life)],
        [a_channel(1, 1, "water_flow", interval_s=3600, statistic=Statistic.MEAN, **life)],
        park=a_park(zone=ROME, base_s=3600),
        tenants=[a_tenant(1, **life)],
    )
    found = {}
    for name in ("dma_01", "dma_03"):
        m3 = np.array([float(text or "nan") * 3.6 for text in file[f"{name}_inflow_lps"]])
        frame = amounts(1, first, m3, step_s=3600, measured_s=np.where(np.isnan(m3), 0.0, 3600.0))
        assert (frame.start_us == starts).all()
        found[name] = registry, frame
    return found


@pytest.mark.parametrize(
    ("district", "night", "flow", "at"),
    [
        ("dma_01", "2022-01-10", 20.151, "2022-01-10T02:00:00+01:00"),
        ("dma_01", "2022-06-15", 25.992, "2022-06-15T03:00:00+02:00"),
        ("dma_03", "2022-01-10", 8.028, "2022-01-10T03:00:00+01:00"),
        # The clock jumps from 02:00 to 03:00: the night has one hour.
        ("dma_01", "2022-03-27", 14.472, "2022-03-27T03:00:00+02:00"),
        # It shows 02:00 twice: the lowest is the second 02:00 in one district, the first in the other.
        ("dma_01", "2022-10-30", 16.056, "2022-10-30T02:00:00+02:00"),
        ("dma_03", "2022-10-30", 6.408, "2022-10-30T02:00:00+01:00"),
    ],
)
def test_a_night_of_a_district(
    districts: dict[str, tuple[Registry, AmountFrame]], district: str, night: str, flow: float, at: str
) -> None:
    registry, base = districts[district]
    noon = from_datetime(datetime.fromisoformat(f"{night}T12:00:00").replace(tzinfo=ROME))

    row = figure(registry, "night_flow", PARK, Level.DAY, base, moment_us=noon)

    assert row.value == pytest.approx(flow)
    assert row.peak_at_us == parse_instant(at)


def a_plant(first_us: int) -> Registry:
    """Inlet (1) and outlet (2); the inlet's flow stands for both."""
    life: dict[str, Any] = {"valid_from_us": first_us}
    gauge: dict[str, Any] = {**life, "interval_s": 86400, "statistic": Statistic.MEAN}
    channels, rules = [], []
    for meter in (1, 2):
        channels.append(a_channel(100 * meter, meter, "effluent_flow", **gauge))
        for place, key in enumerate(POLLUTANTS, 1):
            concentration, load = 100 * meter + place, 100 * meter + 10 + place
            channels.append(a_channel(concentration, meter, QUANTITIES[key], **gauge))
            inputs = concentration, 100 * meter
            channels.append(a_channel(load, meter, f"load_{QUANTITIES[key]}", inputs=inputs, **life))
    for place, key in enumerate(POLLUTANTS, 1):
        rules.append(a_rule(place, 200 + place, key=key, highest=LIMITS[key], window=RuleWindow.DAY, **life))
    return a_registry(
        [a_meter(1, 1, role="inlet", **life), a_meter(2, 1, role="outlet", **life)],
        channels,
        park=a_park(zone=JAKARTA, base_s=3600),
        tenants=[a_tenant(1, **life)],
        rules=tuple(rules),
    )


@pytest.fixture(scope="module")
def plant(real_data: Path) -> tuple[dict[str, list[str]], Registry, AmountFrame]:
    file = columns(real_data / PLANT)
    midnights = [from_datetime(datetime.fromisoformat(text).replace(tzinfo=JAKARTA)) for text in file["date"]]
    flow = np.array([float(text or "nan") for text in file["flow_in"]]) / 24
    frames = []
    for meter, side in ((1, "in"), (2, "out")):
        frames.append(_by_hours(100 * meter, midnights, flow, adds_up=True))
        for place, key in enumerate(POLLUTANTS, 1):
            level = np.array([float(text or "nan") for text in file[f"{key}_{side}"]])
            frames.append(_by_hours(100 * meter + place, midnights, level, adds_up=False))
            frames.append(_by_hours(100 * meter + 10 + place, midnights, level * flow * 1e-3, adds_up=True))
    return file, a_plant(midnights[0]), together(*frames)


def _by_hours(channel: int, midnights: list[int], level: Any, *, adds_up: bool) -> AmountFrame:
    """The mean of each day that has one, on each of its hours."""
    known = np.flatnonzero(~np.isnan(level))
    days = [
        amounts(
            channel,
            midnights[day],
            np.full(24, level[day] if adds_up else np.nan),
            step_s=3600,
            **dict.fromkeys(("mean", "low", "high"), level[day]),
        )
        for day in known.tolist()
    ]
    return together(*days)


def _year(plant: tuple[dict[str, list[str]], Registry, AmountFrame], key: str) -> Any:
    _, registry, base = plant
    return figure(registry, key, PARK, Level.YEAR, base, moment_us=int(base.start_us[0]))


@pytest.mark.parametrize(("key", "expected"), [("bod", 0.8908800), ("cod", 0.7731444), ("ss", 0.8959435)])
def test_what_the_plant_removed_in_its_year(
    plant: tuple[dict[str, list[str]], Registry, AmountFrame], key: str, expected: float
) -> None:
    row = _year(plant, f"removal_{QUANTITIES[key]}")

    assert row.measured == pytest.approx(expected, abs=1e-7)
    assert np.isnan(row.value)  # less than 90 % of the year has both sides


@pytest.mark.parametrize("key", POLLUTANTS)
def test_the_mean_concentrations_of_each_month(
    plant: tuple[dict[str, list[str]], Registry, AmountFrame], key: str
) -> None:
    file, registry, base = plant
    load, volume = np.zeros(12), np.zeros(12)
    for date, flow, level in zip(file["date"], file["flow_in"], file[f"{key}_out"], strict=True):
        if flow and level:
            load[int(date[5:7]) - 1] += float(flow) * float(level)
            volume[int(date[5:7]) - 1] += float(flow)
    kpi = f"fwmc_{QUANTITIES[key]}"
    span = int(base.start_us[0]), int(base.start_us[0]) + 364 * 86_400_000_000

    rows = rows_of(subject_kpis(registry, (PARK,), the_kpis(registry, kpi), Level.MONTH, *span, base), kpi, PARK)

    np.testing.assert_allclose(rows.measured, load / volume, rtol=1e-9)


def test_the_mean_concentrations_of_march(plant: tuple[dict[str, list[str]], Registry, AmountFrame]) -> None:
    _, registry, base = plant
    march = from_datetime(datetime(1990, 3, 15, tzinfo=JAKARTA))

    found = {
        key: figure(registry, f"fwmc_{QUANTITIES[key]}", PARK, Level.MONTH, base, moment_us=march) for key in POLLUTANTS
    }

    assert found["bod"].measured == pytest.approx(43.42480766)
    assert found["cod"].measured == pytest.approx(128.46985983)
    assert found["ss"].profile_coverage == pytest.approx(26 / 31)


@pytest.mark.parametrize(
    ("key", "hours", "kg"), [("bod", 72.0, 17354.45), ("cod", 1920.0, 106384.402), ("ss", 24.0, 3771.416)]
)
def test_the_time_and_load_beyond_the_limits(
    plant: tuple[dict[str, list[str]], Registry, AmountFrame], key: str, hours: float, kg: float
) -> None:
    assert _year(plant, f"time_above_{key}").measured == hours
    assert _year(plant, f"excess_load_{key}").measured == pytest.approx(kg)
