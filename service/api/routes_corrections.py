"""Routes about corrections of readings: enter, list and withdraw them; conflicts and what was chosen."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from domain.corrections import Action, Conflict
from domain.registry import Channel, Registry
from domain.shapes import Strict
from domain.time import from_datetime
from service.api.access import Asker
from service.api.corrections import CorrectionAnswer, correction_answer
from service.api.cursors import Pager, paged
from service.api.forms import FORMS, AskedForm, TableResponse
from service.api.lists import correction_table
from service.api.models import WithdrawalRequest
from service.api.problem import not_found, refused
from service.api.ranges import DATE_TIME, instant
from service.api.repeats import REPEATABLE, RepeatableRoute
from service.api.series import Seen
from service.api.services import Database, Serving
from service.api.values import quality_words
from service.formats import Form
from store.corrections import correct_as, read_conflicts, read_corrections, withdraw_as
from store.queries import read_registries
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["corrections"], route_class=RepeatableRoute)

_PAGE = 200
_MOST = 1000

Keys = Annotated[
    list[str] | None,
    Query(
        alias="channel",
        description="Key of a channel, `park/tenant/meter/quantity`; may be given up to 50 times. None: all that you may see.",
        max_length=50,
    ),
]
Start = Annotated[
    str | None,
    Query(description="First instant, RFC 3339 with an offset; none: from the beginning.", json_schema_extra=DATE_TIME),
]
Stop = Annotated[
    str | None, Query(description="End of the range, not included; none: to the end.", json_schema_extra=DATE_TIME)
]
Number = Annotated[int, Path(description="Id of a correction.", ge=1, le=2**63 - 1)]
Instant = Annotated[str, Field(max_length=64, json_schema_extra=DATE_TIME)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class CorrectionRequest(_Shape):
    """What holds in place of readings, and why."""

    channel: str = Field(max_length=300)
    """`park/tenant/meter/quantity`."""
    action: Action
    """`set`: the value at one instant, whether a reading stands there or not. `choose`: one of the values that claim
    an instant. `void`: no reading of a range counts."""
    ts: Instant | None = None
    """The instant of a set or a choice, RFC 3339 with an offset."""
    from_: Instant | None = Field(default=None, alias="from")
    """First instant of a void."""
    to: Instant | None = None
    """Last instant of a void, included."""
    value: Strict | None = None
    """In the channel's unit, before the multiplier, as its device shows it."""
    why: str = Field(max_length=1000, pattern=r"^[^\x00]*$")
    """The reason."""
    replace: StrictBool = False
    """Take the place of a set that is in force at the same instant."""


class ClaimAnswer(_Shape):
    """One of the values that claim a time."""

    value: float
    quality: list[str]
    received_at: datetime


class ConflictAnswer(_Shape):
    """A time of a channel that several values claim."""

    channel: str
    unit: str
    ts: datetime
    claims: list[ClaimAnswer]
    correction: int | None
    """The correction that decides; null: nobody has chosen, and no number uses any of the values."""
    chosen: float | None
    """The value it gives; null where it voids the time, or where there is none."""


async def _seen(conn: AsyncConnection[Any], user: User) -> Mapping[str, tuple[Registry, Channel]]:
    return {
        channel.key: (registry, channel)
        for registry in await read_registries(conn, user.name)
        for channel in registry.channels
    }


async def _ids(conn: AsyncConnection[Any], user: User, keys: Sequence[str] | None) -> list[int] | None:
    if keys is None:
        return None
    seen = await _seen(conn, user)
    for key in keys:
        if key not in seen:
            raise not_found(f"channel {key[:300]}")
    return [seen[key][1].id for key in keys]


def _moments(start: str | None, stop: str | None) -> dict[str, int | None]:
    return {
        "start_us": None if start is None else instant("start", start),
        "stop_us": None if stop is None else instant("stop", stop),
    }


@router.get("/corrections", response_model=list[CorrectionAnswer], responses=FORMS)
async def list_corrections(
    conn: Database,
    user: Asker,
    services: Serving,
    form: AskedForm,
    *,
    channel: Keys = None,
    start: Start = None,
    stop: Stop = None,
    history: Annotated[bool, Query(description="Also those that were withdrawn or replaced.")] = False,
    pager: Annotated[Pager, paged(int, most=_MOST, usual=_PAGE)],
) -> Any:
    """Corrections of channels that you may see, newest first; those that cover something of `[start, stop)`."""
    ids, moments = await _ids(conn, user, channel), _moments(start, stop)
    after = pager.after[0] if pager.after else None
    if form is not Form.JSON:
        seen = Seen(connections=services.connection, user=user)
        bounds_us = moments["start_us"], moments["stop_us"]
        return TableResponse(form, correction_table(seen, ids, bounds_us, history=history, after=after))
    found = await read_corrections(
        conn,
        user.name,
        ids,
        **moments,
        history=history,
        after=after,
        limit=pager.wanted,
    )
    page, _ = pager.page(found, lambda one: (one.id,))
    return [correction_answer(one) for one in page]


@router.post("/corrections", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def enter_correction(conn: Database, user: Asker, asked: CorrectionRequest) -> CorrectionAnswer:
    """
    Say what holds in place of readings; what it changes is computed again. For operators of the park.

    The readings stay as they came. Of several corrections of an instant, the one entered last decides.
    """
    seen = (await _seen(conn, user)).get(asked.channel)
    if seen is None:
        raise not_found(f"channel {asked.channel}")
    first_us, last_us = _times(asked)
    made = await correct_as(
        conn,
        user.name,
        seen[1].id,
        asked.action,
        first_us=first_us,
        last_us=last_us,
        value=asked.value,
        why=asked.why,
        replace=asked.replace,
    )
    return await _one(conn, user, made)


def _times(asked: CorrectionRequest) -> tuple[int, int]:
    if asked.action is Action.VOID:
        if asked.from_ is None or asked.to is None or asked.ts is not None:
            raise refused("a void is about a range; give `from` and `to`, and no `ts`")
        return instant("from", asked.from_), instant("to", asked.to)
    if asked.ts is None or asked.from_ is not None or asked.to is not None:
        raise refused(f"{asked.action.value} is about one instant; give `ts`, and neither `from` nor `to`")
    moment_us = instant("ts", asked.ts)
    return moment_us, moment_us


@router.delete("/corrections/{id}")
async def withdraw_correction(
    conn: Database, user: Asker, number: Annotated[Number, Path(alias="id")], asked: WithdrawalRequest
) -> CorrectionAnswer:
    """Take a correction out of force, as if it had never been made; it stays listed with `history`. For operators of the park."""
    await _one(conn, user, number)
    await withdraw_as(conn, user.name, number, why=asked.why)
    return await _one(conn, user, number)


async def _one(conn: AsyncConnection[Any], user: User, number: int) -> CorrectionAnswer:
    found = await read_corrections(conn, user.name, None, history=True, correction_id=number)
    if not found:
        raise not_found(f"correction {number}")
    return correction_answer(found[0])


@router.get("/conflicts")
async def list_conflicts(
    conn: Database,
    user: Asker,
    *,
    channel: Keys = None,
    start: Start = None,
    stop: Stop = None,
    resolved: Annotated[bool, Query(description="Also those that a correction decides.")] = False,
    pager: Annotated[Pager, paged(int, datetime, most=_MOST, usual=_PAGE)],
) -> list[ConflictAnswer]:
    """Times of channels that several values claim: all the values, and the correction that decides, if there is one."""
    found = await read_conflicts(
        conn,
        user.name,
        await _ids(conn, user, channel),
        **_moments(start, stop),
        resolved=resolved,
        after=None if pager.after is None else (pager.after[0], from_datetime(pager.after[1])),
        limit=pager.wanted,
    )
    page, _ = pager.page(found, lambda one: (one.channel_id, one.ts))
    return [_conflict(one) for one in page]


def _conflict(one: Conflict) -> ConflictAnswer:
    return ConflictAnswer(
        channel=one.channel,
        unit=one.unit,
        ts=one.ts,
        claims=[
            ClaimAnswer(value=claim.value, quality=quality_words(claim.quality), received_at=claim.received_at)
            for claim in one.claims
        ],
        correction=one.correction_id,
        chosen=one.chosen,
    )
