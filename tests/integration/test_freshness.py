"""Whether what was read before still holds: every change is heard of, whichever way it comes, and so is silence."""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from domain.context import PARK_WIDE
from domain.contextentries import ContextEntry
from domain.corrections import Action
from service.api.freshness import ALARMS, IDENTITY, INPUTS, NUMBERS, SPANS, Freshness
from store import Role, connect
from store.context import enter_context
from store.corrections import correct
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import NOON_US, apply_to, channel, meter, park_file, tenant

DEADLINE_S = 20.0
LATEST_S = 1.0
PARK = park_file(tenant("a", meter("m", channel("power"), channel("cod"))))


@pytest.fixture
async def freshness(kawasan_url: str) -> AsyncIterator[Freshness]:
    """It listens to a small park, and is alive."""
    apply_to(kawasan_url, PARK)
    fresh = Freshness(kawasan_url)
    async with fresh.running():
        await until(lambda: fresh.is_alive, DEADLINE_S)
        yield fresh


async def until(holds: Callable[[], bool], longest_s: float) -> None:
    async with asyncio.timeout(longest_s):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("channel_name", "change"),
    [
        (IDENTITY, "UPDATE app_user SET role = 'officer' WHERE name = 'u'"),
        (IDENTITY, "UPDATE app_user SET disabled_at = now() WHERE name = 'u'"),
        (IDENTITY, "DELETE FROM user_park"),
        (IDENTITY, "INSERT INTO user_tenant SELECT u.id, t.id FROM app_user u, tenant t"),
        (IDENTITY, "INSERT INTO user_energy SELECT u.id, t.id FROM app_user u, tenant t"),
        (IDENTITY, "DELETE FROM token"),
        (IDENTITY, "UPDATE token SET expires_at = now()"),
        (IDENTITY, "UPDATE token SET scopes = '{read}'"),
        (IDENTITY, "DELETE FROM session"),
        (IDENTITY, "TRUNCATE token"),
        (INPUTS, "UPDATE park SET ticked_to = now()"),
        (INPUTS, "UPDATE meter SET name = 'other'"),
        (INPUTS, "UPDATE channel SET unit = unit"),
    ],
)
async def test_a_change_is_heard_of_within_a_second(
    freshness: Freshness, kawasan_url: str, channel_name: str, change: str
) -> None:
    with connect(kawasan_url, Role.AUTH) as conn:
        create_user(conn, "u", UserRole.OPERATOR, parks=["p"])
        set_token(conn, "u", token_hash("t"), label="test")
    await asyncio.sleep(0.3)
    before = freshness.stamp([channel_name])
    assert before is not None

    with psycopg.connect(kawasan_url) as conn:
        conn.execute(change.encode())
        conn.commit()

    await until(lambda: not freshness.holds(before, [channel_name]), LATEST_S)


async def test_that_a_token_was_used_changes_nothing_of_who_it_is(freshness: Freshness, kawasan_url: str) -> None:
    with connect(kawasan_url, Role.AUTH) as conn:
        create_user(conn, "u", UserRole.OPERATOR, parks=["p"])
        set_token(conn, "u", token_hash("t"), label="test")
    await asyncio.sleep(0.3)
    before, inputs = freshness.stamp([IDENTITY]), freshness.stamp([INPUTS])
    assert before is not None
    assert inputs is not None

    with psycopg.connect(kawasan_url) as conn:
        conn.execute("UPDATE token SET last_used_at = now()")
        conn.execute("UPDATE park SET name = name")  # so that there is something to wait for
        conn.commit()
    await until(lambda: not freshness.holds(inputs, [INPUTS]), LATEST_S)

    assert freshness.holds(before, [IDENTITY])


async def test_corrections_and_entered_values_are_inputs(freshness: Freshness, kawasan_url: str) -> None:
    with connect(kawasan_url, Role.MIGRATE) as conn:
        park, power = conn.execute("SELECT park_id, id FROM channel WHERE quantity = 'power'").fetchone() or (0, 0)
        for change in (
            lambda: correct(conn, power, Action.SET, first_us=NOON_US, last_us=NOON_US, value=1.0, why="seen", by="me"),
            lambda: enter_context(
                conn,
                park,
                [ContextEntry(series="area", start_us=NOON_US, stop_us=NOON_US + 86_400_000_000, value=9.0)],
                [PARK_WIDE],
                "me",
            ),
        ):
            before = freshness.stamp([INPUTS])
            assert before is not None

            change()
            conn.commit()

            await until(lambda seen=before: not freshness.holds(seen, [INPUTS]), LATEST_S)  # type: ignore[misc]


async def test_new_numbers_of_one_park_leave_what_is_known_of_another(freshness: Freshness, kawasan_url: str) -> None:
    ours, others, all_parks = (
        freshness.stamp([NUMBERS], "p"),
        freshness.stamp([NUMBERS], "q"),
        freshness.stamp([NUMBERS]),
    )
    assert ours is not None
    assert others is not None
    assert all_parks is not None

    with psycopg.connect(kawasan_url) as conn:
        conn.execute("SELECT pg_notify('kawasan_numbers', 'p')")
        conn.commit()
    await until(lambda: not freshness.holds(ours, [NUMBERS], "p"), LATEST_S)

    assert freshness.holds(others, [NUMBERS], "q")
    assert not freshness.holds(all_parks, [NUMBERS])


async def test_a_signal_that_names_no_park_is_of_all(freshness: Freshness, kawasan_url: str) -> None:
    ours = freshness.stamp([SPANS], "p")
    assert ours is not None

    with psycopg.connect(kawasan_url) as conn:
        conn.execute("SELECT pg_notify('kawasan_spans', '')")
        conn.commit()

    await until(lambda: not freshness.holds(ours, [SPANS], "p"), LATEST_S)


async def test_nothing_holds_while_nobody_listens_nor_after_it(freshness: Freshness, kawasan_url: str) -> None:
    before = freshness.stamp([ALARMS])
    assert before is not None

    with psycopg.connect(kawasan_url, autocommit=True) as conn:
        cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'kawasan-listen'"
        conn.execute(cut)
    await until(lambda: freshness.stamp([ALARMS]) is None, LATEST_S)
    await until(lambda: freshness.is_alive, DEADLINE_S)

    assert not freshness.holds(before, [ALARMS])


async def test_a_server_that_gives_no_sign_of_life_is_not_trusted(
    freshness: Freshness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.signals.Signals.beat", lambda _: asyncio.run(asyncio.sleep(3.0)))

    await until(lambda: freshness.stamp([ALARMS]) is None, 2.0)


async def test_what_this_process_changed_is_not_answered_from_before(freshness: Freshness) -> None:
    before = freshness.stamp([ALARMS])
    assert before is not None

    freshness.moved_on()

    assert not freshness.holds(before, [ALARMS])
