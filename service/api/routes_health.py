"""Routes for those who run it: is the process up, can it work, how much does it do."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from domain.errors import ParkError
from domain.time import HOUR_US
from service.api.access import identity_of_cookie, user_of_token
from service.api.models import HealthAnswer
from service.api.ranges import now_us
from service.api.services import Services, services_of
from store.connection import database_errors
from store.migrate import pending_for
from store.queries import read_ledger
from store.users import User

__all__ = ["router"]

router = APIRouter(tags=["operation"])

Working = Annotated[Services, Depends(services_of)]

_OUTCOMES = ("stored", "duplicate", "conflict", "rejected")


@router.get("/healthz")
async def is_alive() -> HealthAnswer:
    """Whether the process is up; looks at nothing else."""
    return HealthAnswer(status="ok")


@router.get("/readyz", responses={503: {"model": HealthAnswer, "description": "It cannot work now."}})
async def is_ready(services: Working) -> Response:
    """Whether requests can be answered: the database answers, and its schema is of this version."""
    checks: dict[str, str] = {}
    try:
        with database_errors("looking whether the database is ready"):
            async with services.api.connection(timeout=2.0) as conn:
                missing = await pending_for(conn)
        checks["database"] = "ok"
        checks["migrations"] = f"{len(missing)} are missing; run `kawasan migrate`" if missing else "ok"
    except ParkError:
        checks["database"] = "cannot be reached, or its schema is not of this version"
    ready = all(state == "ok" for state in checks.values())
    body = HealthAnswer(status="ok" if ready else "waiting", checks=checks)
    return JSONResponse(body.model_dump(), status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/metrics")
async def show_metrics(request: Request, services: Working) -> Response:
    """Metrics for Prometheus. With the token of an operator or admin, also what ingest counted in its ledger."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        user = await user_of_token(services, token)
    else:
        logged_in = await identity_of_cookie(request, services)
        user = None if logged_in is None or logged_in.must_change else logged_in.user
    if user is not None:
        await _count_ledger(services, user)
    else:
        services.metrics.values.clear()
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _count_ledger(services: Services, user: User) -> None:
    hour_us = now_us() // HOUR_US * HOUR_US
    with database_errors("reading the ledger for metrics"):
        async with services.api.connection() as conn:
            rows = await read_ledger(conn, user.name, hour_us - HOUR_US, hour_us + HOUR_US)
    for outcome in _OUTCOMES:
        services.metrics.values.labels(outcome).set(sum(getattr(row, outcome) for row in rows))
