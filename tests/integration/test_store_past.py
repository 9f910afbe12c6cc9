"""Readings as they were known at a moment, read through the API's views."""

from typing import Any

import numpy as np
import pytest

from domain.time import DAY_US, HOUR_US, to_datetime
from store.arrays import instants, integers
from store.connection import Role, connect, open_pool
from store.keys import time_bounds
from store.past import readings_around_then, readings_then
from store.readings import ReadingSink
from store.users import UserRole, create_user
from tests.integration.test_store_plans import channel_id, opened
from tests.support.databases import NOON_US, apply_to, batch_of, channel, meter, park_file, tenant

__all__ = ["channel_id"]

Told = list[tuple[int, float, int]]
"""(ts_us, value, received_us)"""


@pytest.fixture
def ph(kawasan_url: str) -> int:
    number = apply_to(kawasan_url, park_file(tenant("a", meter("m", channel("ph"))), tenant("b")))["a/m/ph"]
    with connect(kawasan_url, Role.AUTH) as conn:
        create_user(conn, "op", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "stranger", UserRole.TENANT, tenants=["p/b"])
    return number


def store(url: str, number: int, told: Told) -> None:
    sink = ReadingSink(url)
    for received_us in sorted({row[2] for row in told}):
        rows = [(number, ts_us, value) for ts_us, value, at in told if at == received_us]
        sink.write(batch_of(rows, received_us=received_us))
    sink.close()


async def around(url: str, number: int, span: tuple[int, int], margin: int, as_of_us: int, *, user: str = "op") -> Any:
    spans = (np.array([number], dtype=np.int32), np.array([span[0]]), np.array([span[1]]))
    async with open_pool(url, Role.API) as pool, pool.connection() as conn:
        return await readings_around_then(conn, user, spans, margin, as_of_us=as_of_us)


async def test_neighbours_are_those_that_had_come_by_then(kawasan_url: str, ph: int) -> None:
    # Beside the span many came later; those that had come by then are days away.
    late = [(NOON_US - step * 1000, 1.0, NOON_US + DAY_US) for step in range(1, 400)]
    early = [(NOON_US - day * DAY_US, 7.0, NOON_US) for day in range(5)]
    store(kawasan_url, ph, [*late, *early])

    readings, before, after = await around(kawasan_url, ph, (NOON_US, NOON_US), 2, NOON_US)

    assert readings.ts_us.tolist() == [NOON_US - 2 * DAY_US, NOON_US - DAY_US, NOON_US]
    assert (before.tolist(), after.tolist()) == ([False], [True])


@pytest.mark.parametrize("seed", range(6))
async def test_what_was_known_equals_a_plain_reading_of_what_had_come(kawasan_url: str, ph: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.unique(NOON_US + random.integers(-30, 30, 80) * (DAY_US // 4))
    received = NOON_US + random.integers(0, 4, len(times)) * HOUR_US
    told = [(int(ts), float(place), int(at)) for place, (ts, at) in enumerate(zip(times, received, strict=True))]
    second = [(ts, value + 0.5, at + 1 - 2 * HOUR_US * (place % 2)) for place, (ts, value, at) in enumerate(told[::5])]
    store(kawasan_url, ph, [*told, *second])
    span = (NOON_US - 3 * DAY_US, NOON_US + 2 * DAY_US)
    as_of_us = NOON_US + int(random.integers(-1, 5)) * HOUR_US

    readings, before, after = await around(kawasan_url, ph, span, 3, as_of_us)

    claims: dict[int, set[float]] = {}
    for ts, value, at in (*told, *second):
        if at <= as_of_us:
            claims.setdefault(ts, set()).add(value)
    known = sorted(claims)
    earlier, later = [ts for ts in known if ts < span[0]], [ts for ts in known if ts > span[1]]
    wanted = [*earlier[-3:], *(ts for ts in known if span[0] <= ts <= span[1]), *later[:3]]
    assert readings.ts_us.tolist() == wanted
    assert readings.conflict.tolist() == [len(claims[ts]) > 1 for ts in wanted]
    for ts, value, contended in zip(wanted, readings.value.tolist(), readings.conflict.tolist(), strict=True):
        assert contended or claims[ts] == {value}
    assert (before.tolist(), after.tolist()) == ([len(earlier) <= 3], [len(later) <= 3])


async def test_nothing_of_a_channel_that_one_may_not_see_was_ever_known(kawasan_url: str, ph: int) -> None:
    store(kawasan_url, ph, [(NOON_US, 7.0, NOON_US)])

    readings, _, _ = await around(kawasan_url, ph, (NOON_US, NOON_US), 2, NOON_US + HOUR_US, user="stranger")

    assert len(readings) == 0
    async with open_pool(kawasan_url, Role.API) as pool, pool.connection() as conn:
        for user, count in (("stranger", 0), ("op", 1)):
            page = await readings_then(conn, user, ph, NOON_US, NOON_US + 1, as_of_us=NOON_US)
            assert len(page) == count


@pytest.mark.parametrize("name", ["past_around", "past_page"])
def test_the_past_of_a_day_opens_the_chunk_of_that_day_only(timescale_url: str, channel_id: int, name: str) -> None:
    low, high = np.array([NOON_US - DAY_US // 2]), np.array([NOON_US + DAY_US // 2])
    parameters: dict[str, Any] = {
        "number": integers(np.array([0])),
        "channel_id": integers(np.array([channel_id])) if name == "past_around" else channel_id,
        "from_ts": instants(np.array([NOON_US])),
        "to_ts": instants(np.array([NOON_US])),
        "lowest": instants(low),
        "highest": instants(high),
        "wanted": 9,
        "limit": 9,
        "start": to_datetime(int(low[0])),
        "stop": to_datetime(int(high[0])),
        "as_of": to_datetime(NOON_US + DAY_US),
        **time_bounds(np.concatenate([low, high])),
    }
    with connect(timescale_url, Role.API) as conn:
        conn.execute("SELECT set_config('kawasan.user', 'op', false)")

        assert opened(conn, name, parameters) <= 1
