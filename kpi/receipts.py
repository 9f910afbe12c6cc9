"""Timeliness: the formula of availability, of slots whose readings came in time."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from domain.frames import AmountFrame, KpiFrame, SmallArray, Subject
from domain.registry import Registry
from domain.time import IntArray, Level
from kpi.compute import subject_kpis
from kpi.definition import Basis, Kpi

__all__ = ["timeliness_kpis"]

_KINDS: dict[str, Any] = {
    **dict.fromkeys(("received", "unusable", "flags"), np.int32),
    **dict.fromkeys(("peak_at_us", "gap_stop_us"), np.int64),
}


def timeliness_kpis(  # noqa: PLR0917 - of what, of whom, when, from what
    registry: Registry,
    subject: Subject,
    kpi: Kpi,
    level: Level,
    start_us: int,
    stop_us: int,
    in_time: tuple[SmallArray, IntArray, SmallArray],
) -> KpiFrame:
    """
    The timeliness of a subject's channels, from how many of their slots were filled in time.

    Parameters
    ----------
    kpi : Kpi
        `timeliness`.
    start_us, stop_us : int [us UTC]
        Edges of the level.
    in_time : (channel_id, start_us, slots)
        (n,) each, by channel and base interval, in this order; 0 where there is none.
    """
    channel_id, at_us, slots = in_time
    count = len(slots)
    columns: dict[str, Any] = {
        column.name: np.zeros(count, dtype=_KINDS.get(column.name, np.float64)) for column in fields(AmountFrame)
    }
    columns |= {"level": Level.BASE, "channel_id": channel_id, "start_us": at_us, "slots": slots}
    frame = AmountFrame(**columns)
    of_amounts = replace(kpi, made_of=Basis.AMOUNTS)
    return subject_kpis(registry, (subject,), (of_amounts,), level, start_us, stop_us, frame)
