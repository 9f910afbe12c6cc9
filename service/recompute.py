"""Compute a stretch of a park again, and say whether what comes out is what was stored."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from psycopg import Connection

from domain.errors import InputError, Unavailable
from domain.readings import Span
from domain.registry import Channel, Kind, Park, Registry
from domain.time import IntArray, Level, level_edges
from store.snapshots import DifferingAmount, DifferingKpi, Snapshot
from store.spans import append_spans, last_span, spans_left

__all__ = ["Recomputed", "channels_named", "recompute"]

_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What was computed again, and how it compares."""

    start_us: int
    stop_us: int
    """Whole local days. [us UTC]"""
    channels: int
    amounts: int
    """Final amounts that were stored before."""
    kpis: int
    differing_amounts: tuple[DifferingAmount, ...]
    differing_kpis: tuple[DifferingKpi, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all final numbers are what they were."""
        return not self.differing_amounts and not self.differing_kpis


def channels_named(registry: Registry, keys: Sequence[str]) -> tuple[Channel, ...]:
    """
    The channels of some keys, or all that amounts are made of where none is named.

    Raises
    ------
    InputError
        There is no such channel in the park.
    """
    unknown = [key for key in keys if key not in registry.channel_by_key]
    if unknown:
        raise InputError(
            f"there is no channel {unknown[0]!r} in park {registry.park.key}; write PARK/TENANT/METER/QUANTITY"
        )
    named = [registry.channel_by_key[key] for key in keys] or registry.channels
    return tuple(channel for channel in named if channel.kind is not Kind.EVENT)


def recompute(  # noqa: PLR0917 - of what, when, for how long
    conn: Connection[Any],
    registry: Registry,
    channels: Sequence[Channel],
    start_us: int,
    stop_us: int,
    patience_s: float,
    waiting: Callable[[int], None],
    *,
    most_shown: int,
) -> Recomputed:
    """
    Put whole local days into the engine's queue, wait until they are computed, and compare with what was stored.

    Only final numbers are compared: the open interval changes by itself. Amounts are equal to the bit or they differ, KPIs
    are compared to 1e-12. A reading or correction that arrives meanwhile shows as a difference, as it should.

    Parameters
    ----------
    conn : Connection
        Role WRITE, autocommit; its temporary tables are used.
    patience_s : float
        How long the queue may stand still before it is said that no engine is at work. [s]
    waiting : callable
        Told now and then how many spans are left.
    most_shown : int
        At most so many differences of each kind are answered.

    Raises
    ------
    InputError
        Nothing was ever final in the park.
    Unavailable
        No engine takes the spans.
    """
    park = registry.park
    if park.ticked_to_us is None:
        raise InputError(f"no number of park {park.key} is final yet, so there is nothing to compare with")
    days = level_edges(park.zone, park.base_s, Level.DAY, start_us, stop_us)
    first, last = int(days[0]), int(days[-1])
    snapshot = Snapshot.take(
        conn,
        park.id,
        [channel.id for channel in channels],
        first,
        last,
        _holding(park, first),
        _holding(park, park.ticked_to_us),
    )
    _append(conn, park, channels, first, last)
    _wait(conn, park, patience_s, waiting)
    return Recomputed(
        start_us=first,
        stop_us=last,
        channels=len(channels),
        amounts=snapshot.amounts,
        kpis=snapshot.kpis,
        differing_amounts=snapshot.differing_amounts(most_shown),
        differing_kpis=snapshot.differing_kpis(most_shown),
    )


def _holding(park: Park, instant_us: int) -> IntArray:
    """For each level, the start of the interval that holds an instant."""
    starts = [level_edges(park.zone, park.base_s, level, instant_us, instant_us + 1)[0] for level in Level]
    return np.array(starts, dtype=np.int64)


def _append(conn: Connection[Any], park: Park, channels: Sequence[Channel], start_us: int, stop_us: int) -> None:
    # A month at a time, so that a cycle takes a part and live spans come between.
    months = np.clip(level_edges(park.zone, park.base_s, Level.MONTH, start_us, stop_us), start_us, stop_us).tolist()
    with conn.transaction():
        for begin, end in pairwise(months):
            # Spans hold both their ends.
            append_spans(conn, [Span(channel_id=channel.id, from_us=begin, to_us=end - 1) for channel in channels])


def _wait(conn: Connection[Any], park: Park, patience_s: float, waiting: Callable[[int], None]) -> None:
    last = last_span(conn)
    left, moved = spans_left(conn, park.id, last), time.monotonic()
    while left:
        waiting(left)
        time.sleep(_POLL_S)
        now_left = spans_left(conn, park.id, last)
        if now_left < left:
            moved = time.monotonic()
        elif time.monotonic() - moved > patience_s:
            raise Unavailable(
                f"{left} spans have waited in the queue for {patience_s:g} s; is `kawasan engine` running? "
                "What was put into the queue stays there and is computed once it is"
            )
        left = now_left
