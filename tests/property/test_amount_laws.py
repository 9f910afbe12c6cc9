"""Laws of interval amounts that hold for every set of readings."""

from dataclasses import replace
from math import fsum, isnan
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.registry import Multiplier
from kpi.amounts import interval_amounts
from tests.support.amount_cases import JAKARTA, MINUTE, Case, a_channel, drawn_case, readings_of, rows_by_key
from tests.support.amount_model import Engine, all_rows, without_facts
from tests.support.meter_lives import Told, told_lives
from tests.support.reference_amounts import Heard, Reference

QUICK = settings(deadline=None, max_examples=150)


def close(one: float, two: float) -> bool:
    return (isnan(one) and isnan(two)) or one == pytest.approx(two, rel=1e-9, abs=1e-9)


@QUICK
@given(case=drawn_case())
def test_every_amount_is_what_the_plain_reference_says(case: Case) -> None:
    reference = Reference(case.channels, case.heard, case.zone, case.base_s, dict(case.outages)).rows

    frame = interval_amounts(case.table, readings_of(case.heard), case.whole(), case.zone, case.base_s)

    assert set(rows_by_key(frame)) == set(reference)
    for (channel_id, start), at in rows_by_key(frame).items():
        expected = reference[channel_id, start]
        exact = (frame.measured_s[at], frame.slots[at], frame.flags[at], frame.gap_s[at], frame.gap_stop_us[at])
        assert (frame.received[at], frame.unusable[at]) == (expected.received, expected.unusable), (channel_id, start)
        assert exact == (
            expected.measured_us / 1e6,
            expected.slots,
            expected.flags,
            expected.gap_us / 1e6,
            expected.gap_stop,
        ), (channel_id, start)
        for name in ("amount", "estimated", "mean", "low", "high", "last", "peak"):
            assert close(getattr(frame, name)[at], getattr(expected, name)), (channel_id, start, name)
        assert frame.peak_at_us[at] == (0 if np.isnan(frame.peak[at]) else start)


@settings(deadline=None, max_examples=40)
@given(case=drawn_case(longest=70), margin=st.sampled_from([1, 2, 8]), chances=st.randoms(use_true_random=False))
def test_what_was_touched_computed_again_is_bit_equal_to_all_computed_at_once(
    case: Case, margin: int, chances: Random
) -> None:
    order = list(case.heard)
    chances.shuffle(order)
    engine = Engine(without_facts(case), margin)
    learned_at = chances.randrange(len(order) + 1)

    while order:
        size = chances.choice([1, 2, 5, 20])
        batch, order = order[:size], order[size:]
        mistaken = [replace(one, value=one.value + 7.0) for one in batch if chances.random() < 0.2]
        strangers = [Heard(channel_id=one.channel_id, ts=one.ts + 1, value=1.0) for one in mistaken]
        engine.hear([*mistaken, *strangers])
        engine.hear(batch)
        engine.forget(strangers)
        if len(order) <= learned_at and engine.case is not case:
            engine.learn(case)

    assert engine.case is case
    assert engine.rows == all_rows(case, case.heard)


@QUICK
@given(
    rises=st.lists(st.tuples(st.integers(1, 600), st.integers(-1, 1000)), min_size=1, max_size=60),
    factor=st.sampled_from([1.0, 0.1, 400.0]),
    base_s=st.sampled_from([300, 900, 1800, 3600]),
)
def test_the_amounts_of_a_register_sum_to_its_closing_minus_its_opening(
    rises: list[tuple[int, int]], factor: float, base_s: int
) -> None:
    channel = a_channel(max_rate=1e9, resolution=1.0, multipliers=(Multiplier(from_us=0, factor=factor),))
    minutes, values = np.cumsum([0, *(step for step, _ in rises)]), np.cumsum([5000, *(rise for _, rise in rises)])
    heard = tuple(
        Heard(channel_id=1, ts=minute * MINUTE, value=float(value))
        for minute, value in zip(minutes.tolist(), values.tolist(), strict=True)
    )
    case = Case(channels=(channel,), heard=heard, zone=JAKARTA, base_s=base_s)

    frame = interval_amounts(case.table, readings_of(heard), case.whole(), JAKARTA, base_s)

    closing = factor * float(values[-1] - values[0])
    assert fsum(frame.amount[~np.isnan(frame.amount)]) == pytest.approx(closing, rel=0, abs=1e-9 * max(1.0, closing))


@settings(deadline=None, max_examples=200)
@given(told=told_lives())
def test_no_energy_is_lost_over_any_mix_of_exchanges_widths_multipliers_rollovers_resets_and_gaps(told: Told) -> None:
    case = told.case

    frame = interval_amounts(case.table, readings_of(case.heard), case.whole(), case.zone, case.base_s)

    counted = fsum(frame.amount[~np.isnan(frame.amount)])
    assert counted == pytest.approx(told.counted, rel=1e-9, abs=1e-9 * max(1.0, abs(told.counted)))


@settings(deadline=None, max_examples=30)
@given(told=told_lives(), chances=st.randoms(use_true_random=False))
def test_no_energy_is_lost_when_the_life_of_a_meter_is_told_late_and_its_readings_in_any_order(
    told: Told, chances: Random
) -> None:
    case, order = told.case, [*told.case.heard, *told.case.heard[::2]]
    chances.shuffle(order)
    engine = Engine(without_facts(case), margin=2)

    while order:
        size = chances.choice([1, 4, 15])
        engine.hear(order[:size])
        order = order[size:]
    engine.learn(case)

    assert engine.rows == all_rows(case, case.heard)
    assert engine.total() == pytest.approx(told.counted, rel=1e-9, abs=1e-9 * max(1.0, abs(told.counted)))
