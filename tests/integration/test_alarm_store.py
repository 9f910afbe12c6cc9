"""Alarms, how they stand, and their journal in the database: who sees them, who acts on them, and what nobody can change."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import AsyncConnection, Connection

from domain.alarms import AlarmState, Category, Inhibit, Severity, Standing, Step, Transition
from domain.errors import InputError, NotAllowed
from domain.notifications import Notification, Way
from domain.time import DAY_US, HOUR_US
from store.alarmlists import act, act_by, read_alarm, read_alarms, read_notifications, read_transitions
from store.alarms import (
    alarm_ids,
    append_transitions,
    standings,
    standings_of_park,
    untold_transitions,
    write_standings,
)
from store.connection import Role, connect, open_pool
from store.outbox import enqueue
from tests.support.alarm_store import rule, target, with_users
from tests.support.databases import NOON_US

A, B, OUTLET = "p/a/m/cod", "p/b/m/cod", "p/_park/outlet/cod"
TARGETS = (
    target(A),
    target(B, "cod-warning", Category.WARNING),
    target(OUTLET),
    target("p/b/m", "silence", Category.DEVICE),
    target("p/a", "gateway", Category.DEVICE),
    target("p/b/m/energy_import", "load", Category.WARNING),
    target("p#power_factor", "pf", Category.WARNING),
    target("p/a#electricity", "use", Category.WARNING),
    target("p", "lag", Category.SYSTEM),
)


@pytest.fixture
def ids(kawasan_url: str) -> dict[tuple[str, str], int]:
    """Ids of alarms of every kind of target, in a park with users."""
    with_users(kawasan_url, rule())
    with connect(kawasan_url, Role.WRITE) as conn:
        return alarm_ids(conn, 1, TARGETS)


@pytest.fixture
def conn(kawasan_url: str, ids: dict[tuple[str, str], int]) -> Iterator[Connection[Any]]:
    """The engine's connection."""
    assert ids
    with connect(kawasan_url, Role.WRITE, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def asked(kawasan_url: str, ids: dict[tuple[str, str], int]) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of the API."""
    assert ids
    async with open_pool(kawasan_url, Role.API) as pool, pool.connection() as conn:
        yield conn


def array(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int32)


def raised(alarm_id: int, **rest: Any) -> Standing:
    """An alarm that was raised at noon."""
    return Standing(
        alarm_id=alarm_id,
        state=AlarmState.ACTIVE_UNACKED,
        since_us=NOON_US,
        episode_us=NOON_US - HOUR_US,
        raised_us=NOON_US,
        **{"version": 1, **rest},
    )


def step(alarm_id: int, what: Step = Step.RAISE, **rest: Any) -> Transition:
    return Transition(
        **{
            "alarm_id": alarm_id,
            "step": what,
            "before": AlarmState.NORMAL,
            "after": AlarmState.ACTIVE_UNACKED,
            "inhibit": Inhibit.NONE,
            "at_us": NOON_US,
            "episode_us": NOON_US - HOUR_US,
            "actor": "engine",
            "announced": True,
            **rest,
        }
    )


def test_alarms_are_made_once_and_follow_their_rule(conn: Connection[Any], ids: dict[tuple[str, str], int]) -> None:
    write_standings(conn, [raised(ids["cod-high", A])])

    again = alarm_ids(conn, 1, [*TARGETS[1:], target(A, severity=Severity.CRITICAL)])

    assert again == ids
    assert standings(conn, array(ids["cod-high", A])) == {ids["cod-high", A]: raised(ids["cod-high", A])}
    row = conn.execute("SELECT severity, category FROM alarm WHERE id = %s", [ids["cod-high", A]]).fetchone()
    assert row == (4, "exceedance")


def test_an_alarm_knows_whose_its_target_is(conn: Connection[Any], ids: dict[tuple[str, str], int]) -> None:
    rows = conn.execute(
        "SELECT a.rule_key, c.quantity, m.key, t.key, a.subject_kind, a.subject_id FROM alarm a"
        " LEFT JOIN channel c ON c.id = a.channel_id LEFT JOIN meter m ON m.id = a.meter_id"
        " LEFT JOIN tenant t ON t.id = a.tenant_id WHERE a.id = ANY (%s)",
        [[ids[one.rule, one.target] for one in TARGETS[3:]]],
    ).fetchall()

    tenant_a = conn.execute("SELECT id FROM tenant WHERE key = 'a'").fetchone()
    assert tenant_a is not None
    assert set(rows) == {
        ("silence", None, "m", "b", None, None),
        ("gateway", None, None, "a", None, None),
        ("load", "energy_import", "m", "b", None, None),
        ("pf", None, None, None, 0, 1),
        ("use", None, None, "a", 1, tenant_a[0]),
        ("lag", None, None, None, None, None),
    }


def test_a_standing_is_read_back_as_it_was_written(conn: Connection[Any], ids: dict[tuple[str, str], int]) -> None:
    one, other = sorted(ids.values())[:2]
    full = Standing(
        alarm_id=one,
        state=AlarmState.ACTIVE_ACKED,
        inhibit=Inhibit.SHELVED,
        suppressed=True,
        since_us=NOON_US,
        episode_us=NOON_US - 1,
        raised_us=NOON_US + 1,
        acked_us=NOON_US + 2,
        acked_by="operator",
        level=2,
        until_us=NOON_US + 3,
        version=7,
    )

    assert write_standings(conn, [full, raised(other)]) == 2

    assert standings(conn, array(other, one)) == {one: full, other: raised(other)}
    assert standings_of_park(conn, 1, quiet=False) == {one: full, other: raised(other)}
    assert len(standings_of_park(conn, 1)) == len(TARGETS)
    # What is older than what is there does not take its place.
    assert write_standings(conn, [replace(full, version=7, level=0)]) == 0
    assert write_standings(conn, []) == 0
    with pytest.raises(InputError, match="alarm 999 is not in the database"):
        standings(conn, array(999))


def test_transitions_are_numbered_in_their_order(conn: Connection[Any], ids: dict[tuple[str, str], int]) -> None:
    number = ids["cod-high", A]
    steps = [step(number, text=f"step {place}", announced=False) for place in range(50)]

    made = append_transitions(conn, steps)

    rows = conn.execute("SELECT id, text FROM alarm_transition ORDER BY id").fetchall()
    assert rows == [(made[place], f"step {place}") for place in range(50)]
    assert append_transitions(conn, []) == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alarm_transition SET text = 'other'",
        "DELETE FROM alarm_transition",
        "UPDATE episode_note SET text = 'other'",
        "INSERT INTO episode_note (alarm_id, episode, said_of, kind, text, recorded_by) VALUES (1, now(), now(), 'cause', 'x', 'x')",
        "DELETE FROM notification",
        "UPDATE notification SET body = 'other'",
        "UPDATE notification_attempt SET detail = 'other'",
        "UPDATE alarm_rule SET document = '{}'",
        "INSERT INTO alarm_contact (park_id, key, version, document, origin, valid_from) VALUES (1, 'x', 1, '{}', 'file', now())",
        "DELETE FROM alarm",
    ],
)
def test_the_engine_cannot_change_what_was_recorded(conn: Connection[Any], statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM public.alarm",
        "INSERT INTO api.alarm_transition (alarm_id) VALUES (1)",
        "SELECT api.act_on_alarm_of(1, 0, 'comment', 'normal', 'none', false, now(), null, null, 0::smallint, null, now(), null, 'x', false, 'x')",
        "SELECT api.note_episode_of(1, now(), 'comment', 'x', 'x')",
        "SELECT api.create_alarm_rule_of(1::smallint, 'x', '{}', null, null, '', 'x')",
    ],
)
def test_the_api_reaches_no_table_and_acts_for_nobody_else(
    kawasan_url: str, ids: dict[tuple[str, str], int], statement: str
) -> None:
    assert ids
    with connect(kawasan_url, Role.API) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement.encode())


async def seen(conn: AsyncConnection[Any], user: str, **filters: Any) -> set[tuple[str, str]]:
    return {(row.rule, row.target) for row in await read_alarms(conn, user, **filters)}


async def test_each_user_sees_the_alarms_of_its_own(asked: AsyncConnection[Any]) -> None:
    everything = {(one.rule, one.target) for one in TARGETS}

    assert await seen(asked, "operator") == everything
    assert await seen(asked, "officer") == {("cod-high", A), ("cod-high", OUTLET)}
    assert await seen(asked, "tenant") == {("cod-high", A), ("gateway", "p/a"), ("use", "p/a#electricity")}
    assert await seen(asked, "nobody") == set()


async def test_alarms_are_filtered_and_paged(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    write_standings(conn, [raised(ids["cod-high", OUTLET]), raised(ids["lag", "p"], inhibit=Inhibit.SHELVED)])

    assert await seen(asked, "operator", states=[AlarmState.ACTIVE_UNACKED]) == {("cod-high", OUTLET), ("lag", "p")}
    assert await seen(asked, "operator", categories=[Category.DEVICE]) == {("silence", "p/b/m"), ("gateway", "p/a")}
    assert await seen(asked, "operator", target="p/a") == {
        ("cod-high", A),
        ("gateway", "p/a"),
        ("use", "p/a#electricity"),
    }
    assert await seen(asked, "operator", rule="lag", park="p") == {("lag", "p")}
    assert await seen(asked, "operator", inhibited=True) == {("lag", "p")}
    assert await seen(asked, "operator", least_severity=Severity.CRITICAL) == set()
    first = await read_alarms(asked, "operator", limit=4)
    rest = await read_alarms(asked, "operator", after=first[-1].key)
    assert [row.state for row in first[:2]] == ["active_unacked", "active_unacked"]
    assert {row.alarm_id for row in (*first, *rest)} == set(ids.values())


async def test_an_alarm_comes_with_its_rule_and_its_standing(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    number = ids["cod-high", A]
    write_standings(conn, [raised(number)])

    row = await read_alarm(asked, "tenant", number)

    assert row is not None
    assert (row.park, row.timezone, row.channel, row.unit, row.rule_version) == ("p", "Asia/Jakarta", A, "mg/L", 1)
    assert row.document is not None
    assert "COD of the outlet" in row.document
    assert row.standing == raised(number)
    assert await read_alarm(asked, "tenant", ids["cod-high", OUTLET]) is None


def acknowledged(standing: Standing) -> tuple[Standing, Transition]:
    after = replace(
        standing, state=AlarmState.ACTIVE_ACKED, acked_us=NOON_US + 5, acked_by="x", version=standing.version + 1
    )
    made = step(
        standing.alarm_id,
        Step.ACKNOWLEDGE,
        before=standing.state,
        after=after.state,
        actor="somebody else",
        text="seen",
        announced=False,
    )
    return after, made


async def test_acting_is_recorded_under_the_name_of_the_user(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    number = ids["cod-high", A]
    write_standings(conn, [raised(number)])

    done = await act(asked, "officer", raised(number), *acknowledged(raised(number)))
    late = await act(asked, "operator", raised(number), *acknowledged(raised(number)))

    assert (done, late) == (True, False)
    stands = standings(conn, array(number))[number]
    assert (stands.state, stands.acked_by, stands.version) == (AlarmState.ACTIVE_ACKED, "officer", 2)
    assert stands.raised_us == NOON_US
    (line,) = await read_transitions(asked, "tenant", alarm_id=number)
    assert (line.step, line.before, line.after) == ("acknowledge", "active_unacked", "active_acked")
    assert (line.actor, line.text, line.rule, line.target) == ("officer", "seen", "cod-high", A)


async def test_a_tenant_comments_on_its_own_and_does_nothing_else(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    number, foreign = ids["cod-high", A], ids["cod-high", OUTLET]
    write_standings(conn, [raised(number), raised(foreign)])
    comment = step(number, Step.COMMENT, text="the pump was down", announced=False)

    # Whatever else it brings along, a comment changes nothing.
    assert await act(asked, "tenant", raised(number), Standing(alarm_id=number), comment)

    assert standings(conn, array(number))[number] == replace(raised(number), version=2)
    with pytest.raises(NotAllowed, match="you may comment on yours"):
        await act(asked, "tenant", raised(number, version=2), *acknowledged(raised(number, version=2)))
    with pytest.raises(InputError, match="or you may not see it"):
        await act(asked, "tenant", raised(foreign), Standing(alarm_id=foreign), replace(comment, alarm_id=foreign))


async def test_what_a_person_does_must_make_sense(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int], now_us: int
) -> None:
    number = ids["cod-high", A]
    write_standings(conn, [raised(number)])

    async def shelve(until_us: int | None, text: str = "being cleaned") -> bool:
        after = replace(raised(number), inhibit=Inhibit.SHELVED, until_us=until_us, version=2)
        return await act(asked, "operator", raised(number), after, step(number, Step.SHELVE, text=text))

    with pytest.raises(InputError, match="for at most 7 days"):
        await shelve(now_us + 8 * DAY_US)
    with pytest.raises(InputError, match="nothing is shelved for ever"):
        await shelve(None)
    with pytest.raises(InputError, match="shelve needs a reason"):
        await shelve(now_us + HOUR_US, text=" ")
    with pytest.raises(InputError, match="'raise' is nothing that a person does"):
        await act(asked, "operator", raised(number), raised(number), step(number))
    assert await shelve(now_us + HOUR_US)
    assert standings(conn, array(number))[number].inhibit is Inhibit.SHELVED


async def test_what_people_did_is_announced_by_the_engine_once(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int], now_us: int
) -> None:
    number = ids["cod-high", A]
    write_standings(conn, [raised(number, inhibit=Inhibit.SHELVED)])
    append_transitions(conn, [step(number)])
    before = raised(number, inhibit=Inhibit.SHELVED)
    unshelved = step(number, Step.UNSHELVE, before=before.state, announced=True)
    await act(asked, "operator", before, replace(before, inhibit=Inhibit.NONE), unshelved)

    (untold,) = untold_transitions(conn, 1, now_us - HOUR_US)
    told = enqueue(conn, 1, [notification("k")], [untold.id])

    assert (untold.transition.step, untold.transition.actor, told) == (Step.UNSHELVE, "operator", 1)
    assert untold_transitions(conn, 1, now_us - HOUR_US) == ()


def notification(key: str) -> Notification:
    return Notification(
        contact="officer",
        way=Way.EMAIL,
        address="officer@example.com",
        subject="s",
        body="b",
        payload="{}",
        dedup_key=key,
        not_before_us=NOON_US,
        urgent=False,
    )


async def test_who_was_told_is_shown_to_those_who_run_the_park_and_the_officer_of_the_alarm(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    made = append_transitions(conn, [step(ids["cod-high", A]), step(ids["lag", "p"])])
    enqueue(conn, 1, [notification("one"), notification("two")], made)

    found = {
        user: [row.alarm_id for row in await read_notifications(asked, user)]
        for user in ("operator", "officer", "tenant")
    }

    assert found == {
        "operator": [ids["lag", "p"], ids["cod-high", A]],
        "officer": [ids["cod-high", A]],
        "tenant": [],
    }


async def test_the_journal_is_paged_and_followed(
    asked: AsyncConnection[Any], conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    made = append_transitions(conn, [step(ids["cod-high", A]) for _ in range(5)] + [step(ids["lag", "p"])])

    newest = await read_transitions(asked, "operator", park="p", limit=2)
    older = await read_transitions(asked, "operator", after=newest[-1].id)
    new = await read_transitions(asked, "officer", newer_than=made[2])

    assert [row.id for row in (*newest, *older)] == sorted(made, reverse=True)
    assert [row.id for row in new] == [made[4], made[3]]


def test_nobody_acts_on_an_alarm_while_the_engine_holds_it(
    kawasan_url: str, conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    number = ids["cod-high", A]
    with connect(kawasan_url, Role.WRITE) as engine:
        standings(engine, array(number))
        conn.execute("SET lock_timeout = '100ms'")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute("UPDATE alarm SET version = version + 1 WHERE id = %s", [number])


@pytest.fixture
def now_us(kawasan_url: str) -> int:
    """The database's clock."""
    with psycopg.connect(kawasan_url) as conn:
        row = conn.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    assert row is not None
    return int(row[0])


async def test_of_two_people_who_act_on_what_they_saw_at_once_one_is_told_to_look_again(
    kawasan_url: str, conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    number = ids["cod-high", A]
    write_standings(conn, [raised(number)])

    async with open_pool(kawasan_url, Role.API, min_size=4) as pool:

        async def one(user: str) -> bool:
            async with pool.connection() as own:
                return await act(own, user, raised(number), *acknowledged(raised(number)))

        done = await asyncio.gather(*(one(user) for user in ("operator", "officer", "operator", "officer")))

    assert sorted(done) == [False, False, False, True]
    assert conn.execute("SELECT count(*) FROM alarm_transition").fetchone() == (1,)


def test_somebody_at_the_command_line_acts_under_their_name(
    kawasan_url: str, conn: Connection[Any], ids: dict[tuple[str, str], int]
) -> None:
    number = ids["cod-high", A]
    write_standings(conn, [raised(number)])

    with connect(kawasan_url, Role.MIGRATE) as own:
        assert act_by(own, "cli:eve", raised(number), *acknowledged(raised(number)))

    assert standings(conn, array(number))[number].acked_by == "cli:eve"
