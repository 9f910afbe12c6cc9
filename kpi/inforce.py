"""Dated factors laid on intervals: which value held in each, and where none did."""

import numpy as np

from domain.frames import FloatArray
from domain.references import Factor, References, dated
from domain.time import IntArray
from kpi.tree import FOREVER_US, overlap

__all__ = ["factor_changes", "factor_over"]


def _lives(factors: tuple[Factor, ...]) -> tuple[IntArray, IntArray]:
    ends = [FOREVER_US if one.origin.valid_to_us is None else one.origin.valid_to_us for one in factors]
    return np.array([one.origin.valid_from_us for one in factors], dtype=np.int64), np.array(ends, dtype=np.int64)


def factor_over(references: References, keys: tuple[str, ...], edges: IntArray) -> FloatArray:
    """
    Product of factors over each interval: of each factor, the mean over time of what was in force.

    So an interval in which a factor changes takes both values in proportion to their time. Of no factor at all the
    product is 1.

    Parameters
    ----------
    references : References
    keys : tuple of str
        Of the factors that are multiplied.
    edges : int64 (n + 1,) [us UTC]

    Returns
    -------
    float64 (n,)
        NaN where a factor was not in force for all of the interval.
    """
    product = np.ones(len(edges) - 1)
    for key in keys:
        product = product * _one_over(dated(references.factors, key), edges)
    return product


def _one_over(factors: tuple[Factor, ...], edges: IntArray) -> FloatArray:
    start_us, stop_us = edges[:-1], edges[1:]
    length = stop_us - start_us
    total, held = np.zeros(len(length)), np.zeros(len(length), dtype=np.int64)
    for factor, from_us, to_us in zip(factors, *_lives(factors), strict=True):
        shared = overlap(from_us, to_us, start_us, stop_us)
        # A factor that held throughout gives its own number, to the last digit.
        total += factor.value * (shared / length)
        held += shared
    return np.where(held == length, total, np.nan)


def factor_changes(references: References, keys: tuple[str, ...], edges: IntArray) -> IntArray:
    """Instants inside a span at which any of some factors begins or ends. [us UTC]"""
    lives = [_lives(dated(references.factors, key)) for key in keys]
    changes: IntArray = np.unique(
        np.concatenate([np.zeros(0, dtype=np.int64), *(part for life in lives for part in life)])
    )
    inside: IntArray = changes[(changes > edges[0]) & (changes < edges[-1])]
    return inside
