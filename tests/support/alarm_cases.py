"""Samples of alarms for tests: built by hand, laid into columns, or drawn by hypothesis."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from alerts.conditions import Verdict, WatchTable
from alerts.evaluate import Evaluation
from alerts.steps import STEPS, StepFrame
from domain.alarms import EpisodeFrame, Phase, SampleFrame, Status
from tests.support.alarm_reference import Episode, Limits, Sample, Told

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MORNING = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z. [us UTC]"""

INF = float("inf")


def reading(minute: float, value: float, **facts: Any) -> Sample:
    """A reading of a gauge that is read every 2 minutes, with an upper limit of 100 and the reading before in place."""
    at_us = MORNING + round(minute * MINUTE)
    return Sample(
        **{
            "start_us": at_us,
            "stop_us": at_us + 2 * MINUTE,
            "at_us": at_us,
            "least": value,
            "greatest": value,
            "lowest": -INF,
            "highest": 100.0,
            "known_s": 120.0,
        }
        | facts
    )


def window(hour: float, value: float, *, hours: float = 1.0, **facts: Any) -> Sample:
    """A window that ends at an hour of the morning, measured from end to end, with an upper limit of 100."""
    at_us = MORNING + round(hour * HOUR)
    return reading(
        hour * 60, value, **{"start_us": at_us - round(hours * HOUR), "stop_us": at_us, "known_s": hours * 3600} | facts
    )


def readings(*values: float) -> list[Sample]:
    """Readings 2 minutes apart; NaN was not measured."""
    return [
        reading(2 * place, value, status=Status.MISSING if np.isnan(value) else Status.VALID)
        for place, value in enumerate(values)
    ]


def windows(*values: float) -> list[Sample]:
    """Hours one after another; NaN was not measured."""
    return [
        window(place + 1, value, status=Status.MISSING if np.isnan(value) else Status.VALID)
        for place, value in enumerate(values)
    ]


def frame_of(*series: Sequence[Sample]) -> SampleFrame:
    """Samples of watches, one list for each."""
    rows = [(place, one) for place, samples in enumerate(series) for one in samples]
    kinds: dict[str, Any] = {
        "start_us": np.int64,
        "stop_us": np.int64,
        "at_us": np.int64,
        "status": np.int8,
        "final": np.bool_,
    }
    names = ("start_us", "stop_us", "at_us", "least", "greatest", "lowest", "highest", "status", "known_s", "excess_kg")
    return SampleFrame(
        watch=np.array([place for place, _ in rows], dtype=np.int32),
        **{
            name: np.array([getattr(one, name) for _, one in rows], dtype=kinds.get(name, np.float64))
            for name in (*names, "final")
        },
    )


def table_of(*limits: Limits) -> WatchTable:
    return WatchTable(
        deadband=np.array([one.deadband for one in limits], dtype=np.float64),
        on_delay_s=np.array([one.on_delay_s for one in limits], dtype=np.int64),
        off_delay_s=np.array([one.off_delay_s for one in limits], dtype=np.int64),
        merge_gap_s=np.array([one.merge_gap_s for one in limits], dtype=np.int64),
    )


def taken(samples: SampleFrame, rows: Any) -> SampleFrame:
    """Some of the samples."""
    return replace(samples, **{name: getattr(samples, name)[rows] for name in SampleFrame.__dataclass_fields__})


def steps_by_watch(steps: StepFrame, watch: int) -> list[tuple[int, Any, int]]:
    """As the reference writes them."""
    return [
        (int(at_us), STEPS[code], int(episode_us))
        for place, at_us, code, episode_us in zip(steps.watch, steps.at_us, steps.step, steps.episode_us, strict=True)
        if place == watch
    ]


def episodes_by_watch(episodes: EpisodeFrame, watch: int) -> list[Episode]:
    """As the reference writes them."""
    names = tuple(Episode.__dataclass_fields__)
    return [
        Episode(**{name: getattr(episodes, name)[row].item() for name in names})
        for row in np.flatnonzero(episodes.watch == watch)
    ]


def told_by_watch(evaluation: Evaluation, samples: SampleFrame, watch: int) -> Told:
    """All that an evaluation says of one watch, as the reference writes it."""
    return Told(
        verdicts=[Verdict(code).key for code in evaluation.verdict[samples.watch == watch]],
        steps=steps_by_watch(evaluation.steps, watch),
        episodes=episodes_by_watch(evaluation.episodes, watch),
        phase=Phase(evaluation.phase[watch]),
        pending_us=int(evaluation.pending_us[watch]),
    )


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    return Limits(
        deadband=draw(st.sampled_from([0.0, 0.5, 1.5])),
        on_delay_s=draw(st.sampled_from([0, 0, 120, 300, 3600, 7200])),
        off_delay_s=draw(st.sampled_from([0, 0, 120, 300, 3600, 7200])),
        merge_gap_s=draw(st.sampled_from([0, 240, 3600, 10800])),
    )


def _shape(kind: str, place: int, at_us: int) -> tuple[int, int, int]:
    """(start, stop, at) of a sample of a kind."""
    if kind == "reading":
        return at_us, at_us + 2 * MINUTE, at_us
    if kind == "clock":
        return MORNING + place * HOUR, MORNING + (place + 1) * HOUR, MORNING + (place + 1) * HOUR
    if kind == "rolling":
        return at_us - HOUR, at_us, at_us
    day_us = at_us - (at_us - MORNING - 1) % (6 * HOUR) - 1
    return day_us, at_us, at_us


@st.composite
def series(draw: st.DrawFn, most: int = 40) -> list[Sample]:
    """Samples of one watch: values on, around and beyond bounds, gaps, and all kinds of what does not count."""
    kind = draw(st.sampled_from(["reading", "clock", "rolling", "running"]))
    count = draw(st.integers(0, most))
    # One draw for all values: a draw for each of them is fifty times as slow, and finds less in the same time.
    chance = Random(draw(st.integers(0, 2**32)))
    lowest, highest = chance.choice([(-INF, 9.0), (6.0, 9.0), (6.0, INF), (8.0, 9.0)])
    stricter_from = chance.randint(0, most)
    counting = chance.choice([[Status.VALID], [Status.VALID] * 8 + [Status.MISSING, Status.CALIBRATION, Status.IDLE]])
    at_us = MORNING
    samples = []
    for place in range(count):
        at_us += chance.choice([2, 2, 2, 30, 240]) * MINUTE
        start_us, stop_us, at = _shape(kind, place, at_us)
        value = chance.choice([5.0, 6.0, 6.5, 7.5, 7.5, 8.5, 9.0, 9.5, 10.0, 11.25])
        samples.append(
            Sample(
                start_us=start_us,
                stop_us=stop_us,
                at_us=at,
                least=chance.choice([value] * 19 + [float("nan")]),
                greatest=value + chance.choice([0.0, 0.0, 0.0, 1.0]),
                lowest=lowest,
                highest=highest - (0.5 if place >= stricter_from else 0.0),
                status=chance.choice(counting),
                known_s=chance.choice([0.0, 119.9, 120.0, 0.1, 1800.0, 2520.0000000000005, 3600.0]),
                excess_kg=chance.choice([float("nan"), 0.0, 0.25, 3.5]),
                final=chance.random() < 0.9,
            )
        )
    return samples


@st.composite
def parks(draw: st.DrawFn) -> list[tuple[Limits, list[Sample]]]:
    """Watches with their samples; some have none."""
    return draw(st.lists(st.tuples(limits(), series()), min_size=1, max_size=4))
