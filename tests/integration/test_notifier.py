"""The notifier on a real database, with a real SMTP server, HTTP receiver and broker."""

import logging
import socket
import threading
import time

import psycopg
import pytest

from alerts.channels import NotSetUp
from alerts.channels.email import Email, SmtpServer
from alerts.channels.mqtt import Mqtt
from alerts.channels.webhook import Webhook
from domain.broker import BrokerAddress
from domain.notifications import Delivery, Notification, Outcome, Way
from service.embedded import PrivateBroker
from service.notify import worker
from tests.support.notified import notification
from tests.support.notifying import Outbox, notifier, park_with_contacts, until
from tests.support.receivers import HttpReceiver, MailServer, Reply, stuck_port

LOOPBACK = frozenset({"127.0.0.1"})
SHIFT = {"key": "shift", "name": "Shift", "way": "email", "address": "shift@plant.example", "hourly": 4}


@pytest.fixture
def outbox(timescale_url: str) -> Outbox:
    """The outbox of a park with the contact `shift`."""
    park_with_contacts(timescale_url, SHIFT)
    return Outbox(timescale_url)


def email_to(server: MailServer) -> Email:
    return Email(server=SmtpServer(host="127.0.0.1", port=server.port), sender="kawasan@plant.example", limit_s=5.0)


def urgent(way: Way, address: str | None = None, *, number: int = 1) -> Notification:
    return notification(way, address, number=number, urgent=True)


class Noting:
    """A channel that only notes what it is to deliver."""

    name = Way.EMAIL

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.keys: list[str] = []
        self.outcomes = list(outcomes)

    def deliver(self, notification: Notification) -> Delivery:
        self.keys.append(notification.dedup_key)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.SENT
        if isinstance(outcome, Exception):
            raise outcome
        return Delivery(outcome=outcome, detail="noted")


def test_every_way_is_delivered_and_every_attempt_is_visible(
    kawasan_url: str, mails: MailServer, hook: HttpReceiver, mosquitto: PrivateBroker
) -> None:
    park_with_contacts(kawasan_url, SHIFT)
    outbox = Outbox(kawasan_url)
    channels = (
        email_to(mails),
        Webhook(secret="a secret of mine", allow=LOOPBACK),
        Mqtt(broker=BrokerAddress.parse(mosquitto.url)),
    )

    with notifier(kawasan_url, channels):
        outbox.put(
            notification(Way.EMAIL, number=1),
            notification(Way.WEBHOOK, hook.url, number=2),
            notification(Way.MQTT, number=3),
        )
        until(lambda: set(outbox.states()) == {"sent"}, "everything is sent")

    assert (len(mails.messages), len(hook.calls)) == (1, 1)
    attempts = outbox.attempts()
    assert sorted(attempt["notification_id"] for attempt in attempts) == [1, 2, 3]
    assert {attempt["outcome"] for attempt in attempts} == {"sent"}
    assert all(row["sent_at"] is not None and row["attempts"] == 1 for row in outbox.rows())


def test_a_notification_goes_out_when_it_is_put_in_not_when_somebody_looks(outbox: Outbox) -> None:
    channel = Noting()

    with notifier(outbox.url, [channel], poll_s=60):
        time.sleep(1.0)
        began = time.monotonic()
        outbox.put(notification(Way.EMAIL))
        until(lambda: channel.keys, "it is delivered")
        assert time.monotonic() - began < 2


def test_what_is_not_due_yet_waits(outbox: Outbox) -> None:
    channel = Noting()
    soon_us = time.time_ns() // 1000 + 1_500_000

    with notifier(outbox.url, [channel]):
        outbox.put(notification(Way.EMAIL, not_before_us=soon_us))
        time.sleep(0.7)
        assert channel.keys == []
        until(lambda: channel.keys, "its time has come")

    assert time.time_ns() // 1000 >= soon_us


def test_what_fails_is_tried_again_later_and_later(outbox: Outbox, mails: MailServer, hook: HttpReceiver) -> None:
    mails.message_answers.append("451 4.3.0 try later")
    hook.replies.extend([Reply(503)])

    with notifier(outbox.url, [email_to(mails), Webhook(allow=LOOPBACK)]):
        outbox.put(notification(Way.EMAIL, number=1), notification(Way.WEBHOOK, hook.url, number=2))
        until(lambda: outbox.states() == ["sent", "sent"], "both are sent in the end")

    attempts = outbox.attempts()
    for number in (1, 2):
        first, second = (one for one in attempts if one["notification_id"] == number)
        assert (first["outcome"], second["outcome"]) == ("retry", "sent")
        assert 5 <= (second["at"] - first["at"]).total_seconds() < 9
    assert len(mails.messages) == 1
    assert hook.keys[0] == hook.keys[1]


def test_waits_grow_by_attempt(outbox: Outbox) -> None:
    with notifier(outbox.url, [Noting(Outcome.RETRY)]):
        outbox.put(notification(Way.EMAIL))
        until(outbox.attempts, "it was tried")
    outbox.change("UPDATE notification SET next_at = now(), attempts = 5")
    with notifier(outbox.url, [Noting(Outcome.RETRY)]):
        until(lambda: len(outbox.attempts()) == 2, "it was tried again")

    (row,) = outbox.rows()
    waits = (row["next_at"] - outbox.attempts()[-1]["at"]).total_seconds()
    assert (row["state"], row["attempts"], row["leased_until"], waits) == ("pending", 6, None, 160)


def test_what_is_not_taken_for_3_days_is_given_up_for_all_to_see(outbox: Outbox) -> None:
    outbox.put(notification(Way.EMAIL))
    outbox.change(
        "UPDATE notification SET created_at = now() - interval '73 hours', not_before = now() - interval '3 days'"
    )
    channel = Noting(Outcome.RETRY, Outcome.RETRY)

    with notifier(outbox.url, [channel]):
        until(lambda: outbox.states() == ["given_up"], "it is given up")
        time.sleep(0.5)

    assert [attempt["outcome"] for attempt in outbox.attempts()] == ["retry"]
    assert len(channel.keys) == 1


def test_what_is_refused_is_not_tried_again(outbox: Outbox, mails: MailServer) -> None:
    mails.receiver_answers.append("550 5.1.1 no such user")

    with notifier(outbox.url, [email_to(mails), NotSetUp(name=Way.MQTT, detail="MQTT is not configured: set it")]):
        outbox.put(notification(Way.EMAIL, number=1), notification(Way.MQTT, number=2))
        until(lambda: outbox.states() == ["refused", "refused"], "both are refused")

    details = {one["notification_id"]: one["detail"] for one in outbox.attempts()}
    assert details[1].endswith("550 5.1.1 no such user")
    assert details[2] == "MQTT is not configured: set it"


def test_a_way_that_fails_blocks_no_other(outbox: Outbox, mails: MailServer) -> None:
    with stuck_port() as stuck:
        channels = (email_to(mails), Webhook(allow=LOOPBACK, limit_s=3.0))
        with notifier(outbox.url, channels):
            outbox.put(*(urgent(Way.WEBHOOK, f"http://127.0.0.1:{stuck}/{n}", number=n) for n in range(5)))
            time.sleep(0.5)
            began = time.monotonic()
            outbox.put(*(urgent(Way.EMAIL, number=n) for n in range(10, 15)))
            until(lambda: len(mails.messages) == 5, "all e-mails are there")
            assert time.monotonic() - began < 2


def test_an_address_that_fails_is_tried_once_and_then_left_alone_with_all_that_is_for_it(
    outbox: Outbox, hook: HttpReceiver
) -> None:
    with stuck_port() as stuck, notifier(outbox.url, [Webhook(allow=LOOPBACK, limit_s=0.5)]):
        dead = f"http://127.0.0.1:{stuck}/"
        began = time.monotonic()
        outbox.put(*(urgent(Way.WEBHOOK, dead, number=n) for n in range(20)))
        outbox.put(*(urgent(Way.WEBHOOK, hook.url, number=n) for n in range(20, 40)))
        until(lambda: len(hook.calls) == 20, "those for the other address are there")
        assert time.monotonic() - began < 4

    attempts = outbox.attempts()
    assert sum(one["outcome"] == "retry" for one in attempts) == 1
    assert outbox.states() == ["pending"] * 20 + ["sent"] * 20
    assert all(row["leased_until"] is None for row in outbox.rows())


def test_a_mistake_of_ours_in_one_message_does_not_stop_the_others(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Noting(KeyError("ours"))

    with notifier(outbox.url, [channel]):
        outbox.put(notification(Way.EMAIL, "a@b.example", number=1), notification(Way.EMAIL, "c@d.example", number=2))
        until(lambda: outbox.states() == ["pending", "sent"], "the other one is sent")

    assert outbox.attempts()[0]["detail"] == "unexpected KeyError; the log says more"
    assert "channel failed" in caplog.text


def test_beyond_the_hourly_limit_they_are_put_together_into_one(outbox: Outbox, mails: MailServer) -> None:
    outbox.put(*(notification(Way.EMAIL, number=n) for n in range(10)))

    with notifier(outbox.url, [email_to(mails)]):
        until(lambda: len(mails.messages) == 4, "three and one in place of seven")
        outbox.put(*(notification(Way.EMAIL, number=n) for n in range(10, 15)))
        outbox.put(urgent(Way.EMAIL, number=99))
        until(lambda: len(mails.messages) == 5, "what is urgent")
        until(lambda: all(row["leased_until"] is None for row in outbox.rows()), "the others wait")

    assert [str(message["Subject"]) for message in mails.messages[:3]] == [
        notification(Way.EMAIL, number=n).subject for n in range(3)
    ]
    whole = mails.messages[3]
    assert all(notification(Way.EMAIL, number=n).subject in whole.get_content() for n in range(3, 10))
    assert "outlet 99" in str(mails.messages[4]["Subject"])
    assert outbox.states() == ["sent"] * 10 + ["sent"] + ["pending"] * 5 + ["sent"]
    together = [one["detail"] for one in outbox.attempts() if "put together" in one["detail"]]
    assert len(together) == 7
    assert all(detail.startswith("put together with 6 others into p/digest/") for detail in together)


def test_what_waited_for_the_hour_goes_in_one_when_it_is_over(outbox: Outbox, mails: MailServer) -> None:
    with notifier(outbox.url, [email_to(mails)], held_s=0.2):
        outbox.put(*(notification(Way.EMAIL, number=n) for n in range(4)))
        until(lambda: len(mails.messages) == 4, "the hour is full")
        outbox.put(*(notification(Way.EMAIL, number=n) for n in range(4, 10)))
        time.sleep(0.7)
        assert len(mails.messages) == 4
        outbox.change("UPDATE notification SET sent_at = sent_at - interval '1 hour' WHERE id = 1")
        until(lambda: len(mails.messages) == 5, "one in place of six")
        time.sleep(0.7)
        assert len(mails.messages) == 5
        outbox.change("UPDATE notification SET sent_at = sent_at - interval '1 hour' WHERE id <= 4")
        outbox.put(notification(Way.EMAIL, number=10))
        until(lambda: len(mails.messages) == 6, "the next one alone, for six in one took but one place")

    assert "outlet 10" in str(mails.messages[5]["Subject"])
    assert set(outbox.states()) == {"sent"}


def test_two_notifiers_send_each_notification_once(outbox: Outbox) -> None:
    first, second = Noting(), Noting()

    with notifier(outbox.url, [first], most=5), notifier(outbox.url, [second], most=5):
        for start in range(0, 200, 20):
            outbox.put(*(urgent(Way.EMAIL, number=n) for n in range(start, start + 20)))
        until(lambda: len(first.keys) + len(second.keys) >= 200, "all are delivered")
        until(lambda: set(outbox.states()) == {"sent"}, "all are marked")

    assert len(set(first.keys) | set(second.keys)) == len(first.keys) + len(second.keys) == 200
    assert first.keys
    assert second.keys


def test_an_attempt_is_recorded_though_the_database_went_away_behind_it(outbox: Outbox, hook: HttpReceiver) -> None:
    def cut(connection: socket.socket) -> None:
        with psycopg.connect(outbox.url, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    hook.replies.append(Reply(act=cut))

    with notifier(outbox.url, [Webhook(allow=LOOPBACK)]):
        outbox.put(notification(Way.WEBHOOK, hook.url))
        until(lambda: outbox.states() == ["sent"], "it is marked as sent")

    assert len(hook.calls) == 1
    assert [one["outcome"] for one in outbox.attempts()] == ["sent"]


def test_when_it_stops_it_gives_back_what_it_did_not_try(outbox: Outbox) -> None:
    tried = threading.Event()

    class Slow(Noting):
        def deliver(self, notification: Notification) -> Delivery:
            tried.set()
            time.sleep(0.5)
            return super().deliver(notification)

    outbox.put(*(urgent(Way.EMAIL, number=n) for n in range(10)))
    with notifier(outbox.url, [Slow()]):
        assert tried.wait(5)

    rows = outbox.rows()
    assert [row["state"] for row in rows] == ["sent"] + ["pending"] * 9
    assert all(row["leased_until"] is None for row in rows)


def test_what_ends_a_thread_ends_the_process_that_would_look_well_without_it(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(worker, "claim", broken)

    with pytest.raises(ZeroDivisionError), notifier(outbox.url, [Noting()]) as running:
        running.join(10)


def test_it_logs_neither_addresses_nor_texts(
    outbox: Outbox, hook: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="kawasan.notify")
    hook.always = Reply(500, body=b"/services/hidden")

    with notifier(outbox.url, [Webhook(secret="a secret of mine", allow=LOOPBACK)]):
        outbox.put(notification(Way.WEBHOOK, hook.url))
        until(outbox.attempts, "it was tried")

    said = "".join(str(vars(record)) for record in caplog.records if record.name == "kawasan.notify")
    kept = "".join(one["detail"] for one in outbox.attempts())
    assert "notification tried" in said
    for word in ("hidden", "a secret of mine"):
        assert word not in said + kept
    assert "COD" not in said
