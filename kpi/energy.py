"""Energy: entries of the catalogue."""

from collections.abc import Iterable

from domain.frames import SubjectKind
from domain.references import Tariff
from domain.registry import Registry
from domain.time import Level
from kpi import formulas, formulas_energy
from kpi.blocks import block_family
from kpi.carried import ENERGY, carried, factors_of, sum_terms_of
from kpi.costs import cost_family, currencies
from kpi.definition import Fold, Gate, Kpi, Term
from kpi.profiles import BASE_LOAD, COINCIDENCE
from kpi.reactive import APPARENT, CONTRACT_USE, REACTIVE_EXCESS
from kpi.renewable import RENEWABLE
from kpi.supply import ELECTRICITY_BALANCE, ELECTRICITY_SUPPLY
from kpi.tariffs import block_keys

__all__ = ["energy_kpis"]

EVERYBODY = frozenset(SubjectKind)
PARK_ONLY = frozenset({SubjectKind.PARK})
PARK_AND_TENANTS = frozenset({SubjectKind.PARK, SubjectKind.TENANT})
FROM_DAYS_ON = frozenset(level for level in Level if level >= Level.DAY)
FROM_HOURS_ON = frozenset(level for level in Level if level >= Level.HOUR)

_ENTERED = (Term(key="hours_entered", unit="h"), Term(key="hours_expected", unit="h"))
_ENERGY = carried(ENERGY)


def energy_kpis(registry: Registry) -> tuple[Kpi, ...]:
    """The energy of a park: what every park has, a split for each block of its tariffs, a cost for each currency."""
    return (
        _energy_total(registry),
        *_supply(),
        *_peaks(),
        _coincidence(),
        _reactive_excess(registry),
        *(_block(registry, key) for key in block_keys(registry)),
        _base_load(),
        _renewable_share(),
        *(_cost(registry, currency) for currency in currencies(registry)),
    )


def _energy_total(registry: Registry) -> Kpi:
    return Kpi(
        key="energy_total",
        title="Energy of all carriers",
        unit="GJ",
        formula="(A(energy_import) + A(energy_generation) below use meters - A(energy_export) of them) x 3.6 MJ/kWh "
        "+ A(gas) x lhv_gas + A(diesel) x lhv_diesel + A(steam) x enthalpy_steam + deliveries of unmetered fuels x their LHV",
        terms=sum_terms_of("GJ"),
        family=_ENERGY,
        figures=formulas_energy.carried_sum,
        gate=Gate.TOTAL,
        subjects=EVERYBODY,
        source="GRI 302-1",
        uses=tuple(f"factor:{key}" for key in factors_of(registry, ENERGY)),
    )


def _supply() -> tuple[Kpi, ...]:
    sides = tuple(
        Term(key=f"{side}_{part}", unit="kWh") for side in ("supply", "use") for part in ("measured", "estimated")
    )
    supply = Kpi(
        key="electricity_supply",
        title="Electricity, supply of the park",
        unit="kWh",
        formula="A(energy_import) of the topmost supply meters + A(energy_generation) of what feeds the park's network "
        "(it stands below no use meter) - A(energy_export) to the grid",
        terms=(Term(key="measured", unit="kWh"), Term(key="estimated", unit="kWh")),
        family=ELECTRICITY_SUPPLY,
        figures=formulas.amount,
        gate=Gate.TOTAL,
        subjects=PARK_ONLY,
    )
    balance = Kpi(
        key="electricity_balance",
        title="Electricity balance",
        unit="kWh",
        formula="electricity_supply - (A(energy_import) - A(energy_export)) of the topmost use meters, tenants and common "
        "use, with u = sqrt(sum (eps_k A_k)^2) over all meters of both",
        terms=sides,
        family=ELECTRICITY_BALANCE,
        figures=formulas.balance,
        gate=Gate.TOTAL,
        subjects=PARK_ONLY,
        error=formulas.balance_error,
    )
    share = Kpi(
        key="electricity_loss_share",
        title="Electricity loss, share of supply",
        unit="1",
        formula="electricity_balance / electricity_supply",
        terms=sides,
        family=ELECTRICITY_BALANCE,
        figures=formulas.loss_share,
        gate=Gate.TOTAL,
        subjects=PARK_ONLY,
        error=formulas.loss_share_error,
    )
    return supply, balance, share


def _peak_terms(unit: str) -> tuple[Term, ...]:
    return (
        Term(key="peak", unit=unit, fold=Fold.MAX),
        Term(key="missing_at_peak", unit="1", fold=Fold.AT_MAX),
        *_ENTERED,
        Term(key="energy", unit="kWh"),
        Term(key="hours", unit="h"),
    )


def _peaks() -> tuple[Kpi, ...]:
    apparent = Kpi(
        key="demand_peak_kva",
        title="Peak demand, apparent",
        unit="kVA",
        formula="max over demand blocks of sqrt(P^2 + Q^2), P and Q the coincident sums of A(energy_import) and of "
        "A(energy_reactive_lagging) - A(energy_reactive_leading) / hours of the block, of the meters that have reactive energy",
        terms=_peak_terms("kVA"),
        family=APPARENT,
        figures=formulas.peak,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
    )
    use = Kpi(
        key="contract_use",
        title="Use of the contracted power",
        unit="1",
        formula="max over demand blocks of sqrt(P^2 + Q^2) / the kVA contracted then; of the park by the operator's contract",
        terms=_peak_terms("1"),
        family=CONTRACT_USE,
        figures=formulas.peak,
        gate=Gate.PROFILE,
        subjects=PARK_AND_TENANTS,
        uses=("contract:*",),
    )
    return apparent, use


def _coincidence() -> Kpi:
    return Kpi(
        key="coincidence",
        title="Coincidence of peaks",
        unit="1",
        formula="peak demand of the park / sum of the tenants' peaks over the same level, common use being one of them",
        terms=(*_peak_terms("kW"), Term(key="sum_of_tenant_peaks", unit="kW")),
        family=COINCIDENCE,
        figures=formulas_energy.coincidence,
        gate=Gate.PROFILE,
        subjects=PARK_ONLY,
        levels=FROM_HOURS_ON,
        folds=False,
    )


def _by_tariff(tariffs: Iterable[Tariff]) -> tuple[str, ...]:
    """What is used where tariffs are: the contracts that name them, the tariffs, their holidays."""
    known = tuple(tariffs)
    named = sorted({f"tariff:{one.origin.key}" for one in known})
    holidays = sorted({f"holidays:{one.holidays}" for one in known if one.holidays is not None})
    return ("contract:*", *named, *holidays) if known else ()


def _reactive_excess(registry: Registry) -> Kpi:
    return Kpi(
        key="reactive_excess",
        title="Reactive energy beyond what is free",
        unit="kvarh",
        formula="max(0, E_Q - tan(acos(pf_min)) E_P) over the level, E_P and E_Q of intervals with both; pf_min by the "
        "tariff of the contract, else 0.85",
        terms=(
            Term(key="active", unit="kWh"),
            Term(key="reactive_lagging", unit="kvarh"),
            *_ENTERED,
            Term(key="free", unit="kvarh"),
        ),
        family=REACTIVE_EXCESS,
        figures=formulas_energy.reactive_excess,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
        uses=_by_tariff(registry.references.tariffs),
    )


def _block(registry: Registry, key: str) -> Kpi:
    named = [one for one in registry.references.tariffs if any(block.key == key for block in one.blocks)]
    return Kpi(
        key=f"tou_{key}",
        title=f"Electricity in block {key}",
        unit="kWh",
        formula=f"A(energy_import) within the local clock windows of block {key} of the tariff of each tenant's contract, "
        "intervals split by time at the edges of windows",
        terms=(
            Term(key="measured", unit="kWh"),
            Term(key="estimated", unit="kWh"),
            *_ENTERED,
            Term(key="hours_without_tariff", unit="h"),
        ),
        family=block_family(key),
        figures=formulas_energy.within_blocks,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
        uses=_by_tariff(named),
        of=key,
    )


def _base_load() -> Kpi:
    return Kpi(
        key="base_load",
        title="Base load",
        unit="kW",
        formula="5th percentile of the coincident A(energy_import) / hours of the base intervals that count",
        terms=(Term(key="percentile", unit="kW"), Term(key="missing", unit="1"), *_ENTERED),
        family=BASE_LOAD,
        figures=formulas_energy.percentile,
        gate=Gate.PROFILE,
        subjects=EVERYBODY,
        levels=FROM_DAYS_ON,
        folds=False,
    )


def _renewable_share() -> Kpi:
    return Kpi(
        key="renewable_share",
        title="Renewable share of electricity",
        unit="1",
        formula="(A(energy_generation) - A(energy_export) + entered certificates, these at most the rest) / electricity "
        "used, of intervals in which all meters of a tenant are known",
        terms=(
            Term(key="used_measured", unit="kWh"),
            Term(key="used_estimated", unit="kWh"),
            Term(key="own_measured", unit="kWh"),
            Term(key="own_estimated", unit="kWh"),
            Term(key="certificates", unit="kWh"),
            Term(key="certificates_split_by_time", unit="kWh"),
            *_ENTERED,
        ),
        family=RENEWABLE,
        figures=formulas_energy.renewable_share,
        gate=Gate.PROFILE,
        subjects=PARK_AND_TENANTS,
    )


def _cost(registry: Registry, currency: str) -> Kpi:
    several = len(currencies(registry)) > 1
    named = [one for one in registry.references.tariffs if one.currency == currency]
    return Kpi(
        key=f"energy_cost_{currency.lower()}" if several else "energy_cost",
        title=f"Cost of electricity, {currency}" if several else "Cost of electricity",
        unit=currency,
        formula="sum over blocks of A(energy_import) x price + each month's max(0, E_Q - tan(acos(pf_min)) E_P) x reactive "
        "price + fixed charges of the months that have begun, by the tariff of each tenant's contract",
        terms=(
            Term(key="energy_measured", unit=currency),
            Term(key="energy_estimated", unit=currency),
            Term(key="fixed", unit=currency),
            Term(key="reactive_excess", unit=currency),
            Term(key="hours_without_price", unit="h"),
            Term(key="excess", unit="kvarh"),
            Term(key="days_without_reactive", unit="1"),
        ),
        family=cost_family(currency),
        figures=formulas_energy.cost,
        gate=Gate.TOTAL,
        subjects=PARK_AND_TENANTS,
        levels=frozenset({Level.MONTH, Level.YEAR}),
        by_days=True,
        uses=_by_tariff(named),
        of=currency,
    )
