"""A gateway that stores and forwards: it repeats its last minute whenever it comes back to the broker."""

import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from ingest import Address

REPEATED_S = 60.0
_WINDOW = 200


class Gateway:
    """Publishes with QoS 1, as fast as the broker acknowledges. Use it as a context manager."""

    def __init__(self, url: str, *, repeats: bool) -> None:
        self._repeats = repeats
        self._history: deque[tuple[float, str, bytes]] = deque()
        self._waiting: deque[mqtt.MQTTMessageInfo] = deque()
        self._lock = threading.Lock()
        self._been_connected = False
        self._address = Address.parse(url)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gateway", clean_session=False)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(_WINDOW)
        self._client.reconnect_delay_set(1, 1)
        self._client.username_pw_set(str(self._address.username), self._address.password)
        self._client.on_connect = self._on_connect

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
            self._waiting.append(self._client.publish(topic, payload, qos=1))

    def is_drained(self) -> bool:
        """Whether the broker has acknowledged everything."""
        with self._lock:
            while self._waiting and self._waiting[0].is_published():
                self._waiting.popleft()
            return not self._waiting

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, _code: Any, _properties: Any) -> None:
        if self._been_connected and self._repeats:
            with self._lock:
                oldest = time.monotonic() - REPEATED_S
                while self._history and self._history[0][0] < oldest:
                    self._history.popleft()
                for _, topic, payload in self._history:
                    self._waiting.append(self._client.publish(topic, payload, qos=1))
        self._been_connected = True
