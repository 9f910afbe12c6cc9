"""Laws of conditions and episodes: columns say what plain Python says, alone and together, whole, in pieces and in part."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.evaluate import evaluate, settled
from alerts.memory import Memory, advance
from tests.support.alarm_cases import (
    MINUTE,
    SECOND,
    episodes_by_watch,
    frame_of,
    limits,
    parks,
    series,
    steps_by_watch,
    table_of,
    taken,
    told_by_watch,
)
from tests.support.alarm_reference import Episode, Limits, Sample, Told, judge

Park = list[tuple[Limits, list[Sample]]]
APPROXIMATE = ("mean", "excess_kg")


def same(found: Told, expected: Told) -> bool:
    """Equal, but for sums of floats, which are made in another order, and NaN, which is equal to none."""
    assert [alike(one) for one in found.episodes] == [alike(one) for one in expected.episodes]
    for ours, theirs in zip(found.episodes, expected.episodes, strict=True):
        for name in APPROXIMATE:
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-12, nan_ok=True), name
    return replace(found, episodes=[]) == replace(expected, episodes=[])


def alike(episode: Episode) -> Episode:
    return replace(episode, mean=0.0, excess_kg=0.0)


@settings(deadline=None, max_examples=300)
@given(parks())
def test_columns_say_what_plain_python_says(park: Park) -> None:
    samples = frame_of(*(one for _, one in park))

    evaluation = evaluate(table_of(*(one for one, _ in park)), samples)

    for place, (rule, given_) in enumerate(park):
        assert same(told_by_watch(evaluation, samples, place), judge(rule, given_))


@settings(deadline=None, max_examples=100)
@given(parks())
def test_watches_together_say_what_each_says_alone(park: Park) -> None:
    samples = frame_of(*(one for _, one in park))

    together = evaluate(table_of(*(one for one, _ in park)), samples)

    for place, (rule, given_) in enumerate(park):
        alone_samples = frame_of(given_)
        alone = evaluate(table_of(rule), alone_samples)
        # To the last bit: what else is evaluated must not decide a number.
        assert repr(told_by_watch(together, samples, place)) == repr(told_by_watch(alone, alone_samples, 0))


@settings(deadline=None, max_examples=300)
@given(parks(), st.integers(0, 2**32))
def test_samples_in_any_pieces_take_the_steps_of_all_at_once(park: Park, seed: int) -> None:
    table, samples = table_of(*(one for one, _ in park)), frame_of(*(one for _, one in park))
    pieces = np.random.default_rng(seed)
    piece = np.concatenate([np.sort(pieces.integers(0, 6, len(one))) for _, one in park])
    memory, steps = Memory.fresh(table), []

    for number in range(6):
        memory, taken_ = advance(table, memory, taken(samples, piece == number))
        steps.append(taken_)

    whole = evaluate(table, samples)
    for place in range(len(park)):
        assert [step for each in steps for step in steps_by_watch(each, place)] == steps_by_watch(whole.steps, place)
    assert memory.phase.tolist() == whole.phase.tolist()
    assert memory.pending_us.tolist() == whole.pending_us.tolist()


@st.composite
def late(draw: st.DrawFn) -> tuple[Limits, list[Sample], list[Sample], int]:
    """A watch, what its samples were and what they are after late data, and from when on they differ. [us UTC]"""
    before = draw(series(most=60).filter(bool))
    place = draw(st.integers(0, len(before) - 1))
    count = draw(st.integers(1, 4))
    after = list(before)
    for index in range(place, min(place + count, len(before))):
        other = draw(st.sampled_from(before))
        after[index] = replace(before[index], least=other.least, greatest=other.greatest, status=other.status)
    return draw(limits()), before, after, before[place].at_us


def widened(rule: Limits, stored: list[Episode], pending_us: int, samples: list[Sample], changed_us: int) -> int:
    """
    From when on to evaluate. [us UTC]

    Before what changed by a margin, and before every stored episode that reaches there; further back until the samples
    begin quietly: no margin is long enough where time was not measured.
    """
    delays_us = (rule.on_delay_s + rule.off_delay_s + rule.merge_gap_s) * SECOND
    margin_us = delays_us + 2 * max(one.at_us - one.start_us for one in samples) + 6 * MINUTE
    from_us = changed_us - margin_us
    while True:
        known = [(one.start_us, one.cleared_us) for one in stored] + [(pending_us, changed_us)] * (pending_us > 0)
        reaching = [start_us for start_us, until_us in known if start_us < from_us + margin_us and until_us >= from_us]
        wider_us = min([from_us, *(start_us - margin_us for start_us in reaching if start_us - margin_us < from_us)])
        part = frame_of([one for one in samples if one.at_us >= wider_us])
        table = table_of(rule)
        quiet = settled(table, part, evaluate(table, part).verdict, np.array([changed_us]))[0]
        if not quiet and wider_us > samples[0].start_us:
            wider_us -= 4 * margin_us
        elif wider_us == from_us:
            return from_us
        from_us = wider_us


@settings(deadline=None, max_examples=400)
@given(late())
def test_a_part_from_a_quiet_place_on_gives_the_episodes_of_the_whole(
    case: tuple[Limits, list[Sample], list[Sample], int],
) -> None:
    rule, before, after, changed_us = case
    table = table_of(rule)
    was = evaluate(table, frame_of(before))
    stored = episodes_by_watch(was.episodes, 0)
    from_us = widened(rule, stored, int(was.pending_us[0]), after, changed_us)

    part = evaluate(table, frame_of([one for one in after if one.at_us >= from_us]))

    kept = [one for one in stored if one.cleared_us < from_us]
    expected = evaluate(table, frame_of(after))
    assert repr(kept + episodes_by_watch(part.episodes, 0)) == repr(episodes_by_watch(expected.episodes, 0))
    assert part.phase[0] == expected.phase[0]
    assert part.pending_us[0] == expected.pending_us[0]
