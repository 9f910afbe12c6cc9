"""The route of the live stream."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from domain.registry import Registry
from service.api.access import Owner
from service.api.board import EVERYTHING, Kind, Selection
from service.api.problem import not_found
from service.api.services import Services, Serving
from service.api.subjects import SUBJECT, find_subject, park_of
from service.protocol import OWN_PATIENCE
from store.queries import read_registries
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["live"])

_BYE_S = 1.0
_STUCK_S = 120.0
"""A reader that takes nothing at all for this long is gone. [s]"""

Wanted = Annotated[str, Query(min_length=1, max_length=300)]


@router.get(
    "/live",
    response_class=EventSourceResponse,
    response_model=None,
    responses={404: {"description": "Something that a filter names does not exist, or you may not see it."}},
)
async def stream_live(  # noqa: PLR0917 - what the framework hands over
    request: Request,
    owner: Owner,
    services: Serving,
    park: Annotated[list[Wanted], Query(description="Only what is in these parks.", max_length=20)] = [],  # noqa: B006 - FastAPI copies it
    subject: Annotated[
        list[Annotated[Wanted, Field(json_schema_extra=SUBJECT)]],
        Query(
            description="Only power and KPIs of these subjects, and readings and alarms of what is in them.",
            max_length=50,
        ),
    ] = [],  # noqa: B006
    channel: Annotated[
        list[Wanted], Query(description="Only readings of these channels, and alarms about them.", max_length=100)
    ] = [],  # noqa: B006
    event: Annotated[list[Kind], Query(description="Only events of these names.", max_length=10)] = [],  # noqa: B006
    last_event_id: Annotated[
        str, Header(description="The id of the last event you have; an EventSource sends it by itself.")
    ] = "",
) -> EventSourceResponse:
    """
    Server-sent events: first everything newest, then what changes.

    `hello` (who you are, and whether it goes on where you were), `readings` (newest reading per channel), `power` (power now
    per subject, kW), `kpis` (today's KPIs per subject), `alarm` (alarms that stand, and those that have just ceased to, as
    `/alarms` has them), `flow` (values per minute), `bye` (why it ends). Who reads slowly is told the newest, and not what was
    before. It ends after about ten minutes; an EventSource comes back by itself, and goes on where it was.
    """
    services.live.admit(owner.user)
    selection = EVERYTHING
    if park or subject or channel or event:
        await _check(services, owner.user, park, subject, channel)
        selection = Selection(
            kinds=frozenset(event), parks=frozenset(park), subjects=frozenset(subject), channels=frozenset(channel)
        )
    setattr(request.state, OWN_PATIENCE, True)
    return EventSourceResponse(
        services.live.events(owner, selection, last_event_id),
        ping=services.settings.live_heartbeat_s,
        ping_message_factory=_heartbeat,
        send_timeout=_STUCK_S,
        shutdown_event=services.live.stopping,
        shutdown_grace_period=_BYE_S,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="", sep="\n")


async def _check(
    services: Services, user: User, parks: Sequence[str], subjects: Sequence[str], channels: Sequence[str]
) -> None:
    """Refuse what does not exist for the user."""
    wanted = {*parks, *(park_of(one) for one in subjects), *(one.partition("/")[0] for one in channels)}
    if not wanted:
        return
    async with services.connection() as conn:
        found: dict[str, Registry] = {one.park.key: one for one in await read_registries(conn, user.name)}
    for key in parks:
        if key not in found:
            raise not_found(f"park {key}")
    for reference in subjects:
        if (registry := found.get(park_of(reference))) is None:
            raise not_found(f"subject {reference}")
        find_subject(registry, user, reference)
    for key in channels:
        registry = found.get(key.partition("/")[0])
        if registry is None or key not in registry.channel_by_key:
            raise not_found(f"channel {key}")
