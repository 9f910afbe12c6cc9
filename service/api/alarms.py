"""Alarms as the API answers them: with the names, values and texts that people need, and what the asking user may do."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from alerts.acts import check_act
from alerts.conditions import Verdict
from domain.alarmentries import AlarmEntry
from domain.alarmground import Place
from domain.alarms import Act, AlarmState, Category, Inhibit, Severity, Signal, Source, Standing, Status, Step, Watch
from domain.errors import InputError
from domain.quantities import QUANTITIES
from domain.registry import Registry
from domain.time import HOUR_US
from domain.watchentries import KpiWatch
from domain.watches import unit_of_watch
from service.alarmrules import kpi_units
from service.alarmwatches import watch_at, watches_by_alarm
from service.api.alarmmodels import AlarmAnswer, JudgementAnswer, NewestEpisode, TransitionAnswer
from service.api.ranges import now_us
from store.alarmlists import AlarmRow, TransitionRow
from store.alarmrulerows import entry_of_rule
from store.alarmvalues import AlarmValue, read_alarm_values
from store.episodelists import JudgementRow
from store.users import User, UserRole

__all__ = [
    "Names",
    "Units",
    "alarm_answers",
    "judgement_answer",
    "names_of",
    "place_words",
    "transition_answer",
    "unit_of",
    "units_of",
    "watch_of",
]

Units = Mapping[str, Mapping[str, str]]
"""Units of KPIs by key, by the key of the park."""

Names = Mapping[str, str]
"""Names of parks, tenants and meters by `park`, `park/tenant` and `park/tenant/meter`."""

_PARTS_OF_CHANNEL = 4


def units_of(registries: Sequence[Registry]) -> Units:
    """Units of the KPIs of some parks."""
    return {registry.park.key: kpi_units(registry) for registry in registries}


def unit_of(entry: AlarmEntry, target: str, park: str, units: Units) -> str:
    """The unit of what a rule watches at a target."""
    subject, _, suffix = target.partition("#")
    if isinstance(entry.watch, KpiWatch):
        return units.get(park, {}).get(suffix, "")
    parts = subject.split("/")
    quantity = parts[-1] if len(parts) == _PARTS_OF_CHANNEL else ""
    try:
        return unit_of_watch(entry.watch, Place(key=subject.partition("/")[2], quantity=quantity))
    except KeyError:
        # The rule was changed since to watch another kind of place, or a quantity is not known any more.
        return ""


def names_of(registries: Iterable[Registry]) -> Names:
    """Names of the tenants and meters of some parks, and of the parks themselves, by their keys as targets have them."""
    named: dict[str, str] = {}
    for registry in registries:
        park = registry.park.key
        named[park] = registry.park.name
        keys = {tenant.id: f"{park}/{tenant.key}" for tenant in registry.tenants}
        named.update((keys[tenant.id], tenant.name) for tenant in registry.tenants)
        named.update((f"{keys.get(meter.tenant_id)}/{meter.key}", meter.name) for meter in registry.meters)
    return named


def place_words(names: Names, target: str) -> str:
    """
    A target in words, as far as it has names; what has none stands as its key.

    Examples
    --------
    >>> place_words({"p": "Park", "p/a": "Alpha"}, "p/a/outlet/ph")
    'Alpha, outlet, pH'
    >>> place_words({"p": "Park"}, "p#power_factor")
    'Park, power factor'
    """
    subject, _, suffix = target.partition("#")
    parts = subject.split("/")
    places = ["/".join(parts[: place + 1]) for place in range(min(len(parts), _PARTS_OF_CHANNEL - 1))]
    words = [names.get(place, place.rpartition("/")[2]) for place in places[1:] or places]
    if len(parts) == _PARTS_OF_CHANNEL:
        words.append(QUANTITIES[parts[-1]].title if parts[-1] in QUANTITIES else parts[-1])
    return ", ".join([*words, *([suffix.replace("_", " ")] if suffix else [])])


async def alarm_answers(
    conn: AsyncConnection[Any], user: User, registries: Sequence[Registry], rows: Sequence[AlarmRow]
) -> list[AlarmAnswer]:
    """
    Some alarms as they are answered, in their order.

    Parameters
    ----------
    registries : sequence of Registry
        The parks that the user may see.
    """
    about = [(row.alarm_id, row.episode) for row in rows if row.episode is not None]
    values = await read_alarm_values(conn, user.name, about)
    seen = {row.park for row in rows}
    parks = [registry for registry in registries if registry.park.key in seen]
    names, units = names_of(parks), units_of(parks)
    # Many alarms have one rule.
    entries = {document: entry_of_rule(document) for document in {row.document for row in rows} if document is not None}
    return [
        _answer(
            row,
            None if row.document is None else entries[row.document],
            user=user,
            place=place_words(names, row.target),
            units=units,
            value=values.get(row.alarm_id),
        )
        for row in rows
    ]


def _answer(
    row: AlarmRow, entry: AlarmEntry | None, *, user: User, place: str, units: Units, value: AlarmValue | None
) -> AlarmAnswer:
    zone = ZoneInfo(row.timezone)
    unit = "" if entry is None else unit_of(entry, row.target, row.park, units)
    return AlarmAnswer(
        id=row.alarm_id,
        park=row.park,
        rule=row.rule,
        name=row.rule if entry is None else entry.name,
        target=row.target,
        place=place,
        category=Category(row.category),
        severity=Severity(row.severity).key,
        state=AlarmState(row.state),
        inhibit=Inhibit(row.inhibit),
        since=row.since.astimezone(zone),
        raised_at=_local(row.raised_at, zone),
        acked_at=_local(row.acked_at, zone),
        acked_by=row.acked_by,
        level=row.level,
        until=_local(row.until, zone),
        episode=None if value is None else _newest(value, zone, unit),
        unit=unit,
        message="" if entry is None else entry.message or entry.name,
        cause="" if entry is None else entry.cause,
        consequence="" if entry is None else entry.consequence,
        action="" if entry is None else entry.action,
        version=row.version,
        acts=list(_acts(row.standing, user)),
    )


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if moment is None else moment.astimezone(zone)


def _newest(value: AlarmValue, zone: ZoneInfo, unit: str) -> NewestEpisode:
    return NewestEpisode(
        start=value.start.astimezone(zone),
        stop=value.stop.astimezone(zone),
        is_over=value.cleared_at is not None,
        peak=value.peak,
        peak_at=_local(value.peak_at, zone),
        bound=value.bound,
        unit=unit,
    )


_ACTS_OF: Mapping[UserRole, tuple[Act, ...]] = {UserRole.TENANT: (Act.COMMENT,), UserRole.AUDITOR: ()}

# Which acts make sense depends on the state alone; the rule is only named in the sentence that says why not.
_ANY_WATCH = Watch(
    rule_id=0,
    alarm_id=0,
    rule="",
    target="",
    name="",
    category=Category.WARNING,
    severity=Severity.LOW,
    source=Source(signal=Signal.VALUE),
    unit="",
)


def _acts(standing: Standing, user: User) -> Iterable[Act]:
    present_us = now_us()
    for act in _ACTS_OF.get(user.role, tuple(Act)):
        try:
            check_act(standing, act, watch=_ANY_WATCH, now_us=present_us, text="why", until_us=present_us + HOUR_US)
        except InputError:
            continue
        yield act


def watch_of(registry: Registry, row: AlarmRow, moment_us: int) -> Watch:
    """
    The watch by which an alarm is dealt with at a moment: that of the version that holds, else of the one before. [us UTC]

    Raises
    ------
    InputError
        No version of the rule is about its target any more.
    """
    watches = watches_by_alarm(registry, row.rule).get((row.rule, row.target), ())
    watch = watch_at(watches, moment_us)
    if watch is None:
        raise InputError(
            f"no rule {row.rule!r} of park {row.park!r} is about {row.target} any more, so there is nothing to deal with"
        )
    return watch


def transition_answer(row: TransitionRow, zone: ZoneInfo) -> TransitionAnswer:
    """A line of the journal as it is answered."""
    return TransitionAnswer(
        id=row.id,
        alarm=row.alarm_id,
        step=Step(row.step),
        before=AlarmState(row.before),
        after=AlarmState(row.after),
        inhibit=Inhibit(row.inhibit),
        at=row.at.astimezone(zone),
        recorded_at=row.recorded_at.astimezone(zone),
        episode=None if row.episode is None else row.episode.astimezone(zone),
        actor=row.actor,
        text=row.text,
        announced=row.announced,
        level=row.level,
    )


def judgement_answer(row: JudgementRow, zone: ZoneInfo) -> JudgementAnswer:
    """A judgement as it is answered."""
    return JudgementAnswer(
        start=row.start.astimezone(zone),
        at=row.at.astimezone(zone),
        least=row.least,
        greatest=row.greatest,
        lowest=row.lowest,
        highest=row.highest,
        verdict=Verdict(row.verdict).name.lower(),
        status=Status(row.status).key,
        final=row.final,
        revision=row.revision,
    )
