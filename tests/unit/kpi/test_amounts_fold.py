"""Amounts of a coarser level from those of a finer one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from domain.errors import InputError
from domain.frames import AmountFrame
from domain.quality import Flag
from domain.time import Level, parse_instant
from kpi.amounts import interval_amounts
from kpi.fold import fold_amounts
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, ROME, Case, drawn_case, readings_of

TEN = parse_instant("2026-06-10T10:00:00+07:00")
NONE = float("nan")


def a_frame(minutes: list[int], level: Level = Level.BASE, channel_id: int = 1, **columns: Any) -> AmountFrame:
    """Rows of one channel, so many minutes after 10:00 in Jakarta; what is not told is empty."""
    count = len(minutes)
    real = {name: np.full(count, NONE) for name in ("amount", "mean", "low", "high", "last", "peak")}
    zero = {name: np.zeros(count) for name in ("measured_s", "estimated", "inner_gap_s", "gap_s")}
    facts: dict[str, Any] = real | zero
    facts |= {"peak_at_us": np.zeros(count, dtype=np.int64), "gap_stop_us": np.zeros(count, dtype=np.int64)}
    facts |= {name: np.zeros(count, dtype=np.int32) for name in ("slots", "received", "unusable", "flags")}
    facts |= {name: np.array(values, dtype=facts[name].dtype) for name, values in columns.items()}
    starts = TEN + np.array(minutes, dtype=np.int64) * MINUTE
    return AmountFrame(level=level, channel_id=np.full(count, channel_id, dtype=np.int32), start_us=starts, **facts)


def hours(frame: AmountFrame) -> AmountFrame:
    return fold_amounts(frame, Level.HOUR, JAKARTA, 900)


def test_sums_leave_out_what_is_unknown_and_are_unknown_where_nothing_is_known() -> None:
    frame = hours(a_frame([0, 15, 60], amount=[1.0, NONE, NONE], measured_s=[900, 0, 0], slots=[1, 1, 1]))

    assert frame.amount[0] == 1.0
    assert np.isnan(frame.amount[1])
    assert frame.measured_s.tolist() == [900.0, 0.0]
    assert frame.slots.tolist() == [2, 1]


def test_means_are_weighted_by_the_time_measured() -> None:
    frame = hours(a_frame([0, 15, 30], mean=[10.0, 40.0, NONE], measured_s=[900, 300, 0]))

    assert frame.mean.tolist() == [17.5]


def test_the_last_value_is_the_last_one_known() -> None:
    frame = hours(a_frame([0, 15, 30], last=[1.0, 2.0, NONE], low=[1.0, 2.0, NONE], high=[1.0, 5.0, NONE]))

    assert (frame.last[0], frame.low[0], frame.high[0]) == (2.0, 1.0, 5.0)


def test_of_equal_peaks_the_first_is_kept() -> None:
    at = [TEN, TEN + 15 * MINUTE, TEN + 30 * MINUTE, 0]

    frame = hours(a_frame([0, 15, 30, 60], peak=[3.0, 7.0, 7.0, NONE], peak_at_us=at))

    assert frame.peak[0] == 7.0
    assert frame.peak_at_us.tolist() == [TEN + 15 * MINUTE, 0]
    assert np.isnan(frame.peak[1])


def test_flags_are_gathered() -> None:
    frame = hours(a_frame([0, 15], flags=[Flag.JITTER, Flag.RESET]))

    assert frame.flags.tolist() == [Flag.JITTER | Flag.RESET]


def test_a_gap_that_ends_inside_is_known_as_a_whole_and_one_that_ends_beyond_is_not() -> None:
    two, ten = 2.5 * 3600.0, 10 * 3600.0
    base = a_frame(
        [0, 300], gap_s=[two, ten], gap_stop_us=[TEN + round(2.5 * HOUR), TEN + 15 * HOUR], estimated=[1.0, 2.0]
    )

    by_hour = hours(base)
    by_day = fold_amounts(by_hour, Level.DAY, JAKARTA, 900)
    by_month = fold_amounts(
        a_frame([0, 14 * 60], Level.DAY, inner_gap_s=[two, 0.0], gap_s=[ten, 0.0], gap_stop_us=[TEN + 15 * HOUR, 0]),
        Level.MONTH,
        JAKARTA,
        900,
    )

    assert by_hour.gap_s.tolist() == [two, ten]
    assert by_hour.inner_gap_s.tolist() == [0.0, 0.0]
    assert (by_day.inner_gap_s[0], by_day.gap_s[0]) == (two, ten)
    assert by_day.gap_stop_us.tolist() == [TEN + 15 * HOUR]
    assert (by_month.inner_gap_s[0], by_month.gap_s[0]) == (two + ten, 0.0)


def test_channels_are_kept_apart_and_weeks_begin_on_monday() -> None:
    one, two = a_frame([0], Level.DAY, amount=[1.0]), a_frame([0], Level.DAY, 2, amount=[2.0])
    names = [name for name in AmountFrame.__dataclass_fields__ if name != "level"]
    both = AmountFrame(
        level=Level.DAY, **{name: np.concatenate([getattr(one, name), getattr(two, name)]) for name in names}
    )

    frame = fold_amounts(both, Level.WEEK, JAKARTA, 900)

    assert frame.channel_id.tolist() == [1, 2]
    assert frame.amount.tolist() == [1.0, 2.0]
    assert set(frame.start_us.tolist()) == {parse_instant("2026-06-08T00:00:00+07:00")}


def test_a_day_of_25_hours_is_one_day() -> None:
    minutes = (np.arange(100) * 15).tolist()
    base = a_frame(minutes, measured_s=[900.0] * 100, amount=[1.0] * 100)
    shift = parse_instant("2026-10-25T00:00:00+02:00") - TEN
    columns = {name: getattr(base, name) for name in AmountFrame.__dataclass_fields__}

    frame = fold_amounts(AmountFrame(**(columns | {"start_us": base.start_us + shift})), Level.DAY, ROME, 900)

    assert frame.measured_s.tolist() == [25 * 3600.0]
    assert frame.amount.tolist() == [100.0]


@pytest.mark.parametrize(
    ("finer", "coarser"), [(Level.HOUR, Level.BASE), (Level.HOUR, Level.MONTH), (Level.DAY, Level.DAY)]
)
def test_a_level_that_cannot_be_made_is_refused(finer: Level, coarser: Level) -> None:
    with pytest.raises(InputError, match="cannot be folded"):
        fold_amounts(a_frame([0], finer), coarser, JAKARTA, 900)


def test_nothing_folds_to_nothing() -> None:
    assert len(hours(a_frame([]))) == 0


@settings(deadline=None, max_examples=60)
@given(case=drawn_case(longest=60))
def test_days_by_the_hour_are_days_at_once(case: Case) -> None:
    base = interval_amounts(case.table, readings_of(case.heard), case.whole(), case.zone, case.base_s)

    by_hour = fold_amounts(fold_amounts(base, Level.HOUR, case.zone, case.base_s), Level.DAY, case.zone, case.base_s)
    at_once = fold_amounts(base, Level.DAY, case.zone, case.base_s)

    for name in AmountFrame.__dataclass_fields__:
        one, two = getattr(by_hour, name), getattr(at_once, name)
        if name in {"amount", "mean", "measured_s", "estimated", "inner_gap_s"}:
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-9)
        else:
            np.testing.assert_array_equal(one, two)
