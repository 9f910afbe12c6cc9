"""Steps applied to an alarm: how it stands, what the journal has, who is told."""

from dataclasses import replace

from domain.alarms import AlarmState, Category, Inhibit, Severity, Signal, Source, Standing, Step, Tell, Watch
from domain.notifications import Contact, Way
from domain.registry import Registry
from domain.time import SECOND_US
from service.engine.following import Steps, follow
from service.engine.revisions import Move
from service.engine.timers import time_steps
from tests.support.small_parks import BEGIN_US, a_channel, a_meter, a_registry

NOW_US = BEGIN_US + 10**12
WATCH = Watch(
    rule_id=1,
    alarm_id=1,
    rule="high",
    target="p/t1/m1/cod",
    name="High",
    category=Category.EXCEEDANCE,
    severity=Severity.HIGH,
    source=Source(signal=Signal.VALUE, channel_id=1),
    unit="mg/L",
    highest=100.0,
    tell=(Tell(contact="officer"), Tell(contact="boss", after_s=600)),
)


def the_registry() -> Registry:
    contacts = tuple(
        Contact(key=key, name=key, way=Way.EMAIL, address=f"{key}@example.com") for key in ("officer", "boss")
    )
    return replace(a_registry([a_meter(1, 1)], [a_channel(1, 1, "cod")]), contacts=contacts)


def a_move(step: Step, minute: int = 0, **rest: object) -> Move:
    move = Move(step=step, at_us=BEGIN_US + minute * 60 * SECOND_US, episode_us=BEGIN_US)
    return replace(move, **rest)  # type: ignore[arg-type]


def test_each_step_that_changes_something_is_in_the_journal_and_told() -> None:
    moves = (a_move(Step.RAISE, 1), a_move(Step.RAISE, 2), a_move(Step.CLEAR, 3))

    standing, made = follow(Steps(watch=WATCH, standing=Standing(alarm_id=1), moves=moves), the_registry(), NOW_US)

    assert [one.transition.step for one in made] == [Step.RAISE, Step.CLEAR]
    assert [[note.contact for note in one.notifications] for one in made] == [["officer"], ["officer"]]
    assert (standing.state, standing.version) == (AlarmState.RETURNED_UNACKED, 2)


def test_a_step_that_is_only_for_the_journal_tells_nobody() -> None:
    moves = (a_move(Step.RAISE, is_told=False),)

    _, (made,) = follow(Steps(watch=WATCH, standing=Standing(alarm_id=1), moves=moves), the_registry(), NOW_US)

    assert not made.transition.announced
    assert made.notifications == ()


def test_a_revision_is_dated_by_the_clock_and_moves_the_start_of_what_is_over() -> None:
    standing = Standing(alarm_id=1, state=AlarmState.RETURNED_UNACKED, episode_us=BEGIN_US + SECOND_US)
    move = a_move(Step.REVISE, moved_us=BEGIN_US, text="Late data changed the record: the start.")

    after, (made,) = follow(Steps(watch=WATCH, standing=standing, moves=(move,)), the_registry(), NOW_US)

    assert made.transition.at_us == NOW_US
    assert after.episode_us == BEGIN_US
    assert len(made.notifications) == 1


def test_time_brings_every_level_and_what_the_end_of_a_shelf_brings() -> None:
    raised = Standing(alarm_id=1, state=AlarmState.ACTIVE_UNACKED, episode_us=BEGIN_US, raised_us=NOW_US)
    later_us = NOW_US + 600 * SECOND_US
    shelved = replace(raised, inhibit=Inhibit.SHELVED, until_us=later_us)

    assert [move.step for move in time_steps(raised, WATCH, later_us)] == [Step.ESCALATE]
    assert time_steps(raised, WATCH, later_us - 1) == ()
    assert [move.step for move in time_steps(shelved, WATCH, later_us)] == [Step.EXPIRE]
