"""Routes about alarm rules: list, enter, replace and end them, and try one over past data."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Query, Response
from psycopg import AsyncConnection

from domain.alarmchecks import alarm_problems
from domain.alarmentries import AlarmEntry
from domain.errors import NotAllowed
from domain.registry import Registry
from service.alarmrules import kpi_problems
from service.api.access import Asker
from service.api.alarmmodels import EndRequest, RuleAnswer, RuleRequest, TrialAnswer, TrialRequest
from service.api.problem import Problem, not_found, refused, refused_all
from service.api.ranges import Span, instant, now_us
from service.api.repeats import REPEATABLE, RepeatableRoute
from service.api.services import Database, Services, services_of
from service.api.trials import trial_answer
from service.api.versions import ANY, Seen, check_seen, etag, moved_on
from service.engine.trial import Trial, try_rule
from store.alarmrules import AlarmRuleRow, create_rule, end_rule, read_rules, replace_rule
from store.connection import connect_asking, database_errors
from store.queries import read_registry
from store.users import User, UserRole

__all__ = ["router"]

router = APIRouter(tags=["alarms"], prefix="/parks/{park}/alarm-rules", route_class=RepeatableRoute)

ParkPath = Annotated[str, Path(description="Key of a park.", max_length=63)]
KeyPath = Annotated[str, Path(description="Key of a rule.", max_length=63)]
Working = Annotated[Services, Depends(services_of)]

_LONGEST_DAYS = 400
_MOST_WAITING = 3
_DAY_US = 86_400_000_000
_RUNS_PARKS = frozenset({UserRole.OPERATOR, UserRole.ADMIN})


@router.get("")
async def list_alarm_rules(
    conn: Database,
    user: Asker,
    park: ParkPath,
    *,
    key: Annotated[str | None, Query(description="Only the rule of this key.", max_length=63)] = None,
    history: Annotated[bool, Query(description="Also versions that are over.")] = False,
) -> list[RuleAnswer]:
    """Rules of a park by key and version: for whoever runs it all, for others those of alarms that they see."""
    registry = await _registry(conn, user, park)
    rows = await read_rules(conn, user.name, park, key=key, history=history)
    return [_answer(row, registry) for row in rows]


@router.post("", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def enter_alarm_rule(
    conn: Database, user: Asker, park: ParkPath, asked: RuleRequest, response: Response
) -> RuleAnswer:
    """
    Enter a rule beside those of the park file; the engine judges by it from then on. For operators of the park.

    Everything that is wrong with it is told at once, one sentence each.
    """
    registry = await _whole(conn, user, park)
    _check(registry, asked.entry)
    version = await create_rule(conn, user.name, registry.park.id, asked.entry, note=asked.note)
    return await _shown(conn, user, registry, asked.entry.key, response, version)


@router.post("/dry-run")
async def try_alarm_rule(user: Asker, park: ParkPath, asked: TrialRequest, services: Working) -> TrialAnswer:
    """
    What a rule would have done over past data, had it held for all of the range; nothing is stored. For operators of the park.

    At most 400 days, and 3,000,000 samples; one rule at a time, a few wait, and more are asked to come back.
    """
    # Whoever waits holds no connection that somebody else's numbers could be read with.
    with database_errors("reading for a trial"):
        async with services.api.connection() as conn:
            registry = await _whole(conn, user, park)
    span = _range(asked)
    _check(registry, asked.entry)
    if services.trials.statistics().tasks_waiting >= _MOST_WAITING:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS, "other rules are being tried; try again in a minute", {"Retry-After": "60"}
        )

    def trial() -> Trial:
        # What a trial reads is what the engine reads; whoever runs the park sees all of that, and nothing of other parks.
        with connect_asking(services.settings.need_database(), user.name, application="kawasan-trial") as reader:
            return try_rule(reader, registry, asked.entry, span.start_us, span.stop_us)

    made = await anyio.to_thread.run_sync(trial, limiter=services.trials)
    return trial_answer(made, registry.park.zone, span)


@router.get("/{key}")
async def show_alarm_rule(conn: Database, user: Asker, park: ParkPath, key: KeyPath, response: Response) -> RuleAnswer:
    """The newest version of a rule; its version is its ETag."""
    return await _shown(conn, user, await _registry(conn, user, park), key, response)


@router.put("/{key}")
async def replace_alarm_rule(  # noqa: PLR0917 - what the framework hands over
    conn: Database, user: Asker, park: ParkPath, key: KeyPath, asked: RuleRequest, seen: Seen, response: Response
) -> RuleAnswer:
    """
    Put a rule in the place of an entered one, from now on; needs If-Match. For operators of the park.

    What was judged by the version before stands. Rules of the park file are changed there.
    """
    registry = await _whole(conn, user, park)
    if asked.entry.key != key:
        raise refused(f"entry.key is {asked.entry.key!r} and the rule is {key!r}; a rule keeps its key")
    row = await _newest(conn, user, registry, key)
    check_seen(seen, row.version, f"alarm rule {key}")
    _check(registry, asked.entry)
    version = await replace_rule(
        conn, user.name, registry.park.id, asked.entry, seen=row.version if seen == ANY else seen, note=asked.note
    )
    if version is None:
        raise moved_on(f"alarm rule {key}")
    return await _shown(conn, user, registry, key, response, version)


@router.delete("/{key}")
async def end_alarm_rule(  # noqa: PLR0917 - what the framework hands over
    conn: Database, user: Asker, park: ParkPath, key: KeyPath, asked: EndRequest, seen: Seen, response: Response
) -> RuleAnswer:
    """End an entered rule now; what was judged by it stands, and it stays listed with `history`. Needs If-Match. For operators of the park."""
    registry = await _whole(conn, user, park)
    row = await _newest(conn, user, registry, key)
    check_seen(seen, row.version, f"alarm rule {key}")
    if not await end_rule(conn, user.name, registry.park.id, key, seen=row.version, why=asked.why):
        raise moved_on(f"alarm rule {key}")
    return await _shown(conn, user, registry, key, response, row.version)


def _range(asked: TrialRequest) -> Span:
    span = Span(start_us=instant("start", asked.start), stop_us=instant("stop", asked.stop))
    if span.start_us >= span.stop_us:
        raise refused(f"the range from {asked.start} to {asked.stop} is empty; stop must be after start")
    if span.stop_us - span.start_us > _LONGEST_DAYS * _DAY_US:
        raise refused(f"the range is longer than {_LONGEST_DAYS} days; try the rule over a part of it")
    if span.start_us > now_us():
        raise refused(f"start: {asked.start} lies in the future; a rule is tried over what has been")
    return span


async def _registry(conn: AsyncConnection[Any], user: User, park: str) -> Registry:
    registry = await read_registry(conn, user.name, park)
    if registry is None:
        raise not_found(f"park {park}")
    return registry


async def _whole(conn: AsyncConnection[Any], user: User, park: str) -> Registry:
    """The park of somebody who runs it."""
    registry = await _registry(conn, user, park)
    if user.role not in _RUNS_PARKS:
        raise NotAllowed("only the operator of a park changes and tries its alarm rules")
    return registry


def _check(registry: Registry, entry: AlarmEntry) -> None:
    """
    Refuse a rule with everything that is wrong with it.

    Raises
    ------
    Problem
        422: one sentence for each mistake.
    """
    # The versions before it have their own time: it takes their place.
    others = replace(registry, alarm_rules=tuple(one for one in registry.alarm_rules if one.key != entry.key))
    sentences: Sequence[str] = (*alarm_problems(others, [entry]), *kpi_problems(registry, [entry]))
    if sentences:
        raise refused_all("body.entry", sentences)


async def _newest(conn: AsyncConnection[Any], user: User, registry: Registry, key: str) -> AlarmRuleRow:
    rows = await read_rules(conn, user.name, registry.park.key, key=key)
    if not rows:
        raise not_found(f"alarm rule {key}")
    return max(rows, key=lambda row: row.version)


async def _shown(  # noqa: PLR0917 - what it is shown with
    conn: AsyncConnection[Any],
    user: User,
    registry: Registry,
    key: str,
    response: Response,
    version: int | None = None,
) -> RuleAnswer:
    """One version of a rule, over or not; None: the newest that is not over."""
    if version is None:
        row = await _newest(conn, user, registry, key)
    else:
        rows = await read_rules(conn, user.name, registry.park.key, key=key, history=True)
        row = next(one for one in rows if one.version == version)
    response.headers["ETag"] = etag(row.version)
    return _answer(row, registry)


def _answer(row: AlarmRuleRow, registry: Registry) -> RuleAnswer:
    zone = registry.park.zone
    entry = row.entry.model_dump(mode="json", exclude_none=True)
    if "tell" not in row.entry.model_fields_set:
        # The database did not show it, which is not to be read as nobody.
        del entry["tell"]
    return RuleAnswer(
        park=row.park,
        key=row.key,
        version=row.version,
        entry=entry,
        origin=row.origin,
        note=row.note,
        valid_from=row.valid_from.astimezone(zone),
        valid_to=None if row.valid_to is None else row.valid_to.astimezone(zone),
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
        superseded_at=row.superseded_at,
        superseded_by=row.superseded_by,
        superseded_why=row.superseded_why,
    )
