"""The outlet of a treatment plant every two minutes, simulated, with exceedances where a test wants them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from domain.time import SECOND_US, parse_instant
from simulators.faults import Fault, FaultKind, with_faults
from simulators.park import SimulatedPark
from simulators.reports import Report
from tests.support.databases import channel, meter, park_file, tenant

__all__ = ["BEGIN_US", "OUTLET", "OUTLET_PARK", "Slug", "outlet_readings"]

BEGIN_US = parse_instant("2026-03-02T00:00:00+07:00")
OUTLET = "_park/wwtp_outlet"
QUANTITIES = ("cod", "ph", "tss", "effluent_flow")
_EVERY_2_MIN: dict[str, Any] = {"interval_s": 120, "resolution": 0.001}

OUTLET_PARK = park_file(
    tenant(
        "dyeing",
        meter("intake", channel("water_in", "register", interval_s=900, resolution=0.001)),
        meter(
            "manhole",
            *(channel(one, interval_s=900, resolution=0.001) for one in ("effluent_flow", "cod", "ph", "tss")),
            channel("effluent_volume", "register", interval_s=900, resolution=0.001),
            role="discharge",
        ),
    ),
    tenant("_park", meter("wwtp_outlet", *(channel(one, **_EVERY_2_MIN) for one in QUANTITIES), role="outlet")),
    base_minutes=15,
    rules=[
        {
            "key": f"{quantity}_hour",
            "meter": OUTLET,
            "quantity": quantity,
            "statistic": "range" if quantity == "ph" else "mean",
            "window": "hour",
            **limits,
            "legal_basis": "test",
        }
        for quantity, limits in (
            ("cod", {"highest": 100.0}),
            ("tss", {"highest": 150.0}),
            ("ph", {"lowest": 6.0, "highest": 9.0}),
        )
    ],
)
"""A park whose outlet is read every two minutes: COD, pH, TSS and flow, with limits by the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slug:
    """One quantity of the outlet about at a value for some time."""

    quantity: str
    value: float
    from_minute: int
    """After the beginning, `BEGIN_US`. [min]"""
    to_minute: int

    def fault(self) -> Fault:
        """What the simulator makes of it."""
        start_us, stop_us = (BEGIN_US + minute * 60 * SECOND_US for minute in (self.from_minute, self.to_minute))
        return Fault(
            kind=FaultKind.SLUG,
            place=OUTLET,
            start_us=start_us,
            stop_us=stop_us,
            quantity=self.quantity,
            size=self.value,
        )


@cache
def _park(seed: int) -> SimulatedPark:
    return SimulatedPark(OUTLET_PARK, seed)


@cache
def _reports(seed: int, minutes: int) -> tuple[Report, ...]:
    reports = _park(seed).reports(BEGIN_US, BEGIN_US + minutes * 60 * SECOND_US)
    return tuple(report for report in reports if report.place == OUTLET)


def outlet_readings(minutes: int, slugs: Sequence[Slug] = (), *, seed: int = 1) -> list[tuple[str, int, float]]:
    """
    Readings of the outlet from `BEGIN_US` on: (quantity, time [us UTC], value).

    Without slugs the plant works well: COD is below 100 mg/L, TSS below 150 mg/L and pH between 6 and 9.
    """
    outgoing = with_faults(_park(seed), _reports(seed, minutes), [slug.fault() for slug in slugs])
    rows = []
    for told in (json.loads(one.payload) for one in outgoing):
        rows += [(quantity, told["ts"] * 1000, value) for quantity, value in told["values"].items()]
    return sorted(rows, key=lambda row: (row[1], row[0]))
