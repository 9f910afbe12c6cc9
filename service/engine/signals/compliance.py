"""Samples of compliance points: the limits in force, by precedence of who set them, with their own windows."""

import numpy as np

from domain.alarms import SampleFrame, Signal, WindowStatistic
from domain.limits import limits_of, rule_window_s
from domain.registry import ComplianceRule, RuleStatistic
from kpi.table import FAR_US
from service.engine.signals.asked import Asked, finite
from service.engine.signals.intervals import MONTH, Spells, interval_samples

__all__ = ["compliance_samples"]


def _statistic(rule: ComplianceRule) -> str:
    """An instant limit is held against every value that held, as a range is."""
    return WindowStatistic.RANGE.value if rule.statistic is RuleStatistic.INSTANT else rule.statistic.value


def compliance_samples(asked: Asked) -> SampleFrame:
    """
    Samples of COMPLIANCE: the windows, the numbers and the limits of :func:`kpi.compliance.judge`, the limits times `share`.

    A window in which the limit in force changes has no sample, but for the windows of the rules that hold in all of it.
    """
    registry, base_s = asked.known.plan.registry, asked.known.plan.park.base_s
    rows = [
        (place, limit.from_us, min(limit.to_us, FAR_US), limit.rule)
        for place in asked.places(Signal.COMPLIANCE)
        for limit in limits_of(registry, asked.watches[place].source)
    ]
    places = [place for place, *_ in rows]
    rules = [rule for *_, rule in rows]
    share = np.array([asked.watches[place].source.share for place in places])
    spells = Spells(
        place=np.array(places, dtype=np.int64),
        channel_id=np.array([rule.channel_id for rule in rules], dtype=np.int32),
        statistic=np.array([_statistic(rule) for rule in rules], dtype=np.str_),
        window_s=np.array([rule_window_s(rule.window, base_s) or MONTH for rule in rules], dtype=np.int64),
        alignment=np.array([asked.watches[place].source.alignment.value for place in places], dtype=np.str_),
        lowest=np.array([finite(rule.lowest, -np.inf) for rule in rules]) / share,
        highest=np.array([finite(rule.highest, np.inf) for rule in rules]) * share,
        least_valid=np.array([rule.least_valid for rule in rules]),
        since_us=np.maximum(asked.valid_from(places), np.array([from_us for _, from_us, *_ in rows], dtype=np.int64)),
        until_us=np.minimum(asked.valid_to(places), np.array([to_us for *_, to_us, _ in rows], dtype=np.int64)),
    )
    return interval_samples(asked, spells)
