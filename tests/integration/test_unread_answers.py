"""Whoever asks and does not read is dropped after a while, whatever state the answer is in; whoever reads slowly is not."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Literal

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from service.listening import listening_socket
from service.protocol import OWN_PATIENCE, BoundedProtocol
from tests.support.installation import until

UNREAD_S = 0.5
PART = b"x" * 65_536
PARTS = 512
"""More than any system sends ahead by itself."""


class Hasty(BoundedProtocol):
    """The same, with less patience than it has in earnest."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, unread_s=UNREAD_S, **named)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Much, at once or in parts."""
    del receive
    length = str(len(PART) * PARTS).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    if scope["path"] == "/whole":
        await send({"type": "http.response.body", "body": PART * PARTS})
        return
    scope["state"][OWN_PATIENCE] = scope["path"] == "/patient"
    for number in range(PARTS):
        await send({"type": "http.response.body", "body": PART, "more_body": number < PARTS - 1})
        if scope["path"] == "/broken" and number == PARTS // 2:
            return


@pytest.fixture(params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[uvicorn.Server]:
    loop: Literal["asyncio", "uvloop"] = request.param
    config = uvicorn.Config(
        answer, http=Hasty, loop=loop, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=60
    )
    running = uvicorn.Server(config)
    with listening_socket("127.0.0.1", 0) as listening:
        config.port = listening.getsockname()[1]
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        until(lambda: running.started, "a server")
        yield running
        running.should_exit = True
        thread.join(20.0)
    assert not thread.is_alive()


def asking(server: uvicorn.Server, path: str, *, keeps: bool = True) -> socket.socket:
    """A connection over which an answer was asked for, with little room for what comes."""
    conn = socket.socket()
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    conn.settimeout(20.0)
    conn.connect(("127.0.0.1", server.config.port))
    conn.sendall(
        f"GET {path} HTTP/1.1\r\nHost: a\r\n{'' if keeps else 'Connection: close' + chr(13) + chr(10)}\r\n".encode()
    )
    return conn


def read(conn: socket.socket, wanted: int, pause: Callable[[], object] = lambda: None) -> int:
    """How much was read, at most so much, or all there was."""
    found = 0
    while found < wanted and (piece := conn.recv(1_048_576)):
        found += len(piece)
        pause()
    return found


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "closed"])
@pytest.mark.parametrize("taken", [0, 3_000_000], ids=["nothing", "some"])
@pytest.mark.parametrize("path", ["/whole", "/parts", "/broken"])
def test_whoever_stops_reading_is_dropped(server: uvicorn.Server, path: str, taken: int, *, keeps: bool) -> None:
    with closing(asking(server, path, keeps=keeps)) as conn:
        read(conn, taken)

        until(lambda: bool(server.server_state.connections) or taken > 0, "a connection")
        until(lambda: not server.server_state.connections, "the end of the connection", deadline_s=20.0)


def test_whoever_reads_slowly_is_given_all(server: uvicorn.Server) -> None:
    for path in ("/whole", "/parts"):
        with closing(asking(server, path)) as conn:
            # Each pause is shorter than the patience, and all together longer.
            found = read(conn, PARTS * len(PART), lambda: threading.Event().wait(UNREAD_S / 50))

        assert found >= PARTS * len(PART)


def test_a_stream_that_looks_after_its_readers_itself_is_left_alone(server: uvicorn.Server) -> None:
    with closing(asking(server, "/patient")) as conn:
        threading.Event().wait(4 * UNREAD_S)

        assert read(conn, PARTS * len(PART)) >= PARTS * len(PART)
