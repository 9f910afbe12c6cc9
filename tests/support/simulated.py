"""Simulated parks for tests, and their readings by channel."""

from collections import defaultdict
from functools import cache

from domain.parkfile import parse
from domain.time import HOUR_US, SECOND_US, parse_instant
from simulators.park import SimulatedPark
from simulators.reports import Report
from tests.support.example_park import example_park
from tests.support.park_texts import RIGHT, changed

START_US = parse_instant("2026-01-01T00:00:00+07:00")
MONDAY_US = parse_instant("2026-01-05T00:00:00+07:00")
MINUTE_US = 60 * SECOND_US


@cache
def simulated_example(seed: int = 1) -> SimulatedPark:
    return SimulatedPark(example_park(), seed)


def small_park(old: str = "key: estate", new: str = "key: estate", seed: int = 1) -> SimulatedPark:
    """The right park file of the tests, with one thing changed."""
    return SimulatedPark(parse(changed(old, new, RIGHT), "yaml"), seed)


def series(reports: tuple[Report, ...]) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Readings by (tenant/meter, quantity), in order of time."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for report in sorted(reports, key=lambda report: report.ts_us):
        for quantity, value in report.values.items():
            found[report.place, quantity].append((report.ts_us, value))
    return found


def hours_after(start_us: int, hours: float) -> int:
    return start_us + round(hours * HOUR_US)
