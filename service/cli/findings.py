"""Commands about what the checks found, and about their limits."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from domain.errors import InputError
from domain.findings import Rule, unit_of
from domain.registry import Kind, Registry
from domain.time import from_datetime, parse_instant
from kpi.checks import LIMITS
from service.settings import load_settings
from store import Role, connect, load_registry
from store.findings import FindingRow, list_findings

__all__ = ["app"]

app = typer.Typer(help="List what the checks of readings and amounts found, and their limits.", no_args_is_help=True)

_USUAL_DAYS = 7


@app.command("list")
def show_list(
    park: Annotated[str, typer.Option("--park", help="Key of the park.")],
    *,
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="Only of this channel, tenant/meter/quantity; repeat for more."),
    ] = None,
    rule: Annotated[list[Rule] | None, typer.Option("--rule", help="Only of this rule; repeat for more.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="First instant, as 2026-01-31T00:00:00+07:00; 7 days ago otherwise.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the range, not included; now otherwise.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most lines.")] = 50,
) -> None:
    """List findings, newest first: from when to when, channel, rule, what was found and what it was held against."""
    now = datetime.now(UTC)
    start_us = from_datetime(now - timedelta(days=_USUAL_DAYS)) if begin is None else parse_instant(begin)
    stop_us = from_datetime(now) if end is None else parse_instant(end)
    if start_us >= stop_us:
        raise InputError(f"the range from {begin} to {end} is empty; --to must be after --from")
    with connect(load_settings().need_database(), Role.WRITE, application="kawasan-findings") as conn:
        ids = None if not channel else [_channel_id(load_registry(conn, park), key) for key in channel]
        rows = list_findings(conn, start_us, stop_us, park=park, channel_ids=ids, rules=rule or (), limit=limit)
    for row in rows:
        print(_line(row))
    if not rows:
        print("the checks found nothing")


@app.command("limits")
def show_limits() -> None:
    """List the limits that can be set for a quantity or a channel, with their defaults and where these are from."""
    for limit in LIMITS.values():
        own = ", ".join(f"{key} {value:g}" for key, value in sorted(limit.by_quantity.items()))
        known = "" if limit.confirmed else " (not confirmed)"
        print(f"{limit.key}  {limit.default:g}{f'; {own}' if own else ''}  [{limit.unit}]  {limit.meaning}")
        print(f"    source: {limit.source}{known}")


def _channel_id(registry: Registry, key: str) -> int:
    found = registry.channel_by_key.get(f"{registry.park.key}/{key}")
    if found is None:
        raise InputError(f"park {registry.park.key!r} has no channel {key!r}; write tenant/meter/quantity")
    return found.id


def _line(row: FindingRow) -> str:
    zone, rule = ZoneInfo(row.timezone), Rule(row.rule)
    unit = unit_of(rule, row.unit, is_gauge=row.kind == Kind.GAUGE.value)
    value, bound = (f"{number:g}" if number is not None else "unknown" for number in (row.value, row.bound))
    return (
        f"{row.start.astimezone(zone):%Y-%m-%d %H:%M:%S} - {row.stop.astimezone(zone):%Y-%m-%d %H:%M:%S}  "
        f"{row.channel}  {rule.value}: {value} against {bound} [{unit}]"
    )
