"""The outbox in the database: nothing lost, nothing taken twice at once, every attempt recorded; and measurements of health."""

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection, Connection

from domain.errors import InputError
from domain.notifications import Delivery, Notification, Outcome, Way
from domain.time import HOUR_US
from store.alarmlists import read_attempts, read_notifications
from store.connection import Role, connect, open_pool
from store.health import HealthSample, add_health, health_between
from store.outbox import claim, enqueue, lags, next_due_us, postpone, record, sent_since
from store.signals import Signals
from tests.support.alarm_store import with_users
from tests.support.databases import MINUTE_US, NOON_US

LEASE_S = 60.0
SENT = Delivery(outcome=Outcome.SENT, detail="250 accepted")
RETRY = Delivery(outcome=Outcome.RETRY, detail="connection refused")
REFUSED = Delivery(outcome=Outcome.REFUSED, detail="550 no such user")


@pytest.fixture
def url(kawasan_url: str) -> str:
    """A database with a park."""
    with_users(kawasan_url)
    return kawasan_url


@pytest.fixture
def conn(url: str) -> Iterator[Connection[Any]]:
    """A worker's connection."""
    with connect(url, Role.WRITE, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def asked(url: str, conn: Connection[Any]) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of the API."""
    assert conn
    async with open_pool(url, Role.API) as pool, pool.connection() as asked:
        yield asked


def message(key: str, **rest: Any) -> Notification:
    return Notification(
        **{
            "contact": "officer",
            "way": Way.EMAIL,
            "address": "officer@example.com",
            "subject": "COD",
            "body": "COD of the outlet: 150 mg/L",
            "payload": '{"b": 1, "a": 2}',
            "dedup_key": key,
            "not_before_us": NOON_US,
            "urgent": False,
            **rest,
        }
    )


def put(conn: Connection[Any], *messages: Notification) -> int:
    return enqueue(conn, 1, messages, [None] * len(messages))


def taken(conn: Connection[Any], now_us: int = NOON_US, limit: int = 10, way: Way = Way.EMAIL) -> list[str]:
    return [one.notification.dedup_key for one in claim(conn, way, limit, LEASE_S, now_us=now_us)]


def test_a_notification_comes_out_as_it_was_put_in(conn: Connection[Any]) -> None:
    put(conn, message("k", urgent=True))

    (claimed,) = claim(conn, Way.EMAIL, 10, LEASE_S, now_us=NOON_US)

    assert claimed.notification == message("k", urgent=True)
    assert (claimed.park, claimed.park_id, claimed.attempts, claimed.alarm_id) == ("p", 1, 0, None)


def test_what_was_put_in_once_is_left_out(conn: Connection[Any]) -> None:
    assert put(conn, message("a"), message("b")) == 2
    assert put(conn, message("b", body="other"), message("c"), message("c")) == 1
    assert put(conn) == 0

    assert sorted(taken(conn)) == ["a", "b", "c"]
    with pytest.raises(InputError, match="1 notifications come with 2 transitions"):
        enqueue(conn, 1, [message("x")], [None, None])


def test_what_rolls_back_was_never_put_in(url: str, conn: Connection[Any]) -> None:
    with connect(url, Role.WRITE) as other:
        put(other, message("a"))
        other.rollback()

    assert put(conn, message("a")) == 1


def test_the_worker_is_told_at_the_commit(url: str, conn: Connection[Any]) -> None:
    with Signals(url, "kawasan_outbox") as signals:
        put(conn, message("a"))

        assert signals.wait(5.0, threading.Event()) == ("kawasan_outbox",)


def test_what_is_due_is_taken_the_urgent_first(conn: Connection[Any]) -> None:
    put(
        conn,
        message("later", not_before_us=NOON_US + MINUTE_US),
        message("second"),
        message("first", urgent=True),
        message("other", way=Way.MQTT),
    )

    assert next_due_us(conn) == NOON_US
    assert taken(conn, limit=1) == ["first"]
    assert taken(conn) == ["second"]
    assert taken(conn) == []
    assert taken(conn, way=Way.MQTT) == ["other"]
    assert taken(conn, NOON_US + MINUTE_US + 1)[-1:] == ["later"]


def test_nobody_takes_what_another_holds_and_what_is_never_recorded_comes_again(
    url: str, conn: Connection[Any]
) -> None:
    put(conn, message("a"), message("b"))
    with connect(url, Role.WRITE) as other:
        assert taken(other, limit=1) == ["a"]
        # It is held by a transaction that has not ended: passed over, and nobody waits.
        assert taken(conn) == ["b"]

    assert taken(conn, NOON_US + 59_000_000) == []
    assert taken(conn, NOON_US + 60_000_000) == ["a", "b"]


def test_workers_at_once_take_each_notification_once(url: str, conn: Connection[Any]) -> None:
    put(conn, *(message(str(number)) for number in range(200)))
    found: list[str] = []

    def work() -> None:
        with connect(url, Role.WRITE, autocommit=True) as own:
            while keys := taken(own, limit=7):
                found.extend(keys)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(found, key=int) == [str(number) for number in range(200)]


@pytest.mark.parametrize(
    ("delivery", "retry_us", "state"),
    [(SENT, None, "sent"), (REFUSED, None, "refused"), (RETRY, None, "given_up")],
)
async def test_what_became_of_a_notification_is_shown(
    asked: AsyncConnection[Any], conn: Connection[Any], delivery: Delivery, retry_us: int | None, state: str
) -> None:
    put(conn, message("a"))
    (claimed,) = claim(conn, Way.EMAIL, 10, LEASE_S, now_us=NOON_US)
    record(conn, claimed.id, RETRY, at_us=NOON_US + 1, retry_us=NOON_US + MINUTE_US)
    (again,) = claim(conn, Way.EMAIL, 10, LEASE_S, now_us=NOON_US + MINUTE_US)

    record(conn, again.id, delivery, at_us=NOON_US + MINUTE_US, retry_us=retry_us)

    (row,) = await read_notifications(asked, "operator", state=state, contact="officer", park="p")
    assert (again.attempts, row.attempts, row.last_detail) == (1, 2, delivery.detail)
    assert (row.sent_at is not None) is (delivery is SENT)
    attempts = await read_attempts(asked, "operator", row.id)
    assert [(one.outcome, one.detail) for one in attempts] == [
        ("retry", "connection refused"),
        (delivery.outcome.value, delivery.detail),
    ]
    assert await read_attempts(asked, "tenant", row.id) == ()
    assert taken(conn, NOON_US + HOUR_US) == []


def test_what_was_sent_stays_sent_whatever_a_slow_worker_records_later(conn: Connection[Any]) -> None:
    put(conn, message("a"))
    (claimed,) = claim(conn, Way.EMAIL, 10, LEASE_S, now_us=NOON_US)
    record(conn, claimed.id, SENT, at_us=NOON_US)

    record(conn, claimed.id, RETRY, at_us=NOON_US + 1, retry_us=NOON_US + 2)

    assert conn.execute("SELECT state, attempts FROM notification").fetchall() == [("sent", 1)]
    assert conn.execute("SELECT count(*) FROM notification_attempt").fetchone() == (2,)


def test_what_is_put_off_is_due_later_and_was_no_attempt(conn: Connection[Any]) -> None:
    put(conn, message("a"))
    (claimed,) = claim(conn, Way.EMAIL, 10, LEASE_S, now_us=NOON_US)

    postpone(conn, [claimed.id], NOON_US + HOUR_US)

    assert next_due_us(conn) == NOON_US + HOUR_US
    assert taken(conn, NOON_US + HOUR_US - 1) == []
    (again,) = claim(conn, Way.EMAIL, 10, LEASE_S, now_us=NOON_US + HOUR_US)
    assert again.attempts == 0


def test_what_was_sent_to_whom_is_counted(conn: Connection[Any]) -> None:
    put(conn, message("a"), message("b"), message("c", contact="other"), message("d"))
    for number, claimed in enumerate(claim(conn, Way.EMAIL, 3, LEASE_S, now_us=NOON_US)):
        record(conn, claimed.id, SENT, at_us=NOON_US + number * HOUR_US)

    assert sent_since(conn, NOON_US) == {(1, "officer"): 2, (1, "other"): 1}
    assert sent_since(conn, NOON_US + 1) == {(1, "officer"): 1, (1, "other"): 1}
    (lag,) = lags(conn, now_us=NOON_US + MINUTE_US)
    assert (lag.way, lag.due, lag.oldest_s) == (Way.EMAIL, 1, 60.0)
    assert lags(conn, now_us=NOON_US - 1) == ()


def test_health_is_read_by_name_and_time_the_parks_own_first(conn: Connection[Any]) -> None:
    def sample(name: str, minute: int, value: float) -> HealthSample:
        return HealthSample(name=name, at_us=NOON_US + minute * MINUTE_US, value=value)

    add_health(conn, None, [sample("disk_free", 0, 0.5), sample("disk_free", 1, 0.4), sample("ingest_lag", 1, 9.0)])
    added = add_health(
        conn,
        1,
        [sample("ingest_lag", 1, 3.0), sample("ingest_lag", 0, 2.0), sample("disk_free", 2, float("nan"))],
    )
    again = add_health(conn, None, [sample("disk_free", 0, 0.9)])

    table = health_between(conn, 1, ["ingest_lag", "disk_free", "queue_rows"], NOON_US, NOON_US + 2 * MINUTE_US)

    assert (added, again) == (2, 0)
    assert table.name.tolist() == [0, 0, 1, 1]
    assert ((table.at_us - NOON_US) // MINUTE_US).tolist() == [0, 1, 0, 1]
    assert table.value.tolist() == [2.0, 3.0, 0.5, 0.4]
    assert len(health_between(conn, 1, [], NOON_US, NOON_US + HOUR_US)) == 0
