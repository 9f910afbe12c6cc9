"""Metrics of the server process, in the text format of Prometheus; no label names a meter or a tenant."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.live import LiveStream
from service.api.scraped import Pools, System
from service.version import installed_version
from store.connection import AsyncPool

__all__ = ["Metrics", "MetricsMiddleware"]

_OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """All metrics of one application."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram
    values: Gauge
    rejected: Gauge
    system: System

    @classmethod
    def new(cls, live: LiveStream, pools: Mapping[str, AsyncPool]) -> "Metrics":
        """Fresh metrics, at zero; `pools` by what they are for."""
        registry = CollectorRegistry()
        built = Gauge("kawasan_build_info", "The version that runs.", ["version"], registry=registry)
        built.labels(installed_version()).set(1)
        listeners = Gauge("kawasan_live_listeners", "Open live streams.", registry=registry)
        listeners.set_function(lambda: live.listeners)
        system = System()
        registry.register(Pools(pools))
        registry.register(system)
        return cls(
            registry=registry,
            requests=Counter(
                "kawasan_http_requests", "Requests answered.", ["method", "operation", "status"], registry=registry
            ),
            seconds=Histogram(
                "kawasan_http_request_seconds", "Time to the first byte of an answer.", ["operation"], registry=registry
            ),
            values=Gauge(
                "kawasan_ledger_hour_values",
                "Values received in the present and the last full hour, by what became of them.",
                ["outcome"],
                registry=registry,
            ),
            rejected=Gauge(
                "kawasan_ledger_hour_rejected_values",
                "Of these, those that were set aside, by the reason.",
                ["reason"],
                registry=registry,
            ),
            system=system,
        )

    def clear(self) -> None:
        """Forget what was looked up for somebody else."""
        self.values.clear()
        self.rejected.clear()

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Counts every answer by its operation, never by its path: a path may hold the key of a meter."""

    def __init__(self, app: ASGIApp) -> None:
        """Around an application whose state holds the services."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics: Metrics = scope["app"].state.services.metrics
                operation = getattr(scope.get("endpoint"), "__name__", _OTHER)
                metrics.requests.labels(scope["method"], operation, str(message["status"])).inc()
                metrics.seconds.labels(operation).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, counted)
