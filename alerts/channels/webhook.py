"""Notifications by webhook: one POST of JSON, signed, to an address that was checked; no redirects, bounded in time and size."""

import hashlib
import hmac
import http.client
import socket
import ssl
import string
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from alerts.channels.addresses import Resolve, Target, checked_addresses, open_connection, parse_target, resolved
from alerts.channels.bodies import json_body
from alerts.channels.bounds import cut_after, excerpt
from domain.errors import InputError, Unavailable
from domain.notifications import Delivery, Notification, Outcome, Way

__all__ = ["Webhook", "signature"]

_MOST_ANSWER = 64 * 1024
_SAFE = string.ascii_letters + string.digits + "!#$&'()*+,-./:;<=>?@[]^_`{|}~"
# The same contents would be refused again; any other answer may be different after somebody mended something.
_FOR_GOOD = frozenset({400, 405, 410, 413, 414, 415, 422})


def signature(secret: str, at_s: int, body: bytes) -> str:
    """
    Value of the header `Kawasan-Signature`: HMAC-SHA256 over the time, a dot and the body.

    Parameters
    ----------
    at_s : int [s since 1970 UTC]
        When it is sent; a receiver refuses what is older than some minutes.

    Examples
    --------
    >>> signature("secret", 1700000000, b"{}")
    't=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163'
    """
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={signed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Posts the payload of a notification to its URL."""

    secret: str | None = field(default=None, repr=False)
    """Key of the signature; None: calls are not signed."""
    allow: frozenset[str] = frozenset()
    """Hosts that may be inner ones."""
    limit_s: float = 10.0
    """From the look-up of the name to the end of the answer. [s]"""
    resolve: Resolve = resolved
    clock: Callable[[], float] = time.time
    """[s since 1970 UTC]"""
    name: Way = field(default=Way.WEBHOOK, init=False)

    def deliver(self, notification: Notification) -> Delivery:
        """Post it; a 2xx answer takes it."""
        ends = time.monotonic() + self.limit_s
        try:
            target = parse_target(notification.address)
            addresses = checked_addresses(target, allow=self.allow, resolve=self.resolve, limit_s=self.limit_s)
        except InputError as error:
            return Delivery(outcome=Outcome.REFUSED, detail=str(error))
        except Unavailable as error:
            return Delivery(outcome=Outcome.RETRY, detail=str(error))
        try:
            connected = open_connection(addresses, target.port, limit_s=ends - time.monotonic())
        except OSError as error:
            return self._failed(target, error, late=False)
        left_s = max(0.0, ends - time.monotonic())
        # The duplicate stays valid when TLS takes the socket over.
        with connected, connected.dup() as same, cut_after(left_s, lambda: same) as is_over:
            connected.settimeout(left_s)
            try:
                return _posted(connected, target, *self._message(notification))
            except (OSError, http.client.HTTPException) as error:
                return self._failed(target, error, late=is_over.is_set())

    def _message(self, notification: Notification) -> tuple[bytes, dict[str, str]]:
        body = json_body(notification)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "kawasan",
            "Idempotency-Key": quote(notification.dedup_key, safe=_SAFE),
            "Connection": "close",
        }
        if self.secret:
            headers["Kawasan-Signature"] = signature(self.secret, int(self.clock()), body)
        return body, headers

    def _failed(self, target: Target, error: Exception, *, late: bool) -> Delivery:
        if late or isinstance(error, TimeoutError):
            said = f"{target} did not answer within {self.limit_s:g} s"
        else:
            said = f"{target} cannot be reached: {_words(error)}"
        return Delivery(outcome=Outcome.RETRY, detail=excerpt(said, _hidden(target)))


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"it does not speak HTTP ({error or type(error).__name__})"


def _hidden(target: Target) -> str | None:
    # For some services the path is the secret, and a page of mistakes likes to repeat it.
    return target.path if len(target.path) > 1 else None


def _posted(connected: socket.socket, target: Target, body: bytes, headers: dict[str, str]) -> Delivery:
    if not target.tls:
        return _answered(http.client.HTTPConnection(target.host, target.port), connected, target, body, headers)
    context = ssl.create_default_context()
    with context.wrap_socket(connected, server_hostname=target.host) as secured:
        client = http.client.HTTPSConnection(target.host, target.port, context=context)
        return _answered(client, secured, target, body, headers)


def _answered(
    client: http.client.HTTPConnection, connected: socket.socket, target: Target, body: bytes, headers: dict[str, str]
) -> Delivery:
    # With a socket of ours the client neither resolves nor connects, and knows of no proxy.
    client.sock = connected
    try:
        client.request("POST", target.path, body, headers)
        answer = client.getresponse()
        text = b""
        # Taken or not, the status says it; what breaks off behind it changes nothing.
        with suppress(OSError, http.client.HTTPException):
            text = answer.read(_MOST_ANSWER)
        return _judged(target, answer.status, answer.reason, text)
    finally:
        client.close()


def _judged(target: Target, status: int, reason: str, text: bytes) -> Delivery:
    said = excerpt(f"{target} answered {status} {reason}", _hidden(target))
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Delivery(outcome=Outcome.SENT, detail=said)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Delivery(outcome=Outcome.REFUSED, detail=f"{said}; redirects are not followed, name the final URL")
    more = excerpt(text, _hidden(target))
    return Delivery(
        outcome=Outcome.REFUSED if status in _FOR_GOOD else Outcome.RETRY, detail=f"{said}: {more}" if more else said
    )
