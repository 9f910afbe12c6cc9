"""Few readings in place of many, so that a picture of them stays the same: of each bucket of time its ends and its extremes."""

import numpy as np

from domain.frames import FloatArray
from domain.time import IntArray

__all__ = ["A_BUCKET", "thinned_rows"]

A_BUCKET = 4
"""How many readings are kept of a bucket at most: the first, the least, the greatest, the last."""


def thinned_rows(ts_us: IntArray, value: FloatArray, start_us: int, stop_us: int, most: int) -> IntArray:
    """
    Which readings of `[start_us, stop_us)` to keep, in order: of each of `most // 4` buckets of equal length at most four.

    The first and the last reading, the least and the greatest are always kept; of equal ones the earliest. A value that is
    not known (NaN) is no extreme. Thinning what is left together with what comes next gives the same as thinning all at once.

    Parameters
    ----------
    ts_us : int64 (n,) [us UTC]
        Strictly increasing, inside the range.
    value : float64 (n,)
    most : int
        At least 4.

    Returns
    -------
    int64 (m,)
        Rows, increasing; m <= most.

    Examples
    --------
    >>> thinned_rows(np.arange(8), np.array([0.0, 5, 1, 2, 2, -1, 9, 3]), 0, 8, 4)
    array([0, 5, 6, 7])
    """
    if not len(ts_us):
        return np.zeros(0, dtype=np.int64)
    # The length is rounded up: a bucket may be the shorter for it, but none comes after the last.
    length_us = -(-(stop_us - start_us) // (most // A_BUCKET))
    bucket = (ts_us - start_us) // length_us
    first = np.flatnonzero(np.diff(bucket, prepend=-1))
    last = np.append(first[1:], len(bucket)) - 1
    owner = np.repeat(np.arange(len(first)), last - first + 1)
    least = _first_equal(value, np.fmin.reduceat(value, first)[owner], owner)
    greatest = _first_equal(value, np.fmax.reduceat(value, first)[owner], owner)
    return np.unique(np.concatenate([first, last, least, greatest]))


def _first_equal(value: FloatArray, extreme: FloatArray, owner: IntArray) -> IntArray:
    """The first row of each owner whose value is the extreme; none where no value is known."""
    rows = np.flatnonzero(value == extreme)
    return rows[np.flatnonzero(np.diff(owner[rows], prepend=-1))]
