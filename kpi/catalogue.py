"""The catalogue: every KPI there is, one entry each.

To add one, add an entry. Where its terms come out of the amounts in a way that no family knows yet, add a function
to :mod:`kpi.measures`; where its formula is new, one to :mod:`kpi.formulas`. Nothing else has to change.
"""

from domain.frames import SubjectKind
from domain.registry import Registry
from kpi import formulas
from kpi.availability import AVAILABILITY, SLOT_TERMS
from kpi.carbon import carbon_kpis
from kpi.compliance import check_rules
from kpi.custom import custom_kpis
from kpi.datakpis import data_kpis
from kpi.definition import Fold, Gate, Kpi, Term
from kpi.effluent import effluent_kpis
from kpi.energy import energy_kpis
from kpi.intake import WATER, WATER_BALANCE
from kpi.intensity import intensity_kpis
from kpi.measures import DEMAND, ELECTRICITY, POWER_FACTOR
from kpi.water import water_kpis

__all__ = ["CATALOGUE", "built_in", "for_registry"]

EVERYBODY = frozenset(SubjectKind)
PARK_ONLY = frozenset({SubjectKind.PARK})


def _amount(unit: str) -> tuple[Term, ...]:
    return Term(key="measured", unit=unit), Term(key="estimated", unit=unit)


_ENTERED = (Term(key="hours_entered", unit="h"), Term(key="hours_expected", unit="h"))

_DEMAND = (
    Term(key="peak", unit="kW", fold=Fold.MAX),
    Term(key="missing_at_peak", unit="1", fold=Fold.AT_MAX),
    *_ENTERED,
    Term(key="energy", unit="kWh"),
    Term(key="hours", unit="h"),
)

_BALANCE = (
    Term(key="supply_measured", unit="m3"),
    Term(key="supply_estimated", unit="m3"),
    Term(key="use_measured", unit="m3"),
    Term(key="use_estimated", unit="m3"),
)

CATALOGUE = (
    Kpi(
        key="electricity",
        title="Electricity",
        unit="kWh",
        formula="sum of A(energy_import), else A(power), over the topmost use meters",
        terms=_amount("kWh"),
        family=ELECTRICITY,
        figures=formulas.amount,
        gate=Gate.TOTAL,
        subjects=EVERYBODY,
    ),
    Kpi(
        key="demand_peak",
        title="Peak demand",
        unit="kW",
        formula="max over demand blocks of the coincident A(energy_import) / hours of the block",
        terms=_DEMAND,
        family=DEMAND,
        figures=formulas.peak,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
    ),
    Kpi(
        key="load_factor",
        title="Load factor",
        unit="1",
        formula="energy / (peak x hours), all three of the same demand blocks",
        terms=_DEMAND,
        family=DEMAND,
        figures=formulas.load_factor,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
    ),
    Kpi(
        key="power_factor",
        title="Power factor, lagging",
        unit="1",
        formula="E_P / sqrt(E_P^2 + E_Q^2), E_P = A(energy_import), E_Q = A(energy_reactive_lagging) of intervals with both",
        terms=(Term(key="active", unit="kWh"), Term(key="reactive_lagging", unit="kvarh"), *_ENTERED),
        family=POWER_FACTOR,
        figures=formulas.power_factor,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
    ),
    Kpi(
        key="water_intake",
        title="Water intake",
        unit="m3",
        formula="sum over sources (network: A(water_in), else A(water_flow); surface, ground, rain, reclaimed) of the topmost use "
        "meters of each",
        terms=_amount("m3"),
        family=WATER,
        figures=formulas.amount,
        gate=Gate.TOTAL,
        subjects=EVERYBODY,
    ),
    Kpi(
        key="water_balance",
        title="Water balance",
        unit="m3",
        formula="supply from all sources - use of network water, with u = sqrt(sum (eps_k V_k)^2) over all meters of both",
        terms=_BALANCE,
        family=WATER_BALANCE,
        figures=formulas.balance,
        gate=Gate.TOTAL,
        subjects=PARK_ONLY,
        error=formulas.balance_error,
    ),
    Kpi(
        key="water_loss_share",
        title="Water loss, share of supply",
        unit="1",
        formula="(supply - use) / supply, with u = sqrt(u_use^2 + (use/supply)^2 u_supply^2) / supply",
        terms=_BALANCE,
        family=WATER_BALANCE,
        figures=formulas.loss_share,
        gate=Gate.TOTAL,
        subjects=PARK_ONLY,
        error=formulas.loss_share_error,
    ),
    Kpi(
        key="availability",
        title="Availability of readings",
        unit="1",
        formula="expected slots with at least one reading / expected slots, over all published channels; slots in approved "
        "downtime (meters out of service) are counted apart",
        terms=SLOT_TERMS,
        family=AVAILABILITY,
        figures=formulas.filled_slots,
        gate=Gate.NONE,
        subjects=EVERYBODY,
    ),
)
"""The KPIs that every park has; those of its pollutants and rules are added by :func:`for_registry`."""


def for_registry(registry: Registry) -> tuple[Kpi, ...]:
    """
    All KPIs of a park: those of :func:`built_in`, and the formulas of its operator that fit it.

    Raises
    ------
    RegistryError
        A rule cannot be judged.
    """
    known = built_in(registry)
    return (*known, *custom_kpis(registry, known))


def built_in(registry: Registry) -> tuple[Kpi, ...]:
    """
    The KPIs that come with the program: the catalogue, a load for each pollutant that has a product, a compliance for
    each rule key.

    Raises
    ------
    RegistryError
        A rule cannot be judged.
    """
    check_rules(registry)
    known = (
        *CATALOGUE,
        *energy_kpis(registry),
        *carbon_kpis(registry),
        *water_kpis(registry),
        *effluent_kpis(registry),
        *data_kpis(registry),
    )
    return (*known, *intensity_kpis(known))
