"""Commands about the database's schema and the park file."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from domain.alarmchecks import alarm_problems, contact_problems
from domain.errors import RegistryError
from domain.parkfile import Format, ParkFile, mistakes, parse
from domain.parkregistry import registry_of
from domain.references import References
from service.alarmrules import kpi_problems
from service.identity.firstadmin import ADMIN, make_first_admin
from service.logs import configure_logs
from service.settings import load_settings
from store import Role, apply_park, connect, load_registry, migrate
from store.registry import load_parks
from store.serverlogin import make_server_login

__all__ = ["app", "apply_file", "checked_park", "example_park", "first_admin_line", "migrate_database"]

app = typer.Typer(help="Check a park file, or bring the database's registry to it.", no_args_is_help=True)

_FORMATS: dict[str, Format] = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}

File = Annotated[Path, typer.Argument(help="The park file, TOML or YAML.", exists=True, dir_okay=False, readable=True)]


def checked_park(path: Path) -> ParkFile:
    """
    The park that a file describes, checked whole. Whether the park has the formulas that its alarms watch, the file does not say.

    Raises
    ------
    RegistryError
        The file cannot be read as text, or has mistakes; names all of them.
    """
    written = _FORMATS.get(path.suffix.lower())
    if written is None:
        raise RegistryError(f"{path} is neither TOML nor YAML by its name; it must end in .toml, .yaml or .yml")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path} cannot be read: {error}") from error
    park = parse(text, written)
    found = mistakes(park)
    if set(found) <= {*alarm_problems(park), *contact_problems(park.contacts)}:
        # Else the park cannot be made into the registry that the catalogue of KPIs needs.
        found = (*found, *kpi_problems(registry_of(park), park.alarms, knows_references=False))
    _refuse(path, found)
    return park


def _refuse(path: Path, found: tuple[str, ...]) -> None:
    if found:
        noun = "mistake" if len(found) == 1 else "mistakes"
        raise RegistryError("\n- ".join([f"{path} has {len(found)} {noun}:", *found]))


def example_park() -> ParkFile:
    """The park file that is shipped with kawasan."""
    with as_file(files("service") / "parks" / "karawang.yaml") as path:
        return checked_park(path)


def apply_file(url: str, park: ParkFile) -> tuple[str, ...]:
    """Bring the registry to a checked park file; what changed, in words."""
    with connect(url, Role.MIGRATE, application="kawasan-park") as conn:
        return tuple(str(change) for change in apply_park(conn, park))


@app.command("check")
def check_file(file: File) -> None:
    """Say whether a park file is right, and else everything that is wrong with it."""
    park = checked_park(file)
    meters = [meter for tenant in park.tenants for meter in tenant.meters]
    channels = sum(len(meter.channels) for meter in meters)
    print(
        f"{file} is right: park {park.park.key} with {len(park.tenants)} tenants, {len(meters)} meters, "
        f"{channels} channels, {len(park.rules)} rules and {len(park.alarms)} alarms"
    )


def _references(url: str, park: str) -> References:
    """The references of a park in the database; none where it is new."""
    with connect(url, Role.MIGRATE, application="kawasan-park") as conn:
        parks = {one.key for one in load_parks(conn)}
        return load_registry(conn, park).references if park in parks else References()


@app.command("apply")
def apply_park_file(file: File) -> None:
    """Make the database's registry what a park file says, and print what changed. Twice changes nothing more."""
    settings = load_settings()
    configure_logs(settings, "park")
    park = checked_park(file)
    url = settings.need_database()
    _refuse(file, kpi_problems(registry_of(park, _references(url, park.park.key)), park.alarms))
    changes = apply_file(url, park)
    for change in changes:
        print(change)
    print(f"{len(changes)} changes" if changes else f"nothing to change: park {park.park.key} is as {file} says")


def migrate_database() -> None:
    """Bring the database to this version's schema. Safe to run again, and beside running processes."""
    settings = load_settings()
    configure_logs(settings, "migrate")
    url = settings.need_database()
    changed = migrate(url)
    for name in changed:
        print(f"applied {name}")
    if not changed:
        print("the database is at this version already")
    if settings.server_database_url is not None:
        login = make_server_login(url, settings.server_database_url.get_secret_value())
        print(f"the server's login is {login}")
    told = first_admin_line(url)
    if told is not None:
        print(told)


def first_admin_line(url: str) -> str | None:
    """Make the first admin where there is no user at all; what to tell whoever started it, which is not told again."""
    password = make_first_admin(url)
    if password is None:
        return None
    return (
        f"the first user is {ADMIN}, one-time password (shown only now, to be changed at the first login): {password}"
    )
