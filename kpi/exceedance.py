"""Beyond a limit: for how long, with how much load, and how much of what is discharged was within all limits."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import ComplianceRule, MeterRole, Registry, RuleStatistic
from domain.time import IntArray, Level
from kpi.block import Block, Scene
from kpi.compliance import by_window, longest_window, members_of_rules, rule_rows, weighing_flows
from kpi.definition import Family, Kpi, Made, padded
from kpi.intake import discharged, sided, wastewater
from kpi.laying import lay
from kpi.measures import hours_of, paired, without_peak
from kpi.members import Members
from kpi.pairs import pair_terms
from kpi.pollutants import input_hours
from kpi.shares import coverage
from kpi.tree import Rows, Tree, overlap
from kpi.windowstats import flow_beside

__all__ = ["EXCESS", "TIME_ABOVE", "has_excess", "has_time", "treated_family", "treated_levels"]

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

    (excess load, hours entered, hours expected, hours in which the two were measured, together or not).
    """
    atoms, rows = scene.atoms, members.rows
    frame, place = scene.frame, _flow(scene.tree, members)
    held = replace(block, amount=frame.mean[block.source])
    concentration, volume = paired(held, lay(scene, rows, place))
    beyond = np.maximum(concentration.amount - _limit(scene.registry, rows, upper=True)[concentration.row], 0.0)
    excess = members.summed(volume.summed(beyond * volume.amount * KG_PER_GRAM, atoms))[:, 0]
    some = members.summed(volume.summed(np.ones(len(volume.row)), atoms))[:, 0] > 0
    hours = hours_of(scene, members, concentration.summed(concentration.covered_s, atoms))
    inputs = input_hours(scene, members, rows.channel, place)
    flags = members.joined(block.joined(atoms) | volume.joined(atoms))
    return without_peak(padded(np.where(some, excess, np.nan), *hours, inputs), flags)


EXCESS = Family(members=_with_flow, terms=_excess_terms, also=_flow)


def _rules_of_outlets(registry: Registry) -> IntArray:
    roles = {meter.id: meter.role for meter in registry.meters}
    channels = registry.channel_by_id
    return _places([roles[channels[rule.channel_id].meter_id] is MeterRole.OUTLET for rule in registry.rules])


def treated_family(registry: Registry) -> Family:
    """What leaves by outlets within all their limits, over the wastewater of the park."""
    places = _rules_of_outlets(registry)

    def members(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
        judged = np.unique(tree.meter[rule_rows(registry, tree, places).channel])
        outlets = discharged(tree, MeterRole.OUTLET)
        park, outlets = SubjectKind.PARK, outlets.taken(np.isin(tree.meter[outlets.channel], judged))
        return sided(tree, ((park, 0, outlets), (park, 1, wastewater(tree))), subjects)

    def also(tree: Tree, _: Members) -> IntArray:
        rows = rule_rows(registry, tree, places)
        return np.concatenate([rows.channel, weighing_flows(tree, registry, rows)])

    def terms(scene: Scene, block: Block, members: Members) -> Made:
        within = np.where(
            (scene.tree.role[members.meter] == MeterRole.OUTLET.value)[block.row],
            _within_limits(scene, rule_rows(registry, scene.tree, places))[members.meter[block.row], block.cell],
            1.0,
        )
        return pair_terms(scene, block.scaled(within), members)

    return Family(members=members, terms=terms, also=also)


def _within_limits(scene: Scene, rows: Rows) -> FloatArray:
    """(m, n) 1 where a meter's base interval lies in windows that are ok by all rules in force for it, else 0."""
    cells, meter = scene.cells, scene.tree.meter[rows.channel]
    shape = (len(scene.tree.meter_id), len(cells) - 1)
    held, ok = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    in_force = overlap(rows.from_us[:, None], rows.to_us[:, None], cells[:-1], cells[1:]) > 0
    np.add.at(held, meter, in_force.astype(np.int64))
    for chosen, judged in by_window(scene, lay(scene, rows), rows):
        window = np.searchsorted(judged.edges, cells[:-1], side="right") - 1
        np.add.at(ok, meter[chosen], (judged.ok[:, window] & in_force[chosen]).astype(np.int64))
    within: FloatArray = ((held > 0) & (ok == held)).astype(np.float64)
    return within


def treated_levels(registry: Registry) -> frozenset[Level]:
    """Levels at which no window of an outlet is cut; none where no outlet is judged."""
    rules = [registry.rules[place] for place in _rules_of_outlets(registry).tolist()]
    if not rules:
        return frozenset()
    longest = longest_window(rules)
    return frozenset(level for level in Level if level >= longest)
