"""Commands of kawasan as processes of their own that are there at once, for tests that kill many of them.

Each is forked from one process that has imported everything: what a start of the interpreter costs is not what such a
test is about. It runs the console entry with its own environment, output and database connections, and may be killed.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

__all__ = ["Forks", "forks"]

_STOP_S = 15.0
_context = multiprocessing.get_context("forkserver")


def _run(command: str, env: Mapping[str, str], log: str) -> None:
    """Be the process `kawasan COMMAND`."""
    os.environ.clear()
    os.environ.update(env)
    with Path(log).open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.argv = ["kawasan", command]
    from service.cli.main import main  # noqa: PLC0415 - imported once, by the process that this one is forked from

    main()


class Forks:
    """Processes by names of the test's own; what they say goes to `folder/<name>.log`."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = env
        self._running: dict[str, ForkServerProcess] = {}

    def start(self, name: str, command: str) -> None:
        """Start a command under a name."""
        process = _context.Process(target=_run, args=(command, dict(self.env), str(self.log(name))), daemon=True)
        process.start()
        self._running[name] = process

    def kill(self, name: str) -> None:
        """End a process by SIGKILL."""
        process = self._running.pop(name)
        process.kill()
        process.join()

    def log(self, name: str) -> Path:
        """Where a process writes what it says."""
        return self.folder / f"{name}.log"

    def said(self, name: str, text: str) -> int:
        """How often a process has said something, all its lives together."""
        return self.log(name).read_text().count(text) if self.log(name).exists() else 0

    def stop(self) -> None:
        """End all processes in order."""
        for process in self._running.values():
            process.terminate()
        for name, process in self._running.items():
            process.join(_STOP_S)
            if process.exitcode is None:
                process.kill()
                process.join()
                raise AssertionError(f"{name} did not stop within {_STOP_S:g} s of SIGTERM")
            # A web server ends by the signal that it was told to stop by, after it has shut down.
            assert process.exitcode in {0, -signal.SIGTERM}, (
                f"{name} ended with {process.exitcode}: {self.log(name).read_text()[-2000:]}"
            )
        self._running.clear()


@contextmanager
def forks(folder: Path, env: Mapping[str, str]) -> Iterator[Forks]:
    """Processes that are gone at the end."""
    _context.set_forkserver_preload(["service.cli.main"])
    made = Forks(folder, env)
    try:
        yield made
    finally:
        made.stop()
