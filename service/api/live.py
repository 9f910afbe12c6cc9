"""The live stream: woken by the database, it reads what is new once per user and tells all who listen.

::

    NOTIFY -> Freshness -> pump -> Bulletin of each user -> bounded queue of each listener -> SSE
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sse_starlette import ServerSentEvent

from domain.errors import ParkError
from service.api.bulletin import Bulletin, Event
from service.api.freshness import Freshness
from store.connection import AsyncPool, database_errors
from store.users import User

__all__ = ["Listener", "LiveStream"]

_CHANNELS = ("kawasan_spans", "kawasan_numbers", "kawasan_registry", "kawasan_alarms")
_QUEUED = 64
_LEAST_S = 1.0
_FLOW_S = 5.0
_EVERYTHING_S = 30.0
_LIFE_S = 600.0

_logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Listener:
    """One open stream, with what it has not read yet."""

    queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(_QUEUED))
    lost: bool = False
    """It read too slowly; its stream ends, and it comes back by itself."""

    def tell(self, events: list[Event]) -> None:
        """Queue events; one that reads too slowly is marked as lost, and queues no more."""
        for event in events:
            try:
                self.queue.put_nowait(event)
            except asyncio.QueueFull:
                self.lost = True
                return


@dataclass(slots=True, eq=False)
class _Audience:
    bulletin: Bulletin
    listeners: set[Listener] = field(default_factory=set)
    is_new: bool = True


class LiveStream:
    """Tells users what is new for them, as long as :meth:`running` is entered."""

    def __init__(self, freshness: Freshness, pool: AsyncPool) -> None:
        """Woken by `freshness`, read through `pool` (role API)."""
        freshness.tell(self._note)
        self._pool = pool
        self._audiences: dict[str, _Audience] = {}
        self._heard: set[str] = set()
        self._wake = asyncio.Event()

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return sum(len(audience.listeners) for audience in self._audiences.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell, until left; ends all streams."""
        pump = asyncio.create_task(self._pump())
        pump.add_done_callback(self._report)
        try:
            yield
        finally:
            for audience in self._audiences.values():
                for listener in audience.listeners:
                    listener.lost = True
            pump.cancel()
            with suppress(asyncio.CancelledError):
                await pump

    async def events(self, user: User) -> AsyncIterator[ServerSentEvent]:
        """
        What is new for a user: first everything, then changes.

        Ends after ten minutes, when the listener is too slow, and when the server stops; a browser
        comes back by itself, and is asked for its token anew.
        """
        listener = self._enter(user)
        ends = asyncio.get_running_loop().time() + _LIFE_S
        try:
            while not listener.lost and asyncio.get_running_loop().time() < ends:
                try:
                    async with asyncio.timeout(1.0):
                        name, contents = await listener.queue.get()
                except TimeoutError:
                    continue
                yield ServerSentEvent(event=name, data=json.dumps(contents, separators=(",", ":")))
        finally:
            self._leave(user, listener)

    def _enter(self, user: User) -> Listener:
        audience = self._audiences.get(user.name)
        if audience is None or audience.bulletin.user != user:
            audience = self._audiences[user.name] = _Audience(
                Bulletin(user=user), getattr(audience, "listeners", set())
            )
        listener = Listener()
        listener.tell([("hello", {"user": user.name, "role": user.role.value}), *audience.bulletin.everything()])
        audience.listeners.add(listener)
        self._wake.set()
        return listener

    def _leave(self, user: User, listener: Listener) -> None:
        audience = self._audiences.get(user.name)
        if audience is not None:
            audience.listeners.discard(listener)
            if not audience.listeners:
                del self._audiences[user.name]

    def _note(self, heard: set[str]) -> None:
        heard = heard.intersection(_CHANNELS)
        if heard:
            self._heard |= heard
            self._wake.set()

    @staticmethod
    def _report(pump: asyncio.Task[None]) -> None:
        if not pump.cancelled() and (error := pump.exception()) is not None:
            _logger.critical("the live stream stopped", exc_info=error)

    async def _pump(self) -> None:
        clock = asyncio.get_running_loop().time
        flow_at = everything_at = clock()
        while True:
            # Not wait_for: on Python 3.11 it can swallow the cancellation that ends this task.
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLOW_S):
                    await self._wake.wait()
            self._wake.clear()
            heard, self._heard = self._heard, set()
            if clock() >= everything_at:
                heard, everything_at = set(_CHANNELS), clock() + _EVERYTHING_S
            flow_is_due = clock() >= flow_at
            if flow_is_due:
                flow_at = clock() + _FLOW_S
            for audience in list(self._audiences.values()):
                await self._tell(audience, heard, flow_is_due=flow_is_due)
            await asyncio.sleep(_LEAST_S)

    async def _tell(self, audience: _Audience, heard: set[str], *, flow_is_due: bool) -> None:
        heard = set(_CHANNELS) if audience.is_new else heard
        flow_is_due = flow_is_due or audience.is_new
        if not heard and not flow_is_due:
            return
        try:
            events = await self._news(audience.bulletin, heard, flow_is_due=flow_is_due)
        except ParkError as error:
            _logger.warning("live stream could not read", extra={"reason": str(error)})
            return
        audience.is_new = False
        for listener in audience.listeners:
            listener.tell(events)

    async def _news(self, bulletin: Bulletin, heard: set[str], *, flow_is_due: bool) -> list[Event]:
        events: list[Event] = []
        with database_errors("reading for the live stream"):
            async with self._pool.connection() as conn:
                if "kawasan_registry" in heard:
                    await bulletin.refresh_registry(conn)
                if "kawasan_spans" in heard:
                    events += await bulletin.refresh_readings(conn)
                if heard & {"kawasan_numbers", "kawasan_registry"}:
                    events += await bulletin.refresh_kpis(conn)
                if heard & {"kawasan_alarms", "kawasan_registry"}:
                    events += await bulletin.refresh_alarms(conn)
                if flow_is_due:
                    events += await bulletin.refresh_flow(conn)
        return events
