"""How much an engine takes from its queue."""

from service.engine.known import Pace

MOST = 200_000


def test_a_cycle_that_took_too_long_is_followed_by_a_shorter_one() -> None:
    pace = Pace()
    assert pace.rows(MOST) == MOST

    pace.took(MOST, 6.0)

    assert pace.rows(MOST) == MOST // 2


def test_the_pace_never_stops_and_comes_back() -> None:
    pace = Pace()
    for _ in range(20):
        pace.took(MOST, 60.0)
    assert pace.rows(MOST) == 10_000

    for _ in range(20):
        pace.took(MOST, 0.1)

    assert pace.rows(MOST) == MOST


def test_who_allows_less_than_the_least_gets_no_more() -> None:
    assert Pace().rows(500) == 500
