"""How often something may be tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.rates import Rates, rate_headers
from service.identity.limits import LIMITS, Bucket, Kind, login_keys, network_of, taken, wait_s
from store.passwords import Tried


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_an_address_counts_as_its_subscriber(address: str, network: str) -> None:
    assert network_of(address) == network


def test_tries_are_counted_by_hashes_that_do_not_run_into_each_other() -> None:
    keys = login_keys("ani", "192.0.2.7")

    assert list(keys) == [Kind.ADDRESS, Kind.BOTH, Kind.NAME]
    assert len(set(keys.values())) == 3
    assert login_keys("ani", "192.0.2.8")[Kind.NAME] == keys[Kind.NAME]
    assert login_keys("ani", "192.0.2.8")[Kind.BOTH] != keys[Kind.BOTH]
    assert list(login_keys(None, "192.0.2.7")) == [Kind.ADDRESS]


def test_the_last_try_of_a_window_is_looked_at_and_the_next_waits_for_its_end() -> None:
    most = LIMITS[Kind.BOTH]

    assert wait_s([Kind.BOTH], [Tried(tries=most, left_s=100.0)]) == 0.0
    assert wait_s([Kind.BOTH], [Tried(tries=most + 1, left_s=100.0)]) == 100.0
    assert wait_s([Kind.BOTH, Kind.NAME], [Tried(tries=99, left_s=1.0), Tried(tries=99, left_s=2.0)]) == 2.0


def test_a_bucket_holds_a_minutes_worth_and_fills_as_fast() -> None:
    bucket: Bucket | None = None
    for left in (2, 1, 0):
        bucket, rate = taken(bucket, 0.0, per_min=3)
        assert (rate.remaining, rate.wait_s) == (left, 0.0)

    bucket, refused = taken(bucket, 0.0, per_min=3)
    bucket, early = taken(bucket, 19.0, per_min=3)
    _, again = taken(bucket, 20.0, per_min=3)

    assert refused.wait_s == pytest.approx(20.0)
    assert early.wait_s == pytest.approx(1.0)
    assert again.wait_s == 0.0


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 20))
def test_no_more_is_let_through_than_a_full_bucket_and_what_came_since(gaps: list[float], per_min: int) -> None:
    bucket: Bucket | None = None
    now, through = 0.0, 0
    for gap in gaps:
        now += gap
        bucket, rate = taken(bucket, now, per_min=per_min)
        through += rate.wait_s == 0.0
        assert 0 <= rate.remaining <= per_min

    assert through <= per_min + now * per_min / 60 + 1e-6


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    bucket, _ = taken(Bucket(0.5, 100.0), 50.0, per_min=60)

    assert bucket.level == 0.5


def test_each_user_has_a_bucket_and_without_a_limit_there_is_none() -> None:
    rates = Rates(1)

    first, second, other = rates.take("ani"), rates.take("ani"), rates.take("tono")

    assert first is not None and second is not None and other is not None  # noqa: PT018 - for the types
    assert (first.wait_s, other.wait_s) == (0.0, 0.0)
    assert second.wait_s > 0
    assert dict(rate_headers(second))[b"ratelimit-remaining"] == b"0"
    assert Rates(0).take("ani") is None
    assert rate_headers(None) == ()
