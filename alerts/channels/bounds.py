"""What keeps a delivery bounded: its time, and what is kept of the other side's words."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["cut_after", "excerpt"]

_LONGEST = 200
_UNSHOWN = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ufeff]+")


@contextmanager
def cut_after(limit_s: float, connection: Callable[[], socket.socket | None]) -> Iterator[threading.Event]:
    """
    Cut a connection once `limit_s` have passed; the event says whether that happened.

    A socket's own timeout starts anew with every byte, so one who sends a byte now and then could hold us for ever.
    """
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        with suppress(OSError):
            current = connection()
            if current is not None:
                current.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()


def excerpt(text: str | bytes, *hidden: str | None) -> str:
    r"""
    What the other side said, fit for one line of a table: at most 200 characters, without what is hidden.

    Examples
    --------
    >>> excerpt(b"550 no such\r\nuser; you sent hunter2", "hunter2")
    '550 no such user; you sent ***'
    """
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for secret in hidden:
        if secret:
            shown = shown.replace(secret, "***")
    shown = _UNSHOWN.sub(" ", shown).strip()
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."
