"""Interval amounts in plain Python, one channel, one pair, one interval at a time, after the catalogue's text.

Slow on purpose and written on its own: the tests hold the vectorised code against it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import isnan, nan
from typing import Any
from zoneinfo import ZoneInfo

from domain.quality import UNUSABLE, Flag
from domain.quantities import QUANTITIES
from domain.registry import Channel, Exchange, Kind, Outage, Statistic

HOUR = 3_600_000_000
GAP = 2 * HOUR
DAY_S = 86400
EPS = 2.220446049250313e-16
FOREVER = 2**62


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One stored reading."""

    channel_id: int
    ts: int
    value: float
    quality: int = 0
    conflict: bool = False
    edited: bool = False
    """A correction gave the value."""
    voided: bool = False
    """A correction took it from use."""
    stored: bool = True
    """A reading stands here, whatever corrections say."""

    @property
    def unusable(self) -> bool:
        return bool(self.quality & UNUSABLE)

    @property
    def absent(self) -> bool:
        """No number may know of it."""
        return self.conflict or self.voided or not (self.stored or self.edited)


@dataclass(kw_only=True)
class Row:
    """What one channel did in one base interval."""

    amount: float = nan
    mean: float = nan
    low: float = nan
    high: float = nan
    last: float = nan
    peak: float = nan
    measured_us: int = 0
    estimated: float = 0.0
    gap_us: int = 0
    gap_stop: int = 0
    slots: int = 0
    received: int = 0
    unusable: int = 0
    flags: int = 0


@dataclass(kw_only=True)
class Stretch:
    """Something that happened evenly from `start` to `stop`."""

    start: int
    stop: int
    amount: float
    flags: int = 0

    @property
    def known(self) -> bool:
        return not self.flags & Flag.STEP

    @property
    def gap(self) -> bool:
        return bool(self.flags & Flag.ESTIMATED)

    def within(self, x0: int, x1: int) -> float:
        if (x0, x1) == (self.start, self.stop):
            return self.amount
        length = self.stop - self.start
        return self.amount * (x1 - self.start) / length - self.amount * (x0 - self.start) / length


@dataclass(kw_only=True)
class Story:
    """All that one channel's readings say."""

    stretches: list[Stretch] = field(default_factory=list)
    notes: list[tuple[int, int]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)


class Calendar:
    """Base intervals and slots, counted from local midnights."""

    def __init__(self, zone: ZoneInfo, base_s: int) -> None:
        self.zone = zone
        self.base = base_s * 1_000_000

    def midnight(self, day: date) -> int:
        moment = datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)
        return int(moment.timestamp()) * 1_000_000

    def day(self, ts: int) -> date:
        return datetime.fromtimestamp(ts // 1_000_000, tz=UTC).astimezone(self.zone).date()

    def interval(self, ts: int) -> tuple[int, int]:
        day = self.day(ts)
        begin, end = self.midnight(day), self.midnight(day + timedelta(days=1))
        start = begin + (ts - begin) // self.base * self.base
        return start, min(start + self.base, end)

    def intervals(self, start: int, stop: int) -> Iterable[tuple[int, int]]:
        """Those that overlap `[start, stop)`."""
        at = start
        while at < stop:
            begin, end = self.interval(at)
            yield begin, end
            at = end

    def slot(self, ts: int, interval_s: int) -> int:
        day = self.day(ts)
        if interval_s >= DAY_S:
            return self.midnight(day - timedelta(days=day.toordinal() % (interval_s // DAY_S)))
        begin = self.midnight(day)
        step = interval_s * 1_000_000
        return begin + (ts - begin) // step * step


def factor_at(channel: Channel, ts: int) -> float:
    found = 1.0
    for multiplier in sorted(channel.multipliers, key=lambda one: one.from_us):
        if multiplier.from_us <= ts:
            found = multiplier.factor
    return found


def end_of(channel: Channel) -> int:
    return FOREVER if channel.valid_to_us is None else channel.valid_to_us


def rounding(r0: float, r1: float) -> float:
    return 4 * EPS * (abs(r0) + abs(r1))


def mounted(channel: Channel, ts: int) -> Channel:
    """The channel as its device of a moment shows it: what exchanges said up to then, the latest first."""
    known: dict[str, Any] = {}
    for exchange in sorted(channel.exchanges, key=lambda one: one.at_us):
        if exchange.at_us <= ts:
            for name in ("modulus", "resolution", "max_rate"):
                said = getattr(exchange, name)
                if said is not None:
                    known[name] = said
    return replace(channel, **known)


def most(channel: Channel, t0: int, t1: int) -> float:
    return float("inf") if channel.max_rate is None else channel.max_rate / HOUR * (t1 - t0)


def verdict(channel: Channel, one: Heard, two: Heard) -> str:
    """Which row of the catalogue's table a pair is in."""
    change, slack = two.value - one.value, rounding(one.value, two.value)
    bound = most(channel, one.ts, two.ts) + slack
    if -2 * channel.resolution - slack <= change <= bound:
        return "agree"
    modulus = channel.modulus
    if modulus is not None and one.value > 0.9 * modulus and -slack <= change + modulus <= bound:
        return "rollover"
    if change < 0 <= two.value and two.value <= 0.01 * one.value and two.value <= bound:
        return "reset"
    return "step"


def parts_of(channel: Channel, heard: Sequence[Heard]) -> list[list[Heard]]:
    marks = sorted(exchange.at_us for exchange in channel.exchanges)
    parts: dict[int, list[Heard]] = {}
    for reading in heard:
        parts.setdefault(sum(mark <= reading.ts for mark in marks), []).append(reading)
    return [parts[number] for number in sorted(parts)]


def believed(channel: Channel, part: Sequence[Heard]) -> list[Heard]:
    agree = [verdict(mounted(channel, one.ts), one, two) in {"agree", "rollover"} for one, two in pairwise(part)]
    if len(part) < 3:
        return list(part) if all(agree) else []
    chosen: set[int] = set()
    for first in range(len(part) - 2):
        if agree[first] and agree[first + 1]:
            chosen |= {first, first + 1, first + 2}
    return [part[index] for index in sorted(chosen)]


def cut_at_multipliers(channel: Channel, stretch: Stretch) -> list[Stretch]:
    marks = sorted(one.from_us for one in channel.multipliers if stretch.start < one.from_us < stretch.stop)
    edges = [stretch.start, *marks, stretch.stop]
    if len(edges) == 2:
        return [
            Stretch(
                start=stretch.start,
                stop=stretch.stop,
                amount=stretch.amount * factor_at(channel, stretch.start),
                flags=stretch.flags,
            )
        ]
    return [
        Stretch(start=x0, stop=x1, amount=stretch.within(x0, x1) * factor_at(channel, x0), flags=stretch.flags)
        for x0, x1 in pairwise(edges)
    ]


def plain_pair(channel: Channel, one: Heard, two: Heard) -> list[Stretch]:
    channel = mounted(channel, one.ts)
    case, change = verdict(channel, one, two), two.value - one.value
    amount, flag = {
        "agree": (change, Flag.JITTER if change < 0 else 0),
        "rollover": (change + (channel.modulus or 0.0), Flag.ROLLOVER),
        "reset": (two.value, Flag.RESET),
        "step": (0.0, Flag.STEP),
    }[case]
    return [Stretch(start=one.ts, stop=two.ts, amount=amount, flags=int(flag))]


def exchanged_pair(channel: Channel, one: Heard, two: Heard, between: Sequence[Exchange]) -> list[Stretch]:
    pieces: list[Stretch] = []
    at, value = one.ts, one.value
    total, slack, wrong, bound = 0.0, 0.0, False, 0.0
    for stop, end, following in [*((e.at_us, e.closing, e.opening) for e in between), (two.ts, two.value, nan)]:
        change, small, flag = end - value, rounding(value, end), 0
        slack += small
        bound += most(mounted(channel, at), at, stop)
        pieces.append(Stretch(start=at, stop=stop, amount=change, flags=flag))
        at, value = stop, following
    bound += slack
    value = one.value
    for piece, exchange in zip(pieces, [*between, None], strict=True):
        device = mounted(channel, piece.start)
        if device.modulus is not None and piece.amount < 0 and value > 0.9 * device.modulus:
            around = piece.amount + device.modulus
            if -slack <= around <= bound:
                piece.amount, piece.flags = around, int(Flag.ROLLOVER)
        wrong = wrong or piece.amount < -2 * device.resolution - slack
        if piece.amount < 0:
            piece.flags |= Flag.JITTER
        total += piece.amount
        value = nan if exchange is None else exchange.opening
    if wrong or total > bound:
        return [Stretch(start=one.ts, stop=two.ts, amount=0.0, flags=int(Flag.STEP))]
    return pieces


def register_story(channel: Channel, heard: Sequence[Heard]) -> Story:
    usable = [reading for reading in heard if not (reading.absent or reading.unusable)]
    trusted = [reading for part in parts_of(channel, usable) for reading in believed(channel, part)]
    story = Story(notes=[(reading.ts, int(Flag.SUSPECT)) for reading in usable if reading not in trusted])
    for one, two in pairwise(trusted):
        between = sorted(
            (exchange for exchange in channel.exchanges if one.ts < exchange.at_us <= two.ts), key=lambda e: e.at_us
        )
        pieces = exchanged_pair(channel, one, two, between) if between else plain_pair(channel, one, two)
        for piece in pieces:
            piece.flags |= edited(one, two)
        story.notes += [(e.at_us - (e.at_us == two.ts), int(Flag.EXCHANGE)) for e in between]
        if two.ts - one.ts > GAP and pieces[0].known:
            story.gaps.append((one.ts, two.ts))
            for piece in pieces:
                piece.flags |= Flag.ESTIMATED
        cut = [part for piece in pieces for part in cut_at_multipliers(channel, piece)]
        if len(cut) > 1 and cut[-1].start == cut[-1].stop:
            moment = cut.pop()
            cut[-1].amount += moment.amount
            cut[-1].flags |= moment.flags
        story.stretches += cut
    return story


def edited(*readings: Heard) -> int:
    """The flag of what is made of readings of which a correction gave any."""
    return int(Flag.EDITED) if any(reading.edited for reading in readings) else 0


def interval_story(channel: Channel, heard: Sequence[Heard]) -> tuple[Story, list[Stretch]]:
    usable = [reading for reading in heard if not (reading.absent or reading.unusable)]
    story, covers = Story(), []
    length = channel.interval_s * 1_000_000
    for index, reading in enumerate(usable):
        flags = edited(reading)
        full = Stretch(start=reading.ts, stop=reading.ts + length, amount=reading.value, flags=flags)
        stop = min(full.stop, end_of(channel))
        if stop <= reading.ts:
            continue
        share = reading.value * ((stop - full.start) / length) if stop < full.stop else reading.value
        story.stretches += cut_at_multipliers(channel, Stretch(start=full.start, stop=stop, amount=share, flags=flags))
        following = usable[index + 1].ts if index + 1 < len(usable) else FOREVER
        end = min(stop, following)
        share = reading.value * ((end - full.start) / length) if end < full.stop else reading.value
        covers += cut_at_multipliers(channel, Stretch(start=full.start, stop=end, amount=share, flags=flags))
    return story, covers


def holds(channel: Channel, heard: Sequence[Heard]) -> list[Stretch]:
    """What a gauge held, from when to when; `amount` is the value."""
    hold = int(channel.interval_s * 1_000_000 * (1.0 if channel.statistic is Statistic.MEAN else 1.5))
    present = [reading for reading in heard if not reading.absent]
    held = []
    for index, reading in enumerate(present):
        following = present[index + 1].ts if index + 1 < len(present) else FOREVER
        stop = min(following, reading.ts + hold, end_of(channel))
        if reading.unusable or stop <= reading.ts:
            continue
        marks = [one.from_us for one in channel.multipliers if reading.ts < one.from_us < stop]
        edges = [reading.ts, *sorted(marks), stop]
        held += [
            Stretch(start=x0, stop=x1, amount=reading.value * factor_at(channel, x0), flags=edited(reading))
            for x0, x1 in pairwise(edges)
        ]
    return held


def common(channel: Channel, held: Sequence[Stretch], flows: Sequence[Stretch]) -> list[Stretch]:
    loads = []
    for concentration in held:
        for flow in flows:
            start = max(concentration.start, flow.start, channel.valid_from_us)
            stop = min(concentration.stop, flow.stop, end_of(channel))
            if start < stop and flow.known and not flow.gap:
                volume = flow.amount * (stop - start) / (flow.stop - flow.start)
                load = concentration.amount * volume * 1e-3
                loads.append(Stretch(start=start, stop=stop, amount=load, flags=concentration.flags | flow.flags))
    return loads


class Reference:
    """Base amounts of some channels from the set of their readings."""

    def __init__(
        self,
        channels: Iterable[Channel],
        heard: Iterable[Heard],
        zone: ZoneInfo,
        base_s: int,
        outages: Mapping[int, tuple[Outage, ...]] | None = None,
    ) -> None:
        self.calendar = Calendar(zone, base_s)
        self.outages = outages or {}
        self.channels = {channel.id: channel for channel in channels}
        self.heard: dict[int, list[Heard]] = {}
        for reading in sorted(heard, key=lambda one: (one.channel_id, one.ts)):
            channel = self.channels[reading.channel_id]
            if channel.valid_from_us <= reading.ts <= end_of(channel):
                self.heard.setdefault(reading.channel_id, []).append(reading)
        self.rows: dict[tuple[int, int], Row] = {}
        for channel in self.channels.values():
            self._tell(channel)

    def _row(self, channel_id: int, start: int) -> Row:
        return self.rows.setdefault((channel_id, start), Row())

    def _tell(self, channel: Channel) -> None:
        heard = self.heard.get(channel.id, [])
        if channel.kind is Kind.REGISTER:
            story = register_story(channel, heard)
            self._add(channel, story, story.stretches)
        elif channel.kind is Kind.INTERVAL:
            story, covers = interval_story(channel, heard)
            self._add(channel, story, covers)
        elif channel.kind is Kind.GAUGE:
            self._hold(channel, holds(channel, heard))
        elif channel.kind is Kind.PRODUCT:
            self._multiply(channel)
        if channel.kind in {Kind.REGISTER, Kind.INTERVAL, Kind.GAUGE}:
            self._note(channel.id, self._source_notes(heard))
            self._slots(channel, heard)
            self._received(channel, heard)
        for (channel_id, start), row in self.rows.items():
            if channel_id == channel.id:
                self._peak(start, row)

    def _source_notes(self, heard: Iterable[Heard]) -> list[tuple[int, int]]:
        notes = [(reading.ts, int(Flag.CONFLICT)) for reading in heard if reading.conflict and not reading.voided]
        notes += [(reading.ts, int(Flag.EDITED)) for reading in heard if reading.edited]
        notes += [(reading.ts, int(Flag.EDITED)) for reading in heard if reading.voided and reading.stored]
        return notes + [
            (reading.ts, int(Flag.SOURCE_INVALID)) for reading in heard if reading.unusable and not reading.voided
        ]

    def _note(self, channel_id: int, notes: Iterable[tuple[int, int]]) -> None:
        for ts, flag in notes:
            self._row(channel_id, self.calendar.interval(ts)[0]).flags |= flag

    def _add(self, channel: Channel, story: Story, covers: Iterable[Stretch]) -> None:
        for stretch in story.stretches:
            for begin, end in self.calendar.intervals(stretch.start, stretch.stop):
                row = self._row(channel.id, begin)
                row.flags |= stretch.flags
                if stretch.known:
                    share = stretch.within(max(begin, stretch.start), min(end, stretch.stop))
                    row.amount = share if isnan(row.amount) else row.amount + share
                    row.estimated += share if stretch.gap else 0.0
        for cover in covers:
            for begin, end in self.calendar.intervals(cover.start, cover.stop):
                if cover.known and not cover.gap:
                    self._row(channel.id, begin).measured_us += min(end, cover.stop) - max(begin, cover.start)
        for start, stop in story.gaps:
            row = self._row(channel.id, self.calendar.interval(start)[0])
            row.gap_us, row.gap_stop = stop - start, stop
        self._note(channel.id, story.notes)

    def _hold(self, channel: Channel, held: Iterable[Stretch]) -> None:
        weighted: dict[int, float] = {}
        for stretch in held:
            for begin, end in self.calendar.intervals(stretch.start, stretch.stop):
                row, value = self._row(channel.id, begin), stretch.amount
                length = min(end, stretch.stop) - max(begin, stretch.start)
                row.measured_us += length
                row.flags |= stretch.flags
                weighted[begin] = weighted.get(begin, 0.0) + value * length
                row.low = value if isnan(row.low) else min(row.low, value)
                row.high = value if isnan(row.high) else max(row.high, value)
                row.last = value
        for begin, total in weighted.items():
            row = self._row(channel.id, begin)
            if channel.quantity != "ph":
                row.mean = total / row.measured_us
            if QUANTITIES[channel.quantity].integral is not None:
                row.amount = total / HOUR

    def _multiply(self, channel: Channel) -> None:
        assert channel.inputs is not None
        concentration, flow = (self.channels[channel_id] for channel_id in channel.inputs)
        held = holds(concentration, self.heard.get(concentration.id, []))
        heard = self.heard.get(flow.id, [])
        notes = self._source_notes(self.heard.get(concentration.id, [])) + self._source_notes(heard)
        if flow.kind is Kind.REGISTER:
            story = register_story(flow, heard)
            flows, notes = story.stretches, notes + story.notes
        elif flow.kind is Kind.INTERVAL:
            flows = interval_story(flow, heard)[1]
        else:
            flows = [
                Stretch(
                    start=one.start, stop=one.stop, amount=one.amount * ((one.stop - one.start) / HOUR), flags=one.flags
                )
                for one in holds(flow, heard)
            ]
        loads = common(channel, held, flows)
        self._add(channel, Story(stretches=loads, notes=notes), loads)

    def _slots(self, channel: Channel, heard: Iterable[Heard]) -> None:
        starts = {
            self.calendar.slot(reading.ts, channel.interval_s)
            for reading in heard
            if reading.stored and reading.ts < end_of(channel)
        }
        for start in starts:
            if start >= channel.valid_from_us and not self._is_out(channel, start):
                self._row(channel.id, self.calendar.interval(start)[0]).slots += 1

    def _received(self, channel: Channel, heard: Sequence[Heard]) -> None:
        suspect = set()
        if channel.kind is Kind.REGISTER:
            suspect = {ts for ts, flag in register_story(channel, heard).notes if flag == Flag.SUSPECT}
        for reading in heard:
            if reading.stored and reading.ts < end_of(channel):
                row = self._row(channel.id, self.calendar.interval(reading.ts)[0])
                row.received += 1
                spoken = reading.unusable or reading.conflict or reading.edited or reading.voided
                row.unusable += spoken or reading.ts in suspect

    def _is_out(self, channel: Channel, ts: int) -> bool:
        return any(
            one.from_us <= ts and (one.to_us is None or ts < one.to_us)
            for one in self.outages.get(channel.meter_id, ())
        )

    def _peak(self, start: int, row: Row) -> None:
        begin, end = self.calendar.interval(start)
        if row.measured_us == end - begin:
            row.peak = row.amount / ((end - begin) / HOUR)
