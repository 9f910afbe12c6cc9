"""A table is replayed as the messages its mapping makes, each due when a meter would have sent it."""

import json
from collections.abc import Iterator

from domain.mapping import parse_mapping, table_messages
from domain.time import parse_instant
from simulators.replay import replayed_messages

MAPPING = parse_mapping("""
park = "estate"
readings_per_message = 2

[time]
column = "time"
interval_s = 900

[[columns]]
column = "kw"
tenant = "alpha"
meter = "main"
quantity = "power"
""")
ROWS = [{"time": f"2026-01-01T00:{minute:02}:00+07:00", "kw": str(minute)} for minute in (0, 15, 30, 45)]


def test_replay_sends_the_messages_that_import_reads() -> None:
    made = list(table_messages(MAPPING, ROWS))

    replayed = list(replayed_messages(MAPPING, ROWS))

    assert [(one.topic, one.payload) for one in replayed] == [(one.topic, one.payload) for one in made]


def test_a_message_is_due_when_its_last_row_ends() -> None:
    replayed = list(replayed_messages(MAPPING, ROWS))

    assert [one.due_us for one in replayed] == [
        parse_instant("2026-01-01T00:30:00+07:00"),
        parse_instant("2026-01-01T01:00:00+07:00"),
    ]


def test_rows_are_taken_one_by_one() -> None:
    taken = 0

    def rows() -> Iterator[dict[str, str]]:
        nonlocal taken
        for row in ROWS:
            taken += 1
            yield row

    first = next(replayed_messages(MAPPING, rows()))

    assert taken == 2
    assert len(json.loads(first.payload)["readings"]) == 2
