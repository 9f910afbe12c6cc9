"""A small process that ends private servers when the process that started them is killed.

Servers are programs of others and do not watch their parent. The guard does it for them: its
standard input is a pipe from the parent, which ends when the parent does, however it ends.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Guard"]

_SOURCE = Path(__file__).resolve().parents[1]


class Guard:
    """The parent's side: tell it whom to end. Use it as a context manager; leaving it in order ends nobody."""

    def __enter__(self) -> Self:
        path = os.pathsep.join(filter(None, (str(_SOURCE), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "service.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._write("release")
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()

    def watch(self, pid: int, ending: signal.Signals) -> None:
        """Have a process ended by a signal if we are killed."""
        self._write(f"{pid} {int(ending)}")

    def _write(self, line: str) -> None:
        # A guard that somebody ended guards nothing, and is no reason to stop what it guarded.
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()


def _started(pid: int) -> str | None:
    """When a process began, so that another one of the same number is not taken for it; None: it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def main() -> None:
    """Listen to the parent until it ends, then end what it told us of."""
    # Ctrl-C and SIGTERM to the whole group are the parent's to answer.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watched: list[tuple[int, int, str | None]] = []
    for line in sys.stdin:
        if line.strip() == "release":
            return
        pid, ending = (int(word) for word in line.split())
        watched.append((pid, ending, _started(pid)))
    for pid, ending, started in watched:
        if started is not None and _started(pid) == started:
            with suppress(ProcessLookupError):
                os.kill(pid, ending)


if __name__ == "__main__":
    main()
