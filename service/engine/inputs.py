"""What the samples of watches are made of: the channels behind each, and by what days and ticks they change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domain.alarms import Alignment, BoolArray, Signal, Source, Watch
from domain.findings import Rule
from domain.time import DAY_US, SECOND_US, IntArray, Level
from kpi.table import FAR_US
from kpi.windowstats import flow_beside
from service.engine.plan import Plan

__all__ = ["GROWS_BY", "LONGEST_US", "Inputs", "suppressors"]

GROWS_BY = {Level.BASE: Level.BASE, Level.HOUR: Level.BASE, Level.DAY: Level.HOUR}
"""By what an open interval grows; longer ones by days."""

LONGEST_US = {
    Level.BASE: DAY_US // 24,
    Level.HOUR: DAY_US // 24,
    Level.DAY: DAY_US + DAY_US // 24,
    Level.WEEK: 8 * DAY_US,
    Level.MONTH: 32 * DAY_US,
    Level.YEAR: 367 * DAY_US,
}
"""No interval of a level is longer. [us]"""

_ACROSS = frozenset(
    rule.value for rule in (Rule.SUM, Rule.HIERARCHY, Rule.BOD_ABOVE_COD, Rule.LOAD_WITHOUT_FLOW, Rule.CAPACITY)
)
"""Checks of a channel that look at others."""

_BY_TICKS = frozenset({Signal.SILENCE, Signal.FINDING, Signal.KPI})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """
    What stands behind some watches: the same as long as neither registry nor rules change, and too much to make in each cycle.

    Of the channels, (n,) by channel: one that stands behind several watches has as many rows. Others are (w,), a row a watch.
    """

    place: IntArray
    """(n,) of the watch."""
    channel_id: IntArray
    """(n,) rising."""
    before_us: IntArray
    """(n,) so much before a change of the channel samples may differ. [us]"""
    after_us: IntArray
    """(n,) so much after it. [us]"""
    of_days: IntArray
    """(d,) places of the watches that whole local days decide on."""
    after_days_us: IntArray
    """(d,) so much after the last changed day samples of these may differ. [us]"""
    step: IntArray
    """(w,) the level at whose ends the samples of KPIs are; -1 of others."""
    by_ticks: BoolArray
    """(w,) whether it is only looked at in ticked time."""
    of_health: IntArray
    """(h,) places of the watches of measurements of this system."""
    valid_from_us: IntArray
    valid_to_us: IntArray
    """(w,) included: at its end a watch is still asked. [us UTC]"""
    following: Mapping[int, tuple[int, ...]]
    """See :func:`suppressors`."""

    def __len__(self) -> int:
        return len(self.step)

    @classmethod
    def of(cls, plan: Plan, watches: tuple[Watch, ...]) -> "Inputs":
        """What stands behind each watch of a park."""
        channels = _channels(plan, watches)
        hold = plan.table.hold_us[plan.table.rows(channels[:, 0].astype(np.int32))]
        signals = [watch.source.signal for watch in watches]
        of_days = _of_days(watches)
        return cls(
            place=channels[:, 1],
            channel_id=channels[:, 0],
            before_us=channels[:, 2] + hold,
            after_us=channels[:, 3] + hold,
            of_days=of_days,
            after_days_us=np.array([_after_days_us(watches[place]) for place in of_days.tolist()], dtype=np.int64),
            step=np.array([_step_of(watch) for watch in watches], dtype=np.int64),
            by_ticks=np.array([one in _BY_TICKS for one in signals], dtype=np.bool_),
            of_health=np.flatnonzero([one is Signal.HEALTH for one in signals]),
            valid_from_us=np.array([watch.valid_from_us for watch in watches], dtype=np.int64),
            valid_to_us=np.array([min(watch.valid_to_us, FAR_US) for watch in watches], dtype=np.int64),
            following=suppressors(watches),
        )


def suppressors(watches: Sequence[Watch]) -> Mapping[int, tuple[int, ...]]:
    """The places of the watches whose alarm suppresses each watch that any does; none suppresses itself."""
    wanted = {one.alarm for watch in watches for one in watch.suppressions if one.alarm is not None}
    if not wanted:
        return {}
    named: dict[str, list[int]] = {}
    for place, watch in enumerate(watches):
        for name in (watch.rule, f"{watch.rule}@{watch.target}"):
            if name in wanted:
                named.setdefault(name, []).append(place)
    found = {
        place: tuple(
            other
            for one in watch.suppressions
            if one.alarm is not None
            for other in named.get(one.alarm, ())
            if other != place
        )
        for place, watch in enumerate(watches)
        if watch.suppressions
    }
    return {place: others for place, others in found.items() if others}


def _channels(plan: Plan, watches: tuple[Watch, ...]) -> IntArray:
    """(n, 4) channel, place of the watch, reach before and after; by channel."""
    rows: list[tuple[int, int, int, int]] = []
    beside = _Beside(plan)
    for place, watch in enumerate(watches):
        reach = _reach_us(plan, watch)
        if reach is not None:
            channels = {one.channel_id for one in watch.suppressions if one.channel_id is not None}
            rows += [(channel_id, place, *reach) for channel_id in channels.union(beside.channels(watch.source))]
    return np.array(sorted(rows), dtype=np.int64).reshape(-1, 4)


def _reach_us(plan: Plan, watch: Watch) -> tuple[int, int] | None:
    """How far before and after a change of its channels the samples of a watch may differ; None: they are not made of any. [us]"""
    source = watch.source
    if source.signal in {Signal.KPI, Signal.HEALTH}:
        return (0, 0) if watch.suppressions else None
    if source.signal is Signal.SILENCE:
        # Until the next reading, whenever that comes.
        return 0, FAR_US
    if source.signal is Signal.FINDING:
        # A day is held against those of weeks before it; of a month's days, all are one finding.
        return LONGEST_US[Level.MONTH] if source.finding == Rule.ESTIMATION.value else 2 * DAY_US, FAR_US
    if source.by_month:
        return 0, LONGEST_US[Level.MONTH]
    window_us = (source.window_s or 0) * SECOND_US
    return 0, window_us + (DAY_US // 24 if window_us >= DAY_US else 0) + plan.park.base_s * SECOND_US


class _Beside:
    """Which channels stand behind what is watched, looked up once for all of a park."""

    def __init__(self, plan: Plan) -> None:
        registry = plan.registry
        self._every = frozenset(plan.table.channel_id.tolist())
        flow = flow_beside(plan.tree, np.arange(len(plan.tree.channel_id)))
        flows = np.where(flow >= 0, plan.tree.channel_id[np.maximum(flow, 0)], -1)
        self._flow = dict(zip(plan.tree.channel_id.tolist(), flows.tolist(), strict=True))
        self._inputs = {one.id: one.inputs for one in registry.channels if one.inputs is not None}
        self._of_meter: dict[int, set[int]] = {}
        self._of_tenant: dict[int, set[int]] = {}
        for channel in registry.channels:
            self._of_meter.setdefault(channel.meter_id, set()).add(channel.id)
            tenant_id = registry.meter_by_id[channel.meter_id].tenant_id
            self._of_tenant.setdefault(tenant_id, set()).add(channel.id)

    def channels(self, source: Source) -> set[int] | frozenset[int]:
        """The channels whose readings the samples of a source are made of."""
        if source.signal is Signal.FINDING and source.finding in _ACROSS:
            return self._every
        if source.channel_id is not None:
            own = source.channel_id
            return {own, self._flow[own], *self._inputs.get(own, ())} - {-1}
        if source.meter_id is not None:
            return self._of_meter.get(source.meter_id, set())
        return self._of_tenant.get(source.tenant_id or -1, set())


def _of_days(watches: tuple[Watch, ...]) -> IntArray:
    """KPIs are made by local days; what is a holiday decides on whole days too."""
    return np.flatnonzero([watch.source.signal is Signal.KPI or _heeds_holidays(watch) for watch in watches])


def _after_days_us(watch: Watch) -> int:
    level = watch.source.level if watch.source.signal is Signal.KPI else None
    # The step of a night is held against a month of nights before it.
    return LONGEST_US[Level.DAY] + max(LONGEST_US[level or Level.DAY], LONGEST_US[Level.MONTH])


def _step_of(watch: Watch) -> int:
    source = watch.source
    if source.signal is not Signal.KPI or source.level is None:
        return -1
    return GROWS_BY.get(source.level, Level.DAY) if source.alignment is Alignment.RUNNING else source.level


def _heeds_holidays(watch: Watch) -> bool:
    return watch.schedule is not None and not watch.schedule.on_holidays
