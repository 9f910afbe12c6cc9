"""Electricity within the blocks of a tariff: each tenant by the tariff of its contract, the park by those of all its tenants."""

from collections.abc import Callable
from functools import partial

import numpy as np

from domain.frames import FloatArray, Subject
from domain.registry import MeterRole, Registry
from domain.time import HOUR_US, SECOND_US, IntArray
from kpi.block import Block, Scene, known_terms
from kpi.definition import Family, Kpi, Made, padded
from kpi.measures import ALONE, SUMMED, by_owner, hours_of, without_peak
from kpi.members import Members, claimed
from kpi.tariffs import Contracts, under_contract
from kpi.tree import Rows, Tree, carriers, topmost

__all__ = ["block_family", "contracted_rows", "tariff_rows"]


def contracted_rows(tree: Tree, contracts: Contracts) -> tuple[Rows, Rows]:
    """Electricity of the topmost use meters, and of each meter by itself, as long as their tenants have a contract."""
    own = carriers(tree, "energy_import", "power")
    top = topmost(tree, own, MeterRole.USE, within_tenant=True)
    return under_contract(tree, top, contracts), under_contract(tree, own, contracts)


def tariff_rows(scene: Scene, members: Members, contracts: Contracts) -> IntArray:
    """(r,) position of the tariff of each row, which has one contract all its life; -1: none."""
    return contracts.tariff_at(scene.tree.tenant_id[members.meter].astype(np.int64), members.rows.from_us)


def block_family(key: str) -> Family:
    """
    The family of the energy within the blocks of one key, an interval being split at the edges of windows by time.

    Its terms: measured and estimated part, hours that entered and hours that should have (both of the windows only), hours
    in which the contract's tariff was not in force.
    """

    def members(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], _: tuple[Kpi, ...]) -> Members | None:
        top, own = contracted_rows(tree, _contracts(registry, key))
        claims = by_owner(tree, top, SUMMED) + by_owner(tree, own, ALONE, first_row=len(top))
        return claimed(tree, top.followed_by(own), claims, subjects)

    return Family(members=members, terms=_terms_of(key))


def _contracts(registry: Registry, key: str) -> Contracts:
    tariffs = registry.references.tariffs
    named = frozenset(one.origin.key for one in tariffs if any(block.key == key for block in one.blocks))
    return Contracts.of(registry).with_tariff(named)


def _terms_of(key: str) -> Callable[[Scene, Block, Members], Made]:
    def terms(scene: Scene, block: Block, members: Members) -> Made:
        contracts, cells, atoms = _contracts(scene.registry, key), scene.cells, scene.atoms
        clocks = contracts.clocks(scene.registry, cells)
        tariff = tariff_rows(scene, members, contracts)
        share = np.stack([clock.share_in(key, cells) for clock in clocks])[tariff[block.row], block.cell]
        held = np.stack([clock.held(cells) for clock in clocks])[tariff[block.row], block.cell]
        unknown = np.where(np.isnan(block.amount), 0.0, (block.stop_us - block.start_us - held) / HOUR_US)
        parts = known_terms(block.scaled(share), members, atoms)[:, 0]
        due_s = np.zeros((len(tariff), len(atoms) - 1))
        for place, clock in enumerate(clocks):
            chosen = tariff == place
            due_s[chosen] = _due_s(scene, members.rows.taken(chosen), partial(clock.time_in, key))
        entered, expected = hours_of(scene, members, block.summed(block.covered_s * share, atoms), due_s)
        missing = members.summed(block.summed(unknown, atoms))[:, 0]
        made = padded(parts[..., 0], parts[..., 1], entered, expected, missing)
        return without_peak(made, members.joined(block.joined(atoms)))

    return terms


def _due_s(scene: Scene, rows: Rows, time_in: Callable[[IntArray], IntArray]) -> FloatArray:
    """(r, a) time within the windows in which each row should have been measured: its life in service, up to the tick. [s]"""
    begin = np.maximum(rows.from_us[:, None], scene.atoms[:-1])
    until = np.minimum(np.minimum(rows.to_us, scene.ticked_us)[:, None], scene.atoms[1:])
    due_us = np.where(begin < until, time_in(until) - time_in(begin), 0)
    meter = scene.tree.meter[rows.channel]
    row = np.repeat(np.arange(len(rows)), scene.tree.outages.counts(meter))
    if len(row):
        outages = scene.tree.outages.taken(meter)
        out = np.maximum(begin[row], outages.from_us[:, None])
        back = np.minimum(until[row], outages.to_us[:, None])
        np.subtract.at(due_us, row, np.where(out < back, time_in(back) - time_in(out), 0))
    return due_us / SECOND_US
