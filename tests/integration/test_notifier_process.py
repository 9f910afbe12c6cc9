"""The command `kawasan notify` as a process: killed at the worst moment, with secrets, and for a test of one contact."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.errors import InputError, Unavailable
from domain.notifications import Way
from service.cli.notify import notify
from tests.support.installation import PROJECT
from tests.support.notified import notification
from tests.support.notifying import Outbox, park_with_contacts, until
from tests.support.receivers import HttpReceiver, MailServer, Reply

SHIFT = {"key": "shift", "name": "Shift", "way": "email", "address": "shift@plant.example"}
SECRET = "a secret of mine"
PASSWORD = "hunter2hunter2"
START_S, STOP_S = 90.0, 15.0


@pytest.fixture
def outbox(timescale_url: str) -> Outbox:
    """The outbox of a park with the contact `shift`."""
    park_with_contacts(timescale_url, SHIFT)
    return Outbox(timescale_url)


def environment(url: str, **settings: str) -> dict[str, str]:
    known = {name: text for name, text in os.environ.items() if not name.startswith("KAWASAN_")}
    return {**known, "KAWASAN_DATABASE_URL": url, "KAWASAN_WEBHOOK_ALLOW": "127.0.0.1", **settings}


@contextmanager
def started(folder: Path, url: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A notifier, killed at the end."""
    with (folder / "notify.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "notify"],
            cwd=PROJECT,
            env=environment(url, **settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(folder: Path, url: str, **settings: str) -> Iterator[None]:
    """A notifier, told to stop at the end."""
    with started(folder, url, **settings) as process:
        yield
        process.terminate()
        assert process.wait(STOP_S) == 0


def end_leases(outbox: Outbox) -> None:
    (row,) = outbox.select("SELECT leased_until > now() + interval '60 s' AS is_leased FROM notification")
    assert row["is_leased"]
    outbox.change("UPDATE notification SET leased_until = now()")


def test_a_call_whose_notifier_was_killed_before_the_answer_comes_again_with_the_same_key(
    outbox: Outbox, hook: HttpReceiver, tmp_path: Path
) -> None:
    reached = threading.Event()

    def keep_waiting(connection: socket.socket) -> None:
        reached.set()
        connection.recv(1)

    hook.replies.append(Reply(act=keep_waiting))
    outbox.put(notification(Way.WEBHOOK, hook.url))
    with started(tmp_path, outbox.url):
        assert reached.wait(START_S)
    assert outbox.states() == ["pending"]
    end_leases(outbox)

    with running(tmp_path, outbox.url):
        until(lambda: outbox.states() == ["sent"], "it is sent", deadline_s=START_S)

    first, again = hook.calls
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == notification(Way.WEBHOOK).dedup_key
    assert first.body == again.body


def test_a_mail_whose_notifier_was_killed_before_the_answer_comes_again_with_the_same_message_id(
    outbox: Outbox, mails: MailServer, tmp_path: Path
) -> None:
    settings = {"KAWASAN_SMTP_URL": f"smtp://127.0.0.1:{mails.port}", "KAWASAN_SMTP_FROM": "kawasan@plant.example"}
    reached, answer = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        answer.wait(START_S)

    mails.before_answer = wait
    outbox.put(notification(Way.EMAIL))
    with started(tmp_path, outbox.url, **settings):
        assert reached.wait(START_S)
    mails.before_answer = None
    answer.set()
    end_leases(outbox)

    with running(tmp_path, outbox.url, **settings):
        until(lambda: outbox.states() == ["sent"], "it is sent", deadline_s=START_S)

    assert len(mails.messages) == 2
    assert len(set(mails.ids)) == 1


def test_no_secret_is_in_the_log_or_in_what_is_kept_of_attempts(
    outbox: Outbox, hook: HttpReceiver, tmp_path: Path
) -> None:
    hook.always = Reply(500, body=b"you asked for /services/hidden")
    settings = {
        "KAWASAN_WEBHOOK_SECRET": SECRET,
        "KAWASAN_MQTT_URL": f"mqtt://me:{PASSWORD}@127.0.0.1:1",
        "KAWASAN_SMTP_URL": f"smtp://me:{PASSWORD}@127.0.0.1:1",
        "KAWASAN_SMTP_FROM": "kawasan@plant.example",
        "KAWASAN_LOG_LEVEL": "debug",
    }
    outbox.put(
        notification(Way.WEBHOOK, hook.url, number=1),
        notification(Way.EMAIL, number=2),
        notification(Way.MQTT, number=3),
    )

    with running(tmp_path, outbox.url, **settings):
        until(lambda: len(outbox.attempts()) >= 3, "all were tried", deadline_s=START_S)

    kept = (tmp_path / "notify.log").read_text() + "".join(one["detail"] for one in outbox.attempts())
    assert "notification tried" in kept
    assert "answered 500" in kept
    assert [secret for secret in (SECRET, PASSWORD, "hidden") if secret in kept] == []
    assert hook.calls[0].headers["kawasan-signature"].startswith("t=")


def test_a_contact_is_told_as_a_test_and_what_came_of_it_is_said(
    outbox: Outbox, mails: MailServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAWASAN_DATABASE_URL", outbox.url)
    with pytest.raises(Unavailable, match="not told by email: e-mail is not configured: set KAWASAN_SMTP_URL and"):
        notify(test="p/shift")
    with pytest.raises(InputError, match="there is no contact night; there are: p/shift"):
        notify(test="night")
    monkeypatch.setenv("KAWASAN_SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
    monkeypatch.setenv("KAWASAN_SMTP_FROM", "kawasan@plant.example")

    notify(test="shift")

    assert capsys.readouterr().out.startswith(
        f"contact p/shift was told by email: 127.0.0.1:{mails.port} took it: 250 OK"
    )
    assert mails.receivers == ["shift@plant.example"]
    assert str(mails.messages[0]["Subject"]) == "Test of alarms of park p"
    assert outbox.rows() == []
