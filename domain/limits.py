"""Limits of compliance points by precedence: which of several dated limits of one quantity holds when.

A limit is one statistic over one window. A permit goes before the estate's rules, and these before national ones, among
limits of the same channel, statistic and window; a mean of a day never takes the place of a mean of an hour.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from domain.alarms import OPEN_US, Authority, Signal, Source, WindowStatistic
from domain.registry import ComplianceRule, Registry, RuleStatistic, RuleWindow
from domain.time import Level

__all__ = ["Limit", "LimitKind", "kind_of", "kinds_of", "limit_at", "limits_in_force", "limits_of", "rule_window_s"]

_PRECEDENCE = tuple(Authority)
_WINDOW_S = {RuleWindow.HOUR: 3600, RuleWindow.DAY: 86400, RuleWindow.MONTH: None}


class Limit(NamedTuple):
    """From when to when a compliance rule decides."""

    from_us: int
    to_us: int
    """Excluded; OPEN_US: still. [us UTC]"""
    rule: ComplianceRule


@dataclass(frozen=True, slots=True, order=True)
class LimitKind:
    """What is compared with a limit: limits of one kind stand in for each other."""

    window: RuleWindow
    statistic: WindowStatistic

    @property
    def key(self) -> str:
        """As it stands in targets: `day_mean`."""
        return f"{self.window.value}_{self.statistic.value}"

    @property
    def level(self) -> Level:
        """The level whose intervals are the windows."""
        return Level[self.window.name]


def kind_of(statistic: RuleStatistic, window: RuleWindow) -> LimitKind:
    """The kind of a rule's limit; `instant` and `range` say the same."""
    same = RuleStatistic.RANGE if statistic is RuleStatistic.INSTANT else statistic
    return LimitKind(window=window, statistic=WindowStatistic(same.value))


def rule_window_s(window: RuleWindow, base_s: int) -> int | None:
    """Length of a rule's window; None for a month. [s]"""
    return base_s if window is RuleWindow.BASE else _WINDOW_S[window]


def kinds_of(registry: Registry, channel_id: int) -> tuple[LimitKind, ...]:
    """The kinds of limits that a channel ever had, each once, sorted."""
    kinds = {kind_of(rule.statistic, rule.window) for rule in registry.rules if rule.channel_id == channel_id}
    return tuple(sorted(kinds))


def limits_in_force(registry: Registry, channel_id: int, kind: LimitKind | None = None) -> tuple[Limit, ...]:
    """
    The limits that decide for a channel, each from when to when.

    Of limits of one kind that hold at the same time the one of the first authority decides: permit, estate, national. Of
    several of one authority it is the strictest: the lowest `highest`, then the highest `lowest`, then the first key.

    Parameters
    ----------
    kind : LimitKind, optional
        None: of all kinds; those of different kinds hold beside each other.

    Returns
    -------
    tuple of Limit
        In order of kind and time; those of one kind do not overlap. Empty where the channel has no limit.
    """
    kinds = kinds_of(registry, channel_id) if kind is None else (kind,)
    rules = [rule for rule in registry.rules if rule.channel_id == channel_id]
    return tuple(
        limit
        for one in kinds
        for limit in _decided(rule for rule in rules if kind_of(rule.statistic, rule.window) == one)
    )


def limits_of(registry: Registry, source: Source) -> tuple[Limit, ...]:
    """The limits that decide for what a COMPLIANCE watch takes its values from, in order of time; of other signals none."""
    if source.signal is not Signal.COMPLIANCE or source.channel_id is None:
        return ()
    return tuple(
        limit
        for kind in kinds_of(registry, source.channel_id)
        if kind.statistic is source.statistic and kind.level is source.level
        for limit in limits_in_force(registry, source.channel_id, kind)
    )


def limit_at(registry: Registry, source: Source, at_us: int) -> ComplianceRule | None:
    """
    What decided for a window of a COMPLIANCE watch that ended at a time; None where nothing did. [us UTC]

    A window is known at its end, which may be where the limit of the next one begins to hold.
    """
    return next((one.rule for one in limits_of(registry, source) if one.from_us < at_us <= one.to_us), None)


def _decided(rules: Iterable[ComplianceRule]) -> list[Limit]:
    ordered = sorted(rules, key=_strictness)
    edges = sorted({edge for rule in ordered for edge in (rule.valid_from_us, _end(rule))})
    decided: list[Limit] = []
    for start, stop in pairwise(edges):
        rule = next((one for one in ordered if one.valid_from_us <= start and stop <= _end(one)), None)
        if rule is None:
            continue
        last = decided[-1] if decided else None
        if last is not None and last.rule is rule and last.to_us == start:
            decided[-1] = Limit(last.from_us, stop, rule)
        else:
            decided.append(Limit(start, stop, rule))
    return decided


def _end(rule: ComplianceRule) -> int:
    return OPEN_US if rule.valid_to_us is None else rule.valid_to_us


def _strictness(rule: ComplianceRule) -> tuple[int, float, float, str, int]:
    highest = float("inf") if rule.highest is None else rule.highest
    lowest = float("-inf") if rule.lowest is None else rule.lowest
    return _PRECEDENCE.index(rule.authority), highest, -lowest, rule.key, rule.id
