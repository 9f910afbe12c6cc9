"""A year of a treatment plant's inlet and outlet: its effluent KPIs against plain sums over the days of the file."""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from domain.frames import AmountFrame, NullReason, Readings
from domain.registry import Registry, RuleWindow, Statistic
from domain.time import IntArray, Level, from_datetime, level_edges
from kpi.amounts import interval_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.reference_effluent import Passed, excess_load, hours_above, mean_concentration, removed
from tests.support.small_parks import (
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    a_rule,
    a_tenant,
    figure,
)

BASE_S = 3600
LIMITS = {"bod": 50.0, "cod": 100.0, "tss": 150.0}
COLUMNS = {"bod": "bod", "cod": "cod", "tss": "ss"}
INLET, OUTLET = 1, 2
FLOW = 0
CONCENTRATION = {pollutant: place for place, pollutant in enumerate(LIMITS, start=1)}


def _number(meter: int, place: int) -> int:
    return 10 * meter + place


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    registry: Registry
    base: AmountFrame
    rows: list[dict[str, str]]

    def days(self, pollutant: str, side: str, month: str = "") -> list[Passed]:
        return [
            Passed(
                concentration=float(text) if (text := row[f"{COLUMNS[pollutant]}_{side}"]) else None,
                volume=float(row["flow_in"]) if row["flow_in"] else None,
            )
            for row in self.rows
            if row["date"].startswith(f"1990-{month}")
        ]

    def figure(self, kpi: str, level: Level, date: str = "1990-06-15") -> SimpleNamespace:
        return figure(self.registry, kpi, PARK, level, self.base, moment_us=_midnight(date))


def _midnight(date: str) -> int:
    return from_datetime(datetime.fromisoformat(date).replace(tzinfo=JAKARTA))


def _registry(first_us: int) -> Registry:
    life: dict[str, Any] = {"valid_from_us": first_us}
    gauge: dict[str, Any] = {**life, "interval_s": 86400, "statistic": Statistic.MEAN}
    channels, rules = [], []
    for meter in (INLET, OUTLET):
        flow = _number(meter, FLOW)
        channels.append(a_channel(flow, meter, "effluent_flow", **gauge))
        for pollutant, place in CONCENTRATION.items():
            number = _number(meter, place)
            channels.append(a_channel(number, meter, pollutant, **gauge))
            channels.append(a_channel(number + 5, meter, f"load_{pollutant}", inputs=(number, flow), **life))
    for pollutant, place in CONCENTRATION.items():
        limit: dict[str, Any] = {"key": pollutant, "highest": LIMITS[pollutant], "window": RuleWindow.DAY, **life}
        rules.append(a_rule(place, _number(OUTLET, place), **limit))
    return a_registry(
        [a_meter(INLET, 1, role="inlet", **life), a_meter(OUTLET, 1, role="outlet", **life)],
        channels,
        park=a_park(zone=JAKARTA, base_s=BASE_S),
        tenants=[a_tenant(1, **life)],
        rules=tuple(rules),
    )


def _readings(rows: list[dict[str, str]], at_us: IntArray) -> Readings:
    series = []
    for meter, side in ((INLET, "in"), (OUTLET, "out")):
        series.append((_number(meter, FLOW), "flow_in", 24.0))  # m3 of a day to m3/h
        series += [
            (_number(meter, place), f"{COLUMNS[pollutant]}_{side}", 1.0) for pollutant, place in CONCENTRATION.items()
        ]
    known = [
        (number, at, float(row[name]) / by)
        for number, name, by in series
        for row, at in zip(rows, at_us, strict=True)
        if row[name]
    ]
    ids, times, values = zip(*sorted(known), strict=True)
    return Readings(
        channel_id=np.array(ids, dtype=np.int32),
        ts_us=np.array(times, dtype=np.int64),
        value=np.array(values),
        quality=np.zeros(len(ids), dtype=np.int32),
        conflict=np.zeros(len(ids), dtype=np.bool_),
    )


@pytest.fixture(scope="module")
def plant(real_data: Path) -> Plant:
    with (real_data / "wwtp_effluent_1990_daily.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    edges = level_edges(JAKARTA, BASE_S, Level.DAY, _midnight("1990-01-01"), _midnight("1991-01-01"))
    registry = _registry(int(edges[0]))
    table = ChannelTable.of(registry)
    ranges = Ranges.whole(table.channel_id, int(edges[0]), int(edges[-1]))
    readings = _readings(rows, np.array([_midnight(row["date"]) for row in rows]))
    return Plant(registry=registry, base=interval_amounts(table, readings, ranges, JAKARTA, BASE_S), rows=rows)


@pytest.mark.parametrize("pollutant", list(LIMITS))
@pytest.mark.parametrize("month", ["01", "06", "12"])
def test_the_mean_concentration_of_a_month_is_weighted_by_flow(plant: Plant, pollutant: str, month: str) -> None:
    row = plant.figure(f"fwmc_{pollutant}", Level.MONTH, f"1990-{month}-10")

    assert row.measured == pytest.approx(mean_concentration(plant.days(pollutant, "out", month)), rel=1e-9)
    assert (row.reason, np.isnan(row.value)) == (NullReason.INSUFFICIENT_DATA, True)  # no month has 90 % of its days


def test_the_mean_concentration_of_one_day_is_that_of_the_file(plant: Plant) -> None:
    row = plant.figure("fwmc_cod", Level.DAY, "1990-01-03")

    assert row.value == pytest.approx(146.0)  # the file's cod_out of 3 January; of one day, whatever flowed
    assert row.terms[:2].tolist() == pytest.approx([146.0 * 34535 / 1000, 34535.0])


@pytest.mark.parametrize("pollutant", list(LIMITS))
@pytest.mark.parametrize("month", ["03", "11"])
def test_the_plant_removes_what_comes_less_what_leaves(plant: Plant, pollutant: str, month: str) -> None:
    days = list(zip(plant.days(pollutant, "in", month), plant.days(pollutant, "out", month), strict=True))

    row = plant.figure(f"removal_{pollutant}", Level.MONTH, f"1990-{month}-10")

    assert row.measured == pytest.approx(removed(days), rel=1e-9)


def test_a_day_of_removal_is_what_the_file_itself_states(plant: Plant) -> None:
    row = plant.figure("removal_cod", Level.DAY, "1990-01-03")

    assert row.value == pytest.approx(1 - 146 / 518)  # 0.718; the file says 71.8 %


@pytest.mark.parametrize(("pollutant", "days"), [("bod", 3), ("cod", 80), ("tss", 1)])
def test_the_time_above_a_limit_in_a_year(plant: Plant, pollutant: str, days: int) -> None:
    row = plant.figure(f"time_above_{pollutant}", Level.YEAR)

    # Days with a value less days within the limit, as domain facts have them: 278 - 275, 290 - 210, 297 - 296.
    assert row.measured == pytest.approx(24.0 * days)
    assert row.measured == pytest.approx(hours_above(plant.days(pollutant, "out"), LIMITS[pollutant], 24.0))


@pytest.mark.parametrize("pollutant", list(LIMITS))
def test_the_load_beyond_a_limit_in_a_year(plant: Plant, pollutant: str) -> None:
    row = plant.figure(f"excess_load_{pollutant}", Level.YEAR)

    assert row.measured == pytest.approx(excess_load(plant.days(pollutant, "out"), LIMITS[pollutant]), rel=1e-9)


def test_the_treated_share_counts_days_that_are_within_every_limit(plant: Plant) -> None:
    treated = generated = 0.0
    for place, day in enumerate(plant.rows):
        if not day["flow_in"]:
            continue
        means = {pollutant: plant.days(pollutant, "out")[place].concentration for pollutant in LIMITS}
        within = all(mean is not None and mean <= LIMITS[pollutant] for pollutant, mean in means.items())
        generated += float(day["flow_in"])
        treated += float(day["flow_in"]) if within else 0.0

    row = plant.figure("treated_share", Level.YEAR)

    assert row.measured == pytest.approx(treated / generated, rel=1e-9)


def test_a_day_without_its_concentration_is_never_ok(plant: Plant) -> None:
    date = next(row["date"] for row in plant.rows if row["flow_in"] and not row["cod_out"])

    compliance = plant.figure("compliance_cod", Level.DAY, date)
    mean = plant.figure("fwmc_cod", Level.DAY, date)

    assert compliance.terms[:3].tolist() == [0.0, 0.0, 1.0]
    assert (compliance.reason, mean.reason) == (NullReason.INSUFFICIENT_DATA, NullReason.INVALID_PAIR)
    assert np.isnan([plant.figure(key, Level.DAY, date).value for key in ("excess_load_cod", "time_above_cod")]).all()
