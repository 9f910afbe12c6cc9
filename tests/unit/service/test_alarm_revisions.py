"""Which steps follow from stored and evaluated episodes, and what late data revised."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from domain.alarms import OPEN_US, AlarmState, EpisodeFrame, Phase, Standing, Step
from service.engine.compared import Episode, changed_rows, episodes_of, pairs
from service.engine.revisions import Course, Move, moves
from tests.support.small_parks import BEGIN_US, JAKARTA

MIN = 60_000_000
NORMAL = Standing(alarm_id=1)


def an_episode(start: int, stop: int, cleared: int | None = None, **changes: Any) -> Episode:
    """From minute to minute; cleared at the second unless said otherwise; -1: open."""
    over = stop if cleared is None else cleared
    episode = Episode(
        start_us=BEGIN_US + start * MIN,
        stop_us=BEGIN_US + stop * MIN,
        raised_us=BEGIN_US + start * MIN,
        cleared_us=OPEN_US if over < 0 else BEGIN_US + over * MIN,
        peak=120.0,
        mean=110.0,
        beyond_s=60.0 * (stop - start),
        excess_kg=float("nan"),
        final=over >= 0,
    )
    return replace(episode, **changes)


def a_course(before: list[Episode], after: list[Episode], **changes: Any) -> Course:
    course = Course(before=tuple(before), after=tuple(after), is_now=True, newest_us=BEGIN_US + 1000 * MIN)
    raised = tuple(one.raised_us for one in after)
    cleared = tuple(one.cleared_us for one in after if not one.is_open)
    return replace(course, **{"raised_us": raised, "cleared_us": cleared, **changes})


def steps(standing: Standing, course: Course) -> list[tuple[Step, int | None]]:
    """Steps and the minutes of the episodes that they are about."""
    return [
        (move.step, None if move.episode_us is None else (move.episode_us - BEGIN_US) // MIN)
        for move in made(standing, course)
    ]


def made(standing: Standing, course: Course) -> tuple[Move, ...]:
    return moves(standing, course, unit="mg/L", zone=JAKARTA)


def active(start: int, state: AlarmState = AlarmState.ACTIVE_UNACKED) -> Standing:
    return replace(NORMAL, state=state, episode_us=BEGIN_US + start * MIN)


def test_what_opens_is_raised_once() -> None:
    course = a_course([], [an_episode(10, 20, -1)])

    assert steps(NORMAL, course) == [(Step.RAISE, 10)]
    assert steps(active(10), a_course([an_episode(10, 20, -1)], [an_episode(10, 25, -1)])) == []


def test_what_ends_is_cleared() -> None:
    course = a_course([an_episode(10, 20, -1)], [an_episode(10, 20, 22)])

    assert steps(active(10), course) == [(Step.CLEAR, 10)]
    assert made(active(10), course)[0].at_us == BEGIN_US + 22 * MIN


def test_what_came_and_went_between_two_looks_is_raised_and_cleared() -> None:
    course = a_course([], [an_episode(10, 20), an_episode(30, 40), an_episode(50, 60, -1)])

    assert steps(NORMAL, course) == [
        (Step.RAISE, 10),
        (Step.CLEAR, 10),
        (Step.RAISE, 30),
        (Step.CLEAR, 30),
        (Step.RAISE, 50),
    ]
    assert all(move.is_told for move in made(NORMAL, course))


def test_a_stretch_that_is_joined_to_an_episode_is_raised_again() -> None:
    again = BEGIN_US + 30 * MIN
    raised, cleared = (BEGIN_US + 10 * MIN, again), (BEGIN_US + 20 * MIN,)
    before = an_episode(10, 20, final=False)
    course = a_course([before], [an_episode(10, 35, -1)], raised_us=raised, cleared_us=cleared)

    (found,) = made(NORMAL, course)

    assert (found.step, found.at_us, found.episode_us) == (Step.RAISE, again, BEGIN_US + 10 * MIN)


def test_a_joined_stretch_that_is_over_is_raised_and_cleared() -> None:
    raised = (BEGIN_US + 10 * MIN, BEGIN_US + 30 * MIN)
    cleared = (BEGIN_US + 20 * MIN, BEGIN_US + 35 * MIN)
    before = an_episode(10, 20, final=False)
    course = a_course([before], [an_episode(10, 35)], raised_us=raised, cleared_us=cleared)

    assert steps(NORMAL, course) == [(Step.RAISE, 10), (Step.CLEAR, 10)]
    assert [move.at_us for move in made(NORMAL, course)] == [raised[1], cleared[1]]


def test_each_stretch_of_what_goes_on_is_cleared_and_raised() -> None:
    raised = (BEGIN_US + 10 * MIN, BEGIN_US + 30 * MIN)
    course = a_course(
        [an_episode(10, 20, -1)],
        [an_episode(10, 40, -1)],
        raised_us=raised,
        cleared_us=(BEGIN_US + 25 * MIN,),
        newest_us=BEGIN_US + 40 * MIN,
    )

    found = made(active(10), course)

    assert [(move.step, move.at_us) for move in found] == [
        (Step.CLEAR, BEGIN_US + 25 * MIN),
        (Step.RAISE, BEGIN_US + 30 * MIN),
    ]
    assert made(active(10), replace(course, final_us=BEGIN_US + 30 * MIN)) == ()
    # What late data bring before the last value beyond leaves it as people know it.
    assert made(active(10), replace(course, before=(an_episode(10, 40, -1),))) == ()


def test_stretches_that_came_and_went_at_once_are_each_raised_and_cleared() -> None:
    raised = (BEGIN_US + 10 * MIN, BEGIN_US + 30 * MIN)
    cleared = (BEGIN_US + 20 * MIN, BEGIN_US + 35 * MIN)
    course = a_course([], [an_episode(10, 35)], raised_us=raised, cleared_us=cleared)

    assert steps(NORMAL, course) == [(Step.RAISE, 10), (Step.CLEAR, 10), (Step.RAISE, 10), (Step.CLEAR, 10)]


def test_what_ends_after_a_joined_stretch_is_cleared_raised_and_cleared() -> None:
    raised = (BEGIN_US + 10 * MIN, BEGIN_US + 30 * MIN)
    cleared = (BEGIN_US + 25 * MIN, BEGIN_US + 40 * MIN)
    course = a_course([an_episode(10, 20, -1)], [an_episode(10, 40)], raised_us=raised, cleared_us=cleared)

    found = made(active(10), course)

    assert [(move.step, move.at_us) for move in found] == [
        (Step.CLEAR, cleared[0]),
        (Step.RAISE, raised[1]),
        (Step.CLEAR, cleared[1]),
    ]


def test_a_late_exceedance_that_is_over_waits_for_its_acknowledgement_and_is_told_as_a_revision() -> None:
    course = a_course([], [an_episode(10, 20), an_episode(30, 40)], final_us=BEGIN_US + 100 * MIN)

    found = made(NORMAL, course)

    assert [move.step for move in found] == [Step.RAISE, Step.CLEAR, Step.REVISE]
    assert [move.is_told for move in found] == [False, False, True]
    assert found[0].episode_us == BEGIN_US + 30 * MIN
    assert "2026-01-01 00:10 to 2026-01-01 00:20" in found[-1].text


def test_a_late_exceedance_before_one_that_is_open_only_revises() -> None:
    open_one = an_episode(50, 60, -1)
    course = a_course([open_one], [an_episode(10, 20), open_one], final_us=BEGIN_US + 40 * MIN)

    (found,) = made(active(50), course)

    assert found.step is Step.REVISE
    assert "an exceedance came" in found.text


def test_an_open_exceedance_that_vanishes_is_cleared_and_revised() -> None:
    course = a_course([an_episode(10, 20, -1)], [])

    found = made(active(10), course)

    assert [move.step for move in found] == [Step.CLEAR, Step.REVISE]
    assert "there was no exceedance" in found[1].text


def test_an_open_exceedance_whose_start_moves_stays_raised() -> None:
    course = a_course([an_episode(10, 20, -1)], [an_episode(8, 20, -1)])

    assert steps(active(10), course) == [(Step.RAISE, 8)]


def test_an_open_exceedance_that_is_split_ends_and_begins() -> None:
    course = a_course([an_episode(10, 40, -1)], [an_episode(10, 20), an_episode(30, 40, -1)])

    assert steps(active(10), course) == [(Step.CLEAR, 10), (Step.RAISE, 30)]


def test_a_start_that_moves_when_it_is_over_takes_the_alarm_along() -> None:
    course = a_course([an_episode(10, 20)], [an_episode(8, 20)], final_us=BEGIN_US + 100 * MIN)

    found = made(active(10, AlarmState.RETURNED_UNACKED), course)

    assert [move.step for move in found] == [Step.REVISE]
    assert found[0].moved_us == BEGIN_US + 8 * MIN
    assert "another start (2026-01-01 00:08, was 2026-01-01 00:10)" in found[0].text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"peak": 130.0}, "peak (130 mg/L, was 120 mg/L)"),
        ({"stop_us": BEGIN_US + 21 * MIN}, "end (2026-01-01 00:21, was 2026-01-01 00:20)"),
        ({"excess_kg": 2.0}, "excess load (2 kg, was unknown)"),
    ],
)
def test_a_final_exceedance_that_changes_is_revised_in_words(change: dict[str, Any], word: str) -> None:
    final = an_episode(10, 20)
    course = a_course([final], [replace(final, **change)], final_us=BEGIN_US + 100 * MIN)

    (found,) = made(NORMAL, course)

    assert found.step is Step.REVISE
    assert word in found.text


def test_what_was_not_final_changes_silently() -> None:
    provisional = an_episode(10, 20, final=False)

    assert steps(NORMAL, a_course([provisional], [replace(provisional, peak=130.0)])) == []


def test_a_revision_names_three_changes_and_counts_the_others() -> None:
    gone = [an_episode(10 * number, 10 * number + 5) for number in range(1, 6)]

    (found,) = made(NORMAL, a_course(gone, [], final_us=BEGIN_US + 100 * MIN))

    assert found.text.count("there was no exceedance") == 3
    assert found.text.endswith("And 2 more changes.")


def test_judgements_alone_are_revised_without_telling_anybody() -> None:
    sentence = "the window that ended 2026-01-01T01:00 is clear as before, but with other values."

    (found,) = made(NORMAL, a_course([], [], judgements=(sentence,)))
    (told,) = made(NORMAL, a_course([], [], judgements=(sentence,), is_verdict_revised=True))

    assert (found.step, found.is_told) == (Step.REVISE, False)
    assert sentence in found.text
    assert told.is_told


def test_a_new_rule_held_against_the_past_bothers_nobody_with_what_was_over() -> None:
    course = a_course([], [an_episode(10, 20)], final_us=BEGIN_US + 100 * MIN, is_first=True)

    assert steps(NORMAL, course) == [(Step.REVISE, 10)]


def test_a_rule_that_ended_is_active_no_more() -> None:
    course = a_course([an_episode(10, 20, -1)], [an_episode(10, 20, -1)], is_ended=True, phase=Phase.BEYOND)

    assert steps(active(10), course) == [(Step.CLEAR, 10)]
    assert steps(NORMAL, course) == []


def test_the_delay_begins_and_is_dropped() -> None:
    pending = a_course([], [], phase=Phase.PENDING, pending_us=BEGIN_US + 5 * MIN)

    assert steps(NORMAL, pending) == [(Step.BEGIN, 5)]
    assert steps(replace(NORMAL, state=AlarmState.PENDING), pending) == []
    assert steps(replace(NORMAL, state=AlarmState.PENDING), a_course([], [])) == [(Step.DROP, None)]


def test_what_is_only_evaluated_in_the_past_leaves_the_alarm_as_it_is() -> None:
    course = a_course([], [], is_now=False, phase=Phase.PENDING)

    assert steps(active(10), course) == []
    assert steps(replace(NORMAL, state=AlarmState.PENDING), course) == []


@pytest.mark.parametrize(
    ("suppressed", "newest", "step"),
    [(False, True, Step.SUPPRESS), (True, False, Step.RELEASE), (True, True, None), (False, None, None)],
)
def test_suppression_follows_the_newest_sample(suppressed: bool, newest: bool | None, step: Step | None) -> None:
    course = a_course([], [], is_suppressed=newest)

    found = [move.step for move in made(replace(NORMAL, suppressed=suppressed), course)]

    assert found == ([] if step is None else [step])


def test_pairs_prefer_the_same_start_then_what_is_open_then_what_overlaps() -> None:
    before = [an_episode(10, 20), an_episode(30, 50), an_episode(60, 70, -1)]
    after = [an_episode(10, 15), an_episode(40, 55), an_episode(65, 80, -1), an_episode(90, 95)]

    assert pairs(before, after) == (
        (before[0], after[0]),
        (before[1], after[1]),
        (before[2], after[2]),
        (None, after[3]),
    )


def a_frame(*rows: tuple[int, Episode]) -> EpisodeFrame:
    """Episodes by the place of their watch."""
    columns = {name: np.array([getattr(one, name) for _, one in rows]) for name in Episode.__slots__}
    times = ("start_us", "stop_us", "raised_us", "cleared_us")
    whole = {name: columns[name].astype(np.int64) for name in times}
    count = np.ones(len(rows), dtype=np.int32)
    return EpisodeFrame(
        **{**columns, **whole},
        watch=np.array([watch for watch, _ in rows], dtype=np.int32),
        last_us=whole["stop_us"],
        peak_at_us=whole["start_us"],
        bound=np.full(len(rows), 100.0),
        valid=count,
        missing=count,
        excluded=count,
    )


def test_rows_that_are_equal_are_not_changed_and_unknown_equals_unknown() -> None:
    first, second, other = an_episode(10, 20), an_episode(30, 40), an_episode(50, 60)
    before = a_frame((0, first), (0, second), (1, first))
    after = a_frame((0, first), (0, replace(second, peak=125.0)), (0, other), (1, first))

    gone, come = changed_rows(before, after)

    assert gone.tolist() == [1]
    assert come.tolist() == [1, 2]


def test_episodes_of_one_watch_are_its_rows() -> None:
    frame = a_frame((0, an_episode(10, 20)), (2, an_episode(30, 40, -1)))

    assert episodes_of(frame, 1) == ()
    assert [one.is_open for one in episodes_of(frame, 2)] == [True]
