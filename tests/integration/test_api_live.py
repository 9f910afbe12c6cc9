"""The live stream: everything first, then what is new; going on where one was; filters; and its end."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing

import psycopg
import pytest

from service.api.board import Kind, Selection
from store import ReadingSink, Role, connect
from store.users import disable_user, drop_token
from tests.support.databases import batch_of
from tests.support.served import Api, api, filled_template
from tests.support.streams import DEADLINE_S, Event, has, streaming

__all__ = ["api", "filled_template"]

POWER = "p/alpha/main/power"
READINGS = Selection(kinds=frozenset({Kind.READINGS}))


def write_power(url: str, value: float) -> None:
    """A new reading of alpha's power, now."""
    with connect(url, Role.WRITE) as conn:
        row = conn.execute("SELECT id FROM channel WHERE quantity = 'power'").fetchone()
    assert row is not None
    sink = ReadingSink(url)
    now_us = time.time_ns() // 1000
    sink.write(batch_of([(row[0], now_us, value)], source="p/alpha", received_us=now_us))
    sink.close()


def newest_power(events: list[Event]) -> list[float]:
    return [
        row["value"] for event in events if event.name == "readings" for row in event.values if row["channel"] == POWER
    ]


async def test_the_stream_tells_first_everything_and_then_what_is_new(api: Api) -> None:
    async with streaming(api.url) as streams:
        begun = asyncio.Event()

        def is_enough(events: list[Event]) -> bool:
            if has("readings")(events):
                begun.set()
            return has("readings", 2)(events)

        task = asyncio.create_task(streams.until("tenant", is_enough))
        await begun.wait()
        await asyncio.to_thread(write_power, api.url, 77.0)
        told = [event for event in await task if event.name == "readings"]

    assert {row["channel"] for row in told[0].values} == {"p/alpha/main/energy_import", POWER}
    assert [(row["channel"], row["value"]) for row in told[1].values] == [(POWER, 77.0)]


async def test_who_comes_back_soon_is_told_what_changed_meanwhile_and_nothing_else(api: Api) -> None:
    async with streaming(api.url) as streams:
        before = await streams.until("tenant", has("readings"), READINGS)
        await asyncio.to_thread(write_power, api.url, 78.0)

        after = await streams.until("tenant", has("readings"), READINGS, before[-1].id)

    assert [event.contents["resumed"] for event in (before[0], after[0])] == [False, True]
    assert [(row["channel"], row["value"]) for row in after[-1].values] == [(POWER, 78.0)]


@pytest.mark.parametrize("theirs", ["another user's", "another server's", "forged"])
async def test_an_id_that_is_not_of_this_stream_is_told_everything_anew(api: Api, theirs: str) -> None:
    async with streaming(api.url) as streams, streaming(api.url) as elsewhere:
        if theirs == "another user's":
            last_id = (await streams.until("operator", has("readings"), READINGS))[-1].id
        elif theirs == "another server's":
            last_id = (await elsewhere.until("tenant", has("readings"), READINGS))[-1].id
        else:
            last_id = "0" * 16 + "-1"

        told = await streams.until("tenant", has("readings"), READINGS, last_id)

    assert told[0].contents["resumed"] is False
    assert {row["channel"] for row in told[-1].values} == {"p/alpha/main/energy_import", POWER}


def is_at(value: float) -> Callable[[list[Event]], bool]:
    return lambda events: newest_power(events)[-1:] == [value]


async def test_one_who_does_not_read_is_told_the_newest_of_each_and_not_what_was_before(api: Api) -> None:
    async with streaming(api.url) as streams:
        identity = await streams.who("token-of-tenant")
        async with aclosing(streams.live.events(identity, READINGS)) as slow:  # type: ignore[type-var]
            await anext(slow)
            for value in (1.0, 2.0, 3.0):
                await asyncio.to_thread(write_power, api.url, value)
                await streams.until("tenant", is_at(value), READINGS)
            piece = (await anext(slow)).decode()

    assert '"value":3.0' in piece
    assert '"value":1.0' not in piece


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"park": "q"}, "park q"),
        ({"subject": "park:p"}, "subject park:p"),
        ({"subject": "tenant:p/beta"}, "subject tenant:p/beta"),
        ({"subject": "tenant:q/x"}, "subject tenant:q/x"),
        ({"channel": "p/beta/main/energy_import"}, "channel p/beta/main/energy_import"),
        ({"channel": "nothing"}, "channel nothing"),
    ],
)
async def test_a_filter_by_what_one_may_not_see_is_answered_as_what_there_is_not(
    api: Api, query: dict[str, str], name: str
) -> None:
    answer = await api.api("live", "tenant", **query)

    assert (answer.status, answer.body["detail"]) == (404, f"{name} does not exist, or you may not see it")


async def test_an_event_that_there_is_not_is_refused(api: Api) -> None:
    answer = await api.api("live", "tenant", event="everything")

    assert answer.status == 422
    assert "readings" in answer.body["detail"]


async def test_a_stream_of_one_channel_tells_of_nothing_else(api: Api) -> None:
    async with streaming(api.url) as streams:
        task = asyncio.create_task(
            streams.until(
                "operator", lambda found: len(newest_power(found)) == 2, Selection(channels=frozenset({POWER}))
            )
        )
        await streams.until("operator", has("flow", 2))
        await asyncio.to_thread(write_power, api.url, 5.0)
        told = await task

    assert {event.name for event in told} == {"hello", "readings"}
    assert {row["channel"] for event in told[1:] for row in event.values} == {POWER}


async def test_streams_end_when_the_server_stops_and_say_when_to_come_back(api: Api) -> None:
    async with streaming(api.url) as streams:
        stream = streams.read("operator")
        await anext(stream)
        assert streams.live.listeners == 1
        began_s = time.monotonic()
        streams.live.stopping.set()

        ended = [event async for event in stream]

    assert ended[-1].contents == {"reason": "stopping"}
    assert ended[-1].retry_ms is not None
    assert ended[-1].retry_ms >= 1000
    assert streams.live.listeners == 0
    assert time.monotonic() - began_s < 2.0


def revoke(url: str) -> None:
    with connect(url, Role.AUTH) as conn:
        drop_token(conn, "tenant", label="test")


def disable(url: str) -> None:
    with connect(url, Role.AUTH) as conn:
        disable_user(conn, "tenant")


def ungrant(url: str) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("DELETE FROM user_tenant")


@pytest.mark.parametrize(("take_away", "reason"), [(revoke, "login"), (disable, "login"), (ungrant, "grants")])
async def test_a_stream_ends_within_seconds_when_its_user_may_not_see_it_any_more(
    api: Api, take_away: Callable[[str], None], reason: str
) -> None:
    async with streaming(api.url) as streams:
        task = asyncio.create_task(streams.until("tenant", has("bye")))
        await streams.until("tenant", has("readings"))
        began_s = time.monotonic()
        await asyncio.to_thread(take_away, api.url)

        told = await task

    assert told[-1].contents == {"reason": reason}
    assert time.monotonic() - began_s < DEADLINE_S / 4


async def test_one_user_cannot_take_all_streams(api: Api) -> None:
    async with streaming(api.url, most_streams=1) as streams:
        identity = await streams.who("token-of-tenant")
        streams.live.admit(identity.user)
        stream = streams.read("tenant")
        await anext(stream)

        with pytest.raises(Exception, match="as many as may be"):
            streams.live.admit(identity.user)
        streams.live.admit((await streams.who("token-of-operator")).user)
