"""Entered values on periods, by hand."""

from typing import Any

import numpy as np
import pytest

from domain.context import PARK_WIDE
from domain.errors import InputError
from domain.registry import OPERATOR
from domain.time import DAY_US
from kpi.entered import EnteredSums, Residents, entered_sums
from tests.support.entered_values import Entry, entered
from tests.support.small_parks import BEGIN_US, a_registry, a_tenant

DAYS = np.arange(4, dtype=np.int64) * DAY_US + BEGIN_US
"""Three days."""


def day(number: float) -> int:
    return BEGIN_US + int(number * DAY_US)


def of_one(*entries: Entry, key: str = "production_t", tenant: int = 1, **options: Any) -> EnteredSums:
    return entered_sums(entered(*entries), key, np.array([tenant]), DAYS, **options)


def test_a_value_inside_a_period_counts_with_its_exact_number() -> None:
    sums = of_one((1, "production_t", day(0), day(0.5), 0.1), (1, "production_t", day(0.5), day(1), 0.2))

    assert sums.total[0, 0] == 0.1 + 0.2
    assert sums.prorated[0, 0] == 0.0
    assert np.isnan(sums.total[0, 1:]).all()
    assert sums.covered[0].tolist() == [1.0, 0.0, 0.0]


def test_a_value_that_straddles_an_edge_is_split_by_time() -> None:
    # 12 t over 18 hours of the first day and 6 of the second, with 1 t of the second day's own.
    sums = of_one((1, "production_t", day(0.25), day(1.25), 12.0), (1, "production_t", day(1.25), day(1.5), 1.0))

    assert sums.total[0, :2].tolist() == [9.0, 4.0]
    assert sums.prorated[0, :2].tolist() == [9.0, 3.0]
    assert sums.covered[0].tolist() == [0.75, 0.5, 0.0]


def test_what_holds_is_averaged_over_the_entered_time() -> None:
    # 10 people for 6 hours, 30 for 12; nothing is known of the last 6.
    entries = ((1, "employees", day(0), day(0.25), 10.0), (1, "employees", day(0.25), day(0.75), 30.0))

    sums = of_one(*entries, key="employees")

    assert sums.total[0, 0] == pytest.approx((10 * 6 + 30 * 12) / 18)
    assert (sums.prorated[0, 0], sums.covered[0, 0]) == (0.0, 0.75)


def test_the_parks_own_value_leaves_out_its_tenants() -> None:
    # The park's 9 t stand for a day and a half, 6 of them for the first day; then the tenants' 4 and 2 t count.
    entries = (
        (PARK_WIDE, "production_t", day(0), day(1.5), 9.0),
        (1, "production_t", day(1), day(2), 8.0),
        (2, "production_t", day(0), day(2), 8.0),
    )

    sums = of_one(*entries, tenant=PARK_WIDE)

    assert sums.total[0, :2].tolist() == [6.0, 3.0 + 4.0 + 2.0]
    assert sums.complete[0].tolist() == [True, True, False]
    assert sums.covered[0].tolist() == [1.0, 1.0, 0.0]


def test_a_park_says_how_much_of_its_tenants_time_is_entered() -> None:
    tenants = [a_tenant(1), a_tenant(2, valid_from_us=day(1)), a_tenant(3, key=OPERATOR)]
    residents = Residents.of(a_registry([], [], tenants=tenants))

    sums = of_one((1, "production_t", day(0), day(3), 30.0), tenant=PARK_WIDE, residents=residents)

    # The second tenant moves in on the second day and enters nothing; the operator is not waited for.
    assert sums.total[0].tolist() == [10.0, 10.0, 10.0]
    assert sums.complete[0].tolist() == [True, False, False]
    assert sums.covered[0].tolist() == [1.0, 0.5, 0.5]


def test_heads_of_all_tenants_add_up() -> None:
    entries = ((1, "employees", day(0), day(9), 40.0), (2, "employees", day(-9), day(9), 2.0))

    assert of_one(*entries, key="employees", tenant=PARK_WIDE).total[0].tolist() == [42.0] * 3


def test_a_misspelt_series_is_refused() -> None:
    with pytest.raises(InputError, match="series 'production' is not one of production_t"):
        of_one(key="production")
