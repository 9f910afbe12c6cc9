"""The process that takes readings from the broker; and what decodes messages, for those that bring them in by other ways."""

import logging
import threading
import time

from prometheus_client import CollectorRegistry, start_http_server

from domain.broker import BrokerAddress
from domain.errors import Unavailable
from domain.time import DAY_US, SECOND_US
from ingest import Directory, IngestMetrics, Limits, MqttReceiver, Reception, Sink, Writer
from service.logs import configure_logs
from service.settings import Settings, load_settings
from service.stopping import stop_signals
from store import ReadingSink, Role, connect, load_registries
from store.health import HealthSample, add_health
from store.signals import Signals

__all__ = ["ingest", "writer_of"]

_logger = logging.getLogger("kawasan.service")

_REFRESH_S = 30.0
_TELL_S = 30.0


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
