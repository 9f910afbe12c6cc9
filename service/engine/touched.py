"""Whose KPIs, and when, a cycle may have changed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from domain.context import PARK_WIDE
from domain.frames import SmallArray, Subject, SubjectKind
from domain.registry import Registry
from domain.time import DAY_US, IntArray, Level, level_edges
from kpi.weights import TRAILING_DAYS
from service.engine.amounts import Days
from service.engine.known import Known

__all__ = [
    "Hours",
    "all_subjects",
    "park_only",
    "subjects_of",
    "subjects_of_tenants",
    "touched_days",
    "touched_hours",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Where in some local days amounts may have changed or become final."""

    of_day: dict[int, tuple[int, int]]
    """By the start of the day: first and last, exclusive. [us UTC]"""
    ticked: tuple[int, int] | None
    """What became final. [us UTC]"""

    def on(self, start_us: int, stop_us: int) -> tuple[int, int] | None:
        """Where on one local day; None: nowhere."""
        found = [self.of_day[start_us]] if start_us in self.of_day else []
        if self.ticked is not None and self.ticked[0] < stop_us and self.ticked[1] > start_us:
            found.append((max(self.ticked[0], start_us), min(self.ticked[1], stop_us)))
        if not found:
            return None
        return min(first for first, _ in found), max(last for _, last in found)


def park_only(registry: Registry) -> tuple[Subject, ...]:
    """The park itself."""
    return (Subject(kind=SubjectKind.PARK, id=registry.park.id),)


def all_subjects(registry: Registry) -> tuple[Subject, ...]:
    """The park and its tenants: those whose KPIs are stored."""
    return (*park_only(registry), *(Subject(kind=SubjectKind.TENANT, id=tenant.id) for tenant in registry.tenants))


def subjects_of(registry: Registry, channel_ids: SmallArray) -> tuple[Subject, ...]:
    """The park and those tenants that own any of some channels."""
    owners = {
        registry.meter_by_id[registry.channel_by_id[channel].meter_id].tenant_id
        for channel in np.unique(channel_ids).tolist()
    }
    return (*park_only(registry), *(Subject(kind=SubjectKind.TENANT, id=tenant) for tenant in sorted(owners)))


def subjects_of_tenants(registry: Registry, tenant_ids: frozenset[int]) -> tuple[Subject, ...]:
    """The park and some tenants of it; :data:`PARK_WIDE` among them is everybody."""
    if PARK_WIDE in tenant_ids:
        return all_subjects(registry)
    known = sorted(tenant_ids & registry.tenant_by_id.keys())
    return (*park_only(registry), *(Subject(kind=SubjectKind.TENANT, id=tenant) for tenant in known))


def touched_days(conn: Connection[Any], known: Known, days: Days, ticked: tuple[int, int] | None) -> IntArray:
    """
    Starts of the local days whose KPIs may have changed, in order. [us UTC]

    A final day's amounts weigh in the coverage of the 27 days after it, as far as there are any by now, where
    channels are weighed against each other: one that is alone in the park with what it measures has no peer.

    Parameters
    ----------
    ticked : (from, to) or None
        What the tick of this cycle made final. [us UTC]
    """
    park = known.plan.park
    wanted = [days.day_us]
    weighed = days.day_us[np.isin(days.channel_id, known.plan.with_peers)]
    if ticked is not None and ticked[0] < ticked[1]:
        edges = level_edges(park.zone, park.base_s, Level.DAY, *ticked)
        wanted.append(edges[:-1])
        # From now on a day that ended weighs in those after it.
        weighed = np.concatenate([weighed, edges[:-1][edges[1:] <= ticked[1]]])
    if len(weighed):
        latest = max(int(days.day_us.max(initial=0)), park.ticked_to_us or 0)
        edges = level_edges(park.zone, park.base_s, Level.DAY, int(weighed.min()), latest + 1)
        place = np.unique(np.searchsorted(edges, weighed))
        after = (place[:, None] + np.arange(TRAILING_DAYS)).ravel()
        wanted.append(edges[:-1][np.unique(after[after < len(edges) - 1])])
        wanted.append(known.stored_days(conn, latest, int(weighed.max()) + TRAILING_DAYS * DAY_US))
    return np.unique(np.concatenate(wanted))


def touched_hours(days: Days, ticked: tuple[int, int] | None) -> Hours:
    """
    Where in each local day amounts may have changed or become final, by the start of the day.

    Parameters
    ----------
    days : Days
    ticked : (from, to) or None
        What the tick of this cycle made final. [us UTC]
    """
    hours: dict[int, tuple[int, int]] = {}
    for day_us in np.unique(days.day_us).tolist():
        mine = days.day_us == day_us
        hours[day_us] = int(days.from_us[mine].min()), int(days.to_us[mine].max())
    return Hours(of_day=hours, ticked=ticked)
