"""Routes for those who run it: is the process up, can it work, how much does it do."""

from collections import Counter
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import generate_latest

from domain.time import HOUR_US
from service.api.access import identity_of_cookie, user_of_token
from service.api.models import HealthAnswer
from service.api.problem import Problem
from service.api.ranges import now_us
from service.api.readiness import OK, looked
from service.api.scraped import OfServer
from service.api.services import Services, services_of
from store.connection import database_errors
from store.health import system_health
from store.queries import read_ledger
from store.users import User, UserRole

__all__ = ["router"]

router = APIRouter(tags=["operation"])

Working = Annotated[Services, Depends(services_of)]

_MAY_SEE = frozenset({UserRole.OPERATOR, UserRole.AUDITOR, UserRole.ADMIN})
_OUTCOMES = ("stored", "duplicate", "conflict", "rejected")


@router.get("/healthz")
async def is_alive() -> HealthAnswer:
    """Whether the process is up; looks at nothing else."""
    return HealthAnswer(status="ok")


@router.get(
    "/readyz",
    response_model=HealthAnswer,
    responses={503: {"model": HealthAnswer, "description": "It cannot work now."}},
)
async def is_ready(services: Working) -> Response:
    """
    Whether requests can be answered: the database answers, its schema is of this version, and ingest and engine are not
    further behind than `ready_lag_s`, where that is set. How these are is told in any case.
    """
    checks, system = await looked(services)
    ready = all(state == OK for state in checks.values())
    body = HealthAnswer(status="ok" if ready else "waiting", checks=dict(checks), system=dict(system))
    return JSONResponse(body.model_dump(), status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/metrics", response_class=PlainTextResponse)
async def show_metrics(request: Request, services: Working) -> Response:
    """
    Metrics for Prometheus, with the token of an operator, auditor or admin; with that also what ingest counted in its ledger.

    With the setting `metrics_public` the rest is shown to everybody.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        user = await user_of_token(services, token)
    else:
        logged_in = await identity_of_cookie(request, services)
        user = None if logged_in is None or logged_in.must_change else logged_in.user
    may_see_all = user is not None and user.role in _MAY_SEE
    if not may_see_all and not services.settings.metrics_public:
        if user is None:
            challenge = {"WWW-Authenticate": 'Bearer realm="kawasan"'}
            detail = "send the token of an operator, auditor or admin, as `Authorization: Bearer ...`"
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers=challenge)
        raise Problem(HTTPStatus.NOT_FOUND, "there is nothing at /metrics")
    services.metrics.clear()
    if user is not None and may_see_all:
        await _count_ledger(services, user)
    async with services.connection() as conn:
        services.metrics.system.found = await system_health(conn)
    return Response(_text(request, services), media_type="text/plain; version=0.0.4; charset=utf-8")


def _text(request: Request, services: Services) -> bytes:
    # Set where several servers answer side by side.
    number: int | None = getattr(request.app.state, "server", None)
    if number is None:
        return services.metrics.text()
    return generate_latest(OfServer(services.metrics.registry, number))


async def _count_ledger(services: Services, user: User) -> None:
    hour_us = now_us() // HOUR_US * HOUR_US
    with database_errors("reading the ledger for metrics"):
        async with services.api.connection() as conn:
            rows = await read_ledger(conn, user.name, hour_us - HOUR_US, hour_us + HOUR_US)
    reasons = sum((Counter(row.reasons) for row in rows), Counter())
    for reason, values in reasons.items():
        services.metrics.rejected.labels(reason).set(values)
    for outcome in _OUTCOMES:
        services.metrics.values.labels(outcome).set(sum(getattr(row, outcome) for row in rows))
