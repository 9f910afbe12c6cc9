"""One worked example per check, and the neighbours that must not fire."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from domain.findings import RULES, FindingFrame, Rule, joined_findings
from domain.frames import AmountFrame, Readings
from domain.quality import Flag, Quality
from domain.references import CheckLimits, Contract, Origin, References
from domain.registry import Channel, Kind, Multiplier, Outage, Registry
from domain.time import Level
from kpi.checks import (
    Day,
    Past,
    day_of,
    families_of,
    gap_findings,
    hierarchy_findings,
    interval_findings,
    month_findings,
    pair_findings,
    reading_findings,
    sheet_of,
    usual_findings,
)
from kpi.rows import empty_amounts
from tests.support.small_parks import BEGIN_US, a_channel, a_meter, a_registry, amounts, at, together

DAY_US = at("02-03 00:00")
NONE = float("nan")
MINUTE = 60_000_000
FLAT = [10.0] * 96


def origin(key: str) -> Origin:
    return Origin(id=1, key=key, valid_from_us=BEGIN_US, valid_to_us=None, source="test", confirmed=True)


def a_park_of(*channels: Channel, limits: dict[str, float] | None = None, **references: Any) -> Registry:
    meters = [a_meter(number, 1) for number in sorted({channel.meter_id for channel in channels})]
    registry = a_registry(meters, list(channels))
    checks = CheckLimits(origin=origin(channels[0].quantity), limits=tuple((limits or {}).items()))
    return replace(registry, references=References(checks=(checks,), **references))


def day_in(registry: Registry) -> Day:
    return day_of(registry, registry.channels, DAY_US)


def found(frame: FindingFrame, rule: Rule) -> list[tuple[Any, ...]]:
    """Channel, start and stop as local clock, value and bound of the findings of one rule."""
    return [
        (
            int(frame.channel_id[row]),
            clock(int(frame.start_us[row])),
            clock(int(frame.stop_us[row])),
            float(frame.value[row]),
            float(frame.bound[row]),
        )
        for row in np.flatnonzero(frame.rule == rule.code)
    ]


def clock(instant_us: int) -> str:
    minutes = (instant_us - DAY_US) // MINUTE
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def checked(registry: Registry, *frames: AmountFrame) -> FindingFrame:
    sheet = sheet_of(day_in(registry), together(*frames) if frames else empty_amounts(Level.BASE))
    return joined_findings(interval_findings(sheet), gap_findings(sheet), pair_findings(sheet))


def day_amounts(values: Any, channel: int = 1, **columns: Any) -> AmountFrame:
    return amounts(channel, DAY_US, values, **columns)


def with_value(place: int, value: float) -> list[float]:
    """A varying day around 10, with one other value."""
    values = [10.0 + (step % 7) / 10 for step in range(96)]
    values[place] = value
    return values


def test_an_interval_more_than_180_percent_above_the_third_greatest_is_a_spike() -> None:
    registry = a_park_of(a_channel(1, 1, "energy_import"))
    values = with_value(40, 42.0)
    values[41] = 12.0

    # Greatest 42.0, second 12.0, third 10.6: (42 - 10.6) / 10.6 = 2.96.
    expected = [(1, "10:00", "10:15", pytest.approx(31.4 / 10.6), 1.8)]
    assert found(checked(registry, day_amounts(values)), Rule.SPIKE) == expected


def test_two_busy_intervals_in_an_idle_day_and_coarse_amounts_are_no_spikes() -> None:
    idle = [0.0] * 96
    idle[3] = idle[50] = 20.0
    registry = a_park_of(a_channel(1, 1, "energy_import"), a_channel(2, 2, "energy_import", resolution=5.0))

    frame = checked(registry, day_amounts(idle), day_amounts(with_value(40, 42.0), 2))

    assert found(frame, Rule.SPIKE) == []


def test_an_estimated_interval_is_no_spike() -> None:
    flags = np.zeros(96, dtype=np.int32)
    flags[40] = Flag.ESTIMATED
    registry = a_park_of(a_channel(1, 1, "energy_import"))

    assert found(checked(registry, day_amounts(with_value(40, 42.0), flags=flags)), Rule.SPIKE) == []


def test_three_equal_amounts_in_a_row_are_frozen_and_zeros_are_not() -> None:
    values = with_value(0, 10.0)
    values[20:23] = [7.3, 7.3, 7.3]
    values[30:40] = [0.0] * 10
    registry = a_park_of(a_channel(1, 1, "energy_import"))

    assert found(checked(registry, day_amounts(values)), Rule.FROZEN) == [(1, "05:00", "05:45", 2700.0, 2700.0)]


def test_a_meter_read_hourly_must_stand_still_for_three_hours() -> None:
    hourly = [float(10 + step // 4 % 3) for step in range(96)]
    hourly[40:56] = [9.0] * 16
    slots = np.array([1, 0, 0, 0] * 24)
    registry = a_park_of(a_channel(1, 1, "energy_import", interval_s=3600))

    assert found(checked(registry, day_amounts(hourly, slots=slots)), Rule.FROZEN) == [
        (1, "10:00", "14:00", 14400.0, 10800.0)
    ]


def test_intervals_between_readings_that_did_not_come_are_not_frozen() -> None:
    values, slots = with_value(0, 10.0), np.ones(96, dtype=np.int32)
    values[20:26] = [7.3] * 6
    slots[21:26] = 0
    registry = a_park_of(a_channel(1, 1, "energy_import"))

    assert found(checked(registry, day_amounts(values, slots=slots)), Rule.FROZEN) == []


def test_missing_slots_in_a_row_are_a_gap() -> None:
    slots = np.ones(96, dtype=np.int32)
    slots[10:12] = 0
    slots[50:54] = 0
    registry = a_park_of(a_channel(1, 1, "energy_import"))

    assert found(checked(registry, day_amounts(FLAT, slots=slots)), Rule.GAP) == [(1, "12:30", "13:30", 4.0, 3.0)]


def test_a_gap_of_an_hourly_channel_is_counted_in_hours() -> None:
    slots = np.array([1, 0, 0, 0] * 24)
    slots[40:56] = 0
    registry = a_park_of(a_channel(1, 1, "energy_import", interval_s=3600))

    assert found(checked(registry, day_amounts(FLAT, slots=slots)), Rule.GAP) == [(1, "10:00", "14:00", 4.0, 3.0)]


def test_a_channel_that_sent_nothing_all_day_has_a_gap_and_one_out_of_service_has_none() -> None:
    silent, out = a_channel(1, 1, "energy_import"), a_channel(2, 2, "energy_import")
    registry = a_park_of(silent, out)
    outage = Outage(from_us=DAY_US - MINUTE, to_us=None, reason="rebuilt")
    registry = replace(registry, meters=(registry.meters[0], replace(registry.meters[1], outages=(outage,))))

    assert found(checked(registry), Rule.GAP) == [(1, "00:00", "24:00", 96.0, 3.0)]


def test_a_rate_above_the_nameplate_is_beyond_capacity() -> None:
    values = with_value(30, 10.0)
    values[60:62] = [26.0, 27.0]
    registry = a_park_of(
        a_channel(1, 1, "energy_import", max_rate=50.0, multipliers=(Multiplier(from_us=BEGIN_US, factor=2.0),))
    )

    # 26 and 27 kWh in a quarter of an hour are 104 and 108 kW; 50 kW times the multiplier 2 is 100 kW.
    assert found(checked(registry, day_amounts(values)), Rule.CAPACITY) == [(1, "15:00", "15:30", 108.0, 100.0)]


def test_the_contracted_power_is_a_capacity_too() -> None:
    contract = Contract(origin=origin("t1"), tariff=None, contracted_kva=100.0)
    registry = a_park_of(a_channel(1, 1, "energy_import"), contracts=(contract,))

    assert found(checked(registry, day_amounts(with_value(0, 26.0))), Rule.CAPACITY) == [
        (1, "00:00", "00:15", 104.0, 100.0)
    ]


def test_an_amount_below_zero_by_more_than_jitter_is_negative() -> None:
    values = with_value(8, -0.5)
    values[9] = -0.2
    registry = a_park_of(a_channel(1, 1, "energy_import", resolution=0.1))

    frame = found(checked(registry, day_amounts(values)), Rule.NEGATIVE)

    assert frame == [(1, "02:00", "02:15", -0.5, pytest.approx(-0.2))]


def test_power_may_be_negative_and_voltage_may_not() -> None:
    low = np.full(96, 5.0)
    low[4] = -1.0
    registry = a_park_of(a_channel(1, 1, "power"), a_channel(2, 1, "voltage"))

    frame = checked(registry, day_amounts(FLAT, low=low, high=10.0), day_amounts(FLAT, 2, low=low, high=10.0))

    assert found(frame, Rule.NEGATIVE) == [(2, "01:00", "01:15", -1.0, 0.0)]


def test_a_gauge_out_of_the_range_that_was_set_is_found_by_interval() -> None:
    high = np.full(96, 6.0)
    high[12:14] = [9.0, 8.5]
    registry = a_park_of(a_channel(1, 1, "pressure"), limits={"range_low": 1.0, "range_high": 8.0})

    frame = checked(registry, day_amounts(FLAT, low=5.0, high=high))

    assert found(frame, Rule.RANGE) == [(1, "03:00", "03:30", 9.0, 8.0)]


def test_a_counter_and_the_rate_of_its_meter_must_agree() -> None:
    counter = a_channel(1, 1, "energy_import", resolution=0.5)
    registry = a_park_of(counter, a_channel(2, 1, "power"))
    agree = checked(registry, day_amounts(FLAT), day_amounts([9.6] * 96, 2))
    differ = checked(registry, day_amounts(FLAT), day_amounts([9.0] * 96, 2))

    # 960 kWh counted; allowed are 2 x 0.5 kWh and 5 % of 960 kWh: 49 kWh. 38.4 kWh is less, 96 kWh is more.
    assert found(agree, Rule.SUM) == []
    assert found(differ, Rule.SUM) == [(1, "00:00", "24:00", pytest.approx(96.0), pytest.approx(49.0))]


def test_only_intervals_that_both_have_are_summed() -> None:
    measured = np.where(np.arange(96) < 48, 900.0, 300.0)
    registry = a_park_of(a_channel(1, 1, "energy_import"), a_channel(2, 1, "power"))

    frame = checked(registry, day_amounts(FLAT), day_amounts([10.0] * 48 + [0.0] * 48, 2, measured_s=measured))

    assert found(frame, Rule.SUM) == []


def test_biochemical_above_chemical_oxygen_demand_cannot_be() -> None:
    registry = a_park_of(a_channel(1, 1, "bod"), a_channel(2, 1, "cod"))
    bod = np.full(96, 30.0)
    bod[8:10] = [90.0, 120.0]

    frame = checked(registry, day_amounts([NONE] * 96, mean=bod), day_amounts([NONE] * 96, 2, mean=80.0))

    assert found(frame, Rule.BOD_ABOVE_COD) == [(1, "02:00", "02:30", 120.0, 80.0)]


def test_a_volume_while_the_flow_stands_at_zero_is_found_on_the_volume() -> None:
    volume, flow = np.zeros(96), np.zeros(96)
    volume[20], volume[30], flow[30] = 2.0, 2.0, 8.0
    registry = a_park_of(a_channel(1, 1, "effluent_volume", resolution=0.1), a_channel(2, 1, "effluent_flow"))

    frame = checked(registry, day_amounts(volume), day_amounts(flow / 4, 2, low=flow, high=flow, mean=flow))

    assert found(frame, Rule.LOAD_WITHOUT_FLOW) == [(1, "05:00", "05:15", 2.0, pytest.approx(0.2))]


def past(channels: int = 1, **columns: Any) -> Past:
    made: dict[str, Any] = {
        "amount": np.full(channels, 100.0),
        "known": np.ones(channels),
        "mean": np.full(channels, NONE),
        "weekday_amount": np.full((channels, 8), 100.0),
        "weekday_known": np.ones((channels, 8)),
        "before_mean": np.full((channels, 7), NONE),
        "before_measured_s": np.zeros((channels, 7)),
        "is_holiday": False,
    }
    return Past(**{**made, **columns})


def judged(registry: Registry, **columns: Any) -> list[tuple[Any, ...]]:
    frame = usual_findings(day_in(registry), past(len(registry.channels), **columns))
    return [
        (RULES[rule].value, value, bound)
        for rule, value, bound in zip(frame.rule.tolist(), frame.value.tolist(), frame.bound.tolist(), strict=True)
    ]


WEEKS_BEFORE = np.array([[90.0, 100.0, 110.0, 5.0, 100.0, NONE, NONE, NONE]])
WEEKS_KNOWN = np.array([[1.0, 1.0, 1.0, 0.5, 1.0, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (201.0, [("high", 201.0, 200.0)]),
        (200.0, []),
        (50.0, []),
        (49.0, [("low", 49.0, 50.0)]),
        (0.0, [("zero", 0.0, 100.0)]),
    ],
)
def test_a_day_is_held_against_the_median_of_the_same_weekday(amount: float, expected: Any) -> None:
    registry = a_park_of(a_channel(1, 1, "water_in"))

    # Known: 90, 100, 110, 100; the half known day does not count; the median is 100.
    told = judged(registry, amount=np.array([amount]), weekday_amount=WEEKS_BEFORE, weekday_known=WEEKS_KNOWN)

    assert told == expected


def test_a_day_is_not_judged_without_four_weeks_on_a_holiday_or_half_known() -> None:
    registry = a_park_of(a_channel(1, 1, "water_in"))
    far = {"amount": np.array([900.0]), "weekday_amount": WEEKS_BEFORE}

    assert judged(registry, **far, weekday_known=np.where(np.arange(8) == 0, 0.0, WEEKS_KNOWN)) == []
    assert judged(registry, **far, weekday_known=WEEKS_KNOWN, is_holiday=True) == []
    assert judged(registry, **far, weekday_known=WEEKS_KNOWN, known=np.array([0.8])) == []
    assert judged(registry, **far, weekday_known=WEEKS_KNOWN) == [("high", 900.0, 200.0)]


def test_the_mean_of_a_day_drifts_from_that_of_the_week_before() -> None:
    registry = a_park_of(a_channel(1, 1, "cod"))
    week = {
        "before_mean": np.array([[100.0, 100.0, 90.0, 110.0, NONE, NONE, NONE]]),
        "before_measured_s": np.array([[86400.0] * 4 + [0.0] * 3]),
    }

    # The mean of the four days is 100 mg/L; 126 is 26 % above it.
    assert judged(registry, **week, mean=np.array([126.0])) == [("drift", pytest.approx(0.26), 0.25)]
    assert judged(registry, **week, mean=np.array([124.0])) == []


def test_children_may_sum_to_more_than_their_parent_within_the_error_band_only() -> None:
    channels = [a_channel(number, number, "water_in") for number in (1, 2, 3)]
    meters = [a_meter(1, 1), a_meter(2, 1, parent_id=1), a_meter(3, 1, parent_id=1)]
    registry = a_registry(meters, channels)
    families, day = families_of(registry), day_in(registry)

    def excess(*values: float, known: float = 1.0) -> list[tuple[Any, ...]]:
        frame = hierarchy_findings(day, families, np.array(values), np.array([1.0, known, 1.0]))
        return found(frame, Rule.HIERARCHY)

    # 2 % of 100, 60 and 45: the band is the root of 2^2 + 1.2^2 + 0.9^2, 2.5.
    assert excess(100.0, 60.0, 42.0) == []
    assert excess(100.0, 60.0, 45.0) == [(1, "00:00", "24:00", pytest.approx(5.0), pytest.approx(2.5))]
    assert excess(100.0, 60.0, 45.0, known=0.5) == []


def test_only_families_of_what_was_touched_are_chosen() -> None:
    channels = [a_channel(number, number, "water_in") for number in (1, 2, 3, 4)]
    meters = [a_meter(1, 1), a_meter(2, 1, parent_id=1), a_meter(3, 1), a_meter(4, 1, parent_id=3)]
    families = families_of(a_registry(meters, channels))

    chosen = families.of_any(np.array([4], dtype=np.int32))

    assert (chosen.parent.tolist(), chosen.child.tolist(), chosen.child_of.tolist()) == ([3], [4], [0])
    assert chosen.members.tolist() == [3, 4]


def test_a_month_of_which_more_than_a_quarter_is_estimated() -> None:
    registry = a_park_of(a_channel(1, 1, "water_in"), a_channel(2, 2, "water_in"))
    first = day_in(registry)

    frame = month_findings(
        first, DAY_US + 3 * 86_400_000_000, np.array([[0.0, 40.0, NONE], [0.0, 20.0, 0.0]]), np.full((2, 3), 50.0)
    )

    # 40 of 150 is 27 %, 20 of 150 is 13 %.
    assert found(frame, Rule.ESTIMATION) == [(1, "00:00", "72:00", pytest.approx(40 / 150), 0.25)]


def heard(values: Any, *, step: int = 2, first: int = 0, quality: Any = 0, conflict: Any = False) -> Readings:
    """Readings of channel 1 every so many minutes, from so many minutes after midnight on."""
    count = len(values)
    return Readings(
        channel_id=np.ones(count, dtype=np.int32),
        ts_us=DAY_US + (first + step * np.arange(count)) * MINUTE,
        value=np.array(values, dtype=np.float64),
        quality=np.broadcast_to(np.asarray(quality, dtype=np.int32), count).copy(),
        conflict=np.broadcast_to(np.asarray(conflict, dtype=np.bool_), count).copy(),
    )


def a_gauge(quantity: str = "ph") -> Registry:
    return a_park_of(a_channel(1, 1, quantity, interval_s=120, kind=Kind.GAUGE))


def test_readings_out_of_the_physical_range_are_found_and_kept() -> None:
    frame = reading_findings(day_in(a_gauge()), heard([7.0, 12.5, 13.0, 7.1]))

    assert found(frame, Rule.RANGE) == [(1, "00:02", "00:06", 13.0, 12.0)]


def test_a_gauge_that_repeats_a_value_for_a_quarter_of_an_hour_is_frozen() -> None:
    stuck = heard([7.0, 7.2, 7.2, 7.2, 7.2, 7.2, 7.2, 7.2, 7.2, 7.2, 7.3])
    short = heard([7.0, 7.2, 7.2, 7.2, 7.2, 7.2, 7.2, 7.2, 7.3])

    assert found(reading_findings(day_in(a_gauge()), stuck), Rule.FROZEN) == [(1, "00:02", "00:20", 960.0, 900.0)]
    assert found(reading_findings(day_in(a_gauge()), short), Rule.FROZEN) == []


def test_a_reading_far_from_the_median_of_the_two_hours_before_is_an_outlier() -> None:
    before = [50.0, 52.0, 48.0, 51.0, 49.0, 50.0, 52.0, 48.0, 51.0, 49.0]

    frame = reading_findings(day_in(a_gauge("cod")), heard([*before, 95.0, 50.0], first=-20))

    # Median 50, MAD 1: 5 MAD are 5, at least 20 mg/L; 95 is 45 above. Yesterday's readings are looked at, not judged.
    assert found(frame, Rule.OUTLIER) == [(1, "00:00", "00:02", 95.0, 70.0)]


def test_nine_readings_are_too_few_for_an_outlier() -> None:
    frame = reading_findings(day_in(a_gauge("cod")), heard([50.0] * 9 + [500.0], first=0))

    assert found(frame, Rule.OUTLIER) == []


def test_what_the_source_marked_or_is_in_conflict_is_not_checked() -> None:
    values = [7.0, 13.0, 13.0, 7.0]
    fault = heard(values, quality=[0, int(Quality.CALIBRATION), int(Quality.FAULT), 0])

    assert len(reading_findings(day_in(a_gauge()), fault)) == 0
    assert len(reading_findings(day_in(a_gauge()), heard(values, conflict=[False, True, True, False]))) == 0
