"""What ingest counts for Prometheus."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from domain.readings import Outcome

__all__ = ["IngestMetrics"]


class Watched(Protocol):
    """What of a receiver is shown."""

    @property
    def is_connected(self) -> bool:
        """Whether a session is open and its subscription granted."""
        ...

    @property
    def is_overflowing(self) -> bool:
        """Whether messages are being left with the broker, because too much is held."""
        ...

    @property
    def held(self) -> tuple[int, int]:
        """Messages and bytes that wait, or were taken and are not acknowledged."""
        ...


class IngestMetrics:
    """Counters of one ingest process, in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._registry = registry
        self._values = Counter(
            "kawasan_ingest_values", "Values received, by what became of them", ["fate"], registry=registry
        )
        self._rejected = Counter("kawasan_ingest_rejected", "Values set aside", ["reason"], registry=registry)
        self._messages = Counter("kawasan_ingest_messages", "Messages committed", registry=registry)
        self._acknowledged = Counter(
            "kawasan_ingest_acknowledged",
            "Messages acknowledged, or left to be sent again",
            ["told"],
            registry=registry,
        )
        self._retries = Counter("kawasan_ingest_retries", "Writes that found the database away", registry=registry)
        self._commit_s = Histogram("kawasan_ingest_commit_seconds", "Time of one commit", registry=registry)

    def watch(self, receiver: Watched) -> None:
        """Show, whenever somebody asks, how the receiver is."""
        shown = {
            "connected": ("Whether the broker has granted the subscription", lambda: receiver.is_connected),
            "overflowing": ("Whether messages are left with the broker", lambda: receiver.is_overflowing),
            "held_messages": ("Messages not yet acknowledged", lambda: receiver.held[0]),
            "held_bytes": ("Bytes of messages not yet acknowledged", lambda: receiver.held[1]),
        }
        for name, (title, value) in shown.items():
            Gauge(f"kawasan_ingest_{name}", title, registry=self._registry).set_function(value)

    def written(self, outcome: Outcome, messages: int, seconds: float) -> None:
        """A batch was committed."""
        self._messages.inc(messages)
        self._values.labels("stored").inc(outcome.stored)
        self._values.labels("duplicate").inc(outcome.duplicate)
        self._values.labels("conflict").inc(outcome.conflict)
        for reason, values in outcome.rejected.items():
            self._values.labels("rejected").inc(values)
            self._rejected.labels(reason.value).inc(values)
        self._commit_s.observe(seconds)

    def acknowledged(self, told: int, passed_over: int) -> None:
        """Messages were acknowledged, or their connection is gone and they will come again."""
        self._acknowledged.labels("yes").inc(told)
        self._acknowledged.labels("connection gone").inc(passed_over)

    def retried(self) -> None:
        """The database was away."""
        self._retries.inc()
