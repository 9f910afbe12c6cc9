"""Samples: what watches are held against, from readings, amounts, KPIs, findings, ticks and measurements of this system."""

from service.engine.signals.collect import samples_of
from service.engine.signals.reached import wanted

__all__ = ["samples_of", "wanted"]
