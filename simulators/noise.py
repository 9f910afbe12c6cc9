"""Noise that is a pure function of who and when, so that a restarted simulator says the same again."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.time import IntArray

__all__ = ["HashArray", "key_hash", "smooth_noise", "uniform", "white_noise"]

HashArray = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_MANTISSA = 2.0**-53


def key_hash(seed: int, *keys: str) -> int:
    """A number of 64 bits that stands for some keys under one seed."""
    text = "\0".join((str(seed), *keys)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def uniform(who: HashArray, when: IntArray) -> FloatArray:
    """
    Evenly distributed numbers in [0, 1), one for each pair of who and when.

    Parameters
    ----------
    who : uint64, broadcastable against `when`
        From :func:`key_hash`.
    when : int64
        Any counter of time.

    Returns
    -------
    float64 of the broadcast shape
        The finaliser of the SplitMix64 generator over both.
    """
    # Wrapping around 2**64 is what the mixing is made of; arrays wrap without a warning, scalars would warn.
    mixed = np.atleast_1d(who) + np.atleast_1d(when).astype(np.uint64) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    mixed ^= mixed >> np.uint64(31)
    share: FloatArray = (mixed >> np.uint64(11)).astype(np.float64)
    return share * _MANTISSA


def white_noise(who: HashArray, when: IntArray) -> FloatArray:
    """Noise in [-1, 1) that knows nothing of its neighbours. Shapes as in :func:`uniform`."""
    return 2.0 * uniform(who, when) - 1.0


def smooth_noise(who: HashArray, when: IntArray, every: int) -> FloatArray:
    """
    Noise in [-1, 1] that turns only every `every` counts of `when`, and runs straight between.

    Parameters
    ----------
    who : uint64 (m,)
    when : int64 (n,)
        Increasing counters.
    every : int
        Counts between two turns.

    Returns
    -------
    float64 (m, n)
    """
    turn, within = np.divmod(when, every)
    turns = np.arange(turn[0], turn[-1] + 2, dtype=np.int64)
    at_turns = white_noise(who[:, None], turns[None, :])
    here = turn - turns[0]
    share = within / every
    return at_turns[:, here] * (1.0 - share) + at_turns[:, here + 1] * share
