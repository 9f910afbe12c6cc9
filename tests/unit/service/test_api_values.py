"""How rows become answers: no NaN, no gaps left out, ranges that are half-open and bounded."""

import json
from typing import Any

import numpy as np
import pytest

from domain.frames import KpiFrame, NullReason
from domain.quality import Flag, Quality
from domain.time import Level, parse_instant
from service.api.problem import Problem
from service.api.ranges import Span, periods
from service.api.subjects import park_of
from service.api.values import KpiColumns, flag_words, kpi_values, number, quality_words
from tests.support.small_parks import JAKARTA, a_park

FLOATS = ("measured", "value", "estimate", "error", "profile_coverage", "total_coverage", "estimated_share")


def instant(text: str) -> int:
    return parse_instant(f"{text}+07:00")


def columns(starts: list[int], **changes: list[Any]) -> KpiColumns:
    n = len(starts)
    floats = {name: np.array(changes.get(name, [1.5] * n), dtype=np.float64) for name in FLOATS}
    frame = KpiFrame(
        level=Level.DAY,
        kpi=np.array(["electricity"] * n, dtype=np.str_),
        subject_kind=np.zeros(n, dtype=np.int16),
        subject_id=np.ones(n, dtype=np.int32),
        start_us=np.array(starts, dtype=np.int64),
        terms=np.full((n, 6), np.nan),
        peak_at_us=np.array(changes.get("peak_at_us", [0] * n), dtype=np.int64),
        reason=np.array(changes.get("reason", [0] * n), dtype=np.int16),
        flags=np.array(changes.get("flags", [0] * n), dtype=np.int32),
        **floats,
    )
    return KpiColumns(
        frame=frame, revision=np.full(n, 2, dtype=np.int32), computed_at_us=np.full(n, instant("2026-03-09T00:00:00"))
    )


def edges(start: str, stop: str) -> Any:
    return periods(a_park(), Level.DAY, Span(start_us=instant(start), stop_us=instant(stop)))


def test_nan_becomes_null() -> None:
    assert (number(np.nan), number(0.0)) == (None, 0.0)


def test_masks_become_words() -> None:
    assert flag_words(int(Flag.ROLLOVER | Flag.ESTIMATED)) == ["rollover", "estimated"]
    assert quality_words(int(Quality.FAULT)) == ["fault"]
    assert flag_words(0) == []


def test_an_interval_without_a_row_is_null_with_its_reason_between_those_that_have_one() -> None:
    asked = edges("2026-03-01T00:00:00", "2026-03-04T00:00:00")
    rows = columns([int(asked[0]), int(asked[2])])

    answered = list(
        kpi_values(
            rows, asked, unit="kWh", zone=JAKARTA, ticked_us=instant("2026-04-01T00:00:00"),
            absent=NullReason.INSUFFICIENT_DATA,
        )
    )  # fmt: skip

    assert [value.value for value in answered] == [1.5, None, 1.5]
    assert [value.reason for value in answered] == [None, "insufficient_data", None]
    assert (answered[1].total_coverage, answered[1].profile_coverage) == (0.0, 0.0)
    assert [value.start.isoformat() for value in answered] == [f"2026-03-0{day}T00:00:00+07:00" for day in (1, 2, 3)]
    assert all(value.unit == "kWh" for value in answered)


def test_no_coverage_is_claimed_of_what_is_yet_to_come() -> None:
    asked = edges("2026-03-01T00:00:00", "2026-03-02T00:00:00")

    (answered,) = kpi_values(
        columns([]), asked, unit="kWh", zone=JAKARTA, ticked_us=int(asked[0]), absent=NullReason.INSUFFICIENT_DATA
    )

    assert answered.total_coverage is None


def test_a_value_that_is_held_back_keeps_what_was_measured_and_says_why() -> None:
    asked = edges("2026-03-01T00:00:00", "2026-03-02T00:00:00")
    rows = columns([int(asked[0])], value=[np.nan], reason=[int(NullReason.INSUFFICIENT_DATA)], error=[np.nan])

    (answered,) = kpi_values(
        rows, asked, unit="kWh", zone=JAKARTA, ticked_us=int(asked[1]), absent=NullReason.NOT_CONFIGURED
    )

    assert (answered.value, answered.measured, answered.reason) == (None, 1.5, "insufficient_data")
    assert json.loads(answered.model_dump_json())["error"] is None


def test_intervals_are_those_that_begin_inside_the_range() -> None:
    assert len(edges("2026-03-01T00:00:00", "2026-03-03T00:00:00")) == 3
    assert len(edges("2026-03-01T00:00:01", "2026-03-03T00:00:00")) == 2
    assert len(edges("2026-03-01T00:00:01", "2026-03-01T12:00:00")) == 1


def test_ranges_that_follow_each_other_hold_each_interval_once() -> None:
    cut = "2026-03-04T07:31:00"

    first, second = edges("2026-03-01T00:00:00", cut), edges(cut, "2026-03-08T00:00:00")

    whole = edges("2026-03-01T00:00:00", "2026-03-08T00:00:00")
    assert [*first[:-1], *second[:-1]] == list(whole[:-1])


def test_more_intervals_than_an_answer_may_hold_are_refused() -> None:
    span = Span(start_us=instant("2026-01-01T00:00:00"), stop_us=instant("2026-12-31T00:00:00"))

    with pytest.raises(Problem, match="more than 10000 intervals of level base"):
        periods(a_park(), Level.BASE, span)


@pytest.mark.parametrize("subject", ["", "park", "park:a/b", "tenant:a", "meter:a/b", "firm:a"])
def test_what_does_not_name_a_subject_is_refused_with_what_would(subject: str) -> None:
    with pytest.raises(Problem, match="write park:KEY, tenant:PARK/TENANT or meter:PARK/TENANT/METER"):
        park_of(subject)
