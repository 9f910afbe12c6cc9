"""Values that came of a channel, and how many of them no number uses as they came."""

import numpy as np

from domain.quality import Flag
from domain.time import IntArray
from kpi.cells import Cells, Runs
from kpi.ragged import bisect_groups, owners
from kpi.stored import Notes, Stored, heard
from kpi.table import ChannelTable

__all__ = ["received_values"]

_UNUSED = int(Flag.SOURCE_INVALID | Flag.CONFLICT | Flag.EDITED | Flag.SUSPECT)


def received_values(
    table: ChannelTable, cells: Cells, window: Stored, begun: Runs | None, notes: Notes
) -> tuple[IntArray, IntArray]:
    """
    Stored readings inside each cell, and those of them that no number uses as they came.

    A value is not used as it came where its source marked it unusable, another claims its time, a correction spoke, or the
    register's readings around it do not agree with it. The reading at the very end of a channel's life belongs to no cell.

    Parameters
    ----------
    begun : Runs or None
        Runs of the readings' times, where they are at hand.
    notes : Notes
        What the segments made of these readings say of them.

    Returns
    -------
    (received, unusable) : int64 (c,) each
    """
    stood = heard(window)
    ts_us, bounds = stood.readings.ts_us, stood.bounds
    if begun is None or stood is not window:
        received = _counted(table, cells, stood, np.arange(len(ts_us)))
    else:
        received = np.zeros(len(cells), dtype=np.int64)
        inside = begun.cell >= 0
        received[begun.cell[inside]] = begun.counts[inside]
        ends = bounds[1:][bounds[1:] > bounds[:-1]] - 1
        ends = ends[ts_us[ends] >= table.valid_to_us[_rows(stood, ends)]]
        cell = begun.cell[np.searchsorted(begun.first, ends, side="right") - 1]
        received[cell[cell >= 0]] -= 1
    spoken = (notes.flag & _UNUSED) != 0
    if not spoken.any():
        return received, np.zeros(len(cells), dtype=np.int64)
    group, instants = notes.group[spoken], notes.ts_us[spoken]
    high = bounds[group + 1]
    place = bisect_groups(ts_us, bounds[group], high, instants)
    found = place < high
    found[found] = ts_us[place[found]] == instants[found]
    return received, _counted(table, cells, stood, np.unique(place[found]))


def _rows(window: Stored, index: IntArray) -> IntArray:
    return window.rows[np.searchsorted(window.bounds, index, side="right") - 1]


def _counted(table: ChannelTable, cells: Cells, window: Stored, index: IntArray) -> IntArray:
    """(c,) how many of some readings, by index, lie in each cell."""
    ts_us = window.readings.ts_us[index]
    group = owners(np.diff(window.bounds))[index]
    lives = ts_us < table.valid_to_us[window.rows[group]]
    cell = cells.places(group[lives], cells.bins(ts_us[lives]))
    return np.bincount(cell[cell >= 0], minlength=len(cells))
