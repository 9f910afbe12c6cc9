"""Routes about the life of a meter: exchanges, multipliers, units, outages; enter, list, withdraw."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from domain.meterlife import (
    DeviceEntry,
    ExchangeEntry,
    FactKind,
    LifeEntry,
    LifeRow,
    MultiplierEntry,
    OutageEntry,
    UnitEntry,
)
from domain.parkentries import modulus_of
from domain.registry import Exchange, Meter, Registry
from domain.shapes import Strict
from service.api.access import Asker
from service.api.models import WithdrawalRequest
from service.api.problem import not_found
from service.api.ranges import DATE_TIME, instant, now_us
from service.api.repeats import REPEATABLE, RepeatableRoute
from service.api.services import Database
from service.meterlife import channel_of, checked, find_meter, odd
from store.meterlife import enter_life_as, read_life, read_neighbours, withdraw_life_as
from store.queries import read_registry
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["registry"], prefix="/meters/{park}/{tenant}/{meter}", route_class=RepeatableRoute)

Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Moment = Annotated[str, Field(max_length=64, description="RFC 3339 with an offset.", json_schema_extra=DATE_TIME)]
Quantity = Annotated[str, Field(max_length=63)]
Digits = Annotated[int | None, Field(ge=1, le=15, strict=True)]
Number = Annotated[int, Path(description="Number of the fact, as the life shows it.", ge=1, le=2**31 - 1)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class _Request(_Shape):
    note: Text = ""
    """What people should know of it later."""
    replace: StrictBool = False
    """Take the place of what people entered for the same moment."""


class RegisterRequest(_Shape):
    """One register of the meter, as its index was at the exchange; before the multiplier, in the channel's unit."""

    quantity: Quantity
    closing: Strict
    """Of the device taken down."""
    opening: Strict
    """Of the device put up."""
    digits: Digits = None
    """Digits of the new register; null: as before."""
    digit_value: Strict = Field(default=1.0, gt=0)
    """What one count of its lowest digit means."""
    resolution: Strict | None = None
    """The smallest step that the new device shows; null: as before."""
    max_rate: Strict | None = None
    """Largest plausible rate of the new device, per hour; null: as before."""


class ExchangeRequest(_Request):
    """A device is taken down and another put up."""

    at: Moment
    registers: list[RegisterRequest] = Field(min_length=1, max_length=20)
    serial: str | None = Field(default=None, max_length=100, pattern=r"^[^\x00]*$")
    """Of the new device; null: it is not known."""


class MultiplierRequest(_Request):
    """Another CT or PT ratio, or pulse weight."""

    from_: Moment = Field(alias="from")
    quantity: Quantity
    factor: Strict


class UnitRequest(_Request):
    """Another unit on the wire; it counts for what comes in, by each reading's own time."""

    from_: Moment = Field(alias="from")
    quantity: Quantity
    unit: str = Field(max_length=64, pattern=r"^[^\x00]*$")


class OutageRequest(_Shape):
    """The meter is out of service: nothing is expected of it."""

    from_: Moment = Field(alias="from")
    to: Moment | None = None
    """Null: until further notice."""
    reason: str = Field(max_length=500, pattern=r"^[^\x00]*$")
    replace: StrictBool = False
    """Take the place of an outage that was entered with the same beginning, to end it for example."""


class LifeAnswer(_Shape):
    """A fact in the life of a meter."""

    kind: str
    id: int
    quantity: str | None
    """Of which channel; null: of the whole meter."""
    valid_from: datetime
    valid_to: datetime | None
    what: dict[str, Any]
    """What else the kind says."""
    origin: str
    """`file` (the park file) or `entry`."""
    note: str
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When it was withdrawn or replaced; null: in force."""
    superseded_by: str | None
    superseded_why: str | None


class EnteredAnswer(_Shape):
    """What was entered, and what looks odd about it."""

    facts: list[LifeAnswer]
    warnings: list[str]
    """Entered all the same; each says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """The meter that a request names."""

    registry: Registry
    meter: Meter


async def _named(
    conn: Database,
    user: Asker,
    park: Annotated[str, Path(description="Key of the park.", max_length=63)],
    tenant: Annotated[str, Path(description="Key of the tenant.", max_length=63)],
    meter: Annotated[str, Path(description="Key of the meter.", max_length=63)],
) -> _Named:
    registry = await read_registry(conn, user.name, park)
    found = None if registry is None else find_meter(registry, tenant, meter)
    if registry is None or found is None:
        raise not_found(f"meter {park}/{tenant}/{meter}")
    return _Named(registry=registry, meter=found)


Named = Annotated[_Named, Depends(_named)]


@router.get("/life")
async def list_meter_life(
    conn: Database,
    user: Asker,
    named: Named,
    *,
    history: Annotated[bool, Query(description="Also what was withdrawn or replaced.")] = False,
) -> list[LifeAnswer]:
    """Devices, exchanges, multipliers, units and outages of a meter, in order of time, with who said so."""
    return [_answer(row) for row in await read_life(conn, user.name, named.meter.id, history=history)]


@router.post("/exchanges", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def enter_exchange(conn: Database, user: Asker, named: Named, asked: ExchangeRequest) -> EnteredAnswer:
    """
    A device was exchanged, each register with its closing and opening. For operators of the park.

    It may be entered at any time after; what it changes is computed again, and no energy is lost.
    """
    at_us = instant("at", asked.at)
    entries: list[LifeEntry] = [
        ExchangeEntry(
            quantity=one.quantity,
            exchange=Exchange(
                at_us=at_us,
                closing=one.closing,
                opening=one.opening,
                modulus=modulus_of(one.digits, one.digit_value),
                resolution=one.resolution,
                max_rate=one.max_rate,
            ),
        )
        for one in asked.registers
    ]
    if asked.serial is not None:
        entries.append(DeviceEntry(serial=asked.serial, from_us=at_us))
    return await _enter(conn, user, named, entries, note=asked.note, replace=asked.replace)


@router.post("/multipliers", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def enter_multiplier(conn: Database, user: Asker, named: Named, asked: MultiplierRequest) -> EnteredAnswer:
    """Another multiplier holds from a moment on, past or to come. For operators of the park."""
    entry = MultiplierEntry(quantity=asked.quantity, from_us=instant("from", asked.from_), factor=asked.factor)
    return await _enter(conn, user, named, [entry], note=asked.note, replace=asked.replace)


@router.post("/units", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def enter_unit(conn: Database, user: Asker, named: Named, asked: UnitRequest) -> EnteredAnswer:
    """A channel's source publishes in another unit from a moment on. For operators of the park."""
    entry = UnitEntry(quantity=asked.quantity, from_us=instant("from", asked.from_), unit=asked.unit)
    return await _enter(conn, user, named, [entry], note=asked.note, replace=asked.replace)


@router.post("/outages", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def enter_outage(conn: Database, user: Asker, named: Named, asked: OutageRequest) -> EnteredAnswer:
    """A meter is out of service. Its readings still count; none is expected. For operators of the park."""
    to_us = None if asked.to is None else instant("to", asked.to)
    entry = OutageEntry(from_us=instant("from", asked.from_), to_us=to_us, reason=asked.reason)
    return await _enter(conn, user, named, [entry], note="", replace=asked.replace)


@router.delete("/life/{kind}/{id}")
async def withdraw_meter_fact(
    conn: Database,
    user: Asker,
    named: Named,
    *,
    kind: Annotated[FactKind, Path(description="Of the fact, as the life shows it.")],
    number: Annotated[Number, Path(alias="id")],
    asked: WithdrawalRequest,
) -> LifeAnswer:
    """Take an entered fact out of force, as if it had never been; it stays listed with `history`. For operators of the park."""
    await _one(conn, user, named, kind, number)
    await withdraw_life_as(conn, user.name, named.meter.id, kind, number, why=asked.why)
    return await _one(conn, user, named, kind, number)


async def _one(conn: AsyncConnection[Any], user: User, named: _Named, kind: str, number: int) -> LifeAnswer:
    for row in await read_life(conn, user.name, named.meter.id, history=True):
        if (row.kind, row.id) == (kind, number):
            return _answer(row)
    raise not_found(f"{kind} {number} of meter {named.meter.key}")


async def _enter(
    conn: AsyncConnection[Any], user: User, named: _Named, entries: Sequence[LifeEntry], *, note: str, replace: bool
) -> EnteredAnswer:
    registry, meter = named.registry, named.meter
    checked(registry, meter, entries, now_us=now_us(), replace=replace)
    numbers = await enter_life_as(conn, user.name, meter.id, entries, note=note, replace=replace)
    made = {(entry.kind.value, number) for entry, number in zip(entries, numbers, strict=True)}
    warnings: list[str] = []
    for entry in entries:
        channel = channel_of(registry, meter, entry)
        if channel is not None:
            near = await read_neighbours(conn, user.name, channel.id, entry.from_us)
            warnings += odd(registry, channel, entry, near)
    rows = await read_life(conn, user.name, meter.id)
    entered = [row for row in rows if (row.kind, row.id) in made]
    return EnteredAnswer(facts=[_answer(row) for row in entered], warnings=warnings)


def _answer(row: LifeRow) -> LifeAnswer:
    return LifeAnswer(
        kind=row.kind,
        id=row.id,
        quantity=row.quantity,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        what=row.what,
        origin=row.origin,
        note=row.note,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
        superseded_at=row.superseded_at,
        superseded_by=row.superseded_by,
        superseded_why=row.superseded_why,
    )
