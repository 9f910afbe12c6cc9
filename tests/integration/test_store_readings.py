"""Batches into the database: whatever is delivered, in whatever order and however often, ends in the same rows."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import DataError, Unavailable
from domain.readings import Batch, Outcome, Reason, Rejection
from domain.time import DAY_US
from store.connection import Role, connect
from store.readings import ReadingSink
from store.rejections import list_rejections, rejected_message, resolve_rejections
from tests.support.databases import (
    MINUTE_US,
    NOON_US,
    apply_to,
    batch_of,
    channel,
    meter,
    migrated_database,
    park_file,
    tenant,
)


@pytest.fixture
def channels(kawasan_url: str) -> list[int]:
    """Three channels: two exact ones, and one that shows steps of 0.1."""
    return make_channels(kawasan_url)


def make_channels(url: str) -> list[int]:
    ids = apply_to(
        url, park_file(tenant("a", meter("m", channel("ph"), channel("cod"), channel("power", resolution=0.1))))
    )
    return [ids["a/m/ph"], ids["a/m/cod"], ids["a/m/power"]]


@pytest.fixture
def sink(kawasan_url: str) -> Iterator[ReadingSink]:
    sink = ReadingSink(kawasan_url)
    yield sink
    sink.close()


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as conn:
        return conn.execute(query.encode()).fetchall()


def state_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that is kept of readings, but for when it came."""
    return {
        "conflicts": rows_of(url, "SELECT channel_id, ts, value, quality FROM reading_conflict ORDER BY 1, 2, 3, 4"),
        "unconflicted": rows_of(
            url,
            "SELECT channel_id, ts, value, quality FROM reading r WHERE NOT EXISTS (SELECT FROM reading_conflict c"
            " WHERE c.channel_id = r.channel_id AND c.ts = r.ts) ORDER BY 1, 2",
        ),
        "keys": rows_of(url, "SELECT channel_id, ts FROM reading ORDER BY 1, 2"),
        "latest": rows_of(url, "SELECT channel_id, ts FROM latest ORDER BY 1"),
        "days": rows_of(url, "SELECT channel_id, day, first_ts, last_ts, n FROM channel_day ORDER BY 1, 2"),
    }


def ledger_of(url: str) -> dict[str, int]:
    row = rows_of(url, "SELECT sum(stored), sum(duplicate), sum(conflict), sum(rejected) FROM ledger")[0]
    return dict(zip(("stored", "duplicate", "conflict", "rejected"), (int(n or 0) for n in row), strict=True))


def test_new_readings_are_stored(sink: ReadingSink, channels: list[int], kawasan_url: str) -> None:
    outcome = sink.write(batch_of([(channels[0], NOON_US + 1, 7.5, 4), (channels[1], NOON_US, -0.0)]))

    assert outcome == Outcome(stored=2)
    stored = rows_of(
        kawasan_url, "SELECT channel_id, value, quality, extract(microseconds FROM ts)::int % 60000000 FROM reading"
    )
    assert sorted(stored) == [(channels[0], 7.5, 4, 1), (channels[1], 0.0, 0, 0)]


@pytest.mark.parametrize("other_writer", [False, True])
def test_a_redelivered_batch_is_duplicates(
    sink: ReadingSink, channels: list[int], kawasan_url: str, *, other_writer: bool
) -> None:
    batch = batch_of([(channels[0], NOON_US + n, float(n)) for n in range(20)])
    sink.write(batch)
    before = state_of(kawasan_url)

    if other_writer:
        sink.close()
        sink = ReadingSink(kawasan_url)
    outcome = sink.write(batch)
    sink.close()

    assert outcome == Outcome(duplicate=20)
    assert state_of(kawasan_url) == before


def test_a_batch_that_is_known_in_part_stores_the_rest(sink: ReadingSink, channels: list[int]) -> None:
    sink.write(batch_of([(channels[0], NOON_US + 5, 1.0)]))

    outcome = sink.write(batch_of([(channels[0], NOON_US + n, 1.0) for n in range(10)]))

    assert outcome == Outcome(stored=9, duplicate=1)


def test_a_value_within_half_a_resolution_is_a_duplicate(sink: ReadingSink, channels: list[int]) -> None:
    sink.write(batch_of([(channels[2], NOON_US, 10.0)]))

    outcome = sink.write(batch_of([(channels[2], NOON_US, 10.04), (channels[2], NOON_US, 10.06)]))

    assert outcome == Outcome(duplicate=1, conflict=1)


def test_the_same_value_of_another_quality_is_a_conflict(sink: ReadingSink, channels: list[int]) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 7.0)]))

    outcome = sink.write(batch_of([(channels[0], NOON_US, 7.0, 4)]))

    assert outcome == Outcome(conflict=1)


def test_a_conflict_keeps_every_value_that_claims_the_key(
    sink: ReadingSink, channels: list[int], kawasan_url: str
) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 1.0)]))

    sink.write(batch_of([(channels[0], NOON_US, 2.0), (channels[0], NOON_US, 3.0)]))

    assert rows_of(kawasan_url, "SELECT value FROM reading_conflict ORDER BY 1") == [(1.0,), (2.0,), (3.0,)]
    assert rows_of(kawasan_url, "SELECT value FROM reading") == [(1.0,)]


def test_a_conflict_that_comes_again_is_a_duplicate(sink: ReadingSink, channels: list[int], kawasan_url: str) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 1.0), (channels[0], NOON_US, 2.0)]))
    before = state_of(kawasan_url)

    outcome = sink.write(batch_of([(channels[0], NOON_US, 2.0), (channels[0], NOON_US, 1.0)]))

    assert outcome == Outcome(duplicate=2)
    assert state_of(kawasan_url) == before


def test_values_as_far_apart_as_floats_go_are_a_conflict(sink: ReadingSink, channels: list[int]) -> None:
    outcome = sink.write(batch_of([(channels[0], NOON_US, 1.7e308), (channels[0], NOON_US, -1.7e308)]))

    assert outcome == Outcome(stored=1, conflict=1)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 3), st.sampled_from([1.0, 2.0, 3.0]), st.sampled_from([0, 4])),
        min_size=1,
        max_size=14,
    ),
    cuts=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    again=st.booleans(),
    data=st.data(),
)
def test_order_and_batching_do_not_matter(
    embedded_pair: tuple[str, str],
    rows: list[tuple[int, int, float, int]],
    cuts: list[int],
    again: bool,
    data: st.DataObject,
) -> None:
    shuffled = data.draw(st.permutations(rows))
    outcomes = []
    for url, order, size in ((embedded_pair[0], rows, len(rows)), (embedded_pair[1], shuffled, cuts[0])):
        forget(url)
        ids = [int(row[0]) for row in rows_of(url, "SELECT id FROM channel ORDER BY id")]
        sink = ReadingSink(url)
        keyed = [(ids[row[0]], NOON_US + row[1] * DAY_US, row[2], row[3]) for row in order]
        parts = [keyed[start : start + size] for start in range(0, len(keyed), size)]
        outcomes.append([sink.write(batch_of(part)) for part in parts + (parts if again else [])])
        sink.close()

    whole, cut = state_of(embedded_pair[0]), state_of(embedded_pair[1])
    assert cut == whole
    for url, written in zip(embedded_pair, outcomes, strict=True):
        times = 2 if again else 1
        assert sum(ledger_of(url).values()) == sum(outcome.received for outcome in written) == times * len(rows)
    assert sum(outcome.stored for outcome in outcomes[0]) == sum(outcome.stored for outcome in outcomes[1])
    assert sum(outcome.conflict for outcome in outcomes[0]) == sum(outcome.conflict for outcome in outcomes[1])


@pytest.fixture
def embedded_pair(shared_embedded_url: str) -> Iterator[tuple[str, str]]:
    """Two databases with the same two channels."""
    with migrated_database(shared_embedded_url) as one, migrated_database(shared_embedded_url) as other:
        for url in (one, other):
            make_channels(url)
        yield one, other


def forget(url: str) -> None:
    with psycopg.connect(url) as conn:
        conn.execute(
            "TRUNCATE reading, reading_conflict, latest, channel_day, ledger, ledger_rejected, batch, span_queue"
        )


def test_two_writers_with_the_same_keys_end_as_one(channels: list[int], kawasan_url: str) -> None:
    overlapping = [
        batch_of([(which, NOON_US + minute * MINUTE_US, float(value)) for which in channels for minute in minutes])
        for value in (1, 2)
        for minutes in (range(40), range(39, -1, -1), range(20, 60))
    ]
    failures: list[BaseException] = []
    received: list[int] = []
    start = threading.Barrier(2)

    def run(batches: list[Batch]) -> None:
        sink = ReadingSink(kawasan_url)
        try:
            start.wait()
            received.extend(sink.write(batch).received for batch in batches)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            sink.close()

    threads = [threading.Thread(target=run, args=(order,)) for order in (overlapping, overlapping[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert rows_of(kawasan_url, "SELECT count(*) FROM reading") == [(180,)]
    assert rows_of(kawasan_url, "SELECT count(*), count(DISTINCT value) FROM reading_conflict") == [(360, 2)]
    assert rows_of(kawasan_url, "SELECT sum(n)::int FROM channel_day") == [(180,)]
    counts = ledger_of(kawasan_url)
    assert counts["stored"] == counts["conflict"] == 180
    assert sum(counts.values()) == sum(received)


def test_a_deadlock_is_resolved_by_writing_the_whole_batch_again(
    sink: ReadingSink, channels: list[int], kawasan_url: str
) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 1.0)]))
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(sink.write(batch_of([(channels[0], NOON_US + 1, 1.0)]))))

    with psycopg.connect(kawasan_url) as other, psycopg.connect(kawasan_url, autocommit=True) as watching:
        other.execute("SET deadlock_timeout = '1h'")
        other.execute("UPDATE latest SET ts = ts")
        thread.start()
        wait_until_one_waits(watching)
        # The writer holds the key and waits for the row of `latest`, which we hold while we wait for the key.
        other.execute(
            "INSERT INTO reading SELECT channel_id, ts + interval '1 microsecond', 2, 0, received_at, batch_id FROM reading"
        )
        other.commit()
    thread.join(timeout=30)

    assert outcomes == [Outcome(conflict=1)]


def wait_until_one_waits(conn: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + 20.0
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while conn.execute(waiting).fetchone() != (1,):
        assert time.monotonic() < deadline, "the writer did not come to the locked row"


def test_each_channel_and_day_that_got_readings_is_queued(
    sink: ReadingSink, channels: list[int], kawasan_url: str
) -> None:
    late = NOON_US + DAY_US
    sink.write(batch_of([(channels[0], NOON_US, 1.0), (channels[0], NOON_US + 5, 1.0), (channels[0], late, 1.0)]))

    spans = rows_of(
        kawasan_url,
        "SELECT channel_id, extract(epoch FROM from_ts)::bigint * 1000000 + extract(microseconds FROM from_ts)::bigint % 1000000,"
        " extract(microseconds FROM to_ts)::int % 1000000 FROM span_queue ORDER BY 1, 2",
    )
    assert spans == [(channels[0], NOON_US, 5), (channels[0], late, 0)]


def test_duplicates_queue_nothing_and_a_new_conflict_does(
    sink: ReadingSink, channels: list[int], kawasan_url: str
) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 1.0)]))
    forget_queue(kawasan_url)

    sink.write(batch_of([(channels[0], NOON_US, 1.0)]))
    after_duplicate = rows_of(kawasan_url, "SELECT channel_id FROM span_queue")
    sink.write(batch_of([(channels[0], NOON_US, 2.0)]))

    assert after_duplicate == []
    assert rows_of(kawasan_url, "SELECT channel_id FROM span_queue") == [(channels[0],)]


def forget_queue(url: str) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("DELETE FROM span_queue")


def test_the_latest_reading_is_the_newest_not_the_last_to_come(
    sink: ReadingSink, channels: list[int], kawasan_url: str
) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 1.0)]))
    sink.write(batch_of([(channels[0], NOON_US - 1, 2.0)]))

    assert rows_of(kawasan_url, "SELECT value FROM latest") == [(1.0,)]


def test_an_empty_batch_is_committed(sink: ReadingSink, kawasan_url: str) -> None:
    outcome = sink.write(Batch(messages=(), sources=(), readings=batch_of([]).readings, rejections=()))

    assert outcome == Outcome()
    assert rows_of(kawasan_url, "SELECT messages FROM batch") == [(0,)]


def test_readings_of_an_unknown_channel_are_refused_whole(
    sink: ReadingSink, channels: list[int], kawasan_url: str
) -> None:
    with pytest.raises(DataError, match="not in the registry"):
        sink.write(batch_of([(channels[0], NOON_US, 1.0), (999, NOON_US, 1.0)]))

    assert rows_of(kawasan_url, "SELECT count(*) FROM reading") == [(0,)]
    assert sink.write(batch_of([(channels[0], NOON_US, 1.0)])) == Outcome(stored=1)


def test_a_lost_connection_is_unavailable_and_the_next_write_connects_again(
    sink: ReadingSink, channels: list[int], kawasan_url: str
) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 1.0)]))
    with psycopg.connect(kawasan_url, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'kawasan'"
        )
    batch = batch_of([(channels[0], NOON_US + 1, 1.0)])

    with pytest.raises(Unavailable):
        sink.write(batch)

    assert sink.write(batch) == Outcome(stored=1)


def bad(place: str = "", reason: Reason = Reason.MALFORMED, *, values: int = 1, detail: str = "no") -> Rejection:
    return Rejection(message=0, place=place, reason=reason, detail=detail, values=values)


def test_a_rejected_message_is_kept_once_and_whole(sink: ReadingSink, channels: list[int], kawasan_url: str) -> None:
    payload = b'{"a": "\x00\xff\xfe"}'
    batch = batch_of([(channels[0], NOON_US, 1.0)], payload=payload, rejections=[bad("values.x"), bad("values.y")])

    first, second = sink.write(batch), sink.write(batch)

    assert first == Outcome(stored=1, rejected={Reason.MALFORMED: 2})
    assert second == Outcome(duplicate=1, rejected={Reason.MALFORMED: 2})
    assert rows_of(kawasan_url, "SELECT payload FROM rejected_message") == [(payload,)]
    assert rows_of(kawasan_url, "SELECT place, count FROM rejection ORDER BY 1") == [("values.x", 2), ("values.y", 2)]


def test_text_that_no_text_column_holds_is_escaped(sink: ReadingSink, kawasan_url: str) -> None:
    sink.write(batch_of([], source="import:\0", rejections=[bad("a\0b", detail="x\ud800y")]))

    assert rows_of(kawasan_url, "SELECT place, detail FROM rejection") == [("a\\x00b", "x\\ud800y")]
    assert rows_of(kawasan_url, "SELECT source FROM ledger") == [("import:\\x00",)]


def test_sources_that_are_written_alike_are_one(sink: ReadingSink, kawasan_url: str) -> None:
    one, other = (batch_of([], source=source, rejections=[bad()]) for source in ("import:\0", "import:\\x00"))
    second = Rejection(message=1, place="", reason=Reason.MALFORMED, detail="no")

    sink.write(
        Batch(
            messages=one.messages + other.messages,
            sources=one.sources + other.sources,
            readings=one.readings,
            rejections=(*one.rejections, second),
        )
    )

    assert rows_of(kawasan_url, "SELECT source, messages, rejected FROM ledger") == [("import:\\x00", 2, 2)]


@pytest.mark.usefixtures("channels")
def test_beyond_its_quota_a_source_is_only_counted(kawasan_url: str) -> None:
    sink = ReadingSink(kawasan_url, rejections_kept=3)
    for payload in (b"1", b"2", b"3", b"4", b"5"):
        sink.write(batch_of([], payload=payload, rejections=[bad()]))
    sink.write(batch_of([], payload=b"1", rejections=[bad()]))
    sink.write(batch_of([], payload=b"6", source="p/b", rejections=[bad()]))
    sink.write(batch_of([], payload=b"7", received_us=NOON_US + 60 * MINUTE_US, rejections=[bad()]))
    sink.close()

    kept = rows_of(
        kawasan_url,
        "SELECT m.payload, j.count FROM rejection j JOIN rejected_message m ON m.id = message_id ORDER BY 1",
    )
    assert kept == [(b"1", 2), (b"2", 1), (b"3", 1), (b"6", 1), (b"7", 1)]
    assert ledger_of(kawasan_url)["rejected"] == 8


def test_the_ledger_adds_up_by_source_hour_and_reason(sink: ReadingSink, channels: list[int], kawasan_url: str) -> None:
    sink.write(batch_of([(channels[0], NOON_US, 1.0)], rejections=[bad(values=3), bad("x", Reason.UNIT)]))
    sink.write(batch_of([(channels[0], NOON_US, 1.0)], received_us=NOON_US + 61 * MINUTE_US))

    lines = rows_of(
        kawasan_url,
        "SELECT source, extract(hour FROM hour)::int, messages, stored, duplicate, conflict, rejected FROM ledger ORDER BY hour",
    )
    assert lines == [("p/a", 12, 1, 1, 0, 0, 4), ("p/a", 13, 1, 0, 1, 0, 0)]
    assert rows_of(kawasan_url, "SELECT reason, n FROM ledger_rejected ORDER BY 1") == [("malformed", 3), ("unit", 1)]


@pytest.mark.usefixtures("channels")
def test_a_rejection_knows_the_park_its_topic_names(sink: ReadingSink, kawasan_url: str) -> None:
    sink.write(batch_of([], topic=b"kawasan/v1/p/a/nope", rejections=[bad()]))
    sink.write(batch_of([], topic=b"kawasan/v1/other/a/m", rejections=[bad()]))
    sink.write(batch_of([], topic=b"\xff/\x00", rejections=[bad()]))

    parks = rows_of(kawasan_url, "SELECT j.park_id IS NOT NULL FROM rejection j ORDER BY j.id")
    assert parks == [(True,), (False,), (False,)]


def test_rejections_are_listed_newest_first_and_page_by_page(sink: ReadingSink, kawasan_url: str) -> None:
    for hour in range(3):
        sink.write(batch_of([], payload=b"%d" % hour, received_us=NOON_US + hour * 60 * MINUTE_US, rejections=[bad()]))
    with connect(kawasan_url, Role.WRITE) as conn:
        first = list_rejections(conn, limit=2)
        rest = list_rejections(conn, limit=2, after=(first[-1].last_at, first[-1].id))
        other = list_rejections(conn, reason="unit")

    assert [row.last_at.hour for row in first + rest] == [14, 13, 12]
    assert other == ()


def test_a_resolved_rejection_is_open_again_when_it_comes_again(sink: ReadingSink, kawasan_url: str) -> None:
    batch = batch_of([], payload=b"\xff", rejections=[bad(), bad("x")])
    sink.write(batch)
    with connect(kawasan_url, Role.WRITE) as conn:
        listed = list_rejections(conn)
        message = rejected_message(conn, listed[0].message_id)
        resolved = resolve_rejections(conn, [listed[0].message_id])
        conn.commit()
        open_after = list_rejections(conn, unresolved=True)
        conn.commit()
        sink.write(batch)
        open_again = list_rejections(conn, unresolved=True)

    assert message is not None
    assert (message.payload, message.topic, len(message.rejections)) == (b"\xff", b"kawasan/v1/p/a/m", 2)
    assert resolved == 2
    assert open_after == ()
    assert len(open_again) == 2
