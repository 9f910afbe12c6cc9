"""What crosses the border between ingest and store: messages, readings in columns, rejections.

::

    Message ---- decode ----> Batch(readings: columns, rejections) ---- sink ----> Outcome

A batch is committed whole; only then are its messages acknowledged.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.contextentries import ContextEntry
from domain.errors import InputError
from domain.time import IntArray

__all__ = ["Batch", "ContextValue", "Message", "Outcome", "ReadingBatch", "Reason", "Rejection", "Span"]


class Reason(StrEnum):
    """Why a message, or one value of it, was set aside. Stored as text and used as a metric label."""

    TOO_LARGE = "too_large"
    """The payload is over the message limit."""
    ENCODING = "encoding"
    """Topic or payload is not UTF-8, or holds a NUL."""
    MALFORMED = "malformed"
    """The payload is not JSON, or JSON of another shape than the wire format's."""
    TOPIC = "topic"
    """The topic is not `kawasan/v1/{park}/{tenant}/{meter}`, nor `.../_context`."""
    UNKNOWN_METER = "unknown_meter"
    UNKNOWN_CHANNEL = "unknown_channel"
    UNIT = "unit"
    NOT_A_NUMBER = "not_a_number"
    """A text, a truth value, a list or an object where a number should be."""
    NOT_FINITE = "not_finite"
    """NaN or an infinity, or a number too large for a float."""
    QUALITY = "quality"
    """An unknown quality word."""
    TIME = "time"
    """No time, a naive time, or text that is no RFC 3339 time."""
    CLOCK = "clock"
    """Before the channel's life, older than the oldest allowed, or too far in the future."""
    CONTEXT = "context"
    """An entered value that is not right, or that covers another one only in part."""
    DATABASE = "database"
    """The database refused the contents of this message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it came, before anything was understood of it."""

    topic: bytes
    payload: bytes
    received_us: int
    """When it reached us. [us UTC]"""
    origin: str = "mqtt"
    """How it came: `mqtt`, or `import:<name>`."""
    oldest_us: int | None = None
    """Readings before this are refused as `clock`; None: the ingest's own bound. [us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBatch:
    """Readings in columns, in the order they were decoded. All arrays have one length, (n,)."""

    message: NDArray[np.int32]
    """Index of the message each reading came from."""
    channel_id: NDArray[np.int32]
    ts_us: IntArray
    """[us UTC]"""
    value: NDArray[np.float64]
    """Finite. [canonical unit of the channel]"""
    quality: NDArray[np.int32]
    """Bit mask of :class:`domain.quality.Quality`."""

    def __post_init__(self) -> None:
        lengths = {len(self.message), len(self.channel_id), len(self.ts_us), len(self.value), len(self.quality)}
        if len(lengths) != 1:
            raise InputError(f"the columns of a ReadingBatch differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.ts_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One value, or one whole message, that was set aside."""

    message: int
    """Index of the message in its batch."""
    place: str
    """Where in the payload: `` for the whole message, else like `readings[3].values.ph`; printable ASCII."""
    reason: Reason
    detail: str
    """One sentence for a person: the thing, its value, what would be right. Printable, no NUL, at most 300 characters."""
    values: int = 1
    """How many values are set aside with it; an undecodable message counts as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextValue:
    """A value that a message enters into a context series."""

    message: int
    """Index of the message it came from."""
    place: str
    """Where in the payload, as in :class:`Rejection`."""
    park_id: int
    tenant_id: int
    """:data:`domain.context.PARK_WIDE` for the whole park."""
    entry: ContextEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is committed in one transaction: messages, what was read in them, what was set aside."""

    messages: tuple[Message, ...]
    sources: tuple[str, ...]
    """Per message, who is accountable for it in the ledger: `park/tenant` of a known meter, `unknown`, or its import."""
    readings: ReadingBatch
    rejections: tuple[Rejection, ...]
    contexts: tuple[ContextValue, ...] = ()

    @property
    def received(self) -> int:
        """How many values came in, good and bad."""
        return len(self.readings) + len(self.contexts) + sum(rejection.values for rejection in self.rejections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of one channel's time that has to be computed again; both ends are included."""

    channel_id: int
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the values of a batch: `received == stored + duplicate + conflict + sum(rejected)`."""

    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: dict[Reason, int] = field(default_factory=dict)

    @property
    def received(self) -> int:
        """How many values came in, good and bad."""
        return self.stored + self.duplicate + self.conflict + sum(self.rejected.values())
