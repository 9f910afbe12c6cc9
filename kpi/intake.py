"""Water by its source, and who takes it, gives it to the sewer, and to the river: which meters count for whom."""

from types import MappingProxyType

import numpy as np

from domain.frames import Subject, SubjectKind
from domain.registry import OPERATOR, MeterRole, Registry
from kpi.definition import Family, Kpi
from kpi.measures import ALONE, SUMMED, by_owner, deviations, sum_terms
from kpi.members import Claims, Members, claimed
from kpi.pairs import pair_terms
from kpi.shares import coverage
from kpi.tree import Rows, Tree, carriers, rows_where, topmost

__all__ = [
    "CONSUMPTION",
    "OUTFLOW",
    "RECLAIMED_SHARE",
    "REUSE_SHARE",
    "SOURCES",
    "WASTEWATER_RATIO",
    "WATER",
    "WATER_BALANCE",
    "discharged",
    "no_rows",
    "sided",
    "supplied",
    "used_from_network",
    "wastewater",
]

SOURCES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "network": ("water_in", "water_flow"),
        "surface": ("water_surface",),
        "ground": ("water_ground",),
        "rain": ("water_rain",),
        "reclaimed": ("water_reclaimed",),
    }
)
"""Sources of water, each with its quantity, and the one that stands in while a meter has none of it."""


def no_rows(tree: Tree) -> Rows:
    """No row at all."""
    return rows_where(tree, np.zeros(len(tree.channel_id), dtype=np.bool_))


def _intake(_: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]) -> Members | None:
    """
    The topmost `use` meters of each source for a tenant and the park, every meter by itself.

    A meter stands above another only with the same source: a well below a meter of the network is water of its own.
    """
    rows = no_rows(tree)
    claims: tuple[Claims, ...] = ()
    for source, quantities in SOURCES.items():
        own = carriers(tree, *quantities)
        top = topmost(tree, own, MeterRole.USE, within_tenant=True)
        for place, kpi in enumerate(kpis):
            if kpi.of in {"", source}:
                claims += by_owner(tree, top, SUMMED, place, len(rows))
                claims += by_owner(tree, own, ALONE, place, len(rows) + len(top))
        rows = rows.followed_by(top).followed_by(own)
    return claimed(tree, rows, claims, subjects)


WATER = Family(members=_intake, terms=sum_terms, coverage=coverage)
"""Of all sources; of one, where `of` names it."""


def _of_all_sources(tree: Tree) -> Rows:
    """What the topmost `use` meters take in, of every source."""
    rows = no_rows(tree)
    for quantities in SOURCES.values():
        rows = rows.followed_by(topmost(tree, carriers(tree, *quantities), MeterRole.USE, within_tenant=True))
    return rows


def supplied(tree: Tree) -> Rows:
    """What comes into the park's network: the topmost `supply` meters, of whatever source."""
    rows = no_rows(tree)
    for quantities in SOURCES.values():
        rows = rows.followed_by(carriers(tree, *quantities))
    return topmost(tree, rows, MeterRole.SUPPLY, within_tenant=False)


def used_from_network(tree: Tree) -> Rows:
    """What everybody takes out of the park's network."""
    return topmost(tree, carriers(tree, *SOURCES["network"]), MeterRole.USE, within_tenant=True)


Part = tuple[SubjectKind, int, Rows]
"""For whom, on which side, what."""


def sided(tree: Tree, parts: tuple[Part, ...], subjects: tuple[Subject, ...], *, sides: int = 2) -> Members | None:
    """Targets that have rows on every side: the rows are their owners', as far as they count for that kind of subject."""
    rows = no_rows(tree)
    claims: tuple[Claims, ...] = ()
    for kind, side, part in parts:
        claims += tuple(
            Claims(kpi=one.kpi, kind=one.kind, owner=one.owner, row=one.row, side=side)
            for one in by_owner(tree, part, (kind,), first_row=len(rows))
        )
        rows = rows.followed_by(part)
    return claimed(tree, rows, claims, subjects, sides=sides)


def _balance(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    """What comes into the park's network on one side, what everybody takes out of it on the other."""
    park = SubjectKind.PARK
    return sided(tree, ((park, 0, supplied(tree)), (park, 1, used_from_network(tree))), subjects)


WATER_BALANCE = Family(members=_balance, terms=sum_terms, coverage=coverage, deviations=deviations, shared=True)


def discharged(tree: Tree, role: MeterRole) -> Rows:
    """Volume past the topmost meters of a role: `discharge`, `inlet` or `outlet`."""
    own = carriers(tree, "effluent_volume", "effluent_flow")
    return topmost(tree, own, role, within_tenant=role is MeterRole.DISCHARGE)


def _owned_by(tree: Tree, rows: Rows) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return tree.tenant_id[tree.meter[rows.channel]]


def _of_both(tree: Tree, over: Rows, under: Rows) -> tuple[Rows, Rows]:
    """The rows of tenants that have some on both sides."""
    tenants = [_owned_by(tree, rows) for rows in (over, under)]
    both = np.intersect1d(tenants[0], tenants[1])
    return over.taken(np.isin(tenants[0], both)), under.taken(np.isin(tenants[1], both))


def _sides(tree: Tree) -> tuple[tuple[SubjectKind, Rows, Rows], ...]:
    """Intake and discharge: a tenant's to the sewer; the park's to the river, else those of tenants that meter both."""
    intake, outlets = _of_all_sources(tree), discharged(tree, MeterRole.OUTLET)
    of_tenants = _of_both(tree, intake, discharged(tree, MeterRole.DISCHARGE))
    of_park = (intake, outlets) if len(outlets) else of_tenants
    return (SubjectKind.TENANT, *of_tenants), (SubjectKind.PARK, *of_park)


def _consumption(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    parts = tuple(part for kind, intake, out in _sides(tree) for part in ((kind, 0, intake), (kind, 1, out)))
    return sided(tree, parts, subjects)


def _wastewater_ratio(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    parts = tuple(part for kind, intake, out in _sides(tree) for part in ((kind, 0, out), (kind, 1, intake)))
    return sided(tree, parts, subjects)


CONSUMPTION = Family(members=_consumption, terms=sum_terms, coverage=coverage, deviations=deviations)
WASTEWATER_RATIO = Family(members=_wastewater_ratio, terms=pair_terms)


def _outflow(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    parts = (
        (SubjectKind.TENANT, 0, discharged(tree, MeterRole.DISCHARGE)),
        (SubjectKind.PARK, 0, discharged(tree, MeterRole.OUTLET)),
    )
    return sided(tree, parts, subjects, sides=1)


OUTFLOW = Family(members=_outflow, terms=sum_terms, coverage=coverage)
"""Effluent: a tenant's to the sewer, the park's to the river."""


def wastewater(tree: Tree) -> Rows:
    """What reaches the park's treatment plant: its inlets, else what tenants give to the sewer."""
    inlets = discharged(tree, MeterRole.INLET)
    return inlets if len(inlets) else discharged(tree, MeterRole.DISCHARGE)


def _reuse_share(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    """
    What is reused, over the wastewater it is taken from.

    What a firm reuses does not pass its meter to the sewer, so a firm's wastewater is both together. The operator reuses
    what has reached the plant, so it is part of that already.
    """
    reused = topmost(tree, carriers(tree, "water_reuse"), MeterRole.REUSE, within_tenant=True)
    operator = [tenant.id for tenant in registry.tenants if tenant.key == OPERATOR]
    by_firms = reused.taken(~np.isin(_owned_by(tree, reused), operator))
    tenant, park = SubjectKind.TENANT, SubjectKind.PARK
    sewered, arriving = discharged(tree, MeterRole.DISCHARGE), wastewater(tree)
    over, sewer = _of_both(tree, by_firms, sewered)
    parts: tuple[Part, ...] = ((tenant, 0, over), (tenant, 1, sewer), (tenant, 1, over))
    if len(arriving):
        parts += ((park, 0, reused), (park, 1, arriving), (park, 1, by_firms))
    return sided(tree, parts, subjects)


def _reclaimed_share(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    reclaimed = topmost(tree, carriers(tree, *SOURCES["reclaimed"]), MeterRole.USE, within_tenant=True)
    intake = _of_all_sources(tree)
    return sided(
        tree, tuple((kind, side, rows) for kind in SUMMED for side, rows in ((0, reclaimed), (1, intake))), subjects
    )


REUSE_SHARE = Family(members=_reuse_share, terms=pair_terms)
RECLAIMED_SHARE = Family(members=_reclaimed_share, terms=pair_terms)
