"""Live streams in tests: over a database, as one of its users, with what they tell taken apart."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from service.api.board import EVERYTHING, Selection
from service.api.freshness import Freshness
from service.api.live import LiveStream
from store import Role, open_pool
from store.identity import Identity, resolve
from store.users import token_hash
from tests.support.served import TOKENS

DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a stream."""

    name: str
    id: str
    contents: Any
    retry_ms: int | None = None

    @property
    def values(self) -> list[dict[str, Any]]:
        """Its rows."""
        values: list[dict[str, Any]] = self.contents["values"]
        return values


def events_in(text: str) -> list[Event]:
    """The events of a part of a stream that ends with one; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            retry_ms = int(fields["retry"]) if "retry" in fields else None
            found.append(
                Event(
                    name=fields["event"],
                    id=fields.get("id", ""),
                    contents=json.loads(fields["data"]),
                    retry_ms=retry_ms,
                )
            )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """A running live stream."""

    live: LiveStream
    who: Callable[[str], Awaitable[Identity]]
    """Whose a token is."""

    async def read(self, role: str, selection: Selection = EVERYTHING, last_id: str = "") -> AsyncIterator[Event]:
        """Events that one of the users of :data:`TOKENS` is told."""
        identity = await self.who(TOKENS[role])
        async with aclosing(self.live.events(identity, selection, last_id)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                for event in events_in(piece.decode()):
                    yield event

    async def until(
        self,
        role: str,
        is_enough: Callable[[list[Event]], bool],
        selection: Selection = EVERYTHING,
        last_id: str = "",
    ) -> list[Event]:
        """Events from the beginning of a stream until they are enough."""
        found: list[Event] = []
        async with asyncio.timeout(DEADLINE_S), aclosing(self.read(role, selection, last_id)) as events:  # type: ignore[type-var]
            async for event in events:
                found.append(event)
                if is_enough(found):
                    return found
        raise AssertionError(f"the stream ended with {found[-1:]}")


@asynccontextmanager
async def streaming(url: str, *, most_streams: int = 100) -> AsyncIterator[Streams]:
    """A live stream over a database."""
    async with open_pool(url, Role.API) as pool, open_pool(url, Role.AUTH) as auth:

        async def who(token: str) -> Identity:
            async with auth.connection() as conn:
                found = await resolve(conn, token_hash(token), of_cookie=False)
            assert found is not None
            return found

        freshness = Freshness(url)
        live = LiveStream(freshness, pool, auth, most_streams=most_streams)
        async with freshness.running(), live.running():
            yield Streams(live=live, who=who)


def has(name: str, count: int = 1) -> Callable[[list[Event]], bool]:
    """Whether so many events of a name have come."""
    return lambda events: sum(event.name == name for event in events) >= count
