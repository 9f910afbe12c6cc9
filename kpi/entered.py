"""Entered values laid on periods: sums of what adds up, means of what holds, and how much of the time is covered.

A value that lies wholly inside a period counts there with its exact number. One that straddles the edge of a period is
split in proportion to time, and what it leaves in each period is called prorated. Nothing entered is NaN, never zero.

The park's own values (:data:`domain.context.PARK_WIDE`) stand for the park. While it has none, the values of all
tenants together stand for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.context import CONTEXTS, PARK_WIDE, ContextFrame
from domain.errors import InputError
from domain.frames import FloatArray, SmallArray
from domain.registry import OPERATOR, Registry
from domain.time import IntArray
from kpi.tree import FOREVER_US, overlap

__all__ = ["LEAST_ENTERED", "EnteredSums", "Pieces", "Residents", "entered_pieces", "entered_sums"]

BoolArray = NDArray[np.bool_]

LEAST_ENTERED = 0.9
"""Share of a tenant's time in a period that its values must cover, for the tenants' sum to stand for the park."""
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Residents:
    """The tenants whose values make up the park's where it has none of its own: all but the operator. (n,) each."""

    tenant_id: SmallArray
    from_us: IntArray
    to_us: IntArray

    @classmethod
    def of(cls, registry: Registry) -> "Residents":
        """Those of a registry; what the operator enters for itself is summed too, but nobody waits for it."""
        firms = [tenant for tenant in registry.tenants if tenant.key != OPERATOR]
        ends = [FOREVER_US if tenant.valid_to_us is None else tenant.valid_to_us for tenant in firms]
        return cls(
            tenant_id=np.array([tenant.id for tenant in firms], dtype=np.int32),
            from_us=np.array([tenant.valid_from_us for tenant in firms], dtype=np.int64),
            to_us=np.array(ends, dtype=np.int64),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Entered values cut at the edges of periods, in order of row, value and time. (k,) each."""

    row: IntArray
    """Position of the tenant (or the park) among those that were asked for."""
    source: IntArray
    """Place of the value in the frame."""
    period: IntArray
    amount: FloatArray
    """Of an amount, the part of the value; of what holds, the value times its hours. [unit, or unit h]"""
    length_us: IntArray
    """Time that the piece covers. [us]"""
    whole: BoolArray
    """Whether the piece is its value as a whole: nothing of it lies outside."""

    def summed(self, values: FloatArray | IntArray | BoolArray, shape: tuple[int, int]) -> FloatArray:
        """Sums per row and period; 0 where there is no piece."""
        keys = self.row * shape[1] + self.period
        sums = np.bincount(keys, weights=values.astype(np.float64, copy=False), minlength=shape[0] * shape[1])
        return sums.astype(np.float64, copy=False).reshape(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredSums:
    """What was entered, per tenant (or park) and period; (t, p) each."""

    total: FloatArray
    """An amount over the period, or the mean of what held over the entered part; NaN where nothing is entered. [unit]"""
    prorated: FloatArray
    """Part of an amount's `total` that is split by time; 0 for what holds, NaN where nothing is entered. [unit]"""
    covered: FloatArray
    """Share of the period over which values are entered; for the park by its tenants' values, share of the time of all
    residents together. [0..1]"""
    complete: BoolArray
    """For the park by its tenants' values: whether no resident is missing, each with its values over 90 % of its time in
    the period; for others, whether anything is entered."""


def entered_pieces(frame: ContextFrame, key: str, tenant_ids: SmallArray | IntArray, edges: IntArray) -> Pieces:
    """
    The values of one series, cut at the edges of periods; what lies outside all periods is left out.

    Where the park is asked for, the tenants' values are pieces of it while it has no value of its own.

    Parameters
    ----------
    frame : ContextFrame
    key : str
        In :data:`domain.context.CONTEXTS`.
    tenant_ids : int (t,)
        Distinct; :data:`PARK_WIDE` for the park.
    edges : int64 (p + 1,) [us UTC]
        Strictly increasing.
    """
    if key not in CONTEXTS:
        raise InputError(f"series {key!r} is not one of {', '.join(CONTEXTS)}")
    place = np.flatnonzero(frame.key == key)
    if not len(place):
        return _no_pieces()
    wanted = np.asarray(tenant_ids, dtype=np.int64)
    order = np.argsort(wanted)
    tenant = frame.tenant_id[place].astype(np.int64)
    found = np.searchsorted(wanted[order], tenant)
    found[found == len(wanted)] = 0
    own = wanted[order][found] == tenant if len(wanted) else np.zeros(len(tenant), dtype=np.bool_)
    row = order[found[own]] if len(wanted) else np.zeros(0, dtype=np.int64)
    parts = [_cut(frame, key, row, place[own], edges)]
    park = np.flatnonzero(wanted == PARK_WIDE)
    if len(park):
        parts.append(_of_tenants(frame, key, int(park[0]), place, edges))
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "source", "period", "amount", "length_us", "whole")
    }
    in_order = np.lexsort((joined["period"], joined["source"], joined["row"]))
    return Pieces(**{name: column[in_order] for name, column in joined.items()})


def _no_pieces() -> Pieces:
    none = np.zeros(0, dtype=np.int64)
    return Pieces(
        row=none, source=none, period=none, amount=np.zeros(0), length_us=none, whole=np.zeros(0, dtype=np.bool_)
    )


def _cut(frame: ContextFrame, key: str, row: IntArray, source: IntArray, edges: IntArray) -> Pieces:
    """Values cut at edges, each for the row it stands beside."""
    periods = len(edges) - 1
    start_us, stop_us = frame.start_us[source], frame.stop_us[source]
    first = np.clip(np.searchsorted(edges, start_us, side="right") - 1, 0, periods)
    last = np.clip(np.searchsorted(edges, stop_us, side="left"), 0, periods)
    count = np.maximum(last - first, 0)
    value = np.repeat(np.arange(len(source)), count)
    period = np.arange(len(value)) + np.repeat(first - np.cumsum(count) + count, count)
    length_us = overlap(start_us[value], stop_us[value], edges[period], edges[period + 1])
    kept = length_us > 0
    value, period, length_us = value[kept], period[kept], length_us[kept]
    full_us = (stop_us - start_us)[value]
    whole = length_us == full_us
    number = frame.value[source[value]]
    if CONTEXTS[key].amount:
        amount = np.where(whole, number, number * (length_us / full_us))
    else:
        amount = number * (length_us / 3.6e9)
    return Pieces(row=row[value], source=source[value], period=period, amount=amount, length_us=length_us, whole=whole)


def _of_tenants(frame: ContextFrame, key: str, park: int, place: IntArray, edges: IntArray) -> Pieces:
    """The tenants' values as pieces of the park, outside the park's own values."""
    of_park = frame.tenant_id[place] == PARK_WIDE
    own, tenants = place[of_park], place[~of_park]
    turns = np.concatenate(
        [edges, np.clip(np.concatenate([frame.start_us[own], frame.stop_us[own]]), edges[0], edges[-1])]
    )
    cells = np.unique(turns)
    pieces = _cut(frame, key, np.full(len(tenants), park), tenants, cells)
    stops, begins = np.sort(frame.stop_us[own]), np.sort(frame.start_us[own])
    at = cells[pieces.period]
    free = np.searchsorted(begins, at, side="right") == np.searchsorted(stops, at, side="right")
    return Pieces(
        row=pieces.row[free],
        source=pieces.source[free],
        period=np.searchsorted(edges, at[free], side="right") - 1,
        amount=pieces.amount[free],
        length_us=pieces.length_us[free],
        whole=pieces.whole[free],
    )


def entered_sums(
    frame: ContextFrame,
    key: str,
    tenant_ids: SmallArray | IntArray,
    edges: IntArray,
    residents: Residents | None = None,
) -> EnteredSums:
    """
    What was entered in one series, over each period.

    Parameters
    ----------
    frame : ContextFrame
        All values that overlap the periods.
    key : str
        In :data:`domain.context.CONTEXTS`.
    tenant_ids : int (t,)
        Distinct; :data:`PARK_WIDE` for the park.
    edges : int64 (p + 1,) [us UTC]
        Of the periods; strictly increasing.
    residents : Residents, optional
        Who must have entered for the tenants' sum to stand for the park; None: those of whom the frame has values.

    Raises
    ------
    InputError
        There is no such series.
    """
    pieces = entered_pieces(frame, key, tenant_ids, edges)
    shape = (len(tenant_ids), len(edges) - 1)
    if not len(pieces.row):
        nothing, zero = np.full(shape, np.nan), np.zeros(shape)
        return EnteredSums(total=nothing, prorated=nothing, covered=zero, complete=zero > 0)
    some = pieces.summed(np.ones(len(pieces.row)), shape) > 0
    covered_us = pieces.summed(pieces.length_us, shape)
    amount = pieces.summed(pieces.amount, shape)
    covered = np.minimum(covered_us / np.diff(edges), 1.0)
    complete = some.copy()
    firms = _seen(frame.of(key), edges) if residents is None else residents
    for row in np.flatnonzero(np.asarray(tenant_ids) == PARK_WIDE):
        covered_us[row], covered[row], complete[row] = _park_time(frame, pieces, int(row), edges, firms)
    if CONTEXTS[key].amount:
        total = np.where(some, amount, np.nan)
        prorated = np.where(some, pieces.summed(np.where(pieces.whole, 0.0, pieces.amount), shape), np.nan)
    else:
        total = np.full(shape, np.nan)
        np.divide(amount, covered_us / 3.6e9, out=total, where=some)
        prorated = np.where(some, 0.0, np.nan)
    return EnteredSums(total=total, prorated=prorated, covered=covered, complete=complete)


def _park_time(
    frame: ContextFrame, pieces: Pieces, row: int, edges: IntArray, firms: Residents
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Per period: time over which the park has any value [us], share of the residents' time, whether nobody is missing."""
    periods, length = len(edges) - 1, np.diff(edges)
    chosen = pieces.row == row
    period, spent = pieces.period[chosen], pieces.length_us[chosen].astype(np.float64)
    tenant = frame.tenant_id[pieces.source[chosen]]
    ids, who = np.unique(tenant, return_inverse=True)
    by_tenant = np.bincount(who * periods + period, weights=spent, minlength=len(ids) * periods).reshape(-1, periods)
    own = by_tenant[ids == PARK_WIDE].sum(axis=0)
    place = np.searchsorted(ids, firms.tenant_id)
    place[place == len(ids)] = 0
    present = ids[place] == firms.tenant_id if len(ids) else np.zeros(len(firms.tenant_id), dtype=np.bool_)
    theirs = by_tenant[place] if len(ids) else np.zeros((len(firms.tenant_id), periods))
    theirs = np.where(present[:, None], theirs, 0.0)
    lives = overlap(firms.from_us[:, None], firms.to_us[:, None], edges[:-1], edges[1:])
    # The park's own values leave the tenants only the rest of the time.
    due = lives * (1.0 - own / length)
    longest = theirs.max(axis=0, initial=0.0)
    others = by_tenant[ids != PARK_WIDE].max(axis=0, initial=0.0)
    all_due = due.sum(axis=0)
    share = np.zeros(periods)
    np.divide(np.minimum(theirs, due).sum(axis=0), all_due, out=share, where=all_due > 0)
    rest = length - own
    complete = ((theirs >= (LEAST_ENTERED - ROUNDING) * due) | (due <= ROUNDING * length)).all(axis=0)
    some = (own + others) > 0
    covered = np.minimum((own + rest * share) / length, 1.0)
    return own + np.maximum(longest, others), covered, complete & some


def _seen(frame: ContextFrame, edges: IntArray) -> Residents:
    """The tenants of whom a series has values, as if they lived all the time."""
    found = np.unique(frame.tenant_id[frame.tenant_id != PARK_WIDE])
    return Residents(
        tenant_id=found,
        from_us=np.full(len(found), edges[0]),
        to_us=np.full(len(found), edges[-1]),
    )
