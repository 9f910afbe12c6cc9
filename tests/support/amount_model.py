"""The engine in small: a growing set of readings, and amount rows of which only what was touched is computed again."""

from collections.abc import Iterable
from dataclasses import fields, replace
from math import fsum

import numpy as np
from numpy.typing import NDArray

from domain.frames import AmountFrame, Readings
from domain.readings import Span
from kpi.amounts import interval_amounts
from kpi.corrections import corrected, correcting
from kpi.gather import gather
from kpi.ranges import Ranges
from kpi.table import FAR_US, ChannelTable
from tests.support.amount_cases import Case, readings_of
from tests.support.reference_amounts import Heard
from tests.support.reference_corrections import Said, table_of

COLUMNS = [column.name for column in fields(AmountFrame) if column.name != "level"]

Key = tuple[int, int]


class Shelf:
    """A store of readings that hands out windows as the real one does."""

    def __init__(self) -> None:
        self.kept: dict[Key, Heard] = {}
        self.loads = 0

    def around(self, asked: Ranges, margin: int) -> tuple[Readings, NDArray[np.bool_], NDArray[np.bool_]]:
        self.loads += 1
        assert len(asked.merged()) == len(asked), "windows of one channel overlap"
        found: set[Heard] = set()
        before, after = [], []
        for channel_id, begin, end in zip(asked.channel_id, asked.from_us, asked.to_us, strict=True):
            stored = sorted((one for one in self.kept.values() if one.channel_id == channel_id), key=lambda one: one.ts)
            earlier = [one for one in stored if one.ts < begin]
            later = [one for one in stored if one.ts > end]
            inside = [one for one in stored if begin <= one.ts <= end]
            found |= {*earlier[-margin:], *inside, *later[:margin]}
            before.append(len(earlier) <= margin)
            after.append(len(later) <= margin)
        return readings_of(found), np.array(before, dtype=np.bool_), np.array(after, dtype=np.bool_)


class Engine:
    """Amount rows of a park, kept up to date."""

    def __init__(self, case: Case, margin: int) -> None:
        self.case = case
        self.margin = margin
        self.shelf = Shelf()
        self.rows: dict[Key, tuple[float, ...]] = {}
        self.said: dict[int, Said] = {}
        self.due: list[Span] = []

    def correct(self, one: Said) -> None:
        """A correction is made, or takes the place of the one of its id; computed when `catch_up` is called."""
        self.said[one.id] = one
        self.due.append(Span(channel_id=one.channel_id, from_us=one.begin, to_us=one.end))

    def catch_up(self, spans: Iterable[Span]) -> None:
        """Compute some of what is due."""
        chosen = list(spans)
        self.due = [span for span in self.due if span not in chosen]
        self.compute(chosen)

    def hear(self, batch: Iterable[Heard]) -> None:
        """Readings are stored, or take the place of what was stored."""
        batch = list(batch)
        for one in batch:
            self.shelf.kept[one.channel_id, one.ts] = one
        self.compute(spans_of(batch))

    def forget(self, batch: Iterable[Heard]) -> None:
        """Readings are taken away again."""
        batch = [one for one in batch if self.shelf.kept.pop((one.channel_id, one.ts), None)]
        self.compute(spans_of(batch))

    def learn(self, case: Case) -> None:
        """Exchanges, multipliers, lives and outages become known."""
        spans = []
        for channel in case.channels:
            # Another width or resolution holds until the next exchange that says one.
            spans += [Span(channel_id=channel.id, from_us=one.at_us, to_us=FAR_US) for one in channel.exchanges]
            spans += [Span(channel_id=channel.id, from_us=one.from_us, to_us=FAR_US) for one in channel.multipliers]
            if channel.valid_to_us is not None:
                spans.append(Span(channel_id=channel.id, from_us=0, to_us=channel.valid_from_us))
                spans.append(Span(channel_id=channel.id, from_us=channel.valid_to_us, to_us=FAR_US))
            for outage in dict(case.outages).get(channel.meter_id, ()):
                end = FAR_US if outage.to_us is None else outage.to_us
                spans.append(Span(channel_id=channel.id, from_us=outage.from_us, to_us=end))
        self.case = case
        self.compute(spans)

    def total(self) -> float:
        """All amounts together, of every channel and interval."""
        bits = np.array([row[COLUMNS.index("amount")] for row in self.rows.values()], dtype=np.int64)
        amounts = bits.view(np.float64)
        return fsum(amounts[~np.isnan(amounts)])

    def compute(self, spans: Iterable[Span]) -> None:
        case, table = self.case, self.case.table
        load = correcting(self.shelf.around, lambda _: table_of(self.said.values()))
        work = gather(table, case.grid, Ranges.of(*spans), load, margin=self.margin)
        frame = interval_amounts(table, work.readings, work.ranges, case.zone, case.base_s)
        for channel_id, begin, end in zip(work.ranges.channel_id, work.ranges.from_us, work.ranges.to_us, strict=True):
            gone = [key for key in self.rows if key[0] == channel_id and begin <= key[1] < end]
            for key in gone:
                del self.rows[key]
        self.rows |= rows_of(frame)


def spans_of(batch: Iterable[Heard]) -> list[Span]:
    """One span per channel and UTC day of some readings, as ingest makes them."""
    days: dict[Key, list[int]] = {}
    for one in batch:
        days.setdefault((one.channel_id, one.ts // 86_400_000_000), []).append(one.ts)
    return [
        Span(channel_id=channel_id, from_us=min(times), to_us=max(times)) for (channel_id, _), times in days.items()
    ]


def rows_of(frame: AmountFrame) -> dict[Key, tuple[float, ...]]:
    """Every row of a frame by its key; equal rows are equal bit for bit, NaN included."""
    columns = [getattr(frame, name) for name in COLUMNS]
    bits = [column.view(np.int64) if column.dtype == np.float64 else column for column in columns]
    lists = zip(*(column.tolist() for column in bits), strict=True)
    return {(row[0], row[1]): row for row in lists}


def all_rows(case: Case, heard: Iterable[Heard], said: Iterable[Said] = ()) -> dict[Key, tuple[float, ...]]:
    """Every row, computed at once from all readings and corrections."""
    table: ChannelTable = case.table
    readings = corrected(readings_of(heard), table_of(said))
    return rows_of(interval_amounts(table, readings, case.whole(), case.zone, case.base_s))


def without_facts(case: Case) -> Case:
    """The same park before its exchanges, multipliers, lives and outages were known."""
    bare = [
        replace(channel, exchanges=(), multipliers=(), valid_from_us=0, valid_to_us=None) for channel in case.channels
    ]
    return replace(case, channels=tuple(bare), outages=())
