"""A private PostgreSQL in a folder of ours, for the demo and for tests.

::

    folder/
     +- pg18/              the data (or pg17-timescaledb/, named for what wrote it)
     +- programs/          a copy of packaged programs, only where the account cannot reach them
     +- password           of the superuser `postgres`
     +- postgres.log
     +- lock               held while we run

The server is our own child, listens on the loopback address only, asks for a password and has no
Unix socket, so nothing depends on the length or the rights of a path. Ending us by SIGKILL leaves it
running; the next start finds it by the pid it wrote, ends it, and starts again on the same data.
"""

import contextlib
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from domain.errors import ParkError, Unavailable
from service.embedded.accounts import Account, account_for, give
from service.embedded.installations import Installation, choose_installation, find_installations
from service.embedded.places import make_private, private_folder, readable_programs, take_lock
from service.embedded.ports import LOOPBACK, free_port
from service.embedded.postmaster import is_ready, postmaster_pid
from service.embedded.programs import cannot_start, disk_trouble, end, end_leftover, launch, log_tail

__all__ = ["PrivatePostgres"]

_ACCOUNTS = ("postgres", "nobody")
_SUPERUSER = "postgres"
_START_S = 120.0
_RETRY_S = 30.0
_POLL_S = 0.02

# What a start may meet just after a crash, while the crashed server's backends are still ending.
_PASSES_BY_ITSELF = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')

_COMMON_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
_TIMESCALE_SETTINGS = {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
# Not synchronous_commit: without it a commit is lost when the server alone is killed.
_VOLATILE_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class PrivatePostgres:
    """
    One PostgreSQL server of our own, on data that outlives it.

    Usable as a context manager. `start`, `stop` and `kill` may follow each other any number of
    times; the address stays the same.

    Parameters
    ----------
    folder
        Where the data lies; made if missing. As root, if the unprivileged account cannot get into
        it, the data lies in a folder below `/var/lib/kawasan` instead: see `home`.
    installation
        Which PostgreSQL; default: the one that wrote the data, else the preferred one of the machine.
    durable
        Whether a commit survives the machine's crash. A crash of the server alone loses nothing either way.
    settings
        More settings of the server, over ours.
    port
        TCP port on the loopback address; default: a free one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        installation: Installation | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self._wanted_installation = installation
        self._durable = durable
        self._settings = dict(settings or {})
        self._port = port
        self._port_is_ours = port is None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        if installation is not None and installation.root is not None:
            self._account = installation.account
            self.home = folder.absolute()
        else:
            self._account = account_for(_ACCOUNTS)
            self.home = private_folder(folder, self._account)

    @property
    def installation(self) -> Installation:
        """The PostgreSQL that runs, or would run, on this data."""
        if self._wanted_installation is None:
            self._wanted_installation = choose_installation(find_installations(), self._clusters())
        return self._wanted_installation

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._running().pid

    @property
    def port(self) -> int:
        """TCP port on the loopback address; known from the first start on."""
        if self._port is None:
            raise Unavailable(f"the private PostgreSQL in {self.home} has not been started")
        return self._port

    @property
    def log(self) -> Path:
        """The file the server writes its messages to."""
        return self.home / "postgres.log"

    @property
    def url(self) -> str:
        """Address of the database `postgres`, with the superuser's password."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Address of one database, with the superuser's password."""
        password = (self.home / "password").read_text(encoding="ascii").strip()
        return f"postgresql://{_SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def is_running(self) -> bool:
        """Whether the server is up; False from the moment it has ended by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """
        Start the server and wait until it answers; the first start makes the data.

        Raises
        ------
        Unavailable
            It does not come up (disk full, port taken, another kawasan at work on the folder); the
            text says which.
        ParkError
            No PostgreSQL is installed, or none that reads the existing data.
        """
        if self.is_running():
            return
        try:
            self._prepare()
            # A server that ended by itself left us holding the lock.
            self._lock = self._lock or take_lock(self.home)
            self._end_leftover()
            self._make_cluster()
        except OSError as error:
            self._free_lock()
            raise disk_trouble(error, "the private PostgreSQL does not start") from error
        except ParkError:
            self._free_lock()
            raise
        self._launch_until_ready()

    def stop(self) -> None:
        """End the server in order: open transactions are rolled back, everything is written."""
        if self._process is not None:
            end(self._process, (signal.SIGINT, 7.0), (signal.SIGQUIT, 2.0))
        self._process = None
        self._free_lock()

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash does."""
        if self._process is not None:
            end(self._process)
        self._process = None
        self._free_lock()

    def erase(self) -> None:
        """Stop the server and remove its data for good."""
        self.stop()
        with contextlib.suppress(FileNotFoundError):
            self._lock = take_lock(self.home)
            self._end_leftover()
            self._free_lock()
        for path in (*self.home.glob("pg[0-9]*"), self.home / "programs"):
            shutil.rmtree(path, ignore_errors=True)
        for name in ("password", "postgres.log", "lock"):
            (self.home / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.home.rmdir()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise Unavailable(f"the private PostgreSQL in {self.home} is not running")
        return self._process

    def _clusters(self) -> list[str]:
        return sorted(path.name for path in self.home.glob("pg[0-9]*") if (path / "PG_VERSION").is_file())

    @property
    def _cluster(self) -> Path:
        return self.home / self.installation.cluster_name

    def _prepare(self) -> None:
        make_private(self.home, self._account)
        password = self.home / "password"
        if not password.exists():
            fresh = self.home / "password.new"
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
            give(fresh, self._account)
            fresh.rename(password)

    def _free_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self._lock = None

    def _end_leftover(self) -> None:
        """End the server that a killed kawasan left on this data."""
        pid = postmaster_pid(self._cluster)
        if pid is not None:
            end_leftover(pid, self._cluster, (signal.SIGINT, 10.0))

    def _make_cluster(self) -> None:
        if (self._cluster / "PG_VERSION").is_file():
            return
        # Made aside and renamed when whole: a start that was cut off leaves nothing that looks like data.
        fresh = self._cluster.with_name(self._cluster.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        before = self.log.stat().st_size if self.log.exists() else 0
        argv = [
            *self._program("initdb"),
            *("-D", self._seen(fresh), "-U", _SUPERUSER, "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"),
            *("--pwfile", self._seen(self.home / "password"), "--no-instructions"),
            *([] if self._durable else ["--no-sync"]),
        ]
        initdb = launch(argv, log=self.log, account=self._launch_account(), cwd=Path("/"))
        if initdb.wait() != 0:
            raise cannot_start("the private PostgreSQL", self.log, log_tail(self.log, before))
        fresh.rename(self._cluster)

    def _launch_until_ready(self) -> None:
        deadline = time.monotonic() + _RETRY_S
        while True:
            if self._port is None:
                self._port = free_port()
            before = self.log.stat().st_size
            try:
                self._launch_once(before)
            except Unavailable:
                said = log_tail(self.log, before, lines=40)
                taken = "Address already in use" in said
                if time.monotonic() > deadline or not (taken or any(words in said for words in _PASSES_BY_ITSELF)):
                    self.kill()
                    raise
                if taken and self._port_is_ours:
                    self._port = None
                elif taken:
                    self.kill()
                    raise Unavailable(
                        f"the private PostgreSQL does not start: port {self._port} of {LOOPBACK} is taken by another program"
                    ) from None
                time.sleep(_POLL_S)
            else:
                self._port_is_ours = False
                return

    def _launch_once(self, before: int) -> None:
        settings = _COMMON_SETTINGS | {"port": str(self.port)}
        settings |= _TIMESCALE_SETTINGS if self.installation.timescaledb else {}
        settings |= {} if self._durable else _VOLATILE_SETTINGS
        argv = [*self._program("postgres"), "-D", self._seen(self._cluster)]
        for name, value in (settings | self._settings).items():
            argv += ["-c", f"{name}={value}"]
        process = launch(argv, log=self.log, account=self._launch_account(), cwd=Path("/"))
        self._process = process
        deadline = time.monotonic() + _START_S
        while not is_ready(self._cluster, process.pid):
            if process.poll() is not None:
                raise cannot_start("the private PostgreSQL", self.log, log_tail(self.log, before))
            if time.monotonic() > deadline:
                raise Unavailable(f"the private PostgreSQL did not answer within {_START_S:g} s; see {self.log}")
            time.sleep(_POLL_S)

    def _program(self, name: str) -> list[str | Path]:
        installation, account = self.installation, self._account
        if installation.root is None:
            return [readable_programs(installation, self.home, account) / name]
        if account is None:
            raise ParkError(f"the PostgreSQL in {installation.root} can be started by root only")
        user = f"--userspec={account.uid}:{account.gid}"
        return ["chroot", user, "--groups=", installation.root, installation.folder / name]

    def _launch_account(self) -> Account | None:
        # chroot needs root and changes the account itself.
        return None if self.installation.root is not None else self._account

    def _seen(self, path: Path) -> Path:
        """A path as the programs see it."""
        root = self.installation.root
        return path if root is None else Path("/") / path.relative_to(root)
