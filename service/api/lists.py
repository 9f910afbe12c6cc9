"""Lists that are paged in JSON, as tables that hold all of them: findings, corrections, episodes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from psycopg import AsyncConnection
from pydantic import BaseModel

from domain.alarms import Category
from domain.corrections import Correction
from domain.findings import Rule
from domain.registry import Registry
from domain.time import from_datetime
from service.api.corrections import CorrectionAnswer, correction_answer
from service.api.episodemodels import EpisodeAnswer
from service.api.episodes import episode_answers
from service.api.findings import FindingAnswer, finding_answer
from service.api.forms import Piece, Table
from service.api.ranges import Span
from service.api.series import Seen, row_of
from store.corrections import read_corrections
from store.episodelists import EpisodeRow, read_episodes
from store.findings import FindingRow, read_findings

__all__ = [
    "CORRECTION_COLUMNS",
    "EPISODE_COLUMNS",
    "FINDING_COLUMNS",
    "correction_table",
    "episode_table",
    "finding_table",
]

FINDING_COLUMNS = tuple(FindingAnswer.model_fields)
CORRECTION_COLUMNS = tuple(CorrectionAnswer.model_fields)
EPISODE_COLUMNS = tuple(EpisodeAnswer.model_fields)

_AT_ONCE = 500

_Found = TypeVar("_Found")
_Key = TypeVar("_Key")


async def _pages(
    seen: Seen,
    read: Callable[[AsyncConnection[Any], _Key | None], Awaitable[Sequence[_Found]]],
    key: Callable[[_Found], _Key],
    answers: Callable[[Sequence[_Found]], Iterable[BaseModel]],
    done: Callable[[_Found], float | None],
    *,
    after: _Key | None,
) -> AsyncIterator[Piece]:
    while True:
        async with seen.connections() as conn:
            page = await read(conn, after)
        rows = tuple(tuple(row_of(answer, tuple(type(answer).model_fields))) for answer in answers(page))
        is_last = len(page) < _AT_ONCE
        yield Piece(rows=rows, done=1.0 if is_last else done(page[-1]))
        if is_last:
            return
        after = key(page[-1])


def _back_to(span: Span, moment: datetime) -> float:
    """How much is done of a list that goes back in time."""
    return (span.stop_us - from_datetime(moment)) / (span.stop_us - span.start_us)


def finding_table(
    seen: Seen,
    span: Span,
    *,
    park: str | None = None,
    channel_ids: Sequence[int] | None = None,
    rules: Sequence[Rule] = (),
    after: tuple[datetime, int, str] | None = None,
) -> Table:
    """Findings that start in a span, newest first; the other parameters are those of :func:`store.findings.read_findings`."""

    async def read(conn: AsyncConnection[Any], last: tuple[datetime, int, str] | None) -> Sequence[FindingRow]:
        bounds = span.start_us, span.stop_us
        return await read_findings(
            conn, seen.user.name, *bounds, park=park, channel_ids=channel_ids, rules=rules, after=last, limit=_AT_ONCE
        )

    pieces = _pages(
        seen,
        read,
        lambda row: row.key,
        lambda page: [finding_answer(row) for row in page],
        lambda row: _back_to(span, row.start),
        after=after,
    )
    return Table(name="findings", columns=FINDING_COLUMNS, pieces=pieces)


def correction_table(
    seen: Seen,
    channel_ids: Sequence[int] | None,
    bounds_us: tuple[int | None, int | None],
    *,
    history: bool = False,
    after: int | None = None,
) -> Table:
    """
    Corrections that cover something of a range, newest first.

    Parameters
    ----------
    channel_ids : sequence of int or None
        None: of every channel.
    bounds_us : (start, stop) [us UTC]
        None: no bound.
    """

    async def read(conn: AsyncConnection[Any], last: int | None) -> Sequence[Correction]:
        return await read_corrections(
            conn,
            seen.user.name,
            channel_ids,
            start_us=bounds_us[0],
            stop_us=bounds_us[1],
            history=history,
            after=last,
            limit=_AT_ONCE,
        )

    pieces = _pages(
        seen,
        read,
        lambda row: row.id,
        lambda page: [correction_answer(row) for row in page],
        lambda _: None,
        after=after,
    )
    return Table(name="corrections", columns=CORRECTION_COLUMNS, pieces=pieces)


def episode_table(
    seen: Seen,
    registries: Sequence[Registry],
    span: Span,
    *,
    after: tuple[datetime, int] | None = None,
    categories: Sequence[Category] = (),
    **narrowed: Any,
) -> Table:
    """
    Episodes that start in a span, newest first.

    Parameters
    ----------
    registries : sequence of Registry
        The parks that the user may see.
    narrowed
        `park`, `rule`, `target`, `going_on` and `closed` of :func:`store.episodelists.read_episodes`.
    """

    async def read(conn: AsyncConnection[Any], last: tuple[datetime, int] | None) -> Sequence[EpisodeRow]:
        bounds = span.start_us, span.stop_us
        return await read_episodes(
            conn, seen.user.name, *bounds, categories=categories, **narrowed, after=last, limit=_AT_ONCE
        )

    pieces = _pages(
        seen,
        read,
        lambda row: row.key,
        lambda page: episode_answers(registries, page),
        lambda row: _back_to(span, row.start),
        after=after,
    )
    return Table(name="episodes", columns=EPISODE_COLUMNS, pieces=pieces)
