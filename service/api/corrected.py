"""Readings as the API shows them: as they were received, with what corrections say beside them."""

from dataclasses import dataclass, fields
from zoneinfo import ZoneInfo

import numpy as np

from domain.corrections import CorrectionTable
from domain.frames import FloatArray, Readings, SmallArray
from domain.quality import Mark
from domain.time import IntArray
from kpi.corrections import corrected, decisive
from kpi.judge import BoolArray
from kpi.ranges import Ranges
from service.api.models import ReadingValue
from service.api.ranges import Span, local_time
from service.api.values import number, quality_words

__all__ = ["ShownReadings", "shown_readings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReadings:
    """Readings of a channel in order of time, and what corrections set where none stands; columns of equal length."""

    ts_us: IntArray
    """[us UTC]"""
    value: FloatArray
    """As it was received; NaN where only a correction stands."""
    quality: SmallArray
    conflict: BoolArray
    corrected: FloatArray
    """NaN: nobody gave one."""
    voided: BoolArray
    correction: IntArray
    """0: none decides."""

    def __len__(self) -> int:
        return len(self.ts_us)

    @property
    def counted(self) -> FloatArray:
        """The value that is shown of each: the corrected one, else the received one."""
        return np.where(np.isnan(self.corrected), self.value, self.corrected)

    def take(self, rows: IntArray) -> "ShownReadings":
        """Some rows."""
        return ShownReadings(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    def and_then(self, later: "ShownReadings") -> "ShownReadings":
        """These, and later ones after them."""
        names = [column.name for column in fields(self)]
        return ShownReadings(**{name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in names})

    def values(self, zone: ZoneInfo) -> list[ReadingValue]:
        """One answer per row."""
        return [
            ReadingValue(
                ts=local_time(zone, int(self.ts_us[row])),
                value=number(self.value[row]),
                quality=quality_words(int(self.quality[row])),
                conflict=bool(self.conflict[row]),
                corrected=number(self.corrected[row]),
                voided=bool(self.voided[row]),
                correction=int(self.correction[row]) or None,
            )
            for row in range(len(self))
        ]


def shown_readings(
    rows: Readings, corrections: CorrectionTable, channel_id: int, span: Span, *, complete: bool
) -> ShownReadings:
    """
    One row per reading of a channel, and per set where none stands, in order of time.

    Parameters
    ----------
    rows : Readings
        The channel's, as stored.
    span : Span
        Of which they were asked for.
    complete : bool
        Whether they are all of the span; else sets after the last of them are left to the next page.
    """
    last_us = span.stop_us - 1 if complete else int(rows.ts_us[-1])
    known = Ranges.whole(np.array([channel_id], dtype=np.int32), span.start_us, last_us)
    made = corrected(rows, corrections, known)
    unheard = (made.quality & int(Mark.UNHEARD)) != 0
    edited, voided = ((made.quality & int(mark)) != 0 for mark in (Mark.EDITED, Mark.VOIDED))
    ids = np.append(corrections.id, 0)[decisive(made.channel_id, made.ts_us, corrections)]
    heard = np.flatnonzero(~unheard)
    value, quality, conflict = np.full(len(unheard), np.nan), np.zeros(len(unheard), np.int32), np.zeros_like(unheard)
    value[heard], quality[heard], conflict[heard] = rows.value, rows.quality, rows.conflict
    return ShownReadings(
        ts_us=made.ts_us,
        value=value,
        quality=quality,
        conflict=conflict,
        corrected=np.where(edited, made.value, np.nan),
        voided=voided,
        correction=ids.astype(np.int64),
    ).take(np.flatnonzero(~unheard | edited))
