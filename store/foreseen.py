"""What would become of batches if they were written: judged by the same rules against what is stored, and nothing written."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.readings import Batch, Outcome
from domain.time import IntArray
from store.columns import CONFLICT, DUPLICATE, STORED, Arranged, arrange
from store.conflicts import foreseen_conflicts
from store.connection import database_errors
from store.keys import Keys, stored_keys
from store.ledger import outcome_of

__all__ = ["ForeseeingSink"]


class ForeseeingSink:
    """
    Takes batches as :class:`store.ReadingSink` does, and only says what that would answer. Role WRITE.

    It remembers the readings that it would have stored, some 20 bytes each, so that what a later batch repeats is known.
    Entered values are not judged: batches that hold any are not for it.
    """

    def __init__(self, connection: Callable[[], Connection[Any]]) -> None:
        """Reads through a connection that is made when first needed, and is set to read only."""
        self._connection = connection
        self._conn: Connection[Any] | None = None
        self._stored: dict[int, _Series] = {}
        self._conflicts: dict[tuple[int, int], list[tuple[float, int]]] = {}
        self.fate: NDArray[np.int8] = np.zeros(0, dtype=np.int8)
        """Of each reading of the last batch, in its order: STORED, DUPLICATE or CONFLICT of :mod:`store.columns`."""

    def write(self, batch: Batch) -> Outcome:
        """
        What would become of a batch after all batches before it.

        Raises
        ------
        Unavailable
            The database is away.
        """
        arranged = arrange(batch.readings)
        fate = np.full(len(arranged), DUPLICATE, dtype=np.int8)
        if len(arranged):
            with database_errors(f"judging a batch of {batch.received} values"):
                conn = self._connected()
                with conn.transaction():
                    keys = self._known(stored_keys(conn, arranged), arranged)
                    conflicts = foreseen_conflicts(conn, arranged, keys, self._conflicts)
            stored = arranged.first[keys.ours]
            fate[conflicts], fate[stored] = CONFLICT, STORED
            self._remember(arranged, stored, conflicts)
        self.fate = np.empty_like(fate)
        self.fate[np.lexsort((batch.readings.ts_us, batch.readings.channel_id))] = fate
        return outcome_of(batch, self.fate)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _connected(self) -> Connection[Any]:
        if self._conn is None:
            self._conn = self._connection()
            self._conn.read_only = True
        return self._conn

    def _known(self, keys: Keys, arranged: Arranged) -> Keys:
        """With what earlier batches would have stored in the place of what is not stored."""
        ours, value, quality = keys.ours.copy(), keys.value.copy(), keys.quality.copy()
        channel_id, ts_us = arranged.channel_id[arranged.first], arranged.ts_us[arranged.first]
        for channel in np.unique(channel_id[ours]).tolist():
            series = self._stored.get(channel)
            if series is None:
                continue
            asked = np.flatnonzero(ours & (channel_id == channel))
            found, values, qualities = series.of(ts_us[asked])
            value[asked[found]], quality[asked[found]], ours[asked[found]] = values, qualities, False
        return Keys(ours=ours, value=value, quality=quality)

    def _remember(self, arranged: Arranged, stored: IntArray, conflicts: IntArray) -> None:
        for channel in np.unique(arranged.channel_id[stored]).tolist():
            rows = stored[arranged.channel_id[stored] == channel]
            columns = arranged.ts_us[rows], arranged.value[rows], arranged.quality[rows]
            self._stored.setdefault(channel, _Series()).add(*columns)
        for row in conflicts.tolist():
            key = int(arranged.channel_id[row]), int(arranged.ts_us[row])
            said = float(arranged.value[row]), int(arranged.quality[row])
            self._conflicts.setdefault(key, []).append(said)


class _Series:
    """Readings of one channel, in runs of which each is in order of time; runs of like length become one."""

    def __init__(self) -> None:
        self._runs: list[tuple[IntArray, NDArray[np.float64], NDArray[np.int32]]] = []

    def add(self, ts_us: IntArray, value: NDArray[np.float64], quality: NDArray[np.int32]) -> None:
        """Add readings in order of time, of times that are not there yet."""
        self._runs.append((ts_us, value, quality))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            pair = self._runs.pop(), self._runs.pop()
            joined = [np.concatenate([newer, older]) for newer, older in zip(*pair, strict=True)]
            order = np.argsort(joined[0], kind="stable")
            self._runs.append((joined[0][order], joined[1][order], joined[2][order]))

    def of(self, ts_us: IntArray) -> tuple[IntArray, NDArray[np.float64], NDArray[np.int32]]:
        """Which of some times are there, and their values and qualities."""
        place = np.zeros(0, dtype=np.int64)
        value, quality = np.zeros(0), np.zeros(0, dtype=np.int32)
        for run_ts, run_value, run_quality in self._runs:
            if run_ts[0] > ts_us[-1] or run_ts[-1] < ts_us[0]:
                continue
            at = np.minimum(np.searchsorted(run_ts, ts_us), len(run_ts) - 1)
            found = np.flatnonzero(run_ts[at] == ts_us)
            place = np.append(place, found)
            value, quality = np.append(value, run_value[at[found]]), np.append(quality, run_quality[at[found]])
        return place, value, quality
