"""A park with contacts, its outbox, and a notifier in this process, for tests."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from alerts.channels import Channel
from domain.notifications import Notification, Way
from domain.parkfile import ParkFile
from service.notify import Pace, run_notifier
from store.connection import Role, connect
from store.outbox import enqueue
from tests.support.databases import apply_to

__all__ = ["Outbox", "notifier", "park_with_contacts", "until"]


def park_with_contacts(url: str, *contacts: Mapping[str, Any]) -> None:
    """Apply a park `p` that has these contacts and nothing else."""
    park = {"key": "p", "name": "Park", "timezone": "Asia/Jakarta", "valid_from": "2026-01-01T00:00:00+07:00"}
    apply_to(url, ParkFile.model_validate({"park": park, "contacts": list(contacts)}))


class Outbox:
    """The outbox of a database, as its owner sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def put(self, *notifications: Notification) -> None:
        """Put notifications in, as the engine does."""
        with connect(self.url, Role.WRITE) as conn:
            enqueue(conn, 1, notifications, [None] * len(notifications))

    def rows(self) -> list[dict[str, Any]]:
        """Every notification, in the order in which they came."""
        return self.select("SELECT * FROM notification ORDER BY id")

    def attempts(self) -> list[dict[str, Any]]:
        """Every attempt, in order."""
        return self.select("SELECT * FROM notification_attempt ORDER BY id")

    def states(self) -> list[str]:
        """The state of every notification, in the order in which they came."""
        return [row["state"] for row in self.rows()]

    def select(self, statement: str) -> list[dict[str, Any]]:
        """Rows of any query."""
        with psycopg.connect(self.url, row_factory=dict_row) as conn:
            return conn.execute(statement.encode()).fetchall()

    def change(self, statement: str) -> None:
        """Change rows as nobody else may."""
        with psycopg.connect(self.url) as conn:
            conn.execute(statement.encode())


def until(is_so: Callable[[], object], what: str, *, deadline_s: float = 20.0) -> None:
    """Wait until something is so; fail when it is not in time."""
    ends = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < ends, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.02)


@contextmanager
def notifier(url: str, channels: Sequence[Channel], **pace: Any) -> Iterator[threading.Thread]:
    """A notifier with these channels in a thread of this process; whatever ended it is raised at the end."""
    stop, failed = threading.Event(), list[BaseException]()
    ways: dict[Way, Channel] = {channel.name: channel for channel in channels}

    def run() -> None:
        try:
            run_notifier(url, ways, stop=stop, pace=Pace(**{"poll_s": 0.2, **pace}))
        except BaseException as error:  # noqa: BLE001 - told by the thread that asks
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive(), "the notifier did not stop"
        if failed:
            raise failed[0]
