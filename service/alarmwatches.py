"""Watches of a registry as people see it: what each alarm is about, its unit, its bounds and its texts."""

from collections.abc import Mapping
from dataclasses import replace

from domain.alarmground import Ground
from domain.alarms import Watch
from domain.registry import Registry
from domain.watches import watches_of
from kpi.catalogue import for_registry

__all__ = ["WatchesByAlarm", "watch_at", "watches_by_alarm", "watches_for"]

WatchesByAlarm = Mapping[tuple[str, str], tuple[Watch, ...]]
"""Versions of the watch of each alarm, by (rule, target), in order of time."""


def watches_for(registry: Registry, rule: str | None = None) -> tuple[Watch, ...]:
    """
    The watches of a registry, or of one of its rules, without the ids of their alarms, which are 0.

    Parameters
    ----------
    registry : Registry
        As one user sees it: what is about places that it does not hold is left out.
    """
    ground = Ground.of_registry(registry)
    ids = {
        (one.key, target.written(ground.park)): 0
        for one in registry.alarm_rules
        for target in ground.targets(one.entry.watch)
    }
    units = {kpi.key: kpi.unit for kpi in for_registry(registry)}
    return tuple(watch for watch in watches_of(registry, ids, kpi_units=units) if rule in {None, watch.rule})


def watches_by_alarm(registry: Registry, rule: str | None = None) -> WatchesByAlarm:
    """The watches of :func:`watches_for` by their alarm."""
    some = registry
    if rule is not None:
        some = replace(registry, alarm_rules=tuple(one for one in registry.alarm_rules if one.key == rule))
    found: dict[tuple[str, str], tuple[Watch, ...]] = {}
    for watch in sorted(watches_for(some), key=lambda one: one.valid_from_us):
        key = watch.rule, watch.target
        found[key] = (*found.get(key, ()), watch)
    return found


def watch_at(watches: tuple[Watch, ...], moment_us: int) -> Watch | None:
    """The version that holds at a moment, else the last one before it, else the first; None where there is none. [us UTC]"""
    begun = [watch for watch in watches if watch.valid_from_us <= moment_us]
    return begun[-1] if begun else watches[0] if watches else None
