"""Amounts that an engine keeps in memory between its cycles, equal to what is stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.frames import AmountFrame, SmallArray
from domain.quality import Flag
from domain.time import SECOND_US, IntArray, Level
from kpi.ragged import runs_of
from kpi.ranges import Ranges
from kpi.rows import AMOUNT_COLUMNS, taken_amounts

__all__ = ["Difference", "Kept"]

_LATE = int(Flag.LATE)

_SECONDS = 1 << 24
"""More than any stretch that is kept has. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Rows of a frame that are not kept as they are; by index."""

    changed: IntArray
    """(n,) Rows of the frame that are kept with something else."""
    place: IntArray
    """(n,) Where those are kept."""
    fresh: IntArray
    """(m,) Rows of the frame that are not kept at all."""
    fresh_place: IntArray
    """(m,) Before which kept row each belongs."""
    gone: bool
    """Whether rows are kept that are not in the frame."""


class Kept:
    """The stored amounts of one level that begin in one stretch of time, of all channels of a park."""

    def __init__(self, frame: AmountFrame, start_us: int, stop_us: int) -> None:
        """
        Keep the rows of a frame that holds all there are.

        Parameters
        ----------
        frame : AmountFrame
            Its columns are the keeper's from now on.
        start_us, stop_us : int [us UTC]
            Every stored row that begins in `[start, stop)` is in the frame, at most 194 days.
        """
        self.start_us, self.stop_us = start_us, stop_us
        self._frame = frame
        self._keys = self._key(frame.channel_id, frame.start_us)

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def level(self) -> Level:
        """What its rows are amounts of."""
        return self._frame.level

    def frame(self) -> AmountFrame:
        """All rows; not to be changed, and only until the next :meth:`replace`."""
        return self._frame

    def between(self, start_us: int, stop_us: int) -> AmountFrame:
        """The rows that begin in `[start, stop)`."""
        if start_us <= self.start_us and stop_us >= self.stop_us:
            return self._frame
        return self._taken(np.flatnonzero((self._frame.start_us >= start_us) & (self._frame.start_us < stop_us)))

    def of(self, channel_id: SmallArray) -> AmountFrame:
        """The rows of some channels, which rise."""
        first = np.searchsorted(self._frame.channel_id, channel_id, side="left")
        counts = np.searchsorted(self._frame.channel_id, channel_id, side="right") - first
        return self._taken(runs_of(first, counts))

    def inside(self, ranges: Ranges) -> AmountFrame:
        """The rows that begin inside some ranges, which are merged."""
        first, last = self._places(ranges)
        return self._taken(runs_of(first, last - first))

    def difference(self, ranges: Ranges, frame: AmountFrame) -> "Difference":
        """
        What of a frame is not kept already.

        Parameters
        ----------
        ranges : Ranges
            Merged; what lies outside the stretch that is kept is left out.
        frame : AmountFrame
            Of the same level, every row inside one of the ranges.
        """
        first, last = self._places(ranges)
        inside = np.flatnonzero((frame.start_us >= self.start_us) & (frame.start_us < self.stop_us))
        keys = self._key(frame.channel_id[inside], frame.start_us[inside])
        place = np.searchsorted(self._keys, keys)
        known = np.append(self._keys, -1)[place] == keys
        mine, theirs = inside[known], place[known]
        changed = np.zeros(len(mine), dtype=np.bool_)
        for name in AMOUNT_COLUMNS:
            one, other = getattr(frame, name)[mine], getattr(self._frame, name)[theirs]
            if name == "flags":
                changed |= ((one ^ other) & ~_LATE) != 0
            else:
                changed |= (one != other) & ~(np.isnan(one) & np.isnan(other))
        return Difference(
            changed=mine[changed],
            place=theirs[changed],
            fresh=inside[~known],
            fresh_place=place[~known],
            gone=int((last - first).sum()) > len(mine),
        )

    def replace(self, ranges: Ranges, frame: AmountFrame, found: "Difference", late: NDArray[np.bool_]) -> None:
        """
        Make the rows inside some ranges those of a frame, from which they differ as found.

        Parameters
        ----------
        late : bool (n,)
            Which of the changed rows change after they were final.
        """
        flags = self._frame.flags[found.place] & _LATE | np.where(late, _LATE, 0)
        for name in AMOUNT_COLUMNS:
            getattr(self._frame, name)[found.place] = getattr(frame, name)[found.changed]
        self._frame.flags[found.place] |= flags
        if len(found.fresh):
            columns = {
                name: np.insert(getattr(self._frame, name), found.fresh_place, getattr(frame, name)[found.fresh])
                for name in AMOUNT_COLUMNS
            }
            keys = self._key(frame.channel_id[found.fresh], frame.start_us[found.fresh])
            self._set(np.insert(self._keys, found.fresh_place, keys), columns)
        if found.gone:
            inside = (frame.start_us >= self.start_us) & (frame.start_us < self.stop_us)
            self._drop(ranges, self._key(frame.channel_id[inside], frame.start_us[inside]))

    def _drop(self, ranges: Ranges, keys: IntArray) -> None:
        """Take out the rows inside ranges whose keys are not among some."""
        first, last = self._places(ranges)
        place = runs_of(first, last - first)
        gone = place[~np.isin(self._keys[place], keys)]
        kept = np.ones(len(self._keys), dtype=np.bool_)
        kept[gone] = False
        self._set(self._keys[kept], {name: getattr(self._frame, name)[kept] for name in AMOUNT_COLUMNS})

    def _set(self, keys: IntArray, columns: dict[str, NDArray[Any]]) -> None:
        self._keys = keys
        self._frame = AmountFrame(level=self._frame.level, **columns)

    def _places(self, ranges: Ranges) -> tuple[IntArray, IntArray]:
        begin = np.clip(ranges.from_us, self.start_us, self.stop_us)
        end = np.clip(ranges.to_us, self.start_us, self.stop_us)
        first = np.searchsorted(self._keys, self._key(ranges.channel_id, begin))
        return first, np.searchsorted(self._keys, self._key(ranges.channel_id, end))

    def _key(self, channel_id: SmallArray, instants_us: IntArray) -> IntArray:
        # Edges of intervals are whole seconds.
        keys: IntArray = channel_id.astype(np.int64) * _SECONDS + (instants_us - self.start_us) // SECOND_US
        return keys

    def _taken(self, rows: IntArray) -> AmountFrame:
        return taken_amounts(self._frame, rows)
