"""The processes that answer: the API and the pages, by one server or by several side by side."""

import logging
import os
import socket
import time
from typing import Annotated

import typer
import uvicorn

from domain.errors import InputError, ParkError, Unavailable
from service.api import create_app
from service.cli.supervisor import Child, Supervisor
from service.listening import listening_socket
from service.logs import configure_logs
from service.protocol import BoundedProtocol
from service.settings import Settings, load_settings
from service.stopping import stop_signals, watch_stdin

__all__ = ["serve", "share_of"]

_logger = logging.getLogger("kawasan.service")

_GRACE_S = 3
_LATEST_S = 7.0
"""When a server that was left alone ends in any case. [s]"""
_LOOK_S = 0.1
"""How often it is looked whether a server has ended. [s]"""

Host = Annotated[
    str | None, typer.Option(envvar="KAWASAN_HOST", help="Address to listen on.", show_default="127.0.0.1")
]
Port = Annotated[int | None, typer.Option(envvar="KAWASAN_PORT", help="TCP port to listen on.", show_default="8321")]
Workers = Annotated[
    int | None,
    typer.Option(envvar="KAWASAN_WORKERS", help="Server processes side by side on the port.", show_default="1"),
]
Member = Annotated[
    tuple[int, int] | None,
    typer.Option(hidden=True, help="Which of the servers it is, and the number of the open file that listens."),
]


def serve(host: Host = None, port: Port = None, workers: Workers = None, member: Member = None) -> None:
    """Answer the API and show the pages."""
    settings = load_settings(host=host, port=port, workers=workers)
    address = {"address": f"http://{settings.host}:{settings.port}"}
    if member is not None:
        number, file = member
        configure_logs(settings, f"serve-{number}")
        with _handed(file) as listening:
            _answer(share_of(settings), listening, number)
        return
    configure_logs(settings, "serve")
    with listening_socket(settings.host, settings.port) as listening:
        if settings.workers == 1:
            _logger.info("server runs", extra=address)
            _answer(settings, listening)
            return
        settings.need_database()
        _logger.info("servers run", extra={**address, "workers": settings.workers})
        _supervise(settings, listening)


def share_of(settings: Settings) -> Settings:
    """
    The settings of one of several servers: its part of what is set for all of them, rounded up.

    Examples
    --------
    >>> one = share_of(Settings(workers=3, requests_per_min=100, live_streams=10))
    >>> one.requests_per_min, one.live_streams
    (34, 4)
    """
    parts = {"requests_per_min": settings.requests_per_min, "live_streams": settings.live_streams}
    return settings.model_copy(update={name: -(-whole // settings.workers) for name, whole in parts.items()})


def _handed(file: int) -> socket.socket:
    try:
        return socket.socket(fileno=file)
    except OSError as error:
        raise InputError(
            f"the open file {file} is no socket ({error.strerror}); --member is only for servers that `kawasan serve` starts"
        ) from error


def _answer(settings: Settings, listening: socket.socket, number: int | None = None) -> None:
    """Answer whoever connects, until told to stop."""
    app = create_app(settings)
    app.state.server = number
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = True
        # Who started us is gone, and nobody else would end a server that hangs.
        time.sleep(_LATEST_S)
        os._exit(1)

    watch_stdin(stop)
    server.run(sockets=[listening])
    if not server.started:
        raise Unavailable("the server could not start; what it logged before says why")


def _supervise(settings: Settings, listening: socket.socket) -> None:
    """
    Keep several servers running that take connections from one socket.

    uvicorn's own supervisor is not used: it starts a server that dies again at once, for ever, leaves its servers behind when it is
    killed, and waits without end for one that does not stop.
    """
    file = listening.fileno()
    options = ("--host", settings.host, "--port", str(settings.port), "--workers", str(settings.workers))
    with stop_signals() as stop, Supervisor({}, needs_each=False) as servers:
        for number in range(1, settings.workers + 1):
            command = ("serve", *options, "--member", str(number), str(file))
            servers.start(Child(name=f"server {number}", command=command, hands=(file,)))
        while not stop.wait(_LOOK_S):
            for said in servers.look():
                _logger.warning("servers changed", extra={"what": said})
        failed = servers.stop()
    if failed:
        raise ParkError("; ".join(failed))
    _logger.info("servers stopped")
