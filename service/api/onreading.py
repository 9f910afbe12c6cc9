"""KPIs that are neither stored nor made of amounts: steps of the night flow, from stored nights; timeliness, from receipts."""

from functools import partial
from typing import Any

import anyio.to_thread
import numpy as np
from psycopg import AsyncConnection

from domain.frames import KpiFrame, SmallArray, Subject
from domain.registry import Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.definition import Kpi
from kpi.nights import RECENT_NIGHTS, USUAL_NIGHTS, step_kpis
from kpi.receipts import timeliness_kpis
from service.api.problem import refused
from service.api.values import KpiColumns
from store.queries import StoredKpis
from store.receipts import slots_in_time
from store.users import User

__all__ = ["NIGHTS", "days_with_nights_before", "night_step_columns", "receipt_columns", "unstored"]

NIGHTS = "night_flow"
"""The KPI whose stored days the step is made of."""

MOST_SLOTS = 5_000_000
"""From how many expected readings one answer may be made."""

_BEFORE = RECENT_NIGHTS + USUAL_NIGHTS - 1


def unstored(frame: KpiFrame) -> KpiColumns:
    """Rows that are made on reading, of nothing that has a revision."""
    count = len(frame)
    return KpiColumns(
        frame=frame, revision=np.zeros(count, dtype=np.int32), computed_at_us=np.zeros(count, dtype=np.int64)
    )


def days_with_nights_before(registry: Registry, edges: IntArray) -> IntArray:
    """
    Edges of the local days that are asked for, and of the nights before that their steps are held against.

    Parameters
    ----------
    edges : int64 (n + 1,) [us UTC]
        Of days.
    """
    park = registry.park
    earliest_us = int(edges[0]) - (_BEFORE + 2) * DAY_US
    days = level_edges(park.zone, park.base_s, Level.DAY, earliest_us, int(edges[-1]))
    return days[len(days) - len(edges) - _BEFORE :]


def night_step_columns(kpi: Kpi, nights: StoredKpis, days_us: IntArray) -> KpiColumns:
    """
    The steps of the last nights; each as new, and as often revised, as the newest of the 31 nights it is made of.

    Parameters
    ----------
    days_us : int64 (n + 31,) [us UTC]
        See :func:`days_with_nights_before`.
    """
    frame = step_kpis(kpi, nights.frame, days_us[:-1])
    place = np.searchsorted(days_us, nights.frame.start_us)
    newest = []
    for column in (nights.revision, nights.computed_at_us):
        by_day = np.zeros(len(days_us) - 1, dtype=np.int64)
        by_day[place] = column
        newest.append(np.lib.stride_tricks.sliding_window_view(by_day, _BEFORE + 1).max(axis=1))
    at = np.searchsorted(days_us, frame.start_us) - _BEFORE
    return KpiColumns(frame=frame, revision=newest[0][at].astype(np.int32), computed_at_us=newest[1][at])


async def receipt_columns(  # noqa: PLR0917 - who asks for what, of whom, when
    conn: AsyncConnection[Any],
    user: User,
    registry: Registry,
    subject: Subject,
    kpi: Kpi,
    level: Level,
    edges: IntArray,
    channels: SmallArray,
    *,
    as_of_us: int | None = None,
) -> KpiColumns:
    """
    Timeliness, from the journal of what was received when.

    Raises
    ------
    Problem
        422: the answer would be made from too many readings.
    """
    park = registry.park
    interval_s = np.array([registry.channel_by_id[one].interval_s for one in channels.tolist()], dtype=np.int32)
    start_us, stop_us = int(edges[0]), int(edges[-1])
    a_day = float((86_400 / np.minimum(interval_s, 86_400)).sum())
    slots = a_day * (stop_us - start_us) / DAY_US
    if slots > MOST_SLOTS:
        raise refused(
            f"the answer would be made from about {slots:.0f} readings; ask for at most {max(1, int(MOST_SLOTS / a_day))} days "
            "at once, or for a subject with fewer channels"
        )
    found = await slots_in_time(
        conn,
        user.name,
        (channels, interval_s),
        (park.zone, park.base_s),
        start_us,
        stop_us,
        within_s=park.lateness_s,
        as_of_us=as_of_us,
    )
    make = partial(timeliness_kpis, registry, subject, kpi, level, start_us, stop_us, found)
    return unstored(await anyio.to_thread.run_sync(make))
