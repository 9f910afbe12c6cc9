"""A gateway that stores and forwards: it repeats its last minute whenever it comes back to the broker."""

import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from domain.broker import BrokerAddress

REPEATED_S = 60.0
_WINDOW = 200


class Gateway:
    """Publishes with QoS 1, as fast as the broker acknowledges. Use it as a context manager."""

    def __init__(self, url: str, *, repeats: bool) -> None:
        self._repeats = repeats
        self._history: deque[tuple[float, str, bytes]] = deque()
        self._waiting: deque[int] = deque()
        self._acknowledged: set[int] = set()
        self._lock = threading.Lock()
        self._been_connected = False
        self._address = BrokerAddress.parse(url)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gateway", clean_session=False)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(_WINDOW)
        self._client.reconnect_delay_set(1, 1)
        self._client.username_pw_set(str(self._address.user), self._address.password)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish

    def __enter__(self) -> Self:
        self._client.connect(self._address.host, self._address.port)
        self._client.loop_start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message over; it is sent, and repeated, until the broker has it."""
        with self._lock:
            self._history.append((time.monotonic(), topic, payload))
        # While the broker is away paho keeps the message, and sends it when it is back.
        self._waiting.append(self._client.publish(topic, payload, qos=1).mid)

    def is_drained(self) -> bool:
        """Whether the broker has acknowledged everything."""
        while self._waiting and self._waiting[0] in self._acknowledged:
            self._acknowledged.discard(self._waiting.popleft())
        return not self._waiting

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, _code: Any, _properties: Any) -> None:
        if self._been_connected and self._repeats:
            with self._lock:
                oldest = time.monotonic() - REPEATED_S
                while self._history and self._history[0][0] < oldest:
                    self._history.popleft()
                repeated = [(topic, payload) for _, topic, payload in self._history]
            for topic, payload in repeated:
                self._waiting.append(self._client.publish(topic, payload, qos=1).mid)
        self._been_connected = True

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, _code: Any, _properties: Any) -> None:
        self._acknowledged.add(mid)
