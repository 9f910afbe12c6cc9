"""Stored amounts as JSON, by the shortest way there is: one statement for all who wait, and rows that are never made into models.

What a question needs beyond the rows is made once: its intervals, how they are written, and how long each was expected to
be measured. The JSON is that of :class:`service.api.models.AmountSeries`, as a test holds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from operator import add
from typing import TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from domain.quantities import QUANTITIES
from domain.registry import Channel, Registry
from domain.time import IntArray, Level, to_datetime
from service.api.amounts import expected_s
from service.api.together import Together
from service.api.values import flag_words
from store.arrays import POSTGRES_EPOCH_US
from store.shown import AmountsSought, ShownAmount

__all__ = ["AmountsAsked", "AmountsJson", "AmountsTogether"]

AmountsTogether: TypeAlias = Together[AmountsSought, list[ShownAmount]]
"""Reads the amounts of all requests that wait at once."""


class _Value(msgspec.Struct, frozen=True, gc=False):
    start: str
    stop: str
    amount: float | None
    amount_unit: str | None
    measured: float | None
    mean: float | None
    low: float | None
    high: float | None
    last: float | None
    unit: str
    peak: float | None
    peak_at: str | None
    profile_coverage: float | None
    total_coverage: float | None
    estimated_share: float | None
    flags: tuple[str, ...]
    revision: int
    computed_at: str | None


class _Series(msgspec.Struct, frozen=True, gc=False):
    channel: str
    level: str
    timezone: str
    values: list[_Value]


_NOTHING: ShownAmount = (0, None, None, None, None, None, None, None, 0.0, 0.0, 0.0, 0, 0, None)
"""A row of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountsAsked:
    """The amounts of one channel in some intervals of a stored level."""

    channel_id: int
    key: str
    level: Level
    zone: ZoneInfo
    bounds_us: tuple[int, int]
    """[us UTC]"""
    unit: str
    amount_unit: str | None
    starts: tuple[int, ...]
    """Where intervals begin, as the rows have it. [us since 2000-01-01T00:00Z]"""
    edges: tuple[str, ...]
    """Where intervals begin, and the last one ends, as they are written."""
    expected_s: tuple[float, ...]
    """How long each is expected to be measured. [s]"""

    @classmethod
    def of(cls, registry: Registry, channel: Channel, level: Level, edges: IntArray) -> "AmountsAsked":
        """
        Of a channel of a registry.

        Parameters
        ----------
        edges : int64 (n + 1,) [us UTC]
            Of a level that is stored: base, hour or day.
        """
        park, quantity = registry.park, QUANTITIES.get(channel.quantity)
        moments = (edges - POSTGRES_EPOCH_US).tolist()
        adds_up = quantity is None or quantity.stock
        outages = registry.meter_by_id[channel.meter_id].outages
        return cls(
            channel_id=channel.id,
            key=channel.key,
            level=level,
            zone=park.zone,
            bounds_us=(int(edges[0]), int(edges[-1])),
            unit=channel.unit,
            amount_unit=channel.unit if adds_up else quantity.integral if quantity else None,
            starts=tuple(moments[:-1]),
            edges=tuple(map(_writer(park.zone), moments)),
            expected_s=tuple(expected_s(channel, park, edges, outages).tolist()),
        )

    def sought(self, user: str) -> AmountsSought:
        """What is asked of the database, as a user."""
        first_us, stop_us = self.bounds_us
        return AmountsSought(
            user=user,
            channel_id=self.channel_id,
            level=self.level,
            start_us=first_us,
            stop_us=stop_us,
            most_rows=len(self.starts),
        )

    def series(self, rows: Sequence[ShownAmount]) -> _Series:
        """All intervals, in order of time; where nothing is known, nulls with coverage 0, or null where nothing was expected."""
        if not self.starts:
            return _Series(self.key, self.level.key, self.zone.key, [])
        if len(rows) < len(self.starts):
            row_at = {row[0]: row for row in rows}
            rows = [row_at.get(moment, _NOTHING) for moment in self.starts]
        # Column by column, and the usual ones whole: it runs for every interval of every answer that is read.
        (
            _,
            amount,
            mean,
            low,
            high,
            last,
            peak,
            peak_at,
            measured_s,
            estimated,
            inner_s,
            flags,
            revision,
            made_at,
        ) = zip(*rows, strict=True)
        profile = _shares(measured_s, self.expected_s)
        total = _shares(map(add, measured_s, inner_s), self.expected_s) if any(inner_s) else profile
        values = map(
            _Value,
            self.edges[:-1],
            self.edges[1:],
            amount,
            repeat(self.amount_unit),
            _measured(amount, estimated) if any(estimated) else amount,
            mean,
            low,
            high,
            last,
            repeat(self.unit),
            peak,
            self._written(peak_at),
            profile,
            total,
            map(_estimated, estimated, amount) if any(estimated) or None in amount else repeat(0.0),
            map(_words, flags) if any(flags) else repeat(()),
            revision,
            self._written(made_at),
        )
        return _Series(self.key, self.level.key, self.zone.key, list(values))

    def _written(self, moments: Iterable[int | None]) -> list[str | None]:
        written = _writer(self.zone)
        return [None if one is None else written(one) for one in moments]


class AmountsJson:
    """The answer of `/amounts` to one question: read whenever it is asked for, and written anew where what was read is not as before."""

    def __init__(self, together: AmountsTogether, user: str, asked: Sequence[AmountsAsked]) -> None:
        """Asked by `user`, who sees in it what the database shows that user then."""
        self._together = together
        self._asked = asked
        self._sought = [one.sought(user) for one in asked]
        self._rows: Sequence[Sequence[ShownAmount]] | None = None
        self._body = b""

    async def __call__(self) -> bytes:
        """Read now; the very bytes of the time before where nothing has changed."""
        rows = await self._together.ask(self._sought)
        # Nearly always nothing has: to see that takes a tenth of the time that writing does.
        if rows != self._rows:
            series = [one.series(found) for one, found in zip(self._asked, rows, strict=True)]
            self._rows, self._body = rows, msgspec.json.encode(series)
        return self._body


def _measured(amount: Iterable[float | None], estimated: Iterable[float]) -> list[float | None]:
    return [None if whole is None else whole - part for whole, part in zip(amount, estimated, strict=True)]


def _shares(lasting_s: Iterable[float], expected_s: Iterable[float]) -> list[float | None]:
    return [
        None if expected <= 0 else lasting / expected if lasting < expected else 1.0
        for lasting, expected in zip(lasting_s, expected_s, strict=True)
    ]


def _estimated(estimated: float, amount: float | None) -> float | None:
    if amount is None:
        return None
    if not estimated:
        return 0.0
    return min(max(estimated / amount, 0.0), 1.0) if amount else None


@lru_cache(maxsize=1_000)
def _words(mask: int) -> tuple[str, ...]:
    return tuple(flag_words(mask))


@lru_cache(maxsize=1_000)
def _writer(zone: ZoneInfo) -> Callable[[int], str]:
    """How instants are written in a zone; each is remembered, for most are asked for again."""

    @lru_cache(maxsize=50_000)
    def written(moment: int) -> str:
        text = to_datetime(moment + POSTGRES_EPOCH_US).astimezone(zone).isoformat()
        return f"{text[:-6]}Z" if text.endswith("+00:00") else text

    return written
