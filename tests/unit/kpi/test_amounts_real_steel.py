"""A real year of a real plant, as a cumulative register: the worked values of the catalogue."""

import csv
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.frames import AmountFrame, Readings
from domain.time import HOUR_US, Level, parse_instant
from kpi.amounts import interval_amounts
from kpi.fold import fold_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.amount_cases import a_channel

SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture(scope="module")
def steel(real_data: Path) -> AmountFrame:
    with (real_data / "steel_gwangyang_2018_15min.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    times = [parse_instant(rows[0]["interval_start"]), *(parse_instant(row["interval_end"]) for row in rows)]
    index = np.cumsum([0.0, *(float(row["active_energy_kwh"]) for row in rows)])
    count = len(times)
    assert count == 35_041
    readings = Readings(
        channel_id=np.ones(count, dtype=np.int32),
        ts_us=np.array(times, dtype=np.int64),
        value=np.round(index, 2),
        quality=np.zeros(count, dtype=np.int32),
        conflict=np.zeros(count, dtype=np.bool_),
    )
    table = ChannelTable.of_channels([a_channel(resolution=0.01, max_rate=2000.0, valid_from_us=times[0])])
    ranges = Ranges.whole(np.array([1], dtype=np.int32), times[0], times[-1] + HOUR_US)
    return interval_amounts(table, readings, ranges, SEOUL, 900)


def test_the_year_adds_up(steel: AmountFrame) -> None:
    days = fold_amounts(fold_amounts(steel, Level.HOUR, SEOUL, 900), Level.DAY, SEOUL, 900)
    year = fold_amounts(days, Level.YEAR, SEOUL, 900)

    assert len(days) == 366
    assert year.amount[0] == pytest.approx(959_636.71, abs=1e-6)
    assert year.measured_s[0] == 365 * 86400.0


def test_the_peak_has_its_time(steel: AmountFrame) -> None:
    days = fold_amounts(steel, Level.DAY, SEOUL, 900)
    year = fold_amounts(days, Level.YEAR, SEOUL, 900)

    assert year.peak[0] == pytest.approx(628.72, abs=1e-6)
    assert year.peak_at_us[0] == parse_instant("2018-11-22T09:30:00+09:00")


def test_every_interval_was_read_once_and_nothing_is_flagged(steel: AmountFrame) -> None:
    assert len(steel) == 35_041
    assert (steel.slots == 1).all()
    assert not steel.flags.any()
