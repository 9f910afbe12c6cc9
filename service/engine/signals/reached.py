"""Which watches what came reaches, and from when on: the other way round from samples to their inputs."""

from collections.abc import Mapping

import numpy as np

from domain.registry import Park
from domain.time import IntArray, Level, level_edges
from kpi.ragged import owners, runs_of
from kpi.ranges import Ranges
from kpi.scene import ticked_edge
from kpi.table import FAR_US
from service.engine.inputs import Inputs

__all__ = ["wanted"]

Reached = tuple[IntArray, IntArray, IntArray]


def wanted(
    park: Park, inputs: Inputs, touched: Ranges, changed_days: IntArray, ticked: tuple[int, int] | None
) -> Reached:
    """
    The watches whose samples may have changed, and where.

    Parameters
    ----------
    park : Park
        After the tick.
    inputs : Inputs
        Of the watches.
    touched : Ranges
        Where amounts were computed again: of a register, that is more than where readings came (see
        :class:`service.engine.amounts.Days`).
    changed_days : int64 (n,) [us UTC]
        Starts of the local days whose KPIs were made again.
    ticked : (from, to) or None
        What became final in this cycle; with the first tick of a park, from before all readings on. [us UTC]

    Returns
    -------
    places : int64 (n,)
        Of the watches, rising, each once.
    from_us, to_us : int64 (n,) [us UTC]
        Only samples with `from <= at < to` may have changed, come or gone.
    """
    begin, end = np.full(len(inputs), FAR_US), np.full(len(inputs), -FAR_US)
    parts = (
        _by_days(inputs, changed_days, _changed_from_us(touched, changed_days, ticked)),
        _by_tick(park, inputs, ticked),
        _by_channels(inputs, touched),
    )
    for place, from_us, to_us in parts:
        np.minimum.at(begin, place, from_us)
        np.maximum.at(end, place, to_us)
    begin = _next_samples_us(park, inputs.step, begin)
    _suppressed(inputs.following, begin, end)
    begin = np.maximum(begin, inputs.valid_from_us)
    end = np.minimum(end, inputs.valid_to_us + 1)
    # Readings that are newer than the tick say nothing yet of what is only looked at in ticked time.
    end[inputs.by_ticks] = np.minimum(end[inputs.by_ticks], ticked_edge(park) + 1)
    places = np.flatnonzero(begin < end)
    return places, begin[places], end[places]


def _by_channels(inputs: Inputs, touched: Ranges) -> Reached:
    low, high = (np.searchsorted(inputs.channel_id, touched.channel_id, side=side) for side in ("left", "right"))
    counts = (high - low).astype(np.int64)
    span, row = owners(counts), runs_of(low.astype(np.int64), counts)
    begin = touched.from_us[span] - inputs.before_us[row]
    end = np.minimum(touched.to_us[span], FAR_US) + inputs.after_us[row] + 1
    return inputs.place[row], begin, end


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


def _by_days(inputs: Inputs, changed_days: IntArray, first: int) -> Reached:
    places = inputs.of_days if len(changed_days) else inputs.of_days[:0]
    last = int(changed_days.max(initial=0))
    return places, np.full(len(places), first), last + inputs.after_days_us[: len(places)]


def _next_samples_us(park: Park, steps: IntArray, from_us: IntArray) -> IntArray:
    """Of KPIs the end of the interval, or of the part by which it grows, that holds a moment: samples before are the same."""
    found = from_us.copy()
    for step in np.unique(steps[steps >= 0]).tolist():
        mine = np.flatnonzero((steps == step) & (from_us > -FAR_US) & (from_us < FAR_US))
        moments, inverse = np.unique(from_us[mine], return_inverse=True)
        ends = [level_edges(park.zone, park.base_s, Level(step), one, one + 1)[-1] for one in moments.tolist()]
        found[mine] = np.array(ends, dtype=np.int64)[inverse]
    return found


def _by_tick(park: Park, inputs: Inputs, ticked: tuple[int, int] | None) -> Reached:
    """What a tick makes final; and of measurements of this system whatever came since the last."""
    if ticked is not None:
        every = np.arange(len(inputs))
        return every, np.full(len(every), ticked[0] + 1), np.full(len(every), ticked[1] + 1)
    places = inputs.of_health
    return places, np.full(len(places), ticked_edge(park)), np.full(len(places), FAR_US)


def _suppressed(following: Mapping[int, tuple[int, ...]], begin: IntArray, end: IntArray) -> None:
    """A watch that others suppress is reached from where these are on; so are those that it suppresses itself."""
    for _ in range(len(following)):
        earlier = {place: min(int(begin[other]) for other in others) for place, others in following.items()}
        moved = [place for place, from_us in earlier.items() if from_us < begin[place]]
        if not moved:
            return
        for place in moved:
            begin[place], end[place] = earlier[place], FAR_US
