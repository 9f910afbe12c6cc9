"""Under which account a private server runs, and whether that account reaches a file.

PostgreSQL refuses to run as root. Started as root, a private server therefore runs under an
account that exists already; started by anybody else, it runs as that person.
"""

import os
import pwd
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ParkError

__all__ = ["Account", "account_for", "give", "reaches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of the machine (or of a folder that a server takes for its root)."""

    name: str
    uid: int
    gid: int


def account_for(names: Sequence[str]) -> Account | None:
    """
    The first of `names` that exists, when we are root; None when we are not, and run things ourselves.

    Raises
    ------
    ParkError
        We are root and the machine has none of the accounts.
    """
    if os.geteuid() != 0:
        return None
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ParkError(f"a private server does not run as root, and this machine has no account {' or '.join(names)}")


def give(path: Path, account: Account | None) -> None:
    """Make `account` the owner of one file or folder; nothing to do when we run things ourselves."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def reaches(account: Account | None, path: Path) -> bool:
    """Whether `account` may enter every folder above `path`. Judged by mode bits; access lists are not read."""
    return account is None or all(_may_enter(account, folder) for folder in path.absolute().parents)


def _may_enter(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
