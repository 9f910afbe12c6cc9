"""A whole kawasan for end-to-end tests: its own processes on a real database and a real broker."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from domain.parkfile import ParkFile
from service.embedded import PrivateBroker
from service.embedded.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120.0


def until(said: Callable[[], bool | str], what: str, *, deadline_s: float = DEADLINE_S, every_s: float = 0.05) -> None:
    """Wait until something is so; fail when it is not in time. A text says what still stands in the way."""
    ends = time.monotonic() + deadline_s
    while (answer := said()) is not True:
        assert time.monotonic() < ends, f"{what} did not come about in {deadline_s:g} s; last seen: {answer}"
        threading.Event().wait(every_s)


class Installation:
    """Processes of kawasan that share a database and a broker; each may be killed and started again."""

    def __init__(self, folder: Path, database_url: str, broker: PrivateBroker) -> None:
        self.folder = folder
        self.database_url = database_url
        self.broker = broker
        self.port = free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def env(self) -> dict[str, str]:
        """Settings, all of them from the environment."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
        return known | {
            "KAWASAN_DATABASE_URL": self.database_url,
            "KAWASAN_MQTT_URL": self.broker.url,
            "KAWASAN_MQTT_VERSION": "5" if self.broker.speaks_mqtt5 else "3.1.1",
            "KAWASAN_OLDEST_DAYS": "20000",
            "KAWASAN_PORT": str(self.port),
            "KAWASAN_CYCLE_S": "0.2",
        }

    def run(self, *arguments: str) -> str:
        """Run a command to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, f"kawasan {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def apply(self, park: ParkFile) -> None:
        """Apply a park file as a user would."""
        path = self.folder / f"{park.park.key}.yaml"
        path.write_text(park.model_dump_json(exclude_none=True))
        self.run("park", "apply", str(path))

    def start(self, name: str, command: str, **settings: str) -> None:
        """Start a process under a name of the test's own."""
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "service.cli", command],
                cwd=PROJECT,
                env=self.env | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_all(self, *, ingests: int = 1) -> None:
        """Start ingest (several with a session of their own each), engine and server, and wait for the server."""
        for number in range(ingests):
            self.start(f"ingest{number}", "ingest", KAWASAN_MQTT_CLIENT_ID=f"ingest-{number}")
        self.start("engine", "engine")
        self.start("serve", "serve")
        until(self.is_ready, f"a ready server (its log: {self.folder / 'serve.log'})")

    def is_ready(self) -> bool:
        """Whether the server answers that it is ready."""
        address = f"http://127.0.0.1:{self.port}/healthz"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def pid(self, name: str) -> int:
        """Process id of a running process."""
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """End a process by SIGKILL."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End all processes in order."""
        for process in self._running.values():
            process.terminate()
        for name, process in self._running.items():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{name} did not stop within 15 s of SIGTERM") from None
        self._running.clear()

    def token(self, name: str, role: str, *, parks: tuple[str, ...] = (), tenants: tuple[str, ...] = ()) -> str:
        """Add a user; its bearer token."""
        grants = [word for park in parks for word in ("--park", park)]
        grants += [word for tenant in tenants for word in ("--tenant", tenant)]
        return self.run("user", "add", name, "--role", role, *grants).split()[-1]

    def get(self, path: str, token: str, **query: Any) -> Any:
        """The JSON that the API answers."""
        text = urllib.parse.urlencode(query, doseq=True)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/{path}?{text}", headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}?{text}: {error.code} {error.read().decode()}") from error

    def values(  # noqa: PLR0917 - whose, of what, when
        self, token: str, key: str, subject: str, level: str, start: str, stop: str
    ) -> list[Mapping[str, Any]]:
        """The values of one KPI of one subject."""
        answer = self.get(f"kpis/{key}", token, subject=subject, level=level, start=start, stop=stop)
        values: list[Mapping[str, Any]] = answer["values"]
        return values

    def row(self, statement: str) -> tuple[Any, ...]:
        """One row of the database, as its owner sees it."""
        with psycopg.connect(self.database_url) as conn:
            found = conn.execute(statement.encode()).fetchone()
        assert found is not None
        return found

    def until_computed(self, readings: int, *, deadline_s: float = DEADLINE_S) -> None:
        """Wait until so many readings are stored and everything that they touched is computed."""

        def is_computed() -> bool:
            stored, waiting = self.row("SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM span_queue)")
            return bool(stored == readings and waiting == 0)

        until(is_computed, f"{readings} readings stored and computed", deadline_s=deadline_s, every_s=0.2)


@contextlib.contextmanager
def installation(folder: Path, database_url: str, broker: PrivateBroker) -> Iterator[Installation]:
    """An installation whose processes are gone at the end."""
    whole = Installation(folder, database_url, broker)
    try:
        yield whole
    finally:
        whole.stop()
