"""Stretches of many channels' time, in columns."""

from dataclasses import dataclass

import numpy as np

from domain.errors import InputError
from domain.frames import SmallArray
from domain.readings import Span
from domain.time import IntArray

__all__ = ["Ranges", "joined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """
    One stretch of one channel's time per row; several rows of one channel are allowed.

    Where stretches are computed they are half-open `[from_us, to_us)`; where they say which
    readings were touched, or which to load, both ends are included.
    """

    channel_id: SmallArray
    """(n,)"""
    from_us: IntArray
    """(n,) [us UTC]"""
    to_us: IntArray
    """(n,) not before `from_us`. [us UTC]"""

    def __post_init__(self) -> None:
        if not len(self.channel_id) == len(self.from_us) == len(self.to_us):
            lengths = (len(self.channel_id), len(self.from_us), len(self.to_us))
            raise InputError(f"the columns of Ranges differ in length: {lengths}")
        wrong = np.flatnonzero(self.to_us < self.from_us)
        if len(wrong):
            row = int(wrong[0])
            raise InputError(
                f"range of channel {self.channel_id[row]} ends at {self.to_us[row]} us, before it begins "
                f"at {self.from_us[row]} us"
            )

    def __len__(self) -> int:
        return len(self.channel_id)

    @classmethod
    def of(cls, *spans: Span) -> "Ranges":
        """The stretches of some spans, in their order."""
        return cls(
            channel_id=np.array([span.channel_id for span in spans], dtype=np.int32),
            from_us=np.array([span.from_us for span in spans], dtype=np.int64),
            to_us=np.array([span.to_us for span in spans], dtype=np.int64),
        )

    @classmethod
    def whole(cls, channel_ids: SmallArray, from_us: int, to_us: int) -> "Ranges":
        """The same stretch of each of some channels."""
        ids = np.asarray(channel_ids, dtype=np.int32)
        return cls(channel_id=ids, from_us=np.full(len(ids), from_us), to_us=np.full(len(ids), to_us))

    def take(self, rows: "IntArray | np.ndarray[tuple[int], np.dtype[np.bool_]]") -> "Ranges":
        """Some of the rows, by index or mask."""
        return Ranges(channel_id=self.channel_id[rows], from_us=self.from_us[rows], to_us=self.to_us[rows])

    def split(self, start_us: int, stop_us: int) -> "tuple[Ranges, Ranges]":
        """What of half-open stretches lies in `[start, stop)`, and what lies outside; those that lie across are cut. [us UTC]"""
        inside = self._clipped(start_us, stop_us)
        if len(inside) == len(self) and (inside.from_us == self.from_us).all() and (inside.to_us == self.to_us).all():
            return self, self.take(np.zeros(0, dtype=np.int64))
        limits = np.iinfo(np.int64)
        return inside, joined(self._clipped(limits.min, start_us), self._clipped(stop_us, limits.max))

    def _clipped(self, start_us: int, stop_us: int) -> "Ranges":
        begin, end = np.maximum(self.from_us, start_us), np.minimum(self.to_us, stop_us)
        some = begin < end
        return Ranges(channel_id=self.channel_id[some], from_us=begin[some], to_us=end[some])

    def merged(self) -> "Ranges":
        """The same stretches, sorted, those of one channel that overlap or touch made one."""
        owner = self.merged_into()
        count = int(owner.max()) + 1 if len(owner) else 0
        first = np.full(count, np.iinfo(np.int64).max)
        last = np.full(count, np.iinfo(np.int64).min)
        ids = np.zeros(count, dtype=np.int32)
        np.minimum.at(first, owner, self.from_us)
        np.maximum.at(last, owner, self.to_us)
        ids[owner] = self.channel_id
        return Ranges(channel_id=ids, from_us=first, to_us=last)

    def merged_into(self) -> IntArray:
        """Row of `merged()` that each row went into; (n,)."""
        order = np.lexsort((self.from_us, self.channel_id))
        ids, begins, ends = self.channel_id[order], self.from_us[order], self.to_us[order]
        # The furthest end so far of the same channel: a running maximum over keys that rise with the channel.
        rank = np.cumsum(np.append([0], ids[1:] != ids[:-1]))[: len(ids)]
        levels, place = np.unique(ends, return_inverse=True)
        furthest = np.maximum.accumulate(rank * (len(levels) + 1) + place) - rank * (len(levels) + 1)
        opens = np.ones(len(ids), dtype=np.bool_)
        opens[1:] = (ids[1:] != ids[:-1]) | (begins[1:] > levels[furthest[:-1]])
        owner = np.empty(len(ids), dtype=np.int64)
        owner[order] = np.cumsum(opens) - 1
        return owner


def joined(*parts: Ranges) -> Ranges:
    """The rows of some ranges, one after another."""
    return Ranges(
        channel_id=np.concatenate([np.empty(0, dtype=np.int32), *(part.channel_id for part in parts)]),
        from_us=np.concatenate([np.empty(0, dtype=np.int64), *(part.from_us for part in parts)]),
        to_us=np.concatenate([np.empty(0, dtype=np.int64), *(part.to_us for part in parts)]),
    )
