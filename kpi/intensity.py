"""Intensity: amounts per output, turnover, area, employee: entries of the catalogue."""

from domain.registry import Registry
from kpi.definition import Kpi

__all__ = ["intensity_kpis"]


def intensity_kpis(_: Registry) -> tuple[Kpi, ...]:
    """The KPIs of a park."""
    return ()
