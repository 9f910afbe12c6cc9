"""What an engine knows of the watches of a park: columns of them, which depend on which, and where they are quiet."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from alerts.conditions import WatchTable
from domain.alarms import OPEN_US, Watch
from domain.frames import SmallArray
from domain.registry import Registry
from domain.time import IntArray
from domain.watches import targets_of, watches_of
from service.engine.inputs import suppressors
from service.engine.reach import Bounds
from store.alarms import AlarmTarget, alarm_ids

__all__ = ["Watching", "layers_of", "watching_of"]

_MOST_LAYERS = 8
"""Alarms that suppress alarms that suppress alarms: deeper ones, and those that suppress each other, are judged last."""


class Watching:
    """The watches of a registry at one version. What is remembered beside them makes a cycle fast, and changes no number."""

    def __init__(self, watches: Sequence[Watch], base_s: int) -> None:
        """Of a park with base intervals of `base_s`; nothing is remembered yet. [s]"""
        self.watches = tuple(watches)
        self.table = WatchTable.of(self.watches)
        self.bounds = Bounds.of(self.watches, base_s)
        self.alarm_id: SmallArray = np.array([watch.alarm_id for watch in self.watches], dtype=np.int32)
        self.rule_id: SmallArray = np.array([watch.rule_id for watch in self.watches], dtype=np.int32)
        self.quiet_us: IntArray = np.full(len(self.watches), -1, dtype=np.int64)
        """From where each may be evaluated without looking back; -1: it is not known. (w,) [us UTC]"""

    def __len__(self) -> int:
        return len(self.watches)

    def forget(self) -> None:
        """Where watches are quiet is not known any more."""
        self.quiet_us[:] = -1

    def some(self, places: IntArray) -> tuple[Watch, ...]:
        """Some of the watches, in the order given."""
        return tuple(self.watches[place] for place in places.tolist())

    def some_table(self, places: IntArray) -> WatchTable:
        """Columns of some of the watches."""
        return WatchTable(**{one.name: getattr(self.table, one.name)[places] for one in fields(WatchTable)})

    @cached_property
    def layers(self) -> SmallArray:
        """See :func:`layers_of`; (w,)."""
        return layers_of(self.watches)

    @cached_property
    def suppressed_by(self) -> Mapping[int, tuple[int, ...]]:
        """By the id of an alarm: places of the watches that it suppresses."""
        found: dict[int, list[int]] = {}
        for place, others in suppressors(self.watches).items():
            for alarm_id in {self.watches[other].alarm_id for other in others}:
                found.setdefault(alarm_id, []).append(place)
        return {alarm_id: tuple(places) for alarm_id, places in found.items()}

    @cached_property
    def versions(self) -> tuple[IntArray, SmallArray, IntArray]:
        """Watches in order of alarm and validity: their places, alarms and starts; (w,) each."""
        order = np.lexsort((self.bounds.valid_from_us, self.alarm_id))
        return order, self.alarm_id[order], self.bounds.valid_from_us[order]

    def places_of(self, alarm_id: NDArray[np.int32], moment_us: IntArray) -> IntArray:
        """Place of the version of each alarm that holds at a moment; -1: none does. (n,)"""
        order, alarms, since_us = self.versions
        times = np.unique(np.concatenate([since_us, moment_us]))
        count = len(times) + 1
        keys = alarms.astype(np.int64) * count + np.searchsorted(times, since_us)
        mine = alarm_id.astype(np.int64) * count + np.searchsorted(times, moment_us)
        row = np.searchsorted(keys, mine, side="right") - 1
        if not len(order):
            return np.full(len(alarm_id), -1, dtype=np.int64)
        place = order[np.maximum(row, 0)]
        holds = (row >= 0) & (self.alarm_id[place] == alarm_id) & (moment_us < self.bounds.valid_to_us[place])
        return np.where(holds, place, -1)

    def followed(self, moment_us: int) -> NDArray[np.bool_]:
        """(w,) whether its alarm stands as this version says: it is the last of those that have come into force by then."""
        order, alarms, since_us = self.versions
        came = since_us <= moment_us
        last = np.zeros(len(order), dtype=np.bool_)
        rows = np.flatnonzero(came)
        is_last = np.ones(len(rows), dtype=np.bool_)
        is_last[:-1] = alarms[rows[1:]] != alarms[rows[:-1]]
        last[order[rows[is_last]]] = True
        return last

    def ended(self, moment_us: int) -> NDArray[np.bool_]:
        """(w,) whether this version is in force no more."""
        return np.asarray((self.bounds.valid_to_us <= moment_us) & (self.bounds.valid_to_us != OPEN_US))


def watching_of(conn: Connection[Any], registry: Registry, kpi_units: Mapping[str, str]) -> Watching:
    """
    The watches of a park's rules; alarms that are missing are made, in the caller's transaction.

    Parameters
    ----------
    kpi_units : mapping
        Units of KPIs by key.
    """
    # Of several versions of a rule the last says how its alarms are filed.
    targets = {
        (rule.key, target): AlarmTarget(
            rule=rule.key, target=target, category=rule.entry.category, severity=rule.entry.level
        )
        for rule in registry.alarm_rules
        for target in targets_of(registry, rule)
    }
    ids = alarm_ids(conn, registry.park.id, list(targets.values()))
    return Watching(watches_of(registry, ids, kpi_units=kpi_units), registry.park.base_s)


def layers_of(watches: Sequence[Watch]) -> SmallArray:
    """
    In which turn each watch is judged, from 0 on, so that the alarms that suppress it are judged before; (w,).

    Those that suppress each other all have the last turn.
    """
    following = suppressors(watches)
    layer = [0] * len(watches)
    for _ in range(_MOST_LAYERS):
        before = tuple(layer)
        for place, others in following.items():
            layer[place] = min(_MOST_LAYERS, max(before[one] for one in others) + 1)
        if tuple(layer) == before:
            break
    return np.array(layer, dtype=np.int32)
