"""E-mail against a real SMTP server."""

import logging
import socket
from pathlib import Path

import pytest

from alerts.channels.email import Email, SmtpServer
from domain.notifications import Outcome, Way
from service.embedded.ports import free_port
from tests.support.notified import notification
from tests.support.receivers import (
    MailServer,
    certificate,
    mail_server,
    server_context,
    stuck_port,
)

SENDER = "kawasan@plant.example"


def email_to(port: int, *, limit_s: float = 5.0, host: str = "127.0.0.1", **rest: object) -> Email:
    return Email(server=SmtpServer(host=host, port=port, **rest), sender=SENDER, limit_s=limit_s)  # type: ignore[arg-type]


def test_an_email_arrives_as_it_was_written(mails: MailServer) -> None:
    one = notification(Way.EMAIL, subject="Cr(VI) above 0.1 mg/L\r\nat the outlet, 3 µg", body="A line.\n.\nµ\n")

    delivery = email_to(mails.port).deliver(one)

    (message,) = mails.messages
    assert delivery.outcome is Outcome.SENT
    assert delivery.detail == f"127.0.0.1:{mails.port} took it: 250 OK queued as 4711"
    assert message["Subject"] == "Cr(VI) above 0.1 mg/L at the outlet, 3 µg"
    assert (message["From"], message["To"], message["Auto-Submitted"]) == (SENDER, one.address, "auto-generated")
    assert message.get_content().splitlines() == ["A line.", ".", "µ"]
    assert mails.receivers == [one.address]
    assert mails.raw[0].isascii()


def test_an_email_that_is_sent_again_has_the_same_message_id(mails: MailServer) -> None:
    channel = email_to(mails.port)

    for number in (1, 1, 2):
        channel.deliver(notification(Way.EMAIL, number=number))

    first, again, other = mails.ids
    assert first == again != other


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("450 4.2.1 try later", Outcome.RETRY), ("550 5.1.1 no such user", Outcome.REFUSED)],
)
def test_a_receiver_that_is_not_taken_is_tried_again_or_refused(
    mails: MailServer, answer: str, outcome: Outcome
) -> None:
    mails.receiver_answers.append(answer)

    delivery = email_to(mails.port).deliver(notification(Way.EMAIL))

    assert delivery.outcome is outcome
    assert delivery.detail.endswith(f"did not take the receiver shift@plant.example: {answer}")


@pytest.mark.parametrize(
    ("answer", "outcome"), [("451 4.3.0 disk full", Outcome.RETRY), ("554 5.7.1 looks like spam", Outcome.REFUSED)]
)
def test_a_message_that_is_not_taken_is_tried_again_or_refused(
    mails: MailServer, answer: str, outcome: Outcome
) -> None:
    mails.message_answers.append(answer)

    delivery = email_to(mails.port).deliver(notification(Way.EMAIL))

    assert (delivery.outcome, delivery.detail.endswith(f"did not take the message: {answer}")) == (outcome, True)


def test_an_smtp_server_that_is_away_or_says_nothing_is_tried_again() -> None:
    with stuck_port() as stuck:
        away, silent = (email_to(port, limit_s=0.3).deliver(notification(Way.EMAIL)) for port in (free_port(), stuck))

    assert (away.outcome, silent.outcome) == (Outcome.RETRY, Outcome.RETRY)
    assert away.detail.endswith("cannot be used: Connection refused")
    assert silent.detail.endswith("did not answer within 0.3 s")


def test_login_is_over_tls_and_what_it_says_holds_no_password(
    trusted: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with mail_server(tls_context=server_context(*trusted), auth_required=True) as server:
        right, wrong = (
            email_to(server.port, host="localhost", user="me", password=password).deliver(notification(Way.EMAIL))
            for password in ("right", "hunter2hunter2")
        )

    assert right.outcome is Outcome.SENT
    assert server.logins[0] == ("me", "right")
    assert wrong.outcome is Outcome.RETRY
    assert "refused the login of me: 535" in wrong.detail
    assert "hunter2" not in wrong.detail
    assert "hunter2" not in caplog.text


def test_a_password_is_not_sent_in_the_clear_to_another_machine(
    mails: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: looked_up("127.0.0.1" if host else host, *rest, **more)
    )

    delivery = email_to(mails.port, host="mail.example", user="me", password="right").deliver(notification(Way.EMAIL))

    assert delivery.outcome is Outcome.RETRY
    assert "a password is not sent in the clear" in delivery.detail
    assert (mails.logins, mails.messages) == ([], [])


def test_a_certificate_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    with mail_server(tls_context=server_context(*certificate(tmp_path))) as server:
        delivery = email_to(server.port, host="localhost").deliver(notification(Way.EMAIL))

    assert delivery.outcome is Outcome.RETRY
    assert "certificate that is not trusted" in delivery.detail
    assert server.messages == []


def test_tls_from_the_start(trusted: tuple[Path, Path]) -> None:
    with mail_server(ssl_context=server_context(*trusted)) as server:
        delivery = email_to(server.port, host="localhost", tls=True).deliver(notification(Way.EMAIL))

    assert delivery.outcome is Outcome.SENT
    assert len(server.messages) == 1
