"""Base amounts of one past day, gathered over several cycles: those of a large park take longer to read than a cycle may."""

from typing import Any

import numpy as np
from psycopg import Connection

from domain.frames import AmountFrame, SmallArray
from domain.time import Level
from kpi.ranges import Ranges
from kpi.rows import joined_amounts, taken_amounts
from store.amounts import read_amounts

__all__ = ["Gathered"]


class Gathered:
    """The stored base amounts of some channels in one stretch of time, as far as they are read by now."""

    def __init__(self, channels: SmallArray, start_us: int, stop_us: int) -> None:
        """Of these channels, which rise, in `[start, stop)`; nothing is read yet. [us UTC]"""
        self.start_us, self.stop_us = start_us, stop_us
        self._channels = channels
        self._unread = channels
        self._parts: list[AmountFrame] = []

    @property
    def is_whole(self) -> bool:
        """Whether all channels are read."""
        return not len(self._unread)

    def read(self, conn: Connection[Any], channels: int) -> None:
        """Read at most so many channels more."""
        some, self._unread = self._unread[:channels], self._unread[channels:]
        self._parts.append(read_amounts(conn, Level.BASE, some, self.start_us, self.stop_us))

    def forget(self, ranges: Ranges) -> None:
        """Amounts in some ranges were written: what was read of their channels is to be read again."""
        touched = np.unique(ranges.channel_id[(ranges.from_us < self.stop_us) & (ranges.to_us > self.start_us)])
        stale = [np.isin(part.channel_id, touched) for part in self._parts]
        # A channel of which nothing was stored has no rows here, but may have some now.
        self._unread = np.union1d(self._unread, touched[np.isin(touched, self._channels)])
        self._parts = [
            taken_amounts(part, ~rows) if rows.any() else part for part, rows in zip(self._parts, stale, strict=True)
        ]

    def frame(self) -> AmountFrame:
        """All that was read, sorted."""
        return joined_amounts(self._parts)
