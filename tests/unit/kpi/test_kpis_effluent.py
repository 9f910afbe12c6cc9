"""Effluent by hand: mean concentrations, removal, what is beyond a limit, and what is treated within all limits."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from domain.context import PARK_WIDE, ContextFrame
from domain.errors import RegistryError
from domain.frames import AmountFrame, NullReason, Subject
from domain.quality import Flag
from domain.registry import ComplianceRule, Kind, Registry, RuleStatistic, RuleWindow
from domain.time import DAY_US, Level
from kpi.catalogue import for_registry
from kpi.compute import subject_kpis
from tests.support.entered_values import entered
from tests.support.priced_parks import entered_figure
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_registry,
    a_rule,
    a_tenant_subject,
    amounts,
    at,
    figure,
    rows_of,
    the_kpis,
    together,
)

OUTLET, FIRM = a_meter_subject(1), a_tenant_subject(1)
COD, FLOW, LOAD = 1, 2, 3


def a_plant(*rules: ComplianceRule, role: str = "outlet", flow: str = "effluent_flow") -> Registry:
    """One compliance point that measures COD and a flow."""
    channels = [a_channel(COD, 1, "cod"), a_channel(FLOW, 1, flow), a_channel(LOAD, 1, "load_cod", inputs=(COD, FLOW))]
    return a_registry([a_meter(1, 1, role=role)], channels, rules=rules)


def held(channel: int, *means: float, first_us: int = BEGIN_US, each: int = 4, **columns: Any) -> AmountFrame:
    """A gauge that holds each value for an hour (`each` quarters)."""
    levels = np.repeat(np.array(means, dtype=np.float64), each)
    return amounts(
        channel, first_us, np.full(len(levels), np.nan), **({"mean": levels, "low": levels, "high": levels} | columns)
    )


def passed(channel: int, *rates: float, first_us: int = BEGIN_US, each: int = 4, **columns: Any) -> AmountFrame:
    """A flow that stands at each rate for an hour. [m3/h]"""
    return amounts(channel, first_us, np.repeat(np.array(rates) / 4, each), **columns)


def discharge(cod: list[float], flow: list[float], *, first: int = 0) -> AmountFrame:
    """COD [mg/L], flow [m3/h] and load by the hour; channels from `first` on."""
    load = np.array(cod) * np.array(flow) * 1e-3
    return together(held(first + COD, *cod), passed(first + FLOW, *flow), passed(first + LOAD, *load))


def test_the_mean_concentration_is_weighted_by_the_flow() -> None:
    base = discharge([100.0] * 12 + [20.0] * 12, [30.0] * 12 + [10.0] * 12)

    row = figure(a_plant(), "fwmc_cod", OUTLET, Level.DAY, base)

    # 12 h x (30 m3/h x 100 g/m3 + 10 x 20) = 38,400 g of 480 m3: 80 mg/L, while the mean over time is 60.
    assert row.value == pytest.approx(80.0)
    assert row.terms[:2].tolist() == pytest.approx([38.4, 480.0])
    assert (row.profile_coverage, row.estimated_share) == (1.0, 0.0)


@pytest.mark.parametrize(("role", "subject"), [("outlet", PARK), ("discharge", FIRM)])
def test_the_mean_concentration_is_that_of_the_park_by_its_outlets_and_of_a_firm_to_the_sewer(
    role: str, subject: Subject
) -> None:
    row = figure(a_plant(role=role), "fwmc_cod", subject, Level.DAY, discharge([40.0] * 24, [5.0] * 24))

    assert row.value == pytest.approx(40.0)


def test_a_volume_without_its_concentration_leaves_the_mean() -> None:
    base = together(held(COD, *[50.0] * 23), passed(FLOW, *[10.0] * 23, 500.0), passed(LOAD, *[0.5] * 23))

    row = figure(a_plant(), "fwmc_cod", OUTLET, Level.DAY, base)

    assert row.value == pytest.approx(50.0)
    assert row.profile_coverage == pytest.approx(23 / 24)


def test_a_day_of_one_input_alone_is_an_invalid_pair_and_a_day_of_none_is_not() -> None:
    alone = figure(a_plant(), "fwmc_cod", OUTLET, Level.DAY, held(COD, *[50.0] * 24))
    nothing = figure(a_plant(), "fwmc_cod", OUTLET, Level.DAY, held(9, 1.0))

    assert (alone.reason, nothing.reason) == (NullReason.INVALID_PAIR, NullReason.INSUFFICIENT_DATA)


def test_nothing_that_flows_has_no_concentration() -> None:
    row = figure(a_plant(), "fwmc_cod", OUTLET, Level.DAY, discharge([50.0] * 24, [0.0] * 24))

    assert row.reason == NullReason.ZERO_DENOMINATOR


def a_works() -> Registry:
    """A treatment plant: outlet (channels 1 to 3), inlet (11 to 13)."""
    channels = [
        a_channel(first + number, meter, quantity, **({"inputs": (first + 1, first + 2)} if number == LOAD else {}))
        for first, meter in ((0, 1), (10, 2))
        for number, quantity in enumerate(("cod", "effluent_flow", "load_cod"), 1)
    ]
    return a_registry([a_meter(1, 1, role="outlet"), a_meter(2, 1, role="inlet")], channels)


def test_removal_is_what_does_not_come_out_again() -> None:
    base = together(discharge([40.0] * 24, [9.0] * 24), discharge([400.0] * 24, [10.0] * 24, first=10))

    row = figure(a_works(), "removal_cod", PARK, Level.DAY, base)

    # Out 24 x 0.36 kg, in 24 x 4 kg.
    assert row.value == pytest.approx(1 - 8.64 / 96)
    assert row.profile_coverage == 1.0


def test_an_hour_without_one_side_leaves_both_sides_of_the_removal() -> None:
    out, into = discharge([40.0] * 23, [10.0] * 23), discharge([400.0] * 23 + [9000.0], [10.0] * 24, first=10)

    row = figure(a_works(), "removal_cod", PARK, Level.DAY, together(out, into))

    assert row.value == pytest.approx(0.9)
    assert row.profile_coverage == pytest.approx(23 / 24)


def test_one_side_alone_is_an_invalid_pair() -> None:
    row = figure(a_works(), "removal_cod", PARK, Level.DAY, discharge([400.0] * 24, [10.0] * 24, first=10))

    assert (row.reason, row.profile_coverage) == (NullReason.INVALID_PAIR, 0.0)


def test_more_out_than_in_is_a_removal_below_zero() -> None:
    base = together(discharge([44.0] * 24, [10.0] * 24), discharge([40.0] * 24, [10.0] * 24, first=10))

    assert figure(a_works(), "removal_cod", PARK, Level.DAY, base).value == pytest.approx(-0.1)


JANUARY = at("01-01 00:00"), at("02-01 00:00")


@pytest.mark.parametrize(("role", "subject", "owner"), [("outlet", PARK, PARK_WIDE), ("discharge", FIRM, 1)])
def test_the_load_of_a_month_is_divided_by_its_production(role: str, subject: Subject, owner: int) -> None:
    base = discharge([50.0] * 24 * 31, [10.0] * 24 * 31)

    row = _entered(
        a_plant(role=role), "specific_load_cod", subject, base, entered((owner, "production_t", *JANUARY, 62.0))
    )

    assert row.value == pytest.approx(0.5 * 24 * 31 / 62)  # 372 kg / 62 t = 6 kg/t
    assert row.estimated_share == 0.0


def test_production_that_reaches_beyond_the_month_is_split_by_time_and_flagged() -> None:
    base = discharge([50.0] * 24 * 31, [10.0] * 24 * 31)
    context = entered((1, "production_t", at("01-01 00:00"), at("03-04 00:00"), 124.0))  # 62 days

    row = _entered(a_plant(role="discharge"), "specific_load_cod", FIRM, base, context)

    assert row.value == pytest.approx(372 / 62)
    assert row.flags & Flag.ESTIMATED
    assert row.estimated_share == 1.0


def _entered(
    registry: Registry, key: str, subject: Subject, base: AmountFrame, context: ContextFrame
) -> SimpleNamespace:
    return entered_figure(registry, key, subject, Level.MONTH, base, context=context)


def test_flow_per_area_is_the_mean_flow_over_the_area_in_use() -> None:
    base = passed(FLOW, *[36.0] * 24 * 31)  # 36 m3/h are 10 L/s

    row = _entered(a_plant(), "flow_per_area", PARK, base, entered((PARK_WIDE, "area", *JANUARY, 25.0)))

    assert row.value == pytest.approx(0.4)
    assert (row.measured, row.estimated_share) == (pytest.approx(0.4), 0.0)


def test_flow_per_area_is_of_the_time_that_is_known() -> None:
    base = passed(FLOW, *[36.0] * (24 * 30 + 18))  # the last 6 hours of the month are missing

    row = _entered(a_plant(), "flow_per_area", PARK, base, entered((PARK_WIDE, "area", *JANUARY, 25.0)))

    assert row.value == pytest.approx(0.4)
    assert row.total_coverage == pytest.approx(1 - 6 / 744)


def test_without_an_area_there_is_no_denominator() -> None:
    nothing = _entered(a_plant(), "flow_per_area", PARK, passed(FLOW, *[36.0] * 24 * 31), entered())
    zero = _entered(
        a_plant(), "flow_per_area", PARK, passed(FLOW, *[36.0] * 24 * 31), entered((PARK_WIDE, "area", *JANUARY, 0.0))
    )

    assert (nothing.reason, zero.reason) == (NullReason.NO_DENOMINATOR, NullReason.ZERO_DENOMINATOR)


def test_time_above_is_that_of_the_intervals_beyond_the_limit() -> None:
    base = held(COD, *[90.0] * 20, 101.0, 150.0, 100.0, 100.0)

    row = figure(a_plant(a_rule(1, COD)), "time_above_cod", OUTLET, Level.DAY, base)

    assert (row.value, row.profile_coverage) == (2.0, 1.0)  # a value on the limit is not beyond it


def test_time_above_is_of_the_measured_time_only() -> None:
    base = held(COD, *[150.0] * 24, measured_s=855.0)

    row = figure(a_plant(a_rule(1, COD)), "time_above_cod", OUTLET, Level.DAY, base)

    assert (row.value, row.profile_coverage) == (pytest.approx(22.8), pytest.approx(0.95))


def test_time_outside_a_range_is_told_by_the_extremes() -> None:
    rule = a_rule(1, COD, key="ph", statistic=RuleStatistic.RANGE, lowest=6.0, highest=9.0)
    registry = a_registry([a_meter(1, 1, role="outlet")], [a_channel(COD, 1, "ph")], rules=(rule,))
    low, high = np.full(96, 7.0), np.full(96, 8.0)
    low[0], high[50:52] = 5.9, 9.1
    base = amounts(COD, BEGIN_US, np.full(96, np.nan), low=low, high=high)

    row = figure(registry, "time_above_ph", OUTLET, Level.DAY, base)

    assert row.value == 0.75


def test_each_version_of_a_limit_holds_for_its_own_time() -> None:
    rules = (
        a_rule(1, COD, valid_to_us=at("01-01 12:00")),
        a_rule(2, COD, highest=50.0, valid_from_us=at("01-01 12:00")),
    )

    row = figure(a_plant(*rules), "time_above_cod", OUTLET, Level.DAY, held(COD, *[80.0] * 24))

    assert row.value == 12.0


def test_days_of_time_above_sum_to_the_month() -> None:
    registry = a_plant(a_rule(1, COD))
    rng = np.random.default_rng(5)
    base = held(COD, *rng.uniform(50, 150, 24 * 31))
    days = subject_kpis(registry, (OUTLET,), the_kpis(registry, "time_above_cod"), Level.DAY, *JANUARY, base)

    month = figure(registry, "time_above_cod", OUTLET, Level.MONTH, base)

    assert month.value == pytest.approx(days.value.sum())


def test_the_excess_load_is_what_is_beyond_the_limit() -> None:
    base = discharge([90.0] * 22 + [150.0, 120.0], [10.0] * 22 + [20.0, 5.0])

    row = figure(a_plant(a_rule(1, COD)), "excess_load_cod", OUTLET, Level.DAY, base)

    # (50 g/m3 x 20 m3 + 20 x 5) / 1000
    assert row.value == pytest.approx(1.1)
    assert row.profile_coverage == 1.0


@pytest.mark.parametrize(("role", "subject"), [("outlet", PARK), ("discharge", FIRM)])
def test_excess_load_belongs_to_the_meter_its_tenant_and_the_park(role: str, subject: Subject) -> None:
    base = discharge([150.0] * 24, [10.0] * 24)

    row = figure(a_plant(a_rule(1, COD), role=role), "excess_load_cod", subject, Level.DAY, base)

    assert row.value == pytest.approx(12.0)


def test_a_concentration_without_its_flow_has_no_excess() -> None:
    registry = a_plant(a_rule(1, COD))

    row = figure(registry, "excess_load_cod", OUTLET, Level.DAY, held(COD, *[150.0] * 24))

    assert (row.reason, row.profile_coverage) == (NullReason.INVALID_PAIR, 0.0)


def test_only_concentrations_with_an_upper_limit_and_a_flow_have_an_excess() -> None:
    channels = [a_channel(COD, 1, "cod"), a_channel(2, 1, "ph")]
    rules = (
        a_rule(1, COD),
        a_rule(2, 2, key="ph", statistic=RuleStatistic.RANGE, lowest=6.0, highest=9.0),
        a_rule(3, COD, key="least", highest=None, lowest=1.0),
    )
    registry = a_registry([a_meter(1, 1, role="outlet")], channels, rules=rules)
    keys = [kpi.key for kpi in for_registry(registry)]

    assert "excess_load_ph" not in keys
    assert "excess_load_least" not in keys
    frame = subject_kpis(
        registry, (OUTLET,), the_kpis(registry, "excess_load_cod"), Level.DAY, BEGIN_US, BEGIN_US + 1, held(COD, 1.0)
    )
    assert not len(frame)  # no flow beside it


def outcomes(registry: Registry, key: str, base: AmountFrame, level: Level = Level.DAY) -> tuple[float, ...]:
    return tuple(figure(registry, f"compliance_{key}", OUTLET, level, base).terms[:3].tolist())


def test_a_percentile_is_taken_of_base_intervals() -> None:
    rule = a_rule(1, COD, statistic=RuleStatistic.P95, window=RuleWindow.DAY)
    within = np.full(96, 50.0)
    within[:4] = 900.0  # rank 95 x 0.95 = 90.25: of 96 values the 91st and 92nd decide, and these are 50
    beyond = within.copy()
    beyond[4] = 900.0  # now the 92nd is 900: 50 + 0.25 x 850 = 262.5

    found = [outcomes(a_plant(rule), "cod", held(COD, *one, each=1)) for one in (within, beyond)]

    assert found == [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]


def test_a_mean_may_be_weighted_by_flow() -> None:
    rules = (
        a_rule(1, COD, statistic=RuleStatistic.FLOW_WEIGHTED_MEAN, window=RuleWindow.DAY, highest=70.0),
        a_rule(2, COD, key="plain", window=RuleWindow.DAY, highest=70.0),
    )
    base = discharge([100.0] * 12 + [20.0] * 12, [30.0] * 12 + [10.0] * 12)  # 80 mg/L by flow, 60 by time

    assert outcomes(a_plant(*rules), "cod", base) == (0.0, 1.0, 0.0)
    assert outcomes(a_plant(*rules), "plain", base) == (1.0, 0.0, 0.0)


def test_a_window_weighted_by_flow_is_invalid_without_enough_pairs_and_not_judged_without_flow() -> None:
    rule = a_rule(1, COD, statistic=RuleStatistic.FLOW_WEIGHTED_MEAN, window=RuleWindow.DAY)
    unpaired = together(held(COD, *[50.0] * 24), passed(FLOW, *[10.0] * 12))
    idle = discharge([50.0] * 24, [0.0] * 24)

    assert outcomes(a_plant(rule), "cod", unpaired) == (0.0, 0.0, 1.0)
    assert outcomes(a_plant(rule), "cod", idle) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("hours", "outcome"), [(24, (0.0, 1.0, 0.0)), (18, (0.0, 1.0, 0.0)), (17, (0.0, 0.0, 1.0))])
def test_the_known_part_of_a_sum_stands_for_the_whole(hours: int, outcome: tuple[float, ...]) -> None:
    rule = a_rule(1, FLOW, key="volume", statistic=RuleStatistic.SUM, window=RuleWindow.DAY, highest=230.0)

    # 10 m3/h are 240 m3 a day, whether 24 or 18 hours are known; 17 of 24 are less than three quarters.
    assert outcomes(a_plant(rule), "volume", passed(FLOW, *[10.0] * hours)) == outcome


def test_a_sum_knows_what_a_register_passed_during_a_gap() -> None:
    rule = a_rule(1, FLOW, key="volume", statistic=RuleStatistic.SUM, window=RuleWindow.DAY, highest=230.0)
    base = passed(FLOW, *[10.0] * 24, measured_s=0.0, estimated=2.5, flags=int(Flag.ESTIMATED))

    assert outcomes(a_plant(rule, flow="effluent_volume"), "volume", base) == (0.0, 1.0, 0.0)


def test_every_instant_counts_where_the_rule_says_so() -> None:
    rule = a_rule(1, COD, statistic=RuleStatistic.INSTANT)
    high = np.full(96, 90.0)
    high[5] = 101.0

    assert outcomes(a_plant(rule), "cod", held(COD, *[90.0] * 24, high=high)) == (23.0, 1.0, 0.0)


def test_concentrations_are_never_estimated_for_compliance() -> None:
    rules = (
        a_rule(1, COD),
        a_rule(2, COD, key="p95", statistic=RuleStatistic.P95),
        a_rule(3, COD, key="mass", statistic=RuleStatistic.FLOW_WEIGHTED_MEAN),
        a_rule(4, COD, key="most", statistic=RuleStatistic.MAX),
    )
    # Nothing was measured from 12:00 on, and the flow beside it is estimated: whatever is spread there is no measurement.
    cod = held(COD, *[90.0] * 12)
    spread = passed(
        FLOW, *[10.0] * 24, measured_s=[900.0] * 48 + [0.0] * 48, estimated=[0.0] * 48 + [2.5] * 48,
        flags=[0] * 48 + [int(Flag.ESTIMATED)] * 48,
    )  # fmt: skip
    after = held(
        COD, *[9999.0] * 12, first_us=at("01-01 12:00"), measured_s=0.0, estimated=1.0, flags=int(Flag.ESTIMATED)
    )

    found = {
        key: outcomes(a_plant(*rules), key, together(cod, spread, after)) for key in ("cod", "p95", "mass", "most")
    }

    assert set(found.values()) == {(12.0, 0.0, 12.0)}
    above = figure(a_plant(*rules), "time_above_cod", OUTLET, Level.DAY, together(cod, spread, after))
    assert (above.measured, above.reason) == (0.0, NullReason.INSUFFICIENT_DATA)


def test_a_window_of_a_month_is_judged_as_one() -> None:
    rule = a_rule(1, COD, window=RuleWindow.MONTH)
    registry = a_plant(rule)
    base = held(COD, *[90.0] * 24 * 15, *[115.0] * 24 * 16, *[80.0] * 24 * 28)  # January 102.9 mg/L, February 80

    (kpi,) = the_kpis(registry, "compliance_cod")
    year = figure(registry, "compliance_cod", OUTLET, Level.YEAR, base)

    assert kpi.levels == {Level.MONTH, Level.YEAR}
    assert not kpi.folds
    assert outcomes(registry, "cod", base, Level.MONTH) == (0.0, 1.0, 0.0)
    assert year.terms[:3].tolist() == [1.0, 1.0, 10.0]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (a_rule(1, 4, key="ph", statistic=RuleStatistic.P95), "pH is judged by range"),
        (a_rule(1, COD, statistic=RuleStatistic.SUM), "adds up to nothing"),
        (a_rule(1, 5, statistic=RuleStatistic.FLOW_WEIGHTED_MEAN), "its meter measures none"),
    ],
)
def test_a_statistic_that_its_channel_does_not_have_is_refused(rule: ComplianceRule, said: str) -> None:
    plant = a_plant(rule)
    more = [a_channel(4, 1, "ph"), a_channel(5, 2, "cod")]
    registry = replace(plant, meters=(*plant.meters, a_meter(2, 1, role="outlet")), channels=(*plant.channels, *more))

    with pytest.raises(RegistryError, match=said):
        for_registry(registry)


def a_treating_plant(*rules: ComplianceRule, inlet: bool = True) -> Registry:
    """Outlet (1) with COD and flow, firm's discharge (2), inlet (3)."""
    meters = [a_meter(1, 1, role="outlet"), a_meter(2, 2, role="discharge")]
    channels = [a_channel(COD, 1, "cod"), a_channel(FLOW, 1, "effluent_flow"), a_channel(20, 2, "effluent_volume")]
    if inlet:
        meters.append(a_meter(3, 1, role="inlet"))
        channels.append(a_channel(30, 3, "effluent_volume"))
    return a_registry(meters, channels, rules=rules)


def treated(registry: Registry, cod: list[float], *, level: Level = Level.DAY) -> SimpleNamespace:
    """10 m3/h out, 12 m3/h in, 16 m3/h discharged."""
    base = together(held(COD, *cod), passed(FLOW, *[10.0] * 24), passed(20, *[16.0] * 24), passed(30, *[12.0] * 24))
    return figure(registry, "treated_share", PARK, level, base)


def test_only_what_leaves_in_compliant_windows_is_treated() -> None:
    row = treated(a_treating_plant(a_rule(1, COD)), [90.0] * 18 + [120.0] * 6)

    assert row.value == pytest.approx(18 * 10 / (24 * 12))
    assert row.profile_coverage == 1.0


def test_without_an_inlet_the_wastewater_is_what_firms_discharge() -> None:
    row = treated(a_treating_plant(a_rule(1, COD), inlet=False), [90.0] * 24)

    assert row.value == pytest.approx(10 / 16)


def test_water_in_an_invalid_window_is_not_treated() -> None:
    row = treated(a_treating_plant(a_rule(1, COD)), [90.0] * 18)

    assert row.value == pytest.approx(18 * 10 / (24 * 12))


def test_water_is_treated_where_it_is_within_all_limits() -> None:
    day = a_rule(2, COD, key="day", window=RuleWindow.DAY, highest=80.0)
    registry = a_treating_plant(a_rule(1, COD), day)
    (kpi,) = the_kpis(registry, "treated_share")

    assert min(kpi.levels) is Level.DAY  # no level cuts a window
    assert treated(registry, [70.0] * 20 + [120.0] * 4).value == pytest.approx(20 * 10 / (24 * 12))  # mean 78.3
    assert treated(registry, [70.0] * 16 + [120.0] * 8).value == 0.0  # mean 86.7: the whole day exceeds


def test_an_outlet_without_a_limit_treats_nothing() -> None:
    registry = a_treating_plant()

    assert "treated_share" not in [kpi.key for kpi in for_registry(registry)]


def test_time_before_there_was_a_limit_is_not_treated() -> None:
    row = treated(a_treating_plant(a_rule(1, COD, valid_from_us=at("01-01 12:00"))), [90.0] * 24)

    assert row.value == pytest.approx(12 * 10 / (24 * 12))


def test_days_of_what_is_treated_make_the_month() -> None:
    registry = a_treating_plant(a_rule(1, COD))
    rng = np.random.default_rng(3)
    base = together(
        held(COD, *rng.uniform(50, 150, 24 * 31)),
        passed(FLOW, *rng.uniform(5, 10, 24 * 31)),
        passed(30, *rng.uniform(8, 12, 24 * 31)),
    )
    kpis = the_kpis(registry, "treated_share")
    days = rows_of(
        subject_kpis(registry, (PARK,), kpis, Level.DAY, BEGIN_US, BEGIN_US + 31 * DAY_US, base), "treated_share", PARK
    )

    month = figure(registry, "treated_share", PARK, Level.MONTH, base)

    assert month.value == pytest.approx(days.terms[:, 0].sum() / days.terms[:, 2].sum())


def test_a_product_of_a_flow_register_weighs_by_its_own_flow() -> None:
    registry = a_plant(a_rule(1, COD), flow="effluent_volume")
    assert registry.channel_by_id[FLOW].kind is Kind.REGISTER

    row = figure(registry, "excess_load_cod", OUTLET, Level.DAY, discharge([150.0] * 24, [10.0] * 24))

    assert row.value == pytest.approx(12.0)
