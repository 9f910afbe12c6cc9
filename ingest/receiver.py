"""Messages from an MQTT broker, held until they are acknowledged.

The session persists on every connect, so what the broker was not told to forget comes again. A
packet id belongs to one connection: each delivery remembers the generation of its connection, and
is acknowledged on no other.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from domain.errors import SettingsError, Unavailable
from domain.readings import Message
from ingest.directory import PREFIX

__all__ = ["Address", "Delivery", "MqttReceiver", "Receiver", "Reception"]

_log = structlog.get_logger("kawasan.ingest")
_SESSION_S = 7 * 24 * 3600
_KEEPALIVE_S = 60
_BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_REFUSED = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that the broker keeps until it is acknowledged."""

    message: Message
    packet_id: int
    qos: int
    generation: int
    """Of the connection that brought it."""


class Receiver(Protocol):
    """Where messages come from. A faster reader of the same client can take paho's place."""

    def take(self, most: int, timeout_s: float) -> Sequence[Delivery]:
        """Up to `most` deliveries, in order of arrival; waits for the first one at most `timeout_s`."""
        ...

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        """Tell the broker to forget these; answers how many it could be told of."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a broker is."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None

    @classmethod
    def parse(cls, url: str) -> "Address":
        """
        The address in `mqtt://user:password@host:port` or `mqtts://...`.

        Raises
        ------
        SettingsError
            Another scheme, or no host. The text never shows the password.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise SettingsError(f"MQTT URL with scheme {parts.scheme!r}; write mqtt://host:1883 or mqtts://host:8883")
        try:
            port = parts.port
        except ValueError:
            raise SettingsError("the port of the MQTT URL is not a number from 1 to 65535") from None
        tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=port or (8883 if tls else 1883),
            tls=tls,
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """How messages are received."""

    client_id: str
    """Fixed: the broker keeps the session under it."""
    topics: tuple[str, ...] = (f"{PREFIX}/#",)
    version: Literal["5", "3.1.1"] = "5"
    receive_maximum: int = 2000
    """Most messages in flight on MQTT 5; on 3.1.1 the broker's own setting rules."""
    message_bytes: int = 256 * 1024
    """Largest payload wanted. [B]"""
    queue_bytes: int = 64 * 1024 * 1024
    """Above this much waiting, the connection is closed until half is written. [B]"""


class MqttReceiver:
    """
    Receives with paho-mqtt, QoS 1, manual acknowledgement. Use it as a context manager.

    Memory is bounded by the window of unacknowledged messages, and by `queue_bytes`: above it the
    connection is closed, and the broker keeps the rest.
    """

    def __init__(self, address: Address, reception: Reception) -> None:
        """Prepare; :meth:`start` connects."""
        self._address, self._reception = address, reception
        self._lock = threading.Condition()
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._generation = 0
        self._connected = False
        self._paused = False
        self._closing = False
        self._refusal: str | None = None
        self._client = self._prepared()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    @property
    def is_connected(self) -> bool:
        """Whether a session is open and its subscription granted."""
        return self._connected

    @property
    def queued(self) -> tuple[int, int]:
        """Messages and bytes that wait to be taken."""
        return len(self._waiting), self._waiting_bytes

    def start(self) -> None:
        """Begin to connect, and to connect again whenever the connection is lost."""
        self._thread.start()

    def take(self, most: int, timeout_s: float) -> Sequence[Delivery]:
        """
        Up to `most` deliveries, in order of arrival; waits for the first one at most `timeout_s`.

        Raises
        ------
        Unavailable
            The broker refuses the login or the subscription: trying again will not help by itself.
        """
        with self._lock:
            self._lock.wait_for(lambda: bool(self._waiting) or self._refusal is not None, timeout_s)
            if self._refusal is not None:
                text, self._refusal = self._refusal, None
                raise Unavailable(text)
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._waiting_bytes -= sum(len(delivery.message.payload) for delivery in taken)
            if self._paused and self._waiting_bytes <= self._reception.queue_bytes // 2:
                self._paused = False
                self._lock.notify_all()
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        """
        Tell the broker to forget these; answers how many it was told of.

        One of an earlier connection is passed over: the broker sends it again, and it becomes a duplicate.
        """
        told = 0
        with self._lock:
            for delivery in deliveries:
                # On another connection the packet id would acknowledge, and so destroy, another message.
                if delivery.generation == self._generation and self._connected:
                    told += self._client.ack(delivery.packet_id, delivery.qos) == mqtt.MQTT_ERR_SUCCESS
        return told

    def close(self) -> None:
        """Disconnect and wait for the network thread; what was not acknowledged stays with the broker."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._client.disconnect()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _prepared(self) -> mqtt.Client:
        modern = self._reception.version == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._reception.client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if modern else MQTTProtocolVersion.MQTTv311,
            clean_session=None if modern else False,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.tls:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _run(self) -> None:
        failures = 0
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closing or not self._paused)
                if self._closing:
                    return
                before = self._generation
            try:
                self._connect()
                self._client.loop_forever(retry_first_connection=False)
            except OSError as error:
                _log.warning("broker away", host=self._address.host, port=self._address.port, error=str(error))
            failures = 0 if self._generation > before + 1 else failures + 1
            self._pause_s(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])

    def _pause_s(self, seconds: float) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._closing, seconds)

    def _connect(self) -> None:
        host, port = self._address.host, self._address.port
        if self._reception.version != "5":
            self._client.connect(host, port, keepalive=_KEEPALIVE_S)
            return
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = _SESSION_S
        wishes.ReceiveMaximum = self._reception.receive_maximum
        # The packet holds the topic and its header too; a payload over the limit must still reach us to be listed.
        wishes.MaximumPacketSize = 4 * self._reception.message_bytes
        self._client.connect(host, port, keepalive=_KEEPALIVE_S, clean_start=False, properties=wishes)

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self._refuse(f"the broker at {self._address.host}:{self._address.port} refuses the connection: {code}")
            return
        with self._lock:
            self._generation += 1
            self._connected = True
        modern = self._reception.version == "5"
        options = [(topic, SubscribeOptions(qos=1) if modern else 1) for topic in self._reception.topics]
        client.subscribe(options)  # type: ignore[arg-type]

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, _mid: int, codes: Any, _properties: Any) -> None:
        for topic, code in zip(self._reception.topics, codes, strict=True):
            if code.value >= _REFUSED:
                self._refuse(f"the broker refuses the subscription to {topic}: {code}")

    def _refuse(self, text: str) -> None:
        _log.error("broker refuses", error=text)
        with self._lock:
            self._refusal = text
            self._lock.notify_all()

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, _code: Any, _properties: Any) -> None:
        with self._lock:
            self._generation += 1
            self._connected = False

    def _on_message(self, client: mqtt.Client, _data: Any, received: mqtt.MQTTMessage) -> None:
        # paho's own `topic` raises where the bytes are not UTF-8; that is for the decoder to say.
        topic = bytes(received._topic)  # noqa: SLF001
        message = Message(topic=topic, payload=bytes(received.payload), received_us=time.time_ns() // 1000)
        with self._lock:
            self._waiting.append(
                Delivery(message=message, packet_id=received.mid, qos=received.qos, generation=self._generation)
            )
            self._waiting_bytes += len(message.payload)
            full = self._waiting_bytes > self._reception.queue_bytes and not self._paused
            self._paused |= full
            self._lock.notify_all()
        if full:
            _log.warning("queue full, disconnecting until half is written", queued_bytes=self._waiting_bytes)
            client.disconnect()
