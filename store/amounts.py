"""Interval amounts in the database: whole frames in and out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.frames import AmountFrame
from domain.time import IntArray, Level

__all__ = ["read_amounts", "write_amounts"]


def write_amounts(
    conn: Connection[Any],
    frame: AmountFrame,
    ranges: tuple[NDArray[np.int32], IntArray, IntArray],
    *,
    computed_at_us: int,
    ticked_to_us: int | None,
) -> int:
    """
    Make the stored amounts of some ranges equal to a frame, in the caller's transaction.

    Rows of the frame are inserted or, where anything but `revision`, `computed_at` and the flag
    `LATE` differs, updated; equal rows are not touched. Rows of the frame's level that start inside
    a range and are not in the frame are deleted. A row whose interval was final before this cycle
    gets `revision + 1` and the flag `LATE` when it changes.

    Parameters
    ----------
    frame : AmountFrame
        Of channels of one park. Every row starts inside one of the ranges.
    ranges : (channel_id, from_us, to_us)
        int32 and int64 (r,) [us UTC]; half-open `[from, to)`.
    ticked_to_us : int or None
        `park.ticked_to` as it was *before* this cycle; None: nothing is final yet. [us UTC]

    Returns
    -------
    int
        How many rows were inserted, updated or deleted.
    """
    raise NotImplementedError


def read_amounts(
    conn: Connection[Any], level: Level, channel_ids: NDArray[np.int32], start_us: int, stop_us: int
) -> AmountFrame:
    """The stored amounts of some channels whose intervals start in `[start_us, stop_us)`, sorted as a frame is."""
    raise NotImplementedError
