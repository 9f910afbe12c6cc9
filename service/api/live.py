"""The live stream: woken by the database, it reads what is new once per user, and everybody takes from that what is new to them.

::

    NOTIFY -> Freshness -> pump -> Bulletin, which puts it on the Board of each user -> one Listener per open stream -> SSE
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import anyio

from domain.errors import ParkError
from service.api.board import EVERYTHING, Board, Mark, Reader, Selection, event
from service.api.bulletin import Bulletin
from service.api.ending import Ending
from service.api.freshness import ALARMS, IDENTITY, NUMBERS, REGISTRY, SPANS, Freshness
from service.api.problem import Problem
from store.connection import AsyncPool, database_errors
from store.identity import Identity, resolve
from store.users import Scope, User

__all__ = ["Ending", "Listener", "LiveStream"]

_CHANNELS = frozenset({SPANS, NUMBERS, ALARMS, REGISTRY})
_LEAST_S = 0.5
"""How often it looks at most, [s]; what changed in between is told together."""
_PAUSE_S = 0.1
"""How long it rests at least, however long a look takes. [s]"""
_FLOW_S = 5.0
_EVERYTHING_S = 300.0
"""The database tells of every change; this is for what is changed behind its back. [s]"""
_AT_ONCE = 3
"""For how many users it reads at once; the other connections are for requests."""
_LOGINS_S = 5.0
"""How often at least it is looked whether those who listen still may; the database tells of most changes at once. [s]"""
_LIFE_S = (500.0, 700.0)
"""How long a stream lasts: not all of those that began together come back together. [s]"""
_KEPT_S = 120.0
"""How long a board is kept for those whose connection broke. [s]"""
_MOST_KEPT = 200

_logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Listener:
    """One open stream."""

    identity: Identity
    reader: Reader
    ends_s: float
    """[s, monotonic]"""
    ending: Ending | None = None


@dataclass(slots=True, eq=False)
class _Audience:
    bulletin: Bulletin
    listeners: set[Listener] = field(default_factory=set)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    is_new: bool = True
    left_s: float = 0.0

    @property
    def board(self) -> Board:
        return self.bulletin.board

    def wake(self) -> None:
        """Have everybody look."""
        self.news.set()
        self.news = asyncio.Event()


class LiveStream:
    """Tells users what is new for them, as long as :meth:`running` is entered."""

    def __init__(self, freshness: Freshness, pool: AsyncPool, auth: AsyncPool, *, most_streams: int) -> None:
        """
        Woken by `freshness`, read through `pool` (role API); `auth` says who still may listen.

        Parameters
        ----------
        most_streams : int
            How many streams one user may have open.
        """
        freshness.tell(self._note)
        self._pool = pool
        self._auth = auth
        self._most_streams = most_streams
        self._audiences: dict[User, _Audience] = {}
        self._heard: set[str] = set()
        self._wake = asyncio.Event()
        self._logins_s = 0.0
        self._few = asyncio.Semaphore(_AT_ONCE)
        self.stopping = anyio.Event()
        """Set when the server is about to stop: all streams end."""
        self.is_running = False

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return sum(len(audience.listeners) for audience in self._audiences.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell, until left; ends all streams."""
        pump = asyncio.create_task(self._pump(), name="live")
        pump.add_done_callback(self._report)
        stop = asyncio.create_task(self._wait_for_stop(), name="live-stop")
        self.is_running = True
        try:
            yield
        finally:
            self.stopping.set()
            self._end_all(Ending.STOPPING)
            for task in (pump, stop):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def admit(self, user: User) -> None:
        """
        Refuse one stream more of a user who has very many.

        Raises
        ------
        Problem
            429: as many are open as may be; 503: the server is about to stop, or the stream has failed.
        """
        if self.stopping.is_set() or not self.is_running:
            detail = "this server tells nothing live now; try again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "2"})
        opened = sum(len(one.listeners) for known, one in self._audiences.items() if known.name == user.name)
        if opened >= self._most_streams:
            detail = f"you have {opened} live streams open here, as many as may be; close some"
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": "30"})

    async def events(
        self, identity: Identity, selection: Selection = EVERYTHING, last_id: str = ""
    ) -> AsyncIterator[bytes]:
        """
        What is new for a user, as events: what changed since `last_id` where that is known, else everything; then changes.

        Parameters
        ----------
        last_id : str
            The id of the last event that the client has.
        """
        audience, listener, resumed = self._enter(identity, selection, Mark.parsed(last_id))
        board, user = audience.board, identity.user
        try:
            yield _hello(user, resumed=resumed)
            while listener.ending is None:
                news = audience.news
                if board.has_lost(listener.reader):
                    listener.reader = board.reader(selection, None)
                    yield _hello(user, resumed=False)
                elif piece := board.piece(listener.reader):
                    yield piece
                else:
                    await news.wait()
            yield listener.ending.event()
        finally:
            audience.listeners.discard(listener)
            audience.left_s = time.monotonic()

    def _enter(self, identity: Identity, selection: Selection, mark: Mark | None) -> tuple[_Audience, Listener, bool]:
        audience = self._audiences.get(identity.user)
        if audience is None:
            audience = self._audiences[identity.user] = _Audience(Bulletin(user=identity.user))
        if not audience.listeners:
            # Nothing was read while nobody listened.
            audience.is_new = True
        life_s = random.uniform(*_LIFE_S)  # noqa: S311 - it only spreads out
        listener = Listener(
            identity=identity,
            reader=audience.board.reader(selection, mark),
            ends_s=time.monotonic() + life_s,
            ending=Ending.STOPPING if self.stopping.is_set() else None,
        )
        resumed = audience.board.knows(mark)
        audience.listeners.add(listener)
        if audience.is_new:
            self._wake.set()
        return audience, listener, resumed

    def _note(self, heard: set[str]) -> None:
        if IDENTITY in heard:
            self._logins_s = 0.0
        if heard & _CHANNELS or IDENTITY in heard:
            self._heard |= heard & _CHANNELS
            self._wake.set()

    async def _wait_for_stop(self) -> None:
        await self.stopping.wait()
        self._end_all(Ending.STOPPING)

    def _end_all(self, ending: Ending) -> None:
        for audience in self._audiences.values():
            for listener in audience.listeners:
                listener.ending = listener.ending or ending
            audience.wake()

    def _report(self, pump: asyncio.Task[None]) -> None:
        self.is_running = False
        if not pump.cancelled() and (error := pump.exception()) is not None:
            _logger.critical("the live stream stopped", exc_info=error)
            self._end_all(Ending.STOPPING)

    async def _pump(self) -> None:
        flow_at = everything_at = time.monotonic()
        # Looked at too: on Python 3.11 waiting for a connection of the pool can swallow the cancellation that ends this task.
        while not self.stopping.is_set():
            # Not wait_for, for the same reason.
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLOW_S):
                    await self._wake.wait()
            began_s = time.monotonic()
            self._wake.clear()
            heard, self._heard = self._heard, set()
            if began_s >= everything_at:
                heard, everything_at = set(_CHANNELS), began_s + _EVERYTHING_S
            flow_is_due = began_s >= flow_at
            if flow_is_due:
                flow_at = began_s + _FLOW_S
            await self._look_at_logins()
            self._end_what_is_old(began_s)
            async with asyncio.TaskGroup() as several:
                for audience in self._audiences.values():
                    if audience.listeners:
                        several.create_task(self._tell(audience, heard, flow_is_due=flow_is_due))
            await asyncio.sleep(max(_PAUSE_S, began_s + _LEAST_S - time.monotonic()))

    async def _tell(self, audience: _Audience, heard: set[str], *, flow_is_due: bool) -> None:
        heard = set(_CHANNELS) if audience.is_new else heard
        flow_is_due = flow_is_due or audience.is_new
        if not heard and not flow_is_due:
            return
        try:
            await self._read(audience.bulletin, heard, flow_is_due=flow_is_due)
        except ParkError as error:
            # What was not read is due again.
            audience.is_new = True
            _logger.warning("live stream could not read", extra={"reason": str(error)})
            return
        audience.is_new = False
        audience.wake()

    async def _read(self, bulletin: Bulletin, heard: set[str], *, flow_is_due: bool) -> None:
        with database_errors("reading for the live stream"):
            async with self._few, self._pool.connection() as conn:
                if REGISTRY in heard:
                    await bulletin.refresh_registry(conn)
                if SPANS in heard:
                    await bulletin.refresh_readings(conn)
                if heard & {NUMBERS, REGISTRY}:
                    await bulletin.refresh_kpis(conn)
                if heard & {ALARMS, REGISTRY}:
                    await bulletin.refresh_alarms(conn)
                if flow_is_due:
                    await bulletin.refresh_flow(conn)

    def _end_what_is_old(self, now_s: float) -> None:
        for audience in self._audiences.values():
            old = [one for one in audience.listeners if one.ends_s <= now_s and one.ending is None]
            for listener in old:
                listener.ending = Ending.RENEW
            if old:
                audience.wake()
        idle = sorted((one.left_s, user.name, user) for user, one in self._audiences.items() if not one.listeners)
        for at, (left_s, _, user) in enumerate(idle):
            if left_s + _KEPT_S < now_s or len(idle) - at > _MOST_KEPT:
                del self._audiences[user]

    async def _look_at_logins(self) -> None:
        """End the streams of those whose token or login does not hold any more, or who may see something else than before."""
        if time.monotonic() < self._logins_s + _LOGINS_S or not self.listeners:
            return
        self._logins_s = time.monotonic()
        known: dict[tuple[bytes, bool], Identity | None] = {}
        try:
            with database_errors("looking who may still listen"):
                async with self._auth.connection() as conn:
                    for listener in self._open():
                        login = listener.identity.hash, listener.identity.via == "session"
                        if login not in known:
                            known[login] = await resolve(conn, login[0], of_cookie=login[1])
                        listener.ending = listener.ending or _ending(listener.identity, known[login])
        except ParkError as error:
            self._logins_s = 0.0
            _logger.warning("live stream could not look who may listen", extra={"reason": str(error)})
        for audience in self._audiences.values():
            if any(one.ending for one in audience.listeners):
                audience.wake()

    def _open(self) -> Iterator[Listener]:
        for audience in list(self._audiences.values()):
            yield from [one for one in audience.listeners if one.ending is None]


def _ending(before: Identity, now: Identity | None) -> Ending | None:
    if now is None or now.must_change or Scope.READ not in now.scopes:
        return Ending.LOGIN
    return None if now.user == before.user else Ending.GRANTS


def _hello(user: User, *, resumed: bool) -> bytes:
    contents = {"user": user.name, "role": user.role.value, "resumed": resumed}
    return event("hello", json.dumps(contents, separators=(",", ":")).encode(), retry_ms=Ending.wait_ms(1.0))
