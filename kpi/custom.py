"""Formulas that the operator defined: checked by name and unit, then entries of the catalogue like any other.

Of several dated versions of a formula the newest makes the numbers; each stored number says with which version it was
made. A formula that no longer fits the park (its pollutant or meter is gone) is left out and reported, and stops nothing.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache, partial

from domain.context import CONTEXTS
from domain.frames import SubjectKind
from domain.references import Formula
from domain.registry import Registry
from domain.time import Level
from kpi.customterms import MOST_NAMES, Names, family, figures_of, terms_of
from kpi.definition import Gate, Kpi
from kpi.expression import ARGUMENTS, Expression, ExpressionError, parse
from kpi.formulaunits import factor_to_base, is_unit, unit_problem
from kpi.quantitysums import quantity_sums
from kpi.sums import is_additive
from kpi.tree import FOREVER_US

__all__ = ["check_formula", "custom_kpis", "custom_problems", "formula_names"]

_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LEVELS = {level.key: level for level in Level}
_KINDS = {kind.value: kind for kind in SubjectKind}
_OF_EMPLOYEES = "employee"


def check_formula(formula: Formula, registry: Registry) -> list[str]:
    """What is wrong with a formula in a park, as sentences; empty: nothing."""
    from kpi.catalogue import built_in  # noqa: PLC0415 - the catalogue is made with this module

    known = built_in(registry)
    return _problems(formula, {kpi.key for kpi in known}, _amounts(registry, known))


def custom_problems(registry: Registry) -> list[str]:
    """What is wrong with the formulas of a registry that are left out of its catalogue, as sentences."""
    return [problem for formula in _newest(registry) for problem in check_formula(formula, registry)]


def custom_kpis(registry: Registry, known: tuple[Kpi, ...]) -> tuple[Kpi, ...]:
    """
    The formulas of a park that fit it.

    Parameters
    ----------
    registry : Registry
    known : tuple of Kpi
        The rest of the catalogue, whose sums formulas may name.
    """
    formulas = _newest(registry)
    if not formulas:
        return ()
    taken, amounts = {kpi.key for kpi in known}, _amounts(registry, known)
    return tuple(_kpi(one, amounts, _life(registry, one)) for one in formulas if not _problems(one, taken, amounts))


def formula_names(registry: Registry, known: tuple[Kpi, ...]) -> dict[str, str]:
    """Everything that a formula may name, with its unit: sums of the catalogue, `A_<quantity>`, entered series."""
    amounts = {key: kpi.unit for key, kpi in _amounts(registry, known).items()}
    return amounts | {key: _series_unit(key) for key in CONTEXTS}


def _newest(registry: Registry) -> list[Formula]:
    """The newest formula of each key, in order of key."""
    newest: dict[str, Formula] = {}
    for formula in sorted(registry.references.formulas, key=lambda one: one.origin.valid_from_us):
        newest[formula.origin.key] = formula
    return [newest[key] for key in sorted(newest)]


def _life(registry: Registry, formula: Formula) -> tuple[int, int]:
    """From when to when any version of a formula holds. [us UTC]"""
    versions = [one.origin for one in registry.references.formulas if one.origin.key == formula.origin.key]
    ends = [FOREVER_US if one.valid_to_us is None else one.valid_to_us for one in versions]
    return min(one.valid_from_us for one in versions), max(ends)


def _amounts(registry: Registry, known: Iterable[Kpi]) -> dict[str, Kpi]:
    """Sums that formulas may name, by key."""
    sums = {kpi.key: kpi for kpi in known if is_additive(kpi) and kpi.folds and is_unit(kpi.unit)}
    return sums | {kpi.key: kpi for kpi in quantity_sums(registry)}


def _series_unit(key: str) -> str:
    return _OF_EMPLOYEES if key == "employees" else CONTEXTS[key].unit


def _problems(formula: Formula, taken: set[str], amounts: Mapping[str, Kpi]) -> list[str]:
    """Sentences, each beginning with the formula's name."""
    key = formula.origin.key
    return [f"formula {key[:80]}: {problem}" for problem in _of_key(key, taken, amounts) + _of_body(formula, amounts)]


def _of_key(key: str, taken: set[str], amounts: Mapping[str, Kpi]) -> list[str]:
    if _KEY.fullmatch(key) is None:
        return ["a key has small letters, digits and _, begins with a letter, and is at most 63 long"]
    if key in taken or key in amounts or key in CONTEXTS or key in ARGUMENTS:
        return ["this key is taken by the catalogue; choose another"]
    return []


def _of_body(formula: Formula, amounts: Mapping[str, Kpi]) -> list[str]:
    problems = _of_words("subject", formula.subjects, tuple(_KINDS)) + _of_words(
        "level", formula.levels, tuple(_LEVELS)
    )
    if not is_unit(formula.unit):
        problems.append(f"unit {formula.unit[:60]!r} is not known; write it like kWh/t, m3, kgCO2e/pcs or currency/m3")
    try:
        expression = parse(formula.expression)
    except ExpressionError as error:
        return [*problems, str(error)]
    named = _of_names(expression, amounts)
    if problems or named:
        return problems + named
    return _of_reach(formula, expression, amounts) + _of_unit(formula, expression, amounts)


def _of_words(what: str, given: tuple[str, ...], known: tuple[str, ...]) -> list[str]:
    if not given:
        return [f"it names no {what}; give one or more of {', '.join(known)}"]
    return [f"{what} {one[:40]!r} is not one of {', '.join(known)}" for one in given if one not in known]


def _of_names(expression: Expression, amounts: Mapping[str, Kpi]) -> list[str]:
    everything = sorted({*amounts, *CONTEXTS})
    problems = []
    for name in expression.names:
        if name not in amounts and name not in CONTEXTS:
            close = get_close_matches(name, everything, n=3)
            meant = f"did you mean {' or '.join(close)}" if close else f"there are {', '.join(everything)}"
            problems.append(f"{name[:80]!r} is nothing that this park sums up or enters; {meant}")
    if len(expression.names) > MOST_NAMES:
        problems.append(f"it names {len(expression.names)} amounts and series; at most {MOST_NAMES} can be kept")
    if not problems and not any(name in amounts for name in expression.names):
        problems.append("it names nothing that is metered; entered series only make sense against an amount")
    return problems


def _of_reach(formula: Formula, expression: Expression, amounts: Mapping[str, Kpi]) -> list[str]:
    """Whether everything it names is there for its subjects and levels."""
    problems = []
    for name in expression.names:
        kinds, levels = _reach(name, amounts)
        problems += [f"{name} is not made for a {one}" for one in formula.subjects if _KINDS[one] not in kinds]
        problems += [f"{name} is not made by the {one}" for one in formula.levels if _LEVELS[one] not in levels]
    return problems


def _reach(name: str, amounts: Mapping[str, Kpi]) -> tuple[frozenset[SubjectKind], frozenset[Level]]:
    if name in amounts:
        return amounts[name].subjects, amounts[name].levels
    return frozenset({SubjectKind.PARK, SubjectKind.TENANT}), frozenset(one for one in Level if one >= Level.DAY)


def _of_unit(formula: Formula, expression: Expression, amounts: Mapping[str, Kpi]) -> list[str]:
    units = tuple((name, _unit(name, amounts)) for name in expression.names)
    problem = _unit_problem(formula.expression, formula.unit, units)
    return [] if problem is None else [problem]


def _unit(name: str, amounts: Mapping[str, Kpi]) -> str:
    return amounts[name].unit if name in amounts else _series_unit(name)


@lru_cache(maxsize=1024)
def _unit_problem(text: str, declared: str, units: tuple[tuple[str, str], ...]) -> str | None:
    """Kept, as the catalogue is made anew for every request."""
    return unit_problem(parse(text), dict(units), declared)


def _kpi(formula: Formula, amounts: Mapping[str, Kpi], life: tuple[int, int]) -> Kpi:
    """The entry of a formula that was found right."""
    expression = parse(formula.expression)
    units = tuple(_unit(name, amounts) for name in expression.names)
    at = tuple(place for place, name in enumerate(expression.names) if name in amounts)
    series_at = tuple(place for place in range(len(units)) if place not in at)
    names = Names(
        expression=expression,
        amounts=tuple(amounts[expression.names[place]] for place in at),
        amount_at=at,
        series=tuple(expression.names[place] for place in series_at),
        series_at=series_at,
        factors=tuple(factor_to_base(unit) for unit in units),
        out=1.0 / factor_to_base(formula.unit),
        from_us=life[0],
        to_us=life[1],
    )
    uses = (use for kpi in names.amounts for use in kpi.uses)
    levels = frozenset(_LEVELS[one] for one in formula.levels)
    return Kpi(
        key=formula.origin.key,
        title=formula.title,
        unit=formula.unit,
        formula=formula.expression,
        terms=terms_of(names, units),
        family=family(names),
        figures=partial(figures_of, names),
        gate=Gate.TOTAL,
        subjects=frozenset(_KINDS[one] for one in formula.subjects),
        levels=levels,
        by_days=Level.DAY not in levels and max(levels) > Level.DAY,
        version=formula.version,
        source=formula.origin.source,
        uses=tuple(dict.fromkeys([*uses, f"formula:{formula.origin.key}"])),
        of=formula.origin.key,
    )
