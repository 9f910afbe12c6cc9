"""How much an engine takes from its queue."""

from service.engine.pace import Pace

MOST = 200_000


def test_a_cycle_that_took_too_long_is_followed_by_a_shorter_one() -> None:
    pace = Pace()
    before = pace.rows(MOST)

    pace.took(MOST, before, 4.0)

    assert pace.rows(MOST) == before // 2


def test_the_pace_never_stops_and_comes_back() -> None:
    pace = Pace()
    for _ in range(20):
        pace.took(MOST, pace.rows(MOST), 60.0)
    assert pace.rows(MOST) == 10_000

    for _ in range(20):
        pace.took(MOST, pace.rows(MOST), 0.1)

    assert pace.rows(MOST) == MOST


def test_a_short_cycle_that_had_little_to_do_says_nothing() -> None:
    pace = Pace()
    before = pace.rows(MOST)

    pace.took(MOST, before // 10, 0.1)

    assert pace.rows(MOST) == before


def test_who_allows_less_than_the_least_gets_no_more() -> None:
    assert Pace().rows(500) == 500


def test_a_backlog_leaves_every_fourth_cycle_for_what_was_put_off() -> None:
    pace = Pace()

    assert [pace.spares(full=True) for _ in range(8)] == [False, False, False, True] * 2
    assert [pace.spares(full=False) for _ in range(2)] == [True, True]
