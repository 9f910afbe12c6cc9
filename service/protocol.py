"""HTTP/1.1 over a socket, as uvicorn speaks it, with bounds on what lies outside of the application: the head of a request, and an answer unread."""

import json
import logging
from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["OWN_PATIENCE", "BoundedProtocol"]

MOST_HEAD_BYTES = 65_536
HEAD_S = 15.0
"""How long the first line and the headers of a request may take to come, and a new connection to say something. [s]"""
UNREAD_S = 60.0
"""
How long an answer may stand without a byte of it being taken. [s]

Networks that fail for a while are back by then, and whoever reads slowly takes something each second; what is held for those who take
nothing is memory, which anybody could fill by asking much and reading none of it.
"""
OWN_PATIENCE = "own_patience"
"""Under which name the state of a request says that its answer, a stream, looks by itself whether it is read."""

_logger = logging.getLogger(__name__)

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "this is no request that HTTP/1.1 knows",
    HTTPStatus.REQUEST_TIMEOUT: f"the head of the request did not come within {HEAD_S:g} s",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"the first line and the headers are larger than {MOST_HEAD_BYTES} bytes",
}


class BoundedProtocol(HttpToolsProtocol):
    """
    One connection. uvicorn's parser keeps as many headers as come, for as long as they take: here they are bounded.

    It also keeps an answer for as long as nobody reads it, be it that the application waits to send more or that all was sent and the
    connection is being closed: here a connection is dropped once nothing of it was taken for a while.

    What it refuses itself is a problem, as all errors are, and the connection is closed.
    """

    def __init__(self, *args: Any, unread_s: float = UNREAD_S, **named: Any) -> None:
        """
        As uvicorn makes it for each connection.

        Parameters
        ----------
        unread_s : float
            How long an answer may stand without a byte of it being taken. [s]
        """
        super().__init__(*args, **named)
        self._unread_s = unread_s
        self._unread: TimerHandle | None = None
        self._left = 0
        self._left_s = 0.0
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
        if self._unread is not None:
            self._unread.cancel()
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
        self._note_unread()

    def on_message_complete(self) -> None:
        """The body is there, too; what comes next is the head of another request."""
        super().on_message_complete()
        self._in_head, self._ended_here, self._head_bytes = True, True, 0

    def pause_writing(self) -> None:
        """More of an answer waits to be taken than is sent ahead."""
        super().pause_writing()
        self._note_unread()

    def on_response_complete(self) -> None:
        """The application said all; it may still have to be taken."""
        super().on_response_complete()
        self._note_unread()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._is_too_large else HTTPStatus.BAD_REQUEST)

    def _note_unread(self) -> None:
        self._left, self._left_s = self.transport.get_write_buffer_size(), self.loop.time()
        if self._unread is None:
            self._unread = self.loop.call_later(self._unread_s, self._look_whether_read)

    def _look_whether_read(self) -> None:
        """Drop the connection where nothing was taken since it was noted; from then on what waits can only have become less."""
        self._unread = None
        left = self.transport.get_write_buffer_size()
        is_answering = self._is_answering() and not self.transport.is_closing()
        if not left and not is_answering:
            return
        waits_s = self._left_s + self._unread_s - self.loop.time()
        if is_answering and (not self.flow.write_paused or self._has_own_patience()):
            self._note_unread()
        elif waits_s > 0:
            self._unread = self.loop.call_later(waits_s, self._look_whether_read)
        elif left < self._left:
            self._note_unread()
        else:
            _logger.info("an answer was not read", extra={"unread_bytes": left})
            self.transport.abort()

    def _has_own_patience(self) -> bool:
        return bool(self.cycle.scope.get("state", {}).get(OWN_PATIENCE))

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
