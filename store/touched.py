"""Which numbers a change of the registry changes, gathered while it is applied, then put into the queue."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from psycopg import Connection

from domain.time import from_datetime
from store.arrays import instants, integers
from store.statements import query

__all__ = ["Touched"]

_BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(slots=True, kw_only=True)
class Touched:
    """Stretches of channels' time that have to be computed again."""

    now: datetime
    """Nothing beyond can have been computed."""
    stored: dict[int, datetime] = field(default_factory=dict)
    """Per channel, from when on its stored readings count differently."""
    whole: list[tuple[int, datetime, datetime]] = field(default_factory=list)
    """Stretches in which silence counts differently, too."""

    def readings(self, channel_id: int, start: datetime | None = None) -> None:
        """The stored readings of a channel, from `start` on, count differently."""
        start = start or _BEGINNING
        self.stored[channel_id] = min(start, self.stored.get(channel_id, start))

    def silence(self, channel_id: int, start: datetime, stop: datetime | None) -> None:
        """It changed what is expected of a channel between two times; no `stop`: until now."""
        until = self.now if stop is None else min(stop, self.now)
        if start < until:
            self.whole.append((channel_id, start, until))

    def append(self, conn: Connection[Any]) -> None:
        """Put all of it into the queue, in the caller's transaction."""
        if self.stored:
            conn.execute(
                query("apply_spans_stored"),
                {
                    "channel_id": integers(np.array(list(self.stored))),
                    "from_ts": instants(np.array([from_datetime(moment) for moment in self.stored.values()])),
                },
            )
        if self.whole:
            conn.execute(
                query("apply_spans_whole"),
                {
                    "channel_id": integers(np.array([row[0] for row in self.whole])),
                    "from_ts": instants(np.array([from_datetime(row[1]) for row in self.whole])),
                    "to_ts": instants(np.array([from_datetime(row[2]) for row in self.whole])),
                },
            )
