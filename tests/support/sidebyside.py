"""Several server processes on one port: which they are, and connections to a certain one of them."""

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hostile import Server
from tests.support.installation import until

__all__ = ["Answered", "SideBySide", "asked", "is_running", "told_live"]

_NUMBER = re.compile(r"--member\0(\d+)\0")
_SERVER = re.compile(r'server="(\d+)"')


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, taken apart."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Servers that one process keeps running, each with its number."""

    server: Server

    @property
    def pids(self) -> dict[int, int]:
        """The processes of the servers that run now, by number."""
        found = {}
        pid = self.server.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if is_running(int(child)) and (named := _NUMBER.search(Path(f"/proc/{child}/cmdline").read_text())):
                    found[int(named[1])] = int(child)
        return found

    @contextmanager
    def connected(self, number: int) -> Iterator[http.client.HTTPConnection]:
        """A connection that one of them has taken: the others are held meanwhile. Needs public metrics."""
        others = [pid for one, pid in self.pids.items() if one != number]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        conn = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20.0)
        try:
            try:
                conn.request("GET", "/metrics")
                told = set(_SERVER.findall(conn.getresponse().read().decode()))
            finally:
                for pid in others:
                    os.kill(pid, signal.SIGCONT)
            assert told == {str(number)}
            yield conn
        finally:
            conn.close()

    def until_there(self, *numbers: int) -> None:
        """Wait until these servers run and answer."""
        until(lambda: set(numbers) <= set(self.pids), f"servers {numbers}")

        def answers(number: int) -> bool:
            with suppress(OSError, AssertionError), self.connected(number):
                return True
            return False

        for number in numbers:
            until(lambda number=number: answers(number), f"server {number}")  # type: ignore[misc]


def asked(conn: http.client.HTTPConnection, line: str, token: str, body: Any = None, **headers: str) -> Answered:
    """What is answered over a connection, which stays open."""
    method, _, path = line.partition(" ")
    sent = {"Authorization": f"Bearer {token}", **({} if body is None else {"Content-Type": "application/json"})}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    conn.request(method, path, None if body is None else json.dumps(body), sent)
    answer = conn.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    content = answer.read()
    return Answered(answer.status, found, json.loads(content) if content else None)


def told_live(conn: http.client.HTTPConnection, token: str) -> Iterator[str]:
    """The lines of a live stream over a connection."""
    conn.request("GET", "/api/v1/live", headers={"Authorization": f"Bearer {token}"})
    answer = conn.getresponse()
    assert answer.status == 200, answer.read()
    with suppress(http.client.IncompleteRead, ConnectionError, TimeoutError):
        while line := answer.readline():
            yield line.decode().rstrip("\n")
