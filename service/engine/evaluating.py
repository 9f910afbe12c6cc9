"""Watches evaluated as far as they have to be: wider and wider, until each begins and ends where it is quiet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.conditions import CodeArray
from alerts.evaluate import Evaluation, evaluate
from alerts.steps import STEPS, StepFrame
from domain.alarms import OPEN_US, BoolArray, EpisodeFrame, SampleFrame, Step, Watch
from domain.time import IntArray
from kpi.table import FAR_US
from service.engine.reach import begin_us, cut_us, is_begun, quiet_us, taken_episodes, taken_samples
from service.engine.watching import Watching
from store.episodes import EpisodeTable

__all__ = ["Asked", "LoadEpisodes", "LoadSamples", "Part", "evaluated"]

LoadSamples = Callable[[tuple[Watch, ...], IntArray, IntArray], SampleFrame]
"""All samples of some watches with `from <= at < to`, beside each."""
LoadEpisodes = Callable[[NDArray[np.int32], IntArray], EpisodeTable]
"""The stored episodes of some alarms that were not over before a moment, beside each."""
_FURTHER = 4
"""So much further back and forth an evaluation reaches at each attempt."""
_ATTEMPTS = 3
"""After so many an evaluation reaches to the newest data."""
_TAKEN = (STEPS.index(Step.RAISE), STEPS.index(Step.CLEAR))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Watches whose inputs changed; (n,) each, every watch once."""

    place: IntArray
    """Place among all watches of the park."""
    from_us: IntArray
    """No sample before is different. [us UTC]"""
    to_us: IntArray
    """No sample from here on is different. [us UTC]"""

    def __len__(self) -> int:
        return len(self.place)

    def take(self, rows: IntArray | BoolArray) -> "Asked":
        """Some of the rows."""
        return Asked(place=self.place[rows], from_us=self.from_us[rows], to_us=self.to_us[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some watches, evaluated between two quiet points; what is of a watch has its place in `asked`."""

    asked: Asked
    samples: SampleFrame
    verdict: CodeArray
    """Code of each sample; (n,)."""
    before: EpisodeFrame
    """Episodes that are stored there."""
    after: EpisodeFrame
    """Episodes that are to be stored there instead."""
    steps: StepFrame
    """RAISE and CLEAR there."""
    phase: CodeArray
    pending_us: IntArray
    newest: BoolArray
    """Whether it was evaluated to the newest data; else `phase` says nothing. (w,)"""
    quiet_us: IntArray
    """From where it may be evaluated next time. (w,) [us UTC]"""


def evaluated(
    watching: Watching, asked: Asked, ends: tuple[int, int], *, samples_of: LoadSamples, stored_of: LoadEpisodes
) -> Iterator[Part]:
    """
    Evaluate watches whose inputs changed, in parts that are ready one after another.

    Parameters
    ----------
    watching : Watching
        All watches of the park.
    asked : Asked
    ends : (near, far) [us UTC]
        The newest data lies between: what reaches to the first is evaluated to the second.
    """
    near_us, far_us = ends
    bounds = watching.bounds.take(asked.place)
    quiet = watching.quiet_us[asked.place]
    is_quiet = (quiet >= 0) & (quiet <= asked.from_us)
    back = np.where(is_quiet, asked.from_us - quiet, bounds.margin_us)
    forth = bounds.margin_us.copy()
    rows = np.arange(len(asked))
    attempt = 0
    while len(rows):
        mine, own = asked.take(rows), bounds.take(rows)
        end = mine.to_us + forth[rows]
        end[(end >= near_us) | (attempt >= _ATTEMPTS)] = far_us
        stored = _stored(stored_of, watching, mine, mine.from_us - back[rows] - own.join_us)
        begin = begin_us(own, mine.from_us - back[rows], stored)
        samples = samples_of(watching.some(mine.place), begin, np.maximum(end, begin))
        found = evaluate(watching.some_table(mine.place), samples)
        begun = is_quiet[rows] | is_begun(
            own, begin, mine.from_us, stored=stored, samples=samples, verdict=found.verdict
        )
        cut = cut_us(own, mine.to_us, stored=stored, samples=samples, verdict=found.verdict, episodes=found.episodes)
        cut[end >= far_us] = OPEN_US
        done = begun & (cut >= 0)
        if done.any():
            yield _part(watching, mine, np.flatnonzero(done), begin, cut, stored, samples, found)
        back[rows[~begun]] = np.minimum(back[rows[~begun]] * _FURTHER, FAR_US)
        forth[rows] = np.minimum(forth[rows] * _FURTHER, FAR_US)
        rows, attempt = rows[~done], attempt + 1


def _placed(watching: Watching, table: EpisodeTable, places: IntArray) -> EpisodeFrame:
    """Those of some stored episodes that are of some watches, each with its place in `places`."""
    of_all = watching.places_of(table.alarm_id, table.start_us)
    local = np.full(len(watching) + 1, -1, dtype=np.int32)
    local[places] = np.arange(len(places), dtype=np.int32)
    mine = local[of_all]
    rows = np.flatnonzero(mine >= 0)
    rows = rows[np.lexsort((table.start_us[rows], mine[rows]))]
    return EpisodeFrame(
        watch=mine[rows], **{name: getattr(table, name)[rows] for name in EpisodeFrame.__slots__ if name != "watch"}
    )


def _stored(stored_of: LoadEpisodes, watching: Watching, asked: Asked, from_us: IntArray) -> EpisodeFrame:
    """Stored episodes that were not over before, with the place of their watch in `asked`."""
    alarms, owner = np.unique(watching.alarm_id[asked.place], return_inverse=True)
    since_us = np.full(len(alarms), OPEN_US)
    np.minimum.at(since_us, owner, from_us)
    return _placed(watching, stored_of(alarms, since_us), asked.place)


def _part(  # noqa: PLR0917 - what one attempt made
    watching: Watching,
    asked: Asked,
    rows: IntArray,
    begin: IntArray,
    cut: IntArray,
    stored: EpisodeFrame,
    samples: SampleFrame,
    found: Evaluation,
) -> Part:
    """What of an attempt is ready: up to the quiet points of some watches."""
    place = np.full(len(asked), -1, dtype=np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    inside = (place[samples.watch] >= 0) & (samples.at_us <= cut[samples.watch])
    # The sample at a quiet point belongs to no run, so every episode was raised before it or after it.
    old = (stored.raised_us >= begin[stored.watch]) & (stored.raised_us <= cut[stored.watch])
    new = found.episodes.raised_us <= cut[found.episodes.watch]
    steps = np.isin(found.steps.step, _TAKEN) & (place[found.steps.watch] >= 0)
    steps &= found.steps.at_us <= cut[found.steps.watch]
    mine = taken_samples(samples, inside, place)
    verdict = found.verdict[inside]
    after = taken_episodes(found.episodes, new & (place[found.episodes.watch] >= 0), place)
    some = asked.take(rows)
    known_us = watching.quiet_us[some.place]
    # What was quiet need not be after late data, but from the quiet point on that follows it.
    known_us = np.where((known_us > some.from_us) & (known_us <= cut[rows]), -1, known_us)
    return Part(
        asked=some,
        samples=mine,
        verdict=verdict,
        before=taken_episodes(stored, old & (place[stored.watch] >= 0), place),
        after=after,
        steps=StepFrame(
            watch=place[found.steps.watch[steps]],
            at_us=found.steps.at_us[steps],
            step=found.steps.step[steps],
            episode_us=found.steps.episode_us[steps],
        ),
        phase=found.phase[rows],
        pending_us=found.pending_us[rows],
        newest=cut[rows] == OPEN_US,
        quiet_us=quiet_us(watching.bounds.take(some.place), mine, verdict, after, known_us),
    )
