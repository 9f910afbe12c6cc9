"""The process that answers: the API and the pages."""

import logging
from typing import Annotated

import typer
import uvicorn

from domain.errors import Unavailable
from service.api import create_app
from service.listening import listening_socket
from service.logs import configure_logs
from service.protocol import BoundedProtocol
from service.settings import load_settings
from service.stopping import watch_stdin

__all__ = ["serve"]

_logger = logging.getLogger("kawasan.service")

_GRACE_S = 3

Host = Annotated[
    str | None, typer.Option(envvar="KAWASAN_HOST", help="Address to listen on.", show_default="127.0.0.1")
]
Port = Annotated[int | None, typer.Option(envvar="KAWASAN_PORT", help="TCP port to listen on.", show_default="8321")]


def serve(host: Host = None, port: Port = None) -> None:
    """Answer the API and show the pages."""
    settings = load_settings(host=host, port=port)
    configure_logs(settings, "serve")
    config = uvicorn.Config(
        create_app(settings),
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

    watch_stdin(stop)
    with listening_socket(settings.host, settings.port) as listening:
        _logger.info("server runs", extra={"address": f"http://{settings.host}:{settings.port}"})
        server.run(sockets=[listening])
    if not server.started:
        raise Unavailable("the server could not start; what it logged before says why")
