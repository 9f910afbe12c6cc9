"""Webhooks and MQTT against real receivers."""

import hashlib
import hmac
import json
import socket
import struct
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerts.channels.mqtt import Mqtt
from alerts.channels.webhook import Webhook
from domain.broker import BrokerAddress
from domain.notifications import Outcome, Way
from service.embedded import PrivateBroker
from service.embedded.ports import free_port
from tests.support.notified import notification
from tests.support.receivers import (
    HttpReceiver,
    Reply,
    certificate,
    drip,
    http_receiver,
    server_context,
    stuck_port,
)

LOOPBACK = frozenset({"127.0.0.1", "localhost"})


def verified(secret: str, header: str, body: bytes, *, now_s: float, most_s: float = 300) -> bool:
    """As the page of notifications shows it to who writes a receiver."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(secret.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"]) and abs(now_s - int(parts["t"])) <= most_s


def test_a_webhook_gets_the_payload_with_its_key_and_a_signature_that_it_can_verify(hook: HttpReceiver) -> None:
    one = notification(Way.WEBHOOK, hook.url)

    delivery = Webhook(secret="a secret of mine", allow=LOOPBACK).deliver(one)

    (call,) = hook.calls
    assert (delivery.outcome, delivery.detail) == (Outcome.SENT, f"127.0.0.1:{hook.port} answered 200 OK")
    assert call.path == "/services/hidden"
    assert json.loads(call.body) == {"key": one.dedup_key, **json.loads(one.payload)}
    assert call.headers["idempotency-key"] == one.dedup_key
    assert call.headers["host"] == f"127.0.0.1:{hook.port}"
    assert call.headers["content-type"] == "application/json"
    header = call.headers["kawasan-signature"]
    assert verified("a secret of mine", header, call.body, now_s=time.time())
    assert not verified("another secret", header, call.body, now_s=time.time())
    assert not verified("a secret of mine", header, call.body + b" ", now_s=time.time())
    assert not verified("a secret of mine", header, call.body, now_s=time.time() + 3600)


def test_without_a_secret_a_call_is_not_signed(hook: HttpReceiver) -> None:
    Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, hook.url))

    assert "kawasan-signature" not in hook.calls[0].headers


def test_a_key_with_other_signs_than_those_of_a_header_is_escaped(hook: HttpReceiver) -> None:
    Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, hook.url, dedup_key="p/pabrik ä\r\nX: y"))

    assert hook.keys == ["p/pabrik%20%C3%A4%0D%0AX:%20y"]
    assert "x" not in hook.calls[0].headers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.SENT) for status in (200, 201, 202, 204)),
        *((status, Outcome.REFUSED) for status in (301, 302, 303, 307, 308, 400, 405, 410, 413, 415, 422)),
        *((status, Outcome.RETRY) for status in (401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_the_answer_says_whether_it_was_taken(hook: HttpReceiver, status: int, outcome: Outcome) -> None:
    hook.replies.append(Reply(status, {"Location": f"http://127.0.0.1:{hook.port}/elsewhere"}))

    delivery = Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, hook.url))

    assert delivery.outcome is outcome
    assert f" answered {status} " in delivery.detail
    assert [call.path for call in hook.calls] == ["/services/hidden"]


def test_what_a_receiver_says_is_kept_in_short_and_without_the_path(hook: HttpReceiver) -> None:
    hook.replies.append(Reply(500, body=b"<p>no such\nroute: /services/hidden</p>" + b"x" * 200_000))

    delivery = Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, hook.url))

    assert "<p>no such route: ***</p>xxx" in delivery.detail
    assert len(delivery.detail) < 400


@pytest.mark.parametrize("line", [b"x", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_receiver_that_keeps_us_waiting_does_so_for_a_bounded_time(hook: HttpReceiver, line: bytes) -> None:
    hook.replies.append(Reply(act=drip(line)))
    began = time.monotonic()

    delivery = Webhook(allow=LOOPBACK, limit_s=0.5).deliver(notification(Way.WEBHOOK, hook.url))

    assert time.monotonic() - began < 3
    assert delivery.outcome is Outcome.RETRY
    assert delivery.detail.endswith("did not answer within 0.5 s")


def test_a_receiver_that_takes_it_and_breaks_off_behind_the_status_has_taken_it(hook: HttpReceiver) -> None:
    def half(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    hook.replies.append(Reply(act=half))

    assert Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, hook.url)).outcome is Outcome.SENT


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100_000])
def test_what_does_not_speak_http_is_tried_again(hook: HttpReceiver, said: bytes) -> None:
    hook.replies.append(Reply(act=lambda connection: connection.sendall(said)))

    assert Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, hook.url)).outcome is Outcome.RETRY


def test_a_webhook_over_tls_is_checked_by_the_name_and_reached_by_the_address(trusted: tuple[Path, Path]) -> None:
    with http_receiver(server_context(*trusted)) as receiver:
        delivery = Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, receiver.url))

    assert delivery.outcome is Outcome.SENT
    assert receiver.calls[0].headers["host"] == f"localhost:{receiver.port}"


def test_a_certificate_that_is_not_trusted_ends_the_call(tmp_path: Path) -> None:
    with http_receiver(server_context(*certificate(tmp_path))) as receiver:
        delivery = Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, receiver.url))

    assert delivery.outcome is Outcome.RETRY
    assert "its certificate is not trusted" in delivery.detail
    assert receiver.calls == []


def test_a_webhook_is_connected_to_the_address_that_was_checked_whatever_its_name_says_next(
    hook: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([("127.0.0.1",), ("169.254.169.254",)])

    def never(*asked: object, **_: object) -> None:
        raise AssertionError(asked)

    # Whatever resolves a second time would see the second answer, or this.
    monkeypatch.setattr(socket, "getaddrinfo", never)
    channel = Webhook(allow=frozenset({"hooks.example"}), resolve=lambda *_: next(answers))

    delivery = channel.deliver(notification(Way.WEBHOOK, f"http://hooks.example:{hook.port}/x"))

    assert delivery.outcome is Outcome.SENT
    assert hook.calls[0].headers["host"] == f"hooks.example:{hook.port}"
    assert next(answers) == ("169.254.169.254",)


def test_without_the_setting_this_machine_is_not_called(hook: HttpReceiver) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        delivery = Webhook().deliver(notification(Way.WEBHOOK, f"http://{host}:{hook.port}/"))
        assert (delivery.outcome, "KAWASAN_WEBHOOK_ALLOW" in delivery.detail) == (Outcome.REFUSED, True)

    assert hook.calls == []


def test_a_proxy_of_the_environment_is_not_asked(hook: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, hook.url)).outcome is Outcome.SENT


def test_a_receiver_that_is_away_is_tried_again() -> None:
    url = f"http://127.0.0.1:{free_port()}/services/hidden"

    delivery = Webhook(allow=LOOPBACK).deliver(notification(Way.WEBHOOK, url))

    assert delivery.outcome is Outcome.RETRY
    assert delivery.detail.endswith("cannot be reached: Connection refused")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_message_is_published_and_acknowledged(mosquitto: PrivateBroker, version: str) -> None:
    address = BrokerAddress.parse(mosquitto.url)
    heard: list[mqtt.MQTTMessage] = []
    listener = mqtt.Client(CallbackAPIVersion.VERSION2)
    listener.username_pw_set(address.user, address.password)
    listener.on_message = lambda _client, _userdata, message: heard.append(message)
    listener.connect(address.host, address.port)
    listener.subscribe("kawasan/alarms/#", qos=1)
    listener.loop_start()
    one = notification(Way.MQTT)

    try:
        time.sleep(0.3)
        delivery = Mqtt(broker=address, version=version).deliver(one)  # type: ignore[arg-type]
        deadline = time.monotonic() + 5
        while not heard and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        listener.disconnect()
        listener.loop_stop()

    assert delivery.outcome is Outcome.SENT
    assert [(message.topic, message.qos, message.retain) for message in heard] == [("kawasan/alarms/p/shift", 1, False)]
    assert json.loads(heard[0].payload) == {"key": one.dedup_key, **json.loads(one.payload)}


def test_a_broker_that_refuses_us_is_told_without_the_password(mosquitto: PrivateBroker) -> None:
    address = BrokerAddress.parse(mosquitto.url)
    stranger = BrokerAddress(host=address.host, port=address.port, user="stranger", password="hunter2")

    delivery = Mqtt(broker=stranger).deliver(notification(Way.MQTT))

    assert delivery.outcome is Outcome.RETRY
    assert "refused the connection: Not authorized" in delivery.detail
    assert "hunter2" not in delivery.detail


def test_a_broker_that_is_away_or_says_nothing_is_tried_again() -> None:
    with stuck_port() as stuck:
        away, silent = (
            Mqtt(broker=BrokerAddress(host="127.0.0.1", port=port), limit_s=0.3).deliver(notification(Way.MQTT))
            for port in (free_port(), stuck)
        )

    assert (away.outcome, silent.outcome) == (Outcome.RETRY, Outcome.RETRY)
    assert away.detail.endswith("cannot be reached: Connection refused")
    assert silent.detail.endswith("did not acknowledge it within 0.3 s")
