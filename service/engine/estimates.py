"""Long gaps of registers in a cycle: given the course of like days, and given it anew when those change."""

from typing import Any

import numpy as np
from psycopg import Connection

from domain.frames import AmountFrame, SmallArray
from domain.quality import Flag
from domain.registry import Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.estimates import has_profile, profiled
from kpi.gather import Work
from kpi.grid import Grid
from kpi.likedays import LIKE_DAYS, Measured
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from store.longgaps import gap_days, read_base

__all__ = ["gaps_to_follow", "with_profiles"]

_SHAPING = int(Flag.EXCHANGE)


def with_profiles(
    conn: Connection[Any], registry: Registry, table: ChannelTable, work: Work, frame: AmountFrame
) -> AmountFrame:
    """Base amounts as they are stored: long gaps have the course of like days. Costs nothing where there is no long gap."""

    def load(asked: Ranges) -> Measured:
        ids, start_us, amount, measured_s, _ = read_base(conn, asked.channel_id, asked.from_us, asked.to_us)
        return Measured(channel_id=ids, start_us=start_us, amount=amount, measured_s=measured_s)

    if not (frame.flags & int(Flag.ESTIMATED)).any():
        return frame
    return profiled(
        table, Grid.of(registry.park), frame, work.readings, work.ranges, registry.references.holidays, load
    )


def gaps_to_follow(
    conn: Connection[Any], registry: Registry, table: ChannelTable, ranges: Ranges, frame: AmountFrame
) -> Ranges:
    """
    Days with gaps for which what is about to be written may be a like day: they are to be computed again.

    To be asked before the frame is written. Only where something is stored after what is computed, and what is
    measured there is not what was stored before, is there anything to follow.

    Parameters
    ----------
    ranges : Ranges
        What the frame was computed for; merged.

    Returns
    -------
    Ranges
        Local days, both ends included, as spans.
    """
    own = ranges.take(has_profile(table)[table.rows(ranges.channel_id)])
    if not len(own):
        return own
    hulls = _hulls(own)
    midnight = _following(registry, hulls.from_us)
    ids, day_us = gap_days(conn, hulls.channel_id, midnight, hulls.to_us + (LIKE_DAYS + 2) * DAY_US)
    if not len(ids):
        return own.take(np.empty(0, dtype=np.int64))
    own = own.take(np.isin(own.channel_id, ids))
    kept = np.isin(ids, _changed(conn, own, frame))
    ids, day_us = ids[kept], day_us[kept]
    return Ranges(channel_id=ids, from_us=day_us, to_us=_following(registry, day_us) - 1)


def _hulls(ranges: Ranges) -> Ranges:
    """One stretch per channel, of ranges in order of channel and time."""
    ids, first = np.unique(ranges.channel_id, return_index=True)
    return Ranges(channel_id=ids, from_us=ranges.from_us[first], to_us=np.maximum.reduceat(ranges.to_us, first))


def _following(registry: Registry, instants_us: IntArray) -> IntArray:
    """The local midnight after each instant. [us UTC]"""
    if not len(instants_us):
        return instants_us
    park = registry.park
    edges = level_edges(park.zone, park.base_s, Level.DAY, int(instants_us.min()), int(instants_us.max()) + 1)
    return edges[np.searchsorted(edges, instants_us, side="right")]


def _changed(conn: Connection[Any], ranges: Ranges, frame: AmountFrame) -> SmallArray:
    """Channels whose stored measured amounts in some ranges are not those of the frame."""
    ids, start_us, amount, measured_s, flags = read_base(conn, ranges.channel_id, ranges.from_us, ranges.to_us)
    before = _measured(ids, start_us, amount, measured_s, flags)
    own = np.isin(frame.channel_id, ranges.channel_id)
    after = _measured(
        frame.channel_id[own], frame.start_us[own], frame.amount[own], frame.measured_s[own], frame.flags[own]
    )
    rows, counts = np.unique(np.concatenate([before, after]), axis=0, return_counts=True)
    return np.unique(rows[counts == 1, 0]).astype(np.int32)


def _measured(ids: SmallArray, start_us: IntArray, *columns: Any) -> IntArray:
    """Rows of whole numbers that differ where anything differs that a like day is chosen by or says."""
    amount, measured_s, flags = columns
    # Adding zero makes -0.0 the 0.0 that is stored.
    bits = (amount + 0.0).view(np.int64), (measured_s + 0.0).view(np.int64)
    known = ((flags & int(Flag.ESTIMATED)) == 0) & (measured_s > 0.0) | ((flags & _SHAPING) != 0)
    rows = np.stack([ids.astype(np.int64), start_us, *bits, (flags & _SHAPING).astype(np.int64)], axis=1)
    return np.asarray(rows[known], dtype=np.int64)
