"""Notifications: who is told of an alarm, by what way, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from domain.alarms import Category, Severity

__all__ = ["Contact", "Delivery", "Notification", "Outcome", "Quiet", "Way"]


class Way(StrEnum):
    """How a contact is reached. Others can join: see :class:`alerts.channels.Channel`."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    MQTT = "mqtt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Quiet hours of a contact, park-local. What is about compliance, or critical, does not wait for their end."""

    from_minute: int
    """Of the local day. [min]"""
    to_minute: int
    """Excluded; before `from_minute`: over midnight. [min]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody, or something, that is told of alarms of a park."""

    key: str
    name: str
    way: Way
    address: str
    """An e-mail address, a URL, or a topic."""
    categories: tuple[Category, ...] = tuple(Category)
    least_severity: Severity = Severity.LOW
    quiet: Quiet | None = None
    hourly: int = 30
    """Most notifications in an hour; those beyond are put together into one. Compliance is never held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one contact, as the outbox holds it."""

    contact: str
    way: Way
    address: str
    subject: str
    body: str
    """Plain text, for people."""
    payload: str
    """JSON, for machines: park, alarm, target, state, values with units, times."""
    dedup_key: str
    """The same for the same step of the same episode to the same contact, whatever is sent twice."""
    not_before_us: int
    """[us UTC]"""
    urgent: bool
    """Neither quiet hours nor a rate limit hold it back."""


class Outcome(StrEnum):
    """What became of one attempt."""

    SENT = "sent"
    RETRY = "retry"
    """Failed; it will be tried again."""
    REFUSED = "refused"
    """Failed for good: the address is wrong, or may not be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to deliver one notification."""

    outcome: Outcome
    detail: str
    """What the other side said, or what went wrong; no secrets."""
