"""Effluent: entries of the catalogue, for each pollutant that has a load, and for each compliance rule."""

from dataclasses import replace

from domain.frames import SubjectKind
from domain.registry import ComplianceRule, Kind, Registry
from domain.time import Level
from kpi import formulas, formulas_water
from kpi.compliance import compliance_family, longest_window
from kpi.definition import Family, Gate, Kpi, Term
from kpi.exceedance import EXCESS, TIME_ABOVE, has_excess, has_time, treated_family, treated_levels
from kpi.intake import OUTFLOW
from kpi.intensity import PER, intensities
from kpi.measures import LOADS
from kpi.pairs import terms_of_pair
from kpi.pollutants import MEAN_CONCENTRATION, REMOVAL

__all__ = ["effluent_kpis"]

EVERYBODY = frozenset(SubjectKind)
PARK_ONLY = frozenset({SubjectKind.PARK})
_ENTERED = (Term(key="hours_entered", unit="h"), Term(key="hours_expected", unit="h"))
_INPUT = Term(key="input_hours", unit="h")
_WHOSE = "tenants: meters to the sewer, park: outlets to the river"


def effluent_kpis(registry: Registry) -> tuple[Kpi, ...]:
    """The effluent of a park."""
    products = {channel.quantity for channel in registry.channels if channel.kind is Kind.PRODUCT}
    pollutants = sorted(quantity.removeprefix("load_") for quantity in products if quantity.startswith("load_"))
    rules: dict[str, list[ComplianceRule]] = {}
    for rule in registry.rules:
        rules.setdefault(rule.key, []).append(rule)
    family = compliance_family(registry)
    return (
        *(kpi for pollutant in pollutants for kpi in _of_pollutant(pollutant)),
        *(kpi for key in sorted(rules) for kpi in _of_rule(registry, family, key, rules[key])),
        _flow_per_area(),
        *_treated(registry),
    )


def _of_pollutant(pollutant: str) -> tuple[Kpi, ...]:
    load = _load(pollutant)
    return load, _mean_concentration(pollutant), _removal(pollutant), _specific_load(load)


def _per(series: str, amount: Kpi) -> Kpi:
    (place,) = (place for place, per in enumerate(PER) if per.series == series)
    return intensities(amount.key, amount.title, amount)[place]


def _specific_load(load: Kpi) -> Kpi:
    return replace(
        _per("production_t", load),
        key=f"specific_{load.key}",
        title=f"{load.title}, per tonne produced",
        formula=f"{load.key} / sum of the entered production_t, over the days that both sides know; {_WHOSE}",
    )


def _flow_per_area() -> Kpi:
    volume = Kpi(
        key="effluent",
        title="Effluent",
        unit="m3",
        formula="",
        terms=(Term(key="measured", unit="m3"), Term(key="estimated", unit="m3")),
        family=OUTFLOW,
        figures=formulas.amount,
        gate=Gate.TOTAL,
        subjects=frozenset({SubjectKind.PARK, SubjectKind.TENANT}),
    )
    return replace(
        _per("area", volume),
        key="flow_per_area",
        title="Effluent flow by area in use",
        unit="L/s/ha",
        formula="mean flow / mean over time of the entered area, over the days that both sides know; "
        "tenants: meters to the sewer, park: outlets to the river",
        figures=formulas_water.mean_flow_per_area,
    )


def _load(pollutant: str) -> Kpi:
    return Kpi(
        key=f"load_{pollutant}",
        title=f"Pollutant load, {pollutant}",
        unit="kg",
        formula=f"sum of the integral of {pollutant} x effluent flow x 1e-3 while both are known; {_WHOSE}",
        terms=(Term(key="measured", unit="kg"), Term(key="estimated", unit="kg"), _INPUT),
        family=LOADS,
        figures=formulas.load,
        gate=Gate.TOTAL,
        subjects=EVERYBODY,
        of=pollutant,
    )


def _mean_concentration(pollutant: str) -> Kpi:
    return Kpi(
        key=f"fwmc_{pollutant}",
        title=f"Flow-weighted mean concentration, {pollutant}",
        unit="mg/L",
        formula=f"load_{pollutant} / volume, of base intervals in which both are known from end to end; {_WHOSE}",
        terms=(Term(key="load", unit="kg"), Term(key="volume", unit="m3"), *_ENTERED, _INPUT),
        family=MEAN_CONCENTRATION,
        figures=formulas_water.mean_concentration,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
        of=pollutant,
    )


def _removal(pollutant: str) -> Kpi:
    return Kpi(
        key=f"removal_{pollutant}",
        title=f"Removal, {pollutant}",
        unit="1",
        formula=f"1 - load_{pollutant} of the outlets / that of the inlets, of base intervals in which both are known; "
        "the time that water takes through the plant is left aside",
        terms=terms_of_pair("out", "in", "kg"),
        family=REMOVAL,
        figures=formulas_water.removed_of_pair,
        gate=Gate.PROFILE,
        subjects=PARK_ONLY,
        of=pollutant,
    )


def _of_rule(registry: Registry, family: Family, key: str, rules: list[ComplianceRule]) -> tuple[Kpi, ...]:
    made = [_compliance(family, key, rules)]
    if any(has_time(rule) for rule in rules):
        made.append(_time_above(key, rules))
    if any(has_excess(registry, rule) for rule in rules):
        made.append(_excess_load(key, rules))
    return tuple(made)


def _basis(rules: list[ComplianceRule]) -> str:
    return "; ".join(dict.fromkeys(rule.legal_basis for rule in rules))


def _compliance(family: Family, key: str, rules: list[ComplianceRule]) -> Kpi:
    longest = longest_window(rules)
    return Kpi(
        key=f"compliance_{key}",
        title=f"Compliance, {key}",
        unit="1",
        formula="windows ok / (windows ok + windows exceeded); invalid windows lower the coverage; nothing is estimated",
        terms=(Term(key="ok", unit="1"), Term(key="exceeded", unit="1"), Term(key="invalid", unit="1")),
        family=family,
        figures=formulas.compliance,
        gate=Gate.NONE,
        subjects=EVERYBODY,
        levels=frozenset(level for level in Level if level >= longest),
        source=_basis(rules),
        folds=longest <= Level.DAY,
        uses=(f"limit:{key}",),
        of=key,
    )


def _time_above(key: str, rules: list[ComplianceRule]) -> Kpi:
    return Kpi(
        key=f"time_above_{key}",
        title=f"Time outside the limit, {key}",
        unit="h",
        formula="measured time of the base intervals whose mean is outside the limit; of a rule about extremes, whose least or "
        "greatest value is",
        terms=(Term(key="hours_outside", unit="h"), Term(key="hours_measured", unit="h")),
        family=TIME_ABOVE,
        figures=formulas_water.hours_outside,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
        source=_basis(rules),
        uses=(f"limit:{key}",),
        of=key,
    )


def _excess_load(key: str, rules: list[ComplianceRule]) -> Kpi:
    return Kpi(
        key=f"excess_load_{key}",
        title=f"Load beyond the limit, {key}",
        unit="kg",
        formula="sum of max(0, mean concentration - highest) x volume x 1e-3, of base intervals in which both are known from "
        "end to end",
        terms=(Term(key="excess", unit="kg"), *_ENTERED, _INPUT),
        family=EXCESS,
        figures=formulas_water.excess,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
        source=_basis(rules),
        uses=(f"limit:{key}",),
        of=key,
    )


def _treated(registry: Registry) -> tuple[Kpi, ...]:
    levels = treated_levels(registry)
    if not levels:
        return ()
    treated = Kpi(
        key="treated_share",
        title="Wastewater treated within all limits, share",
        unit="1",
        formula="volume of outlets in base intervals whose windows are ok by all rules of that outlet / wastewater generated, of "
        "base intervals in which both are known; generated: inlets, else all discharge to the sewer. Invalid windows are not ok",
        terms=terms_of_pair("treated", "generated", "m3"),
        family=treated_family(registry),
        figures=formulas_water.ratio_of_volumes,
        gate=Gate.PROFILE,
        subjects=PARK_ONLY,
        levels=levels,
        folds=min(levels) <= Level.DAY,
        uses=("limit:*",),
    )
    return (treated,)
