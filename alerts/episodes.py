"""Exceedances as episodes: from the first sample beyond to the last, with what they were like."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.conditions import BoolArray, Verdict
from alerts.course import Course
from alerts.steps import Turns
from domain.alarms import OPEN_US, EpisodeFrame, SampleFrame, Status
from domain.frames import FloatArray
from domain.time import SECOND_US, IntArray

__all__ = ["episodes_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Rows of the samples of each episode; (e,) each."""

    first: IntArray
    """The first that was BEYOND."""
    stop: IntArray
    """The last that was BEYOND."""
    raised: IntArray
    """The one that raised it."""
    end: IntArray
    """The one that cleared it; where it is open, the last of its watch."""
    is_open: BoolArray


def episodes_of(samples: SampleFrame, went: Course, turns: Turns) -> EpisodeFrame:
    """
    Episodes of all watches.

    Values, times and counts are those of the samples from the first to the last that was BEYOND. A sample of RANGE enters
    the mean with the middle of its least and greatest value.

    Parameters
    ----------
    samples : SampleFrame (n,)
        From a quiet start on: what they begin in the middle of, they begin anew.
    went : Course (n,)
    turns : Turns (t,)

    Returns
    -------
    EpisodeFrame (e,)
    """
    span = _spans(went, turns)
    known = went.verdict != Verdict.UNKNOWN
    unmeasured = ~known & ((samples.status == Status.MISSING) | (samples.status == Status.VALID))
    excess = known & ~np.isnan(samples.excess_kg)
    excess_kg = _sums(np.where(excess, samples.excess_kg, 0.0), span)
    peak, peak_at_us, bound, beyond_s = _beyond(samples, went, span)
    return EpisodeFrame(
        watch=samples.watch[span.first],
        start_us=samples.start_us[span.first],
        stop_us=went.held_us[span.stop],
        raised_us=samples.at_us[span.raised],
        cleared_us=np.where(span.is_open, OPEN_US, samples.at_us[span.end]),
        last_us=samples.at_us[span.end],
        peak=peak,
        peak_at_us=peak_at_us,
        bound=bound,
        mean=_means(samples, known, span),
        beyond_s=beyond_s,
        excess_kg=np.where(_counts(excess, span.first, span.stop) > 0, excess_kg, np.nan),
        valid=_counts(known, span.first, span.stop),
        missing=_counts(unmeasured, span.first, span.stop),
        excluded=_counts(~known & ~unmeasured, span.first, span.stop),
        final=~span.is_open & (_counts(~samples.final, span.first, span.end) == 0),
    )


def _spans(went: Course, turns: Turns) -> _Span:
    raised = np.flatnonzero(turns.raised)
    begins = turns.begins[raised]
    head = raised[begins]
    # The last turn of an episode is the one before the next that begins one; of the last episode, the last of all.
    tail = np.append(head[1:], len(turns.row))[: len(head)] - 1
    is_open = turns.raised[tail]
    last = np.flatnonzero(went.last)
    end = np.where(is_open, last[np.searchsorted(last, turns.row[tail])], turns.row[tail])
    return _Span(
        first=went.run[turns.row[head]], stop=went.beyond[end], raised=turns.row[head], end=end, is_open=is_open
    )


def _sums(values: FloatArray, span: _Span) -> FloatArray:
    """Of the samples from the first to the last BEYOND; each sum depends on its own samples alone, to the last bit."""
    edges = np.stack([span.first, span.stop + 1], axis=1).ravel()
    sums: FloatArray = np.add.reduceat(np.append(values, 0.0), edges)[::2]
    return sums


def _counts(chosen: BoolArray, first: IntArray, last: IntArray) -> NDArray[np.int32]:
    """How many of the rows from `first` to `last`, both included, are chosen."""
    before = np.zeros(len(chosen) + 1, dtype=np.int32)
    np.cumsum(chosen, out=before[1:])
    return before[last + 1] - before[first]


def _means(samples: SampleFrame, known: BoolArray, span: _Span) -> FloatArray:
    value = np.where(known, (samples.least + samples.greatest) / 2, 0.0)
    weight = np.where(known, samples.known_s, 0.0)
    weights = _sums(weight, span)
    plain = _sums(value, span) / _counts(known, span.first, span.stop)
    return np.where(weights > 0, _sums(value * weight, span) / np.where(weights > 0, weights, 1.0), plain)


def _beyond(samples: SampleFrame, went: Course, span: _Span) -> tuple[FloatArray, IntArray, FloatArray, FloatArray]:
    """Of the samples that were BEYOND: the value furthest out, when, of which bound; and the time they stand for."""
    row = np.flatnonzero(went.verdict == Verdict.BEYOND)
    episode = np.searchsorted(span.first, row, side="right") - 1
    inside = episode >= 0
    inside[inside] = row[inside] <= span.stop[episode[inside]]
    row, episode = row[inside], episode[inside]
    highest, lowest = samples.highest[row], samples.lowest[row]
    greatest, least = samples.greatest[row], samples.least[row]
    above = np.subtract(greatest, highest, out=np.full(len(row), -np.inf), where=greatest > highest)
    below = np.subtract(lowest, least, out=np.full(len(row), -np.inf), where=least < lowest)
    furthest = _first_greatest(episode, np.maximum(above, below))
    upper = (above >= below)[furthest]
    return (
        np.where(upper, greatest[furthest], least[furthest]),
        samples.at_us[row][furthest],
        np.where(upper, highest[furthest], lowest[furthest]),
        _union_s(episode, samples.start_us[row], went.held_us[row], len(span.first)),
    )


def _first_of(group: IntArray) -> IntArray:
    """Place of the first of each group; groups lie together, and each has one at least."""
    return np.flatnonzero(np.append(True, group[1:] != group[:-1])) if len(group) else group


def _first_greatest(group: IntArray, values: FloatArray) -> IntArray:
    """Place of the greatest of each group, the first of those that are."""
    greatest = np.maximum.reduceat(np.append(values, -np.inf), _first_of(group))
    places = np.flatnonzero(values == greatest[group])
    return places[_first_of(group[places])]


def _union_s(group: IntArray, start_us: IntArray, stop_us: IntArray, count: int) -> FloatArray:
    """Length of the union of the intervals of each group. [s]"""
    order = np.lexsort((stop_us, start_us, group))
    group, start_us, stop_us = group[order], start_us[order], stop_us[order]
    by_stop = np.lexsort((stop_us, group))
    rank = np.empty_like(by_stop)
    rank[by_stop] = np.arange(len(by_stop))
    # A rank is higher than all of the groups before, so what was reached begins anew with each group.
    reached_us = stop_us[by_stop][np.maximum.accumulate(rank)]
    before_us = np.empty_like(reached_us)
    before_us[1:] = reached_us[:-1]
    first = _first_of(group)
    before_us[first] = start_us[first]
    added_us = np.maximum(stop_us - np.maximum(start_us, before_us), 0)
    return np.bincount(group, weights=added_us, minlength=count) / SECOND_US
