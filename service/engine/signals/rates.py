"""Samples of how fast gauges change."""

import numpy as np

from domain.alarms import SampleFrame, Signal, Status
from domain.time import SECOND_US
from kpi.ragged import owners
from kpi.ratesofchange import rates_of_change
from service.engine.signals.asked import Asked, made_samples, no_samples
from service.engine.signals.values import gauges_of, reading_statuses

__all__ = ["rate_samples"]


def rate_samples(asked: Asked) -> SampleFrame:
    """A sample for each reading: its change from what held `window_s` before, per hour. It stands for that time."""
    places = asked.places(Signal.RATE)
    if not places:
        return no_samples()
    span_us = np.array([asked.watches[place].source.window_s for place in places], dtype=np.int64) * SECOND_US
    gauges = gauges_of(asked, places, span_us)
    told, group = gauges.told, owners(np.diff(gauges.told.bounds))
    rate = rates_of_change(told, span_us)
    own = reading_statuses(told)
    status = np.where((own == int(Status.VALID)) & np.isnan(rate), int(Status.MISSING), own).astype(np.int8)
    wanted = np.flatnonzero(gauges.asked(group))
    group, at = group[wanted], told.ts_us[wanted]
    start = at - span_us[group]
    # What it says of the time before its rule held is not that rule's.
    within = start >= asked.valid_from(places)[group]
    wanted, group, at, start = wanted[within], group[within], at[within], start[within]
    return made_samples(
        asked,
        gauges.watch[group],
        start,
        at,
        at,
        (rate[wanted], rate[wanted]),
        status=status[wanted],
        known_s=told.known_s[wanted],
    )
