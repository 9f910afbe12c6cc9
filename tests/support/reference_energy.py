"""Energy, cost and carbon once more: pandas on a real file, and plain Python one interval at a time.

Written from the definitions and not from the code, so that both can only be wrong in the same way by being wrong twice.
"""

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd  # type: ignore[import-untyped]  # it ships no types

from domain.references import Factor, Tariff
from domain.time import to_datetime


def steel_year(path: Path) -> pd.DataFrame:
    """The steel plant's quarter hours by local time of their start: kwh, lagging, leading, day (0 Monday), hour."""
    frame = pd.read_csv(path)
    start = pd.to_datetime(frame["interval_start"]).dt.tz_convert("Asia/Seoul")
    return pd.DataFrame(
        {
            "start": start,
            "kwh": frame["active_energy_kwh"],
            "lagging": frame["reactive_lagging_kvarh"],
            "leading": frame["reactive_leading_kvarh"],
            "month": start.dt.month,
            "weekday": start.dt.day_of_week,
            "hour": start.dt.hour,
        }
    )


def block_at(tariff: Tariff, moment: datetime, *, holiday: bool = False) -> str:
    """The block to which a local moment belongs, by looking at every window."""
    day = 7 if holiday else moment.weekday()
    minute = moment.hour * 60 + moment.minute
    (found,) = {
        block.key
        for block in tariff.blocks
        for window in block.windows
        if day in window.days and window.start_min <= minute < window.stop_min
    }
    return found


def share_in_block(tariff: Tariff, key: str, zone: ZoneInfo, start_us: int, stop_us: int) -> float:
    """Share of an interval that lies in a block, minute by minute."""
    minutes = range(start_us, stop_us, 60_000_000)
    inside = [block_at(tariff, to_datetime(minute).astimezone(zone)) == key for minute in minutes]
    return sum(inside) / len(inside)


def factor_at(factors: tuple[Factor, ...], key: str, instant_us: int) -> float:
    """The factor in force at an instant; NaN where there is none."""
    for factor in factors:
        until = factor.origin.valid_to_us
        if (
            factor.origin.key == key
            and factor.origin.valid_from_us <= instant_us
            and (until is None or instant_us < until)
        ):
            return factor.value
    return math.nan


def percentile(values: list[float], share: float) -> float:
    """Linear between the two nearest ranks; NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    rank = share * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def total(values: list[float]) -> float:
    """A sum; NaN of nothing, and where a part of it is not known."""
    return sum(values) if values else math.nan


Known = Callable[[int, int], float | None]
"""Amount of a channel in the interval that starts at an instant, measured from end to end; None: it was not."""
