"""Beyond a limit: for how long, with how much load, and how much of what is discharged was within all limits."""

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import ComplianceRule, MeterRole, Registry, RuleStatistic
from domain.time import IntArray
from kpi.block import Block, Scene, coverage, lay
from kpi.compliance import by_window, members_of_rules, rule_rows, weighing_flows
from kpi.definition import Family, Kpi, Made, padded
from kpi.intake import discharged, sided, wastewater
from kpi.measures import hours_of, paired, without_peak
from kpi.members import Members
from kpi.pairs import pair_terms
from kpi.pollutants import input_hours
from kpi.tree import Rows, Tree, overlap
from kpi.windowstats import flow_beside

__all__ = ["EXCESS", "TIME_ABOVE", "has_excess", "has_time", "treated_family"]

BoolArray = NDArray[np.bool_]
KG_PER_GRAM = 1e-3
_OF_EXTREMES = frozenset({RuleStatistic.INSTANT, RuleStatistic.MIN, RuleStatistic.MAX, RuleStatistic.RANGE})


def has_time(rule: ComplianceRule) -> bool:
    """Whether a value that holds is judged, so that there is a time outside of the limit."""
    return rule.statistic is not RuleStatistic.SUM


def has_excess(registry: Registry, rule: ComplianceRule) -> bool:
    """Whether a concentration has an upper limit."""
    concentration = registry.channel_by_id[rule.channel_id].unit == "mg/L"
    return concentration and rule.highest is not None and has_time(rule)


def _places(chosen: list[bool]) -> IntArray:
    return np.flatnonzero(np.array(chosen, dtype=np.bool_))


def _timed(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]) -> Members | None:
    return members_of_rules(registry, tree, subjects, kpis, _places([has_time(rule) for rule in registry.rules]))


def _limit(registry: Registry, rows: Rows, *, upper: bool) -> FloatArray:
    """(r,) the limit that holds in each row; infinite where there is none."""
    none = np.inf if upper else -np.inf
    limits = [rule.highest if upper else rule.lowest for rule in registry.rules]
    return np.array([none if limit is None else limit for limit in limits])[rows.rule]


def _outside(scene: Scene, block: Block, rows: Rows) -> BoolArray:
    """(k,) whether a base interval is outside: by its mean, or by its extremes where the rule is about those."""
    frame, source, rules = scene.frame, block.source, scene.registry.rules
    extremes = np.array([rule.statistic in _OF_EXTREMES for rule in rules], dtype=np.bool_)[rows.rule][block.row]
    mean = frame.mean[source]
    least = np.where(extremes, frame.low[source], mean)
    greatest = np.where(extremes, frame.high[source], mean)
    lowest, highest = (_limit(scene.registry, rows, upper=upper)[block.row] for upper in (False, True))
    beyond: BoolArray = (least < lowest) | (greatest > highest)
    return beyond


def _time_terms(scene: Scene, block: Block, members: Members) -> Made:
    """Hours outside of the limit, hours measured; up to the tick."""
    atoms = scene.atoms
    known = block.only(~np.isnan(scene.frame.high[block.source]) & (block.covered_s > 0))
    outside = _outside(scene, known, members.rows)
    hours = [
        members.summed(known.summed(seconds, atoms))[:, 0] / 3600
        for seconds in (np.where(outside, known.covered_s, 0.0), known.covered_s)
    ]
    terms = padded(np.where(hours[1] > 0, hours[0], np.nan), hours[1])
    return without_peak(terms, members.joined(block.joined(atoms)))


TIME_ABOVE = Family(members=_timed, terms=_time_terms, coverage=coverage)


def _with_flow(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]) -> Members | None:
    channel = tree.places(np.array([rule.channel_id for rule in registry.rules], dtype=np.int32))
    has_flow = flow_beside(tree, channel) >= 0
    chosen = [has_excess(registry, rule) and bool(flow) for rule, flow in zip(registry.rules, has_flow, strict=True)]
    return members_of_rules(registry, tree, subjects, kpis, _places(chosen))


def _flow(tree: Tree, members: Members) -> IntArray:
    return flow_beside(tree, members.rows.channel)


def _excess_terms(scene: Scene, block: Block, members: Members) -> Made:
    """
    What of the load is beyond the limit, of base intervals in which concentration and flow are known from end to end.

    (excess load, hours entered, hours expected, hours in which one of the two was measured).
    """
    atoms, rows = scene.atoms, members.rows
    frame, place = scene.frame, _flow(scene.tree, members)
    held = Block(**{**_columns(block), "amount": frame.mean[block.source]})
    concentration, volume = paired(held, lay(scene, rows, place))
    beyond = np.maximum(concentration.amount - _limit(scene.registry, rows, upper=True)[concentration.row], 0.0)
    excess = members.summed(volume.summed(beyond * volume.amount * KG_PER_GRAM, atoms))[:, 0]
    some = members.summed(volume.summed(np.ones(len(volume.row)), atoms))[:, 0] > 0
    hours = hours_of(scene, members, concentration.summed(concentration.covered_s, atoms))
    inputs = input_hours(scene, members, rows.channel, place)
    flags = members.joined(block.joined(atoms) | volume.joined(atoms))
    return without_peak(padded(np.where(some, excess, np.nan), *hours, inputs), flags)


EXCESS = Family(members=_with_flow, terms=_excess_terms, also=_flow)
