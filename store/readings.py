"""Readings into the database: each batch in one transaction, however often it is delivered."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import Connection, Cursor

from domain.errors import DataError
from domain.readings import Batch, Outcome
from domain.time import IntArray
from store.around import readings_around
from store.arrays import floats, instants, integers
from store.columns import STORED, Arranged, arrange, by_day, newest_by_channel
from store.conflicts import settle_conflicts
from store.connection import Role, connect, database_errors
from store.entered import enter_batch
from store.keys import Clash, copy_keys, insert_keys
from store.ledger import outcome_of, write_ledger
from store.setaside import write_rejections
from store.statements import query

__all__ = ["ReadingSink", "readings_around"]

_ATTEMPTS = 6
_LONG_AGO = np.iinfo(np.int64).min


class ReadingSink:
    """
    Writes batches of readings, one transaction each. Not thread-safe: one per writing thread.

    Connects when first used and again after a connection was lost. Usable as a context manager, which closes it.
    """

    def __init__(self, source: str | Callable[[], Connection[Any]], *, rejections_kept: int = 1000) -> None:
        """
        Write through connections to a URL (in role WRITE), or through those a callable makes.

        Parameters
        ----------
        source : str or callable
            The callable must use :func:`store.connection.connect`.
        rejections_kept : int
            How many new rejections a source may keep per hour; beyond, they are only counted in the ledger.
        """
        self._source = source
        self._rejections_kept = rejections_kept
        self._conn: Connection[Any] | None = None
        # Newest known time of each channel: what is beyond it is most likely new, and goes by straight COPY.
        self._newest: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, batch: Batch) -> Outcome:
        """
        Commit a batch: readings, entered values, conflicts, spans, rejections, ledger, in one transaction.

        When it returns, all is committed. `received == stored + duplicate + conflict + rejected`, always:
        a value that equals the stored one (within half the channel's resolution, with the same quality) is a
        duplicate, and so is one that is already known as a conflict; any other value for a stored key is a conflict.

        Raises
        ------
        Unavailable
            The database is away, or a deadlock did not resolve. If the connection broke during the commit it is
            not known whether the batch was committed; writing it again is safe.
        DataError
            The database refuses the contents.
        """
        arranged = arrange(batch.readings)
        try:
            with database_errors(f"writing a batch of {batch.received} values"):
                outcome = self._attempts(batch, arranged)
        finally:
            if self._conn is not None and (self._conn.closed or self._conn.broken):
                self.close()
        self._remember(arranged)
        return outcome

    def close(self) -> None:
        """Close the connection, if there is one; the next write makes a new one."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _connected(self) -> Connection[Any]:
        if self._conn is None:
            made = self._source() if callable(self._source) else connect(self._source, Role.WRITE)
            self._conn = made
        return self._conn

    def _attempts(self, batch: Batch, arranged: Arranged) -> Outcome:
        conn = self._connected()
        straight = True
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with conn.transaction():
                    return self._write(conn, batch, arranged, straight=straight)
            except Clash:
                straight = False
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _write(self, conn: Connection[Any], batch: Batch, arranged: Arranged, *, straight: bool) -> Outcome:
        # Every writer takes its locks in this order of tables, and within a table in order of the key.
        batch_id = _insert_batch(conn, len(batch.messages))
        received_us = np.fromiter((message.received_us for message in batch.messages), np.int64, len(batch.messages))
        if straight:
            keys = copy_keys(conn, batch_id, arranged, received_us, self._doubtful(arranged))
        else:
            keys = insert_keys(conn, batch_id, arranged, received_us)
        fate, touched = settle_conflicts(conn, batch_id, arranged, keys, received_us)
        stored = arranged.first[keys.ours]
        fate[stored] = STORED
        touched |= keys.ours
        batch, entered = enter_batch(conn, batch)
        message, fate = np.concatenate([arranged.message, entered[0]]), np.concatenate([fate, entered[1]])
        with conn.pipeline():
            _upsert_latest(conn, arranged, stored, received_us)
            _upsert_days(conn, arranged, stored)
            spans = _append_spans(conn, arranged, arranged.first[touched])
            write_ledger(conn, batch, received_us, (message, fate))
        _check(spans)
        write_rejections(conn, batch, kept_per_hour=self._rejections_kept)
        return outcome_of(batch, fate)

    def _doubtful(self, arranged: Arranged) -> NDArray[np.bool_]:
        channel_id, ts_us = arranged.channel_id[arranged.first], arranged.ts_us[arranged.first]
        channels, owner = np.unique(channel_id, return_inverse=True)
        newest = np.array([self._newest.get(channel, _LONG_AGO) for channel in channels.tolist()], dtype=np.int64)
        return np.asarray(ts_us <= newest[owner], dtype=np.bool_)

    def _remember(self, arranged: Arranged) -> None:
        rows = newest_by_channel(arranged.channel_id)
        for channel, ts_us in zip(arranged.channel_id[rows].tolist(), arranged.ts_us[rows].tolist(), strict=True):
            self._newest[channel] = max(ts_us, self._newest.get(channel, ts_us))


def _insert_batch(conn: Connection[Any], messages: int) -> int:
    row = conn.execute(query("batch_insert"), {"messages": messages}).fetchone()
    if row is None:
        raise DataError("the database gave the batch no id")
    return int(row[0])


def _upsert_latest(conn: Connection[Any], arranged: Arranged, stored: IntArray, received_us: IntArray) -> None:
    rows = stored[newest_by_channel(arranged.channel_id[stored])]
    if len(rows):
        conn.execute(
            query("latest_upsert"),
            {
                "channel_id": integers(arranged.channel_id[rows]),
                "ts": instants(arranged.ts_us[rows]),
                "value": floats(arranged.value[rows]),
                "quality": integers(arranged.quality[rows]),
                "received_at": instants(received_us[arranged.message[rows]]),
            },
        )


def _upsert_days(conn: Connection[Any], arranged: Arranged, stored: IntArray) -> None:
    days = by_day(arranged.channel_id[stored], arranged.ts_us[stored])
    if len(days.n):
        conn.execute(
            query("channel_days_upsert"),
            {
                "channel_id": integers(days.channel_id),
                "day": instants(days.day_us),
                "first_ts": instants(days.first_us),
                "last_ts": instants(days.last_us),
                "n": integers(days.n),
            },
        )


def _append_spans(conn: Connection[Any], arranged: Arranged, rows: IntArray) -> tuple[int, Cursor[Any]] | None:
    if not len(rows):
        return None
    days = by_day(arranged.channel_id[rows], arranged.ts_us[rows])
    appended = conn.execute(
        query("spans_insert"),
        {
            "channel_id": integers(days.channel_id),
            "from_ts": instants(days.first_us),
            "to_ts": instants(days.last_us),
        },
    )
    conn.execute(query("spans_notify"))
    return len(days.n), appended


def _check(spans: tuple[int, Cursor[Any]] | None) -> None:
    # A span without a park would never be computed, and its readings would be lost without a word.
    if spans is not None and spans[1].rowcount != spans[0]:
        raise DataError("readings of channels that are not in the registry; apply the park file to this database first")
