"""Entered values as people write them: everything that is wrong is told at once."""

from zoneinfo import ZoneInfo

import pytest

from domain.contextentries import ContextMistake, context_entry, period_of
from domain.time import parse_instant

JAKARTA = ZoneInfo("Asia/Jakarta")
RIGHT = {
    "series": "production_t",
    "start": "2026-10-01T00:00:00+07:00",
    "stop": "2026-10-02T00:00:00+07:00",
    "value": 4,
    "note": "ERP",
}


def test_a_right_value_is_taken() -> None:
    entry = context_entry(RIGHT, JAKARTA)

    assert (entry.series, entry.value, entry.note) == ("production_t", 4.0, "ERP")
    assert (entry.start_us, entry.stop_us) == (parse_instant(RIGHT["start"]), parse_instant(RIGHT["stop"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"series": "producton_t"}, "series 'producton_t' is not one; did you mean production_t?"),
        ({"series": "zzz"}, "series 'zzz' is not one; known are production_t,"),
        ({"series": None}, "no series; known are production_t,"),
        ({"series": ["a"]}, "is not one;"),
        (
            {"start": None},
            "no start; write 2026-10-01T00:00:00+07:00, or a whole local month as 2026-10 without a stop",
        ),
        ({"start": "2026-10-01", "stop": "2026-10-02"}, "start: time '2026-10-01' is not RFC 3339 with an offset"),
        ({"start": "October", "stop": ""}, "start 'October' without a stop is no local year, month or day"),
        ({"start": "2026-13", "stop": None}, "start '2026-13' without a stop is no local year, month or day"),
        ({"stop": RIGHT["start"]}, "is not after start"),
        ({"stop": 5}, "stop: time '5' is not RFC 3339"),
        ({"value": "many"}, "value 'many' is not a number"),
        ({"value": True}, "value True is not a number"),
        ({"value": None}, "no value"),
        ({"value": float("nan")}, "value nan is not a finite number"),
        ({"value": 10**400}, "is not a finite number"),
        ({"value": -1}, "value -1 is below 0; production_t cannot be"),
        ({"note": "x" * 501}, "the note has 501 characters; at most 500 are kept"),
        ({"note": 7}, "note 7 is not a text"),
        ({"amount": 1}, "unknown field 'amount'; a value has series, start, stop, value and note"),
    ],
)
def test_a_wrong_value_is_told(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ContextMistake) as refused:
        context_entry({**RIGHT, **changes}, JAKARTA)

    assert sentence in str(refused.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ContextMistake) as refused:
        context_entry({"series": "x", "start": "y", "value": "z"}, JAKARTA)

    assert str(refused.value).count(";") >= 2


def test_value_added_may_be_negative() -> None:
    assert context_entry({**RIGHT, "series": "value_added", "value": -3.5}, JAKARTA).value == -3.5


def test_nothing_as_a_value_withdraws_where_that_is_meant() -> None:
    assert context_entry({**RIGHT, "value": None}, JAKARTA, may_withdraw=True).value is None


def test_a_note_cannot_hold_what_cannot_be_stored() -> None:
    assert context_entry({**RIGHT, "note": "a\0b\ud800c"}, JAKARTA).note == "a b c"


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("2026", "2026-01-01T00:00:00+07:00", "2027-01-01T00:00:00+07:00"),
        ("2026-02", "2026-02-01T00:00:00+07:00", "2026-03-01T00:00:00+07:00"),
        ("2026-12-31", "2026-12-31T00:00:00+07:00", "2027-01-01T00:00:00+07:00"),
    ],
)
def test_a_period_is_a_local_one(text: str, start: str, stop: str) -> None:
    assert period_of(text, JAKARTA) == (parse_instant(start), parse_instant(stop))


def test_a_day_on_which_clocks_change_has_its_own_length() -> None:
    start, stop = period_of("2026-10-25", ZoneInfo("Europe/Berlin")) or (0, 0)

    assert (stop - start) // 3_600_000_000 == 25


@pytest.mark.parametrize("text", ["0000", "1969", "9999", "2026-1", "2026-02-30", "2026-10-05T00:00:00+07:00", ""])
def test_what_is_no_period_is_none(text: str) -> None:
    assert period_of(text, JAKARTA) is None
