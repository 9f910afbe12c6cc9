"""Water by hand: sources, consumption, wastewater, reuse, and what runs at night."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.frames import AmountFrame, NullReason, Subject
from domain.quality import Flag
from domain.registry import OPERATOR, Registry
from domain.time import DAY_US, HOUR_US, Level, parse_instant
from kpi.compute import fold_kpis, subject_kpis
from kpi.fold import fold_amounts
from kpi.nights import night_edges, night_steps, step_kpis
from tests.support.small_parks import (
    BEGIN_US,
    JAKARTA,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_park,
    a_registry,
    a_tenant,
    a_tenant_subject,
    amounts,
    at,
    figure,
    only_row,
    the_kpis,
    together,
)

ONE, TWO = a_tenant_subject(1), a_tenant_subject(2)
SOURCES = ("network", "surface", "ground", "rain", "reclaimed")


def hours(channel: int, *m3: float, first: str = "01-01 00:00", **columns: Any) -> AmountFrame:
    """Hours one after another, each spread evenly over its quarters."""
    return amounts(channel, at(first), np.repeat(np.array(m3) / 4, 4), **columns)


def gap(channel: int, first: str, quarters: int, each: float) -> AmountFrame:
    """A gap of a register that ends in the same day: what is between is spread, and not measured."""
    start_us = at(first)
    return amounts(
        channel,
        start_us,
        [each] * quarters,
        measured_s=0.0,
        estimated=each,
        flags=int(Flag.ESTIMATED),
        gap_s=[quarters * 900.0] + [0.0] * (quarters - 1),
        gap_stop_us=[start_us + quarters * HOUR_US // 4] + [0] * (quarters - 1),
        slots=0,
    )


def a_firm_of_all_sources() -> Registry:
    quantities = ("water_in", "water_surface", "water_ground", "water_rain", "water_reclaimed")
    return a_registry([a_meter(1, 1)], [a_channel(10 + place, 1, one) for place, one in enumerate(quantities)])


def test_intake_is_the_sum_of_all_sources_and_each_of_them_alone() -> None:
    registry = a_firm_of_all_sources()
    base = together(*(hours(10 + place, *[1.0 + place] * 24) for place in range(5)))

    found = {key: figure(registry, key, ONE, Level.DAY, base).value for key in ("water_intake", *_intakes())}

    # 24 h of 1, 2, 3, 4 and 5 m3 are 24, 48, 72, 96 and 120 m3: 360 together.
    assert found["water_intake"] == 360.0
    assert [found[key] for key in _intakes()] == [24.0, 48.0, 72.0, 96.0, 120.0]


def _intakes() -> list[str]:
    return [f"water_intake_{source}" for source in SOURCES]


def test_a_park_has_only_the_sources_that_it_measures() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "water_rain")])

    assert [kpi.key for kpi in the_kpis(registry, "water_intake", "water_intake_rain")]
    with pytest.raises(KeyError):
        the_kpis(registry, "water_intake_ground")


def test_a_well_below_a_meter_of_the_network_is_water_of_its_own_and_a_second_network_meter_is_not() -> None:
    meters = [a_meter(1, 1), a_meter(2, 1, parent_id=1), a_meter(3, 1, parent_id=1)]
    channels = [a_channel(1, 1, "water_in"), a_channel(2, 2, "water_ground"), a_channel(3, 3, "water_in")]
    registry = a_registry(meters, channels)
    base = together(hours(1, *[10.0] * 24), hours(2, *[2.0] * 24), hours(3, *[4.0] * 24))

    assert figure(registry, "water_intake", ONE, Level.DAY, base).value == 288.0  # 24 x (10 + 2)
    assert figure(registry, "water_intake", a_meter_subject(3), Level.DAY, base).value == 96.0


def test_a_flow_stands_in_while_a_meter_has_no_register_of_the_network() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "water_flow")])

    assert figure(registry, "water_intake_network", ONE, Level.DAY, hours(1, *[3.0] * 24)).value == 72.0


def test_tenants_sum_to_the_park_for_each_source() -> None:
    meters = [a_meter(1, 1), a_meter(2, 2)]
    channels = [a_channel(1, 1, "water_ground"), a_channel(2, 2, "water_ground"), a_channel(3, 2, "water_in")]
    registry = a_registry(meters, channels)
    base = together(hours(1, *[1.0] * 24), hours(2, *[2.0] * 24), hours(3, *[4.0] * 24))

    for key in ("water_intake", "water_intake_ground", "water_intake_network"):
        rows = [only_row(_day(registry, key, base, whom), key, whom) for whom in _holders(key)]
        park = figure(registry, key, PARK, Level.DAY, base)
        assert sum(row.value for row in rows) == park.value


def _holders(key: str) -> list[Subject]:
    return [TWO] if key.endswith("network") else [ONE, TWO]


def _day(registry: Registry, key: str, base: AmountFrame, subject: Subject) -> Any:
    return subject_kpis(registry, (subject,), the_kpis(registry, key), Level.DAY, BEGIN_US, BEGIN_US + 1, base)


def test_supply_of_the_balance_is_of_every_source_and_wells_of_tenants_do_not_enter_it() -> None:
    meters = [a_meter(1, 9, role="supply"), a_meter(2, 1), a_meter(3, 1)]
    channels = [a_channel(1, 1, "water_surface"), a_channel(2, 2, "water_in"), a_channel(3, 3, "water_ground")]
    registry = a_registry(meters, channels)
    base = together(hours(1, *[10.0] * 24), hours(2, *[8.0] * 24), hours(3, *[5.0] * 24))

    assert figure(registry, "water_balance", PARK, Level.DAY, base).value == 48.0  # 240 - 192


def a_park_with_a_plant(*, outlet: bool = True, tenants: int = 1) -> Registry:
    """Firms (meter n takes in, 100 + n discharges) and the operator's plant (outlet 50)."""
    numbers = range(1, tenants + 1)
    meters = [a_meter(number, number) for number in numbers]
    meters += [a_meter(100 + number, number, role="discharge") for number in numbers]
    channels = [a_channel(number, number, "water_in") for number in numbers]
    channels += [a_channel(100 + number, 100 + number, "effluent_volume") for number in numbers]
    if outlet:
        meters.append(a_meter(50, 99, role="outlet"))
        channels.append(a_channel(50, 50, "effluent_volume"))
    return a_registry(meters, channels)


def test_consumption_is_intake_less_discharge_with_its_error_band() -> None:
    registry = a_park_with_a_plant()
    base = together(hours(1, *[10.0] * 24), hours(101, *[6.0] * 24), hours(50, *[5.0] * 24))

    firm = figure(registry, "water_consumption", ONE, Level.DAY, base)
    park = figure(registry, "water_consumption", PARK, Level.DAY, base)

    # 240 - 144 and, by the outlet, 240 - 120; sqrt((0.02 x 240)^2 + (0.02 x 144)^2) = sqrt(23.04 + 8.2944).
    assert (firm.value, park.value) == (96.0, 120.0)
    assert firm.error == pytest.approx(5.5977, abs=1e-4)


def test_without_an_outlet_the_park_is_the_sum_of_the_tenants_that_meter_both_sides() -> None:
    registry = a_park_with_a_plant(outlet=False, tenants=2)
    without = replace(registry, channels=tuple(one for one in registry.channels if one.id != 102))
    base = together(hours(1, *[10.0] * 24), hours(101, *[6.0] * 24), hours(2, *[100.0] * 24))

    park = figure(without, "water_consumption", PARK, Level.DAY, base)

    assert park.value == 96.0
    assert not len(_day(without, "water_consumption", base, TWO))


def test_consumption_knows_a_gap_that_ended_by_its_total_coverage() -> None:
    registry = a_park_with_a_plant(outlet=False)
    # The intake is silent for 12 hours, 24 m3 in all: 12 x 10 + 24.
    base = together(hours(1, *[10.0] * 12), gap(1, "01-01 12:00", 48, 0.5), hours(101, *[2.0] * 24))

    row = figure(registry, "water_consumption", ONE, Level.DAY, base)

    assert (row.value, row.total_coverage, row.profile_coverage) == (96.0, 1.0, 0.5)
    assert row.measured == 72.0  # 120 - 48
    assert row.estimated_share == pytest.approx(24 / 192)


def test_wastewater_per_intake_is_a_ratio_of_sums() -> None:
    registry = a_park_with_a_plant()
    # 6 h of 4 out of 4 m3/h, 18 h of 3 out of 12.
    base = together(hours(1, *[4.0] * 6, *[12.0] * 18), hours(101, *[4.0] * 6, *[3.0] * 18), hours(50, *[2.0] * 24))

    firm = figure(registry, "wastewater_ratio", ONE, Level.DAY, base)
    park = figure(registry, "wastewater_ratio", PARK, Level.DAY, base)

    assert firm.value == pytest.approx(78 / 240)  # (24 + 54) / (24 + 216); the mean of 1 and 0.25 would be 0.4375
    assert park.value == pytest.approx(48 / 240)
    assert (firm.profile_coverage, firm.estimated_share) == (1.0, 0.0)


def test_an_interval_with_a_gap_on_one_side_leaves_both() -> None:
    registry = a_park_with_a_plant(outlet=False)
    # Discharge is silent from 22:00 on, when the intake is ten times what it is before.
    base = together(hours(1, *[1.0] * 22, 10.0, 10.0), hours(101, *[0.5] * 22), gap(101, "01-01 22:00", 8, 9.0))

    row = figure(registry, "wastewater_ratio", ONE, Level.DAY, base)

    assert row.measured == row.value == 0.5  # 11 / 22
    assert row.profile_coverage == pytest.approx(22 / 24)
    assert row.estimated_share == 0.0
    assert row.terms[6] == 2.0


def test_a_gap_on_both_sides_is_estimated_on_both_and_flagged() -> None:
    registry = a_park_with_a_plant(outlet=False)
    sides = [
        hours(1, *[1.0] * 22),
        gap(1, "01-01 22:00", 8, 0.5),
        hours(101, *[0.5] * 22),
        gap(101, "01-01 22:00", 8, 0.25),
    ]

    row = figure(registry, "wastewater_ratio", ONE, Level.DAY, together(*sides))

    assert row.value == pytest.approx((11 + 2) / (22 + 4))
    assert row.estimated_share == pytest.approx(1 - (11 / 13) * (22 / 26))
    assert row.flags & Flag.ESTIMATED
    assert row.profile_coverage == pytest.approx(22 / 24)


def test_too_little_shared_time_is_no_value() -> None:
    registry = a_park_with_a_plant(outlet=False)

    row = figure(registry, "wastewater_ratio", ONE, Level.DAY, together(hours(1, *[1.0] * 24), hours(101, *[0.5] * 12)))

    assert (row.reason, row.measured, row.profile_coverage) == (NullReason.INSUFFICIENT_DATA, 0.5, 0.5)


def test_discharge_without_intake_has_a_zero_denominator() -> None:
    registry = a_park_with_a_plant(outlet=False)

    row = figure(registry, "wastewater_ratio", ONE, Level.DAY, together(hours(1, *[0.0] * 24), hours(101, *[0.5] * 24)))

    assert row.reason == NullReason.ZERO_DENOMINATOR
    assert np.isnan(row.value)


def test_one_dead_meter_of_many_does_not_null_a_ratio() -> None:
    registry = a_park_with_a_plant(tenants=20)
    taken = [hours(number, *[1.0] * 24) for number in range(1, 20)]  # the twentieth is dead

    row = figure(registry, "wastewater_ratio", PARK, Level.DAY, together(*taken, hours(50, *[9.5] * 24)))

    assert row.value == pytest.approx(9.5 / 19)
    assert row.profile_coverage == pytest.approx(19 / 20)


def test_what_a_firm_reuses_is_part_of_its_wastewater() -> None:
    meters = [a_meter(1, 1, role="discharge"), a_meter(2, 1, role="reuse")]
    registry = a_registry(meters, [a_channel(1, 1, "effluent_volume"), a_channel(2, 2, "water_reuse")])
    base = together(hours(1, *[6.0] * 24), hours(2, *[2.0] * 24))

    assert figure(registry, "reuse_share", ONE, Level.DAY, base).value == pytest.approx(2 / 8)
    assert figure(registry, "reuse_share", PARK, Level.DAY, base).value == pytest.approx(2 / 8)


def test_what_the_operator_reuses_has_reached_the_plant_before() -> None:
    tenants = [a_tenant(1), a_tenant(9, key=OPERATOR)]
    meters = [
        a_meter(1, 1, role="discharge"),
        a_meter(2, 1, role="reuse"),
        a_meter(3, 9, role="inlet"),
        a_meter(4, 9, role="reuse"),
    ]
    quantities = ("effluent_volume", "water_reuse", "effluent_volume", "water_reuse")
    channels = [a_channel(number, number, quantity) for number, quantity in enumerate(quantities, 1)]
    registry = a_registry(meters, channels, tenants=tenants)
    base = together(*(hours(number, *[m3] * 24) for number, m3 in enumerate((6.0, 2.0, 7.0, 3.0), 1)))

    # Reused 2 + 3; generated: 7 at the inlet, and 2 that the firm reused before.
    assert figure(registry, "reuse_share", PARK, Level.DAY, base).value == pytest.approx(5 / 9)


def test_reclaimed_water_is_held_against_all_intake() -> None:
    registry = a_firm_of_all_sources()
    base = together(*(hours(10 + place, *[1.0 + place] * 24) for place in range(5)))

    assert figure(registry, "reclaimed_share", ONE, Level.DAY, base).value == pytest.approx(5 / 15)


def test_who_reclaims_nothing_has_no_share() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "water_in")])

    assert not len(_day(registry, "reclaimed_share", hours(1, *[1.0] * 24), ONE))


def test_days_fold_to_the_month_of_a_ratio() -> None:
    registry = a_park_with_a_plant()
    base = together(*(hours(one, *np.linspace(1, 9 * one, 24 * 31)) for one in (1, 101, 50)))
    kpis = the_kpis(registry, "wastewater_ratio", "water_consumption")
    stop_us = at("02-01 00:00")
    days = subject_kpis(registry, (PARK, ONE), kpis, Level.DAY, BEGIN_US, stop_us, base)
    channel_days = fold_amounts(base, Level.DAY, JAKARTA, 900)

    folded = fold_kpis(registry, (PARK, ONE), kpis, Level.MONTH, BEGIN_US, stop_us, days, channel_days)

    direct = subject_kpis(registry, (PARK, ONE), kpis, Level.MONTH, BEGIN_US, stop_us, base)
    np.testing.assert_allclose(folded.value, direct.value, rtol=1e-12)
    assert len(folded) == 4


def a_network(**changes: Any) -> Registry:
    """A supply meter (1), and a firm that takes water (2)."""
    meters = [a_meter(1, 9, role="supply"), a_meter(2, 1)]
    park = a_park(**changes)
    return a_registry(meters, [a_channel(1, 1, "water_in"), a_channel(2, 2, "water_in")], park=park)


def a_night(*quarters: float, channel: int = 1) -> AmountFrame:
    """A day at 100 m3/h, but for the quarters from 02:00 on. [m3/h]"""
    rates = np.full(96, 100.0)
    rates[8 : 8 + len(quarters)] = quarters
    return amounts(channel, BEGIN_US, rates / 4)


def test_the_flow_of_a_night_is_its_lowest_hour_less_what_is_metered_in_the_same_hour() -> None:
    # Supply by the quarter from 02:00: 8 9 6 5 4 5 9 9 m3/h; the firm takes 3 m3/h until 03:00, then 1 m3/h.
    supply, use = a_night(8, 9, 6, 5, 4, 5, 9, 9), a_night(3, 3, 3, 3, 1, 1, 1, 1, channel=2)

    row = figure(a_network(), "night_flow", PARK, Level.DAY, together(supply, use))

    # Net 5 6 3 2 3 4 8 8: the hours from 02:00, 02:15 .. 03:00 have means of 4, 3.5, 3, 4.25 and 5.75 m3/h.
    assert row.value == pytest.approx(3.0)
    assert row.peak_at_us == at("01-01 02:30")
    assert row.profile_coverage == 1.0


def test_hours_that_reach_beyond_the_night_do_not_count() -> None:
    supply = a_night(8, 8, 8, 8, 8, 8, 8, 0, 0, 0, 0, 0)

    row = figure(a_network(), "night_flow", PARK, Level.DAY, together(supply, a_night(*[0] * 8, channel=2)))

    assert row.value == pytest.approx(6.0)  # 03:00 to 04:00: (8 + 8 + 8 + 0) / 4


def test_without_meters_of_use_the_night_is_that_of_the_supply() -> None:
    registry = a_registry([a_meter(1, 9, role="supply")], [a_channel(1, 1, "water_flow")])

    assert figure(registry, "night_flow", PARK, Level.DAY, a_night(*[5] * 8)).value == pytest.approx(5.0)


def test_without_a_supply_meter_there_is_no_night() -> None:
    registry = a_registry([a_meter(1, 1)], [a_channel(1, 1, "water_in")])

    assert not len(_day(registry, "night_flow", a_night(), PARK))


def test_a_night_in_which_nobody_knows_what_was_used_has_no_flow() -> None:
    row = figure(a_network(), "night_flow", PARK, Level.DAY, a_night(*[5] * 8))

    assert (row.reason, row.profile_coverage) == (NullReason.INSUFFICIENT_DATA, 0.0)
    assert np.isnan(row.measured)


def test_a_night_of_which_a_quarter_is_missing_is_measured_but_no_value() -> None:
    supply = a_night(8, 9, 6, 5, 4, 5, 9, 9)
    use = a_night(*[0] * 8, channel=2)
    use.measured_s[10] = 450.0  # half of the quarter from 02:30

    row = figure(a_network(), "night_flow", PARK, Level.DAY, together(supply, use))

    # Only the hours from 02:45 on are known: (5 + 4 + 5 + 9) / 4 and (4 + 5 + 9 + 9) / 4.
    assert row.measured == pytest.approx(5.75)
    assert (row.reason, row.profile_coverage) == (NullReason.INSUFFICIENT_DATA, pytest.approx(7 / 8))


def test_gaps_do_not_enter_a_night() -> None:
    supply = together(amounts(1, BEGIN_US, [1.0] * 8), gap(1, "01-01 02:00", 8, 0.1))

    row = figure(a_network(), "night_flow", PARK, Level.DAY, together(supply, a_night(*[0] * 8, channel=2)))

    assert np.isnan(row.measured)


ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("day", "begin", "end"),
    [
        ("2026-03-28", "2026-03-28T02:00:00+01:00", "2026-03-28T04:00:00+01:00"),
        ("2026-03-29", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"),
        ("2026-10-25", "2026-10-25T02:00:00+02:00", "2026-10-25T04:00:00+01:00"),
    ],
)
def test_a_night_is_what_the_clock_on_the_wall_shows(day: str, begin: str, end: str) -> None:
    offsets = {
        "2026-03-28": ("+01:00", "+01:00"),
        "2026-03-29": ("+01:00", "+02:00"),
        "2026-10-25": ("+02:00", "+01:00"),
    }
    first = parse_instant(f"{day}T00:00:00{offsets[day][0]}")
    last = parse_instant(f"{day}T23:00:00{offsets[day][1]}") + HOUR_US

    begins, ends = night_edges(ROME, np.array([first, last]))

    assert (begins[0], ends[0]) == (parse_instant(begin), parse_instant(end))


def test_the_night_of_a_clock_change_is_found_where_the_clock_shows_it() -> None:
    first = parse_instant("2026-03-29T00:00:00+01:00")
    meters = [a_meter(1, 9, role="supply", valid_from_us=first)]
    registry = a_registry(
        meters,
        [a_channel(1, 1, "water_in", valid_from_us=first)],
        park=a_park(zone=ROME, ticked_to_us=first + 2 * DAY_US),
        tenants=[a_tenant(9, valid_from_us=first)],
    )
    # Two real hours after midnight the clock jumps from 02:00 to 03:00: only the third hour is in the night.
    base = amounts(1, first, np.repeat([1.0, 2.0, 7.0, 3.0], 4) / 4)

    row = figure(registry, "night_flow", PARK, Level.DAY, base, moment_us=first)

    assert row.value == pytest.approx(7.0)


def nights(*flow: float) -> SimpleNamespace:
    recent, usual, deviation, known, flagged = night_steps(np.array(flow))
    return SimpleNamespace(recent=recent, usual=usual, deviation=deviation, known=known, flagged=flagged)


def test_a_leak_shows_in_the_last_three_nights() -> None:
    # 28 nights of 10 and 12 m3/h: median 11, each 1 from it; then 10.5, 30 and 31: median 30, 19 above, and 3 x 1 is the band.
    found = nights(*[10.0, 12.0] * 14, 10.5, 30.0, 31.0)

    assert (found.recent[0], found.usual[0], found.deviation[0]) == (30.0, 11.0, 1.0)
    assert found.flagged[0]


def test_a_step_within_the_band_is_not_flagged() -> None:
    found = nights(*[10.0, 12.0] * 14, 13.0, 14.0, 15.0)

    assert (found.recent[0] - found.usual[0], bool(found.flagged[0])) == (3.0, False)


def test_a_few_nights_may_be_missing_and_more_may_not() -> None:
    few = nights(*[np.nan] * 7, *[10.0] * 21, np.nan, 30.0, 32.0)
    more = nights(*[np.nan] * 8, *[10.0] * 20, 30.0, 30.0, 32.0)

    assert (few.recent[0], few.usual[0], few.known[0]) == (31.0, 10.0, pytest.approx(23 / 31))
    assert np.isnan(more.usual[0])
    assert not more.flagged[0]


def test_a_step_is_made_of_the_stored_nights() -> None:
    registry = a_network()
    (flow, step) = the_kpis(registry, "night_flow", "night_flow_step")
    stop_us = at("02-02 00:00")
    quiet = np.tile(np.concatenate([np.full(96, 2.5), np.full(96, 3.0)]), 16)
    leaking = np.concatenate([quiet[: 96 * 29], np.full(96 * 3, 10.0)])
    base = together(amounts(1, BEGIN_US, leaking), amounts(2, BEGIN_US, np.zeros(96 * 32)))
    stored = subject_kpis(registry, (PARK,), (flow,), Level.DAY, BEGIN_US, stop_us, base)

    made = step_kpis(step, stored, stored.start_us)

    # Nights of 10 and 12 m3/h in turn, 40 from the 30th on: two of the three that end with the 31st leak, then all three.
    assert made.start_us.tolist() == [at("01-31 00:00"), at("02-01 00:00")]
    assert made.value.tolist() == [40.0 - 11.0, 40.0 - 11.0]
    assert made.error.tolist() == [3.0, 3.0]
    assert (made.flags & Flag.BEYOND > 0).all()
    assert made.kpi.tolist() == ["night_flow_step"] * 2


def test_a_step_is_not_made_of_amounts() -> None:
    registry = a_network()

    assert not len(_day(registry, "night_flow_step", a_night(), PARK))
