"""How each family of KPIs finds its members and makes its terms out of base amounts."""

from dataclasses import replace

import numpy as np

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import Kind, MeterRole, Registry
from domain.time import IntArray
from kpi.block import Block, Scene, known_terms
from kpi.definition import Family, Kpi, Made, padded
from kpi.demand import demand_terms
from kpi.laying import lay
from kpi.members import Claims, Members, claimed
from kpi.shares import coverage, spread, unlike_columns
from kpi.tree import Rows, Tree, beside, carriers, rows_where, topmost

__all__ = [
    "ALONE",
    "DEMAND",
    "ELECTRICITY",
    "LOADS",
    "POWER_FACTOR",
    "SUMMED",
    "by_owner",
    "deviations",
    "hours_of",
    "paired",
    "reactive_rows",
    "sum_terms",
    "without_peak",
]


def by_owner(
    tree: Tree, rows: Rows, kinds: tuple[SubjectKind, ...], kpi: int = 0, first_row: int = 0
) -> tuple[Claims, ...]:
    """Every row belongs to its meter, its tenant and the park, as far as those kinds are asked for."""
    meter = tree.meter[rows.channel]
    owners = {
        SubjectKind.METER: tree.meter_id[meter],
        SubjectKind.TENANT: tree.tenant_id[meter],
        SubjectKind.PARK: np.full(len(rows), tree.park_id, dtype=np.int32),
    }
    row = np.arange(first_row, first_row + len(rows))
    return tuple(Claims(kpi=np.full(len(rows), kpi), kind=kind, owner=owners[kind], row=row) for kind in kinds)


SUMMED = (SubjectKind.TENANT, SubjectKind.PARK)
"""Who has meters of its own, or of its tenants."""
ALONE = (SubjectKind.METER,)
"""A meter by itself, whatever its role."""


def _used(tree: Tree, subjects: tuple[Subject, ...], own: Rows) -> Members | None:
    """A tenant's topmost `use` meters, the park's union of those, and every meter by itself whatever its role."""
    top = topmost(tree, own, MeterRole.USE, within_tenant=True)
    claims = by_owner(tree, top, SUMMED) + by_owner(tree, own, ALONE, first_row=len(top))
    return claimed(tree, top.followed_by(own), claims, subjects)


def _electricity(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    return _used(tree, subjects, carriers(tree, "energy_import", "power"))


def without_peak(terms: FloatArray, flags: IntArray) -> Made:
    """Terms none of which is a peak."""
    return Made(terms=terms, peak_at_us=np.zeros(terms.shape[:2], dtype=np.int64), flags=flags)


def sum_terms(scene: Scene, block: Block, members: Members) -> Made:
    """Measured and estimated part of each side."""
    parts = known_terms(block, members, scene.atoms)
    terms = [parts[:, side, :, part] for side in range(members.sides) for part in range(2)]
    return without_peak(padded(*terms), members.joined(block.joined(scene.atoms)))


ELECTRICITY = Family(members=_electricity, terms=sum_terms, coverage=coverage)


DEMAND = Family(members=_electricity, terms=demand_terms, shared=True)


def _with_reactive(tree: Tree, rows: Rows) -> Rows:
    """Active energy registers whose meter has lagging reactive energy beside it, while it has both."""
    rows = rows.taken(tree.quantity[rows.channel] == "energy_import")
    other = beside(tree, tree.meter[rows.channel], "energy_reactive_lagging")
    rows, other = rows.taken(other >= 0), other[other >= 0]
    return rows.within(tree.from_us[other], tree.to_us[other])


def reactive_rows(tree: Tree) -> Rows:
    """Active energy of the topmost use meters, while they have lagging reactive energy beside it."""
    own = carriers(tree, "energy_import", "power")
    return _with_reactive(tree, topmost(tree, own, MeterRole.USE, within_tenant=True))


def _power_factor(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    top, own = reactive_rows(tree), _with_reactive(tree, carriers(tree, "energy_import", "power"))
    claims = by_owner(tree, top, SUMMED) + by_owner(tree, own, ALONE, first_row=len(top))
    return claimed(tree, top.followed_by(own), claims, subjects)


def paired(block: Block, other: Block) -> tuple[Block, Block]:
    """The entries of two channels of the same rows whose interval was measured from end to end on both, in one order."""
    if block.is_dense and other.is_dense and block.shape == other.shape:
        together = block.whole & other.whole
        return block.only(together), other.only(together)
    cells = block.shape[1]
    places = [np.flatnonzero(one.whole) for one in (block, other)]
    keys = [one.row[place] * cells + one.cell[place] for one, place in zip((block, other), places, strict=True)]
    _, first, second = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
    return block.only(places[0][first]), other.only(places[1][second])


def hours_of(
    scene: Scene, members: Members, entered_s: FloatArray, due_s: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """
    How long the members of each target counted, weighted by what they usually amount to, and how long they should have.

    Parameters
    ----------
    scene : Scene
    members : Members
        With one side.
    entered_s : float64 (r, a) [s]
        Time over which each row entered.
    due_s : float64 (r, a), optional [s]
        Time over which it should have; None: its life, up to the tick.

    Returns
    -------
    float64 (t, a), float64 (t, a) [h]
    """
    atoms = scene.atoms
    due_s = scene.expected_s(members.rows, atoms) if due_s is None else due_s
    usual = scene.weights_of(members, atoms)
    weight = spread(members, usual, due_s)
    some, which = unlike_columns(usual, due_s)
    seconds = due_s[:, some][members.pair_row]
    due = np.add.reduceat(weight[:, some] * seconds, members.first, axis=0)[:, which]
    hours = np.maximum.reduceat(seconds, members.first, axis=0)[:, which] / 3600
    entered = due
    if not (entered_s >= due_s).all():
        counted = members.of_pairs(np.minimum(entered_s, due_s))
        entered = np.add.reduceat(weight * counted, members.first, axis=0)
    share = np.zeros(due.shape)
    np.divide(entered, due, out=share, where=due > 0)
    return hours * np.minimum(share, 1.0), hours


def _power_factor_terms(scene: Scene, block: Block, members: Members) -> Made:
    """Active and lagging reactive energy of the intervals that have both: (E_P, E_Q, hours entered, hours expected)."""
    key = ("power factor", id(block), members.named)
    if key not in scene.noted:
        scene.noted[key] = block, _factor_terms(scene, block, members)
    made: Made = scene.noted[key][1]
    # Others write what they have of their own beside it.
    return replace(made, terms=made.terms.copy())


def _factor_terms(scene: Scene, block: Block, members: Members) -> Made:
    reactive = lay(scene, members.rows, _reactive(scene.tree, members))
    atoms = scene.atoms
    active, lagging = paired(block, reactive)
    some = members.summed(active.summed(np.ones(len(active.row)), atoms))[:, 0] > 0
    energies = [
        np.where(some, members.summed(one.summed(one.amount, atoms))[:, 0], np.nan) for one in (active, lagging)
    ]
    entered, expected = hours_of(scene, members, active.summed(active.covered_s, atoms))
    flags = members.joined(block.joined(atoms) | reactive.joined(atoms))
    return without_peak(padded(*energies, entered, expected), flags)


def _reactive(tree: Tree, members: Members) -> IntArray:
    return beside(tree, members.meter, "energy_reactive_lagging")


POWER_FACTOR = Family(members=_power_factor, terms=_power_factor_terms, also=_reactive)


def deviations(scene: Scene, block: Block, members: Members) -> FloatArray:
    """sqrt(sum (eps_k V_k)^2) of each side; a meter's error has one sign all along, so V is taken over the level."""
    volumes = block.summed(np.where(np.isnan(block.amount), 0.0, block.amount), scene.periods)
    errors = volumes * scene.tree.error_share[members.meter][:, None]
    return np.sqrt(members.summed(errors**2))


def _products(_: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]) -> Members | None:
    """Loads of a tenant's meters to the sewer, of the park's outlets to the river, and of every meter by itself."""
    own = rows_where(
        tree, (tree.kind == Kind.PRODUCT.value) & np.isin(tree.quantity, [f"load_{kpi.of}" for kpi in kpis])
    )
    claims: list[Claims] = []
    role, quantity = tree.role[tree.meter[own.channel]], tree.quantity[own.channel]
    asked = np.array([f"load_{kpi.of}" for kpi in kpis])
    order = np.argsort(asked)
    kpi = order[np.searchsorted(asked[order], quantity)] if len(own) else np.zeros(0, dtype=np.int64)
    for kind, part in (
        (SubjectKind.METER, np.ones(len(own), dtype=np.bool_)),
        (SubjectKind.TENANT, role == MeterRole.DISCHARGE.value),
        (SubjectKind.PARK, role == MeterRole.OUTLET.value),
    ):
        claims.extend(
            Claims(kpi=kpi[part], kind=claim.kind, owner=claim.owner[part], row=claim.row[part])
            for claim in by_owner(tree, own, (kind,))
        )
    return claimed(tree, own, tuple(claims), subjects)


def _product_terms(scene: Scene, block: Block, members: Members) -> Made:
    """The load, and the hours in which one of its two inputs was measured, whether they met or not."""
    made = sum_terms(scene, block, members)
    inputs = scene.tree.inputs[members.rows.channel]
    hours = np.zeros(made.terms.shape[:2])
    for column in range(inputs.shape[1]):
        side = lay(scene, members.rows, scene.tree.places(inputs[:, column]))
        hours = np.maximum(hours, members.summed(side.summed(side.measured_s, scene.atoms))[:, 0] / 3600)
    made.terms[..., 2] = hours
    return made


def _inputs(tree: Tree, members: Members) -> IntArray:
    return tree.places(tree.inputs[members.rows.channel].ravel())


LOADS = Family(members=_products, terms=_product_terms, coverage=coverage, also=_inputs, by_hours=False)
