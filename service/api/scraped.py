"""Metrics that are looked up when somebody asks: the pools of connections, and how the system is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from store.connection import AsyncPool
from store.health import SystemHealth

__all__ = ["OfServer", "Pools", "System"]

_OF_SYSTEM = {
    "ingest_lag": ("kawasan_ingest_lag_seconds", "Age of the newest reading, of the park where it is oldest."),
    "engine_lag": ("kawasan_engine_lag_seconds", "How long the oldest row waits for the engine."),
    "queue_rows": ("kawasan_engine_queue_rows", "Rows that wait for the engine."),
    "engine_cycle": ("kawasan_engine_cycle_seconds", "The longest cycle of the engine within the last minute."),
    "disk_free": ("kawasan_disk_free_ratio", "Free share of the disk that holds the data."),
    "broker_connected": ("kawasan_ingest_broker_connected", "Whether ingest has its subscription."),
    "ingest_held": ("kawasan_ingest_messages_waiting", "Messages that ingest took and has not acknowledged."),
}

_OF_SERVER = ("kawasan_http_", "kawasan_live_", "kawasan_pool_")
"""How the names of metrics begin that each server process counts for itself; the others are the same in all."""


@dataclass(frozen=True, slots=True)
class OfServer(Collector):
    """
    Metrics with the number of the server process that counted them, where several answer on one port.

    Whoever asks is answered by any of them: without the number a counter would seem to jump back and forth.
    """

    metrics: Collector
    number: int

    def collect(self) -> Iterator[Metric]:
        """What there is, with a label `server` where it is one server's."""
        for family in self.metrics.collect():
            if family.name.startswith(_OF_SERVER):
                family.samples = [
                    sample._replace(labels={**sample.labels, "server": str(self.number)}) for sample in family.samples
                ]
            yield family


class Pools(Collector):
    """The pools of one server process."""

    def __init__(self, pools: Mapping[str, AsyncPool]) -> None:
        """By the name of what they are for."""
        self._pools = pools

    def collect(self) -> Iterator[Metric]:
        """Sizes, who waits, how long it was waited, and what failed."""
        size = GaugeMetricFamily("kawasan_pool_connections", "Connections to the database.", labels=["pool", "state"])
        waiting = GaugeMetricFamily("kawasan_pool_waiting", "Requests that wait for a connection.", labels=["pool"])
        waited = CounterMetricFamily("kawasan_pool_wait_seconds", "Time waited for connections.", labels=["pool"])
        failed = CounterMetricFamily("kawasan_pool_errors", "Connections not had in time, or lost.", labels=["pool"])
        for name, pool in self._pools.items():
            stats = pool.get_stats()
            idle = stats.get("pool_available", 0)
            size.add_metric([name, "idle"], idle)
            size.add_metric([name, "used"], max(0, stats.get("pool_size", 0) - idle))
            waiting.add_metric([name], stats.get("requests_waiting", 0))
            waited.add_metric([name], stats.get("requests_wait_ms", 0) / 1000)
            failed.add_metric([name], stats.get("requests_errors", 0) + stats.get("connections_errors", 0))
        yield from (size, waiting, waited, failed)


class System(Collector):
    """How the processes beside the server are, as they wrote it last; nothing where they have not lately."""

    def __init__(self) -> None:
        """With nothing known."""
        self.found: Sequence[SystemHealth] = ()

    def collect(self) -> Iterator[Metric]:
        """What is known."""
        for one in self.found:
            name, meaning = _OF_SYSTEM[one.name]
            yield GaugeMetricFamily(name, meaning, value=one.value)
