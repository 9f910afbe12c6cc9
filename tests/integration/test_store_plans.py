"""Hot queries open only the chunks of the time they ask for, through the API's views too. TimescaleDB only."""

from typing import Any

import numpy as np
import psycopg
import pytest

from domain.time import DAY_US, Level, to_datetime
from store.arrays import instants, integers
from store.connection import Role, connect
from store.keys import time_bounds
from store.readings import ReadingSink
from store.statements import query
from store.users import UserRole, create_user
from tests.support.databases import NOON_US, apply_to, batch_of, channel, meter, park_file, tenant

WEEKS = 30
SPAN_US = np.array([NOON_US])


@pytest.fixture
def channel_id(timescale_url: str) -> int:
    """A channel with readings and amounts in thirty weeks."""
    number = apply_to(timescale_url, park_file(tenant("a", meter("m", channel("ph")))))["a/m/ph"]
    sink = ReadingSink(timescale_url)
    sink.write(batch_of([(number, NOON_US - week * 7 * DAY_US, 1.0) for week in range(WEEKS)]))
    sink.close()
    with connect(timescale_url, Role.WRITE) as conn:
        conn.execute(
            "INSERT INTO amount (channel_id, level, start, measured_s, estimated, inner_gap_s, gap_s, slots, flags, revision, computed_at)"
            " SELECT channel_id, 0, ts, 900, 0, 0, 0, 1, 0, 0, now() FROM reading"
        )
    with connect(timescale_url, Role.AUTH) as conn:
        create_user(conn, "op", UserRole.OPERATOR, parks=["p"])
    return number


def chunks_of(plan: object) -> set[str]:
    """Names of the chunks a plan of EXPLAIN (FORMAT JSON) reads."""
    if isinstance(plan, list):
        return set().union(*(chunks_of(part) for part in plan))
    if not isinstance(plan, dict):
        return set()
    name = str(plan.get("Relation Name", ""))
    return set().union({name} if name.startswith("_hyper_") else set(), *(chunks_of(part) for part in plan.values()))


def opened(conn: psycopg.Connection[Any], name: str, parameters: dict[str, Any]) -> int:
    """How many chunks a named query opens."""
    plan = conn.execute(b"EXPLAIN (FORMAT JSON) " + query(name), parameters).fetchone()
    assert plan is not None
    return len(chunks_of(plan[0]))


def asked(channel_id: int) -> dict[str, Any]:
    """A day of one channel."""
    return {
        "channel_id": integers(np.array([channel_id])),
        "start": to_datetime(NOON_US - DAY_US // 2),
        "stop": to_datetime(NOON_US + DAY_US // 2),
        "level": int(Level.BASE),
        "after_channel": None,
        "after_ts": None,
        "limit": 100,
    }


def test_there_are_many_chunks(timescale_url: str, channel_id: int) -> None:
    with connect(timescale_url, Role.WRITE) as conn:
        everything = asked(channel_id) | {"start": to_datetime(0)}

        assert opened(conn, "readings_page", everything) >= WEEKS


def test_a_recent_span_does_not_open_the_chunks_of_the_past(timescale_url: str, channel_id: int) -> None:
    edges = (SPAN_US - 8 * DAY_US, SPAN_US + DAY_US)
    parameters = {
        "number": integers(np.array([0])),
        "channel_id": integers(np.array([channel_id])),
        "from_ts": instants(SPAN_US),
        "to_ts": instants(SPAN_US + 1),
        "lowest": instants(edges[0]),
        "highest": instants(edges[1]),
        "wanted": 3,
        **time_bounds(np.append(*edges)),
    }

    with connect(timescale_url, Role.WRITE) as conn:
        assert 1 <= opened(conn, "around_readings", parameters) <= 3


def test_what_is_stored_for_new_keys_is_looked_up_in_their_chunks(timescale_url: str, channel_id: int) -> None:
    parameters = {
        "batch": 1,
        "place": integers(np.array([0])),
        "channel_id": integers(np.array([channel_id])),
        "ts": instants(SPAN_US),
        **time_bounds(SPAN_US),
    }

    with connect(timescale_url, Role.WRITE) as conn:
        assert opened(conn, "readings_stored", parameters) == 1


@pytest.mark.parametrize("name", ["readings_page", "amounts_read"])
def test_the_engine_and_the_api_read_a_day_from_its_chunk(timescale_url: str, channel_id: int, name: str) -> None:
    with connect(timescale_url, Role.WRITE) as conn:
        by_engine = opened(conn, name, asked(channel_id))
    with connect(timescale_url, Role.API) as conn:
        conn.execute(query("asking"), {"user": "op"})
        by_api = opened(conn, name, asked(channel_id))

    assert by_engine == by_api == 1
