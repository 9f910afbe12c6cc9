"""The engine's queue."""

import threading
import time
from typing import Any

import psycopg
from psycopg import Connection

from domain.readings import Span
from domain.time import DAY_US
from store.connection import Role, connect
from store.spans import (
    append_spans,
    append_tick,
    faults,
    lock_park,
    pending_spans,
    resolve_fault,
    set_fault,
    set_ticked_to,
    take_spans,
)
from tests.support.databases import MINUTE_US, NOON_US, apply_to, channel, meter, park_file, tenant


def span(channel_id: int, from_us: int, to_us: int | None = None) -> Span:
    return Span(channel_id=channel_id, from_us=from_us, to_us=from_us if to_us is None else to_us)


def test_what_overlaps_is_taken_as_one_span(conn: Connection[Any], channels: list[int]) -> None:
    one, other = channels
    append_spans(
        conn,
        [
            span(other, NOON_US, NOON_US + 4),
            span(one, NOON_US + 5, NOON_US + 9),
            span(one, NOON_US, NOON_US + 6),
            span(one, NOON_US + 20, NOON_US + 20),
        ],
    )

    taken = take_spans(conn, 1, 1000)

    assert taken.channel_id.tolist() == [one, one, other]
    assert (taken.from_us - NOON_US).tolist() == [0, 20, 0]
    assert (taken.to_us - NOON_US).tolist() == [9, 20, 4]
    assert (taken.rows, taken.tick_us, taken.remaining) == (4, None, False)


def test_the_newest_come_first_and_a_tenth_is_kept_for_the_oldest(conn: Connection[Any], channels: list[int]) -> None:
    append_spans(conn, [span(channels[0], NOON_US + day * DAY_US) for day in range(30)])

    taken = take_spans(conn, 1, 10)

    assert ((taken.from_us - NOON_US) // DAY_US).tolist() == [0, *range(21, 30)]
    assert taken.remaining


def test_a_span_longer_than_the_limit_is_taken_alone(conn: Connection[Any], channels: list[int]) -> None:
    append_spans(conn, [span(channels[0], NOON_US, NOON_US + 5000 * MINUTE_US), span(channels[0], NOON_US - DAY_US)])

    taken = take_spans(conn, 1, 9)

    assert (taken.to_us - taken.from_us).tolist() == [5000 * MINUTE_US]


def test_all_is_taken_in_the_end_and_nothing_twice(conn: Connection[Any], channels: list[int]) -> None:
    append_spans(conn, [span(which, NOON_US + day * DAY_US) for which in channels for day in range(25)])
    seen: list[tuple[int, int]] = []
    while True:
        taken = take_spans(conn, 1, 7)
        if not taken.rows:
            break
        seen.extend(zip(taken.channel_id.tolist(), taken.from_us.tolist(), strict=True))

    assert len(seen) == len(set(seen)) == 50


def test_what_was_taken_comes_back_if_the_cycle_is_rolled_back(conn: Connection[Any], channels: list[int]) -> None:
    append_spans(conn, [span(channels[0], NOON_US)])
    conn.commit()
    take_spans(conn, 1, 10)

    conn.rollback()

    assert take_spans(conn, 1, 10).rows == 1


def test_all_ticks_are_taken_and_the_latest_counts(conn: Connection[Any]) -> None:
    for tick_us in (NOON_US, NOON_US + 2, NOON_US + 1):
        append_tick(conn, 1, tick_us)

    taken = take_spans(conn, 1, 1)

    assert (taken.tick_us, taken.rows, len(taken.channel_id)) == (NOON_US + 2, 3, 0)


def test_a_park_is_ticked_forward_only(conn: Connection[Any], kawasan_url: str) -> None:
    set_ticked_to(conn, 1, NOON_US)
    set_ticked_to(conn, 1, NOON_US - 1)
    conn.commit()

    with psycopg.connect(kawasan_url) as own:
        row = own.execute("SELECT ticked_to = to_timestamp(%s) FROM park", [NOON_US // 1_000_000]).fetchone()
    assert row == (True,)


def test_the_queue_tells_how_much_waits_and_how_long(conn: Connection[Any], channels: list[int]) -> None:
    empty = pending_spans(conn, 1)
    append_spans(conn, [span(channels[0], NOON_US), span(channels[1], NOON_US)])

    waiting, seconds = pending_spans(conn, 1)

    assert empty == (0, 0.0)
    assert waiting == 2
    assert 0.0 <= seconds < 60.0


def test_other_parks_spans_are_left_alone(kawasan_url: str, conn: Connection[Any], channels: list[int]) -> None:
    other = apply_to(kawasan_url, park_file(tenant("b", meter("m", channel("ph"))), key="q"))
    append_spans(conn, [span(channels[0], NOON_US), span(other["b/m/ph"], NOON_US)])

    taken = take_spans(conn, 2, 10)

    assert taken.channel_id.tolist() == [other["b/m/ph"]]
    assert not taken.remaining


def test_a_second_engine_of_a_park_waits_for_the_first(kawasan_url: str, conn: Connection[Any]) -> None:
    lock_park(conn, 1)
    entered = threading.Event()

    def second() -> None:
        with connect(kawasan_url, Role.WRITE, application="second") as own:
            lock_park(own, 1)
            entered.set()

    thread = threading.Thread(target=second)
    thread.start()
    with psycopg.connect(kawasan_url, autocommit=True) as watching:
        deadline = time.monotonic() + 20.0
        while not waits(watching):
            assert time.monotonic() < deadline, "the second engine did not come to the lock"
    was_waiting = not entered.is_set()
    conn.commit()
    thread.join(timeout=20)

    assert was_waiting
    assert entered.is_set()


def waits(conn: psycopg.Connection[Any]) -> bool:
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'second' AND wait_event_type = 'Lock'"
    ).fetchone()
    return row is not None and row[0] == 1


def test_engines_of_two_parks_do_not_wait_for_each_other(kawasan_url: str, conn: Connection[Any]) -> None:
    lock_park(conn, 1)

    with connect(kawasan_url, Role.WRITE) as other:
        other.execute("SET lock_timeout = '2s'")
        lock_park(other, 2)


def test_a_fault_is_listed_until_it_is_resolved_and_then_queued_again(
    conn: Connection[Any], channels: list[int]
) -> None:
    number = set_fault(conn, 1, channels[0], "bad\0 luck", from_us=NOON_US, to_us=NOON_US + 5)
    listed = faults(conn, 1)
    resolve_fault(conn, number)
    resolve_fault(conn, number)

    assert [(fault.id, fault.channel_id, fault.from_us, fault.to_us, fault.error) for fault in listed] == [
        (number, channels[0], NOON_US, NOON_US + 5, "bad\\x00 luck")
    ]
    assert faults(conn, 1) == ()
    taken = take_spans(conn, 1, 10)
    assert (taken.channel_id.tolist(), taken.rows) == ([channels[0]], 1)
