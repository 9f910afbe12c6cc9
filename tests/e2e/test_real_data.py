"""A year of real meter data: published over MQTT, read back from the API, against independent sums."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.parkfile import ParkFile
from service.embedded import PrivateBroker
from tests.support.installation import PROJECT, Installation, installation
from tests.support.parks import districts, steelworks, treatment_plant

TIGHT = 1e-9


@pytest.fixture
def whole(tmp_path: Path, kawasan_url: str, mosquitto: PrivateBroker) -> Iterator[Installation]:
    with installation(tmp_path, kawasan_url, mosquitto) as started:
        yield started


def replayed(whole: Installation, park: ParkFile, file: Path, mapping: str, readings: int) -> str:
    """Apply the park, replay the file over MQTT, wait until all is computed; an operator's token."""
    whole.run("migrate")
    whole.apply(park)
    whole.start_all()
    whole.run("replay", str(file), "--mapping", str(PROJECT / "deploy" / "mappings" / mapping))
    whole.until_computed(readings)
    return whole.token("operator", "operator", parks=(park.park.key,))


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def by_period(values: list[Any]) -> dict[str, Any]:
    return {one["start"][:10]: one for one in values}


def test_a_year_of_real_electricity(whole: Installation, real_data: Path) -> None:
    file = real_data / "steel_gwangyang_2018_15min.csv"
    rows = rows_of(file)
    kwh: dict[str, float] = defaultdict(float)
    kvarh: dict[str, float] = defaultdict(float)
    peak: dict[str, float] = defaultdict(float)
    for row in rows:
        day = row["interval_start"][:10]
        for period in (f"day {day}", f"month {day[:7]}-01"):
            kwh[period] += float(row["active_energy_kwh"])
            kvarh[period] += float(row["reactive_lagging_kvarh"])
            peak[period] = max(peak[period], float(row["active_energy_kwh"]) * 4)

    token = replayed(whole, steelworks(), file, "steel.toml", 3 * 35_041)

    start, stop = "2018-01-01T00:00:00+09:00", "2019-01-01T00:00:00+09:00"
    subject = "park:steelworks"
    (energy,) = whole.values(token, "electricity", subject, "year", start, stop)
    assert energy["value"] == pytest.approx(959_636.71, abs=0.005)
    assert energy["measured"] == pytest.approx(959_636.71, abs=0.005)
    assert (energy["profile_coverage"], energy["total_coverage"], energy["reason"]) == (1.0, 1.0, None)
    (demand,) = whole.values(token, "demand_peak", subject, "year", start, stop)
    assert demand["value"] == pytest.approx(628.72, abs=1e-6)
    assert datetime.fromisoformat(demand["peak_at"]) == datetime.fromisoformat("2018-11-22T09:30:00+09:00")
    (load,) = whole.values(token, "load_factor", subject, "year", start, stop)
    assert load["value"] == pytest.approx(0.174239, abs=5e-7)
    (factor,) = whole.values(token, "power_factor", subject, "year", start, stop)
    assert factor["value"] == pytest.approx(0.902937, abs=5e-7)
    for level, periods in (("day", 365), ("month", 12)):
        for one_subject in (subject, "tenant:steelworks/steel", "meter:steelworks/steel/main"):
            found = by_period(whole.values(token, "electricity", one_subject, level, start, stop))
            assert len(found) == periods
            assert {day: one["value"] for day, one in found.items()} == pytest.approx(
                {day: kwh[f"{level} {day}"] for day in found}, rel=TIGHT, abs=1e-6
            )
        peaks = by_period(whole.values(token, "demand_peak", subject, level, start, stop))
        assert {day: one["value"] for day, one in peaks.items()} == pytest.approx(
            {day: peak[f"{level} {day}"] for day in peaks}, rel=1e-6, abs=1e-6
        )
        factors = by_period(whole.values(token, "power_factor", subject, level, start, stop))
        assert {day: one["value"] for day, one in factors.items()} == pytest.approx(
            {day: lagging(kwh[f"{level} {day}"], kvarh[f"{level} {day}"]) for day in factors}, rel=1e-7
        )


def lagging(kwh: float, kvarh: float) -> float:
    """The power factor of an energy and a lagging reactive energy."""
    return kwh / math.hypot(kwh, kvarh)


def test_a_year_of_real_effluent(whole: Installation, real_data: Path) -> None:
    file = real_data / "wwtp_effluent_1990_daily.csv"
    rows = rows_of(file)
    columns = {"bod": "bod_out", "cod": "cod_out", "tss": "ss_out"}
    daily: dict[str, dict[str, float]] = {key: {} for key in columns}
    monthly: dict[str, dict[str, float]] = {key: defaultdict(float) for key in columns}
    for row in rows:
        for key, column in columns.items():
            if row[column] and row["flow_in"]:
                load = float(row[column]) * float(row["flow_in"]) * 1e-3
                daily[key][row["date"]] = load
                monthly[key][row["date"][:7] + "-01"] += load
    names = ("flow_in", "bod_out", "cod_out", "ss_out", "ph_out")
    readings = sum(bool(row[name]) for row in rows for name in names)

    token = replayed(whole, treatment_plant(), file, "treatment-plant.toml", readings)

    start, stop = "1990-01-01T00:00:00+01:00", "1991-01-01T00:00:00+01:00"
    for key in columns:
        for level, wanted in (("day", daily[key]), ("month", monthly[key])):
            for subject in ("park:plant", "meter:plant/_park/outlet"):
                found = by_period(whole.values(token, f"load_{key}", subject, level, start, stop))
                measured = {period: one["measured"] for period, one in found.items() if one["measured"] is not None}
                assert measured == pytest.approx(wanted, rel=TIGHT)
    compliant = {"bod": (275, 278), "cod": (210, 290), "ss": (296, 297), "ph": (299, 299)}
    for rule, (ok, judged) in compliant.items():
        days = whole.values(token, f"compliance_{rule}", "park:plant", "day", start, stop)
        seen = [one["value"] for one in days if one["value"] is not None]
        assert (sum(seen), len(seen)) == (ok, judged)
        (year,) = whole.values(token, f"compliance_{rule}", "park:plant", "year", start, stop)
        assert year["value"] == pytest.approx(ok / judged, rel=1e-12)


def test_a_year_of_real_water_with_real_gaps(whole: Installation, real_data: Path) -> None:
    file = real_data / "water_dma_inflow_2022_hourly.csv"
    rows = rows_of(file)
    districts_of = {f"dma-{number}": f"dma_{number}_inflow_lps" for number in ("01", "03", "05", "07", "09")}
    volume: dict[str, dict[str, float]] = {key: defaultdict(float) for key in districts_of}
    hours: dict[str, dict[str, int]] = {key: defaultdict(int) for key in districts_of}
    for row in rows:
        day = row["time_local"][:10]
        for key, column in districts_of.items():
            if row[column]:
                for period in (day, day[:7] + "-01#"):
                    volume[key][period] += float(row[column]) * 3.6
                    hours[key][period] += 1
    readings = sum(bool(row[column]) for row in rows for column in districts_of.values())

    token = replayed(whole, districts(), file, "district-water.toml", readings)

    rome = ZoneInfo("Europe/Rome")
    for key in districts_of:
        subject = f"tenant:districts/{key}"
        start, stop = "2022-01-01T00:00:00+01:00", "2023-01-01T00:00:00+01:00"
        days = by_period(whole.values(token, "water_intake", subject, "day", start, stop))
        assert len(days) == 365
        for day, one in days.items():
            assert (one["measured"] or 0.0) == pytest.approx(volume[key][day], rel=TIGHT, abs=1e-9)
            length = _hours_in(date.fromisoformat(day), rome)
            assert one["profile_coverage"] == pytest.approx(hours[key][day] / length, abs=1e-12)
        months = by_period(whole.values(token, "water_intake", subject, "month", start, stop))
        assert {day: one["measured"] for day, one in months.items()} == pytest.approx(
            {day: volume[key][f"{day}#"] for day in months}, rel=TIGHT
        )


def _hours_in(day: date, zone: ZoneInfo) -> float:
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    after = day + timedelta(days=1)
    stop = datetime(after.year, after.month, after.day, tzinfo=zone)
    return (stop.timestamp() - start.timestamp()) / 3600
