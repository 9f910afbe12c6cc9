"""Corrections of readings: what holds in their place, who said so, and why. Readings themselves are never changed.

A *set* gives a channel's value at one instant, whether or not a reading stands there. A *void* takes every
reading between two instants from use. Of several that cover an instant, the one recorded last decides.
A correction that is withdrawn, or replaced by another, is superseded: it is kept, and decides nothing.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, SmallArray, check_lengths
from domain.time import IntArray

__all__ = ["Action", "Claim", "Conflict", "Correction", "CorrectionTable"]


class Action(StrEnum):
    """What a person enters."""

    SET = "set"
    VOID = "void"
    CHOOSE = "choose"
    """One of the values that claim a time; stored as a set of that value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionTable:
    """Corrections of many channels, in any order; all arrays are (n,)."""

    id: IntArray
    channel_id: SmallArray
    from_us: IntArray
    to_us: IntArray
    """Included; that of a set is its `from_us`. [us UTC]"""
    value: FloatArray
    """Of a set, before the multiplier; NaN for a void. [unit of the channel]"""
    recorded_us: IntArray
    """Of two that cover an instant the later decides; recorded at one time, that of the greater id. [us UTC]"""
    in_force: NDArray[np.bool_]
    """Not superseded."""

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> "CorrectionTable":
        """Some of the rows, by index or mask."""
        return CorrectionTable(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    @classmethod
    def empty(cls) -> "CorrectionTable":
        """No corrections."""
        longs, smalls = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
        return cls(
            id=longs,
            channel_id=smalls,
            from_us=longs,
            to_us=longs,
            value=np.empty(0),
            recorded_us=longs,
            in_force=np.empty(0, dtype=np.bool_),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One correction as people see it."""

    id: int
    channel: str
    """Key of the channel, `park/tenant/meter/quantity`."""
    unit: str
    action: str
    """`set` or `void`."""
    from_ts: datetime
    to_ts: datetime
    value: float | None
    why: str
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    superseded_by: str | None
    superseded_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One of the values that claim a time."""

    value: float
    quality: int
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A time of a channel that several values claim."""

    channel: str
    channel_id: int
    unit: str
    ts: datetime
    claims: tuple[Claim, ...]
    """In the order of their values, which does not depend on which came first."""
    correction_id: int | None
    """The correction that decides here; None: nobody has chosen, and no number uses any of the values."""
    chosen: float | None
    """The value that the correction gives; None where it voids, or where there is none."""
