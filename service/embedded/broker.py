"""A private MQTT broker in a folder of ours, for the demo and for tests.

An installed Mosquitto is preferred: it speaks MQTT 5. Else the NATS server from PyPI, which speaks
3.1.1 and keeps what it acknowledged over a SIGKILL. Both run the files shipped in `deploy/`, of which
only the places (address, folders, accounts) are replaced.
"""

import base64
import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sysconfig
import time
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, TypeAlias

from domain.errors import ParkError, Unavailable
from service.embedded.accounts import Account, account_for, give
from service.embedded.places import make_private, private_folder, take_lock
from service.embedded.ports import LOOPBACK, accepts, free_port
from service.embedded.programs import cannot_start, disk_trouble, end, end_leftover, launch, log_tail

__all__ = ["BrokerKind", "PrivateBroker", "find_broker", "mosquitto_conf", "mosquitto_user"]

BrokerKind: TypeAlias = Literal["mosquitto", "nats"]

_KINDS: tuple[BrokerKind, ...] = ("mosquitto", "nats")
_ACCOUNTS = ("mosquitto", "nobody")
_USER = "kawasan"
_START_S = 30.0
_POLL_S = 0.02
_TRIES = 5
_HASH_ROUNDS = 101

# Directives of the shipped Mosquitto file that say where things are; the rest holds as shipped.
_PLACES = frozenset(
    {
        "acl_file", "allow_anonymous", "bind_address", "bind_interface", "cafile", "capath", "certfile",
        "include_dir", "keyfile", "listener", "log_dest", "password_file", "per_listener_settings",
        "persistence_file", "persistence_location", "pid_file", "port", "protocol", "require_certificate",
        "socket_domain", "tls_version", "use_identity_as_username", "user",
    }
)  # fmt: skip


def find_broker(kind: BrokerKind) -> Path | None:
    """The server program of a kind, or None if it is not installed."""
    if kind == "mosquitto":
        # Debian installs it where only root's PATH looks.
        places = [shutil.which("mosquitto"), "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
    else:
        places = [str(Path(sysconfig.get_path("scripts")) / "nats-server"), shutil.which("nats-server")]
    return next((Path(place) for place in places if place is not None and os.access(place, os.X_OK)), None)


class PrivateBroker:
    """
    One MQTT broker of our own, on a store that outlives it; QoS 1, persistent sessions, one account.

    Usable as a context manager. `start`, `stop` and `kill` may follow each other any number of
    times; the address stays the same.

    Parameters
    ----------
    folder
        Where the store lies; made if missing. As root, if the unprivileged account cannot get into
        it, the store lies in a folder below `/var/lib/kawasan` instead: see `home`.
    kind
        Which broker; default: Mosquitto where it is installed, else NATS.
    port
        TCP port on the loopback address; default: a free one.
    ack_wait_s
        After how long NATS repeats an unacknowledged message, also to a client that came back [s].
        Mosquitto repeats when the client comes back.

    Raises
    ------
    ParkError
        The broker is not installed.
    """

    def __init__(
        self, folder: Path, *, kind: BrokerKind | None = None, port: int | None = None, ack_wait_s: int = 30
    ) -> None:
        account = account_for(_ACCOUNTS)
        self.home = private_folder(folder, account)
        self.kind, self._program = _choose(kind, self.home)
        # The NATS server lies in a Python environment, which only its owner may be able to enter.
        self._account = account if self.kind == "mosquitto" else None
        self._port = port
        self._port_is_ours = port is None
        self._ack_wait_s = ack_wait_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        if self._process is None:
            raise Unavailable(f"the private broker in {self.home} is not running")
        return self._process.pid

    @property
    def port(self) -> int:
        """TCP port on the loopback address; known from the first start on."""
        if self._port is None:
            raise Unavailable(f"the private broker in {self.home} has not been started")
        return self._port

    @property
    def log(self) -> Path:
        """The file the broker writes its messages to."""
        return self.home / "broker.log"

    @property
    def url(self) -> str:
        """Address with user and password: `mqtt://user:password@host:port`."""
        return f"mqtt://{_USER}:{self._password}@{LOOPBACK}:{self.port}"

    @property
    def speaks_mqtt5(self) -> bool:
        """Whether clients may ask for MQTT 5; else only for 3.1.1."""
        return self.kind == "mosquitto"

    def is_running(self) -> bool:
        """Whether the broker is up; False from the moment it has ended by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """
        Start the broker and wait until it accepts connections.

        Raises
        ------
        Unavailable
            It does not come up (disk full, port taken); the text says which.
        """
        if self.is_running():
            return
        try:
            make_private(self.home, account_for(_ACCOUNTS))
            # A broker that ended by itself left us holding the lock.
            self._lock = self._lock or take_lock(self.home)
            self._end_leftover()
            self._start_on_a_free_port()
        except OSError as error:
            self.kill()
            raise disk_trouble(error, "the private MQTT broker does not start") from error
        except ParkError:
            self.kill()
            raise
        self._port_is_ours = False

    def stop(self) -> None:
        """End the broker in order; it writes its store first."""
        if self._process is not None:
            end(self._process, (signal.SIGTERM, 7.0))
        self._end_child()
        self._free_lock()

    def kill(self) -> None:
        """End the broker by SIGKILL, as a crash does."""
        self._end_child()
        self._free_lock()

    def erase(self) -> None:
        """Stop the broker and remove its store for good."""
        self.stop()
        with contextlib.suppress(FileNotFoundError):
            self._lock = take_lock(self.home)
            self._end_leftover()
            self._free_lock()
        for kind in _KINDS:
            shutil.rmtree(self.home / kind, ignore_errors=True)
        for name in ("password", "users", "broker.conf", "broker.log", "pid", "lock"):
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

    @property
    def _password(self) -> str:
        return (self.home / "password").read_text(encoding="ascii").strip()

    @property
    def _store(self) -> Path:
        return self.home / self.kind

    def _start_on_a_free_port(self) -> None:
        for attempt in range(_TRIES):
            if self._port is None:
                self._port = free_port()
            try:
                self._start_once()
            except Unavailable:
                # Between our look and the broker's bind another program may have taken the port.
                if not self._port_is_ours or attempt == _TRIES - 1:
                    raise
                self._end_child()
                self._port = None
            else:
                return

    def _start_once(self) -> None:
        self._prepare()
        if accepts(self.port):
            raise Unavailable(
                f"the private MQTT broker does not start: port {self.port} of {LOOPBACK} is taken by another program"
            )
        before = self.log.stat().st_size if self.log.exists() else 0
        process = launch(
            self._command(), log=self.log, account=self._account, cwd=self._store, environment=self._places()
        )
        self._process = process
        (self.home / "pid").write_text(f"{process.pid}\n", encoding="ascii")
        deadline = time.monotonic() + _START_S
        while not accepts(self.port):
            if process.poll() is not None:
                raise cannot_start("the private MQTT broker", self.log, log_tail(self.log, before))
            if time.monotonic() > deadline:
                raise Unavailable(f"the private MQTT broker did not answer within {_START_S:g} s; see {self.log}")
            time.sleep(_POLL_S)

    def _prepare(self) -> None:
        make_private(self._store, self._account)
        if not (self.home / "password").exists():
            _write_private(self.home / "password", secrets.token_urlsafe(24) + "\n", self._account)
        if self.kind == "mosquitto":
            _write_private(self.home / "users", mosquitto_user(_USER, self._password), self._account)
            _write_private(
                self.home / "broker.conf",
                mosquitto_conf(_shipped("mosquitto.conf"), home=self.home, store=self._store, port=self.port),
                self._account,
            )
        else:
            _write_private(self.home / "broker.conf", _shipped("nats-server.conf"), self._account)

    def _command(self) -> list[str | Path]:
        return [self._program, "-c", self.home / "broker.conf"]

    def _places(self) -> dict[str, str]:
        if self.kind == "mosquitto":
            return {}
        return {
            "KAWASAN_NATS_HOST": LOOPBACK,
            "KAWASAN_NATS_PORT": str(free_port()),
            "KAWASAN_NATS_MQTT_PORT": str(self.port),
            "KAWASAN_NATS_STORE": f"'{self._store}'",
            "KAWASAN_NATS_ACK_WAIT": f"{self._ack_wait_s}s",
            "KAWASAN_NATS_USER": _USER,
            "KAWASAN_NATS_PASSWORD": f"'{self._password}'",
        }

    def _end_leftover(self) -> None:
        """End the broker that a killed kawasan left on this store."""
        try:
            pid = int((self.home / "pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return
        end_leftover(pid, self._store, (signal.SIGTERM, 7.0))
        (self.home / "pid").unlink()

    def _end_child(self) -> None:
        if self._process is not None:
            end(self._process)
            (self.home / "pid").unlink(missing_ok=True)
        self._process = None

    def _free_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self._lock = None


def mosquitto_conf(shipped: str, *, home: Path, store: Path, port: int) -> str:
    """The shipped Mosquitto file with its places replaced: loopback only, one account, a store of ours."""
    lines = [line for line in shipped.splitlines() if line.split(" ", 1)[0] not in _PLACES]
    return "\n".join(
        [
            *lines,
            f"listener {port} {LOOPBACK}",
            "allow_anonymous false",
            f"password_file {home / 'users'}",
            f"persistence_location {store}/",
            "log_dest stdout",
            "",
        ]
    )


def _choose(kind: BrokerKind | None, home: Path) -> tuple[BrokerKind, Path]:
    """The broker that wrote the store, while it is installed, else the preferred one that is."""
    kinds = (kind,) if kind is not None else sorted(_KINDS, key=lambda one: not (home / one).is_dir())
    for candidate in kinds:
        program = find_broker(candidate)
        if program is not None:
            return candidate, program
    raise ParkError(
        f"no MQTT broker found ({' or '.join(kinds)}): install kawasan with its demo extra"
        " (`pip install 'kawasan[demo]'`), install the package mosquitto, or name a broker by KAWASAN_MQTT_URL"
    )


def _shipped(name: str) -> str:
    return resources.files("service.embedded").joinpath(name).read_text(encoding="utf-8")


def _write_private(path: Path, text: str, account: Account | None) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    give(fresh, account)
    fresh.rename(path)


def mosquitto_user(name: str, password: str) -> str:
    """A line of Mosquitto's password file: PBKDF2-HMAC-SHA512, as `mosquitto_passwd` writes it."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS, dklen=64)
    return f"{name}:$7${_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"
