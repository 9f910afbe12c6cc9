"""A local day of many channels on one sheet: a row per channel, a column per base interval."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.findings import FindingFrame, Rule
from domain.frames import AmountFrame, FloatArray, SmallArray
from domain.quality import Flag
from domain.registry import Channel, Registry
from domain.time import SECOND_US, IntArray, Level, level_edges
from kpi.checks.limits import Limits, limits_on
from kpi.checks.runs import Stretches
from kpi.table import ChannelTable

__all__ = ["BoolArray", "Day", "Sheet", "day_of", "found", "found_days", "sheet_of"]

BoolArray = NDArray[np.bool_]

_NOT_READ = int(Flag.ESTIMATED | Flag.STEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Some channels on one local day, and what holds for them there; (c,) each, sorted by channel."""

    registry: Registry
    channels: tuple[Channel, ...]
    table: ChannelTable
    edges: IntArray
    """(k + 1,) Base edges of the day. [us UTC]"""
    limits: Limits
    step: FloatArray
    """Smallest step a channel shows, multiplier applied. [unit]"""
    most: FloatArray
    """Largest plausible rate, multiplier applied; NaN where any is. [unit per hour]"""
    factor: FloatArray
    """Multiplier at the start of the day."""
    in_service: BoolArray
    """(c, k) In the channel's life, and not in an outage of its meter."""

    @property
    def day_us(self) -> int:
        """Start of the day. [us UTC]"""
        return int(self.edges[0])

    @property
    def stop_us(self) -> int:
        """End of the day. [us UTC]"""
        return int(self.edges[-1])

    @property
    def all_day(self) -> BoolArray:
        """(c,) In service from its first to its last interval."""
        return np.asarray(self.in_service.all(axis=1), dtype=np.bool_)

    @property
    def group(self) -> IntArray:
        """(c * k,) The row of every interval, laid flat."""
        return np.repeat(np.arange(len(self.channels)), len(self.edges) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Base amounts of a day; (c, k) each, NaN or 0 where no row is stored."""

    day: Day
    amount: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    measured_s: FloatArray
    slots: SmallArray
    whole: BoolArray
    """The interval was measured from its start to its end."""


def day_of(registry: Registry, channels: tuple[Channel, ...], day_us: int, limits: Limits | None = None) -> Day:
    """
    What holds for some channels on the local day that starts at an instant.

    Parameters
    ----------
    channels : tuple of Channel
        Sorted by id.
    limits : Limits or None
        Those of the day, where they are known.
    """
    park = registry.park
    edges = level_edges(park.zone, park.base_s, Level.BASE, day_us, _day_stop(park.zone, park.base_s, day_us))
    table = ChannelTable.of_channels(_alone(channels))
    rows = np.arange(len(channels))
    factor = table.factor[table.factor_index(rows, np.full(len(rows), day_us))]
    # On the day of an exchange the coarser and the faster of the two devices bounds what is plausible.
    parts = [table.part_index(rows, np.full(len(rows), instant)) for instant in (day_us, int(edges[-1]) - 1)]
    in_service = (edges[:-1] >= table.valid_from_us[:, None]) & (edges[1:] <= table.valid_to_us[:, None])
    for row in _with_outages(registry, channels):
        for outage in registry.meter_by_id[channels[row].meter_id].outages:
            until = edges[-1] if outage.to_us is None else outage.to_us
            in_service[row] &= ~((edges[:-1] < until) & (edges[1:] > outage.from_us))
    return Day(
        registry=registry,
        channels=channels,
        table=table,
        edges=edges,
        limits=limits or limits_on(registry, channels, day_us),
        step=np.maximum(*(table.part_resolution[part] for part in parts)) * factor,
        most=np.fmax(*(table.part_max_rate[part] for part in parts)) * factor,
        factor=factor,
        in_service=in_service,
    )


def _alone(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Channels without the inputs of products, which need not be among them."""
    return tuple(channel if channel.inputs is None else replace(channel, inputs=None) for channel in channels)


def _with_outages(registry: Registry, channels: tuple[Channel, ...]) -> list[int]:
    taken = {meter.id for meter in registry.meters if meter.outages}
    return [row for row, channel in enumerate(channels) if channel.meter_id in taken] if taken else []


def _day_stop(zone: ZoneInfo, base_s: int, day_us: int) -> int:
    return int(level_edges(zone, base_s, Level.DAY, day_us, day_us + 1)[1])


def sheet_of(day: Day, frame: AmountFrame) -> Sheet:
    """The base amounts of a day on a sheet; rows of other channels and days are left aside."""
    ids = day.table.channel_id
    inside = (frame.start_us >= day.day_us) & (frame.start_us < day.stop_us)
    place = np.minimum(np.searchsorted(ids, frame.channel_id), max(len(ids) - 1, 0))
    inside &= ids[place] == frame.channel_id if len(ids) else False
    at = np.flatnonzero(inside)
    row, column = place[at], np.searchsorted(day.edges, frame.start_us[at])
    shape = (len(ids), len(day.edges) - 1)

    def laid(values: NDArray[np.float64]) -> FloatArray:
        grid = np.full(shape, np.nan)
        grid[row, column] = values[at]
        return grid

    measured, slots, flags = np.zeros(shape), np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    measured[row, column], slots[row, column], flags[row, column] = (
        frame.measured_s[at],
        frame.slots[at],
        frame.flags[at],
    )
    length_s = np.diff(day.edges) / SECOND_US
    return Sheet(
        day=day,
        amount=laid(frame.amount),
        mean=laid(frame.mean),
        low=laid(frame.low),
        high=laid(frame.high),
        measured_s=measured,
        slots=slots,
        whole=(measured == length_s) & ((flags & _NOT_READ) == 0),
    )


def found(day: Day, rule: Rule, runs: Stretches, value: FloatArray, bound: FloatArray) -> FindingFrame:
    """
    Findings about stretches of intervals of a sheet laid flat.

    Parameters
    ----------
    value, bound : float64 (s,)
        Per stretch.
    """
    intervals = len(day.edges) - 1
    row = runs.first // intervals
    return FindingFrame(
        channel_id=day.table.channel_id[row],
        rule=np.full(len(row), rule.code, dtype=np.int16),
        day_us=np.full(len(row), day.day_us, dtype=np.int64),
        start_us=day.edges[runs.first % intervals],
        stop_us=day.edges[runs.last % intervals + 1],
        value=value,
        bound=bound,
    )


def found_days(day: Day, rule: Rule, rows: IntArray, value: FloatArray, bound: FloatArray) -> FindingFrame:
    """Findings about the whole day of some rows."""
    return FindingFrame(
        channel_id=day.table.channel_id[rows],
        rule=np.full(len(rows), rule.code, dtype=np.int16),
        day_us=np.full(len(rows), day.day_us, dtype=np.int64),
        start_us=np.full(len(rows), day.day_us, dtype=np.int64),
        stop_us=np.full(len(rows), day.stop_us, dtype=np.int64),
        value=value,
        bound=bound,
    )
