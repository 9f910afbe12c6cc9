"""Routes about episodes: exceedances with what people said of them, as rows, as a report, and as CSV."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from psycopg import AsyncConnection

from domain.registry import Registry
from domain.time import from_datetime
from service.api.access import Asker
from service.api.cursors import Pager, paged
from service.api.episodemodels import EpisodeAnswer, EpisodePage, EpisodeReport, NoteRequest
from service.api.episodes import episode_answers, episode_report, report_table
from service.api.forms import FORMS, AskedForm, TableResponse
from service.api.lists import episode_table
from service.api.problem import not_found
from service.api.ranges import DATE_TIME, SpanQuery, instant
from service.api.repeats import REPEATABLE, RepeatableRoute
from service.api.routes_alarms import Categories, Number, RuleKey, TargetKey
from service.api.routes_registry import ParkKey, registries_of
from service.api.series import Seen
from service.api.services import Database, Serving
from service.formats import Form
from store.episodelists import EpisodeRow, NoteRow, note_episode, read_episode, read_episodes
from store.queries import read_registries
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["alarms"], route_class=RepeatableRoute)

Start = Annotated[
    str,
    Path(
        description="Start of the episode, RFC 3339 with an offset, or any moment of it: late data may have moved its start.",
        max_length=64,
        json_schema_extra=DATE_TIME,
    ),
]


@router.get("/episodes", response_model=EpisodePage, responses=FORMS)
async def list_episodes(  # noqa: PLR0917 - what the framework hands over
    conn: Database,
    user: Asker,
    services: Serving,
    span: SpanQuery,
    form: AskedForm,
    park: ParkKey = None,
    *,
    going_on: Annotated[
        bool | None, Query(alias="open", description="Only those that are going on, or only those that are over.")
    ] = None,
    closed: Annotated[bool | None, Query(description="Only those that somebody closed, or only the others.")] = None,
    rule: RuleKey = None,
    target: TargetKey = None,
    categories: Categories = None,
    pager: Annotated[Pager, paged(datetime, int)],
) -> Any:
    """Episodes that start in `[start, stop)` and that you may see, newest first."""
    registries = await registries_of(conn, user, park)
    narrowed: dict[str, Any] = {
        "park": park,
        "rule": rule,
        "target": target,
        "categories": categories or (),
        "going_on": going_on,
        "closed": closed,
        "after": pager.after,
    }
    if form is not Form.JSON:
        seen = Seen(connections=services.connection, user=user)
        return TableResponse(form, episode_table(seen, registries, span, **narrowed))
    rows = await read_episodes(conn, user.name, span.start_us, span.stop_us, **narrowed, limit=pager.wanted)
    page, following = pager.page(rows, lambda row: row.key)
    return EpisodePage(episodes=episode_answers(registries, page), next=following)


@router.get("/episodes/{alarm}/{start}")
async def show_episode(conn: Database, user: Asker, alarm: Number, start: Start) -> EpisodeAnswer:
    """One episode."""
    registries, row, _ = await _found(conn, user, alarm, start)
    return episode_answers(registries, [row])[0]


@router.get(
    "/episodes/{alarm}/{start}/report",
    response_model=EpisodeReport,
    responses=FORMS,
)
async def report_episode(conn: Database, user: Asker, alarm: Number, start: Start, form: AskedForm) -> Any:
    """
    Everything about one episode: limit and legal basis, what people said, the journal, who was told and when, and each window.

    As CSV it is one line under a line of names; its lists are JSON.
    """
    registries, row, notes = await _found(conn, user, alarm, start)
    registry = next((one for one in registries if one.park.key == row.park), None)
    report = await episode_report(conn, user, registry, row, notes)
    return report if form is Form.JSON else TableResponse(form, report_table(report))


@router.post("/episodes/{alarm}/{start}/notes", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE])
async def say_of_episode(conn: Database, user: Asker, alarm: Number, start: Start, asked: NoteRequest) -> EpisodeReport:
    """
    Say its cause, what was done, a comment or a link; close or reopen it. Nothing said is ever changed.

    Closing needs a cause and an action. For operators and officers; tenants comment on their own.
    """
    _, row, _ = await _found(conn, user, alarm, start)
    await note_episode(conn, user.name, alarm, from_datetime(row.start), asked.kind, asked.text)
    registries, row, notes = await _found(conn, user, alarm, start)
    registry = next((one for one in registries if one.park.key == row.park), None)
    return await episode_report(conn, user, registry, row, notes)


async def _found(
    conn: AsyncConnection[Any], user: User, alarm: int, start: str
) -> tuple[tuple[Registry, ...], EpisodeRow, tuple[NoteRow, ...]]:
    found = await read_episode(conn, user.name, alarm, instant("start", start))
    if found is None:
        raise not_found(f"episode of alarm {alarm} at {start}")
    return await read_registries(conn, user.name), *found
