"""Devices of another width, resolution or rate, worked by hand; and slots while a meter is out of service."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from domain.frames import AmountFrame
from domain.quality import Flag
from domain.registry import Exchange, Multiplier, Outage
from kpi.amounts import interval_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, a_channel, readings_of
from tests.support.reference_amounts import Heard
from tests.unit.kpi.test_amounts_of_registers import TEN, amounts, at


def exchange(minute: float, closing: float, opening: float, **device: Any) -> Exchange:
    return Exchange(at_us=TEN + round(minute * MINUTE), closing=closing, opening=opening, **device)


def total(frame: AmountFrame) -> float:
    return float(np.nansum(frame.amount))


def test_a_new_register_of_fewer_digits_starts_again_where_it_does() -> None:
    told = [(0, 99_900.0), (15, 99_910.0), (30, 975.0), (45, 5.0), (60, 35.0)]
    change = exchange(20, 99_913.0, 970.0, modulus=1000.0)

    frame = amounts(told, modulus=100_000.0, exchanges=(change,))

    # 10; 3 by the old device and 5 by the new; 1000 - 975 + 5; 30.
    assert [frame.amount[at(frame, minute)] for minute in (0, 15, 30, 45)] == [10.0, 8.0, 30.0, 30.0]
    assert int(frame.flags[at(frame, 30)]) == Flag.ROLLOVER


def test_a_width_holds_until_an_exchange_says_another() -> None:
    told = [(0, 990.0), (15, 5.0), (30, 990.0), (45, 4.0), (60, 9.0)]
    changes = (exchange(-600, 1.0, 0.0, modulus=1000.0), exchange(20, 6.0, 989.0))

    frame = amounts(told, modulus=None, exchanges=changes)

    assert [frame.amount[at(frame, minute)] for minute in (0, 15, 30, 45)] == [15.0, 2.0, 14.0, 5.0]


def test_a_device_of_a_larger_rate_is_believed_from_its_exchange_on_only() -> None:
    # 30 kWh a quarter is 120 kW: too much for 100, plausible at 400.
    told = [(0, 0.0), (15, 10.0), (30, 20.0), (45, 50.0), (60, 80.0), (75, 110.0)]
    change = exchange(30, 20.0, 20.0, max_rate=400.0)

    assert total(amounts(told, max_rate=100.0)) == pytest.approx(20.0)
    assert total(amounts(told, max_rate=100.0, exchanges=(change,))) == pytest.approx(110.0)


def test_a_device_of_a_coarser_resolution_may_flicker_by_two_of_its_own() -> None:
    told = [(0, 100.0), (15, 101.0), (30, 102.0), (45, 100.0), (60, 103.0)]
    change = exchange(20, 101.0, 101.0, resolution=1.0)

    assert np.isnan(amounts(told, resolution=0.1).amount[2])
    frame = amounts(told, resolution=0.1, exchanges=(change,))
    assert [frame.amount[at(frame, minute)] for minute in (15, 30, 45)] == [1.0, -2.0, 3.0]
    assert int(frame.flags[at(frame, 30)]) == Flag.JITTER


def test_exchange_and_transformers_at_one_moment_count_each_side_by_its_own() -> None:
    told = [(0, 100.0), (15, 110.0), (30, 5.0), (45, 10.0)]
    change = exchange(22.5, 115.0, 0.0)
    factors = (Multiplier(from_us=0, factor=40.0), Multiplier(from_us=change.at_us, factor=60.0))

    frame = amounts(told, exchanges=(change,), multipliers=factors)

    assert [frame.amount[at(frame, minute)] for minute in (0, 15, 30)] == [400.0, 5 * 40.0 + 5 * 60.0, 300.0]


def slots(told: Sequence[float], outage: Outage, **channel: Any) -> list[int]:
    """Filled slots of the quarters from 10:00 on."""
    heard = [Heard(channel_id=1, ts=TEN + round(minute * MINUTE), value=minute) for minute in told]
    table = ChannelTable.of_channels([a_channel(**channel)], {1: (outage,)})
    ranges = Ranges.whole(np.array([1], dtype=np.int32), TEN, TEN + HOUR)
    frame = interval_amounts(table, readings_of(heard), ranges, JAKARTA, 900)
    filled = dict(zip(((frame.start_us - TEN) // MINUTE).tolist(), frame.slots.tolist(), strict=True))
    return [filled.get(minute, 0) for minute in (0, 15, 30, 45)]


@pytest.mark.parametrize("interval_s", [300, 420])
def test_slots_that_begin_while_the_meter_is_out_of_service_are_not_filled(interval_s: int) -> None:
    told = [step * interval_s / 60 for step in range(3600 // interval_s)]
    outage = Outage(from_us=TEN + 15 * MINUTE, to_us=TEN + 40 * MINUTE, reason="rebuilt")

    found = slots(told, outage, interval_s=interval_s)

    # Slots are counted from midnight; those of 7 min do not begin at ten.
    step, into = interval_s / 60, 600 % (interval_s / 60)
    begun = {minute - (minute + into) % step for minute in told}
    expected = [0, 0, 0, 0]
    for begin in begun:
        if begin >= 0 and not 15 <= begin < 40:
            expected[int(begin // 15)] += 1
    assert found == expected


def test_readings_of_a_meter_out_of_service_count_all_the_same() -> None:
    heard = [Heard(channel_id=1, ts=TEN + minute * MINUTE, value=float(minute)) for minute in (0, 15, 30, 45)]
    table = ChannelTable.of_channels([a_channel()], {1: (Outage(from_us=TEN, to_us=None, reason="rebuilt"),)})
    ranges = Ranges.whole(np.array([1], dtype=np.int32), TEN, TEN + HOUR)

    frame = interval_amounts(table, readings_of(heard), ranges, JAKARTA, 900)

    assert frame.amount[:3].tolist() == [15.0, 15.0, 15.0]
    assert frame.slots.sum() == 0
