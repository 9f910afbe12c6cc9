"""Windows of time over many channels at once: clock, rolling and running; and what of held values lies in each.

::

    clock     |--- 1 h ---|--- 1 h ---|     cut from local midnight; days and months local
    rolling       |--- 1 h ---|             one of that length that ends at each instant
                    |--- 1 h ---|
    running   |--|  |----|  |------|        the clock window so far, at each instant

An instant on an edge ends the window before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.time import DAY_US, SECOND_US, IntArray, Level, base_edges, day_number, level_edges
from kpi.ragged import bisect_groups, owners, runs_of

__all__ = [
    "Windows",
    "clock_edges",
    "clock_windows",
    "in_parts",
    "joined_windows",
    "overlapping",
    "rolling_windows",
    "running_windows",
]

_DAY_S = DAY_US // SECOND_US
_AT_ONCE = 4_000_000
"""Entries of windows that are laid out together: windows that overlap hold each value many times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Stretches of time, each of one group (a channel, or a watch of one); (k,) each. They may overlap."""

    group: IntArray
    start_us: IntArray
    """[us UTC]"""
    stop_us: IntArray
    """After the start. [us UTC]"""
    added_us: IntArray
    """From here to its end it says something that the window before it did not; not after `stop_us`. [us UTC]"""

    def __len__(self) -> int:
        return len(self.group)

    def taken(self, chosen: IntArray | NDArray[np.bool_] | slice) -> "Windows":
        """Some of the windows."""
        return Windows(
            group=self.group[chosen],
            start_us=self.start_us[chosen],
            stop_us=self.stop_us[chosen],
            added_us=self.added_us[chosen],
        )

    def adding(self) -> "Windows":
        """What each adds, as windows; empty ones among them."""
        return Windows(group=self.group, start_us=self.added_us, stop_us=self.stop_us, added_us=self.added_us)

    def of_groups(self, group: IntArray) -> "Windows":
        """The same windows, their groups counted anew: `group` says what each is now."""
        return Windows(group=group[self.group], start_us=self.start_us, stop_us=self.stop_us, added_us=self.added_us)


def joined_windows(parts: Sequence[Windows]) -> Windows:
    """Several as one, in order of group and end."""
    none = np.empty(0, dtype=np.int64)
    columns = {
        one.name: np.concatenate([none, *(getattr(part, one.name) for part in parts)]) for one in fields(Windows)
    }
    order = np.lexsort((columns["stop_us"], columns["group"]))
    return Windows(**{name: column[order] for name, column in columns.items()})


def clock_edges(zone: ZoneInfo, window_s: int | None, start_us: int, stop_us: int) -> IntArray:
    """
    Edges of the clock windows that cover `[start_us, stop_us)`.

    Windows shorter than a day are counted from each local midnight on, and the last of a day ends with it; a window
    of whole days is as many local days, counted from the same day for ever.

    Parameters
    ----------
    zone : ZoneInfo
        The park's.
    window_s : int or None [s]
        None: local months.
    start_us, stop_us : int [us UTC]

    Returns
    -------
    int64 (n + 1,) [us UTC]
    """
    if window_s is None:
        return level_edges(zone, _DAY_S, Level.MONTH, start_us, stop_us)
    if window_s < _DAY_S:
        return base_edges(zone, window_s, start_us, stop_us)
    days = window_s // _DAY_S
    edges = level_edges(zone, _DAY_S, Level.DAY, start_us - (days - 1) * DAY_US, stop_us + (days - 1) * DAY_US)
    number = day_number(zone, int(edges[0])).toordinal() + np.arange(len(edges))
    chosen: IntArray = edges[number % days == 0]
    return chosen


def clock_windows(edges: IntArray, from_us: IntArray, to_us: IntArray) -> Windows:
    """
    The clock windows that end in `[from, to)`, for many groups.

    Parameters
    ----------
    edges : int64 (e + 1,) [us UTC]
        See :func:`clock_edges`.
    from_us, to_us : int64 (g,) [us UTC]
    """
    low = np.searchsorted(edges[1:], from_us, side="left")
    counts = np.maximum(np.searchsorted(edges[1:], to_us, side="left") - low, 0)
    place = runs_of(low, counts)
    return Windows(group=owners(counts), start_us=edges[place], stop_us=edges[place + 1], added_us=edges[place])


def rolling_windows(instants_us: IntArray, floor: IntArray, low: IntArray, high: IntArray, window_us: int) -> Windows:
    """
    Windows of one length that end at instants, for many groups.

    Parameters
    ----------
    instants_us : int64 (n,) [us UTC]
    floor, low, high : int64 (g,)
        Windows end at the instants `[low, high)` of each group; those before it, down to `floor`, are of the same group.
    window_us : int [us]
    """
    group, at, before = _at_instants(instants_us, floor, low, high)
    start = at - window_us
    return Windows(group=group, start_us=start, stop_us=at, added_us=np.maximum(before, start))


def running_windows(instants_us: IntArray, floor: IntArray, low: IntArray, high: IntArray, edges: IntArray) -> Windows:
    """
    Clock windows as far as they are over at instants; parameters as of :func:`rolling_windows` and :func:`clock_windows`.

    All instants lie after the first edge.
    """
    group, at, before = _at_instants(instants_us, floor, low, high)
    start = edges[np.searchsorted(edges, at, side="left") - 1]
    return Windows(group=group, start_us=start, stop_us=at, added_us=np.maximum(before, start))


def _at_instants(
    instants_us: IntArray, floor: IntArray, low: IntArray, high: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Group, instant, and the instant before it, which is itself where there is none."""
    counts = np.maximum(high - low, 0)
    group, place = owners(counts), runs_of(low, counts)
    at = instants_us[place]
    before = np.where(place > floor[group], instants_us[np.maximum(place - 1, 0)], at)
    return group, at, before


def overlapping(
    bounds: IntArray, start_us: IntArray, stop_us: IntArray, windows: Windows
) -> tuple[IntArray, IntArray, IntArray]:
    """
    What of some stretches lies in each window.

    Parameters
    ----------
    bounds : int64 (g + 1,)
        Group i owns the stretches `[bounds[i], bounds[i + 1])`.
    start_us, stop_us : int64 (n,) [us UTC]
        Of the stretches, both rising within each group.
    windows : Windows

    Returns
    -------
    first, counts : int64 (k,)
        The stretches of each window; one of no length at its edge may be among them.
    most : int64 (k,)
        Running sum of the counts.
    """
    low, high = bounds[windows.group], bounds[windows.group + 1]
    first = bisect_groups(stop_us, low, high, windows.start_us, right=True)
    counts = np.maximum(bisect_groups(start_us, first, high, windows.stop_us) - first, 0)
    return first, counts, np.cumsum(counts)


def in_parts(most: IntArray) -> Iterator[slice]:
    """Runs of windows that together hold no more than is good for memory, by a running sum of what each holds."""
    begin = 0
    while begin < len(most):
        before = int(most[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(most, before + _AT_ONCE, side="right")))
        yield slice(begin, end)
        begin = end
