"""Commands about alarms: list them, look at one, and deal with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from psycopg import AsyncConnection

from alerts.machine import apply
from domain.alarms import Act, AlarmState, Category, Inhibit, Severity, Step
from domain.errors import InputError, Unavailable
from domain.registry import Registry
from domain.time import SECOND_US, parse_instant
from domain.watchentries import window_seconds
from service.api.alarmmodels import AlarmAnswer
from service.api.alarms import alarm_answers, watch_of
from service.api.ranges import now_us
from service.cli.alarmdesk import APPLICATION, ask, beyond_words, everybody, me
from service.settings import load_settings
from store import Role, connect
from store.alarmlists import AlarmRow, TransitionRow, act_by, read_alarm, read_alarms, read_transitions

__all__ = ["app"]

app = typer.Typer(
    help="List alarms, look at one, and acknowledge it, shelve it or take it out of service.", no_args_is_help=True
)

_TRIES = 3
_NOT_NORMAL = tuple(state for state in AlarmState if state is not AlarmState.NORMAL)

Number = Annotated[int, typer.Argument(help="Id of the alarm, as `list` shows it.", min=1, max=2**31 - 1)]
Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with your name.")]


@app.command("list")
def show_list(
    park: Annotated[str | None, typer.Option("--park", help="Only of the park of this key.")] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are normal; otherwise those that stand or are inhibited.")
    ] = False,
    state: Annotated[
        list[AlarmState] | None, typer.Option("--state", help="Only in this state; repeat for more.")
    ] = None,
    category: Annotated[
        list[Category] | None, typer.Option("--category", help="Only of this category; repeat for more.")
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only of the rule of this key.")] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Only about this, as park/tenant/meter/quantity or less of it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most lines.")] = 200,
) -> None:
    """List alarms, the worst first: id, severity, state, what, where, how much, and since when."""

    async def found(conn: AsyncConnection[Any], registries: tuple[Registry, ...]) -> list[AlarmAnswer]:
        narrowed: dict[str, Any] = {"park": park, "categories": category or (), "rule": rule, "target": target}
        wanted = state or (() if everything else _NOT_NORMAL)
        rows = list(await read_alarms(conn, me(), states=wanted, limit=limit, **narrowed))
        if not everything and not state:
            inhibited = await read_alarms(
                conn, me(), states=[AlarmState.NORMAL], inhibited=True, limit=limit, **narrowed
            )
            rows += inhibited
        return await alarm_answers(conn, everybody(), registries, rows)

    answers = sorted(ask(found), key=lambda one: (-Severity[one.severity.upper()], -one.since.timestamp()))
    for answer in answers[:limit]:
        print(_line(answer))
    if not answers:
        print("no alarm stands" if not (everything or state) else "there is no such alarm")


@app.command("show")
def show(
    alarm: Number, lines: Annotated[int, typer.Option(min=0, max=10_000, help="Most lines of the journal.")] = 20
) -> None:
    """Show how an alarm stands, what its rule says of it, and its journal, newest first."""

    async def found(
        conn: AsyncConnection[Any], registries: tuple[Registry, ...]
    ) -> tuple[AlarmAnswer, tuple[TransitionRow, ...]]:
        row = await _row(conn, alarm)
        journal = await read_transitions(conn, me(), alarm_id=alarm, limit=lines) if lines else ()
        return (await alarm_answers(conn, everybody(), registries, [row]))[0], journal

    answer, journal = ask(found)
    print(_line(answer))
    texts = {
        "message": answer.message,
        "usual cause": answer.cause,
        "consequence": answer.consequence,
        "do": answer.action,
    }
    for name, text in texts.items():
        if text:
            print(f"    {name}: {text}")
    for line in journal:
        text = f": {line.text}" if line.text else ""
        print(
            f"{line.recorded_at:%Y-%m-%dT%H:%M:%SZ}  {line.step}  {line.before} -> {line.after}  ({line.actor}){text}"
        )


@app.command("ack")
def acknowledge(alarm: Number, why: Annotated[str, typer.Option("--why", help="What is known of it.")] = "") -> None:
    """Acknowledge an alarm: somebody looks after it."""
    _deal(_Deed(alarm, Act.ACKNOWLEDGE, why))


@app.command("reset")
def reset(alarm: Number) -> None:
    """Reset an alarm that stays until then, once it is back within its bounds and acknowledged."""
    _deal(_Deed(alarm, Act.RESET))


@app.command("shelve")
def shelve(
    alarm: Number,
    why: Why,
    *,
    length: Annotated[str, typer.Option("--for", help="For how long, as 30min or 8h; at most 168h.")] = "8h",
    until: Annotated[
        str | None, typer.Option("--until", help="Until when, as 2026-01-31T08:00:00+07:00; instead of --for.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Only until it is back to normal, and at most as long.")] = False,
) -> None:
    """Keep an alarm from being announced for a time; if it is still active then, it is announced then."""
    length_s = window_seconds(length)
    if length_s is None:
        raise InputError(f"--for {length!r} is no length like 30min or 8h")
    until_us = now_us() + length_s * SECOND_US if until is None else parse_instant(until)
    _deal(_Deed(alarm, Act.SHELVE_ONCE if once else Act.SHELVE, why, until_us))


@app.command("unshelve")
def unshelve(alarm: Number) -> None:
    """End the shelf of an alarm now."""
    _deal(_Deed(alarm, Act.UNSHELVE))


@app.command("out")
def take_out(alarm: Number, why: Why) -> None:
    """Take an alarm out of service until it is put back."""
    _deal(_Deed(alarm, Act.TAKE_OUT, why))


@app.command("back")
def put_back(alarm: Number, why: Why) -> None:
    """Put an alarm back into service."""
    _deal(_Deed(alarm, Act.PUT_BACK, why))


@app.command("comment")
def comment(alarm: Number, text: Annotated[str, typer.Argument(help="What to say.")]) -> None:
    """Say something of an alarm; it stands in its journal."""
    _deal(_Deed(alarm, Act.COMMENT, text))


@dataclass(frozen=True, slots=True)
class _Deed:
    alarm: int
    act: Act
    text: str = ""
    until_us: int | None = None


def _deal(deed: _Deed) -> None:
    for _ in range(_TRIES):
        if _is_done(deed):

            async def found(conn: AsyncConnection[Any], registries: tuple[Registry, ...]) -> AlarmAnswer:
                return (await alarm_answers(conn, everybody(), registries, [await _row(conn, deed.alarm)]))[0]

            print(_line(ask(found)))
            return
    raise Unavailable(f"alarm {deed.alarm} changes all the time; try again")


def _is_done(deed: _Deed) -> bool:
    """False: it moved on since it was read."""

    async def found(conn: AsyncConnection[Any], registries: tuple[Registry, ...]) -> tuple[AlarmRow, Registry]:
        row = await _row(conn, deed.alarm)
        return row, next(one for one in registries if one.park.key == row.park)

    row, registry = ask(found)
    present_us = now_us()
    before = row.standing
    after, transition = apply(
        before,
        Step(deed.act),
        watch=watch_of(registry, row, present_us),
        at_us=present_us,
        now_us=present_us,
        actor=me(),
        text=deed.text.strip(),
        until_us=deed.until_us,
    )
    if transition is None:
        return True
    with connect(load_settings().need_database(), Role.MIGRATE, application=APPLICATION) as conn:
        return act_by(conn, me(), before, after, transition)


async def _row(conn: AsyncConnection[Any], alarm: int) -> AlarmRow:
    row = await read_alarm(conn, me(), alarm)
    if row is None:
        raise InputError(f"there is no alarm {alarm}; `kawasan alarms list --all` lists them")
    return row


def _line(answer: AlarmAnswer) -> str:
    inhibit = "" if answer.inhibit is Inhibit.NONE else f", {answer.inhibit.value}{_until(answer.until)}"
    much = ""
    if answer.episode is not None:
        much = beyond_words(answer.episode.peak, answer.episode.bound, answer.episode.unit)
    by = f" by {answer.acked_by}" if answer.acked_by and answer.state is AlarmState.ACTIVE_ACKED else ""
    return (
        f"{answer.id}  {answer.severity}  {answer.state.value}{by}{inhibit}  {answer.name}: {answer.target}{f'  {much}' if much else ''}  "
        f"since {answer.since:%Y-%m-%d %H:%M:%S%z}"
    )


def _until(until: datetime | None) -> str:
    return "" if until is None else f" until {until:%Y-%m-%d %H:%M%z}"
