"""The route of the live stream."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sse_starlette import EventSourceResponse

from service.api.access import Asker
from service.api.services import Services, services_of

__all__ = ["router"]

router = APIRouter(tags=["live"])

_PING_S = 15


@router.get("/live", response_class=EventSourceResponse, response_model=None)
async def stream_live(user: Asker, services: Annotated[Services, Depends(services_of)]) -> EventSourceResponse:
    """
    Server-sent events: first everything newest, then what changes.

    `hello` (who you are), `readings` (newest reading per channel), `power` (power now per subject, kW),
    `kpis` (today's KPIs per subject), `alarm` (alarms that stand, and those that have just ceased to, as `/alarms` has
    them), `flow` (values per minute). A comment every 15 s keeps the stream
    open; it ends after ten minutes, and an EventSource comes back by itself.
    """
    return EventSourceResponse(
        services.live.events(user), ping=_PING_S, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
