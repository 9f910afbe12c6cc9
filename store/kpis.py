"""Stored KPIs of tenants and the park (and of meters, where wanted): whole frames in and out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.frames import KpiFrame
from domain.time import IntArray, Level

__all__ = ["read_kpis", "write_kpis"]


def write_kpis(
    conn: Connection[Any],
    park_id: int,
    frame: KpiFrame,
    ranges: tuple[NDArray[np.int16], NDArray[np.int32], IntArray, IntArray],
    *,
    formula_versions: Mapping[str, int],
    registry_version: int,
    computed_at_us: int,
    ticked_to_us: int | None,
) -> int:
    """
    Make the stored KPIs of some ranges equal to a frame, in the caller's transaction.

    As :func:`store.amounts.write_amounts`: equal rows are not touched, rows in a range that the frame
    does not hold are deleted (whatever their KPI), and a row that was final gets `revision + 1` and `LATE`
    when it changes. A row also counts as changed when its formula's version did; the registry's version
    is stored with changed rows only.

    Parameters
    ----------
    ranges : (subject_kind, subject_id, from_us, to_us)
        int16 (codes of SubjectKind), int32, int64, int64 (r,) [us UTC]; half-open.
    formula_versions : Mapping[str, int]
        By KPI key; 1 where a key is not named.
    ticked_to_us : int or None
        `park.ticked_to` as it was *before* this cycle. [us UTC]
    """
    raise NotImplementedError


def read_kpis(
    conn: Connection[Any],
    kpis: Sequence[str],
    subjects: tuple[NDArray[np.int16], NDArray[np.int32]],
    level: Level,
    *,
    start_us: int,
    stop_us: int,
) -> KpiFrame:
    """
    The stored KPIs of some subjects whose intervals start in `[start_us, stop_us)`, sorted as a frame is.

    Parameters
    ----------
    kpis : Sequence[str]
        Keys in the catalogue.
    subjects : (subject_kind, subject_id)
        int16 (codes of SubjectKind) and int32 (n,).
    """
    raise NotImplementedError
