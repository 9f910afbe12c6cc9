"""A park of meters whose readings are a pure function of park file, seed and time.

A simulator that is started again goes on exactly where the last one stopped, and says the same of any
moment as often as it is asked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from domain.errors import InputError
from domain.frames import FloatArray
from domain.parkfile import ParkFile
from domain.registry import Kind
from domain.time import HOUR_US, SECOND_US, IntArray, Level, level_edges, to_datetime
from simulators.channels import Shown, SimulatedChannel, channels_of
from simulators.dials import dials_of
from simulators.history import History
from simulators.noise import white_noise
from simulators.plant import plant_of
from simulators.reports import Report

__all__ = ["SimulatedPark"]

_FLICKER = 0.006
"""Relative noise of a gauge of a flow from reading to reading, on top of what it measures."""
_LEVEL_FLICKER = 0.002

_Merged = defaultdict[tuple[int, str, int], dict[str, float]]
"""Values by quantity, by (due, place, time stamp)."""


class SimulatedPark:
    """
    All channels of a park file, and what they read at any time since the park began.

    Parameters
    ----------
    file : ParkFile
        Without :func:`domain.parkfile.mistakes`.
    seed : int
        Another seed is another park with the same meters.
    """

    def __init__(self, file: ParkFile, seed: int = 0) -> None:
        self._plant = plant_of(file, seed)
        self.key: str = file.park.key
        self.channels: tuple[SimulatedChannel, ...] = channels_of(self._plant)
        """Those that publish, in the order of the file."""
        self._index: Mapping[tuple[str, str], int] = {
            (channel.meter.place, channel.entry.quantity): i for i, channel in enumerate(self.channels)
        }
        shown: Mapping[Shown, int] = {}
        shown = {one: i for i, one in enumerate(dict.fromkeys(channel.shown for channel in self.channels))}
        self._row = np.array([shown[channel.shown] for channel in self.channels], dtype=np.int64)
        self._history = History(self._plant, tuple(shown))
        self._dials = dials_of(self.channels, self._row, self._history)
        self._who = np.array([channel.who for channel in self.channels], dtype=np.uint64)
        # Readings are taken at whole intervals counted from a local midnight.
        start_us = self._plant.start_us
        self._grid_us = int(level_edges(self._plant.zone, 3600, Level.DAY, start_us, start_us + 1)[0])

    @property
    def start_us(self) -> int:
        """When the park begins. [us UTC]"""
        return self._plant.start_us

    def reports(self, start_us: int, stop_us: int) -> tuple[Report, ...]:
        """
        What all meters read in `[start_us, stop_us)`, in the order of sending.

        A value that stands for an interval is read when the interval ends.

        Parameters
        ----------
        start_us, stop_us : int [us UTC]

        Returns
        -------
        tuple of Report
            Values of one meter that carry one time come in one report; each is due some seconds after it was taken.
        """
        merged: _Merged = defaultdict(dict)
        for members, ts_us in self._rhythms(max(start_us, self.start_us), stop_us):
            values = self._values(members, ts_us)
            for i, channel in enumerate(members.tolist()):
                _collect(merged, self.channels[channel], ts_us, values[i])
        units = {channel.meter.place: _units(channel) for channel in self.channels if channel.entry.unit is not None}
        reports = [
            Report(place=place, ts_us=ts_us, due_us=due_us, values=values, units=units.get(place, {}))
            for (due_us, place, ts_us), values in merged.items()
        ]
        return tuple(sorted(reports, key=lambda report: (report.due_us, report.place, report.ts_us)))

    def channel(self, place: str, quantity: str) -> SimulatedChannel:
        """
        One channel, by the place of its meter (`tenant/meter`) and its quantity.

        Raises
        ------
        InputError
            The park has none such that publishes.
        """
        return self.channels[self._found(place, quantity)]

    def value(self, place: str, quantity: str, ts_us: int) -> float:
        """
        What a channel reads at a time, as sent; of values for an interval, the one that begins then.

        Raises
        ------
        InputError
            The park has no such channel, or had not begun.
        """
        if ts_us < self.start_us:
            raise InputError(
                f"time {to_datetime(ts_us)} is before park {self.key} begins, {to_datetime(self.start_us)}"
            )
        members = np.array([self._found(place, quantity)], dtype=np.int64)
        return float(self._values(members, np.array([ts_us], dtype=np.int64))[0, 0])

    def _found(self, place: str, quantity: str) -> int:
        found = self._index.get((place, quantity))
        if found is None:
            raise InputError(f"channel {place}/{quantity}: park {self.key} simulates none such")
        return found

    def _rhythms(self, start_us: int, stop_us: int) -> Iterator[tuple[IntArray, IntArray]]:
        """Channels of one rhythm, with the times of what they read in a stretch (of intervals, their starts)."""
        groups: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for i, channel in enumerate(self.channels):
            groups[channel.entry.interval_s * SECOND_US, channel.covers].append(i)
        for (every_us, covers), members in groups.items():
            origin_us = self._grid_us + (every_us if covers else 0)
            first, stop = (-((origin_us - edge_us) // every_us) for edge_us in (start_us, stop_us))
            if first < stop:
                yield np.array(members), self._grid_us + np.arange(first, stop, dtype=np.int64) * every_us

    def _values(self, members: IntArray, ts_us: IntArray) -> FloatArray:
        """(m, n): what channels of one interval read."""
        values = np.empty((len(members), len(ts_us)))
        kinds = np.array([_way(self.channels[i]) for i in members.tolist()])
        every_us = self.channels[int(members[0])].entry.interval_s * SECOND_US
        for way, read in (
            ("register", self._registers),
            ("amount", self._amounts),
            ("rate", self._rates),
            ("level", self._levels),
        ):
            here = np.flatnonzero(kinds == way)
            if len(here):
                values[here] = read(members[here], ts_us, every_us)
        shown = [self.channels[i].as_shown(values[row]) for row, i in enumerate(members.tolist())]
        return np.stack(shown)

    def _registers(self, members: IntArray, ts_us: IntArray, every_us: int) -> FloatArray:  # noqa: ARG002
        return self._dials.index_at(members, ts_us, self._history.amounts(self._row[members], ts_us))

    def _amounts(self, members: IntArray, ts_us: IntArray, every_us: int) -> FloatArray:
        rows = self._row[members]
        moved = self._history.amounts(rows, ts_us + every_us) - self._history.amounts(rows, ts_us)
        means = np.array([self.channels[i].entry.kind is Kind.GAUGE for i in members.tolist()])
        hours = np.where(means, every_us / HOUR_US, 1.0)
        return moved / self._dials.factor_at(members, ts_us) / hours[:, None]

    def _rates(self, members: IntArray, ts_us: IntArray, every_us: int) -> FloatArray:  # noqa: ARG002
        noise = 1.0 + _FLICKER * white_noise(self._who[members][:, None], ts_us[None, :] // SECOND_US)
        return self._history.rates(self._row[members], ts_us) * noise / self._dials.factor_at(members, ts_us)

    def _levels(self, members: IntArray, ts_us: IntArray, every_us: int) -> FloatArray:
        covers = np.array([self.channels[i].covers for i in members.tolist()])
        # A mean of a level is taken as what it stands at in the middle.
        middle_us = ts_us + (every_us // 2 if covers.all() else 0)
        noise = 1.0 + _LEVEL_FLICKER * white_noise(self._who[members][:, None], ts_us[None, :] // SECOND_US)
        return self._history.levels(self._row[members], middle_us) * noise / self._dials.factor_at(members, ts_us)


def _way(channel: SimulatedChannel) -> str:
    """How a channel's values come about: `register`, `amount` (of an interval, or a mean flow), `rate`, `level`."""
    if channel.shown.level is not None:
        return "level"
    if channel.entry.kind is Kind.REGISTER:
        return "register"
    return "amount" if channel.covers else "rate"


def _collect(merged: _Merged, channel: SimulatedChannel, ts_us: IntArray, values: FloatArray) -> None:
    length_us = channel.entry.interval_s * SECOND_US if channel.covers else 0
    late_us = length_us + channel.delay_us
    stamp_us = length_us if channel.stamps_end else 0
    place, quantity = channel.meter.place, channel.entry.quantity
    for at_us, value in zip(ts_us.tolist(), values.tolist(), strict=True):
        if channel.start_us <= at_us and at_us + length_us < channel.stop_us:
            merged[at_us + late_us, place, at_us + stamp_us][quantity] = value


def _units(channel: SimulatedChannel) -> dict[str, str]:
    """The units that one meter's message has to name."""
    return {entry.quantity: entry.unit for entry in channel.meter.entry.channels if entry.unit is not None}
