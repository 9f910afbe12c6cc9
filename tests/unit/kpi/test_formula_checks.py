"""What is refused of a formula, and how that is said."""

from dataclasses import replace

import pytest

from domain.references import Formula
from domain.registry import Registry
from domain.time import Level
from kpi.catalogue import for_registry
from kpi.custom import check_formula, custom_problems
from tests.support.small_formulas import a_formula, with_formulas
from tests.support.small_parks import a_channel, a_meter, a_registry


def a_plant() -> Registry:
    quantities = ("energy_import", "water_in", "energy_generation", "steam", "energy_reactive_lagging")
    return a_registry(
        [a_meter(1, 1)], [a_channel(10 + place, 1, quantity) for place, quantity in enumerate(quantities)]
    )


def problems(expression: str, unit: str = "kWh/m3", key: str = "ours", **changes: object) -> list[str]:
    return check_formula(a_formula(key, expression, unit, **changes), a_plant())


RIGHT = (
    ("electricity / water_intake", "kWh/m3"),
    ("electricity / water_intake", "MJ/L"),
    ("(electricity + A_energy_generation) / production_t", "GJ/t"),
    ("max(0, electricity - A_energy_generation)", "kWh"),
    ("sqrt(electricity ** 2 + A_energy_generation ** 2) / electricity", "1"),
    ("A_steam / (2 * production_t)", "1"),
    ("turnover / electricity", "currency/kWh"),
    ("electricity / employees", "kWh/employee"),
    ("-min(electricity, A_energy_generation, 3 * electricity) / area", "kWh/ha"),
)

WRONG = (
    ("electricity / production_t", "kWh/m3", "declared kWh/m3 but the expression gives kWh/t"),
    ("electricity", "1", "declared 1 but the expression gives kWh"),
    ("electricity + water_intake", "kWh", "kWh cannot be added to m3"),
    ("electricity - 1", "kWh", "kWh cannot be taken together with a plain number"),
    ("max(electricity, water_intake)", "kWh", "kWh cannot be compared with m3"),
    ("electricity + A_energy_reactive_lagging", "kWh", "kWh cannot be added to kvarh"),
    ("turnover + electricity", "currency", "currency cannot be added to kWh"),
    ("electricity / 0", "kWh", "it divides by a plain number that is always zero"),
    ("electricity / (water_intake - water_intake)", "kWh/m3", "it divides by m3 that is always zero"),
    ("electricity / (0 * water_intake)", "kWh/m3", "it divides by m3 that is always zero"),
    (
        "electricty / water_intake",
        "kWh/m3",
        "'electricty' is nothing that this park sums up or enters; did you mean electricity",
    ),
    ("A_gas", "m3", "'A_gas' is nothing that this park sums up or enters"),
    ("demand_peak", "kW", "'demand_peak' is nothing that this park sums up or enters"),
    ("turnover / employees", "currency/employee", "it names nothing that is metered"),
    ("electricity / water_intake", "kWh/bath", "unit 'kWh/bath' is not known"),
    ("electricity / water_intake", "9**9**9", "unit '9**9**9' is not known"),
    ("", "kWh", "the expression is empty"),
    ("electricity if 1 else 2", "kWh", "holds a part that is not arithmetic"),
    ("electricity ** 0.5", "kWh", "a power must be a whole number"),
    ("sqrt(electricity, 2)", "kWh", "sqrt takes 1 arguments and was given 2"),
    ("open(1)", "kWh", "'open' is not a function"),
    (
        "electricity + A_steam * production_t / water_intake + turnover",
        "kWh",
        "it names 5 amounts and series; at most 4 can be kept",
    ),
)


@pytest.mark.parametrize(("expression", "unit"), RIGHT)
def test_a_formula_whose_unit_is_the_declared_one_is_right(expression: str, unit: str) -> None:
    assert problems(expression, unit) == []


@pytest.mark.parametrize(("expression", "unit", "said"), WRONG)
def test_what_is_wrong_is_said_in_a_sentence(expression: str, unit: str, said: str) -> None:
    found = problems(expression, unit)

    assert len(found) == 1
    assert found[0].startswith("formula ours: ")
    assert said in found[0]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems("nothing / water_intake", "bath", key="Our KPI", levels=("minute",), subjects=())

    assert [text.removeprefix("formula Our KPI: ").split(";")[0] for text in found] == [
        "a key has small letters, digits and _, begins with a letter, and is at most 63 long",
        "it names no subject",
        "level 'minute' is not one of base, hour, day, week, month, year",
        "unit 'bath' is not known",
        "'nothing' is nothing that this park sums up or enters",
    ]


@pytest.mark.parametrize("key", ["electricity", "production_t", "load_factor", "max"])
def test_a_key_of_the_catalogue_cannot_be_taken(key: str) -> None:
    assert "this key is taken" in problems("electricity", "kWh", key=key)[0]


def test_entered_values_are_not_known_by_the_hour_nor_for_a_meter() -> None:
    found = problems("electricity / production_t", "kWh/t", levels=("hour", "day"), subjects=("meter",))

    assert found == [
        "formula ours: production_t is not made for a meter",
        "formula ours: production_t is not made by the hour",
    ]


def keys(registry: Registry) -> set[str]:
    return {kpi.key for kpi in for_registry(registry)}


def test_a_formula_that_no_longer_fits_is_left_out_and_the_others_stay() -> None:
    broken: Formula = a_formula("of_gas", "A_gas / production_t", "m3/t")
    registry = with_formulas(a_plant(), broken, a_formula("of_water", "electricity / water_intake", "kWh/m3"))

    assert keys(registry) - keys(a_plant()) == {"of_water"}
    assert [problem.split(" is nothing")[0] for problem in custom_problems(registry)] == ["formula of_gas: 'A_gas'"]


def test_the_version_and_source_of_a_formula_are_those_of_its_newest_reference() -> None:
    old = a_formula("ours", "electricity / water_intake", "kWh/m3")
    new = a_formula("ours", "2 * electricity / water_intake", "kWh/m3", version=2)
    later = replace(old.origin, id=2, valid_from_us=old.origin.valid_from_us + 1, source="s")
    registry = with_formulas(a_plant(), replace(new, origin=later), old)

    found = next(kpi for kpi in for_registry(registry) if kpi.key == "ours")

    assert (found.version, found.formula, found.source) == (2, "2 * electricity / water_intake", "s")


def test_a_formula_by_the_month_is_made_of_days_all_the_same() -> None:
    registry = with_formulas(a_plant(), a_formula("ours", "electricity / water_intake", "kWh/m3", levels=("month",)))

    found = next(kpi for kpi in for_registry(registry) if kpi.key == "ours")

    assert (found.levels, found.made_at(Level.DAY), found.made_at(Level.WEEK)) == (
        frozenset({Level.MONTH}),
        True,
        False,
    )
