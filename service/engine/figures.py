"""Which KPIs of two frames differ."""

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from domain.frames import KpiFrame
from domain.time import IntArray

__all__ = ["changed_figures"]

_KEY = ("kpi", "subject_kind", "subject_id", "start_us")
_FIGURES = tuple(column.name for column in fields(KpiFrame) if column.name not in {*_KEY, "level"})


def changed_figures(before: KpiFrame, after: KpiFrame) -> IntArray | None:
    """Rows of a frame that are not as they were before; None: they are not of the same KPIs, subjects and intervals."""
    if any(_differs(before, after, name).any() for name in _KEY):
        return None
    return np.flatnonzero(np.any([_differs(before, after, name) for name in _FIGURES], axis=0))


def _differs(before: KpiFrame, after: KpiFrame, name: str) -> NDArray[np.bool_]:
    """(n,) where a column of two frames differs; all of it where they differ in length."""
    one, other = getattr(before, name), getattr(after, name)
    if one.shape != other.shape:
        return np.ones(max(len(one), 1), dtype=np.bool_)
    differs = one != other
    if one.dtype.kind == "f":
        differs &= ~(np.isnan(one) & np.isnan(other))
    return np.asarray(differs.reshape(len(one), -1).any(axis=1))
