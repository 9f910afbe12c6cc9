"""Tables written as CSV, NDJSON and JSON; which of them a request asks for."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from http import HTTPStatus
from pathlib import Path

import pytest

from domain.findings import Rule
from service.api.forms import Piece, Table, chosen_form, written
from service.api.lists import CORRECTION_COLUMNS, EPISODE_COLUMNS, FINDING_COLUMNS
from service.api.problem import Problem
from service.api.series import AMOUNT_COLUMNS, KPI_COLUMNS, READING_COLUMNS
from service.formats import Form, TableWriter, csv_text

PAGE = Path(__file__).resolve().parents[3] / "docs" / "formats.md"
COLUMNS = ("name", "value")
JAKARTA = timezone(timedelta(hours=7))


def whole(form: Form, *pieces: list[tuple[object, object]]) -> str:
    writer = TableWriter(form, COLUMNS)
    return b"".join([writer.begin(), *(writer.rows(piece) for piece in pieces), writer.end()]).decode()


def cells(*values: object) -> list[str]:
    text = csv_text([f"c{place}" for place in range(len(values))], [values])
    return list(csv.reader(io.StringIO(text, newline="")))[1]


def test_csv_is_lines_of_names_and_values_that_end_in_crlf() -> None:
    assert whole(Form.CSV, [("a", 1.5)], [], [("b", None)]) == "name,value\r\na,1.5\r\nb,\r\n"
    assert whole(Form.CSV) == "name,value\r\n"


def test_ndjson_is_one_whole_object_a_line() -> None:
    text = whole(Form.NDJSON, [("a", 1.5)], [], [("b", None)])

    assert [json.loads(line) for line in text.splitlines()] == [
        {"name": "a", "value": 1.5},
        {"name": "b", "value": None},
    ]
    assert whole(Form.NDJSON) == ""


@pytest.mark.parametrize("pieces", [[], [[]], [[("a", 1.0)]], [[], [("a", 1.0)], [], [("b", 2.0), ("c", 3.0)]]])
def test_json_is_a_list_however_it_is_cut(pieces: list[list[tuple[object, object]]]) -> None:
    assert json.loads(whole(Form.JSON, *pieces)) == [
        {"name": name, "value": value} for piece in pieces for name, value in piece
    ]


def test_times_words_and_lists_are_written_alike_in_all_forms() -> None:
    moment, midnight = datetime(2026, 3, 2, tzinfo=JAKARTA), datetime(2026, 3, 2, tzinfo=UTC)
    values = (moment, midnight, date(2026, 3, 2), True, Rule("frozen"), ("reset", "late"), (), [{"a": 1}], 0.1)

    row = cells(*values)
    line = json.loads(TableWriter(Form.NDJSON, [str(place) for place in range(len(values))]).rows([values]))

    assert row[:5] == ["2026-03-02T00:00:00+07:00", "2026-03-02T00:00:00Z", "2026-03-02", "true", "frozen"]
    assert row[5:] == ["reset late", "", '[{"a": 1}]', "0.1"]
    assert list(line.values())[:5] == [
        "2026-03-02T00:00:00+07:00",
        "2026-03-02T00:00:00Z",
        "2026-03-02",
        True,
        "frozen",
    ]
    assert list(line.values())[5:] == [["reset", "late"], [], [{"a": 1}], 0.1]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert cells(text) == [f"'{text}"]
    assert json.loads(TableWriter(Form.NDJSON, ["a"]).rows([(text,)])) == {"a": text}


@pytest.mark.parametrize("text", ["", "a=1", 'say "yes", or\r\nno', "a;b", "ü 水", "'"])
def test_other_texts_come_back_as_they_were(text: str) -> None:
    assert cells(text, "x") == [text, "x"]


def test_numbers_are_written_in_full_and_never_as_nan() -> None:
    assert cells(-1.5, 1e-7, 1 / 3, float("nan"), float("inf"), 7) == ["-1.5", "1e-07", repr(1 / 3), "", "", "7"]
    assert json.loads(TableWriter(Form.NDJSON, ["a"]).rows([(float("nan"),)])) == {"a": None}


@pytest.mark.parametrize(
    ("named", "accept", "form"),
    [
        (None, None, Form.JSON),
        (None, "", Form.JSON),
        (None, "*/*", Form.JSON),
        (None, "text/html,application/xhtml+xml,*/*;q=0.8", Form.JSON),
        (None, "text/csv", Form.CSV),
        (None, "Text/CSV; charset=utf-8", Form.CSV),
        (None, "application/x-ndjson", Form.NDJSON),
        (None, "application/jsonl, application/json;q=0.5", Form.NDJSON),
        (None, "application/json;q=0.2, text/csv;q=0.9", Form.CSV),
        (None, "application/json, text/csv", Form.JSON),
        (None, "text/csv;q=0, */*;q=0.1", Form.JSON),
        (None, "application/json;q=0, application/x-ndjson;q=0, */*", Form.CSV),
        (None, "text/*", Form.CSV),
        (None, "text/csv;q=x, application/json;q=0.1", Form.JSON),
        ("csv", "application/json", Form.CSV),
        ("json", "text/csv", Form.JSON),
        ("ndjson", None, Form.NDJSON),
    ],
)
def test_a_format_is_named_or_accepted(named: str | None, accept: str | None, form: Form) -> None:
    assert chosen_form(named, accept) is form


@pytest.mark.parametrize("accept", ["image/png", "text/html", "text/csv;q=0", "*/*;q=0", "text/csv;q=nan", "nonsense"])
def test_what_cannot_be_sent_is_not_acceptable_and_says_what_can(accept: str) -> None:
    with pytest.raises(Problem, match=r"accept application/json, application/x-ndjson or text/csv") as found:
        chosen_form(None, accept)

    assert found.value.status is HTTPStatus.NOT_ACCEPTABLE


@pytest.mark.parametrize("named", ["", "CSV", "xlsx", "json,csv"])
def test_a_format_that_is_none_is_a_bad_request(named: str) -> None:
    with pytest.raises(Problem, match="ask for json, ndjson, csv") as found:
        chosen_form(named, "text/csv")

    assert found.value.status is HTTPStatus.BAD_REQUEST


async def test_the_first_bytes_hold_the_first_rows() -> None:
    async def pieces() -> AsyncIterator[Piece]:
        yield Piece(rows=(), done=0.25)
        yield Piece(rows=(("a", 1.0),), done=0.5)
        yield Piece(rows=(), done=1.0)

    texts = [one async for one in written(Form.CSV, Table(name="t", columns=COLUMNS, pieces=pieces()))]
    assert texts == [(b"name,value\r\n", 0.25), (b"a,1.0\r\n", 0.5)]


@pytest.mark.parametrize(
    "columns",
    [AMOUNT_COLUMNS, KPI_COLUMNS, READING_COLUMNS, FINDING_COLUMNS, CORRECTION_COLUMNS, EPISODE_COLUMNS],
    ids=["amounts", "kpis", "readings", "findings", "corrections", "episodes"],
)
def test_every_column_is_explained_on_the_page(columns: tuple[str, ...]) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [name for name in columns if f"`{name}`" not in page] == []


@pytest.mark.parametrize("columns", [AMOUNT_COLUMNS, KPI_COLUMNS, READING_COLUMNS, FINDING_COLUMNS, CORRECTION_COLUMNS])
def test_every_table_names_its_unit(columns: tuple[str, ...]) -> None:
    assert "unit" in columns
