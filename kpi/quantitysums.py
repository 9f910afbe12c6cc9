"""Amounts of single quantities, for formulas: `A_<quantity>` is their sum over a subject's topmost meters."""

from domain.frames import Subject, SubjectKind
from domain.quantities import QUANTITIES
from domain.registry import Kind, MeterRole, Registry
from kpi import formulas
from kpi.definition import Family, Gate, Kpi, Term
from kpi.measures import by_owner, sum_terms
from kpi.members import Members, claimed
from kpi.shares import coverage
from kpi.tree import Tree, rows_where, topmost

__all__ = ["quantity_sums"]

_ROLES = {
    "energy_generation": (MeterRole.GENERATION, MeterRole.GENERATION),
    "energy_export": (MeterRole.EXPORT, MeterRole.EXPORT),
    "water_reuse": (MeterRole.REUSE, MeterRole.REUSE),
    "effluent_volume": (MeterRole.DISCHARGE, MeterRole.OUTLET),
    "effluent_flow": (MeterRole.DISCHARGE, MeterRole.OUTLET),
}
"""Role of the meters that count for a tenant and for the park, where it is not `use`."""


def quantity_sums(registry: Registry) -> tuple[Kpi, ...]:
    """A sum for each quantity that the park's meters add up, by key `A_<quantity>`; products are sums of their own already."""
    found = sorted(
        {channel.quantity for channel in registry.channels if channel.kind not in {Kind.PRODUCT, Kind.EVENT}}
    )
    units = {key: _unit(key) for key in found}
    return tuple(_sum(key, unit) for key, unit in units.items() if unit is not None)


def _unit(quantity: str) -> str | None:
    about = QUANTITIES.get(quantity)
    return None if about is None else about.unit if about.stock else about.integral


def _sum(quantity: str, unit: str) -> Kpi:
    of_tenant, of_park = _ROLES.get(quantity, (MeterRole.USE, MeterRole.USE))

    def members(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
        own = rows_where(tree, tree.quantity == quantity)
        tenants = topmost(tree, own, of_tenant, within_tenant=True)
        park = topmost(tree, own, of_park, within_tenant=True)
        rows = own.followed_by(tenants).followed_by(park)
        claims = (
            *by_owner(tree, own, (SubjectKind.METER,)),
            *by_owner(tree, tenants, (SubjectKind.TENANT,), first_row=len(own)),
            *by_owner(tree, park, (SubjectKind.PARK,), first_row=len(own) + len(tenants)),
        )
        return claimed(tree, rows, claims, subjects)

    return Kpi(
        key=f"A_{quantity}",
        title=QUANTITIES[quantity].title,
        unit=unit,
        formula=f"sum of A({quantity}) over the topmost {of_tenant} meters",
        terms=(Term(key="measured", unit=unit), Term(key="estimated", unit=unit)),
        family=Family(members=members, terms=sum_terms, coverage=coverage),
        figures=formulas.amount,
        gate=Gate.TOTAL,
        subjects=frozenset(SubjectKind),
    )
