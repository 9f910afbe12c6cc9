"""Close months, and list what was closed."""

import getpass
from typing import Annotated

import typer

from domain.registry import Registry
from domain.time import Level
from service.periods import month_of
from service.settings import load_settings
from store import Role, connect, load_registry
from store.closing import ClosedPeriod, close_period, closed_periods

__all__ = ["app"]

app = typer.Typer(
    help="Close a month: its numbers are kept as they are, and later changes stand beside them.", no_args_is_help=True
)

ParkKey = Annotated[str, typer.Option("--park", help="Key of the park.")]


@app.command("close")
def close(
    month: Annotated[str, typer.Argument(help="Park-local month, as 2026-10.")],
    park: ParkKey,
    note: Annotated[str, typer.Option(help="Why, or what for.")] = "",
) -> None:
    """Close a month that is final; what changes later makes an adjustment beside the closed number."""
    with connect(load_settings().need_database(), Role.MIGRATE, application="kawasan-period") as conn:
        registry = load_registry(conn, park)
        start_us, stop_us = month_of(registry.park, month)
        close_period(conn, registry.park.id, Level.MONTH, start_us, stop_us, note, f"cli:{getpass.getuser()}")
    print(f"{month} of park {park} is closed")


@app.command("list")
def show(park: ParkKey) -> None:
    """List the closed months of a park, newest first."""
    with connect(load_settings().need_database(), Role.WRITE, application="kawasan-period") as conn:
        registry = load_registry(conn, park)
        periods = closed_periods(conn, park)
    for period in periods:
        print(_line(registry, period))
    if not periods:
        print(f"no month of park {park} is closed; `kawasan period close 2026-10 --park {park}` closes one")


def _line(registry: Registry, period: ClosedPeriod) -> str:
    zone = registry.park.zone
    changed = f"{period.adjusted} KPIs adjusted since" if period.adjusted else "nothing changed since"
    note = f" ({period.note})" if period.note else ""
    return (
        f"{period.start.astimezone(zone):%Y-%m}  closed {period.closed_at.astimezone(zone):%Y-%m-%d %H:%M} "
        f"by {period.closed_by}{note}: {changed}"
    )
