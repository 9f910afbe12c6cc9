"""Episodes, judgements and what people say of them in the database: equal to the evaluation, whatever was there before."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection, Connection

from domain.alarms import OPEN_US, Category
from domain.errors import InputError, NotAllowed
from domain.time import DAY_US, HOUR_US
from store.alarms import alarm_ids
from store.connection import Role, connect, open_pool
from store.episodelists import NoteKind, note_episode, read_episode, read_episodes, read_judgements
from store.episodes import Change, EpisodeChanges, EpisodeTable, replace_episodes, stored_episodes
from store.judgements import NO_VERDICT, RevisedJudgements, write_judgements
from store.registry import load_registry
from tests.support.alarm_store import episode_table, judgement_table, rule, target, with_users
from tests.support.databases import MINUTE_US, NOON_US

DAYS = (NOON_US - DAY_US, NOON_US + DAY_US)
A, OUTLET = "p/a/m/cod", "p/_park/outlet/cod"


@pytest.fixture
def conn(kawasan_url: str) -> Iterator[Connection[Any]]:
    """The engine's connection, to a park with an alarm 1 of tenant a and an alarm 2 of the outlet."""
    with_users(kawasan_url, rule())
    with connect(kawasan_url, Role.WRITE, autocommit=True) as conn:
        assert alarm_ids(conn, 1, [target(A)]) == {("cod-high", A): 1}
        assert alarm_ids(conn, 1, [target(OUTLET)]) == {("cod-high", OUTLET): 2}
        yield conn


@pytest.fixture
async def asked(kawasan_url: str, conn: Connection[Any]) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of the API to the same."""
    assert conn
    async with open_pool(kawasan_url, Role.API) as pool, pool.connection() as asked:
        yield asked


def episodes(*made: dict[str, Any]) -> EpisodeTable:
    return episode_table(1, *made)


def scope(first: int = -60, last: int | None = None, alarms: tuple[int, ...] = (1, 2)) -> tuple[Any, Any, Any]:
    """From `first` minutes after noon on, to `last`, of some alarms."""
    until_us = OPEN_US if last is None else NOON_US + last * MINUTE_US
    return (
        np.array(alarms, dtype=np.int32),
        np.full(len(alarms), NOON_US + first * MINUTE_US),
        np.full(len(alarms), until_us),
    )


def replaced(
    conn: Connection[Any], *made: dict[str, Any], within: tuple[Any, Any, Any] | None = None
) -> EpisodeChanges:
    return replace_episodes(conn, episodes(*made), within or scope(), computed_at_us=NOON_US)


def listed(changes: EpisodeChanges) -> list[tuple[int, int, Change, bool]]:
    columns = (changes.alarm_id, (changes.start_us - NOON_US) // MINUTE_US, changes.change, changes.was_final)
    return [
        (alarm, minute, Change(change), final)
        for alarm, minute, change, final in zip(*(column.tolist() for column in columns), strict=True)
    ]


def stored(conn: Connection[Any], first: int = -1000, alarms: tuple[int, ...] = (1, 2)) -> EpisodeTable:
    return stored_episodes(conn, np.array(alarms, dtype=np.int32), np.full(len(alarms), NOON_US + first * MINUTE_US))


def assert_equal(found: EpisodeTable, wanted: EpisodeTable) -> None:
    for name in EpisodeTable.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


def test_episodes_are_read_back_as_they_were_written(conn: Connection[Any]) -> None:
    made = ({"start": 0, "final": True}, {"start": 30, "stop": 40, "open": True, "peak": np.nan}, {"alarm": 2})

    changes = replaced(conn, *made)

    assert listed(changes) == [(1, 0, Change.CAME, False), (1, 30, Change.CAME, False), (2, 0, Change.CAME, False)]
    assert_equal(stored(conn), episodes(*made))
    assert len(stored(conn, alarms=())) == 0


def test_only_what_differs_is_touched(conn: Connection[Any]) -> None:
    replaced(conn, {"start": 0, "final": True}, {"start": 30, "stop": 40}, {"start": 60, "stop": 70, "final": True})

    again = replaced(
        conn, {"start": 0, "final": True}, {"start": 30, "stop": 45}, {"start": 62, "stop": 70, "final": True}
    )

    assert listed(again) == [
        (1, 30, Change.CHANGED, False),
        (1, 60, Change.WENT, True),
        (1, 62, Change.CAME, False),
    ]
    assert len(replaced(conn, *({"start": 0, "final": True},), within=scope(-60, 10))) == 0


def test_a_final_episode_that_changes_is_a_revision(conn: Connection[Any]) -> None:
    replaced(conn, {"peak": 150.0})
    replaced(conn, {"peak": 151.0, "final": True})

    changes = replaced(conn, {"peak": 160.0, "final": True})

    assert listed(changes) == [(1, 0, Change.CHANGED, True)]
    assert conn.execute("SELECT revision FROM episode").fetchall() == [(1,)]


def test_what_starts_outside_of_the_ranges_stays(conn: Connection[Any]) -> None:
    replaced(conn, {"start": 0}, {"start": 30, "stop": 40}, {"alarm": 2, "start": 30, "stop": 40})

    changes = replaced(conn, within=scope(10, alarms=(1,)))
    bounded = replaced(conn, within=scope(0, 30, alarms=(1, 2)))

    assert listed(changes) == [(1, 30, Change.WENT, False)]
    assert listed(bounded) == [(1, 0, Change.WENT, False)]
    assert_equal(stored(conn), episodes({"alarm": 2, "start": 30, "stop": 40}))


def test_episodes_are_found_that_were_not_over_before_a_moment(conn: Connection[Any]) -> None:
    made = ({"start": 0}, {"start": 30, "stop": 40}, {"alarm": 2, "start": -500, "stop": -400, "open": True})
    replaced(conn, *made, within=scope(-1000))

    # The first is cleared eleven minutes after noon.
    assert_equal(stored(conn, 11), episodes(*made))
    assert_equal(stored(conn, 12), episodes(*made[1:]))


def test_any_way_to_a_table_ends_in_the_same_rows(conn: Connection[Any]) -> None:
    final = ({"start": 5, "stop": 20}, {"alarm": 2, "start": 7, "stop": 9})
    for step in ([{"start": 0}], [{"start": 0, "stop": 30}, {"alarm": 2, "start": 8}], []):
        replaced(conn, *step)

    replaced(conn, *final)

    assert_equal(stored(conn), episodes(*final))


async def test_what_people_said_follows_an_episode_whose_start_moves(
    asked: AsyncConnection[Any], conn: Connection[Any]
) -> None:
    replaced(conn, {"start": 0}, {"start": 100, "stop": 110})
    await note_episode(asked, "operator", 1, NOON_US, NoteKind.CAUSE, "pump down")
    await note_episode(asked, "operator", 1, NOON_US + 100 * MINUTE_US, NoteKind.COMMENT, "second")

    replaced(conn, {"start": -20}, {"start": 90, "stop": 95})
    covering = await read_episode(asked, "operator", 1, NOON_US - 20 * MINUTE_US)
    replaced(conn)
    replaced(conn, {"start": 0}, {"start": 100, "stop": 110})
    back = await read_episode(asked, "operator", 1, NOON_US)

    assert covering is not None
    assert [(note.text, note.said_of.minute) for note in covering[1]] == [("pump down", 0)]
    assert back is not None
    assert [note.text for note in back[1]] == ["pump down"]
    assert conn.execute("SELECT count(*) FROM episode_note WHERE episode = said_of").fetchone() == (2,)


async def test_what_was_said_of_an_episode_that_is_gone_goes_to_the_nearest(
    asked: AsyncConnection[Any], conn: Connection[Any]
) -> None:
    replaced(conn, {"start": 0}, {"start": 100, "stop": 110})
    await note_episode(asked, "operator", 1, NOON_US, NoteKind.COMMENT, "first")

    replaced(conn, {"start": 100, "stop": 110}, {"start": 500, "stop": 510})

    found = await read_episode(asked, "operator", 1, NOON_US + 105 * MINUTE_US)
    assert found is not None
    assert [note.text for note in found[1]] == ["first"]


async def test_an_episode_is_closed_by_those_who_know_its_cause_and_what_was_done(
    asked: AsyncConnection[Any], conn: Connection[Any]
) -> None:
    replaced(conn, {"start": 0}, {"start": 30, "stop": 40, "open": True})

    async def say(kind: NoteKind, text: str = "", user: str = "officer", minute: int = 0) -> int:
        return await note_episode(asked, user, 1, NOON_US + minute * MINUTE_US, kind, text)

    with pytest.raises(InputError, match="no cause yet"):
        await say(NoteKind.CLOSE)
    await say(NoteKind.CAUSE, "pump down")
    with pytest.raises(InputError, match="no action yet"):
        await say(NoteKind.CLOSE)
    await say(NoteKind.ACTION, "pump replaced")
    await say(NoteKind.LINK, "https://example.com/report.pdf")
    await say(NoteKind.CLOSE, "done")
    with pytest.raises(InputError, match="closed already"):
        await say(NoteKind.CLOSE)
    with pytest.raises(InputError, match="reopen it to say another cause"):
        await say(NoteKind.CAUSE, "other")
    with pytest.raises(InputError, match="still going on"):
        await say(NoteKind.CLOSE, minute=30)
    with pytest.raises(InputError, match="no link"):
        await say(NoteKind.LINK, "javascript:alert(1)", minute=30)
    with pytest.raises(InputError, match="has no episode that starts at"):
        await say(NoteKind.COMMENT, "x", minute=7)

    (closed,) = await read_episodes(asked, "tenant", *DAYS, closed=True)
    (open_,) = await read_episodes(asked, "tenant", *DAYS, closed=False)
    assert (closed.cause, closed.action, closed.closed_by) == ("pump down", "pump replaced", "officer")
    assert (open_.cause, open_.closed_at, open_.cleared_at) == (None, None, None)
    await say(NoteKind.REOPEN, "wrong cause")
    await say(NoteKind.CAUSE, "valve open")
    assert await read_episodes(asked, "operator", *DAYS, closed=True) == ()
    found = await read_episode(asked, "operator", 1, NOON_US)
    assert found is not None
    assert (found[0].cause, found[0].closed_by) == ("valve open", None)
    assert [note.kind for note in found[1]] == ["cause", "action", "link", "close", "reopen", "cause"]


async def test_a_tenant_sees_and_comments_on_its_own_episodes(
    asked: AsyncConnection[Any], conn: Connection[Any]
) -> None:
    replaced(conn, {"start": 0}, {"alarm": 2})

    await note_episode(asked, "tenant", 1, NOON_US, NoteKind.COMMENT, "we know")
    with pytest.raises(NotAllowed, match="you may comment on yours"):
        await note_episode(asked, "tenant", 1, NOON_US, NoteKind.CAUSE, "x")
    with pytest.raises(InputError, match="or you may not see it"):
        await note_episode(asked, "tenant", 2, NOON_US, NoteKind.COMMENT, "x")

    assert [row.alarm_id for row in await read_episodes(asked, "tenant", *DAYS)] == [1]
    assert await read_episode(asked, "tenant", 2, NOON_US) is None
    assert {row.alarm_id for row in await read_episodes(asked, "officer", *DAYS)} == {1, 2}
    assert await read_episodes(asked, "nobody", *DAYS) == ()


async def test_episodes_are_filtered_and_paged(asked: AsyncConnection[Any], conn: Connection[Any]) -> None:
    replaced(conn, {"start": 0}, {"start": 30, "stop": 40, "open": True}, {"alarm": 2})

    async def starts(**filters: Any) -> list[tuple[int, int]]:
        rows = await read_episodes(asked, "operator", *DAYS, **filters)
        return [(row.alarm_id, row.start.minute) for row in rows]

    assert await starts() == [(1, 30), (2, 0), (1, 0)]
    assert await starts(going_on=True) == [(1, 30)]
    assert await starts(target="p/_park", rule="cod-high", park="p") == [(2, 0)]
    assert await starts(categories=[Category.DEVICE]) == []
    first = await read_episodes(asked, "operator", *DAYS, limit=2)
    assert await starts(after=first[-1].key) == [(1, 0)]
    assert (first[0].unit, first[0].rule_version, first[0].channel) == ("mg/L", 1, A)


def judged(conn: Connection[Any], *made: tuple[int, float, int, bool], last: int | None = None) -> RevisedJudgements:
    return write_judgements(conn, judgement_table(1, *made), scope(-60, last, alarms=(1,)), computed_at_us=NOON_US)


async def test_judgements_are_revised_only_once_they_are_final(
    asked: AsyncConnection[Any], conn: Connection[Any]
) -> None:
    first = judged(conn, (10, 90.0, 0, True), (20, 90.0, 0, False), (30, np.nan, 3, True), (40, 120.0, 2, True))

    second = judged(conn, (10, 130.0, 2, True), (20, 130.0, 2, False), (30, 90.0, 0, True))
    third = judged(conn, (10, 130.0, 2, True), (20, 130.0, 2, False), (30, 90.0, 0, True))

    assert (len(first), len(third)) == (0, 0)
    minutes = ((second.at_us - NOON_US) // MINUTE_US).tolist()
    assert list(zip(minutes, second.before.tolist(), second.after.tolist(), strict=True)) == [
        (10, 0, 2),
        (30, 3, 0),
        (40, 2, NO_VERDICT),
    ]
    rows = await read_judgements(asked, "tenant", 1, NOON_US, NOON_US + HOUR_US)
    assert [(row.at.minute, row.greatest, row.verdict, row.revision) for row in rows] == [
        (10, 130.0, 2, 1),
        (20, 130.0, 2, 0),
        (30, 90.0, 0, 1),
    ]
    assert (rows[0].lowest, rows[0].highest) == (None, 100.0)
    assert await read_judgements(asked, "nobody", 1, NOON_US, NOON_US + HOUR_US) == ()


def test_judgements_outside_of_the_ranges_stay(conn: Connection[Any]) -> None:
    judged(conn, (10, 90.0, 0, True), (20, 90.0, 0, True))

    judged(conn, (10, 91.0, 0, True), last=20)

    assert conn.execute("SELECT greatest FROM judgement ORDER BY at").fetchall() == [(91.0,), (90.0,)]


def test_the_rule_that_made_an_episode_is_one_of_the_registry(conn: Connection[Any]) -> None:
    replaced(conn, {"start": 0})

    assert stored(conn).rule_id.tolist() == [load_registry(conn, "p").alarm_rules[0].id]
