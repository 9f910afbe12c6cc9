"""What an alarm rule watches, as it is written: one shape for each kind, and the bounds with their units."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, Tag, WithJsonSchema

from domain.alarms import Alignment, WindowStatistic
from domain.errors import UnitError
from domain.findings import Rule
from domain.shapes import Key, Shape
from domain.units import conversion_factor

__all__ = [
    "HEALTH_UNITS",
    "WATCH_SHAPES",
    "AmountWatch",
    "ChannelWatch",
    "ComplianceWatch",
    "FindingWatch",
    "HealthWatch",
    "KpiWatch",
    "Measure",
    "RateWatch",
    "SilenceWatch",
    "WatchEntry",
    "in_unit",
    "number_written",
    "unit_written",
    "window_seconds",
]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_MEASURE = re.compile(rf"({_NUMBER})\s*([^\s\d.+-]\S*|1)")
_WINDOW = re.compile(r"([1-9]\d{0,6})(s|min|h)")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_NAMED = {"hour": 3600, "day": 86400, "month": None}
_LEAST_S, _LONGEST_S = 1, 31 * 86400

HEALTH_UNITS: Mapping[str, str] = {"ingest_lag": "s", "disk_free": "1", "engine_lag": "s", "queue_rows": "1"}
"""What of this system can be watched, with its unit."""


def _measure(value: object) -> float | str:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str) and _MEASURE.fullmatch(value.strip()):
        return " ".join(value.split())
    raise ValueError('must be a number in the unit of what is watched, or a number with its unit, like "100 mg/L"')


Measure: TypeAlias = Annotated[
    float | str,
    PlainValidator(_measure),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "examples": ["100 mg/L", "15 min", "10 %"]}]}),
]
"""A number in the unit of what is watched, or a text that names another unit of the same thing."""


def number_written(measure: float | str) -> float:
    """The number of a measure, in whatever unit it is written."""
    found = _MEASURE.fullmatch(measure) if isinstance(measure, str) else None
    return float(measure) if found is None else float(found[1])


def unit_written(measure: float | str) -> str | None:
    """The unit that a measure names; None where it is a plain number."""
    found = _MEASURE.fullmatch(measure) if isinstance(measure, str) else None
    return found[2] if found else None


def in_unit(measure: float | str, unit: str) -> float:
    """
    A measure in a unit.

    Raises
    ------
    UnitError
        The unit that it names is unknown, or measures something else.

    Examples
    --------
    >>> in_unit("0.1 g/L", "mg/L")
    100.0
    >>> in_unit("15 min", "s")
    900.0
    """
    if not isinstance(measure, str):
        return measure
    found = _MEASURE.fullmatch(measure)
    if found is None:
        raise UnitError(f'{measure!r} is neither a number nor a number with its unit, like "100 {unit}"')
    return float(f"{float(found[1]) * conversion_factor(found[2], unit):.15g}")


def _window(text: str) -> str:
    found = _WINDOW.fullmatch(text)
    if text not in _NAMED and (found is None or not _LEAST_S <= int(found[1]) * _SECONDS[found[2]] <= _LONGEST_S):
        raise ValueError("must be a length like 120s, 10min or 8h (at most 744h), or hour, day or month")
    return text


def window_seconds(window: str) -> int | None:
    """
    Length of a window as it is written; None for a month, whose length is the calendar's. [s]

    Examples
    --------
    >>> window_seconds("10min"), window_seconds("day"), window_seconds("month")
    (600, 86400, None)
    """
    if window in _NAMED:
        return _NAMED[window]
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise ValueError(f"window {window!r} is no length like 10min, and not hour, day or month")
    return int(found[1]) * _SECONDS[found[2]]


_SEGMENT = r"[a-z0-9_*-]+"


def _pattern(text: str) -> str:
    if not re.fullmatch(rf"{_SEGMENT}(/{_SEGMENT})*", text):
        raise ValueError(
            "must be a place like tenant/meter/quantity, in which * stands for any letters within one part"
        )
    return text


Window = Annotated[str, AfterValidator(_window)]
Pattern = Annotated[str, Field(max_length=200), AfterValidator(_pattern)]
_Share = Annotated[float, Field(ge=0, le=1)]


class ChannelWatch(Shape):
    """Readings of a gauge: each, or what a statistic makes of a window."""

    channel: Pattern
    """`tenant/meter/quantity`; `*` stands for any, `*/*/cod` for every COD of the park."""
    statistic: WindowStatistic | None = None
    """Needs a window; None: each reading."""
    window: Window | None = None
    """A length (`120s`, `10min`, `8h`), `hour`, `day` or `month`: shorter than the base interval, or a multiple of it."""
    alignment: Alignment = Alignment.CLOCK
    """`clock`: from local midnight on; `rolling`: ends at each reading, or base interval; `running`: the clock window so far."""
    least_valid: _Share = 0.75
    """Share of the window that must be measured for it to count. [0..1]"""


class AmountWatch(Shape):
    """What a channel adds up to in a window: kWh, m3, kg."""

    amount: Pattern
    """`tenant/meter/quantity` of a counter, a flow or a pollutant load (`load_cod`)."""
    window: Window
    """A multiple of the base interval, `hour`, `day` or `month`."""
    alignment: Alignment = Alignment.CLOCK
    least_valid: _Share = 0.75


class RateWatch(Shape):
    """How fast a gauge changes, up or down, in its unit per hour."""

    rate: Pattern
    """`tenant/meter/quantity` of a gauge."""
    over: Window
    """Over how long the change is taken, for example `10min`."""


class KpiWatch(Shape):
    """A KPI of the park, of tenants or of meters."""

    kpi: Key
    """A key of the catalogue, like `power_factor`."""
    of: Pattern = "park"
    """`park`, a tenant (`alpha`, `*` for each), or a meter (`alpha/main`, `*/*` for each)."""
    level: Literal["base", "hour", "day", "week", "month", "year"]
    alignment: Literal["clock", "running"] = "clock"
    """`running`: of the open interval so far."""


class ComplianceWatch(Shape):
    """The limits in force of a compliance point, each with its own statistic and window."""

    compliance: Pattern
    """`tenant/meter/quantity` of a channel with compliance rules."""
    window: Literal["base", "hour", "day", "month"] | None = None
    """Only limits of this window; None: of all."""
    share: float = Field(default=1.0, gt=0, le=1)
    """The limit is taken times this: 0.8 to 0.9 makes an early warning. [0..1]"""
    alignment: Literal["clock", "running"] = "clock"
    """`running`: the window so far, which is an early warning and no verdict."""


class SilenceWatch(Shape):
    """Time since the newest reading, at each tick."""

    silence: Literal["channels", "meters", "tenants"]
    """A meter (device) or tenant (gateway) is silent where every one of its channels is."""
    of: Pattern = "*"
    """Which: `tenant/meter/quantity`, `tenant/meter` or `tenant`; `*` all."""


class FindingWatch(Shape):
    """Whether a check of the readings found something."""

    finding: Rule
    """A rule of docs/checks.md, like `frozen` or `drift`."""
    of: Pattern = "*"
    """`tenant/meter/quantity`; `*` all."""


class HealthWatch(Shape):
    """A measurement of this system."""

    health: Literal["ingest_lag", "disk_free", "engine_lag", "queue_rows"]
    """`ingest_lag`, `engine_lag` [s], `disk_free` [1], `queue_rows` [1]."""


WATCH_SHAPES: Mapping[str, type[Shape]] = {
    "a channel": ChannelWatch,
    "an amount": AmountWatch,
    "a rate": RateWatch,
    "a kpi": KpiWatch,
    "a compliance": ComplianceWatch,
    "a silence": SilenceWatch,
    "a finding": FindingWatch,
    "a health": HealthWatch,
}
"""The kinds of watch by their tags. No field is named like a tag, so that places in a file can be told without them."""


def _kind(value: Any) -> str | None:
    for tag, shape in WATCH_SHAPES.items():
        word = tag.split(" ")[1]
        if (isinstance(value, Mapping) and word in value) or isinstance(value, shape):
            return tag
    return None


WatchEntry: TypeAlias = Annotated[
    Annotated[ChannelWatch, Tag("a channel")]
    | Annotated[AmountWatch, Tag("an amount")]
    | Annotated[RateWatch, Tag("a rate")]
    | Annotated[KpiWatch, Tag("a kpi")]
    | Annotated[ComplianceWatch, Tag("a compliance")]
    | Annotated[SilenceWatch, Tag("a silence")]
    | Annotated[FindingWatch, Tag("a finding")]
    | Annotated[HealthWatch, Tag("a health")],
    Discriminator(
        _kind,
        custom_error_type="watch_kind",
        custom_error_message=(
            "must be a group of fields with one of channel, amount, rate, kpi, compliance, silence, finding, health"
        ),
    ),
]
"""One of the kinds, told by the field that names it."""
