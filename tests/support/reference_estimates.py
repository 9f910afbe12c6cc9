"""The estimation of long gaps once more in plain Python: one channel, one gap, one base interval at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.time import from_datetime, to_datetime
from kpi.grid import Grid

Cell = tuple[float, float]
"""Amount, and how much of the base interval was measured [s]."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A gap of a register between two accepted readings."""

    start_us: int
    stop_us: int
    amount: float


def midnight(zone: ZoneInfo, day: date) -> int:
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=zone))


def class_of(day: date, holidays: frozenset[date]) -> int:
    return 2 if day.weekday() == 6 or day in holidays else 1 if day.weekday() == 5 else 0


def cells_of(zone: ZoneInfo, base_s: int, gap: Gap) -> list[tuple[date, int, int, int]]:
    """The base intervals of a gap: local day, place in it, start and end."""
    found, base_us = [], base_s * 1_000_000
    day = to_datetime(gap.start_us).astimezone(zone).date()
    while (begin := midnight(zone, day)) < gap.stop_us:
        end = midnight(zone, day + timedelta(days=1))
        place = 0
        while begin + place * base_us < end:
            cell, stop = begin + place * base_us, min(begin + (place + 1) * base_us, end)
            if cell < gap.stop_us and stop > gap.start_us:
                found.append((day, place, cell, stop))
            place += 1
        day += timedelta(days=1)
    return found


def shares(
    gap: Gap,
    grid: Grid,
    measured: Mapping[int, Cell],
    holidays: frozenset[date],
    exchanges: Sequence[int] = (),
) -> dict[int, float] | None:
    """What a gap leaves in each base interval, by its start; None where it stays linear."""
    zone, base_s = grid.zone, grid.base_s
    begun = to_datetime(gap.start_us).astimezone(zone).date()
    pieces = cells_of(zone, base_s, gap)
    base_us = base_s * 1_000_000
    weights: dict[int, float] = {}
    for day in dict.fromkeys(one[0] for one in pieces):
        places = [one[1] for one in pieces if one[0] == day]
        like: list[list[float]] = []
        for back in range(1, 91):
            other = begun - timedelta(days=back)
            begin, end = midnight(zone, other), midnight(zone, other + timedelta(days=1))
            starts = [begin + place * base_us for place in places]
            if any(at <= gap.start_us and begin < at for at in exchanges):
                break
            if class_of(other, holidays) != class_of(day, holidays) or len(like) == 4:
                continue
            if all(at < end and measured.get(at, (0.0, 0.0))[1] == base_s for at in starts):
                like.append([measured[at][0] for at in starts])
        if len(like) < 3:
            return None
        for column, (_, _, cell, stop) in enumerate(one for one in pieces if one[0] == day):
            mean = 0.0
            for one in like:
                mean += one[column]
            mean = max(mean / len(like), 0.0)
            covered = min(stop, gap.stop_us) - max(cell, gap.start_us)
            weights[cell] = mean * (covered / (stop - cell))
    total = 0.0
    for weight in weights.values():
        total += weight
    return {cell: gap.amount * weight / total for cell, weight in weights.items()} if total > 0.0 else None
