"""Energy: entries of the catalogue."""

from domain.registry import Registry
from kpi.definition import Kpi

__all__ = ["energy_kpis"]


def energy_kpis(_: Registry) -> tuple[Kpi, ...]:
    """The KPIs of a park."""
    return ()
