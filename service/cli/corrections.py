"""Commands about corrections of readings, and about conflicts, which a choice resolves."""

import getpass
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, TypeVar

import typer
from psycopg import Connection

from domain.corrections import Action, Conflict, Correction
from domain.errors import InputError
from domain.registry import Channel
from domain.time import from_datetime, parse_instant
from service.settings import load_settings
from store import Role, connect, load_registry
from store.corrections import correct, list_conflicts, list_corrections, withdraw

__all__ = ["app", "conflicts"]

app = typer.Typer(
    help="Say what holds in place of readings, with who and why; the readings themselves stay as they came.",
    no_args_is_help=True,
)
conflicts = typer.Typer(
    help="List times that several values claim, and choose which of them holds.", no_args_is_help=True
)

_APPLICATION = "kawasan-correction"
_PAGE = 500

Row = TypeVar("Row")

Key = Annotated[str, typer.Argument(help="Channel, as park/tenant/meter/quantity.")]
Keys = Annotated[
    list[str] | None, typer.Option("--channel", help="Only this channel, park/tenant/meter/quantity; repeatable.")
]
Moment = Annotated[str, typer.Argument(help="Time, as 2026-01-31T08:15:00+07:00.")]
Value = Annotated[float, typer.Argument(help="In the channel's unit, before the multiplier, as its device shows it.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with your name.")]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of the value that is set there already.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Most lines.")]


@app.command("set", context_settings={"ignore_unknown_options": True})
def set_value(channel: Key, at: Moment, value: Value, why: Why, replace: Replace = False) -> None:
    """Give a channel's value at one instant, whether or not a reading stands there."""
    moment_us = parse_instant(at)
    _enter(channel, Action.SET, moment_us, moment_us, value, why=why, replace=replace)


@app.command("void")
def void(
    channel: Key,
    begin: Annotated[str, typer.Option("--from", help="First instant, as 2026-01-31T08:15:00+07:00.")],
    end: Annotated[str, typer.Option("--to", help="Last instant, included.")],
    why: Why,
) -> None:
    """Take every reading of a range from use."""
    _enter(channel, Action.VOID, parse_instant(begin), parse_instant(end), None, why=why)


@app.command("list")
def show(
    channel: Keys = None,
    history: Annotated[bool, typer.Option("--history", help="Also what was withdrawn or replaced.")] = False,
    limit: Limit = 50,
) -> None:
    """List corrections, newest first."""
    with connect(load_settings().need_database(), Role.WRITE, application=_APPLICATION) as conn:
        numbers = _numbers(conn, channel)

        def page(last: Correction | None) -> Sequence[Correction]:
            after = None if last is None else last.id
            return list_corrections(conn, numbers, history=history, after=after, limit=_PAGE)

        for one in islice(_pages(page), limit):
            print(_line(one))


@app.command("withdraw")
def take_back(
    correction: Annotated[int, typer.Argument(help="Number of the correction, as `list` shows it.")], why: Why
) -> None:
    """Take a correction out of force, as if it had never been made."""
    with connect(load_settings().need_database(), Role.MIGRATE, application=_APPLICATION) as conn:
        withdraw(conn, correction, why=why, by=_me())
    print(f"correction {correction} is withdrawn; what it changed is computed again")


@conflicts.command("list")
def show_conflicts(
    channel: Keys = None,
    resolved: Annotated[bool, typer.Option("--all", help="Also what a correction decides.")] = False,
    limit: Limit = 50,
) -> None:
    """List times that several values claim, with all the values; none of them is used until one is chosen."""
    with connect(load_settings().need_database(), Role.WRITE, application=_APPLICATION) as conn:
        numbers = _numbers(conn, channel)

        def page(last: Conflict | None) -> Sequence[Conflict]:
            after = None if last is None else (last.channel_id, from_datetime(last.ts))
            return list_conflicts(conn, numbers, resolved=resolved, after=after, limit=_PAGE)

        for one in islice(_pages(page), limit):
            print(_claims(one))


@conflicts.command("choose", context_settings={"ignore_unknown_options": True})
def choose(channel: Key, at: Moment, value: Value, why: Why, replace: Replace = False) -> None:
    """Choose which of the values that claim a time holds."""
    moment_us = parse_instant(at)
    _enter(channel, Action.CHOOSE, moment_us, moment_us, value, why=why, replace=replace)


def _enter(
    key: str, action: Action, first_us: int, last_us: int, value: float | None, *, why: str, replace: bool = False
) -> None:
    with connect(load_settings().need_database(), Role.MIGRATE, application=_APPLICATION) as conn:
        made = correct(
            conn,
            _channel(conn, key).id,
            action,
            first_us=first_us,
            last_us=last_us,
            value=value,
            why=why,
            by=_me(),
            replace=replace,
        )
    print(f"correction {made} is in force; what it changes is computed again")


def _me() -> str:
    return f"cli:{getpass.getuser()}"


def _channel(conn: Connection[Any], key: str) -> Channel:
    registry = load_registry(conn, key.split("/", maxsplit=1)[0])
    channel = registry.channel_by_key.get(key)
    if channel is None:
        meter = key.rpartition("/")[0]
        others = [one for one in registry.channel_by_key if one.rpartition("/")[0] == meter]
        there = f"its meter has {', '.join(others)}" if others else "write park/tenant/meter/quantity"
        raise InputError(f"there is no channel {key!r}; {there}")
    return channel


def _numbers(conn: Connection[Any], keys: Sequence[str] | None) -> list[int] | None:
    return None if not keys else [_channel(conn, key).id for key in keys]


def _pages(page: Callable[[Row | None], Sequence[Row]]) -> Iterator[Row]:
    rows = page(None)
    while rows:
        yield from rows
        rows = page(rows[-1])


def _line(one: Correction) -> str:
    first, last = _text(one.from_ts), _text(one.to_ts)
    what = f"at {first} is {one.value!r} {one.unit}" if one.value is not None else f"void from {first} to {last}"
    gone = ""
    if one.superseded_at is not None:
        gone = f"; superseded {_text(one.superseded_at)} by {one.superseded_by}: {one.superseded_why}"
    return f"{one.id}  {one.channel}  {what}  ({one.recorded_by}, {_text(one.recorded_at)}: {one.why}){gone}"


def _claims(one: Conflict) -> str:
    values = ", ".join(f"{claim.value!r} (received {_text(claim.received_at)})" for claim in one.claims)
    decided = "nobody has chosen"
    if one.correction_id is not None:
        what = "voids it" if one.chosen is None else f"says {one.chosen!r}"
        decided = f"correction {one.correction_id} {what}"
    return f"{one.channel}  {_text(one.ts)}  {values} {one.unit}: {decided}"


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}{f'.{moment.microsecond:06d}' if moment.microsecond else ''}Z"
