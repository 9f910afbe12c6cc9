"""Apparent power and reactive energy: kVA of demand blocks, use of the contracted kVA, reactive energy beyond what is free."""

import math
from dataclasses import replace

import numpy as np

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import OPERATOR, Registry
from domain.time import IntArray
from kpi.block import Block, Scene
from kpi.definition import Family, Kpi, Made
from kpi.demand import Coincident, peak_terms
from kpi.laying import lay
from kpi.measures import POWER_FACTOR, by_owner, paired, reactive_rows
from kpi.members import Members, claimed
from kpi.tariffs import Contracts, under_contract
from kpi.tree import Tree, beside

__all__ = ["APPARENT", "CONTRACT_USE", "LEAST_POWER_FACTOR", "REACTIVE_EXCESS", "free_tangent"]

LEAST_POWER_FACTOR = 0.85
"""From which power factor on reactive energy is free, where no tariff says otherwise."""


def free_tangent(power_factor: float) -> float:
    """
    Reactive energy that is free, per active energy.

    Examples
    --------
    >>> round(free_tangent(0.85), 4)
    0.6197
    """
    return math.tan(math.acos(power_factor))


def _apparent_blocks(scene: Scene, block: Block, members: Members) -> tuple[Block, Block]:
    """
    Active and net reactive energy of the intervals in which all that a meter has of them was measured from end to end.

    Net is lagging minus leading: the two compensate each other within an interval, as they do on the wire. Where a meter
    has no leading channel, it is the lagging energy alone.
    """
    tree, rows = scene.tree, members.rows
    active, lagging = paired(block, lay(scene, rows, beside(tree, members.meter, "energy_reactive_lagging")))
    channel = beside(tree, members.meter, "energy_reactive_leading")
    if (channel < 0).all():
        return active, lagging
    leading = lay(scene, rows, channel)
    leading = leading.only(leading.whole)
    known, wanted = (one.row * block.shape[1] + one.cell for one in (leading, active))
    place = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
    found = known[place] == wanted if len(known) else np.zeros(len(wanted), dtype=np.bool_)
    of_row = channel[active.row]
    needed = (of_row >= 0) & (tree.from_us[of_row] < active.stop_us) & (tree.to_us[of_row] > active.start_us)
    back = np.zeros(len(wanted))
    back[found] = leading.amount[place[found]]
    kept = found | ~needed
    return active.only(kept), replace(lagging, amount=lagging.amount - back).only(kept)


def _kva(_: Scene, drawn: Coincident) -> FloatArray:
    return np.hypot(drawn.amounts[0], drawn.amounts[1]) / drawn.hours


def _apparent_terms(scene: Scene, block: Block, members: Members) -> Made:
    return peak_terms(scene, _apparent_blocks(scene, block, members), members, _kva)


def _reactive_channels(tree: Tree, members: Members) -> IntArray:
    quantities = ("energy_reactive_lagging", "energy_reactive_leading")
    return np.concatenate([beside(tree, members.meter, quantity) for quantity in quantities])


APPARENT = Family(members=POWER_FACTOR.members, terms=_apparent_terms, also=_reactive_channels)


def _operator(registry: Registry) -> int:
    return next((tenant.id for tenant in registry.tenants if tenant.key == OPERATOR), -1)


def _contracts(registry: Registry) -> Contracts:
    contracts = Contracts.of(registry)
    return contracts.taken(np.flatnonzero(~np.isnan(contracts.kva)))


def _contracted(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], _: tuple[Kpi, ...]) -> Members | None:
    """Each tenant's meters under its own contract; all of them under the operator's, which is that of the whole park."""
    contracts, operator = _contracts(registry), _operator(registry)
    top = reactive_rows(tree)
    of_tenants = under_contract(tree, top, contracts.taken(np.flatnonzero(contracts.tenant_id != operator)))
    rows, claims = of_tenants, by_owner(tree, of_tenants, (SubjectKind.TENANT,))
    for place in np.flatnonzero(contracts.tenant_id == operator).tolist():
        life = contracts.from_us[place], contracts.to_us[place]
        part = top.within(np.full(len(top), life[0]), np.full(len(top), life[1]))
        claims += by_owner(tree, part, (SubjectKind.PARK,), first_row=len(rows))
        rows = rows.followed_by(part)
    return claimed(tree, rows, claims, subjects)


def _use_of_contract(scene: Scene, drawn: Coincident) -> FloatArray:
    """Apparent power over what is contracted when the block begins."""
    members, contracts = drawn.members, _contracts(scene.registry)
    ids = np.array([subject.id for subject in scene.subjects], dtype=np.int64)[members.subject]
    is_park = np.array([subject.kind is SubjectKind.PARK for subject in scene.subjects])[members.subject]
    owner = np.where(is_park, _operator(scene.registry), ids)
    blocks = len(drawn.begins)
    kva = contracts.kva_at(np.repeat(owner, blocks), np.tile(drawn.begins, len(owner)))
    return _kva(scene, drawn) / kva.reshape(len(owner), blocks)


def _contract_terms(scene: Scene, block: Block, members: Members) -> Made:
    return peak_terms(scene, _apparent_blocks(scene, block, members), members, _use_of_contract)


CONTRACT_USE = Family(members=_contracted, terms=_contract_terms, also=_reactive_channels)


def _excess_terms(scene: Scene, block: Block, members: Members) -> Made:
    """Those of the power factor, then the reactive energy that is free, by the tariff of each row's tenant."""
    made = POWER_FACTOR.terms(scene, block, members)
    lagging = lay(scene, members.rows, beside(scene.tree, members.meter, "energy_reactive_lagging"))
    active, _ = paired(block, lagging)
    free = active.scaled(_tangents(scene, members, active))
    some = ~np.isnan(made.terms[..., 0])
    made.terms[..., 4] = np.where(some, members.summed(free.summed(free.amount, scene.atoms))[:, 0], np.nan)
    return made


def _tangents(scene: Scene, members: Members, block: Block) -> FloatArray:
    """(k,) what is free per active energy in the interval of each entry."""
    contracts = Contracts.of(scene.registry)
    otherwise = free_tangent(LEAST_POWER_FACTOR)
    by_tariff = [
        clock.mean(lambda tariff: free_tangent(tariff.pf_min), scene.cells, otherwise=otherwise)
        for clock in contracts.clocks(scene.registry, scene.cells)
    ]
    # The last line is that of whoever has no tariff, whose position is -1.
    table = np.stack([*by_tariff, np.full(len(scene.cells) - 1, otherwise)])
    tenant = scene.tree.tenant_id[members.meter].astype(np.int64)
    return table[contracts.tariff_at(tenant[block.row], block.start_us), block.cell]


REACTIVE_EXCESS = Family(members=POWER_FACTOR.members, terms=_excess_terms, also=POWER_FACTOR.also)
