"""The command that writes numbers into a file, or to standard output, in the same forms as the API."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from domain.errors import InputError
from domain.registry import Channel, Registry
from domain.time import Level, parse_instant
from kpi.catalogue import for_registry
from service.api.as_of import Past
from service.api.forms import Table, written
from service.api.lists import correction_table, episode_table, finding_table
from service.api.ranges import LevelName, Span
from service.api.series import KpiSought, Seen, amount_table, kpi_table, reading_table
from service.api.subjects import find_subject, may_see_kpi, park_of
from service.cli.alarmdesk import everybody
from service.cli.progress import progress_bar
from service.formats import Form
from service.settings import load_settings
from store import Role, connect, open_pool
from store.connection import database_errors
from store.queries import read_registries
from store.users import User, list_users

__all__ = ["export"]

_APPLICATION = "kawasan-export"
_CUT = 1


class What(StrEnum):
    """What is exported."""

    READINGS = "readings"
    AMOUNTS = "amounts"
    KPIS = "kpis"
    FINDINGS = "findings"
    CORRECTIONS = "corrections"
    EPISODES = "episodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What the options say."""

    what: What
    span: Span
    park: str | None
    channels: tuple[str, ...]
    kpis: tuple[str, ...]
    subjects: tuple[str, ...]
    level: Level
    as_of_us: int | None


def export(  # noqa: PLR0917 - typer's options
    what: Annotated[What, typer.Argument(help="What is exported.")],
    begin: Annotated[str, typer.Option("--from", help="First instant, as 2026-01-31T00:00:00+07:00.")],
    end: Annotated[str, typer.Option("--to", help="End of the range, not included.")],
    park: Annotated[str | None, typer.Option("--park", help="Only of the park of this key.")] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="Only of this channel, as park/tenant/meter/quantity; may be repeated.", show_default="all"),
    ] = None,
    kpi: Annotated[list[str] | None, typer.Option(help="Key of a KPI; may be repeated.")] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Of KPIs: park:KEY, tenant:PARK/TENANT or meter:PARK/TENANT/METER; may be repeated."),
    ] = None,
    level: Annotated[LevelName, typer.Option(help="Of amounts and KPIs: how much time each covers.")] = LevelName.HOUR,
    as_of: Annotated[
        str | None, typer.Option(help="Of readings, amounts and KPIs: from what was recorded by this instant.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.CSV,
    to: Annotated[Path | None, typer.Option("--out", help="File to write.", show_default="standard output")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    user: Annotated[
        str | None, typer.Option("--user", help="Only what this user may see.", show_default="everything")
    ] = None,
) -> None:
    """Write readings, amounts, KPIs, findings, corrections or episodes as CSV, NDJSON or JSON, however many there are."""
    wanted = _Wanted(
        what=what,
        span=_span(begin, end),
        park=park,
        channels=tuple(dict.fromkeys(channel or ())),
        kpis=tuple(dict.fromkeys(kpi or ())),
        subjects=tuple(dict.fromkeys(subject or ())),
        level=level.level,
        as_of_us=None if as_of is None else parse_instant(as_of),
    )
    _check(wanted)
    if to is None:
        _to_stdout(wanted, form, user)
    else:
        rows = _to_file(wanted, form, user, to, force=force)
        print(f"{to}: {rows} lines", file=sys.stderr)


def _span(begin: str, end: str) -> Span:
    span = Span(start_us=parse_instant(begin), stop_us=parse_instant(end))
    if span.start_us >= span.stop_us:
        raise InputError(f"the range from {begin} to {end} is empty; --to must be after --from")
    return span


def _check(wanted: _Wanted) -> None:
    if wanted.what is What.KPIS and not (wanted.kpis and wanted.subjects):
        raise InputError("say which KPIs of whom: --kpi electricity --subject tenant:karawang/alpha")
    if wanted.what is not What.KPIS and (wanted.kpis or wanted.subjects):
        raise InputError(f"--kpi and --subject are about KPIs, and not about {wanted.what}; leave them out")
    if wanted.channels and wanted.what in {What.KPIS, What.EPISODES}:
        raise InputError(f"--channel is not about {wanted.what}; leave it out")
    if wanted.as_of_us is not None and wanted.what not in {What.READINGS, What.AMOUNTS, What.KPIS}:
        raise InputError(f"--as-of is about readings, amounts and KPIs, and not about {wanted.what}; leave it out")


def _to_stdout(wanted: _Wanted, form: Form, user: str | None) -> None:
    try:
        _write(wanted, form, user, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough, as `head` has. What Python still holds goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_CUT) from None


def _to_file(wanted: _Wanted, form: Form, user: str | None, to: Path, *, force: bool) -> int:
    """Lines that were written; the file is there whole or not at all."""
    if to.exists() and not force:
        raise InputError(f"the file {to} is there already; --force replaces it")
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            lines = _write(wanted, form, user, file)
        part.replace(to)
    except OSError as error:
        raise InputError(f"the file {to} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return lines


def _write(wanted: _Wanted, form: Form, user: str | None, file: BinaryIO) -> int:
    url = load_settings().need_database()
    asker, role = (everybody(), Role.WRITE) if user is None else (_user(url, user), Role.API)

    async def wrote() -> int:
        lines = 0
        with database_errors("reading for an export"), progress_bar(f"exporting {wanted.what}") as show:
            async with open_pool(url, role, max_size=1, application=_APPLICATION) as pool:
                seen = Seen(connections=pool.connection, user=asker, as_of_us=wanted.as_of_us)
                async for text, done in written(form, await _table(seen, wanted)):
                    file.write(text)
                    lines += text.count(b"\n")
                    show(done, f"{lines} lines")
        return lines

    return asyncio.run(wrote())


def _user(url: str, name: str) -> User:
    with connect(url, Role.AUTH, application=_APPLICATION) as conn:
        found = next((one for one in list_users(conn) if one.name == name and not one.disabled), None)
    if found is None:
        raise InputError(f"there is no user {name!r}, or the user is disabled; `kawasan user list` lists them")
    return found


async def _table(seen: Seen, wanted: _Wanted) -> Table:
    registries = await _registries(seen, wanted)
    if wanted.what is What.KPIS:
        return kpi_table(seen, _sought(registries, seen.user, wanted), wanted.level, wanted.span)
    channels = _channels(registries, wanted.channels)
    if wanted.what is What.READINGS:
        return reading_table(seen, channels, wanted.span)
    if wanted.what is What.AMOUNTS:
        return amount_table(seen, channels, wanted.level, wanted.span)
    if wanted.what is What.EPISODES:
        return episode_table(seen, registries, wanted.span, park=wanted.park)
    ids = [channel.id for _, channel in channels] if wanted.channels or wanted.park else None
    if wanted.what is What.FINDINGS:
        return finding_table(seen, wanted.span, park=wanted.park, channel_ids=ids)
    return correction_table(seen, ids, (wanted.span.start_us, wanted.span.stop_us), history=True)


async def _registries(seen: Seen, wanted: _Wanted) -> tuple[Registry, ...]:
    async with seen.connections() as conn:
        registries = await read_registries(conn, seen.user.name)
        if wanted.park is not None:
            known = ", ".join(one.park.key for one in registries) or "none"
            registries = tuple(one for one in registries if one.park.key == wanted.park)
            if not registries:
                raise InputError(f"there is no park {wanted.park!r}; those that can be exported: {known}")
        if wanted.as_of_us is None:
            return registries
        keys = [registry.park.key for registry in registries]
        pasts = [await Past.of(conn, seen.user, key, wanted.as_of_us) for key in keys]
    return tuple(past.registry for past in pasts if past is not None)


def _channels(registries: Sequence[Registry], keys: Sequence[str]) -> list[tuple[Registry, Channel]]:
    by_key = {channel.key: (registry, channel) for registry in registries for channel in registry.channels}
    for key in keys:
        if key not in by_key:
            raise InputError(f"there is no channel {key!r}; write it as park/tenant/meter/quantity")
    return [by_key[key] for key in keys] if keys else list(by_key.values())


def _sought(registries: Sequence[Registry], user: User, wanted: _Wanted) -> list[KpiSought]:
    by_park = {registry.park.key: registry for registry in registries}
    found = []
    for subject in wanted.subjects:
        registry = by_park.get(park_of(subject))
        if registry is None:
            raise InputError(f"there is no subject {subject!r} in the parks that are exported")
        named = find_subject(registry, user, subject)
        catalogue = {kpi.key: kpi for kpi in for_registry(registry) if may_see_kpi(user, kpi.key)}
        for key in wanted.kpis:
            kpi = catalogue.get(key)
            if kpi is None or named.subject.kind not in kpi.subjects or wanted.level not in kpi.levels:
                raise InputError(f"there is no KPI {key!r} of {subject} at level {wanted.level.key}")
            found.append(KpiSought(registry=registry, named=named, kpi=kpi))
    return found
