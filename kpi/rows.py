"""Amount frames joined, taken from, and without rows."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.frames import AmountFrame
from domain.time import IntArray, Level

__all__ = ["AMOUNT_COLUMNS", "empty_amounts", "joined_amounts", "taken_amounts"]

AMOUNT_COLUMNS = tuple(column.name for column in fields(AmountFrame) if column.name != "level")
"""Names of the arrays of an amount frame."""


def joined_amounts(parts: list[AmountFrame]) -> AmountFrame:
    """Frames of different channels as one, sorted."""
    parts = parts or [empty_amounts(Level.BASE)]
    ids = np.concatenate([part.channel_id for part in parts])
    order: slice | IntArray = slice(None)
    if (ids[1:] < ids[:-1]).any():
        order = np.argsort(ids, kind="stable")
    made: dict[tuple[int, ...], NDArray[Any]] = {}
    columns = {}
    for name in AMOUNT_COLUMNS:
        own = [getattr(part, name) for part in parts]
        # What registers have none of (means, extremes) is one column of nothing, and stays one.
        key = tuple(column.__array_interface__["data"][0] for column in own)
        if key not in made:
            made[key] = np.concatenate(own)[order]
        columns[name] = made[key]
    return AmountFrame(level=Level.BASE, **columns)


def taken_amounts(frame: AmountFrame, rows: IntArray | NDArray[np.bool_]) -> AmountFrame:
    """Some rows of a frame, in the order of their places, or as a mask says."""
    return AmountFrame(level=frame.level, **{name: getattr(frame, name)[rows] for name in AMOUNT_COLUMNS})


def empty_amounts(level: Level) -> AmountFrame:
    """An amount frame without rows."""
    whole, real, small = np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.int32)
    return AmountFrame(
        level=level,
        channel_id=small,
        start_us=whole,
        amount=real,
        mean=real,
        low=real,
        high=real,
        last=real,
        peak=real,
        peak_at_us=whole,
        measured_s=real,
        estimated=real,
        inner_gap_s=real,
        gap_s=real,
        gap_stop_us=whole,
        slots=small,
        received=small,
        unusable=small,
        flags=small,
    )
