"""Routes about alarms: which there are and how each stands, what people do to them, and the journal of all of it."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Response
from psycopg import AsyncConnection

from alerts.machine import apply
from domain.alarms import Act, AlarmState, Category, Severity, Step
from domain.errors import NotAllowed
from domain.time import from_datetime
from service.api.access import Actor, Asker
from service.api.alarmmodels import (
    ActRequest,
    AlarmAnswer,
    AlarmPage,
    JudgementPage,
    TransitionPage,
)
from service.api.alarms import alarm_answers, judgement_answer, transition_answer, watch_of
from service.api.cursors import Pager, paged
from service.api.problem import not_found
from service.api.ranges import ShortSpanQuery, instant, now_us
from service.api.repeats import REPEATABLE_BY_ACTOR, RepeatableRoute
from service.api.routes_registry import ParkKey, registries_of
from service.api.services import Database
from service.api.versions import ANY, Seen, check_seen, etag, moved_on
from store.alarmlists import AlarmRow, act, read_alarm, read_alarms, read_transitions
from store.episodelists import read_judgements
from store.queries import read_registries
from store.users import User, UserRole

__all__ = ["router"]

router = APIRouter(tags=["alarms"], route_class=RepeatableRoute)

_TRIES = 3
_MOST_ROWS = 10_000

Number = Annotated[int, Path(description="Id of an alarm.", ge=1, le=2**31 - 1)]
RuleKey = Annotated[str | None, Query(description="Only of the rule of this key.", max_length=63)]
TargetKey = Annotated[
    str | None, Query(description="Only about this target and what lies under it, as `park/tenant`.", max_length=300)
]
Categories = Annotated[
    list[Category] | None, Query(alias="category", description="Only of these.", max_length=len(Category))
]
States = Annotated[
    list[AlarmState] | None, Query(alias="state", description="Only in these states.", max_length=len(AlarmState))
]
LeastSeverity = Annotated[
    str, Query(description="Only of this severity and above.", pattern="^(low|medium|high|critical)$")
]


@router.get("/alarms")
async def list_alarms(
    conn: Database,
    user: Asker,
    park: ParkKey = None,
    *,
    states: States = None,
    categories: Categories = None,
    severity: LeastSeverity = "low",
    rule: RuleKey = None,
    target: TargetKey = None,
    inhibited: Annotated[
        bool | None, Query(description="Only those that are kept from being announced, or only the others.")
    ] = None,
    pager: Annotated[Pager, paged(datetime, int)],
) -> AlarmPage:
    """Alarms that you may see, those that changed last first. There is one for each rule and target, whether it is raised or not."""
    registries = await registries_of(conn, user, park)
    rows = await read_alarms(
        conn,
        user.name,
        park=park,
        states=states or (),
        categories=categories or (),
        least_severity=Severity[severity.upper()],
        rule=rule,
        target=target,
        inhibited=inhibited,
        after=pager.after,
        limit=pager.wanted,
    )
    page, following = pager.page(rows, lambda row: row.key)
    return AlarmPage(alarms=await alarm_answers(conn, user, registries, page), next=following)


@router.get("/alarms/{alarm}")
async def show_alarm(conn: Database, user: Asker, alarm: Number, response: Response) -> AlarmAnswer:
    """An alarm as it stands; its version is its ETag."""
    return await _shown(conn, user, await _row(conn, user, alarm), response)


@router.get("/alarms/{alarm}/transitions")
async def list_transitions(
    conn: Database, user: Asker, alarm: Number, pager: Annotated[Pager, paged(int)]
) -> TransitionPage:
    """The journal of an alarm, newest first: what its condition, time and people did to it."""
    row = await _row(conn, user, alarm)
    after = pager.after[0] if pager.after else None
    found = await read_transitions(conn, user.name, alarm_id=alarm, after=after, limit=pager.wanted)
    page, following = pager.page(found, lambda one: (one.id,))
    zone = ZoneInfo(row.timezone)
    return TransitionPage(transitions=[transition_answer(one, zone) for one in page], next=following)


@router.get("/alarms/{alarm}/judgements")
async def list_judgements(
    conn: Database,
    user: Asker,
    alarm: Number,
    span: ShortSpanQuery,
    pager: Annotated[Pager, paged(datetime, most=_MOST_ROWS, usual=_MOST_ROWS)],
) -> JudgementPage:
    """What was judged of an alarm, window by window, for those that ended in `[start, stop)`."""
    row = await _row(conn, user, alarm)
    # They are in order of the end of their window, of which there is one at a time.
    first_us = from_datetime(pager.after[0]) + 1 if pager.after else span.start_us
    found = await read_judgements(
        conn, user.name, alarm, max(first_us, span.start_us), span.stop_us, limit=pager.wanted
    )
    page, following = pager.page(found, lambda one: (one.at,))
    answer = (await alarm_answers(conn, user, await read_registries(conn, user.name), [row]))[0]
    zone = ZoneInfo(row.timezone)
    return JudgementPage(
        unit=answer.unit,
        judgements=[judgement_answer(one, zone) for one in page],
        complete=following is None,
    )


@router.post("/alarms/{alarm}/acts", dependencies=[REPEATABLE_BY_ACTOR])
async def act_on_alarm(  # noqa: PLR0917 - what the framework hands over
    conn: Database, user: Actor, alarm: Number, asked: ActRequest, seen: Seen, response: Response
) -> AlarmAnswer:
    """
    Acknowledge, shelve, comment and so on; needs If-Match. For operators and officers; tenants comment on their own.

    What makes no sense as the alarm stands is refused with the reason.
    """
    row = await _row(conn, user, alarm)
    check_seen(seen, row.version, f"alarm {alarm}")
    if user.role is UserRole.TENANT and asked.act is not Act.COMMENT:
        raise NotAllowed("only the operator of a park and its officers deal with its alarms; you may comment on yours")
    until_us = None if asked.until is None else instant("until", asked.until)
    for _ in range(_TRIES):
        if await _acted(conn, user, row, asked, until_us):
            return await _shown(conn, user, await _row(conn, user, alarm), response)
        if seen != ANY:
            break
        row = await _row(conn, user, alarm)
    raise moved_on(f"alarm {alarm}")


async def _acted(
    conn: AsyncConnection[Any], user: User, row: AlarmRow, asked: ActRequest, until_us: int | None
) -> bool:
    present_us = now_us()
    registry = next((one for one in await read_registries(conn, user.name) if one.park.key == row.park), None)
    if registry is None:
        raise not_found(f"alarm {row.alarm_id}")
    before = row.standing
    after, transition = apply(
        before,
        Step(asked.act),
        watch=watch_of(registry, row, present_us),
        at_us=present_us,
        now_us=present_us,
        actor=user.name,
        text=asked.text.strip(),
        until_us=until_us,
    )
    return transition is None or await act(conn, user.name, before, after, transition)


async def _row(conn: AsyncConnection[Any], user: User, number: int) -> AlarmRow:
    row = await read_alarm(conn, user.name, number)
    if row is None:
        raise not_found(f"alarm {number}")
    return row


async def _shown(conn: AsyncConnection[Any], user: User, row: AlarmRow, response: Response) -> AlarmAnswer:
    response.headers["ETag"] = etag(row.version)
    return (await alarm_answers(conn, user, await read_registries(conn, user.name), [row]))[0]
