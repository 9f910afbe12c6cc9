"""The guard: private servers do not outlive a parent that was killed, and are left alone by one that ended in order."""

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
SERVER = [sys.executable, "-c", "import threading; threading.Event().wait()"]


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SERVER)
    yield process
    process.kill()
    process.wait()


def parent(pid: int, then: str) -> subprocess.Popen[str]:
    program = textwrap.dedent(
        f"""
        import signal, threading
        from service.guard import Guard

        with Guard() as guard:
            guard.watch({pid}, signal.SIGTERM)
            print("watching", flush=True)
            {then}
        """
    )
    started = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "watching\n"
    return started


def test_a_server_ends_when_its_parent_is_killed(server: subprocess.Popen[bytes]) -> None:
    running = parent(server.pid, "threading.Event().wait()")

    running.kill()
    running.communicate()

    server.wait(DEADLINE_S)
    assert server.returncode != 0


def test_a_server_is_left_alone_when_its_parent_ends_in_order(server: subprocess.Popen[bytes]) -> None:
    running = parent(server.pid, "pass")

    running.communicate(timeout=DEADLINE_S)

    ends = time.monotonic() + 0.5
    while time.monotonic() < ends:
        assert server.poll() is None
        threading.Event().wait(0.05)
