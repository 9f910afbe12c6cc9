"""Commands about alarm rules: list them, and try one over past data."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from psycopg import Connection

from domain.alarmchecks import alarm_problems
from domain.alarmentries import ALARM_SHAPES, AlarmEntry
from domain.documents import DocumentKind, read_document
from domain.errors import InputError, RegistryError
from domain.registry import Registry
from domain.shapes import Shape
from domain.time import from_datetime, parse_instant
from service.alarmrules import kpi_problems
from service.api.alarmmodels import TrialAnswer
from service.api.ranges import Span
from service.api.trials import trial_answer
from service.cli.alarmdesk import APPLICATION, beyond_words, length_words
from service.engine.trial import try_rule
from service.settings import load_settings
from store import Role, connect, load_registry
from store.alarmrules import AlarmRuleRow, list_rules

__all__ = ["app"]

app = typer.Typer(help="List the rules of alarms, and try one over past data.", no_args_is_help=True)

_USUAL_DAYS = 30
_SHOWN = 20

ParkKey = Annotated[str, typer.Option("--park", help="Key of the park.")]


class _RuleFile(Shape):
    """Rules as they stand in a park file."""

    alarms: tuple[AlarmEntry, ...]


_KIND = DocumentKind(
    word="rule file",
    begins="'alarms'",
    depth="a rule lies two levels down",
    models=dict(ALARM_SHAPES),
    named_by={"alarms": "key"},
)


@app.command("list")
def show_list(
    park: ParkKey,
    history: Annotated[bool, typer.Option("--history", help="Also versions that are over.")] = False,
) -> None:
    """List the rules of a park: key, version, severity, what, from when to when, and who recorded it."""
    with connect(load_settings().need_database(), Role.WRITE, application=APPLICATION) as conn:
        zone = load_registry(conn, park).park.zone
        rows = list_rules(conn, park, history=history)
    for row in rows:
        print(_line(row, zone))
    if not rows:
        print(f"park {park} has no alarm rules; write them under `alarms:` in its file, or enter them by the API")


@app.command("try")
def try_rules(
    rule: Annotated[str, typer.Argument(help="Key of a rule of the park, or a file with `alarms:` as in a park file.")],
    park: ParkKey,
    *,
    begin: Annotated[
        str | None, typer.Option("--from", help="First instant, as 2026-01-31T00:00:00+07:00; 30 days ago otherwise.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the range, not included; now otherwise.")] = None,
) -> None:
    """Say how often a rule would have been raised in past data, for how long, and who would have been told; nothing is stored."""
    now = datetime.now(UTC)
    span = Span(
        start_us=from_datetime(now - timedelta(days=_USUAL_DAYS)) if begin is None else parse_instant(begin),
        stop_us=from_datetime(now) if end is None else parse_instant(end),
    )
    if span.start_us >= span.stop_us:
        raise InputError(f"the range from {begin} to {end} is empty; --to must be after --from")
    with connect(load_settings().need_database(), Role.WRITE, application=APPLICATION) as conn:
        conn.read_only = True
        registry = load_registry(conn, park)
        for entry in _entries(registry, rule):
            _print(entry, _tried(conn, registry, entry, span))


def _entries(registry: Registry, rule: str) -> tuple[AlarmEntry, ...]:
    found = [one for one in registry.alarm_rules if one.key == rule]
    if found:
        return (found[-1].entry,)
    file = Path(rule)
    if not file.is_file():
        keys = ", ".join(sorted({one.key for one in registry.alarm_rules})) or "none"
        raise InputError(f"{rule!r} is neither a rule of park {registry.park.key} nor a file; its rules are {keys}")
    entries = read_document(
        file.read_text(encoding="utf-8"), "toml" if file.suffix == ".toml" else "yaml", _RuleFile, _KIND
    ).alarms
    sentences = (*alarm_problems(registry, entries), *kpi_problems(registry, entries))
    if sentences:
        raise RegistryError("\n- ".join([f"the rules have {len(sentences)} mistakes:", *sentences]))
    return entries


def _tried(conn: Connection[Any], registry: Registry, entry: AlarmEntry, span: Span) -> TrialAnswer:
    trial = try_rule(conn, registry, entry, span.start_us, span.stop_us)
    return trial_answer(trial, registry.park.zone, span)


def _print(entry: AlarmEntry, answer: TrialAnswer) -> None:
    print(f"{entry.key}: {answer.summary}")
    for one in answer.episodes[:_SHOWN]:
        over = (
            "still going on"
            if one.cleared_at is None
            else f"for {length_words((one.stop - one.start).total_seconds())}"
        )
        print(
            f"    {one.start.isoformat()}  {over}  {one.target}  {beyond_words(one.peak, one.bound, one.unit)}".rstrip()
        )
    if answer.episodes_in_all > _SHOWN:
        print(f"    ... and {answer.episodes_in_all - _SHOWN} more")
    print(f"    {answer.valid} values count, {answer.missing} are missing, {answer.excluded} were set aside")
    for told in answer.told:
        print(f"    {told.contact}: raised {told.raised}, cleared {told.cleared}, escalated {told.escalated}")


def _line(row: AlarmRuleRow, zone: ZoneInfo) -> str:
    until = "" if row.valid_to is None else f" to {row.valid_to.astimezone(zone):%Y-%m-%d %H:%M}"
    return (
        f"{row.key}  v{row.version}  {row.entry.severity}  {row.entry.category.value}  {row.entry.name}  "
        f"from {row.valid_from.astimezone(zone):%Y-%m-%d %H:%M}{until}  ({row.origin}, {row.recorded_by})"
    )
