"""Commands about the life of a meter: device exchange, multiplier, unit, out of service."""

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from psycopg import Connection

from domain.errors import InputError
from domain.meterlife import (
    DeviceEntry,
    ExchangeEntry,
    FactKind,
    LifeEntry,
    LifeRow,
    MultiplierEntry,
    OutageEntry,
    UnitEntry,
)
from domain.parkentries import modulus_of
from domain.registry import Exchange, Meter, Registry
from domain.time import from_datetime, parse_instant
from service.meterlife import channel_of, checked, find_meter, odd
from service.settings import load_settings
from store import Role, connect, load_registry
from store.meterlife import enter_life, list_life, neighbours_of, withdraw_life

__all__ = ["app"]

app = typer.Typer(
    help="The life of a meter: its devices, exchanges, multipliers, units and outages, each with who and when.",
    no_args_is_help=True,
)

_APPLICATION = "kawasan-meter"

Key = Annotated[str, typer.Argument(metavar="PARK/TENANT/METER", help="The meter.")]
From = Annotated[str, typer.Option("--from", help="From when on, as 2026-01-31T08:15:00+07:00.")]
Channel = Annotated[str, typer.Option("--channel", metavar="QUANTITY", help="Which channel, such as energy_import.")]
Note = Annotated[str, typer.Option(help="What people should know of it later.")]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of what was entered for the same moment.")]


@app.command("show")
def show(
    meter: Key, history: Annotated[bool, typer.Option("--history", help="Also what was withdrawn or replaced.")] = False
) -> None:
    """Show the life of a meter, in order of time."""
    with connect(load_settings().need_database(), Role.WRITE, application=_APPLICATION) as conn:
        registry, found = _meter(conn, meter)
        rows = list_life(conn, found.id, history=history)
    for row in rows:
        print(_line(registry, row))
    if not rows:
        print(
            f"nothing is known of {meter} but what its channels say; `kawasan meter exchange --help` shows how to enter more"
        )


@app.command("exchange")
def exchange(
    meter: Key,
    at: Annotated[str, typer.Option(help="When the device was exchanged, as 2026-01-31T08:15:00+07:00.")],
    channel: Annotated[
        list[str],
        typer.Option(
            "--channel",
            metavar="QUANTITY:CLOSING:OPENING",
            help="A register with the index of the device taken down and of the one put up; once for each register.",
        ),
    ],
    *,
    serial: Annotated[str | None, typer.Option(help="Serial of the new device.")] = None,
    digits: Annotated[
        int | None, typer.Option(min=1, max=15, help="Digits of the new registers.", show_default="as before")
    ] = None,
    digit_value: Annotated[float, typer.Option(min=1e-9, help="What one count of the lowest digit means.")] = 1.0,
    resolution: Annotated[
        float | None, typer.Option(help="The smallest step the new device shows.", show_default="as before")
    ] = None,
    max_rate: Annotated[
        float | None, typer.Option(help="Largest plausible rate of the new device, per hour.", show_default="as before")
    ] = None,
    note: Note = "",
    replace: Replace = False,
) -> None:
    """Enter that a device was taken down and another put up. No energy is lost, however late it is entered."""
    at_us, modulus = parse_instant(at), modulus_of(digits, digit_value)
    entries: list[LifeEntry] = []
    for register in channel:
        quantity, closing, opening = _register(register)
        entries.append(
            ExchangeEntry(
                quantity=quantity,
                exchange=Exchange(
                    at_us=at_us,
                    closing=closing,
                    opening=opening,
                    modulus=modulus,
                    resolution=resolution,
                    max_rate=max_rate,
                ),
            )
        )
    if serial is not None:
        entries.append(DeviceEntry(serial=serial, from_us=at_us))
    _enter(meter, entries, note=note, replace=replace)


def _register(text: str) -> tuple[str, float, float]:
    parts = text.split(":")
    try:
        quantity, closing, opening = parts
        return quantity, float(closing), float(opening)
    except ValueError:
        raise InputError(
            f"--channel {text!r} is not QUANTITY:CLOSING:OPENING; write energy_import:98123.4:0.0, for example"
        ) from None


@app.command("multiplier")
def multiplier(
    meter: Key,
    begin: From,
    channel: Channel,
    factor: Annotated[float, typer.Option(help="CT ratio x PT ratio, or the pulse weight.")],
    note: Note = "",
    *,
    replace: Replace = False,
) -> None:
    """Enter that another multiplier holds from a moment on."""
    entry = MultiplierEntry(quantity=channel, from_us=parse_instant(begin), factor=factor)
    _enter(meter, [entry], note=note, replace=replace)


@app.command("unit")
def unit(
    meter: Key,
    begin: From,
    channel: Channel,
    name: Annotated[
        str, typer.Option("--unit", help="The unit in which the source publishes from then on, such as MWh.")
    ],
    note: Note = "",
    *,
    replace: Replace = False,
) -> None:
    """Enter that a source publishes in another unit from a moment on; a message that names its unit is taken at its word."""
    entry = UnitEntry(quantity=channel, from_us=parse_instant(begin), unit=name)
    _enter(meter, [entry], note=note, replace=replace)


@app.command("out-of-service")
def out_of_service(
    meter: Key,
    begin: From,
    reason: Annotated[str, typer.Option(help="Why.")],
    end: Annotated[str | None, typer.Option("--to", help="Until when.", show_default="until further notice")] = None,
    *,
    replace: Replace = False,
) -> None:
    """Enter that a meter is out of service: nothing is expected of it. What it sends all the same still counts."""
    entry = OutageEntry(from_us=parse_instant(begin), to_us=None if end is None else parse_instant(end), reason=reason)
    _enter(meter, [entry], note="", replace=replace)


@app.command("withdraw")
def withdraw(
    meter: Key,
    kind: Annotated[FactKind, typer.Argument(help="What kind of fact it is.")],
    number: Annotated[int, typer.Argument(help="Its number, as `show` gives it.")],
    why: Annotated[str, typer.Option("--why", help="The reason; it is kept with your name.")],
) -> None:
    """Take an entered fact out of force, as if it had never been."""
    with connect(load_settings().need_database(), Role.MIGRATE, application=_APPLICATION) as conn:
        _, found = _meter(conn, meter)
        withdraw_life(conn, found.id, kind, number, why=why, by=_me())
    print(f"{kind} {number} of {meter} is withdrawn; what it changed is computed again")


def _enter(meter: str, entries: Sequence[LifeEntry], *, note: str, replace: bool) -> None:
    now_us = from_datetime(datetime.now(UTC))
    with connect(load_settings().need_database(), Role.MIGRATE, application=_APPLICATION) as conn:
        registry, found = _meter(conn, meter)
        checked(registry, found, entries, now_us=now_us, replace=replace)
        warnings = _warnings(conn, registry, found, entries)
        made = enter_life(conn, found.id, entries, note=note, by=_me(), replace=replace)
    for warning in warnings:
        print(f"warning: {warning}")
    numbers = ", ".join(f"{entry.kind} {number}" for entry, number in zip(entries, made, strict=True))
    print(f"entered for {meter}, as {numbers}; what it changes is computed again")


def _warnings(conn: Connection[Any], registry: Registry, meter: Meter, entries: Sequence[LifeEntry]) -> list[str]:
    warnings: list[str] = []
    for entry in entries:
        channel = channel_of(registry, meter, entry)
        if channel is not None:
            warnings += odd(registry, channel, entry, neighbours_of(conn, channel.id, entry.from_us))
    return warnings


def _place(registry: Registry, meter: Meter) -> str:
    return f"{registry.park.key}/{registry.tenant_by_id[meter.tenant_id].key}/{meter.key}"


def _me() -> str:
    return f"cli:{getpass.getuser()}"


def _meter(conn: Connection[Any], key: str) -> tuple[Registry, Meter]:
    parts = key.split("/")
    if len(parts) != 3:  # noqa: PLR2004 - park, tenant, meter
        raise InputError(f"{key!r} is no meter; write PARK/TENANT/METER")
    registry = load_registry(conn, parts[0])
    found = find_meter(registry, parts[1], parts[2])
    if found is None:
        others = [
            _place(registry, one) for one in registry.meters if registry.tenant_by_id[one.tenant_id].key == parts[1]
        ]
        there = f"tenant {parts[1]} has {', '.join(others)}" if others else f"park {parts[0]} has no tenant {parts[1]}"
        raise InputError(f"there is no meter {key!r}; {there}")
    return registry, found


def _line(registry: Registry, row: LifeRow) -> str:
    def text(moment: datetime) -> str:
        return moment.astimezone(registry.park.zone).isoformat(timespec="seconds")

    what = ", ".join(f"{name} {value}" for name, value in row.what.items() if value is not None)
    until = "" if row.valid_to is None else f" to {text(row.valid_to)}"
    place = "" if row.quantity is None else f" {row.quantity}"
    who = "park file" if row.origin == "file" else row.recorded_by
    note = f": {row.note}" if row.note else ""
    gone = ""
    if row.superseded_at is not None:
        gone = f"; superseded {text(row.superseded_at)} by {row.superseded_by}: {row.superseded_why}"
    return f"{row.kind} {row.id}{place}  {text(row.valid_from)}{until}  {what}  ({who}, {text(row.recorded_at)}{note}){gone}"
