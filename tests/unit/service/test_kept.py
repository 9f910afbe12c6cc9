"""What is kept is bounded, holds only as long as nothing changed, and an ETag is compared as RFC 9110 says."""

import time

import pytest

from service.api.etags import matches
from service.api.freshness import INPUTS, NUMBERS, Freshness
from service.api.kept import Kept
from store.signals import Heard


@pytest.fixture
def freshness(monkeypatch: pytest.MonkeyPatch) -> Freshness:
    """It is alive for as long as a test lasts, though nobody listens."""
    fresh = Freshness("postgresql://nowhere/")
    monkeypatch.setattr(fresh, "_alive_s", time.monotonic() + 3600.0)
    return fresh


def keep(kept: Kept[str, str], fresh: Freshness, key: str, *, size: int = 0) -> None:
    kept.put(key, key.upper(), fresh.stamp([NUMBERS]), [NUMBERS], size=size)


def test_what_is_kept_is_found_until_something_changes(freshness: Freshness) -> None:
    kept: Kept[str, str] = Kept(freshness, most=10)
    keep(kept, freshness, "a")

    freshness._hear([Heard(INPUTS, "")])
    assert kept.get("a") == "A"
    freshness._hear([Heard(NUMBERS, "p")])
    assert kept.get("a") is None
    assert len(kept) == 0


def test_what_was_read_while_something_changed_is_not_answered(freshness: Freshness) -> None:
    kept: Kept[str, str] = Kept(freshness, most=10)
    before = freshness.stamp([NUMBERS])
    freshness._hear([Heard(NUMBERS, "")])

    kept.put("a", "A", before, [NUMBERS])

    assert kept.get("a") is None


def test_nothing_is_kept_while_nobody_hears_of_changes(freshness: Freshness) -> None:
    kept: Kept[str, str] = Kept(freshness, most=10)
    keep(kept, freshness, "a")

    freshness._alive_s = time.monotonic() - 10.0
    assert kept.get("a") is None
    keep(kept, freshness, "b")
    assert len(kept) == 0


def test_the_least_used_make_room(freshness: Freshness) -> None:
    kept: Kept[str, str] = Kept(freshness, most=2)
    for key in ("a", "b"):
        keep(kept, freshness, key)
    kept.get("a")

    keep(kept, freshness, "c")

    assert [kept.get(key) for key in ("a", "b", "c")] == ["A", None, "C"]


def test_no_more_bytes_are_kept_than_may_be(freshness: Freshness) -> None:
    kept: Kept[str, str] = Kept(freshness, most=1000, most_bytes=160)
    for number in range(100):
        keep(kept, freshness, str(number), size=9)
        assert kept.size <= 160
    keep(kept, freshness, "99", size=3)
    keep(kept, freshness, "large", size=11)

    assert (kept.get("large"), len(kept), kept.size) == (None, 17, 16 * 9 + 3)


def test_what_ends_by_itself_is_kept_no_longer(freshness: Freshness) -> None:
    kept: Kept[str, str] = Kept(freshness, most=10)
    kept.put("a", "A", freshness.stamp([NUMBERS]), [NUMBERS], lasts_s=0.05)
    assert kept.get("a") == "A"

    time.sleep(0.06)

    assert kept.get("a") is None


def test_a_server_that_may_keep_nothing_keeps_nothing() -> None:
    untrusted = Freshness("postgresql://nowhere/", is_trusted=False)
    untrusted._alive_s = time.monotonic() + 3600.0

    assert untrusted.stamp([NUMBERS]) is None


@pytest.mark.parametrize("header", ['W/"abc"', '"abc"', '"x", W/"abc"', "*", ' W/"abc" ,"y"'])
def test_an_etag_is_found_weak_or_strong_among_others(header: str) -> None:
    assert matches(header, b'W/"abc"')


@pytest.mark.parametrize("header", ["", "abc", 'W/"abcd"', '"ABC"', 'w/"abc"'])
def test_another_etag_is_not_found(header: str) -> None:
    assert not matches(header, b'W/"abc"')
