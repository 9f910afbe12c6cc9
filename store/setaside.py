"""Rejections into the database: each message once and whole, each reason once with a count, under a quota."""

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from psycopg import Connection

from domain.readings import Batch, Message
from domain.time import HOUR_US, IntArray, to_datetime
from store.arrays import Element, columns_of, instants, integers
from store.statements import query
from store.texts import clean

__all__ = ["message_hash", "write_rejections"]

_TOPIC_HEAD = b"kawasan/v1/"


@dataclass(slots=True, kw_only=True)
class _Entry:
    """One thing set aside, however often in this batch."""

    hash: bytes
    message: Message
    source: str
    place: str
    reason: str
    detail: str
    count: int
    first_us: int
    last_us: int

    @property
    def line(self) -> tuple[str, int]:
        """Source and hour under whose quota it falls."""
        return self.source, self.first_us // HOUR_US


def message_hash(topic: bytes, payload: bytes) -> bytes:
    """What tells one message from another: the SHA-256 of topic, NUL, payload."""
    return sha256(topic + b"\0" + payload).digest()


def write_rejections(conn: Connection[Any], batch: Batch, *, kept_per_hour: int) -> None:
    """
    Keep what a batch set aside, in the caller's transaction.

    What is known already is counted up. Of what is new, at most `kept_per_hour` are kept per source and
    hour of reception; the rest stands in the ledger only.
    """
    if not batch.rejections:
        return
    entries = _entries(batch)
    conn.execute(query("rejections_lock"))
    known = _known(conn, entries)
    kept = _within_quota(conn, [entry for place, entry in enumerate(entries) if place not in known], kept_per_hour)
    rows = [entry for place, entry in enumerate(entries) if place in known] + kept
    if rows:
        _write(conn, rows)


def _entries(batch: Batch) -> list[_Entry]:
    hashes: dict[int, bytes] = {}
    found: dict[tuple[bytes, str, str], _Entry] = {}
    for rejection in batch.rejections:
        message = batch.messages[rejection.message]
        if rejection.message not in hashes:
            hashes[rejection.message] = message_hash(message.topic, message.payload)
        place, moment = clean(rejection.place), message.received_us
        key = (hashes[rejection.message], place, rejection.reason.value)
        if key in found:
            entry = found[key]
            entry.count += 1
            entry.first_us, entry.last_us = min(entry.first_us, moment), max(entry.last_us, moment)
            continue
        found[key] = _Entry(
            hash=key[0],
            message=message,
            source=clean(batch.sources[rejection.message]),
            place=place,
            reason=key[2],
            detail=clean(rejection.detail),
            count=1,
            first_us=moment,
            last_us=moment,
        )
    return list(found.values())


def _known(conn: Connection[Any], entries: list[_Entry]) -> frozenset[int]:
    cursor = conn.execute(
        query("rejections_known"),
        {
            "number": integers(np.arange(len(entries))),
            "hash": [entry.hash for entry in entries],
            "place": [entry.place for entry in entries],
            "reason": [entry.reason for entry in entries],
        },
        binary=True,
    )
    return frozenset(columns_of(cursor, Element.INTEGER)[0].tolist())


def _within_quota(conn: Connection[Any], entries: list[_Entry], kept_per_hour: int) -> list[_Entry]:
    lines = sorted({entry.line for entry in entries})
    if not lines:
        return []
    found = conn.execute(query("rejections_kept"), _line_columns(lines)).fetchall()
    kept = {(source, hour): n for source, hour, n in found}
    room = {line: kept_per_hour - kept.get((line[0], to_datetime(line[1] * HOUR_US)), 0) for line in lines}
    taken: Counter[tuple[str, int]] = Counter()
    chosen = []
    for entry in entries:
        if taken[entry.line] < room[entry.line]:
            taken[entry.line] += 1
            chosen.append(entry)
    if chosen:
        lines = sorted(taken)
        counts = integers(np.array([taken[line] for line in lines]))
        conn.execute(query("rejections_keep"), {**_line_columns(lines), "kept": counts})
    return chosen


def _line_columns(lines: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "source": [source for source, _ in lines],
        "hour": instants(np.array([hour * HOUR_US for _, hour in lines])),
    }


def _write(conn: Connection[Any], entries: list[_Entry]) -> None:
    messages = list({entry.hash: entry for entry in entries}.values())
    conn.execute(
        query("rejected_messages_insert"),
        {
            "hash": [entry.hash for entry in messages],
            "topic": [entry.message.topic for entry in messages],
            "payload": [entry.message.payload for entry in messages],
            "source": [entry.source for entry in messages],
            "first_at": instants(_column(entry.first_us for entry in messages)),
        },
    )
    conn.execute(
        query("rejections_upsert"),
        {
            "hash": [entry.hash for entry in entries],
            "park": [_park_key(entry) for entry in entries],
            "place": [entry.place for entry in entries],
            "reason": [entry.reason for entry in entries],
            "detail": [entry.detail for entry in entries],
            "count": integers(_column(entry.count for entry in entries)),
            "first_at": instants(_column(entry.first_us for entry in entries)),
            "last_at": instants(_column(entry.last_us for entry in entries)),
        },
    )


def _column(values: Any) -> IntArray:
    return np.array(list(values), dtype=np.int64)


def _park_key(entry: _Entry) -> str | None:
    """The park a message speaks of, by its topic; whether there is one of that key the database knows."""
    if not entry.message.topic.startswith(_TOPIC_HEAD):
        return None
    return clean(entry.message.topic.split(b"/")[2].decode("utf-8", "backslashreplace"))
