"""Which readings of a register are to be believed, and what the difference of two neighbours means.

Rules and their reasons: the KPI catalogue, "Registers". Everything here works on many channels at
once: group i is one channel's usable readings, `[bounds[i], bounds[i + 1])` of the columns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray
from domain.time import HOUR_US, IntArray
from kpi.ragged import bisect_groups, owners, runs_of, spread_out
from kpi.table import ChannelTable

__all__ = [
    "Cases",
    "Crossings",
    "Pairs",
    "Used",
    "accepted",
    "agreement",
    "crossings",
    "pair_up",
    "part_ends",
    "roundings",
]

BoolArray = NDArray[np.bool_]

ROLLOVER_ABOVE = 0.9
"""A register may only pass its last digit from the top tenth of its range."""
RESET_BELOW = 0.01
"""A register that starts anew reads at most this share of what it read before."""

_UNBOUNDED = 1e280
_ROUNDINGS = 4 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The readings of some channels that numbers may be made of: in the channel's life, no conflict, usable quality."""

    rows: IntArray
    """(m,) Row of each group's channel in the table."""
    bounds: IntArray
    """(m + 1,)"""
    ts_us: IntArray
    """(n,) Rising within each group. [us UTC]"""
    value: FloatArray
    """(n,) Before the multiplier. [unit]"""

    def take(self, kept: BoolArray) -> "Used":
        """Some of the readings."""
        counts = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum(kept, out=counts[1:])
        return Used(rows=self.rows, bounds=counts[self.bounds], ts_us=self.ts_us[kept], value=self.value[kept])

    def group_ends(self) -> IntArray:
        """Index of the last reading of each group that has one."""
        return self.bounds[1:][self.bounds[1:] > self.bounds[:-1]] - 1

    def groups(self, index: IntArray) -> IntArray:
        """Group of some readings, by index."""
        return np.searchsorted(self.bounds, index, side="right") - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """The pairs that do not simply rise within the plausible rate; (k,) each, in order."""

    index: IntArray
    """Which pair, by its first reading."""
    agree: BoolArray
    """A flicker back by at most two resolutions, or a rise that is within the rate but for rounding."""
    rollover: BoolArray
    reset: BoolArray
    """None of the three: a step."""
    modulus: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Each reading with the next of its group; the last of a group is paired with itself, length and change 0."""

    stop_us: IntArray
    """(n,) [us UTC]"""
    length_us: IntArray
    """(n,)"""
    change: FloatArray
    """(n,) Later minus earlier value. [unit]"""
    cases: Cases

    def all_agree(self) -> bool:
        """Whether every pair agrees, so that every reading is accepted, however exchanges part them."""
        return bool((self.cases.agree | self.cases.rollover).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """Recorded exchanges that lie between two readings of a group; (x,) each, in order of group and time."""

    index: IntArray
    """The last reading before the exchange; one at the very moment is the new device's."""
    exchange: IntArray
    """Row of the exchange in the table."""


def roundings(first: FloatArray, second: FloatArray) -> FloatArray:
    """What the difference of two decimal numbers may be off for being held in binary."""
    return _ROUNDINGS * (np.abs(first) + np.abs(second))


def rate_per_us(per_hour: FloatArray) -> FloatArray:
    """Largest plausible rates; a huge number where any rate is. [unit per us]"""
    rate = per_hour / HOUR_US
    return np.where(np.isnan(rate), _UNBOUNDED, rate)


def _pair_rates(table: ChannelTable, used: Used) -> FloatArray:
    """Largest plausible rate from each reading to the next; (n,). [unit per us]"""
    rate = spread_out(rate_per_us(table.max_rate[used.rows]), np.diff(used.bounds))
    groups = np.flatnonzero(table.rerated[used.rows])
    if len(groups):
        rate = rate.copy()
        counts = used.bounds[groups + 1] - used.bounds[groups]
        index = runs_of(used.bounds[groups], counts)
        part = table.part_index(np.repeat(used.rows[groups], counts), used.ts_us[index])
        rate[index] = rate_per_us(table.part_max_rate)[part]
    return rate


def pair_up(table: ChannelTable, used: Used) -> Pairs:
    """Neighbouring readings and what their differences are, exchanges left aside."""
    last = used.group_ends()
    stop = np.empty_like(used.ts_us)
    stop[:-1] = used.ts_us[1:]
    stop[last] = used.ts_us[last]
    change = np.empty_like(used.value)
    np.subtract(used.value[1:], used.value[:-1], out=change[:-1])
    change[last] = 0.0
    length = stop - used.ts_us
    limit = _pair_rates(table, used) * length
    plain = change <= limit
    plain &= change >= 0.0
    index = np.flatnonzero(~plain)
    return Pairs(stop_us=stop, length_us=length, change=change, cases=_cases(table, used, index, change, limit))


def _cases(table: ChannelTable, used: Used, index: IntArray, change: FloatArray, limit: FloatArray) -> Cases:
    part = table.part_index(used.rows[used.groups(index)], used.ts_us[index])
    before, after, difference, most = used.value[index], used.value[index + 1], change[index], limit[index]
    modulus = table.part_modulus[part]
    slack = roundings(before, after)
    most = most + slack
    agree = (difference >= -2.0 * table.part_resolution[part] - slack) & (difference <= most)
    around = difference + modulus
    rollover = ~agree & (before > ROLLOVER_ABOVE * modulus) & (around >= -slack) & (around <= most)
    fallen = (difference < 0.0) & (after >= 0.0) & (after <= RESET_BELOW * before) & (after <= most)
    return Cases(index=index, agree=agree, rollover=rollover, reset=fallen & ~agree & ~rollover, modulus=modulus)


def crossings(table: ChannelTable, used: Used) -> Crossings:
    """Where recorded exchanges part the readings of each group."""
    counts = table.exchange_bounds[used.rows + 1] - table.exchange_bounds[used.rows]
    exchange = runs_of(table.exchange_bounds[used.rows], counts)
    group = owners(counts)
    low, high = used.bounds[group], used.bounds[group + 1]
    place = bisect_groups(used.ts_us, low, high, table.exchange_at_us[exchange])
    inside = (place > low) & (place < high)
    return Crossings(index=place[inside] - 1, exchange=exchange[inside])


def part_ends(used: Used, between: Crossings) -> IntArray:
    """Index of the last reading of each part, in order: a group is parted by its exchanges."""
    return np.unique(np.concatenate([used.group_ends(), between.index]))


def agreement(pairs: Pairs, ends: IntArray) -> BoolArray:
    """Whether each reading agrees with the next of its part; False for the last of a part."""
    agree = np.ones(len(pairs.stop_us), dtype=np.bool_)
    agree[pairs.cases.index] = pairs.cases.agree | pairs.cases.rollover
    agree[ends] = False
    return agree


def accepted(agree: BoolArray, ends: IntArray) -> BoolArray:
    """
    Which readings are accepted: one of three in a row that agree pairwise.

    In a part of fewer than three readings, all are accepted if all agree (a lone one does).

    Parameters
    ----------
    agree : bool (n,)
        Whether each reading agrees with the next of its part.
    ends : int64 (p,)
        Index of the last reading of each part.

    Returns
    -------
    bool (n,)
    """
    kept = np.zeros(len(agree), dtype=np.bool_)
    three = agree[:-1] & agree[1:]
    kept[:-1] |= three
    kept[1:] |= three
    kept[2:] |= three[:-1]
    sizes = np.diff(ends, prepend=-1)
    lone, two = ends[sizes == 1], ends[sizes == 2]  # noqa: PLR2004 - fewer than three
    kept[lone] = True
    kept[two] = agree[two - 1]
    kept[two - 1] = agree[two - 1]
    return kept
