"""Laws of corrections that hold for every set of readings and of corrections."""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.quality import Flag, Mark
from kpi.amounts import interval_amounts
from kpi.corrections import corrected
from tests.support.amount_cases import Case, drawn_case, readings_of, rows_by_key
from tests.support.amount_model import COLUMNS, Engine, all_rows, spans_of
from tests.support.reference_amounts import Heard, Reference
from tests.support.reference_corrections import Said, drawn_corrections, plainly_corrected, table_of

QUICK = settings(deadline=None, max_examples=120)
FLAGS, SLOTS, MEASURED, AMOUNT, UNUSABLE = (
    COLUMNS.index(name) for name in ("flags", "slots", "measured_s", "amount", "unusable")
)
NAN = int(np.array([np.nan]).view(np.int64)[0])

Corrected = tuple[Case, tuple[Said, ...]]
Rows = dict[tuple[int, int], tuple[float, ...]]


@st.composite
def drawn(draw: st.DrawFn, longest: int = 24) -> Corrected:
    """A park, its readings and corrections of them."""
    case = draw(drawn_case(longest=longest))
    return case, draw(drawn_corrections(case.heard))


def close(one: float, two: float) -> bool:
    return (isnan(one) and isnan(two)) or one == pytest.approx(two, rel=1e-9, abs=1e-9)


@QUICK
@given(given_=drawn())
def test_every_corrected_reading_is_what_the_plain_reference_says(given_: Corrected) -> None:
    case, said = given_
    plain = sorted(plainly_corrected(case.heard, said), key=lambda one: (one.channel_id, one.ts))

    made = corrected(readings_of(case.heard), table_of(said))

    assert made.channel_id.tolist() == [one.channel_id for one in plain]
    assert made.ts_us.tolist() == [one.ts for one in plain]
    assert np.array_equal(made.value, [one.value for one in plain], equal_nan=True)
    assert made.conflict.tolist() == [one.absent for one in plain]
    expected = [
        one.quality | one.edited * Mark.EDITED | one.voided * Mark.VOIDED | (not one.stored) * Mark.UNHEARD
        for one in plain
    ]
    assert made.quality.tolist() == expected


@QUICK
@given(given_=drawn(), chances=st.randoms(use_true_random=False))
def test_the_order_in_which_corrections_stand_changes_nothing(given_: Corrected, chances: Random) -> None:
    case, said = given_
    shuffled = list(said)
    chances.shuffle(shuffled)

    assert all_rows(case, case.heard, shuffled) == all_rows(case, case.heard, said)


@QUICK
@given(given_=drawn())
def test_every_amount_of_corrected_readings_is_what_the_plain_reference_says(given_: Corrected) -> None:
    case, said = given_
    reference = Reference(
        case.channels, plainly_corrected(case.heard, said), case.zone, case.base_s, dict(case.outages)
    ).rows
    readings = corrected(readings_of(case.heard), table_of(said))

    frame = interval_amounts(case.table, readings, case.whole(), case.zone, case.base_s)

    assert set(rows_by_key(frame)) == set(reference)
    for (channel_id, start), at in rows_by_key(frame).items():
        expected = reference[channel_id, start]
        assert (frame.slots[at], frame.flags[at], frame.measured_s[at]) == (
            expected.slots,
            expected.flags,
            expected.measured_us / 1e6,
        ), (channel_id, start)
        for name in ("amount", "estimated", "mean", "low", "high", "last", "peak"):
            assert close(getattr(frame, name)[at], getattr(expected, name)), (channel_id, start, name)


@settings(deadline=None, max_examples=120)
@given(given_=drawn(longest=60), margin=st.sampled_from([1, 2, 8]), chances=st.randoms(use_true_random=False))
def test_readings_and_corrections_in_any_order_end_in_what_all_at_once_gives(
    given_: Corrected, margin: int, chances: Random
) -> None:
    case, said = given_
    engine = Engine(case, margin)
    steps: list[Heard | Said] = [*case.heard, *said]
    # Corrections that are in force only for a while, beside those that stay.
    passing = [replace(one, id=one.id + 100, begin=one.begin + chances.choice([0, 1])) for one in said]
    passing = [replace(one, end=max(one.begin, one.end), in_force=True) for one in passing]
    steps += passing
    chances.shuffle(steps)

    while steps:
        size = chances.choice([1, 2, 5, 20])
        step, steps = steps[:size], steps[size:]
        batch = [one for one in step if isinstance(one, Heard)]
        for one in batch:
            engine.shelf.kept[one.channel_id, one.ts] = one
        engine.due += spans_of(batch)
        for made in step:
            if isinstance(made, Said):
                # A void is entered as one span for each stretch of it, computed whenever its turn comes.
                engine.correct(replace(made, in_force=True))
        engine.catch_up([span for span in engine.due if chances.random() < 0.6])
    for made in (*passing, *said):
        engine.correct(replace(made, in_force=made.in_force and made.id <= 100))
        engine.catch_up([span for span in engine.due if chances.random() < 0.4])
    engine.catch_up(list(engine.due))

    assert engine.rows == all_rows(case, case.heard, said)


@QUICK
@given(given_=drawn())
def test_a_correction_that_was_withdrawn_is_as_if_never_made(given_: Corrected) -> None:
    case, said = given_

    withdrawn = all_rows(case, case.heard, [replace(one, in_force=False) for one in said])

    assert withdrawn == all_rows(case, case.heard)


def _but_edited(rows: Rows) -> Rows:
    """Rows without the mark of a correction, and without those that say nothing else."""
    bare = {key: (*row[:FLAGS], int(row[FLAGS]) & ~int(Flag.EDITED), *row[FLAGS + 1 :]) for key, row in rows.items()}
    nothing = {
        key
        for key, row in bare.items()
        if not row[FLAGS] and not row[SLOTS] and not row[MEASURED] and row[AMOUNT] == NAN
    }
    return {key: row for key, row in bare.items() if key not in nothing or rows[key] == row}


def _chosen(heard: Sequence[Heard]) -> list[Said]:
    return [
        Said(id=place, channel_id=one.channel_id, begin=one.ts, end=one.ts, value=one.value, recorded=1)
        for place, one in enumerate(heard)
        if one.conflict
    ]


@QUICK
@given(case=drawn_case())
def test_a_value_chosen_in_a_conflict_counts_as_if_only_it_had_come(case: Case) -> None:
    alone = [replace(one, conflict=False, quality=0) if one.conflict else one for one in case.heard]

    chosen = all_rows(case, case.heard, _chosen(case.heard))

    assert _but_unusable(_but_edited(chosen)) == _but_unusable(all_rows(case, alone))


def _but_unusable(rows: Rows) -> Rows:
    """Rows without how many values were not used as they came: a choice does not make a value that was claimed twice a good one."""
    return {key: (*row[:UNUSABLE], *row[UNUSABLE + 1 :]) for key, row in rows.items()}
