"""The application: routes, pages, errors, metrics and headers put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware

from service.api import (
    routes_alarm_rules,
    routes_alarms,
    routes_audit,
    routes_context,
    routes_corrections,
    routes_episodes,
    routes_findings,
    routes_health,
    routes_identity,
    routes_ingest,
    routes_live,
    routes_meterlife,
    routes_numbers,
    routes_openapi,
    routes_peers,
    routes_periods,
    routes_references,
    routes_registry,
)
from service.api.compression import CompressionMiddleware
from service.api.etags import EtagMiddleware
from service.api.headers import HeadersMiddleware
from service.api.limits import LimitsMiddleware
from service.api.mediatypes import need_json
from service.api.metrics import MetricsMiddleware
from service.api.openapi import describe
from service.api.problem import add_problems
from service.api.requests import RequestsMiddleware
from service.api.services import open_services
from service.api.strict import known_parameters
from service.settings import Settings
from service.web import account, docs, doors, pages

__all__ = ["create_app"]


def _operation_id(route: APIRoute) -> str:
    return route.name


_ASKED_FROM_ELSEWHERE = (
    "Authorization",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-Request-ID",
)
_SEEN_ELSEWHERE = (
    "ETag", "Link", "Retry-After", "Idempotency-Replayed", "X-Request-ID", "Content-Disposition", "RateLimit-Limit",
    "RateLimit-Remaining", "RateLimit-Reset",
)  # fmt: skip


def _let_in(app: FastAPI, origins: tuple[str, ...]) -> None:
    """
    Let pages of other sites ask, as programs do, with a token.

    Never with a cookie, and never with the header of our own page (`PAGE_HEADER`), by which a cookie is let change something.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
            allow_headers=_ASKED_FROM_ELSEWHERE,
            expose_headers=_SEEN_ELSEWHERE,
            allow_credentials=False,
        )


def create_app(settings: Settings) -> FastAPI:
    """
    The HTTP application.

    It opens its connections when it starts and needs no database before that.

    Raises
    ------
    SettingsError
        No database is set.
    """
    settings.need_database()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="kawasan",
        generate_unique_id_function=_operation_id,
        # Described by `describe`, and shown by a page of our own: what FastAPI makes for these loads from another host.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Where it would redirect to is made of what the client calls this host.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.openapi = cache(partial(describe, app))  # type: ignore[method-assign] # how FastAPI has it replaced
    add_problems(app)
    for router in (
        routes_registry.router,
        routes_meterlife.router,
        routes_numbers.router,
        routes_corrections.router,
        routes_findings.router,
        routes_alarms.router,
        routes_episodes.router,
        routes_alarm_rules.router,
        routes_periods.router,
        routes_peers.router,
        routes_context.router,
        routes_references.router,
        routes_live.router,
        routes_ingest.router,
        routes_identity.router,
        routes_audit.router,
    ):
        app.include_router(router, prefix="/api/v1", dependencies=[Depends(need_json), Depends(known_parameters)])
    app.include_router(routes_openapi.router)
    app.include_router(routes_health.router)
    app.include_router(pages.router)
    app.include_router(doors.router)
    app.include_router(account.router)
    app.include_router(docs.router)
    app.mount("/static", StaticFiles(directory=Path(str(files("service.web") / "static"))), name="static")
    # The last added is the outermost.
    app.add_middleware(EtagMiddleware)
    app.add_middleware(LimitsMiddleware, body_bytes=settings.body_bytes)
    app.add_middleware(CompressionMiddleware)
    _let_in(app, settings.cors_origins)
    app.add_middleware(HeadersMiddleware)
    app.add_middleware(RequestsMiddleware)
    app.add_middleware(MetricsMiddleware)
    return app
