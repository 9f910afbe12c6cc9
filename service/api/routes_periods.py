"""Routes about closed months: close one, list them, and what of them would be different now."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from domain.frames import NullReason
from domain.registry import Registry
from domain.time import Level
from kpi.catalogue import for_registry
from service.api.access import Asker
from service.api.problem import not_found
from service.api.repeats import REPEATABLE, RepeatableRoute
from service.api.services import Database
from service.api.subjects import named_subjects
from service.periods import MONTH, month_of
from store.closing import ClosedKpi, ClosedPeriod, close_period_as, read_closed_kpis, read_closed_periods
from store.queries import read_registry
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["numbers"], route_class=RepeatableRoute)

ParkKey = Annotated[str, Query(description="Key of a park.", max_length=63)]
Month = Annotated[str, Path(description="Park-local month.", max_length=7, json_schema_extra=MONTH)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class ClosingRequest(_Shape):
    """Which month to close."""

    park: str = Field(max_length=63)
    """Key of the park."""
    month: str = Field(max_length=7, examples=["2026-03"], json_schema_extra=MONTH)
    """Park-local month."""
    note: str = Field(default="", max_length=500)
    """Why, or what for."""


class PeriodAnswer(_Shape):
    """A closed month."""

    park: str
    month: str
    start: datetime
    stop: datetime
    note: str
    closed_at: datetime
    closed_by: str
    adjusted: int
    """How many of its KPIs would be different now."""


class Adjustment(_Shape):
    """What a closed KPI would be by what is known now."""

    id: int
    value: float | None
    estimate: float | None
    reason: str | None
    """Why there is no value; null: there is."""
    recorded_at: datetime


class ClosedKpiAnswer(_Shape):
    """A KPI as it was when the month was closed, and its adjustment since; without snapshot where it came later."""

    kpi: str
    subject: str
    unit: str | None
    value: float | None
    measured: float | None
    estimate: float | None
    reason: str | None
    coverage: float | None
    estimated_share: float | None
    formula_version: int | None
    registry_version: int | None
    revision: int | None
    computed_at: datetime | None
    adjustment: Adjustment | None


class PeriodReport(PeriodAnswer):
    """A closed month with its numbers."""

    kpis: list[ClosedKpiAnswer]


@router.get("/periods")
async def list_periods(conn: Database, user: Asker, park: ParkKey) -> list[PeriodAnswer]:
    """The closed months of a park, newest first."""
    registry = await _registry(conn, user, park)
    return [PeriodAnswer(**_period(registry, period)) for period in await read_closed_periods(conn, user.name, park)]


@router.post("/periods", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def close_month(conn: Database, user: Asker, asked: ClosingRequest) -> PeriodAnswer:
    """Close a month that is final: its numbers are kept as they are. For operators of the park."""
    registry = await _registry(conn, user, asked.park)
    start_us, stop_us = month_of(registry.park, asked.month)
    await close_period_as(conn, user.name, registry.park.id, Level.MONTH, start_us, stop_us, asked.note)
    period = await _found(conn, user, registry, asked.month)
    return PeriodAnswer(**_period(registry, period))


@router.get("/periods/{month}")
async def read_period(conn: Database, user: Asker, month: Month, *, park: ParkKey) -> PeriodReport:
    """A closed month: each KPI that you may see as it was closed, and the newest adjustment beside it."""
    registry = await _registry(conn, user, park)
    period = await _found(conn, user, registry, month)
    subjects = {(one.subject.kind.code, one.subject.id): one.reference for one in named_subjects(registry, user)}
    units = {kpi.key: kpi.unit for kpi in for_registry(registry)}
    rows = await read_closed_kpis(conn, user.name, period.id)
    kpis = [
        _kpi(row, subjects[row.subject_kind, row.subject_id], units.get(row.kpi))
        for row in rows
        if (row.subject_kind, row.subject_id) in subjects
    ]
    return PeriodReport(**_period(registry, period), kpis=kpis)


async def _registry(conn: Database, user: User, park: str) -> Registry:
    registry = await read_registry(conn, user.name, park)
    if registry is None:
        raise not_found(f"park {park}")
    return registry


async def _found(conn: Database, user: User, registry: Registry, month: str) -> ClosedPeriod:
    month_of(registry.park, month)
    for period in await read_closed_periods(conn, user.name, registry.park.key):
        if f"{period.start.astimezone(registry.park.zone):%Y-%m}" == month:
            return period
    raise not_found(f"closed month {month}")


def _period(registry: Registry, period: ClosedPeriod) -> dict[str, object]:
    zone = registry.park.zone
    return {
        "park": period.park,
        "month": f"{period.start.astimezone(zone):%Y-%m}",
        "start": period.start.astimezone(zone),
        "stop": period.stop.astimezone(zone),
        "note": period.note,
        "closed_at": period.closed_at,
        "closed_by": period.closed_by,
        "adjusted": period.adjusted,
    }


def _reason(code: int | None) -> str | None:
    return None if not code else NullReason(code).key


def _kpi(row: ClosedKpi, subject: str, unit: str | None) -> ClosedKpiAnswer:
    adjustment = None
    if row.adjustment_id is not None and row.adjusted_at is not None:
        adjustment = Adjustment(
            id=row.adjustment_id,
            value=row.adjusted_value,
            estimate=row.adjusted_estimate,
            reason=_reason(row.adjusted_reason),
            recorded_at=row.adjusted_at,
        )
    return ClosedKpiAnswer(
        kpi=row.kpi,
        subject=subject,
        unit=unit,
        value=row.value,
        measured=row.measured,
        estimate=row.estimate,
        reason=_reason(row.reason),
        coverage=row.total_coverage,
        estimated_share=row.estimated_share,
        formula_version=row.formula_version,
        registry_version=row.registry_version,
        revision=row.revision,
        computed_at=row.computed_at,
        adjustment=adjustment,
    )
