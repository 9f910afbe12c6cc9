"""Child processes that are kept running, and ended together with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from domain.errors import ParkError, Unavailable
from service.stopping import STOP_WITH_STDIN

__all__ = ["Child", "Supervisor"]

_SOURCE = Path(__file__).resolve().parents[2]
_STEADY_S = 60.0
_MOST_FAILURES = 5
_LONGEST_WAIT_S = 15.0
_STOP_S = 7.0
_POLL_S = 0.05
_ENDED_WELL = (0, -signal.SIGTERM)
"""uvicorn ends by the signal that told it to stop, after it has stopped in order."""


@dataclass(slots=True, eq=False)
class Child:
    """One `kawasan` command that is kept running."""

    name: str
    command: Sequence[str]
    """Words behind `kawasan`."""
    log: Path | None = None
    """Where it writes; None: where we do."""
    hands: Sequence[int] = ()
    """Open files of ours that it is handed, by their numbers."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Its own, over that of all children."""
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    """How often it ended by itself, one shortly after the other."""
    started_at: float = 0.0
    again_at: float = field(default=0.0)
    """When it is started again. [s, monotonic]"""


class Supervisor:
    """
    Starts children, starts them again when they end, and ends them all when it is left. Use it as a context manager.

    Each child is in a session of its own, so a Ctrl-C in the terminal reaches only us, and each stops by
    itself when its standard input ends, which happens when we are killed.
    """

    def __init__(self, environment: Mapping[str, str], *, first_wait_s: float = 1.0, needs_each: bool = True) -> None:
        """
        Give every child our environment, with `environment` over it; the waits before a new start double, up to 15 s.

        Parameters
        ----------
        needs_each : bool
            Whether one child that never stays is enough to give up; else only when none stays, as where all do the same.
        """
        self._first_wait_s = first_wait_s
        self._needs_each = needs_each
        path = os.pathsep.join(filter(None, (str(_SOURCE), os.environ.get("PYTHONPATH"))))
        self._environment = {**os.environ, "PYTHONPATH": path, **environment, STOP_WITH_STDIN: "1"}
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def children(self) -> tuple[Child, ...]:
        """Those that were started."""
        return tuple(self._children)

    def start(self, child: Child) -> None:
        """
        Start a child.

        Raises
        ------
        Unavailable
            It cannot be started, or its log cannot be written.
        """
        self._children.append(child)
        self._launch(child)

    def look(self) -> list[str]:
        """
        Start again what ended and is due; what happened, in words.

        Raises
        ------
        ParkError
            A child, or each, ended five times, each time within a minute of its start.
        """
        said = []
        for child in self._children:
            now = time.monotonic()
            if child.process is None:
                if now >= child.again_at:
                    self._launch(child)
                    said.append(f"{child.name} was started again")
            elif child.process.poll() is not None:
                said.append(self._ended(child, now))
            elif child.failures and now - child.started_at > _STEADY_S:
                child.failures = 0
        return said

    def stop(self) -> list[str]:
        """End all children, in order of their start; those that do not end within 7 s are killed. Who did not end well, in words."""
        stopped = [(child, child.process) for child in self._children if child.process is not None]
        running = [process for _, process in stopped]
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while any(process.poll() is None for process in running) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        for process in running:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._children.clear()
        return [
            f"{child.name} ended with code {process.returncode}"
            for child, process in stopped
            if process.returncode not in _ENDED_WELL
        ]

    def _launch(self, child: Child) -> None:
        try:
            with nullcontext() if child.log is None else child.log.open("ab") as log:
                child.process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-m", "service.cli", *child.command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=None if log is None else subprocess.STDOUT,
                    env={**self._environment, **child.environment},
                    pass_fds=tuple(child.hands),
                    start_new_session=True,
                )
        except OSError as error:
            raise Unavailable(f"{child.name} cannot be started: {error.strerror or error}") from error
        child.started_at = time.monotonic()

    def _ended(self, child: Child, now: float) -> str:
        process = child.process
        code = process.returncode if process is not None else 0
        if process is not None and process.stdin is not None:
            process.stdin.close()
        child.process = None
        child.failures += 1
        last = "see above" if child.log is None else _last_line(child.log)
        failed = [one.failures >= _MOST_FAILURES for one in self._children]
        if child.failures >= _MOST_FAILURES and (self._needs_each or all(failed)):
            place = "" if child.log is None else f"; see {child.log}"
            raise ParkError(f"{child.name} ended {child.failures} times (last with code {code}): {last}{place}")
        wait_s = min(self._first_wait_s * 2.0 ** (child.failures - 1), _LONGEST_WAIT_S)
        child.again_at = now + wait_s
        return f"{child.name} ended with code {code} ({last}); it is started again in {wait_s:g} s"


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
