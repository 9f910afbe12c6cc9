"""Tariffs laid on intervals: whose contract names which tariff when, and how much of each interval lies in which block.

Times are whole microseconds and shares are quotients of them, so that what an interval costs does not depend on the range it is
computed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from domain.errors import RegistryError
from domain.frames import FloatArray
from domain.references import Holidays, References, Tariff, dated
from domain.registry import Registry
from domain.tariffs import tariff_edges
from domain.time import IntArray, Level, level_edges
from kpi.tree import FOREVER_US, Rows, Tree, overlap

__all__ = ["Clock", "Contracts", "block_keys", "under_contract"]


BoolArray = NDArray[np.bool_]


def block_keys(registry: Registry) -> tuple[str, ...]:
    """Keys of all blocks of the park's tariffs, in order."""
    return tuple(sorted({block.key for tariff in registry.references.tariffs for block in tariff.blocks}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Contracts in columns, sorted by tenant and time; (c,) each. They hold for whole local days."""

    tenant_id: IntArray
    from_us: IntArray
    to_us: IntArray
    tariff: IntArray
    """Position in `tariffs`; -1: none."""
    kva: FloatArray
    """NaN: none."""
    tariffs: tuple[str, ...]
    """Keys of all tariffs of the park, in order."""

    @classmethod
    def of(cls, registry: Registry) -> "Contracts":
        """Those of a park; a contract of somebody who is no tenant counts nothing."""
        park = registry.park
        ids = {tenant.key: tenant.id for tenant in registry.tenants}
        keys = tuple(sorted({tariff.origin.key for tariff in registry.references.tariffs}))
        place = {key: position for position, key in enumerate(keys)}
        chosen = sorted(
            (one for one in registry.references.contracts if one.origin.key in ids),
            key=lambda one: (ids[one.origin.key], one.origin.valid_from_us),
        )

        def midnight(instant_us: int | None) -> int:
            if instant_us is None:
                return FOREVER_US
            return int(level_edges(park.zone, park.base_s, Level.DAY, instant_us, instant_us + 1)[0])

        return cls(
            tenant_id=np.array([ids[one.origin.key] for one in chosen], dtype=np.int64),
            from_us=np.array([midnight(one.origin.valid_from_us) for one in chosen], dtype=np.int64),
            to_us=np.array([midnight(one.origin.valid_to_us) for one in chosen], dtype=np.int64),
            tariff=np.array([place.get(one.tariff or "", -1) for one in chosen], dtype=np.int64),
            kva=np.array([one.contracted_kva or np.nan for one in chosen], dtype=np.float64),
            tariffs=keys,
        )

    def taken(self, chosen: IntArray) -> "Contracts":
        """Some of the contracts."""
        columns = {name: getattr(self, name)[chosen] for name in ("tenant_id", "from_us", "to_us", "tariff", "kva")}
        return Contracts(**columns, tariffs=self.tariffs)

    def with_tariff(self, wanted: frozenset[str] | None = None) -> "Contracts":
        """Those that name a tariff, or one of some tariffs."""
        named = np.array([wanted is None or key in wanted for key in (*self.tariffs, "")], dtype=np.bool_)
        return self.taken(np.flatnonzero((self.tariff >= 0) & named[self.tariff]))

    def at(self, tenant_id: IntArray, instant_us: IntArray) -> IntArray:
        """(n,) position of the contract that each tenant has at an instant; -1: none."""
        if not len(self.tenant_id):
            return np.full(len(tenant_id), -1)
        moments, rank = np.unique(self.from_us, return_inverse=True)
        step = len(moments) + 1
        known = self.tenant_id * step + rank + 1
        asked = tenant_id * step + np.searchsorted(moments, instant_us, side="right")
        place = np.searchsorted(known, asked, side="right") - 1
        found = (place >= 0) & (self.tenant_id[place] == tenant_id) & (instant_us < self.to_us[place])
        return np.where(found, place, -1)

    def tariff_at(self, tenant_id: IntArray, instant_us: IntArray) -> IntArray:
        """(n,) position of the tariff by which each tenant pays at an instant; -1: none."""
        return np.append(self.tariff, -1)[self.at(tenant_id, instant_us)]

    def kva_at(self, tenant_id: IntArray, instant_us: IntArray) -> FloatArray:
        """(n,) what each tenant contracted at an instant; NaN: nothing. [kVA]"""
        return np.append(self.kva, np.nan)[self.at(tenant_id, instant_us)]

    def clocks(self, registry: Registry, edges: IntArray) -> tuple["Clock", ...]:
        """The clock of each tariff over the span of some intervals."""
        return tuple(Clock.of(registry, key, int(edges[0]), int(edges[-1])) for key in self.tariffs)


def under_contract(tree: Tree, rows: Rows, contracts: Contracts) -> Rows:
    """Each row as long as its tenant has one of some contracts; one row for each of them."""
    tenant = tree.tenant_id[tree.meter[rows.channel]].astype(np.int64)
    first = np.searchsorted(contracts.tenant_id, tenant, side="left")
    count = np.searchsorted(contracts.tenant_id, tenant, side="right") - first
    row = np.repeat(np.arange(len(rows)), count)
    contract = np.arange(len(row)) + np.repeat(first - np.cumsum(count) + count, count)
    return rows.taken(row).within(contracts.from_us[contract], contracts.to_us[contract])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One version of a tariff over a span: stretches of its blocks."""

    tariff: Tariff
    edges: IntArray
    """(n + 1,) [us UTC]"""
    block: IntArray
    """(n,) position in its blocks."""

    def time_in(self, blocks: BoolArray, instants_us: IntArray) -> IntArray:
        """Time since the first edge that lies in any of some blocks; grows with the instants. [us]"""
        counts = blocks[self.block]
        before = np.concatenate([[0], np.cumsum(np.where(counts, np.diff(self.edges), 0))])
        inside = np.clip(instants_us, self.edges[0], self.edges[-1])
        place = np.minimum(np.searchsorted(self.edges, inside, side="right") - 1, len(counts) - 1)
        time: IntArray = before[place] + np.where(counts[place], inside - self.edges[place], 0)
        return time


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """All versions of one tariff over a span of time."""

    versions: tuple[_Version, ...]

    @classmethod
    def of(cls, registry: Registry, key: str, start_us: int, stop_us: int) -> "Clock":
        """
        The clock of a tariff over `[start, stop)`.

        Raises
        ------
        RegistryError
            A version names holidays that the park does not have.
        """
        versions = []
        for tariff in dated(registry.references.tariffs, key):
            until = FOREVER_US if tariff.origin.valid_to_us is None else tariff.origin.valid_to_us
            span = max(start_us, tariff.origin.valid_from_us), min(stop_us, until)
            if span[0] < span[1]:
                edges, block = tariff_edges(tariff, _dates(registry.references, tariff), registry.park.zone, *span)
                versions.append(_Version(tariff=tariff, edges=edges, block=block))
        return cls(versions=tuple(versions))

    def time_in(self, key: str, instants_us: IntArray) -> IntArray:
        """Time since the start of the span that lies in the blocks of a key. [us]"""
        total = np.zeros(instants_us.shape, dtype=np.int64)
        for version in self.versions:
            named = np.array([block.key == key for block in version.tariff.blocks], dtype=np.bool_)
            total += version.time_in(named, instants_us)
        return total

    def share_in(self, key: str, edges: IntArray) -> FloatArray:
        """(n,) share of each interval that lies in the blocks of a key. [0..1]"""
        share: FloatArray = np.diff(self.time_in(key, edges)) / np.diff(edges)
        return share

    def held(self, edges: IntArray) -> IntArray:
        """(n,) time of each interval in which a version was in force. [us]"""
        held = np.zeros(len(edges) - 1, dtype=np.int64)
        for version in self.versions:
            held += overlap(version.edges[0], version.edges[-1], edges[:-1], edges[1:])
        return held

    def in_currency(self, currency: str) -> "Clock":
        """Only the versions in one currency."""
        return Clock(versions=tuple(one for one in self.versions if one.tariff.currency == currency))

    def price(self, edges: IntArray) -> FloatArray:
        """(n,) mean price over each interval; NaN where no version was in force for all of it. [currency per kWh]"""
        length = np.diff(edges)
        total = np.zeros(len(length))
        for version in self.versions:
            for place, block in enumerate(version.tariff.blocks):
                inside = np.diff(version.time_in(np.arange(len(version.tariff.blocks)) == place, edges))
                total += block.price * (inside / length)
        return np.where(self.held(edges) == length, total, np.nan)

    def mean(self, value: Callable[[Tariff], float], edges: IntArray, *, otherwise: float) -> FloatArray:
        """(n,) mean over each interval of what the versions say, and of another value where there is none."""
        length = np.diff(edges)
        total = np.zeros(len(length))
        for version in self.versions:
            inside = overlap(version.edges[0], version.edges[-1], edges[:-1], edges[1:])
            total += value(version.tariff) * (inside / length)
        return total + otherwise * ((length - self.held(edges)) / length)


def _dates(references: References, tariff: Tariff) -> frozenset[date]:
    if tariff.holidays is None:
        return frozenset()
    known: tuple[Holidays, ...] = dated(references.holidays, tariff.holidays)
    if not known:
        raise RegistryError(
            f"tariff {tariff.origin.key}: holidays {tariff.holidays!r} are not known; load them with the tariff"
        )
    return frozenset(day for one in known for day in one.dates)
