"""The demo: a whole park on one machine, in one folder, that nothing else depends on.

::

    folder/
     +- kawasan-demo.json    the mark that the folder is ours, and with what it was made
     +- logins.json          tokens of the demo's users (0600)
     +- settings.toml        for KAWASAN_CONFIG, so that other commands work beside the demo (0600)
     +- postgres/, broker/   private servers, where none are named by the environment
     +- simulator.json       how far the simulated meters have come
     +- logs/                one file per child process
"""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from domain.errors import InputError, ParkError, Unavailable
from domain.parkfile import ParkFile
from domain.registry import OPERATOR, Kind
from service.cli.demo_context import enter_example_values
from service.cli.demo_news import News, is_ready
from service.cli.parks import apply_file, example_park
from service.cli.references import apply_reference_file, example_references
from service.cli.supervisor import Child, Supervisor
from service.cli.users import new_token
from service.embedded import PrivateBroker, PrivatePostgres
from service.guard import Guard
from service.identity.firstadmin import ADMIN, make_first_admin
from service.listening import listening_socket
from service.settings import PREFIX, Settings
from store import Role, connect, load_registry, migrate
from store.serverlogin import make_server_login
from store.signalreads import newest
from store.users import UserRole, create_user, set_token, token_hash

__all__ = ["erase_demo", "run_demo"]

_MARK = "kawasan-demo.json"
_LOGINS = "logins.json"
_SETTINGS = "settings.toml"
_LEAST_FREE = 500 * 1024 * 1024
_READY_S = 60.0
_MINUTE_S = 60.0
_POLL_S = 0.25
_TOLD_S = 60.0
"""The engine starts then in any case. [s]"""
_NEW_US = 5 * 60 * 1_000_000
"""A meter whose newest reading is no older has told its past. [us]"""
_COMMANDS = (("ingest",), ("notify",), ("serve",))
_LOGIN = "kawasan_server"
_BACKFILL_H = 25
"""How much of the past the meters tell on the first start, so that the page shows a whole day. [h]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Servers:
    database_url: str
    is_private: bool
    """Whether the database is our own, so that logins may be made in it."""
    mqtt_url: str
    mqtt_version: str
    look: Callable[[], list[str]]
    """Starts a private server again that ended by itself; what happened, in words."""


def erase_demo(folder: Path) -> bool:
    """
    Remove a demo's folder, and the data of its private servers; whether there was one.

    Raises
    ------
    InputError
        The folder is not one that the demo made.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return False
    _check_ours(folder)
    PrivatePostgres(folder / "postgres").erase()
    if (folder / "broker").exists():
        PrivateBroker(folder / "broker").erase()
    shutil.rmtree(folder)
    return True


def run_demo(settings: Settings, folder: Path, stop: threading.Event, say: Callable[[str], None]) -> None:
    """
    Run the demo until `stop` is set.

    Parameters
    ----------
    settings : Settings
        `database_url` and `mqtt_url`, where set, stand in for the private servers.
    folder : Path
        Where everything is kept; made if missing.
    say : callable
        Takes one line for the person who started it.

    Raises
    ------
    ParkError
        Something that the demo needs is missing, or ended too often; the text says what to do.
    """
    # Looked at first: nothing is started, and nothing made, for a page that nobody could open.
    listening_socket(settings.host, settings.port).close()
    park = example_park()
    _make_folder(folder)
    with ExitStack() as stack:
        servers = stack.enter_context(_servers(settings, folder, say))
        if stop.is_set():
            return
        migrate(servers.database_url)
        first_admin = make_first_admin(servers.database_url)
        changes = apply_file(servers.database_url, park)
        say(
            f"park {park.park.key}: {len(changes)} changes applied" if changes else f"park {park.park.key} is as it was"
        )
        said = apply_reference_file(
            servers.database_url, example_references(), name="the example's reference file", by="demo"
        )
        entered = enter_example_values(servers.database_url, park.park.key, time.time_ns() // 1000)
        say(
            f"references: {len(said)} changes applied; {entered} simulated values entered (production, employees, area)"
        )
        logins = _logins(folder, servers.database_url, park)
        environment = _environment(settings, servers)
        _write_private(folder / _SETTINGS, _as_toml(environment))
        supervisor = stack.enter_context(Supervisor(environment))
        state = ("--state", str(folder / "simulator.json"), "--backfill-hours", str(_BACKFILL_H))
        for name, *options in (*_COMMANDS, ("simulate", *state)):
            own = _servers_own(servers) if name == "serve" else {}
            log = folder / "logs" / f"{name}.log"
            supervisor.start(Child(name=name, command=(name, *options), log=log, environment=own))
        # Before the meters have told their past they would all count as silent.
        _wait_until_told(servers.database_url, park.park.key, stop)
        supervisor.start(Child(name="engine", command=("engine",), log=folder / "logs" / "engine.log"))
        address = f"http://{settings.host}:{settings.port}"
        _wait_until_ready(address, supervisor, stop, say)
        if not stop.is_set():
            _greet(address, logins, first_admin, folder, say)
            _watch(supervisor, servers, News(address, logins["operator"], servers.database_url), stop, say)
        say("stopping ...")
    say("stopped; the data stays, and the next start goes on with it")


def _wait_until_told(database_url: str, park: str, stop: threading.Event) -> None:
    """Wait until most meters have told what they measured before the start."""
    ends = time.monotonic() + _TOLD_S
    with connect(database_url, Role.WRITE, application="kawasan-demo", autocommit=True) as conn:
        channels = [one.id for one in load_registry(conn, park).channels if one.kind is not Kind.PRODUCT]
        while not stop.wait(_POLL_S) and time.monotonic() < ends:
            told_us = newest(conn, np.array(channels, dtype=np.int32))[1]
            if (told_us >= time.time_ns() // 1000 - _NEW_US).sum() > len(channels) // 2:
                return


def _environment(settings: Settings, servers: _Servers) -> Mapping[str, str]:
    return {
        "KAWASAN_DATABASE_URL": servers.database_url,
        "KAWASAN_MQTT_URL": servers.mqtt_url,
        "KAWASAN_MQTT_VERSION": servers.mqtt_version,
        "KAWASAN_HOST": settings.host,
        "KAWASAN_PORT": str(settings.port),
    }


def _servers_own(servers: _Servers) -> Mapping[str, str]:
    """What the server is given for itself: a login that can only read and log people in, with a new password each time."""
    if not servers.is_private:
        return {}
    parts = urlsplit(servers.database_url)
    place = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{_LOGIN}:{token_urlsafe(24)}@{place}"))
    make_server_login(servers.database_url, url)
    return {"KAWASAN_DATABASE_URL": url}


def _make_folder(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        _check_ours(folder)
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        (folder / _MARK).write_text(json.dumps({"made_by": "kawasan demo"}) + "\n", encoding="utf-8")
        for log in (folder / "logs").iterdir():
            log.unlink()
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} cannot be written ({error.strerror}); choose another by --data-dir"
        ) from error
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        raise Unavailable(
            f"the disk that holds {folder} has {free // 1024**2} MB left, and the demo wants {_LEAST_FREE // 1024**2}; "
            "make room, or choose another folder by --data-dir"
        )


def _check_ours(folder: Path) -> None:
    if not (folder / _MARK).is_file():
        raise InputError(
            f"{folder} is not empty and was not made by `kawasan demo`; choose another folder by --data-dir"
        )


@contextmanager
def _servers(settings: Settings, folder: Path, say: Callable[[str], None]) -> Iterator[_Servers]:
    """The database and the broker: those that are named, else private ones, ended at the end."""
    with ExitStack() as stack:
        guard = stack.enter_context(Guard())
        database: PrivatePostgres | None = None
        broker: PrivateBroker | None = None
        if settings.database_url is None:
            database = stack.enter_context(PrivatePostgres(folder / "postgres"))
            guard.watch(database.pid, signal.SIGINT)
            say(f"database: {database.installation.origin}, in {database.home}")
        if settings.mqtt_url is None:
            broker = stack.enter_context(PrivateBroker(folder / "broker"))
            guard.watch(broker.pid, signal.SIGTERM)
            say(f"MQTT broker: {broker.kind}, on port {broker.port}")

        def look() -> list[str]:
            said = []
            for name, server, ending in (("database", database, signal.SIGINT), ("broker", broker, signal.SIGTERM)):
                if server is not None and not server.is_running():
                    server.start()
                    guard.watch(server.pid, ending)
                    said.append(f"the private {name} had ended, and was started again")
            return said

        yield _Servers(
            database_url=settings.need_database() if database is None else database.url,
            is_private=database is not None,
            mqtt_url=settings.need_broker() if broker is None else broker.url,
            mqtt_version="3.1.1" if broker is not None and not broker.speaks_mqtt5 else settings.mqtt_version,
            look=look,
        )


def _logins(folder: Path, url: str, park: ParkFile) -> dict[str, str]:
    """The demo's users by what they are, each with its token; the same at every start."""
    tenant = next(one for one in park.tenants if one.key != OPERATOR)
    logins = _kept_logins(folder / _LOGINS)
    grants: dict[str, tuple[str, UserRole, dict[str, Any]]] = {
        "operator": ("demo-operator", UserRole.OPERATOR, {"parks": [park.park.key]}),
        "tenant": (f"demo-{tenant.key}", UserRole.TENANT, {"tenants": [f"{park.park.key}/{tenant.key}"]}),
        "officer": ("demo-officer", UserRole.OFFICER, {"parks": [park.park.key]}),
    }
    with connect(url, Role.AUTH, application="kawasan-demo") as conn:
        for what, (name, role, granted) in grants.items():
            create_user(conn, name, role, **granted)
            set_token(conn, name, token_hash(logins[what]), label="demo")
    return logins


def _kept_logins(path: Path) -> dict[str, str]:
    names = ("operator", "tenant", "officer")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(found[name]) for name in names}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        logins = {name: new_token() for name in names}
    _write_private(path, json.dumps(logins, indent=2))
    return logins


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _as_toml(environment: Mapping[str, str]) -> str:
    """The settings of the demo's processes as a file for KAWASAN_CONFIG, so that other commands can be tried beside it."""
    lines = ["# Settings of the running demo, made anew at every start. It holds secrets."]
    for name, value in environment.items():
        # A JSON text is a TOML text too.
        lines.append(f"{name.removeprefix(PREFIX).lower()} = {value if name.endswith('_PORT') else json.dumps(value)}")
    return "\n".join(lines) + "\n"


def _wait_until_ready(address: str, supervisor: Supervisor, stop: threading.Event, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _READY_S
    while not stop.is_set() and not is_ready(address):
        if time.monotonic() > deadline:
            raise Unavailable(f"the server at {address} was not ready within {_READY_S:g} s; see its log")
        _tell(supervisor.look(), say)
        stop.wait(_POLL_S)


def _greet(
    address: str, logins: Mapping[str, str], first_admin: str | None, folder: Path, say: Callable[[str], None]
) -> None:
    say("")
    say(f"  kawasan runs at {address}")
    say("  log in there with one of these tokens:")
    for what, token in logins.items():
        say(f"    {what:<9} {token}")
    if first_admin is not None:
        say("  or by name and this one-time password, which is shown only now and is to be changed then:")
        say(f"    {ADMIN:<9} {first_admin}")
    say(f"  other commands work beside it:  KAWASAN_CONFIG={folder / _SETTINGS} kawasan check")
    say(f"  logs are in {folder / 'logs'}; Ctrl-C stops everything and keeps the data")
    say("")


def _watch(
    supervisor: Supervisor, servers: _Servers, news: News, stop: threading.Event, say: Callable[[str], None]
) -> None:
    next_news = time.monotonic() + _MINUTE_S
    while not stop.wait(_POLL_S):
        _tell(servers.look(), say)
        _tell(supervisor.look(), say)
        if time.monotonic() >= next_news:
            next_news += _MINUTE_S
            try:
                say(news.line())
            except ParkError as error:
                say(f"no news: {error}")


def _tell(lines: list[str], say: Callable[[str], None]) -> None:
    for line in lines:
        say(line)
