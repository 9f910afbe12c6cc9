"""Entered values written down by hand in tests."""

from collections.abc import Iterable

import numpy as np

from domain.context import ContextFrame

Entry = tuple[int, str, int, int, float]
"""Tenant, series, start, stop, value."""


def entered(*entries: Entry) -> ContextFrame:
    """Entered values as a frame, sorted as frames are."""
    return a_frame(entries)


def a_frame(entries: Iterable[Entry]) -> ContextFrame:
    rows = sorted(entries)
    return ContextFrame(
        tenant_id=np.array([row[0] for row in rows], dtype=np.int32),
        key=np.array([row[1] for row in rows], dtype=np.str_),
        start_us=np.array([row[2] for row in rows], dtype=np.int64),
        stop_us=np.array([row[3] for row in rows], dtype=np.int64),
        value=np.array([row[4] for row in rows], dtype=np.float64),
    )
