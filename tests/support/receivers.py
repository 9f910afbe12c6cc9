"""Real receivers of notifications on this machine, which note what they are sent.

=====================  ==============================================================================
`mails`                an SMTP server without TLS
`hook`                 an HTTP receiver
`trusted`              a certificate of `localhost` that this process trusts, and its key
=====================  ==============================================================================
"""

import logging
import socket
import ssl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from service.embedded.ports import free_port
from tests.support.strictness import missing


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for `localhost` that only who is told trusts, and its key."""
    certified, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certified)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        missing("no openssl: install the package openssl")
    return certified, key


def server_context(certified: Path, key: Path) -> ssl.SSLContext:
    """What a server with this certificate speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified, key)
    return context


@dataclass(eq=False)
class MailServer:
    """An SMTP server that notes each message that it took."""

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    """Of the envelopes, beside each message."""
    raw: list[bytes] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    receiver_answers: deque[str] = field(default_factory=deque)
    """What it says to the next receivers instead of taking them."""
    message_answers: deque[str] = field(default_factory=deque)
    """What it says to the next messages instead of taking them."""
    before_answer: Callable[[], None] | None = None
    """Called when it has a message, before it says so."""

    @property
    def ids(self) -> list[str]:
        """The Message-ID of each message."""
        return [str(message["Message-ID"]) for message in self.messages]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        """Take a receiver, or say what is to be said."""
        del server, session, options
        if self.receiver_answers:
            return self.receiver_answers.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a message, or say what is to be said."""
        del server, session
        if self.message_answers:
            return self.message_answers.popleft()
        raw = cast("bytes", envelope.content)
        self.raw.append(raw)
        self.messages.append(message_from_bytes(raw, policy=default))
        self.receivers += [str(one) for one in envelope.rcpt_tos]
        if self.before_answer is not None:
            self.before_answer()
        return "250 OK queued as 4711"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Let in who knows the password `right`."""
        del server, session, envelope, mechanism
        given = cast("LoginPassword", data)
        self.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=given.password == b"right", handled=False)


@contextmanager
def mail_server(*, port: int | None = None, **options: Any) -> Iterator[MailServer]:
    """An SMTP server on 127.0.0.1; `options` are aiosmtpd's."""
    server = MailServer(port or free_port())
    controller = Controller(
        server, hostname="127.0.0.1", port=server.port, authenticator=server.authenticate, **options
    )
    # It logs every line it reads, from a thread of its own, and at times after the test whose output that was.
    log = logging.getLogger("mail.log")
    log.disabled = True
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
        log.disabled = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call that an HTTP receiver got."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What an HTTP receiver answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    act: Callable[[socket.socket], None] | None = None
    """Instead of an answer, what is done to the connection."""


@dataclass(eq=False)
class HttpReceiver:
    """An HTTP server that notes each call, and answers as it is told, else 200."""

    port: int
    scheme: str = "http"
    calls: list[Call] = field(default_factory=list)
    replies: deque[Reply] = field(default_factory=deque)
    always: Reply | None = None

    @property
    def url(self) -> str:
        """Where it is, with a path that nobody is to see."""
        host = "localhost" if self.scheme == "https" else "127.0.0.1"
        return f"{self.scheme}://{host}:{self.port}/services/hidden"

    @property
    def keys(self) -> list[str]:
        """The Idempotency-Key of each call."""
        return [call.headers["idempotency-key"] for call in self.calls]


@contextmanager
def http_receiver(context: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    """An HTTP server on 127.0.0.1, with TLS where it is given a context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            receiver.calls.append(Call(self.path, {key.lower(): text for key, text in self.headers.items()}, body))
            reply = receiver.replies.popleft() if receiver.replies else receiver.always or Reply()
            if reply.act is not None:
                self.close_connection = True
                reply.act(self.connection)
                return
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver = HttpReceiver(int(server.server_address[1]), "http" if context is None else "https")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def mails() -> Iterator[MailServer]:
    """An SMTP server without TLS."""
    with mail_server() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    """An HTTP receiver."""
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A certificate of `localhost` that this process trusts, and its key."""
    certified, key = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certified))
    return certified, key


@contextmanager
def stuck_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def drip(line: bytes) -> Callable[[socket.socket], None]:
    """Sends a byte now and then, for ever."""

    def act(connection: socket.socket) -> None:
        try:
            while True:
                for byte in line:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)
        except OSError:
            return

    return act
