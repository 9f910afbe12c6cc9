"""Which level is answered where the number of intervals is said instead."""

import pytest

from domain.time import Level
from service.api.levels import WantedLevel
from service.api.problem import Problem
from service.api.ranges import LevelName, Span
from tests.support.small_parks import a_park, at

YEAR = Span(start_us=at("01-01 00:00"), stop_us=at("12-31 00:00"))
DAY = Span(start_us=at("03-02 00:00"), stop_us=at("03-03 00:00"))


def chosen(span: Span, max_points: int | None, named: str | None = None, **rest: object) -> str:
    wanted = WantedLevel(named=None if named is None else LevelName(named), max_points=max_points)
    return wanted.level([a_park()], span, **rest).value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("span", "most", "level"),
    [
        (DAY, 96, "base"), (DAY, 95, "hour"), (DAY, 24, "hour"), (DAY, 23, "day"), (DAY, 1, "day"),
        (YEAR, 10_000, "hour"), (YEAR, 500, "day"), (YEAR, 364, "day"), (YEAR, 363, "week"), (YEAR, 40, "month"), (YEAR, 3, "year"),
    ],
)  # fmt: skip
def test_the_finest_level_that_fits_is_chosen(span: Span, most: int, level: str) -> None:
    assert chosen(span, most) == level


def test_only_levels_that_there_are_are_chosen() -> None:
    assert chosen(DAY, 1000, levels=(Level.DAY, Level.MONTH)) == "day"


def test_a_named_level_holds() -> None:
    assert chosen(DAY, None, "hour") == "hour"
    assert chosen(DAY, 24, "hour") == "hour"


@pytest.mark.parametrize(
    ("most", "named", "words"),
    [
        (None, None, "say the level"),
        (23, "hour", "more than 23 intervals of level hour"),
        (500, "base", "more than 500"),
    ],
)
def test_what_cannot_be_is_refused(most: int | None, named: str | None, words: str) -> None:
    with pytest.raises(Problem, match=words):
        chosen(YEAR if most == 500 else DAY, most, named)


def test_a_range_in_which_nothing_begins_is_refused() -> None:
    with pytest.raises(Problem, match="no level has"):
        chosen(Span(start_us=DAY.start_us + 1, stop_us=DAY.start_us + 2), 10)
