"""Folders that the account of a private server can get into.

As root the servers run under an unprivileged account, which cannot enter, say, a project below
`/root`. Rights of folders that are not ours are never changed: what lies out of reach is put, or
copied, where the account reaches it.
"""

import fcntl
import hashlib
import shutil
from pathlib import Path
from typing import IO

from domain.errors import ParkError, Unavailable
from service.embedded.accounts import Account, give, reaches
from service.embedded.installations import Installation

__all__ = ["make_private", "private_folder", "readable_programs", "take_lock"]

_REACHABLE = Path("/var/lib/kawasan")


def private_folder(wanted: Path, account: Account | None) -> Path:
    """
    `wanted` itself, or a folder below `/var/lib/kawasan` in its stead if `account` cannot get into it.

    The stand-in is named for `wanted`, so that the same folder asked for again finds the same data.
    """
    folder = wanted.absolute()
    nearest = next(parent for parent in folder.parents if parent.exists())
    if reaches(account, nearest / "anything"):
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return _REACHABLE / f"{folder.name}-{digest}"


def make_private(folder: Path, account: Account | None) -> None:
    """Make a folder that only `account` may enter, and its missing parents, which anybody may."""
    for parent in reversed(folder.parents):
        if not parent.exists():
            parent.mkdir()
            # A strict umask would keep the account out of its own folder.
            parent.chmod(0o755)
    folder.mkdir(exist_ok=True, mode=0o700)
    give(folder, account)


def take_lock(home: Path) -> IO[bytes]:
    """
    The lock of a private server's folder, held until it is closed or we end, however we end.

    Raises
    ------
    Unavailable
        Another kawasan holds it.
    """
    lock = (home / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise Unavailable(f"another kawasan is at work on the data in {home}; stop it first") from error
    return lock


def readable_programs(installation: Installation, home: Path, account: Account | None) -> Path:
    """
    The folder of the programs, or of a copy in `home` if `account` cannot get to them.

    Raises
    ------
    ParkError
        They are out of reach and not of a kind that can be copied.
    """
    if reaches(account, installation.folder / "postgres"):
        return installation.folder
    if not installation.packaged:
        raise ParkError(f"{installation.folder} cannot be entered by the account {account.name if account else '?'}")
    package = installation.folder.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    copy = home / "programs"
    folder = copy / package.name / "pginstall" / "bin"
    if not _same_size(folder / "postgres", installation.folder / "postgres"):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(libraries, copy / libraries.name)
        shutil.copytree(package / "pginstall", copy / package.name / "pginstall.new")
        (copy / package.name / "pginstall.new").rename(copy / package.name / "pginstall")
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | 0o055 if path.is_dir() else path.stat().st_mode | 0o044)
    return folder


def _same_size(one: Path, other: Path) -> bool:
    return one.is_file() and one.stat().st_size == other.stat().st_size
