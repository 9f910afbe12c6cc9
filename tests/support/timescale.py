"""A PostgreSQL with TimescaleDB for the tests: the machine's own, or Debian's packages in a folder.

TimescaleDB is in no wheel and not in Debian 12, but in Debian 13. `tests.support.prepare` puts
Debian 13's packages into a folder below `.cache`; the server runs from there by chroot, as our child,
with nothing mounted.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.embedded import Installation, PrivatePostgres, find_installations
from service.embedded.accounts import Account
from tests.support.leftovers import held_folder

PROJECT = Path(__file__).resolve().parents[2]
ROOT = PROJECT / ".cache" / "timescale-root"

HOW_TO_GET_IT = (
    "no PostgreSQL with TimescaleDB: set KAWASAN_TEST_DATABASE_URL to a superuser's address of one,"
    " or install it (Debian 13: `apt-get install postgresql-17-timescaledb`),"
    " or run `make test` as root on Debian, which gets it into .cache"
)

# Many small databases are made from templates; each with the extension would want workers of its own.
SETTINGS = {
    "max_connections": "200",
    "max_worker_processes": "32",
    "timescaledb.max_background_workers": "8",
}


def external_url() -> str | None:
    """Address of a TimescaleDB that exists already, named by KAWASAN_TEST_DATABASE_URL."""
    return os.environ.get("KAWASAN_TEST_DATABASE_URL") or None


def timescale_installation() -> Installation | None:
    """The programs of a PostgreSQL with TimescaleDB that this account can start, if there are any."""
    installed = next((one for one in find_installations() if one.timescaledb), None)
    return installed or installation_in_root(ROOT)


def installation_in_root(root: Path) -> Installation | None:
    """The PostgreSQL with TimescaleDB in a folder with a whole Debian in it, if it is there."""
    controls = sorted(root.glob("usr/share/postgresql/*/extension/timescaledb.control"))
    if not controls or os.geteuid() != 0:
        return None
    major = int(controls[-1].parents[1].name)
    return Installation(
        folder=Path(f"/usr/lib/postgresql/{major}/bin"),
        major=major,
        timescaledb=True,
        origin=str(root),
        root=root,
        account=_account_in(root, "postgres"),
    )


@contextmanager
def private_timescale(installation: Installation, folder: Path) -> Iterator[PrivatePostgres]:
    """A server with TimescaleDB of one's own, which may be killed and started again; gone at the end."""
    if installation.root is None:
        with _server(installation, folder) as server:
            yield server
    else:
        # The programs see their root alone, so the data must lie inside it.
        with held_folder(folders_in(installation.root)) as inside, _server(installation, inside / "server") as server:
            yield server


@contextmanager
def _server(installation: Installation, folder: Path) -> Iterator[PrivatePostgres]:
    server = PrivatePostgres(folder, installation=installation, durable=False, settings=SETTINGS)
    try:
        server.start()
        yield server
    finally:
        server.erase()


def folders_in(root: Path) -> Path:
    """Where the data of test servers lies inside a root of their own."""
    return root / "var" / "lib" / "postgresql"


def _account_in(root: Path, name: str) -> Account:
    for line in (root / "etc" / "passwd").read_text(encoding="utf-8").splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return Account(name=name, uid=int(fields[2]), gid=int(fields[3]))
    raise LookupError(f"{root} has no account {name}; remove it and run `make test` again")
