"""What the park takes from the grid and generates, against what its tenants take: electricity supplied, and its balance."""

import numpy as np

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import Registry
from kpi.block import Block, Scene
from kpi.carriers import Carrier, Electricity, carriers_of
from kpi.definition import Family, Kpi, Made
from kpi.measures import by_owner, deviations, sum_terms
from kpi.members import Claims, Members, claimed
from kpi.shares import coverage
from kpi.tree import Rows, Tree

__all__ = ["ELECTRICITY_BALANCE", "ELECTRICITY_SUPPLY"]

_GIVEN_BACK = (Carrier.EXPORT, Carrier.SOLD)


def _supplied(electricity: Electricity) -> Rows:
    return electricity.supply.followed_by(electricity.fed_in).followed_by(electricity.sold)


def _sides(tree: Tree, sides: tuple[Rows, ...], subjects: tuple[Subject, ...]) -> Members | None:
    rows, claims = sides[0], by_owner(tree, sides[0], (SubjectKind.PARK,))
    for side, part in enumerate(sides[1:], start=1):
        claims += tuple(
            Claims(kpi=one.kpi, kind=one.kind, owner=one.owner, row=one.row, side=side)
            for one in by_owner(tree, part, (SubjectKind.PARK,), first_row=len(rows))
        )
        rows = rows.followed_by(part)
    return claimed(tree, rows, claims, subjects, sides=len(sides))


def _supply(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    return _sides(tree, (_supplied(Electricity.of(tree)),), subjects)


def _balance(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    electricity = Electricity.of(tree)
    return _sides(tree, (_supplied(electricity), electricity.imports.followed_by(electricity.exported)), subjects)


def _signed(scene: Scene, members: Members, block: Block) -> Block:
    given = np.isin(carriers_of(scene.tree, members.rows), _GIVEN_BACK)
    return block.scaled(np.where(given, -1.0, 1.0)[block.row])


def _terms(scene: Scene, block: Block, members: Members) -> Made:
    return sum_terms(scene, _signed(scene, members, block), members)


def _deviations(scene: Scene, block: Block, members: Members) -> FloatArray:
    return deviations(scene, _signed(scene, members, block), members)


ELECTRICITY_SUPPLY = Family(members=_supply, terms=_terms, coverage=coverage)
ELECTRICITY_BALANCE = Family(members=_balance, terms=_terms, coverage=coverage, deviations=_deviations, shared=True)
