"""Limits of the checks: what each is for, its unit, its default and where that is from, and which hold for a channel.

Defaults are by quantity. The park's own (:class:`domain.references.CheckLimits`) take their place for a quantity, or
for one channel; both are dated, and those of the start of a local day hold for that day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from domain.findings import RULES, Rule
from domain.frames import FloatArray
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.references import CheckLimits
from domain.registry import Channel, Kind, Registry
from domain.time import IntArray

__all__ = ["LIMITS", "WATCHED", "Limit", "Limits", "check_limits", "limits_on"]

WATCHED = frozenset({*CONCENTRATIONS, "ph", "temperature", "conductivity", "effluent_flow"})
"""Quantities whose gauges are checked reading by reading, as they come; all else is checked by interval."""

_CALIFORNIA = "California VEE, direct access metering standards, as quoted for Oracle D2-INTSPKCHK"
_SPARING = "practice of SPARING loggers (sparingV1.1)"
_OWN = "kawasan's own choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One settable limit of the checks."""

    key: str
    unit: str
    meaning: str
    default: float
    """`inf` and `-inf`: nothing is beyond it."""
    source: str
    confirmed: bool = False
    """Whether somebody read the default in the document that `source` names."""
    by_quantity: Mapping[str, float] = field(default_factory=dict)
    """Defaults of some quantities."""
    lowest: float = 0.0
    highest: float = inf
    whole: bool = False
    """Only whole numbers have a meaning."""

    def of(self, quantity: str) -> float:
        """Its default for a quantity."""
        return self.by_quantity.get(quantity, self.default)


_OFF_BY_DEFAULT: Mapping[Rule, frozenset[str]] = MappingProxyType({Rule.OUTLIER: WATCHED, Rule.DRIFT: WATCHED})
"""Rules that are on for some quantities only."""

_RUNS_BACKWARDS = ("power", "temperature")


def _switch(rule: Rule) -> Limit:
    only = _OFF_BY_DEFAULT.get(rule)
    by_quantity = dict.fromkeys(only, 1.0) if only else {}
    if rule is Rule.NEGATIVE:
        by_quantity = dict.fromkeys(_RUNS_BACKWARDS, 0.0)
    return Limit(
        key=f"check_{rule.value}",
        unit="1",
        meaning=f"1: `{rule.value}` is checked, 0: it is not",
        default=0.0 if only else 1.0,
        source=_OWN,
        by_quantity=MappingProxyType(by_quantity),
        highest=1.0,
        whole=True,
    )


_RANGES = {
    "ph": (2.0, 12.0),
    "tss": (0.0, 2000.0),
    "cod": (0.0, 3000.0),
    "nh3n": (0.0, 200.0),
    "temperature": (0.0, 50.0),
    "effluent_flow": (0.0, 1000.0),
}

_LEAST_DEVIATIONS = {
    "ph": 0.5,
    "temperature": 2.0,
    "conductivity": 100.0,
    "effluent_flow": 5.0,
    "nh3n": 2.0,
    "tn": 2.0,
    "tp": 1.0,
    "oil": 2.0,
    "bod": 10.0,
    "cod": 20.0,
    "tss": 20.0,
}

_ENTRIES = (
    Limit(
        key="spike_share",
        unit="1",
        meaning="how far the greatest interval of a day may be above the third greatest, as a share of that",
        default=1.8,
        source=_CALIFORNIA,
    ),
    Limit(
        key="floor_steps",
        unit="resolutions",
        meaning="spike, frozen, high and low do not judge amounts of fewer resolutions than this: they are too coarse",
        default=10.0,
        source=_OWN,
    ),
    Limit(
        key="frozen_count",
        unit="readings or intervals",
        meaning="so many equal non-zero values in a row are frozen",
        default=3.0,
        source="validation guides of meter data vendors (waymark)",
        lowest=2.0,
        whole=True,
    ),
    Limit(
        key="frozen_s",
        unit="s",
        meaning="a watched gauge must stand still for so long to be frozen",
        default=900.0,
        source=_SPARING,
    ),
    Limit(
        key="gap_slots",
        unit="readings",
        meaning="so many expected readings missing in a row are a gap; a day without any always is",
        default=3.0,
        source="two to three intervals are usual",
        lowest=1.0,
        whole=True,
    ),
    Limit(
        key="high_share",
        unit="1",
        meaning="a day above so many times the median of the same weekday is high",
        default=2.0,
        source="high/low check of Oracle MDM",
        lowest=1.0,
    ),
    Limit(
        key="low_share",
        unit="1",
        meaning="a day below this share of the median of the same weekday is low",
        default=0.5,
        source="high/low check of Oracle MDM",
        highest=1.0,
    ),
    Limit(
        key="least_weeks",
        unit="weeks",
        meaning="of the last 8 same weekdays so many must be known for high, low and zero to judge",
        default=4.0,
        source="high/low check of Oracle MDM",
        lowest=1.0,
        highest=8.0,
        whole=True,
    ),
    Limit(
        key="known_share",
        unit="1",
        meaning="high, low, zero, drift and hierarchy judge and use only days of which this share is known",
        default=0.9,
        source="the coverage gate of a day",
        highest=1.0,
    ),
    Limit(
        key="sum_steps",
        unit="resolutions",
        meaning="sum: difference allowed between counter and rate, in resolutions of the counter",
        default=2.0,
        source="sum check of Oracle MDM",
    ),
    Limit(
        key="sum_share",
        unit="1",
        meaning="sum: difference allowed beside that, as a share of what the counter shows; a rate is sampled",
        default=0.05,
        source=_OWN,
        highest=1.0,
    ),
    Limit(
        key="capacity_rate",
        unit="unit of the channel per hour",
        meaning="greatest rate that pipe or connection carries; beside it the channel's max_rate and the contracted kVA hold",
        default=inf,
        source="nameplate, to be set",
    ),
    Limit(
        key="hierarchy_bands",
        unit="error bands",
        meaning="meters downstream may sum to so many error bands more than the one upstream shows",
        default=1.0,
        source="error shares of the meters",
    ),
    Limit(
        key="range_low",
        unit="unit of the channel",
        meaning="values below are out of range",
        default=-inf,
        source=_SPARING,
        by_quantity=MappingProxyType({key: low for key, (low, _) in _RANGES.items()}),
        lowest=-inf,
    ),
    Limit(
        key="range_high",
        unit="unit of the channel",
        meaning="values above are out of range",
        default=inf,
        source=_SPARING,
        by_quantity=MappingProxyType({key: high for key, (_, high) in _RANGES.items()}),
        lowest=-inf,
    ),
    Limit(
        key="outlier_mads",
        unit="MAD",
        meaning="an outlier is further from the median of the 2 h before than so many median absolute deviations",
        default=5.0,
        source=_SPARING,
    ),
    Limit(
        key="outlier_least",
        unit="unit of the channel",
        meaning="... and further than this",
        default=inf,
        source=_OWN,
        by_quantity=MappingProxyType(_LEAST_DEVIATIONS),
    ),
    Limit(
        key="outlier_points",
        unit="readings",
        meaning="... where the 2 h before hold at least so many",
        default=10.0,
        source=_SPARING,
        lowest=1.0,
        whole=True,
    ),
    Limit(
        key="drift_share",
        unit="1",
        meaning="a day's mean further from that of the 7 days before than this share of it drifts",
        default=0.25,
        source=_SPARING,
    ),
    Limit(
        key="estimated_share",
        unit="1",
        meaning="more of a month than this must not be estimated",
        default=0.25,
        source=_OWN,
        highest=1.0,
    ),
)

LIMITS: Mapping[str, Limit] = MappingProxyType(
    {limit.key: limit for limit in (*(_switch(rule) for rule in RULES), *_ENTRIES)}
)
"""Every limit by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits that hold for some channels on one day."""

    values: Mapping[str, FloatArray]
    """By name; (c,) each."""

    def __getitem__(self, name: str) -> FloatArray:
        return self.values[name]

    def on(self, rule: Rule) -> NDArray[np.bool_]:
        """Whether a rule is checked; bool (c,)."""
        return np.asarray(self.values[f"check_{rule.value}"] > 0.0, dtype=np.bool_)

    def take(self, rows: IntArray) -> "Limits":
        """Those of some of the channels."""
        return Limits(values={name: column[rows] for name, column in self.values.items()})


def limits_on(registry: Registry, channels: tuple[Channel, ...], day_us: int) -> Limits:
    """
    The limits of some channels on the local day that starts at an instant.

    A park's limits of a quantity take the place of the defaults, and those of a channel of both.
    """
    quantities, code = np.unique([channel.quantity for channel in channels], return_inverse=True)
    values = {
        name: np.array([limit.of(str(quantity)) for quantity in quantities], dtype=np.float64)[code]
        for name, limit in LIMITS.items()
    }
    entries = [entry for entry in registry.references.checks if entry.origin.holds(day_us)]
    place = {channel.key.split("/", 1)[1]: row for row, channel in enumerate(channels)}
    # Limits of quantities before those of channels, which narrow them.
    for entry in sorted(entries, key=lambda entry: "/" in entry.origin.key):
        key = entry.origin.key
        rows = np.array([place[key]] if key in place else [], dtype=np.int64)
        if "/" not in key:
            rows = np.flatnonzero(quantities[code] == key)
        for name, value in entry.limits:
            if name in values:
                values[name][rows] = value
    return Limits(values=values)


def check_limits(limits: CheckLimits, registry: Registry) -> list[str]:
    """
    What is wrong with limits that somebody wants to set; one sentence each, none: they can be taken.

    Parameters
    ----------
    limits : CheckLimits
        Its key is a quantity, or `tenant/meter/quantity` of a channel of the park.
    """
    key = limits.origin.key
    wrong = [*_wrong_key(key, registry)]
    for name, value in limits.limits:
        limit = LIMITS.get(name)
        if limit is None:
            wrong.append(f"limits of {key!r}: {name!r} is no limit of a check; there are {', '.join(sorted(LIMITS))}")
        elif not isfinite(value) or not limit.lowest <= value <= limit.highest or (limit.whole and value % 1.0):
            kind = "a whole number" if limit.whole else "a number"
            wrong.append(
                f"limits of {key!r}: {name} is {value:g}; it must be {kind} from {limit.lowest:g} to "
                f"{limit.highest:g} [{limit.unit}]"
            )
    given = dict(limits.limits)
    if given.get("range_low", -inf) > given.get("range_high", inf):
        wrong.append(
            f"limits of {key!r}: range_low ({given['range_low']:g}) is above range_high ({given['range_high']:g}); "
            "no value would be in range"
        )
    return wrong


def _wrong_key(key: str, registry: Registry) -> list[str]:
    if key in QUANTITIES:
        return []
    channel = registry.channel_by_key.get(f"{registry.park.key}/{key}")
    if channel is None:
        park = registry.park.key
        return [
            f"limits of {key!r}: neither a quantity (like cod) nor a channel (tenant/meter/quantity) of park {park!r}"
        ]
    if channel.kind is Kind.EVENT:
        return [f"limits of {key!r}: it is a channel of events, which are not checked"]
    return []
