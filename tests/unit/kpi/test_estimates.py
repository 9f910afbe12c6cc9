"""Long gaps take the course of like days, worked by hand."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from domain.frames import AmountFrame
from domain.quality import Flag
from domain.references import Holidays, Origin
from domain.registry import Channel, Exchange, Kind, Multiplier
from domain.time import from_datetime, parse_instant, to_datetime
from kpi.amounts import interval_amounts
from kpi.estimates import profiled
from kpi.grid import Grid
from kpi.likedays import Measured, day_classes
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.amount_cases import HOUR, JAKARTA, a_channel, readings_of
from tests.support.reference_amounts import Heard

# 2026-06-01 is a Monday.
FIRST = parse_instant("2026-06-01T00:00:00+07:00")
DAY = 24 * HOUR
GRID = Grid(zone=JAKARTA, base_s=3600)
HOURLY = a_channel(interval_s=3600, resolution=0.0, max_rate=1000.0)


def used(hour: int, day: int) -> float:
    """A working day: 10 kWh in each hour, 50 from 10 to 12; a Saturday 20 throughout; a Sunday 5."""
    weekday = day % 7
    if weekday == 6:
        return 5.0
    if weekday == 5:
        return 20.0
    return 50.0 if 10 <= hour < 12 else 10.0


def heard(days: int, *gaps: tuple[int, int, int], changes: Any = used) -> list[Heard]:
    """Hourly readings of some days, without those inside (day, from hour, to hour)."""
    index, found = 0.0, []
    for number in range(days * 24 + 1):
        day, hour = divmod(number, 24)
        if not any(first < number - 24 * at < last for at, first, last in gaps):
            found.append(Heard(channel_id=1, ts=FIRST + number * HOUR, value=index))
        index += changes(hour, day)
    return found


def estimated(channel: Channel, said: list[Heard], holidays: tuple[Holidays, ...] = ()) -> AmountFrame:
    """Base amounts of all that was heard, with nothing stored beside it."""
    table, readings = ChannelTable.of_channels([channel]), readings_of(said)
    ranges = Ranges.whole(np.array([1], dtype=np.int32), FIRST, FIRST + 60 * DAY)
    frame = interval_amounts(table, readings, ranges, JAKARTA, 3600)

    def nothing(_: Ranges) -> Measured:
        empty = np.empty(0, dtype=np.int64)
        return Measured(
            channel_id=np.empty(0, dtype=np.int32), start_us=empty, amount=np.empty(0), measured_s=np.empty(0)
        )

    return profiled(table, GRID, frame, readings, ranges, holidays, nothing)


def between(frame: AmountFrame, day: int, first: int, last: int) -> list[float]:
    begin, end = (FIRST + day * DAY + hour * HOUR for hour in (first, last))
    return [round(one, 9) for one in frame.amount[(frame.start_us >= begin) & (frame.start_us < end)].tolist()]


def is_profile(frame: AmountFrame) -> bool:
    return bool((frame.flags & int(Flag.PROFILE)).any())


def test_a_gap_of_four_hours_takes_the_course_of_the_last_like_days() -> None:
    frame = estimated(HOURLY, heard(5, (4, 8, 12)))

    # 10 + 10 + 50 + 50 = 120 kWh; linear would be 30 kWh an hour.
    assert between(frame, 4, 8, 12) == [10.0, 10.0, 50.0, 50.0]
    inside = (frame.flags & int(Flag.PROFILE)) != 0
    assert inside.sum() == 4
    assert frame.estimated[inside].tolist() == frame.amount[inside].tolist()
    assert frame.measured_s[inside].tolist() == [0.0] * 4


def test_the_total_stays_that_of_the_register_however_like_days_were() -> None:
    def twice(hour: int, day: int) -> float:
        return used(hour, day) * (2.0 if day == 4 else 1.0)

    assert between(estimated(HOURLY, heard(5, (4, 8, 12), changes=twice)), 4, 8, 12) == [20.0, 20.0, 100.0, 100.0]


def test_two_like_days_are_too_few() -> None:
    frame = estimated(HOURLY, heard(5, (4, 8, 12), (1, 8, 12), (2, 8, 12)))

    assert between(frame, 4, 8, 12) == [30.0] * 4
    assert not is_profile(frame)


def test_a_gap_up_to_two_hours_is_linear_and_measured() -> None:
    frame = estimated(HOURLY, heard(5, (4, 9, 11)))

    assert between(frame, 4, 9, 11) == [30.0, 30.0]
    assert not is_profile(frame)


def test_a_saturday_is_held_against_saturdays() -> None:
    frame = estimated(HOURLY, heard(27, (26, 8, 12)))

    # The 26th day after a Monday is a Saturday: three Saturdays lie before it.
    assert between(frame, 26, 8, 12) == [20.0] * 4
    assert is_profile(frame)
    assert not is_profile(estimated(HOURLY, heard(20, (19, 8, 12))))


def test_a_holiday_is_held_against_sundays() -> None:
    day = to_datetime(FIRST).astimezone(JAKARTA).date() + timedelta(days=23)
    origin = Origin(id=1, key="id", valid_from_us=0, valid_to_us=None, source="test", confirmed=True)
    holidays = Holidays(origin=origin, dates=frozenset({day}))
    said = heard(24, (23, 8, 12))

    as_sunday = estimated(HOURLY, said, (holidays,))

    assert between(as_sunday, 23, 8, 12) == [30.0] * 4
    assert is_profile(as_sunday)
    assert between(estimated(HOURLY, said), 23, 8, 12) == [10.0, 10.0, 50.0, 50.0]


def test_each_local_day_of_a_long_gap_has_like_days_of_its_own() -> None:
    # From Friday noon to Sunday 12:00 in the fourth week.
    frame = estimated(HOURLY, heard(28, (25, 12, 60)))

    assert between(frame, 25, 12, 24) == [10.0] * 12
    assert between(frame, 26, 0, 24) == [20.0] * 24
    assert between(frame, 27, 0, 12) == [5.0] * 12


def test_days_after_a_gap_are_never_waited_for() -> None:
    assert not is_profile(estimated(HOURLY, heard(20, (1, 8, 12))))


def test_an_exchange_inside_keeps_a_gap_linear() -> None:
    at = FIRST + 4 * DAY + 9 * HOUR
    said = heard(5, (4, 8, 12))
    before = next(one.value for one in said if one.ts == FIRST + 4 * DAY + 8 * HOUR)
    exchange = Exchange(at_us=at, closing=before + 30.0, opening=before + 30.0)

    frame = estimated(replace(HOURLY, exchanges=(exchange,)), said)

    assert between(frame, 4, 8, 12) == [30.0] * 4


def test_days_before_an_exchange_are_not_like_days() -> None:
    said = heard(9, (8, 8, 12))
    value = {one.ts: one.value for one in said}

    def with_exchange(day: int) -> AmountFrame:
        at = FIRST + day * DAY
        return estimated(replace(HOURLY, exchanges=(Exchange(at_us=at, closing=value[at], opening=value[at]),)), said)

    # Tuesday of the second week: Tuesday to Friday and Monday lie before it.
    assert is_profile(with_exchange(3))
    assert not is_profile(with_exchange(4))


def test_a_change_of_the_multiplier_inside_keeps_a_gap_linear() -> None:
    multipliers = (Multiplier(from_us=FIRST + 4 * DAY + 9 * HOUR, factor=2.0),)

    frame = estimated(replace(HOURLY, multipliers=multipliers), heard(5, (4, 8, 12)))

    assert between(frame, 4, 8, 12) == [30.0, 60.0, 60.0, 60.0]


def test_a_gap_in_which_nothing_was_used_stays_at_nothing() -> None:
    def idle(hour: int, day: int) -> float:
        return 0.0 if day == 4 else used(hour, day)

    assert between(estimated(HOURLY, heard(5, (4, 8, 12), changes=idle)), 4, 8, 12) == [0.0] * 4


def test_like_days_of_nothing_say_nothing() -> None:
    def waking(_: int, day: int) -> float:
        return 8.0 if day == 4 else 0.0

    frame = estimated(HOURLY, heard(5, (4, 8, 12), changes=waking))

    assert between(frame, 4, 8, 12) == [8.0] * 4
    assert not is_profile(frame)


def test_a_meter_read_every_three_hours_has_no_profile() -> None:
    said = [one for one in heard(10) if (one.ts - FIRST) % (3 * HOUR) == 0]

    frame = estimated(replace(HOURLY, interval_s=3 * 3600), said)

    assert (frame.flags[:-1] & int(Flag.ESTIMATED) != 0).all()
    assert not is_profile(frame)


@pytest.mark.parametrize("quantity", ["cod", "ph", "effluent_flow"])
def test_concentrations_and_other_gauges_are_never_estimated(quantity: str) -> None:
    gauge = a_channel(interval_s=3600, quantity=quantity, kind=Kind.GAUGE, max_rate=None)
    said = heard(6, (5, 8, 12))

    frame = estimated(gauge, said)

    begin = FIRST + 5 * DAY + 10 * HOUR
    assert not ((frame.start_us >= begin) & (frame.start_us < begin + 2 * HOUR)).any()
    assert not (frame.flags & int(Flag.ESTIMATED | Flag.PROFILE)).any()
    assert not frame.estimated.any()


def test_classes_of_days() -> None:
    edges = FIRST + np.arange(8) * DAY
    origin = Origin(id=1, key="id", valid_from_us=0, valid_to_us=None, source="test", confirmed=True)
    holidays = Holidays(origin=origin, dates=frozenset({date(2026, 6, 3)}))

    assert day_classes(JAKARTA, (holidays,), edges).tolist() == [0, 0, 2, 0, 0, 1, 2]
    assert from_datetime(to_datetime(FIRST)) == FIRST
