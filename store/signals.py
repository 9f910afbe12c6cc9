"""NOTIFY and LISTEN: how the processes wake each other. A signal carries no data, only that there is something new."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from psycopg import Connection, sql

from store.connection import connect, database_errors
from store.statements import query

__all__ = ["Heard", "Signals", "notify_numbers"]

_SLICE_S = 0.25


def notify_numbers(conn: Connection[Any], park_key: str) -> None:
    """Tell whoever listens to `kawasan_numbers`, at the commit, that a park has new numbers."""
    conn.execute(query("numbers_notify"), {"park": park_key})


@dataclass(frozen=True, slots=True)
class Heard:
    """A signal."""

    channel: str
    park: str
    """Key of the park that it is about; empty: of any."""


class Signals:
    """A connection of its own that listens to some channels. Use it as a context manager."""

    def __init__(self, url: str, *channels: str) -> None:
        """Listen with the login of `url` to `channels` (`kawasan_spans`, `kawasan_numbers`, `kawasan_registry`)."""
        with database_errors("listening"):
            self._conn = connect(url, None, autocommit=True, application="kawasan-listen")
            for channel in channels:
                self._conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._conn.close()

    def wait(self, timeout_s: float, stop: threading.Event) -> Sequence[str]:
        """
        Wait for a signal, for `stop`, or for `timeout_s`; the names of the channels that spoke, each once.

        Raises
        ------
        Unavailable
            The connection was lost: signals may have been missed, so look whether there is work.
        """
        ends = time.monotonic() + timeout_s
        heard: dict[str, None] = {}
        while not heard and not stop.is_set() and (left := ends - time.monotonic()) > 0:
            heard = {one.channel: None for one in self.heard(min(left, _SLICE_S))}
        return tuple(heard)

    def heard(self, timeout_s: float) -> Sequence[Heard]:
        """
        Wait for signals, at most `timeout_s`; those that came together.

        Raises
        ------
        Unavailable
            The connection was lost: signals may have been missed.
        """
        with database_errors("listening"):
            notes = self._conn.notifies(timeout=timeout_s, stop_after=1)
            return tuple(Heard(channel=note.channel, park=note.payload) for note in notes)

    def beat(self) -> None:
        """
        Ask the server for a sign of life; all signals of what was committed before are heard next.

        Raises
        ------
        Unavailable
            The connection was lost.
        """
        with database_errors("listening"):
            self._conn.execute(query("signals_beat"))
