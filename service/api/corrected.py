"""Readings as the API shows them: as they were received, with what corrections say beside them."""

from zoneinfo import ZoneInfo

import numpy as np

from domain.corrections import CorrectionTable
from domain.frames import Readings
from domain.quality import Mark
from kpi.corrections import corrected, decisive
from kpi.ranges import Ranges
from service.api.models import ReadingValue
from service.api.ranges import Span, local_time
from service.api.values import number, quality_words

__all__ = ["reading_values"]


def reading_values(
    zone: ZoneInfo, rows: Readings, corrections: CorrectionTable, channel_id: int, span: Span, *, complete: bool
) -> list[ReadingValue]:
    """
    One value per reading of a channel, and per set where none stands, in order of time.

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
    stored = np.cumsum(~unheard) - 1
    return [
        ReadingValue(
            ts=local_time(zone, int(made.ts_us[row])),
            value=None if unheard[row] else float(rows.value[stored[row]]),
            quality=[] if unheard[row] else quality_words(int(rows.quality[stored[row]])),
            conflict=not unheard[row] and bool(rows.conflict[stored[row]]),
            corrected=number(made.value[row]) if edited[row] else None,
            voided=bool(voided[row]),
            correction=int(ids[row]) or None,
        )
        for row in np.flatnonzero(~unheard | edited).tolist()
    ]
