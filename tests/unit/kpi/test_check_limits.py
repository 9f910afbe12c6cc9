"""Limits of the checks: which hold, and which are refused with a sentence."""

from dataclasses import replace
from math import inf, isfinite
from pathlib import Path

import pytest

from domain.findings import Rule
from domain.quantities import QUANTITIES
from domain.references import CheckLimits, Origin, References
from domain.registry import Registry
from kpi.checks import LIMITS, check_limits, limits_on
from tests.support.small_parks import BEGIN_US, a_channel, a_meter, a_registry, at

NOON = at("02-03 12:00")


def limits(key: str, from_us: int = BEGIN_US, to_us: int | None = None, **given: float) -> CheckLimits:
    origin = Origin(id=1, key=key, valid_from_us=from_us, valid_to_us=to_us, source="test", confirmed=True)
    return CheckLimits(origin=origin, limits=tuple(given.items()))


def park(*entries: CheckLimits) -> Registry:
    registry = a_registry([a_meter(1, 1), a_meter(2, 1)], [a_channel(1, 1, "cod"), a_channel(2, 2, "cod")])
    return replace(registry, references=References(checks=entries))


def highest(registry: Registry, instant_us: int = NOON) -> list[float]:
    return [float(one) for one in limits_on(registry, registry.channels, instant_us)["range_high"]]


def test_defaults_are_by_quantity() -> None:
    assert highest(park()) == [3000.0, 3000.0]


def test_limits_of_a_channel_narrow_those_of_its_quantity_in_any_order() -> None:
    of_channel, of_quantity = limits("t/m2/cod", range_high=500.0), limits("cod", range_high=900.0)

    assert highest(park(of_channel, of_quantity)) == [900.0, 500.0]
    assert highest(park(of_quantity, of_channel)) == [900.0, 500.0]


def test_limits_hold_from_the_day_they_are_valid() -> None:
    later = limits("cod", from_us=NOON, range_high=900.0)

    assert highest(park(later), NOON - 1) == [3000.0, 3000.0]
    assert highest(park(later), NOON) == [900.0, 900.0]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (limits("cod", spike=2.0), "'spike' is no limit of a check; there are "),
        (limits("bod5", range_high=2.0), "neither a quantity (like cod) nor a channel (tenant/meter/quantity)"),
        (limits("t/m9/cod", range_high=2.0), "neither a quantity (like cod) nor a channel (tenant/meter/quantity)"),
        (limits("cod", known_share=1.5), "known_share is 1.5; it must be a number from 0 to 1 [1]"),
        (limits("cod", frozen_count=2.5), "frozen_count is 2.5; it must be a whole number from 2 to inf"),
        (limits("cod", range_high=inf), "range_high is inf; it must be a number"),
        (limits("cod", range_low=5.0, range_high=4.0), "range_low (5) is above range_high (4); no value would be"),
    ],
)
def test_wrong_limits_are_refused_with_a_sentence(entry: CheckLimits, sentence: str) -> None:
    wrong = check_limits(entry, park())

    assert len(wrong) == 1
    assert sentence in wrong[0]


def test_right_limits_are_taken() -> None:
    assert check_limits(limits("t/m2/cod", range_low=-1.0, range_high=900.0, check_spike=0.0), park()) == []


def test_every_default_names_known_quantities_and_lies_within_its_own_bounds() -> None:
    for limit in LIMITS.values():
        assert set(limit.by_quantity) <= set(QUANTITIES)
        assert all(limit.lowest <= limit.of(quantity) <= limit.highest for quantity in QUANTITIES)
        assert limit.source


def test_the_page_about_checks_lists_every_rule_and_every_limit_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "checks.md").read_text(encoding="utf-8")
    rules, listed = page.split("## Limits")
    rows = {line.split("|")[1].strip(" `"): line for line in listed.splitlines() if line.startswith("| `")}

    assert all(f"`{rule.value}`" in rules for rule in Rule)
    assert set(rows) == {key for key in LIMITS if not key.startswith("check_")}
    for key, row in rows.items():
        limit = LIMITS[key]
        own = [f"{quantity} {value:g}" for quantity, value in sorted(limit.by_quantity.items())]
        default = f"{limit.default:g}" if isfinite(limit.default) else "none"
        known = "" if limit.confirmed else " (not confirmed)"
        cells = ["; ".join([default, *own]), limit.unit, limit.meaning, limit.source + known]
        assert [cell.strip() for cell in row.split("|")[2:-1]] == cells
