"""Publishing over MQTT, QoS 1, with a bounded number of messages that the broker has not acknowledged yet.

As a good gateway does: what is not acknowledged when a connection breaks goes again on the next one, and
where it is asked to, so does everything acknowledged shortly before, for a broker that was killed may have
lost it.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from domain.broker import BrokerAddress
from domain.errors import SettingsError, Unavailable
from simulators.reports import Outgoing

__all__ = ["Publisher"]

_log = structlog.get_logger("kawasan.simulators")

_KEEPALIVE_S = 30
_GLANCE_S = 0.2
"""How often a waiting publisher looks whether it should stop. [s]"""
_REFUSALS = frozenset({"Bad user name or password", "Not authorized", "Client identifier not valid", "Banned"})
"""Refusals of a connection that trying again does not mend."""
_ACCEPTED = (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)
"""Handed over; without a connection, paho keeps the message for the next one."""


class Publisher:
    """
    Publishes to one broker; reconnects by itself. Use it as a context manager, from one thread.

    Parameters
    ----------
    url : str
        `mqtt://user:password@host:port` or `mqtts://...`.
    client_id : str
        Letters, digits, `-` and `_`.
    window : int
        Most messages under way without an acknowledgement.
    repeat_s : float [s]
        After a reconnect, messages acknowledged within this time before are published again. 0: none.
    patience_s : float or None [s]
        Give up when nothing was acknowledged for so long; None: never.

    Raises
    ------
    SettingsError
        The URL is none, or (later) the broker refuses user, password or client id.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str = "kawasan-simulator",
        window: int = 100,
        repeat_s: float = 0.0,
        patience_s: float | None = None,
    ) -> None:
        self._address = BrokerAddress.parse(url)
        self._window = window
        self._repeat_s = repeat_s
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._under_way: dict[int, Outgoing] = {}
        self._early: set[int] = set()
        self._sent: deque[tuple[float, Outgoing]] = deque()
        self._acknowledged = 0
        self._connections = 0
        self._repeated_for = 1
        self._is_connected = False
        self._refusal: str | None = None
        self._client = self._make_client(client_id)

    def __enter__(self) -> Self:
        # The loop's thread goes on trying until a broker answers, the first time too.
        self._client.connect_async(self._address.host, self._address.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def acknowledged(self) -> int:
        """How many messages the broker acknowledged, repeated ones included."""
        with self._changed:
            return self._acknowledged

    def wait_connected(self, timeout_s: float) -> None:
        """
        Wait for the broker.

        Raises
        ------
        Unavailable
            It did not answer in time.
        SettingsError
            It refuses this client.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_connected or self._refusal is not None, timeout_s)
            self._check_refusal()
            if not self._is_connected:
                raise Unavailable(f"no MQTT broker answers at {self._address}; is it running, is the port right?")

    def publish(
        self, messages: Iterable[Outgoing], *, speed: float | None = None, stop: threading.Event | None = None
    ) -> int:
        """
        Publish messages in order; returns when the last is handed over, not when it is acknowledged.

        Parameters
        ----------
        messages : iterable of Outgoing
            Taken one by one, so it may be endless.
        speed : float or None
            How many seconds of the messages' own time pass in one second; None: as fast as they are acknowledged.
        stop : threading.Event or None
            Ends it between two messages.

        Returns
        -------
        int
            How many were handed over, without those repeated after a reconnect.

        Raises
        ------
        Unavailable
            Nothing was acknowledged for `patience_s`.
        """
        halt = stop or threading.Event()
        self._repeat_after_reconnect(halt)
        begun_s, first_us, count = time.monotonic(), None, 0
        for message in messages:
            if speed is not None:
                first_us = message.due_us if first_us is None else first_us
                halt.wait(max(0.0, begun_s + (message.due_us - first_us) / 1e6 / speed - time.monotonic()))
            self._repeat_after_reconnect(halt)
            if halt.is_set() or not self._hand_over(message, halt):
                break
            count += 1
        return count

    def settle(self, timeout_s: float, stop: threading.Event | None = None) -> None:
        """
        Wait until everything is acknowledged, what a reconnect repeats included.

        Raises
        ------
        Unavailable
            Not all was acknowledged in time.
        """
        halt = stop or threading.Event()
        deadline_s = time.monotonic() + timeout_s
        while not halt.is_set():
            self._repeat_after_reconnect(halt)
            with self._changed:
                self._check_refusal()
                if self.is_settled:
                    return
                if time.monotonic() > deadline_s:
                    raise Unavailable(f"{len(self._under_way)} messages were not acknowledged by {self._address}")
                self._changed.wait(_GLANCE_S)

    @property
    def is_settled(self) -> bool:
        """Whether the broker acknowledged everything, what a reconnect repeats included."""
        with self._changed:
            return not self._under_way and self._is_connected and self._repeated_for >= self._connections

    def _make_client(self, client_id: str) -> mqtt.Client:
        # MQTT 3.1.1 is what every broker speaks, the embedded one of the demo too.
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311)
        client.max_inflight_messages_set(self._window)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.tls:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _hand_over(self, message: Outgoing, halt: threading.Event) -> bool:
        if not self._wait_for_room(halt):
            return False
        # Not under our lock: paho calls on_publish while it holds the lock that publish() needs.
        sent = self._client.publish(message.topic, message.payload, qos=1)
        if sent.rc not in _ACCEPTED:
            raise Unavailable(
                f"the MQTT client did not take a message for {self._address}: {mqtt.error_string(sent.rc)}"
            )
        with self._changed:
            if sent.mid in self._early:
                self._early.remove(sent.mid)
                self._remember(message)
            else:
                self._under_way[sent.mid] = message
        return True

    def _wait_for_room(self, halt: threading.Event) -> bool:
        before, since_s = -1, time.monotonic()
        with self._changed:
            while len(self._under_way) >= self._window and not halt.is_set():
                self._check_refusal()
                if self._acknowledged != before:
                    before, since_s = self._acknowledged, time.monotonic()
                elif self._patience_s is not None and time.monotonic() - since_s > self._patience_s:
                    raise Unavailable(f"{self._address} acknowledged nothing for {self._patience_s:g} s")
                self._changed.wait(_GLANCE_S)
            self._check_refusal()
        return not halt.is_set()

    def _repeat_after_reconnect(self, halt: threading.Event) -> None:
        with self._changed:
            if self._repeated_for >= self._connections:
                return
            self._repeated_for = self._connections
            repeated = [message for _, message in self._sent]
            self._sent.clear()
        _log.info("reconnected", repeated=len(repeated))
        for message in repeated:
            if not self._hand_over(message, halt):
                return

    def _remember(self, message: Outgoing) -> None:
        self._acknowledged += 1
        if self._repeat_s > 0:
            now_s = time.monotonic()
            self._sent.append((now_s, message))
            # Without a connection nothing ages: what was sent just before it broke is what has to go again.
            while self._sent[0][0] < now_s - self._repeat_s:
                self._sent.popleft()

    def _check_refusal(self) -> None:
        if self._refusal is not None:
            raise SettingsError(f"the MQTT broker at {self._address} refuses the connection: {self._refusal}")

    def _on_connect(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        with self._changed:
            if reason.is_failure:
                self._refusal = str(reason) if str(reason) in _REFUSALS else None
            else:
                self._is_connected = True
                self._connections += 1
            self._changed.notify_all()

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        with self._changed:
            self._is_connected = False

    def _on_publish(
        self, _client: mqtt.Client, _userdata: Any, mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        with self._changed:
            message = self._under_way.pop(mid, None)
            if message is None:
                self._early.add(mid)
            else:
                self._remember(message)
            self._changed.notify_all()
