"""Samples of a gauge's readings, one by one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.alarms import SampleFrame, Signal, Status
from domain.frames import FloatArray
from domain.quality import UNUSABLE, Quality
from domain.time import IntArray
from kpi.cuts import Segments
from kpi.gaugewindows import excess_loads
from kpi.held import Carried, Told, carried, held_values, told_values
from kpi.ragged import owners
from kpi.ranges import Ranges
from kpi.windows import Windows
from service.engine.signals.asked import Asked, finite, made_samples, no_samples
from service.engine.signals.intervals import concentration_flows
from service.engine.signals.readings import asked_spans, readings_over

__all__ = ["Gauges", "gauges_of", "reading_statuses", "value_samples"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """The gauges of some watches, a group for each watch."""

    watch: IntArray
    """(g,) place of the watch."""
    rows: IntArray
    """(g,) of the table."""
    begin_us: IntArray
    """(g,) Samples of each lie in `[begin, end)`. [us UTC]"""
    end_us: IntArray
    """(g,) [us UTC]"""
    told: Told
    held: Segments
    flowing: Carried
    limited: FloatArray
    """(g,) upper limit of a concentration with a flow; else NaN. [mg/L]"""

    def asked(self, group: IntArray) -> BoolArray:
        """(n,) which readings may have a sample; `group` is that of each."""
        at = self.told.ts_us
        inside: BoolArray = (at >= self.begin_us[group]) & (at < self.end_us[group])
        return inside

    def excess(self, stretches: Windows) -> FloatArray:
        """(k,) load above the limit in some stretches. [kg]"""
        return excess_loads(self.flowing, stretches, self.limited[stretches.group])


def gauges_of(asked: Asked, places: list[int], before_us: IntArray) -> Gauges:
    """Readings of the gauges of some watches, over what is asked for and so much before. [us]"""
    table = asked.known.plan.table
    channel_id = np.array([asked.watches[place].source.channel_id for place in places], dtype=np.int32)
    begin, end = asked_spans(asked, places, channel_id)
    flow_id = concentration_flows(asked, channel_id)
    some = begin < end
    with_flow = some & (flow_id >= 0)
    needed = Ranges(
        channel_id=np.concatenate([channel_id[some], flow_id[with_flow]]),
        from_us=np.concatenate([(begin - before_us)[some], (begin - before_us)[with_flow]]),
        to_us=np.concatenate([end[some], end[with_flow]]),
    )
    readings = readings_over(asked, needed)
    rows, flows = table.rows(channel_id), np.full(len(places), -1)
    flows[with_flow] = table.rows(flow_id[with_flow])
    highest = np.array([finite(asked.watches[place].highest, np.nan) for place in places])
    return Gauges(
        watch=np.array(places, dtype=np.int64),
        rows=rows,
        begin_us=begin,
        end_us=end,
        told=told_values(table, rows, readings),
        held=held_values(table, rows, readings),
        flowing=carried(table, rows, flows, readings),
        limited=np.where(with_flow, highest, np.nan),
    )


def value_samples(asked: Asked) -> SampleFrame:
    """
    A sample for each reading of the gauges that are watched reading by reading.

    A reading that its source marked unusable, or that two values claim, does not count. Its excess load is that of the time
    in which it holds.
    """
    places = asked.places(Signal.VALUE, lambda watch: watch.source.statistic is None)
    if not places:
        return no_samples()
    gauges = gauges_of(asked, places, np.zeros(len(places), dtype=np.int64))
    told, group = gauges.told, owners(np.diff(gauges.told.bounds))
    # At the end of its validity the next version of a rule is asked.
    wanted = np.flatnonzero(gauges.asked(group) & (told.ts_us < asked.valid_to(places)[group]))
    group, at, value = group[wanted], told.ts_us[wanted], told.value[wanted]
    return made_samples(
        asked,
        gauges.watch[group],
        at,
        at + asked.known.plan.table.interval_us[gauges.rows[group]],
        at,
        (value, value),
        status=reading_statuses(told)[wanted],
        known_s=told.known_s[wanted],
        excess_kg=gauges.excess(Windows(group=group, start_us=at, stop_us=told.stop_us[wanted], added_us=at)),
    )


def reading_statuses(told: Told) -> NDArray[np.int8]:
    """Whether each reading counts, and why not."""
    status = np.full(len(told.ts_us), int(Status.VALID))
    status[told.conflict | ((told.quality & int(UNUSABLE)) != 0) | np.isnan(told.value)] = int(Status.MISSING)
    status[(told.quality & int(Quality.MAINTENANCE)) != 0] = int(Status.MAINTENANCE)
    status[(told.quality & int(Quality.CALIBRATION)) != 0] = int(Status.CALIBRATION)
    return status.astype(np.int8)
