"""Readings become segments: what a channel did between two moments, multiplier applied.

Registers: between neighbouring accepted readings. Interval channels: over the interval of a
reading. Gauges: as long as a value holds. Segments are a pure function of the readings given.
"""

import numpy as np

from domain.quality import UNUSABLE, Flag
from domain.time import IntArray
from kpi.cuts import NO_GAPS, Segments, at_exchanges, gaps_of, multiplied, settle_moments
from kpi.judge import BoolArray, Crossings, Pairs, Used, accepted, agreement, crossings, pair_up, part_ends
from kpi.stored import Notes, Stored, add_notes, edited_rows, source_notes, usable
from kpi.table import MAX_INTERPOLATION_US, ChannelTable

__all__ = ["gauge_segments", "interval_segments", "register_segments"]


def register_segments(table: ChannelTable, window: Stored) -> Segments:
    """
    Differences between neighbouring accepted readings, multiplier applied.

    A pair that straddles an exchange or a change of the multiplier becomes several segments. The
    last reading of each channel stands as a segment of length 0.
    """
    used, notes = usable(window), source_notes(window)
    between, pairs = crossings(table, used), pair_up(table, used)
    kept = None if pairs.all_agree() else _accepted(used, pairs, between)
    if kept is not None and not kept.all():
        suspect = np.flatnonzero(~kept)
        notes = add_notes(notes, used.groups(suspect), used.ts_us[suspect], Flag.SUSPECT)
        used = used.take(kept)
        between, pairs = crossings(table, used), pair_up(table, used)
    segments = _differences(used, pairs, between, notes)
    edited = edited_rows(window, used)
    if len(edited):
        # Both differences that a reading takes part in are made of it.
        earlier = edited[edited > used.bounds[used.groups(edited)]] - 1
        segments.flags[np.concatenate([edited, earlier])] |= int(Flag.EDITED)
    if len(between.index):
        segments = at_exchanges(table, used, between, segments)
    segments = multiplied(table, used.rows, segments, adds_up=True)
    return settle_moments(segments) if len(between.index) else segments


def _accepted(used: Used, pairs: Pairs, between: Crossings) -> BoolArray:
    ends = part_ends(used, between)
    return accepted(agreement(pairs, ends), ends)


def _differences(used: Used, pairs: Pairs, between: Crossings, notes: Notes) -> Segments:
    amount, cases = pairs.change, pairs.cases
    flags = np.zeros(len(amount), dtype=np.int32)
    index = cases.index
    if len(index):
        case_flags = np.where(cases.rollover, Flag.ROLLOVER, np.where(cases.reset, Flag.RESET, Flag.STEP))
        flags[index] = np.where(cases.agree, np.where(amount[index] < 0.0, Flag.JITTER, 0), case_flags)
        around, anew = index[cases.rollover], index[cases.reset]
        amount[around] += cases.modulus[cases.rollover]
        amount[anew] = used.value[anew + 1]
        amount[index[flags[index] == int(Flag.STEP)]] = 0.0
    gaps = np.flatnonzero(pairs.length_us > MAX_INTERPOLATION_US)
    # What a pair that straddles an exchange is, is only known once it is cut.
    gaps = np.setdiff1d(gaps[(flags[gaps] & int(Flag.STEP)) == 0], between.index, assume_unique=True)
    flags[gaps] |= int(Flag.ESTIMATED)
    return Segments(
        bounds=used.bounds,
        start_us=used.ts_us,
        stop_us=pairs.stop_us,
        amount=amount,
        flags=flags,
        notes=notes,
        gaps=gaps_of(used, gaps) if len(gaps) else NO_GAPS,
    )


def interval_segments(table: ChannelTable, window: Stored) -> tuple[Segments, Segments]:
    """
    What an interval channel's readings say of their intervals.

    `amount` is that of the reading's whole interval, multiplier applied, even where the segment is cut: by
    the channel's life, by a change of the multiplier, or by the next reading. So what a segment leaves in an
    interval does not depend on where it is cut beyond it.

    Returns
    -------
    Segments
        Where the source sent intervals that overlap, these overlap too.
    Segments
        The same, but each ends where the next begins: what is measured, once.
    """
    used, notes = usable(window), source_notes(window)
    counts = np.diff(used.bounds)
    stop = used.ts_us + np.repeat(table.interval_us[used.rows], counts)
    np.minimum(stop, np.repeat(table.valid_to_us[used.rows], counts), out=stop)
    edited = edited_rows(window, used)
    whole = _holding(used, stop, notes, edited)
    once = _holding(used, np.minimum(stop, _next_start(used.bounds, used.ts_us)), notes, edited)
    return multiplied(table, used.rows, whole, adds_up=False), multiplied(table, used.rows, once, adds_up=False)


def _holding(used: Used, stop: IntArray, notes: Notes, edited: IntArray) -> Segments:
    flags = np.zeros(len(stop), dtype=np.int32)
    flags[edited] = int(Flag.EDITED)
    return Segments(
        bounds=used.bounds, start_us=used.ts_us, stop_us=stop, amount=used.value.copy(), flags=flags, notes=notes
    )


def _next_start(bounds: IntArray, start_us: IntArray) -> IntArray:
    following = np.full(len(start_us), np.iinfo(np.int64).max)
    following[:-1] = start_us[1:]
    filled = bounds[1:] > bounds[:-1]
    following[bounds[1:][filled] - 1] = np.iinfo(np.int64).max
    return following


def gauge_segments(table: ChannelTable, window: Stored) -> Segments:
    """
    What a gauge's values held: each to the next reading, at most the channel's hold.

    Readings with a conflict are as if absent; one with an unusable quality ends the hold before it and
    holds nothing itself. `amount` is the value, multiplier applied.
    """
    readings = window.readings
    used = Used(rows=window.rows, bounds=window.bounds, ts_us=readings.ts_us, value=readings.value)
    spoiled = (readings.quality & int(UNUSABLE)) != 0
    if readings.conflict.any():
        used, spoiled = used.take(~readings.conflict), spoiled[~readings.conflict]
    counts = np.diff(used.bounds)
    stop = used.ts_us + np.repeat(table.hold_us[used.rows], counts)
    np.minimum(stop, np.repeat(table.valid_to_us[used.rows], counts), out=stop)
    np.minimum(stop, _next_start(used.bounds, used.ts_us), out=stop)
    stop[spoiled] = used.ts_us[spoiled]
    held = _holding(used, stop, source_notes(window), edited_rows(window, used))
    return multiplied(table, used.rows, held, adds_up=False)
