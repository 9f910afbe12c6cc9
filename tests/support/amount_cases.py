"""Channels, readings and parks for the tests of interval amounts: built by hand, or drawn by hypothesis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st

from domain.frames import AmountFrame, Readings
from domain.quality import Quality
from domain.registry import Channel, Exchange, Kind, Multiplier, Outage, Stamp, Statistic
from domain.time import parse_instant
from kpi.grid import Grid
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from tests.support.reference_amounts import Heard

MINUTE = 60_000_000
HOUR = 60 * MINUTE
JAKARTA, ROME = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Rome")

MORNINGS = {
    JAKARTA: [parse_instant("2026-06-10T07:00:00+07:00")],
    # Two hours before each clock change of the year.
    ROME: [parse_instant("2026-03-29T00:00:00+01:00"), parse_instant("2026-10-25T00:00:00+02:00")],
}


def a_channel(channel_id: int = 1, **changes: Any) -> Channel:
    """A register of kWh read every 15 min, unless told otherwise."""
    facts: dict[str, Any] = {
        "id": channel_id,
        "meter_id": channel_id,
        "quantity": "energy_import",
        "kind": Kind.REGISTER,
        "unit": "kWh",
        "interval_s": 900,
        "stamp": Stamp.START,
        "statistic": Statistic.INSTANT,
        "resolution": 0.1,
        "modulus": None,
        "max_rate": 400.0,
        "valid_from_us": 0,
        "valid_to_us": None,
    }
    facts |= changes
    return Channel(key=f"park/tenant/m{channel_id}/{facts['quantity']}", **facts)


def readings_of(heard: Iterable[Heard]) -> Readings:
    """Stored readings as columns, sorted."""
    ordered = sorted(heard, key=lambda one: (one.channel_id, one.ts))
    return Readings(
        channel_id=np.array([one.channel_id for one in ordered], dtype=np.int32),
        ts_us=np.array([one.ts for one in ordered], dtype=np.int64),
        value=np.array([one.value for one in ordered], dtype=np.float64),
        quality=np.array([one.quality for one in ordered], dtype=np.int32),
        conflict=np.array([one.conflict for one in ordered], dtype=np.bool_),
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A park's channels and a set of their readings."""

    channels: tuple[Channel, ...]
    heard: tuple[Heard, ...]
    zone: ZoneInfo
    base_s: int
    outages: tuple[tuple[int, tuple[Outage, ...]], ...] = ()
    """By meter."""

    @property
    def table(self) -> ChannelTable:
        return ChannelTable.of_channels(self.channels, dict(self.outages))

    @property
    def grid(self) -> Grid:
        return Grid(zone=self.zone, base_s=self.base_s)

    def whole(self) -> Ranges:
        """All base intervals in which these readings, and some more, can be seen."""
        times = [one.ts for one in self.heard] or [0]
        ends = np.array([min(times) - 40 * 24 * HOUR, max(times) + 40 * 24 * HOUR])
        begin, end = self.grid.floor(ends).tolist()
        return Ranges.whole(np.array([channel.id for channel in self.channels], dtype=np.int32), begin, end)


STEPS = ("usual", "usual", "usual", "usual", "early", "late", "missing", "gap", "days")
FAULTS = ("rise", "rise", "rise", "rise", "rise", "idle", "flicker", "leap", "fall", "anew", "stale")
MARKS = ("good", "good", "good", "good", "good", "good", "fault", "estimated", "conflict")

Event = tuple[str, str, str, int]

event = st.tuples(st.sampled_from(STEPS), st.sampled_from(FAULTS), st.sampled_from(MARKS), st.integers(0, 99))


def _step_us(step: str, interval_us: int, number: int) -> int:
    small = number * 1_234_567 % (interval_us // 2)
    return {
        "usual": interval_us,
        "early": interval_us - small,
        "late": interval_us + small,
        "missing": interval_us * (2 + number % 3),
        "gap": interval_us + 2 * HOUR + number * MINUTE,
        "days": interval_us + 26 * HOUR,
    }[step]


def _next_value(fault: str, past: Sequence[float], room: float, number: int) -> float:
    latest = past[-1]
    return {
        "rise": latest + room * number / 100,
        "idle": latest,
        "flicker": latest - 0.1 * (number % 4),
        "leap": latest + room * (2 + number),
        "fall": latest * 0.5,
        "anew": number / 100,
        "stale": past[len(past) // 2],
    }[fault]


def history(channel: Channel, start_us: int, told: Sequence[Event]) -> list[Heard]:
    """The readings of one channel, as a sequence of events tells them."""
    at, values, heard = start_us, [960.0 if channel.modulus else 500.0], []
    interval_us = channel.interval_s * 1_000_000
    for step, fault, mark, number in told:
        length = _step_us(step, interval_us, number)
        at += length
        value = round(_next_value(fault, values, (channel.max_rate or 400.0) * length / HOUR, number), 2)
        if channel.kind is not Kind.REGISTER:
            value = round(value % 97.0, 2)
        elif channel.modulus and fault == "rise" and value >= channel.modulus:
            value = round(value % channel.modulus, 2)
        values.append(value)
        quality = {"fault": Quality.FAULT, "estimated": Quality.ESTIMATED_BY_SOURCE}.get(mark, Quality(0))
        heard.append(
            Heard(channel_id=channel.id, ts=at, value=value, quality=int(quality), conflict=mark == "conflict")
        )
    return heard


SORTS: dict[str, dict[str, Any]] = {
    "register": {},
    "rolling": {"modulus": 1000.0},
    "interval": {"kind": Kind.INTERVAL, "max_rate": None},
    "rate": {"kind": Kind.GAUGE, "quantity": "effluent_flow", "unit": "m3/h", "max_rate": None},
    "mean": {"kind": Kind.GAUGE, "quantity": "cod", "statistic": Statistic.MEAN, "unit": "mg/L", "max_rate": None},
    "ph": {"kind": Kind.GAUGE, "quantity": "ph", "unit": "pH", "max_rate": None},
}


other_device = st.fixed_dictionaries(
    {
        "modulus": st.sampled_from([None, None, 1000.0, 500.0, 10_000.0]),
        "resolution": st.sampled_from([None, None, 0.01, 5.0]),
        "max_rate": st.sampled_from([None, None, 100.0, 4000.0]),
    }
)
"""What a device put up may have of its own."""


@st.composite
def drawn_channel(draw: st.DrawFn, channel_id: int, start_us: int, sorts: Sequence[str] = tuple(SORTS)) -> Channel:
    """A channel of any sort, with dated facts around the time of its readings."""
    moments = st.integers(-1, 40).map(lambda number: start_us + number * 29 * MINUTE)
    changes = dict(SORTS[draw(st.sampled_from(sorts))])
    changes["interval_s"] = draw(st.sampled_from([300, 420, 900, 900, 900, 3600, 86400]))
    changes["multipliers"] = tuple(
        Multiplier(from_us=at, factor=factor)
        for at, factor in draw(st.dictionaries(moments, st.sampled_from([1.0, 2.0, 0.5, 120.0]), max_size=2)).items()
    )
    if changes.get("kind", Kind.REGISTER) is Kind.REGISTER:
        ends = st.tuples(st.sampled_from([500.0, 501.5, 980.0, 990.0]), st.sampled_from([0.0, 3.0, 499.0, 985.0]))
        changes["exchanges"] = tuple(
            Exchange(at_us=at, closing=closing, opening=opening, **draw(other_device))
            for at, (closing, opening) in sorted(draw(st.dictionaries(moments, ends, max_size=3)).items())
        )
    if draw(st.integers(0, 3)) == 0:
        changes["valid_from_us"] = draw(moments)
        changes["valid_to_us"] = changes["valid_from_us"] + draw(st.integers(1, 40)) * 31 * MINUTE
    return a_channel(channel_id, **changes)


@st.composite
def drawn_outages(draw: st.DrawFn, start_us: int) -> tuple[Outage, ...]:
    """Times, at most two, in which a meter is out of service; they may overlap, and the last may still last."""
    if draw(st.integers(0, 2)):
        return ()
    stretch = st.tuples(st.integers(-2, 60), st.one_of(st.none(), st.integers(1, 40)))
    drawn = draw(st.lists(stretch, min_size=1, max_size=2))
    return tuple(
        Outage(
            from_us=start_us + begin * 13 * MINUTE,
            to_us=None if length is None else start_us + (begin + length) * 13 * MINUTE,
            reason="replaced",
        )
        for begin, length in drawn
    )


@st.composite
def drawn_case(draw: st.DrawFn, longest: int = 24) -> Case:
    """A few channels, at times with a product of two of them, in a zone with or without clock changes."""
    zone = draw(st.sampled_from([JAKARTA, ROME]))
    start_us = draw(st.sampled_from(MORNINGS[zone])) + draw(st.integers(-3, 3)) * 7 * MINUTE
    channels = [draw(drawn_channel(number, start_us)) for number in range(1, draw(st.integers(1, 2)) + 1)]
    if draw(st.booleans()):
        channels.append(draw(drawn_channel(5, start_us, ["mean"])))
        channels.append(draw(drawn_channel(6, start_us, ["register", "rate", "interval"])))
        product = {"kind": Kind.PRODUCT, "quantity": "load_cod", "unit": "kg", "inputs": (5, 6), "max_rate": None}
        channels.append(a_channel(9, **product))
    heard: list[Heard] = []
    for channel in channels:
        if channel.kind is not Kind.PRODUCT:
            heard += history(channel, start_us, draw(st.lists(event, min_size=4, max_size=longest)))
    return Case(
        channels=tuple(channels),
        heard=tuple(heard),
        zone=zone,
        base_s=draw(st.sampled_from([300, 900, 1800, 3600])),
        outages=tuple((channel.meter_id, draw(drawn_outages(start_us))) for channel in channels),
    )


def rows_by_key(frame: AmountFrame) -> dict[tuple[int, int], int]:
    """Row of a frame by channel and start."""
    keys = zip(frame.channel_id.tolist(), frame.start_us.tolist(), strict=True)
    return {key: row for row, key in enumerate(keys)}
