"""When rules are looked at: by the local clock and calendar."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.alarms import Schedule
from domain.references import Holidays, Origin
from domain.time import parse_instant
from kpi.schedules import LocalClock, scheduled

JAKARTA, ROME = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Rome")
FESTIVE = Holidays(
    origin=Origin(id=1, key="national", valid_from_us=0, valid_to_us=None, source="test", confirmed=True),
    dates=frozenset({date(2026, 3, 19)}),
)


def looked_at(schedule: Schedule, *moments: str, zone: ZoneInfo = JAKARTA) -> list[bool]:
    """Whether a rule is looked at, at local times."""
    instants = np.array(
        [parse_instant(datetime.fromisoformat(one).replace(tzinfo=zone).isoformat()) for one in moments]
    )
    found: list[bool] = scheduled(LocalClock.at(zone, (FESTIVE,), instants), schedule).tolist()
    return found


def test_without_words_a_rule_is_always_looked_at() -> None:
    assert looked_at(Schedule(), "2026-03-16T00:00", "2026-03-19T12:00", "2026-03-22T23:59") == [True] * 3


def test_hours_begin_at_their_first_minute_and_exclude_their_last() -> None:
    office = Schedule(from_minute=8 * 60, to_minute=17 * 60)

    assert looked_at(office, "2026-03-16T07:59", "2026-03-16T08:00", "2026-03-16T16:59", "2026-03-16T17:00") == [
        False,
        True,
        True,
        False,
    ]


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    # 2026-03-20 is a Friday.
    friday = Schedule(days=(4,), from_minute=22 * 60, to_minute=6 * 60)
    moments = ("2026-03-20T05:00", "2026-03-20T21:59", "2026-03-20T22:00", "2026-03-21T05:59", "2026-03-21T06:00")

    assert looked_at(friday, *moments) == [False, False, True, True, False]


def test_holidays_are_left_out_where_the_rule_says_so() -> None:
    working = Schedule(days=(0, 1, 2, 3, 4), on_holidays=False)
    night = Schedule(from_minute=22 * 60, to_minute=6 * 60, on_holidays=False)

    assert looked_at(working, "2026-03-18T12:00", "2026-03-19T12:00", "2026-03-21T12:00") == [True, False, False]
    # The night that begins on the holiday is part of it, the one that ends on it is not.
    assert looked_at(night, "2026-03-19T05:00", "2026-03-19T23:00", "2026-03-20T05:00") == [True, False, False]


@pytest.mark.parametrize(("moment", "expected"), [("2026-03-29T01:30", False), ("2026-03-29T03:30", True)])
def test_the_local_clock_decides_on_days_on_which_clocks_change(moment: str, expected: bool) -> None:
    assert looked_at(Schedule(from_minute=3 * 60, to_minute=4 * 60), moment, zone=ROME) == [expected]
