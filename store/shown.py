"""Amounts of several questions, of several users, read in one statement: the shortest way from the table to an answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from psycopg import AsyncConnection
from psycopg.types.numeric import Int8BinaryLoader

from domain.time import Level
from store.arrays import instants, integers
from store.connection import database_errors
from store.statements import query

__all__ = ["AmountsSought", "ShownAmount", "read_shown_amounts"]

ShownAmount: TypeAlias = tuple[
    int,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    int | None,
    float,
    float,
    float,
    int,
    int,
    int | None,
]
"""
start, amount, mean, low, high, last, peak, peak_at, measured_s, estimated, inner_gap_s, flags, revision, computed_at.

Instants are as the database counts them: in microseconds since :data:`store.arrays.POSTGRES_EPOCH_US`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountsSought:
    """The stored amounts of one channel, of intervals that start in `[start_us, stop_us)`, as one user may see them."""

    user: str
    channel_id: int
    level: Level
    start_us: int
    stop_us: int
    most_rows: int
    """How many intervals these are."""


async def read_shown_amounts(conn: AsyncConnection[Any], sought: Sequence[AmountsSought]) -> list[list[ShownAmount]]:
    """
    What each of several questions finds, in their order, rows in order of time; nothing where the user may not see it.

    One statement, one round trip, one snapshot: the connection commits each statement by itself, as those of the pool do.
    """
    # Whoever asks for several things, and for several ranges of one, is looked at once.
    order = sorted(range(len(sought)), key=lambda one: (sought[one].user, sought[one].channel_id))
    asked = [sought[one] for one in order]
    parameters = {
        "users": [one.user for one in asked],
        "channel_ids": integers(np.array([one.channel_id for one in asked], dtype=np.int32)),
        "levels": integers(np.array([int(one.level) for one in asked], dtype=np.int32)),
        "starts": instants(np.array([one.start_us for one in asked], dtype=np.int64)),
        "stops": instants(np.array([one.stop_us for one in asked], dtype=np.int64)),
    }
    found: list[list[ShownAmount]] = [[] for _ in sought]
    with database_errors("reading amounts"):
        cursor = conn.cursor(binary=True)
        # A datetime with its zone takes longer to make, and to look up, than everything else in a row.
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        await cursor.execute(query("amounts_shown"), parameters)
        rows: Iterable[Any] = await cursor.fetchall()
    # The same rows are the same whoever else was asked for with them.
    without_question = itemgetter(slice(1, None))
    for question, of_one in groupby(rows, key=itemgetter(0)):
        found[order[question - 1]] = list(map(without_question, of_one))
    return found
