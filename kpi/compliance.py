"""Compliance: windows of one channel judged against a dated limit, as ok, exceeded or invalid."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import RegistryError
from domain.frames import FloatArray, Subject, SubjectKind
from domain.quantities import QUANTITIES
from domain.registry import ComplianceRule, Registry, RuleStatistic, RuleWindow
from domain.time import SECOND_US, IntArray, Level, level_edges
from kpi.block import ROUNDING_S, Block, Scene
from kpi.definition import Family, Kpi, Made, padded
from kpi.members import Claims, Members, claimed
from kpi.tree import FOREVER_US, Rows, Tree
from kpi.windowstats import compared, flow_beside

__all__ = [
    "Judged",
    "by_window",
    "check_rules",
    "compliance_family",
    "judge",
    "longest_window",
    "members_of_rules",
    "rule_rows",
    "weighing_flows",
    "window_level",
]

BoolArray = NDArray[np.bool_]


def window_level(window: RuleWindow) -> Level:
    """The level whose intervals are a rule's windows."""
    return Level[window.name]


def longest_window(rules: Iterable[ComplianceRule]) -> Level:
    """A window counts where it lies, so no level may be shorter than the longest window that ever held."""
    return max(window_level(rule.window) for rule in rules)


def check_rules(registry: Registry) -> None:
    """
    Nothing, where every rule can be judged.

    Raises
    ------
    RegistryError
        A rule averages a pH, which is a logarithm and has no mean; adds up what is no amount; or weighs by a flow that the
        meter does not have.
    """
    tree: Tree | None = None
    for rule in registry.rules:
        channel = registry.channel_by_id[rule.channel_id]
        if channel.unit == "pH" and rule.statistic in _AVERAGES:
            raise RegistryError(
                f"rule {rule.key!r} judges the {_words(rule)} of {channel.key}; pH is judged by range, instant, min or max"
            )
        about = QUANTITIES[channel.quantity]
        if rule.statistic is RuleStatistic.SUM and not (about.stock or about.integral):
            raise RegistryError(
                f"rule {rule.key!r} judges the sum of {channel.key}, which adds up to nothing; judge its mean, p95 or max"
            )
        if rule.statistic is RuleStatistic.FLOW_WEIGHTED_MEAN:
            tree = Tree.of(registry) if tree is None else tree
            if flow_beside(tree, tree.places(np.array([channel.id], dtype=np.int32)))[0] < 0:
                raise RegistryError(
                    f"rule {rule.key!r} weighs {channel.key} by flow, and its meter measures none; "
                    "add effluent_flow or effluent_volume, or judge the mean"
                )


_AVERAGES = frozenset({RuleStatistic.MEAN, RuleStatistic.FLOW_WEIGHTED_MEAN, RuleStatistic.P95})


def _words(rule: ComplianceRule) -> str:
    return rule.statistic.value.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of each window of each rule; (r, w) each. A window that is none of the three is not judged."""

    edges: IntArray
    """(w + 1,) edges of the windows. [us UTC]"""
    ok: BoolArray
    exceeded: BoolArray
    invalid: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """The rules of some rows in columns, (r,) each."""

    statistic: NDArray[np.str_]
    lowest: FloatArray
    highest: FloatArray
    least_valid: FloatArray
    from_us: IntArray
    to_us: IntArray

    @classmethod
    def of(cls, rules: list[ComplianceRule]) -> "_Limits":
        return cls(
            statistic=np.array([rule.statistic.value for rule in rules], dtype=np.str_),
            lowest=np.array([-np.inf if rule.lowest is None else rule.lowest for rule in rules]),
            highest=np.array([np.inf if rule.highest is None else rule.highest for rule in rules]),
            least_valid=np.array([rule.least_valid for rule in rules]),
            from_us=np.array([rule.valid_from_us for rule in rules], dtype=np.int64),
            to_us=np.array(
                [FOREVER_US if rule.valid_to_us is None else rule.valid_to_us for rule in rules], dtype=np.int64
            ),
        )


def judge(scene: Scene, block: Block, rows: Rows, window: RuleWindow) -> Judged:
    """
    The windows of some rows whose rules all have the same window.

    A window is judged once it is final, lies wholly in the life of its rule, and touches the life of its channel. One
    over which the meter is out of service from end to end is judged only where it was measured all the same.
    It is invalid where less than the rule's least share of it was measured. MEAN is the time-weighted mean, MIN and MAX
    are the least and the greatest value that held, RANGE and INSTANT are both; P95 is the percentile of the means of base
    intervals; FLOW_WEIGHTED_MEAN takes base intervals in which concentration and flow were measured from end to end, and a
    window in which nothing flowed is not judged; SUM is the measured part over its share of the window, and also counts
    what a register passed during a gap. Strictly beyond a limit exceeds it.

    Concentrations are never estimated: what was not measured is in no statistic.

    Parameters
    ----------
    scene : Scene
    block : Block
        Amounts of the rows; entries of other rows are not allowed.
    rows : Rows
        Each with its rule.
    window : RuleWindow

    Returns
    -------
    Judged
    """
    park = scene.registry.park
    edges = level_edges(park.zone, park.base_s, window_level(window), int(scene.cells[0]), int(scene.cells[-1]))
    limits = _Limits.of([scene.registry.rules[place] for place in rows.rule])
    found = compared(scene, block, rows, limits.statistic, edges)
    due = (
        (edges[:-1] >= limits.from_us[:, None])
        & (edges[1:] <= limits.to_us[:, None])
        & (edges[1:] <= scene.ticked_us)
        & scene.alive(rows, edges)
        & (scene.serves(rows, edges) | (found.known_s > 0))
        & ~found.idle
    )
    share = (found.known_s + ROUNDING_S) / (np.diff(edges) / SECOND_US)
    valid = due & (share >= limits.least_valid[:, None]) & ~np.isnan(found.least) & ~np.isnan(found.greatest)
    beyond = (found.least < limits.lowest[:, None]) | (found.greatest > limits.highest[:, None])
    return Judged(edges=edges, ok=valid & ~beyond, exceeded=valid & beyond, invalid=due & ~valid)


def rule_rows(registry: Registry, tree: Tree, places: IntArray) -> Rows:
    """
    The channels of some rules, each as long as its rule holds; those that never do are left out.

    Parameters
    ----------
    places : int64 (n,)
        Of rules in the registry: every dated version of a rule is one of its own.
    """
    rules = [registry.rules[place] for place in places.tolist()]
    limits = _Limits.of(rules)
    channel = tree.places(np.array([rule.channel_id for rule in rules], dtype=np.int32))
    rows = Rows(
        channel=channel,
        from_us=np.maximum(tree.from_us[channel], limits.from_us),
        to_us=np.minimum(tree.to_us[channel], limits.to_us),
        rule=places,
    )
    return rows.taken(rows.from_us < rows.to_us)


def weighing_flows(tree: Tree, registry: Registry, rows: Rows) -> IntArray:
    """Positions of the flows by which the rules of some rows weigh; -1 for those that do not."""
    weighs = np.array([rule.statistic is RuleStatistic.FLOW_WEIGHTED_MEAN for rule in registry.rules], dtype=np.bool_)
    flows = np.full(len(rows), -1)
    chosen = np.flatnonzero(weighs[rows.rule])
    flows[chosen] = flow_beside(tree, rows.channel[chosen])
    return flows


def by_window(scene: Scene, block: Block, rows: Rows) -> Iterator[tuple[IntArray, Judged]]:
    """Which of some rows have rules with each window, and what became of those windows."""
    windows = np.array([scene.registry.rules[place].window.value for place in rows.rule], dtype=np.str_)
    for window in (RuleWindow(value) for value in np.unique(windows)):
        chosen = windows == window.value
        within = block.only(chosen[block.row])
        part = np.cumsum(chosen) - 1
        judged = judge(scene, within.of_rows(part[within.row], int(chosen.sum())), rows.taken(chosen), window)
        yield np.flatnonzero(chosen), judged


def _judged_rows(
    registry: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]
) -> Members | None:
    """Every dated version of a rule is a row of the rule's KPI, for its meter, its tenant and the park."""
    return members_of_rules(registry, tree, subjects, kpis, np.arange(len(registry.rules)))


def members_of_rules(
    registry: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...], places: IntArray
) -> Members | None:
    """
    The meter, the tenant and the park behind some rules, each with the rows of the KPI that is `of` a rule's key.

    Parameters
    ----------
    places : int64 (n,)
        Of rules in the registry; those of other keys are left out.
    """
    place_of = {kpi.of: place for place, kpi in enumerate(kpis)}
    chosen = [place for place in places.tolist() if registry.rules[place].key in place_of]
    if not chosen:
        return None
    rows = rule_rows(registry, tree, np.array(chosen, dtype=np.int64))
    kpi = np.array([place_of[registry.rules[place].key] for place in rows.rule.tolist()], dtype=np.int64)
    meter, row = tree.meter[rows.channel], np.arange(len(rows))
    owners = {
        SubjectKind.METER: tree.meter_id[meter],
        SubjectKind.TENANT: tree.tenant_id[meter],
        SubjectKind.PARK: np.full(len(rows), tree.park_id, dtype=np.int32),
    }
    claims = tuple(Claims(kpi=kpi, kind=kind, owner=owner, row=row) for kind, owner in owners.items())
    return claimed(tree, rows, claims, subjects)


def _window_terms(scene: Scene, block: Block, members: Members) -> Made:
    """Windows by outcome: (ok, exceeded, invalid); a window counts where it begins."""
    rows, atoms = members.rows, scene.atoms
    counts = np.zeros((3, len(rows), len(atoms) - 1))
    for chosen, judged in by_window(scene, block, rows):
        atom = np.searchsorted(atoms, judged.edges[:-1], side="right") - 1
        inside = np.flatnonzero((atom >= 0) & (atom < len(atoms) - 1))
        for place, outcome in enumerate((judged.ok, judged.exceeded, judged.invalid)):
            np.add.at(counts[place], (chosen[:, None], atom[inside]), outcome[:, inside].astype(np.float64))
    terms = padded(*(members.summed(outcome)[:, 0] for outcome in counts))
    flags = members.joined(block.joined(atoms))
    return Made(terms=terms, peak_at_us=np.zeros(flags.shape, dtype=np.int64), flags=flags)


def compliance_family(registry: Registry) -> Family:
    """Windows of rules; with the flows that rules of this park weigh by."""

    def also(tree: Tree, members: Members) -> IntArray:
        return weighing_flows(tree, registry, members.rows)

    return Family(members=_judged_rows, terms=_window_terms, also=also)
