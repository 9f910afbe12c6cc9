"""How far a changed reading reaches: which base intervals may differ, and whether enough is loaded to say.

Readings are loaded in windows: all stored ones inside `[from, to]`, and up to `margin` more on
either side. What is known of a window's ends decides whether an interval can be computed from it
bit for bit; where it cannot, a wider window is named.

- A register's reading changes the acceptance of up to two readings on either side, and so the
  segments up to the next accepted reading beyond those.
- A gauge's reading changes what holds from its time to the end of its own hold.
- An interval channel's reading changes its interval.
- Any reading may fill the slot in which it lies, which is counted where the slot begins.

Stored readings are never deleted, only marked or cut off by a channel's life: what was once accepted
still stands among the stored.

A change of the registry (exchange, multiplier, life) reaches as far as readings in the changed
stretch of time would.
"""

from dataclasses import dataclass

import numpy as np

from domain.errors import InputError
from domain.frames import Readings
from domain.time import IntArray
from kpi.grid import Grid
from kpi.judge import BoolArray, Used, accepted, agreement, crossings, pair_up, part_ends
from kpi.ragged import bisect_groups, owners
from kpi.ranges import Ranges
from kpi.slots import slot_starts
from kpi.stored import Stored, stored, usable
from kpi.table import FAR_US, GAUGE, INTERVAL, PRODUCT, REGISTER, ChannelTable

__all__ = ["Loaded", "Reach", "first_window", "input_ranges", "product_ranges", "reach"]

_PAD_SLOTS = 4
_GROWTH = 4
_EARLIEST_US = -2_208_988_800_000_000
"""1900-01-01. [us UTC]"""
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was loaded around some spans."""

    asked: Ranges
    """(n,) Every stored reading inside is there, both ends included."""
    margin: int
    """How many readings beyond each end are there, or all there are; at least 1."""
    readings: Readings
    complete_before: BoolArray
    """(n,) No stored reading of the channel lies before those loaded for the window."""
    complete_after: BoolArray
    """(n,) None lies after."""

    def __post_init__(self) -> None:
        if self.margin < 1:
            raise InputError(f"margin is {self.margin}; at least 1 reading is needed on either side of a window")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Per span, what must be computed again; (n,) each."""

    ranges: Ranges
    """Half-open, on base edges. Only a settled one is certain to hold every interval that may differ."""
    settled: BoolArray
    """The loaded readings are enough to compute the range bit for bit."""
    wider: Ranges
    """What to ask for next where they are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spans:
    """Spans of channels of one kind, and what was loaded around them; (n,) each."""

    table: ChannelTable
    grid: Grid
    window: Stored
    """One group per span."""
    begin: IntArray
    end: IntArray
    altered: BoolArray
    before: BoolArray
    """Nothing that counts lies before the window."""
    after: BoolArray
    asked_from: IntArray
    last_stored: IntArray
    """Time of the last reading of the window, in the channel's life or not; very early where there is none. [us UTC]"""

    @property
    def rows(self) -> IntArray:
        return self.window.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    begin: IntArray
    end: IntArray
    settled: BoolArray


def first_window(table: ChannelTable, grid: Grid, touched: Ranges) -> Ranges:
    """What to ask for first around some spans, so that it mostly is enough."""
    pad = _PAD_SLOTS * table.interval_us[table.rows(touched.channel_id)]
    begin, end = _bounded(touched)
    return Ranges(channel_id=touched.channel_id, from_us=grid.floor(begin - pad), to_us=grid.ceil(end + pad))


def reach(table: ChannelTable, grid: Grid, touched: Ranges, loaded: Loaded, *, altered: bool = True) -> Reach:
    """
    Which base intervals may differ after readings, or the registry, changed inside some spans.

    Parameters
    ----------
    table : ChannelTable
    grid : Grid
        The park's.
    touched : Ranges
        (n,) Where something changed, both ends included; they may lie outside a channel's life. Products
        and events reach no further than the span itself.
    loaded : Loaded
        (n,) windows, each around the span of the same row.
    altered : bool
        False: nothing changed inside; the spans are half-open ranges that are to be computed, and the
        question is only whether enough is loaded.
    """
    rows = table.rows(touched.channel_id)
    begin, end = _bounded(touched)
    first, last = begin.copy(), end + 1 if altered else end.copy()
    settled = np.ones(len(touched), dtype=np.bool_)
    found = {REGISTER: _registers, INTERVAL: _intervals, GAUGE: _gauges}
    for kind, of_kind in found.items():
        index = np.flatnonzero(table.kind[rows] == kind)
        if len(index):
            spans = _spans(table, grid, touched, loaded, index, altered=altered)
            one = of_kind(spans)
            first[index], last[index], settled[index] = one.begin, one.end, one.settled
    ranges = Ranges(channel_id=touched.channel_id, from_us=grid.floor(first), to_us=grid.ceil(last))
    return Reach(ranges=ranges, settled=settled, wider=_wider(table, grid, touched, loaded.asked))


def product_ranges(table: ChannelTable, ranges: Ranges) -> Ranges:
    """The ranges in which products differ when their inputs do in `ranges`, merged."""
    product = np.flatnonzero(table.kind == PRODUCT)
    source = np.concatenate([table.concentration[product], table.flow[product]]).astype(np.int64)
    target = np.concatenate([product, product])
    order = np.argsort(source, kind="stable")
    source, target = source[order], target[order]
    rows = table.rows(ranges.channel_id)
    first = np.searchsorted(source, rows, side="left")
    counts = np.searchsorted(source, rows, side="right") - first
    index = owners(counts)
    places = first[index] + np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Ranges(
        channel_id=table.channel_id[target[places]], from_us=ranges.from_us[index], to_us=ranges.to_us[index]
    ).merged()


def input_ranges(table: ChannelTable, ranges: Ranges) -> Ranges:
    """The ranges in which the inputs of products must be known to compute the products in `ranges`, merged."""
    rows = table.rows(ranges.channel_id)
    rows, begin, end = (column[table.kind[rows] == PRODUCT] for column in (rows, ranges.from_us, ranges.to_us))
    inputs = np.concatenate([table.concentration[rows], table.flow[rows]])
    return Ranges(channel_id=table.channel_id[inputs], from_us=np.tile(begin, 2), to_us=np.tile(end, 2)).merged()


def _bounded(touched: Ranges) -> tuple[IntArray, IntArray]:
    return np.clip(touched.from_us, _EARLIEST_US, FAR_US), np.clip(touched.to_us, _EARLIEST_US, FAR_US)


def _wider(table: ChannelTable, grid: Grid, touched: Ranges, asked: Ranges) -> Ranges:
    rows = table.rows(asked.channel_id)
    begin, end = _bounded(touched)
    # Widened in proportion, so that a run of n suspect readings costs a few loads of n, not n loads.
    least = grid.base_us + table.interval_us[rows]
    lower = asked.from_us - _GROWTH * (begin - asked.from_us + least)
    upper = asked.to_us + _GROWTH * (asked.to_us - end + least)
    return Ranges(
        channel_id=asked.channel_id,
        from_us=np.maximum(lower, np.minimum(asked.from_us, _EARLIEST_US)),
        to_us=np.minimum(upper, np.maximum(asked.to_us, FAR_US)),
    )


def _spans(
    table: ChannelTable, grid: Grid, touched: Ranges, loaded: Loaded, index: IntArray, *, altered: bool
) -> _Spans:
    begin, end = _bounded(touched.take(index))
    asked, readings = loaded.asked.take(index), loaded.readings
    rows = table.rows(asked.channel_id)
    lowest = np.searchsorted(readings.channel_id, asked.channel_id, side="left")
    highest = np.searchsorted(readings.channel_id, asked.channel_id, side="right")
    low = bisect_groups(readings.ts_us, lowest, highest, asked.from_us)
    high = bisect_groups(readings.ts_us, lowest, highest, asked.to_us, right=True)
    # Readings beyond the margin belong to another window of the channel: between the two some may be missing.
    before, after = loaded.complete_before[index], loaded.complete_after[index]
    low = np.where(before, lowest, np.maximum(low - loaded.margin, lowest))
    high = np.where(after, highest, np.minimum(high + loaded.margin, highest))
    window = stored(table, rows, readings, low, high)
    lived = window.bounds[1:] - window.bounds[:-1]
    starts = bisect_groups(readings.ts_us, low, high, table.valid_from_us[rows])
    return _Spans(
        table=table,
        grid=grid,
        window=window,
        begin=begin,
        end=end,
        altered=np.full(len(index), altered),
        before=before | (asked.from_us <= table.valid_from_us[rows]) | (starts > low),
        after=after | (asked.to_us >= table.valid_to_us[rows]) | (starts + lived < high),
        asked_from=asked.from_us,
        last_stored=np.where(high > low, _at(readings.ts_us, high - 1), _EARLIEST_US),
    )


def _with_slots(spans: _Spans, begin: IntArray) -> IntArray:
    slots = slot_starts(spans.grid, spans.begin, spans.table.interval_us[spans.rows])
    return np.where(spans.altered, np.minimum(begin, slots), begin)


def _registers(spans: _Spans) -> _Found:
    used = usable(spans.window)
    low, high = used.bounds[:-1], used.bounds[1:]
    known = _Acceptance.of(spans, used)
    first = bisect_groups(used.ts_us, low, high, spans.begin)
    following = bisect_groups(used.ts_us, low, high, spans.end, right=True)
    ahead, behind = known.before(first - 3), known.after(following + 2)
    begin = np.where(first > low, np.minimum(spans.begin, _at(used.ts_us, np.maximum(first - 2, low))), spans.begin)
    begin = np.where(ahead >= 0, _at(used.ts_us, ahead), begin)
    end = np.where(following < high, _at(used.ts_us, np.minimum(following + 1, high - 1)), spans.end) + 1
    # Where no accepted reading follows, one may have closed a segment that a conflict or a shorter life has taken
    # away since, under another span: readings are never deleted, so it is no later than the last stored.
    end = np.maximum(end, spans.last_stored + 1)
    end = np.where(behind >= 0, _at(used.ts_us, behind), end)
    begin = _with_slots(spans, np.where(spans.altered, begin, spans.begin))
    end = np.where(spans.altered, end, spans.end)
    enough = ~spans.altered | (((ahead >= 0) | spans.before) & ((behind >= 0) | spans.after))
    edge = spans.grid.floor(begin), spans.grid.ceil(end)
    ahead = known.before(bisect_groups(used.ts_us, low, high, edge[0], right=True) - 1)
    behind = known.after(bisect_groups(used.ts_us, low, high, edge[1]))
    enough &= ((ahead >= 0) | spans.before) & ((behind >= 0) | spans.after)
    return _Found(begin=begin, end=end, settled=enough)


def _at(values: IntArray, index: IntArray) -> IntArray:
    """Values at some places, 0 where there is none: what it is then is not asked."""
    inside = (index >= 0) & (index < len(values))
    return np.where(inside, np.append(values, 0)[np.where(inside, index, -1)], 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Acceptance:
    """Which readings of windows are accepted for certain: two more on either side are loaded, or there are none."""

    previous: IntArray
    """(n,) The last accepted reading at or before each; -1 where there is none."""
    following: IntArray
    """(n,) The first accepted one at or after each."""
    low: IntArray
    """(w,) From here on acceptance is certain, per window."""
    high: IntArray
    """(w,) Up to here, exclusive."""

    @classmethod
    def of(cls, spans: _Spans, used: Used) -> "_Acceptance":
        ends = part_ends(used, crossings(spans.table, used))
        kept = accepted(agreement(pair_up(spans.table, used), ends), ends)
        place = np.arange(len(kept))
        previous = np.maximum.accumulate(np.where(kept, place, -1))
        following = np.minimum.accumulate(np.where(kept, place, _NEVER)[::-1])[::-1]
        return cls(
            previous=previous,
            following=following,
            low=used.bounds[:-1] + np.where(spans.before, 0, 2),
            high=used.bounds[1:] - np.where(spans.after, 0, 2),
        )

    def before(self, index: IntArray) -> IntArray:
        """Per window, the last reading accepted for certain at or before a place; -1 where there is none."""
        found = np.where(index >= self.low, np.append(self.previous, -1)[np.maximum(index, -1)], -1)
        return np.where((found >= self.low) & (found < self.high), found, -1)

    def after(self, index: IntArray) -> IntArray:
        """Per window, the first reading accepted for certain at or after a place; -1 where there is none."""
        known = np.append(self.following, _NEVER)
        found = np.where(index < self.high, known[np.minimum(index, len(known) - 1)], _NEVER)
        return np.where((found >= self.low) & (found < self.high), found, -1)


def _gauges(spans: _Spans) -> _Found:
    hold = spans.table.hold_us[spans.rows]
    begin, end = _held(spans, hold)
    edge = spans.grid.floor(begin)
    readings = spans.window.readings
    used = Used(rows=spans.rows, bounds=spans.window.bounds, ts_us=readings.ts_us, value=readings.value)
    used = used.take(~readings.conflict)
    at_edge = bisect_groups(used.ts_us, used.bounds[:-1], used.bounds[1:], edge, right=True) > used.bounds[:-1]
    enough = at_edge | (spans.asked_from <= edge - hold) | spans.before
    return _Found(begin=begin, end=end, settled=enough & _known_to(spans, end))


def _intervals(spans: _Spans) -> _Found:
    length = spans.table.interval_us[spans.rows]
    begin, end = _held(spans, length)
    reaching = spans.grid.floor(begin) - length
    enough = (_first_loaded(spans) <= reaching) | (spans.asked_from <= reaching) | spans.before
    return _Found(begin=begin, end=end, settled=enough & _known_to(spans, end))


def _held(spans: _Spans, length: IntArray) -> tuple[IntArray, IntArray]:
    begin = _with_slots(spans, spans.begin)
    return begin, np.where(spans.altered, np.maximum(spans.end + 1, spans.end + length), spans.end)


def _first_loaded(spans: _Spans) -> IntArray:
    low, high = spans.window.bounds[:-1], spans.window.bounds[1:]
    return np.where(high > low, _at(spans.window.readings.ts_us, low), _NEVER)


def _known_to(spans: _Spans, end: IntArray) -> BoolArray:
    """Whether all readings before the edge at or after `end` are loaded, or none is missing."""
    low, high = spans.window.bounds[:-1], spans.window.bounds[1:]
    last = np.where(high > low, _at(spans.window.readings.ts_us, high - 1), -_NEVER)
    return (last >= spans.grid.ceil(end)) | spans.after
