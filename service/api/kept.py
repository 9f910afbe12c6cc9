"""What was read once and is answered again while it holds: bounded, per process, and empty as soon as nobody hears of changes."""

import time
from collections import OrderedDict
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.api.freshness import Freshness, Stamp

__all__ = ["Kept"]

_Key = TypeVar("_Key", bound=Hashable)
_Read = TypeVar("_Read")


@dataclass(slots=True, kw_only=True)
class _Entry(Generic[_Read]):
    read: _Read
    stamp: Stamp
    channels: Collection[str]
    park: str | None
    until_s: float
    size: int


class Kept(Generic[_Key, _Read]):
    """Readings by key, each with the stamp that was taken before it was made; the least used make room for new ones."""

    def __init__(self, freshness: Freshness, *, most: int, most_bytes: int | None = None) -> None:
        """
        Nothing yet.

        Parameters
        ----------
        most : int
            How many may be kept.
        most_bytes : int or None
            How large they may be together; None: as large as they are.
        """
        self._freshness = freshness
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[_Key, _Entry[_Read]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """How large all that is kept is, as far as its sizes were said. [bytes]"""
        return self._bytes

    def get(self, key: _Key) -> _Read | None:
        """What was read, where that still holds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if time.monotonic() >= entry.until_s or not self._freshness.holds(entry.stamp, entry.channels, entry.park):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.read

    def put(
        self,
        key: _Key,
        read: _Read,
        stamp: Stamp | None,
        channels: Collection[str],
        *,
        park: str | None = None,
        size: int = 0,
        lasts_s: float = float("inf"),
    ) -> None:
        """
        Keep what was read; what is larger than a sixteenth of all that may be kept is not.

        Parameters
        ----------
        stamp : Stamp or None
            Of `channels` and `park`, taken before the reading began; None: it cannot be kept.
        size : int
            How large it is, about. [bytes]
        lasts_s : float
            How long it may be answered at most. [s]
        """
        if stamp is None or lasts_s <= 0 or (self._most_bytes is not None and size * 16 > self._most_bytes):
            return
        self._drop(key)
        until_s = time.monotonic() + lasts_s
        self._entries[key] = _Entry(read=read, stamp=stamp, channels=channels, park=park, until_s=until_s, size=size)
        self._bytes += size
        while len(self._entries) > self._most or (self._most_bytes is not None and self._bytes > self._most_bytes):
            self._drop(next(iter(self._entries)))

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
