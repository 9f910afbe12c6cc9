"""Verdicts of single samples, and the columns of watches."""

from dataclasses import replace

import numpy as np
import pytest

from alerts.conditions import Memory, Verdict, WatchTable, verdicts
from domain.alarms import Category, Phase, Severity, Signal, Source, Status, Watch
from domain.errors import InputError
from tests.support.alarm_cases import INF, frame_of, reading, readings, table_of
from tests.support.alarm_reference import Limits, Sample

WATCH = Watch(
    rule_id=1,
    alarm_id=1,
    rule="cod_high",
    target="park/_park/wwtp_outlet/cod",
    name="COD",
    category=Category.EXCEEDANCE,
    severity=Severity.HIGH,
    source=Source(signal=Signal.VALUE, channel_id=1),
    unit="mg/L",
)


def verdict_of(*samples: Sample, deadband: float = 0.0) -> list[str]:
    return [Verdict(code).key for code in verdicts(table_of(Limits(deadband=deadband)), frame_of(samples))]


def test_on_the_limit_is_not_beyond_it() -> None:
    assert verdict_of(reading(0, 100.0), reading(2, np.nextafter(100.0, INF))) == ["clear", "beyond"]


def test_a_deadband_moves_where_it_clears_and_never_where_it_is_raised() -> None:
    values = (100.5, 100.0, 95.1, 95.0, 94.9)

    assert verdict_of(*readings(*values), deadband=5.0) == ["beyond", "between", "between", "clear", "clear"]


def test_a_lower_limit_clears_above_it() -> None:
    below = [replace(one, lowest=6.0, highest=INF) for one in readings(5.9, 6.0, 6.4, 6.5)]

    assert verdict_of(*below, deadband=0.5) == ["beyond", "between", "between", "clear"]


def test_of_a_range_both_ends_must_be_inside() -> None:
    def day(least: float, greatest: float) -> Sample:
        return reading(0, 0.0, least=least, greatest=greatest, lowest=6.0, highest=9.0)

    assert verdict_of(day(6.0, 9.0)) == ["clear"]
    assert verdict_of(day(5.9, 9.0)) == ["beyond"]
    assert verdict_of(day(6.0, 9.1)) == ["beyond"]
    assert verdict_of(day(6.1, 8.0), deadband=0.2) == ["between"]


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.VALID])
def test_what_does_not_count_is_unknown_however_high_it_is(status: Status) -> None:
    assert verdict_of(reading(0, 500.0, status=status)) == ["unknown"]


def test_a_sample_that_counts_but_has_no_value_is_unknown() -> None:
    half = reading(0, 500.0, least=float("nan"))

    assert verdict_of(reading(0, float("nan")), replace(half, at_us=half.at_us + 1)) == ["unknown", "unknown"]


def test_each_sample_is_held_against_the_bounds_in_force_for_it() -> None:
    assert verdict_of(reading(0, 90.0), reading(2, 90.0, highest=80.0), reading(4, 90.0, highest=INF)) == [
        "clear",
        "beyond",
        "clear",
    ]


def test_a_table_has_a_row_for_each_watch_in_their_order() -> None:
    table = WatchTable.of([WATCH, replace(WATCH, deadband=5.0, on_delay_s=240, off_delay_s=600, merge_gap_s=7200)])

    assert len(table) == 2
    assert [column.tolist() for column in (table.deadband, table.on_delay_s, table.off_delay_s, table.merge_gap_s)] == [
        [0.0, 5.0],
        [0, 240],
        [0, 600],
        [0, 7200],
    ]


@pytest.mark.parametrize("column", ["deadband", "on_delay_s", "off_delay_s", "merge_gap_s"])
def test_a_length_below_zero_is_refused_with_its_alarm(column: str) -> None:
    wrong = replace(WATCH, **{column: -3})  # type: ignore[arg-type]

    with pytest.raises(InputError, match=f"cod_high@park/_park/wwtp_outlet/cod: {column} is -3; .* must be 0 or more"):
        WatchTable.of([WATCH, wrong])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="differ in length"):
        replace(table_of(Limits()), deadband=np.zeros(2))


def test_a_watch_without_a_sample_is_clear() -> None:
    fresh = Memory.fresh(table_of(Limits(), Limits()))

    assert (len(fresh), fresh.phase.tolist(), fresh.pending_us.tolist()) == (2, [Phase.CLEAR] * 2, [0, 0])
