"""Each request by a number of its own: on its answer, in every line that is logged for it, and in the line that it leaves."""

import logging
import re
import time
import uuid

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ASKER", "REQUEST_ID", "RequestsMiddleware", "sane_id"]

REQUEST_ID = "request_id"
"""Under which name the state of a request keeps its number."""
ASKER = "asker"
"""Under which name the state of a request keeps who asks, once that is known."""

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,127}", re.ASCII)
_HEADER = b"x-request-id"
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

_logger = logging.getLogger("kawasan.access")


def sane_id(given: str | None) -> str:
    r"""
    The number that a client gave its request, where it is 8 to 128 letters, digits and `._:-`; else a new one.

    Examples
    --------
    >>> sane_id("trace-12345678")
    'trace-12345678'
    >>> len(sane_id("short")), len(sane_id("with a line\nbreak")), len(sane_id(None))
    (32, 32, 32)
    """
    return given if given is not None and _SANE.fullmatch(given) else uuid.uuid4().hex


class RequestsMiddleware:
    """
    Numbers every request, and logs one line when it has been answered; what probes ask is logged at level debug.

    The line names the route, not the path: a path may hold what somebody else should not read, and a query a secret.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Around any application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _HEADER), None)
        number = sane_id(None if given is None else given.decode("latin-1"))
        written = number.encode()
        scope.setdefault("state", {})[REQUEST_ID] = number
        status, sent_bytes = 0, 0
        began_s = time.perf_counter()

        async def numbered(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_HEADER, written)]
            else:
                sent_bytes += len(message.get("body", b""))
            await send(message)

        bound = structlog.contextvars.bind_contextvars(request_id=number)
        try:
            await self._app(scope, receive, numbered)
        finally:
            _note(scope, status, sent_bytes, time.perf_counter() - began_s)
            structlog.contextvars.reset_contextvars(**bound)


def _note(scope: Scope, status: int, sent_bytes: int, took_s: float) -> None:
    """The line of a request; status 0: it was given up before it was answered."""
    level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
    if not _logger.isEnabledFor(level):
        return
    fields = {
        "method": scope["method"] if len(scope["method"]) <= 10 else "other",  # noqa: PLR2004 - the longest there are have 9
        "route": getattr(scope.get("route"), "path", "none"),
        "status": status,
        "seconds": round(took_s, 6),
        "bytes": sent_bytes,
        "user": scope["state"].get(ASKER),
    }
    _logger.log(level, "request answered", extra=fields)
