"""Windows of base intervals: the numbers of the compliance KPIs, whatever was measured."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.context import no_context
from domain.frames import AmountFrame
from domain.quality import Flag
from domain.registry import ComplianceRule, Registry, RuleStatistic, RuleWindow
from domain.time import DAY_US, SECOND_US, Level, level_edges
from kpi.amountwindows import Intervals, amount_windows, interval_excess, intervals_of
from kpi.block import ROUNDING_S
from kpi.compliance import judge, rule_rows, window_level
from kpi.laying import lay
from kpi.scene import Scene
from kpi.tree import Tree
from kpi.windows import Windows, clock_windows, rolling_windows
from tests.support.small_parks import (
    BEGIN_US,
    a_channel,
    a_meter,
    a_meter_subject,
    a_park,
    a_registry,
    a_rule,
    amounts,
    figure,
    together,
)

CELLS = 2 * 96
STATISTICS = (RuleStatistic.MEAN, RuleStatistic.MIN, RuleStatistic.MAX, RuleStatistic.RANGE, RuleStatistic.P95)


def outlet(rule: ComplianceRule) -> Registry:
    channels = [a_channel(1, 1, "cod"), a_channel(2, 1, "effluent_volume")]
    return a_registry([a_meter(1, 1, role="outlet")], channels, park=a_park(), rules=(rule,))


def drawn_amounts(seed: int) -> AmountFrame:
    """Two days of a concentration and a volume, with parts that were not measured, estimated, or are not there."""
    dice = np.random.default_rng(seed)
    mean = dice.choice([40.0, 80.0, 99.9, 100.0, 100.1, 130.0], CELLS)
    measured = dice.choice([0.0, 300.0, 900.0, 900.0, 900.0], CELLS)
    nothing = measured == 0
    held: dict[str, Any] = {
        "mean": np.where(nothing, np.nan, mean),
        "low": np.where(nothing, np.nan, mean - dice.choice([0.0, 5.0], CELLS)),
        "high": np.where(nothing, np.nan, mean + dice.choice([0.0, 5.0], CELLS)),
        "measured_s": measured,
    }
    spread = dice.random(CELLS) < 0.1
    volume = np.where(dice.random(CELLS) < 0.2, 0.0, dice.uniform(1.0, 9.0, CELLS))
    passed: dict[str, Any] = {
        "measured_s": np.where(spread, 0.0, dice.choice([450.0, 900.0, 900.0], CELLS)),
        "estimated": np.where(spread, volume, 0.0),
        "flags": np.where(spread, int(Flag.ESTIMATED), 0),
    }
    frame = together(amounts(1, BEGIN_US, np.full(CELLS, np.nan), **held), amounts(2, BEGIN_US, volume, **passed))
    kept = dice.random(len(frame)) < 0.9
    columns = {name: getattr(frame, name)[kept] for name in AmountFrame.__slots__ if name != "level"}
    return AmountFrame(level=frame.level, **columns)


def base_edges(registry: Registry, days: int = 2) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    park = registry.park
    return level_edges(park.zone, park.base_s, Level.BASE, BEGIN_US, BEGIN_US + days * DAY_US)


def intervals(registry: Registry, frame: AmountFrame, channel: int, flow: int = -1) -> Intervals:
    ids, flows = np.array([channel], dtype=np.int32), np.array([flow], dtype=np.int32)
    return intervals_of(frame, base_edges(registry), ids, flows)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    statistic=st.sampled_from([*STATISTICS, RuleStatistic.FLOW_WEIGHTED_MEAN, RuleStatistic.SUM]),
    window=st.sampled_from([RuleWindow.BASE, RuleWindow.HOUR, RuleWindow.DAY]),
)
def test_windows_are_judged_as_the_compliance_kpis_judge_them(
    seed: int, statistic: RuleStatistic, window: RuleWindow
) -> None:
    channel = 2 if statistic is RuleStatistic.SUM else 1
    highest = 18.0 if statistic is RuleStatistic.SUM else 100.0
    rule = a_rule(1, channel, statistic=statistic, window=window, lowest=5.0, highest=highest, least_valid=0.5)
    registry, frame = outlet(rule), drawn_amounts(seed)
    cells, park = base_edges(registry), registry.park
    scene = Scene(
        registry=registry,
        tree=Tree.of(registry),
        level=Level.DAY,
        subjects=(a_meter_subject(1),),
        frame=frame,
        cells=cells,
        atoms=cells,
        periods=cells,
        ticked_us=int(cells[-1]),
        weights=None,
        context=no_context(),
    )
    rows = rule_rows(registry, scene.tree, np.array([0]))
    judged = judge(scene, lay(scene, rows), rows, window)

    edges = level_edges(park.zone, park.base_s, window_level(window), int(cells[0]), int(cells[-1]))
    windows = clock_windows(edges, edges[:1], edges[-1:] + 1)
    flow = 2 if statistic is RuleStatistic.FLOW_WEIGHTED_MEAN else -1
    made = amount_windows(intervals(registry, frame, channel, flow), windows, np.full(len(windows), statistic.value))

    share = (made.known_s + ROUNDING_S) / ((windows.stop_us - windows.start_us) / SECOND_US)
    valid = (share >= 0.5) & ~np.isnan(made.least) & ~made.idle
    beyond = (made.least < 5.0) | (made.greatest > highest)
    np.testing.assert_array_equal(judged.ok[0], valid & ~beyond)
    np.testing.assert_array_equal(judged.exceeded[0], valid & beyond)
    np.testing.assert_array_equal(judged.invalid[0], ~valid & ~made.idle)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    statistic=st.sampled_from(["mean", "min", "max", "range", "p95", "sum", "flow_weighted_mean"]),
)
def test_a_rolling_window_on_the_clock_is_bit_equal_to_the_clock_window(seed: int, statistic: str) -> None:
    registry, frame = outlet(a_rule(1, 1)), drawn_amounts(seed)
    edges = base_edges(registry)
    known = intervals(registry, frame, 2 if statistic == "sum" else 1, 2 if statistic == "flow_weighted_mean" else -1)
    first, one = np.zeros(1, dtype=np.int64), np.array([4], dtype=np.int64)
    rolling = rolling_windows(edges, first, one, np.array([len(edges)], dtype=np.int64), 4 * 900 * SECOND_US)
    clock = clock_windows(edges[::4], edges[:1], edges[-1:] + 1)

    found = amount_windows(known, rolling, np.full(len(rolling), statistic))
    expected = amount_windows(known, clock, np.full(len(clock), statistic))

    places = np.searchsorted(rolling.stop_us, clock.stop_us)
    for name in ("least", "greatest", "known_s", "idle"):
        np.testing.assert_array_equal(getattr(found, name)[places], getattr(expected, name))


@pytest.mark.parametrize("seed", range(3))
def test_the_excess_load_of_windows_sums_to_that_of_the_kpi(seed: int) -> None:
    registry, frame = outlet(a_rule(1, 1)), drawn_amounts(seed)
    day = base_edges(registry)[:97]
    windows = Windows(group=np.zeros(96, dtype=np.int64), start_us=day[:-1], stop_us=day[1:], added_us=day[:-1])

    made = interval_excess(intervals(registry, frame, 1, 2), windows, np.full(96, 100.0))

    row = figure(registry, "excess_load_cod", a_meter_subject(1), Level.DAY, frame)
    assert np.nansum(made) == pytest.approx(row.terms[0], rel=1e-12)
    assert np.isnan(interval_excess(intervals(registry, frame, 1), windows, np.full(96, 100.0))).all()
    assert np.isnan(interval_excess(intervals(registry, frame, 1, 2), windows, np.full(96, np.inf))).all()


def test_nothing_is_known_of_a_channel_without_amounts() -> None:
    registry = outlet(a_rule(1, 1))
    frame = drawn_amounts(1)
    known = intervals_of(frame, base_edges(registry), np.array([7], dtype=np.int32))
    edges = base_edges(registry)[:2]

    made = amount_windows(known, clock_windows(edges, edges[:1], edges[1:] + 1), np.array(["mean"]))

    assert made.known_s.tolist() == [0.0]
    assert np.isnan(made.least).all()
