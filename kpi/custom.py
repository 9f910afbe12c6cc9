"""User-defined formulas: entries of the catalogue."""

from domain.registry import Registry
from kpi.definition import Kpi

__all__ = ["custom_kpis"]


def custom_kpis(_: Registry) -> tuple[Kpi, ...]:
    """The KPIs of a park."""
    return ()
