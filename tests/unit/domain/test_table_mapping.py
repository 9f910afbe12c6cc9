"""Rows of a table become messages: times, registers, gaps, and cells that are wrong."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import pytest

from domain.errors import InputError
from domain.mapping import TableMapping, parse_mapping, table_messages
from domain.time import parse_instant

Row: TypeAlias = Mapping[str, str | None]


def mapping(time: dict[str, Any] | None = None, column: dict[str, Any] | None = None, **wishes: Any) -> TableMapping:
    one = {"column": "v", "tenant": "t", "meter": "m", "quantity": "energy_import"} | (column or {})
    return TableMapping.model_validate(
        {"park": "p", "time": {"column": "at", "interval_s": 900} | (time or {}), "columns": [one]} | wishes
    )


def readings(of: TableMapping, *rows: Row) -> list[tuple[int, Any]]:
    """Time [ms] and value of all readings, as they are on the wire."""
    found: list[tuple[int, Any]] = []
    for message in table_messages(of, rows):
        content = json.loads(message.payload)
        for reading in content.get("readings", [content]):
            found += [(reading["ts"], value) for value in reading["values"].values()]
    return found


def ms(text: str) -> int:
    return parse_instant(text) // 1000


@pytest.mark.parametrize(
    ("time", "cell", "expected"),
    [
        ({}, "2026-01-01T00:00:00+07:00", "2025-12-31T17:00:00Z"),
        ({"zone": "Asia/Jakarta"}, "2026-01-01 00:00", "2025-12-31T17:00:00Z"),
        ({"zone": "+09:00"}, "2026-01-01T00:00:00", "2025-12-31T15:00:00Z"),
        ({"zone": "UTC", "format": "%d.%m.%Y %H:%M"}, "31.01.2026 08:15", "2026-01-31T08:15:00Z"),
        ({"zone": "Asia/Jakarta", "format": "%Y-%m-%d"}, "2026-01-01", "2025-12-31T17:00:00Z"),
        ({"format": "epoch_s"}, "1767225600", "2026-01-01T00:00:00Z"),
        ({"format": "epoch_ms"}, "1767225600000", "2026-01-01T00:00:00Z"),
        ({"stamp": "end"}, "2026-01-01T00:15:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_the_start_of_what_its_row_covers(time: dict[str, Any], cell: str, expected: str) -> None:
    assert readings(mapping(time), {"at": cell, "v": "1"}) == [(ms(expected), 1.0)]


def test_the_hour_that_comes_twice_in_autumn_is_told_by_the_order_of_the_rows() -> None:
    of = mapping({"zone": "Europe/Rome", "interval_s": 3600})

    found = readings(of, *({"at": f"2022-10-30T{hour}:00:00", "v": "1"} for hour in ("01", "02", "02", "03")))

    first = ms("2022-10-29T23:00:00Z")
    assert [ts for ts, _ in found] == [first, first + 3_600_000, first + 7_200_000, first + 10_800_000]


def test_amounts_become_a_register_that_opens_before_the_first_row() -> None:
    of = mapping(column={"cumulative": True, "opening": 1000.0})

    found = readings(of, {"at": "2026-01-01T00:00:00Z", "v": "3.17"}, {"at": "2026-01-01T00:15:00Z", "v": "4"})

    start = ms("2026-01-01T00:00:00Z")
    assert found == [(start, 1000.0), (start + 900_000, 1003.17), (start + 1_800_000, 1007.17)]


def test_a_register_is_summed_without_rounding() -> None:
    of = mapping({"format": "epoch_s"}, {"cumulative": True})

    found = readings(of, *({"at": str(number * 900), "v": "0.1"} for number in range(10_000)))

    assert found[-1][1] == 1000.0


def test_what_a_row_after_a_gap_holds_does_not_belong_to_the_gap() -> None:
    of = mapping(column={"cumulative": True})
    rows: list[Row] = [
        {"at": "2026-01-01T00:00:00Z", "v": "1"},
        {"at": "2026-01-01T00:15:00Z", "v": ""},
        {"at": "2026-01-01T00:30:00Z", "v": "2"},
    ]

    found = readings(of, *rows)

    start = ms("2026-01-01T00:00:00Z")
    assert found == [(start, 0.0), (start + 900_000, 1.0), (start + 1_800_000, 1.0), (start + 2_700_000, 3.0)]


def test_empty_cells_are_left_out() -> None:
    of = mapping(empty=["?"])

    found = readings(of, *({"at": "2026-01-01T00:00:00Z", "v": cell} for cell in ("", None, " ", "?", "5")))

    assert [value for _, value in found] == [5.0]


def test_what_is_no_number_is_sent_to_be_rejected() -> None:
    found = readings(mapping(), {"at": "2026-01-01T00:00:00Z", "v": "n/a"}, {"at": "2026-01-01T00:15:00Z", "v": "NaN"})

    assert [value for _, value in found] == ["n/a", "NaN"]


def test_a_decimal_comma_is_read_and_a_factor_applied() -> None:
    of = mapping(column={"factor": 0.1}, decimal_comma=True)

    assert [value for _, value in readings(of, {"at": "2026-01-01T00:00:00Z", "v": "12,5"})] == [1.25]


def test_readings_of_a_meter_are_packed_and_the_rest_sent_at_the_end() -> None:
    of = mapping({"format": "epoch_s"}, readings_per_message=2)

    made = list(table_messages(of, [{"at": str(number * 900), "v": "1"} for number in range(5)]))

    assert [len(json.loads(one.payload).get("readings", [1])) for one in made] == [2, 2, 1]
    assert {one.topic for one in made} == {"kawasan/v1/p/t/m"}
    assert [one.ts_us for one in made] == [1_800_000_000, 3_600_000_000, 4_500_000_000]


@pytest.mark.parametrize(
    ("of", "row", "told"),
    [
        (mapping(), {"at": "yesterday", "v": "1"}, "row 1: time 'yesterday'"),
        (mapping(), {"at": "2026-01-01T00:00:00", "v": "1"}, "name a zone"),
        (mapping({"format": "epoch_s"}), {"at": "x", "v": "1"}, "row 1: time 'x'"),
        (mapping(), {"time": "2026-01-01T00:00:00Z", "v": "1"}, "no column at"),
        (mapping(column={"cumulative": True}), {"at": "2026-01-01T00:00:00Z", "v": "x"}, "row 1: 'x' in column v"),
    ],
)
def test_a_table_that_does_not_fit_names_row_and_column(of: TableMapping, row: Row, told: str) -> None:
    with pytest.raises(InputError, match=told):
        list(table_messages(of, [row]))


def test_all_mistakes_of_a_mapping_are_told_at_once() -> None:
    text = """
    park = "P"
    [time]
    column = "at"
    interval_s = 900
    zone = "Mars/Olympus"
    [[columns]]
    column = "v"
    tenant = "t"
    meter = "m"
    quantity = "enrgy"
    """

    with pytest.raises(InputError) as caught:
        parse_mapping(text)

    assert all(word in str(caught.value) for word in ("park", "Mars/Olympus", "enrgy"))


GOOD, BAD = {"at": "2026-01-01T00:00:00Z", "v": "1"}, {"at": "01.01.2026", "v": "2"}


def test_a_time_that_cannot_be_read_is_sent_to_be_rejected_where_that_is_wanted() -> None:
    of = mapping(readings_per_message=10)
    looks_like_one = {"at": "2026-01-01T00:15:00Z ", "v": "3"}
    as_mapped = mapping({"format": "epoch_s"}, readings_per_message=10)

    (message,) = table_messages(of, [GOOD, BAD, GOOD], past_bad_times=True)
    (other,) = table_messages(as_mapped, [{"at": "1767225600", "v": "1"}, looks_like_one], past_bad_times=True)

    stamps = [reading["ts"] for reading in json.loads(message.payload)["readings"]]
    assert stamps == [ms("2026-01-01T00:00:00Z"), "01.01.2026 (not as mapped)", ms("2026-01-01T00:00:00Z")]
    assert message.rows == (1, 2, 3)
    said = json.loads(other.payload)["readings"][1]["ts"]
    with pytest.raises(InputError):
        parse_instant(said)
    with pytest.raises(InputError, match="row 2"):
        list(table_messages(of, [GOOD, BAD]))


@pytest.mark.parametrize(
    ("of", "rows"), [(mapping(), [BAD, GOOD]), (mapping(column={"cumulative": True}), [GOOD, BAD, GOOD])]
)
def test_the_first_row_and_sums_need_a_time_that_can_be_read(of: TableMapping, rows: list[Row]) -> None:
    with pytest.raises(InputError, match=r"time '01\.01\.2026' in column at cannot be read"):
        list(table_messages(of, rows, past_bad_times=True))


def test_a_message_says_which_rows_its_readings_were_made_of() -> None:
    of = mapping(column={"cumulative": True}, readings_per_message=2)
    rows = [{"at": f"2026-01-01T00:{minute:02}:00Z", "v": "1"} for minute in (0, 15, 30)]

    assert [message.rows for message in table_messages(of, rows)] == [(1, 1), (2, 3)]
