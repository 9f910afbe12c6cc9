"""Child processes of the demo: kept running, given up in the end, and never left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domain.errors import ParkError
from service.cli.supervisor import Child, Supervisor

PROJECT = Path(__file__).resolve().parents[2]
DEADLINE_S = 90.0
NOWHERE = {
    "KAWASAN_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "KAWASAN_MQTT_URL": "mqtt://127.0.0.1:1",
    "KAWASAN_LOG_LEVEL": "error",
}


def until(said: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not said():
        assert time.monotonic() < ends, f"{what} did not come about in {DEADLINE_S:g} s"
        threading.Event().wait(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def pid_of(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    for name in [name for name in os.environ if name.startswith("KAWASAN_")]:
        monkeypatch.delenv(name)
    with Supervisor(NOWHERE, first_wait_s=0.01) as running:
        yield running


@pytest.fixture
def engine(supervisor: Supervisor, tmp_path: Path) -> Child:
    """An engine that waits for a database that never comes."""
    child = Child(name="engine", command=("engine",), log=tmp_path / "engine.log")
    supervisor.start(child)
    return child


def test_a_child_that_was_killed_is_started_again(supervisor: Supervisor, engine: Child) -> None:
    before = pid_of(engine)
    said: list[str] = []

    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        said.extend(supervisor.look())
        return engine.process is not None and engine.process.pid != before

    until(is_back, "a new engine")
    assert "engine ended with code -9" in said[0]
    assert said[-1] == "engine was started again"


def test_a_child_that_never_stays_is_given_up_with_its_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Child(name="parks", command=("park", "check", "no-such-file"), log=tmp_path / "parks.log"))

    given_up: list[str] = []

    def is_given_up() -> bool:
        try:
            supervisor.look()
        except ParkError as error:
            given_up.append(str(error))
        return bool(given_up)

    until(is_given_up, "giving up")
    assert "parks ended 5 times (last with code 2): " in given_up[0]
    assert "no-such-file" in given_up[0]


def test_where_all_do_the_same_one_that_never_stays_does_not_end_the_others(tmp_path: Path) -> None:
    with Supervisor(NOWHERE, first_wait_s=0.01, needs_each=False) as running:
        good = Child(name="engine", command=("engine",), log=tmp_path / "engine.log")
        bad = Child(name="parks", command=("park", "check", "no-such-file"), log=tmp_path / "parks.log")
        running.start(good)
        running.start(bad)

        def has_failed_often() -> bool:
            running.look()
            return bad.failures > 5

        until(has_failed_often, "more failures than one alone may have")
        assert good.process is not None
        assert good.process.poll() is None


def test_who_had_to_be_killed_is_told(supervisor: Supervisor, engine: Child) -> None:
    os.kill(pid_of(engine), signal.SIGKILL)
    assert engine.process is not None
    engine.process.wait()

    assert supervisor.stop() == ["engine ended with code -9"]


def test_stopping_ends_all_children(supervisor: Supervisor, engine: Child) -> None:
    pid = pid_of(engine)
    began = time.monotonic()

    supervisor.stop()

    assert not is_running(pid)
    assert time.monotonic() - began < 10


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import pathlib, threading
        from service.cli.supervisor import Child, Supervisor

        supervisor = Supervisor({NOWHERE!r})
        child = Child(name="engine", command=("engine",), log=pathlib.Path({str(tmp_path / "engine.log")!r}))
        supervisor.start(child)
        print(child.process.pid, flush=True)
        threading.Event().wait()
        """
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=PROJECT, env=clean, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
    finally:
        parent.kill()
        parent.communicate()

    until(lambda: not is_running(pid), "the end of the child")
