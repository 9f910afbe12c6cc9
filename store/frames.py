"""Frames as parameters of a query, and back from its columns; shared by the engine's side and the API's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.frames import AmountFrame, KpiFrame
from domain.time import IntArray, Level, level_edges
from store.arrays import Column, Element, floats, instants, integers, smallints

__all__ = [
    "AMOUNT_ELEMENTS",
    "KPI_ELEMENTS",
    "StoredAmounts",
    "StoredKpis",
    "amount_columns",
    "final_rows",
    "kpi_columns",
    "numbered_keys",
    "stored_amounts",
    "stored_kpis",
]

_INT, _SMALL, _TIME, _REAL = Element.INTEGER, Element.SMALLINT, Element.INSTANT, Element.FLOAT

_AMOUNT_KINDS = {
    "channel_id": _INT,
    "start_us": _TIME,
    "amount": _REAL,
    "mean": _REAL,
    "low": _REAL,
    "high": _REAL,
    "last": _REAL,
    "peak": _REAL,
    "peak_at_us": _TIME,
    "measured_s": _REAL,
    "estimated": _REAL,
    "inner_gap_s": _REAL,
    "gap_s": _REAL,
    "gap_stop_us": _TIME,
    "slots": _INT,
    "received": _INT,
    "unusable": _INT,
    "flags": _INT,
}
AMOUNT_ELEMENTS = (*_AMOUNT_KINDS.values(), _INT, _TIME)
"""What `amounts_read` answers."""

_TERMS = 8
_KPI_KINDS = {
    "measured": _REAL,
    "value": _REAL,
    "estimate": _REAL,
    "error": _REAL,
    "profile_coverage": _REAL,
    "total_coverage": _REAL,
    "estimated_share": _REAL,
    "peak_at_us": _TIME,
    "reason": _SMALL,
    "flags": _INT,
}
KPI_ELEMENTS = (
    _INT,
    _SMALL,
    _INT,
    _TIME,
    *(_REAL for _ in range(_TERMS)),
    *_KPI_KINDS.values(),
    _INT,
    _TIME,
    _SMALL,
    _INT,
)
"""What `kpis_read` answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAmounts:
    """Amounts, and per row how often and when they were made."""

    frame: AmountFrame
    revision: NDArray[np.int32]
    """How often the row changed after it was final."""
    computed_at_us: IntArray
    """[us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKpis:
    """KPIs, and per row how often, when, by which formula and on which registry they were made."""

    frame: KpiFrame
    revision: NDArray[np.int32]
    """How often the row changed after it was final."""
    computed_at_us: IntArray
    """[us UTC]"""
    formula_version: NDArray[np.int16]
    registry_version: NDArray[np.int32]


def _parameter(values: NDArray[Any], element: Element) -> Column:
    return floats(values) if element is _REAL else Column(values, element)


def amount_columns(frame: AmountFrame) -> dict[str, Column]:
    """The columns of a frame as parameters, named as in `amounts_write`."""
    return {
        name.removesuffix("_us"): _parameter(getattr(frame, name), element) for name, element in _AMOUNT_KINDS.items()
    }


def stored_amounts(level: Level, columns: Sequence[NDArray[Any]]) -> StoredAmounts:
    """What `amounts_read` answered."""
    *own, revision, computed_at_us = columns
    frame = AmountFrame(level=level, **dict(zip(_AMOUNT_KINDS, own, strict=True)))
    return StoredAmounts(frame=frame, revision=revision, computed_at_us=computed_at_us)


def numbered_keys(frame: KpiFrame) -> tuple[list[str], NDArray[np.int32]]:
    """The KPI keys of a frame, each once, and per row the number of its own, from 1 on."""
    keys, number = np.unique(frame.kpi, return_inverse=True)
    return [str(key) for key in keys], (number + 1).astype(np.int32)


def kpi_columns(frame: KpiFrame, number: NDArray[np.int32]) -> dict[str, Column]:
    """The columns of a frame as parameters, named as in `kpis_write`."""
    return {
        "key": integers(number),
        "subject_kind": smallints(frame.subject_kind),
        "subject_id": integers(frame.subject_id),
        "start": instants(frame.start_us),
        **{f"t{place + 1}": floats(frame.terms[:, place]) for place in range(_TERMS)},
        **{name.removesuffix("_us"): _parameter(getattr(frame, name), element) for name, element in _KPI_KINDS.items()},
    }


def stored_kpis(level: Level, keys: Sequence[str], columns: Sequence[NDArray[Any]]) -> StoredKpis:
    """What `kpis_read` answered, for keys in the order given to it."""
    number, subject_kind, subject_id, start_us = columns[:4]
    terms, own, rest = columns[4 : 4 + _TERMS], columns[4 + _TERMS : -4], columns[-4:]
    frame = KpiFrame(
        level=level,
        kpi=np.array(keys or [""])[number - 1],
        subject_kind=subject_kind,
        subject_id=subject_id,
        start_us=start_us,
        terms=np.stack(terms, axis=1),
        **dict(zip(_KPI_KINDS, own, strict=True)),
    )
    revision, computed_at_us, formula_version, registry_version = rest
    return StoredKpis(
        frame=frame,
        revision=revision,
        computed_at_us=computed_at_us,
        formula_version=formula_version,
        registry_version=registry_version,
    )


def final_rows(
    zone: ZoneInfo, base_s: int, level: Level, start_us: IntArray, ticked_to_us: int | None
) -> NDArray[np.bool_]:
    """Which intervals of a level, by their starts, had ended by `ticked_to_us`."""
    if ticked_to_us is None or not len(start_us):
        return np.zeros(len(start_us), dtype=np.bool_)
    edges = level_edges(zone, base_s, level, int(start_us.min()), int(start_us.max()) + 1)
    stop_us = edges[np.searchsorted(edges, start_us, side="right")]
    return np.asarray(stop_us <= ticked_to_us, dtype=np.bool_)
