"""How a process is told to stop: by SIGTERM, by Ctrl-C, or by the end of the process that started it."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["STOP_WITH_STDIN", "stop_signals", "watch_stdin"]

STOP_WITH_STDIN = "KAWASAN_STOP_WITH_STDIN"
"""Set for children of the demo: they stop when their standard input ends, as it does when the demo is killed."""


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that is set by SIGTERM or SIGINT; a second one ends the process at once."""
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        del frame
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    watch_stdin(stop.set)
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def watch_stdin(stop: Callable[[], object]) -> None:
    """Call `stop` when standard input ends, where the process that started us wants that."""
    if os.environ.get(STOP_WITH_STDIN):
        threading.Thread(target=_wait_for_end, args=(stop,), name="stdin", daemon=True).start()


def _wait_for_end(stop: Callable[[], object]) -> None:
    # Unbuffered: a thread that holds a buffered reader's lock makes the interpreter's exit fail.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop()
