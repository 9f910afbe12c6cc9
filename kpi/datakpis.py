"""Data: entries of the catalogue."""

from domain.frames import SubjectKind
from domain.registry import Registry
from domain.time import Level
from kpi import formulas, formulas_water
from kpi.availability import AVAILABILITY, SLOT_TERMS
from kpi.bills import METERING
from kpi.carried import ENERGY, factors_of
from kpi.definition import Basis, Gate, Kpi, Term

__all__ = ["data_kpis"]

EVERYBODY = frozenset(SubjectKind)


def data_kpis(registry: Registry) -> tuple[Kpi, ...]:
    """What is known of the readings of a park, beside their availability."""
    return _validity(), _timeliness(), _metering_coverage(registry)


def _validity() -> Kpi:
    return Kpi(
        key="validity",
        title="Validity of readings",
        unit="1",
        formula="good values / received values: a value is not good where its source marked it unusable (calibration, maintenance, "
        "fault, out of range), another claims its time, a correction spoke, or a register's readings around it do not agree with it",
        terms=SLOT_TERMS,
        family=AVAILABILITY,
        figures=formulas_water.good_values,
        gate=Gate.NONE,
        subjects=EVERYBODY,
    )


def _timeliness() -> Kpi:
    return Kpi(
        key="timeliness",
        title="Timeliness of readings",
        unit="1",
        formula="expected slots with a reading that was received no later than the park's lateness allowance after the slot's end "
        "/ expected slots; downtime as in availability. Made of the journal of receipts on reading",
        terms=SLOT_TERMS,
        family=AVAILABILITY,
        figures=formulas.filled_slots,
        gate=Gate.NONE,
        subjects=EVERYBODY,
        levels=frozenset(level for level in Level if level <= Level.MONTH),
        folds=False,
        made_of=Basis.RECEIPTS,
    )


def _metering_coverage(registry: Registry) -> Kpi:
    factors = [key for key in factors_of(registry, ENERGY) if not key.startswith("co2")]
    return Kpi(
        key="metering_coverage",
        title="Energy metered, share of bills",
        unit="1",
        formula="(A(energy_import) x 3.6 MJ/kWh where electricity_billed is entered, A(gas) x lhv_gas + A(diesel) x lhv_diesel + "
        "A(steam) x enthalpy_steam where fuel_billed is) of use meters / energy billed, over the days that are billed",
        terms=(
            Term(key="electricity_measured", unit="GJ"),
            Term(key="electricity_estimated", unit="GJ"),
            Term(key="fuels_measured", unit="GJ"),
            Term(key="fuels_estimated", unit="GJ"),
            Term(key="hours_without_factor", unit="h"),
            Term(key="billed", unit="GJ"),
            Term(key="billed_split_by_time", unit="GJ"),
            Term(key="share_of_time_billed", unit="1"),
        ),
        family=METERING,
        figures=formulas_water.bills_metered,
        gate=Gate.PROFILE,
        subjects=frozenset({SubjectKind.PARK, SubjectKind.TENANT}),
        levels=frozenset({Level.MONTH, Level.YEAR}),
        by_days=True,
        uses=tuple(f"factor:{key}" for key in factors),
    )
