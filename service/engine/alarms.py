"""The alarms of a cycle: what watches say of what changed, and what becomes of the alarms, all in the cycle's transaction.

Judgements and episodes are made equal to what an evaluation of everything would be: only where inputs changed, and as far
around as it can matter (:mod:`service.engine.reach`). How an alarm stands, its journal and the outbox follow from what is
different from before (:mod:`service.engine.revisions`). An alarm that suppresses others is judged before them.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import structlog
from psycopg import Connection

from domain.alarms import OPEN_US
from domain.errors import DataError, InputError
from domain.time import DAY_US, IntArray
from kpi.ranges import Ranges
from kpi.table import FAR_US
from service.engine.evaluating import Asked, evaluated
from service.engine.known import Known, Stamp
from service.engine.outcomes import Judging, Outcome, drop_strays, settle_part
from service.engine.signals import samples_of, wanted
from service.engine.watching import Watching
from store.alarmrules import mark_judged, unjudged_rules
from store.episodes import stored_episodes
from store.spans import faults, set_fault

__all__ = ["judge_alarms", "rules_to_judge"]

_FAULTS = (ArithmeticError, LookupError, TypeError, ValueError, DataError, InputError)
_SAMPLES_AT_ONCE = 2_000_000
_log = structlog.get_logger("kawasan.engine")


def rules_to_judge(conn: Connection[Any], park_id: int) -> tuple[int, ...]:
    """Versions of rules whose time was not judged yet: a cycle has work even where nothing was queued."""
    return unjudged_rules(conn, park_id)


def judge_alarms(  # noqa: PLR0917 - what changed, when it was computed
    conn: Connection[Any],
    known: Known,
    touched: Ranges,
    changed_days: IntArray,
    ticked: tuple[int, int] | None,
    stamp: Stamp,
    *,
    rules: tuple[int, ...] = (),
) -> int:
    """
    Judge what a cycle's inputs reach, after its amounts, findings and KPIs are stored.

    A watch whose evaluation fails alone is set aside as a fault of the engine.

    Parameters
    ----------
    known : Known
        After the tick.
    touched : Ranges
        First and last touched instant of each span, both included.
    changed_days : int64 (n,) [us UTC]
        Starts of the local days whose KPIs were made anew.
    ticked : (from, to) or None
        What the tick of this cycle made final. [us UTC]
    rules : tuple of int
        Versions of rules to hold against all of their time, see :func:`rules_to_judge`.

    Returns
    -------
    int
        Transitions written.
    """
    try:
        with conn.transaction():
            watching = known.watching(conn)
            work = Judging(conn=conn, known=known, watching=watching, stamp=stamp, rules=frozenset(rules))
            count = _judge_all(work, touched, changed_days, ticked) if len(watching) else 0
    except _FAULTS as error:
        # Nothing of it follows from one watch; the numbers of this cycle are right all the same.
        known.forget_watching()
        _report(conn, known, "the alarms of a cycle", error)
        count = 0
    park = known.plan.park
    mark_judged(conn, park.id, rules, registry_version=park.version, now_us=stamp.computed_at_us)
    return count


def _judge_all(work: Judging, touched: Ranges, changed_days: IntArray, ticked: tuple[int, int] | None) -> int:
    """Judge what inputs reach, in turns; answers how many transitions were written."""
    watching = work.watching
    if ticked is not None and work.stamp.ticked_to_us is None:
        # Before the first tick nothing was final.
        ticked = 0, ticked[1]
    if work.rules:
        drop_strays(work)
    inputs = work.known.inputs(work.conn)
    places, from_us, to_us = wanted(work.known.plan.park, inputs, touched, changed_days, ticked)
    asked = _once(len(watching), _joined(Asked(place=places, from_us=from_us, to_us=to_us), _whole(work)))
    far_us = _far_us(work, asked)
    count = 0
    while len(asked):
        layers = watching.layers[asked.place]
        now = layers == layers.min()
        made = _judge(work, asked.take(now), far_us)
        count += sum(outcome.transitions for outcome in made)
        # What an alarm suppresses comes after it; of those of one turn none waits for another.
        changed = _joined(*(_suppressed(watching, outcome) for outcome in made))
        later = changed.take(watching.layers[changed.place] > layers.min())
        asked = _once(len(watching), _joined(asked.take(~now), later))
    return count


def _whole(work: Judging) -> Asked:
    """All of the time of the watches of rules that were not judged yet."""
    watching = work.watching
    place = np.flatnonzero(np.isin(watching.rule_id, list(work.rules)))
    return Asked(place=place, from_us=watching.bounds.valid_from_us[place], to_us=np.full(len(place), FAR_US))


def _joined(*parts: Asked) -> Asked:
    none = np.empty(0, dtype=np.int64)
    return Asked(
        place=np.concatenate([none, *(part.place for part in parts)]),
        from_us=np.concatenate([none, *(part.from_us for part in parts)]),
        to_us=np.concatenate([none, *(part.to_us for part in parts)]),
    )


def _once(count: int, asked: Asked) -> Asked:
    """Each watch once, from the first to the last that is asked of it."""
    from_us, to_us = np.full(count, OPEN_US), np.full(count, -OPEN_US)
    np.minimum.at(from_us, asked.place, asked.from_us)
    np.maximum.at(to_us, asked.place, asked.to_us)
    place = np.unique(asked.place)
    return Asked(place=place, from_us=from_us[place], to_us=to_us[place])


def _far_us(work: Judging, asked: Asked) -> int:
    """Later than all data: readings of the future are rejected, and nothing is final before its tick. [us UTC]"""
    to_us = asked.to_us[asked.to_us < FAR_US]
    return max(work.now_us, int(to_us.max(initial=0))) + 2 * DAY_US


def _judge(work: Judging, asked: Asked, far_us: int) -> list[Outcome]:
    return [outcome for some in _lots(work, asked, far_us) for outcome in _judge_safely(work, some, far_us)]


def _lots(work: Judging, asked: Asked, far_us: int) -> Iterator[Asked]:
    """The same, in lots of about as many samples as fit into memory."""
    table = work.known.plan.table
    watching = work.watching
    channels = np.array(
        [watching.watches[place].source.channel_id or 0 for place in asked.place.tolist()], dtype=np.int32
    )
    step_us = np.full(len(asked), work.known.plan.park.base_s * 1_000_000, dtype=np.int64)
    own = np.isin(channels, table.channel_id)
    step_us[own] = np.minimum(step_us[own], table.interval_us[table.rows(channels[own])])
    samples = 1 + np.maximum(np.minimum(asked.to_us, far_us) - asked.from_us, 0) // step_us
    lot = np.cumsum(samples) // _SAMPLES_AT_ONCE
    for one in np.unique(lot):
        yield asked.take(lot == one)


def _judge_safely(work: Judging, asked: Asked, far_us: int) -> list[Outcome]:
    """Judge some watches, each half alone where it fails, until what fails alone is set aside."""
    try:
        with work.conn.transaction():
            parts = evaluated(
                work.watching,
                asked,
                (work.known.plan.park.ticked_to_us or 0, far_us),
                samples_of=partial(samples_of, work.conn, work.known),
                stored_of=partial(stored_episodes, work.conn),
            )
            made = [(part, settle_part(work, part)) for part in parts]
    except _FAULTS as error:
        if len(asked) == 1:
            _set_aside(work, asked, far_us, error)
            return []
        half = np.arange(len(asked)) < len(asked) // 2
        return [*_judge_safely(work, asked.take(half), far_us), *_judge_safely(work, asked.take(~half), far_us)]
    for part, _ in made:
        work.watching.quiet_us[part.asked.place] = part.quiet_us
    return [outcome for _, outcome in made]


def _set_aside(work: Judging, asked: Asked, far_us: int, error: Exception) -> None:
    """Say that one watch could not be judged."""
    place = int(asked.place[0])
    watch = work.watching.watches[place]
    work.watching.quiet_us[place] = -1
    from_us, to_us = max(0, int(asked.from_us[0])), min(int(asked.to_us[0]), far_us)
    span = from_us, max(from_us, to_us)
    _report(work.conn, work.known, f"alarm {watch.rule}@{watch.target}", error, watch.source.channel_id, span)


def _report(  # noqa: PLR0917 - what failed, and where
    conn: Connection[Any],
    known: Known,
    what: str,
    error: Exception,
    channel_id: int | None = None,
    span: tuple[int, int] = (0, 0),
) -> None:
    said = f"{what}: {type(error).__name__}: {error}"
    _log.error("alarms set aside", what=what, error=f"{type(error).__name__}: {error}", exc_info=error)
    park_id = known.plan.park.id
    # Every tick asks it again, and it fails again: one fault says so as well as many.
    if not any(fault.error == said for fault in faults(conn, park_id)):
        set_fault(conn, park_id, channel_id, said, from_us=span[0], to_us=span[1])


def _suppressed(watching: Watching, outcome: Outcome) -> Asked:
    """The watches that an alarm suppresses, where its episodes changed."""
    rows = [
        (place, from_us, to_us)
        for alarm_id, from_us, to_us in outcome.changed
        for place in watching.suppressed_by.get(alarm_id, ())
    ]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Asked(place=columns[:, 0], from_us=columns[:, 1], to_us=columns[:, 2])
