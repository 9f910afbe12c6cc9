"""From places in messages back to lines and columns of the table, and what became of each line in few words."""

import io
import sys

import numpy as np
import pytest

from domain.mapping import TableMapping, TableMessage, table_messages
from domain.readings import Batch, Message, ReadingBatch, Reason, Rejection
from service.cli.progress import progress_bar
from service.imports import Cells, Fates, LineNumbers

MAPPING = TableMapping.model_validate(
    {
        "park": "p",
        "readings_per_message": 3,
        "time": {"column": "at", "interval_s": 60},
        "columns": [
            {"column": "a", "tenant": "t", "meter": "m", "quantity": "cod"},
            {"column": "b", "tenant": "t", "meter": "m", "quantity": "ph"},
        ],
    }
)
ROWS = [
    {"at": "2026-03-02T00:00:00Z", "a": "1", "b": "7"},
    {"at": "2026-03-02T00:01:00Z", "a": "", "b": "x"},
    {"at": "2026-03-02T00:02:00Z", "a": "3", "b": "8"},
]


def made() -> TableMessage:
    (message,) = table_messages(MAPPING, ROWS)
    return message


def rejection(place: str, reason: Reason = Reason.NOT_A_NUMBER) -> Rejection:
    return Rejection(message=0, place=place, reason=reason, detail="?")


@pytest.mark.parametrize(
    ("place", "cells"),
    [
        ("readings[1].values.ph", [(2, "b")]),
        ("readings[2]", [(3, "a"), (3, "b")]),
        ("", [(1, "a"), (1, "b"), (2, "b"), (3, "a"), (3, "b")]),
    ],
)
def test_a_place_in_a_message_is_cells_of_the_table(place: str, cells: list[tuple[int, str]]) -> None:
    found = [(cell.row, cell.column) for cell in Cells(MAPPING).refused(made(), rejection(place))]

    assert found == cells


def test_a_time_that_is_wrong_is_one_cell_of_its_row() -> None:
    found = Cells(MAPPING).refused(made(), rejection("readings[2]", Reason.TIME))

    assert [(cell.row, cell.column) for cell in found] == [(3, "at")]


def test_lines_are_counted_where_rows_take_several() -> None:
    lines = LineNumbers()
    for row, line in ((1, 2), (2, 5), (3, 6), (4, 7), (5, 9)):
        lines.note(row, line)

    assert [lines.of(row) for row in range(1, 6)] == [2, 5, 6, 7, 9]
    assert len(lines._rows) == 3


def test_what_became_of_the_values_is_said_by_line() -> None:
    fates, lines = Fates(), LineNumbers()
    for row in range(1, 6):
        lines.note(row, row + 1)
        fates.reach(row)
    nothing = np.zeros(4, dtype=np.int32)
    batch = Batch(
        messages=(Message(topic=b"", payload=b"", received_us=0),),
        sources=("import:x",),
        readings=ReadingBatch(
            message=nothing, channel_id=nothing, ts_us=np.arange(4), value=np.zeros(4), quality=nothing
        ),
        rejections=(rejection("readings[1].values.ph"),),
    )

    fates.add(batch, [made()], Cells(MAPPING), np.array([0, 0, 1, 2], dtype=np.int8))

    assert list(fates.sentences(lines)) == [
        "line 2: 2 stored",
        "line 3: 1 refused",
        "line 4: 1 duplicate, 1 conflict",
        "lines 5 to 6: nothing in it",
    ]


def test_many_rows_of_which_the_same_became_are_one_sentence() -> None:
    fates, lines = Fates(), LineNumbers()
    for row in range(1, 5001):
        lines.note(row, row + 1)
        fates.reach(row)

    assert list(fates.sentences(lines)) == ["lines 2 to 5001: nothing in it"]
    assert list(Fates().sentences(LineNumbers())) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("done", [None, 0.5])
def test_a_bar_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, done: float | None) -> None:
    shown = []
    for screen in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", screen)
        with progress_bar("importing x") as show:
            show(done, "12 values")
        shown.append(screen.getvalue())

    assert shown[0] == ""
    assert "importing x" in shown[1]
