"""Folders of test servers, and what a test run that was killed leaves in them.

Each folder is held by a lock while its tests run. A folder that nobody holds any more was left by a
run that was killed: its servers are ended and it is removed, before the next run starts.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.embedded import Installation, PrivateBroker, PrivatePostgres

PREFIX = "kawasan-test-"
LOCK = "held"


@contextmanager
def held_folder(parent: Path) -> Iterator[Path]:
    """A new folder that other accounts can get into, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    folder.chmod(0o711)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def clear_leftovers(parent: Path, installation: Installation | None = None) -> None:
    """End the servers, and remove the folders, of test runs that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        if not (folder / LOCK).exists() or folder.stat().st_uid != os.geteuid():
            continue
        with (folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for server in (path.parent for path in folder.glob("*/lock")):
                if (server / "broker.conf").exists():
                    PrivateBroker(server).erase()
                else:
                    PrivatePostgres(server, installation=installation).erase()
            shutil.rmtree(folder)
