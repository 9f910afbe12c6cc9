"""Checks of channels against each other: counter and rate of a meter, parameters of a sample, meters of a tree."""

from dataclasses import dataclass

import numpy as np

from domain.findings import FindingFrame, Rule, joined_findings
from domain.frames import FloatArray, SmallArray
from domain.quantities import CONCENTRATIONS
from domain.registry import Registry
from domain.time import IntArray
from kpi.checks.intervals import beyond
from kpi.checks.sheet import BoolArray, Day, Sheet, found, found_days
from kpi.ragged import sums_by
from kpi.table import GAUGE

__all__ = [
    "Families",
    "differences",
    "excesses",
    "families_of",
    "hierarchy_findings",
    "pair_findings",
    "paired_quantities",
]

_SUM_PAIRS = (("energy_import", "power"), ("water_in", "water_flow"), ("effluent_volume", "effluent_flow"))
"""A counter, and the rate that adds up to the same."""

_LOADS = ("effluent_volume", *(f"load_{key}" for key in CONCENTRATIONS))


def paired_quantities() -> frozenset[str]:
    """Quantities that are held against others of the same meter."""
    return frozenset({*(one for pair in _SUM_PAIRS for one in pair), "bod", "cod", "effluent_flow", *_LOADS})


def differences(counted: FloatArray, summed: FloatArray, shared: BoolArray) -> tuple[FloatArray, FloatArray]:
    """
    How far two measurements of the same are apart over the intervals that both have.

    Parameters
    ----------
    counted, summed : float64 (p, k) [unit]
    shared : bool (p, k)

    Returns
    -------
    difference, counted : float64 (p,) [unit]
        Both zero where they share nothing.
    """
    owner = np.repeat(np.arange(len(counted)), counted.shape[1])
    count = sums_by(owner, np.where(shared, counted, 0.0).ravel(), len(counted))
    total = sums_by(owner, np.where(shared, summed, 0.0).ravel(), len(counted))
    return np.abs(count - total), count


def pair_findings(sheet: Sheet) -> FindingFrame:
    """Everything that channels of one meter say of each other in the intervals of the day."""
    return joined_findings(_sums(sheet), _bod_above_cod(sheet), _load_without_flow(sheet))


def _pairs(sheet: Sheet, of: str, other: str) -> tuple[IntArray, IntArray]:
    """Rows of two quantities that one meter has both of."""
    by_meter: dict[int, int] = {}
    for row, channel in enumerate(sheet.day.channels):
        if channel.quantity == other:
            by_meter[channel.meter_id] = row
    pairs = [
        (row, by_meter[channel.meter_id])
        for row, channel in enumerate(sheet.day.channels)
        if channel.quantity == of and channel.meter_id in by_meter
    ]
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _sums(sheet: Sheet) -> FindingFrame:
    day, limits, parts = sheet.day, sheet.day.limits, []
    for counter, rate in _SUM_PAIRS:
        row, other = _pairs(sheet, counter, rate)
        shared = sheet.whole[row] & sheet.whole[other]
        difference, counted = differences(sheet.amount[row], sheet.amount[other], shared)
        allowed = limits["sum_steps"][row] * day.step[row] + limits["sum_share"][row] * np.abs(counted)
        hit = np.flatnonzero(limits.on(Rule.SUM)[row] & shared.any(axis=1) & (difference > allowed))
        parts.append(found_days(day, Rule.SUM, row[hit], difference[hit], allowed[hit]))
    return joined_findings(*parts)


def _bod_above_cod(sheet: Sheet) -> FindingFrame:
    day = sheet.day
    bod, cod = _pairs(sheet, "bod", "cod")
    asked = day.limits.on(Rule.BOD_ABOVE_COD)[bod][:, None]
    return _against(sheet, Rule.BOD_ABOVE_COD, bod, np.where(asked, sheet.mean[bod], np.nan), sheet.mean[cod])


def _load_without_flow(sheet: Sheet) -> FindingFrame:
    """On the load's channel; a counter may flicker by two of its steps."""
    day, parts = sheet.day, []
    for quantity in _LOADS:
        load, flow = _pairs(sheet, quantity, "effluent_flow")
        stands = sheet.whole[flow] & (sheet.high[flow] == 0.0) & (sheet.low[flow] == 0.0)
        stands &= day.limits.on(Rule.LOAD_WITHOUT_FLOW)[load][:, None] & (day.table.kind[flow] == GAUGE)[:, None]
        amount = np.where(stands & sheet.whole[load], sheet.amount[load], np.nan)
        none = np.broadcast_to(2.0 * day.step[load][:, None], amount.shape)
        parts.append(_against(sheet, Rule.LOAD_WITHOUT_FLOW, load, amount, none))
    return joined_findings(*parts)


def _against(sheet: Sheet, rule: Rule, rows: IntArray, value: FloatArray, most: FloatArray) -> FindingFrame:
    """Stretches in which values of some rows are above others."""
    intervals = len(sheet.day.edges) - 1
    flat = (rows[:, None] * intervals + np.arange(intervals)).ravel()
    values, bounds = np.full(sheet.amount.size, np.nan), np.full(sheet.amount.size, np.inf)
    values[flat] = value.ravel()
    bounds[flat] = np.where(np.isnan(most), np.inf, most).ravel()
    nothing = np.full(values.size, np.nan)
    runs, peak, bound = beyond(nothing, values, np.full(values.size, -np.inf), bounds, sheet.day.group)
    return found(sheet.day, rule, runs, peak, bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """Meters with others downstream of them, quantity by quantity; by channel id."""

    parent: SmallArray
    """(f,) rising."""
    child: SmallArray
    """(e,)"""
    child_of: IntArray
    """(e,) Family of each child, rising."""

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def members(self) -> SmallArray:
        """(m,) Parents and children, rising, each once."""
        return np.union1d(self.parent, self.child)

    def of_any(self, channel_ids: SmallArray) -> "Families":
        """The families that any of some channels belong to."""
        touched = np.isin(self.parent, channel_ids)
        touched[self.child_of[np.isin(self.child, channel_ids)]] = True
        kept = touched[self.child_of]
        number = np.cumsum(touched) - 1
        return Families(
            parent=self.parent[touched], child=self.child[kept], child_of=number[self.child_of[kept]].astype(np.int64)
        )


def families_of(registry: Registry) -> Families:
    """All families of a park."""
    by_meter = {(channel.meter_id, channel.quantity): channel.id for channel in registry.channels}
    edges: list[tuple[int, int]] = []
    for channel in registry.channels:
        above = registry.meter_by_id[channel.meter_id].parent_id
        parent = by_meter.get((above, channel.quantity)) if above is not None else None
        if parent is not None:
            edges.append((parent, channel.id))
    columns = np.array(sorted(edges), dtype=np.int32).reshape(-1, 2)
    parents, family = np.unique(columns[:, 0], return_inverse=True)
    return Families(parent=parents, child=columns[:, 1], child_of=family.astype(np.int64))


def excesses(
    parent: FloatArray, parent_error: FloatArray, child: FloatArray, child_error: FloatArray, child_of: IntArray
) -> tuple[FloatArray, FloatArray]:
    """
    By how much the children of each parent sum to more than it shows, and the error band of that.

    Parameters
    ----------
    parent : float64 (f,) [unit]
    child : float64 (e,) [unit]
    parent_error, child_error : float64 (f,), (e,)
        Relative errors. [0..1]
    child_of : int64 (e,)

    Returns
    -------
    excess, band : float64 (f,) [unit]
        The band is the root of the sum of the squares of each one's error; NaN where any amount is.
    """
    total = sums_by(child_of, child, len(parent))
    squares = sums_by(child_of, (child_error * child) ** 2, len(parent)) + (parent_error * parent) ** 2
    return total - parent, np.sqrt(squares)


def hierarchy_findings(day: Day, families: Families, amount: FloatArray, known: FloatArray) -> FindingFrame:
    """
    Parents whose children sum to more than they show, beyond the error band.

    Parameters
    ----------
    day : Day
        Of the members of the families, in their order.
    amount, known : float64 (m,)
        Amount of the day of each member, and the share of it that is known. A family with a member that is not
        known well enough is not judged.
    """
    limits, registry = day.limits, day.registry
    error = np.array([registry.meter_by_id[channel.meter_id].error_share for channel in day.channels])
    good = np.where(known >= limits["known_share"], amount, np.nan)
    row, child = (np.searchsorted(day.table.channel_id, ids) for ids in (families.parent, families.child))
    excess, band = excesses(good[row], error[row], good[child], error[child], families.child_of)
    allowed = limits["hierarchy_bands"][row] * band
    with np.errstate(invalid="ignore"):
        hit = np.flatnonzero(limits.on(Rule.HIERARCHY)[row] & (excess > allowed))
    return found_days(day, Rule.HIERARCHY, row[hit], excess[hit], allowed[hit])
