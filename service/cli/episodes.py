"""Commands about episodes: list them, report one, say what was behind it, and close it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import AsyncConnection

from domain.errors import InputError
from domain.registry import Registry
from domain.time import from_datetime, parse_instant
from service.api.episodemodels import EpisodeAnswer, EpisodeReport
from service.api.episodes import episode_answers, episode_csv, episode_report
from service.cli.alarmdesk import APPLICATION, ask, beyond_words, everybody, length_words, me
from service.settings import load_settings
from store import Role, connect
from store.episodelists import EpisodeRow, NoteKind, note_episode_by, read_episode, read_episodes

__all__ = ["app"]

app = typer.Typer(
    help="List exceedances, report one with all that belongs to it, and say what was behind it.", no_args_is_help=True
)

_USUAL_DAYS = 30

Alarm = Annotated[int, typer.Argument(help="Id of the alarm, as `list` shows it.", min=1, max=2**31 - 1)]
Start = Annotated[str, typer.Argument(help="Start of the episode, as `list` shows it, or any moment of it.")]


@app.command("list")
def show_list(
    park: Annotated[str | None, typer.Option("--park", help="Only of the park of this key.")] = None,
    *,
    begin: Annotated[
        str | None, typer.Option("--from", help="First instant, as 2026-01-31T00:00:00+07:00; 30 days ago otherwise.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the range, not included; now otherwise.")] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only of the rule of this key.")] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Only about this, as park/tenant/meter/quantity or less of it.")
    ] = None,
    going_on: Annotated[bool, typer.Option("--open", help="Only those that are going on.")] = False,
    unclosed: Annotated[bool, typer.Option("--unclosed", help="Only those that nobody closed.")] = False,
    table: Annotated[bool, typer.Option("--csv", help="As CSV with all columns.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most lines.")] = 50,
) -> None:
    """List episodes, newest first: alarm, from when to when, what, where, peak against bound, and whether they are closed."""
    now = datetime.now(UTC)
    start_us = from_datetime(now - timedelta(days=_USUAL_DAYS)) if begin is None else parse_instant(begin)
    stop_us = from_datetime(now) if end is None else parse_instant(end)
    if start_us >= stop_us:
        raise InputError(f"the range from {begin} to {end} is empty; --to must be after --from")

    async def found(conn: AsyncConnection[Any], registries: tuple[Registry, ...]) -> list[EpisodeAnswer]:
        rows = await read_episodes(
            conn,
            me(),
            start_us,
            stop_us,
            park=park,
            rule=rule,
            target=target,
            going_on=True if going_on else None,
            closed=False if unclosed else None,
            limit=limit,
        )
        return episode_answers(registries, rows)

    answers = ask(found)
    if table:
        print(episode_csv(answers), end="")
        return
    for answer in answers:
        print(_line(answer))
    if not answers:
        print("there is no episode in this time")


@app.command("report")
def report(
    alarm: Alarm,
    start: Start,
    *,
    table: Annotated[bool, typer.Option("--csv", help="As CSV; otherwise as JSON.")] = False,
    to: Annotated[Path | None, typer.Option("--out", help="File to write; otherwise it is printed.")] = None,
) -> None:
    """Report an episode: limit and legal basis, what people said, the journal, who was told and when, and each window."""
    made = _report(alarm, start)
    text = episode_csv([made]) if table else made.model_dump_json(indent=2) + "\n"
    if to is None:
        print(text, end="")
    else:
        to.write_text(text, encoding="utf-8", newline="")


@app.command("note")
def note(
    alarm: Alarm,
    start: Start,
    kind: Annotated[NoteKind, typer.Argument(help="What is said: cause, action, comment, link, close or reopen.")],
    text: Annotated[str, typer.Argument(help="The text; of a link its address.")] = "",
) -> None:
    """Say what was behind an episode, what was done, or anything of it; nothing said is ever changed."""
    _say(_Saying(alarm, start, kind, text))


@app.command("close")
def close(
    alarm: Alarm, start: Start, text: Annotated[str, typer.Argument(help="What else is to be said.")] = ""
) -> None:
    """Close an episode that is over, whose cause and action were said."""
    _say(_Saying(alarm, start, NoteKind.CLOSE, text))


@dataclass(frozen=True, slots=True)
class _Saying:
    alarm: int
    start: str
    kind: NoteKind
    text: str


def _say(saying: _Saying) -> None:
    async def found(conn: AsyncConnection[Any], _: tuple[Registry, ...]) -> EpisodeRow:
        return (await _found(conn, saying.alarm, saying.start))[0]

    row = ask(found)
    with connect(load_settings().need_database(), Role.MIGRATE, application=APPLICATION) as conn:
        note_episode_by(conn, me(), saying.alarm, from_datetime(row.start), saying.kind, saying.text)
    print(_line(_report(saying.alarm, saying.start)))


def _report(alarm: int, start: str) -> EpisodeReport:
    async def found(conn: AsyncConnection[Any], registries: tuple[Registry, ...]) -> EpisodeReport:
        row, notes = await _found(conn, alarm, start)
        registry = next((one for one in registries if one.park.key == row.park), None)
        return await episode_report(conn, everybody(), registry, row, notes)

    return ask(found)


async def _found(conn: AsyncConnection[Any], alarm: int, start: str) -> tuple[EpisodeRow, Any]:
    found = await read_episode(conn, me(), alarm, parse_instant(start))
    if found is None:
        raise InputError(f"alarm {alarm} has no episode at {start}; `kawasan episodes list` lists them")
    return found


def _line(answer: EpisodeAnswer) -> str:
    over = "going on" if answer.cleared_at is None else "closed" if answer.closed_at else "not closed"
    much = beyond_words(answer.peak, answer.bound, answer.unit)
    load = "" if answer.excess_kg is None else f", {answer.excess_kg:.4g} kg above the limit"
    return (
        f"{answer.alarm} {answer.start.isoformat()}  {length_words(answer.duration_s)}  {answer.name}: {answer.target}  "
        f"{much}{load}{'  ' if much or load else ''}({over})"
    )
