"""Amounts that fill a whole grid are laid in another way; nothing that is made of them may differ for it."""

from dataclasses import fields

import numpy as np
import pytest

from domain.frames import KpiFrame
from domain.time import HOUR_US, Level
from kpi.catalogue import for_registry
from kpi.compute import subject_kpis
from kpi.rows import taken_amounts
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_park,
    a_registry,
    a_tenant_subject,
    amounts,
    rows_of,
    together,
)

QUANTITIES = ("energy_import", "energy_reactive_lagging", "gas", "water_in")
CELLS = 96
BASE_US = HOUR_US // 4


@pytest.mark.parametrize("level", [Level.BASE, Level.HOUR, Level.DAY])
def test_a_gap_of_one_tenant_changes_no_bit_of_what_another_has(level: Level) -> None:
    owners = (1, 1, 2)
    meters = [a_meter(number, tenant) for number, tenant in enumerate(owners, start=1)]
    channels = [
        a_channel(len(QUANTITIES) * (meter.id - 1) + place, meter.id, quantity)
        for meter in meters
        for place, quantity in enumerate(QUANTITIES, start=1)
    ]
    registry = a_registry(meters, channels, park=a_park(ticked_to_us=BEGIN_US + 70 * BASE_US))
    rng = np.random.default_rng(5)
    grid = together(
        *(
            amounts(
                channel.id,
                BEGIN_US,
                rng.uniform(0, 9, CELLS),
                measured_s=rng.choice([0.0, 400.0, 900.0, 900.0], CELLS),
                slots=15,
                received=15,
            )
            for channel in channels
        )
    )
    without = taken_amounts(grid, (grid.channel_id != channels[-1].id) | (grid.start_us != BEGIN_US))
    subjects, one = (PARK, a_tenant_subject(1), a_tenant_subject(2)), a_tenant_subject(1)
    kpis, stop_us = for_registry(registry), BEGIN_US + CELLS * BASE_US

    whole, broken = (subject_kpis(registry, subjects, kpis, level, BEGIN_US, stop_us, base) for base in (grid, without))
    alone = subject_kpis(registry, (one,), kpis, level, BEGIN_US, stop_us, grid)

    assert len(alone)
    for kpi in np.unique(alone.kpi).tolist():
        expected = rows_of(alone, kpi, one)
        for found in (whole, broken):
            _same_bits(rows_of(found, kpi, one), expected)


def _same_bits(found: KpiFrame, expected: KpiFrame) -> None:
    for column in fields(KpiFrame):
        if column.name != "level":
            np.testing.assert_array_equal(getattr(found, column.name), getattr(expected, column.name), column.name)
