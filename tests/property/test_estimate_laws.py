"""Laws of the estimation of long gaps: what it adds up to, that no window matters, and that it equals plain Python."""

import itertools
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.frames import AmountFrame
from domain.quality import Flag
from domain.readings import Span
from domain.references import Holidays, Origin
from domain.registry import Channel, Exchange
from domain.time import parse_instant, to_datetime
from kpi.amounts import interval_amounts
from kpi.estimates import profiled
from kpi.gather import gather
from kpi.grid import Grid
from kpi.likedays import Measured
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, ROME, a_channel, readings_of
from tests.support.amount_model import Shelf, rows_of
from tests.support.reference_amounts import Heard
from tests.support.reference_estimates import Gap, shares

DAY = 24 * HOUR
DAYS = 16
STEP = 30 * MINUTE
STARTS = {JAKARTA: parse_instant("2026-06-01T00:00:00+07:00"), ROME: parse_instant("2026-03-16T00:00:00+01:00")}


@dataclass(frozen=True, kw_only=True)
class Story:
    """A register of some weeks, with gaps, and now and then an exchange."""

    zone: ZoneInfo
    rhythm: tuple[float, ...]
    gaps: tuple[tuple[int, int], ...]
    off_us: int
    exchanged: int | None
    days_off: frozenset[int]

    @cached_property
    def heard(self) -> tuple[Heard, ...]:
        index, heard = 100.0, []
        for number in range(DAYS * 48):
            if not any(first < number < first + length for first, length in self.gaps):
                at = STARTS[self.zone] + self.off_us + number * STEP
                heard.append(Heard(channel_id=1, ts=at, value=round(index, 2)))
            index += self.rhythm[number * number % 7]
        return tuple(heard)

    @property
    def channel(self) -> Channel:
        exchanges: tuple[Exchange, ...] = ()
        if self.exchanged is not None:
            one = self.heard[self.exchanged % len(self.heard)]
            exchanges = (Exchange(at_us=one.ts, closing=one.value, opening=one.value),)
        return a_channel(interval_s=1800, resolution=0.0, max_rate=1000.0, exchanges=exchanges)

    @property
    def holidays(self) -> frozenset[date]:
        first = to_datetime(STARTS[self.zone]).astimezone(self.zone).date()
        return frozenset(first + timedelta(days=number) for number in self.days_off)

    @property
    def grid(self) -> Grid:
        return Grid(zone=self.zone, base_s=3600)

    @property
    def table(self) -> ChannelTable:
        return ChannelTable.of_channels([self.channel])

    @property
    def references(self) -> tuple[Holidays, ...]:
        origin = Origin(id=1, key="id", valid_from_us=0, valid_to_us=None, source="test", confirmed=True)
        return (Holidays(origin=origin, dates=self.holidays),)

    def whole(self) -> Ranges:
        begin = STARTS[self.zone]
        ends = self.grid.floor(np.array([begin - DAY, begin + (DAYS + 2) * DAY])).tolist()
        return Ranges.whole(np.array([1], dtype=np.int32), *ends)

    def first_stage(self) -> AmountFrame:
        return interval_amounts(self.table, readings_of(self.heard), self.whole(), self.zone, 3600)

    def estimated(self) -> AmountFrame:
        readings = readings_of(self.heard)
        return profiled(
            self.table,
            self.grid,
            self.first_stage(),
            readings,
            self.whole(),
            self.references,
            lambda _: measured_of(None),
        )


def measured_of(frame: AmountFrame | None) -> Measured:
    """What a store would hold."""
    if frame is None:
        whole, small = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
        return Measured(channel_id=small, start_us=whole, amount=np.empty(0), measured_s=np.empty(0))
    return Measured(
        channel_id=frame.channel_id, start_us=frame.start_us, amount=frame.amount, measured_s=frame.measured_s
    )


stories = st.builds(
    Story,
    zone=st.sampled_from([JAKARTA, JAKARTA, ROME]),
    rhythm=st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 5.0, 9.0])] * 7),
    gaps=st.lists(
        st.tuples(st.integers(0, DAYS * 48), st.sampled_from([3, 5, 8, 9, 20, 60, 110])), min_size=1, max_size=4
    ).map(tuple),
    off_us=st.sampled_from([0, 0, 7 * MINUTE]),
    exchanged=st.one_of(st.none(), st.none(), st.integers(0, DAYS * 48)),
    days_off=st.frozensets(st.integers(0, DAYS), max_size=2),
)


def gaps_of(story: Story) -> list[Gap]:
    pairs = itertools.pairwise(story.heard)
    return [
        Gap(start_us=one.ts, stop_us=other.ts, amount=other.value - one.value)
        for one, other in pairs
        if other.ts - one.ts > 2 * HOUR
    ]


@given(story=stories)
@settings(deadline=None, max_examples=60)
def test_the_vectorised_estimate_equals_plain_python(story: Story) -> None:
    first, second = story.first_stage(), story.estimated()
    measured = {
        int(start): (float(amount), float(seconds))
        for start, amount, seconds in zip(first.start_us, first.amount, first.measured_s, strict=True)
    }
    exchanges = [one.at_us for one in story.channel.exchanges]
    found: dict[int, float] = {}
    shaped: set[int] = set()
    for gap in gaps_of(story):
        cut = any(gap.start_us <= at <= gap.stop_us for at in exchanges)
        own = None if cut else shares(gap, story.grid, measured, story.holidays, exchanges)
        shaped |= set(own or ())
        for cell, amount in (own or linear(story, gap)).items():
            found[cell] = found.get(cell, 0.0) + amount

    assert {int(one) for one in second.start_us[(second.flags & int(Flag.PROFILE)) != 0]} == shaped
    for row, start in enumerate(second.start_us.tolist()):
        if start in shaped:
            assert second.estimated[row] == pytest.approx(found[start], rel=1e-12, abs=1e-12)
            measured_part = first.amount[row] - first.estimated[row]
            assert second.amount[row] == pytest.approx(measured_part + found[start], rel=1e-9, abs=1e-9)
        else:
            assert np.array_equal(second.amount[row], first.amount[row], equal_nan=True)
            assert second.estimated[row] == first.estimated[row]


def linear(story: Story, gap: Gap) -> dict[int, float]:
    edges = story.grid.edges(gap.start_us, gap.stop_us).tolist()
    length = gap.stop_us - gap.start_us
    return {
        begin: gap.amount * ((min(end, gap.stop_us) - max(begin, gap.start_us)) / length)
        for begin, end in itertools.pairwise(edges)
    }


@given(story=stories)
@settings(deadline=None, max_examples=60)
def test_what_a_gap_adds_up_to_is_kept(story: Story) -> None:
    frame = story.estimated()

    closing, opening = story.heard[-1].value, story.heard[0].value
    assert np.nansum(frame.amount) == pytest.approx(closing - opening, abs=1e-9 * max(1.0, closing))


@given(story=stories, data=st.data())
@settings(deadline=None, max_examples=60)
def test_the_estimate_depends_on_no_window(story: Story, data: st.DataObject) -> None:
    whole = story.estimated()
    shelf = Shelf()
    shelf.kept = {(one.channel_id, one.ts): one for one in story.heard}
    at = data.draw(st.sampled_from(story.heard)).ts
    span = Span(channel_id=1, from_us=at, to_us=at + data.draw(st.integers(0, 8)) * HOUR)
    work = gather(story.table, story.grid, Ranges.of(span), shelf.around, margin=data.draw(st.integers(1, 8)))

    part = interval_amounts(story.table, work.readings, work.ranges, story.zone, 3600)
    part = profiled(
        story.table, story.grid, part, work.readings, work.ranges, story.references, lambda _: measured_of(whole)
    )

    rows = rows_of(whole)
    assert {key: rows[key] for key in rows_of(part)} == rows_of(part)
