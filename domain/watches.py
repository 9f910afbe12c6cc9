"""From rules to watches: what each dated version of a rule watches at each of its targets, in the units of the engine.

A rule is one entry; a watch is one version of it on one target. Targets are written `park/tenant/meter/quantity`,
`park/tenant/meter`, `park/tenant` or `park`; after a `#` stands the KPI, or the kind of limit (`day_mean`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from domain.alarmentries import AlarmEntry, SuppressEntry, contact_of, schedule_of
from domain.alarmground import Ground, Place, Target
from domain.alarmrules import AlarmRule
from domain.alarms import OPEN_US, Alignment, Signal, Source, Suppression, Tell, Texts, Watch, WindowStatistic
from domain.errors import InputError
from domain.frames import Subject, SubjectKind
from domain.limits import Limit, LimitKind, kind_of, limits_in_force, limits_of, rule_window_s
from domain.quantities import QUANTITIES
from domain.registry import Registry, RuleWindow
from domain.time import Level
from domain.watchentries import (
    HEALTH_UNITS,
    AmountWatch,
    ChannelWatch,
    ComplianceWatch,
    FindingWatch,
    HealthWatch,
    KpiWatch,
    RateWatch,
    SilenceWatch,
    WatchEntry,
    in_unit,
    number_written,
    window_seconds,
)

__all__ = [
    "Limit",
    "LimitKind",
    "all_targets",
    "contact_of",
    "kind_of",
    "limits_in_force",
    "limits_of",
    "source_of",
    "suppressing_channel",
    "targets_of",
    "unit_of_watch",
    "watches_of",
]

_NO_UNITS: Mapping[str, str] = MappingProxyType({})
_MERGED_WINDOWS = 2
_KPI_WINDOW_S = {Level.HOUR: 3600, Level.DAY: 86400, Level.WEEK: 7 * 86400}


def targets_of(registry: Registry, rule: AlarmRule) -> tuple[str, ...]:
    """
    The targets of one version of a rule, each once, in order.

    Empty where it is not enabled, and where its pattern names nothing; what does not exist while the version holds is left out.
    """
    return tuple(target.written(registry.park.key) for target in _targets(Ground.of_registry(registry), rule))


def all_targets(registry: Registry) -> tuple[tuple[AlarmRule, tuple[str, ...]], ...]:
    """Every version of every rule with its targets, see :func:`targets_of`; quicker than asking for one after the other."""
    ground = Ground.of_registry(registry)
    return tuple(
        (rule, tuple(target.written(ground.park) for target in _targets(ground, rule))) for rule in registry.alarm_rules
    )


def watches_of(
    registry: Registry, ids: Mapping[tuple[str, str], int], *, kpi_units: Mapping[str, str] = _NO_UNITS
) -> tuple[Watch, ...]:
    """
    Every version of every rule on each of its targets.

    Parameters
    ----------
    registry : Registry
        With its alarm rules; these are right, see :func:`domain.alarmchecks.alarm_problems`.
    ids : mapping
        Database id of an alarm by (rule, target), for all of :func:`targets_of`.
    kpi_units : mapping
        Units of KPIs by key, for people; those that are not in it have none.

    Returns
    -------
    tuple of Watch
        In the order of the registry's rules, of one rule in order of target.

    Raises
    ------
    InputError
        A target has no id; or a bound names a unit that measures something else.
    """
    ground = Ground.of_registry(registry)
    found = [(rule, _targets(ground, rule)) for rule in registry.alarm_rules]
    raised: dict[str, set[str]] = {}
    for rule, targets in found:
        raised.setdefault(rule.key, set()).update(target.written(ground.park) for target in targets)
    known = _Known(ground=ground, ids=ids, kpi_units=kpi_units, raised=raised)
    return tuple(_watch(known, rule, target) for rule, targets in found for target in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What all watches of a park are made with."""

    ground: Ground
    ids: Mapping[tuple[str, str], int]
    kpi_units: Mapping[str, str]
    raised: Mapping[str, set[str]]
    """Targets of each rule."""


def _targets(ground: Ground, rule: AlarmRule) -> tuple[Target, ...]:
    if not rule.entry.enabled:
        return ()
    stop = OPEN_US if rule.valid_to_us is None else rule.valid_to_us
    return tuple(
        target
        for target in ground.targets(rule.entry.watch)
        if max(rule.valid_from_us, target.place.from_us) < min(stop, target.place.to_us)
    )


def _watch(known: _Known, rule: AlarmRule, target: Target) -> Watch:
    ground, entry, place = known.ground, rule.entry, target.place
    written = target.written(ground.park)
    alarm_id = known.ids.get((rule.key, written))
    if alarm_id is None:
        raise InputError(
            f"alarm {rule.key}@{written} has no id; alarms are made for all targets of a rule before it is watched"
        )
    is_kpi = isinstance(entry.watch, KpiWatch)
    unit = known.kpi_units.get(target.suffix, "") if is_kpi else unit_of_watch(entry.watch, place)
    source = source_of(ground, entry.watch, target)
    lowest, highest = _bounds(entry, unit)
    return Watch(
        rule_id=rule.id,
        alarm_id=alarm_id,
        rule=rule.key,
        target=written,
        name=entry.name,
        category=entry.category,
        severity=entry.level,
        source=source,
        unit=unit,
        lowest=lowest,
        highest=highest,
        deadband=_number(entry, entry.deadband, unit) or 0.0,
        on_delay_s=entry.on_delay_s,
        off_delay_s=entry.off_delay_s,
        merge_gap_s=_merge_gap_s(entry, source, place, ground.base_s),
        latching=entry.latching,
        realarm_s=entry.realarm_s,
        schedule=schedule_of(entry.schedule),
        suppressions=tuple(_suppressions(known, entry.suppress, target)),
        texts=Texts(
            message=entry.message or entry.name, cause=entry.cause, consequence=entry.consequence, action=entry.action
        ),
        tell=tuple(Tell(contact=one.contact, after_s=one.after_s) for one in entry.tell),
        valid_from_us=max(rule.valid_from_us, place.from_us),
        valid_to_us=min(OPEN_US if rule.valid_to_us is None else rule.valid_to_us, place.to_us),
    )


def unit_of_watch(watch: WatchEntry, place: Place) -> str:
    """The unit of what is watched at a place; of a KPI empty, for the catalogue has it."""
    if isinstance(watch, HealthWatch):
        return HEALTH_UNITS[watch.health]
    if isinstance(watch, KpiWatch | SilenceWatch | FindingWatch):
        return "" if isinstance(watch, KpiWatch) else "s" if isinstance(watch, SilenceWatch) else "1"
    about = QUANTITIES[place.quantity]
    if isinstance(watch, RateWatch):
        return f"{about.unit}/h"
    adds_up = isinstance(watch, AmountWatch) or (
        isinstance(watch, ChannelWatch) and watch.statistic is WindowStatistic.SUM
    )
    return about.integral or about.unit if adds_up else about.unit


def _number(entry: AlarmEntry, measure: float | str | None, unit: str) -> float | None:
    if measure is None:
        return None
    # The bound of a KPI names the KPI's own unit or none: service.alarmrules holds it against the catalogue.
    return number_written(measure) if isinstance(entry.watch, KpiWatch) else in_unit(measure, unit)


def _bounds(entry: AlarmEntry, unit: str) -> tuple[float | None, float | None]:
    if isinstance(entry.watch, FindingWatch):
        return None, 0.0
    return _number(entry, entry.below, unit), _number(entry, entry.above, unit)


def source_of(ground: Ground, watch: WatchEntry, target: Target) -> Source:
    """What a watch of one target takes its values from."""
    place = target.place
    if isinstance(watch, ChannelWatch):
        return Source(
            signal=Signal.VALUE,
            channel_id=place.id,
            statistic=watch.statistic,
            window_s=None if watch.window is None else window_seconds(watch.window),
            by_month=watch.window == "month",
            alignment=watch.alignment,
            least_valid=watch.least_valid,
        )
    if isinstance(watch, AmountWatch):
        return Source(
            signal=Signal.AMOUNT,
            channel_id=place.id,
            statistic=WindowStatistic.SUM,
            window_s=window_seconds(watch.window),
            by_month=watch.window == "month",
            alignment=watch.alignment,
            least_valid=watch.least_valid,
        )
    if isinstance(watch, RateWatch):
        return Source(signal=Signal.RATE, channel_id=place.id, window_s=window_seconds(watch.over))
    if isinstance(watch, ComplianceWatch):
        return _compliance_source(watch, target, ground.base_s)
    return _other_source(watch, place)


def _compliance_source(watch: ComplianceWatch, target: Target, base_s: int) -> Source:
    kind = target.kind
    if kind is None:
        raise InputError(f"{target.place.key} has no compliance rule that could be watched")
    return Source(
        signal=Signal.COMPLIANCE,
        channel_id=target.place.id,
        level=kind.level,
        statistic=kind.statistic,
        window_s=rule_window_s(kind.window, base_s),
        by_month=kind.window is RuleWindow.MONTH,
        alignment=Alignment(watch.alignment),
        share=watch.share,
    )


def _other_source(watch: KpiWatch | SilenceWatch | FindingWatch | HealthWatch, place: Place) -> Source:
    if isinstance(watch, KpiWatch):
        kind = SubjectKind.PARK if not place.key else SubjectKind.METER if "/" in place.key else SubjectKind.TENANT
        return Source(
            signal=Signal.KPI,
            subject=Subject(kind=kind, id=place.id),
            kpi=watch.kpi,
            level=Level[watch.level.upper()],
            alignment=Alignment(watch.alignment),
        )
    if isinstance(watch, FindingWatch):
        return Source(signal=Signal.FINDING, channel_id=place.id, finding=watch.finding.value)
    if isinstance(watch, HealthWatch):
        return Source(signal=Signal.HEALTH, health=watch.health)
    return Source(
        signal=Signal.SILENCE,
        channel_id=place.id if watch.silence == "channels" else None,
        meter_id=place.id if watch.silence == "meters" else None,
        tenant_id=place.id if watch.silence == "tenants" else None,
    )


def _merge_gap_s(entry: AlarmEntry, source: Source, place: Place, base_s: int) -> int:
    if entry.merge_gap_s is not None:
        return entry.merge_gap_s
    if source.signal is Signal.KPI and source.level is not None:
        return _MERGED_WINDOWS * (base_s if source.level is Level.BASE else _KPI_WINDOW_S.get(source.level, 0))
    if source.signal is Signal.VALUE and source.statistic is None:
        return _MERGED_WINDOWS * place.interval_s
    return _MERGED_WINDOWS * (source.window_s or 0)


def _suppressions(known: _Known, entries: tuple[SuppressEntry, ...], target: Target) -> Iterator[Suppression]:
    for entry in entries:
        if entry.alarm is not None:
            yield Suppression(alarm=_suppressing(entry.alarm, target.written(known.ground.park), known.raised))
            continue
        channel = known.ground.by_channel.get(suppressing_channel(entry, target.place))
        # `./quantity` of a meter that does not measure it suppresses nothing.
        if channel is not None:
            unit = QUANTITIES[channel.quantity].unit
            yield Suppression(
                channel_id=channel.id,
                lowest=None if entry.above is None else in_unit(entry.above, unit),
                highest=None if entry.below is None else in_unit(entry.below, unit),
            )


def suppressing_channel(entry: SuppressEntry, place: Place) -> str:
    """The channel that suppresses a target, as `tenant/meter/quantity`; it need not be there."""
    channel = entry.channel or ""
    own = place.meter if place.quantity else place.key
    return f"{own}/{channel[2:]}" if channel.startswith("./") else channel


def _suppressing(alarm: str, written: str, raised: Mapping[str, set[str]]) -> str:
    """The alarm of another rule that suppresses this target: the one whose own target is, or holds, this one; else any."""
    if "@" in alarm:
        return alarm
    place = written.partition("#")[0]
    holding = [one for one in raised.get(alarm, ()) if f"{place}/".startswith(f"{one.partition('#')[0]}/")]
    # The nearest: of a channel its meter rather than its tenant.
    return f"{alarm}@{max(holding, key=lambda one: (len(one), one))}" if holding else alarm
