"""A park of meters whose readings are a pure function of park file, seed and time.

Registers are sums of rates since the park began, kept by the day, so a simulator that is started again
goes on exactly where the last one stopped, and says the same of any moment as often as it is asked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np

from domain.errors import InputError
from domain.frames import FloatArray
from domain.parkfile import ParkFile
from domain.quantities import CONCENTRATIONS
from domain.registry import Kind
from domain.time import SECOND_US, IntArray, Level, from_datetime, level_edges, to_datetime
from simulators.channels import Shown, SimulatedChannel, channels_of
from simulators.levels import concentrations, other_level
from simulators.noise import uniform, white_noise
from simulators.plant import FAR_FUTURE_US, Network, Plant, plant_of
from simulators.rates import RETENTION_STEPS, Rates, rates
from simulators.reports import Report
from simulators.shapes import STEP_US

__all__ = ["SimulatedPark"]

_CHUNK = 288
"""Steps that are computed together: one day."""
_CHUNKS_KEPT = 4
_STEP_H = STEP_US / (3600 * SECOND_US)
_FLICKER = 0.006
"""Relative noise of a gauge from reading to reading, on top of what it measures."""
_LEVEL_FLICKER = 0.002


class SimulatedPark:
    """
    All channels of a park file, and what they read at any time since the park began.

    Starting costs about two seconds for each year and 400 channels between the park's beginning and the
    first time asked for: the sums of its days.

    Parameters
    ----------
    file : ParkFile
        Without :func:`domain.parkfile.mistakes`.
    seed : int
        Another seed is another park with the same meters.
    """

    def __init__(self, file: ParkFile, seed: int = 0) -> None:
        self.plant: Plant = plant_of(file, seed)
        self.channels: tuple[SimulatedChannel, ...] = channels_of(self.plant)
        self._index: Mapping[tuple[str, str], int] = {
            (channel.meter.place, channel.entry.quantity): i for i, channel in enumerate(self.channels)
        }
        self._shown: tuple[Shown, ...] = tuple(dict.fromkeys(channel.shown for channel in self.channels))
        self._first_step = self.plant.start_us // STEP_US
        self._totals: list[FloatArray] = [np.zeros(len(self._shown))]
        self._rates_of_chunk = lru_cache(maxsize=_CHUNKS_KEPT)(self._make_rates)
        self._levels_of_chunk = lru_cache(maxsize=_CHUNKS_KEPT)(self._make_levels)
        row = {shown: i for i, shown in enumerate(self._shown)}
        self._row = np.array([row[channel.shown] for channel in self.channels], dtype=np.int64)
        self._who = np.array([channel.who for channel in self.channels], dtype=np.uint64)
        midnight = level_edges(self.plant.zone, 3600, Level.DAY, self.plant.start_us, self.plant.start_us + 1)[0]
        self._grid_us = int(midnight)
        self._dials = tuple(_Dial(self, i, channel) for i, channel in enumerate(self.channels))

    def reports(self, start_us: int, stop_us: int) -> tuple[Report, ...]:
        """
        What all meters read in `[start_us, stop_us)`, in the order of sending.

        A value that stands for an interval belongs to the moment the interval ends.

        Parameters
        ----------
        start_us, stop_us : int [us UTC]

        Returns
        -------
        tuple of Report
            Values of one meter that are taken at one time come in one report.
        """
        merged: dict[tuple[int, str, int], dict[str, float]] = defaultdict(dict)
        for members, ts_us in self._due(max(start_us, self.plant.start_us), stop_us):
            for channel, values in zip(members, self._readings(members, ts_us), strict=True):
                self._collect(merged, self.channels[channel], ts_us, values)
        units = {channel.meter.place: self._units(channel) for channel in self.channels if channel.entry.unit}
        reports = [
            Report(place=place, ts_us=ts_us, due_us=due_us, values=values, units=units.get(place, {}))
            for (due_us, place, ts_us), values in merged.items()
        ]
        return tuple(sorted(reports, key=lambda report: (report.due_us, report.place)))

    def value(self, place: str, quantity: str, ts_us: int) -> float:
        """
        What one channel reads at one time; of an interval, the one that begins there.

        Raises
        ------
        InputError
            The park has no such channel, or did not exist yet.
        """
        channel = self._index.get((place, quantity))
        if channel is None:
            raise InputError(f"channel {place}/{quantity} is none of park {self.plant.key}")
        if ts_us < self.plant.start_us:
            raise InputError(f"time {to_datetime(ts_us)} is before park {self.plant.key} began")
        return float(self._readings([channel], np.array([ts_us], dtype=np.int64))[0][0])

    def channel(self, place: str, quantity: str) -> SimulatedChannel | None:
        """One channel, or None where the park has no such."""
        index = self._index.get((place, quantity))
        return None if index is None else self.channels[index]

    def amounts(self, channels: list[int], ts_us: IntArray) -> FloatArray:
        """(c, n): what went through since the park began, after the multiplier. [unit]"""
        made = np.empty((len(channels), len(ts_us)))
        for chunk, here, step in self._chunks(ts_us):
            rate, sums = self._rates_of_chunk(chunk)
            rows = self._row[channels][:, None]
            whole = step.astype(np.int64)
            made[:, here] = self._total(chunk)[rows] + sums[rows, whole] + (step - whole) * rate[rows, whole] * _STEP_H
        return made

    def _due(self, start_us: int, stop_us: int) -> Iterator[tuple[list[int], IntArray]]:
        """Channels of one rhythm with the times of their readings (starts, of intervals) that end in a stretch."""
        groups: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for i, channel in enumerate(self.channels):
            groups[channel.entry.interval_s * SECOND_US, channel.covers].append(i)
        for (every_us, covers), members in groups.items():
            length_us = every_us if covers else 0
            first = -((self._grid_us + length_us - start_us) // every_us)
            count = -((self._grid_us + length_us + first * every_us - stop_us) // every_us)
            if count > 0:
                yield members, self._grid_us + (first + np.arange(count, dtype=np.int64)) * every_us

    def _collect(
        self,
        merged: dict[tuple[int, str, int], dict[str, float]],
        channel: SimulatedChannel,
        ts_us: IntArray,
        values: FloatArray,
    ) -> None:
        length_us = channel.entry.interval_s * SECOND_US if channel.covers else 0
        late_us = length_us + channel.delay_us
        stamp_us = length_us if channel.stamps_end else 0
        place, quantity = channel.meter.place, channel.entry.quantity
        for at_us, value in zip(ts_us.tolist(), values.tolist(), strict=True):
            if channel.start_us <= at_us and at_us + length_us <= channel.stop_us:
                merged[at_us + late_us, place, at_us + stamp_us][quantity] = value

    @staticmethod
    def _units(channel: SimulatedChannel) -> dict[str, str]:
        return {entry.quantity: entry.unit for entry in channel.meter.entry.channels if entry.unit is not None}

    def _readings(self, channels: list[int], ts_us: IntArray) -> list[FloatArray]:
        return [self._dials[channel].read(ts_us) for channel in channels]

    def _chunks(self, ts_us: IntArray) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Per chunk: its number, which of the times lie in it, and where they lie in it, in steps."""
        step = (ts_us - self._first_step * STEP_US) / STEP_US
        chunk = (step // _CHUNK).astype(np.int64)
        for number in np.unique(chunk).tolist():
            here = np.flatnonzero(chunk == number)
            yield number, here, step[here] - number * _CHUNK

    def _total(self, chunk: int) -> FloatArray:
        """Sums at the beginning of a chunk."""
        while len(self._totals) <= chunk:
            self._totals.append(self._totals[-1] + self._rates_of_chunk(len(self._totals) - 1)[1][:, -1])
        return self._totals[chunk]

    def _make_rates(self, chunk: int) -> tuple[FloatArray, FloatArray]:
        """Rates (r, steps) of what is shown, and their sums (r, steps + 1) from the beginning of the chunk."""
        made = rates(self.plant, self._first_step + chunk * _CHUNK, _CHUNK)
        rate = np.stack([_rate(made, shown) for shown in self._shown])
        sums = np.zeros((len(rate), _CHUNK + 1))
        np.cumsum(rate * _STEP_H, axis=1, out=sums[:, 1:])
        return rate, sums

    def _make_levels(self, chunk: int) -> FloatArray:
        """Levels (r, steps + 1) of what is shown, the first of the next chunk included."""
        first = self._first_step + chunk * _CHUNK
        made = rates(self.plant, first - RETENTION_STEPS, RETENTION_STEPS + _CHUNK + 1)
        now = rates(self.plant, first, _CHUNK + 1)
        pollutants = {shown.level for shown in self._shown} & set(CONCENTRATIONS)
        strengths = {level: concentrations(self.plant, made, level) for level in sorted(filter(None, pollutants))}
        return np.stack([self._level(shown, now, strengths) for shown in self._shown])

    def _level(self, shown: Shown, now: Rates, strengths: Mapping[str, FloatArray]) -> FloatArray:
        if shown.level is None:
            return np.zeros(_CHUNK + 1)
        if shown.level in strengths:
            return strengths[shown.level][shown.row]
        network: Network = getattr(self.plant, shown.network)
        stock = {"electricity": "power", "water": "water_in", "effluent": "effluent_volume"}[shown.network]
        rate = _rate(now, Shown(network=shown.network, row=shown.row, stock=stock, level=None))
        return other_level(network, shown.row, shown.level, now.clock, rate=rate, seed=self.plant.seed)


def _rate(made: Rates, shown: Shown) -> FloatArray:
    ...
