"""Commands about entered values (production, turnover, bills ...): import a table, list what is in force."""

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection

from domain.contextentries import period_of
from domain.errors import InputError
from domain.registry import OPERATOR, Registry
from domain.time import parse_instant
from service.context import ContextLine, context_lines
from service.logs import configure_logs
from service.settings import load_settings
from store import Role, connect, load_registry
from store.context import ContextRow, Entered, enter_context, list_context

__all__ = ["app"]

app = typer.Typer(
    help="Enter what meters cannot say (production, turnover, employees, bills), and list it.", no_args_is_help=True
)

_REFUSED = 1

ParkKey = Annotated[str, typer.Option("--park", help="Key of the park.")]


@app.command("import")
def import_table(
    file: Annotated[Path, typer.Argument(help="Comma-separated table.", exists=True, dir_okay=False, readable=True)],
    park: ParkKey,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
) -> None:
    """
    Enter the lines of a table with columns tenant,series,start,stop,value,note.

    Without a stop, the start is a local year, month or day (2026-10), meant whole. Tenant _park is the whole park. The value
    `withdraw` takes back what was entered. Lines that are not right are listed, each with its reason, and the others
    entered; importing the same table again changes nothing more. Ends with code 1 where lines were refused.
    """
    settings = load_settings()
    configure_logs(settings, "context")
    by = f"cli:{getpass.getuser()}"
    with connect(settings.need_database(), Role.WRITE, application="kawasan-context") as conn:
        registry = load_registry(conn, park)
        conn.commit()
        with file.open(encoding="utf-8-sig", newline="") as table:
            lines = tuple(context_lines(table, registry))
        with conn.transaction(force_rollback=dry_run):
            refused = _enter(conn, registry, lines, by, "would be " if dry_run else "")
    if refused:
        raise typer.Exit(_REFUSED)


def _enter(conn: Connection[Any], registry: Registry, lines: tuple[ContextLine, ...], by: str, would: str) -> int:
    right = [(line, line.entry) for line in lines if line.entry is not None]
    entered = enter_context(
        conn, registry.park.id, [entry for _, entry in right], [line.tenant_id for line, _ in right], by
    )
    wrong = [(line.number, line.mistake) for line in lines if line.mistake]
    wrong += [(right[one.place][0].number, one.detail) for one in entered if one.outcome == "refused"]
    for number, mistake in sorted(wrong):
        print(f"line {number}: {mistake}")
    print(
        f"{_count(entered, 'stored')} values {would}entered, {_count(entered, 'withdrawn')} {would}withdrawn, "
        f"{_count(entered, 'same')} are as they were, {len(wrong)} {would}refused"
    )
    return len(wrong)


def _count(entered: tuple[Entered, ...], outcome: str) -> int:
    return sum(one.outcome == outcome for one in entered)


@app.command("list")
def show(  # noqa: PLR0917 - typer's options
    park: ParkKey,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant; _park is the whole park.")] = None,
    series: Annotated[str | None, typer.Option(help="Only this series, for example production_t.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="From when: RFC 3339, or 2026, 2026-10, 2026-10-31.")
    ] = None,
    stop: Annotated[str | None, typer.Option("--to", help="Up to when, not included; as --from.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also what newer versions took the place of.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most lines.")] = 1000,
) -> None:
    """List entered values by tenant, series and time, with who entered them and when."""
    with connect(load_settings().need_database(), Role.WRITE, application="kawasan-context") as conn:
        registry = load_registry(conn, park)
        rows = list_context(
            conn,
            park,
            tenant=tenant,
            series=series,
            start_us=_instant(start, registry),
            stop_us=_instant(stop, registry),
            history=history,
            limit=limit,
        )
    for row in rows:
        print(_line(registry, row))
    if not rows:
        print("nothing was entered; `kawasan context import FILE --park KEY` enters a table")


def _instant(text: str | None, registry: Registry) -> int | None:
    if text is None:
        return None
    period = period_of(text, registry.park.zone)
    if period is not None:
        return period[0]
    try:
        return parse_instant(text)
    except InputError as error:
        raise InputError(f"{error}, or as 2026, 2026-10 or 2026-10-31") from None


def _line(registry: Registry, row: ContextRow) -> str:
    zone = registry.park.zone
    start, stop, recorded = (moment.astimezone(zone) for moment in (row.start, row.stop, row.recorded_at))
    note = f"  ({row.note})" if row.note else ""
    gone = (
        f"; superseded {row.superseded_at.astimezone(zone):%Y-%m-%d %H:%M} by {row.superseded_by}"
        if row.superseded_at
        else ""
    )
    return (
        f"{row.tenant or OPERATOR}  {row.series}  {start:%Y-%m-%d %H:%M} to {stop:%Y-%m-%d %H:%M}  {row.value:.12g}{note}"
        f"  entered {recorded:%Y-%m-%d %H:%M} by {row.recorded_by}{gone}"
    )
