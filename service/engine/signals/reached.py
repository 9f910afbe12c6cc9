"""Which watches what came reaches, and from when on: the other way round from samples to their inputs."""

from dataclasses import dataclass

import numpy as np

from domain.alarms import Alignment, Signal, Source, Watch
from domain.findings import Rule
from domain.registry import Park
from domain.time import DAY_US, SECOND_US, IntArray, Level, level_edges
from kpi.ragged import owners, runs_of
from kpi.ranges import Ranges
from kpi.scene import ticked_edge
from kpi.table import FAR_US
from kpi.windowstats import flow_beside
from service.engine.known import Known
from service.engine.plan import Plan
from service.engine.signals.kpivalues import STEPS

__all__ = ["Inputs", "suppressors", "wanted"]

_LONGEST_US = {
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

Reached = tuple[IntArray, IntArray, IntArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Channels that samples are made of: (n,), by channel; one that stands behind several watches has as many rows."""

    place: IntArray
    """Of the watch."""
    channel_id: IntArray
    before_us: IntArray
    """So much before a change of the channel samples may differ. [us]"""
    after_us: IntArray
    """So much after it. [us]"""

    @classmethod
    def of(cls, plan: Plan, watches: tuple[Watch, ...]) -> "Inputs":
        """The channels behind each watch: the same as long as neither registry nor rules change."""
        rows: list[tuple[int, int, int, int]] = []
        beside = _Beside(plan)
        for place, watch in enumerate(watches):
            reach = _reach_us(plan, watch)
            if reach is not None:
                channels = {one.channel_id for one in watch.suppressions if one.channel_id is not None}
                rows += [(channel_id, place, *reach) for channel_id in channels.union(beside.channels(watch.source))]
        table = np.array(sorted(rows), dtype=np.int64).reshape(-1, 4)
        hold = plan.table.hold_us[plan.table.rows(table[:, 0].astype(np.int32))]
        return cls(place=table[:, 1], channel_id=table[:, 0], before_us=table[:, 2] + hold, after_us=table[:, 3] + hold)


def wanted(
    known: Known,
    watches: tuple[Watch, ...],
    touched: Ranges,
    changed_days: IntArray,
    ticked: tuple[int, int] | None,
    *,
    inputs: Inputs | None = None,
) -> Reached:
    """
    The watches whose samples may have changed, and where.

    Parameters
    ----------
    known : Known
    watches : tuple of Watch
    touched : Ranges
        Where amounts were computed again: of a register, that is more than where readings came (see
        :class:`service.engine.amounts.Days`).
    changed_days : int64 (n,) [us UTC]
        Starts of the local days whose KPIs were made again.
    ticked : (from, to) or None
        What became final in this cycle; with the first tick of a park, from before all readings on. [us UTC]
    inputs : Inputs, optional
        Those of the watches, where they are at hand: to make them takes longer than all else.

    Returns
    -------
    places : int64 (n,)
        Of the watches, rising, each once.
    from_us, to_us : int64 (n,) [us UTC]
        Only samples with `from <= at < to` may have changed, come or gone.
    """
    count = len(watches)
    begin, end = np.full(count, FAR_US), np.full(count, -FAR_US)
    parts = [
        _by_days(watches, changed_days, _changed_from_us(touched, changed_days, ticked)),
        _by_tick(known, watches, ticked),
    ]
    if len(touched):
        parts.append(_by_channels(Inputs.of(known.plan, watches) if inputs is None else inputs, touched))
    for place, from_us, to_us in parts:
        np.minimum.at(begin, place, from_us)
        np.maximum.at(end, place, to_us)
    begin = _next_samples_us(known.plan.park, watches, begin)
    _suppressed(watches, begin, end)
    begin = np.maximum(begin, np.array([watch.valid_from_us for watch in watches], dtype=np.int64))
    end = np.minimum(end, np.array([min(watch.valid_to_us, FAR_US) + 1 for watch in watches], dtype=np.int64))
    # Readings that are newer than the tick say nothing yet of what is only looked at in ticked time.
    by_ticks = np.array([watch.source.signal in _BY_TICKS for watch in watches], dtype=np.bool_)
    end[by_ticks] = np.minimum(end[by_ticks], ticked_edge(known.plan.park) + 1)
    places = np.flatnonzero(begin < end)
    return places, begin[places], end[places]


def _by_channels(inputs: Inputs, touched: Ranges) -> Reached:
    low, high = (np.searchsorted(inputs.channel_id, touched.channel_id, side=side) for side in ("left", "right"))
    counts = (high - low).astype(np.int64)
    span, row = owners(counts), runs_of(low.astype(np.int64), counts)
    begin = touched.from_us[span] - inputs.before_us[row]
    end = np.minimum(touched.to_us[span], FAR_US) + inputs.after_us[row] + 1
    return inputs.place[row], begin, end


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
        return _LONGEST_US[Level.MONTH] if source.finding == Rule.ESTIMATION.value else 2 * DAY_US, FAR_US
    if source.by_month:
        return 0, _LONGEST_US[Level.MONTH]
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


def _changed_from_us(touched: Ranges, changed_days: IntArray, ticked: tuple[int, int] | None) -> int:
    """
    No KPI of what ended before was changed. [us UTC]

    A KPI depends on nothing that comes after. Days that are made anew without a reading or a tick have other inputs, and may
    be different from their start on.
    """
    first = int(changed_days.min(initial=FAR_US))
    reasons = [int(touched.from_us.min())] if len(touched) else []
    if ticked is not None:
        reasons.append(ticked[0])
    return max(first, min(reasons)) if reasons else first


def _by_days(watches: tuple[Watch, ...], changed_days: IntArray, first: int) -> Reached:
    """KPIs are made by local days; what is a holiday decides on whole days too."""
    if not len(changed_days):
        none = np.empty(0, dtype=np.int64)
        return none, none, none
    of_days = [
        place for place, watch in enumerate(watches) if watch.source.signal is Signal.KPI or _heeds_holidays(watch)
    ]
    places = np.array(of_days, dtype=np.int64)
    levels = [watches[place].source.level if watches[place].source.signal is Signal.KPI else None for place in of_days]
    longest = np.array([_LONGEST_US[level or Level.DAY] for level in levels], dtype=np.int64)
    # The step of a night is held against a month of nights before it.
    longest = np.maximum(longest, _LONGEST_US[Level.MONTH])
    last = int(changed_days.max())
    return places, np.full(len(places), first), last + _LONGEST_US[Level.DAY] + longest


def _next_samples_us(park: Park, watches: tuple[Watch, ...], from_us: IntArray) -> IntArray:
    """Of KPIs the end of the interval, or of the part by which it grows, that holds a moment: samples before are the same."""
    steps = np.array([_step_of(watch) for watch in watches], dtype=np.int64)
    found = from_us.copy()
    for step in np.unique(steps[steps >= 0]).tolist():
        mine = np.flatnonzero((steps == step) & (from_us > -FAR_US) & (from_us < FAR_US))
        moments, inverse = np.unique(from_us[mine], return_inverse=True)
        ends = [level_edges(park.zone, park.base_s, Level(step), one, one + 1)[-1] for one in moments.tolist()]
        found[mine] = np.array(ends, dtype=np.int64)[inverse]
    return found


def _step_of(watch: Watch) -> int:
    source = watch.source
    if source.signal is not Signal.KPI or source.level is None:
        return -1
    return STEPS.get(source.level, Level.DAY) if source.alignment is Alignment.RUNNING else source.level


def _heeds_holidays(watch: Watch) -> bool:
    return watch.schedule is not None and not watch.schedule.on_holidays


def _by_tick(known: Known, watches: tuple[Watch, ...], ticked: tuple[int, int] | None) -> Reached:
    """What a tick makes final; and of measurements of this system whatever came since the last."""
    every = np.arange(len(watches))
    if ticked is not None:
        return every, np.full(len(every), ticked[0] + 1), np.full(len(every), ticked[1] + 1)
    health = np.array([watch.source.signal is Signal.HEALTH for watch in watches], dtype=np.bool_)
    places = every[health]
    return places, np.full(len(places), ticked_edge(known.plan.park)), np.full(len(places), FAR_US)


def suppressors(watches: tuple[Watch, ...]) -> dict[int, tuple[int, ...]]:
    """The places of the watches that suppress each watch that any does."""
    if not any(watch.suppressions for watch in watches):
        return {}
    by_rule: dict[str, list[int]] = {}
    by_alarm: dict[str, list[int]] = {}
    for place, watch in enumerate(watches):
        by_rule.setdefault(watch.rule, []).append(place)
        by_alarm.setdefault(f"{watch.rule}@{watch.target}", []).append(place)
    found = {
        place: tuple(
            other
            for one in watch.suppressions
            if one.alarm is not None
            for other in (by_alarm if "@" in one.alarm else by_rule).get(one.alarm, ())
            if other != place
        )
        for place, watch in enumerate(watches)
        if watch.suppressions
    }
    return {place: others for place, others in found.items() if others}


def _suppressed(watches: tuple[Watch, ...], begin: IntArray, end: IntArray) -> None:
    """A watch that others suppress is reached from where these are on; so are those that it suppresses itself."""
    following = suppressors(watches)
    for _ in range(len(following)):
        earlier = {place: min(int(begin[other]) for other in others) for place, others in following.items()}
        moved = [place for place, from_us in earlier.items() if from_us < begin[place]]
        if not moved:
            return
        for place in moved:
            begin[place], end[place] = earlier[place], FAR_US
