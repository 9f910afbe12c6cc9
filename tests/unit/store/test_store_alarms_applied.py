"""Where a version of a rule has room between those that are there."""

from datetime import UTC, datetime

import pytest

from domain.alarmentries import AlarmEntry, ContactEntry
from domain.errors import InputError, RegistryError
from store.alarmrulerows import contact_entry_of, document_of, entry_of_rule
from store.alarmsapplied import Stretch, free_from
from tests.support.alarm_store import CONTACT, entry, episode_table


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "stop", "taken", "free"),
    [
        (1, None, [], (1, None)),
        (1, 5, [(6, None)], (1, 5)),
        (3, None, [(1, 5)], (5, None)),
        (3, None, [(1, 5), (5, 8)], (8, None)),
        (3, None, [(1, 5), (7, 8)], (5, 7)),
        (3, 6, [(1, 5)], (5, 6)),
        (3, 5, [(1, 5)], None),
        (3, None, [(1, None)], None),
        (1, None, [(2, 2)], (1, None)),
        (5, None, [(1, 5)], (5, None)),
        (1, None, [(4, None), (2, 3)], (1, 2)),
    ],
)
def test_a_version_takes_the_first_stretch_that_no_other_holds(
    start: int, stop: int | None, taken: list[tuple[int, int | None]], free: tuple[int, int | None] | None
) -> None:
    held: list[Stretch] = [(day(first), None if last is None else day(last)) for first, last in taken]

    found = free_from(day(start), None if stop is None else day(stop), held)

    assert found == (None if free is None else (day(free[0]), None if free[1] is None else day(free[1])))


def test_an_entry_survives_its_row() -> None:
    made: AlarmEntry = entry(
        watch={"channel": "*/*/cod", "statistic": "mean", "window": "1h", "alignment": "rolling"},
        above="0.1 g/L",
        deadband="5 mg/L",
        schedule={"days": ["mon"], "clock": "22:00-06:00"},
        tell=[{"contact": "officer", "after_s": 600}],
        valid_from="2026-01-01T00:00:00+07:00",
    )
    contact = ContactEntry.model_validate({**CONTACT, "quiet": "22:00-06:00"})

    assert entry_of_rule(document_of(made)) == made
    assert contact_entry_of(document_of(contact)) == contact


def test_a_row_that_cannot_be_read_says_what_to_do() -> None:
    with pytest.raises(RegistryError, match=r"cannot read .*; write it anew"):
        entry_of_rule('{"key": "x"}')


def test_columns_of_different_lengths_are_refused() -> None:
    table = episode_table(1, {"start": 0})
    columns = {name: getattr(table, name) for name in type(table).__dataclass_fields__}

    with pytest.raises(InputError, match="differ in length"):
        type(table)(**{**columns, "peak": columns["peak"][:0]})
