"""
Requests that are safe to send again: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

What is promised: of any number of requests of a user with one key, at most one is done, whatever crashes. While one is at work the
others are told so (409). One that was refused or failed has done nothing and leaves the key free. One that was done is answered again
as it was, for 24 hours, to whoever may still ask for it; where its answer is not kept, that it was done is said instead (409).
"""

import hashlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from psycopg import AsyncConnection

from domain.errors import Unavailable
from service.api.access import acting_user, asking_user, owning_identity
from service.api.problem import Problem
from service.api.services import Database, services_of
from store.identity import Identity
from store.repeats import claim_key, free_claim, keep_answer
from store.users import User

__all__ = ["REPEATABLE", "REPEATABLE_BY_ACTOR", "REPEATABLE_ONCE_TOLD", "RepeatableRoute", "claim_of"]

_CLAIM = "idempotency_claim"
_MOST_KEPT = 262_144
"""A larger answer is not kept. [bytes]"""
_KEPT_HEADERS = ("content-type", "etag", "link")

_SENTENCES = {
    "busy": (HTTPStatus.CONFLICT, "a request with this Idempotency-Key is at work; wait for its answer, or send it again in a while"),
    "other": (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "this Idempotency-Key was sent with another request; a key is for one request and what repeats it, so take a new one",
    ),
    "lost": (
        HTTPStatus.CONFLICT,
        "what was sent with this Idempotency-Key was done; its answer, a secret or too large to keep, or lost, is not here; see what there is now",
    ),
    "changed": (
        HTTPStatus.CONFLICT,
        "what was sent with this Idempotency-Key was done; what you may see has changed since, so see what there is now",
    ),
}  # fmt: skip

_logger = logging.getLogger(__name__)

Key = Annotated[
    str | None,
    Header(
        description="A text of your choice, new for each request that is not a repeat of one: what was done with it is not done again"
        " within 24 hours, but answered as it was.",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]


class _Answered(Exception):  # noqa: N818 - no error: the answer is there already
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True)
class _Held:
    claim: UUID
    user: str
    keeps: bool
    """Whether its answer may be kept."""


def _held(request: Request) -> _Held | None:
    held: _Held | None = getattr(request.state, _CLAIM, None)
    return held


def claim_of(request: Request) -> UUID | None:
    """What a request claimed by its key, for changes over other connections than the API's; None: it came without one."""
    held = _held(request)
    return None if held is None else held.claim


async def _claim(request: Request, conn: AsyncConnection[Any], user: str, key: str, *, keeps: bool) -> None:
    asked = hashlib.sha256()
    for part in (request.scope["query_string"], request.headers.get("if-match", "").encode(), await request.body()):
        asked.update(hashlib.sha256(part).digest())
    taken = await claim_key(conn, user, key, f"{request.method} {request.scope['path']}", asked.digest())
    if taken.outcome == "kept":
        headers = {**(taken.headers or {}), "Idempotency-Replayed": "true"}
        raise _Answered(Response(taken.body, taken.status or HTTPStatus.OK, headers=headers))
    if taken.claim is None:
        raise Problem(*_SENTENCES[taken.outcome])
    setattr(request.state, _CLAIM, _Held(taken.claim, user, keeps))


def _repeatable(who: Callable[..., Any], *, keeps: bool = True) -> Any:
    """A dependency that takes the key of a request, after the request was let in by `who`, each time anew."""

    async def claimed(
        request: Request, conn: Database, asker: Annotated[User | Identity, Depends(who)], idempotency_key: Key = None
    ) -> None:
        if idempotency_key is not None:
            user = asker.user if isinstance(asker, Identity) else asker
            await _claim(request, conn, user.name, idempotency_key, keeps=keeps)

    return Depends(claimed)


REPEATABLE = _repeatable(asking_user)
"""For an operation that changes something, in its list of dependencies, on a router of :class:`RepeatableRoute`."""
REPEATABLE_BY_ACTOR = _repeatable(acting_user)
"""As :data:`REPEATABLE`, for those that the page may send too."""
REPEATABLE_ONCE_TOLD = _repeatable(owning_identity, keeps=False)
"""For one about the own keys, whose answer is a secret: it is done once, and told once."""


class RepeatableRoute(APIRoute):
    """A route that keeps what it answers to a request with a key, and frees the key where nothing was done."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI asks for it."""
        answered = super().get_route_handler()
        if "POST" not in (self.methods or ()):
            return answered

        async def handler(request: Request) -> Response:
            try:
                response = await answered(request)
            except _Answered as before:
                return before.response
            except Exception:
                await _freed(request)
                raise
            await _kept(request, response)
            return response

        return handler


async def _freed(request: Request) -> None:
    held = _held(request)
    if held is None:
        return
    try:
        async with services_of(request).connection() as conn:
            await free_claim(conn, held.user, held.claim)
    except Unavailable as error:
        # It is free by itself after a while.
        _logger.warning("a key stays claimed for a while", extra={"reason": str(error)})


async def _kept(request: Request, response: Response) -> None:
    held = _held(request)
    if held is None or not held.keeps or len(response.body) > _MOST_KEPT:
        return
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    try:
        async with services_of(request).connection() as conn:
            await keep_answer(
                conn, held.user, held.claim, status=response.status_code, headers=headers, body=bytes(response.body)
            )
    except Unavailable as error:
        # It was done, and that is what whoever asks again is told.
        _logger.warning("an answer was not kept", extra={"reason": str(error)})
