"""Thinning keeps what a picture shows: the ends and the extremes of each bucket, in order, and never too many."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.frames import FloatArray
from domain.time import IntArray
from kpi.thinning import thinned_rows

STOP_US = 1_000
VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.just(math.nan))
READINGS = st.dictionaries(st.integers(0, STOP_US - 1), VALUES, max_size=200)


def arrays(readings: dict[int, float]) -> tuple[IntArray, FloatArray]:
    ts_us = np.array(sorted(readings), dtype=np.int64)
    return ts_us, np.array([readings[ts] for ts in ts_us.tolist()], dtype=np.float64)


def reference(readings: dict[int, float], most: int) -> list[int]:
    """The same in plain Python: times that are kept."""
    length = -(-STOP_US // (most // 4))
    kept: set[int] = set()
    for bucket in range(most // 4):
        inside = [ts for ts in sorted(readings) if bucket * length <= ts < (bucket + 1) * length]
        if inside:
            known = [ts for ts in inside if not math.isnan(readings[ts])]
            kept |= {inside[0], inside[-1]}
            kept |= (
                {min(known, key=lambda ts: readings[ts]), max(known, key=lambda ts: readings[ts])} if known else set()
            )
    return sorted(kept)


@settings(deadline=None)
@given(readings=READINGS, most=st.integers(4, 300))
def test_the_kernel_agrees_with_the_reference(readings: dict[int, float], most: int) -> None:
    ts_us, value = arrays(readings)

    assert ts_us[thinned_rows(ts_us, value, 0, STOP_US, most)].tolist() == reference(readings, most)


@settings(deadline=None)
@given(readings=READINGS.filter(bool), most=st.integers(4, 300))
def test_ends_and_extremes_are_kept_in_order_and_never_too_many(readings: dict[int, float], most: int) -> None:
    ts_us, value = arrays(readings)

    rows = thinned_rows(ts_us, value, 0, STOP_US, most)

    assert len(rows) <= most
    assert (np.diff(rows) > 0).all()
    assert {rows[0], rows[-1]} == {0, len(ts_us) - 1}
    if not np.isnan(value).all():
        assert np.nanmin(value[rows]) == np.nanmin(value)
        assert np.nanmax(value[rows]) == np.nanmax(value)


@settings(deadline=None)
@given(readings=READINGS, most=st.integers(4, 60), page=st.integers(1, 50))
def test_page_by_page_is_the_same_as_all_at_once(readings: dict[int, float], most: int, page: int) -> None:
    ts_us, value = arrays(readings)
    kept_us, kept = ts_us[:0], value[:0]
    for begin in range(0, len(ts_us), page):
        kept_us, kept = np.append(kept_us, ts_us[begin : begin + page]), np.append(kept, value[begin : begin + page])
        rows = thinned_rows(kept_us, kept, 0, STOP_US, most)
        kept_us, kept = kept_us[rows], kept[rows]

    assert kept_us.tolist() == ts_us[thinned_rows(ts_us, value, 0, STOP_US, most)].tolist()


@pytest.mark.parametrize("most", [4, 5, 7, 1000])
def test_nothing_thinned_is_nothing(most: int) -> None:
    nothing = np.zeros(0, dtype=np.int64)

    assert thinned_rows(nothing, np.zeros(0), 0, STOP_US, most).tolist() == []
