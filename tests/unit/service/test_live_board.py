"""The board of the live stream: the newest per key, what is new to whom, and what of it somebody asked for."""

import json
from typing import Any

import pytest

from service.api.board import EVERYTHING, PIECE_BYTES, Board, Kind, Mark, Reader, Row, Selection
from tests.support.streams import Event, events_in


def reading(channel: str, value: float) -> Row:
    return Row(kind=Kind.READINGS, key=channel, place=channel, contents={"channel": channel, "value": value})


def alarm(number: int, *, is_over: bool = False) -> Row:
    contents = {"id": number, "state": "normal" if is_over else "active"}
    return Row(kind=Kind.ALARM, key=str(number), place="p/a/m/cod", contents=contents, is_over=is_over)


def read_all(board: Board, reader: Reader) -> list[Event]:
    found: list[Event] = []
    while piece := board.piece(reader):
        found += events_in(piece.decode())
    return found


def rows_of(events: list[Event]) -> list[dict[str, Any]]:
    return [row for event in events for row in event.values]


def test_who_comes_is_told_the_newest_of_everything() -> None:
    board = Board()
    board.put([reading("p/a/m/x", 1.0), reading("p/a/m/y", 2.0)])
    board.put([reading("p/a/m/x", 3.0), alarm(7)])

    told = read_all(board, board.reader(EVERYTHING, None))

    assert [(event.name, event.values) for event in told] == [
        ("readings", [{"channel": "p/a/m/y", "value": 2.0}, {"channel": "p/a/m/x", "value": 3.0}]),
        ("alarm", [{"id": 7, "state": "active"}]),
    ]


def test_what_changed_many_times_in_between_is_told_once_as_it_is_now() -> None:
    board = Board()
    reader = board.reader(EVERYTHING, None)
    for value in range(100):
        board.put([reading("p/a/m/x", float(value))])

    assert rows_of(read_all(board, reader)) == [{"channel": "p/a/m/x", "value": 99.0}]
    assert board.piece(reader) == b""


def test_a_slow_reader_holds_one_piece_and_is_told_the_newest_in_the_next() -> None:
    board = Board()
    board.put(reading(f"p/a/m/{at:05}", 0.0) for at in range(5000))
    reader = board.reader(EVERYTHING, None)
    first = board.piece(reader)

    board.put(reading(f"p/a/m/{at:05}", 1.0) for at in range(5000))
    rest = read_all(board, reader)

    assert len(first) < PIECE_BYTES + 1000
    assert {row["value"] for row in rows_of(rest)} == {1.0}
    assert len(rows_of(rest)) == 5000


def test_readers_who_know_as_much_are_given_the_same_bytes() -> None:
    board = Board()
    readers = [board.reader(EVERYTHING, None) for _ in range(3)]
    board.put([reading("p/a/m/x", 1.0)])

    assert len({id(board.piece(one)) for one in readers}) == 1


def test_every_id_is_a_place_to_go_on_from() -> None:
    board = Board()
    board.put([*(reading(f"p/a/m/{at:05}", 0.0) for at in range(2000)), alarm(1)])
    whole = read_all(board, board.reader(EVERYTHING, None))

    for at, event in enumerate(whole):
        rest = read_all(board, board.reader(EVERYTHING, Mark.parsed(event.id)))
        assert rows_of(rest) == rows_of(whole[at + 1 :])


def test_the_end_of_an_alarm_is_told_to_those_who_knew_it_and_to_nobody_else() -> None:
    board = Board()
    board.put([alarm(1), alarm(2)])
    knows = board.reader(EVERYTHING, None)
    mark = read_all(board, knows)[-1].id
    board.put([alarm(1, is_over=True)])

    assert rows_of(read_all(board, knows)) == [{"id": 1, "state": "normal"}]
    assert rows_of(read_all(board, board.reader(EVERYTHING, Mark.parsed(mark)))) == [{"id": 1, "state": "normal"}]
    assert rows_of(read_all(board, board.reader(EVERYTHING, None))) == [{"id": 2, "state": "active"}]


def test_who_was_away_while_more_ended_than_is_remembered_begins_anew() -> None:
    board = Board()
    board.put([alarm(1)])
    away = board.reader(EVERYTHING, None)
    mark = Mark.parsed(read_all(board, away)[-1].id)
    board.put(alarm(number, is_over=True) for number in range(1, 1001))

    assert board.has_lost(away)
    assert not board.knows(mark)
    assert not board.has_lost(board.reader(EVERYTHING, None))


def test_when_something_may_not_be_seen_any_more_everybody_begins_anew() -> None:
    board = Board()
    board.put([reading("p/a/m/x", 1.0)])
    reader = board.reader(EVERYTHING, None)
    mark = Mark.parsed(read_all(board, reader)[-1].id)

    board.begin_anew()
    board.put([reading("p/a/m/y", 1.0)])

    assert board.has_lost(reader)
    assert not board.knows(mark)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "-",
        "0011223344556677-",
        "0011223344556677-x",
        "0011223344556677--1",
        "\x00",
        "0011223344556677-١",
        "9" * 500,
    ],
)
def test_an_id_that_is_none_of_ours_says_nothing(text: str) -> None:
    assert Mark.parsed(text) is None


@pytest.mark.parametrize("number", [2, 10**17])
def test_an_id_beyond_the_newest_is_not_believed(number: int) -> None:
    board = Board()
    board.put([reading("p/a/m/x", 1.0)])

    assert not board.knows(Mark(board.epoch, number))
    assert len(read_all(board, board.reader(EVERYTHING, Mark(board.epoch, number)))) == 1


ROWS = {
    "alpha": reading("p/alpha/main/power", 1.0),
    "alpha2": reading("p/alpha2/main/power", 1.0),
    "other": reading("q/alpha/main/power", 1.0),
    "alarm": Row(kind=Kind.ALARM, key="1", place="p/alpha/main/power", contents={}),
    "kpi": Row(kind=Kind.KPIS, key="k", place="p/alpha", subject="tenant:p/alpha", contents={}),
    "park": Row(kind=Kind.POWER, key="k", place="p", subject="park:p", contents={}),
    "flow": Row(kind=Kind.FLOW, key="", place="", contents={}),
}


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        ({}, set(ROWS)),
        ({"kinds": {Kind.ALARM, Kind.FLOW}}, {"alarm", "flow"}),
        ({"parks": {"p"}}, {"alpha", "alpha2", "alarm", "kpi", "park"}),
        ({"subjects": {"tenant:p/alpha"}}, {"alpha", "alarm", "kpi"}),
        ({"subjects": {"meter:p/alpha/main"}}, {"alpha", "alarm"}),
        ({"subjects": {"park:p"}}, {"alpha", "alpha2", "alarm", "park"}),
        ({"channels": {"p/alpha/main/power"}}, {"alpha", "alarm"}),
        ({"channels": {"p/alpha/main/power"}, "kinds": {Kind.READINGS}}, {"alpha"}),
        ({"parks": {"q"}, "subjects": {"tenant:p/alpha"}}, set()),
    ],
)
def test_a_selection_takes_what_all_its_filters_take(selection: dict[str, Any], taken: set[str]) -> None:
    wanted = Selection(**{name: frozenset(values) for name, values in selection.items()})

    assert {name for name, row in ROWS.items() if wanted.takes(row)} == taken


def test_a_selection_is_told_nothing_else() -> None:
    board = Board()
    board.put(ROWS.values())

    told = read_all(board, board.reader(Selection(kinds=frozenset({Kind.FLOW})), None))

    assert [event.name for event in told] == ["flow"]
    assert json.dumps(told[0].contents) == "{}"
