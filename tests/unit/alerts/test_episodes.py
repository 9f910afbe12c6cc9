"""Episodes worked by hand: what one is, where two are one, and what it was like."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from alerts.evaluate import evaluate
from domain.alarms import OPEN_US, Status
from tests.support.alarm_cases import (
    HOUR,
    INF,
    MINUTE,
    MORNING,
    episodes_by_watch,
    frame_of,
    reading,
    readings,
    table_of,
    window,
    windows,
)
from tests.support.alarm_reference import Episode, Limits, Sample

NAN = float("nan")


def episodes_of(samples: Sequence[Sample], **limits: float) -> list[Episode]:
    found = evaluate(table_of(Limits(**limits)), frame_of(samples))  # type: ignore[arg-type]
    return episodes_by_watch(found.episodes, 0)


def the_episode(samples: Sequence[Sample], **limits: float) -> Episode:
    (only,) = episodes_of(samples, **limits)
    return only


def hour(at_us: int) -> float:
    return (at_us - MORNING) / HOUR


def minute(at_us: int) -> float:
    return (at_us - MORNING) / MINUTE


def test_three_windows_beyond_are_one_episode() -> None:
    one = the_episode(windows(90, 110, 130, 120, 90, 90))

    assert (hour(one.start_us), hour(one.stop_us), one.beyond_s) == (1, 4, 3 * 3600)
    assert (hour(one.raised_us), hour(one.cleared_us), hour(one.last_us)) == (2, 5, 5)
    assert (one.peak, hour(one.peak_at_us), one.bound, one.mean) == (130, 3, 100, 120)
    assert (one.valid, one.missing, one.excluded, one.final) == (3, 0, 0, True)


def test_an_episode_begins_at_the_first_sample_beyond_not_where_the_delay_is_over() -> None:
    one = the_episode(windows(90, 110, 110, 110, 90), on_delay_s=2 * 3600)

    assert (hour(one.start_us), hour(one.raised_us)) == (1, 3)


def test_while_it_is_cleared_it_has_ended_already() -> None:
    open_, closed = (the_episode(windows(110, *[90] * count), off_delay_s=2 * 3600) for count in (1, 3))

    assert (hour(open_.stop_us), open_.cleared_us, hour(open_.last_us), open_.final) == (1, OPEN_US, 2, False)
    assert (hour(closed.stop_us), hour(closed.cleared_us), hour(closed.last_us), closed.final) == (1, 3, 3, True)


def test_an_episode_that_goes_on_is_open() -> None:
    one = the_episode(windows(90, 110, 120))

    assert (one.cleared_us, hour(one.stop_us), hour(one.last_us), one.final) == (OPEN_US, 3, 3, False)


def test_what_is_missing_does_not_end_an_episode_and_is_counted() -> None:
    one = the_episode(windows(110, NAN, NAN, 120, 90))

    assert (hour(one.start_us), hour(one.stop_us), one.beyond_s) == (0, 4, 2 * 3600)
    assert (one.valid, one.missing, one.excluded, one.mean) == (2, 2, 0, 115)


def test_what_is_set_aside_is_counted_apart_and_enters_no_number() -> None:
    aside = [window(place + 2, 900.0, status=status, excess_kg=50.0) for place, status in enumerate(list(Status)[2:])]
    samples = [window(1, 110.0), *aside, window(len(aside) + 2, 120.0, excess_kg=1.5)]

    one = the_episode(samples)

    assert (one.valid, one.missing, one.excluded) == (2, 0, len(aside))
    assert (one.peak, one.mean, one.excess_kg, one.beyond_s) == (120, 115, 1.5, 2 * 3600)


def test_exceedances_no_further_apart_than_the_merge_gap_are_one() -> None:
    values = windows(110, 90, 90, 120, 90, 90, 90, 130, 90)

    apart = episodes_of(values, merge_gap_s=2 * 3600)

    assert [(hour(one.start_us), hour(one.stop_us), hour(one.cleared_us)) for one in apart] == [(0, 4, 5), (7, 8, 9)]
    assert [len(episodes_of(values, merge_gap_s=gap)) for gap in (2 * 3600 - 1, 2 * 3600, 3 * 3600)] == [3, 2, 1]


def test_of_a_merged_episode_the_time_between_counts_but_not_as_beyond() -> None:
    one = the_episode(windows(110, 80, 120, 90), merge_gap_s=3600)

    assert (one.valid, one.beyond_s, one.peak) == (3, 2 * 3600, 120)
    assert one.mean == pytest.approx((110 + 80 + 120) / 3)


def test_what_was_too_short_to_be_raised_is_no_episode() -> None:
    assert episodes_of(windows(110, 90, 110, 90), on_delay_s=2 * 3600) == []


def test_a_reading_stands_until_the_next_one_and_no_longer_than_its_interval() -> None:
    dense = the_episode([reading(0, 110.0), reading(1, 110.0), reading(1.5, 90.0)])
    sparse = the_episode([reading(0, 110.0), reading(30, 110.0), reading(60, 90.0)])
    last = the_episode([reading(0, 110.0)])

    assert (minute(dense.stop_us), dense.beyond_s) == (1.5, 90)
    assert (minute(sparse.stop_us), sparse.beyond_s) == (32, 240)
    assert (minute(last.stop_us), last.beyond_s) == (2, 120)


def test_windows_that_overlap_count_their_time_once() -> None:
    rolling = [window(1 + place / 4, value, known_s=900.0) for place, value in enumerate((110, 110, 90, 110, 90))]
    spread = [window(1, 110.0), window(4, 110.0), window(4.5, 90.0)]

    one, two = the_episode(rolling, merge_gap_s=3600), the_episode(spread, merge_gap_s=4 * 3600)

    # 0:00 to 1:15 by the first two, up to 1:45 by the third.
    assert (hour(one.start_us), hour(one.stop_us), one.beyond_s) == (0, 1.75, 1.75 * 3600)
    assert two.beyond_s == 2 * 3600


def test_a_running_window_is_one_episode_from_its_start() -> None:
    day = [window(end, value, hours=end, known_s=3600.0) for end, value in enumerate((90, 110, 90, 120, 130), start=1)]

    one = the_episode(day)

    assert (hour(one.start_us), hour(one.stop_us), one.beyond_s, one.valid) == (0, 5, 5 * 3600, 4)


def test_windows_that_lie_in_each_other_are_one_time() -> None:
    nested = [window(2, 110.0, hours=1), window(3, 110.0, hours=3), window(4, 110.0, hours=0.5)]

    assert the_episode(nested).beyond_s == 3.5 * 3600


def test_the_peak_is_what_is_furthest_beyond_the_bound_in_force_for_it() -> None:
    one = the_episode([window(1, 130.0, highest=100.0), window(2, 115.0, highest=80.0), window(3, 110.0, highest=80.0)])

    assert (one.peak, one.bound, hour(one.peak_at_us)) == (115, 80, 2)


def test_of_equal_peaks_the_first_counts() -> None:
    assert hour(the_episode(windows(110, 120, 120, 110)).peak_at_us) == 2


def test_the_peak_of_a_lower_bound_is_the_least() -> None:
    acid = [replace(one, lowest=6.0, highest=9.0) for one in windows(5.5, 4.0, 9.5, 7.0)]

    one = the_episode(acid)

    assert (one.peak, one.bound, hour(one.peak_at_us)) == (4.0, 6.0, 2)


def test_a_range_is_furthest_out_at_one_of_its_ends() -> None:
    def day(end: int, least: float, greatest: float) -> Sample:
        return window(end, 0.0, least=least, greatest=greatest, lowest=6.0, highest=9.0)

    one = the_episode([day(1, 5.5, 9.25), day(2, 6.5, 10.5), day(3, 7.0, 8.0)])

    assert (one.peak, one.bound, hour(one.peak_at_us)) == (10.5, 9.0, 2)
    assert one.mean == ((5.5 + 9.25) / 2 + (6.5 + 10.5) / 2) / 2


def test_where_both_ends_are_as_far_out_the_upper_one_is_the_peak() -> None:
    one = the_episode([window(1, 0.0, least=5.0, greatest=10.0, lowest=6.0, highest=9.0)])

    assert (one.peak, one.bound) == (10.0, 9.0)


def test_the_mean_is_weighted_by_known_time() -> None:
    one = the_episode([window(1, 110.0, known_s=900.0), window(2, 130.0, known_s=2700.0)])

    assert one.mean == 125.0


def test_where_no_time_is_known_all_samples_weigh_the_same() -> None:
    assert the_episode([window(1, 110.0, known_s=0.0), window(2, 130.0, known_s=0.0)]).mean == 120.0


def test_excess_is_summed_and_not_known_where_no_sample_has_it() -> None:
    values = [window(1, 110.0, excess_kg=2.5), window(2, 110.0), window(3, 110.0, excess_kg=0.5)]

    assert the_episode(values).excess_kg == 3.0
    assert np.isnan(the_episode(windows(110)).excess_kg)


@pytest.mark.parametrize("open_sample", [0, 1, 2])
def test_an_episode_is_final_when_all_samples_up_to_its_end_are(open_sample: int) -> None:
    def three(*extra: Sample) -> list[Sample]:
        return [
            window(place + 1, value, final=place != open_sample) for place, value in enumerate((110, 110, 90))
        ] + list(extra)

    assert not the_episode(three()).final
    assert the_episode([*windows(110, 110, 90), window(4, 90.0, final=False)]).final


def test_bounds_that_are_infinite_do_not_disturb_a_peak() -> None:
    one = the_episode([reading(0, INF, highest=100.0), reading(2, 3.0, lowest=5.0, highest=INF)])

    assert (one.peak, one.bound) == (INF, 100.0)


def test_episodes_are_sorted_by_watch_and_start() -> None:
    values = windows(110, 90, 90, 90, 110)

    found = evaluate(table_of(Limits(), Limits()), frame_of(values, values)).episodes

    assert found.watch.tolist() == [0, 0, 1, 1]
    assert [hour(one) for one in found.start_us.tolist()] == [0, 4, 0, 4]


def test_readings_that_wander_around_a_limit_are_one_episode_with_a_merge_gap() -> None:
    values = readings(*[101, 99] * 10, *[90] * 5)

    assert len(episodes_of(values)) == 10
    assert the_episode(values, merge_gap_s=240).beyond_s == 10 * 120
