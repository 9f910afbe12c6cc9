"""Samples of measurements of this system itself, as the engine's loop stores them."""

import numpy as np

from domain.alarms import SampleFrame, Signal, Status
from domain.time import SECOND_US
from kpi.ragged import owners, runs_of
from service.engine.signals.asked import Asked, made_samples, no_samples
from store.health import health_between

__all__ = ["health_samples"]

_EVERY_US = 60 * SECOND_US
"""How often this system measures itself. [us]"""
_APART_US = 3 * _EVERY_US
"""Measurements further apart say nothing of the time between them. [us]"""


def health_samples(asked: Asked) -> SampleFrame:
    """A sample for each measurement; it knows the time since the one before, where that is not long ago."""
    places = asked.places(Signal.HEALTH)
    if not places:
        return no_samples()
    sources = [str(asked.watches[place].source.health) for place in places]
    names = sorted(set(sources))
    first, last = int(asked.from_us[places].min()), int(asked.to_us[places].max())
    found = health_between(asked.conn, asked.known.plan.park.id, names, first - _APART_US, last)
    name, at, value = found.name, found.at_us, found.value
    since = np.diff(at, prepend=at[:1])
    known = np.append(False, name[1:] == name[:-1])[: len(name)] & (since <= _APART_US)
    mine = np.array([names.index(one) for one in sources], dtype=np.int64)
    low = np.searchsorted(name, mine, side="left")
    counts = np.searchsorted(name, mine, side="right") - low
    group, row = owners(counts), runs_of(low, counts)
    begin = np.maximum(asked.from_us[places], asked.valid_from(places))[group]
    wanted = (at[row] >= begin) & (at[row] < np.minimum(asked.to_us[places], asked.valid_to(places))[group])
    group, row = group[wanted], row[wanted]
    return made_samples(
        asked,
        np.array(places, dtype=np.int64)[group],
        at[row],
        at[row] + _EVERY_US,
        at[row],
        (value[row], value[row]),
        status=np.full(len(row), int(Status.VALID), dtype=np.int8),
        known_s=np.where(known, since / SECOND_US, 0.0)[row],
    )
