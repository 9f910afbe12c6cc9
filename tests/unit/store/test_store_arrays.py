"""Columns as PostgreSQL arrays."""

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from store.arrays import Column, booleans, floats, instants, integers, smallints


def test_an_array_is_written_as_postgresql_writes_it() -> None:
    column = integers(np.array([1, -2], dtype=np.int64))

    expected = struct.pack(">iiiii", 1, 0, 23, 2, 1) + struct.pack(">iiii", 4, 1, 4, -2)
    assert column.wire == expected
    assert column.element.array_oid == 1007
    assert len(column) == 2


def test_an_empty_array_has_no_dimension() -> None:
    assert floats(np.empty(0)).wire == struct.pack(">iii", 0, 0, 701)


def test_instants_are_counted_from_2000() -> None:
    wire = instants(np.array([946_684_800_000_007])).wire

    assert wire[20:] == struct.pack(">iq", 8, 7)


@pytest.mark.parametrize(
    ("column", "element"),
    [
        (smallints(np.array([7])), struct.pack(">ih", 2, 7)),
        (booleans(np.array([True])), b"\0\0\0\1\1"),
        (floats(np.array([np.pi])), struct.pack(">id", 8, np.pi)),
    ],
)
def test_each_element_stands_behind_its_length(column: Column, element: bytes) -> None:
    assert column.wire[20:] == element


@pytest.mark.parametrize("zero", [np.array([0.0]), np.array([-0.0])])
def test_zero_has_no_sign(zero: NDArray[np.float64]) -> None:
    assert floats(zero).wire[20:] == struct.pack(">id", 8, 0.0)
