"""Errors as RFC 9457 problem details: one shape for everything that goes wrong."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import get_contextvars

from domain.errors import DataError, InputError, NotAllowed, Overtaken, ParkError, Unavailable
from service.api.methods import allowed_methods
from service.api.requests import REQUEST_ID

__all__ = [
    "MEDIA_TYPE",
    "FailuresMiddleware",
    "Problem",
    "add_problems",
    "not_found",
    "problem_answer",
    "refused",
    "refused_all",
]

MEDIA_TYPE = "application/problem+json"
_RETRY_S = "5"

_STATUSES: dict[type[ParkError], HTTPStatus] = {
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotAllowed: HTTPStatus.FORBIDDEN,
    Overtaken: HTTPStatus.CONFLICT,
}

_logger = logging.getLogger(__name__)


class Problem(ParkError):  # noqa: N818 - named as RFC 9457 names it
    """An answer that is not the one asked for, with its HTTP status."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.errors = tuple(errors)


def not_found(what: str) -> Problem:
    """It does not exist, or the asking user may not see it; the two are not told apart."""
    return Problem(HTTPStatus.NOT_FOUND, f"{what} does not exist, or you may not see it")


def refused(detail: str) -> Problem:
    """What was asked for makes no sense, or too much of it was asked for; `detail` says what would be right."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def refused_all(place: str, sentences: Sequence[str]) -> Problem:
    """Everything that is wrong with one part of what was sent, one sentence each; `place` is as in errors of shape."""
    errors = [{"place": place, "detail": sentence} for sentence in sentences]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(sentences), errors=errors)


def problem_answer(path: str, problem: Problem) -> JSONResponse:
    """The answer that says a problem of a request to `path`, for what stands before the application."""
    return _answer(path, problem.status, str(problem), headers=problem.headers, errors=problem.errors)


def _answer(
    path: str,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
) -> JSONResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": path,
    }
    # Bound by the outermost middleware, so that what stands before the application tells it too.
    if (number := get_contextvars().get(REQUEST_ID)) is not None:
        body["request_id"] = number
    if errors:
        body["errors"] = list(errors)
    return JSONResponse(body, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    path = request.scope["path"]
    if isinstance(error, Problem):
        return problem_answer(path, error)
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return _answer(path, status, str(error))
    if isinstance(error, DataError):
        _logger.warning("refused by the database", extra={"path": path, "reason": str(error)})
        detail = "a number or a text of this request is one that cannot be stored or compared; see what it was made of"
        return _answer(path, HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    if isinstance(error, Unavailable):
        _logger.warning("unavailable", extra={"path": path, "reason": str(error)})
        detail = "the database cannot be reached now; try again in some seconds"
        return _answer(path, HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": _RETRY_S})
    _logger.error("request failed", extra={"path": path}, exc_info=error)
    return _answer(path, HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong on our side; it has been logged")


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        return await _problem(request, error)
    errors = [
        {"place": ".".join(str(step) for step in mistake["loc"]), "detail": mistake["msg"]}
        for mistake in error.errors()
    ]
    detail = "; ".join(f"{mistake['place']}: {mistake['detail']}" for mistake in errors)
    return _answer(request.scope["path"], HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return await _problem(request, error)
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"there is nothing at {request.scope['path']}"
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed_methods(request)
        detail = f"{request.method} cannot be sent to {request.scope['path']}; allowed are {headers['Allow']}"
    return _answer(request.scope["path"], error.status_code, detail, headers=headers)


class FailuresMiddleware:
    """
    Answers a failure of ours as a problem too, the innermost of all that is around the application.

    The framework would do it outside of all of them: the answer would have none of their headers, and no number.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Around any application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_begun = False

        async def noted(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if scope["type"] != "http" or is_begun:
                raise
            await (await _problem(Request(scope), error))(scope, receive, send)


def add_problems(app: FastAPI) -> None:
    """Answer every error of an application as a problem; a failure of ours never shows its cause."""
    app.add_exception_handler(ParkError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(FailuresMiddleware)
