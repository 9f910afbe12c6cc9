"""Stretches in which something holds without a break, found in many rows at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.time import IntArray

__all__ = ["Stretches", "chains", "stretches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """Stretches of a flat sequence; (s,) each."""

    first: IntArray
    """Index of the first element of each."""
    last: IntArray
    """Index of the last one, included."""

    def __len__(self) -> int:
        return len(self.first)


def stretches(holds: NDArray[np.bool_], group: IntArray) -> Stretches:
    """
    The longest stretches in which something holds, none of which leaves its group.

    Parameters
    ----------
    holds : bool (n,)
    group : int64 (n,)
        Elements of one group stand side by side.
    """
    return chains(holds, np.ones(len(holds), dtype=np.bool_), group)


def chains(holds: NDArray[np.bool_], goes_on: NDArray[np.bool_], group: IntArray) -> Stretches:
    """
    As :func:`stretches`, where an element must also go on from the one before it to be of its stretch.

    Parameters
    ----------
    goes_on : bool (n,)
        What the first element of a group says is not asked.
    """
    opens = holds.copy()
    opens[1:] &= ~(holds[:-1] & goes_on[1:] & (group[1:] == group[:-1]))
    closes = holds.copy()
    closes[:-1] &= ~holds[1:] | opens[1:]
    return Stretches(first=np.flatnonzero(opens), last=np.flatnonzero(closes))
