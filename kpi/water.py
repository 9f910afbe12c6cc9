"""Water: entries of the catalogue."""

from domain.frames import SubjectKind
from domain.registry import Registry
from domain.time import Level
from kpi import formulas, formulas_water
from kpi.definition import Basis, Gate, Kpi, Term
from kpi.intake import CONSUMPTION, RECLAIMED_SHARE, REUSE_SHARE, SOURCES, WASTEWATER_RATIO, WATER
from kpi.nights import NIGHT_FLOW
from kpi.pairs import terms_of_pair

__all__ = ["water_kpis"]

EVERYBODY = frozenset(SubjectKind)
PARK_ONLY = frozenset({SubjectKind.PARK})
PARK_AND_TENANTS = frozenset({SubjectKind.PARK, SubjectKind.TENANT})
_OUT = "a tenant's by its meters to the sewer; the park's by its outlets, else that of the tenants that meter both"


def water_kpis(registry: Registry) -> tuple[Kpi, ...]:
    """The water of a park beside its intake and balance: what every park has, and the intake from each source it measures."""
    measured = {channel.quantity for channel in registry.channels}
    sources = (source for source, quantities in SOURCES.items() if measured.intersection(quantities))
    return (
        *(_source(source) for source in sources),
        _consumption(),
        _wastewater_ratio(),
        _reuse_share(),
        _reclaimed_share(),
        *_nights(),
    )


def _source(source: str) -> Kpi:
    quantities = ", else ".join(f"A({quantity})" for quantity in SOURCES[source])
    return Kpi(
        key=f"water_intake_{source}",
        title=f"Water intake, {source}",
        unit="m3",
        formula=f"sum of {quantities} over the topmost use meters",
        terms=(Term(key="measured", unit="m3"), Term(key="estimated", unit="m3")),
        family=WATER,
        figures=formulas.amount,
        gate=Gate.TOTAL,
        subjects=EVERYBODY,
        source="GRI 303-3",
        of=source,
    )


def _consumption() -> Kpi:
    return Kpi(
        key="water_consumption",
        title="Water consumption",
        unit="m3",
        formula=f"water_intake - discharge, with u = sqrt(sum (eps_k V_k)^2) over all meters of both; discharge: {_OUT}",
        terms=tuple(
            Term(key=f"{side}_{part}", unit="m3")
            for side in ("intake", "discharge")
            for part in ("measured", "estimated")
        ),
        family=CONSUMPTION,
        figures=formulas.balance,
        gate=Gate.TOTAL,
        subjects=PARK_AND_TENANTS,
        source="GRI 303-5",
        error=formulas.balance_error,
    )


def _wastewater_ratio() -> Kpi:
    return Kpi(
        key="wastewater_ratio",
        title="Wastewater per intake",
        unit="1",
        formula=f"discharge / water_intake, of base intervals in which both are known; discharge: {_OUT}. "
        "Above 1: an intake that nobody meters (a borehole, rain), or a faulty meter",
        terms=terms_of_pair("discharge", "intake", "m3"),
        family=WASTEWATER_RATIO,
        figures=formulas_water.ratio_of_volumes,
        gate=Gate.PROFILE,
        subjects=PARK_AND_TENANTS,
    )


def _reuse_share() -> Kpi:
    return Kpi(
        key="reuse_share",
        title="Wastewater reused, share",
        unit="1",
        formula="A(water_reuse) of reuse meters / wastewater generated, of base intervals in which both are known; generated: "
        "a tenant's discharge to the sewer and its own reuse; for the park what reaches the plant by its inlets, else all "
        "discharge to the sewer, and what tenants reuse before",
        terms=terms_of_pair("reused", "generated", "m3"),
        family=REUSE_SHARE,
        figures=formulas_water.ratio_of_volumes,
        gate=Gate.PROFILE,
        subjects=PARK_AND_TENANTS,
        source="International Framework for Eco-Industrial Parks v2.0",
    )


def _reclaimed_share() -> Kpi:
    return Kpi(
        key="reclaimed_share",
        title="Reclaimed water, share of intake",
        unit="1",
        formula="A(water_reclaimed) / intake of all sources, of base intervals in which both are known",
        terms=terms_of_pair("reclaimed", "intake", "m3"),
        family=RECLAIMED_SHARE,
        figures=formulas_water.ratio_of_volumes,
        gate=Gate.PROFILE,
        subjects=PARK_AND_TENANTS,
    )


def _nights() -> tuple[Kpi, ...]:
    by_day = frozenset({Level.DAY})
    flow = Kpi(
        key="night_flow",
        title="Water at night",
        unit="m3/h",
        formula="lowest mean of an hour between 02:00 and 04:00 of A(water) of supply meters - A(water_in) of use meters in the "
        "same hour, the hours beginning at each base interval",
        terms=(
            Term(key="lowest_hour", unit="m3/h"),
            Term(key="hours_entered", unit="h"),
            Term(key="hours_expected", unit="h"),
        ),
        family=NIGHT_FLOW,
        figures=formulas_water.night,
        gate=Gate.PROFILE,
        subjects=PARK_ONLY,
        levels=by_day,
        folds=False,
    )
    step = Kpi(
        key="night_flow_step",
        title="Water at night, step",
        unit="m3/h",
        formula="median of night_flow of the last 3 nights - median of the 28 nights before; the band is 3 median absolute "
        "deviations of these 28, beyond it the value has the flag `beyond`",
        terms=(
            Term(key="recent", unit="m3/h"),
            Term(key="usual", unit="m3/h"),
            Term(key="deviation", unit="m3/h"),
            Term(key="nights_known", unit="1"),
        ),
        family=NIGHT_FLOW,
        figures=formulas_water.step,
        gate=Gate.NONE,
        subjects=PARK_ONLY,
        levels=by_day,
        folds=False,
        made_of=Basis.NIGHTS,
    )
    return flow, step
