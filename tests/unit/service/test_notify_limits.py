"""How the notifier spreads attempts over time, and what it does with more than a contact wants in an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notifications import Contact, Notification, Way
from domain.time import DAY_US, SECOND_US
from service.notify.backoff import GIVE_UP_US, again_at, wait_s
from service.notify.limits import hourly_limits, sort_out
from store.outbox import Claimed

DUE_US = 1_772_366_400_000_000


def claimed(number: int, contact: str = "shift", *, urgent: bool = False, address: str = "a@b.example") -> Claimed:
    return Claimed(
        id=number,
        park_id=1,
        park="p",
        alarm_id=None,
        transition_id=None,
        created_us=DUE_US,
        attempts=0,
        notification=Notification(
            contact=contact,
            way=Way.EMAIL,
            address=address,
            subject="",
            body="",
            payload="{}",
            dedup_key=str(number),
            not_before_us=DUE_US,
            urgent=urgent,
        ),
    )


def ids(group: tuple[Claimed, ...]) -> list[int]:
    return [one.id for one in group]


def test_waits_double_from_5_s_to_15_min() -> None:
    waits = [wait_s(attempts) for attempts in range(1, 12)]

    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]


@given(st.integers(min_value=1, max_value=10**9))
def test_no_wait_is_longer_than_15_min(attempts: int) -> None:
    assert 5 <= wait_s(attempts) <= 900


def test_it_is_given_up_3_days_after_it_was_due() -> None:
    last_us = DUE_US + 3 * DAY_US - 900 * SECOND_US

    assert GIVE_UP_US == 3 * DAY_US
    assert again_at(300, due_us=DUE_US, now_us=last_us) == DUE_US + 3 * DAY_US
    assert again_at(300, due_us=DUE_US, now_us=last_us + 1) is None


def test_within_the_limit_each_goes_alone() -> None:
    found = sort_out([claimed(n) for n in range(3)], sent={(1, "shift"): 7}, hourly={(1, "shift"): 10})

    assert (ids(found.alone), found.together, found.held) == ([0, 1, 2], (), ())


def test_the_last_place_of_the_hour_is_for_those_beyond_it_in_one() -> None:
    found = sort_out([claimed(n) for n in range(10)], sent={(1, "shift"): 7}, hourly={(1, "shift"): 10})

    assert ids(found.alone) == [0, 1]
    assert [ids(group) for group in found.together] == [[2, 3, 4, 5, 6, 7, 8, 9]]
    assert found.held == ()


@pytest.mark.parametrize("sent", [10, 11, 500])
def test_without_a_place_they_wait(sent: int) -> None:
    found = sort_out([claimed(n) for n in range(2)], sent={(1, "shift"): sent}, hourly={(1, "shift"): 10})

    assert (found.alone, found.together, ids(found.held)) == ((), (), [0, 1])


def test_what_is_urgent_goes_alone_in_any_case_and_the_others_are_as_without_it() -> None:
    rows = [claimed(0, urgent=True), claimed(1), claimed(2, urgent=True), claimed(3)]

    full = sort_out(rows, sent={(1, "shift"): 10}, hourly={(1, "shift"): 10})
    last = sort_out(rows, sent={(1, "shift"): 9}, hourly={(1, "shift"): 10})

    assert (ids(full.alone), ids(full.held)) == ([0, 2], [1, 3])
    assert (ids(last.alone), [ids(group) for group in last.together]) == ([0, 2], [[1, 3]])


def test_contacts_do_not_take_each_others_places() -> None:
    rows = [claimed(0, "a"), claimed(1, "b"), claimed(2, "a")]

    found = sort_out(rows, sent={(1, "a"): 5, (2, "b"): 99}, hourly={(1, "a"): 5, (1, "b"): 1})

    assert (ids(found.alone), ids(found.held)) == ([1], [0, 2])


def test_only_what_is_for_one_address_is_put_together() -> None:
    rows = [claimed(0), claimed(1, address="new@b.example"), claimed(2), claimed(3, address="other@b.example")]

    found = sort_out(rows, sent={}, hourly={(1, "shift"): 1})

    assert ([ids(group) for group in found.together], ids(found.alone)) == ([[0, 2]], [1, 3])


def test_a_contact_that_is_not_known_any_more_has_the_usual_limit() -> None:
    found = sort_out([claimed(n) for n in range(31)], sent={}, hourly={})

    assert (len(found.alone), [len(group) for group in found.together]) == (29, [2])


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from(["x@y.example", "z@y.example"]))),
    st.integers(0, 12),
    st.integers(1, 8),
)
def test_everything_is_sorted_out_once(rows: list[tuple[str, bool, str]], sent: int, hourly: int) -> None:
    given_rows = [claimed(n, who, urgent=urgent, address=at) for n, (who, urgent, at) in enumerate(rows)]

    found = sort_out(given_rows, sent=dict.fromkeys([(1, "a"), (1, "b")], sent), hourly={(1, "a"): hourly})

    parts = [one for group in found.together for one in group]
    assert sorted(one.id for one in (*found.alone, *parts, *found.held)) == list(range(len(rows)))
    assert all(len(group) > 1 for group in found.together)
    assert not any(one.notification.urgent for one in (*parts, *found.held))


def test_limits_are_those_of_the_registry() -> None:
    contacts = {1: (Contact(key="shift", name="Shift", way=Way.EMAIL, address="a@b.example", hourly=7),), 2: ()}

    assert hourly_limits(contacts) == {(1, "shift"): 7}
