"""How fast gauges change: the value of a reading against the one that held some time before it."""

import numpy as np

from domain.frames import FloatArray
from domain.quality import UNUSABLE
from domain.time import HOUR_US, IntArray
from kpi.held import Told
from kpi.ragged import bisect_groups, owners

__all__ = ["rates_of_change"]


def rates_of_change(told: Told, span_us: IntArray) -> FloatArray:
    """
    The change of each reading from the one that held `span` before it, over the time between these two readings.

    Readings that no number may use, and those before which nothing held, have no rate.

    Parameters
    ----------
    told : Told
        Readings from `span` and a hold before the first that is asked for.
    span_us : int64 (m,) [us]
        Of each group; more than 0.

    Returns
    -------
    float64 (n,) [unit per hour]
        NaN where one of the two values is not known.

    Examples
    --------
    Readings of 1, 2 and 5 every two minutes, against those of four minutes before:

    >>> rates_of_change(told, np.array([240_000_000]))
    array([nan, nan, 60.])
    """
    group = owners(np.diff(told.bounds))
    usable = ~told.conflict & ((told.quality & int(UNUSABLE)) == 0)
    places = np.flatnonzero(usable)
    bounds = np.searchsorted(places, told.bounds)
    ts_us, stop_us = told.ts_us[places], told.stop_us[places]
    then = told.ts_us - span_us[group]
    before = bisect_groups(ts_us, bounds[group], bounds[group + 1], then, right=True) - 1
    found = usable & (before >= bounds[group])
    found[found] = stop_us[before[found]] > then[found]
    other = places[before[found]]
    per_hour = np.full(len(then), np.nan)
    per_hour[found] = (told.value[found] - told.value[other]) / ((told.ts_us[found] - told.ts_us[other]) / HOUR_US)
    return per_hour
