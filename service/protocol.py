"""HTTP/1.1 over a socket, as uvicorn speaks it, with bounds on what comes before the application: the head of a request, and its time."""

import json
from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedProtocol"]

MOST_HEAD_BYTES = 65_536
HEAD_S = 15.0
"""How long the first line and the headers of a request may take to come, and a new connection to say something. [s]"""

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "this is no request that HTTP/1.1 knows",
    HTTPStatus.REQUEST_TIMEOUT: f"the head of the request did not come within {HEAD_S:g} s",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"the first line and the headers are larger than {MOST_HEAD_BYTES} bytes",
}


class BoundedProtocol(HttpToolsProtocol):
    """
    One connection. uvicorn's parser keeps as many headers as come, for as long as they take: here they are bounded.

    What it refuses itself is a problem, as all errors are, and the connection is closed.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        """As uvicorn makes it for each connection."""
        super().__init__(*args, **named)
        self._head_bytes = 0
        self._in_head = True
        self._ended_here = False
        self._is_too_large = False
        self._patience: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """A client connected; it has some time to say what it wants."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client, or we, closed it."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        self._ended_here = False
        super().data_received(data)
        if not self._in_head:
            return
        # What ended with these bytes may have been most of them.
        self._head_bytes += 0 if self._ended_here else len(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._patience is None and not self._is_answering():
            self._wait()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_head = False
        self._wait_no_more()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MOST_HEAD_BYTES:
            # It all came at once. The parser stops at an error, and says that the request is refused.
            self._is_too_large = True
            raise HttpParserError("the head is too large")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is there, too; what comes next is the head of another request."""
        super().on_message_complete()
        self._in_head, self._ended_here, self._head_bytes = True, True, 0

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._is_too_large else HTTPStatus.BAD_REQUEST)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_S, self._too_slow)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        self._patience = None
        if self._in_head and not self._is_answering() and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        if self._is_answering():
            # Bytes of a problem amid another answer would be taken for a part of it: that one is finished, and nothing is read after it.
            self.flow.pause_reading()
            self.cycle.keep_alive = False
            return
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": _SENTENCES[status]}
        body = json.dumps(problem).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
