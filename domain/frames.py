"""Derived numbers in columns: interval amounts of channels, and KPIs of subjects.

Rows are sorted by their key; every array has one length, (n,), unless its docstring says otherwise.
No data is NaN, never zero; a row is left out where nothing at all is known of its interval.
"""

from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.time import IntArray, Level

__all__ = [
    "AmountFrame",
    "FloatArray",
    "KpiFrame",
    "NullReason",
    "Readings",
    "SmallArray",
    "Subject",
    "SubjectKind",
    "check_lengths",
]

FloatArray = NDArray[np.float64]
SmallArray = NDArray[np.int32]


class SubjectKind(StrEnum):
    """Whose KPI it is."""

    PARK = "park"
    TENANT = "tenant"
    METER = "meter"

    @property
    def code(self) -> int:
        """What the database stores."""
        return ("park", "tenant", "meter").index(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The park, a tenant or a meter, by its database id."""

    kind: SubjectKind
    id: int


class NullReason(IntEnum):
    """Why a KPI has no value. NONE: it has one."""

    NONE = 0
    INSUFFICIENT_DATA = 1
    NO_DENOMINATOR = 2
    ZERO_DENOMINATOR = 3
    NOT_CONFIGURED = 4
    INVALID_PAIR = 5

    @property
    def key(self) -> str:
        """As it stands in the API."""
        return self.name.lower()


def check_lengths(frame: object) -> None:
    """
    Check that all columns of a frame are of one length.

    Parameters
    ----------
    frame : dataclass
        Its fields that are arrays are its columns.

    Raises
    ------
    InputError
        They are not; the text names the frame and the lengths.
    """
    lengths = {
        len(column)
        for column in (getattr(frame, name.name) for name in fields(frame))  # type: ignore[arg-type]
        if isinstance(column, np.ndarray)
    }
    if len(lengths) > 1:
        raise InputError(f"the columns of a {type(frame).__name__} differ in length: {sorted(lengths)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Stored readings of many channels, sorted by (channel_id, ts_us). Keys with a conflict are marked, not left out."""

    channel_id: SmallArray
    ts_us: IntArray
    """[us UTC]"""
    value: FloatArray
    """As stored: canonical unit, before the multiplier."""
    quality: SmallArray
    """Bit mask of :class:`domain.quality.Quality`."""
    conflict: NDArray[np.bool_]
    """Two different values claim this key; no number may use it."""

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.ts_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountFrame:
    """What each channel did in each interval of one level, sorted by (channel_id, start_us)."""

    level: Level
    channel_id: SmallArray
    start_us: IntArray
    """Start of the interval. [us UTC]"""
    amount: FloatArray
    """Stock over the interval, multiplier applied, estimated parts included; NaN for what adds up to nothing. [unit]"""
    mean: FloatArray
    """Time-weighted mean of a gauge over its measured part; NaN for others. [unit]"""
    low: FloatArray
    """Least value of a gauge that held inside. [unit]"""
    high: FloatArray
    """Greatest value of a gauge that held inside. [unit]"""
    last: FloatArray
    """Value of a gauge that held last inside. [unit]"""
    peak: FloatArray
    """Greatest mean rate of a wholly measured base interval inside. [unit per hour]"""
    peak_at_us: IntArray
    """Start of that base interval; 0 where there is none. [us UTC]"""
    measured_s: FloatArray
    """Time measured: bracketed by accepted readings not too far apart, or held. [s]"""
    estimated: FloatArray
    """Part of `amount` that was spread over gaps longer than the bound of interpolation. [unit]"""
    inner_gap_s: FloatArray
    """Total length of such gaps that begin and end inside. [s]"""
    gap_s: FloatArray
    """Length of the one such gap that begins inside and ends beyond; 0 where there is none. [s]"""
    gap_stop_us: IntArray
    """Where that gap ends; 0 where there is none. [us UTC]"""
    slots: SmallArray
    """Expected slots (of the channel's own interval) beginning inside that hold at least one reading."""
    received: SmallArray
    """Stored readings inside, whatever their quality."""
    unusable: SmallArray
    """Those of them that no number uses as they came: unusable by their source, in conflict, corrected, not accepted."""
    flags: SmallArray
    """Bit mask of :class:`domain.quality.Flag`."""

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.start_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiFrame:
    """KPIs of subjects over the intervals of one level, sorted by (kpi, subject kind, subject id, start_us)."""

    level: Level
    kpi: NDArray[np.str_]
    """Key in the catalogue."""
    subject_kind: NDArray[np.int16]
    """Code of :class:`SubjectKind`."""
    subject_id: SmallArray
    start_us: IntArray
    """[us UTC]"""
    terms: FloatArray
    """(n, 8): the sums and extremes the KPI is made of, in the order of its definition; NaN where it has fewer."""
    measured: FloatArray
    """Over the measured part only, never gated. [unit of the KPI]"""
    value: FloatArray
    """Gated by coverage; NaN with a reason. [unit of the KPI]"""
    estimate: FloatArray
    """Estimated parts included, not gated. [unit of the KPI]"""
    error: FloatArray
    """Half-width of the error band, for balances; NaN for others. [unit of the KPI]"""
    profile_coverage: FloatArray
    """Share of the expected time that was measured. [0..1]"""
    total_coverage: FloatArray
    """As profile coverage, gaps that begin and end inside counted as known. [0..1]"""
    estimated_share: FloatArray
    """Share of `estimate` that was estimated. [0..1]"""
    peak_at_us: IntArray
    """For peaks, the start of the block; 0 for others. [us UTC]"""
    reason: NDArray[np.int16]
    """Code of :class:`NullReason`."""
    flags: SmallArray
    """Bit mask of :class:`domain.quality.Flag`, of all amounts that entered."""

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.start_us)
