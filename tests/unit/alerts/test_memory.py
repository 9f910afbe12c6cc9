"""Conditions step by step: what is remembered between pieces of samples, worked by hand."""

from collections.abc import Sequence

import pytest

from alerts.memory import Memory, advance
from alerts.steps import STEPS
from domain.alarms import Phase, Step
from domain.errors import InputError
from tests.support.alarm_cases import MINUTE, MORNING, frame_of, reading, readings, table_of, windows
from tests.support.alarm_reference import Limits, Sample

NAN = float("nan")


def one_by_one(samples: Sequence[Sample], limits: Limits) -> tuple[list[tuple[Step, int, int]], Memory]:
    """Steps with their minute and the minute of their episode, each sample a piece of its own."""
    table = table_of(limits)
    memory, told = Memory.fresh(table), []
    for sample in samples:
        memory, steps = advance(table, memory, frame_of([sample]))
        told += [
            (STEPS[code], (at_us - MORNING) // MINUTE, (episode_us - MORNING) // MINUTE)
            for at_us, code, episode_us in zip(
                steps.at_us.tolist(), steps.step.tolist(), steps.episode_us.tolist(), strict=True
            )
        ]
    return told, memory


def test_delays_run_on_from_piece_to_piece() -> None:
    told, memory = one_by_one(readings(101, 101, NAN, 101, 90, 90, 90), Limits(on_delay_s=240, off_delay_s=240))

    assert told == [(Step.BEGIN, 0, 0), (Step.RAISE, 6, 0), (Step.CLEAR, 12, 0)]
    assert memory.phase.tolist() == [Phase.CLEAR]


def test_a_deadband_holds_from_piece_to_piece() -> None:
    told, _ = one_by_one(readings(101, 97, 94, 97), Limits(deadband=5))

    assert told == [(Step.RAISE, 0, 0), (Step.CLEAR, 4, 0)]


def test_what_is_dropped_knows_when_it_began() -> None:
    told, memory = one_by_one(readings(90, 101, 97, 90), Limits(on_delay_s=600, deadband=5))

    assert told == [(Step.BEGIN, 2, 2), (Step.DROP, 6, 2)]
    assert memory.pending_us.tolist() == [0]


def test_an_exceedance_joins_the_episode_before_it_in_another_piece() -> None:
    told, _ = one_by_one(windows(110, 90, 110, 90, 90, 90, 110), Limits(merge_gap_s=3600))

    assert told == [
        (Step.RAISE, 60, 0),
        (Step.CLEAR, 120, 0),
        (Step.RAISE, 180, 0),
        (Step.CLEAR, 240, 0),
        (Step.RAISE, 420, 360),
    ]


def test_a_reading_ends_at_the_next_even_when_that_comes_later() -> None:
    # The first holds to 1 min, not for its 2 min, so the exceedance at 3 min is 2 min after it.
    values = [reading(0, 101.0), reading(1, 90.0), reading(3, 101.0)]

    assert one_by_one(values, Limits(merge_gap_s=119))[0][-1] == (Step.RAISE, 3, 3)
    assert one_by_one(values, Limits(merge_gap_s=120))[0][-1] == (Step.RAISE, 3, 0)


def test_a_watch_without_fresh_samples_stays_as_it_is() -> None:
    table = table_of(Limits(on_delay_s=600), Limits())
    memory, _ = advance(table, Memory.fresh(table), frame_of([reading(0, 101.0)], [reading(0, 101.0)]))

    later, steps = advance(table, memory, frame_of([], [reading(2, 90.0)]))

    assert steps.watch.tolist() == [1]
    assert later.phase.tolist() == [Phase.PENDING, Phase.CLEAR]
    assert later.pending_us.tolist() == [MORNING, 0]


def test_what_was_remembered_is_not_changed() -> None:
    table = table_of(Limits())
    memory = Memory.fresh(table)

    advance(table, memory, frame_of(readings(101, 90)))

    assert repr(memory) == repr(Memory.fresh(table))


def test_nothing_fresh_changes_nothing() -> None:
    table = table_of(Limits())
    memory, _ = advance(table, Memory.fresh(table), frame_of(readings(101)))

    later, steps = advance(table, memory, frame_of([]))

    assert (repr(later), len(steps)) == (repr(memory), 0)


def test_a_sample_that_was_seen_is_refused() -> None:
    table = table_of(Limits())
    memory, _ = advance(table, Memory.fresh(table), frame_of(readings(90, 101)))

    with pytest.raises(InputError, match=r"of watch 0 at 2026-01-01T00:02:00\+00:00, is not later"):
        advance(table, memory, frame_of([reading(2, 101.0)]))
