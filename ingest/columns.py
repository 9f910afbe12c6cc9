"""Readings as they are decoded, and what can be done to all of them at once.

A message adds *stamps*, each with the values that were read at that time. Times, factors, the life of
the channels and the limits of the clock are then looked at in numpy, for all messages of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.readings import Message, ReadingBatch, Reason, Rejection
from domain.time import IntArray, to_datetime
from ingest.directory import Directory
from ingest.instants import instants
from ingest.texts import plain

__all__ = ["WHOLE", "Columns", "place_of", "rejection"]

WHOLE = -1
"""Number of the reading of a message that holds only one, and not in a list."""

_SECONDS_NOT_MS = 100_000_000_000


@dataclass(slots=True)
class Columns:
    """Columns as they grow: four by stamp, two by value, and what few values have of their own."""

    message: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    """Of the reading within its message, or WHOLE."""
    stamp: list[int | str] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    """How many values have this stamp."""
    row: list[int] = field(default_factory=list)
    """Of the value's channel in the directory."""
    value: list[float] = field(default_factory=list)
    factor: dict[int, float] = field(default_factory=dict)
    """By position among the values, where the message names a unit."""
    quality: dict[int, int] = field(default_factory=dict)
    """By position among the values, where the message says something of quality."""
    rejections: list[Rejection] = field(default_factory=list)

    def finished(
        self, messages: Sequence[Message], directory: Directory, oldest_us: int, latest_us: int
    ) -> tuple[ReadingBatch, tuple[Rejection, ...]]:
        """The readings that stand all tests, and all rejections in the order of their messages."""
        ts_us, refused = instants(self.stamp)
        for position, detail in refused.items():
            if self.values[position]:
                self._refuse(position, Reason.TIME, detail, values=self.values[position])
        owner = np.repeat(np.arange(len(self.stamp)), np.array(self.values, dtype=np.int64))
        row = np.array(self.row, dtype=np.int64)
        stamp_us = ts_us[owner]
        start_us = stamp_us - directory.shift_us[row]
        value = self._scaled(directory, row, start_us)
        earliest_us = self._earliest(messages, oldest_us)[owner]
        outside = (start_us < directory.valid_from_us[row]) | (start_us > directory.valid_to_us[row])
        off_clock = (stamp_us > latest_us) | outside | (start_us < earliest_us)
        # A reading without a time is accounted for as a whole.
        has_time = ~np.isin(owner, list(refused)) if refused else np.ones(len(row), dtype=np.bool_)
        off_clock &= has_time
        finite = np.isfinite(value) | ~has_time
        keep = has_time & finite & ~off_clock
        for at in np.flatnonzero(off_clock | ~finite).tolist():
            channel = directory.channels[row[at]]
            if off_clock[at]:
                reason, detail = Reason.CLOCK, _clock_detail(int(stamp_us[at]), int(earliest_us[at]), latest_us)
            else:
                reason, detail = Reason.NOT_FINITE, f"the value is not finite in {channel.unit}"
            self._refuse(int(owner[at]), reason, f"{channel.quantity}: {detail}", quantity=channel.quantity)
        batch = ReadingBatch(
            message=np.array(self.message, dtype=np.int32)[owner[keep]],
            channel_id=directory.channel_id[row[keep]],
            ts_us=start_us[keep],
            value=value[keep],
            quality=self._masks(len(row))[keep],
        )
        return batch, tuple(sorted(self.rejections, key=lambda one: one.message))

    def _scaled(self, directory: Directory, row: IntArray, start_us: IntArray) -> NDArray[np.float64]:
        value = np.array(self.value, dtype=np.float64)
        factor = directory.factors(row, start_us)
        if self.factor:
            factor[list(self.factor)] = list(self.factor.values())
        with np.errstate(over="ignore"):
            # An overflow is infinite, and refused as such.
            return value if (factor == 1.0).all() else value * factor

    def _masks(self, values: int) -> NDArray[np.int32]:
        masks = np.zeros(values, dtype=np.int32)
        if self.quality:
            masks[list(self.quality)] = list(self.quality.values())
        return masks

    def _earliest(self, messages: Sequence[Message], oldest_us: int) -> IntArray:
        by_message = [oldest_us if one.oldest_us is None else one.oldest_us for one in messages]
        return np.array(by_message, dtype=np.int64)[np.array(self.message, dtype=np.int64)]

    def _refuse(
        self, position: int, reason: Reason, detail: str, *, values: int = 1, quantity: str | None = None
    ) -> None:
        place = place_of(self.number[position], quantity)
        self.rejections.append(rejection(self.message[position], place, reason, detail, values))


def _clock_detail(stamp_us: int, earliest_us: int, latest_us: int) -> str:
    """What is wrong with the time of a value."""
    if stamp_us > latest_us:
        return f"{_shown(stamp_us)} is in the future by our clock"
    hint = "; is ts in seconds? it must be milliseconds" if 0 < stamp_us // 1000 < _SECONDS_NOT_MS else ""
    if stamp_us < earliest_us:
        return f"{_shown(stamp_us)} is older than the oldest that is taken, {_shown(earliest_us)}{hint}"
    return f"{_shown(stamp_us)} is outside the life of the channel{hint}"


def place_of(number: int, quantity: str | None = None) -> str:
    """Where in a payload a reading is, or one of its values."""
    reading = "" if number == WHOLE else f"readings[{number}]"
    if quantity is None:
        return reading
    return f"{reading}.values.{quantity[:60]}" if reading else f"values.{quantity[:60]}"


def rejection(message: int, place: str, reason: Reason, detail: str, values: int = 1) -> Rejection:
    """A rejection whose texts are safe whatever they were made of."""
    return Rejection(message=message, place=plain(place), reason=reason, detail=plain(detail), values=values)


def _shown(instant_us: int) -> str:
    try:
        return f"{to_datetime(instant_us):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return f"{instant_us} us"
