"""What evaluated watches change: stored episodes and judgements, and how their alarms stand."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from alerts.conditions import Verdict
from alerts.steps import STEPS
from alerts.words import EpisodeSummary
from domain.alarms import OPEN_US, EpisodeFrame, Phase, SampleFrame, Signal, Standing, Status, Step, Watch
from domain.limits import limit_at
from domain.registry import Registry
from domain.time import IntArray, to_datetime
from service.engine.compared import changed_rows, episodes_of
from service.engine.evaluating import Part
from service.engine.following import Steps, written
from service.engine.known import Known, Stamp
from service.engine.reach import taken_episodes
from service.engine.revisions import Course, moves
from service.engine.watching import Watching
from store.alarms import standings, standings_of_park
from store.episodes import EpisodeTable, replace_episodes, stored_episodes
from store.judgements import NO_VERDICT, JudgementTable, RevisedJudgements, write_judgements

__all__ = ["Judging", "Outcome", "drop_strays", "settle_part", "summary_of"]

_WINDOWED = frozenset({Signal.VALUE, Signal.AMOUNT, Signal.KPI, Signal.COMPLIANCE})
"""What is judged by windows; of single readings, ages and findings only episodes are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What the steps of one cycle's alarms share."""

    conn: Connection[Any]
    known: Known
    watching: Watching
    stamp: Stamp
    rules: frozenset[int]
    """Versions of rules that are held against their past for the first time."""

    @property
    def now_us(self) -> int:
        """The clock, or the park's tick where that is further. [us UTC]"""
        return max(self.stamp.computed_at_us, self.known.plan.park.ticked_to_us or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a part of a cycle's alarms changed."""

    transitions: int
    changed: tuple[tuple[int, int, int], ...]
    """Alarms whose episodes changed, and from when to when. [us UTC]"""


def settle_part(work: Judging, part: Part) -> Outcome:
    """Store what a part of the evaluation says, and take its alarms through the steps that follow."""
    gone, come = changed_rows(part.before, part.after)
    _write_episodes(work, part, gone, come)
    revised = _write_judgements(work, part)
    places = _concerned(work, part, gone, come, revised)
    held = standings(work.conn, np.unique(work.watching.alarm_id[part.asked.place[places]]))
    # Several versions of a rule have one alarm: the later one goes on where the earlier one left it.
    steps = (_steps(work, part, place, held, revised) for place in places.tolist())
    count = written(work.conn, work.known.plan.registry, steps, work.stamp.computed_at_us, held)
    return Outcome(transitions=count, changed=tuple(_changed(work.watching, part, gone, come)))


def drop_strays(work: Judging) -> None:
    """Take away what stored episodes of rules that are judged anew lie outside of every version: theirs ended earlier."""
    watching = work.watching
    rules = np.array(sorted(work.rules), dtype=np.int32)
    alarms = np.unique(watching.alarm_id[np.isin(watching.rule_id, rules)])
    table = stored_episodes(work.conn, alarms, np.zeros(len(alarms), dtype=np.int64))
    stray = np.isin(table.rule_id, rules) & (watching.places_of(table.alarm_id, table.start_us) < 0)
    if stray.any():
        none = EpisodeTable(**{one.name: getattr(table, one.name)[:0] for one in fields(EpisodeTable)})
        scope = table.alarm_id[stray], table.start_us[stray], table.start_us[stray] + 1
        replace_episodes(work.conn, none, scope, computed_at_us=work.stamp.computed_at_us)


def _write_episodes(work: Judging, part: Part, gone: IntArray, come: IntArray) -> None:
    """Exactly the rows that are different: others may start between them and belong to nobody here."""
    watching, place = work.watching, part.asked.place
    old, new = taken_episodes(part.before, gone), taken_episodes(part.after, come)
    alarms = np.concatenate([watching.alarm_id[place[old.watch]], watching.alarm_id[place[new.watch]]])
    starts = np.concatenate([old.start_us, new.start_us])
    keys = np.unique(np.stack([alarms.astype(np.int64), starts], axis=1), axis=0)
    table = EpisodeTable(
        alarm_id=watching.alarm_id[place[new.watch]],
        rule_id=watching.rule_id[place[new.watch]],
        **{one.name: getattr(new, one.name) for one in fields(EpisodeFrame) if one.name != "watch"},
    )
    scope = keys[:, 0].astype(np.int32), keys[:, 1], keys[:, 1] + 1
    replace_episodes(work.conn, table, scope, computed_at_us=work.stamp.computed_at_us)


def _write_judgements(work: Judging, part: Part) -> RevisedJudgements:
    """Of the windows where inputs changed."""
    watching, asked, samples = work.watching, part.asked, part.samples
    windowed = np.array([_is_windowed(watching, one) for one in asked.place.tolist()], dtype=np.bool_)
    bounds = watching.bounds.take(asked.place)
    # A window that ends where a version ends is that version's.
    from_us = np.maximum(asked.from_us, bounds.valid_from_us + 1)
    to_us = np.minimum(asked.to_us, np.where(bounds.valid_to_us == OPEN_US, OPEN_US, bounds.valid_to_us + 1))
    windowed &= from_us < to_us
    rows = windowed[samples.watch] & (samples.start_us < samples.at_us)
    rows &= (samples.at_us >= from_us[samples.watch]) & (samples.at_us < to_us[samples.watch])
    table = JudgementTable(
        alarm_id=watching.alarm_id[asked.place[samples.watch[rows]]],
        verdict=part.verdict[rows].astype(np.int8),
        **{
            one.name: getattr(samples, one.name)[rows]
            for one in fields(JudgementTable)
            if one.name not in {"alarm_id", "verdict"}
        },
    )
    scope = watching.alarm_id[asked.place[windowed]], from_us[windowed], to_us[windowed]
    return write_judgements(work.conn, table, scope, computed_at_us=work.stamp.computed_at_us)


def _is_windowed(watching: Watching, place: int) -> bool:
    source = watching.watches[place].source
    return source.signal in _WINDOWED and (source.signal is not Signal.VALUE or source.statistic is not None)


def _newest_rows(samples: SampleFrame, count: int) -> IntArray:
    """Row of the newest sample of each watch; -1 where it has none. (w,)"""
    last = np.searchsorted(samples.watch, np.arange(count), side="right") - 1
    has = (last >= 0) & (samples.watch[np.maximum(last, 0)] == np.arange(count)) if len(samples) else last >= len(last)
    return np.where(has, last, -1)


def _concerned(work: Judging, part: Part, gone: IntArray, come: IntArray, revised: RevisedJudgements) -> IntArray:
    """Places, in the part, of the watches of which something is different, or whose alarm does not stand as they say."""
    asked = part.asked
    alarms = work.watching.alarm_id[asked.place]
    concerned = np.isin(alarms, revised.alarm_id)
    concerned[part.before.watch[gone]] = True
    concerned[part.after.watch[come]] = True
    newest = _newest_rows(part.samples, len(asked))
    suppressed = np.zeros(len(asked), dtype=np.bool_)
    suppressed[newest >= 0] = part.samples.status[newest[newest >= 0]] == Status.SUPPRESSED
    # All others are normal, and nothing inhibits them.
    alive = list(standings_of_park(work.conn, work.known.plan.park.id, quiet=False))
    follows = part.newest & work.watching.followed(work.now_us)[asked.place]
    concerned |= follows & ((part.phase != Phase.CLEAR) | suppressed | np.isin(alarms, alive))
    return np.flatnonzero(concerned)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What is said of revised judgements of one watch."""

    sentences: tuple[str, ...]
    is_beyond: bool

    @classmethod
    def of(cls, watching: Watching, part: Part, place: int, revised: RevisedJudgements) -> "_Said":
        watch = watching.watches[int(part.asked.place[place])]
        bounds = watching.bounds
        since_us, until_us = (column[part.asked.place[place]] for column in (bounds.valid_from_us, bounds.valid_to_us))
        rows = np.flatnonzero(
            (revised.alarm_id == watch.alarm_id) & (revised.at_us > since_us) & (revised.at_us <= until_us)
        )
        turned = revised.before[rows] != revised.after[rows]
        # Those that say something else now come first.
        rows = np.concatenate([rows[turned], rows[~turned]])
        value = dict(zip(*_values(part, place), strict=True))
        either = np.concatenate([revised.before[rows], revised.after[rows]])
        return cls(
            sentences=tuple(_sentence(revised, row, value, watch.unit) for row in rows.tolist()),
            is_beyond=bool(turned.any()) and bool((either == Verdict.BEYOND).any()),
        )


def _values(part: Part, place: int) -> tuple[Iterable[int], Iterable[float]]:
    mine = part.samples.watch == place
    return part.samples.at_us[mine].tolist(), part.samples.greatest[mine].tolist()


def _sentence(revised: RevisedJudgements, row: int, value: dict[int, float], unit: str) -> str:
    at_us = int(revised.at_us[row])
    before, after = int(revised.before[row]), int(revised.after[row])
    when = f"the window that ended {to_datetime(at_us).isoformat(timespec='minutes')}"
    if after == NO_VERDICT:
        return f"{when} is judged no more; it was {Verdict(before).key}."
    figure = value.get(at_us, np.nan)
    now = "" if np.isnan(figure) else f", at {figure:g} {unit}".rstrip()
    if before == after:
        return f"{when} is {Verdict(after).key} as before, but with other values{now}."
    return f"{when} is {Verdict(after).key}{now}; it was {Verdict(before).key}."


def _steps(work: Judging, part: Part, place: int, held: dict[int, Standing], revised: RevisedJudgements) -> Steps:
    """How one alarm goes on."""
    whole = int(part.asked.place[place])
    watch = work.watching.watches[whole]
    mine = np.flatnonzero(part.samples.watch == place)
    said = _Said.of(work.watching, part, place, revised)
    course = Course(
        before=episodes_of(part.before, place),
        after=episodes_of(part.after, place),
        raised_us=_times(part, place, Step.RAISE),
        cleared_us=_times(part, place, Step.CLEAR),
        is_now=bool(part.newest[place] and work.watching.followed(work.now_us)[whole]),
        is_ended=bool(work.watching.ended(work.now_us)[whole]),
        is_first=watch.rule_id in work.rules,
        phase=Phase(int(part.phase[place])),
        pending_us=int(part.pending_us[place]),
        newest_us=int(part.samples.at_us[mine[-1]]) if len(mine) else work.now_us,
        is_suppressed=bool(part.samples.status[mine[-1]] == Status.SUPPRESSED) if len(mine) else None,
        final_us=work.stamp.ticked_to_us or 0,
        judgements=said.sentences,
        is_verdict_revised=said.is_beyond,
    )
    standing = held[watch.alarm_id]
    return Steps(
        watch=watch,
        standing=standing,
        moves=moves(standing, course, unit=watch.unit, zone=work.known.plan.park.zone),
        episodes={one.start_us: one for one in _summaries(work.known.plan.registry, watch, part.after, place)},
    )


def _times(part: Part, place: int, step: Step) -> tuple[int, ...]:
    """When the condition of a watch took a step, in order. [us UTC]"""
    mine = (part.steps.watch == place) & (part.steps.step == STEPS.index(step))
    return tuple(part.steps.at_us[mine].tolist())


def _summaries(registry: Registry, watch: Watch, frame: EpisodeFrame, place: int) -> Iterable[EpisodeSummary]:
    for row in np.flatnonzero(frame.watch == place).tolist():
        yield summary_of(registry, watch, frame, row)


def summary_of(registry: Registry, watch: Watch, frame: EpisodeFrame | EpisodeTable, row: int) -> EpisodeSummary:
    """What a message says of an episode of a watch."""
    limit = limit_at(registry, watch.source, int(frame.peak_at_us[row]))
    return EpisodeSummary(
        legal_basis="" if limit is None else limit.legal_basis,
        start_us=int(frame.start_us[row]),
        stop_us=int(frame.stop_us[row]),
        peak=float(frame.peak[row]),
        peak_at_us=int(frame.peak_at_us[row]),
        bound=float(frame.bound[row]),
        mean=float(frame.mean[row]),
        beyond_s=float(frame.beyond_s[row]),
        excess_kg=float(frame.excess_kg[row]),
    )


def _changed(watching: Watching, part: Part, gone: IntArray, come: IntArray) -> Iterable[tuple[int, int, int]]:
    for frame, rows in ((part.before, gone), (part.after, come)):
        alarms: NDArray[np.int32] = watching.alarm_id[part.asked.place[frame.watch[rows]]]
        yield from zip(alarms.tolist(), frame.start_us[rows].tolist(), frame.cleared_us[rows].tolist(), strict=True)
