"""What channels make of a notification, without anybody to send it to."""

import hashlib
import hmac
import json
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels import NotSetUp
from alerts.channels.bodies import json_body
from alerts.channels.bounds import cut_after, excerpt
from alerts.channels.email import Email, SmtpServer, email_address, message_id
from alerts.channels.mqtt import Mqtt, alarm_topic
from alerts.channels.webhook import Webhook, signature
from domain.broker import BrokerAddress
from domain.errors import InputError, SettingsError, Unavailable
from domain.notifications import Delivery, Outcome, Way
from tests.support.notified import notification


def never(*asked: object) -> tuple[str, ...]:
    raise AssertionError(asked)


def away(host: str, *_: object) -> tuple[str, ...]:
    raise Unavailable(f"the name {host} cannot be resolved: try again")


def test_a_way_without_settings_refuses_with_the_sentence_that_names_them() -> None:
    channel = NotSetUp(name=Way.EMAIL, detail="e-mail is not configured: set KAWASAN_SMTP_URL and KAWASAN_SMTP_FROM")

    assert channel.deliver(notification(Way.EMAIL)) == Delivery(outcome=Outcome.REFUSED, detail=channel.detail)


def test_a_machine_gets_the_payload_with_the_key_in_front() -> None:
    one = notification(Way.WEBHOOK)

    sent = json_body(one)

    assert json.loads(sent) == {"key": one.dedup_key, **json.loads(one.payload)}
    assert sent.isascii()


@pytest.mark.parametrize("payload", ["", "[1]", "not JSON", "\ud800", '{"a": "\ud800"}'])
def test_a_payload_of_any_kind_can_be_sent(payload: str) -> None:
    assert isinstance(json_body(notification(Way.MQTT, payload=payload)), bytes)


def test_the_signature_is_that_of_time_and_body() -> None:
    body = b'{"kind":"alarm"}'
    expected = hmac.new(b"a secret of mine", b"1700000000." + body, hashlib.sha256).hexdigest()

    assert signature("a secret of mine", 1_700_000_000, body) == f"t=1700000000,v1={expected}"


def test_what_the_other_side_said_is_one_short_line_without_secrets() -> None:
    said = excerpt(b"554 no\r\nX: hunter2\x00\x1b[31m \xff " + b"long " * 100, "hunter2", None, "")

    assert said.startswith("554 no X: *** [31m \ufffd long long")
    assert len(said) == 200


@given(st.text(), st.text("ABC", min_size=1, max_size=5), st.text())
def test_an_excerpt_is_one_line_bounded_and_never_holds_what_is_hidden(before: str, secret: str, behind: str) -> None:
    shown = excerpt(f"{before}{secret}{behind}", secret)

    assert len(shown) <= 200
    assert len(shown.splitlines()) <= 1
    assert secret not in shown


def test_a_connection_is_cut_when_its_time_is_over() -> None:
    ours, theirs = socket.socketpair()

    with ours, theirs, cut_after(0.05, lambda: ours) as is_over:
        ours.settimeout(10)
        assert ours.recv(1) == b""
        assert is_over.is_set()


def test_a_connection_that_is_done_in_time_is_not_cut() -> None:
    ours, theirs = socket.socketpair()

    with ours, theirs:
        with cut_after(0.05, lambda: ours) as is_over:
            pass
        time.sleep(0.1)
        assert not is_over.is_set()
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"
    assert not any(isinstance(thread, threading.Timer) and thread.is_alive() for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer(host="mail.example", port=587)),
        ("smtps://mail.example", SmtpServer(host="mail.example", port=465, tls=True)),
        (
            "smtp://me%40x:p%2Fw@mail.example:25/",
            SmtpServer(host="mail.example", port=25, user="me@x", password="p/w"),
        ),
    ],
)
def test_an_smtp_address_is_read(url: str, server: SmtpServer) -> None:
    assert SmtpServer.parse(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "", "mail.example", "http://mail.example", "smtp://", "smtp://mail.example:0x", "smtp://hidden@mail.example",
        "smtp://me:hidden@mail.example/inbox", "smtp://me:hidden@[mail", "smtp://mail.example?x=hidden", f"smtp://{'a' * 70}.example",
    ],
)  # fmt: skip
def test_what_is_no_smtp_address_is_told_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="smtp://user:password@") as caught:
        SmtpServer.parse(url)

    assert "hidden" not in str(caught.value)


def test_an_smtp_server_does_not_show_its_password() -> None:
    server = SmtpServer.parse("smtp://me:hidden@mail.example")

    assert "hidden" not in f"{server} {server!r} {Email(server=server, sender='a@b.example')!r}"


@pytest.mark.parametrize(
    "text",
    [
        "", "shift", "@plant.example", "shift@", "a@b@c", "a@b,c@d", "a@b;c@d", "a@b c@d", "Shift <a@b.example>", "a@b.example\nBcc: c@d",
        "a@b.example\r", "a b@c.example", '"a b"@c.example', "a@[127.0.0.1]", "a(comment)@b.example", "ä@b.example", "a@b..example",
        f"{'a' * 65}@b.example",
    ],
)  # fmt: skip
def test_what_is_not_one_email_address_is_refused(text: str) -> None:
    channel = Email(server=SmtpServer(host="127.0.0.1", port=1), sender="kawasan@plant.example")

    with pytest.raises(InputError, match="is no e-mail address"):
        email_address(text)
    assert channel.deliver(notification(Way.EMAIL, text)).outcome is Outcome.REFUSED


def test_the_message_id_is_made_of_the_key_alone() -> None:
    first, again = (message_id("p/a/raise/shift", "kawasan@plant.example") for _ in range(2))

    assert first == again
    assert first.endswith("@plant.example>")
    assert message_id("p/a/clear/shift", "kawasan@plant.example") != first


@given(st.text(max_size=200), st.text(max_size=400))
def test_any_text_makes_a_message_of_short_lines_in_ascii(subject: str, body: str) -> None:
    channel = Email(server=SmtpServer(host="127.0.0.1", port=1), sender="kawasan@plant.example", clock=lambda: 0.0)
    one = notification(Way.EMAIL, subject=subject, body=body)

    message = channel._message(one, "shift@plant.example", "kawasan@plant.example")

    assert message.isascii()
    assert max(len(line) for line in message.split(b"\r\n")) <= 998
    assert b"\nBcc:" not in message.partition(b"\r\n\r\n")[0].replace(b"\r", b"")


@pytest.mark.parametrize(
    ("address", "topic"),
    [("p/shift", "kawasan/alarms/p/shift"), ("kawasan/alarms/p/shift", "kawasan/alarms/p/shift")],
)
def test_a_topic_is_below_that_of_alarms(address: str, topic: str) -> None:
    assert alarm_topic(address) == topic


@pytest.mark.parametrize(
    "address", ["", "/", "/p", "p/#", "p/+/x", "p\0", "p\n", "kawasan/alarms/", "kawasan/alarms//", "a" * 1100]
)
def test_what_is_no_topic_to_publish_to_is_refused(address: str) -> None:
    channel = Mqtt(broker=BrokerAddress(host="127.0.0.1", port=1))

    with pytest.raises(InputError, match="is no topic to publish to"):
        alarm_topic(address)
    assert channel.deliver(notification(Way.MQTT, address)).outcome is Outcome.REFUSED


@pytest.mark.parametrize("address", ["$SYS/x", "kawasan/v1/p/a/m", "homeassistant/x"])
def test_a_notification_cannot_pass_for_a_reading_or_a_command(address: str) -> None:
    assert alarm_topic(address).startswith("kawasan/alarms/")


@pytest.mark.parametrize("url", ["ftp://hooks.example/", "https://me:hidden@hooks.example/", "http://0x7f.1/"])
def test_a_webhook_with_an_address_that_is_none_is_refused_before_anything_is_resolved(url: str) -> None:
    delivery = Webhook(resolve=never).deliver(notification(Way.WEBHOOK, url))

    assert delivery.outcome is Outcome.REFUSED
    assert "hidden" not in delivery.detail


def test_a_webhook_to_an_inner_host_is_refused_before_anything_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", never)

    delivery = Webhook(resolve=lambda *_: ("10.0.0.1",)).deliver(notification(Way.WEBHOOK))

    assert delivery.outcome is Outcome.REFUSED
    assert "KAWASAN_WEBHOOK_ALLOW" in delivery.detail


def test_a_webhook_whose_name_cannot_be_resolved_is_tried_again() -> None:
    assert Webhook(resolve=away).deliver(notification(Way.WEBHOOK)).outcome is Outcome.RETRY


def test_a_webhook_does_not_show_its_secret() -> None:
    assert "hidden" not in repr(Webhook(secret="hidden"))


def test_only_channels_of_the_package_are_there() -> None:
    folder = Path(__file__).resolve().parents[3] / "alerts" / "channels"

    assert {way.value for way in Way} <= {path.stem for path in folder.glob("*.py")}
