"""Statistics of windows of a gauge in plain Python, one window, one value at a time.

Slow on purpose and written on its own: the tests hold the vectorised code against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, fsum, isfinite, nan

from domain.registry import Channel, Kind
from tests.support.reference_amounts import HOUR, Heard, Stretch, holds, interval_story, register_story

SECOND = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one window amounts to."""

    least: float
    greatest: float
    known_s: float
    idle: bool = False


@dataclass(frozen=True, kw_only=True)
class Flowing:
    """A concentration and a flow over the time both are known."""

    start: int
    stop: int
    concentration: float
    per_us: float


def inside(start: int, stop: int, a: int, b: int) -> int:
    """Length of what of `[start, stop)` lies in `[a, b)`."""
    return max(0, min(stop, b) - max(start, a))


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    rank = (len(ordered) - 1) * share
    low = floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def window_of(held: Sequence[Stretch], a: int, b: int, statistic: str) -> Answer:
    """Any statistic but the flow-weighted mean of one window `[a, b)`."""
    pieces = [(one.amount, inside(one.start, one.stop, a, b)) for one in held]
    pieces = [(value, length) for value, length in pieces if length]
    if not pieces:
        return Answer(least=nan, greatest=nan, known_s=0.0)
    values, known = [value for value, _ in pieces], sum(length for _, length in pieces)
    low, high = min(values), max(values)
    total = fsum(value * length for value, length in pieces)
    made = {
        "min": (low, low),
        "max": (high, high),
        "range": (low, high),
        "mean": (min(max(total / known, low), high),) * 2,
        "p95": (percentile(values, 0.95),) * 2,
        "sum": (total / HOUR * (b - a) / known,) * 2,
    }[statistic]
    return Answer(least=made[0], greatest=made[1], known_s=known / SECOND)


def flowing_of(channel: Channel, flow: Channel, heard: Sequence[Heard]) -> list[Flowing]:
    """A concentration with the flow or volume beside it."""
    told = [one for one in heard if one.channel_id == flow.id]
    if flow.kind is Kind.REGISTER:
        flows = [
            (one, one.amount / (one.stop - one.start))
            for one in register_story(flow, told).stretches
            if one.stop > one.start
        ]
    elif flow.kind is Kind.INTERVAL:
        flows = [
            (one, one.amount / (one.stop - one.start)) for one in interval_story(flow, told)[1] if one.stop > one.start
        ]
    else:
        flows = [(one, one.amount / HOUR) for one in holds(flow, told)]
    held = holds(channel, [one for one in heard if one.channel_id == channel.id])
    return [
        Flowing(
            start=max(one.start, other.start),
            stop=min(one.stop, other.stop),
            concentration=one.amount,
            per_us=rate,
        )
        for one in held
        for other, rate in flows
        if max(one.start, other.start) < min(one.stop, other.stop) and other.known and not other.gap
    ]


def weighted_window(flowing: Sequence[Flowing], a: int, b: int) -> Answer:
    """The flow-weighted mean of one window."""
    pieces = [(one, inside(one.start, one.stop, a, b)) for one in flowing]
    passed = fsum(one.per_us * length for one, length in pieces)
    known = sum(length for _, length in pieces) / SECOND
    if passed <= 0:
        return Answer(least=nan, greatest=nan, known_s=known, idle=known > 0)
    mean = fsum(one.concentration * one.per_us * length for one, length in pieces) / passed
    return Answer(least=mean, greatest=mean, known_s=known)


def excess_kg(flowing: Sequence[Flowing], a: int, b: int, limit: float) -> float:
    """What of the load of one window is above a limit."""
    pieces = [(one, inside(one.start, one.stop, a, b)) for one in flowing]
    if not isfinite(limit) or not any(length for _, length in pieces):
        return nan
    return fsum(max(0.0, one.concentration - limit) * one.per_us * length * 1e-3 for one, length in pieces)
