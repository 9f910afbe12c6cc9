"""Compliance: windows judged against dated limits, three-valued."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from domain.errors import RegistryError
from domain.frames import AmountFrame, NullReason
from domain.registry import ComplianceRule, Registry, RuleStatistic, RuleWindow
from domain.time import HOUR_US, Level
from kpi.catalogue import for_registry
from kpi.compute import subject_kpis
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_park,
    a_registry,
    a_rule,
    a_tenant_subject,
    amounts,
    at,
    figure,
    only_row,
    the_kpis,
    together,
)

OUTLET = a_meter_subject(1)


def outlet(*rules: ComplianceRule, quantity: str = "cod", ticked_to_us: int | None = None) -> Registry:
    park = a_park() if ticked_to_us is None else a_park(ticked_to_us=ticked_to_us)
    meters = [a_meter(1, 1, role="outlet"), a_meter(2, 2, role="outlet")]
    channels = [a_channel(1, 1, quantity), a_channel(2, 2, quantity)]
    return a_registry(meters, channels, park=park, rules=rules or (a_rule(1, 1),))


def held(means: Sequence[float], **columns: Any) -> AmountFrame:
    """Quarters of a gauge: the mean, and unless said otherwise the same as least and greatest value."""
    levels = {"mean": means, "low": means, "high": means} | columns
    return amounts(1, BEGIN_US, [np.nan] * len(means), **levels)


def counts(row: Any) -> tuple[float, ...]:
    return tuple(row.terms[:3].tolist())


def test_windows_within_the_limit_are_ok_and_beyond_it_exceeded() -> None:
    registry = outlet()
    base = held([90] * 4 + [101] * 4 + [80, 120, 80, 119] + [80, 121, 80, 120])

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, base)

    assert counts(row) == (2.0, 2.0, 20.0)
    assert (row.value, row.measured) == (0.5, 0.5)


def test_invalid_windows_are_never_ok_and_lower_the_coverage() -> None:
    registry = outlet()
    base = held([90] * 7)

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, base)

    assert counts(row) == (2.0, 0.0, 22.0)
    assert (row.value, row.profile_coverage, row.reason) == (1.0, pytest.approx(2 / 24), NullReason.NONE)


def test_without_a_valid_window_there_is_no_value() -> None:
    registry = outlet()

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, held([90] * 2))

    assert counts(row) == (0.0, 0.0, 24.0)
    assert (row.reason, row.profile_coverage) == (NullReason.INSUFFICIENT_DATA, 0.0)
    assert np.isnan(row.value)


def test_the_mean_is_weighted_by_the_time_it_was_measured() -> None:
    registry = outlet(a_rule(1, 1, least_valid=0.3))

    row = figure(registry, "compliance_cod", OUTLET, Level.HOUR, held([90.0, 130.0], measured_s=[900.0, 300.0]))

    assert counts(row) == (1.0, 0.0, 0.0)  # (90 x 900 + 130 x 300) / 1200 = 100, on the limit


def test_a_steady_value_on_the_limit_does_not_exceed_it() -> None:
    registry = outlet(a_rule(1, 1, highest=0.1, window=RuleWindow.DAY))

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, held([0.1] * 96, measured_s=[700.1] * 96))

    assert counts(row) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("statistic", "exceeded"),
    [(RuleStatistic.RANGE, 2.0), (RuleStatistic.MIN, 1.0), (RuleStatistic.MAX, 1.0)],
)
def test_extremes_are_held_against_the_limits(statistic: RuleStatistic, exceeded: float) -> None:
    rule = a_rule(1, 1, key="ph", statistic=statistic, lowest=6.0, highest=9.0)
    registry = outlet(rule, quantity="ph")
    base = held([np.nan] * 12, low=[7.0] * 4 + [5.9] + [7.0] * 7, high=[8.0] * 8 + [9.1] + [8.0] * 3)

    row = figure(registry, "compliance_ph", OUTLET, Level.DAY, base)

    assert counts(row)[:2] == (3.0 - exceeded, exceeded)


def test_the_mean_of_a_ph_is_refused() -> None:
    registry = outlet(a_rule(1, 1, key="ph"), quantity="ph")

    with pytest.raises(RegistryError, match="pH is judged by range"):
        for_registry(registry)


def test_a_window_is_judged_only_once_it_is_final() -> None:
    registry = outlet(ticked_to_us=BEGIN_US + HOUR_US + HOUR_US // 2)

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, held([90] * 8))

    assert counts(row) == (1.0, 0.0, 0.0)


def test_an_open_day_of_a_rule_by_the_day_has_a_row_without_a_value() -> None:
    registry = outlet(a_rule(1, 1, window=RuleWindow.DAY), ticked_to_us=at("01-01 20:00"))

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, held([90] * 80))

    assert (counts(row), row.reason) == ((0.0, 0.0, 0.0), NullReason.INSUFFICIENT_DATA)
    assert np.isnan(row.profile_coverage)


def test_each_version_of_a_rule_judges_its_own_time() -> None:
    noon = at("01-01 12:00")
    registry = outlet(
        a_rule(1, 1, highest=100.0, valid_to_us=noon),
        a_rule(2, 1, highest=50.0, valid_from_us=noon, window=RuleWindow.BASE),
    )

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, held([80] * 96))

    assert counts(row) == (12.0, 48.0, 0.0)


def test_a_window_that_is_only_partly_in_the_life_of_its_rule_is_not_judged() -> None:
    registry = outlet(a_rule(1, 1, valid_from_us=BEGIN_US + HOUR_US // 2))

    row = figure(registry, "compliance_cod", OUTLET, Level.DAY, held([80] * 96))

    assert counts(row) == (23.0, 0.0, 0.0)


def test_no_level_is_shorter_than_the_window() -> None:
    registry = outlet(a_rule(1, 1, window=RuleWindow.DAY))
    (kpi,) = the_kpis(registry, "compliance_cod")

    frame = subject_kpis(registry, (OUTLET,), (kpi,), Level.HOUR, BEGIN_US, BEGIN_US + 1, held([80] * 4))

    assert kpi.levels == {Level.DAY, Level.WEEK, Level.MONTH, Level.YEAR}
    assert len(frame) == 0


def test_every_rule_is_counted_for_its_meter_its_tenant_and_the_park() -> None:
    registry = outlet(a_rule(1, 1), a_rule(2, 2, key="cod2", highest=10.0))
    base = together(held([80] * 4), replace(held([80] * 4), channel_id=np.full(4, 2, dtype=np.int32)))
    subjects = (PARK, OUTLET, a_tenant_subject(1), a_tenant_subject(2))

    frame = subject_kpis(
        registry,
        subjects,
        the_kpis(registry, "compliance_cod", "compliance_cod2"),
        Level.HOUR,
        BEGIN_US,
        BEGIN_US + 1,
        base,
    )

    assert [only_row(frame, "compliance_cod", one).value for one in subjects[:3]] == [1.0, 1.0, 1.0]
    assert [only_row(frame, "compliance_cod2", one).value for one in (PARK, subjects[3])] == [0.0, 0.0]
    assert len(frame) == 5
