"""Rows of frames as the API answers them: no NaN, no mask, no microseconds, and no interval left out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.frames import KpiFrame, NullReason, SmallArray
from domain.quality import Flag, Quality
from domain.time import IntArray
from service.api.models import KpiValue
from service.api.ranges import local_time

__all__ = ["KpiColumns", "flag_words", "kpi_values", "number", "optional_time", "quality_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiColumns:
    """KPIs of one subject and one key, with per row how often and when they were made."""

    frame: KpiFrame
    revision: SmallArray
    computed_at_us: IntArray
    """0: not known. [us UTC]"""
    formula_version: NDArray[np.int16] | None = None
    """With which each row was made and stored; None: made on reading."""
    registry_version: SmallArray | None = None


def number(value: float) -> float | None:
    """A number, or null for NaN."""
    return None if np.isnan(value) else float(value)


def flag_words(mask: int) -> list[str]:
    """The flags of an amount as words: `rollover`, `estimated` ..."""
    return [str(flag.name).lower() for flag in Flag if mask & flag]


def quality_words(mask: int) -> list[str]:
    """The quality of a reading as words: `calibration`, `fault` ..."""
    return [str(bit.name).lower() for bit in Quality if mask & bit]


def optional_time(zone: ZoneInfo, instant_us: int) -> datetime | None:
    """A local time, or null for 0."""
    return local_time(zone, instant_us) if instant_us else None


def kpi_values(
    columns: KpiColumns, edges: IntArray, *, unit: str, zone: ZoneInfo, ticked_us: int | None, absent: NullReason
) -> Iterator[KpiValue]:
    """
    One value per interval, in order of time; intervals without a row are null for the reason `absent`.

    Parameters
    ----------
    columns : KpiColumns
        Rows of one KPI and one subject.
    edges : int64 (n + 1,) [us UTC]
        Of the intervals that are answered.
    ticked_us : int or None
        Up to when readings were expected; coverage beyond is null, not 0. [us UTC]
    """
    row_at = {int(start): row for row, start in enumerate(columns.frame.start_us)}
    for start_us, stop_us in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        row = row_at.get(start_us)
        if row is None:
            expected = ticked_us is not None and start_us < ticked_us
            yield _absent(local_time(zone, start_us), local_time(zone, stop_us), unit, absent, expected=expected)
        else:
            yield kpi_value(columns, row, stop_us, unit=unit, zone=zone)


def kpi_value(columns: KpiColumns, row: int, stop_us: int, *, unit: str, zone: ZoneInfo) -> KpiValue:
    """One row of KPIs."""
    frame = columns.frame
    reason = NullReason(int(frame.reason[row]))
    value = number(frame.value[row])
    return KpiValue(
        start=local_time(zone, int(frame.start_us[row])),
        stop=local_time(zone, stop_us),
        unit=unit,
        measured=number(frame.measured[row]),
        value=value,
        estimate=number(frame.estimate[row]),
        error=number(frame.error[row]),
        profile_coverage=number(frame.profile_coverage[row]),
        total_coverage=number(frame.total_coverage[row]),
        estimated_share=number(frame.estimated_share[row]),
        reason=None if value is not None or reason is NullReason.NONE else reason.key,
        peak_at=optional_time(zone, int(frame.peak_at_us[row])),
        flags=flag_words(int(frame.flags[row])),
        revision=int(columns.revision[row]),
        computed_at=optional_time(zone, int(columns.computed_at_us[row])),
        formula_version=None if columns.formula_version is None else int(columns.formula_version[row]),
        registry_version=None if columns.registry_version is None else int(columns.registry_version[row]),
    )


def _absent(start: datetime, stop: datetime, unit: str, reason: NullReason, *, expected: bool) -> KpiValue:
    coverage = 0.0 if expected else None
    return KpiValue(
        start=start,
        stop=stop,
        unit=unit,
        measured=None,
        value=None,
        estimate=None,
        error=None,
        profile_coverage=coverage,
        total_coverage=coverage,
        estimated_share=None,
        reason=reason.key,
        peak_at=None,
        flags=[],
        revision=0,
        computed_at=None,
    )
