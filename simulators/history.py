"""What went through the meters of a plant since it began, how fast, and what its gauges stand at.

Computed a day at a time and summed up from the plant's beginning; the sums stay, the days are kept
only while they are being asked for. Every array is the same however it was come by.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from domain.frames import FloatArray
from domain.quantities import CONCENTRATIONS
from domain.time import HOUR_US, IntArray
from simulators.channels import Shown
from simulators.levels import concentrations, other_level
from simulators.plant import Network, Plant
from simulators.rates import RETENTION_STEPS, Rates, rates
from simulators.shapes import STEP_US

__all__ = ["History"]

_CHUNK = 288
"""Steps that are computed together: one day."""
_CHUNKS_KEPT = 4
_STEP_H = STEP_US / HOUR_US
_MAIN_STOCK: Mapping[str, str] = {
    "electricity": "power",
    "fuel": "gas",
    "water": "water_in",
    "effluent": "effluent_volume",
}


class History:
    """
    The numbers of a plant at any time since it began. Keeps only what it computed before.

    The first question about a time costs the days between the plant's beginning and it: about two seconds for
    a year of 140 meters.

    Parameters
    ----------
    plant : Plant
    shown : sequence of Shown
        The numbers asked for; answers come in rows of it.
    """

    def __init__(self, plant: Plant, shown: Sequence[Shown]) -> None:
        self._plant = plant
        self._shown = tuple(shown)
        self._first_step = plant.start_us // STEP_US
        self._totals: list[FloatArray] = [np.zeros(len(self._shown))]
        self._rates_of = lru_cache(maxsize=_CHUNKS_KEPT)(self._make_rates)
        self._levels_of = lru_cache(maxsize=_CHUNKS_KEPT)(self._make_levels)

    def amounts(self, rows: IntArray, ts_us: IntArray) -> FloatArray:
        """(r, n): what went through from the plant's beginning to each time. [unit]"""
        made = np.empty((len(rows), len(ts_us)))
        for chunk, here, step in self._chunks(ts_us):
            rate, sums = self._rates_of(chunk)
            whole = step.astype(np.int64)
            begun = self._total(chunk)[rows, None] + sums[np.ix_(rows, whole)]
            made[:, here] = begun + (step - whole) * rate[np.ix_(rows, whole)] * _STEP_H
        return made

    def rates(self, rows: IntArray, ts_us: IntArray) -> FloatArray:
        """(r, n): how fast it goes at each time. [unit per hour]"""
        made = np.empty((len(rows), len(ts_us)))
        for chunk, here, step in self._chunks(ts_us):
            made[:, here] = self._rates_of(chunk)[0][np.ix_(rows, step.astype(np.int64))]
        return made

    def levels(self, rows: IntArray, ts_us: IntArray) -> FloatArray:
        """(r, n): what gauges of levels stand at, running straight from step to step. [unit of the gauge]"""
        made = np.empty((len(rows), len(ts_us)))
        for chunk, here, step in self._chunks(ts_us):
            level = self._levels_of(chunk)
            whole = step.astype(np.int64)
            share = step - whole
            made[:, here] = level[np.ix_(rows, whole)] * (1.0 - share) + level[np.ix_(rows, whole + 1)] * share
        return made

    def _chunks(self, ts_us: IntArray) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Per chunk: its number, which of the times lie in it, and where in it they lie, in steps."""
        since_us = ts_us - self._first_step * STEP_US
        chunk, within_us = np.divmod(since_us, _CHUNK * STEP_US)
        for number in np.unique(chunk).tolist():
            here = np.flatnonzero(chunk == number)
            yield number, here, within_us[here] / STEP_US

    def _total(self, chunk: int) -> FloatArray:
        while len(self._totals) <= chunk:
            self._totals.append(self._totals[-1] + self._rates_of(len(self._totals) - 1)[1][:, -1])
        return self._totals[chunk]

    def _make_rates(self, chunk: int) -> tuple[FloatArray, FloatArray]:
        """Rates (r, steps), and their sums (r, steps + 1) from the beginning of the chunk."""
        made = rates(self._plant, self._first_step + chunk * _CHUNK, _CHUNK)
        rate = np.stack([_rate(made, shown) for shown in self._shown])
        sums = np.zeros((len(rate), _CHUNK + 1))
        np.cumsum(rate * _STEP_H, axis=1, out=sums[:, 1:])
        return rate, sums

    def _make_levels(self, chunk: int) -> FloatArray:
        """Levels (r, steps + 1), the first of the next chunk included; rows of rates are zero."""
        first = self._first_step + chunk * _CHUNK
        now = rates(self._plant, first, _CHUNK + 1)
        with_before = rates(self._plant, first - RETENTION_STEPS, RETENTION_STEPS + _CHUNK + 1)
        pollutants = [key for key in CONCENTRATIONS if any(shown.level == key for shown in self._shown)]
        strengths = {key: concentrations(self._plant, with_before, key) for key in pollutants}
        return np.stack([self._level(shown, now, strengths) for shown in self._shown])

    def _level(self, shown: Shown, now: Rates, strengths: Mapping[str, FloatArray]) -> FloatArray:
        if shown.level is None:
            return np.zeros(_CHUNK + 1)
        if shown.level in strengths:
            strength: FloatArray = strengths[shown.level][shown.row]
            return strength
        network: Network = getattr(self._plant, shown.network)
        rate = _rate(now, Shown(network=shown.network, row=shown.row, stock=_MAIN_STOCK[shown.network], level=None))
        return other_level(network, shown.row, shown.level, now.clock, rate=rate, seed=self._plant.seed)


def _rate(made: Rates, shown: Shown) -> FloatArray:
    if shown.stock is None:
        return np.zeros(len(made.clock.step))
    if shown.stock == "power":
        net: FloatArray = made.energy_import[shown.row] - made.energy_export[shown.row]
        return net
    attribute = shown.stock if shown.network == "electricity" else shown.network
    rate: FloatArray = getattr(made, attribute)[shown.row]
    return rate
