"""Segments, and how they are cut at recorded exchanges and at changes of the multiplier."""

from dataclasses import dataclass, replace

import numpy as np

from domain.frames import FloatArray, SmallArray
from domain.quality import Flag
from domain.time import IntArray
from kpi.judge import ROLLOVER_ABOVE, BoolArray, Crossings, Used, rate_per_us, roundings
from kpi.ragged import bisect_groups, bounds_of, runs_of, sums_by, within
from kpi.stored import Notes, add_notes
from kpi.table import MAX_INTERPOLATION_US, ChannelTable

__all__ = ["Gaps", "Segments", "at_exchanges", "gaps_of", "multiplied", "selected", "settle_moments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Stretches between accepted readings too far apart to count as measured; (k,) each, in any order."""

    group: IntArray
    start_us: IntArray
    stop_us: IntArray


NO_GAPS = Gaps(
    group=np.empty(0, dtype=np.int64), start_us=np.empty(0, dtype=np.int64), stop_us=np.empty(0, dtype=np.int64)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Segments of some channels, in order of group and start; registers' and gauges' do not overlap."""

    bounds: IntArray
    """(m + 1,)"""
    start_us: IntArray
    """(n,) [us UTC]"""
    stop_us: IntArray
    """(n,) A segment of length 0 counts nothing. [us UTC]"""
    amount: FloatArray
    """(n,) What adds up over the segment; of gauges, the value that holds; of intervals, the whole one's. [unit]"""
    flags: SmallArray
    """(n,) Marks of the segment. ESTIMATED: a gap, not measured. STEP: nothing is known."""
    notes: Notes
    gaps: Gaps = NO_GAPS

    def groups(self, index: IntArray) -> IntArray:
        """Group of some segments, by index."""
        return np.searchsorted(self.bounds, index, side="right") - 1


def at_exchanges(table: ChannelTable, used: Used, between: Crossings, segments: Segments) -> Segments:
    """Pairs that straddle exchanges, cut at each: closing minus what was read before, what was read after minus opening."""
    index, first, extra = np.unique(between.index, return_index=True, return_counts=True)
    pieces = extra + 1
    owner, place = np.repeat(np.arange(len(index)), pieces), within(pieces)
    opens, closes = place > 0, place < extra[owner]
    exchange = between.exchange[first][owner]
    # Exchanges of one channel stand side by side in the table; a piece lies between two of them.
    earlier = np.where(opens, exchange + place - 1, 0)
    later = np.where(closes, exchange + place, 0)
    pair = index[owner]
    begin = np.where(opens, table.opening[earlier], used.value[pair])
    end = np.where(closes, table.closing[later], used.value[pair + 1])
    start = np.where(opens, table.exchange_at_us[earlier], used.ts_us[pair])
    stop = np.where(closes, table.exchange_at_us[later], used.ts_us[pair + 1])
    part = table.part_index(used.rows[used.groups(pair)], used.ts_us[pair]) + place
    amount, flags = _judged(table, _Pieces(owner=owner, part=part, length_us=stop - start, begin=begin, end=end))
    out = _spliced(segments, index, pieces)
    place_out = runs_of(index + bounds_of(extra)[:-1], pieces)
    out.start_us[place_out], out.stop_us[place_out] = start, stop
    out.amount[place_out] = amount
    gap = (used.ts_us[pair + 1] - used.ts_us[pair] > MAX_INTERPOLATION_US) & ((flags & int(Flag.STEP)) == 0)
    out.flags[place_out] = flags | (out.flags[place_out] & int(Flag.EDITED)) | np.where(gap, int(Flag.ESTIMATED), 0)
    at = table.exchange_at_us[between.exchange]
    # A reading at the very moment closes what was before, and so does the exchange.
    at = np.where(at == used.ts_us[between.index + 1], at - 1, at)
    notes = add_notes(out.notes, used.groups(between.index), at, Flag.EXCHANGE)
    gaps = _more_gaps(segments.gaps, gaps_of(used, pair[gap & ~opens]))
    return replace(out, notes=notes, gaps=gaps)


def gaps_of(used: Used, pair: IntArray) -> Gaps:
    """The gaps that some pairs of neighbouring readings are."""
    return Gaps(group=used.groups(pair), start_us=used.ts_us[pair], stop_us=used.ts_us[pair + 1])


def _more_gaps(gaps: Gaps, more: Gaps) -> Gaps:
    return Gaps(
        group=np.concatenate([gaps.group, more.group]),
        start_us=np.concatenate([gaps.start_us, more.start_us]),
        stop_us=np.concatenate([gaps.stop_us, more.stop_us]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """What exchanges leave of pairs of readings; (k,) each."""

    owner: IntArray
    """Which pair, counted from 0."""
    part: IntArray
    """Which part of its channel, as an index into the table's part columns."""
    length_us: IntArray
    begin: FloatArray
    """Index at its start. [unit]"""
    end: FloatArray


def _judged(table: ChannelTable, pieces: _Pieces) -> tuple[FloatArray, SmallArray]:
    """Amounts and flags of the pieces of pairs cut at exchanges; a pair with an implausible piece counts nothing."""
    owner, begin, end = pieces.owner, pieces.begin, pieces.end
    modulus = table.part_modulus[pieces.part]
    slack = roundings(begin, end)
    # Each device at its own largest rate, as long as it was there.
    most = rate_per_us(table.part_max_rate[pieces.part]) * pieces.length_us
    most = (sums_by(owner, most) + sums_by(owner, slack))[owner]
    change = end - begin
    around = change + modulus
    rollover = (change < 0) & (begin > ROLLOVER_ABOVE * modulus) & (around >= -slack) & (around <= most)
    amount = np.where(rollover, around, change)
    wrong = amount < -2.0 * table.part_resolution[pieces.part] - slack
    step = (sums_by(owner, wrong)[owner] > 0.0) | (sums_by(owner, amount)[owner] > most)
    flags = np.where(rollover, Flag.ROLLOVER, np.where(amount < 0.0, Flag.JITTER, 0))
    return np.where(step, 0.0, amount), np.where(step, Flag.STEP, flags).astype(np.int32)


def _spliced(segments: Segments, index: IntArray, pieces: IntArray) -> Segments:
    """Some segments repeated as often as they have pieces, all columns fresh."""
    repeats = np.ones(len(segments.start_us), dtype=np.int64)
    repeats[index] = pieces
    return replace(
        segments,
        bounds=bounds_of(repeats)[segments.bounds],
        start_us=np.repeat(segments.start_us, repeats),
        stop_us=np.repeat(segments.stop_us, repeats),
        amount=np.repeat(segments.amount, repeats),
        flags=np.repeat(segments.flags, repeats),
    )


def multiplied(table: ChannelTable, rows: IntArray, segments: Segments, *, adds_up: bool) -> Segments:
    """Segments with the multipliers in force, cut where one changes; amounts are shared out linearly."""
    low, high = table.factor_bounds[rows], table.factor_bounds[rows + 1]
    dated = np.flatnonzero(high - low > 1)
    constant = table.factor[low]
    constant[dated] = 1.0
    if not (constant == 1.0).all():
        segments.amount[:] *= np.repeat(constant, np.diff(segments.bounds))
    if not len(dated):
        return segments
    counts = segments.bounds[dated + 1] - segments.bounds[dated]
    index = runs_of(segments.bounds[dated], counts)
    low, high = np.repeat(low[dated], counts), np.repeat(high[dated], counts)
    start, stop = segments.start_us[index], segments.stop_us[index]
    first = bisect_groups(table.factor_from_us, low + 1, high, start, right=True) - 1
    last = np.maximum(first, bisect_groups(table.factor_from_us, low + 1, high, stop) - 1)
    extra = last - first
    pieces = extra + 1
    out = _spliced(segments, index, pieces)
    owner, place = np.repeat(np.arange(len(index)), pieces), within(pieces)
    before = bounds_of(_scattered(index, extra, len(segments.start_us)))
    place_out = runs_of(index + before[index], pieces)
    factor = first[owner] + place
    opens, closes = place > 0, place < extra[owner]
    out.start_us[place_out[opens]] = table.factor_from_us[factor[opens]]
    out.stop_us[place_out[closes]] = table.factor_from_us[factor[closes] + 1]
    if adds_up:
        cut = opens | closes
        whole, begins, length = segments.amount[index][owner], start[owner], (stop - start)[owner]
        x0, x1 = out.start_us[place_out], out.stop_us[place_out]
        share = np.zeros(len(cut))
        np.divide(whole * (x1 - begins), length, out=share, where=cut)
        share -= np.divide(whole * (x0 - begins), length, out=np.zeros(len(cut)), where=cut)
        out.amount[place_out] = np.where(cut, share, whole)
    out.amount[place_out] *= table.factor[factor]
    return out


def _scattered(index: IntArray, values: IntArray, length: int) -> IntArray:
    spread = np.zeros(length, dtype=np.int64)
    spread[index] = values
    return spread


def settle_moments(segments: Segments) -> Segments:
    """A reading at the very moment of an exchange leaves a piece of no length: its amount is counted with the piece before."""
    moment = np.flatnonzero((segments.stop_us == segments.start_us) & (segments.amount != 0.0))
    segments.amount[moment - 1] += segments.amount[moment]
    segments.flags[moment - 1] |= segments.flags[moment]
    segments.amount[moment] = 0.0
    segments.flags[segments.stop_us == segments.start_us] = 0
    return segments


def selected(segments: Segments, kept: BoolArray) -> Segments:
    """Some of the segments."""
    counts = np.zeros(len(kept) + 1, dtype=np.int64)
    np.cumsum(kept, out=counts[1:])
    return replace(
        segments,
        bounds=counts[segments.bounds],
        start_us=segments.start_us[kept],
        stop_us=segments.stop_us[kept],
        amount=segments.amount[kept],
        flags=segments.flags[kept],
    )
