"""What electricity costs: energy by the blocks of each tenant's tariff, reactive energy of each month, fixed charges."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject
from domain.registry import Registry, Tenant
from domain.time import IntArray, Level, level_edges
from kpi.block import Block, Scene, known_terms
from kpi.blocks import contracted_rows, tariff_rows
from kpi.carried import hours_without
from kpi.definition import Family, Kpi, Made, padded
from kpi.laying import lay
from kpi.measures import SUMMED, by_owner, without_peak
from kpi.members import Members, claimed
from kpi.reactive import free_tangent
from kpi.shares import coverage
from kpi.tariffs import Clock, Contracts
from kpi.tree import FOREVER_US, Tree, beside, overlap

__all__ = ["cost_family", "currencies"]

BoolArray = NDArray[np.bool_]


def currencies(registry: Registry) -> tuple[str, ...]:
    """Currencies of the park's tariffs, in order."""
    return tuple(sorted({tariff.currency for tariff in registry.references.tariffs}))


def _contracts(registry: Registry, currency: str) -> Contracts:
    named = frozenset(one.origin.key for one in registry.references.tariffs if one.currency == currency)
    return Contracts.of(registry).with_tariff(named)


def cost_family(currency: str) -> Family:
    """
    The family of costs in one currency; the park's are those of its tenants together.

    Its terms: energy measured and estimated, fixed charges, reactive excess (both of months that have begun), hours in
    which no price was in force, kvarh of the excess, days on which reactive energy is not known. The reactive excess is
    that of each tenant in each month, so a year has the sum of its months.
    """

    def members(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], _: tuple[Kpi, ...]) -> Members | None:
        top, _own = contracted_rows(tree, _contracts(registry, currency))
        return claimed(tree, top, by_owner(tree, top, SUMMED), subjects)

    def terms(scene: Scene, block: Block, members: Members) -> Made:
        contracts, cells, atoms = _contracts(scene.registry, currency), scene.cells, scene.atoms
        tariff = tariff_rows(scene, members, contracts)
        prices = [clock.in_currency(currency).price(cells) for clock in contracts.clocks(scene.registry, cells)]
        valued = block.scaled(np.stack(prices)[tariff[block.row], block.cell])
        parts = known_terms(valued, members, atoms)[:, 0]
        none = np.full(parts.shape[:2], np.nan)
        unpriced = hours_without(block, valued, members, atoms)
        return without_peak(
            padded(parts[..., 0], parts[..., 1], none, none, unpriced), members.joined(block.joined(atoms))
        )

    return Family(members=members, terms=terms, coverage=coverage, also=_reactive, over_periods=_charges(currency))


def _reactive(tree: Tree, members: Members) -> IntArray:
    return beside(tree, members.meter, "energy_reactive_lagging")


def _charges(currency: str) -> Callable[[Scene, Members, tuple[Kpi, ...], Made, Made], Made]:
    def made(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
        if scene.level < Level.MONTH:
            return folded
        bills = _Bills.of(scene, members, _contracts(scene.registry, currency), currency)
        excess, cost, missing = bills.reactive()
        terms = folded.terms.copy()
        for place, by_tenant in ((2, bills.fixed()), (3, cost), (5, excess), (6, missing)):
            terms[..., place] = bills.by_target(by_tenant)
        return Made(terms=terms, peak_at_us=folded.peak_at_us, flags=folded.flags)

    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bills:
    """Months and tenants of a scene, for what is charged by the month."""

    scene: Scene
    members: Members
    contracts: Contracts
    clocks: tuple[Clock, ...]
    months: IntArray
    """(m + 1,) [us UTC]"""
    tenants: IntArray
    """(n,) ids of those that have a row, rising."""
    tenant: IntArray
    """(r,) position of each row's tenant."""

    @classmethod
    def of(cls, scene: Scene, members: Members, contracts: Contracts, currency: str) -> "_Bills":
        park = scene.registry.park
        span = int(scene.periods[0]), int(scene.periods[-1])
        tenants, tenant = np.unique(scene.tree.tenant_id[members.meter].astype(np.int64), return_inverse=True)
        return cls(
            scene=scene,
            members=members,
            contracts=contracts,
            clocks=tuple(one.in_currency(currency) for one in contracts.clocks(scene.registry, scene.periods)),
            months=level_edges(park.zone, park.base_s, Level.MONTH, *span),
            tenants=tenants,
            tenant=tenant,
        )

    def _month_of_days(self) -> IntArray:
        month: IntArray = np.searchsorted(self.months, self.scene.atoms[:-1], side="right") - 1
        return month

    def by_target(self, charged: FloatArray) -> FloatArray:
        """(t, p) sums of what each tenant (n) is charged in each month (m)."""
        members = self.members
        pairs = np.unique(np.stack([members.pair_group, self.tenant[members.pair_row]]), axis=1)
        of_target = np.zeros((len(members.kpi), charged.shape[1]))
        np.add.at(of_target, pairs[0], charged[pairs[1]])
        first = np.searchsorted(self.months, self.scene.periods[:-1])
        sums: FloatArray = np.add.reduceat(of_target, first, axis=1)
        return sums

    def fixed(self) -> FloatArray:
        """(n, m) fixed charges of months that have begun, for the part of each in which contract and tariff were in force."""
        contracts, begin, end = self.contracts, self.months[:-1], self.months[1:]
        tenant = np.searchsorted(self.tenants, contracts.tenant_id)
        known = (tenant < len(self.tenants)) & np.isin(contracts.tenant_id, self.tenants)
        lives = _lives(self.scene.registry.tenants, contracts.tenant_id)
        charged = np.zeros((len(self.tenants), len(begin)))
        for place, clock in enumerate(self.clocks):
            for version in clock.versions:
                chosen = np.flatnonzero(known & (contracts.tariff == place))
                from_us = np.maximum(np.maximum(contracts.from_us, lives[0])[chosen], version.edges[0])
                to_us = np.minimum(np.minimum(contracts.to_us, lives[1])[chosen], version.edges[-1])
                share = overlap(from_us[:, None], to_us[:, None], begin, end) / (end - begin)
                np.add.at(charged, tenant[chosen], version.tariff.fixed_per_month * share)
        return np.where(self._billed() & (begin < self.scene.ticked_us), charged, 0.0)

    def _billed(self) -> BoolArray:
        """(n, m) whether any meter of a tenant lives in a month."""
        billed = np.zeros((len(self.tenants), len(self.months) - 1), dtype=np.bool_)
        np.logical_or.at(billed, self.tenant, self.scene.alive(self.members.rows, self.months))
        return billed

    def reactive(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(n, m) each: kvarh beyond what is free, their price, and days on which either energy is not known."""
        scene, members, days = self.scene, self.members, self.scene.atoms
        channel = _reactive(scene.tree, members)
        blocks = lay(scene, members.rows), lay(scene, members.rows, channel)
        known = [one.summed(~np.isnan(one.amount), days) > 0 for one in blocks]
        active, lagging = (one.summed(np.nan_to_num(one.amount), days) for one in blocks)
        both = known[0] & known[1] & self._registers(channel)[:, None]
        tariff = tariff_rows(scene, members, self.contracts)
        # Before a tariff begins, and after it ended, nothing is free and nothing has a price.
        tangent, price = (
            np.stack([clock.mean(value, days, otherwise=0.0) for clock in self.clocks])[tariff]
            for value in (lambda one: free_tangent(one.pf_min), lambda one: one.reactive_price)
        )
        beyond = np.where(both, lagging - tangent * active, 0.0)
        excess, cost = (self._months(part) for part in (beyond, beyond * price))
        return np.maximum(excess, 0.0), np.maximum(cost, 0.0), self._months(self._due(channel) & ~both)

    def _due(self, channel: IntArray) -> BoolArray:
        """(r, d) days on which a row should have reactive energy."""
        tree, days = self.scene.tree, self.scene.atoms
        rows = self.members.rows
        until = np.minimum(np.minimum(rows.to_us, tree.to_us[channel]), self.scene.ticked_us)
        begin = np.maximum(rows.from_us, tree.from_us[channel])
        lives = overlap(begin[:, None], until[:, None], days[:-1], days[1:]) > 0
        due: BoolArray = lives & self.scene.serves(rows, days) & self._registers(channel)[:, None]
        return due

    def _registers(self, channel: IntArray) -> BoolArray:
        """(r,) whether a row is a register of active energy with reactive energy beside it."""
        registers: BoolArray = (channel >= 0) & (self.scene.tree.quantity[self.members.rows.channel] == "energy_import")
        return registers

    def _months(self, by_row: FloatArray | BoolArray) -> FloatArray:
        """(n, m) sums of rows (r) and days (d)."""
        sums = np.zeros((len(self.tenants), len(self.months) - 1))
        place = self.tenant[:, None], self._month_of_days()[None, :]
        np.add.at(sums, np.broadcast_arrays(*place), by_row)
        return sums


def _lives(tenants: tuple[Tenant, ...], ids: IntArray) -> tuple[IntArray, IntArray]:
    """Lives of some tenants by id; all are known."""
    order = sorted(tenants, key=lambda one: one.id)
    place = np.searchsorted([one.id for one in order], ids)
    ends = [FOREVER_US if one.valid_to_us is None else one.valid_to_us for one in order]
    return np.array([one.valid_from_us for one in order], dtype=np.int64)[place], np.array(ends, dtype=np.int64)[place]
