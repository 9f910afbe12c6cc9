"""Fuels that were delivered and not metered: entered values laid on periods, in the unit a KPI is made in.

A delivery counts for its tenant while the tenant has no `use` meter of the fuel. What was entered for the whole park stands
for the park while nobody in it meters the fuel; else the park has the deliveries of its tenants.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from domain.context import PARK_WIDE
from domain.factors import FUELS
from domain.frames import FloatArray, SubjectKind
from domain.quality import Flag
from domain.registry import MeterRole
from domain.time import HOUR_US, IntArray
from kpi.block import Scene
from kpi.carriers import METERED_FUELS, Carrier
from kpi.entered import Pieces, entered_pieces
from kpi.inforce import factor_changes, factor_over
from kpi.members import Members
from kpi.tree import Rows, overlap

__all__ = ["Delivered", "delivered", "entered_to_now", "estimated_flags", "owners_of"]

BoolArray = NDArray[np.bool_]
NOT_METERED = -1
"""The carrier of fuels that no quantity stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What was delivered per target and period; (t, p) each."""

    whole: FloatArray
    """Of deliveries that lie inside the period; NaN where there are none at all. [unit of the KPI]"""
    split: FloatArray
    """Of those that reach beyond it, their part by time; NaN as `whole`. [unit of the KPI]"""
    hours_without_factor: FloatArray
    """Time of deliveries whose factor was not in force. [h]"""
    covered: FloatArray
    """Share of the period over which something is entered. [0..1]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """Whose deliveries are asked for, when, and in which units."""

    scene: Scene
    members: Members
    carrier: IntArray
    """(r,) :class:`kpi.carriers.Carrier` of each row."""
    ids: IntArray
    """Tenants and the park, rising."""
    worth: tuple[tuple[str, ...], ...]
    periods: IntArray

    def rows_of(self, fuel: str) -> Rows:
        """The use meters of a fuel among the members."""
        place = Carrier[fuel.upper()] if fuel in METERED_FUELS else NOT_METERED
        uses = self.scene.tree.role[self.members.meter] == MeterRole.USE.value
        return self.members.rows.taken((self.carrier == place) & uses)

    def factor(self, factors: tuple[str, ...], fuel: str, edges: IntArray) -> FloatArray:
        """What an amount of a fuel is worth."""
        return factor_over(self.scene.registry.references, tuple(one.format(fuel) for one in factors), edges)

    def changes(self, fuel: str) -> IntArray:
        """Where any of its factors changes."""
        keys = tuple({one.format(fuel) for factors in self.worth for one in factors})
        return factor_changes(self.scene.registry.references, keys, self.periods)


def owners_of(scene: Scene, members: Members) -> IntArray:
    """(t,) whose entered values count for each target: a tenant's id, :data:`PARK_WIDE`, or -1 for meters, which have none."""
    ids = np.array([subject.id for subject in scene.subjects], dtype=np.int64)
    kinds = np.array([subject.kind.code for subject in scene.subjects], dtype=np.int64)
    owners = np.where(kinds == SubjectKind.PARK.code, PARK_WIDE, np.where(kinds == SubjectKind.TENANT.code, ids, -1))
    return owners[members.subject]


def delivered(
    scene: Scene, members: Members, carrier: IntArray, worth: tuple[tuple[str, ...], ...], periods: IntArray
) -> tuple[Delivered, ...]:
    """
    Deliveries of all fuels together, in one or more units.

    Parameters
    ----------
    scene : Scene
    members : Members
    carrier : int (r,)
        Of each row.
    worth : tuple of tuple of str
        Per unit, the factors by which an amount of a fuel is multiplied, with `{}` for the fuel: `lhv_{}`, `co2_{}`.
    periods : int64 (p + 1,) [us UTC]
    """
    owners = owners_of(scene, members)
    ids = np.unique(owners[owners >= 0])
    if PARK_WIDE in ids:
        ids = np.unique(np.append(ids, [tenant.id for tenant in scene.registry.tenants]))
    ask = _Ask(scene=scene, members=members, carrier=carrier, ids=ids, worth=worth, periods=periods)
    # One row more than there are owners: for targets that have no entered values.
    sums = [np.zeros((5, len(ids) + 1, len(periods) - 1)) for _ in worth]
    for fuel in FUELS:
        if len(ids) and (scene.context.key == f"fuel_{fuel}").any():
            _add(ask, fuel, sums)
    row = np.where(owners >= 0, np.searchsorted(ids, owners), len(ids))
    return tuple(_laid(one[:, row], periods) for one in sums)


def entered_to_now(scene: Scene, members: Members, key: str, factors: tuple[str, ...] = ()) -> Delivered:
    """
    One entered series over the scene's periods, up to the tick: what stands against amounts that are known only so far.

    Parameters
    ----------
    scene : Scene
    members : Members
    key : str
        In :data:`domain.context.CONTEXTS`; an amount.
    factors : tuple of str
        By which it is multiplied.
    """
    owners, periods, frame = owners_of(scene, members), scene.periods, scene.context
    ids = np.unique(owners[owners >= 0])
    sums = np.zeros((5, len(ids) + 1, len(periods) - 1))
    if len(ids) and (frame.key == key).any():
        cuts = np.append(factor_changes(scene.registry.references, factors, periods), scene.ticked_us)
        fine = np.unique(np.concatenate([periods, cuts[(cuts > periods[0]) & (cuts < periods[-1])]]))
        pieces = entered_pieces(frame, key, ids, fine)
        pieces = _chosen(pieces, np.flatnonzero(fine[pieces.period] < scene.ticked_us))
        factor = factor_over(scene.registry.references, factors, fine)
        _sum_up(sums, pieces, pieces.amount * factor[pieces.period], _Cut.of(scene, pieces, fine, periods))
    return _laid(sums[:, np.where(owners >= 0, np.searchsorted(ids, owners), len(ids))], periods)


def estimated_flags(flags: IntArray, *estimated: FloatArray) -> IntArray:
    """
    Flags of periods whose entered parts are laid anew: estimated where any part of them is.

    What was split by time on its days may be whole in their month, so the days' flag says nothing of it.
    """
    some = np.any([np.nan_to_num(part) != 0 for part in estimated], axis=0)
    return (flags & ~int(Flag.ESTIMATED)) | np.where(some, int(Flag.ESTIMATED), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """In which period each piece lies, and whether its value lies there as a whole."""

    period: IntArray
    whole: BoolArray

    @classmethod
    def of(cls, scene: Scene, pieces: Pieces, fine: IntArray, periods: IntArray) -> "_Cut":
        period = np.searchsorted(periods, fine[:-1], side="right")[pieces.period] - 1
        full_us = (scene.context.stop_us - scene.context.start_us)[pieces.source]
        # The pieces of one value in one period are the value if it was cut only where a factor changed.
        _, which = np.unique(np.stack([pieces.row, pieces.source, period]), axis=1, return_inverse=True)
        together = np.bincount(which.reshape(-1), weights=pieces.length_us, minlength=1)
        return cls(period=period, whole=together[which.reshape(-1)] >= full_us)


def _sum_up(sums: FloatArray, pieces: Pieces, amount: FloatArray, cut: _Cut) -> None:
    """Add pieces: whole, split, time without a factor, time entered, number of pieces."""
    known = ~np.isnan(amount)
    lines = (
        np.where(known & cut.whole, amount, 0.0),
        np.where(known & ~cut.whole, amount, 0.0),
        np.where(known, 0.0, pieces.length_us / HOUR_US),
        pieces.length_us,
        np.ones(len(amount)),
    )
    for line, values in enumerate(lines):
        np.add.at(sums[line], (pieces.row, cut.period), values)


def _laid(sums: FloatArray, periods: IntArray) -> Delivered:
    some = sums[4] > 0
    return Delivered(
        whole=np.where(some, sums[0], np.nan),
        split=np.where(some, sums[1], np.nan),
        hours_without_factor=sums[2],
        covered=np.minimum(sums[3] / np.diff(periods), 1.0),
    )


def _add(ask: _Ask, fuel: str, sums: list[FloatArray]) -> None:
    """Add the deliveries of one fuel."""
    frame, periods = ask.scene.context, ask.periods
    rows = ask.rows_of(fuel)
    cuts = np.concatenate([rows.from_us, rows.to_us, ask.changes(fuel)])
    fine = np.unique(np.concatenate([periods, cuts[(cuts > periods[0]) & (cuts < periods[-1])]]))
    pieces = _unmetered(ask, entered_pieces(frame, f"fuel_{fuel}", ask.ids, fine), rows, fine)
    cut = _Cut.of(ask.scene, pieces, fine, periods)
    for one, factors in zip(sums, ask.worth, strict=True):
        _sum_up(one, pieces, pieces.amount * ask.factor(factors, fuel, fine)[pieces.period], cut)


def _unmetered(ask: _Ask, pieces: Pieces, rows: Rows, fine: IntArray) -> Pieces:
    """The pieces that count: of tenants where they do not meter; of the park its own, or its tenants' where anybody does."""
    owner = ask.scene.tree.tenant_id[ask.scene.tree.meter[rows.channel]]
    alive = overlap(rows.from_us[:, None], rows.to_us[:, None], fine[:-1], fine[1:]) > 0
    asked = np.isin(owner, ask.ids)
    metered = np.zeros((len(ask.ids), len(fine) - 1), dtype=np.bool_)
    np.logical_or.at(metered, np.searchsorted(ask.ids, owner[asked]), alive[asked])
    anybody = np.logical_or.reduce(metered, axis=0)
    park = ask.ids[pieces.row] == PARK_WIDE
    kept = np.where(park, ~anybody[pieces.period], ~metered[pieces.row, pieces.period])
    counted = _chosen(pieces, np.flatnonzero(kept))
    if PARK_WIDE not in ask.ids:
        return counted
    of_tenants = _chosen(pieces, np.flatnonzero(kept & ~park & anybody[pieces.period]))
    place = np.full(len(of_tenants.row), int(np.searchsorted(ask.ids, PARK_WIDE)))
    also = replace(of_tenants, row=place)
    return Pieces(
        **{one.name: np.concatenate([getattr(counted, one.name), getattr(also, one.name)]) for one in fields(Pieces)}
    )


def _chosen(pieces: Pieces, places: IntArray) -> Pieces:
    return Pieces(**{one.name: getattr(pieces, one.name)[places] for one in fields(Pieces)})
