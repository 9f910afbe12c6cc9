"""Alarm conditions in plain scalar Python, one watch and one sample after another: what the columns of alerts are held against."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from domain.alarms import OPEN_US, Phase, Status, Step

__all__ = ["Episode", "Limits", "Sample", "Told", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What of a watch decides. [s], deadband in the watch's unit"""

    deadband: float = 0.0
    on_delay_s: int = 0
    off_delay_s: int = 0
    merge_gap_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample of one watch; fields as in SampleFrame."""

    start_us: int
    stop_us: int
    at_us: int
    least: float
    greatest: float
    lowest: float
    highest: float
    status: Status = Status.VALID
    known_s: float = 0.0
    excess_kg: float = float("nan")
    final: bool = True

    @property
    def counts(self) -> bool:
        return self.status is Status.VALID and self.least == self.least and self.greatest == self.greatest

    def verdict(self, deadband: float) -> str:
        if not self.counts:
            return "unknown"
        if self.least < self.lowest or self.greatest > self.highest:
            return "beyond"
        if self.least >= self.lowest + deadband and self.greatest <= self.highest - deadband:
            return "clear"
        return "between"


@dataclass(slots=True, kw_only=True)
class Episode:
    """Fields as in EpisodeFrame."""

    start_us: int
    stop_us: int
    raised_us: int
    cleared_us: int
    last_us: int
    peak: float = float("nan")
    peak_at_us: int = 0
    bound: float = float("nan")
    mean: float = float("nan")
    beyond_s: float = 0.0
    excess_kg: float = float("nan")
    valid: int = 0
    missing: int = 0
    excluded: int = 0
    final: bool = False


@dataclass(slots=True, kw_only=True)
class Told:
    """All that can be said about the samples of one watch."""

    verdicts: list[str] = field(default_factory=list)
    steps: list[tuple[int, Step, int]] = field(default_factory=list)
    """(at_us, step, episode_us)."""
    episodes: list[Episode] = field(default_factory=list)
    phase: Phase = Phase.CLEAR
    pending_us: int = 0


@dataclass(slots=True)
class _Stretch:
    """Active time, by the places of samples."""

    first: int
    raised: int
    last_beyond: int
    cleared: int | None


def judge(limits: Limits, samples: Sequence[Sample]) -> Told:
    """What the samples of one watch say, sorted by time, from a quiet start on."""
    told = Told(verdicts=[one.verdict(limits.deadband) for one in samples])
    stretches = _walk(limits, samples, told)
    for members in _joined(limits, samples, stretches):
        told.episodes.append(_episode(samples, told.verdicts, members))
        for stretch in members:
            start_us = samples[members[0].first].start_us
            told.steps.append((samples[stretch.raised].at_us, Step.RAISE, start_us))
            if stretch.cleared is not None:
                told.steps.append((samples[stretch.cleared].at_us, Step.CLEAR, start_us))
    told.steps.sort()
    return told


def _levels(verdicts: Sequence[str]) -> list[int]:
    level, levels = 0, []
    for verdict in verdicts:
        if verdict == "beyond":
            level = 1
        elif verdict == "clear":
            level = 0
        levels.append(level)
    return levels


def _walk(limits: Limits, samples: Sequence[Sample], told: Told) -> list[_Stretch]:
    """Active times; the steps before them, and where it ends, go into `told`."""
    stretches: list[_Stretch] = []
    active, pending = False, None
    for level, members in groupby(enumerate(_levels(told.verdicts)), key=lambda pair: pair[1]):
        places = [place for place, _ in members]
        first = samples[places[0]]
        elapsed_us = 0
        if level == 0 and pending is not None:
            told.steps.append((first.at_us, Step.DROP, samples[pending].start_us))
            pending = None
        for place in places:
            one = samples[place]
            if one.counts and (place != places[0] or one.start_us < one.at_us):
                elapsed_us += round(one.known_s * 1_000_000)
            if active and told.verdicts[place] == "beyond":
                stretches[-1].last_beyond = place
            if level == 1 and not active and elapsed_us >= limits.on_delay_s * 1_000_000:
                active, pending = True, None
                beyond = [each for each in places if each <= place and told.verdicts[each] == "beyond"]
                stretches.append(_Stretch(places[0], place, beyond[-1], None))
            elif level == 0 and active and elapsed_us >= limits.off_delay_s * 1_000_000:
                active = False
                stretches[-1].cleared = place
            elif level == 1 and not active and place == places[0]:
                told.steps.append((one.at_us, Step.BEGIN, one.start_us))
                pending = place
        told.phase = {(1, True): Phase.BEYOND, (1, False): Phase.PENDING, (0, True): Phase.CLEARING}.get(
            (level, active), Phase.CLEAR
        )
    told.pending_us = 0 if pending is None else samples[pending].start_us
    return stretches


def _held(samples: Sequence[Sample], place: int) -> int:
    """End of what a sample stands for; the next sample ends it."""
    own = samples[place].stop_us
    return own if place + 1 == len(samples) else min(own, samples[place + 1].at_us)


def _joined(limits: Limits, samples: Sequence[Sample], stretches: Sequence[_Stretch]) -> list[list[_Stretch]]:
    groups: list[list[_Stretch]] = []
    for stretch in stretches:
        if groups:
            gap_us = samples[stretch.first].start_us - _held(samples, groups[-1][-1].last_beyond)
            if gap_us <= limits.merge_gap_s * 1_000_000:
                groups[-1].append(stretch)
                continue
        groups.append([stretch])
    return groups


def _episode(samples: Sequence[Sample], verdicts: Sequence[str], members: Sequence[_Stretch]) -> Episode:
    first, last, cleared = members[0].first, members[-1].last_beyond, members[-1].cleared
    end = len(samples) - 1 if cleared is None else cleared
    episode = Episode(
        start_us=samples[first].start_us,
        stop_us=_held(samples, last),
        raised_us=samples[members[0].raised].at_us,
        cleared_us=OPEN_US if cleared is None else samples[cleared].at_us,
        last_us=samples[end].at_us,
        final=cleared is not None and all(one.final for one in samples[first : end + 1]),
    )
    _describe(episode, samples[first : last + 1])
    beyond = [place for place in range(first, last + 1) if verdicts[place] == "beyond"]
    furthest = 0.0
    for place in beyond:
        one = samples[place]
        for out, value, bound in (
            (one.greatest - one.highest, one.greatest, one.highest),
            (one.lowest - one.least, one.least, one.lowest),
        ):
            if out > furthest:
                furthest, episode.peak, episode.peak_at_us, episode.bound = out, value, one.at_us, bound
    episode.beyond_s = _covered([(samples[place].start_us, _held(samples, place)) for place in beyond]) / 1_000_000
    return episode


def _describe(episode: Episode, samples: Sequence[Sample]) -> None:
    """Counts, mean and excess of the samples from start to stop."""
    weight = total = plain = 0.0
    for one in samples:
        if not one.counts:
            if one.status in {Status.MISSING, Status.VALID}:
                episode.missing += 1
            else:
                episode.excluded += 1
            continue
        episode.valid += 1
        value = (one.least + one.greatest) / 2
        weight += one.known_s
        total += one.known_s * value
        plain += value
        if one.excess_kg == one.excess_kg:
            episode.excess_kg = one.excess_kg + (0.0 if episode.excess_kg != episode.excess_kg else episode.excess_kg)
    episode.mean = total / weight if weight > 0 else plain / episode.valid


def _covered(intervals: list[tuple[int, int]]) -> int:
    """Length of a union."""
    length, reached = 0, None
    for start, stop in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        length += max(stop - begin, 0)
        reached = stop if reached is None else max(stop, reached)
    return length
