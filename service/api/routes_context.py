"""Routes about entered values: enter some, and read them as they were entered."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from domain.context import CONTEXTS
from domain.contextentries import ContextEntry, ContextMistake, context_entry
from domain.errors import InputError
from domain.registry import OPERATOR, Registry
from domain.shapes import Strict
from service.api.access import Asker
from service.api.cursors import Pager, paged
from service.api.problem import not_found, refused
from service.api.ranges import DATE_TIME, instant
from service.api.repeats import REPEATABLE, RepeatableRoute
from service.api.services import Database
from service.context import tenant_id_of
from store.context import ContextRow, enter_context_as, list_context_as
from store.queries import read_registry
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["inputs"], route_class=RepeatableRoute)

_MOST = 10_000

ParkKey = Annotated[str, Query(description="Key of a park.", max_length=63)]
TenantKey = Annotated[str | None, Query(description="Key of a tenant; `_park` is the whole park.", max_length=63)]
SeriesKey = Annotated[
    str | None,
    Query(
        description="Key of a series, for example `production_t`.",
        max_length=63,
        json_schema_extra={"enum": [*CONTEXTS]},
    ),
]
Start = Annotated[
    str | None,
    Query(description="First instant, RFC 3339 with an offset; none: from the beginning.", json_schema_extra=DATE_TIME),
]
Stop = Annotated[
    str | None, Query(description="End of the range, not included; none: to the end.", json_schema_extra=DATE_TIME)
]
History = Annotated[bool, Query(description="Also what newer versions took the place of, with who and when.")]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class EnteredValue(_Shape):
    """A value for the time from `start` up to `stop`."""

    tenant: str = Field(max_length=63)
    """Key of the tenant; `_park` is the whole park."""
    series: str = Field(max_length=63, examples=["production_t"])
    start: str = Field(max_length=40, examples=["2026-10"])
    """RFC 3339 with an offset; or, without `stop`, a local year, month or day, meant whole: 2026, 2026-10, 2026-10-31."""
    stop: str | None = Field(default=None, max_length=40)
    value: Strict | None
    """In the unit of the series; null withdraws what was entered for this time."""
    note: str = Field(default="", max_length=500)
    """Where the number is from."""


class ContextRequest(_Shape):
    """Values to enter together: all of them, or none."""

    park: str = Field(max_length=63)
    """Key of the park."""
    values: list[EnteredValue] = Field(min_length=1, max_length=_MOST)


class ContextOutcome(_Shape):
    """What became of the values."""

    stored: int
    same: int
    """Entered before, as they are now."""
    withdrawn: int


class ContextAnswer(_Shape):
    """A value as it was entered."""

    tenant: str
    series: str
    title: str
    unit: str
    start: datetime
    stop: datetime
    value: float
    note: str
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When a newer version took its place; null: it is in force."""
    superseded_by: str | None


@router.post("/context", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def enter_values(conn: Database, user: Asker, asked: ContextRequest) -> ContextOutcome:
    """
    Enter values of your own firm, or, as an operator, of any tenant and the park.

    A value supersedes those that it covers, which stay in the history; one that covers another only in part is refused. KPIs
    are made anew within seconds.
    """
    registry = await _registry(conn, user, asked.park)
    entries, tenant_ids = _checked(registry, asked.values)
    entered = await enter_context_as(conn, user.name, registry.park.id, entries, tenant_ids)
    outcomes = [one.outcome for one in entered]
    return ContextOutcome(
        stored=outcomes.count("stored"), same=outcomes.count("same"), withdrawn=outcomes.count("withdrawn")
    )


@router.get("/context")
async def list_values(
    conn: Database,
    user: Asker,
    park: ParkKey,
    *,
    tenant: TenantKey = None,
    series: SeriesKey = None,
    start: Start = None,
    stop: Stop = None,
    history: History = False,
    pager: Annotated[Pager, paged(str, str, datetime, int, most=_MOST, usual=1000)],
) -> list[ContextAnswer]:
    """The entered values that you may see, by tenant, series and time: those in force, or all that ever were."""
    registry = await _registry(conn, user, park)
    if tenant is not None:
        _tenant_id(registry, tenant)
    if series is not None and series not in CONTEXTS:
        raise refused(f"series {series!r} is not one; known are {', '.join(CONTEXTS)}")
    rows = await list_context_as(
        conn,
        user.name,
        park,
        tenant=tenant,
        series=series,
        start_us=None if start is None else instant("start", start),
        stop_us=None if stop is None else instant("stop", stop),
        history=history,
        after=pager.after,
        limit=pager.wanted,
    )
    page, _ = pager.page(rows, lambda row: (row.tenant or OPERATOR, row.series, row.start, row.id))
    return [_answer(registry, row) for row in page]


async def _registry(conn: Database, user: User, park: str) -> Registry:
    registry = await read_registry(conn, user.name, park)
    if registry is None:
        raise not_found(f"park {park}")
    return registry


def _tenant_id(registry: Registry, tenant: str) -> int:
    try:
        return tenant_id_of(registry, tenant)
    except InputError:
        raise not_found(f"tenant {tenant}") from None


def _checked(registry: Registry, values: list[EnteredValue]) -> tuple[list[ContextEntry], list[int]]:
    entries, wrong = [], []
    tenant_ids = [_tenant_id(registry, value.tenant) for value in values]
    for place, value in enumerate(values):
        try:
            entries.append(context_entry(value.model_dump(exclude={"tenant"}), registry.park.zone, may_withdraw=True))
        except ContextMistake as mistake:
            wrong.append(f"values[{place}]: {mistake}")
    if wrong:
        raise refused("; ".join(wrong))
    return entries, tenant_ids


def _answer(registry: Registry, row: ContextRow) -> ContextAnswer:
    series, zone = CONTEXTS[row.series], registry.park.zone
    return ContextAnswer(
        tenant=row.tenant or OPERATOR,
        series=row.series,
        title=series.title,
        unit=series.unit,
        start=row.start.astimezone(zone),
        stop=row.stop.astimezone(zone),
        value=row.value,
        note=row.note,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
        superseded_at=row.superseded_at,
        superseded_by=row.superseded_by,
    )
