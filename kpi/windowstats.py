"""What windows of a compliance rule are judged by: means, extremes, percentiles and sums of the base intervals in them."""

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.quality import Flag
from domain.registry import Kind, RuleStatistic
from domain.time import SECOND_US, IntArray
from kpi.block import ROUNDING_S, Block, Scene
from kpi.laying import lay
from kpi.measures import paired
from kpi.profiles import percentiles
from kpi.tree import Rows, Tree, beside

__all__ = ["Compared", "compared", "flow_beside"]

BoolArray = NDArray[np.bool_]


def flow_beside(tree: Tree, channel: IntArray) -> IntArray:
    """
    Position of the flow that carries what each of some concentrations is the concentration of; -1: the meter has none.

    That is the one that the meter's load is made with, else its volume, else its flow.
    """
    meter = tree.meter[channel]
    found = np.full(len(channel), -1)
    product = np.flatnonzero(tree.kind == Kind.PRODUCT.value)
    made_of = tree.places(tree.inputs[product, 0])
    order = np.argsort(made_of, kind="stable")
    place = np.searchsorted(made_of[order], channel)
    place[place == len(order)] = 0
    if len(order):
        hit = made_of[order][place] == channel
        found[hit] = tree.places(tree.inputs[product[order[place[hit]]], 1])
    for quantity in ("effluent_volume", "effluent_flow"):
        found = np.where(found >= 0, found, beside(tree, meter, quantity))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What windows are judged by; (r, w) each."""

    least: FloatArray
    """Held against the lowest limit; NaN where nothing held."""
    greatest: FloatArray
    """Held against the highest limit."""
    known_s: FloatArray
    """Time over which it is known. [s]"""
    idle: BoolArray
    """Nothing flowed that could have a concentration."""


def compared(scene: Scene, block: Block, rows: Rows, statistic: NDArray[np.str_], edges: IntArray) -> Compared:
    """
    The statistic of each row over each window.

    Parameters
    ----------
    scene : Scene
    block : Block
        Amounts of the rows.
    rows : Rows
    statistic : str (r,)
        Value of :class:`domain.registry.RuleStatistic`.
    edges : int64 (w + 1,) [us UTC]
        Of the windows.
    """
    frame, source = scene.frame, block.source
    low = block.extreme(np.fmin, frame.low[source], edges)
    high = block.extreme(np.fmax, frame.high[source], edges)
    held = replace(block, amount=frame.mean[source])
    by_row = np.broadcast_to(statistic[:, None], low.shape)
    least = np.where(by_row == RuleStatistic.MAX.value, high, low)
    greatest = np.where(by_row == RuleStatistic.MIN.value, low, high)
    known_s, idle = block.summed(block.measured_s, edges), np.zeros(low.shape, dtype=np.bool_)
    for one in _COMPUTED:
        chosen = by_row == one.value
        if chosen.any():
            value, seconds, is_idle = _COMPUTED[one](scene, block, held, rows, edges)
            if one is not RuleStatistic.SUM:
                # A steady value on the limit must not exceed it by the last digit of a division.
                value = np.clip(value, low, high)
            least, greatest = np.where(chosen, value, least), np.where(chosen, value, greatest)
            known_s, idle = np.where(chosen, seconds, known_s), idle | (chosen & is_idle)
    return Compared(least=least, greatest=greatest, known_s=known_s, idle=idle)


_Statistic = tuple[FloatArray, FloatArray, BoolArray]
"""Value, time over which it is known [s], whether nothing flowed; (r, w) each."""


def _quotient(over: FloatArray, under: FloatArray) -> FloatArray:
    ratio = np.full(over.shape, np.nan)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


def _mean(_: Scene, block: Block, held: Block, __: Rows, edges: IntArray) -> _Statistic:
    known = ~np.isnan(held.amount)
    seconds = np.where(known, held.measured_s, 0.0)
    over = held.summed(np.where(known, held.amount, 0.0) * seconds, edges)
    mean = _quotient(over, held.summed(seconds, edges))
    return mean, block.summed(block.measured_s, edges), np.zeros(mean.shape, dtype=np.bool_)


def _p95(_: Scene, block: Block, held: Block, __: Rows, edges: IntArray) -> _Statistic:
    known = held.only(held.measured)
    shape = (held.shape[0], len(edges) - 1)
    found = percentiles(known.amount, known.keys(edges), shape[0] * shape[1], 0.95).reshape(shape)
    return found, block.summed(block.measured_s, edges), np.zeros(shape, dtype=np.bool_)


def _sum(_: Scene, block: Block, __: Block, ___: Rows, edges: IntArray) -> _Statistic:
    """What passed in each window, scaled up from the time over which it is known."""
    known = ~np.isnan(block.amount)
    length_s = (block.stop_us - block.start_us) / SECOND_US
    spread = (block.flags & int(Flag.ESTIMATED)) > 0
    known_s = block.summed(np.where(known, np.where(spread, length_s, block.measured_s), 0.0), edges)
    passed = block.summed(np.where(known, block.amount, 0.0), edges)
    whole_s = np.broadcast_to(np.diff(edges) / SECOND_US, passed.shape)
    scaled = np.where(known_s >= whole_s - ROUNDING_S, passed, passed * _quotient(whole_s, known_s))
    return np.where(known_s > 0, scaled, np.nan), known_s, np.zeros(passed.shape, dtype=np.bool_)


def _weighted_mean(scene: Scene, _: Block, held: Block, rows: Rows, edges: IntArray) -> _Statistic:
    """Mean by volume of the base intervals in which both are known from end to end."""
    concentration, volume = paired(held, lay(scene, rows, flow_beside(scene.tree, rows.channel)))
    passed = volume.summed(volume.amount, edges)
    carried = volume.summed(concentration.amount * volume.amount, edges)
    known_s = volume.summed(volume.measured_s, edges)
    return _quotient(carried, passed), known_s, (known_s > 0) & (passed <= 0)


_COMPUTED = MappingProxyType(
    {
        RuleStatistic.MEAN: _mean,
        RuleStatistic.P95: _p95,
        RuleStatistic.SUM: _sum,
        RuleStatistic.FLOW_WEIGHTED_MEAN: _weighted_mean,
    }
)
"""Statistics that are made of base intervals; the others are the extremes of what held."""
