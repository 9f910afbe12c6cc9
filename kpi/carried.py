"""Sums over all carriers of energy in one unit: gigajoules, or kilograms of greenhouse gases.

Each amount is multiplied by the factors in force in its own base interval, so a factor that changes within a month splits the
month, and days sum to it. Deliveries of fuels that are not metered are added by the period.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from domain.factors import FUELS
from domain.frames import FloatArray, Subject
from domain.references import References, dated
from domain.registry import Registry
from domain.time import HOUR_US, IntArray
from kpi.block import Block, Scene, known_terms
from kpi.carriers import Carrier, carrier_members, carriers_of
from kpi.definition import Family, Kpi, Made, Term, padded
from kpi.delivered import delivered, estimated_flags
from kpi.inforce import factor_over
from kpi.measures import without_peak
from kpi.members import Members
from kpi.shares import Coverage, coverage
from kpi.tree import Tree

__all__ = [
    "CO2_TOTAL",
    "ENERGY",
    "KWH_PER_GJ",
    "SCOPE_1",
    "SCOPE_2",
    "Metered",
    "Worth",
    "carried",
    "carried_ratio",
    "coverage_of",
    "factors_of",
    "hours_without",
    "members_of",
    "metered",
    "sum_terms_of",
]

BoolArray = NDArray[np.bool_]
GJ_PER_KWH = 0.0036
KWH_PER_GJ = 1e6 / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What one unit of each carrier is worth."""

    metered: MappingProxyType[Carrier, tuple[float, tuple[str, ...]]]
    """Number and factors that an amount is multiplied by; a carrier that is not named does not count."""
    delivered: tuple[str, ...] = ()
    """Factors of a delivered fuel, with `{}` for it; none: deliveries do not count."""
    optional: frozenset[str] = field(default_factory=frozenset)
    """Factors without which a carrier is left out, where the park has never had any."""

    def counted(self, references: References) -> dict[Carrier, tuple[float, tuple[str, ...]]]:
        """The carriers that count in a park."""
        return {
            carrier: (number, keys)
            for carrier, (number, keys) in self.metered.items()
            if all(key not in self.optional or dated(references.factors, key) for key in keys)
        }

    def over(self, references: References, carrier: IntArray, edges: IntArray) -> FloatArray:
        """(r, p) what a unit of each row is worth in each interval; 0: it does not count, NaN: no factor was in force."""
        worth = np.zeros((len(Carrier), len(edges) - 1))
        for each, (number, keys) in self.counted(references).items():
            worth[each] = number * factor_over(references, keys, edges)
        return worth[carrier]


def _worth(
    *parts: dict[Carrier, tuple[float, tuple[str, ...]]],
) -> MappingProxyType[Carrier, tuple[float, tuple[str, ...]]]:
    return MappingProxyType({carrier: worth for part in parts for carrier, worth in part.items()})


ENERGY = Worth(
    metered=_worth(
        {
            Carrier.IMPORT: (GJ_PER_KWH, ()),
            Carrier.SUPPLY: (GJ_PER_KWH, ()),
            Carrier.GENERATION: (GJ_PER_KWH, ()),
            Carrier.EXPORT: (-GJ_PER_KWH, ()),
            Carrier.GAS: (1.0, ("lhv_gas",)),
            Carrier.DIESEL: (1.0, ("lhv_diesel",)),
            Carrier.STEAM: (1.0, ("enthalpy_steam",)),
        }
    ),
    delivered=("lhv_{}",),
)
"""Energy used. [GJ]"""

SCOPE_1 = Worth(
    metered=_worth({Carrier.GAS: (1.0, ("lhv_gas", "co2_gas")), Carrier.DIESEL: (1.0, ("lhv_diesel", "co2_diesel"))}),
    delivered=("lhv_{}", "co2_{}"),
)
"""Greenhouse gases of burnt fuels. [kgCO2e]"""

SCOPE_2 = Worth(
    metered=_worth(
        {
            Carrier.IMPORT: (1.0, ("grid",)),
            Carrier.SUPPLY: (1.0, ("grid",)),
            Carrier.STEAM: (1.0, ("enthalpy_steam", "co2_steam")),
        }
    ),
    optional=frozenset({"co2_steam"}),
)
"""Greenhouse gases of electricity taken, by the grid's factor, and of steam where it has one. [kgCO2e]"""

CO2_TOTAL = Worth(
    metered=_worth(dict(SCOPE_1.metered), dict(SCOPE_2.metered)),
    delivered=SCOPE_1.delivered,
    optional=SCOPE_2.optional,
)
"""Scope 1 and scope 2 by location together. [kgCO2e]"""


def factors_of(registry: Registry, worth: Worth) -> tuple[str, ...]:
    """Keys of the factors that a sum is made with: those of what is metered, and of fuels that the park has factors for."""
    references = registry.references
    quantities = {channel.quantity for channel in registry.channels}
    keys: list[str] = []
    for carrier, (_, factors) in worth.counted(references).items():
        if carrier < Carrier.GAS or carrier.name.lower() in quantities:
            keys += factors
    for fuel in FUELS if worth.delivered else ():
        own = [one.format(fuel) for one in worth.delivered]
        keys += [key for key in own if dated(references.factors, key)]
    return tuple(dict.fromkeys(keys))


def sum_terms_of(unit: str) -> tuple[Term, ...]:
    """The terms of a sum over carriers."""
    return (
        Term(key="measured", unit=unit),
        Term(key="estimated", unit=unit),
        Term(key="delivered", unit=unit),
        Term(key="delivered_split_by_time", unit=unit),
        Term(key="hours_without_factor", unit="h"),
        Term(key="hours_delivered_without_factor", unit="h"),
        Term(key="hours_metered", unit="h"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What is metered of a sum over carriers; (t, a) each."""

    measured: FloatArray
    estimated: FloatArray
    """NaN where nothing is known. [unit of the sum]"""
    hours_without_factor: FloatArray
    """Time in which an amount is known but no factor was in force, of all meters together. [h]"""
    hours: FloatArray
    """Time in which any meter that counts lives, past or to come. [h]"""
    flags: IntArray


def hours_without(entries: Block, valued: Block, members: Members, edges: IntArray) -> FloatArray:
    """(t, a) time in which an amount is known, and nothing says what it is worth. [h]"""
    missing = np.isnan(valued.amount) & ~np.isnan(entries.amount)
    if not missing.any():
        return np.zeros((len(members.kpi), len(edges) - 1))
    hours = np.where(missing, (entries.stop_us - entries.start_us) / HOUR_US, 0.0)
    return members.summed(entries.summed(hours, edges))[:, 0]


def metered(scene: Scene, block: Block, members: Members, worth: Worth) -> Metered:
    """The metered part of a sum over carriers, over the scene's atoms."""
    references, atoms = scene.registry.references, scene.atoms
    carrier = carriers_of(scene.tree, members.rows)
    runs = members.runs_of(carrier)
    counted = np.isin(runs.mark, list(worth.counted(references)))
    shape, first = (len(members.kpi), len(atoms) - 1), np.searchsorted(scene.cells, atoms[:-1])
    by_cell = worth.over(references, runs.mark, scene.cells)[counted]
    # What a carrier is worth in a cell is the same for all its meters: their sum is made once for all KPIs, and valued then.
    valued = known_terms(block, runs.members, scene.cells)[counted, 0] * by_cell[:, :, None]
    parts = [runs.put_together(valued[..., part], counted, first) for part in range(2)]
    without = np.isnan(by_cell)
    hours = np.zeros(shape)
    if without.any():
        known = runs.members.summed(block.summed(block.known, scene.cells))[counted, 0]
        lengths = np.where(without, known * (np.diff(scene.cells) / HOUR_US), 0.0)
        hours = np.nan_to_num(runs.put_together(lengths, counted, first))
    lives, flags = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.int64)
    np.logical_or.at(lives, runs.target[counted], runs.members.any_of(scene.alive(members.rows, atoms))[counted])
    np.bitwise_or.at(flags, runs.target[counted], runs.members.joined(block.joined(atoms))[counted])
    return Metered(
        measured=parts[0],
        estimated=parts[1],
        hours_without_factor=hours,
        hours=np.where(lives, np.diff(atoms) / HOUR_US, 0.0),
        flags=flags,
    )


def coverage_of(worth: Worth) -> Callable[[Scene, Block, Members], Coverage]:
    """The coverage of a sum over carriers, each weighted by what it usually is worth."""

    def made(scene: Scene, block: Block, members: Members) -> Coverage:
        carrier = carriers_of(scene.tree, members.rows)
        scale = np.abs(worth.over(scene.registry.references, carrier[:1], scene.periods))
        if (carrier == carrier[0]).all():
            scale = np.broadcast_to(scale, (len(carrier), scale.shape[1]))
        else:
            scale = np.abs(worth.over(scene.registry.references, carrier, scene.periods))
        of_meters = coverage(scene, block, members, scale)
        if not worth.delivered:
            return of_meters
        # Who meters nothing that counts is known as far as deliveries are entered.
        entered = delivered(scene, members, carrier, (worth.delivered,), scene.periods)[0].covered
        entered = np.where(entered > 0, entered, np.nan)
        return Coverage(
            profile=np.where(np.isnan(of_meters.profile), entered, of_meters.profile),
            total=np.where(np.isnan(of_meters.total), entered, of_meters.total),
        )

    return made


def carried(worth: Worth) -> Family:
    """
    The family of a sum over carriers.

    Its terms: measured and estimated part of what is metered, deliveries inside the period, parts of others, hours without a
    factor of meters and of deliveries, hours of meters that count.
    """

    def terms(scene: Scene, block: Block, members: Members) -> Made:
        part = metered(scene, block, members, worth)
        none = np.full(part.hours.shape, np.nan)
        columns = (part.measured, part.estimated, none, none, part.hours_without_factor, none, part.hours)
        return without_peak(padded(*columns), part.flags)

    def over_periods(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
        carrier = carriers_of(scene.tree, members.rows)
        part = delivered(scene, members, carrier, (worth.delivered,), scene.periods)[0]
        made = folded.terms.copy()
        made[..., 2], made[..., 3], made[..., 5] = part.whole, part.split, part.hours_without_factor
        flags = estimated_flags(folded.flags, made[..., 1], part.split)
        return Made(terms=made, peak_at_us=folded.peak_at_us, flags=flags)

    return Family(
        members=members_of(worth),
        terms=terms,
        coverage=coverage_of(worth),
        over_periods=over_periods if worth.delivered else None,
    )


def carried_ratio(over: Worth, under: Worth, per_unit: float) -> Family:
    """
    The family of a ratio of two sums over the same carriers: both sides have the same amounts of the same intervals.

    Its terms: measured and estimated part of the first, of the second, deliveries of the first and of the second, the part of
    the first's that is split by time (NaN beside deliveries without a factor), hours without a factor.

    Parameters
    ----------
    over, under : Worth
        The first counts no carrier that the second does not.
    per_unit : float
        What the second sum is multiplied by.
    """

    def terms(scene: Scene, block: Block, members: Members) -> Made:
        first, second = (metered(scene, block, members, worth) for worth in (over, under))
        none = np.full(first.hours.shape, np.nan)
        missing = first.hours_without_factor + second.hours_without_factor
        parts = (first.measured, first.estimated, second.measured * per_unit, second.estimated * per_unit)
        return without_peak(padded(*parts, none, none, none, missing), second.flags)

    def over_periods(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
        carrier = carriers_of(scene.tree, members.rows)
        first, second = delivered(scene, members, carrier, (over.delivered, under.delivered), scene.periods)
        made = folded.terms.copy()
        made[..., 4] = first.whole + first.split
        made[..., 5] = (second.whole + second.split) * per_unit
        made[..., 6] = np.where(first.hours_without_factor + second.hours_without_factor > 0, np.nan, first.split)
        flags = estimated_flags(folded.flags, made[..., 1], made[..., 3], first.split, second.split)
        return Made(terms=made, peak_at_us=folded.peak_at_us, flags=flags)

    return Family(members=members_of(under), terms=terms, coverage=coverage_of(under), over_periods=over_periods)


def members_of(worth: Worth) -> Callable[[Registry, Tree, tuple[Subject, ...], tuple[Kpi, ...]], Members | None]:
    """Who has a meter that counts; where deliveries count, whoever has any meter of energy."""

    def members(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], _: tuple[Kpi, ...]) -> Members | None:
        counted = frozenset(worth.counted(registry.references))
        return carrier_members(frozenset(Carrier) if worth.delivered else counted, tree, subjects, alone=counted)

    return members
