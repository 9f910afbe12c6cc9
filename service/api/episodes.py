"""Episodes as the API answers them: as rows, as a report, and as CSV."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from domain.alarmentries import AlarmEntry
from domain.alarms import Category, Severity, Signal, Watch
from domain.limits import limit_at
from domain.registry import Registry
from domain.time import from_datetime
from service.alarmwatches import watch_at, watches_by_alarm
from service.api.alarms import (
    Names,
    Units,
    judgement_answer,
    names_of,
    place_words,
    transition_answer,
    unit_of,
    units_of,
)
from service.api.episodemodels import EpisodeAnswer, EpisodeReport, LimitUsed, NoteAnswer, ToldAnswer
from service.api.forms import Piece, Table
from service.formats import csv_text
from store.alarmlists import NotificationRow, TransitionRow, read_notifications, read_transitions
from store.alarmrulerows import entry_of_rule
from store.episodelists import EpisodeRow, NoteKind, NoteRow, read_judgements
from store.users import User

__all__ = ["episode_answers", "episode_csv", "episode_report", "report_table"]

_PAGE = 1000
_MOST_PAGES = 20
_MOST_JUDGEMENTS = 10_000


def episode_answers(registries: Sequence[Registry], rows: Sequence[EpisodeRow]) -> list[EpisodeAnswer]:
    """Some episodes as they are answered, in their order; `registries` are the parks that the user may see."""
    seen = {row.park for row in rows}
    parks = [registry for registry in registries if registry.park.key in seen]
    names, units = names_of(parks), units_of(parks)
    entries = {document: entry_of_rule(document) for document in {row.document for row in rows}}
    return [EpisodeAnswer(**_fields(row, entries[row.document], names, units)) for row in rows]


def _fields(row: EpisodeRow, entry: AlarmEntry, names: Names, units: Units) -> dict[str, Any]:
    zone = ZoneInfo(row.timezone)
    return {
        "alarm": row.alarm_id,
        "start": row.start.astimezone(zone),
        "stop": row.stop.astimezone(zone),
        "duration_s": (row.stop - row.start).total_seconds(),
        "raised_at": row.raised_at.astimezone(zone),
        "cleared_at": _local(row.cleared_at, zone),
        "park": row.park,
        "rule": row.rule,
        "rule_version": row.rule_version,
        "name": entry.name,
        "target": row.target,
        "place": place_words(names, row.target),
        "category": Category(row.category),
        "severity": Severity(row.severity).key,
        "unit": unit_of(entry, row.target, row.park, units),
        "peak": row.peak,
        "peak_at": _local(row.peak_at, zone),
        "bound": row.bound,
        "mean": row.mean,
        "beyond_s": row.beyond_s,
        "excess_kg": row.excess_kg,
        "valid": row.valid,
        "missing": row.missing,
        "excluded": row.excluded,
        "final": row.final,
        "revision": row.revision,
        "cause": row.cause,
        "action": row.action,
        "closed_at": _local(row.closed_at, zone),
        "closed_by": row.closed_by,
    }


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if moment is None else moment.astimezone(zone)


async def episode_report(
    conn: AsyncConnection[Any], user: User, registry: Registry | None, row: EpisodeRow, notes: Sequence[NoteRow]
) -> EpisodeReport:
    """
    An episode with its limit, notes, journal, notifications and windows, as far as the user may see them.

    Parameters
    ----------
    registry : Registry or None
        Its park as the user sees it.
    """
    zone, entry = ZoneInfo(row.timezone), entry_of_rule(row.document)
    journal = await _journal(conn, user, row)
    told = await _told(conn, user, row.alarm_id, {one.id for one in journal})
    windows = await read_judgements(
        conn,
        user.name,
        row.alarm_id,
        from_datetime(row.start),
        from_datetime(row.last_at) + 1,
        limit=_MOST_JUDGEMENTS,
    )
    parks = [] if registry is None else [registry]
    return EpisodeReport(
        **_fields(row, entry, names_of(parks), units_of(parks)),
        message=entry.message or entry.name,
        usual_cause=entry.cause,
        consequence=entry.consequence,
        recommended_action=entry.action,
        limit=None if registry is None else _limit(registry, row),
        notes=[_note(one, zone) for one in notes],
        journal=[transition_answer(one, zone) for one in journal],
        told=[_told_answer(one, zone) for one in told],
        judgements=[judgement_answer(one, zone) for one in windows],
        computed_at=row.computed_at.astimezone(zone),
    )


async def _journal(conn: AsyncConnection[Any], user: User, row: EpisodeRow) -> list[TransitionRow]:
    """Steps about this episode, in order: nothing of it was recorded before it began."""
    found: list[TransitionRow] = []
    after = None
    for _ in range(_MOST_PAGES):
        page = await read_transitions(
            conn, user.name, alarm_id=row.alarm_id, start_us=from_datetime(row.start), after=after, limit=_PAGE
        )
        found += [one for one in page if one.episode is not None and _is_about(one.episode, row)]
        if len(page) < _PAGE:
            break
        after = page[-1].id
    return found[::-1]


def _is_about(episode: datetime, row: EpisodeRow) -> bool:
    """Whether a step was about this episode, whose start late data may have moved since."""
    return episode == row.start or row.start <= episode <= (row.cleared_at or row.last_at)


async def _told(
    conn: AsyncConnection[Any], user: User, alarm_id: int, transition_ids: set[int]
) -> list[NotificationRow]:
    if not transition_ids:
        return []
    found: list[NotificationRow] = []
    after = None
    for _ in range(_MOST_PAGES):
        page = await read_notifications(conn, user.name, alarm_id=alarm_id, after=after, limit=_PAGE)
        found += [one for one in page if one.transition_id in transition_ids]
        if len(page) < _PAGE or (page[-1].transition_id or 0) < min(transition_ids):
            break
        after = page[-1].id
    return found[::-1]


def _limit(registry: Registry, row: EpisodeRow) -> LimitUsed | None:
    moment_us = from_datetime(row.peak_at or row.start)
    watch = watch_at(watches_by_alarm(registry, row.rule).get((row.rule, row.target), ()), from_datetime(row.start))
    if watch is None:
        return None
    source = watch.source
    statistic = None if source.statistic is None else source.statistic.value
    if source.signal is not Signal.COMPLIANCE:
        return LimitUsed(
            lowest=watch.lowest,
            highest=watch.highest,
            unit=watch.unit,
            statistic=statistic,
            window=_window(watch),
            share=source.share,
            authority=None,
            legal_basis=None,
            confirmed=None,
        )
    rule = limit_at(registry, source, moment_us)
    if rule is None:
        return None
    return LimitUsed(
        lowest=rule.lowest,
        highest=rule.highest,
        unit=watch.unit,
        statistic=statistic,
        window=rule.window.value,
        share=source.share,
        authority=rule.authority.value,
        legal_basis=rule.legal_basis,
        confirmed=rule.confirmed,
    )


def _window(watch: Watch) -> str | None:
    source = watch.source
    if source.by_month:
        return "month"
    if source.level is not None:
        return source.level.key
    return None if source.window_s is None else str(source.window_s)


def _note(row: NoteRow, zone: ZoneInfo) -> NoteAnswer:
    return NoteAnswer(
        id=row.id,
        kind=NoteKind(row.kind),
        text=row.text,
        said_of=row.said_of.astimezone(zone),
        recorded_at=row.recorded_at.astimezone(zone),
        recorded_by=row.recorded_by,
    )


def _told_answer(row: NotificationRow, zone: ZoneInfo) -> ToldAnswer:
    return ToldAnswer(
        contact=row.contact,
        way=row.way,
        address=row.address,
        subject=row.subject,
        created_at=row.created_at.astimezone(zone),
        state=row.state,
        attempts=row.attempts,
        sent_at=_local(row.sent_at, zone),
        detail=row.last_detail,
    )


def episode_csv(episodes: Sequence[EpisodeAnswer]) -> str:
    """Episodes, or a report, as CSV under a line of names; lists of a report, and its limit, are JSON in their column."""
    columns = tuple((type(episodes[0]) if episodes else EpisodeAnswer).model_fields)
    return csv_text(columns, (tuple(episode.model_dump(mode="json").values()) for episode in episodes))


def report_table(report: EpisodeReport) -> Table:
    """A report as a table of one row; its lists, and its limit, are nested in theirs."""

    async def pieces() -> AsyncIterator[Piece]:
        yield Piece(rows=(tuple(report.model_dump(mode="json").values()),), done=1.0)

    start = report.start.astimezone(UTC)
    return Table(
        name=f"episode-{report.alarm}-{start:%Y%m%dT%H%M%SZ}",
        columns=tuple(EpisodeReport.model_fields),
        pieces=pieces(),
    )
