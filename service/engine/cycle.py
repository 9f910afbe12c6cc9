"""One cycle: take spans under the park's lock, compute what they reach, commit it all."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from psycopg import Connection

from domain.errors import DataError, InputError, ParkError
from domain.registry import Park, Registry
from domain.time import IntArray, Level, level_edges
from kpi.ranges import Ranges, joined
from service.engine.alarms import judge_alarms, rules_to_judge
from service.engine.amounts import Stamp, recompute_amounts
from service.engine.checks import check_days
from service.engine.indicators import recompute_kpis
from service.engine.known import Known
from service.engine.putoff import put_back, put_off, recompute_put_off
from service.engine.touched import all_subjects, subjects_of, subjects_of_tenants, touched_days, touched_hours
from store.amounts import stored_days
from store.connection import database_errors
from store.signals import notify_numbers
from store.spans import Taken, faults, lock_park, set_fault, set_ticked_to, take_spans

__all__ = ["Cycle", "run_cycle"]

_FAULTS = (ArithmeticError, LookupError, TypeError, ValueError, DataError, InputError)
_FEWER = 4
_log = structlog.get_logger("kawasan.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one cycle did."""

    spans: int
    """Rows taken from the queue; 0: there was nothing to do."""
    faults: int
    """Spans that failed alone and were set aside."""
    remaining: bool
    """Whether the queue held more."""
    seconds: float


class _SeveralSpansError(ParkError):
    """The computation failed, and it is not known on which of several spans."""


def run_cycle(conn: Connection[Any], park: Park, *, cycle_rows: int, now_us: int, known: Known | None = None) -> Cycle:
    """
    Take work from a park's queue, compute it, commit; spans that fail alone are set aside as faults.

    Parameters
    ----------
    park : Park
        As it was read last; only its id and key are used.
    cycle_rows : int
        About how many readings one cycle may load.
    now_us : int
        Stamped on what is computed; no number depends on it. [us UTC]
    known : Known, optional
        What was known after the last cycle of this park on this connection; it makes the cycle fast, and changes no number.

    Raises
    ------
    Unavailable
        The database is away; nothing was taken.
    """
    begun = time.monotonic()
    known = Known() if known is None else known
    limit = known.pace.rows(cycle_rows)
    while True:
        try:
            taken, failed = _attempt(conn, park, limit, now_us, known)
        except _SeveralSpansError:
            # One of the spans is bad: fewer at a time, until the good ones are computed and the bad one is set aside.
            limit = max(1, limit // _FEWER)
        else:
            seconds = time.monotonic() - begun
            return Cycle(spans=taken.rows, faults=failed, remaining=taken.remaining, seconds=seconds)


def _attempt(conn: Connection[Any], park: Park, cycle_rows: int, now_us: int, known: Known) -> tuple[Taken, int]:
    with database_errors(f"engine cycle of park {park.key}"), conn.transaction():
        # The transaction's first statement: what is read below is newer than any other engine's commit.
        lock_park(conn, park.id)
        taken = take_spans(conn, park.id, cycle_rows)
        rules = rules_to_judge(conn, park.id)
        if not taken.rows and not rules:
            return taken, 0
        registry = known.begin(conn, park.id, park.key)
        begun = time.monotonic()
        try:
            with conn.transaction():
                _compute(conn, known, taken, rules, now_us)
        except _FAULTS as error:
            if len(taken.channel_id) > 1:
                raise _SeveralSpansError(str(error)) from error
            _set_aside(conn, registry, taken, error)
            put_back(conn, park.id, taken.contexts)
            return taken, 1
        readings = _readings(known, taken)
        spares = known.pace.spares(full=known.pace.is_full(cycle_rows, readings))
        known.pace.took(cycle_rows, readings, time.monotonic() - begun)
        failed = 0
        if spares:
            failed = _compute_contexts(conn, known, taken, now_us)
        else:
            put_back(conn, park.id, taken.contexts)
        notify_numbers(conn, park.key)
    if not failed:
        known.settle()
    return taken, failed


def _readings(known: Known, taken: Taken) -> int:
    """About how many readings some spans hold, as their channels send them."""
    table = known.plan.table
    own = np.isin(taken.channel_id, table.channel_id)
    interval_us = table.interval_us[table.rows(taken.channel_id[own])]
    return int((1 + (taken.to_us - taken.from_us)[own] // interval_us).sum())


def _set_aside(conn: Connection[Any], registry: Registry, taken: Taken, error: Exception) -> None:
    channel_id = int(taken.channel_id[0]) if len(taken.channel_id) else None
    from_us = int(taken.from_us[0]) if len(taken.from_us) else taken.tick_us or 0
    to_us = int(taken.to_us[0]) if len(taken.to_us) else taken.tick_us or 0
    _log.error("span set aside", channel_id=channel_id, error=f"{type(error).__name__}: {error}", exc_info=error)
    if channel_id is None and any(fault.channel_id is None for fault in faults(conn, registry.park.id)):
        # A tick comes again until it succeeds; one fault says so as well as many.
        return
    set_fault(conn, registry.park.id, channel_id, f"{type(error).__name__}: {error}", from_us=from_us, to_us=to_us)


def _compute(conn: Connection[Any], known: Known, taken: Taken, rules: tuple[int, ...], now_us: int) -> None:
    stamp = Stamp(computed_at_us=now_us, ticked_to_us=known.plan.park.ticked_to_us)
    ticked = _ticked(conn, known, taken.tick_us)
    registry = known.plan.registry
    touched = Ranges(channel_id=taken.channel_id, from_us=taken.from_us, to_us=taken.to_us)
    days = recompute_amounts(conn, known, touched, stamp)
    check_days(conn, known, days, ticked, stamp)
    # What a tick makes final is final for everybody, those who sent nothing above all.
    subjects = all_subjects(registry) if ticked is not None else subjects_of(registry, days.channel_id)
    changed = touched_days(conn, known, days, ticked)
    if ticked is not None and stamp.ticked_to_us is None:
        changed = np.union1d(changed, stored_days(conn, registry.park.id))
    now = put_off(conn, known, subjects, changed)
    # A year of which days were put off is folded when these are made.
    by_year = len(now) == len(changed) and (ticked is not None or _reaches_back(registry, changed))
    levels = (Level.MONTH, Level.YEAR) if by_year else (Level.MONTH,)
    recompute_kpis(conn, known, subjects, now, levels, stamp, hours=touched_hours(days, ticked))
    judge_alarms(conn, known, joined(touched, days.ranges()), now, ticked, stamp, rules=rules)


def _compute_contexts(conn: Connection[Any], known: Known, taken: Taken, now_us: int) -> int:
    """Make the KPIs anew that entered values and references changed, or that were put off; answers the faults of that."""
    if not taken.contexts:
        return 0
    # What a tick of the same cycle made final is final here too.
    registry = known.plan.registry
    stamp = Stamp(computed_at_us=now_us, ticked_to_us=registry.park.ticked_to_us)
    stretches = [one for one in taken.contexts if one[1] < one[2]]
    subjects = subjects_of_tenants(registry, frozenset(tenant for tenant, _, _ in stretches))
    days = _days_between(conn, registry, [(first, last) for _, first, last in stretches])
    marks = tuple(first for _, first, last in taken.contexts if first == last)
    try:
        with conn.transaction():
            changed = recompute_put_off(conn, known, subjects, days, marks, stamp)
            judge_alarms(conn, known, Ranges.of(), changed, None, stamp)
    except _FAULTS as error:
        _log.error("entered values set aside", error=f"{type(error).__name__}: {error}", exc_info=error)
        from_us, to_us = min(first for _, first, _ in taken.contexts), max(last for _, _, last in taken.contexts)
        # An instant would come back as a tick.
        to_us = max(to_us, from_us + 1)
        text = f"after a change of entered values or references: {type(error).__name__}: {error}"
        set_fault(conn, registry.park.id, None, text, from_us=from_us, to_us=to_us)
        return 1
    return 0


def _days_between(conn: Connection[Any], registry: Registry, spans: list[tuple[int, int]]) -> IntArray:
    """Starts of the local days that some spans reach and that have KPIs: those before the tick, and those with amounts."""
    park = registry.park
    days = [level_edges(park.zone, park.base_s, Level.DAY, first, last)[:-1] for first, last in spans if first < last]
    reached = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *days]))
    if park.ticked_to_us is None:
        return np.intersect1d(reached, stored_days(conn, park.id))
    return reached[reached < park.ticked_to_us]


def _reaches_back(registry: Registry, days_us: IntArray) -> bool:
    """Whether a day before the open one changed: only then, and at a tick, is a year folded again."""
    park = registry.park
    if park.ticked_to_us is None or not len(days_us):
        return True
    open_us = int(level_edges(park.zone, park.base_s, Level.DAY, park.ticked_to_us, park.ticked_to_us + 1)[0])
    return int(days_us[0]) < open_us


def _ticked(conn: Connection[Any], known: Known, tick_us: int | None) -> tuple[int, int] | None:
    """Make the park ticked; answers what that made final."""
    park = known.plan.park
    if tick_us is None or (park.ticked_to_us is not None and tick_us <= park.ticked_to_us):
        return None
    set_ticked_to(conn, park.id, tick_us)
    known.turn(replace(park, ticked_to_us=tick_us))
    # Before the first tick nothing was expected: it makes its own interval final, and all that was stored earlier.
    first = park.ticked_to_us if park.ticked_to_us is not None else tick_us - park.base_s * 1_000_000
    return first, tick_us
