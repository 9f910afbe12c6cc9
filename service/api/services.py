"""What the routes work with: the settings, the pools of connections, the live stream, and the metrics."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

from anyio import CapacityLimiter
from fastapi import Depends, Request
from psycopg import AsyncConnection

from service.api.amountrows import AmountsTogether
from service.api.answers import Answers
from service.api.freshness import Freshness
from service.api.kept import Kept
from service.api.live import LiveStream
from service.api.metrics import Metrics
from service.api.rates import Rates
from service.api.registries import Registries
from service.api.together import Together
from service.settings import Settings
from store.audit import say_from
from store.connection import AsyncPool, Role, database_errors, open_pool
from store.identity import Identity
from store.shown import AmountsSought, ShownAmount, read_shown_amounts

__all__ = ["Database", "Services", "Serving", "address_of", "open_services", "services_of"]

_CONNECTIONS = 8
_READ_AT_ONCE = 3
"""Goes of reading amounts: more would each be smaller, and take connections from everything else."""
_READ_TOGETHER = 2_000
"""Amounts of one go: so many that the cost of a statement is nothing beside them, so few that nobody waits long for others."""
_TRIALS = 1
_HASHINGS = 2
_IDENTITIES = 10_000
_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Made when the application starts, closed when it stops."""

    settings: Settings
    api: AsyncPool
    """Connections that read what a user may see."""
    auth: AsyncPool
    """Connections that look up tokens."""
    freshness: Freshness
    """Whether what was read before still holds."""
    identities: Kept[tuple[bytes, bool], Identity]
    """Whose a token is by its hash, and whether it came as a cookie."""
    registries: Registries
    amounts: AmountsTogether
    answers: Answers
    live: LiveStream
    metrics: Metrics
    trials: CapacityLimiter
    """How many rules are tried over past data at once: others wait, so that numbers are still answered."""
    hashing: CapacityLimiter
    """How many passwords are hashed at once; each takes memory."""
    rates: Rates
    """How much is left for each user."""

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection[Any]]:
        """A connection in role API, for as long as the block lasts."""
        return _lent(self.api)


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
        freshness = Freshness(url, is_trusted=settings.kept_mb > 0)
        await stack.enter_async_context(freshness.running())
        live = LiveStream(freshness, api, auth, most_streams=settings.live_streams)
        await stack.enter_async_context(live.running())
        yield Services(
            settings=settings,
            api=api,
            auth=auth,
            freshness=freshness,
            identities=Kept(freshness, most=_IDENTITIES),
            registries=Registries(freshness),
            amounts=Together(partial(_shown, api), attrgetter("most_rows"), at_once=_READ_AT_ONCE, most=_READ_TOGETHER),
            answers=Answers(freshness, most_bytes=settings.kept_mb * 2**20),
            live=live,
            metrics=Metrics.new(live, {"api": api, "auth": auth}),
            trials=CapacityLimiter(_TRIALS),
            hashing=CapacityLimiter(_HASHINGS),
            rates=Rates(settings.requests_per_min),
        )


@asynccontextmanager
async def _lent(pool: AsyncPool) -> AsyncIterator[AsyncConnection[Any]]:
    with database_errors("reading for a request"):
        async with pool.connection() as conn:
            yield conn


async def _shown(pool: AsyncPool, sought: Sequence[AmountsSought]) -> list[list[ShownAmount]]:
    async with _lent(pool) as conn:
        return await read_shown_amounts(conn, sought)


def services_of(request: Request) -> Services:
    """The services of the application that answers this request."""
    services: Services = request.app.state.services
    return services


def address_of(request: Request) -> str:
    """Where the client is, for limits and for the audit log; empty: not known."""
    return request.client.host if request.client else ""


async def _connection(
    request: Request, services: Annotated[Services, Depends(services_of)]
) -> AsyncIterator[AsyncConnection[Any]]:
    async with services.connection() as conn:
        if request.method not in _READING:
            await say_from(conn, address_of(request), "api" if "authorization" in request.headers else "page")
        yield conn


Database = Annotated[AsyncConnection[Any], Depends(_connection, scope="function")]
"""A connection for routes, in role API; given back before the answer is sent, so that no slow reader keeps it."""

Serving = Annotated[Services, Depends(services_of)]
"""The services, for routes that send more than one connection should be kept for."""
