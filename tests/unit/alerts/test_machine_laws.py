"""What holds of every course of an alarm, however its steps come."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alerts.machine import ACTIVE, LATCHING, STATES, UNACKED, after_many, apply, due, levels
from domain.alarms import (
    AlarmState,
    Category,
    Inhibit,
    Severity,
    Signal,
    Source,
    Standing,
    Step,
    Tell,
    Transition,
    Watch,
)
from domain.errors import InputError
from domain.time import SECOND_US

START_US = 1_795_482_000_000_000
STATE_NAMES, STEP_NAMES = tuple(AlarmState), tuple(Step)
SHELVES = (Inhibit.SHELVED, Inhibit.SHELVED_ONCE)
OF_TIME = (Step.EXPIRE, Step.DEESCALATE, Step.REALARM, Step.ESCALATE)
RELEASES = (Step.EXPIRE, Step.UNSHELVE, Step.PUT_BACK, Step.RELEASE)


@dataclass(frozen=True)
class Asked:
    """One step that is asked for, so long after the one before."""

    step: Step
    after_s: int
    shelf_s: int
    episode: int

    def at(self, now_us: int, standing: Standing, watch: Watch) -> tuple[Standing, Transition | None]:
        of_condition = self.step in (Step.BEGIN, Step.DROP, Step.RAISE, Step.CLEAR)
        return apply(
            standing,
            self.step,
            watch=watch,
            at_us=now_us,
            now_us=now_us,
            actor="budi",
            text="because",
            episode_us=START_US + self.episode * SECOND_US if of_condition else None,
            until_us=now_us + self.shelf_s * SECOND_US if self.step in (Step.SHELVE, Step.SHELVE_ONCE) else None,
        )


WATCHES = st.builds(
    lambda latching, realarm_s, category, times: Watch(
        rule_id=1,
        alarm_id=7,
        rule="r",
        target="p/t/m/cod",
        name="COD",
        category=category,
        severity=Severity.HIGH,
        source=Source(signal=Signal.VALUE),
        unit="mg/L",
        latching=latching,
        realarm_s=realarm_s,
        tell=tuple(Tell(contact=f"c{place}", after_s=after_s) for place, after_s in enumerate(times)),
    ),
    st.booleans(),
    st.none() | st.integers(1, 7200),
    st.sampled_from(Category),
    st.lists(st.sampled_from([0, 600, 1800, 7200]), max_size=5),
)
ASKED = st.lists(
    st.builds(
        Asked,
        step=st.sampled_from(STEP_NAMES),
        after_s=st.integers(0, 4000),
        shelf_s=st.integers(1, 10_000),
        episode=st.integers(0, 3),
    ),
    max_size=60,
)


def course(watch: Watch, asked: list[Asked]) -> list[tuple[Standing, Asked, int, Standing, Transition | None]]:
    """Each step that was not refused: before, what was asked for, when, after, and what the journal has of it."""
    standing, now_us, steps = Standing(alarm_id=7), START_US, []
    for one in asked:
        now_us += one.after_s * SECOND_US
        try:
            after, transition = one.at(now_us, standing, watch)
        except InputError:
            continue
        steps.append((standing, one, now_us, after, transition))
        standing = after
    return steps


@given(WATCHES, ASKED)
def test_no_course_leaves_the_table(watch: Watch, asked: list[Asked]) -> None:
    table = {**STATES, **LATCHING} if watch.latching else STATES

    for before, one, _, after, transition in course(watch, asked):
        if transition is None:
            assert after is before
            continue
        assert after.state is table.get((before.state, one.step), before.state)
        assert (transition.before, transition.after, transition.step) == (before.state, after.state, one.step)
        assert (transition.inhibit, transition.level) == (after.inhibit, after.level)


@given(WATCHES, ASKED)
def test_the_vectorised_table_moves_as_single_steps_do(watch: Watch, asked: list[Asked]) -> None:
    kept = [(before, one, after) for before, one, _, after, transition in course(watch, asked) if transition]
    states = np.array([STATE_NAMES.index(before.state) for before, _, _ in kept], dtype=np.int8)
    steps = np.array([STEP_NAMES.index(one.step) for _, one, _ in kept], dtype=np.int8)

    after = after_many(states, steps, watch.latching)

    assert [STATE_NAMES[code] for code in after] == [standing.state for _, _, standing in kept]


@given(WATCHES, ASKED)
def test_nothing_is_announced_while_it_is_inhibited(watch: Watch, asked: list[Asked]) -> None:
    for before, one, _, after, transition in course(watch, asked):
        if transition is None or not transition.announced:
            continue
        assert after.inhibit is Inhibit.NONE
        assert not after.suppressed
        assert before.inhibit is Inhibit.NONE or one.step in RELEASES


@given(WATCHES, ASKED)
def test_whatever_is_active_when_the_last_inhibit_ends_is_announced_then(watch: Watch, asked: list[Asked]) -> None:
    for before, _, _, after, transition in course(watch, asked):
        if before.inhibit is not Inhibit.NONE and after.inhibit is Inhibit.NONE:
            assert transition is not None
            assert transition.announced is (after.state in ACTIVE)


@given(WATCHES, ASKED)
def test_the_version_rises_by_one_with_each_transition_and_only_then(watch: Watch, asked: list[Asked]) -> None:
    for before, _, _, after, transition in course(watch, asked):
        assert after.version == before.version + (transition is not None)


@given(WATCHES, ASKED)
def test_a_standing_never_contradicts_itself(watch: Watch, asked: list[Asked]) -> None:
    for _, _, now_us, after, _ in course(watch, asked):
        by_people = after.inhibit not in (Inhibit.NONE, Inhibit.SUPPRESSED)
        assert by_people or after.suppressed == (after.inhibit is Inhibit.SUPPRESSED)
        assert (after.until_us is not None) == (after.inhibit in SHELVES)
        assert after.until_us is None or after.until_us <= now_us + 7 * 24 * 3600 * SECOND_US
        assert 0 <= after.level <= len(levels(watch))
        assert after.state not in UNACKED or after.acked_us is None
        assert after.state in (AlarmState.NORMAL, AlarmState.PENDING) or after.episode_us is not None
        assert after.level == 0 or after.episode_us is not None


@given(WATCHES, ASKED)
def test_replaying_the_journal_gives_the_standing(watch: Watch, asked: list[Asked]) -> None:
    steps = course(watch, asked)
    journal = [transition for *_, transition in steps if transition]
    end = steps[-1][3] if steps else Standing(alarm_id=7)
    last = journal[-1] if journal else None

    again = Standing(alarm_id=7)
    for _, one, now_us, _, transition in steps:
        if transition:
            again, _ = one.at(now_us, again, watch)

    assert again == end
    assert end.version == len(journal)
    assert (end.state, end.inhibit, end.level) == (
        (last.after, last.inhibit, last.level) if last else (AlarmState.NORMAL, Inhibit.NONE, 0)
    )
    for earlier, later in pairwise(journal):
        assert later.before is earlier.after


@given(WATCHES, ASKED)
def test_a_step_that_is_repeated_at_once_changes_nothing_or_is_refused(watch: Watch, asked: list[Asked]) -> None:
    for _, one, now_us, after, _ in course(watch, asked):
        if one.step in (Step.COMMENT, Step.REVISE, Step.ESCALATE):
            continue
        try:
            again, transition = one.at(now_us, after, watch)
        except InputError:
            continue
        assert (again, transition) == (after, None)


@given(WATCHES, ASKED, st.integers(0, 100_000))
def test_whatever_is_due_can_be_applied_and_then_nothing_more_is(
    watch: Watch, asked: list[Asked], later_s: int
) -> None:
    steps = course(watch, asked)
    standing = steps[-1][3] if steps else Standing(alarm_id=7)
    now_us = (steps[-1][2] if steps else START_US) + later_s * SECOND_US

    for _ in range(3):
        for step in due(standing, watch, now_us):
            standing, transition = apply(standing, step, watch=watch, at_us=now_us, now_us=now_us)
            assert transition is not None

    assert due(standing, watch, now_us) == ()


@given(WATCHES, ASKED)
def test_time_brings_nothing_that_is_not_due(watch: Watch, asked: list[Asked]) -> None:
    for _, _, now_us, after, _ in course(watch, asked):
        for step in set(OF_TIME) - set(due(after, watch, now_us)):
            assert apply(after, step, watch=watch, at_us=now_us, now_us=now_us) == (after, None)


@given(st.integers(0, 2**32 - 1))
def test_many_alarms_at_once_are_as_each_alone(seed: int) -> None:
    random = np.random.default_rng(seed)
    states = random.integers(0, len(STATE_NAMES), 200)
    steps = random.integers(0, len(STEP_NAMES), 200)
    latching = random.integers(0, 2, 200).astype(np.bool_)

    together = after_many(states, steps, latching)

    alone = [int(after_many([a], [b], [c])[0]) for a, b, c in zip(states, steps, latching, strict=True)]
    assert together.tolist() == alone
