"""The simulated park behaves as metered parks do, and is a pure function of file, seed and time."""

import numpy as np
import pytest

from domain.errors import InputError
from domain.registry import Kind, MeterRole
from domain.time import DAY_US, HOUR_US, SECOND_US
from simulators.park import SimulatedPark
from simulators.reports import Report
from tests.support.example_park import example_park
from tests.support.simulated import MINUTE_US, MONDAY_US, START_US, hours_after, series, simulated_example, small_park


@pytest.fixture(scope="module")
def park() -> SimulatedPark:
    return simulated_example()


@pytest.fixture(scope="module")
def morning(park: SimulatedPark) -> tuple[Report, ...]:
    """Monday from 05:00 to 09:00, over a change of shift."""
    return park.reports(hours_after(MONDAY_US, 5), hours_after(MONDAY_US, 9))


def use(park: SimulatedPark, place: str, quantity: str, start_us: int, stop_us: int) -> float:
    """Amount between two times, after the multiplier."""
    factor = park.channel(place, quantity).factor
    return (park.value(place, quantity, stop_us) - park.value(place, quantity, start_us)) * factor


def children(park: SimulatedPark, place: str) -> list[str]:
    return sorted({channel.meter.place for channel in park.channels if channel.meter.entry.parent == place})


def test_every_channel_of_the_park_reads_in_its_own_rhythm(park: SimulatedPark, morning: tuple[Report, ...]) -> None:
    found = series(morning)

    for channel in park.channels:
        readings = found[channel.meter.place, channel.entry.quantity]
        assert len(readings) == 4 * 3600 // channel.entry.interval_s
        assert set(np.diff([ts_us for ts_us, _ in readings])) == {channel.entry.interval_s * SECOND_US}


def test_registers_never_run_backwards_nor_faster_than_plausible(
    park: SimulatedPark, morning: tuple[Report, ...]
) -> None:
    found = series(morning)

    for channel in park.channels:
        if channel.entry.kind is Kind.REGISTER:
            steps = np.diff([value for _, value in found[channel.meter.place, channel.entry.quantity]])
            most = (channel.entry.max_rate or 0) * channel.entry.interval_s / 3600
            assert steps.min() >= 0, channel.meter.place
            assert steps.max() <= most, channel.meter.place


def test_registers_show_only_multiples_of_their_resolution(park: SimulatedPark, morning: tuple[Report, ...]) -> None:
    for report in morning[:2000]:
        for quantity, value in report.values.items():
            step = park.channel(report.place, quantity).entry.resolution
            assert value == pytest.approx(round(value / step) * step, abs=1e-9)


@pytest.mark.parametrize("start", [MONDAY_US, MONDAY_US + 5 * DAY_US + 20 * HOUR_US])
def test_bulk_electricity_is_the_sum_of_the_meters_below_and_some_loss(park: SimulatedPark, start: int) -> None:
    for bulk in ("_park/substation_1", "_park/substation_2"):
        below = sum(use(park, place, "energy_import", start, start + DAY_US) for place in children(park, bulk))
        above = use(park, bulk, "energy_import", start, start + DAY_US)

        # The sun on the roof of an idle firm may flow back, which its import register does not show.
        assert 1.0 < above / below < 1.03


def test_bulk_water_is_the_sum_of_the_meters_below_and_what_leaks(park: SimulatedPark) -> None:
    for bulk in ("_park/wtp_outlet_1", "_park/wtp_outlet_2"):
        below = sum(use(park, place, "water_in", MONDAY_US, MONDAY_US + DAY_US) for place in children(park, bulk))
        above = use(park, bulk, "water_in", MONDAY_US, MONDAY_US + DAY_US)

        assert 1.03 < above / below < 1.12


def test_the_inlet_of_the_treatment_plant_is_the_sum_of_all_discharges_and_some_infiltration(
    park: SimulatedPark,
) -> None:
    stop_us = MONDAY_US + DAY_US
    discharges = [channel for channel in park.channels if channel.meter.entry.role is MeterRole.DISCHARGE]
    discharged = sum(
        use(park, channel.meter.place, "effluent_volume", MONDAY_US, stop_us)
        for channel in discharges
        if channel.entry.quantity == "effluent_volume"
    )

    inlet = use(park, "_park/wwtp_inlet", "effluent_volume", MONDAY_US, stop_us)

    assert inlet == pytest.approx(1.02 * discharged, rel=1e-3)


def test_what_leaves_the_treatment_plant_came_in_over_the_hours_before(park: SimulatedPark) -> None:
    start_us = MONDAY_US + DAY_US
    outlet = use(park, "_park/wwtp_outlet", "effluent_volume", start_us, start_us + 4 * DAY_US)
    inlet = use(
        park, "_park/wwtp_inlet", "effluent_volume", start_us - 3 * HOUR_US, start_us + 4 * DAY_US - 3 * HOUR_US
    )

    assert outlet == pytest.approx(0.97 * inlet, rel=0.01)


def test_treatment_takes_most_of_the_pollution_out(morning: tuple[Report, ...]) -> None:
    found = series(morning)

    for quantity, least in (("cod", 0.7), ("tss", 0.7), ("nh3n", 0.4)):
        inlet = np.mean([value for _, value in found["_park/wwtp_inlet", quantity]])
        outlet = np.mean([value for _, value in found["_park/wwtp_outlet", quantity]])
        assert 1 - outlet / inlet > least


def test_a_firm_discharges_less_than_it_takes_in(park: SimulatedPark) -> None:
    for tenant in ("ulin-tekstil", "omega-susu", "wahana-resin"):
        intake = use(park, f"{tenant}/water", "water_in", MONDAY_US, MONDAY_US + 2 * DAY_US)
        discharge = use(park, f"{tenant}/effluent", "effluent_volume", MONDAY_US, MONDAY_US + 2 * DAY_US)
        assert 0.55 < discharge / intake < 0.9


def test_a_firm_of_one_shift_works_by_day_and_rests_on_sunday(park: SimulatedPark) -> None:
    def power(day: int, hour: float) -> float:
        start_us = hours_after(MONDAY_US + day * DAY_US, hour)
        return use(park, "medika-farma/electricity", "energy_import", start_us, start_us + 2 * HOUR_US)

    assert power(0, 9) > 2 * power(0, 22)
    assert power(0, 9) > 2 * power(6, 9)


def test_a_firm_of_three_shifts_works_at_night_as_by_day(park: SimulatedPark) -> None:
    def power(hour: float) -> float:
        start_us = hours_after(MONDAY_US, hour)
        return use(park, "viskosa-prima/electricity", "energy_import", start_us, start_us + 2 * HOUR_US)

    assert 0.75 < power(2) / power(10) < 1.3


def test_the_sun_makes_nothing_at_night_and_something_at_noon(park: SimulatedPark) -> None:
    def made(hour: float) -> float:
        start_us = hours_after(MONDAY_US, hour)
        return use(park, "adikarsa/solar", "energy_generation", start_us, start_us + HOUR_US)

    assert made(0) == made(19) == 0
    assert made(11.5) > 50


def test_street_lighting_burns_only_in_the_dark(park: SimulatedPark) -> None:
    noon_us = hours_after(MONDAY_US, 12)

    assert use(park, "_park/street_lighting", "energy_import", noon_us, noon_us + HOUR_US) == 0
    assert use(park, "_park/street_lighting", "energy_import", noon_us + 9 * HOUR_US, noon_us + 10 * HOUR_US) > 10


def test_power_factors_lie_where_factories_have_them(park: SimulatedPark) -> None:
    stop_us = MONDAY_US + DAY_US
    places = [channel.meter.place for channel in park.channels if channel.entry.quantity == "energy_reactive_lagging"]
    active = np.array([use(park, place, "energy_import", MONDAY_US, stop_us) for place in places])
    lagging = np.array([use(park, place, "energy_reactive_lagging", MONDAY_US, stop_us) for place in places])

    factors = active / np.hypot(active, lagging)

    assert 0.7 < factors.min() < 0.87
    assert 0.92 < factors.max() < 1.0


def test_ph_stays_on_its_scale_and_the_outlet_mostly_within_its_limits(park: SimulatedPark) -> None:
    outlet = [park.value("_park/wwtp_outlet", "ph", hours_after(MONDAY_US, half / 2)) for half in range(4 * 48)]

    assert 4 < min(outlet) <= max(outlet) < 10
    assert np.mean([6 <= value <= 9 for value in outlet]) > 0.8


def test_the_same_seed_reads_the_same_however_the_time_is_cut(park: SimulatedPark) -> None:
    again = SimulatedPark(example_park(), seed=1)
    start_us = hours_after(MONDAY_US, 6.8)

    parts = [
        report
        for part in range(12)
        for report in again.reports(start_us + 2 * part * MINUTE_US, start_us + 2 * (part + 1) * MINUTE_US)
    ]

    # Midnight UTC, where one day of the model ends, lies inside.
    whole = park.reports(start_us, start_us + 24 * MINUTE_US)
    assert sorted(parts, key=lambda report: (report.due_us, report.place)) == list(whole)


def test_another_seed_is_another_park(park: SimulatedPark) -> None:
    other = simulated_example(seed=2)

    at_us = hours_after(MONDAY_US, 10)
    assert other.value("adikarsa/electricity", "power", at_us) != park.value("adikarsa/electricity", "power", at_us)


def test_a_meter_more_does_not_change_what_the_others_read() -> None:
    few = small_park()
    more = small_park(
        "      - key: water\n",
        "      - key: well\n        name: Well\n        role: use\n        channels:\n"
        "          - {quantity: water_in, kind: register, interval_s: 300, resolution: 0.01, max_rate: 5}\n"
        "      - key: water\n",
    )

    at_us = START_US + 40 * HOUR_US
    for quantity, place in (("energy_import", "alpha/main"), ("water_in", "alpha/water"), ("ph", "_park/outlet")):
        assert more.value(place, quantity, at_us) == few.value(place, quantity, at_us)


def test_a_report_is_due_some_seconds_after_it_was_read(morning: tuple[Report, ...]) -> None:
    assert all(0 <= report.due_us - report.ts_us <= 20 * SECOND_US for report in morning)
    assert len({report.due_us % MINUTE_US for report in morning}) > 60


def test_a_register_counts_in_the_units_of_its_device() -> None:
    plain = small_park()
    device = small_park(
        "max_rate: 2000", "max_rate: 2000, multipliers: [{valid_from: 2026-01-01T00:00:00+07:00, factor: 1}]"
    )
    hours = (START_US + HOUR_US, START_US + 25 * HOUR_US)

    scaled = small_park(
        "max_rate: 2000", "max_rate: 20, multipliers: [{valid_from: 2026-01-01T00:00:00+07:00, factor: 100}]"
    )

    assert use(device, "alpha/main", "energy_import", *hours) == use(plain, "alpha/main", "energy_import", *hours)
    assert use(scaled, "alpha/main", "energy_import", *hours) == pytest.approx(
        use(plain, "alpha/main", "energy_import", *hours), abs=0.1 * 100
    )


def test_a_multiplier_that_changes_slows_the_counter_not_the_use() -> None:
    change = "multipliers: [{valid_from: 2026-01-01T00:00:00+07:00, factor: 1}, {valid_from: 2026-01-02T00:00:00+07:00, factor: 10}]"
    steady, mended = small_park(), small_park("max_rate: 500", f"max_rate: 500, {change}")
    turn_us = START_US + DAY_US

    def counted(park: SimulatedPark, start_us: int) -> float:
        stop_us = start_us + 6 * HOUR_US
        return park.value("alpha/press", "energy_import", stop_us) - park.value(
            "alpha/press", "energy_import", start_us
        )

    # The channel's size follows its largest multiplier, so only the ratio of the counts is compared.
    steady_ratio = counted(steady, turn_us) / counted(steady, turn_us - 6 * HOUR_US)
    mended_ratio = counted(mended, turn_us) / counted(mended, turn_us - 6 * HOUR_US)
    assert mended_ratio == pytest.approx(steady_ratio / 10, rel=1e-3)


def test_an_exchanged_device_closes_and_opens_as_recorded() -> None:
    exchange = "exchanges: [{at: 2026-01-02T00:00:00+07:00, closing: 54321.5, opening: 12.3}]"
    park = small_park("digits: 8, max_rate: 2000", f"digits: 8, max_rate: 2000, {exchange}")
    at_us = START_US + DAY_US

    before, after = (park.value("alpha/main", "energy_import", ts_us) for ts_us in (at_us - 1, at_us))

    assert before == pytest.approx(54321.5, abs=0.2)
    assert after == pytest.approx(12.3, abs=0.1)


def test_a_register_that_passes_its_last_digit_starts_again_from_zero() -> None:
    park = small_park("digits: 8, max_rate: 2000", "digits: 3, digit_value: 1, max_rate: 2000")

    values = [park.value("alpha/main", "energy_import", START_US + minute * MINUTE_US) for minute in range(600)]

    assert max(values) < 1000
    assert (np.diff(values) < -900).any()


def test_values_of_an_interval_are_what_the_register_moved_and_come_at_its_end() -> None:
    park = small_park()
    (report,) = [r for r in park.reports(START_US + HOUR_US, START_US + HOUR_US + 1) if r.place == "beta/main"]

    register = small_park(
        "{quantity: energy_import, kind: interval, interval_s: 900, stamp: end}",
        "{quantity: energy_import, kind: register, interval_s: 900, resolution: 0.001, max_rate: 100000}",
    )

    assert report.ts_us == START_US + HOUR_US
    assert report.values["energy_import"] > 0
    assert register.channel("beta/main", "energy_import").entry.kind is Kind.REGISTER


def test_a_mean_flow_is_what_the_register_moved_by_the_hour() -> None:
    park = small_park(
        "      - {quantity: water_in, kind: register, interval_s: 300, resolution: 0.01, max_rate: 30}",
        "      - {quantity: water_in, kind: register, interval_s: 300, resolution: 0.001, max_rate: 30}\n"
        "          - {quantity: water_flow, kind: gauge, interval_s: 900, statistic: mean}",
    )
    start_us = START_US + 9 * HOUR_US

    moved = park.value("alpha/water", "water_in", start_us + 15 * MINUTE_US) - park.value(
        "alpha/water", "water_in", start_us
    )

    assert park.value("alpha/water", "water_flow", start_us) == pytest.approx(4 * moved, abs=0.01)


def test_a_source_with_units_of_its_own_names_them_and_counts_in_them() -> None:
    plain = small_park()
    large = small_park(
        "resolution: 0.1, digits: 9, max_rate: 9000", "resolution: 0.1, digits: 9, max_rate: 9000, unit: MWh"
    )
    (report,) = [r for r in large.reports(START_US + HOUR_US, START_US + HOUR_US + 1) if r.place == "_park/bulk"]

    assert report.units == {"energy_import": "MWh"}
    assert report.values["energy_import"] == pytest.approx(
        plain.value("_park/bulk", "energy_import", START_US + HOUR_US) / 1000, abs=1e-9
    )


def test_a_meter_publishes_only_within_its_life() -> None:
    name = "        name: Press shop\n"
    park = small_park(
        name, f"{name}        valid_from: 2026-01-02T00:00:00+07:00\n        valid_to: 2026-01-03T00:00:00+07:00\n"
    )

    times = [
        ts_us for ts_us, _ in series(park.reports(START_US, START_US + 4 * DAY_US))["alpha/press", "energy_import"]
    ]

    assert times[0] == START_US + DAY_US
    assert times[-1] == START_US + 2 * DAY_US - MINUTE_US


def test_what_a_meter_used_before_it_was_there_is_not_in_the_meter_above() -> None:
    name = "        name: Press shop\n"
    late = small_park(name, f"{name}        valid_from: 2026-01-02T00:00:00+07:00\n")
    always = small_park()

    def first_day(park: SimulatedPark) -> float:
        return use(park, "alpha/main", "energy_import", START_US, START_US + DAY_US)

    assert first_day(late) < first_day(always)


def test_no_readings_are_made_of_a_time_before_the_park() -> None:
    park = small_park()

    assert park.reports(START_US - DAY_US, START_US) == ()
    with pytest.raises(InputError, match="before park estate begins"):
        park.value("alpha/main", "power", START_US - 1)


def test_a_channel_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="alpha/main/steam"):
        small_park().value("alpha/main", "steam", START_US)


@pytest.mark.parametrize("zone", ["Europe/Rome", "Asia/Kolkata", "America/St_Johns"])
def test_registers_run_on_through_days_on_which_clocks_change(zone: str) -> None:
    park = small_park("timezone: Asia/Jakarta", f"timezone: {zone}")
    # The end of March, when clocks go forward in Rome and have gone in America.
    start_us = START_US + 86 * DAY_US

    values = [
        value for _, value in series(park.reports(start_us, start_us + 3 * DAY_US))["alpha/main", "energy_import"]
    ]

    assert len(values) == 3 * 24 * 60
    assert np.diff(values).min() >= 0
