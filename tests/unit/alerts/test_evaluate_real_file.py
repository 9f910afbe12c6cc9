"""A year of a treatment plant's outlet: the episodes of some limits against pandas over the days of the file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # it ships no types
import pytest

from alerts.evaluate import evaluate
from domain.alarms import OPEN_US, EpisodeFrame, SampleFrame, Status
from domain.time import DAY_US
from tests.support.alarm_cases import table_of
from tests.support.alarm_reference import Limits

FILE = "wwtp_effluent_1990_daily.csv"


@dataclass(frozen=True, kw_only=True)
class Limit:
    column: str
    highest: float
    lowest: float = float("-inf")
    deadband: float = 0.0
    merge_days: int = 0


COD = Limit(column="cod_out", highest=100.0, deadband=5.0, merge_days=2)
CASES = [
    COD,
    Limit(column="cod_out", highest=100.0),
    Limit(column="bod_out", highest=25.0, deadband=2.0, merge_days=4),
    Limit(column="ss_out", highest=30.0, merge_days=1),
    Limit(column="ph_out", highest=7.9, lowest=7.4, deadband=0.1, merge_days=3),
]


@pytest.fixture(scope="module")
def days(real_data: Path) -> pd.DataFrame:
    """The outlet on every day from the first to the last of the file; NaN where the day or the value is absent."""
    rows = pd.read_csv(real_data / FILE, parse_dates=["date"]).set_index("date")
    return rows.reindex(pd.date_range("1990-01-01", "1990-12-30"))


def excess_of(days: pd.DataFrame, limit: Limit) -> pd.Series:
    """Load above the limit of each day. [kg]"""
    return (days[limit.column] - limit.highest).clip(lower=0) * days["flow_in"] / 1000


def frame_of_days(days: pd.DataFrame, limit: Limit) -> SampleFrame:
    start_us = days.index.as_unit("us").astype(np.int64).to_numpy()
    value, count = days[limit.column].to_numpy(), len(days)
    return SampleFrame(
        watch=np.zeros(count, dtype=np.int32),
        start_us=start_us,
        stop_us=start_us + DAY_US,
        at_us=start_us + DAY_US,
        least=value,
        greatest=value,
        lowest=np.full(count, limit.lowest),
        highest=np.full(count, limit.highest),
        status=np.where(np.isnan(value), Status.MISSING, Status.VALID).astype(np.int8),
        known_s=np.where(np.isnan(value), 0.0, 86400.0),
        excess_kg=excess_of(days, limit).to_numpy(),
        final=np.ones(count, dtype=np.bool_),
    )


def found_in(days: pd.DataFrame, limit: Limit) -> EpisodeFrame:
    rule = Limits(deadband=limit.deadband, merge_gap_s=limit.merge_days * 86400)
    return evaluate(table_of(rule), frame_of_days(days, limit)).episodes


def expected_in(days: pd.DataFrame, limit: Limit) -> list[dict[str, Any]]:
    """Episodes by pandas: labelled days, groups of them, groups of groups."""
    value = days[limit.column]
    beyond = (value > limit.highest) | (value < limit.lowest)
    inside = (value <= limit.highest - limit.deadband) & (value >= limit.lowest + limit.deadband)
    active = pd.Series(np.where(beyond, 1.0, np.where(inside, 0.0, np.nan)), index=days.index).ffill().fillna(0) == 1
    stretches = []
    for _, group in days[active].groupby((~active).cumsum()[active]):
        out = group.index[beyond[group.index]]
        after = days.index[days.index > group.index[-1]]
        stretches.append((out[0], out[-1], after[0] if len(after) else None))
    joined: list[tuple[pd.Timestamp, pd.Timestamp, pd.Timestamp | None]] = []
    for first, last, cleared in stretches:
        if joined and (first - joined[-1][1]).days - 1 <= limit.merge_days:
            joined[-1] = (joined[-1][0], last, cleared)
        else:
            joined.append((first, last, cleared))
    episodes = []
    for first, last, cleared in joined:
        span = value[first:last]
        furthest = pd.concat([span - limit.highest, limit.lowest - span], axis=1).max(axis=1).idxmax()
        episodes.append(
            {
                "start": first,
                "stop": last + pd.Timedelta(days=1),
                "cleared": None if cleared is None else cleared + pd.Timedelta(days=1),
                "peak": value[furthest],
                "peak_at": furthest + pd.Timedelta(days=1),
                "mean": span.mean(),
                "beyond_days": int(beyond[first:last].sum()),
                "excess": excess_of(days, limit)[first:last].sum(),
                "valid": int(span.notna().sum()),
                "missing": int(span.isna().sum()),
            }
        )
    return episodes


def moment(at_us: int) -> pd.Timestamp | None:
    return None if at_us == OPEN_US else pd.Timestamp(at_us, unit="us")


@pytest.mark.parametrize("limit", CASES, ids=lambda one: f"{one.column}-{one.highest:g}-{one.merge_days}d")
def test_episodes_of_a_limit_are_those_that_pandas_finds(days: pd.DataFrame, limit: Limit) -> None:
    found, expected = found_in(days, limit), expected_in(days, limit)

    assert len(expected) > 3
    for column, name in (
        ("start_us", "start"),
        ("stop_us", "stop"),
        ("cleared_us", "cleared"),
        ("peak_at_us", "peak_at"),
    ):
        assert [moment(one) for one in getattr(found, column).tolist()] == [one[name] for one in expected], name
    for column, name in (("peak", "peak"), ("mean", "mean"), ("excess_kg", "excess")):
        assert getattr(found, column).tolist() == pytest.approx([one[name] for one in expected], rel=1e-12), name
    assert (found.beyond_s / 86400).tolist() == [one["beyond_days"] for one in expected]
    assert found.valid.tolist() == [one["valid"] for one in expected]
    assert found.missing.tolist() == [one["missing"] for one in expected]


def test_the_first_episode_of_the_year_by_hand(days: pd.DataFrame) -> None:
    found = found_in(days, COD)

    # 3 to 11 January, without the 5th and 6th; the 12th has 92 mg/L.
    first = {name: getattr(found, name)[0] for name in EpisodeFrame.__slots__}
    times = [moment(int(first[name])) for name in ("start_us", "stop_us", "cleared_us")]
    assert times == [pd.Timestamp(day) for day in ("1990-01-03", "1990-01-12", "1990-01-13")]
    assert (first["peak"], first["bound"], first["valid"], first["missing"]) == (146, 100, 7, 2)
    assert first["beyond_s"] == 7 * 86400
    assert first["mean"] == pytest.approx((146 + 105 + 122 + 106 + 136 + 101 + 108) / 7)
    out = ((46, 34535), (5, 32527), (22, 27760), (6, 36281), (36, 38055), (1, 34064), (8, 31447))
    assert first["excess_kg"] == pytest.approx(sum(above * flow for above, flow in out) / 1000)


def test_the_year_has_thirty_episodes_and_not_one_for_each_day_beyond(days: pd.DataFrame) -> None:
    found = found_in(days, COD)

    assert (len(found), int((days["cod_out"] > 100).sum())) == (30, 80)
    assert found.peak.max() == 350
