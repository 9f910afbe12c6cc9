"""Steps of conditions, worked by hand: hysteresis, delays on the known clock, what is missing and what is set aside."""

from collections.abc import Sequence

import numpy as np
import pytest

from alerts.evaluate import Evaluation, evaluate, settled
from alerts.steps import STEPS
from domain.alarms import Phase, Status, Step
from domain.errors import InputError
from tests.support.alarm_cases import (
    HOUR,
    MINUTE,
    MORNING,
    frame_of,
    reading,
    readings,
    steps_by_watch,
    table_of,
    taken,
    window,
    windows,
)
from tests.support.alarm_reference import Limits, Sample

NAN = float("nan")


def evaluation_of(samples: Sequence[Sample], **limits: float) -> Evaluation:
    return evaluate(table_of(Limits(**limits)), frame_of(samples))  # type: ignore[arg-type]


def minutes(samples: Sequence[Sample], **limits: float) -> list[tuple[Step, float]]:
    """Steps with the minute of the morning at which they were decided."""
    return [
        (step, (at_us - MORNING) / MINUTE)
        for at_us, step, _ in steps_by_watch(evaluation_of(samples, **limits).steps, 0)
    ]


def hours(samples: Sequence[Sample], **limits: float) -> list[tuple[Step, float]]:
    return [(step, minute / 60) for step, minute in minutes(samples, **limits)]


def test_codes_of_steps_are_places_among_all_steps() -> None:
    assert tuple(Step)[: len(STEPS)] == STEPS


def test_without_delays_it_is_raised_and_cleared_by_the_first_sample() -> None:
    assert minutes(readings(90, 101, 102, 100, 90)) == [(Step.RAISE, 2), (Step.CLEAR, 6)]


def test_within_the_deadband_it_stays_as_it_is() -> None:
    values = readings(97, 101, 97, 100, 97, 95, 97, 101)

    assert minutes(values, deadband=5) == [(Step.RAISE, 2), (Step.CLEAR, 10), (Step.RAISE, 14)]


def test_an_on_delay_is_over_when_it_was_beyond_for_so_long() -> None:
    assert minutes(readings(90, 101, 101, 101, 101), on_delay_s=240) == [(Step.BEGIN, 2), (Step.RAISE, 6)]


def test_an_exceedance_shorter_than_the_on_delay_is_dropped() -> None:
    assert minutes(readings(101, 101, 90, 101, 101, 90), on_delay_s=240) == [
        (Step.BEGIN, 0),
        (Step.DROP, 4),
        (Step.BEGIN, 6),
        (Step.DROP, 10),
    ]


def test_within_the_deadband_the_on_delay_runs_on() -> None:
    assert minutes(readings(101, 97, 97, 97), on_delay_s=240, deadband=5) == [(Step.BEGIN, 0), (Step.RAISE, 4)]


def test_an_off_delay_is_over_when_it_was_back_for_so_long() -> None:
    assert minutes(readings(101, 90, 90, 90, 90), off_delay_s=240) == [(Step.RAISE, 0), (Step.CLEAR, 6)]


def test_any_exceedance_stops_an_off_delay() -> None:
    values = readings(101, 101, 101, 90, 90, 101, 90, 90, 90)

    # The exceedance at 10 min is shorter than the on-delay; it is active already.
    assert minutes(values, on_delay_s=240, off_delay_s=240) == [(Step.BEGIN, 0), (Step.RAISE, 4), (Step.CLEAR, 16)]


def test_a_window_is_evidence_for_its_own_length_and_a_reading_for_none() -> None:
    assert hours(windows(90, 101, 101), on_delay_s=3600) == [(Step.RAISE, 2)]
    assert minutes([reading(0, 101.0, known_s=3600.0), reading(2, 101.0)], on_delay_s=120) == [
        (Step.BEGIN, 0),
        (Step.RAISE, 2),
    ]


def test_a_rolling_window_is_evidence_for_what_it_adds() -> None:
    rolling = [window(1 + place / 30, 101.0, known_s=120.0) for place in range(4)]

    assert minutes(rolling, on_delay_s=360) == [(Step.BEGIN, 60), (Step.RAISE, 64)]


@pytest.mark.parametrize("status", [Status.MISSING, Status.CALIBRATION, Status.SUPPRESSED, Status.UNSCHEDULED])
def test_delays_stand_still_while_nothing_is_known(status: Status) -> None:
    def unknown(minute: float) -> Sample:
        return reading(minute, 500.0, status=status)

    raised = [reading(0, 101.0), reading(2, 101.0), *map(unknown, (4, 6, 8)), reading(10, 101.0)]
    cleared = [reading(0, 101.0), reading(2, 90.0), *map(unknown, (4, 6, 8)), reading(10, 90.0), reading(12, 90.0)]

    assert minutes(raised, on_delay_s=240) == [(Step.BEGIN, 0), (Step.RAISE, 10)]
    assert minutes(cleared, off_delay_s=240) == [(Step.RAISE, 0), (Step.CLEAR, 12)]


def test_what_is_missing_raises_nothing_and_clears_nothing() -> None:
    assert minutes(readings(NAN, NAN)) == []
    assert minutes(readings(101, NAN, NAN, NAN)) == [(Step.RAISE, 0)]
    assert evaluation_of(readings(101, NAN, NAN)).phase.tolist() == [Phase.BEYOND]


def test_readings_too_far_apart_add_no_known_time() -> None:
    values = [reading(0, 101.0), reading(600, 101.0, known_s=0.0), reading(602, 101.0)]

    assert minutes(values, on_delay_s=120) == [(Step.BEGIN, 0), (Step.RAISE, 602)]


def test_parts_of_seconds_add_up_without_rounding() -> None:
    tenths = [reading(place / 600, 101.0, known_s=0.1) for place in range(11)]

    assert [step for step, _ in minutes(tenths, on_delay_s=1)] == [Step.BEGIN, Step.RAISE]


def test_a_bound_that_becomes_stricter_raises_a_value_that_does_not_move() -> None:
    values = [window(hour, 90.0, highest=100.0 if hour < 3 else 80.0) for hour in range(1, 5)]

    assert hours(values) == [(Step.RAISE, 3)]


@pytest.mark.parametrize(
    ("values", "phase"),
    [
        ((90, 90), Phase.CLEAR),
        ((90, 101), Phase.PENDING),
        ((101, 101, 101), Phase.BEYOND),
        ((101, 101, 101, 90), Phase.CLEARING),
        ((101, 101, 101, 90, 90, 90), Phase.CLEAR),
        ((101, 90), Phase.CLEAR),
    ],
)
def test_where_a_condition_stands_after_its_last_sample(values: tuple[float, ...], phase: Phase) -> None:
    found = evaluation_of(readings(*values), on_delay_s=240, off_delay_s=240)

    assert found.phase.tolist() == [phase]
    assert found.pending_us.tolist() == [MORNING + 2 * MINUTE if phase is Phase.PENDING else 0]


def test_steps_carry_the_start_of_the_episode_that_they_are_about() -> None:
    steps = evaluation_of(windows(90, 101, 101, 90, 101, 90, 90, 90, 101), merge_gap_s=3600).steps

    # The second is one hour after the first and joins it; the third does not.
    assert [(one - MORNING) // HOUR for one in steps.episode_us.tolist()] == [1, 1, 1, 1, 8]
    assert [STEPS[code] for code in steps.step] == [Step.RAISE, Step.CLEAR, Step.RAISE, Step.CLEAR, Step.RAISE]


def test_what_begins_and_is_dropped_carries_its_own_start() -> None:
    steps = evaluation_of(windows(90, 101, 90), on_delay_s=7200).steps

    assert [(STEPS[code], one - MORNING) for code, one in zip(steps.step, steps.episode_us, strict=True)] == [
        (Step.BEGIN, HOUR),
        (Step.DROP, HOUR),
    ]


def test_watches_do_not_touch_each_other() -> None:
    beyond, within = readings(101, 101), readings(90, 90)
    found = evaluate(table_of(*[Limits(on_delay_s=120)] * 4), frame_of(beyond, within, [], beyond))

    assert found.steps.watch.tolist() == [0, 0, 3, 3]
    assert found.phase.tolist() == [Phase.BEYOND, Phase.CLEAR, Phase.CLEAR, Phase.BEYOND]
    assert found.episodes.watch.tolist() == [0, 3]


def test_no_samples_say_nothing() -> None:
    found = evaluate(table_of(Limits()), frame_of([]))

    assert (len(found.verdict), len(found.episodes), len(found.steps)) == (0, 0, 0)
    assert found.phase.tolist() == [Phase.CLEAR]


def test_no_watches_have_nothing_to_say() -> None:
    found = evaluate(table_of(), frame_of())

    assert (len(found.episodes), len(found.steps), len(found.phase)) == (0, 0, 0)


def test_samples_out_of_order_are_refused() -> None:
    table, samples = table_of(Limits(), Limits()), frame_of(readings(1, 2), readings(3))

    for rows in ([1, 0, 2], [2, 0, 1], [0, 0, 2]):
        with pytest.raises(
            InputError, match=r"not later than the one before it; samples must be sorted by watch and time"
        ):
            evaluate(table, taken(samples, rows))


def test_samples_of_no_watch_are_refused() -> None:
    with pytest.raises(InputError, match="samples are of watches 0 to 1, but there are 1"):
        evaluate(table_of(Limits()), frame_of(readings(1), readings(2)))


@pytest.mark.parametrize(
    ("values", "quiet"),
    [
        ((90, 101, 90), True),
        ((NAN, 97, 90, 101), True),  # neither of the first two decides
        ((101, 90, 90), False),  # it may have been beyond before
        ((NAN, 97, 97), False),
        ((97, 97, 97, 97, 90), False),  # decided only by what changed
    ],
)
def test_a_part_is_settled_where_its_first_word_is_clear(values: tuple[float, ...], quiet: bool) -> None:
    table, samples = table_of(Limits(deadband=5.0)), frame_of(readings(*values))
    changed_us = np.array([MORNING + 8 * MINUTE])

    assert settled(table, samples, evaluate(table, samples).verdict, changed_us).tolist() == [quiet]
