"""Each fault does to a meter's messages what it says, and nothing to those of others."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from domain.errors import InputError
from domain.time import DAY_US, HOUR_US, SECOND_US
from simulators.faults import LONGEST_US, Fault, FaultKind, schedule, with_faults
from simulators.park import SimulatedPark
from simulators.reports import Outgoing, Report, message
from tests.support.simulated import MINUTE_US, START_US, small_park

BEGIN_US = START_US + 8 * HOUR_US
END_US = BEGIN_US + HOUR_US
MAIN = "kawasan/v1/estate/alpha/main"


@pytest.fixture(scope="module")
def park() -> SimulatedPark:
    return small_park()


@pytest.fixture(scope="module")
def reports(park: SimulatedPark) -> tuple[Report, ...]:
    """From an hour before the fault until an hour after."""
    return park.reports(BEGIN_US - HOUR_US, END_US + HOUR_US)


def fault(kind: FaultKind, size: float | None = None, quantity: str | None = None) -> Fault:
    return Fault(kind=kind, place="alpha/main", start_us=BEGIN_US, stop_us=END_US, size=size, quantity=quantity)


def told(messages: tuple[Outgoing, ...]) -> list[dict[str, Any]]:
    """What the befallen meter says, in order of sending."""
    return [json.loads(outgoing.payload) for outgoing in messages if outgoing.topic == MAIN]


def values(messages: tuple[Outgoing, ...], quantity: str) -> dict[int, float]:
    """By time stamp. [us]"""
    return {one["ts"] * 1000: one["values"][quantity] for one in told(messages)}


def within(times: dict[int, float]) -> dict[int, float]:
    return {ts_us: value for ts_us, value in times.items() if BEGIN_US <= ts_us < END_US}


def test_without_faults_each_report_is_one_message_in_order(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    messages = with_faults(park, reports, ())

    assert len(messages) == len(reports)
    assert [outgoing.due_us for outgoing in messages] == sorted(report.due_us for report in reports)


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_leaves_other_meters_and_times_alone(
    kind: FaultKind, park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    sound = {(message(park.key, report), report.ts_us) for report in reports}

    messages = set(with_faults(park, reports, (fault(kind),)))

    for outgoing, ts_us in sound:
        spared = outgoing.topic != MAIN or (ts_us < BEGIN_US and kind is not FaultKind.ROLLOVER)
        if spared or (ts_us >= END_US and kind not in (FaultKind.ROLLOVER, FaultKind.RESET)):
            assert outgoing in messages


def test_a_gap_sends_nothing(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    messages = with_faults(park, reports, (fault(FaultKind.GAP),))

    assert within(values(messages, "power")) == {}
    assert len(messages) == len(reports) - 60


def test_a_duplicate_sends_the_same_again(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    messages = with_faults(park, reports, (fault(FaultKind.DUPLICATE, size=3),))

    assert len(messages) == len(reports) + 2 * 60
    assert set(messages) == set(with_faults(park, reports, ()))


def test_out_of_order_sends_all_but_not_in_order(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    sound = told(with_faults(park, reports, ()))

    befallen = told(with_faults(park, reports, (fault(FaultKind.OUT_OF_ORDER),)))

    assert befallen != sound
    assert sorted(befallen, key=lambda one: int(one["ts"])) == sound


def test_late_holds_everything_back_until_the_end_and_keeps_its_order(
    park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    messages = with_faults(park, reports, (fault(FaultKind.LATE),))

    held = [outgoing for outgoing in messages if outgoing.topic == MAIN and BEGIN_US <= outgoing.read_us < END_US]
    assert len(held) == 60
    assert all(END_US <= outgoing.due_us < END_US + SECOND_US for outgoing in held)
    assert [outgoing.read_us for outgoing in held] == sorted(outgoing.read_us for outgoing in held)


def test_jitter_lowers_every_second_reading_of_a_register_by_one_step(
    park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    sound, befallen = (
        within(values(with_faults(park, reports, faults), "energy_import"))
        for faults in ((), (fault(FaultKind.JITTER),))
    )

    drops = [round(sound[ts_us] - befallen[ts_us], 9) for ts_us in sorted(sound)]
    assert drops in ([0.0, 0.1] * 30, [0.1, 0.0] * 30)


def test_jitter_does_not_touch_gauges(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    sound, befallen = (
        values(with_faults(park, reports, faults), "power") for faults in ((), (fault(FaultKind.JITTER),))
    )

    assert sound == befallen


def test_a_reset_starts_registers_at_zero_for_good(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    sound, befallen = (
        values(with_faults(park, reports, faults), "energy_import") for faults in ((), (fault(FaultKind.RESET),))
    )

    assert befallen[BEGIN_US] == 0
    assert befallen[BEGIN_US - MINUTE_US] == sound[BEGIN_US - MINUTE_US]
    moved = max(sound.values()) - sound[BEGIN_US]
    assert max(ts_us for ts_us in befallen) > END_US
    assert befallen[max(befallen)] == pytest.approx(moved, abs=1e-6)


def test_a_rollover_passes_the_last_digit_when_it_begins_and_loses_nothing(
    park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    sound, befallen = (
        values(with_faults(park, reports, faults), "energy_import") for faults in ((), (fault(FaultKind.ROLLOVER),))
    )

    assert befallen[BEGIN_US] == 0
    assert 1e8 - 100 < befallen[BEGIN_US - MINUTE_US] < 1e8
    assert all(
        (befallen[ts_us] - sound[ts_us] + sound[BEGIN_US]) % 1e8
        in (pytest.approx(0, abs=1e-5), pytest.approx(1e8, abs=1e-5))
        for ts_us in sound
    )


def test_a_register_without_a_last_digit_does_not_roll_over(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    pressed = Fault(kind=FaultKind.ROLLOVER, place="alpha/press", start_us=BEGIN_US, stop_us=END_US)

    assert with_faults(park, reports, (pressed,)) == with_faults(park, reports, ())


def test_a_frozen_gauge_repeats_what_it_read_when_it_began(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    befallen = with_faults(park, reports, (fault(FaultKind.FROZEN),))

    power = within(values(befallen, "power"))
    register = within(values(befallen, "energy_import"))
    assert set(power.values()) == {park.value("alpha/main", "power", BEGIN_US)}
    assert len(set(register.values())) > 30


def test_a_spike_hits_a_few_readings_of_the_quantity_it_is_meant_for(
    park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    spiked = (fault(FaultKind.SPIKE, size=20, quantity="power"),)
    sound, befallen = (within(values(with_faults(park, reports, faults), "power")) for faults in ((), spiked))

    factors = [befallen[ts_us] / sound[ts_us] for ts_us in sound]
    assert {round(factor) for factor in factors} == {1, 20}
    assert 1 <= sum(factor > 2 for factor in factors) <= 20
    assert values(with_faults(park, reports, spiked), "energy_import") == values(
        with_faults(park, reports, ()), "energy_import"
    )


def test_a_slug_moves_a_gauge_to_a_level_and_leaves_it_its_course(
    park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    slug = (fault(FaultKind.SLUG, size=500.0, quantity="power"),)
    sound, befallen = (within(values(with_faults(park, reports, faults), "power")) for faults in ((), slug))

    assert befallen[BEGIN_US] == 500.0
    factors = [befallen[ts_us] / sound[ts_us] for ts_us in sound]
    assert factors == pytest.approx([500.0 / sound[BEGIN_US]] * len(sound))
    assert values(with_faults(park, reports, slug), "energy_import") == values(
        with_faults(park, reports, ()), "energy_import"
    )


def test_a_slug_of_no_size_is_twice_the_usual(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    sound, befallen = (
        within(values(with_faults(park, reports, faults), "power")) for faults in ((), (fault(FaultKind.SLUG),))
    )

    assert befallen == pytest.approx({ts_us: 2 * value for ts_us, value in sound.items()})


@pytest.mark.parametrize("size", [7 * 3600, -86400])
def test_a_wrong_clock_moves_the_stamp_and_nothing_else(
    size: int, park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    sound = within(values(with_faults(park, reports, ()), "power"))

    messages = with_faults(park, reports, (fault(FaultKind.CLOCK, size=size),))

    moved = [json.loads(one.payload) for one in messages if one.topic == MAIN and BEGIN_US <= one.read_us < END_US]
    assert {one["ts"] * 1000 - size * SECOND_US: one["values"]["power"] for one in moved} == sound


def test_broken_payloads_are_of_many_kinds_and_none_holds_a_value_that_can_be_read(
    park: SimulatedPark, reports: tuple[Report, ...]
) -> None:
    messages = with_faults(park, reports, (fault(FaultKind.BROKEN),))

    broken = [one.payload for one in messages if one.topic == MAIN and BEGIN_US <= one.read_us < END_US]
    assert len(broken) == 60
    assert "nothing" not in {_why(payload) for payload in broken}
    assert len({_why(payload) for payload in broken}) >= 8


def _why(payload: bytes) -> str:
    """The first thing wrong with a payload, told by a plain reader of the wire format."""
    try:
        return next(_complaints(json.loads(payload)), "nothing")
    except ValueError as error:
        return type(error).__name__ + str(len(payload) == 0)


def _complaints(one: dict[str, Any]) -> Iterator[str]:
    time, values = one.get("ts"), one.get("values")
    if not isinstance(time, int):
        yield f"time {type(time).__name__}"
    if not isinstance(values, dict):
        yield f"values {type(values).__name__}"
        return
    for quantity, value in values.items():
        if quantity not in ("energy_import", "power"):
            yield "channel"
        elif not isinstance(value, int | float) or not abs(value) < 1e300:
            yield f"value {type(value).__name__}"
        elif one.get("units", {}).get(quantity) == "parsec":
            yield "unit"


def test_two_faults_of_one_meter_both_happen(park: SimulatedPark, reports: tuple[Report, ...]) -> None:
    messages = with_faults(park, reports, (fault(FaultKind.FROZEN), fault(FaultKind.DUPLICATE)))

    assert len(messages) == len(reports) + 60
    assert len(set(within(values(messages, "power")).values())) == 1


def test_a_fault_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InputError, match="not after it begins"):
        Fault(kind=FaultKind.GAP, place="alpha/main", start_us=END_US, stop_us=BEGIN_US)


def test_a_schedule_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    def drawn(seed: int) -> tuple[Fault, ...]:
        return schedule(["a/1", "a/2", "b/1"], seed=seed, start_us=START_US, stop_us=START_US + 7 * DAY_US, per_day=10)

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert 40 < len(drawn(1)) < 110


def test_a_schedule_does_not_depend_on_where_it_is_cut_into_days() -> None:
    places = ["a/1", "a/2"]
    start_us = START_US - START_US % DAY_US

    whole = schedule(places, seed=3, start_us=start_us, stop_us=start_us + 3 * DAY_US, per_day=5)
    days = [
        one
        for day in range(3)
        for one in schedule(
            places, seed=3, start_us=start_us + day * DAY_US, stop_us=start_us + (day + 1) * DAY_US, per_day=5
        )
    ]

    assert tuple(days) == whole


def test_no_fault_of_a_schedule_is_for_good_or_too_long_to_be_found_again() -> None:
    faults = schedule(["a/1"], seed=5, start_us=START_US, stop_us=START_US + 30 * DAY_US, per_day=10, hours=40)

    assert not {one.kind for one in faults} & {FaultKind.RESET, FaultKind.ROLLOVER, FaultKind.SLUG}
    assert max(one.stop_us - one.start_us for one in faults) == LONGEST_US
