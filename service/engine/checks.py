"""The checks of a cycle: what was touched or became final is checked again, and the findings are stored.

When a check runs is part of what it is, so that findings are a pure function of readings, registry and ticks:

- Watched gauges (effluent quality and flow) are checked reading by reading as their readings come, the open day too.
- Everything else is checked for whole local days that are final: at the tick that ends a day for every channel, those
  that sent nothing above all, and again whenever a final day is computed again.
- A day changes the verdict on later ones that are held against it: the same weekday of 8 weeks, the 7 days after for
  drift, the family of its meter, its month. They are judged again with it.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
from psycopg import Connection

from domain.findings import FindingFrame, Rule, joined_findings, no_findings
from domain.frames import Readings, SmallArray
from domain.registry import Kind, Registry
from domain.time import IntArray, Level, day_number, level_edges
from kpi.checks import (
    DRIFT_DAYS,
    TRAILING_US,
    WEEKS,
    families_of,
    gap_findings,
    hierarchy_findings,
    interval_findings,
    month_findings,
    pair_findings,
    paired_quantities,
    reading_findings,
    sheet_of,
    usual_findings,
)
from kpi.corrections import correcting
from kpi.judge import BoolArray
from kpi.ranges import Ranges
from service.engine.amounts import Days
from service.engine.known import Known, Stamp
from service.engine.lookback import (
    Work,
    base_amounts,
    day_amounts,
    known_shares,
    lengths_s,
    past_of,
    watched,
    work_of,
)
from store.corrections import corrections_of
from store.findings import estimated_channels, stored_channel_days
from store.readings import readings_around

__all__ = ["check_days"]

_OF_READINGS = (Rule.RANGE, Rule.FROZEN, Rule.OUTLIER)
_OF_INTERVALS = (
    Rule.SPIKE,
    Rule.FROZEN,
    Rule.CAPACITY,
    Rule.RANGE,
    Rule.NEGATIVE,
    Rule.GAP,
    Rule.SUM,
    Rule.BOD_ABOVE_COD,
    Rule.LOAD_WITHOUT_FLOW,
)
_OF_WATCHED = tuple(rule for rule in _OF_INTERVALS if rule not in _OF_READINGS)
_OF_DAYS = (Rule.HIGH, Rule.LOW, Rule.ZERO, Rule.DRIFT)

_READINGS_AT_ONCE = 2_000_000
_COUNTERS = (Kind.REGISTER, Kind.INTERVAL)


def check_days(conn: Connection[Any], known: Known, days: Days, ticked: tuple[int, int] | None, stamp: Stamp) -> None:
    """
    Check what a cycle computed again, and what its tick made final; store what is found.

    Parameters
    ----------
    known : Known
        After the tick.
    days : Days
        The days that were computed again.
    ticked : (from, to) or None
        What the tick of this cycle made final. [us UTC]
    """
    registry = known.plan.registry
    own = np.isin(days.channel_id, _checked(registry))
    channel_id, day_us = days.channel_id[own], days.day_us[own]
    live = np.isin(channel_id, watched(registry, np.unique(channel_id)))
    late = day_us < _open_us(registry)
    final = channel_id[late], day_us[late]
    if ticked is not None:
        first_ever = stamp.ticked_to_us is None
        more = _became_final(conn, registry, _closing(registry, ticked), first_ever=first_ever)
        final = np.concatenate([final[0], more[0]]), np.concatenate([final[1], more[1]])
    every_us = np.concatenate([day_us[live], final[1]])
    if not len(every_us):
        return
    last_us = max(int(every_us.max()), registry.park.ticked_to_us or 0)
    work = work_of(conn, known, stamp, int(every_us.min()), last_us)
    _check_readings(work, channel_id[live], work.place(day_us[live]))
    _check_final(work, final[0], work.place(final[1]))


def _open_us(registry: Registry) -> int:
    """Start of the local day that is open: days that start before are final. [us UTC]"""
    park = registry.park
    if park.ticked_to_us is None:
        return 0
    return int(level_edges(park.zone, park.base_s, Level.DAY, park.ticked_to_us, park.ticked_to_us + 1)[0])


def _checked(registry: Registry) -> SmallArray:
    return np.array([channel.id for channel in registry.channels if channel.kind is not Kind.EVENT], dtype=np.int32)


def _closing(registry: Registry, ticked: tuple[int, int] | None) -> IntArray:
    """Starts of the local days that a tick ended. [us UTC]"""
    park = registry.park
    if ticked is None or ticked[0] >= ticked[1]:
        return np.empty(0, dtype=np.int64)
    edges = level_edges(park.zone, park.base_s, Level.DAY, ticked[0], ticked[1])
    ended = (edges[1:] > ticked[0]) & (edges[1:] <= ticked[1])
    return edges[:-1][ended]


def _became_final(
    conn: Connection[Any], registry: Registry, closing: IntArray, *, first_ever: bool
) -> tuple[SmallArray, IntArray]:
    """Channels and days that a tick made final: all channels on days that it ended, at the first tick all that is stored."""
    alive = _checked(registry)
    channel_id, day_us = np.tile(alive, len(closing)), np.repeat(closing, len(alive))
    if not first_ever:
        return channel_id, day_us
    stored_id, stored_us = stored_channel_days(conn, registry.park.id)
    kept = np.isin(stored_id, alive) & (stored_us < _open_us(registry))
    return np.concatenate([channel_id, stored_id[kept]]), np.concatenate([day_us, stored_us[kept]])


def _check_readings(work: Work, channel_id: SmallArray, place: IntArray) -> None:
    """Watched gauges, and the day after each: its first two hours are held against this one's last."""
    ids, places = _pairs(np.tile(channel_id, 2), np.concatenate([place, place + 1]))
    for first, stop in _portions(work, ids, places) if len(ids) else ():
        portion_ids, portion_places = ids[first:stop], places[first:stop]
        readings = _readings(work, portion_ids, portion_places)
        parts = []
        for one in np.unique(portion_places).tolist():
            day = work.day(portion_ids[portion_places == one], one)
            parts.append(reading_findings(day, readings))
        work.write(joined_findings(*parts), portion_ids, work.edges[portion_places], _OF_READINGS)


def _portions(work: Work, ids: SmallArray, places: IntArray) -> Iterator[tuple[int, int]]:
    """Rows whose readings fit into memory together."""
    by_id = work.registry.channel_by_id
    expected = np.array([86_400 // by_id[one].interval_s + 1 for one in ids.tolist()], dtype=np.int64)
    portion = np.cumsum(expected) // _READINGS_AT_ONCE
    starts = np.flatnonzero(np.diff(portion, prepend=-1))
    return zip(starts.tolist(), np.append(starts[1:], len(places)).tolist(), strict=True)


def _readings(work: Work, ids: SmallArray, places: IntArray) -> Readings:
    def load(windows: Ranges, margin: int) -> tuple[Readings, BoolArray, BoolArray]:
        return readings_around(work.conn, windows.channel_id, windows.from_us, windows.to_us, margin)

    asked = Ranges(channel_id=ids, from_us=work.edges[places] - TRAILING_US, to_us=work.edges[places + 1] - 1)
    return correcting(load, partial(corrections_of, work.conn))(asked.merged(), 1)[0]


def _pairs(channel_id: SmallArray, place: IntArray) -> tuple[SmallArray, IntArray]:
    """Each channel and day once, by day, then channel."""
    pairs = np.unique(np.stack([place, channel_id.astype(np.int64)], axis=1), axis=0)
    return pairs[:, 1].astype(np.int32), np.ascontiguousarray(pairs[:, 0])


def _check_final(work: Work, channel_id: SmallArray, place: IntArray) -> None:
    kept = place < work.final
    ids, places = _pairs(channel_id[kept], place[kept])
    if not len(ids):
        return
    for one in np.unique(places).tolist():
        _check_intervals(work, _with_companions(work.registry, ids[places == one]), one)
    _check_usual(work, ids, places)
    _check_families(work, ids, places)
    _check_months(work, ids, places)


def _with_companions(registry: Registry, ids: SmallArray) -> SmallArray:
    """Channels, and those of the same meters that they are held against."""
    paired, by_id = paired_quantities(), registry.channel_by_id
    meters = {by_id[one].meter_id for one in ids.tolist() if by_id[one].quantity in paired}
    others = [one.id for one in registry.channels if one.meter_id in meters and one.quantity in paired]
    return np.union1d(ids, np.array(others, dtype=np.int32)).astype(np.int32)


def _check_intervals(work: Work, ids: SmallArray, place: int) -> None:
    day = work.day(ids, place)
    sheet = sheet_of(day, base_amounts(work, day, ids))
    frame = joined_findings(interval_findings(sheet), gap_findings(sheet), pair_findings(sheet))
    live = np.isin(ids, watched(work.registry, ids))
    for chosen, rules in ((~live, _OF_INTERVALS), (live, _OF_WATCHED)):
        own = ids[chosen]
        work.write(_of(frame, own), own, np.full(len(own), day.day_us), rules)


def _of(frame: FindingFrame, ids: SmallArray) -> FindingFrame:
    kept = np.isin(frame.channel_id, ids)
    return FindingFrame(
        channel_id=frame.channel_id[kept],
        rule=frame.rule[kept],
        day_us=frame.day_us[kept],
        start_us=frame.start_us[kept],
        stop_us=frame.stop_us[kept],
        value=frame.value[kept],
        bound=frame.bound[kept],
    )


def _check_usual(work: Work, channel_id: SmallArray, place: IntArray) -> None:
    """High, low, zero and drift of days, and of those that are held against them."""
    by_id = work.registry.channel_by_id
    unique = np.unique(channel_id).tolist()
    counters = np.array([one for one in unique if by_id[one].kind in _COUNTERS], dtype=np.int32)
    counts, drifts = np.isin(channel_id, counters), np.isin(channel_id, watched(work.registry, np.array(unique)))
    weeks = _ahead(channel_id[counts], place[counts], 7 * np.arange(WEEKS + 1))
    week = _ahead(channel_id[drifts], place[drifts], np.arange(DRIFT_DAYS + 1))
    ids, places = _pairs(np.concatenate([weeks[0], week[0]]), np.concatenate([weeks[1], week[1]]))
    kept = places < work.final
    ids, places = ids[kept], places[kept]
    parts = []
    for one in np.unique(places).tolist():
        day = work.day(ids[places == one], one)
        parts.append(usual_findings(day, past_of(work, day, one)))
    work.write(joined_findings(*parts), ids, work.edges[places], _OF_DAYS)


def _ahead(ids: SmallArray, place: IntArray, steps: IntArray) -> tuple[SmallArray, IntArray]:
    return np.repeat(ids, len(steps)), (place[:, None] + steps).ravel()


def _check_families(work: Work, channel_id: SmallArray, place: IntArray) -> None:
    """Meters with others downstream, on days on which any of the family was computed again."""
    families = families_of(work.registry)
    if not len(families):
        return
    parts, ids, days = [no_findings()], [], []
    for one in np.unique(place).tolist():
        touched = families.of_any(channel_id[place == one])
        members = touched.members
        if not len(touched):
            continue
        found = day_amounts(work, members, np.full(len(members), work.edges[one]))
        known = known_shares(found, np.full(len(members), lengths_s(work, np.array([one]))[0]))
        parts.append(hierarchy_findings(work.day(members, one), touched, found.amount, known))
        ids.append(touched.parent)
        days.append(np.full(len(touched.parent), work.edges[one]))
    if ids:
        work.write(joined_findings(*parts), np.concatenate(ids), np.concatenate(days), (Rule.HIERARCHY,))


def _check_months(work: Work, channel_id: SmallArray, place: IntArray) -> None:
    """How much of a month is estimated, by its days that are final."""
    by_id, zone = work.registry.channel_by_id, work.registry.park.zone
    counters = np.array([one for one in np.unique(channel_id).tolist() if by_id[one].kind in _COUNTERS], dtype=np.int32)
    own = np.isin(channel_id, counters)
    dates = {one: day_number(zone, int(work.edges[one])) for one in np.unique(place[own]).tolist()}
    months = np.array([one - dates[one].day + 1 for one in place[own].tolist()], dtype=np.int64)
    ids, firsts = _pairs(channel_id[own], months)
    parts = []
    for first in np.unique(firsts).tolist():
        length = _days_in_month(zone, int(work.edges[first]))
        stop = min(first + length, work.final)
        chosen = estimated_channels(work.conn, ids[firsts == first], int(work.edges[first]), int(work.edges[stop]))
        if not len(chosen):
            continue
        places = np.arange(first, stop)
        found = day_amounts(work, np.repeat(chosen, len(places)), np.tile(work.edges[places], len(chosen)))
        shape = (len(chosen), len(places))
        day = work.day(chosen, first)
        parts.append(
            month_findings(day, int(work.edges[stop]), found.estimated.reshape(shape), found.amount.reshape(shape))
        )
    work.write(joined_findings(*parts), ids, work.edges[firsts], (Rule.ESTIMATION,))


def _days_in_month(zone: Any, first_us: int) -> int:
    first = day_number(zone, first_us)
    following = (first + timedelta(days=32)).replace(day=1)
    return (following - first).days
