"""Who uses which energy: the meters of electricity, gas, diesel and steam behind each subject, and the part each plays.

Places are taken from the tree. What a generation meter makes below a `use` meter of its own tenant never passes that meter,
so it adds to the tenant's use, and what the `use` meter exports is taken from it. What is generated elsewhere feeds the
park's network, and is used where the tenants' meters say.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from domain.frames import Subject
from domain.registry import MeterRole
from domain.time import IntArray
from kpi.measures import ALONE, SUMMED, by_owner
from kpi.members import Members, claimed
from kpi.tree import Rows, Tree, beside, carriers, rows_where, topmost

__all__ = ["METERED_FUELS", "Carrier", "Electricity", "carrier_members", "carriers_of"]

BoolArray = NDArray[np.bool_]

METERED_FUELS = ("gas", "diesel")
"""Fuels that have a quantity of their own, in the unit of their entered series."""


class Carrier(IntEnum):
    """What a row carries, and which way."""

    IMPORT = 0
    """Electricity taken by a use meter."""
    GENERATION = 1
    """Electricity made below a use meter of the same tenant."""
    EXPORT = 2
    """Electricity given back by a tenant."""
    FED_IN = 3
    """Electricity generated at the park's own network."""
    SOLD = 4
    """Electricity given from the park to the grid."""
    SUPPLY = 5
    """Electricity from the grid to the park."""
    GAS = 6
    DIESEL = 7
    STEAM = 8


def _below(tree: Tree, flagged: BoolArray) -> BoolArray:
    """(m,) whether a flagged meter of the same tenant stands above each meter."""
    above, found = tree.parent, np.zeros(len(tree.meter_id), dtype=np.bool_)
    # As many steps as the tree is deep; its meters bound them should a registry ever hold a ring.
    for _ in range(len(tree.meter_id)):
        if not (above >= 0).any():
            break
        found |= (above >= 0) & flagged[above] & (tree.tenant_id[above] == tree.tenant_id)
        above = np.where(above >= 0, tree.parent[above], -1)
    return found


def _exporting(tree: Tree, rows: Rows) -> Rows:
    """The exports of the meters of some rows, as long as those count."""
    other = beside(tree, tree.meter[rows.channel], "energy_export")
    rows, other = rows.taken(other >= 0), other[other >= 0]
    exports = Rows(channel=other, from_us=rows.from_us, to_us=rows.to_us, rule=rows.rule)
    return exports.within(tree.from_us[other], tree.to_us[other])


def _marked(tree: Tree, rows: Rows) -> BoolArray:
    marked = np.zeros(len(tree.meter_id), dtype=np.bool_)
    marked[tree.meter[rows.channel]] = True
    return marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Electricity:
    """The rows of a park's electricity by the part they play."""

    imports: Rows
    """Of the topmost use meters."""
    generation: Rows
    """Below those."""
    exported: Rows
    """By those, or by meters for exports below them."""
    supply: Rows
    """Of the topmost bulk meters."""
    fed_in: Rows
    """Generation that stands below no use meter."""
    sold: Rows
    """Exports by bulk meters, or by meters for exports that stand below no use meter."""

    @classmethod
    def of(cls, tree: Tree) -> "Electricity":
        """Those of a park."""
        own = carriers(tree, "energy_import", "power")
        imports = topmost(tree, own, MeterRole.USE, within_tenant=True)
        supply = topmost(tree, own, MeterRole.SUPPLY, within_tenant=False)
        behind = _below(tree, _marked(tree, imports))
        made = topmost(tree, carriers(tree, "energy_generation", "power"), MeterRole.GENERATION, within_tenant=True)
        exported, sold = _exporting(tree, imports), _exporting(tree, supply)
        # A meter for exports says nothing new below one that shows exports itself.
        shown = _below(tree, _marked(tree, exported) | _marked(tree, sold))
        alone = topmost(tree, carriers(tree, "energy_export", "energy_import"), MeterRole.EXPORT, within_tenant=True)
        alone = alone.taken(~shown[tree.meter[alone.channel]])
        makes_behind, gives_behind = behind[tree.meter[made.channel]], behind[tree.meter[alone.channel]]
        return cls(
            imports=imports,
            generation=made.taken(makes_behind),
            exported=exported.followed_by(alone.taken(gives_behind)),
            supply=supply,
            fed_in=made.taken(~makes_behind),
            sold=sold.followed_by(alone.taken(~gives_behind)),
        )

    @property
    def used(self) -> Rows:
        """What tenants take, make behind their meters, and give back."""
        return self.imports.followed_by(self.generation).followed_by(self.exported)


def carriers_of(tree: Tree, rows: Rows) -> IntArray:
    """(r,) the :class:`Carrier` of each row; not to be written to. Found once for each registry and channels."""
    key = ("carriers", rows.channel.tobytes())
    if key not in tree.found:
        tree.found[key] = _carriers_of(tree, rows)
    found: IntArray = tree.found[key]
    return found


def _carriers_of(tree: Tree, rows: Rows) -> IntArray:
    meter = tree.meter[rows.channel]
    role, quantity = tree.role[meter], tree.quantity[rows.channel]
    imports = topmost(tree, carriers(tree, "energy_import", "power"), MeterRole.USE, within_tenant=True)
    behind = _below(tree, _marked(tree, imports))[meter] | (role == MeterRole.USE.value)
    carrier = np.full(len(rows), int(Carrier.IMPORT))
    carrier[role == MeterRole.SUPPLY.value] = Carrier.SUPPLY
    makes = role == MeterRole.GENERATION.value
    gives = (quantity == "energy_export") | (role == MeterRole.EXPORT.value)
    carrier[makes] = np.where(behind[makes], Carrier.GENERATION, Carrier.FED_IN)
    carrier[gives] = np.where(behind[gives], Carrier.EXPORT, Carrier.SOLD)
    for fuel in (Carrier.GAS, Carrier.DIESEL, Carrier.STEAM):
        carrier[quantity == fuel.name.lower()] = fuel
    return carrier


def carrier_members(
    only: frozenset[Carrier], tree: Tree, subjects: tuple[Subject, ...], *, alone: frozenset[Carrier] | None = None
) -> Members | None:
    """
    What carries energy to a tenant, to all tenants of the park, and to a meter by itself.

    Parameters
    ----------
    only : frozenset of Carrier
    tree : Tree
    subjects : tuple of Subject
    alone : frozenset of Carrier, optional
        Of meters by themselves; None: the same.
    """
    fuels = [rows_where(tree, tree.quantity == fuel) for fuel in (*METERED_FUELS, "steam")]
    rows, own = Electricity.of(tree).used, carriers(tree, "energy_import", "power")
    role = tree.role[tree.meter[own.channel]]
    own = own.taken((role != MeterRole.GENERATION.value) & (role != MeterRole.EXPORT.value))
    for fuel in fuels:
        rows, own = rows.followed_by(topmost(tree, fuel, MeterRole.USE, within_tenant=True)), own.followed_by(fuel)
    rows = rows.taken(np.isin(carriers_of(tree, rows), list(only)))
    own = own.taken(np.isin(carriers_of(tree, own), list(only if alone is None else alone)))
    claims = by_owner(tree, rows, SUMMED) + by_owner(tree, own, ALONE, first_row=len(rows))
    return claimed(tree, rows.followed_by(own), claims, subjects)
