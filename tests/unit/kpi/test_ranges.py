"""Stretches of channels' time, cut where what is known of them begins and ends."""

import numpy as np
import pytest

from domain.readings import Span
from kpi.ranges import Ranges, joined

START_US, STOP_US = 100, 200


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        ((110, 150), [(110, 150)], []),
        ((100, 200), [(100, 200)], []),
        ((50, 100), [], [(50, 100)]),
        ((200, 210), [], [(200, 210)]),
        ((50, 150), [(100, 150)], [(50, 100)]),
        ((150, 250), [(150, 200)], [(200, 250)]),
        ((50, 250), [(100, 200)], [(50, 100), (200, 250)]),
    ],
)
def test_a_stretch_is_cut_at_both_ends(
    span: tuple[int, int], inside: list[tuple[int, int]], outside: list[tuple[int, int]]
) -> None:
    parts = Ranges.of(Span(channel_id=1, from_us=span[0], to_us=span[1])).split(START_US, STOP_US)

    found = [list(zip(one.from_us.tolist(), one.to_us.tolist(), strict=True)) for one in parts]
    assert found == [inside, outside]


def test_cut_stretches_are_the_same_time_as_before() -> None:
    chance = np.random.default_rng(3)
    begin = chance.integers(0, 300, 200)
    ranges = Ranges(
        channel_id=chance.integers(1, 9, 200).astype(np.int32),
        from_us=begin,
        to_us=begin + chance.integers(1, 300, 200),
    )

    again, before = joined(*ranges.split(START_US, STOP_US)).merged(), ranges.merged()

    for name in ("channel_id", "from_us", "to_us"):
        np.testing.assert_array_equal(getattr(again, name), getattr(before, name))
