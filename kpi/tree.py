"""The meters and channels of a park in columns, and which channels carry a resource from when to when."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.frames import SmallArray
from domain.registry import MeterRole, Registry
from domain.time import IntArray
from kpi.outages import Outages

__all__ = ["FOREVER_US", "Rows", "Tree", "beside", "carriers", "overlap", "rows_where", "topmost"]

FOREVER_US = 2**62
"""The end of what still holds; differences with it fit in an int64. [us UTC]"""

BoolArray = NDArray[np.bool_]
TextArray = NDArray[np.str_]


def overlap(from_us: IntArray, to_us: IntArray, start_us: IntArray, stop_us: IntArray) -> IntArray:
    """Length that two stretches of time share, 0 where they do not meet; broadcasts. [us]"""
    shared: IntArray = np.maximum(np.minimum(to_us, stop_us) - np.maximum(from_us, start_us), 0)
    return shared


def _until(valid_to_us: int | None) -> int:
    return FOREVER_US if valid_to_us is None else valid_to_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Meters and channels of a park in columns, lives cut to those of the meter and the tenant above."""

    park_id: int
    meter_id: SmallArray
    """(m,), strictly increasing; the other columns of meters follow it."""
    tenant_id: SmallArray
    role: TextArray
    parent: IntArray
    """Position of the meter upstream; -1 where there is none."""
    demand_block_s: IntArray
    error_share: NDArray[np.float64]
    outages: Outages
    """When meters are out of service; its rows are the meters."""
    channel_id: SmallArray
    """(c,), strictly increasing; the other columns of channels follow it."""
    meter: IntArray
    """Position of the channel's meter."""
    quantity: TextArray
    kind: TextArray
    interval_s: IntArray
    inputs: SmallArray
    """(c, 2): for a product, ids of its concentration and its flow or volume; else -1."""
    from_us: IntArray
    to_us: IntArray
    found: dict[tuple[object, ...], Any] = field(default_factory=dict, repr=False, compare=False)
    """What was found in it before: members (:func:`kpi.figures.members_of`), carriers (:func:`kpi.carriers.carriers_of`)."""

    @classmethod
    def of(cls, registry: Registry) -> "Tree":
        """The columns of a registry."""
        meters = sorted(registry.meters, key=lambda meter: meter.id)
        channels = sorted(registry.channels, key=lambda channel: channel.id)
        place = {meter.id: position for position, meter in enumerate(meters)}
        tenants = [registry.tenant_by_id[meter.tenant_id] for meter in meters]
        begins = np.array(
            [max(m.valid_from_us, t.valid_from_us) for m, t in zip(meters, tenants, strict=True)], np.int64
        )
        ends = np.array(
            [min(_until(m.valid_to_us), _until(t.valid_to_us)) for m, t in zip(meters, tenants, strict=True)], np.int64
        )
        above = np.array([place[channel.meter_id] for channel in channels], dtype=np.int64)
        return cls(
            park_id=registry.park.id,
            meter_id=np.array([meter.id for meter in meters], dtype=np.int32),
            tenant_id=np.array([meter.tenant_id for meter in meters], dtype=np.int32),
            role=np.array([meter.role.value for meter in meters], dtype=np.str_),
            parent=np.array(
                [place.get(meter.parent_id, -1) if meter.parent_id else -1 for meter in meters], dtype=np.int64
            ),
            demand_block_s=np.array([meter.demand_block_s for meter in meters], dtype=np.int64),
            error_share=np.array([meter.error_share for meter in meters], dtype=np.float64),
            outages=Outages.of(meter.outages for meter in meters),
            channel_id=np.array([channel.id for channel in channels], dtype=np.int32),
            meter=above,
            quantity=np.array([channel.quantity for channel in channels], dtype=np.str_),
            kind=np.array([channel.kind.value for channel in channels], dtype=np.str_),
            interval_s=np.array([channel.interval_s for channel in channels], dtype=np.int64),
            inputs=np.array([channel.inputs or (-1, -1) for channel in channels], dtype=np.int32).reshape(-1, 2),
            from_us=np.maximum(
                np.array([channel.valid_from_us for channel in channels], dtype=np.int64), begins[above]
            ),
            to_us=np.minimum(
                np.array([_until(channel.valid_to_us) for channel in channels], dtype=np.int64), ends[above]
            ),
        )

    def places(self, channel_ids: SmallArray) -> IntArray:
        """Positions of channels by id; -1 where the park has no such channel."""
        place = np.searchsorted(self.channel_id, channel_ids)
        place[place == len(self.channel_id)] = 0
        found = self.channel_id[place] == channel_ids if len(self.channel_id) else np.zeros(len(place), dtype=bool)
        return np.where(found, place, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Channels, each with a stretch of time in which it counts. All arrays are (r,)."""

    channel: IntArray
    """Position in the tree; one channel may stand in several rows."""
    from_us: IntArray
    to_us: IntArray
    rule: IntArray
    """Position in the registry of the compliance rule that judges the channel here; -1: none."""

    def __len__(self) -> int:
        return len(self.channel)

    def taken(self, chosen: IntArray | BoolArray) -> "Rows":
        """Some of the rows."""
        return Rows(
            channel=self.channel[chosen],
            from_us=self.from_us[chosen],
            to_us=self.to_us[chosen],
            rule=self.rule[chosen],
        )

    def within(self, from_us: IntArray, to_us: IntArray) -> "Rows":
        """The rows, each cut to `[from, to)`; those of which nothing is left are left out."""
        begins, ends = np.maximum(self.from_us, from_us), np.minimum(self.to_us, to_us)
        return Rows(channel=self.channel, from_us=begins, to_us=ends, rule=self.rule).taken(begins < ends)

    def without(self, start_us: IntArray, stop_us: IntArray) -> "Rows":
        """What is left of each row outside `[start, stop)`, as up to two rows; an empty stretch removes nothing."""
        stays = start_us >= stop_us
        before = self.within(self.from_us, np.where(stays, self.to_us, start_us))
        return before.followed_by(self.within(np.where(stays, self.to_us, stop_us), self.to_us))

    def followed_by(self, others: "Rows") -> "Rows":
        """These rows, then others."""
        return Rows(
            channel=np.concatenate([self.channel, others.channel]),
            from_us=np.concatenate([self.from_us, others.from_us]),
            to_us=np.concatenate([self.to_us, others.to_us]),
            rule=np.concatenate([self.rule, others.rule]),
        )


def rows_where(tree: Tree, kept: BoolArray) -> Rows:
    """The chosen channels of the tree, over their whole lives; channels that never lived are left out."""
    channel = np.flatnonzero(kept & (tree.from_us < tree.to_us))
    return Rows(
        channel=channel,
        from_us=tree.from_us[channel],
        to_us=tree.to_us[channel],
        rule=np.full(len(channel), -1),
    )


def beside(tree: Tree, meter: IntArray, quantity: str) -> IntArray:
    """Position of the channel of a quantity on each of some meters (positions); -1 where the meter has none."""
    place = np.full(len(tree.meter_id), -1)
    channel = np.flatnonzero(tree.quantity == quantity)
    place[tree.meter[channel]] = channel
    return place[meter]


def carriers(tree: Tree, preferred: str, fallback: str | None = None) -> Rows:
    """
    The one channel per meter and time that carries a resource.

    That is the channel of the preferred quantity; while a meter has none, its channel of the fallback. So a meter
    that gets a register beside its gauge counts by the gauge up to that day and by the register from then on.
    A base interval in which one takes over from the other counts with both.
    """
    first = rows_where(tree, tree.quantity == preferred)
    if fallback is None:
        return first
    second = rows_where(tree, tree.quantity == fallback)
    other = beside(tree, tree.meter[second.channel], preferred)
    return first.followed_by(second.without(_chosen(tree.from_us, other), _chosen(tree.to_us, other)))


def _chosen(values: IntArray, place: IntArray) -> IntArray:
    """Values by position, 0 for position -1: begin and end are then equal, a stretch that removes nothing."""
    chosen = np.zeros(len(place), dtype=np.int64)
    chosen[place >= 0] = values[place[place >= 0]]
    return chosen


def topmost(tree: Tree, rows: Rows, role: MeterRole, *, within_tenant: bool) -> Rows:
    """
    Rows of meters of one role, without the time in which a meter of that role stands above with a row of its own.

    Parameters
    ----------
    tree : Tree
    rows : Rows
        See :func:`carriers`.
    role : MeterRole
    within_tenant : bool
        Whether only meters of the same tenant stand above: a firm behind another firm's meter is still a whole subject.
    """
    kept = rows.taken(tree.role[tree.meter[rows.channel]] == role.value)
    begins = np.full(len(tree.meter_id), FOREVER_US)
    ends = np.full(len(tree.meter_id), -FOREVER_US)
    np.minimum.at(begins, tree.meter[kept.channel], kept.from_us)
    np.maximum.at(ends, tree.meter[kept.channel], kept.to_us)
    above = tree.parent
    # As many steps as the tree is deep; its meters bound them should a registry ever hold a ring.
    for _ in range(len(tree.meter_id)):
        if not (above >= 0).any():
            break
        counts = (above >= 0) & (begins[above] < ends[above])
        if within_tenant:
            counts &= tree.tenant_id[above] == tree.tenant_id
        place = np.where(counts, above, -1)[tree.meter[kept.channel]]
        kept = kept.without(_chosen(begins, place), _chosen(ends, place))
        above = np.where(above >= 0, tree.parent[above], -1)
    return kept
