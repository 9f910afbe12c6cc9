"""Carbon: entries of the catalogue."""

from types import MappingProxyType

from domain.frames import SubjectKind
from domain.registry import Registry
from kpi import formulas_energy
from kpi.carried import (
    CO2_TOTAL,
    ENERGY,
    KWH_PER_GJ,
    SCOPE_1,
    SCOPE_2,
    Worth,
    carried,
    carried_ratio,
    factors_of,
    sum_terms_of,
)
from kpi.definition import Gate, Kpi, Term
from kpi.market import MARKET, MARKET_FACTORS

__all__ = ["carbon_kpis"]

EVERYBODY = frozenset(SubjectKind)
_SOURCE = "GHG Protocol: Corporate Standard, Scope 2 Guidance"
_INTENSITY = carried_ratio(CO2_TOTAL, ENERGY, KWH_PER_GJ)
_SUMS = MappingProxyType(
    {
        "co2_scope1": (SCOPE_1, carried(SCOPE_1)),
        "co2_scope2_location": (SCOPE_2, carried(SCOPE_2)),
        "co2_total": (CO2_TOTAL, carried(CO2_TOTAL)),
    }
)

_FUELS = "fuel x LHV x factor, over metered gas and diesel and over deliveries of fuels that are not metered"
_LOCATION = "A(energy_import) x the grid's factor, and A(steam) x enthalpy x factor where steam has one"


def carbon_kpis(registry: Registry) -> tuple[Kpi, ...]:
    """The carbon of a park; factors are those in force in each base interval."""
    return (
        _sum(registry, "co2_scope1", "Greenhouse gases, scope 1", f"sum of {_FUELS}"),
        _sum(registry, "co2_scope2_location", "Greenhouse gases, scope 2 by location", f"sum of {_LOCATION}"),
        _market(registry),
        _sum(registry, "co2_total", "Greenhouse gases, scope 1 and 2", f"sum of {_LOCATION}, and of {_FUELS}"),
        _intensity(registry),
    )


def _named(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"factor:{key}" for key in dict.fromkeys(keys))


def _sum(registry: Registry, key: str, title: str, formula: str) -> Kpi:
    worth, family = _SUMS[key]
    return Kpi(
        key=key,
        title=title,
        unit="kgCO2e",
        formula=formula,
        terms=sum_terms_of("kgCO2e"),
        family=family,
        figures=formulas_energy.carried_sum,
        gate=Gate.TOTAL,
        subjects=EVERYBODY,
        source=_SOURCE,
        uses=_named(factors_of(registry, worth)),
    )


def _market(registry: Registry) -> Kpi:
    steam = factors_of(registry, Worth(metered=SCOPE_2.metered, optional=SCOPE_2.optional))
    return Kpi(
        key="co2_scope2_market",
        title="Greenhouse gases, scope 2 by market",
        unit="kgCO2e",
        formula="electricity under contracts x their factor, under certificates x 0, the rest of A(energy_import) x the "
        "residual factor of the grid; contracts and certificates up to what was taken over the level",
        terms=(
            Term(key="all_at_residual_measured", unit="kgCO2e"),
            Term(key="all_at_residual_estimated", unit="kgCO2e"),
            Term(key="taken", unit="kWh"),
            Term(key="contracted_and_certified", unit="kWh"),
            Term(key="contracted_carbon", unit="kgCO2e"),
            Term(key="entered_split_by_time", unit="kWh"),
            Term(key="hours_without_factor", unit="h"),
            Term(key="steam", unit="kgCO2e"),
        ),
        family=MARKET,
        figures=formulas_energy.market_based,
        gate=Gate.TOTAL,
        subjects=frozenset({SubjectKind.PARK, SubjectKind.TENANT}),
        source=_SOURCE,
        uses=_named((*MARKET_FACTORS, *(key for key in steam if key != "grid"))),
    )


def _intensity(registry: Registry) -> Kpi:
    return Kpi(
        key="carbon_intensity",
        title="Carbon intensity of energy used",
        unit="kgCO2e/kWh",
        formula="co2_total / energy_total in kWh, of the same amounts",
        terms=(
            Term(key="carbon_measured", unit="kgCO2e"),
            Term(key="carbon_estimated", unit="kgCO2e"),
            Term(key="energy_measured", unit="kWh"),
            Term(key="energy_estimated", unit="kWh"),
            Term(key="carbon_delivered", unit="kgCO2e"),
            Term(key="energy_delivered", unit="kWh"),
            Term(key="carbon_split_by_time", unit="kgCO2e"),
            Term(key="hours_without_factor", unit="h"),
        ),
        family=_INTENSITY,
        figures=formulas_energy.carried_ratio,
        gate=Gate.TOTAL,
        subjects=EVERYBODY,
        source="International Framework for Eco-Industrial Parks v2.0",
        uses=_named((*factors_of(registry, CO2_TOTAL), *factors_of(registry, ENERGY))),
    )
