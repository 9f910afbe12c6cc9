"""Commands about references: check a reference file, bring the database to it, list what is in force."""

import getpass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from domain.documents import Format
from domain.errors import InputError, RegistryError
from domain.referencefile import ReferenceFile, parse_references, references_of
from service.logs import configure_logs
from service.references import check_references
from service.settings import load_settings
from store import Role, connect, load_registry
from store.referencerows import KINDS
from store.references import ReferenceRow, apply_references, list_references

__all__ = ["app", "apply_reference_file", "example_references", "read_reference_file"]

app = typer.Typer(
    help="Factors, tariffs, holidays, contracts, formulas and limits: check a file, apply it, list what holds.",
    no_args_is_help=True,
)

_FORMATS: dict[str, Format] = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
_SHOWN = 100

File = Annotated[
    Path, typer.Argument(help="The reference file, TOML or YAML.", exists=True, dir_okay=False, readable=True)
]


def read_reference_file(path: Path) -> ReferenceFile:
    """
    The references that a file describes, of the right shape.

    Raises
    ------
    RegistryError
        The file cannot be read as text, or its shapes are wrong; names all mistakes.
    """
    written = _FORMATS.get(path.suffix.lower())
    if written is None:
        raise RegistryError(f"{path} is neither TOML nor YAML by its name; it must end in .toml, .yaml or .yml")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path} cannot be read: {error}") from error
    return parse_references(text, written)


def example_references() -> ReferenceFile:
    """The reference file that is shipped with kawasan."""
    with as_file(files("service") / "parks" / "karawang-references.yaml") as path:
        return read_reference_file(path)


def apply_reference_file(url: str, file: ReferenceFile, *, name: str, by: str) -> tuple[str, ...]:
    """
    Check a reference file against its park and bring the database to it; what changed, in words.

    Raises
    ------
    RegistryError
        The file has mistakes, or its park is not in the database; nothing was changed.
    """
    with connect(url, Role.MIGRATE, application="kawasan-references") as conn:
        check_references(file, load_registry(conn, file.park), name)
        conn.commit()
        return apply_references(conn, file.park, references_of(file), by=by)


@app.command("check")
def check_file(file: File) -> None:
    """
    Say whether a reference file is right, and else everything that is wrong with it.

    Where a database is set, its tenants, channels and formulas are held against the park in it, too.
    """
    found, url = read_reference_file(file), load_settings().database_url
    if url is None:
        check_references(found, None, str(file))
        print(f"{file} is right by itself; set KAWASAN_DATABASE_URL to hold it against the park in the database")
        return
    with connect(url.get_secret_value(), Role.WRITE, application="kawasan-references") as conn:
        check_references(found, load_registry(conn, found.park), str(file))
    counts = ", ".join(f"{len(getattr(found, field))} {field}" for field in KINDS.values())
    print(f"{file} is right for park {found.park}: {counts}")


@app.command("apply")
def apply_file(file: File) -> None:
    """Make the references of a park what a file says, and print what changed. A file with mistakes changes nothing."""
    settings = load_settings()
    configure_logs(settings, "references")
    found = read_reference_file(file)
    changes = apply_reference_file(settings.need_database(), found, name=str(file), by=f"cli:{getpass.getuser()}")
    for change in changes:
        print(change)
    print(f"{len(changes)} changes" if changes else f"nothing to change: park {found.park} is as {file} says")


@app.command("list")
def show(
    park: Annotated[str, typer.Option("--park", help="Key of the park.")],
    kind: Annotated[str | None, typer.Option(help=f"Only these: {', '.join(KINDS)}.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also what newer versions took the place of.")] = False,
) -> None:
    """List the references of a park, with where each is from, and who recorded it."""
    if kind is not None and kind not in KINDS:
        raise InputError(f"there is no kind {kind!r}; kinds are {', '.join(KINDS)}")
    with connect(load_settings().need_database(), Role.WRITE, application="kawasan-references") as conn:
        zone = load_registry(conn, park).park.zone
        rows = list_references(conn, park, kind=kind, history=history)
    for row in rows:
        until = "" if row.valid_to is None else f" to {row.valid_to.astimezone(zone):%Y-%m-%d %H:%M}"
        print(f"{row.kind} {row.key}  from {row.valid_from.astimezone(zone):%Y-%m-%d %H:%M}{until}  {_body(row)}")
        sure = "confirmed" if row.confirmed else "not confirmed"
        gone = f"; superseded {row.superseded_at.astimezone(zone):%Y-%m-%d %H:%M}" if row.superseded_at else ""
        recorded = f"recorded {row.recorded_at.astimezone(zone):%Y-%m-%d %H:%M} by {row.recorded_by}"
        print(f"    {sure}: {row.source} ({recorded}{gone})")
    if not rows:
        print(f"park {park} has no references; `kawasan references apply FILE` brings them in")


def _body(row: ReferenceRow) -> str:
    if row.kind == "factor":
        return f"{row.body['value']:.6g} {row.body['unit']} {row.body['region']}".rstrip()
    if row.kind == "tariff":
        blocks = ", ".join(f"{block['key']} {block['price']:.6g}" for block in row.body["blocks"])
        return f"{row.body['currency']}/kWh: {blocks}"
    text = ", ".join(f"{name} {value}" for name, value in row.body.items() if value is not None)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
