"""Samples of what channels add up to, and of gauges over windows of whole base intervals."""

import numpy as np

from domain.alarms import SampleFrame, Signal, Source, Watch, WindowStatistic
from service.engine.signals.asked import Asked, finite
from service.engine.signals.intervals import MONTH, Spells, interval_samples

__all__ = ["amount_samples", "window_of"]


def window_of(source: Source) -> int:
    """Length of a source's window, `MONTH` for the local month. [s]"""
    return MONTH if source.by_month else int(source.window_s or 0)


def _of_intervals(watch: Watch, base_s: int) -> bool:
    """Whether a gauge's windows are whole base intervals."""
    source = watch.source
    if source.statistic is None:
        return False
    return source.by_month or (source.window_s or 0) % base_s == 0


def amount_samples(asked: Asked) -> SampleFrame:
    """
    Samples of AMOUNT, and of VALUE over whole base intervals.

    An amount is what passed in the window, its measured part standing for the whole.
    """
    base_s = asked.known.plan.park.base_s
    places = asked.places(Signal.AMOUNT)
    gauges = asked.places(Signal.VALUE, lambda watch: _of_intervals(watch, base_s))
    sums = dict.fromkeys(places, WindowStatistic.SUM.value)
    every = places + gauges
    watches = [asked.watches[place] for place in every]
    statistics = [sums.get(place) or str(asked.watches[place].source.statistic) for place in every]
    spells = Spells(
        place=np.array(every, dtype=np.int64),
        channel_id=np.array([one.source.channel_id for one in watches], dtype=np.int32),
        statistic=np.array(statistics, dtype=np.str_),
        window_s=np.array([window_of(one.source) for one in watches], dtype=np.int64),
        alignment=np.array([one.source.alignment.value for one in watches], dtype=np.str_),
        lowest=np.array([finite(one.lowest, -np.inf) for one in watches]),
        highest=np.array([finite(one.highest, np.inf) for one in watches]),
        least_valid=np.array([one.source.least_valid for one in watches]),
        since_us=asked.valid_from(every),
        until_us=asked.valid_to(every),
    )
    return interval_samples(asked, spells)
