"""How fast the meters of a plant turn, step by step: consumption, sun, losses, sewer and treatment.

Everything is a pure function of seed and step, so any stretch of time can be computed on its own.
"""

from dataclasses import dataclass

import numpy as np

from domain.frames import FloatArray
from domain.registry import MeterRole
from domain.time import IntArray
from simulators.noise import smooth_noise, uniform, white_noise
from simulators.plant import Network, Plant
from simulators.shapes import STEP_US, Clock, Shift, activity_table, clock, sun

__all__ = ["RETENTION_STEPS", "Rates", "rates", "trailing_mean"]

RETENTION_STEPS = 72
"""Water stays six hours in the treatment plant; its outlet is the mean of what came in over that time."""

_ACTIVITY = activity_table()
_HOUR_STEPS = 12
_DAY_NOISE = np.uint64(0xD1)
_CLOUDS = np.uint64(0xC1)
_CAPACITORS = 0.5
"""Capacitor banks of meters that also measure leading energy, as a share of full reactive load."""
_INFILTRATION = 0.02
_EVAPORATION = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of all meters over some steps; each array (meters of its network, steps)."""

    clock: Clock
    energy_import: FloatArray
    """[kW]"""
    energy_export: FloatArray
    energy_generation: FloatArray
    energy_reactive_lagging: FloatArray
    """[kvar]"""
    energy_reactive_leading: FloatArray
    fuel: FloatArray
    """[unit of each meter per hour]"""
    water: FloatArray
    """[m3/h]"""
    effluent: FloatArray
    """[m3/h]"""


def rates(plant: Plant, first_step: int, steps: int) -> Rates:
    """
    Rates of all meters of a plant.

    Parameters
    ----------
    plant : Plant
    first_step : int
        Counted since 1970 UTC.
    steps : int
        How many.

    Returns
    -------
    Rates
        Of exactly these steps; the hours before that the treatment plant still holds are computed as well.
    """
    before = np.arange(first_step - RETENTION_STEPS, first_step + steps, dtype=np.int64)
    when = clock(plant.zone, before)
    now = clock(plant.zone, before[RETENTION_STEPS:])
    water = _water(plant.water, when)
    active, reactive, generation = _electricity(plant.electricity, now)
    return Rates(
        clock=now,
        energy_import=np.maximum(active, 0.0),
        energy_export=np.maximum(-active, 0.0),
        energy_generation=generation,
        energy_reactive_lagging=np.maximum(reactive, 0.0),
        energy_reactive_leading=np.maximum(-reactive, 0.0),
        fuel=plant.fuel.shown.sums(_at_work(plant.fuel, now, least=0.10)),
        water=water[:, RETENTION_STEPS:],
        effluent=_effluent(plant, water, when),
    )


def trailing_mean(values: FloatArray) -> FloatArray:
    """Mean over the last :data:`RETENTION_STEPS` steps; (m, n) to (m, n - RETENTION_STEPS)."""
    sums = np.cumsum(values, axis=1)
    return (sums[:, RETENTION_STEPS:] - sums[:, :-RETENTION_STEPS]) / RETENTION_STEPS


def _alive(network: Network, when: Clock) -> FloatArray:
    start_us = when.step * STEP_US
    there = (network.start_us[:, None] <= start_us) & (start_us < network.stop_us[:, None])
    return there.astype(np.float64)


def _at_work(network: Network, when: Clock, least: float) -> FloatArray:
    """Rates of what each meter measures by itself: base load, shifts, and noise of days, hours and minutes."""
    activity = _ACTIVITY[network.shift[:, None], when.day_kind[None, :], when.slot[None, :]]
    base = least * (0.6 + 0.8 * uniform(network.who, np.zeros(1, dtype=np.int64)))[:, None]
    base = np.where((network.shift == Shift.NIGHT)[:, None], 0.0, base)
    of_day = 1.0 + 0.08 * white_noise((network.who ^ _DAY_NOISE)[:, None], when.day[None, :])
    of_hour = 1.0 + 0.10 * smooth_noise(network.who, when.step, _HOUR_STEPS)
    of_step = 1.0 + 0.05 * white_noise(network.who[:, None], when.step[None, :])
    own = network.size[:, None] * (base + (1.0 - base) * activity) * of_day * of_hour * of_step
    own[network.leaks] = network.size[network.leaks, None]
    return own * _alive(network, when)


def _electricity(network: Network, when: Clock) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Active and reactive power that each meter shows, signed, and what generation meters make."""
    own = _at_work(network, when, least=0.22)
    makers = network.rows(MeterRole.GENERATION)
    own[makers] = _solar(network, makers, when)
    generation = np.zeros_like(own)
    generation[makers] = own[makers]
    # Bulk meters see the reactive load below them; motors and transformers draw some of it even when idle.
    tangent = (0.35 + 0.3 * uniform(network.who, np.ones(1, dtype=np.int64)))[:, None]
    bank = _CAPACITORS * network.quantity("energy_reactive_leading")[:, None]
    reactive = tangent * (0.85 * own + (0.15 - bank) * network.size[:, None]) * _alive(network, when)
    reactive[makers] = 0.0
    return network.shown.sums(own), network.shown.sums(reactive), generation


def _solar(network: Network, makers: IntArray, when: Clock) -> FloatArray:
    who = network.who[makers] ^ _CLOUDS
    of_day = 0.45 + 0.55 * uniform(who[:, None], when.day[None, :])
    passing = 1.0 - 0.35 * np.abs(smooth_noise(who, when.step, 2))
    return network.size[makers, None] * sun(when.hour)[None, :] * of_day * passing


def _water(network: Network, when: Clock) -> FloatArray:
    return network.shown.sums(_at_work(network, when, least=0.12))


def _effluent(plant: Plant, water: FloatArray, when: Clock) -> FloatArray:
    """Flow of discharges, of the plant's inlets and outlets, and of whatever else there is."""
    network = plant.effluent
    flow = _at_work(network, when, least=0.15)
    discharges = network.rows(MeterRole.DISCHARGE)
    flow[plant.discharged.target] = plant.discharged.sums(water)
    inlets, outlets = network.rows(MeterRole.INLET), network.rows(MeterRole.OUTLET)
    if len(inlets) and len(discharges):
        flow[inlets] = flow[discharges].sum(axis=0) * (1.0 + _INFILTRATION) / len(inlets)
    now = flow[:, RETENTION_STEPS:]
    if len(outlets) and len(inlets):
        through = trailing_mean(flow[inlets].sum(axis=0, keepdims=True)) * (1.0 - _EVAPORATION)
        now[outlets] = through / len(outlets)
    return now
