"""Arrays of arrays laid end to end: group i owns the rows `[bounds[i], bounds[i + 1])`."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.time import IntArray

__all__ = ["bisect_groups", "bounds_of", "owners", "runs_of", "same_rows", "spread_out", "sums_by", "within"]

Scalar = TypeVar("Scalar", bound=np.generic)


def same_rows(values: NDArray[Any]) -> bool:
    """Whether an array (r, p) is one row, seen as many."""
    return len(values) > 0 and values.strides[0] == 0


def bounds_of(counts: IntArray) -> IntArray:
    """Bounds of groups of the given sizes; (n + 1,)."""
    bounds = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=bounds[1:])
    return bounds


def owners(counts: IntArray) -> IntArray:
    """Group of each row of groups of the given sizes."""
    return np.repeat(np.arange(len(counts)), counts)


def within(counts: IntArray) -> IntArray:
    """Place of each row inside its group, from 0."""
    bounds = bounds_of(counts)
    return np.arange(bounds[-1]) - np.repeat(bounds[:-1], counts)


def runs_of(first: IntArray, counts: IntArray) -> IntArray:
    """The indices `first[i], first[i] + 1 ...`, `counts[i]` of them, for one i after another."""
    if len(counts) and (counts == counts[0]).all():
        return (first[:, None] + np.arange(counts[0])).ravel()
    return np.repeat(first, counts) + within(counts)


def bisect_groups(
    values: NDArray[Scalar], low: IntArray, high: IntArray, needles: NDArray[Scalar], *, right: bool = False
) -> IntArray:
    """
    Where each needle would stand in its own sorted slice of `values`.

    Parameters
    ----------
    values : (r,)
        Sorted within each slice.
    low, high : int64 (n,)
        The slices, `[low[i], high[i])`; empty ones are allowed.
    needles : (n,)
    right : bool
        Whether a needle stands behind the values equal to it (before them otherwise).

    Returns
    -------
    int64 (n,)
        Indices into `values`, between `low[i]` and `high[i]`.
    """
    left, stop = low.copy(), high.copy()
    # One halving for all needles at once: a search key over all groups would cost as much memory as the values.
    for _ in range(int((stop - left).max(initial=0)).bit_length()):
        open_ = np.flatnonzero(left < stop)
        middle = (left[open_] + stop[open_]) // 2
        found = values[middle]
        beyond = (found <= needles[open_]) if right else (found < needles[open_])
        left[open_] = np.where(beyond, middle + 1, left[open_])
        stop[open_] = np.where(beyond, stop[open_], middle)
    return left


def spread_out(values: NDArray[Scalar], counts: IntArray) -> NDArray[Scalar]:
    """The value of each group for each of its rows; not to be written to, since equal values take no memory."""
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[0], (int(counts.sum()),))
    return np.repeat(values, counts)


def sums_by(owner: IntArray, values: NDArray[np.number] | NDArray[np.bool_], count: int = 0) -> FloatArray:
    """Sum of the values of each owner, in their order; at least `count` of them, 0 where there is none."""
    return np.bincount(owner, values, minlength=count).astype(np.float64, copy=False)
