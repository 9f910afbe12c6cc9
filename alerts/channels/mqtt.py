"""Notifications by MQTT: one message with QoS 1, taken once the broker has acknowledged it."""

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from alerts.channels.bodies import json_body
from alerts.channels.bounds import excerpt
from domain.broker import BrokerAddress
from domain.errors import InputError
from domain.notifications import Delivery, Notification, Outcome, Way

__all__ = ["PREFIX", "Mqtt", "alarm_topic"]

PREFIX = "kawasan/alarms/"
"""Every notification is published below it, so that none can pass for a reading."""

_MOST_BYTES = 1024
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


def alarm_topic(address: str) -> str:
    """
    The topic of a contact: its address, below `kawasan/alarms/` where it does not begin with that.

    Raises
    ------
    InputError
        It is no topic to publish to.

    Examples
    --------
    >>> alarm_topic("karawang/shift")
    'kawasan/alarms/karawang/shift'
    """
    topic = address if address.startswith(PREFIX) else f"{PREFIX}{address}"
    below = topic.removeprefix(PREFIX)
    if (
        not below.strip("/")
        or below.startswith("/")
        or any(sign in topic for sign in "+#\0")
        or not topic.isprintable()
        or len(topic.encode()) > _MOST_BYTES
    ):
        raise InputError(
            f"{excerpt(address)!r} is no topic to publish to; write one without + and #, as karawang/shift"
        )
    return topic


@dataclass(slots=True, eq=False)
class _Progress:
    """What paho's thread has heard of one message."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    refusal: str | None = None
    taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    """Publishes the payload of a notification, in a connection of its own."""

    broker: BrokerAddress
    version: Literal["5", "3.1.1"] = "5"
    limit_s: float = 10.0
    """From the connection to the acknowledgement; connecting takes at most so long again. [s]"""
    name: Way = field(default=Way.MQTT, init=False)

    def deliver(self, notification: Notification) -> Delivery:
        """Publish it; the broker's acknowledgement takes it."""
        try:
            topic = alarm_topic(notification.address)
        except InputError as error:
            return Delivery(outcome=Outcome.REFUSED, detail=str(error))
        progress = _Progress()
        client = self._client(progress, topic, json_body(notification))
        try:
            client.connect(self.broker.host, self.broker.port)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return self._again(f"cannot be reached: {said}")
        client.loop_start()
        try:
            with progress.changed:
                progress.changed.wait_for(lambda: progress.taken or progress.refusal is not None, self.limit_s)
                # Before we disconnect, which is heard too.
                taken, refusal = progress.taken, progress.refusal
        finally:
            client.disconnect()
            client.loop_stop()
        if taken:
            return Delivery(outcome=Outcome.SENT, detail=f"{self.broker} acknowledged it on {topic}")
        return self._again(refusal or f"did not acknowledge it within {self.limit_s:g} s")

    def _again(self, said: str) -> Delivery:
        return Delivery(outcome=Outcome.RETRY, detail=excerpt(f"{self.broker} {said}", self.broker.password))

    def _client(self, progress: _Progress, topic: str, payload: bytes) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"kawasan-notify-{secrets.token_hex(6)}",
            protocol=_VERSIONS[self.version],
            reconnect_on_failure=False,
        )
        client.connect_timeout = self.limit_s
        if self.broker.user is not None:
            client.username_pw_set(self.broker.user, self.broker.password)
        if self.broker.tls:
            client.tls_set()

        def heard(*, refusal: str | None = None) -> None:
            with progress.changed:
                progress.refusal = progress.refusal or refusal
                progress.taken = progress.taken or refusal is None
                progress.changed.notify_all()

        def connected(client: mqtt.Client, _u: Any, _f: Any, code: ReasonCode, _p: Properties | None) -> None:
            if code.is_failure:
                heard(refusal=f"refused the connection: {code}")
            elif client.publish(topic, payload, qos=1).rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                heard(refusal="closed the connection before it was sent")

        def published(_c: mqtt.Client, _u: Any, _mid: int, code: ReasonCode, _p: Properties | None) -> None:
            heard(refusal=f"did not take it: {code}" if code.is_failure else None)

        def closed(_c: mqtt.Client, _u: Any, _f: Any, code: ReasonCode, _p: Properties | None) -> None:
            heard(refusal=f"closed the connection: {code}")

        client.on_connect, client.on_publish, client.on_disconnect = connected, published, closed
        return client
