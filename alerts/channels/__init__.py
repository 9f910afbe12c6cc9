"""Ways to reach a contact. Each channel delivers one notification at a time, and says in words what came of it.

::

    email      smtplib; STARTTLS or TLS; the Message-ID is made of the key of the notification
    webhook    http.client; POST of JSON, signed; only to addresses that `addresses` lets through
    mqtt       paho; QoS 1, waits for the broker's acknowledgement

A channel keeps nothing between two deliveries. Whatever is delivered twice bears the same key, so a receiver that looks
at it takes each notification once.
"""

from dataclasses import dataclass
from typing import Protocol

from domain.notifications import Delivery, Notification, Outcome, Way

__all__ = ["Channel", "NotSetUp"]


class Channel(Protocol):
    """One way to reach contacts."""

    @property
    def name(self) -> Way:
        """The way."""
        ...

    def deliver(self, notification: Notification) -> Delivery:
        """Try once; blocks, but for a bounded time, and raises nothing for what the other side does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSetUp:
    """A way whose settings are missing: it refuses everything, with a sentence that names them."""

    name: Way
    detail: str

    def deliver(self, notification: Notification) -> Delivery:
        """Refuse it."""
        del notification
        return Delivery(outcome=Outcome.REFUSED, detail=self.detail)
