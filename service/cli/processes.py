"""The processes that run for as long as the park does: ingest, engine, server."""

import errno
import logging
import socket
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from prometheus_client import CollectorRegistry, start_http_server

from domain.broker import BrokerAddress
from domain.errors import InputError, Unavailable
from domain.time import DAY_US, SECOND_US
from ingest import Directory, IngestMetrics, Limits, MqttReceiver, Reception, Sink, Writer
from service.api import create_app
from service.engine import run_engine
from service.logs import configure_logs
from service.protocol import BoundedProtocol
from service.settings import Settings, load_settings
from service.stopping import stop_signals, watch_stdin
from store import ReadingSink, Role, connect, load_registries
from store.health import HealthSample, add_health
from store.signals import Signals

__all__ = ["engine", "ingest", "listening_socket", "serve", "writer_of"]

_logger = logging.getLogger("kawasan.service")

_REFRESH_S = 30.0
_TELL_S = 30.0
_GRACE_S = 3

Host = Annotated[
    str | None, typer.Option(envvar="KAWASAN_HOST", help="Address to listen on.", show_default="127.0.0.1")
]
Port = Annotated[int | None, typer.Option(envvar="KAWASAN_PORT", help="TCP port to listen on.", show_default="8321")]


def ingest() -> None:
    """Receive readings from the MQTT broker and store them; each is acknowledged only after it is committed."""
    settings = load_settings()
    configure_logs(settings, "ingest")
    url, address = settings.need_database(), BrokerAddress.parse(settings.need_broker())
    registry = CollectorRegistry()
    if settings.ingest_metrics_port is not None:
        start_http_server(settings.ingest_metrics_port, settings.host, registry)
    metrics = IngestMetrics(registry)
    writer = writer_of(settings, url, metrics)
    with stop_signals() as stop, MqttReceiver(address, _reception(settings)) as receiver:
        metrics.watch(receiver)
        refresher = threading.Thread(target=_refresh, args=(url, writer, stop), name="registry", daemon=True)
        refresher.start()
        teller = threading.Thread(target=_tell_health, args=(url, receiver, stop), name="health", daemon=True)
        teller.start()
        _logger.info("ingest runs", extra={"broker": f"{address.host}:{address.port}", "topic": settings.mqtt_topic})
        writer.run(receiver, stop)
    _logger.info("ingest stopped")


def _reception(settings: Settings) -> Reception:
    return Reception(
        client_id=settings.mqtt_client_id,
        topics=(settings.mqtt_topic,),
        version=settings.mqtt_version,
        receive_maximum=settings.receive_maximum,
        message_bytes=settings.message_bytes,
        queue_bytes=settings.queue_mb * 1024 * 1024,
    )


def writer_of(settings: Settings, url: str, metrics: IngestMetrics, sink: Sink | None = None) -> Writer:
    """What decodes messages by the settings' limits and writes them into the database, or into another sink."""
    limits = Limits(
        message_bytes=settings.message_bytes,
        future_us=round(settings.future_s * SECOND_US),
        oldest_us=round(settings.oldest_days * DAY_US),
    )

    def load_directory() -> Directory:
        with connect(url, Role.WRITE, application="kawasan-ingest") as conn:
            return Directory.of(load_registries(conn))

    into = ReadingSink(url, rejections_kept=settings.rejections_kept) if sink is None else sink
    return Writer(into, load_directory, limits, metrics)


def _refresh(url: str, writer: Writer, stop: threading.Event) -> None:
    """Have the registry read anew when a park was applied, and now and then in case a signal was missed."""
    while not stop.is_set():
        try:
            with Signals(url, "kawasan_registry") as signals:
                while not stop.is_set():
                    signals.wait(_REFRESH_S, stop)
                    writer.refresh()
        except Unavailable as error:
            _logger.warning("registry is not watched now", extra={"reason": str(error)})
            stop.wait(_REFRESH_S / 10)


def _tell_health(url: str, receiver: MqttReceiver, stop: threading.Event) -> None:
    """Write now and then how ingest stands with its broker: what probes and rules of the signal HEALTH look at."""
    while not stop.is_set():
        now_us = time.time_ns() // 1000
        found = {"broker_connected": float(receiver.is_connected), "ingest_held": float(receiver.held[0])}
        samples = [HealthSample(name=name, at_us=now_us, value=value) for name, value in found.items()]
        try:
            with connect(url, Role.WRITE, application="kawasan-ingest") as conn:
                add_health(conn, None, samples)
        except Unavailable as error:
            _logger.warning("health cannot be written now", extra={"reason": str(error)})
        stop.wait(_TELL_S)


def engine() -> None:
    """Compute amounts and KPIs anew wherever readings, registry rows or time touched them."""
    settings = load_settings()
    configure_logs(settings, "engine")
    with stop_signals() as stop:
        run_engine(
            settings.need_database(),
            park_keys=settings.parks or None,
            cycle_rows=settings.cycle_rows,
            poll_s=settings.cycle_s,
            stop=stop,
            data_folder=settings.data_dir or Path(),
        )
    _logger.info("engine stopped")


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


def listening_socket(host: str, port: int) -> socket.socket:
    """
    A socket that listens.

    Raises
    ------
    Unavailable
        Another program has the port.
    InputError
        The address is not one of this machine, or the port may not be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"port {port} of {host} is taken by another program; stop that, or choose another by --port"
            ) from error
        raise InputError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
