"""Alarms in the live stream: those that stand, each change of one, and only what the user may see."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

from service.api.freshness import Freshness
from service.api.live import LiveStream
from store import Role, open_pool
from store.users import User, UserRole
from tests.support.alarm_served import alarms, sent
from tests.support.served import Api

__all__ = ["alarms"]

DEADLINE_S = 20.0
OPERATOR = User(id=1, name="operator", role=UserRole.OPERATOR, parks=("p",), tenants=())
TENANT = User(id=2, name="tenant", role=UserRole.TENANT, parks=(), tenants=("p/alpha",))

Alarms = tuple[Api, dict[str, int]]


async def told(live: LiveStream, user: User, count: int, until: asyncio.Event | None = None) -> list[dict[str, Any]]:
    """Alarms of the first events about alarms, in order; says when the first has come."""
    found: list[dict[str, Any]] = []
    events = 0
    async with asyncio.timeout(DEADLINE_S), aclosing(live.events(user)) as stream:  # type: ignore[type-var]
        async for event in stream:
            if event.event == "alarm":
                events += 1
                found += json.loads(str(event.data))["values"]
                if until is not None:
                    until.set()
            if events == count:
                return found
    raise AssertionError(f"the stream ended before {count} events about alarms")


async def test_a_stream_begins_with_the_alarms_that_stand_and_tells_what_becomes_of_them(alarms: Alarms) -> None:
    api, ids = alarms
    async with open_pool(api.url, Role.API) as pool:
        freshness = Freshness(api.url)
        live = LiveStream(freshness, pool)
        async with freshness.running(), live.running():
            begun = asyncio.Event()
            listening = asyncio.create_task(told(live, OPERATOR, 2, begun))
            own = await told(live, TENANT, 1)
            await begun.wait()
            await sent(api, "POST", f"alarms/{ids['cod-limit']}/acts", {"act": "acknowledge"}, if_match="*")
            rows = await listening
            late = await told(live, OPERATOR, 1)

    assert {row["rule"] for row in own} == {"power-high"}
    assert {row["rule"] for row in rows[:4]} == {"cod-limit", "ph-low", "power-high", "lag"}
    assert [(row["rule"], row["state"], row["version"]) for row in rows[4:]] == [("cod-limit", "normal", 2)]
    assert {row["rule"] for row in late} == {"ph-low", "power-high", "lag"}
