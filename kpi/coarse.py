"""Amounts over the longest cells that coverage can be made from: nothing that it depends on begins or ends inside one.

How much of a month is known takes no more of each channel than one sum up to the tick and one after it, unless the channel
came, went, changed hands or stood still in between. Making these sums once for all KPIs is what keeps a cycle of the engine
short on a large park.
"""

from dataclasses import dataclass

import numpy as np

from domain.frames import AmountFrame, SmallArray
from domain.registry import Park, Registry
from domain.time import IntArray, Level, base_edges, level_edges
from kpi.fold import folded_to
from kpi.rows import AMOUNT_COLUMNS, taken_amounts
from kpi.tree import Tree

__all__ = [
    "Coarse",
    "boundaries_of",
    "coarse_day",
    "coarse_days",
    "joined_coarse",
    "merged_cells",
    "of_channels",
    "replaced_coarse",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coarse:
    """Amounts of channels over cells of any length."""

    frame: AmountFrame
    """Rows begin where cells do; sorted as a frame is."""
    cells: IntArray
    """(n + 1,) edges. [us UTC]"""


def boundaries_of(registry: Registry, tree: Tree) -> IntArray:
    """Moments at which anything begins or ends that decides who counts, and for how much; rising. [us UTC]"""
    references = registry.references
    origins = [one.origin for one in references.factors] + [one.origin for one in references.tariffs]
    origins += [one.origin for one in references.contracts] + [one.origin for one in references.formulas]
    spans = [(one.valid_from_us, one.valid_to_us) for one in origins]
    spans += [(rule.valid_from_us, rule.valid_to_us) for rule in registry.rules]
    given = np.array([edge for span in spans for edge in span if edge is not None], dtype=np.int64)
    return np.unique(np.concatenate([tree.from_us, tree.to_us, tree.outages.from_us, tree.outages.to_us, given]))


def merged_cells(edges: IntArray, boundaries: IntArray, kept: IntArray) -> IntArray:
    """
    Edges of the longest cells in which no boundary lies.

    An interval with a boundary inside stays a cell of its own.

    Parameters
    ----------
    edges : int64 (n + 1,) [us UTC]
        Of the intervals that are to be merged.
    boundaries : int64 (b,) [us UTC]
        Rising.
    kept : int64 (k,) [us UTC]
        Edges that stay in any case.
    """
    after = np.searchsorted(boundaries, edges, side="right")
    until = np.searchsorted(boundaries, edges, side="left")
    split = until[1:] > after[:-1]
    stays = (after > until) | np.isin(edges, kept)
    stays[:-1] |= split
    stays[1:] |= split
    stays[[0, -1]] = True
    return edges[stays]


def coarse_days(park: Park, boundaries: IntArray, days: AmountFrame, start_us: int, stop_us: int) -> Coarse:
    """
    Whole local days in as few cells as can be.

    Parameters
    ----------
    days : AmountFrame
        Level DAY; all rows in `[start, stop)`, others are left out.
    start_us, stop_us : int [us UTC]
        Local midnights; none of the days is cut by the tick.
    """
    edges = level_edges(park.zone, park.base_s, Level.DAY, start_us, stop_us)
    cells = merged_cells(edges, boundaries, edges[:0])
    inside = (days.start_us >= start_us) & (days.start_us < stop_us)
    return Coarse(frame=folded_to(_rows(days, inside), cells, Level.DAY), cells=cells)


def coarse_day(  # noqa: PLR0917 - one day of a park, by hours and base intervals
    park: Park, boundaries: IntArray, hours: AmountFrame, base: AmountFrame, start_us: int, stop_us: int
) -> Coarse:
    """
    One local day in as few cells as can be, one edge being that of the tick where it lies inside.

    Parameters
    ----------
    hours, base : AmountFrame
        All rows of the day, of level HOUR and BASE.
    start_us, stop_us : int [us UTC]
    """
    edges = base_edges(park.zone, park.base_s, start_us, stop_us)
    kept = edges[:0]
    if park.ticked_to_us is not None and start_us < park.ticked_to_us < stop_us:
        kept = edges[[np.searchsorted(edges, park.ticked_to_us, side="right") - 1]]
    cells = merged_cells(edges, boundaries, kept)
    hourly = level_edges(park.zone, park.base_s, Level.HOUR, start_us, stop_us)
    # Hours that a cell's edge cuts are taken by base intervals.
    cut = np.unique(np.searchsorted(hourly, cells[~np.isin(cells, hourly)], side="right") - 1)
    whole = _rows(hours, ~np.isin(hours.start_us, hourly[cut]))
    parts = [_rows(base, (base.start_us >= hourly[hour]) & (base.start_us < hourly[hour + 1])) for hour in cut.tolist()]
    return Coarse(frame=folded_to(_sorted([whole, *parts]), cells, Level.DAY), cells=cells)


def joined_coarse(*parts: Coarse) -> Coarse:
    """Neighbouring stretches of time as one."""
    cells = np.concatenate([*(part.cells[:-1] for part in parts), parts[-1].cells[-1:]])
    return Coarse(frame=_sorted([part.frame for part in parts]), cells=cells)


def replaced_coarse(coarse: Coarse, channel_id: SmallArray, fresh: Coarse) -> Coarse:
    """Amounts of some channels in place of those that stand there; cells are the same."""
    others = _rows(coarse.frame, ~np.isin(coarse.frame.channel_id, channel_id))
    return Coarse(frame=_sorted([others, fresh.frame]), cells=coarse.cells)


def of_channels(frame: AmountFrame, channel_id: SmallArray) -> AmountFrame:
    """The rows of some channels."""
    return _rows(frame, np.isin(frame.channel_id, channel_id))


def _rows(frame: AmountFrame, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> AmountFrame:
    if chosen.all():
        return frame
    return taken_amounts(frame, np.flatnonzero(chosen))


def _sorted(frames: list[AmountFrame]) -> AmountFrame:
    """Frames of different times as one, by channel and time."""
    frames = [frame for frame in frames if len(frame)] or frames[:1]
    if len(frames) == 1:
        return frames[0]
    columns = {name: np.concatenate([getattr(frame, name) for frame in frames]) for name in AMOUNT_COLUMNS}
    order = np.lexsort((columns["start_us"], columns["channel_id"]))
    return AmountFrame(level=frames[0].level, **{name: column[order] for name, column in columns.items()})
