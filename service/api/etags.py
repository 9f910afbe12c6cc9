"""ETags of answers: whoever has an answer already is not sent it again, and one that still holds is not made again.

Every JSON answer of `/api/v1` that is sent whole gets a weak ETag, made of its own bytes and of who asked; streams get
none. An answer is compared with `If-None-Match` only after it was made for, or kept for, the very user who asks, so that
the ETag of what another may see tells nothing.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import ParkError
from service.api.access import known_reader
from service.api.answers import Answer, Asked
from service.api.requests import ASKER
from service.api.services import Services

__all__ = ["EtagMiddleware", "matches"]

_OF_API = "/api/v1/"
_WHOLE = b"application/json"
_CACHING = b"private, no-cache"
_VARY = b"Accept, Authorization, Cookie"
_OF_BODY = frozenset({b"content-length", b"content-type", b"content-encoding"})
_ROUTE = ("endpoint", "route")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def matches(if_none_match: str, etag: bytes) -> bool:
    """Whether an ETag is among those of a header If-None-Match; weak and strong ones are the same here (RFC 9110, 13.1.2)."""
    own = etag.decode("latin-1").removeprefix("W/")
    return any(one.strip() == "*" or one.strip().removeprefix("W/") == own for one in if_none_match.split(","))


class EtagMiddleware:
    """Gives answers their ETag, answers 304 where it is known already, and answers again what is kept."""

    def __init__(self, app: ASGIApp) -> None:
        """Around an application whose state holds the services."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        if scope["method"] not in _SAFE:
            await self._app(scope, receive, _Changing(services, send))
            return
        if scope["method"] != "GET" or not scope["path"].startswith(_OF_API):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        known = await _known(request, services)
        if known is None:
            await self._app(scope, receive, _Tagging(request, services, send))
            return
        scope.update(known.route)
        await _send(request, known, send)


async def _known(request: Request, services: Services) -> Answer | None:
    """What is kept for this user and still holds, or is made anew of a question that was asked before."""
    user = known_reader(request, services)
    if user is None:
        return None
    scope = request.scope
    headers: dict[bytes, bytes] = dict(scope["headers"])
    asked = Asked(user, scope["path"], scope["query_string"], headers.get(b"accept", b""))
    if b"no-cache" not in headers.get(b"cache-control", b""):
        known = services.answers.known(asked)
        if known is not None:
            return known
    question = services.answers.question(asked)
    if question is None:
        return None
    services.answers.promise(request, user, question.channels, question.park)
    try:
        body = await question.again()
    except ParkError:
        # The route answers that as it answers all that goes wrong.
        return None
    if body is not question.before.body:
        question.before = _answer(request, question.before.headers, body, question.before.route)
    services.answers.keep(request, asked.accept, question.before)
    return question.before


def _answer(request: Request, headers: Iterable[tuple[bytes, bytes]], body: bytes, route: dict[str, Any]) -> Answer:
    hashed = sha256(str(getattr(request.state, ASKER, "")).encode())
    hashed.update(body)
    etag = b'W/"%s"' % hashed.hexdigest()[:32].encode()
    own = {b"etag": etag, b"content-length": str(len(body)).encode(), b"cache-control": _CACHING}
    tagged = (*(one for one in headers if one[0] not in own), *own.items())
    return Answer(headers=tagged, body=body, etag=etag, route=route)


async def _send(request: Request, answer: Answer, send: Send) -> None:
    seen = [value for name, value in request.scope["headers"] if name == b"if-none-match"]
    if seen and matches(b",".join(seen).decode("latin-1"), answer.etag):
        headers = [one for one in answer.headers if one[0] not in _OF_BODY]
        await send({"type": "http.response.start", "status": HTTPStatus.NOT_MODIFIED.value, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body})


class _Changing:
    """Sends the answer to a request that may have changed something: from then on nothing holds that was read before."""

    def __init__(self, services: Services, send: Send) -> None:
        self._services = services
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._services.freshness.moved_on()
        await self._send(message)


class _Tagging:
    """Sends an answer on, with its ETag where it comes whole."""

    def __init__(self, request: Request, services: Services, send: Send) -> None:
        self._request = request
        self._services = services
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _may_be_whole(message):
            self._start = message
            return
        start, self._start = self._start, None
        if start is None:
            await self._send(message)
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._whole(start["headers"], message.get("body", b""))
        else:
            await self._send(start)
            await self._send(message)

    async def _whole(self, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        route = {name: self._request.scope[name] for name in _ROUTE if name in self._request.scope}
        answer = _answer(self._request, _varying(headers), body, route)
        self._services.answers.keep(self._request, dict(self._request.scope["headers"]).get(b"accept", b""), answer)
        await _send(self._request, answer, self._send)


def _may_be_whole(start: Message) -> bool:
    """Whether it is JSON that succeeded, and has no version of its own for its ETag."""
    headers = dict(start["headers"])
    kind = headers.get(b"content-type", b"").split(b";")[0]
    return start["status"] == HTTPStatus.OK and kind == _WHOLE and b"etag" not in headers


def _varying(headers: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    given = [value for name, value in headers if name == b"vary" and value != b"Accept"]
    yield from (one for one in headers if one[0] != b"vary")
    yield b"vary", b", ".join([_VARY, *given])
