"""Findings: what the checks (validation, as in VEE) say of readings and amounts, in columns.

A finding changes no number. It says which rule fired, from when to when, what was found and
what it was held against.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, SmallArray, check_lengths
from domain.time import IntArray

__all__ = ["RULES", "FindingFrame", "Rule", "joined_findings", "no_findings", "unit_of"]

_SHARES = ("spike", "drift", "estimation")


class Rule(StrEnum):
    """A check. What `value` and `bound` of its findings are stands in docs/checks.md."""

    SPIKE = "spike"
    """One interval of a day far above all but one other."""
    FROZEN = "frozen"
    """The same non-zero value again and again."""
    ZERO = "zero"
    """A whole day of nothing where there usually is something."""
    HIGH = "high"
    """A day far above the same weekday of the weeks before."""
    LOW = "low"
    """A day far below the same weekday of the weeks before."""
    GAP = "gap"
    """Expected readings missing in a row."""
    SUM = "sum"
    """What a rate adds up to is not what the counter of the same meter shows."""
    CAPACITY = "capacity"
    """A rate above what the connection, the contract or the pipe can carry."""
    HIERARCHY = "hierarchy"
    """Meters downstream of one sum to more than it shows."""
    RANGE = "range"
    """Outside what is physically plausible; the value is kept."""
    OUTLIER = "outlier"
    """Far from the median of the two hours before."""
    DRIFT = "drift"
    """The mean of a day far from that of the week before."""
    NEGATIVE = "negative"
    """Below zero where nothing can run backwards."""
    BOD_ABOVE_COD = "bod_above_cod"
    """Biochemical above chemical oxygen demand, which it is a part of."""
    LOAD_WITHOUT_FLOW = "load_without_flow"
    """A volume or load while the flow stands at zero."""
    ESTIMATION = "estimation"
    """Too much of a month is estimated."""

    @property
    def code(self) -> int:
        """Its place in `RULES`, as frames hold it."""
        return RULES.index(self)


RULES = tuple(Rule)
"""All rules; a frame names them by their place here."""


def unit_of(rule: Rule, unit: str, *, is_gauge: bool) -> str:
    """
    The unit of a rule's value and bound.

    Parameters
    ----------
    unit : str
        Of the channel.
    is_gauge : bool
        Whether the channel's values hold, rather than add up.
    """
    if rule in _SHARES:
        return "1"
    if rule is Rule.FROZEN:
        return "s"
    if rule is Rule.GAP:
        return "readings"
    return f"{unit}/h" if rule is Rule.CAPACITY and not is_gauge else unit


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFrame:
    """Findings sorted by (channel_id, day_us, rule, start_us), which is their key; (n,) each."""

    channel_id: SmallArray
    rule: NDArray[np.int16]
    """Code of :class:`Rule`."""
    day_us: IntArray
    """Start of the local day that it belongs to; of a finding about a month, its first day. [us UTC]"""
    start_us: IntArray
    """[us UTC]"""
    stop_us: IntArray
    """[us UTC]"""
    value: FloatArray
    """What was found. [unit of the rule]"""
    bound: FloatArray
    """What it was held against. [unit of the rule]"""

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.start_us)


def no_findings() -> FindingFrame:
    """A frame without rows."""
    return FindingFrame(
        channel_id=np.empty(0, dtype=np.int32),
        rule=np.empty(0, dtype=np.int16),
        day_us=np.empty(0, dtype=np.int64),
        start_us=np.empty(0, dtype=np.int64),
        stop_us=np.empty(0, dtype=np.int64),
        value=np.empty(0),
        bound=np.empty(0),
    )


def joined_findings(*parts: FindingFrame) -> FindingFrame:
    """Several frames as one, sorted; no two of them have a key in common."""
    columns = {
        name.name: np.concatenate([getattr(part, name.name) for part in (no_findings(), *parts)])
        for name in fields(FindingFrame)
    }
    order = np.lexsort((columns["start_us"], columns["rule"], columns["day_us"], columns["channel_id"]))
    return FindingFrame(**{name: column[order] for name, column in columns.items()})
