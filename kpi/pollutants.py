"""What is made of pollutant loads and the volumes beside them: mean concentrations, and what a treatment plant removes."""

import numpy as np

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import Kind, MeterRole, Registry
from domain.time import IntArray
from kpi.block import Block, Scene
from kpi.definition import Family, Kpi, Made, padded
from kpi.intake import no_rows
from kpi.laying import lay
from kpi.measures import LOADS, by_owner, hours_of, paired, without_peak
from kpi.members import Claims, Members, claimed
from kpi.pairs import pair_terms
from kpi.tree import Tree, rows_where

__all__ = ["MEAN_CONCENTRATION", "REMOVAL", "input_hours"]

_CONCENTRATION, _FLOW = 0, 1


def _inputs(tree: Tree, members: Members) -> IntArray:
    return tree.places(tree.inputs[members.rows.channel].ravel())


def input_hours(scene: Scene, members: Members, *channels: IntArray) -> FloatArray:
    """(t, a) hours over which some channels beside the members' were measured, all added up, so that days are made of hours. [h]"""
    hours = np.zeros((len(members.kpi), len(scene.atoms) - 1))
    for channel in channels:
        side = lay(scene, members.rows, channel)
        hours += members.summed(side.summed(side.measured_s, scene.atoms))[:, 0] / 3600
    return hours


def _mean_terms(scene: Scene, block: Block, members: Members) -> Made:
    """
    Load and volume of the base intervals in which both are known from end to end.

    (load, volume, hours entered, hours expected, hours in which the two inputs were measured, together or not).
    """
    atoms, inputs = scene.atoms, scene.tree.inputs[members.rows.channel]
    sides = [scene.tree.places(inputs[:, column]) for column in (_CONCENTRATION, _FLOW)]
    flow = lay(scene, members.rows, sides[_FLOW])
    load, volume = paired(block, flow)
    some = members.summed(load.summed(np.ones(len(load.row)), atoms))[:, 0] > 0
    sums = [np.where(some, members.summed(one.summed(one.amount, atoms))[:, 0], np.nan) for one in (load, volume)]
    hours = hours_of(scene, members, load.summed(load.covered_s, atoms))
    flags = members.joined(block.joined(atoms) | flow.joined(atoms))
    return without_peak(padded(*sums, *hours, input_hours(scene, members, *sides)), flags)


MEAN_CONCENTRATION = Family(members=LOADS.members, terms=_mean_terms, also=_inputs)


def _removal(_: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]) -> Members | None:
    """Loads of the park's outlets over those of its inlets."""
    product, role = tree.kind == Kind.PRODUCT.value, tree.role[tree.meter]
    rows = no_rows(tree)
    claims: tuple[Claims, ...] = ()
    for place, kpi in enumerate(kpis):
        of_pollutant = product & (tree.quantity == f"load_{kpi.of}")
        for side, wanted in enumerate((MeterRole.OUTLET, MeterRole.INLET)):
            part = rows_where(tree, of_pollutant & (role == wanted.value))
            claims += tuple(
                Claims(kpi=one.kpi, kind=one.kind, owner=one.owner, row=one.row, side=side)
                for one in by_owner(tree, part, (SubjectKind.PARK,), place, len(rows))
            )
            rows = rows.followed_by(part)
    return claimed(tree, rows, claims, subjects, sides=2)


REMOVAL = Family(members=_removal, terms=pair_terms)
