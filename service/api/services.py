"""What the routes work with: the settings, the pools of connections, the live stream, and the metrics."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from psycopg import AsyncConnection

from service.api.live import LiveStream
from service.api.metrics import Metrics
from service.settings import Settings
from store.connection import AsyncPool, Role, database_errors, open_pool

__all__ = ["Database", "Services", "open_services", "services_of"]

_CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Made when the application starts, closed when it stops."""

    settings: Settings
    api: AsyncPool
    """Connections that read what a user may see."""
    auth: AsyncPool
    """Connections that look up tokens."""
    live: LiveStream
    metrics: Metrics


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """
    Open the pools and the live stream, and close them again.

    The database need not be there yet: until it is, requests are answered with 503.
    """
    url = settings.need_database()
    async with AsyncExitStack() as stack:
        api, auth = (open_pool(url, role, max_size=_CONNECTIONS) for role in (Role.API, Role.AUTH))
        for pool in (api, auth):
            await pool.open(wait=False)
            stack.push_async_callback(pool.close, timeout=2.0)
        live = LiveStream(url, api)
        await stack.enter_async_context(live.running())
        yield Services(settings=settings, api=api, auth=auth, live=live, metrics=Metrics.new(live))


def services_of(request: Request) -> Services:
    """The services of the application that answers this request."""
    services: Services = request.app.state.services
    return services


async def _connection(services: Annotated[Services, Depends(services_of)]) -> AsyncIterator[AsyncConnection[Any]]:
    with database_errors("reading for a request"):
        async with services.api.connection() as conn:
            yield conn


Database = Annotated[AsyncConnection[Any], Depends(_connection)]
"""A connection for routes, in role API."""
