"""Compliance: windows of one channel judged against a dated limit, as ok, exceeded or invalid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import RegistryError
from domain.frames import FloatArray, Subject, SubjectKind
from domain.registry import ComplianceRule, Registry, RuleStatistic, RuleWindow
from domain.time import SECOND_US, IntArray, Level, level_edges
from kpi.block import ROUNDING_S, Block, Scene
from kpi.definition import Family, Kpi, Made, padded
from kpi.members import Claims, Members, claimed
from kpi.tree import FOREVER_US, Rows, Tree

__all__ = ["COMPLIANCE", "Judged", "check_rules", "judge", "window_level"]

BoolArray = NDArray[np.bool_]


def window_level(window: RuleWindow) -> Level:
    """The level whose intervals are a rule's windows."""
    return {RuleWindow.BASE: Level.BASE, RuleWindow.HOUR: Level.HOUR, RuleWindow.DAY: Level.DAY}[window]


def check_rules(registry: Registry) -> None:
    """
    Nothing, where every rule can be judged.

    Raises
    ------
    RegistryError
        A rule takes the mean of a pH, which is a logarithm and has none.
    """
    for rule in registry.rules:
        channel = registry.channel_by_id[rule.channel_id]
        if channel.unit == "pH" and rule.statistic is RuleStatistic.MEAN:
            raise RegistryError(
                f"rule {rule.key!r} judges the mean of {channel.key}; pH is judged by range, min or max"
            )


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
    are the least and the greatest value that held, RANGE is both; strictly beyond a limit exceeds it.

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
    least, greatest = _compared(scene, block, limits, edges)
    measured_s = block.summed(block.measured_s, edges)
    due = (
        (edges[:-1] >= limits.from_us[:, None])
        & (edges[1:] <= limits.to_us[:, None])
        & (edges[1:] <= scene.ticked_us)
        & scene.alive(rows, edges)
        & (scene.serves(rows, edges) | (measured_s > 0))
    )
    share = (measured_s + ROUNDING_S) / (np.diff(edges) / SECOND_US)
    valid = due & (share >= limits.least_valid[:, None]) & ~np.isnan(least) & ~np.isnan(greatest)
    beyond = (least < limits.lowest[:, None]) | (greatest > limits.highest[:, None])
    return Judged(edges=edges, ok=valid & ~beyond, exceeded=valid & beyond, invalid=due & ~valid)


def _compared(scene: Scene, block: Block, limits: _Limits, edges: IntArray) -> tuple[FloatArray, FloatArray]:
    """What is held against the lowest and against the highest limit, (r, w) each; NaN where nothing held."""
    frame, source = scene.frame, block.source
    low = block.extreme(np.fmin, frame.low[source], edges)
    high = block.extreme(np.fmax, frame.high[source], edges)
    known = ~np.isnan(frame.mean[source])
    seconds = np.where(known, block.measured_s, 0.0)
    product = block.summed(np.where(known, frame.mean[source], 0.0) * seconds, edges)
    whole = block.summed(seconds, edges)
    mean = np.full(whole.shape, np.nan)
    np.divide(product, whole, out=mean, where=whole > 0)
    # A steady value on the limit must not exceed it by the last digit of the division.
    mean = np.clip(mean, low, high)
    statistic = limits.statistic[:, None]
    by_low = np.isin(statistic, [RuleStatistic.MIN.value, RuleStatistic.RANGE.value])
    by_high = np.isin(statistic, [RuleStatistic.MAX.value, RuleStatistic.RANGE.value])
    is_mean = statistic == RuleStatistic.MEAN.value
    return (
        np.where(is_mean, mean, np.where(by_low, low, high)),
        np.where(is_mean, mean, np.where(by_high, high, low)),
    )


def _judged_rows(
    registry: Registry, tree: Tree, subjects: tuple[Subject, ...], kpis: tuple[Kpi, ...]
) -> Members | None:
    """Every dated version of a rule is a row of the rule's KPI, for its meter, its tenant and the park."""
    place_of = {kpi.of: place for place, kpi in enumerate(kpis)}
    chosen = [place for place, rule in enumerate(registry.rules) if rule.key in place_of]
    if not chosen:
        return None
    rules = [registry.rules[place] for place in chosen]
    limits = _Limits.of(rules)
    channel = tree.places(np.array([rule.channel_id for rule in rules], dtype=np.int32))
    rows = Rows(
        channel=channel,
        from_us=np.maximum(tree.from_us[channel], limits.from_us),
        to_us=np.minimum(tree.to_us[channel], limits.to_us),
        rule=np.array(chosen, dtype=np.int64),
    )
    kpi = np.array([place_of[rule.key] for rule in rules], dtype=np.int64)
    lives = rows.from_us < rows.to_us
    rows, kpi = rows.taken(lives), kpi[lives]
    meter, row = tree.meter[rows.channel], np.arange(len(rows))
    owners = {
        SubjectKind.METER: tree.meter_id[meter],
        SubjectKind.TENANT: tree.tenant_id[meter],
        SubjectKind.PARK: np.full(len(rows), tree.park_id, dtype=np.int32),
    }
    claims = tuple(Claims(kpi=kpi, kind=kind, owner=owner, row=row) for kind, owner in owners.items())
    return claimed(tree, rows, claims, subjects)


def _window_terms(scene: Scene, block: Block, members: Members) -> Made:
    """Windows by outcome: (ok, exceeded, invalid)."""
    rows, atoms = members.rows, scene.atoms
    counts = np.zeros((3, len(rows), len(atoms) - 1))
    windows = np.array([scene.registry.rules[place].window.value for place in rows.rule], dtype=np.str_)
    for window in (RuleWindow(value) for value in np.unique(windows)):
        chosen = windows == window.value
        within = block.only(chosen[block.row])
        part = np.cumsum(chosen) - 1
        judged = judge(scene, within.of_rows(part[within.row], int(chosen.sum())), rows.taken(chosen), window)
        first = np.searchsorted(judged.edges[:-1], atoms[:-1])
        for place, outcome in enumerate((judged.ok, judged.exceeded, judged.invalid)):
            counts[place, chosen] = np.add.reduceat(outcome.astype(np.float64), first, axis=1)
    terms = padded(*(members.summed(outcome)[:, 0] for outcome in counts))
    flags = members.joined(block.joined(atoms))
    return Made(terms=terms, peak_at_us=np.zeros(flags.shape, dtype=np.int64), flags=flags)


COMPLIANCE = Family(members=_judged_rows, terms=_window_terms)
