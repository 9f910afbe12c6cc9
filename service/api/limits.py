"""What a request may be at most, looked at before the application sees it: its address, its headers, its body and its time."""

import re
from collections.abc import Iterable
from http import HTTPStatus

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problem import Problem, problem_answer

__all__ = ["LARGER_BODIES", "LimitsMiddleware", "address_fault", "json_fault"]

LARGER_BODIES = {"/api/v1/context": 4}
"""Paths that take values by the thousand, and how many times as large their bodies may be."""

MOST_ADDRESS_BYTES = 16_384
MOST_PARAMETERS = 200
MOST_DEPTH = 32
MOST_ITEMS = 200_000
BODY_S = 30.0
"""How long a body may take to come, all of it. [s]"""

_ONCE = frozenset({b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"if-match"})
# Possessive, and ending with the text if need be: a body of quotes and backslashes is still read once only.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_NO_JSON = re.compile(rb"NaN|Infinity")
_ALL_BUT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_OPENING = frozenset(b"[{")
_CLOSE = {"Connection": "close"}


def _bad(detail: str) -> Problem:
    # What came after it cannot be told apart from the next request with certainty.
    return Problem(HTTPStatus.BAD_REQUEST, detail, _CLOSE)


def address_fault(raw_path: bytes, query: bytes) -> Problem | None:
    """What is wrong with the address of a request as it was sent; None: nothing."""
    if len(raw_path) + len(query) > MOST_ADDRESS_BYTES:
        return Problem(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            f"the address is longer than {MOST_ADDRESS_BYTES} bytes; ask for less at once",
        )
    if query.count(b"&") >= MOST_PARAMETERS:
        return Problem(
            HTTPStatus.BAD_REQUEST, f"the address has more than {MOST_PARAMETERS} parameters; ask for less at once"
        )
    if b"%00" in raw_path or b"%00" in query:
        return Problem(HTTPStatus.BAD_REQUEST, "the address has a NUL character, which nothing here is named with")
    return None


def _header_fault(headers: Iterable[tuple[bytes, bytes]]) -> Problem | None:
    seen: set[bytes] = set()
    for name, value in headers:
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            return _bad("the body is sent in a way that is not known here; send it with a length, or in chunks")
        if name in seen and name in _ONCE:
            return _bad(f"the header {name.decode('ascii')} came more than once; send it once")
        seen.add(name)
    if b"content-length" in seen and b"transfer-encoding" in seen:
        return _bad("the body has a length and is sent in chunks; say one of the two")
    return None


def json_fault(body: bytes) -> Problem | None:
    """
    What is wrong with a body before it is read as JSON: too deep, too many items, or what no JSON may hold; None: nothing.

    It costs a few milliseconds a megabyte, whatever the body is.
    """
    if body.count(b",") >= MOST_ITEMS:
        return Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {MOST_ITEMS} items; send it in parts"
        )
    if _NUL.search(body):
        return Problem(HTTPStatus.BAD_REQUEST, "the body has a NUL character, which no text here may hold")
    rest = _STRINGS.sub(b"", body)
    if _NO_JSON.search(rest):
        return Problem(
            HTTPStatus.BAD_REQUEST, "NaN and Infinity are no JSON; leave out what is not known, or send null"
        )
    depth = 0
    for sign in rest.translate(None, _ALL_BUT_BRACKETS):
        depth += 1 if sign in _OPENING else -1
        if depth > MOST_DEPTH:
            return Problem(HTTPStatus.BAD_REQUEST, f"the body is nested more than {MOST_DEPTH} levels deep")
    return None


class LimitsMiddleware:
    """
    Refuses what is too long, too large, too deep or too slow with a problem that says so.

    The body is taken in whole before the application runs, so that its size and its time are bounded whether its length is said,
    left out or a lie; what the application is handed then is there. Streams of answers are left alone.
    """

    def __init__(self, app: ASGIApp, *, body_bytes: int, body_s: float = BODY_S) -> None:
        """
        Around any application.

        Parameters
        ----------
        body_bytes : int
            The largest body, but for :data:`LARGER_BODIES`.
        body_s : float
            How long a body may take to come. [s]
        """
        self._app = app
        self._body_bytes = body_bytes
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        fault = address_fault(scope.get("raw_path") or b"", scope["query_string"]) or _header_fault(scope["headers"])
        if fault is None and (b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"):
            taken = await self._body(scope["path"], headers, receive)
            if taken is None:
                return
            if isinstance(taken, Problem):
                fault = taken
            else:
                receive = _handed(taken, receive)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await problem_answer(scope["path"], fault)(scope, receive, send)

    async def _body(self, path: str, headers: dict[bytes, bytes], receive: Receive) -> bytes | Problem | None:
        """All of the body, or what is wrong with it; None: the client went away."""
        most = self._body_bytes * LARGER_BODIES.get(path, 1)
        too_large = Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most} bytes; send it in parts", _CLOSE
        )
        said = headers.get(b"content-length", b"0")
        if not said.isdigit():
            return _bad("the header content-length is no number")
        if len(said) > len(str(most)) or int(said) > most:
            return too_large
        body = bytearray()
        try:
            with anyio.fail_after(self._body_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > most:
                        return too_large
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            detail = f"the body did not come within {self._body_s:g} s; send it again, in parts if it is large"
            return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, _CLOSE)
        whole = bytes(body)
        form = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        return (None if form.startswith((b"application/x-www-form", b"multipart/")) else json_fault(whole)) or whole


def _handed(body: bytes, receive: Receive) -> Receive:
    """A body that is there already; after it, what the connection says."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def hand() -> Message:
        return left.pop() if left else await receive()

    return hand
