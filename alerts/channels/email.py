"""Notifications by e-mail: plain text through one SMTP server, over TLS where it offers that."""

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from hashlib import sha256
from time import time

from alerts.channels.bounds import cut_after, excerpt
from domain.errors import InputError, SettingsError
from domain.notifications import Delivery, Notification, Outcome, Way
from domain.serverurl import parse_server_url

__all__ = ["Email", "SmtpServer", "email_address", "message_id"]

_PORTS = {"smtp": 587, "smtps": 465}
_EXAMPLE = "smtp://user:password@mail.example:587 (or smtps:// for TLS from the start)"
# One address and nothing else: no comments, no quotes, no list, no line breaks.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([^\s@,;:<>()\[\]\"\\]{1,253})")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_POLICY = SMTP.clone(cte_type="7bit")
_OK, _CREATED = 250, 251
_PERMANENT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where the SMTP server is and who we are there. Its text never shows the password."""

    host: str
    port: int
    tls: bool = False
    """From the start; without it STARTTLS is used where the server offers it."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """
        Read `smtp://[user:password@]host[:port]` or `smtps://...`; the ports default to 587 and 465.

        User and password are percent-decoded.

        Raises
        ------
        SettingsError
            It is no such address. The text does not repeat the URL, which may hold a password.
        """
        parts = parse_server_url(url, what="SMTP", ports=_PORTS, example=_EXAMPLE)
        if (parts.user is None) != (parts.password is None):
            raise SettingsError(
                f"the SMTP address has a user without a password, or the reverse; write it as {_EXAMPLE}"
            )
        return cls(
            host=parts.host, port=parts.port, tls=parts.scheme == "smtps", user=parts.user, password=parts.password
        )


def email_address(text: str) -> str:
    """
    One e-mail address, its domain in ASCII.

    Raises
    ------
    InputError
        It is none, or more than one.

    Examples
    --------
    >>> email_address("shift@bücher.example")
    'shift@xn--bcher-kva.example'
    """
    match = _ADDRESS.fullmatch(text)
    try:
        domain = match[1].encode("idna").decode("ascii") if match else ""
    except UnicodeError:
        domain = ""
    if not domain:
        raise InputError(f"{excerpt(text)!r} is no e-mail address; write one, as shift@plant.example")
    return f"{text.rpartition('@')[0]}@{domain}"


def message_id(dedup_key: str, sender: str) -> str:
    """The Message-ID of a notification: the same whenever it is sent, so that mail stores keep it once."""
    return f"<{sha256(dedup_key.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """Hands a notification to the SMTP server, in a connection of its own."""

    server: SmtpServer
    sender: str
    """Address in `From`, and the one that the server returns mail to."""
    limit_s: float = 15.0
    """From the greeting to the server's word that it took the message, and at most so long before it. [s]"""
    clock: Callable[[], float] = time
    """[s since 1970 UTC]"""
    name: Way = field(default=Way.EMAIL, init=False)

    def deliver(self, notification: Notification) -> Delivery:
        """Send it; taken when the server answers 250 after its last line."""
        try:
            receiver, sender = email_address(notification.address), email_address(self.sender)
        except InputError as error:
            return Delivery(outcome=Outcome.REFUSED, detail=str(error))
        message = self._message(notification, receiver, sender)
        late = False
        try:
            client = self._connected(sender)
            try:
                with cut_after(self.limit_s, lambda: client.sock) as is_over:
                    try:
                        self._introduce(client)
                        return self._hand_over(client, sender, receiver, message)
                    finally:
                        late = is_over.is_set()
            finally:
                client.close()
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            # The library wraps a timeout of the socket in an error of its own.
            return self._failed(error, late=late or TimeoutError in {type(error), type(error.__context__)})

    def _message(self, notification: Notification, receiver: str, sender: str) -> bytes:
        message = EmailMessage(policy=_POLICY)
        message["From"] = sender
        message["To"] = receiver
        message["Subject"] = " ".join(notification.subject.split())
        message["Date"] = formatdate(self.clock(), localtime=False)
        message["Message-ID"] = message_id(notification.dedup_key, sender)
        # So that nobody's absence note answers, and starts a conversation of machines.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notification.body)
        return message.as_bytes()

    def _connected(self, sender: str) -> smtplib.SMTP:
        # A name to greet with is given: the library would look for one, and that may take as long as it likes.
        ours = sender.rpartition("@")[2]
        if self.server.tls:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.server.host, self.server.port, ours, timeout=self.limit_s, context=context)
        return smtplib.SMTP(self.server.host, self.server.port, ours, timeout=self.limit_s)

    def _introduce(self, client: smtplib.SMTP) -> None:
        client.ehlo_or_helo_if_needed()
        secured = self.server.tls
        if not secured and client.has_extn("starttls"):
            client.starttls(context=ssl.create_default_context())
            client.ehlo_or_helo_if_needed()
            secured = True
        if self.server.user is None or self.server.password is None:
            return
        if not secured and self.server.host not in _LOCAL:
            raise smtplib.SMTPNotSupportedError("it offers no TLS, and a password is not sent in the clear")
        client.login(self.server.user, self.server.password)

    def _hand_over(self, client: smtplib.SMTP, sender: str, receiver: str, message: bytes) -> Delivery:
        code, words = client.mail(sender)
        if code != _OK:
            # Our sender or our login is not liked: that is mended in the settings, not by another receiver.
            return self._said(Outcome.RETRY, f"did not take the sender {sender}", code, words)
        code, words = client.rcpt(receiver)
        if code not in {_OK, _CREATED}:
            return self._said(_outcome(code), f"did not take the receiver {receiver}", code, words)
        try:
            code, words = client.data(message)
        except smtplib.SMTPDataError as error:
            code, words = error.smtp_code, _bytes(error.smtp_error)
        if code != _OK:
            return self._said(_outcome(code), "did not take the message", code, words)
        with suppress(OSError, smtplib.SMTPException):
            client.quit()
        return self._said(Outcome.SENT, "took it", code, words)

    def _said(self, outcome: Outcome, what: str, code: int, words: bytes) -> Delivery:
        said = excerpt(words, self.server.password)
        return Delivery(outcome=outcome, detail=f"{self.server} {what}: {code} {said}".rstrip())

    def _failed(self, error: Exception, *, late: bool) -> Delivery:
        if late:
            said = f"did not answer within {self.limit_s:g} s"
        elif isinstance(error, smtplib.SMTPAuthenticationError):
            said = f"refused the login of {self.server.user}: {error.smtp_code} {_text(error.smtp_error)}"
        elif isinstance(error, smtplib.SMTPResponseException):
            said = f"answered {error.smtp_code} {_text(error.smtp_error)}"
        elif isinstance(error, ssl.SSLCertVerificationError):
            said = f"has a certificate that is not trusted ({error.verify_message})"
        else:
            said = f"cannot be used: {getattr(error, 'strerror', None) or error or type(error).__name__}"
        return Delivery(outcome=Outcome.RETRY, detail=excerpt(f"{self.server} {said}", self.server.password))


def _outcome(code: int) -> Outcome:
    return Outcome.REFUSED if code >= _PERMANENT else Outcome.RETRY


def _bytes(words: bytes | str) -> bytes:
    return words if isinstance(words, bytes) else words.encode()


def _text(words: bytes | str) -> str:
    return excerpt(words)
