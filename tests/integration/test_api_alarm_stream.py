"""Alarms in the live stream: those that stand, each change of one, and only what the user may see."""

import asyncio
from typing import Any

from service.api.board import Kind, Selection
from tests.support.alarm_served import alarms, sent
from tests.support.served import Api
from tests.support.streams import Event, streaming

__all__ = ["alarms"]

ALARMS = Selection(kinds=frozenset({Kind.ALARM}))

Alarms = tuple[Api, dict[str, int]]


def rows(events: list[Event]) -> list[dict[str, Any]]:
    return [row for event in events if event.name == "alarm" for row in event.values]


async def test_a_stream_begins_with_the_alarms_that_stand_and_tells_what_becomes_of_them(alarms: Alarms) -> None:
    api, ids = alarms
    async with streaming(api.url) as streams:
        begun = asyncio.Event()

        def is_enough(events: list[Event]) -> bool:
            if len(rows(events)) >= 4:
                begun.set()
            return len(rows(events)) == 5

        listening = asyncio.create_task(streams.until("operator", is_enough, ALARMS))
        own = rows(await streams.until("tenant", lambda events: bool(rows(events)), ALARMS))
        await begun.wait()
        await sent(api, "POST", f"alarms/{ids['cod-limit']}/acts", {"act": "acknowledge"}, if_match="*")
        told = rows(await listening)
        late = rows(await streams.until("operator", lambda events: len(rows(events)) == 3, ALARMS))

    assert {row["rule"] for row in own} == {"power-high"}
    assert {row["rule"] for row in told[:4]} == {"cod-limit", "ph-low", "power-high", "lag"}
    assert [(row["rule"], row["state"], row["version"]) for row in told[4:]] == [("cod-limit", "normal", 2)]
    assert {row["rule"] for row in late} == {"ph-low", "power-high", "lag"}
