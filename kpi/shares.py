"""How much of a sum is known: coverage of its members, weighted by what they usually amount to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.time import SECOND_US, IntArray
from kpi.block import Block
from kpi.members import Members
from kpi.ragged import same_rows
from kpi.scene import Scene
from kpi.tree import Rows

__all__ = ["Coverage", "coverage", "spread", "unlike_columns"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the expected time is known; (t, p), NaN where none is expected."""

    profile: FloatArray
    total: FloatArray


def coverage(scene: Scene, block: Block, members: Members, scale: FloatArray | None = None) -> Coverage:
    """
    Coverage of sums over each interval of the level, weighted by what the members usually amount to.

    Of a balance, the smaller coverage of its two sides.

    Parameters
    ----------
    scene : Scene
    block : Block
    members : Members
    scale : float64 (r, p), optional
        What a unit of each row is worth where the units of the rows differ; 0: the row does not count, NaN: not known.
    """
    if scale is None:
        return _unscaled(scene, block, members)
    alike = _alike(members, scale)
    if alike.all():
        return _unscaled(scene, block, members)
    scaled = _coverage(scene, block, members, scale)
    if not alike.any():
        return scaled
    plain = _unscaled(scene, block, members)
    return Coverage(
        profile=np.where(alike, plain.profile, scaled.profile), total=np.where(alike, plain.total, scaled.total)
    )


def _alike(members: Members, scale: FloatArray) -> BoolArray:
    """
    (t, p) whether all rows of a target share one scale, which then weighs none of them more than another.

    It is asked of each target alone, so that a share does not depend on who else is computed with it.
    """
    if same_rows(scale):
        return np.broadcast_to(scale[0] > 0, (len(members.kpi), scale.shape[1]))
    own, first = members.of_pairs(scale), members.first[:: members.sides]
    least = np.minimum.reduceat(own, first, axis=0)
    alike: BoolArray = (least > 0) & (least == np.maximum.reduceat(own, first, axis=0))
    return alike


def _unscaled(scene: Scene, block: Block, members: Members) -> Coverage:
    key = ("coverage", id(block), members.named)
    if key not in scene.noted:
        scene.noted[key] = block, _coverage(scene, block, members, None)
    found: Coverage = scene.noted[key][1]
    return found


def _coverage(scene: Scene, block: Block, members: Members, scale: FloatArray | None) -> Coverage:
    edges = scene.periods
    expected = scene.expected_s(members.rows, edges)
    worth = scene.weights_of(members, edges)
    if scale is not None:
        expected, worth = _scaled(expected, worth, scale)
    covered = block.summed(block.covered_s, edges)
    known = covered
    if scene.has_gaps:
        known = np.minimum(covered + block.summed(_closed_gaps(scene, block, members.rows), edges), expected)
    weight = spread(members, worth, expected)
    some, which = unlike_columns(worth, expected)
    whole = _weighted(members, weight[:, some], expected[:, some])[:, which]
    shares: list[FloatArray] = []
    for seconds in (covered, known):
        if shares and seconds is covered:
            shares.append(shares[0])
            continue
        part = whole
        if not (seconds >= expected).all():
            part = _weighted(members, weight, np.minimum(seconds, expected))
        share = np.full(whole.shape, np.nan)
        np.divide(part, whole, out=share, where=whole > 0)
        # Seconds are added up in another order than they are expected in.
        shares.append(np.minimum(share.reshape(len(members.kpi), members.sides, -1).min(axis=1), 1.0))
    return Coverage(profile=shares[0], total=shares[1])


def _scaled(expected: FloatArray, worth: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What is expected of rows that count, and what they are worth, both scaled."""
    if same_rows(scale) and same_rows(expected):
        shown = np.where(scale[:1] == 0, 0.0, expected[:1])
        # Of rows that share a scale it only matters whether it is known.
        unknown = np.isnan(scale[:1])
        if unknown.all():
            worth = np.broadcast_to(np.nan, worth.shape)
        elif unknown.any():
            worth = np.where(unknown, np.nan, worth)
        return np.broadcast_to(shown, expected.shape), worth
    return np.where(scale == 0, 0.0, expected), worth * scale


def unlike_columns(*values: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """
    Columns of which each is unlike the others, and for each column which of these it is like.

    Only arrays that are one row or one column, seen as many, are looked into; where there is another, no columns are alike.

    Examples
    --------
    >>> unlike_columns(np.broadcast_to([5.0, 7.0, 5.0], (4, 3)))
    (array([0, 1]), array([0, 1, 0]))
    """
    count = values[0].shape[1]
    rows = [one for one in values if one.strides[1] != 0]
    if count <= 1 or not all(same_rows(one) for one in rows):
        return np.arange(count), np.arange(count)
    if not rows:
        return np.zeros(1, dtype=np.int64), np.zeros(count, dtype=np.int64)
    keys = np.stack([np.nan_to_num(one[0].astype(np.float64), nan=-1.0) for one in rows])
    _, some, which = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    return some, which.reshape(-1)


def _closed_gaps(scene: Scene, block: Block, rows: Rows) -> FloatArray:
    """Expected part of the long gaps that begin in each entry and end within the same interval of the level. [s]"""
    closed = np.zeros(len(block.source))
    some = np.flatnonzero((scene.frame.inner_gap_s[block.source] > 0) | (scene.frame.gap_s[block.source] > 0))
    if len(some):
        closed[some] = _closed_at(scene, block, rows, some)
    return closed


def _closed_at(scene: Scene, block: Block, rows: Rows, some: IntArray) -> FloatArray:
    frame, source = scene.frame, block.source[some]
    inner = np.minimum(frame.inner_gap_s[source], (block.expected_s - block.covered_s)[some])
    stop_us = frame.gap_stop_us[source]
    length_us = np.rint(frame.gap_s[source] * SECOND_US).astype(np.int64)
    period = np.searchsorted(scene.periods, block.start_us[some], side="right") - 1
    closed = (length_us > 0) & (stop_us <= scene.periods[period + 1])
    reach = scene.served_between(rows, block.row[some], stop_us - length_us, stop_us) / SECOND_US
    reached: FloatArray = np.maximum(inner, 0.0) + np.where(closed, reach, 0.0)
    return reached


def spread(members: Members, weight: FloatArray, expected: FloatArray) -> FloatArray:
    """
    Weights of the pairs: a member that has none gets the mean of the others; where none has any, all are equal.

    Parameters
    ----------
    members : Members
    weight : float64 (r, p)
        Not negative; NaN where it is not known.
    expected : float64 (r, p)
        0 where the row does not count.

    Returns
    -------
    float64 (q, p)
        0 where the row does not count. Not to be written to.
    """
    some, which = unlike_columns(weight, expected)
    full = _spread(members, weight[:, some], expected[:, some])
    if len(some) == 1:
        return np.broadcast_to(full, (len(full), len(which)))
    return full if len(some) == len(which) else full[:, which]


def _spread(members: Members, weight: FloatArray, expected: FloatArray) -> FloatArray:
    counts = members.of_pairs(expected) > 0
    own = members.of_pairs(weight)
    known = counts & ~np.isnan(own)
    number = np.add.reduceat(known.astype(np.float64), members.first, axis=0)
    mean = np.add.reduceat(np.where(known, own, 0.0), members.first, axis=0) / np.maximum(number, 1.0)
    group = members.pair_group
    full = np.where(known, own, np.where(counts, mean[group], 0.0))
    # No weight at all, or only zeros (everything idle for a month): then each member counts the same.
    idle = np.add.reduceat(full, members.first, axis=0) <= 0
    return np.where(idle[group] & counts, 1.0, full)


def _weighted(members: Members, weight: FloatArray, seconds: FloatArray) -> FloatArray:
    return np.add.reduceat(weight * members.of_pairs(seconds), members.first, axis=0)
