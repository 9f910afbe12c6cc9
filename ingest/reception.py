"""What receiving is: deliveries that are held until they are acknowledged, whoever brings them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from domain.errors import SettingsError
from domain.readings import Message
from ingest.directory import PREFIX

__all__ = ["Delivery", "Receiver", "Reception"]

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that the broker keeps until it is acknowledged."""

    message: Message
    packet_id: int
    qos: int
    generation: int
    """Of the connection that brought it."""


class Receiver(Protocol):
    """Where messages come from. A faster reader of the same client can take paho's place."""

    def take(self, most: int, timeout_s: float) -> Sequence[Delivery]:
        """Up to `most` deliveries, in order of arrival; waits for the first one at most `timeout_s`."""
        ...

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        """Tell the broker to forget these, which were taken; answers how many it could be told of."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """How messages are received."""

    client_id: str
    """Fixed: the broker keeps the session under it. Letters, digits, `-` and `_`, which every broker takes."""
    topics: tuple[str, ...] = (f"{PREFIX}/#",)
    version: Literal["5", "3.1.1"] = "5"
    receive_maximum: int = 2000
    """Most messages in flight on MQTT 5; on 3.1.1 the broker's own setting rules."""
    message_bytes: int = 256 * 1024
    """Largest payload wanted. [B]"""
    queue_bytes: int = 64 * 1024 * 1024
    """How much is held at most, waiting or taken and not yet acknowledged; beyond, it is left with the broker. [B]"""

    def __post_init__(self) -> None:
        if _CLIENT_ID.fullmatch(self.client_id) is None:
            raise SettingsError(
                f"MQTT client id {self.client_id!r} is not 1 to 64 letters, digits, '-' and '_'; brokers refuse others"
            )
        if not 1 <= self.receive_maximum <= 65_535:  # noqa: PLR2004 - what MQTT 5 has room for
            raise SettingsError(f"receive maximum {self.receive_maximum} is not from 1 to 65535")

    @property
    def queue_messages(self) -> int:
        """How many messages are held at most: ten windows, so that only a broker without a window fills it."""
        return 10 * self.receive_maximum
