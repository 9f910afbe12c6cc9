"""From touched spans to all that is needed to compute their amounts: ranges, and readings around them."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.frames import Readings
from domain.time import IntArray
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.ragged import bisect_groups
from kpi.ranges import Ranges, joined
from kpi.reach import Loaded, first_window, input_ranges, product_ranges, reach
from kpi.table import EVENT, PRODUCT, ChannelTable

__all__ = ["MARGIN", "Load", "Work", "gather", "gather_ranges", "united"]

MARGIN = 8
"""Readings asked for on either side of a window."""

Load = Callable[[Ranges, int], tuple[Readings, BoolArray, BoolArray]]
"""
Loads the stored readings of channels around windows (both ends included; windows of one channel do
not overlap) and up to so many more on either side; says per window whether there are none before and
none after those loaded.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What `interval_amounts` is to compute, and from what."""

    readings: Readings
    ranges: Ranges
    """Merged, on base edges, products included; every row of amounts in them is replaced."""


def gather(table: ChannelTable, grid: Grid, touched: Ranges, load: Load, *, margin: int = MARGIN) -> Work:
    """
    All that has to be computed after some spans were touched, and the readings that takes.

    Windows are widened until each range can be computed bit for bit; the products that are made of a
    touched channel are added, with the readings of their other input.

    Parameters
    ----------
    table : ChannelTable
    grid : Grid
        The park's.
    touched : Ranges
        Where readings or the registry changed, both ends included.
    load : Load
        Called a few times; more often only along runs of readings that are not accepted.
    margin : int
        How many readings to ask for on either side of a window.
    """
    kind = table.kind[table.rows(touched.channel_id)]
    product, event = kind == PRODUCT, kind == EVENT
    settle = partial(_settle, table, grid, load, margin)
    ranges, readings = settle(touched.take(~product & ~event), altered=True)
    own = touched.take(product)
    own = Ranges(channel_id=own.channel_id, from_us=grid.floor(own.from_us), to_us=grid.ceil(own.to_us + 1))
    products = joined(product_ranges(table, ranges), own).merged()
    needed = input_ranges(table, products)
    _, more = settle(needed.take(~_inside(needed, ranges)), altered=False)
    return Work(readings=united(*readings, *more), ranges=joined(ranges, products).merged())


def gather_ranges(table: ChannelTable, grid: Grid, wanted: Ranges, load: Load, *, margin: int = MARGIN) -> Work:
    """
    All readings that it takes to compute some ranges, whatever changed in them.

    Parameters
    ----------
    table : ChannelTable
    grid : Grid
        The park's.
    wanted : Ranges
        Half-open, on base edges.
    load : Load
    margin : int
        How many readings to ask for on either side of a window.
    """
    kind = table.kind[table.rows(wanted.channel_id)]
    own = wanted.take((kind != PRODUCT) & (kind != EVENT))
    needed = joined(own, input_ranges(table, wanted)).merged()
    _, readings = _settle(table, grid, load, margin, needed, altered=False)
    return Work(readings=united(*readings), ranges=wanted.merged())


def united(*parts: Readings) -> Readings:
    """The readings of several loads as one set, sorted, each key once."""
    none = Readings(
        channel_id=np.empty(0, dtype=np.int32),
        ts_us=np.empty(0, dtype=np.int64),
        value=np.empty(0),
        quality=np.empty(0, dtype=np.int32),
        conflict=np.empty(0, dtype=np.bool_),
    )
    columns: dict[str, NDArray[Any]] = {
        name.name: np.concatenate([getattr(part, name.name) for part in (none, *parts)]) for name in fields(Readings)
    }
    order = np.lexsort((columns["ts_us"], columns["channel_id"]))
    ids, instants = columns["channel_id"][order], columns["ts_us"][order]
    once = np.ones(len(order), dtype=np.bool_)
    once[1:] = (ids[1:] != ids[:-1]) | (instants[1:] != instants[:-1])
    return Readings(**{name: column[order[once]] for name, column in columns.items()})


def _settle(
    table: ChannelTable, grid: Grid, load: Load, margin: int, touched: Ranges, *, altered: bool
) -> tuple[Ranges, list[Readings]]:
    pending, asked = touched, first_window(table, grid, touched)
    ranges: list[Ranges] = []
    readings: list[Readings] = []
    while len(pending):
        pending, asked = _hulls(pending, asked.merged_into()), asked.merged()
        found, before, after = load(asked, margin)
        loaded = Loaded(asked=asked, margin=margin, readings=found, complete_before=before, complete_after=after)
        known = reach(table, grid, pending, loaded, altered=altered)
        ranges.append(known.ranges.take(known.settled))
        readings.append(found)
        pending, asked = pending.take(~known.settled), known.wider.take(~known.settled)
    return joined(*ranges).merged(), readings


def _hulls(spans: Ranges, owner: IntArray) -> Ranges:
    """Spans whose windows became one, as one span each."""
    count = int(owner.max(initial=-1)) + 1
    limits = np.iinfo(np.int64)
    ids, begin, end = np.zeros(count, dtype=np.int32), np.full(count, limits.max), np.full(count, limits.min)
    ids[owner] = spans.channel_id
    np.minimum.at(begin, owner, spans.from_us)
    np.maximum.at(end, owner, spans.to_us)
    return Ranges(channel_id=ids, from_us=begin, to_us=end)


def _inside(ranges: Ranges, others: Ranges) -> BoolArray:
    """Whether each range lies inside one of others, which are merged."""
    low = np.searchsorted(others.channel_id, ranges.channel_id, side="left")
    high = np.searchsorted(others.channel_id, ranges.channel_id, side="right")
    place = bisect_groups(others.from_us, low, high, ranges.from_us, right=True) - 1
    ends = np.append(others.to_us, np.iinfo(np.int64).min)
    inside: BoolArray = (place >= low) & (ends[place] >= ranges.to_us)
    return inside
