"""Formulas of an operator, written down in tests."""

from dataclasses import replace
from typing import Any

from domain.references import Formula, Origin, References
from domain.registry import Registry
from tests.support.small_parks import BEGIN_US


def a_formula(key: str, expression: str, unit: str, **changes: Any) -> Formula:
    origin = Origin(
        id=1, key=key, valid_from_us=BEGIN_US, valid_to_us=None, source="the operator's handbook", confirmed=True
    )
    formula = Formula(
        origin=origin,
        title="A figure of our own",
        unit=unit,
        expression=expression,
        subjects=("park", "tenant"),
        levels=("day", "week", "month", "year"),
        version=1,
    )
    return replace(formula, **changes)


def with_formulas(registry: Registry, *formulas: Formula) -> Registry:
    return replace(registry, references=References(formulas=formulas))
