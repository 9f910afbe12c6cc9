"""What the gauges of a plant that measure no flow show, step by step: effluent quality, pressure, voltage ...

Every discharge has concentrations of its own, slugs included; the inlet of the treatment plant is their
flow-weighted mean, the outlet is what came in over the retention time, less what treatment removes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from domain.frames import FloatArray
from domain.registry import MeterRole
from simulators.noise import HashArray, key_hash, smooth_noise, uniform, white_noise
from simulators.plant import Network, Plant
from simulators.rates import RETENTION_STEPS, Rates, trailing_mean
from simulators.shapes import Clock

__all__ = ["concentrations", "other_level"]

_DISCHARGED: Mapping[str, float] = {
    "bod": 210.0,
    "cod": 470.0,
    "nh3n": 16.0,
    "oil": 8.0,
    "tn": 34.0,
    "tp": 5.0,
    "tss": 190.0,
}
"""Middle of what firms discharge. [mg/L]"""
_REMOVED: Mapping[str, float] = {
    "bod": 0.91,
    "cod": 0.84,
    "nh3n": 0.62,
    "oil": 0.8,
    "tn": 0.55,
    "tp": 0.45,
    "tss": 0.82,
}
_LEAST_STRENGTH, _MOST_STRENGTH = 0.5, 1.7
_SLUG_DAYS = 0.07
"""Share of days on which a meter sees a slug: some hours of strong or acid water."""
_SLUG_STRENGTH = 1.9
_SLUG_ACID = 1.7
_UPSET = 1.5
"""When treatment is upset, this much more than usual passes."""
_SQRT_3 = 3.0**0.5
_LINE_V = 400.0
_BULK_LINE_V = 150_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usual:
    """A gauge without a model of its own: a middle, how far meters differ, and how far it wanders."""

    middle: float
    differ: float
    wander: float
    daily: float = 0.0
    """Swing with the hour of the day, highest at 15:00."""


_USUAL: Mapping[str, _Usual] = {
    "conductivity": _Usual(middle=1450.0, differ=700.0, wander=120.0),
    "ph": _Usual(middle=7.3, differ=0.35, wander=0.3),
    "pressure": _Usual(middle=4.1, differ=0.2, wander=0.15, daily=-0.35),
    "temperature": _Usual(middle=30.5, differ=3.0, wander=0.4, daily=1.1),
}
_CLEAN: Mapping[str, _Usual] = {
    "conductivity": _Usual(middle=260.0, differ=25.0, wander=12.0),
    "ph": _Usual(middle=7.2, differ=0.1, wander=0.08),
}
"""Of drinking water, where it differs."""
_TREATED: Mapping[str, _Usual] = {
    "conductivity": _Usual(middle=1300.0, differ=60.0, wander=60.0),
    "ph": _Usual(middle=7.15, differ=0.1, wander=0.22),
}


def concentrations(plant: Plant, flow: Rates, quantity: str) -> FloatArray:
    """
    Concentrations of one pollutant at all meters of the sewer.

    Parameters
    ----------
    plant : Plant
    flow : Rates
        With at least :data:`~simulators.rates.RETENTION_STEPS` steps more at the front than are wanted.
    quantity : str
        One of :data:`domain.quantities.CONCENTRATIONS`.

    Returns
    -------
    float64 (effluent meters, steps - RETENTION_STEPS) [mg/L]
    """
    network, when = plant.effluent, flow.clock
    who = network.who ^ np.uint64(key_hash(plant.seed, quantity))
    level = _DISCHARGED[quantity] * _strength(who)[:, None]
    level = level * (
        1.0 + 0.16 * smooth_noise(who, when.step, 12) + 0.04 * white_noise(who[:, None], when.step[None, :])
    )
    level *= 1.0 + (_SLUG_STRENGTH - 1.0) * _slug(network.who, when)
    discharges = network.rows(MeterRole.DISCHARGE)
    inlets, outlets = network.rows(MeterRole.INLET), network.rows(MeterRole.OUTLET)
    if len(inlets) and len(discharges):
        weight = flow.effluent[discharges]
        level[inlets] = (level[discharges] * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    now = level[:, RETENTION_STEPS:].copy()
    if len(outlets):
        source = level[inlets].mean(axis=0, keepdims=True) if len(inlets) else level[outlets]
        passed = (1.0 - _REMOVED[quantity]) * (1.0 + 0.25 * smooth_noise(who[outlets], when.step[RETENTION_STEPS:], 48))
        upset = 1.0 + (_UPSET - 1.0) * _slug(network.who[outlets], when)[:, RETENTION_STEPS:]
        now[outlets] = trailing_mean(source) * passed * upset
    return now


def other_level(network: Network, row: int, quantity: str, when: Clock, *, rate: FloatArray, seed: int) -> FloatArray:
    """
    What one gauge shows that measures neither flow nor pollutant.

    Parameters
    ----------
    network : Network
        In which the meter lies, at `row`.
    quantity : str
    when : Clock
        Of the steps that are wanted, (n,).
    rate : float64 (n,) [unit per hour]
        The meter's own rate in these steps; a voltage sags and a current grows with it.

    Returns
    -------
    float64 (n,) [canonical unit of the quantity]
    """
    role = network.meters[row].entry.role
    who = np.array([network.who[row] ^ np.uint64(key_hash(seed, quantity))], dtype=np.uint64)
    if quantity in ("voltage", "current"):
        return _electric_level(quantity, role, who, when, rate)
    special = _CLEAN if role in (MeterRole.SUPPLY, MeterRole.USE) else _TREATED if role is MeterRole.OUTLET else {}
    usual = special.get(quantity, _USUAL[quantity])
    own = usual.middle + usual.differ * white_noise(who, np.zeros(1, dtype=np.int64))[0]
    swing = usual.daily * np.cos(2.0 * np.pi * (when.hour - 15.0) / 24.0)
    level: FloatArray = own + usual.wander * smooth_noise(who, when.step, 9)[0] + swing
    if quantity == "ph" and role in (MeterRole.DISCHARGE, MeterRole.OUTLET):
        level -= _SLUG_ACID * _slug(who, when)[0]
    return np.maximum(level, 0.0)


def _strength(who: HashArray) -> FloatArray:
    return _LEAST_STRENGTH + (_MOST_STRENGTH - _LEAST_STRENGTH) * uniform(who, np.full(1, 2, dtype=np.int64)) ** 1.5


def _slug(who: HashArray, when: Clock) -> FloatArray:
    """(m, n): 0 to 1, how much of a slug passes; one to four hours on a few days, rising and falling over half an hour."""
    day = when.day[None, :]
    happens = uniform(who[:, None], 4 * day) < _SLUG_DAYS
    begin = 6.0 + 13.0 * uniform(who[:, None], 4 * day + 1)
    length = 1.0 + 3.0 * uniform(who[:, None], 4 * day + 2)
    inside = np.minimum((when.hour - begin) / 0.5, (begin + length - when.hour) / 0.5)
    return np.clip(inside, 0.0, 1.0) * happens


def _electric_level(quantity: str, role: MeterRole, who: HashArray, when: Clock, power_kw: FloatArray) -> FloatArray:
    line_v = _BULK_LINE_V if role is MeterRole.SUPPLY else _LINE_V
    voltage: FloatArray = line_v / _SQRT_3 * (1.0 + 0.012 * smooth_noise(who, when.step, 6)[0])
    if quantity == "voltage":
        return voltage
    return np.abs(power_kw) * 1000.0 / (3.0 * voltage * 0.9)
