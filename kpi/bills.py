"""How much of what bills say was used passes a meter."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject
from domain.quality import Flag
from domain.registry import Registry
from domain.time import IntArray, Level
from kpi.block import Block, Scene
from kpi.carried import GJ_PER_KWH, Worth, members_of, metered
from kpi.carriers import Carrier
from kpi.definition import Family, Kpi, Made, padded
from kpi.delivered import owners_of
from kpi.entered import LEAST_ENTERED, Residents, entered_sums
from kpi.measures import without_peak
from kpi.members import Members
from kpi.tree import Tree

__all__ = ["METERING"]

BoolArray = NDArray[np.bool_]
ROUNDING = 1e-12

_BOUGHT = (
    Worth(metered=MappingProxyType({Carrier.IMPORT: (GJ_PER_KWH, ())})),
    Worth(
        metered=MappingProxyType(
            {
                Carrier.GAS: (1.0, ("lhv_gas",)),
                Carrier.DIESEL: (1.0, ("lhv_diesel",)),
                Carrier.STEAM: (1.0, ("enthalpy_steam",)),
            }
        )
    ),
)
"""What is bought and metered: electricity; fuels and heat. [GJ]"""

_SERIES = (("electricity_billed", GJ_PER_KWH), ("fuel_billed", 1.0))
"""What stands against them, and what a unit of it is worth. [GJ]"""

_PLACES = ((0, 1), (2, 3, 4))
"""The terms of each."""

_EVERYTHING = Worth(
    metered=MappingProxyType({carrier: worth for one in _BOUGHT for carrier, worth in one.metered.items()})
)


def _terms(scene: Scene, block: Block, members: Members) -> Made:
    """What is metered of electricity and of fuels: measured and estimated part of each, hours of fuels without a factor. [GJ]"""
    electricity, fuels = (metered(scene, block, members, worth) for worth in _BOUGHT)
    parts = (electricity.measured, electricity.estimated, fuels.measured, fuels.estimated, fuels.hours_without_factor)
    return without_peak(padded(*parts), electricity.flags | fuels.flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Billed:
    """One series of bills."""

    counted: BoolArray
    """(t, a) days that are billed and final."""
    any_day: BoolArray
    """(t, p)"""
    total: FloatArray
    """(t, p) what is billed for the days that count. [GJ]"""
    split: FloatArray
    """(t, p) part of it that is split by time. [GJ]"""
    share: FloatArray
    """(t, p) share of the period, as far as it is final, that is billed. [0..1]"""


def _billed(scene: Scene, owners: IntArray, first: IntArray, key: str, worth: float) -> _Billed:
    days, residents = scene.atoms, Residents.of(scene.registry)
    known, place = np.unique(owners, return_inverse=True)
    by_day, whole = (entered_sums(scene.context, key, known, edges, residents) for edges in (days, scene.periods))
    final = days[1:] <= scene.ticked_us
    counted = (final & by_day.complete & (by_day.covered >= LEAST_ENTERED - ROUNDING))[place]
    length_us = np.diff(days).astype(np.float64)
    spent = _summed(counted, np.broadcast_to(length_us, counted.shape), first)
    due = np.add.reduceat(np.where(final, length_us, 0.0), first)
    total = _summed(counted, by_day.total[place] * worth, first)
    return _Billed(
        counted=counted,
        any_day=np.logical_or.reduceat(counted, first, axis=1),
        total=total,
        split=_split(total, whole.total[place] * worth, whole.prorated[place] * worth),
        share=np.divide(spent, due, out=np.zeros(spent.shape), where=due > 0),
    )


def _against_bills(scene: Scene, members: Members, _: tuple[Kpi, ...], atoms: Made, folded: Made) -> Made:
    """
    What is metered on the days that are billed, and what is billed for them.

    A day without a bill leaves both sides; one on which a meter was dead does not: that is what is looked for. The terms of
    days keep what was metered whether they are billed or not, so that longer periods can be made of them.
    """
    first, owners = np.searchsorted(scene.atoms, scene.periods[:-1]), owners_of(scene, members)
    bills = [_billed(scene, owners, first, key, worth) for key, worth in _SERIES]
    some = np.logical_or.reduce([one.any_day for one in bills])
    made = folded.terms.copy()
    if scene.level is not Level.DAY:
        for place, one in zip(_PLACES, bills, strict=True):
            for term in place:
                made[..., term] = _summed(one.counted, atoms.terms[..., term], first)
    made[..., 5] = np.where(some, sum(one.total for one in bills), np.nan)
    made[..., 6] = np.where(some, sum(one.split for one in bills), np.nan)
    share = np.min([np.where(one.any_day, one.share, 1.0) for one in bills], axis=0)
    made[..., 7] = np.where(some, share, np.nan)
    flags = folded.flags | np.where(np.nan_to_num(made[..., 6]) > 0, int(Flag.ESTIMATED), 0)
    return Made(terms=made, peak_at_us=folded.peak_at_us, flags=flags)


def _summed(counted: BoolArray, values: FloatArray, first: IntArray) -> FloatArray:
    """Per period, over the days that count; 0 where nothing is known of them."""
    total: FloatArray = np.add.reduceat(np.where(counted, np.nan_to_num(values), 0.0), first, axis=1)
    return total


def _split(part: FloatArray, total: FloatArray, prorated: FloatArray) -> FloatArray:
    """What of bills is split by time: all of it, where not all days of a period count."""
    cut = part < np.nan_to_num(total) * (1.0 - 1e-9)
    return np.where(cut, part, np.minimum(np.nan_to_num(prorated), part))


def _members(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]) -> Members | None:
    return members_of(_EVERYTHING)(registry, tree, subjects, kpis)


METERING = Family(members=_members, terms=_terms, over_periods=_against_bills)
