"""Stored readings and corrections become the readings that numbers are made of.

Nothing is taken away: a reading that is voided stays as one that no number may use, and a set leaves
a place even after it was superseded. So what once stood among the readings of a channel always does,
which is what :mod:`kpi.reach` builds on.
"""

from collections.abc import Callable

import numpy as np

from domain.corrections import CorrectionTable
from domain.frames import Readings, SmallArray
from domain.quality import Mark
from domain.time import IntArray
from kpi.gather import Load
from kpi.judge import BoolArray
from kpi.ragged import bisect_groups, owners, runs_of
from kpi.ranges import Ranges

__all__ = ["corrected", "correcting", "decisive", "known_stretches"]

_LIMITS = np.iinfo(np.int64)


def corrected(readings: Readings, corrections: CorrectionTable, known: Ranges | None = None) -> Readings:
    """
    The readings that numbers are made of.

    At each instant the correction in force that was recorded last decides. A set gives the value, and clears
    a conflict and whatever the source said; a void makes the reading unused. Where only superseded or
    voided sets were, an unused place stays that no number and no slot counts.

    Parameters
    ----------
    readings : Readings
        As stored.
    corrections : CorrectionTable
        In any order; those of other channels are allowed and change nothing.
    known : Ranges or None
        Where all stored readings are among `readings`, both ends included, possibly overlapping; sets beyond
        are left out, because nobody knows whether a reading stands there. None: everywhere.

    Returns
    -------
    Readings
        Marked with :class:`domain.quality.Mark`; the input itself where nothing corrects it.

    Examples
    --------
    A set of 7 between readings of 5 and 9, and a void of the first:

    >>> corrected(readings, corrections).value
    array([5., 7., 9.])
    >>> corrected(readings, corrections).conflict
    array([ True, False, False])
    """
    own = np.isin(corrections.channel_id, readings.channel_id if known is None else known.channel_id)
    if known is None:
        own |= ~np.isnan(corrections.value)
    else:
        own &= np.isnan(corrections.value) | _inside(known, corrections.channel_id, corrections.from_us)
    if not own.any():
        return readings
    corrections = corrections.take(own)
    readings, heard = _with_places(readings, corrections)
    chosen = decisive(readings.channel_id, readings.ts_us, corrections)
    held = np.where(chosen >= 0, corrections.value[chosen], np.nan)
    edited, voided = (chosen >= 0) & ~np.isnan(held), (chosen >= 0) & np.isnan(held)
    quality = np.where(edited, int(Mark.EDITED), np.where(voided, int(Mark.VOIDED), readings.quality))
    return Readings(
        channel_id=readings.channel_id,
        ts_us=readings.ts_us,
        value=np.where(edited, held, readings.value),
        quality=(quality | np.where(heard, 0, int(Mark.UNHEARD))).astype(np.int32),
        conflict=~edited & (voided | ~heard | readings.conflict),
    )


def correcting(load: Load, corrections_of: Callable[[SmallArray], CorrectionTable]) -> Load:
    """A load of corrected readings, made of one of stored readings and of all corrections of some channels."""

    def loaded(windows: Ranges, margin: int) -> tuple[Readings, BoolArray, BoolArray]:
        readings, before, after = load(windows, margin)
        corrections = corrections_of(np.unique(windows.channel_id))
        if not len(corrections):
            return readings, before, after
        known = known_stretches(readings, windows, margin, before, after)
        # With the sets between them, the readings beyond a window are as many as were asked for or more, and
        # no stored reading or set is missing among those nearest to it; so what is said of its sides still holds.
        return corrected(readings, corrections, known), before, after

    return loaded


def known_stretches(
    readings: Readings, windows: Ranges, margin: int, complete_before: BoolArray, complete_after: BoolArray
) -> Ranges:
    """The stretches around some windows of which every stored reading was loaded, both ends included; (n,)."""
    lowest = np.searchsorted(readings.channel_id, windows.channel_id, side="left")
    highest = np.searchsorted(readings.channel_id, windows.channel_id, side="right")
    low = bisect_groups(readings.ts_us, lowest, highest, windows.from_us) - margin
    high = bisect_groups(readings.ts_us, lowest, highest, windows.to_us, right=True) + margin - 1
    ts_us = np.append(readings.ts_us, 0)
    first = np.where(low >= lowest, ts_us[np.maximum(low, 0)], windows.from_us)
    last = np.where(high < highest, ts_us[np.minimum(high, len(readings))], windows.to_us)
    return Ranges(
        channel_id=windows.channel_id,
        from_us=np.where(complete_before, _LIMITS.min, first),
        to_us=np.where(complete_after, _LIMITS.max, last),
    )


def decisive(channel_id: SmallArray, ts_us: IntArray, corrections: CorrectionTable) -> IntArray:
    """
    Which correction decides at each of some instants: of those in force, the one recorded last.

    Parameters
    ----------
    channel_id, ts_us : (n,)
        Sorted by channel, then time. [us UTC]

    Returns
    -------
    int64 (n,)
        Row of `corrections`; -1 where none covers the instant.
    """
    rows = np.flatnonzero(corrections.in_force)
    rows = rows[np.lexsort((corrections.id[rows], corrections.recorded_us[rows]))]
    lowest = np.searchsorted(channel_id, corrections.channel_id[rows], side="left")
    highest = np.searchsorted(channel_id, corrections.channel_id[rows], side="right")
    low = bisect_groups(ts_us, lowest, highest, corrections.from_us[rows])
    high = bisect_groups(ts_us, lowest, highest, corrections.to_us[rows], right=True)
    counts = np.maximum(high - low, 0)
    rank = np.full(len(ts_us), -1)
    np.maximum.at(rank, runs_of(low, counts), owners(counts))
    return np.where(rank >= 0, np.append(rows, -1)[rank], -1)


def _with_places(readings: Readings, corrections: CorrectionTable) -> tuple[Readings, BoolArray]:
    """Readings with an unused place wherever a set was ever made and none stands, and which of all are readings."""
    is_set = ~np.isnan(corrections.value)
    order = np.lexsort((corrections.from_us[is_set], corrections.channel_id[is_set]))
    ids, instants = corrections.channel_id[is_set][order], corrections.from_us[is_set][order]
    lowest = np.searchsorted(readings.channel_id, ids, side="left")
    highest = np.searchsorted(readings.channel_id, ids, side="right")
    place = bisect_groups(readings.ts_us, lowest, highest, instants)
    fresh = (place == highest) | (np.append(readings.ts_us, 0)[place] != instants)
    fresh[1:] &= (ids[1:] != ids[:-1]) | (instants[1:] != instants[:-1])
    place = place[fresh]
    if not len(place):
        return readings, np.ones(len(readings), dtype=np.bool_)
    made = Readings(
        channel_id=np.insert(readings.channel_id, place, ids[fresh]),
        ts_us=np.insert(readings.ts_us, place, instants[fresh]),
        value=np.insert(readings.value, place, np.nan),
        quality=np.insert(readings.quality, place, 0),
        conflict=np.insert(readings.conflict, place, False),
    )
    return made, np.insert(np.ones(len(readings), dtype=np.bool_), place, False)


def _inside(known: Ranges, channel_id: SmallArray, ts_us: IntArray) -> BoolArray:
    """Whether each instant lies in any of some stretches of its channel."""
    begun = _counted(known.channel_id, known.from_us, channel_id, ts_us, right=True)
    ended = _counted(known.channel_id, known.to_us, channel_id, ts_us, right=False)
    inside: BoolArray = begun > ended
    return inside


def _counted(
    channel_id: SmallArray, ts_us: IntArray, of_channel: SmallArray, at_us: IntArray, *, right: bool
) -> IntArray:
    """How many instants of a channel lie before (with `right`: or at) each of others."""
    order = np.lexsort((ts_us, channel_id))
    lowest = np.searchsorted(channel_id[order], of_channel, side="left")
    highest = np.searchsorted(channel_id[order], of_channel, side="right")
    return bisect_groups(ts_us[order], lowest, highest, at_us, right=right) - lowest
