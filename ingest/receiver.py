"""Messages from an MQTT broker, held until they are acknowledged.

The session persists on every connect, so what the broker was not told to forget comes again. A
packet id belongs to one connection: each delivery remembers the generation of its connection, and
is acknowledged on no other.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from domain.broker import BrokerAddress
from domain.errors import Unavailable
from domain.readings import Message
from ingest.directory import PREFIX
from ingest.reception import Delivery, Reception

__all__ = ["MqttReceiver"]

_log = structlog.get_logger("kawasan.ingest")
_SESSION_S = 7 * 24 * 3600
_KEEPALIVE_S = 60
_RECONNECT_S = (1, 8)
_GOODBYE_S = 5.0
_POLL_S = 0.005
_ACKS_AT_ONCE = 100
_NOWHERE = f"{PREFIX}/-"
"""A filter that nobody ever subscribes to."""
# Refusals that no waiting mends: protocol, client id, login, right, ban, method. Others ("server busy") pass.
_WRONG_VERSION = 132
_FOR_GOOD = frozenset({_WRONG_VERSION, 133, 134, 135, 138, 140})


class MqttReceiver:
    """
    Receives with paho-mqtt, QoS 1, manual acknowledgement. Use it as a context manager.

    Memory is bounded twice: by the window of unacknowledged messages, and by what is held. Where more than that
    arrives (large payloads, QoS 0, a broker without a window), it is left with the broker: neither
    kept nor acknowledged, until all that is held is acknowledged; then the connection is made anew, on which the
    broker sends again what it still has. So a small queue slows down and never comes to a standstill: acknowledgements go out
    on the connection that brought the messages.

    paho's thread does all reading and writing of the socket; acknowledgements are only queued from here.
    """

    def __init__(self, address: BrokerAddress, reception: Reception) -> None:
        """Prepare; nothing is connected before `start`."""
        self._address = address
        self._reception = reception
        self._lock = threading.Condition()
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._held = 0
        self._held_bytes = 0
        self._generation = 0
        self._connected = False
        self._overflowing = False
        self._closing = False
        self._refusal: str | None = None
        self._client = self._prepared()

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
        with self._lock:
            return len(self._waiting), self._waiting_bytes

    @property
    def held(self) -> tuple[int, int]:
        """Messages and bytes that wait, or were taken and are not acknowledged."""
        with self._lock:
            return self._held, self._held_bytes

    @property
    def is_overflowing(self) -> bool:
        """Whether messages are being left with the broker, because too much is held."""
        return self._overflowing

    def start(self) -> None:
        """Begin to connect, and to connect again whenever the connection is lost."""
        self._connect(self._client)

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
            self._waiting_bytes -= _bytes_of(taken)
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        """
        Tell the broker to forget these; answers how many it was told of.

        One of an earlier connection is passed over: the broker sends it again, and it becomes a duplicate.
        """
        told = 0
        for start in range(0, len(deliveries), _ACKS_AT_ONCE):
            with self._lock:
                for delivery in deliveries[start : start + _ACKS_AT_ONCE]:
                    # On another connection the packet id would acknowledge, and so destroy, another message.
                    if delivery.generation == self._generation:
                        told += self._client.ack(delivery.packet_id, delivery.qos) == mqtt.MQTT_ERR_SUCCESS
        with self._lock:
            self._held -= len(deliveries)
            self._held_bytes -= _bytes_of(deliveries)
            starts_anew = self._overflowing and self._held == 0 and not self._closing
        if starts_anew:
            self._start_anew()
        return told

    def close(self) -> None:
        """Disconnect; acknowledgements that were given are sent before. What was not acknowledged stays with the broker."""
        with self._lock:
            self._closing = True
        self._say_goodbye(self._client)

    def _prepared(self) -> mqtt.Client:
        modern = self._reception.version == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._reception.client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if modern else MQTTProtocolVersion.MQTTv311,
            clean_session=None if modern else False,
            manual_ack=True,
        )
        client.reconnect_delay_set(*_RECONNECT_S)
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.tls:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        return client

    def _connect(self, client: mqtt.Client) -> None:
        host, port = self._address.host, self._address.port
        if self._reception.version == "5":
            wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wishes.SessionExpiryInterval = _SESSION_S
            wishes.ReceiveMaximum = self._reception.receive_maximum
            # The packet holds the topic and its header too; a payload over the limit must still reach us to be listed.
            wishes.MaximumPacketSize = 4 * self._reception.message_bytes
            client.connect_async(host, port, keepalive=_KEEPALIVE_S, clean_start=False, properties=wishes)
        else:
            client.connect_async(host, port, keepalive=_KEEPALIVE_S)
        client.loop_start()

    def _start_anew(self) -> None:
        """Connect anew, so that the broker sends again what was left with it."""
        _log.info("all that was held is written, connecting anew for what was left with the broker")
        with self._lock:
            old, self._client = self._client, self._prepared()
            self._ended()
            self._overflowing = False
        self._say_goodbye(old)
        self._connect(self._client)

    def _say_goodbye(self, client: mqtt.Client) -> None:
        """Disconnect a client, after the broker has seen the acknowledgements that were queued."""
        ends = time.monotonic() + _GOODBYE_S
        if client.is_connected():
            # A socket that is closed while messages arrive is reset, and the broker then drops the acknowledgements
            # it has not read yet. A broker answers in order: with this answer it has read them.
            answered = threading.Event()
            client.on_unsubscribe = lambda *_: answered.set()
            client.unsubscribe(_NOWHERE)
            while client.is_connected() and time.monotonic() < ends and not answered.wait(_POLL_S):
                pass
        client.disconnect()
        # `loop_stop` would end the thread before it has written the queue, if the socket is slow.
        while client.socket() is not None and time.monotonic() < ends:
            time.sleep(_POLL_S)

    def _ended(self) -> None:
        """Let no acknowledgement of before out on what comes after. Called with the lock held."""
        self._generation += 1
        self._connected = False
        self._lock.notify_all()

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if client is not self._client or self._closing:
            # It was told to disconnect while it was connecting, and paho did not listen.
            client.disconnect()
            return
        if code.is_failure:
            self._refused(code)
            return
        if self._reception.version == "5":
            # What is retained has come with the subscription of long ago, and is not wanted at every connect.
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            client.subscribe([(topic, options) for topic in self._reception.topics])
        else:
            client.subscribe([(topic, 1) for topic in self._reception.topics])

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        _log.warning("broker away", broker=str(self._address))

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [
            f"{topic}: {code}" for topic, code in zip(self._reception.topics, codes, strict=False) if code.is_failure
        ]
        if refused:
            self._refuse(f"the broker at {self._address} refuses the subscription to {', '.join(refused)}")
            return
        with self._lock:
            self._connected = client is self._client
            self._lock.notify_all()

    def _refused(self, code: ReasonCode) -> None:
        text = f"the broker at {self._address} refuses the connection: {code}"
        if code.value == _WRONG_VERSION:
            text += f"; it may not speak MQTT {self._reception.version}: try the other of 5 and 3.1.1"
        if code.value in _FOR_GOOD:
            self._refuse(text)
        else:
            _log.warning(text)

    def _refuse(self, text: str) -> None:
        _log.error("broker refuses", error=text)
        with self._lock:
            self._refusal = text
            self._lock.notify_all()

    def _on_disconnect(
        self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._lock:
            if client is self._client:
                self._ended()
        if code.is_failure:
            _log.warning("connection to the broker lost", broker=str(self._address), reason=str(code))

    def _on_socket_close(self, client: mqtt.Client, _data: Any, _socket: Any) -> None:
        # Every connection ends here, also one that paho replaces without a word to `on_disconnect`; and it
        # ends here before paho forgets the packets that were queued for it.
        with self._lock:
            if client is self._client:
                self._ended()

    def _on_message(self, client: mqtt.Client, _data: Any, received: mqtt.MQTTMessage) -> None:
        # paho's own `topic` raises where the bytes are not UTF-8; that is for the decoder to say.
        topic = bytes(received._topic)  # noqa: SLF001
        message = Message(topic=topic, payload=bytes(received.payload), received_us=time.time_ns() // 1000)
        with self._lock:
            if client is not self._client or self._overflowing or self._closing:
                return
            size = _size(message)
            is_full = (
                self._held_bytes + size > self._reception.queue_bytes or self._held >= self._reception.queue_messages
            )
            # One message that is larger than the whole queue must not wait for ever.
            if is_full and self._held:
                self._overflowing = True
                held, held_bytes = self._held, self._held_bytes
            else:
                self._waiting.append(
                    Delivery(message=message, packet_id=received.mid, qos=received.qos, generation=self._generation)
                )
                self._waiting_bytes += size
                self._held += 1
                self._held_bytes += size
                self._lock.notify_all()
                return
        _log.warning("too much is held, leaving the rest with the broker", messages=held, bytes=held_bytes)


def _size(message: Message) -> int:
    return len(message.topic) + len(message.payload)


def _bytes_of(deliveries: Sequence[Delivery]) -> int:
    return sum(_size(delivery.message) for delivery in deliveries)
