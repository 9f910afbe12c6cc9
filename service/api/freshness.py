"""Whether what was read a while ago still holds: one connection hears of every change, and of its own silence.

::

    NOTIFY -> thread (Signals) -> counts of changes -> a stamp that was taken before a reading still equals them, or does not
                               -> whoever was promised to be told (the live stream)

What was read under a stamp may be answered again while :meth:`Freshness.holds`. That is never so while the connection is
away, nor when it gave no sign of life for a second: a signal that is late can then make an answer stale for no longer.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

from domain.errors import Unavailable
from store.signals import Heard, Signals

__all__ = ["ALARMS", "ALL", "IDENTITY", "INPUTS", "NUMBERS", "REGISTRY", "SPANS", "Freshness", "Stamp", "Told"]

SPANS, NUMBERS, ALARMS = "kawasan_spans", "kawasan_numbers", "kawasan_alarms"
"""Readings came; numbers were made of them; alarms changed."""
INPUTS = "kawasan_inputs"
"""Anything else that numbers are made of changed, or a park's registry, or how far it is ticked."""
IDENTITY = "kawasan_identity"
"""A user, what one is granted, a token, a session or a password changed."""
REGISTRY = "kawasan_registry"
"""A park was applied."""
ALL = (SPANS, NUMBERS, ALARMS, INPUTS, IDENTITY, REGISTRY)

Stamp: TypeAlias = tuple[int, ...]
"""How often what an answer depends on had changed."""
Told: TypeAlias = Callable[[set[str]], None]
"""Is called, in the event loop, with the channels that spoke."""

_BEAT_S = 0.25
_TRUSTED_S = 1.0
_AGAIN_S = 5.0
_MOST_PARKS = 10_000

_logger = logging.getLogger(__name__)


class Freshness:
    """Counts the changes that the database tells of, as long as :meth:`running` is entered."""

    def __init__(self, url: str, *, is_trusted: bool = True) -> None:
        """
        Listen with the login of `url`.

        Parameters
        ----------
        is_trusted : bool
            Whether anything may be kept; if not, it only tells.
        """
        self._url = url
        self._is_trusted = is_trusted
        self._told: list[Told] = []
        # Counted by the thread that listens, so that a busy loop hears no later; but what this process does is counted by the loop.
        self._connections = 0
        self._own = 0
        self._all: Counter[str] = Counter()
        self._whole: Counter[str] = Counter()
        self._of_park: Counter[tuple[str, str]] = Counter()
        self._alive_s = -_TRUSTED_S
        self._stopping = threading.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen, until left."""
        loop = asyncio.get_running_loop()
        ear = threading.Thread(target=self._listen, args=(loop,), name="signals", daemon=True)
        ear.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._alive_s = -_TRUSTED_S
            await asyncio.to_thread(ear.join, 2.0)

    def tell(self, told: Told) -> None:
        """Call `told` whenever something is heard; with all channels when some signals may have been missed."""
        self._told.append(told)

    @property
    def is_alive(self) -> bool:
        """Whether all that was committed a second ago has been heard of."""
        return self._is_trusted and time.monotonic() - self._alive_s < _TRUSTED_S

    def stamp(self, channels: Collection[str], park: str | None = None) -> Stamp | None:
        """
        How often what `channels` tell of had changed; take it before reading. None: nobody listens now, so keep nothing.

        Parameters
        ----------
        park : str or None
            Count only changes of this park, and those that may be of any.
        """
        if not self.is_alive:
            return None
        if park is None:
            return (self._connections, self._own, *[self._all[channel] for channel in channels])
        of_park = [self._of_park.get((channel, park), 0) for channel in channels]
        return (self._connections, self._own, *[self._whole[channel] for channel in channels], *of_park)

    def holds(self, stamp: Stamp, channels: Collection[str], park: str | None = None) -> bool:
        """Whether nothing has changed since a stamp of the same channels and park was taken."""
        return self.stamp(channels, park) == stamp

    def moved_on(self) -> None:
        """Nothing that was read before holds any more: this very process changed something, and its signal is on the way."""
        self._own += 1

    def _hear(self, heard: Sequence[Heard]) -> None:
        for one in heard:
            self._all[one.channel] += 1
            if one.park:
                self._of_park[one.channel, one.park] += 1
            else:
                self._whole[one.channel] += 1
        if len(self._of_park) > _MOST_PARKS:
            self._connections += 1
            self._of_park.clear()

    def _say(self, channels: set[str]) -> None:
        for told in self._told:
            told(channels)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop may be closed already: then nobody is there to be told.
        with suppress(RuntimeError):
            while not self._stopping.is_set():
                try:
                    with Signals(self._url, *ALL) as signals:
                        self._connections += 1
                        loop.call_soon_threadsafe(self._say, set(ALL))
                        self._follow(loop, signals)
                except Unavailable as error:
                    self._alive_s = -_TRUSTED_S
                    _logger.warning("the server hears of no change", extra={"reason": str(error)})
                    self._stopping.wait(_AGAIN_S)

    def _follow(self, loop: asyncio.AbstractEventLoop, signals: Signals) -> None:
        beaten_s = -_BEAT_S
        while not self._stopping.is_set():
            now_s = time.monotonic()
            if now_s - beaten_s < _BEAT_S:
                heard = signals.heard(_BEAT_S)
                self._hear(heard)
            else:
                signals.beat()
                heard = signals.heard(0.0)
                self._hear(heard)
                self._alive_s = beaten_s = now_s
            if heard:
                loop.call_soon_threadsafe(self._say, {one.channel for one in heard})
