"""Compute a stretch again and prove that the stored numbers follow from the readings."""

import sys
from typing import Annotated

import typer

from domain.frames import SubjectKind
from domain.registry import Registry
from domain.time import Level, from_datetime, parse_instant
from service.recompute import Recomputed, channels_named, recompute
from service.settings import load_settings
from store import Role, connect, load_registry
from store.snapshots import DifferingAmount, DifferingKpi

__all__ = ["recompute_command"]

_DIFFERS = 1


def recompute_command(  # noqa: PLR0917 - typer's options
    start: Annotated[
        str, typer.Option("--from", help="First instant, RFC 3339 with an offset; its whole local day is computed.")
    ],
    stop: Annotated[
        str, typer.Option("--to", help="End, not included; the local day that holds it is computed whole.")
    ],
    park: Annotated[str, typer.Option(help="Key of the park.")],
    channel: Annotated[
        list[str] | None, typer.Option(help="PARK/TENANT/METER/QUANTITY; may be given several times. Default: all.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1, help="Give up when the engine takes nothing for so many seconds.")
    ] = 60.0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most differences of each kind that are listed.")] = 50,
) -> None:
    """
    Compute days again from the readings, and prove that the stored numbers are what comes out, or list the differences.

    Needs a running engine. Only numbers that were final are compared. Ends with code 1 where something differs.
    """
    with connect(load_settings().need_database(), Role.WRITE, autocommit=True, application="kawasan-recompute") as conn:
        registry = load_registry(conn, park)
        done = recompute(
            conn,
            registry,
            channels_named(registry, channel or ()),
            parse_instant(start),
            parse_instant(stop),
            patience,
            _waiting,
            most_shown=limit,
        )
    _tell(registry, done)
    if not done.is_equal:
        raise typer.Exit(_DIFFERS)


def _waiting(left: int) -> None:
    """On a terminal one line that counts down; in a log it would be many."""
    if sys.stderr.isatty():
        typer.echo(f"\r{left} spans to compute   ", nl=False, err=True)


def _tell(registry: Registry, done: Recomputed) -> None:
    keys = {channel.id: channel.key for channel in registry.channels}
    for amount in done.differing_amounts:
        name = keys.get(amount.channel_id, f"channel {amount.channel_id}")
        print(f"amount differs: {name} {_when(registry, amount)}: {_change(amount)}")
    for kpi in done.differing_kpis:
        print(f"KPI differs: {kpi.kpi} of {_subject(registry, kpi)} {_when(registry, kpi)}: {_change(kpi)}")
    what = f"{done.channels} channels, {done.amounts} final amounts and {done.kpis} final KPIs"
    if done.is_equal:
        print(f"computed again and equal: {what} (amounts to the last bit, KPIs to 1e-12)")
    else:
        print(f"computed again, and not equal: {what}; what is stored now is what the readings give")


def _when(registry: Registry, row: DifferingAmount | DifferingKpi) -> str:
    local = row.start.astimezone(registry.park.zone)
    return f"{Level(row.level).key} {local.isoformat()} [{from_datetime(row.start)}]"


def _change(row: DifferingAmount | DifferingKpi) -> str:
    if row.came:
        return f"was not stored, is {_number(row.after)}"
    if row.went:
        return f"was {_number(row.before)}, is gone"
    return f"was {_number(row.before)}, is {_number(row.after)}"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.15g}"


def _subject(registry: Registry, row: DifferingKpi) -> str:
    if row.subject_kind == SubjectKind.PARK.code:
        return f"park {registry.park.key}"
    tenant = registry.tenant_by_id.get(row.subject_id)
    return f"tenant {registry.park.key}/{tenant.key}" if tenant else f"subject {row.subject_id}"
