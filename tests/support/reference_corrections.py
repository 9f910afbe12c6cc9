"""Corrections in plain Python, one instant at a time: the tests hold the vectorised code against it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from hypothesis import strategies as st

from domain.corrections import CorrectionTable
from tests.support.reference_amounts import Heard


@dataclass(frozen=True, kw_only=True)
class Said:
    """One correction: a set where it has a value, else a void."""

    id: int
    channel_id: int
    begin: int
    end: int
    value: float | None
    recorded: int
    in_force: bool = True


def table_of(said: Iterable[Said]) -> CorrectionTable:
    """Corrections as columns, in the order given."""
    rows = list(said)
    return CorrectionTable(
        id=np.array([one.id for one in rows], dtype=np.int64),
        channel_id=np.array([one.channel_id for one in rows], dtype=np.int32),
        from_us=np.array([one.begin for one in rows], dtype=np.int64),
        to_us=np.array([one.end for one in rows], dtype=np.int64),
        value=np.array([nan if one.value is None else one.value for one in rows], dtype=np.float64),
        recorded_us=np.array([one.recorded for one in rows], dtype=np.int64),
        in_force=np.array([one.in_force for one in rows], dtype=np.bool_),
    )


def plainly_corrected(heard: Iterable[Heard], said: Sequence[Said]) -> tuple[Heard, ...]:
    """The readings that numbers are made of, and where a set was ever made, an unused place."""
    found = {(one.channel_id, one.ts): one for one in heard}
    for one in said:
        if one.value is not None:
            place = Heard(channel_id=one.channel_id, ts=one.begin, value=nan, stored=False)
            found.setdefault((one.channel_id, one.begin), place)
    return tuple(_told(one, said) for one in found.values())


def _told(reading: Heard, said: Sequence[Said]) -> Heard:
    spoken = [
        one
        for one in said
        if one.in_force and one.channel_id == reading.channel_id and one.begin <= reading.ts <= one.end
    ]
    if not spoken:
        return reading
    last = max(spoken, key=lambda one: (one.recorded, one.id))
    if last.value is None:
        return replace(reading, voided=True, quality=0, conflict=False)
    return replace(reading, value=last.value, quality=0, conflict=False, edited=True)


@st.composite
def drawn_corrections(draw: st.DrawFn, heard: Sequence[Heard], most: int = 6) -> tuple[Said, ...]:
    """Sets and voids on, between and beyond some readings, several at one instant at times, some superseded."""
    made = []
    for number in range(draw(st.integers(0, most)) if heard else 0):
        near = draw(st.sampled_from(list(heard)))
        begin = near.ts + draw(st.sampled_from([0, 0, 0, 1, -1, 60_000_000, -437_000_000, 3_600_000_000 * 30]))
        far = draw(st.sampled_from([None, None, None, 0, 60_000_000, 3_600_000_000, 3_600_000_000 * 40]))
        value = near.value + draw(st.sampled_from([0.0, 0.0, 0.25, -0.25, 3.0, 500.0])) if far is None else None
        made.append(
            Said(
                id=number + 1,
                channel_id=near.channel_id,
                begin=begin,
                end=begin + (far or 0),
                value=value,
                recorded=draw(st.integers(1, 3)),
                in_force=draw(st.sampled_from([True, True, True, False])),
            )
        )
    return tuple(made)
