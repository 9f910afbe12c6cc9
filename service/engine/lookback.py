"""What the checks of a cycle look back at: base amounts of a day, day amounts before it, holidays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from domain.findings import FindingFrame, Rule
from domain.frames import AmountFrame, FloatArray, SmallArray
from domain.registry import Channel, Kind, Registry
from domain.time import DAY_US, SECOND_US, IntArray, Level, day_number, level_edges
from kpi.checks import DRIFT_DAYS, WATCHED, WEEKS, Day, Limits, Past, day_of, limits_on
from kpi.likedays import SIDES
from kpi.ragged import bisect_groups
from kpi.table import INTERVAL, REGISTER
from service.engine.known import Known, Stamp
from store.amounts import read_amounts
from store.findings import DayAmounts, read_days, write_findings

__all__ = ["Work", "base_amounts", "day_amounts", "known_shares", "lengths_s", "past_of", "watched", "work_of"]

_KNOWN_DAYS = 60
"""Before the days whose intervals an engine keeps, it knows the amounts by day of so many at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the steps of one cycle share."""

    conn: Connection[Any]
    known: Known
    registry: Registry
    stamp: Stamp
    edges: IntArray
    """Local midnights from long enough before the first day on. [us UTC]"""
    final: int
    """Days before this place of `edges` are final."""
    limits: dict[tuple[object, ...], Limits]
    """Already made, by what is in force and for whom."""

    def place(self, day_us: IntArray) -> IntArray:
        """Place of local days among the edges."""
        return np.searchsorted(self.edges, day_us)

    def day(self, channel_ids: SmallArray, place: int) -> Day:
        """Some channels, rising, on a local day."""
        channels = tuple(self.registry.channel_by_id[one] for one in channel_ids.tolist())
        day_us = int(self.edges[place])
        entries = self.registry.references.checks
        key = (channel_ids.tobytes(), *(entry.origin.id for entry in entries if entry.origin.holds(day_us)))
        if key not in self.limits:
            self.limits.clear()
            self.limits[key] = limits_on(self.registry, channels, day_us)
        return day_of(self.registry, channels, day_us, self.limits[key])

    def write(self, frame: FindingFrame, ids: SmallArray, day_us: IntArray, rules: tuple[Rule, ...]) -> None:
        """Make the stored findings of some rules on some days equal to a frame."""
        write_findings(self.conn, frame, (ids, day_us), rules, computed_at_us=self.stamp.computed_at_us)


def work_of(conn: Connection[Any], known: Known, stamp: Stamp, first_us: int, last_us: int) -> Work:
    """The work of a cycle that checks some days."""
    registry, park = known.plan.registry, known.plan.park
    # As far back as anything looks, month included, and a day further than anything looks ahead.
    begin_us, end_us = first_us - (7 * WEEKS + 32) * DAY_US, last_us + (7 * WEEKS + 3) * DAY_US
    edges = level_edges(park.zone, park.base_s, Level.DAY, begin_us, end_us)
    final = 0
    if park.ticked_to_us is not None:
        final = int(np.searchsorted(edges[1:], park.ticked_to_us, side="right"))
    return Work(conn=conn, known=known, registry=registry, stamp=stamp, edges=edges, final=final, limits={})


def watched(registry: Registry, channel_ids: SmallArray) -> SmallArray:
    """Which of some channels are gauges that are checked reading by reading."""
    by_id = registry.channel_by_id
    chosen = [one for one in channel_ids.tolist() if _is_watched(by_id[one])]
    return np.array(chosen, dtype=np.int32)


def _is_watched(channel: Channel) -> bool:
    return channel.kind is Kind.GAUGE and channel.quantity in WATCHED


def base_amounts(work: Work, day: Day, ids: SmallArray) -> AmountFrame:
    """Base amounts of a day: from what the engine knows, where it knows that day."""
    if day.day_us >= work.known.earliest_us:
        return work.known.day(work.conn, Level.BASE, day.day_us, day.stop_us).of(ids)
    return read_amounts(work.conn, Level.BASE, ids, day.day_us, day.stop_us)


def day_amounts(work: Work, ids: SmallArray, day_us: IntArray) -> DayAmounts:
    """Day amounts of single days of channels: from what the engine knows, where it knows that far back."""
    if not len(ids) or int(day_us.min()) < work.known.earliest_us - _KNOWN_DAYS * DAY_US:
        return read_days(work.conn, ids, day_us)
    frame = work.known.days(work.conn, np.unique(ids), int(day_us.min()), int(day_us.max()) + 1)
    low, high = (np.searchsorted(frame.channel_id, ids, side=side) for side in SIDES)
    place = bisect_groups(frame.start_us, low, high, day_us)
    found = place < high
    found[found] = frame.start_us[place[found]] == day_us[found]

    def told(values: FloatArray, nothing: float) -> FloatArray:
        column = np.full(len(ids), nothing)
        column[found] = values[place[found]]
        return column

    return DayAmounts(
        amount=told(frame.amount, np.nan),
        mean=told(frame.mean, np.nan),
        measured_s=told(frame.measured_s, 0.0),
        inner_gap_s=told(frame.inner_gap_s, 0.0),
        estimated=told(frame.estimated, 0.0),
    )


def past_of(work: Work, day: Day, place: int) -> Past:
    """A day and the days that it is held against, read at once."""
    holidays = [_is_holiday(work.registry, int(work.edges[place - 7 * week])) for week in range(WEEKS + 1)]
    counters = np.flatnonzero(np.isin(day.table.kind, (REGISTER, INTERVAL)))
    live = np.flatnonzero(np.isin(day.table.channel_id, watched(work.registry, day.table.channel_id)))
    weeks = _spread(work, day, counters, place - 7 * np.arange(WEEKS + 1))
    days = _spread(work, day, live, place - np.arange(DRIFT_DAYS + 1))
    known = np.zeros(len(day.channels))
    known[counters], known[live] = weeks.known[:, 0][counters], days.known[:, 0][live]
    weekday_known = weeks.known[:, 1:].copy()
    weekday_known[:, np.array(holidays[1:], dtype=np.bool_)] = 0.0
    return Past(
        amount=weeks.amount[:, 0],
        known=known,
        mean=days.mean[:, 0],
        weekday_amount=weeks.amount[:, 1:],
        weekday_known=weekday_known,
        before_mean=days.mean[:, 1:],
        before_measured_s=days.measured_s[:, 1:],
        is_holiday=holidays[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """Day amounts, a row per channel and a column per day; (c, d) each."""

    amount: FloatArray
    mean: FloatArray
    measured_s: FloatArray
    known: FloatArray


def _spread(work: Work, day: Day, rows: IntArray, places: IntArray) -> _Spread:
    shape = (len(day.channels), len(places))
    found = day_amounts(
        work, np.repeat(day.table.channel_id[rows], len(places)), np.tile(work.edges[places], len(rows))
    )

    def laid(values: FloatArray, nothing: float) -> FloatArray:
        grid = np.full(shape, nothing)
        grid[rows] = values.reshape(len(rows), len(places))
        return grid

    known = known_shares(found, np.tile(lengths_s(work, places), len(rows)))
    return _Spread(
        amount=laid(found.amount, np.nan),
        mean=laid(found.mean, np.nan),
        measured_s=laid(found.measured_s, 0.0),
        known=laid(known, 0.0),
    )


def lengths_s(work: Work, places: IntArray) -> FloatArray:
    """Length of local days, by their place. [s]"""
    return (work.edges[places + 1] - work.edges[places]) / SECOND_US


def known_shares(found: DayAmounts, length_s: FloatArray) -> FloatArray:
    """How much of days of some length is known: measured, or in gaps that begin and end inside."""
    return np.minimum((found.measured_s + found.inner_gap_s) / length_s, 1.0)


def _is_holiday(registry: Registry, day_us: int) -> bool:
    day = day_number(registry.park.zone, day_us)
    return any(day in one.dates for one in registry.references.holidays if one.origin.holds(day_us))
