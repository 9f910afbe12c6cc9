"""Alarm rules and contacts: from a park file and from people, each change a version that says who and when."""

from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any

import pytest
from psycopg import AsyncConnection, Connection

from domain.errors import InputError, NotAllowed, RegistryError
from domain.notifications import Way
from domain.parkfile import ParkFile
from domain.references import Holidays, Origin, References
from domain.registry import Registry
from domain.time import HOUR_US, from_datetime, parse_instant
from store.alarmrules import (
    create_rule,
    end_rule,
    list_rules,
    mark_judged,
    read_rules,
    replace_rule,
    unjudged_rules,
)
from store.connection import Role, connect, open_pool
from store.queries import read_registry
from store.references import apply_references
from store.registry import apply_park, load_registry
from store.spans import set_ticked_to, take_spans
from tests.support.alarm_store import CONTACT, alarm_park, entry, rule, with_users
from tests.support.databases import NOON_US

PARK_US = parse_instant("2026-01-01T00:00:00+07:00")
LATER_US = NOON_US + HOUR_US


@pytest.fixture
def conn(kawasan_url: str) -> Iterator[Connection[Any]]:
    """The connection that a park file is applied by."""
    with connect(kawasan_url, Role.MIGRATE) as conn:
        yield conn


@pytest.fixture
async def asked(kawasan_url: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of the API, to a park with its users and no alarms."""
    with_users(kawasan_url)
    async with open_pool(kawasan_url, Role.API) as pool, pool.connection() as conn:
        yield conn


def said(conn: Connection[Any], *alarms: dict[str, Any], now_us: int = NOON_US, **rest: Any) -> list[str]:
    return [str(change) for change in apply_park(conn, alarm_park(*alarms, **rest), now_us=now_us)]


def versions(registry: Registry) -> list[tuple[str, int, int, int | None]]:
    return [(one.key, one.version, one.valid_from_us, one.valid_to_us) for one in registry.alarm_rules]


def test_a_rule_of_the_file_is_read_back_and_holds_as_long_as_the_park(conn: Connection[Any]) -> None:
    changes = said(conn, rule(tell=[{"contact": "officer", "after_s": 600}]))

    registry = load_registry(conn, "p")
    assert "alarm p/cod-high: added, version 1 from 2025-12-31T17:00:00+00:00" in changes
    (only,) = registry.alarm_rules
    assert (only.entry, only.origin) == (entry(tell=[{"contact": "officer", "after_s": 600}]), "file")
    assert versions(registry) == [("cod-high", 1, PARK_US, None)]
    assert only.recorded_at_us == NOON_US
    (contact,) = registry.contacts
    assert (contact.key, contact.way, contact.address) == ("officer", Way.EMAIL, "officer@example.com")


def test_applying_the_same_file_twice_changes_nothing(conn: Connection[Any]) -> None:
    said(conn, rule(), rule("ph", watch={"channel": "*/*/ph"}, above=9.0, below=6.0))
    version = load_registry(conn, "p").park.version

    assert said(conn, rule(), rule("ph", watch={"channel": "*/*/ph"}, above=9.0, below=6.0), now_us=LATER_US) == []
    assert load_registry(conn, "p").park.version == version


def test_a_changed_rule_ends_its_version_now_and_begins_the_next(conn: Connection[Any]) -> None:
    said(conn, rule())

    changes = said(conn, rule(above=80.0), now_us=LATER_US)

    registry = load_registry(conn, "p")
    assert versions(registry) == [("cod-high", 1, PARK_US, LATER_US), ("cod-high", 2, LATER_US, None)]
    assert [one.entry.above for one in registry.alarm_rules] == [100.0, 80.0]
    assert changes == ["alarm p/cod-high: version 2 from 2026-03-01T13:00:00+00:00: above changed from 100 to 80"]
    old, new = list_rules(conn, "p", history=True)
    assert (old.superseded_by, old.superseded_why, new.superseded_at) == (new.recorded_by, "the park file", None)
    assert from_datetime(old.superseded_at or new.recorded_at) == LATER_US


def test_a_rule_that_the_file_no_longer_has_ends_and_one_that_comes_back_begins_then(conn: Connection[Any]) -> None:
    said(conn, rule())

    gone = said(conn, now_us=LATER_US)
    back = said(conn, rule(), now_us=LATER_US + HOUR_US)

    assert gone == ["alarm p/cod-high: version 1 ended"]
    assert back == ["alarm p/cod-high: added, version 2 from 2026-03-01T14:00:00+00:00"]
    assert versions(load_registry(conn, "p")) == [
        ("cod-high", 1, PARK_US, LATER_US),
        ("cod-high", 2, LATER_US + HOUR_US, None),
    ]


def test_a_file_may_name_dated_versions_that_follow_each_other(conn: Connection[Any]) -> None:
    summer = {"valid_from": "2026-06-01T00:00:00+07:00"}
    spring = {"valid_to": "2026-06-01T00:00:00+07:00"}
    said(conn, rule(**spring), rule(above=80.0, **summer))

    edge_us = parse_instant("2026-06-01T00:00:00+07:00")
    assert versions(load_registry(conn, "p")) == [("cod-high", 1, PARK_US, edge_us), ("cod-high", 2, edge_us, None)]
    # Once the first is over, a file need not repeat it.
    assert said(conn, rule(above=80.0, **summer), now_us=edge_us + HOUR_US) == []


def test_a_version_that_never_came_into_force_is_not_in_the_registry(conn: Connection[Any]) -> None:
    said(conn, rule(valid_from="2026-12-01T00:00:00+07:00"))

    said(conn, now_us=LATER_US)

    assert load_registry(conn, "p").alarm_rules == ()
    assert [one.version for one in list_rules(conn, "p", history=True)] == [1]


def test_the_registry_of_a_past_moment_has_the_rules_of_then(conn: Connection[Any]) -> None:
    said(conn, rule())
    said(conn, rule(above=80.0), now_us=LATER_US)

    past = load_registry(conn, "p", as_of_us=NOON_US + 1)

    assert versions(past) == [("cod-high", 1, PARK_US, None)]
    assert [contact.key for contact in past.contacts] == ["officer"]


def test_a_contact_that_changed_or_went_is_followed(conn: Connection[Any]) -> None:
    said(conn)

    said(conn, contacts=({**CONTACT, "address": "other@example.com"},), now_us=LATER_US)
    changed = load_registry(conn, "p").contacts
    gone = said(conn, contacts=(), now_us=LATER_US + HOUR_US)

    assert [contact.address for contact in changed] == ["other@example.com"]
    assert gone == ["contact p/officer: version 2 ended"]
    assert load_registry(conn, "p").contacts == ()


def test_a_rule_that_changed_is_to_be_judged_and_the_engine_is_woken(conn: Connection[Any], kawasan_url: str) -> None:
    said(conn, rule())
    conn.commit()
    with connect(kawasan_url, Role.WRITE) as engine:
        park = load_registry(engine, "p").park
        set_ticked_to(engine, park.id, NOON_US)
        new = unjudged_rules(engine, park.id)
        marked = mark_judged(engine, park.id, new, registry_version=park.version, now_us=NOON_US)
        engine.commit()
        assert (len(new), marked, unjudged_rules(engine, park.id)) == (1, 1, ())
        engine.commit()

        said(conn, rule(above=80.0), now_us=LATER_US)
        conn.commit()

        # Both are: the old one's time ended.
        assert len(unjudged_rules(engine, park.id)) == 2
        # What was read before the change says nothing of what is there now.
        assert mark_judged(engine, park.id, unjudged_rules(engine, park.id), registry_version=1, now_us=NOON_US) == 0
        taken = take_spans(engine, park.id, 1000)
        assert (taken.rows, taken.tick_us) == (1, NOON_US)


async def test_a_rule_that_is_entered_begins_now_and_every_change_says_who(
    asked: AsyncConnection[Any], kawasan_url: str
) -> None:
    first = await create_rule(asked, "operator", 1, entry(), note="asked for by the officer")
    second = await replace_rule(asked, "operator", 1, entry(above=80.0), seen=first, note="permit of June")
    moved_on = await replace_rule(asked, "operator", 1, entry(above=70.0), seen=first)
    ended = await end_rule(asked, "operator", 1, "cod-high", seen=second or 0, why="plant closed")

    old, new = await read_rules(asked, "operator", "p", history=True)
    assert (first, second, moved_on, ended) == (1, 2, None, True)
    assert await read_rules(asked, "operator", "p") == ()
    assert (old.origin, old.recorded_by, old.note) == ("entry", "operator", "asked for by the officer")
    assert (old.superseded_by, old.superseded_why) == ("operator", "permit of June")
    assert (new.superseded_by, new.superseded_why, new.entry.above) == ("operator", "plant closed", 80.0)
    assert old.valid_to == new.valid_from
    with connect(kawasan_url, Role.WRITE) as conn:
        registry = load_registry(conn, "p")
        assert len(unjudged_rules(conn, 1)) == 2
    assert registry.park.version == 4
    assert [one.version for one in registry.alarm_rules] == [1, 2]


async def test_a_rule_may_be_entered_for_the_past_but_not_for_what_another_version_held(
    asked: AsyncConnection[Any],
) -> None:
    await create_rule(asked, "operator", 1, entry(valid_from="2026-01-05T00:00:00+07:00"))
    await end_rule(asked, "operator", 1, "cod-high", seen=1, why="mistake")

    with pytest.raises(InputError, match=r"cod-high held until .*; let it begin then, or later"):
        await create_rule(asked, "operator", 1, entry(valid_from="2026-02-01T00:00:00+07:00"))
    assert await create_rule(asked, "operator", 1, entry()) == 2


async def test_a_key_is_either_the_files_or_entered(asked: AsyncConnection[Any], kawasan_url: str) -> None:
    await create_rule(asked, "operator", 1, entry())

    with connect(kawasan_url, Role.MIGRATE) as conn:
        with pytest.raises(RegistryError, match="operator entered one of that key by the API; end that"):
            apply_park(conn, alarm_park(rule()))
        # What was entered stays when a file is applied that does not speak of it.
        apply_park(conn, alarm_park(rule("other")))
        assert [(one.key, one.origin) for one in list_rules(conn, "p")] == [("cod-high", "entry"), ("other", "file")]
    with pytest.raises(InputError, match="other is in the park file already"):
        await create_rule(asked, "operator", 1, entry("other"))
    with pytest.raises(InputError, match="other is the park file's"):
        await end_rule(asked, "operator", 1, "other", seen=1, why="x")


@pytest.mark.parametrize("user", ["officer", "tenant", "nobody"])
async def test_only_the_operator_changes_rules(asked: AsyncConnection[Any], user: str) -> None:
    await create_rule(asked, "operator", 1, entry())

    with pytest.raises(NotAllowed, match="only the operator"):
        await create_rule(asked, user, 1, entry("other"))
    with pytest.raises(NotAllowed, match="only the operator"):
        await replace_rule(asked, user, 1, entry(above=1.0), seen=1)
    with pytest.raises(NotAllowed, match="only the operator"):
        await end_rule(asked, user, 1, "cod-high", seen=1, why="x")


async def test_what_makes_no_sense_is_refused_with_a_sentence(asked: AsyncConnection[Any]) -> None:
    await create_rule(asked, "operator", 1, entry())

    with pytest.raises(InputError, match="entered already, as version 1; replace that"):
        await create_rule(asked, "operator", 1, entry())
    with pytest.raises(InputError, match="needs a reason"):
        await end_rule(asked, "operator", 1, "cod-high", seen=1, why=" ")
    with pytest.raises(InputError, match="no alarm rule other in force"):
        await end_rule(asked, "operator", 1, "other", seen=1, why="x")
    with pytest.raises(InputError, match="let it end later"):
        await create_rule(asked, "operator", 1, entry("past", valid_to="2026-01-05T00:00:00+07:00"))


async def test_contacts_are_shown_to_the_operator_and_to_nobody_else(asked: AsyncConnection[Any]) -> None:
    contacts = {}
    for user in ("operator", "officer", "tenant"):
        registry = await read_registry(asked, user, "p")
        contacts[user] = [] if registry is None else [contact.key for contact in registry.contacts]

    assert contacts == {"operator": ["officer"], "officer": [], "tenant": []}


def test_a_limit_says_who_set_it(conn: Connection[Any]) -> None:
    limit = {
        "key": "cod",
        "meter": "_park/outlet",
        "quantity": "cod",
        "statistic": "mean",
        "window": "day",
        "highest": 100.0,
        "legal_basis": "example",
    }
    file = alarm_park()
    for authority in ("national", "permit"):
        document = {**file.model_dump(mode="json", exclude_unset=True), "rules": [{**limit, "authority": authority}]}
        apply_park(conn, type(file).model_validate(document), now_us=NOON_US)

    assert [one.authority for one in load_registry(conn, "p").rules] == ["permit"]


def judged_by_all(conn: Connection[Any], url: str) -> None:
    """The engine has judged by everything there is."""
    conn.commit()
    with connect(url, Role.WRITE, autocommit=True) as engine:
        park = load_registry(engine, "p").park
        rules = unjudged_rules(engine, park.id)
        assert mark_judged(engine, park.id, rules, registry_version=park.version, now_us=NOON_US) == len(rules)


def test_another_time_zone_or_other_holidays_have_everything_judged_again(
    conn: Connection[Any], kawasan_url: str
) -> None:
    said(conn, rule())
    judged_by_all(conn, kawasan_url)
    holidays = Holidays(
        origin=Origin(id=0, key="national", valid_from_us=PARK_US, valid_to_us=None, source="decree", confirmed=True),
        dates=frozenset({date(2026, 3, 19)}),
    )

    apply_references(conn, "p", References(holidays=(holidays,)), by="eve", now_us=NOON_US)
    of_holidays = unjudged_rules(conn, 1)
    judged_by_all(conn, kawasan_url)
    document = alarm_park(rule()).model_dump(mode="json", exclude_unset=True)
    document["park"]["timezone"] = "Asia/Makassar"
    apply_park(conn, ParkFile.model_validate(document), now_us=LATER_US)

    assert of_holidays == unjudged_rules(conn, 1) == (1,)
