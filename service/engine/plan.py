"""What follows from the registry of a park, made once for each of its versions."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from domain.frames import SmallArray, Subject, SubjectKind
from domain.quantities import QUANTITIES
from domain.registry import Park, Registry
from domain.time import IntArray, Level
from kpi.catalogue import for_registry
from kpi.coarse import boundaries_of
from kpi.compute import from_hours, member_channels
from kpi.definition import Kpi
from kpi.table import ChannelTable
from kpi.tree import Tree

__all__ = ["Plan"]


class Plan:
    """What follows from a registry at one version, however far its park is ticked."""

    def __init__(self, registry: Registry) -> None:
        """Nothing is made before it is asked for."""
        self._registry = registry

    @property
    def park(self) -> Park:
        """As it is now."""
        return self._registry.park

    @property
    def registry(self) -> Registry:
        """Its park as it is now."""
        return self._registry

    def turn(self, park: Park) -> None:
        """The park is ticked further."""
        if park != self._registry.park:
            self._registry = replace(self._registry, park=park)

    @cached_property
    def tree(self) -> Tree:
        """Its meters and channels in columns."""
        return Tree.of(self._registry)

    @cached_property
    def table(self) -> ChannelTable:
        """Its channels as amounts need them."""
        return ChannelTable.of(self._registry)

    @cached_property
    def kpis(self) -> tuple[Kpi, ...]:
        """Its whole catalogue."""
        return for_registry(self._registry)

    @cached_property
    def with_peers(self) -> SmallArray:
        """Channels that stand in sums with others of the park: those whose amounts are in the same unit."""
        by_unit: dict[str, list[int]] = {}
        for channel in self._registry.channels:
            unit = QUANTITIES[channel.quantity].integral or channel.unit
            by_unit.setdefault(unit, []).append(channel.id)
        return np.array([one for ids in by_unit.values() if len(ids) > 1 for one in ids], dtype=np.int32)

    @cached_property
    def by_hours(self) -> tuple[tuple[Kpi, ...], tuple[Kpi, ...]]:
        """The KPIs whose days follow from their hours, and the others that are made for days."""
        daily = [kpi for kpi in self.kpis if kpi.made_at(Level.DAY)]
        return tuple(kpi for kpi in daily if from_hours(kpi)), tuple(kpi for kpi in daily if not from_hours(kpi))

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """The park and its tenants: those whose KPIs are stored."""
        tenants = (Subject(kind=SubjectKind.TENANT, id=tenant.id) for tenant in self._registry.tenants)
        return (Subject(kind=SubjectKind.PARK, id=self.park.id), *tenants)

    @cached_property
    def members(self) -> SmallArray:
        """The channels that those KPIs are made of, in order."""
        return member_channels(self._registry, self.subjects, self.kpis, tree=self.tree)

    @cached_property
    def boundaries(self) -> IntArray:
        """See :func:`kpi.coarse.boundaries_of`. [us UTC]"""
        return boundaries_of(self._registry, self.tree)
